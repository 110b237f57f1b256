#include "tests/unit/rpc/nodes.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/multibase.h"
#include "tests/lib/fault.h"
#include "tests/lib/loopback.h"

#define ASKED_KEPT (4 * 1024 * 1024) /* of a stream */
#define TIMEOUT_USEC (5 * USEC_PER_SEC)

/* ---- methods */

static void on_echo(RpcRequest *request, const void *body, size_t size, void *userdata) {
        Node *node = userdata;
        int r;

        node->n_requests++;
        g_assert_cmpint(rpc_request_is_member(request), ==, true);
        r = rpc_request_reply(request, body, size);
        g_assert_cmpint(r == 0 || fault_fired(), ==, true);
}

static void on_hello(RpcRequest *request, const void *body G_GNUC_UNUSED, size_t size, void *userdata) {
        g_autofree char *text = g_strdup_printf("hello %zu", size);
        Node *node = userdata;

        node->n_requests++;
        g_assert_cmpint(rpc_request_exporter(request, node->exporter), ==, 0);
        g_assert_cmpint(rpc_request_reply(request, text, strlen(text)), ==, 0);
}

static void on_kept_closed(RpcRequest *request, void *userdata) {
        Node *node = userdata;

        node->n_closed++;
        if (node->kept == request)
                node->kept = NULL;
}

static void on_orphan(
                RpcRequest *request,
                const void *body G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        Node *node = userdata;

        node->n_requests++;
        node->kept = request;
}

static void on_keep(RpcRequest *request, const void *body, size_t size, void *userdata) {
        on_orphan(request, body, size, userdata);
        rpc_request_on_closed(request, on_kept_closed, userdata);
}

static void on_fail(
                RpcRequest *request,
                const void *body G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        _cleanup_(error_done) Error error = {};
        Node *node = userdata;

        node->n_requests++;
        (void) error_set(&error, ERROR_NOT_FOUND, "no such thing");
        g_assert_cmpint(rpc_request_fail(request, &error), ==, 0);
}

static size_t number(const void *body, size_t size) {
        g_autofree char *text = g_strndup(body, size);

        return strtoul(text, NULL, 10);
}

static void on_zeros(RpcRequest *request, const void *body, size_t size, void *userdata) {
        size_t n = number(body, size);
        g_autofree char *zeros = g_malloc0(n + 1);
        Node *node = userdata;

        node->n_requests++;
        g_assert_cmpint(rpc_request_reply(request, zeros, n), ==, 0);
}

static ssize_t pull(RpcRequest *request, void *buffer, size_t max, void *userdata) {
        Node *node = userdata;
        size_t n = MIN(max, node->stream_left);

        node->n_pulled++;
        if (node->source_waits) {
                node->kept = request;
                return RPC_SOURCE_WAIT;
        }
        memset(buffer, 's', n);
        node->stream_left -= n;
        return n > 0 ? (ssize_t) n : RPC_SOURCE_END;
}

static void on_source_closed(RpcRequest *request G_GNUC_UNUSED, bool complete, void *userdata) {
        Node *node = userdata;

        node->n_source_closed++;
        node->is_complete = complete;
        node->kept = NULL;
}

static void on_stream(RpcRequest *request, const void *body, size_t size, void *userdata) {
        static const RpcSource source = { pull, on_source_closed };
        Node *node = userdata;

        node->n_requests++;
        node->stream_left = number(body, size);
        g_assert_cmpint(rpc_request_stream(request, &source, node), ==, 0);
}

static ssize_t pull_cut(
                RpcRequest *request G_GNUC_UNUSED, void *buffer, size_t max G_GNUC_UNUSED, void *userdata) {
        Node *node = userdata;

        if (node->n_pulled++ > 0)
                return -EIO;
        *(char *) buffer = 'c';
        return 1;
}

static void on_cut(
                RpcRequest *request,
                const void *body G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        static const RpcSource source = { pull_cut, on_source_closed };
        Node *node = userdata;

        node->n_requests++;
        node->n_pulled = 0;
        g_assert_cmpint(rpc_request_stream(request, &source, node), ==, 0);
}

static const RpcMethod methods[] = {
        { "echo", RPC_MEMBER, on_echo },
        { "hello", RPC_OPEN, on_hello },
        { "keep", RPC_MEMBER, on_keep },
        { "orphan", RPC_MEMBER, on_orphan },
        { "fail", RPC_MEMBER, on_fail },
        { "zeros", RPC_MEMBER, on_zeros },
        { "stream", RPC_MEMBER, on_stream },
        { "cut", RPC_MEMBER, on_cut },
        {},
};

/* ---- events */

static bool is_member(const PeerId *peer G_GNUC_UNUSED, void *userdata) {
        const Node *node = userdata;

        return !node->trusts_nobody;
}

static void on_note(const PeerId *from G_GNUC_UNUSED, const void *bytes, size_t size, void *userdata) {
        Node *node = userdata;

        node->n_notes++;
        if (size < 64) {
                g_string_append_len(node->notes, bytes, (gssize) size);
                g_string_append_c(node->notes, '\n');
        }
}

static void on_link_changed(const PeerId *peer G_GNUC_UNUSED, bool up, void *userdata) {
        Node *node = userdata;

        node->n_ups += up;
        node->n_downs += !up;
}

static const RpcEvents events = { is_member, on_note, on_link_changed };

/* ---- nodes */

/* An Ed25519 key of a seed that is I all over; nobody looks at the public key beside it. */
static void node_start(Node *node, const char *key) {
        int fd = loopback_listen(&node->port);
        const RpcOptions options = {
                .private_key = key,
                .fds = &fd,
                .n_fds = 1,
                .dial_timeout_usec = 2 * USEC_PER_SEC,
                .methods = methods,
                .events = &events,
                .userdata = node,
        };
        _cleanup_(error_done) Error error = {};
        int r;

        r = rpc_new(&node->rpc, node->event, &options, &error);
        g_assert_cmpstr(error.message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
        node->id = *rpc_self(node->rpc);
}

/* Which seeds give IDs in ascending order is found out once. */
static unsigned seed_of(size_t i) {
        static unsigned seeds[NODES_MAX];
        PeerId ids[NODES_MAX];

        for (unsigned s = 0; s < NODES_MAX && seeds[NODES_MAX - 1] == 0; s++) {
                g_autofree char *key = loopback_key(s + 1);
                TlsIdentity *identity;

                g_assert_cmpint(tls_identity_new(&identity, key, NULL), ==, 0);
                ids[s] = *tls_identity_peer(identity);
                tls_identity_free(identity);
                if (s < NODES_MAX - 1)
                        continue;
                for (unsigned a = 0; a < NODES_MAX; a++) {
                        unsigned rank = 0;

                        for (unsigned b = 0; b < NODES_MAX; b++)
                                rank += peer_id_compare(&ids[b], &ids[a]) < 0;
                        seeds[rank] = a + 1;
                }
        }
        return seeds[i];
}

void nodes_open(Nodes *nodes, size_t n) {
        *nodes = (Nodes){ .n = n };
        g_assert_cmpint(sd_event_new(&nodes->event), ==, 0);
        for (size_t i = 0; i < n; i++) {
                g_autofree char *key = loopback_key(seed_of(i));

                nodes->node[i].event = nodes->event;
                nodes->node[i].notes = g_string_new(NULL);
                node_start(&nodes->node[i], key);
        }
}

void node_free_rpc(Node *node) {
        _cleanup_(error_done) Error error = {};

        if (node->kept) {
                (void) error_set(&error, ERROR_CANCELED, "gone");
                (void) rpc_request_fail(node->kept, &error);
                node->kept = NULL;
        }
        node->rpc = rpc_free(node->rpc);
}

void node_restart(Node *node) {
        PeerId id = node->id;

        node_free_rpc(node);
        for (size_t i = 0; i < NODES_MAX; i++) {
                g_autofree char *key = loopback_key(seed_of(i));

                node_start(node, key);
                if (peer_id_equal(&node->id, &id))
                        return;
                node->rpc = rpc_free(node->rpc);
        }
        g_assert_not_reached();
}

void nodes_close(Nodes *nodes) {
        for (size_t i = 0; i < nodes->n; i++) {
                node_free_rpc(&nodes->node[i]);
                g_string_free(nodes->node[i].notes, TRUE);
        }
        sd_event_unref(nodes->event);
}

char *node_address(const Node *node) {
        return g_strdup_printf("/ip4/127.0.0.1/tcp/%u", node->port);
}

void node_know(Node *node, const Node *other) {
        _cleanup_(str_list_done) StrList list = {};
        g_autofree char *address = node_address(other);

        g_assert_cmpint(str_list_append(&list, address), ==, 0);
        g_assert_cmpint(rpc_set_addresses(node->rpc, &other->id, &list), ==, 0);
}

void nodes_know_all(Nodes *nodes) {
        for (size_t i = 0; i < nodes->n; i++)
                for (size_t j = 0; j < nodes->n; j++)
                        if (i != j)
                                node_know(&nodes->node[i], &nodes->node[j]);
}

/* ---- calls */

static bool on_data(RpcCall *call G_GNUC_UNUSED, const void *data, size_t size, void *userdata) {
        Asked *asked = userdata;

        asked->largest = MAX(asked->largest, size);
        asked->received += size;
        if (asked->body->len < ASKED_KEPT)
                g_string_append_len(asked->body, data, (gssize) size);
        return asked->pause_after == 0 || asked->received < asked->pause_after;
}

static void on_done(
                RpcCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        Asked *asked = userdata;

        asked->n_done++;
        asked->result = r;
        asked->code = error->code;
        asked->words = g_strdup(error_message(error));
        g_string_append_len(asked->body, body, (gssize) size);
}

void asked_with(Asked *asked, Node *from, const RpcCallOptions *options, bool streamed) {
        static const RpcCallHandler gathered_handler = { NULL, on_done };
        static const RpcCallHandler streamed_handler = { on_data, on_done };
        size_t pause_after = asked->pause_after;
        RpcCallOptions all = *options;

        *asked = (Asked){ .node = from, .body = g_string_new(NULL), .pause_after = pause_after };
        all.timeout_usec = all.timeout_usec ?: TIMEOUT_USEC;
        all.handler = streamed ? &streamed_handler : &gathered_handler;
        all.userdata = asked;
        g_assert_cmpint(rpc_call(from->rpc, &asked->call, &all), ==, 0);
        g_assert_cmpuint(asked->n_done, ==, 0);
}

void asked_start(
                Asked *asked,
                Node *from,
                const Node *to,
                const char *method,
                const void *body,
                size_t size) {
        asked_with(asked,
                   from,
                   &(RpcCallOptions){ .peer = &to->id, .method = method, .body = body, .size = size },
                   false);
}

void asked_start_text(Asked *asked, Node *from, const Node *to, const char *method, const char *body) {
        asked_start(asked, from, to, method, body, strlen(body));
}

void asked_start_stream(Asked *asked, Node *from, const Node *to, const char *method, const char *body) {
        asked_with(asked,
                   from,
                   &(RpcCallOptions){
                                   .peer = &to->id, .method = method, .body = body, .size = strlen(body) },
                   true);
}

void asked_start_address(Asked *asked, Node *from, const char *address, const PeerId *expected) {
        asked_with(asked,
                   from,
                   &(RpcCallOptions){ .peer = expected, .address = address, .method = "hello" },
                   false);
}

void asked_wait(Asked *asked) {
        nodes_until(asked->node->event, &asked->n_done, 1);
        g_assert_cmpuint(asked->n_done, ==, 1);
}

void asked_done(Asked *asked) {
        rpc_call_unref(asked->call);
        g_free(asked->words);
        if (asked->body)
                g_string_free(asked->body, TRUE);
        *asked = (Asked){};
}

/* ---- the loop */

void nodes_until(sd_event *event, const unsigned *counter, unsigned n) {
        gint64 deadline = g_get_monotonic_time() + NODE_DEADLINE_USEC;

        while (*counter < n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(event, 100000), >=, 0);
        }
}

void nodes_turns(sd_event *event, unsigned n) {
        for (unsigned i = 0; i < n && sd_event_run(event, 0) > 0; i++)
                ;
}

void nodes_link(Node *from, const Node *to) {
        Asked asked = {};

        asked_start_text(&asked, from, to, "hello", "");
        asked_wait(&asked);
        g_assert_cmpstr(asked.body->str, ==, "hello 0");
        asked_done(&asked);
}

size_t node_n_links(const Node *node) {
        size_t n = 0;

        LIST_FOREACH (link, &node->rpc->links, RpcLink, link)
                n++;
        return n;
}

void nodes_one_link(Node *a, Node *b) {
        gint64 deadline = g_get_monotonic_time() + NODE_DEADLINE_USEC;

        while (node_n_links(a) != 1 || node_n_links(b) != 1) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(a->event, 100000), >=, 0);
        }
}
