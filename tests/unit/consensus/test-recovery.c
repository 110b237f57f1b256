/* Damage of whole folders: what is opened again has everything that was acknowledged, or is refused. */

#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/consensus/recovery.h"
#include "tests/unit/consensus/node.h"

typedef struct File {
        char *name;
        char *bytes;
        size_t n;
} File;

/* All files of raft/, to be put back again and again. */
typedef struct Image {
        File files[32];
        size_t n;
} Image;

static void image_read(Image *image, const HelpFolder *folder, const char *path) {
        g_autofree char *full = g_build_filename(folder->path, path, NULL);
        g_autoptr(GDir) dir = g_dir_open(full, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(dir))) {
                char *child = g_build_filename(path, name, NULL);
                g_autofree char *child_full = g_build_filename(full, name, NULL);
                File *file;

                if (g_file_test(child_full, G_FILE_TEST_IS_DIR)) {
                        image_read(image, folder, child);
                        g_free(child);
                        continue;
                }
                g_assert_cmpuint(image->n, <, ELEMENTSOF(image->files));
                file = &image->files[image->n++];
                file->name = child;
                file->bytes = help_read(folder, child, &file->n);
        }
}

static void image_restore(const Image *image, const HelpFolder *folder) {
        help_folder_empty(folder);
        for (size_t i = 0; i < image->n; i++) {
                g_autofree char *path = g_build_filename(folder->path, image->files[i].name, NULL);
                g_autofree char *parent = g_path_get_dirname(path);

                g_assert_cmpint(file_make_dirs(parent, 0700), ==, 0);
                help_write(folder, image->files[i].name, image->files[i].bytes, image->files[i].n);
        }
}

static void image_done(Image *image) {
        for (size_t i = 0; i < image->n; i++) {
                g_free(image->files[i].name);
                free(image->files[i].bytes);
        }
}

static void settings(Node *node) {
        node->options.segment_size = 1024;
}

/* Two snapshots, and entries after them; TRAILING says how much of the log is left. */
static void image_make(Image *image, const HelpFolder *folder, uint64_t trailing, uint64_t *ret_pins) {
        Node node;

        node_init(&node, folder);
        settings(&node);
        node.options.trailing_logs = trailing;
        node_start(&node);
        node_pin_wait(&node, 1, 6);
        node_snapshot_wait(&node);
        node_pin_wait(&node, 7, 6);
        node_snapshot_wait(&node);
        node_pin_wait(&node, 13, 3);
        node_pin_wait(&node, 16, 1);
        node_done(&node);
        *ret_pins = 16;
        *image = (Image){};
        image_read(image, folder, "raft");
}

/* Answers 1 when everything came back, 0 when the last write was cut, -1 when it was refused. */
static int try_open(const HelpFolder *folder, uint64_t pins, char **ret_words) {
        int answer = -1;
        Node node;

        node_init(&node, folder);
        settings(&node);
        if (node_open(&node, ret_words) == 0) {
                NODE_WAIT(&node, node.ready);
                g_assert_true(node.ready);
                answer = node_count(&node) == pins;
                /* The last write is the barrier and pin 16 alone, or less of it. */
                node_check_pins(&node, 1, answer ? pins : pins - 1);
        }
        node_done(&node);
        return answer;
}

static bool is_snapshot(const File *file, const char *part) {
        return strstr(file->name, "snapshot-") && g_str_has_suffix(file->name, part);
}

/* Damage every byte of each file that ENDS with the suffix; answers how many were refused. */
static size_t damage_all(const char *suffix, uint64_t trailing, bool truncate, size_t step) {
        size_t n_refused = 0, n_tried = 0;
        HelpFolder folder;
        uint64_t pins;
        Image image;

        help_folder_make(&folder);
        image_make(&image, &folder, trailing, &pins);
        for (size_t f = 0; f < image.n; f++) {
                File *file = &image.files[f];

                if (!is_snapshot(file, suffix))
                        continue;
                for (size_t at = 0; at < file->n; at += step, n_tried++) {
                        g_autofree char *words = NULL;
                        int answer;

                        image_restore(&image, &folder);
                        file->bytes[at] ^= 0x20;
                        help_write(&folder, file->name, file->bytes, truncate ? at : file->n);
                        file->bytes[at] ^= 0x20;
                        answer = try_open(&folder, pins, &words);
                        g_test_message("%s at %zu: %d %s", file->name, at, answer, words);
                        g_assert_cmpint(answer, !=, 0); /* never less than all of it */
                        if (answer < 0) {
                                g_assert_nonnull(strstr(words, file->name));
                                g_assert_nonnull(strstr(words, "offset"));
                                n_refused++;
                        }
                }
        }
        g_assert_cmpuint(n_tried, >, 20);
        image_done(&image);
        help_folder_done(&folder);
        return n_refused;
}

/* With the whole log there, the older snapshot or the log alone gives everything. */
static void test_snapshot_damage_with_the_log(void) {
        g_assert_cmpuint(damage_all("members", 1000, false, 3), ==, 0);
        g_assert_cmpuint(damage_all("members", 1000, true, 3), ==, 0);
        g_assert_cmpuint(damage_all("pins.dump", 1000, false, 17), ==, 0);
        g_assert_cmpuint(damage_all("pins.dump", 1000, true, 17), ==, 0);
}

/* Without it, damage of the newest one is refused. */
static void test_snapshot_damage_without_the_log(void) {
        g_assert_cmpuint(damage_all("members", 0, false, 3), >, 20);
        g_assert_cmpuint(damage_all("pins.dump", 0, false, 17), >, 20);
        g_assert_cmpuint(damage_all("pins.dump", 0, true, 17), >, 20);
}

/* A broken snapshot is set aside, so that it does not come back as one of two. */
static void test_broken_one_is_set_aside(void) {
        HelpFolder folder;
        uint64_t pins;
        Image image;

        help_folder_make(&folder);
        image_make(&image, &folder, 1000, &pins);
        for (size_t f = 0; f < image.n; f++)
                if (strstr(image.files[f].name, "snapshot-00000000000000000014/members"))
                        help_write(&folder, image.files[f].name, "x", 1);
        g_assert_cmpint(try_open(&folder, pins, NULL), ==, 1);
        g_assert_cmpint(faccessat(folder.fd, "raft/snapshot-00000000000000000014", F_OK, 0), <, 0);
        g_assert_cmpint(faccessat(folder.fd, "raft/snapshot-00000000000000000014.broken", F_OK, 0), ==, 0);
        image_done(&image);
        help_folder_done(&folder);
}

/* The term goes up with every start of the only voter, before it leads (H16). */
static void test_sole_voter_begins_a_term(void) {
        HelpFolder folder;
        ConsensusMeta meta;
        Node node;
        int fd;

        help_folder_make(&folder);
        for (uint64_t start = 1; start <= 3; start++) {
                node_init(&node, &folder);
                g_assert_cmpint(node_open(&node, NULL), ==, 0);
                fd = openat(folder.fd, "raft", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                g_assert_cmpint(consensus_meta_load(fd, "raft", &meta, NULL), ==, 1);
                close(fd);
                g_assert_cmpuint(meta.term, ==, 1 + start);
                g_assert_cmpuint(meta.vote, ==, meta.raft_id);
                g_assert_cmpuint(node_status(&node).term, ==, meta.term);
                node_done(&node);
        }
        help_folder_done(&folder);
}

/* H13: a log that ends before the snapshot is begun anew after it. */
static void test_log_behind_the_snapshot(void) {
        HelpFolder folder;
        uint64_t pins;
        Image image;

        help_folder_make(&folder);
        image_make(&image, &folder, 0, &pins);
        for (size_t f = 0; f < image.n; f++)
                if (strstr(image.files[f].name, "raft/log-"))
                        g_assert_cmpint(unlinkat(folder.fd, image.files[f].name, 0), ==, 0);
        g_assert_cmpint(file_remove_tree(folder.fd, "pins.gdbm"), ==, 0);
        {
                Node node;

                node_init(&node, &folder);
                settings(&node);
                node_start(&node);
                node_check_pins(&node, 1, 12); /* what the snapshot has */
                node_pin_wait(&node, 13, 10);
                node_crash(&node);
                node_start(&node);
                node_check_pins(&node, 1, 22);
                node_done(&node);
        }
        image_done(&image);
        help_folder_done(&folder);
}

/* One that founds alone is nobody that has been before, and says so again at its next start. */
static void test_founds_alone(void) {
        ConsensusStatus first, second, again;
        HelpFolder folder;
        Node node;

        help_folder_make(&folder);
        node_init(&node, &folder);
        node_start(&node);
        first = node_status(&node);
        node_close(&node);
        g_assert_cmpint(file_remove_tree(folder.fd, "raft"), ==, 0);
        node_start(&node);
        second = node_status(&node);
        node_close(&node);
        node_start(&node);
        again = node_status(&node);
        node_close(&node);
        node_done(&node);
        help_folder_done(&folder);

        g_assert_cmpuint(first.raft_id, !=, 0);
        g_assert_cmpuint(first.raft_id, !=, second.raft_id);
        g_assert_cmpint(memcmp(first.cluster_id, second.cluster_id, STATE_CLUSTER_ID_SIZE), !=, 0);
        g_assert_cmpuint(again.raft_id, ==, second.raft_id);
        g_assert_cmpmem(again.cluster_id, STATE_CLUSTER_ID_SIZE, second.cluster_id, STATE_CLUSTER_ID_SIZE);
}

/* Whoever founds, and however often: what lies in the folder has its own id, until the folder is another
 * one. */
static void test_disk_id(void) {
        PeerId peers[] = { help_peer(1), help_peer(2) };
        PeerIdList list = { .items = peers, .n = 2 };
        uint8_t ids[3][CONSENSUS_DISK_ID_SIZE], cluster_id[STATE_CLUSTER_ID_SIZE];
        HelpFolder folder;
        Node node;

        help_folder_make(&folder);
        node_init(&node, &folder);
        node.options.members = &list;
        for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
                if (i == 2)
                        g_assert_cmpint(file_remove_tree(folder.fd, "raft"), ==, 0);
                g_assert_cmpint(node_open(&node, NULL), ==, 0);
                memcpy(ids[i], node_status(&node).disk_id, sizeof(ids[i]));
                memcpy(cluster_id, node_status(&node).cluster_id, sizeof(cluster_id));
                node_crash(&node);
        }
        g_assert_cmpmem(ids[0], sizeof(ids[0]), ids[1], sizeof(ids[1]));
        g_assert_cmpint(memcmp(ids[1], ids[2], sizeof(ids[1])), !=, 0);

        /* what those derive who have nothing yet */
        g_assert_cmpint(consensus_founding_id(&list, ids[0], NULL), ==, 0);
        g_assert_cmpmem(ids[0], sizeof(ids[0]), cluster_id, sizeof(cluster_id));
        node_done(&node);
        help_folder_done(&folder);
}

/* It has no vote and no log, and says so in a file: without that file the log was lost. */
static void test_joins_a_cluster(void) {
        static const uint8_t cluster_id[STATE_CLUSTER_ID_SIZE] = { 0xcc };
        g_autofree char *words = NULL;
        ConsensusStatus status;
        HelpFolder folder;
        Node node;

        help_folder_make(&folder);
        for (int start = 1; start <= 2; start++) {
                node_init(&node, &folder);
                node.options.join = cluster_id;
                g_assert_cmpint(node_open(&node, NULL), ==, 0);
                status = node_status(&node);
                g_assert_cmpuint(status.term, ==, 0);
                g_assert_cmpuint(status.last_index, ==, 0);
                g_assert_cmpmem(status.cluster_id,
                                sizeof(status.cluster_id),
                                cluster_id,
                                sizeof(cluster_id));
                node_done(&node);
        }

        g_assert_cmpint(unlinkat(folder.fd, "raft/log-00000000000000000001", 0), ==, 0);
        node_init(&node, &folder);
        g_assert_cmpint(node_open(&node, &words), <, 0);
        g_assert_nonnull(strstr(words, "the log begins at entry 1"));
        node_done(&node);
        help_folder_done(&folder);
}

/* ---- a pinset that is not the others' */

static bool exists(const HelpFolder *folder, const char *name) {
        return faccessat(folder->fd, name, F_OK, 0) == 0;
}

/* A peer whose cache, closed in order, lacks pin 2, and its older snapshot once more as received. */
static void make_diverged(const HelpFolder *folder) {
        static const char *const names[] = { "members", "pins.dump" };
        uint64_t pins;
        Image image;
        Node node;
        Cid cid;

        image_make(&image, folder, 1000, &pins);
        image_done(&image);
        node_init(&node, folder);
        settings(&node);
        node_start(&node);
        node_pin_cid(2, &cid);
        g_assert_cmpint(state_pinset_remove(consensus_pinset(node.consensus), &cid), ==, 1);
        g_assert_cmpint(state_pinset_commit(
                                        consensus_pinset(node.consensus), node_status(&node).applied_index),
                        ==,
                        0);
        node_close(&node);
        node_done(&node);

        g_assert_cmpint(mkdirat(folder->fd, "raft/snapshot.received", 0700), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                g_autofree char *from = g_strdup_printf("raft/snapshot-00000000000000000008/%s", names[i]);
                g_autofree char *to = g_strdup_printf("raft/snapshot.received/%s", names[i]);
                g_autofree char *bytes = NULL;
                size_t n;

                bytes = help_read(folder, from, &n);
                help_write(folder, to, bytes, n);
        }
}

static void open_diverged(const HelpFolder *folder, bool repaired) {
        Node node;

        node_init(&node, folder);
        settings(&node);
        node_start(&node);
        g_assert_cmpint(node_has(&node, 2), ==, repaired);
        g_assert_cmpuint(node_count(&node), ==, repaired ? 16 : 15);
        g_assert_false(exists(folder, "raft/snapshot.received"));
        node_done(&node);
}

/* What a transfer has left is removed; only the mark makes it count. */
static void test_received_without_mark(void) {
        HelpFolder folder;

        help_folder_make(&folder);
        make_diverged(&folder);
        open_diverged(&folder, false);
        g_assert_true(exists(&folder, "raft/snapshot-00000000000000000014"));
        help_folder_done(&folder);
}

/* STEP: how far a start got that crashed. */
static void test_repaired(void) {
        static const char *const own[] = { "raft/snapshot-00000000000000000014",
                                           "raft/snapshot-00000000000000000008" };

        for (size_t step = 0; step <= ELEMENTSOF(own); step++) {
                HelpFolder folder;

                help_folder_make(&folder);
                make_diverged(&folder);
                help_write(&folder, "raft/snapshot.received/repair", "", 0);
                for (size_t i = 0; i < step; i++) {
                        g_autofree char *aside = g_strdup_printf("%s.broken", own[i]);

                        g_assert_cmpint(renameat(folder.fd, own[i], folder.fd, aside), ==, 0);
                }
                open_diverged(&folder, true);
                g_assert_true(exists(&folder, "raft/snapshot-00000000000000000008"));
                g_assert_true(exists(&folder, "raft/snapshot-00000000000000000008.broken"));
                g_assert_true(exists(&folder, "raft/snapshot-00000000000000000014.broken"));
                g_assert_false(exists(&folder, "raft/snapshot-00000000000000000014"));
                open_diverged(&folder, true);
                help_folder_done(&folder);
        }
}

/* Its last entry is another one than that of the log: nothing is touched. */
static void test_received_does_not_join(void) {
        _cleanup_(consensus_snapshot_head_done) ConsensusSnapshotHead head = {};
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        _cleanup_(str_done) Str other = {};
        g_autofree char *members = NULL;
        HelpFolder folder;
        size_t n;

        help_folder_make(&folder);
        make_diverged(&folder);
        members = help_read(&folder, "raft/snapshot.received/members", &n);
        g_assert_cmpint(consensus_snapshot_decode(members, n, &head, cluster_id), ==, 0);
        head.term++;
        g_assert_cmpint(consensus_snapshot_encode(&head, cluster_id, &other), ==, 0);
        help_write(&folder, "raft/snapshot.received/members", other.data, other.len);
        help_write(&folder, "raft/snapshot.received/repair", "", 0);
        open_diverged(&folder, false);
        g_assert_true(exists(&folder, "raft/snapshot-00000000000000000014"));
        help_folder_done(&folder);
}

/* ---- for tools */

static size_t peek(const HelpFolder *folder) {
        g_autofree char *raft = g_build_filename(folder->path, "raft", NULL);
        _cleanup_(error_done) Error error = {};
        PeerIdList members = {};
        size_t n;
        int r;

        r = consensus_peek_members(raft, &members, &error);
        g_assert_cmpstr(error.message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
        n = members.n;
        peer_id_list_done(&members);
        return n;
}

static void make_alone(const HelpFolder *folder) {
        g_autofree char *raft = g_build_filename(folder->path, "raft", NULL);
        _cleanup_(error_done) Error error = {};
        int r;

        r = consensus_make_alone(raft, &error);
        g_assert_cmpstr(error.message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
}

/* One of three, which can decide nothing by itself. */
static void test_made_alone(void) {
        PeerIdList three = {};
        HelpFolder folder;
        Node node;

        help_folder_make(&folder);
        node_init(&node, &folder);
        g_assert_cmpint(peer_id_list_append(&three, &node.options.self), ==, 0);
        for (uint8_t i = 1; i < 3; i++) {
                PeerId other = node.options.self;

                other.bytes[other.size - 1] ^= i;
                g_assert_cmpint(peer_id_list_append(&three, &other), ==, 0);
        }
        node.options.members = &three;
        g_assert_cmpint(node_open(&node, NULL), ==, 0);
        node_crash(&node);
        g_assert_cmpuint(peek(&folder), ==, 3);

        make_alone(&folder);
        g_assert_cmpuint(peek(&folder), ==, 1);
        node_start(&node);
        node_pin_wait(&node, 1, 3);
        node_close(&node);
        node_done(&node);
        peer_id_list_done(&three);
        help_folder_done(&folder);
}

/* Snapshots and log count as they did, whatever of them there is. */
static void test_made_alone_with_pins(void) {
        for (uint64_t trailing = 0; trailing < 20; trailing += 19) {
                uint64_t n_pins;
                HelpFolder folder;
                Image image = {};
                Node node;

                help_folder_make(&folder);
                image_make(&image, &folder, trailing, &n_pins);
                g_assert_cmpuint(peek(&folder), ==, 1);
                make_alone(&folder);
                node_init(&node, &folder);
                settings(&node);
                node_start(&node);
                node_check_pins(&node, 1, n_pins);
                node_close(&node);
                node_done(&node);
                image_done(&image);
                help_folder_done(&folder);
        }
}

static void test_nothing_to_peek(void) {
        _cleanup_(error_done) Error error = {};
        PeerIdList members = {};
        HelpFolder folder;

        help_folder_make(&folder);
        g_assert_cmpint(consensus_peek_members(folder.path, &members, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_IO);
        g_assert_cmpint(consensus_make_alone("/nonexistent/raft", NULL), ==, -ENOENT);
        help_folder_done(&folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) log_set_levels("crit");
        g_test_add_func("/consensus/recovery/snapshot-damage-with-the-log",
                        test_snapshot_damage_with_the_log);
        g_test_add_func("/consensus/recovery/snapshot-damage-without-the-log",
                        test_snapshot_damage_without_the_log);
        g_test_add_func("/consensus/recovery/broken-one-is-set-aside", test_broken_one_is_set_aside);
        g_test_add_func("/consensus/recovery/sole-voter-begins-a-term", test_sole_voter_begins_a_term);
        g_test_add_func("/consensus/recovery/log-behind-the-snapshot", test_log_behind_the_snapshot);
        g_test_add_func("/consensus/recovery/disk-id", test_disk_id);
        g_test_add_func("/consensus/recovery/founds-alone", test_founds_alone);
        g_test_add_func("/consensus/recovery/joins-a-cluster", test_joins_a_cluster);
        g_test_add_func("/consensus/recovery/received-without-mark", test_received_without_mark);
        g_test_add_func("/consensus/recovery/repaired", test_repaired);
        g_test_add_func("/consensus/recovery/received-does-not-join", test_received_does_not_join);
        g_test_add_func("/consensus/recovery/made-alone", test_made_alone);
        g_test_add_func("/consensus/recovery/made-alone-with-pins", test_made_alone_with_pins);
        g_test_add_func("/consensus/recovery/nothing-to-peek", test_nothing_to_peek);
        return g_test_run();
}
