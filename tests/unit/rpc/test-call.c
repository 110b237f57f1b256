#include <string.h>

#include "tests/lib/fault.h"
#include "tests/unit/rpc/nodes.h"

#define SMALL 1000

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 2);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

static void test_bodies(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const size_t sizes[] = { 0,       1,           16384, H2_WINDOW - 1, H2_WINDOW, H2_WINDOW + 1,
                                        1048577, RPC_BODY_MAX };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                for (size_t from = 0; from < 2; from++) {
                        g_autofree char *body = g_malloc(sizes[i] + 1);
                        Asked asked = {};

                        for (size_t k = 0; k < sizes[i]; k++)
                                body[k] = (char) (k * 7 + k / 251);
                        asked_start(&asked,
                                    &nodes->node[from],
                                    &nodes->node[1 - from],
                                    "echo",
                                    body,
                                    sizes[i]);
                        asked_wait(&asked);
                        g_assert_cmpint(asked.result, ==, 0);
                        g_assert_cmpmem(asked.body->str, asked.body->len, body, sizes[i]);
                        asked_done(&asked);
                }
        g_assert_cmpuint(node_n_links(&nodes->node[0]), ==, 1);
}

static void expect_end(Asked *asked, ErrorCode code, const char *words) {
        asked_wait(asked);
        g_assert_cmpint(asked->code, ==, code);
        g_assert_cmpint(asked->result, ==, -error_errno(code));
        if (!strstr(asked->words, words))
                g_assert_cmpstr(asked->words, ==, words);
        asked_done(asked);
}

static void test_too_big(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        g_autofree char *body = g_malloc0(RPC_BODY_MAX + 1);
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        asked_start(&asked, a, b, "echo", body, RPC_BODY_MAX + 1);
        expect_end(&asked, ERROR_TOO_BIG, "the request has more than");
        asked_start_text(&asked, a, b, "zeros", "4194305");
        expect_end(&asked, ERROR_TOO_BIG, "the answer is too big");
        asked_start_text(&asked, a, b, "stream", "9000000"); /* gathered here */
        expect_end(&asked, ERROR_TOO_BIG, "the answer has more than");
        nodes_until(a->event, &b->n_source_closed, 1);
        g_assert_cmpint(b->is_complete, ==, false);
        nodes_link(a, b);
        g_assert_cmpuint(node_n_links(a), ==, 1);
}

static void test_errors(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        asked_start_text(&asked, a, b, "fail", "");
        expect_end(&asked, ERROR_NOT_FOUND, "no such thing");
        asked_start_stream(&asked, a, b, "fail", "");
        expect_end(&asked, ERROR_NOT_FOUND, "no such thing");
        asked_start_text(&asked, a, b, "nonsense", "");
        expect_end(&asked, ERROR_UNSUPPORTED, "this peer has no method 'nonsense'");
        asked_start_text(&asked, a, b, "cut", "");
        expect_end(&asked, ERROR_CANCELED, "the peer has broken off the call");
        g_assert_cmpuint(b->n_source_closed, ==, 1);
        g_assert_cmpint(b->is_complete, ==, false);
        asked_start_text(&asked, a, a, "hello", "");
        expect_end(&asked, ERROR_INVALID, "a peer does not call itself");
        b->trusts_nobody = true;
        asked_start_text(&asked, a, b, "echo", "");
        expect_end(&asked, ERROR_FORBIDDEN, "is no member of this cluster");
        nodes_link(a, b);
}

static void test_no_address(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        PeerId unknown;
        Asked asked = {};

        g_assert_cmpint(peer_id_parse("12D3KooWM6CgA9iBFZmcYAHA6A2qvbAxqfkmrYiRQuz3XEsk4Ksv", &unknown),
                        ==,
                        0);
        asked_with(&asked, a, &(RpcCallOptions){ .peer = &unknown, .method = "hello" }, false);
        expect_end(&asked, ERROR_NOT_FOUND, "no address of it is known");
        nodes_turns(a->event, 10);
        g_assert_null(rpc_peer_find(a->rpc, &unknown));
}

/* ---- deadlines */

static void ask_shortly(Asked *asked, Node *from, const Node *to, const char *method) {
        asked_with(asked,
                   from,
                   &(RpcCallOptions){
                                   .peer = &to->id, .method = method, .timeout_usec = 30 * USEC_PER_MSEC },
                   false);
}

static void test_deadline(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        nodes_link(a, b);
        ask_shortly(&asked, a, b, "keep");
        expect_end(&asked, ERROR_TIMEOUT, "has not answered within 30ms");
        nodes_until(a->event, &b->n_closed, 1); /* and the peer is told */
        nodes_link(a, b);

        node_free_rpc(b);
        ask_shortly(&asked, a, b, "hello");
        expect_end(&asked, ERROR_TIMEOUT, "was not reached within 30ms: /ip4/127.0.0.1/tcp/");
}

/* The time to get a link counts only until there is one. */
static void test_link_deadline(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        RpcCallOptions options = { .peer = &b->id,
                                   .method = "keep",
                                   .timeout_usec = 60 * USEC_PER_MSEC,
                                   .link_timeout_usec = 20 * USEC_PER_MSEC };
        Asked asked = {};

        nodes_link(a, b);
        asked_with(&asked, a, &options, false);
        expect_end(&asked, ERROR_TIMEOUT, "has not answered within 60ms");
        options.timeout_usec = UINT64_MAX;
        asked_with(&asked, a, &options, false);
        while (asked.call->timer)
                g_assert_cmpint(sd_event_run(a->event, 100000), >=, 0);
        g_assert_cmpuint(asked.n_done, ==, 0);
        asked_done(&asked);

        node_free_rpc(b);
        asked_with(&asked, a, &options, false);
        expect_end(&asked, ERROR_TIMEOUT, "was not reached within 20ms: /ip4/127.0.0.1/tcp/");
}

/* Nobody answers at an address that is listened at: the backlog takes the connection. */
static void test_deadline_in_handshake(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        (void) sd_event_source_set_enabled(b->rpc->listeners[0].watch.io, SD_EVENT_OFF);
        ask_shortly(&asked, a, b, "hello");
        expect_end(&asked, ERROR_TIMEOUT, "has not answered within 30ms");
}

/* ---- dropping */

static void test_dropped(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        for (unsigned turns = 0; turns < 40; turns++) {
                asked_start_text(&asked, a, b, "keep", "x");
                for (unsigned i = 0; i < turns % 20; i++)
                        g_assert_cmpint(sd_event_run(a->event, 1000), >=, 0);
                g_assert_cmpuint(asked.n_done, ==, 0);
                asked_done(&asked);
        }
        nodes_link(a, b);
        nodes_until(a->event, &b->n_closed, b->n_requests - 1);
        g_assert_cmpuint(a->rpc->n_calls, ==, 0);
}

/* Cancelling many calls at once is no flood. */
static void test_many_dropped(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        static Asked asked[200];

        nodes_link(a, b);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                asked_start_text(&asked[i], a, b, "keep", "x");
        nodes_until(a->event, &b->n_requests, ELEMENTSOF(asked) + 1);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                asked_done(&asked[i]);
        nodes_until(a->event, &b->n_closed, 50);
        for (int i = 0; i < 20; i++)
                nodes_link(a, b);
        g_assert_cmpuint(a->n_downs, ==, 0);
        g_assert_cmpuint(b->n_closed, ==, 50);
}

typedef struct Dropper {
        RpcCall *call;
        unsigned n_data, n_done;
} Dropper;

static bool drop_on_data(
                RpcCall *call, const void *data G_GNUC_UNUSED, size_t n G_GNUC_UNUSED, void *userdata) {
        Dropper *dropper = userdata;

        g_assert_true(call == dropper->call);
        dropper->n_data++;
        dropper->call = rpc_call_unref(dropper->call);
        return dropper->n_data % 2;
}

static void drop_on_done(
                RpcCall *call,
                int r G_GNUC_UNUSED,
                const Error *error G_GNUC_UNUSED,
                const void *body G_GNUC_UNUSED,
                size_t n G_GNUC_UNUSED,
                void *userdata) {
        Dropper *dropper = userdata;

        g_assert_true(call == dropper->call);
        dropper->n_done++;
        dropper->call = rpc_call_unref(dropper->call);
}

static void test_dropped_in_callbacks(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const RpcCallHandler on_data = { drop_on_data, drop_on_done },
                                    on_done = { NULL, drop_on_done };
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        RpcCallOptions options = {
                .peer = &b->id, .method = "stream", .body = "100000", .size = 6, .timeout_usec = UINT64_MAX
        };
        Dropper dropper = {};

        options.userdata = &dropper;
        options.handler = &on_data;
        for (unsigned i = 1; i <= 2; i++) {
                g_assert_cmpint(rpc_call(a->rpc, &dropper.call, &options), ==, 0);
                nodes_until(a->event, &dropper.n_data, i);
        }
        options.handler = &on_done;
        g_assert_cmpint(rpc_call(a->rpc, &dropper.call, &options), ==, 0);
        nodes_until(a->event, &dropper.n_done, 1);
        g_assert_cmpuint(dropper.n_data, ==, 2);
        nodes_link(a, b);
}

/* ---- streams and their owner's pace */

static void test_stream(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        for (size_t from = 0; from < 2; from++) {
                Node *b = &nodes->node[1 - from];
                Asked asked = {};

                asked_start_stream(&asked, &nodes->node[from], b, "stream", "100000000");
                asked_wait(&asked);
                g_assert_cmpint(asked.result, ==, 0);
                g_assert_cmpuint(asked.received, ==, 100000000);
                g_assert_cmpuint(asked.largest, <=, 16384);
                g_assert_cmpuint(b->n_source_closed, ==, 1);
                g_assert_cmpint(b->is_complete, ==, true);
                asked_done(&asked);
        }
}

static void test_paused(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = { .pause_after = 1 }, other = {};
        unsigned n_resumed = 0;

        asked_start_stream(&asked, a, b, "stream", "3000000");
        while (asked.body->len == 0)
                g_assert_cmpint(sd_event_run(a->event, 100000), >=, 0);
        nodes_link(a, b); /* nothing stops while one call does */
        nodes_turns(a->event, 1000);
        g_assert_cmpuint(asked.body->len, <=, 16384);
        g_assert_cmpuint(a->rpc->n_calls, ==, 1);
        /* the window, what waits at the other end, and what is on the way between */
        g_assert_cmpuint(3000000 - b->stream_left, <=, 2 * H2_WINDOW);
        asked_start_text(&other, a, b, "echo", "still");
        asked_wait(&other);
        g_assert_cmpstr(other.body->str, ==, "still");
        asked_done(&other);

        while (asked.n_done == 0) { /* it pauses after each part */
                size_t before = asked.body->len;

                rpc_call_resume(asked.call);
                rpc_call_resume(asked.call);
                g_assert_cmpuint(asked.body->len, ==, before);
                while (asked.n_done == 0 && asked.body->len == before)
                        g_assert_cmpint(sd_event_run(a->event, 100000), >=, 0);
                n_resumed++;
        }
        g_assert_cmpuint(asked.body->len, ==, 3000000);
        g_assert_cmpuint(n_resumed, >, 5);
        asked_done(&asked);
}

/* All has come, and the link is lost, while the owner has paused: it gets the rest. */
static void test_held(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = { .pause_after = 1 };

        asked_start_stream(&asked, a, b, "stream", "100000");
        while (!asked.call || asked.call->state != RPC_CALL_HELD)
                g_assert_cmpint(sd_event_run(a->event, 100000), >=, 0);
        g_assert_cmpuint(asked.n_done, ==, 0);
        rpc_forget(a->rpc, &b->id);
        nodes_turns(a->event, 100);
        asked.pause_after = 0;
        rpc_call_resume(asked.call);
        asked_wait(&asked);
        g_assert_cmpint(asked.result, ==, 0);
        g_assert_cmpuint(asked.body->len, ==, 100000);
        asked_done(&asked);
}

static void test_held_and_dropped(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Asked asked = { .pause_after = 1 };

        asked_start_stream(&asked, &nodes->node[0], &nodes->node[1], "stream", "100000");
        while (!asked.call || asked.call->state != RPC_CALL_HELD)
                g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
        rpc_call_resume(asked.call);
        asked_done(&asked);
        nodes_turns(nodes->event, 100);
}

static void test_source_waits(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        b->source_waits = true;
        asked_start_stream(&asked, a, b, "stream", "1000");
        nodes_until(a->event, &b->n_pulled, 1);
        nodes_turns(a->event, 100);
        g_assert_cmpuint(b->n_pulled, ==, 1);
        b->source_waits = false;
        rpc_request_resume(b->kept);
        asked_wait(&asked);
        g_assert_cmpuint(asked.body->len, ==, 1000);
        asked_done(&asked);
}

/* ---- many */

static void test_many(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static Asked asked[2][600]; /* more than there may be streams */

        for (size_t from = 0; from < 2; from++)
                for (size_t i = 0; i < ELEMENTSOF(asked[0]); i++) {
                        g_autofree char *body = g_strdup_printf("%zu %zu", from, i);

                        asked_start_text(
                                        &asked[from][i],
                                        &nodes->node[from],
                                        &nodes->node[1 - from],
                                        "echo",
                                        body);
                }
        for (size_t from = 0; from < 2; from++)
                for (size_t i = 0; i < ELEMENTSOF(asked[0]); i++) {
                        g_autofree char *body = g_strdup_printf("%zu %zu", from, i);

                        asked_wait(&asked[from][i]);
                        g_assert_cmpint(asked[from][i].result, ==, 0);
                        g_assert_cmpstr(asked[from][i].body->str, ==, body);
                        asked_done(&asked[from][i]);
                }
}

static void test_queue_is_bounded(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        g_autofree char *body = g_malloc0(RPC_BODY_MAX);
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked[5] = {};
        static Asked small[RPC_CALLS_MAX + 1];

        node_free_rpc(b);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                asked_start(&asked[i], a, b, "echo", body, RPC_BODY_MAX);
        expect_end(&asked[4], ERROR_BUSY, "too many calls wait for the peer");
        for (size_t i = 0; i < 4; i++) {
                g_assert_cmpuint(asked[i].n_done, ==, 0);
                asked_done(&asked[i]);
        }

        for (size_t i = 0; i < ELEMENTSOF(small); i++)
                asked_start_text(&small[i], a, b, "echo", "");
        expect_end(&small[RPC_CALLS_MAX], ERROR_BUSY, "too many calls wait for the peer");
        for (size_t i = 0; i < RPC_CALLS_MAX; i++)
                asked_done(&small[i]);
        g_assert_cmpuint(rpc_peer_queued(rpc_peer_find(a->rpc, &b->id)), ==, 0);
}

/* ---- links lost in each phase */

static void test_lost_while_sent(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        asked_start_text(&asked, a, b, "keep", "");
        nodes_until(a->event, &b->n_requests, 1);
        g_assert_true(rpc_call_may_have_arrived(asked.call));
        node_free_rpc(b);
        expect_end(&asked, ERROR_CANCELED, "the link to the peer was lost: ");
        g_assert_cmpint(rpc_is_linked(a->rpc, &b->id), ==, false);
}

static void test_lost_while_streaming(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = { .pause_after = 1 };

        asked_start_stream(&asked, a, b, "stream", "90000000");
        while (asked.body->len == 0)
                g_assert_cmpint(sd_event_run(a->event, 100000), >=, 0);
        rpc_forget(b->rpc, &a->id);
        nodes_until(a->event, &b->n_source_closed, 1);
        g_assert_cmpint(b->is_complete, ==, false);
        expect_end(&asked, ERROR_CANCELED, "the link to the peer was lost: ");
}

/* Asked, but not sent, when the link goes: asked again on the next one. */
static void test_lost_before_sent(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        nodes_link(a, b);
        asked_start_text(&asked, a, b, "echo", "kept");
        rpc_peer_settle(rpc_peer_find(a->rpc, &b->id)); /* given to the link, and no further */
        g_assert_cmpint(asked.call->state, ==, RPC_CALL_SENT);
        rpc_link_close(asked.call->link, "for the test");
        asked_wait(&asked);
        g_assert_cmpint(asked.result, ==, 0);
        g_assert_cmpstr(asked.body->str, ==, "kept");
        g_assert_cmpuint(b->n_ups, ==, 2);
        asked_done(&asked);
}

/* Given to a link whose other end takes no more, which this one reads before it has written. */
static void test_not_taken(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        nodes_link(a, b);
        rpc_link_drain(LIST_FIRST(&b->rpc->links, RpcLink, link));
        rpc_settle(b->rpc);
        asked_start_text(&asked, a, b, "echo", "on the next one");
        rpc_peer_settle(rpc_peer_find(a->rpc, &b->id));
        g_assert_cmpint(asked.call->state, ==, RPC_CALL_SENT);
        list_remove(&asked.call->link->busy);
        asked_wait(&asked);
        g_assert_cmpstr(asked.words, ==, "");
        g_assert_cmpstr(asked.body->str, ==, "on the next one");
        nodes_one_link(a, b);
        asked_done(&asked);
}

/* Waiting for a peer that is not there yet. */
static void test_waits_for_peer(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked asked = {};

        a->rpc->limits.backoff_min_usec = a->rpc->limits.backoff_max_usec = 10 * USEC_PER_MSEC;
        nodes_link(a, b);
        rpc_forget(a->rpc, &b->id);
        nodes_until(a->event, &b->n_downs, 1);
        node_know(a, b);
        (void) sd_event_source_set_enabled(b->rpc->listeners[0].watch.io, SD_EVENT_OFF);
        asked_start_text(&asked, a, b, "echo", "at last");
        nodes_turns(a->event, 100);
        g_assert_false(rpc_call_may_have_arrived(asked.call));
        node_restart(b); /* what was connected to it is gone */
        asked_wait(&asked);
        g_assert_cmpstr(asked.body->str, ==, "at last");
        asked_done(&asked);
}

static void test_out_of_memory(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const RpcCallHandler handler = { NULL, drop_on_done };
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Dropper dropper = {};
        const RpcCallOptions options = { .peer = &b->id,
                                         .method = "echo",
                                         .body = "abc",
                                         .size = 3,
                                         .timeout_usec = 1000000,
                                         .handler = &handler,
                                         .userdata = &dropper };

        FOREACH_FAULT {
                int r = rpc_call(a->rpc, &dropper.call, &options);

                if (r >= 0)
                        dropper.call = rpc_call_unref(dropper.call);
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
                g_assert_cmpuint(a->rpc->n_calls, ==, 0);
        }
        nodes_link(a, b);
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/call/bodies-of-each-size-both-ways", test_bodies);
        ADD("/rpc/call/too-big", test_too_big);
        ADD("/rpc/call/errors", test_errors);
        ADD("/rpc/call/no-address", test_no_address);
        ADD("/rpc/call/deadline", test_deadline);
        ADD("/rpc/call/link-deadline", test_link_deadline);
        ADD("/rpc/call/deadline-in-handshake", test_deadline_in_handshake);
        ADD("/rpc/call/dropped", test_dropped);
        ADD("/rpc/call/many-dropped", test_many_dropped);
        ADD("/rpc/call/dropped-in-callbacks", test_dropped_in_callbacks);
        ADD("/rpc/call/stream", test_stream);
        ADD("/rpc/call/paused", test_paused);
        ADD("/rpc/call/held", test_held);
        ADD("/rpc/call/held-and-dropped", test_held_and_dropped);
        ADD("/rpc/call/source-waits", test_source_waits);
        ADD("/rpc/call/many", test_many);
        ADD("/rpc/call/queue-is-bounded", test_queue_is_bounded);
        ADD("/rpc/call/lost-while-sent", test_lost_while_sent);
        ADD("/rpc/call/lost-while-streaming", test_lost_while_streaming);
        ADD("/rpc/call/lost-before-sent", test_lost_before_sent);
        ADD("/rpc/call/not-taken", test_not_taken);
        ADD("/rpc/call/waits-for-peer", test_waits_for_peer);
        ADD("/rpc/call/out-of-memory", test_out_of_memory);
        return g_test_run();
}
