#include <string.h>

#include "tests/unit/rpc/puppet.h"

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 2);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

static void fail_kept(Node *node) {
        _cleanup_(error_done) Error error = {};

        (void) error_set(&error, ERROR_BUSY, "not now");
        g_assert_cmpint(rpc_request_fail(node->kept, &error), ==, 0);
        node->kept = NULL;
}

static void test_later(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        asked_start_text(&asked, a, b, "keep", "");
        nodes_until(a->event, &b->n_requests, 1);
        g_assert_cmpint(peer_id_equal(rpc_request_peer(b->kept), &a->id), ==, true);
        g_assert_cmpint(rpc_request_reply(b->kept, "later", 5), ==, 0);
        b->kept = NULL;
        asked_wait(&asked);
        g_assert_cmpstr(asked.body->str, ==, "later");
        asked_done(&asked);

        asked_start_text(&asked, a, b, "keep", "");
        nodes_until(a->event, &b->n_requests, 2);
        fail_kept(b);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, ERROR_BUSY);
        g_assert_cmpstr(asked.words, ==, "not now");
        asked_done(&asked);
        g_assert_cmpuint(b->n_closed, ==, 0);
}

/* The asker goes, by its call or by its link: who wants to know is told, who does not may still answer. */
static void test_asker_gone(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        uint8_t exporter[32];

        for (unsigned i = 0; i < 4; i++) {
                bool told = i % 2, link = i / 2;
                unsigned n = b->n_requests, n_downs = b->n_downs;
                Asked asked = {};

                asked_start_text(&asked, a, b, told ? "keep" : "orphan", "");
                nodes_until(a->event, &b->n_requests, n + 1);
                asked_done(&asked);
                if (link) {
                        rpc_forget(a->rpc, &b->id);
                        nodes_until(a->event, &b->n_downs, n_downs + 1);
                        node_know(a, b);
                } else
                        nodes_link(a, b);
                if (told) {
                        g_assert_null(b->kept);
                        continue;
                }
                g_assert_cmpint(rpc_request_exporter(b->kept, exporter),
                                ==,
                                link ? -ENOTCONN : rpc_request_exporter(b->kept, exporter));
                if (link)
                        fail_kept(b);
                else {
                        g_assert_cmpint(rpc_request_reply(b->kept, "x", 1), ==, 0);
                        b->kept = NULL;
                }
        }
        g_assert_cmpuint(b->n_closed, ==, 2);
        g_assert_cmpuint(b->rpc->n_handled, ==, 0);
}

/* Answered from inside a callback in which the link was closed before. */
static void test_closed_link(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        asked_start_text(&asked, a, b, "orphan", "");
        nodes_until(a->event, &b->n_requests, 1);
        rpc_forget(b->rpc, &a->id);
        fail_kept(b);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, ERROR_CANCELED);
        asked_done(&asked);
}

/* ---- what a stranger may send */

static void test_paths(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *path, *code, *words;
        } cases[] = {
                { "/1/hello", "", "hello 1" },
                { "/", "Unsupported", "the path is not /1/METHOD" },
                { "/1", "Unsupported", "the path is not /1/METHOD" },
                { "/x/hello", "Unsupported", "the path is not /1/METHOD" },
                { "/-1/hello", "Unsupported", "the path is not /1/METHOD" },
                { "/99999999999999999999999/hello", "Unsupported", "the path is not /1/METHOD" },
                { "/2/hello",
                  "Unsupported",
                  "this peer speaks version 1 of the protocol, the request is of version 2" },
                { "/1/", "Unsupported", "this peer has no method ''" },
                { "/1/hello/x", "Unsupported", "this peer has no method 'hello/x'" },
        };
        Node *a = &nodes->node[0];
        Puppet puppet;

        puppet_open(&puppet, nodes->event, a->port);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned n = puppet.n_closed;

                g_string_truncate(puppet.data, 0);
                puppet_ask(&puppet, cases[i].path, "x");
                puppet_until(&puppet, &puppet.n_closed, n + 1);
                g_assert_cmpstr(puppet.code, ==, cases[i].code);
                g_assert_cmpstr(puppet.data->str, ==, cases[i].words);
        }
        g_assert_cmpuint(a->n_requests, ==, 1);
        g_assert_cmpuint(a->rpc->n_refused, ==, ELEMENTSOF(cases) - 1);
        g_assert_cmpuint(a->rpc->n_refused_logged, ==, 1);
        puppet_close(&puppet);
}

/* The methods of members are closed to it, the open ones are not. */
static void test_trust(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const char *const closed[] = {
                "/1/echo", "/1/keep", "/1/stream", "/1/notes/0000000000000001/1"
        };
        Node *a = &nodes->node[0];
        Puppet puppet;

        a->trusts_nobody = true;
        puppet_open(&puppet, nodes->event, a->port);
        for (unsigned i = 0; i < ELEMENTSOF(closed); i++) {
                puppet_ask(&puppet, closed[i], "\0\0\0\1x");
                puppet_until(&puppet, &puppet.n_closed, i + 1);
                g_assert_cmpstr(puppet.code, ==, "Forbidden");
        }
        g_assert_cmpuint(a->n_requests, ==, 0);
        g_assert_cmpuint(a->n_notes, ==, 0);
        puppet_ask(&puppet, "/1/hello", "x");
        puppet_until(&puppet, &puppet.n_oks, 1);
        puppet_close(&puppet);
}

static void write_zeros(Puppet *puppet, H2Stream *stream, size_t n) {
        static const char zeros[4096];

        for (; n > 0; n -= MIN(n, sizeof(zeros)))
                g_assert_cmpint(h2_write(puppet->h2, stream, zeros, MIN(n, sizeof(zeros)), false), ==, 0);
}

/* Bodies that do not end: bounded by what is gathered of a link; less of a stranger's. */
static void test_gathered(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        RpcLink *link;

        for (int trusted = 0; trusted < 2; trusted++) {
                Puppet puppet;

                a->trusts_nobody = !trusted;
                puppet_open(&puppet, nodes->event, a->port);
                for (unsigned i = 0; i < 8; i++) {
                        H2Stream *stream = puppet_ask(&puppet, "/1/hello", NULL);

                        write_zeros(&puppet, stream, 60 * 1024);
                        for (int k = 0; k < 10; k++)
                                puppet_turn(&puppet);
                        link = LIST_FIRST(&a->rpc->links, RpcLink, link);
                        g_assert_cmpuint(
                                        link->gathered,
                                        <=,
                                        trusted ? RPC_GATHER_MAX : RPC_GATHER_UNTRUSTED_MAX);
                }
                if (trusted)
                        while (link->gathered < 8 * 60 * 1024)
                                puppet_turn(&puppet);
                else {
                        puppet_until(&puppet, &puppet.n_errors, 4);
                        g_assert_cmpstr(puppet.code, ==, "Busy");
                }
                puppet_close(&puppet);
                while (node_n_links(a) > 0)
                        g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
        }
}

static void test_request_too_big(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        Puppet puppet;
        H2Stream *stream;

        puppet_open(&puppet, nodes->event, a->port);
        stream = puppet_ask(&puppet, "/1/hello", NULL);
        write_zeros(&puppet, stream, RPC_BODY_MAX);
        for (int i = 0; i < 500; i++)
                puppet_turn(&puppet);
        g_assert_cmpuint(puppet.n_heads, ==, 0);
        write_zeros(&puppet, stream, 1);
        puppet_until(&puppet, &puppet.n_closed, 1);
        g_assert_cmpstr(puppet.code, ==, "TooBig");
        g_assert_cmpuint(a->n_requests, ==, 0);
        puppet_close(&puppet);
}

/* Answers that are not read: beyond the limit they are not kept. */
static void test_unread_answers(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        Puppet puppet;
        size_t queued;

        puppet_open(&puppet, nodes->event, a->port);
        puppet.is_deaf = true;
        for (int i = 0; i < 12; i++)
                puppet_ask(&puppet, "/1/zeros", "4194304");
        while (a->n_requests < 12)
                puppet_turn(&puppet);
        queued = h2_queued(LIST_FIRST(&a->rpc->links, RpcLink, link)->h2);
        g_assert_cmpuint(queued, <=, RPC_QUEUE_MAX + 100);
        g_assert_cmpuint(queued, >, RPC_QUEUE_MAX / 2);

        puppet.is_deaf = false;
        puppet_until(&puppet, &puppet.n_heads, 12);
        g_assert_cmpuint(puppet.n_errors, >=, 4);
        puppet_close(&puppet);
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/request/later", test_later);
        ADD("/rpc/request/asker-gone", test_asker_gone);
        ADD("/rpc/request/closed-link", test_closed_link);
        ADD("/rpc/request/paths", test_paths);
        ADD("/rpc/request/trust", test_trust);
        ADD("/rpc/request/gathered", test_gathered);
        ADD("/rpc/request/too-big", test_request_too_big);
        ADD("/rpc/request/unread-answers", test_unread_answers);
        return g_test_run();
}
