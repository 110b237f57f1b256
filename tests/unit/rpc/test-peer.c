#include <string.h>

#include "tests/unit/rpc/puppet.h"

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 3);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

static void expect_stays(Node *a, Node *b) {
        RpcLink *link_a, *link_b;

        nodes_one_link(a, b);
        link_a = LIST_FIRST(&a->rpc->links, RpcLink, link);
        link_b = LIST_FIRST(&b->rpc->links, RpcLink, link);
        g_assert_cmpint(link_a->is_dialled, ==, true); /* A has the lower ID */
        g_assert_cmpint(link_b->is_dialled, ==, false);
        g_assert_true(rpc_peer_find(a->rpc, &b->id)->link == link_a);
        g_assert_true(rpc_peer_find(b->rpc, &a->id)->link == link_b);
}

/* Both dial at once, and both use what they have meanwhile: nothing is lost, one link stays. */
static void test_both_dial(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];

        for (unsigned head_start = 0; head_start < 30; head_start++) {
                bool a_first = head_start % 2;
                Node *first = a_first ? a : b, *second = a_first ? b : a;
                Asked asked[2][20] = {};

                for (size_t i = 0; i < 20; i++)
                        asked_start_text(&asked[0][i], first, second, i % 2 ? "echo" : "stream", "100000");
                for (unsigned i = 0; i < head_start; i++)
                        g_assert_cmpint(sd_event_run(nodes->event, 1000), >=, 0);
                /* also when it is linked by now */
                if (rpc_is_linked(second->rpc, &first->id)) {
                        g_autofree char *address = node_address(first);

                        for (size_t i = 0; i < 20; i++)
                                asked_start_address(&asked[1][i], second, address, &first->id);
                } else
                        for (size_t i = 0; i < 20; i++)
                                asked_start_text(&asked[1][i], second, first, "echo", "x");
                for (size_t i = 0; i < 20; i++) {
                        asked_wait(&asked[0][i]);
                        asked_wait(&asked[1][i]);
                        g_assert_cmpstr(asked[0][i].words, ==, "");
                        g_assert_cmpstr(asked[1][i].words, ==, "");
                        asked_done(&asked[0][i]);
                        asked_done(&asked[1][i]);
                }
                nodes_one_link(a, b);
                nodes_link(a, b);
                nodes_link(b, a);
                nodes_one_link(a, b);

                rpc_forget(a->rpc, &b->id);
                rpc_forget(b->rpc, &a->id);
                while (node_n_links(a) + node_n_links(b) > 0)
                        g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
                nodes_know_all(nodes);
        }
}

/* Connections that cross each other at all stages end with the one of the lower ID. */
static void test_lower_id_stays(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked[2] = {};

        asked_start_text(&asked[0], a, b, "echo", "from a");
        asked_start_text(&asked[1], b, a, "echo", "from b");
        for (int i = 0; i < 2; i++) {
                asked_wait(&asked[i]);
                g_assert_cmpint(asked[i].result, ==, 0);
                asked_done(&asked[i]);
        }
        expect_stays(a, b);
}

/* Notes while the links change over: in order, each at most once. */
static void test_notes_of_both(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        int last = -1;
        g_auto(GStrv) lines = NULL;

        for (int i = 0; i < 3000; i++) {
                g_autofree char *text = g_strdup_printf("%d", i);

                (void) rpc_note(a->rpc, &b->id, text, strlen(text));
                (void) rpc_note(b->rpc, &a->id, text, strlen(text));
                nodes_turns(nodes->event, 3);
        }
        expect_stays(a, b);
        for (int k = 0; k < 2; k++) {
                last = -1;
                lines = g_strsplit(nodes->node[k].notes->str, "\n", -1);
                for (char **line = lines; *line && **line; line++) {
                        g_assert_cmpint(atoi(*line), >, last);
                        last = atoi(*line);
                }
                g_assert_cmpint(last, >, 2900);
                g_clear_pointer(&lines, g_strfreev);
        }
}

/* The peer has lost a link that this one still holds for good: the new one is used, the old one found out.
 */
static void test_rival(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        gint64 deadline = g_get_monotonic_time() + NODE_DEADLINE_USEC;
        RpcLink *old;

        a->rpc->limits.rival_usec = 30 * USEC_PER_MSEC;
        nodes_link(a, b); /* dialled by the lower ID: by the rule it stays */
        old = LIST_FIRST(&b->rpc->links, RpcLink, link);
        (void) sd_event_source_set_enabled(old->io, SD_EVENT_OFF); /* deaf and dumb */
        (void) sd_event_source_set_enabled(old->timer, SD_EVENT_OFF);
        list_remove(&old->in_peer);
        rpc_peer_find(b->rpc, &a->id)->link = NULL;

        nodes_link(b, a);
        g_assert_cmpuint(node_n_links(a), ==, 2);
        nodes_until(nodes->event, &b->n_ups, 2);
        while (node_n_links(a) != 1) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
        }
        g_assert_cmpint(LIST_FIRST(&a->rpc->links, RpcLink, link)->is_dialled, ==, false);
        nodes_link(a, b);
}

static void test_drain_is_bounded(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        a->rpc->limits.drain_usec = 20 * USEC_PER_MSEC;
        a->rpc->limits.ping_interval_usec = 5 * USEC_PER_MSEC;
        asked_start_text(&asked, a, b, "keep", "");
        nodes_until(nodes->event, &b->n_requests, 1);
        rpc_link_drain(LIST_FIRST(&a->rpc->links, RpcLink, link));
        g_assert_cmpint(rpc_is_linked(a->rpc, &b->id), ==, false);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, ERROR_CANCELED);
        g_assert_nonnull(strstr(asked.words, "its calls do not end"));
        asked_done(&asked);
}

/* A link that is drained serves what is under way, and what it was asked before its peer knew. */
static void test_drain(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked[3] = {};

        asked_start_text(&asked[0], a, b, "keep", "");
        nodes_until(nodes->event, &b->n_requests, 1);
        asked_start_text(&asked[1], b, a, "echo", "crossing");
        rpc_link_drain(LIST_FIRST(&a->rpc->links, RpcLink, link));
        asked_wait(&asked[1]);
        g_assert_cmpstr(asked[1].body->str, ==, "crossing");
        asked_start_text(&asked[2], a, b, "echo", "on a new one");
        asked_wait(&asked[2]);
        g_assert_cmpuint(node_n_links(a), ==, 2);
        g_assert_cmpint(rpc_request_reply(b->kept, "kept", 4), ==, 0);
        b->kept = NULL;
        asked_wait(&asked[0]);
        g_assert_cmpstr(asked[0].body->str, ==, "kept");
        nodes_one_link(a, b);
        for (int i = 0; i < 3; i++)
                asked_done(&asked[i]);
}

/* ---- dialling again */

static void test_backoff(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        unsigned port = b->port;
        RpcPeer *peer;
        Asked asked = {};

        a->rpc->limits.backoff_min_usec = 1 * USEC_PER_MSEC;
        a->rpc->limits.backoff_max_usec = 4 * USEC_PER_MSEC;
        node_free_rpc(b);
        asked_start_text(&asked, a, b, "echo", "in the end");
        peer = rpc_peer_find(a->rpc, &b->id);
        nodes_until(nodes->event, &peer->n_failures, 5);
        g_assert_cmpuint(asked.n_done, ==, 0);
        node_restart(b);
        g_assert_cmpuint(b->port, ==, port);
        asked_wait(&asked);
        g_assert_cmpstr(asked.body->str, ==, "in the end");
        g_assert_cmpuint(peer->n_failures, ==, 0);
        asked_done(&asked);
}

/* Nobody asks: nobody dials. */
static void test_no_demand(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];

        nodes_link(a, b);
        rpc_forget(b->rpc, &a->id);
        nodes_until(nodes->event, &a->n_downs, 1);
        nodes_turns(nodes->event, 100);
        g_assert_null(rpc_peer_find(a->rpc, &b->id)->dial);
        g_assert_cmpuint(node_n_links(a), ==, 0);
}

/* A dead peer delays no other one. */
static void test_dead_peer(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1], *c = &nodes->node[2];
        Asked dead = {}, alive = {};

        (void) sd_event_source_set_enabled(b->rpc->listeners[0].watch.io, SD_EVENT_OFF);
        asked_start_text(&dead, a, b, "hello", "");
        for (int i = 0; i < 10; i++) {
                asked_start_text(&alive, a, c, "echo", "alive");
                asked_wait(&alive);
                g_assert_cmpint(alive.result, ==, 0);
                asked_done(&alive);
        }
        g_assert_cmpuint(dead.n_done, ==, 0);
        asked_done(&dead);
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/peer/both-dial", test_both_dial);
        ADD("/rpc/peer/lower-id-stays", test_lower_id_stays);
        ADD("/rpc/peer/notes-of-both", test_notes_of_both);
        ADD("/rpc/peer/rival", test_rival);
        ADD("/rpc/peer/drain-is-bounded", test_drain_is_bounded);
        ADD("/rpc/peer/drain", test_drain);
        ADD("/rpc/peer/backoff", test_backoff);
        ADD("/rpc/peer/no-demand", test_no_demand);
        ADD("/rpc/peer/dead-peer", test_dead_peer);
        return g_test_run();
}
