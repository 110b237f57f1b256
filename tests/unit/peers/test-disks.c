#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/join/folder.h"
#include "tests/unit/peers/members.h"

#define HEAD 24
#define RECORD 24

static ConsensusStatus status(const Member *member) {
        ConsensusStatus status;

        consensus_status(member->consensus, &status);
        return status;
}

static bool has_leader(const Member *member) {
        ConsensusStatus now = status(member);

        return peer_id_is_set(&now.leader);
}

static void lose_disk(Member *member) {
        g_autofree char *raft = g_build_filename(member->folder, "raft", NULL);

        member_stop(member);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, raft), ==, 0);
}

static bool knows_disk(const Member *member, const Member *of) {
        ConsensusStatus theirs = status(of);
        const uint8_t *known = peers_disks_find(member->peers, theirs.raft_id);

        return known && memcmp(known, theirs.disk_id, CONSENSUS_DISK_ID_SIZE) == 0;
}

/* ---- what is known */

/* Whoever is linked, and whether it was ever needed; and still after a start. */
static void test_all_are_known(void) {
        Members members;

        members_open(&members, 3);
        for (int again = 0; again < 2; again++) {
                for (size_t i = 0; i < 3; i++)
                        for (size_t k = 0; k < 3; k++)
                                MEMBERS_UNTIL(members.event,
                                              i == k || knows_disk(&members.member[i], &members.member[k]));
                member_stop(&members.member[0]);
                member_start(&members.member[0]);
                for (size_t k = 1; k < 3; k++)
                        g_assert_true(knows_disk(&members.member[0], &members.member[k]));
        }
        members_close(&members);
}

/* ---- a member that has lost its disk */

static void assert_goes_to_join(const Member *member) {
        _cleanup_(str_list_done) StrList addresses = {};

        g_assert_cmpint(member->leave_status, ==, EX_TEMPFAIL);
        g_assert_nonnull(strstr(member->leave_words, "this peer has lost its disk, as peer "));
        g_assert_cmpint(join_folder_file_read(member->folder, &addresses, NULL), ==, 1);
        g_assert_cmpuint(addresses.n, >=, 2);
}

static void test_joins_anew(void) {
        Members members;
        Member *leader, *c;
        uint64_t before;

        members_open(&members, 3);
        leader = members_leader(&members);
        c = members_follower(&members);
        before = status(c).raft_id;
        MEMBERS_UNTIL(members.event, knows_disk(leader, c));
        member_pin_wait(leader, 1);

        lose_disk(c);
        member_start(c);
        g_assert_cmpuint(status(c).raft_id, ==, before); /* it founds as the one that it was */
        MEMBERS_UNTIL(members.event, c->n_leaves > 0);
        assert_goes_to_join(c);
        member_leave(c);
        MEMBERS_UNTIL(members.event, member_has(c, 1));
        g_assert_cmpuint(status(c).raft_id, !=, before);
        MEMBERS_UNTIL(members.event, consensus_member_table(leader->consensus)->n == 3);
        members_close(&members);
}

static void on_managed(
                int r,
                const Error *error G_GNUC_UNUSED,
                uint64_t raft_id G_GNUC_UNUSED,
                uint64_t index G_GNUC_UNUSED,
                void *userdata) {
        *(int *) userdata = r;
}

/* It was taken in later, so what it founds anew is nobody that they have ever heard. */
static void test_with_another_id(void) {
        PeersManaged *managed;
        Members members;
        Member *leader, *c;
        int result = 1;

        members_open(&members, 3);
        leader = members_leader(&members);
        c = members_follower(&members);
        lose_disk(c);
        g_assert_cmpint(peers_manage(leader->peers, &managed, PEERS_ADD, &c->id, on_managed, &result),
                        ==,
                        0);
        MEMBERS_UNTIL(members.event, result <= 0);
        g_assert_cmpint(result, ==, 0);
        peers_managed_unref(managed);
        member_pin_wait(leader, 1);

        member_start(c);
        MEMBERS_UNTIL(members.event, c->n_leaves > 0);
        assert_goes_to_join(c);
        member_leave(c);
        MEMBERS_UNTIL(members.event, member_has(c, 1));
        members_close(&members);
}

/* What two have acknowledged, one of them forgets, and the third has never heard of. */
static void test_nothing_is_lost(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1], *c = &members.member[2];

        members_open(&members, 3);
        MEMBERS_UNTIL(members.event, knows_disk(c, a));
        member_stop(c);
        member_pin_wait(a, 1);
        member_pin_wait(b, 2);
        member_stop(b);

        lose_disk(a);
        member_start(a);
        member_start(c);
        MEMBERS_UNTIL(members.event, a->n_leaves > 0);
        assert_goes_to_join(a);
        g_assert_false(has_leader(a) || has_leader(c));
        g_assert_cmpuint(a->n_ready + c->n_ready, ==, 0);

        member_start(b);
        member_leave(a);
        for (size_t i = 0; i < 3; i++)
                MEMBERS_UNTIL(members.event,
                              member_has(&members.member[i], 1) && member_has(&members.member[i], 2));
        members_close(&members);
}

/* ---- one that is confused */

static void write_disk(Member *member, uint64_t raft_id, const uint8_t *id) {
        g_autofree char *path = g_build_filename(member->folder, "raft", "disks", NULL);
        uint8_t bytes[HEAD + RECORD] = "clstdisk";

        le_put32(bytes + 12, 1);
        le_put64(bytes + 16, 1);
        le_put64(bytes + HEAD, raft_id);
        memcpy(bytes + HEAD + 8, id, CONSENSUS_DISK_ID_SIZE);
        le_put32(bytes + 8, hash_crc32c(0, bytes + 12, sizeof(bytes) - 12));
        g_assert_true(g_file_set_contents(path, (const char *) bytes, sizeof(bytes), NULL));
}

/* It takes a member for another one. That one has a log, and loses nothing by it. */
static void test_has_a_log(void) {
        static const uint8_t wrong[CONSENSUS_DISK_ID_SIZE] = { 1 };
        Members members;
        Member *leader, *a, *b = NULL;
        const PeersEntry *entry;

        members_open(&members, 3);
        leader = members_leader(&members);
        a = members_follower(&members);
        for (size_t i = 0; i < 3; i++)
                if (&members.member[i] != a && &members.member[i] != leader)
                        b = &members.member[i];
        member_stop(a);
        write_disk(a, status(b).raft_id, wrong);
        member_pin_wait(b, 1);
        member_stop(leader); /* they need each other */
        member_start(a);
        MEMBERS_UNTIL(members.event, (entry = peers_book_find(b->peers, &a->id)) && entry->refused_usec > 0);
        g_assert_cmpuint(a->n_leaves + b->n_leaves, ==, 0);
        member_start(leader);
        MEMBERS_UNTIL(members.event, leader->n_ready > 0 && b->n_ready > 0);
        member_pin_wait(b, 2);
        g_assert_cmpuint(b->n_leaves, ==, 0);
        members_close(&members);
}

/* ---- the file */

static int open_again(Member *member, char **ret_words) {
        _cleanup_(error_done) Error error = {};
        int r;

        peers_disks_free(member->peers);
        r = peers_disks_open(member->peers, &error);
        *ret_words = g_strdup(error_message(&error));
        return r;
}

static void test_file(void) {
        g_autofree char *path = NULL, *bytes = NULL;
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        uint64_t raft_id;
        gsize size;

        members_open(&members, 2);
        raft_id = status(b).raft_id;
        MEMBERS_UNTIL(members.event, knows_disk(a, b));
        path = g_build_filename(a->folder, "raft", "disks", NULL);
        g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
        g_assert_cmpuint(size, ==, HEAD + RECORD);
        g_assert_cmpmem(bytes, 8, "clstdisk", 8);
        g_assert_cmpuint(le_get32(bytes + 12), ==, 1);
        g_assert_cmpuint(le_get64(bytes + 16), ==, 1);
        g_assert_cmpuint(le_get64(bytes + HEAD), ==, raft_id);
        g_assert_cmpmem(bytes + HEAD + 8, 16, status(b).disk_id, 16);

        for (gsize i = 0; i < size; i++) {
                for (int cut = 0; cut < 2; cut++) {
                        g_autofree char *words = NULL;

                        bytes[i] ^= cut ? 0 : 0x10;
                        g_assert_true(g_file_set_contents(
                                        path, bytes, cut ? (gssize) i : (gssize) size, NULL));
                        bytes[i] ^= cut ? 0 : 0x10;
                        g_assert_cmpint(open_again(a, &words), <, 0);
                        g_assert_nonnull(strstr(words, "raft/disks: offset 0: the checksum does not match"));
                }
        }
        {
                g_autofree char *words = NULL;

                bytes[12] = 2; /* another format, and whole */
                le_put32(bytes + 8, hash_crc32c(0, bytes + 12, size - 12));
                g_assert_true(g_file_set_contents(path, bytes, (gssize) size, NULL));
                g_assert_cmpint(open_again(a, &words), <, 0);
                g_assert_nonnull(strstr(words, "raft/disks: the file has another format than 1"));
        }
        {
                g_autofree char *words = NULL;

                g_assert_cmpint(g_unlink(path), ==, 0);
                g_assert_cmpint(open_again(a, &words), ==, 0);
                g_assert_null(peers_disks_find(a->peers, raft_id));
        }
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/disks/all-are-known", test_all_are_known);
        g_test_add_func("/peers/disks/joins-anew", test_joins_anew);
        g_test_add_func("/peers/disks/with-another-id", test_with_another_id);
        g_test_add_func("/peers/disks/nothing-is-lost", test_nothing_is_lost);
        g_test_add_func("/peers/disks/has-a-log", test_has_a_log);
        g_test_add_func("/peers/disks/file", test_file);
        return g_test_run();
}
