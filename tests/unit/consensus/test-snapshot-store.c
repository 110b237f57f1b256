#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/consensus/snapshot-store.h"
#include "tests/unit/consensus/help.h"

static const uint8_t cluster_id[STATE_CLUSTER_ID_SIZE] = { 0xcc };

static ConsensusSnapshotStore store_in(const HelpFolder *folder) {
        ConsensusSnapshotStore store = { .dir_fd = folder->fd, .folder = "raft" };

        memcpy(store.cluster_id, cluster_id, sizeof(cluster_id));
        return store;
}

static ConsensusSnapshotHead head_at(uint64_t index) {
        ConsensusMember member = { .raft_id = 7, .peer = help_peer(1), .role = CONSENSUS_VOTER };
        ConsensusMembers members = { .items = &member, .n = 1 };
        ConsensusSnapshotHead head = { .index = index, .term = 3, .configuration.index = 1 };

        g_assert_cmpint(consensus_members_encode(&members, &head.configuration.members), ==, 0);
        return head;
}

static void test_members_are_frozen(void) {
        ConsensusSnapshotHead head = head_at(258), read;
        uint8_t cluster[STATE_CLUSTER_ID_SIZE];
        _cleanup_(str_done) Str bytes = {};
        g_autofree char *hex = NULL;

        g_assert_cmpint(consensus_snapshot_encode(&head, cluster_id, &bytes), ==, 0);
        hex = help_hex(bytes.data, bytes.len);
        g_assert_cmpstr(hex,
                        ==,
                        "636c7374736e617090cf1d3501000000cc000000000000000000000000000000\n"
                        "0201000000000000030000000000000001000000000000004800000000000000\n"
                        "0101000000000000000700000000000000313244334b6f6f5739744854745333\n"
                        "696e435a6959796b7734753547346672626a564671686b6d4a58313267534e43\n"
                        "5665483365000100\n");

        g_assert_cmpint(consensus_snapshot_decode(bytes.data, bytes.len, &read, cluster), ==, 0);
        g_assert_cmpuint(read.index, ==, 258);
        g_assert_cmpuint(read.term, ==, 3);
        g_assert_cmpuint(read.configuration.index, ==, 1);
        consensus_snapshot_head_done(&read);

        for (size_t n = 0; n < bytes.len; n++)
                g_assert_cmpint(consensus_snapshot_decode(bytes.data, n, &read, cluster), ==, -EBADMSG);
        for (size_t i = 0; i < bytes.len; i++) {
                bytes.data[i] ^= 4;
                g_assert_cmpint(consensus_snapshot_decode(bytes.data, bytes.len, &read, cluster),
                                ==,
                                -EBADMSG);
                bytes.data[i] ^= 4;
        }
        consensus_snapshot_head_done(&head);
}

static void make(const ConsensusSnapshotStore *store, uint64_t index) {
        ConsensusSnapshotHead head = head_at(index);
        _cleanup_(error_done) Error error = {};
        int fd;

        fd = consensus_snapshot_begin(store, &error);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, "dump", 4), ==, 4);
        g_assert_cmpint(consensus_snapshot_finish(store, &head, fd, &error), ==, 0);
        close(fd);
        consensus_snapshot_head_done(&head);
}

static char *list(const ConsensusSnapshotStore *store) {
        g_autofree uint64_t *items = NULL;
        GString *text = g_string_new(NULL);
        size_t n;

        g_assert_cmpint(consensus_snapshot_list(store, &items, &n), ==, 0);
        for (size_t i = 0; i < n; i++)
                g_string_append_printf(text, "%d ", (int) items[i]);
        return g_string_free(text, FALSE);
}

static void test_two_are_kept(void) {
        static const char *const expected[] = { "5 ", "12 5 ", "100 12 ", "101 100 " };
        static const uint64_t indexes[] = { 5, 12, 100, 101 };
        ConsensusSnapshotHead head;
        ConsensusSnapshotStore store;
        HelpFolder folder;

        help_folder_make(&folder);
        store = store_in(&folder);
        for (size_t i = 0; i < ELEMENTSOF(indexes); i++) {
                g_autofree char *have = NULL;

                make(&store, indexes[i]);
                have = list(&store);
                g_assert_cmpstr(have, ==, expected[i]);
        }
        g_assert_cmpint(consensus_snapshot_open(&store, 101, &head, NULL), ==, 0);
        g_assert_cmpuint(head.index, ==, 101);
        consensus_snapshot_head_done(&head);
        g_assert_cmpuint(consensus_snapshot_bytes(&store, 101), ==, 4);
        g_assert_cmpuint(consensus_snapshot_bytes(&store, 7), ==, 0);
        help_folder_done(&folder);
}

/* What a crash left half done is in nobody's way, and is no snapshot. */
static void test_leftovers(void) {
        g_autofree char *before = NULL, *after = NULL;
        ConsensusSnapshotStore store;
        HelpFolder folder;
        int fd;

        help_folder_make(&folder);
        store = store_in(&folder);
        fd = consensus_snapshot_begin(&store, NULL);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, "half", 4), ==, 4);
        close(fd);
        before = list(&store);
        g_assert_cmpstr(before, ==, "");
        make(&store, 3);
        g_assert_cmpint(faccessat(folder.fd, CONSENSUS_SNAPSHOT_NEW, F_OK, 0), <, 0);

        g_assert_cmpint(consensus_snapshot_set_aside(&store, 3, NULL), ==, 0);
        after = list(&store);
        g_assert_cmpstr(after, ==, "");
        help_folder_done(&folder);
}

static void test_open_names_the_file(void) {
        static const struct {
                const char *file, *bytes, *words;
        } cases[] = {
                { "members", "garbage", "raft/snapshot-00000000000000000003/members: offset 0" },
                { "members", NULL, "raft/snapshot-00000000000000000003/members: cannot read" },
        };
        HelpFolder folder;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *path = g_strdup_printf("snapshot-00000000000000000003/%s", cases[i].file);
                ConsensusSnapshotStore store;
                ConsensusSnapshotHead head;
                Error error = {};

                help_folder_make(&folder);
                store = store_in(&folder);
                make(&store, 3);
                if (cases[i].bytes)
                        help_write(&folder, path, cases[i].bytes, strlen(cases[i].bytes));
                else
                        g_assert_cmpint(unlinkat(folder.fd, path, 0), ==, 0);
                g_assert_cmpint(consensus_snapshot_open(&store, 3, &head, &error), <, 0);
                g_assert_nonnull(strstr(error_message(&error), cases[i].words));
                error_done(&error);

                help_folder_done(&folder);
        }
}

static void test_other_clusters_are_refused(void) {
        ConsensusSnapshotStore store;
        ConsensusSnapshotHead head;
        HelpFolder folder;

        help_folder_make(&folder);
        store = store_in(&folder);
        make(&store, 3);
        store.cluster_id[0] ^= 1;
        g_assert_cmpint(consensus_snapshot_open(&store, 3, &head, NULL), ==, -EIO);
        store.cluster_id[0] ^= 1;
        g_assert_cmpint(renameat(folder.fd,
                                 "snapshot-00000000000000000003",
                                 folder.fd,
                                 "snapshot-00000000000000000004"),
                        ==,
                        0);
        g_assert_cmpint(consensus_snapshot_open(&store, 4, &head, NULL), ==, -EIO);
        help_folder_done(&folder);
}

/* What came from another peer takes the place of one of that index. */
static void test_receive(void) {
        ConsensusSnapshotHead head = { .index = 5 }, back;
        ConsensusSnapshotStore store;
        HelpFolder folder;

        help_folder_make(&folder);
        store = store_in(&folder);
        g_assert_cmpint(consensus_snapshot_receive(&store, &head, NULL), <, 0); /* nothing came */
        make(&store, 5);
        g_assert_cmpint(renameat(folder.fd,
                                 "snapshot-00000000000000000005",
                                 folder.fd,
                                 CONSENSUS_SNAPSHOT_RECEIVED),
                        ==,
                        0);
        g_assert_cmpint(mkdirat(folder.fd, "snapshot-00000000000000000005", 0700), ==, 0);
        g_assert_cmpint(consensus_snapshot_receive(&store, &head, NULL), ==, 0);
        g_assert_cmpint(faccessat(folder.fd, CONSENSUS_SNAPSHOT_RECEIVED, F_OK, 0), <, 0);
        g_assert_cmpint(consensus_snapshot_open(&store, 5, &back, NULL), ==, 0);
        g_assert_cmpuint(back.index, ==, 5);
        consensus_snapshot_head_done(&back);
        help_folder_done(&folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/consensus/snapshot-store/members-are-frozen", test_members_are_frozen);
        g_test_add_func("/consensus/snapshot-store/two-are-kept", test_two_are_kept);
        g_test_add_func("/consensus/snapshot-store/leftovers", test_leftovers);
        g_test_add_func("/consensus/snapshot-store/open-names-the-file", test_open_names_the_file);
        g_test_add_func("/consensus/snapshot-store/other-clusters-are-refused",
                        test_other_clusters_are_refused);
        g_test_add_func("/consensus/snapshot-store/receive", test_receive);
        return g_test_run();
}
