#include <string.h>

#include "daemon/rpc/gather.h"
#include "tests/lib/fault.h"
#include "tests/unit/rpc/nodes.h"

typedef struct Round {
        RpcGather *gather;
        GString *told; /* "<number> <words or body>\n" for each answer, then "done\n" */
        unsigned n_answers, n_done;
        unsigned drop_at; /* the answer in which it is dropped; 0: in none */
        bool drop_at_end;
} Round;

static void on_answer(
                RpcGather *gather,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        Round *round = userdata;

        g_assert_true(gather == round->gather);
        g_assert_cmpuint(round->n_done, ==, 0);
        g_string_append_printf(
                        round->told,
                        "%zu %.*s\n",
                        i,
                        r < 0 ? 200 : (int) size,
                        r < 0 ? error_message(error) : (const char *) body);
        g_assert_cmpint(r, ==, -error_errno(error->code));
        if (++round->n_answers == round->drop_at)
                round->gather = rpc_gather_unref(gather);
}

static void on_done(RpcGather *gather, void *userdata) {
        Round *round = userdata;

        g_assert_true(gather == round->gather);
        round->n_done++;
        g_string_append(round->told, "done\n");
        if (round->drop_at_end)
                round->gather = rpc_gather_unref(gather);
}

static const RpcGatherHandler handler = { on_answer, on_done };

static void begin(Round *round, Node *from, const PeerId *peers, size_t n, RpcGatherOptions options) {
        round->told = g_string_new(NULL);
        options.peers = peers;
        options.n = n;
        options.handler = &handler;
        options.userdata = round;
        options.timeout_usec = options.timeout_usec ?: UINT64_MAX;
        g_assert_cmpint(rpc_gather(from->rpc, &round->gather, &options), ==, 0);
        g_assert_cmpuint(round->n_answers + round->n_done, ==, 0);
}

static void end(Round *round) {
        rpc_gather_unref(round->gather);
        g_string_free(round->told, TRUE);
        *round = (Round){};
}

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 3);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        g_assert_cmpuint(nodes->node[0].rpc->n_calls, ==, 0);
        nodes_close(nodes);
}

#define BODY(text) .body = (text), .size = strlen(text)

static void test_answers(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        const PeerId peers[] = { nodes->node[1].id, nodes->node[2].id };
        Round round = {};

        begin(&round, &nodes->node[0], peers, 2, (RpcGatherOptions){ .method = "echo", BODY("who?") });
        nodes_until(nodes->event, &round.n_done, 1);
        g_assert_cmpuint(round.n_answers, ==, 2);
        g_assert_nonnull(strstr(round.told->str, "0 who?\n"));
        g_assert_nonnull(strstr(round.told->str, "1 who?\n"));
        g_assert_true(g_str_has_suffix(round.told->str, "\ndone\n"));
        nodes_turns(nodes->event, 100);
        g_assert_cmpuint(round.n_done, ==, 1);
        end(&round);
}

static void test_nobody(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Round round = { .drop_at_end = true };

        begin(&round, &nodes->node[0], NULL, 0, (RpcGatherOptions){ .method = "echo" });
        nodes_until(nodes->event, &round.n_done, 1);
        g_assert_cmpstr(round.told->str, ==, "done\n");
        end(&round);
}

/* Each failure is that of its peer alone. */
static void test_errors(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        const PeerId peers[] = { nodes->node[0].id, nodes->node[1].id, nodes->node[2].id };
        Round round = {};

        nodes->node[1].trusts_nobody = true;
        begin(&round, &nodes->node[0], peers, 3, (RpcGatherOptions){ .method = "echo", BODY("who?") });
        nodes_until(nodes->event, &round.n_done, 1);
        g_assert_nonnull(strstr(round.told->str, "0 a peer does not call itself\n"));
        g_assert_nonnull(strstr(round.told->str, "is no member of this cluster"));
        g_assert_nonnull(strstr(round.told->str, "2 who?\n"));
        end(&round);
}

/* One that hangs and one that is gone: each is told when its own time is over, the third one at once. */
static void test_deadlines(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        const PeerId peers[] = { nodes->node[1].id, nodes->node[2].id };
        Round round = {};

        nodes_link(&nodes->node[0], &nodes->node[1]);
        node_free_rpc(&nodes->node[2]);
        begin(&round,
              &nodes->node[0],
              peers,
              2,
              (RpcGatherOptions){ .method = "keep",
                                  .timeout_usec = 300 * USEC_PER_MSEC,
                                  .link_timeout_usec = 20 * USEC_PER_MSEC });
        nodes_until(nodes->event, &round.n_answers, 1);
        if (!g_str_has_prefix(round.told->str, "1 peer ") ||
            !strstr(round.told->str, "was not reached within 20ms: /ip4/127.0.0.1/tcp/"))
                g_assert_cmpstr(round.told->str, ==, "1 peer … was not reached within 20ms: …");
        nodes_until(nodes->event, &round.n_done, 1);
        g_assert_nonnull(strstr(round.told->str, "has not answered within 300ms\ndone\n"));
        end(&round);
}

/* Only so many are asked at once. */
static void test_at_once(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        const PeerId peers[] = { nodes->node[1].id, nodes->node[2].id };
        Node *b = &nodes->node[1], *c = &nodes->node[2];
        Round round = {};

        begin(&round, &nodes->node[0], peers, 2, (RpcGatherOptions){ .method = "keep", .at_once = 1 });
        nodes_until(nodes->event, &b->n_requests, 1);
        nodes_turns(nodes->event, 100);
        g_assert_cmpuint(c->n_requests, ==, 0);
        g_assert_cmpint(rpc_request_reply(TAKE_PTR(b->kept), "b", 1), ==, 0);
        nodes_until(nodes->event, &c->n_requests, 1);
        g_assert_cmpint(rpc_request_reply(TAKE_PTR(c->kept), "c", 1), ==, 0);
        nodes_until(nodes->event, &round.n_done, 1);
        g_assert_cmpstr(round.told->str, ==, "0 b\n1 c\ndone\n");
        end(&round);
}

static void test_dropped(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        const PeerId peers[] = { nodes->node[1].id, nodes->node[2].id };
        Node *b = &nodes->node[1], *c = &nodes->node[2];
        Round round = {};

        begin(&round, &nodes->node[0], peers, 2, (RpcGatherOptions){ .method = "keep" });
        nodes_until(nodes->event, &b->n_requests, 1);
        nodes_until(nodes->event, &c->n_requests, 1);
        end(&round);
        nodes_until(nodes->event, &b->n_closed, 1); /* they are told */
        nodes_until(nodes->event, &c->n_closed, 1);
}

static void test_dropped_in_handlers(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        const PeerId peers[] = { nodes->node[1].id, nodes->node[2].id };

        for (unsigned drop_at = 0; drop_at <= 2; drop_at++)
                for (size_t at_once = 1; at_once <= 2; at_once++) {
                        Round round = { .drop_at = drop_at, .drop_at_end = drop_at == 0 };

                        begin(&round,
                              &nodes->node[0],
                              peers,
                              2,
                              (RpcGatherOptions){ .method = "echo", .at_once = at_once });
                        nodes_until(nodes->event, &round.n_answers, drop_at ?: 2);
                        nodes_turns(nodes->event, 100);
                        g_assert_null(round.gather);
                        g_assert_cmpuint(round.n_answers, ==, drop_at ?: 2);
                        g_assert_cmpuint(round.n_done, ==, drop_at == 0);
                        end(&round);
                }
}

static void test_memory(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        const PeerId peers[] = { nodes->node[1].id, nodes->node[2].id };
        Round round = {};
        const RpcGatherOptions options = {
                .peers = peers,
                .n = 2,
                .method = "echo",
                BODY("abc"),
                .timeout_usec = 1000000,
                .handler = &handler,
                .userdata = &round,
        };

        FOREACH_FAULT {
                int r = rpc_gather(nodes->node[0].rpc, &round.gather, &options);

                if (r >= 0)
                        round.gather = rpc_gather_unref(round.gather);
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
                g_assert_cmpuint(nodes->node[0].rpc->n_calls, ==, 0);
        }
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/gather/answers-one-by-one-then-done", test_answers);
        ADD("/rpc/gather/nobody-to-ask", test_nobody);
        ADD("/rpc/gather/an-error-is-that-of-its-peer", test_errors);
        ADD("/rpc/gather/each-has-its-deadline", test_deadlines);
        ADD("/rpc/gather/so-many-at-once", test_at_once);
        ADD("/rpc/gather/dropped", test_dropped);
        ADD("/rpc/gather/dropped-in-its-handlers", test_dropped_in_handlers);
        ADD("/rpc/gather/out-of-memory", test_memory);
        return g_test_run();
}
