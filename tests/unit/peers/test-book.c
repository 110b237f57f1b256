#include <string.h>

#include "tests/unit/peers/members.h"

static void receive(Member *to, const Member *from, const char *text) {
        peers_hello_receive(to->peers, &from->id, text, strlen(text));
}

static void test_hello(void) {
        Members members;

        members_open(&members, 2);
        MEMBERS_UNTIL(members.event,
                      strcmp(peers_name(members.member[0].peers, &members.member[1].id), "member 1") == 0);
        g_assert_cmpstr(peers_name(members.member[0].peers, &members.member[0].id), ==, "member 0");
        g_assert_true(
                        str_list_equal(peers_addresses(members.member[0].peers, &members.member[1].id),
                                       &members.member[1].addresses));
        members_close(&members);
}

/* One knows where all others are, and the others hear of them by it. */
static void test_spreads(void) {
        Members members;

        members_prepare(&members, 3);
        str_list_done(&members.member[1].known);
        str_list_done(&members.member[2].known);
        for (size_t i = 0; i < 3; i++)
                member_start(&members.member[i]);
        for (size_t i = 0; i < 3; i++)
                for (size_t k = 0; k < 3; k++)
                        MEMBERS_UNTIL(members.event,
                                      peers_is_up(members.member[i].peers, &members.member[k].id));
        members_close(&members);
}

static void test_peerstore(void) {
        Members members;
        g_autofree char *text = NULL;

        members_open(&members, 2);
        member_stop(&members.member[0]); /* writes what is not written yet */
        g_assert_true(g_file_get_contents(members.member[0].peerstore, &text, NULL, NULL));
        g_assert_nonnull(strstr(text, members.member[1].addresses.items[0]));
        g_assert_null(strstr(text, members.member[0].addresses.items[0]));

        str_list_done(&members.member[0].known);
        str_list_done(&members.member[1].known);
        member_stop(&members.member[1]);
        member_start(&members.member[0]);
        member_start(&members.member[1]);
        MEMBERS_UNTIL(members.event, members.member[0].n_ready > 0);
        members_close(&members);
}

static void test_hostile_hello(void) {
        static const char *const bad[] = {
                "",
                "{",
                "7",
                "{}",
                "{\"index\":-1}",
                "{\"index\":1,\"members\":[\"x\"]}",
                "{\"index\":1,\"addresses\":7}",
                "{\"index\":1,\"raft_id\":1,\"disk_id\":\"00\"}",
        };
        Members members;
        Member *to, *from;
        StrList before = {};

        members_open(&members, 2);
        to = &members.member[0];
        from = &members.member[1];
        MEMBERS_UNTIL(members.event, peers_name(to->peers, &from->id)[0]);
        g_assert_cmpint(str_list_copy(&before, peers_addresses(to->peers, &from->id)), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                receive(to, from, bad[i]);
        g_assert_cmpstr(peers_name(to->peers, &from->id), ==, "member 1");

        /* Another peer's address, one of nobody, and something that is none: all passed over. */
        receive(to,
                from,
                "{\"index\":1,\"raft_id\":1,\"disk_id\":\"00112233445566778899aabbccddeeff\","
                "\"peername\":\"new\",\"addresses\":[\"/ip4/1.2.3.4/tcp/1\",\"x\","
                "\"/ip4/1.2.3.4/tcp/1/p2p/12D3KooWDpp7U7W9Q8feMZPPEpPP5FKXTUakLgnVLbavfjb9mzrT\"]}");
        g_assert_cmpstr(peers_name(to->peers, &from->id), ==, "new");
        g_assert_true(str_list_equal(peers_addresses(to->peers, &from->id), &before));
        str_list_done(&before);
        members_close(&members);
}

/* However many are told of, the book has a bound, and members stay in it. */
static void test_bound(void) {
        Members members;
        Member *member;

        members_open(&members, 2);
        member = &members.member[0];
        for (unsigned i = 0; i < 2 * RPC_PEERS_MAX; i++) {
                uint8_t key[36] = { 0x08, 0x01, 0x12, 0x20 };
                PeersEntry *entry;
                PeerId id;

                memcpy(key + 4, &i, sizeof(i));
                g_assert_cmpint(peer_id_from_public_key(key, sizeof(key), &id), ==, 0);
                g_assert_cmpint(peers_book_get(member->peers, &id, &entry), ==, 0);
        }
        g_assert_cmpuint(map_size(member->peers->book), ==, RPC_PEERS_MAX);
        g_assert_nonnull(peers_book_find(member->peers, &members.member[1].id));
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/book/hello", test_hello);
        g_test_add_func("/peers/book/spreads", test_spreads);
        g_test_add_func("/peers/book/peerstore", test_peerstore);
        g_test_add_func("/peers/book/hostile-hello", test_hostile_hello);
        g_test_add_func("/peers/book/bound", test_bound);
        return g_test_run();
}
