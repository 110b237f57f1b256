#include <string.h>

#include "tests/unit/cluster/asked.h"

#define OTHER "12D3KooWBS8jPkLSZVMD8ygwdLR6WqPDG57frDmvSNa6TQfAvCf3"
#define NOBODY "/ip4/127.0.0.1/tcp/1"

static Peer peer;

static PeerId other(void) {
        PeerId id;

        g_assert_cmpint(peer_id_parse(OTHER, &id), ==, 0);
        return id;
}

static void add(Asked *asked, const PeerId *id, const char *address) {
        g_assert_cmpint(cluster_peer_add(peer.cluster, &asked->call, id, address, asked_on_peer, asked),
                        ==,
                        0);
        g_assert_cmpuint(asked->n, ==, 0);
        asked_wait(&peer, asked);
}

static void take_away(Asked *asked, const PeerId *id) {
        g_assert_cmpint(cluster_peer_remove(peer.cluster, &asked->call, id, asked_on_peer, asked), ==, 0);
        g_assert_cmpuint(asked->n, ==, 0);
        asked_wait(&peer, asked);
}

static void test_add_itself(void) {
        Asked asked = {};

        add(&asked, cluster_self(peer.cluster), NULL);
        g_assert_cmpstr(asked.words, ==, NULL);
        asked_assert_has(asked.json, "\"peername\":\"tester\"");
        asked_done(&asked);
}

static void test_add_nobody(void) {
        static const struct {
                bool names;
                const char *address, *words;
                ErrorCode code;
        } cases[] = {
                { true, NULL, "is not linked, and no address of it is known", ERROR_NOT_FOUND },
                { true, NOBODY "/p2p/" OTHER, "cannot reach " NOBODY, ERROR_CANCELED },
                { false, NOBODY, "cannot reach " NOBODY, ERROR_CANCELED },
                { true, "node.example", "'node.example' is no multiaddr: must begin with /", ERROR_INVALID },
                { false, "/ip4/1/tcp/1", "'/ip4/1/tcp/1' is no multiaddr", ERROR_INVALID },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const PeerId id = other();
                Asked asked = {};

                g_test_message("%s", cases[i].address);
                add(&asked, cases[i].names ? &id : NULL, cases[i].address);
                g_assert_cmpint(asked.code, ==, cases[i].code);
                asked_assert_has(asked.words, cases[i].words);
                asked_done(&asked);
        }
}

static void test_remove(void) {
        const PeerId id = other();
        Asked asked = {};

        take_away(&asked, &id);
        g_assert_cmpstr(asked.words, ==, NULL); /* it is no member, and so it stays */
        asked_assert_has(asked.json, OTHER);
        asked_done(&asked);

        take_away(&asked, cluster_self(peer.cluster));
        g_assert_cmpint(asked.code, ==, ERROR_REFUSED);
        g_assert_cmpstr(asked.words, ==, "cannot remove ourselves from a 1-peer cluster");
        asked_done(&asked);
}

static void test_drop_in_every_state(void) {
        const PeerId id = other();
        bool answered = false;

        for (unsigned turns = 0; !answered; turns++) {
                Asked asked = {};

                g_assert_cmpint(cluster_peer_add(
                                                peer.cluster,
                                                &asked.call,
                                                &id,
                                                NOBODY,
                                                asked_on_peer,
                                                &asked),
                                ==,
                                0);
                for (unsigned i = 0; i < turns && asked.n == 0; i++)
                        peer_turn(&peer, INT64_MAX);
                answered = asked.n > 0;
                asked_done(&asked);
        }
}

static void test_stop(void) {
        const PeerId id = other();
        Asked asked[2] = {};

        g_assert_cmpint(cluster_peer_add(
                                        peer.cluster, &asked[0].call, &id, NOBODY, asked_on_peer, &asked[0]),
                        ==,
                        0);
        cluster_stop(peer.cluster);
        g_assert_cmpint(cluster_peer_remove(peer.cluster, &asked[1].call, &id, asked_on_peer, &asked[1]),
                        ==,
                        0);
        for (size_t i = 0; i < G_N_ELEMENTS(asked); i++) {
                asked_wait(&peer, &asked[i]);
                g_assert_cmpint(asked[i].code, ==, ERROR_CANCELED);
                asked_done(&asked[i]);
        }
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_open(&peer);
        g_test_add_func("/cluster/member-op/add-itself", test_add_itself);
        g_test_add_func("/cluster/member-op/add-nobody", test_add_nobody);
        g_test_add_func("/cluster/member-op/remove", test_remove);
        g_test_add_func("/cluster/member-op/drop-in-every-state", test_drop_in_every_state);
        g_test_add_func("/cluster/member-op/stop", test_stop);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
