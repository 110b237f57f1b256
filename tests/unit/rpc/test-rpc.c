#include <string.h>

#include "tests/lib/fault.h"
#include "tests/lib/loopback.h"
#include "tests/unit/rpc/puppet.h"

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 3);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

/* Both ends of a link have the same secret, each link another one. */
static void test_exporter(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1], *c = &nodes->node[2];
        uint8_t first[32], second[32], third[32];

        g_assert_cmpint(rpc_exporter(a->rpc, &b->id, first), ==, -ENOTCONN);
        nodes_link(a, b);
        g_assert_cmpint(rpc_exporter(a->rpc, &b->id, first), ==, 0);
        g_assert_cmpmem(first, 32, b->exporter, 32);
        g_assert_cmpint(rpc_exporter(b->rpc, &a->id, second), ==, 0);
        g_assert_cmpmem(first, 32, second, 32);

        nodes_link(a, c);
        g_assert_cmpint(rpc_exporter(a->rpc, &c->id, second), ==, 0);
        g_assert_cmpmem(second, 32, c->exporter, 32);
        g_assert_cmpint(memcmp(first, second, 32), !=, 0);

        rpc_forget(a->rpc, &b->id);
        nodes_until(nodes->event, &b->n_downs, 1);
        node_know(a, b);
        nodes_link(a, b);
        g_assert_cmpint(rpc_exporter(a->rpc, &b->id, third), ==, 0);
        g_assert_cmpint(memcmp(first, third, 32), !=, 0);
}

static void test_link_changed(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];

        g_assert_cmpint(rpc_is_linked(a->rpc, &b->id), ==, false);
        nodes_link(a, b);
        g_assert_cmpint(rpc_is_linked(a->rpc, &b->id), ==, true);
        g_assert_cmpuint(a->n_ups, ==, 1);
        g_assert_cmpuint(b->n_ups, ==, 1);
        rpc_forget(a->rpc, &b->id);
        g_assert_cmpint(rpc_is_linked(a->rpc, &b->id), ==, false);
        g_assert_cmpuint(a->n_downs, ==, 0); /* not from inside the call */
        nodes_until(nodes->event, &a->n_downs, 1);
        nodes_until(nodes->event, &b->n_downs, 1);
}

static void test_forget(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        Asked sent = {}, waiting = {};

        asked_start_text(&sent, a, b, "keep", "");
        nodes_until(nodes->event, &b->n_requests, 1);
        asked_start_text(&waiting, a, b, "hello", "");
        rpc_forget(a->rpc, &b->id);
        g_assert_cmpuint(sent.n_done + waiting.n_done, ==, 0);
        asked_wait(&sent);
        asked_wait(&waiting);
        g_assert_cmpint(sent.code, ==, ERROR_CANCELED);
        g_assert_cmpint(waiting.code, ==, ERROR_CANCELED);
        nodes_until(nodes->event, &b->n_closed, 1);
        asked_done(&sent);
        asked_done(&waiting);
        g_assert_null(rpc_peer_find(a->rpc, &b->id));
}

static void test_members(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];

        nodes_link(b, a);
        rpc_check_members(a->rpc);
        nodes_turns(nodes->event, 50);
        g_assert_cmpuint(a->n_downs, ==, 0);

        a->trusts_nobody = true;
        rpc_check_members(a->rpc);
        nodes_until(nodes->event, &a->n_downs, 1);
        nodes_link(b, a); /* what is open stays open to it */
        rpc_check_members(a->rpc);
        nodes_turns(nodes->event, 50);
        g_assert_cmpuint(a->n_downs, ==, 1);

        a->trusts_nobody = false; /* it joins, and is removed again */
        rpc_check_members(a->rpc);
        a->trusts_nobody = true;
        rpc_check_members(a->rpc);
        nodes_until(nodes->event, &a->n_downs, 2);
}

static void test_peers_are_bounded(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        _cleanup_(str_list_done) StrList list = {};
        uint8_t key[36] = { 0x08, 0x01, 0x12, 0x20 };
        Node *a = &nodes->node[0];
        PeerId id;
        int r = 0;

        g_assert_cmpint(str_list_append(&list, "/ip4/127.0.0.1/tcp/1"), ==, 0);
        for (unsigned i = 0; i < RPC_PEERS_MAX && r == 0; i++) {
                memcpy(key + 4, &i, sizeof(i));
                g_assert_cmpint(peer_id_from_public_key(key, sizeof(key), &id), ==, 0);
                r = rpc_set_addresses(a->rpc, &id, &list);
        }
        g_assert_cmpint(r, ==, -ENOBUFS); /* the two others are known */
        rpc_forget(a->rpc, &nodes->node[1].id);
        nodes_turns(nodes->event, 2000);
        g_assert_cmpint(rpc_set_addresses(a->rpc, &id, &list), ==, 0);
        g_assert_cmpint(rpc_set_addresses(a->rpc, rpc_self(a->rpc), &list), ==, 0);
        g_assert_null(rpc_peer_find(a->rpc, rpc_self(a->rpc)));
}

/* Everything is under way when it is freed. */
static void test_freed_in_the_middle(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        for (unsigned turns = 0; turns < 25; turns++) {
                Node *a = &nodes->node[0], *b = &nodes->node[1];
                Asked asked = {};

                nodes_know_all(nodes);
                (void) rpc_note(b->rpc, &a->id, "x", 1);
                asked_start_text(&asked, a, b, turns % 3 ? "keep" : "stream", "1000000");
                for (unsigned i = 0; i < turns; i++)
                        g_assert_cmpint(sd_event_run(nodes->event, 1000), >=, 0);
                node_restart(b);
                asked_done(&asked);
                node_restart(a);
        }
}

static void test_out_of_memory(void) {
        g_autofree char *key = loopback_key(1);
        static const RpcMethod methods[1];
        static const RpcEvents events;
        const RpcOptions options = { .private_key = key, .methods = methods, .events = &events };
        sd_event *event;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        FOREACH_FAULT {
                Rpc *rpc = NULL;
                int r = rpc_new(&rpc, event, &options, NULL);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                rpc_free(rpc);
        }
        sd_event_unref(event);
}

/* An allocation fails anywhere while two peers link and ask each other: the call ends, one way or another,
 * and the next one succeeds. */
static void test_out_of_memory_in_the_loop(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        unsigned n_lost = 0;

        a->rpc->limits.backoff_min_usec = a->rpc->limits.backoff_max_usec = USEC_PER_MSEC;
        FOREACH_FAULT {
                Asked asked = { .pause_after = 0 };
                int r = -1;

                rpc_forget(a->rpc, &b->id);
                while (node_n_links(a) + node_n_links(b) > 0)
                        g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
                fault_arm(-1);
                node_know(a, b);
                asked_start_text(&asked, a, b, "echo", "through");
                fault_arm(_n);
                asked_wait(&asked);
                r = asked.result;
                if (r == 0)
                        g_assert_cmpstr(asked.body->str, ==, "through");
                n_lost += r < 0;
                asked_done(&asked);
        }
        g_assert_cmpuint(n_lost, >, 0);
        nodes_link(a, b);
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/rpc/exporter", test_exporter);
        ADD("/rpc/rpc/link-changed", test_link_changed);
        ADD("/rpc/rpc/forget", test_forget);
        ADD("/rpc/rpc/members", test_members);
        ADD("/rpc/rpc/peers-are-bounded", test_peers_are_bounded);
        ADD("/rpc/rpc/freed-in-the-middle", test_freed_in_the_middle);
        g_test_add_func("/rpc/rpc/out-of-memory", test_out_of_memory);
        ADD("/rpc/rpc/out-of-memory-in-the-loop", test_out_of_memory_in_the_loop);
        return g_test_run();
}
