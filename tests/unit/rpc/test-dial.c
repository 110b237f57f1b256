#include <string.h>

#include "tests/lib/fault.h"
#include "tests/unit/rpc/nodes.h"

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 2);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

static void expect_failure(Node *from, const char *address, const PeerId *expected, const char *words) {
        Asked asked = {};

        asked_start_address(&asked, from, address, expected);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, ERROR_CANCELED);
        if (!strstr(asked.words, words))
                g_assert_cmpstr(asked.words, ==, words);
        asked_done(&asked);
        g_assert_cmpuint(node_n_links(from), ==, 0);
}

static void test_address(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        g_autofree char *address = node_address(b), *with_id = NULL;
        char id[PEER_ID_TEXT_MAX];
        Asked asked = {};

        asked_start_address(&asked, a, address, NULL);
        g_assert_null(rpc_call_peer(asked.call));
        asked_wait(&asked);
        g_assert_cmpstr(asked.body->str, ==, "hello 0");
        g_assert_cmpint(peer_id_equal(rpc_call_peer(asked.call), &b->id), ==, true);
        asked_done(&asked);
        g_assert_cmpint(rpc_is_linked(a->rpc, &b->id), ==, true);
        nodes_link(a, b); /* the link stays, and no address is needed */
        g_assert_cmpuint(b->n_ups, ==, 1);

        /* One more to the same peer: the newer stays, and serves the call. */
        with_id = g_strdup_printf("%s/p2p/%s", address, peer_id_format(&b->id, id));
        asked_start_address(&asked, a, with_id, NULL);
        asked_wait(&asked);
        g_assert_cmpstr(asked.body->str, ==, "hello 0");
        asked_done(&asked);
        nodes_one_link(a, b);
}

static void test_failures(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        g_autofree char *address = node_address(b), *own = node_address(a), *with_id = NULL, *dead = NULL,
                        *words = NULL;
        char id[PEER_ID_TEXT_MAX], other[PEER_ID_TEXT_MAX];

        with_id = g_strdup_printf("%s/p2p/%s", address, peer_id_format(&a->id, id));
        words = g_strdup_printf("the peer is %s, expected %s", peer_id_format(&b->id, other), id);
        expect_failure(a, address, &a->id, words);
        expect_failure(a, with_id, NULL, words);
        expect_failure(a, own, NULL, "it is this peer itself, or another one with the same identity");
        expect_failure(a,
                       "/ip4/127.0.0.1/udp/1",
                       NULL,
                       "cannot reach /ip4/127.0.0.1/udp/1: not a TCP address");
        expect_failure(a, "/unix/nowhere", NULL, "not a TCP address");
        expect_failure(a,
                       "/dns4/no-such-host.invalid/tcp/1",
                       NULL,
                       "cannot reach /dns4/no-such-host.invalid/tcp/1: ");

        dead = g_steal_pointer(&address);
        node_free_rpc(b);
        expect_failure(a, dead, NULL, "Connection refused");
}

static void test_names(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const char *const protocols[] = { "dns4", "dns" };
        Node *a = &nodes->node[0], *b = &nodes->node[1];

        for (size_t i = 0; i < ELEMENTSOF(protocols); i++) {
                g_autofree char *address = g_strdup_printf("/%s/localhost/tcp/%u", protocols[i], b->port);
                Asked asked = {};

                asked_start_address(&asked, a, address, NULL);
                asked_wait(&asked);
                g_assert_cmpstr(asked.words, ==, "");
                asked_done(&asked);
        }
}

/* Each address has its turn, until one is the peer's. */
static void test_in_turn(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        g_autofree char *address = node_address(b), *own = node_address(a);
        const char *const list[] = { "/ip4/127.0.0.1/udp/1",
                                     "/ip6/::1/tcp/1",
                                     "/ip4/127.0.0.1/tcp/1",
                                     "/dns/no-such-host.invalid/tcp/1",
                                     own,
                                     address };
        _cleanup_(str_list_done) StrList addresses = {};
        Asked asked = {};

        for (size_t i = 0; i < ELEMENTSOF(list); i++)
                g_assert_cmpint(str_list_append(&addresses, list[i]), ==, 0);
        g_assert_cmpint(rpc_set_addresses(a->rpc, &b->id, &addresses), ==, 0);
        asked_start_text(&asked, a, b, "echo", "reached");
        asked_wait(&asked);
        g_assert_cmpstr(asked.body->str, ==, "reached");
        g_assert_cmpuint(rpc_peer_find(a->rpc, &b->id)->n_failures, ==, 0);
        asked_done(&asked);
}

/* Dropped at each stage, the resolver's included. */
static void test_dropped(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        g_autofree char *numeric = node_address(b);
        g_autofree char *name = g_strdup_printf("/dns4/localhost/tcp/%u", b->port);

        for (unsigned turns = 0; turns < 24; turns++) {
                Asked asked = {};

                asked_start_address(&asked, a, turns % 2 ? numeric : name, NULL);
                for (unsigned i = 0; i < turns / 2; i++)
                        g_assert_cmpint(sd_event_run(a->event, 1000), >=, 0);
                asked_done(&asked);
        }
        nodes_turns(a->event, 100);
        g_assert_cmpint(list_is_empty(&a->rpc->dials), ==, true);
}

static void test_forgotten(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];

        for (unsigned turns = 0; turns < 12; turns++) {
                Asked asked = {};

                node_know(a, b);
                asked_start_text(&asked, a, b, "hello", "");
                for (unsigned i = 0; i < turns; i++)
                        g_assert_cmpint(sd_event_run(a->event, 1000), >=, 0);
                rpc_forget(a->rpc, &b->id);
                asked_wait(&asked);
                if (asked.result < 0)
                        g_assert_cmpint(asked.code, ==, ERROR_CANCELED);
                asked_done(&asked);
                nodes_turns(a->event, 100);
                g_assert_null(rpc_peer_find(a->rpc, &b->id));
        }
}

static void test_connect_timeout(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        Asked asked = {};

        a->rpc->dial_timeout_usec = 0; /* before the loop looks at the socket */
        asked_start_address(&asked, a, "/dns4/localhost/tcp/1", NULL);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, ERROR_CANCELED);
        asked_done(&asked);
}

static void test_out_of_memory(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        g_autofree char *address = node_address(b);
        _cleanup_(str_list_done) StrList list = {};

        g_assert_cmpint(str_list_append(&list, address), ==, 0);
        FOREACH_FAULT {
                RpcDial *dial = NULL;
                int r = rpc_dial_new(&dial, a->rpc, &list, NULL);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                rpc_dial_free(dial);
        }
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/dial/address", test_address);
        ADD("/rpc/dial/failures", test_failures);
        ADD("/rpc/dial/names", test_names);
        ADD("/rpc/dial/in-turn", test_in_turn);
        ADD("/rpc/dial/dropped", test_dropped);
        ADD("/rpc/dial/forgotten", test_forgotten);
        ADD("/rpc/dial/connect-timeout", test_connect_timeout);
        ADD("/rpc/dial/out-of-memory", test_out_of_memory);
        return g_test_run();
}
