#include <glib.h>
#include <raft.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/consensus/consensus.h"
#include "daemon/consensus/driver.h"
#include "tests/lib/fault.h"
#include "tests/unit/consensus/node.h"

typedef struct Fixture {
        HelpFolder folder;
        Node node;
} Fixture;

static void set_up(Fixture *f, gconstpointer data _unused_) {
        help_folder_make(&f->folder);
        node_init(&f->node, &f->folder);
}

static void tear_down(Fixture *f, gconstpointer data _unused_) {
        node_done(&f->node);
        help_folder_done(&f->folder);
}

#define TEST(path, function)                                                                                \
        g_test_add("/consensus/consensus/" path, Fixture, NULL, set_up, function, tear_down)

static void test_first_start(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;
        ConsensusStatus status;
        PeerIdList members;
        PeerId self = help_peer(1);

        node_start(node);
        status = node_status(node);
        g_assert_true(status.is_leader);
        g_assert_true(status.ready);
        g_assert_true(peer_id_equal(&status.leader, &self));
        g_assert_true(peer_id_equal(&node->leader, &self));
        g_assert_cmpuint(status.term, ==, 2);
        g_assert_cmpuint(status.applied_index, ==, 2); /* the members, the barrier */
        g_assert_cmpuint(status.last_index, ==, 2);
        g_assert_cmpuint(node->n_applied, ==, 0);

        g_assert_cmpint(consensus_members(node->consensus, &members), ==, 0);
        g_assert_cmpuint(members.n, ==, 1);
        g_assert_true(peer_id_equal(&members.items[0], &self));
        peer_id_list_done(&members);
        node_close(node);
}

static void test_pins_survive_a_close(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;
        uint8_t before[STATE_DIGEST_SIZE], after[STATE_DIGEST_SIZE];

        node_start(node);
        node_pin_wait(node, 1, 100);
        g_assert_cmpuint(node->n_applied, ==, 100);
        g_assert_cmpint(node_unpin(node, 100), ==, 0);
        NODE_WAIT(node, node->n_done == 101);
        node_check_pins(node, 1, 99);
        node_digest(node, before);
        node_close(node);

        node_start(node);
        g_assert_cmpuint(node->n_applied, ==, 0); /* the cache was closed in order: nothing again */
        node_check_pins(node, 1, 99);
        node_digest(node, after);
        g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
        g_assert_cmpuint(node_status(node).term, ==, 3);
        node_close(node);
}

static void test_pins_survive_a_crash(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;
        uint8_t before[STATE_DIGEST_SIZE], after[STATE_DIGEST_SIZE];

        node_start(node);
        node_pin_wait(node, 1, 100);
        node_digest(node, before);
        node_crash(node);

        for (int i = 0; i < 3; i++) {
                node_start(node);
                g_assert_cmpuint(node->n_applied, ==, 100); /* told again */
                node_check_pins(node, 1, 100);
                node_digest(node, after);
                g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
                node_crash(node);
        }
}

static void test_batch(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        node->options.segment_size = 0;
        node_start(node);
        for (int i = 0; i < 20; i++)
                g_assert_cmpint(node_pin(node, 1 + (uint64_t) i * 1000, 1000), ==, 0);
        NODE_WAIT(node, node->n_done == 20);
        node_check_pins(node, 1, 20000);
        g_assert_cmpuint(node_status(node).n_pending, ==, 0);
        node_crash(node);

        node_start(node);
        node_check_pins(node, 1, 20000);
        node_close(node);
}

/* More than libraft lets be under way to one peer: nothing is refused, the order stays. */
static void test_many_in_flight(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        node->options.segment_size = 0;
        node_start(node);
        node_pin_wait(node, 1, 20000);
        g_assert_cmpuint(node->n_refused, ==, 0);
        node_check_pins(node, 1, 20000);
        node_close(node);
}

static void test_snapshot_and_compaction(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;
        uint8_t before[STATE_DIGEST_SIZE], after[STATE_DIGEST_SIZE];

        node->options.trailing_logs = 10;
        node->options.segment_size = 4096;
        node_start(node);
        for (uint64_t round = 0; round < 3; round++) {
                node_pin_wait(node, 1 + round * 200, 200);
                node_snapshot_wait(node);
                g_assert_cmpuint(node_status(node).snapshot_index, ==, node_status(node).applied_index);
        }
        g_assert_cmpint(faccessat(f->folder.fd, "raft/log-00000000000000000001", F_OK, 0), <, 0);
        node_pin_wait(node, 601, 50);
        node_digest(node, before);
        node_crash(node);

        node_start(node);
        g_assert_cmpuint(node->n_applied, ==, 50); /* the rest comes from the snapshot */
        node_check_pins(node, 1, 650);
        node_digest(node, after);
        g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
        node_snapshot_wait(node);
        node_snapshot_wait(node); /* nothing new: done at once */
        node_close(node);

        node_start(node);
        node_check_pins(node, 1, 650);
        node_close(node);
}

static void test_snapshot_by_bytes(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        node->options.snapshot_bytes = 20000;
        node->options.segment_size = 4096;
        node_start(node);
        for (uint64_t n = 1; n <= 1000; n++)
                node_pin_wait(node, n, 1);
        NODE_WAIT(node, node_status(node).snapshot_index > 800);
        node_crash(node);
        node_start(node);
        g_assert_cmpuint(node->n_applied, <, 300);
        node_check_pins(node, 1, 1000);
        node_close(node);
}

static void test_snapshot_by_interval(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        node->options.snapshot_interval_usec = 1000;
        node->options.snapshot_threshold = 50;
        node_start(node);
        node_pin_wait(node, 1, 60);
        NODE_WAIT(node, node_status(node).snapshot_index > 50);
        node_close(node);
}

static int never_idle(
                sd_event_source *source _unused_,
                int fd _unused_,
                uint32_t revents _unused_,
                void *userdata _unused_) {
        return 0; /* what is there stays there */
}

/* A loop that always has something to do would never come to the snapshot, and the log would grow for ever.
 */
static void test_snapshot_of_a_busy_loop(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;
        sd_event_source *source;
        int fd = eventfd(1, EFD_CLOEXEC);
        uint64_t n = 1;

        node->options.snapshot_bytes = 4000;
        node->options.segment_size = 4096;
        node_start(node);
        g_assert_cmpint(sd_event_add_io(node->event, &source, fd, EPOLLIN, never_idle, NULL), >=, 0);
        while (node_status(node).snapshot_index == 0 && n < 5000)
                node_pin_wait(node, n++, 1);
        g_assert_cmpuint(node_status(node).snapshot_index, >, 0);
        sd_event_source_disable_unref(source);
        close(fd);
        node_close(node);
}

/* While a snapshot is taken, everything goes on. */
static void test_writes_during_a_snapshot(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;
        uint64_t next = 3001;

        node_start(node);
        for (int i = 0; i < 30; i++)
                g_assert_cmpint(node_pin(node, 1 + (uint64_t) i * 100, 100), ==, 0);
        NODE_WAIT(node, node->n_done == 30);
        node->snapshot_result = 1;
        g_assert_cmpint(consensus_snapshot(node->consensus, NULL, NULL), >=, 0);
        while (node_status(node).snapshot_index == 0)
                node_pin_wait(node, next++, 1);
        node_check_pins(node, 1, next - 1);
        node_crash(node);
        node_start(node);
        node_check_pins(node, 1, next - 1);
        node_close(node);
}

static void test_bad_submits(Fixture *f, gconstpointer data _unused_) {
        static const char garbage[4] = { 1, 2, 3, 4 };
        g_autofree char *large = g_malloc0(CONSENSUS_ENTRY_BODY_MAX + 1);
        const struct {
                ConsensusOp op;
                ErrorCode code;
                const char *words;
        } cases[] = {
                { { CONSENSUS_PIN, garbage, 4 }, ERROR_INVALID, "no pin message" },
                { { CONSENSUS_UNPIN, garbage, 4 }, ERROR_INVALID, "no CID" },
                { { CONSENSUS_PIN, garbage, 0 }, ERROR_INVALID, "0 bytes" },
                { { CONSENSUS_PEER_PUT, large, CONSENSUS_ENTRY_BODY_MAX + 1 },
                  ERROR_TOO_BIG,
                  "bytes, expected 1 to 131229" },
                { { (ConsensusOpKind) 10, garbage, 4 }, ERROR_INVALID, "kind 10" },
                { { (ConsensusOpKind) 0, garbage, 4 }, ERROR_INVALID, "kind 0" },
        };
        static const ConsensusOp tag = { CONSENSUS_TAG, "0123456789abcdef", CONSENSUS_TAG_SIZE };
        g_autofree ConsensusOp *many = g_new0(ConsensusOp, CONSENSUS_OPS_MAX + 1);
        Node *node = &f->node;
        Error error = {};

        node_start(node);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("case %zu", i);
                g_assert_cmpint(consensus_submit(node->consensus, NULL, &cases[i].op, 1, NULL, NULL, &error),
                                <,
                                0);
                g_assert_cmpint(error.code, ==, cases[i].code);
                g_assert_nonnull(strstr(error_message(&error), cases[i].words));
                error_done(&error);
        }
        g_assert_cmpint(consensus_submit(
                                        node->consensus,
                                        NULL,
                                        many,
                                        CONSENSUS_OPS_MAX + 1,
                                        NULL,
                                        NULL,
                                        &error),
                        <,
                        0);
        g_assert_cmpint(error.code, ==, ERROR_TOO_BIG);
        error_done(&error);
        g_assert_cmpint(consensus_submit(node->consensus, NULL, many, 0, NULL, NULL, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        error_done(&error);
        g_assert_cmpint(consensus_submit(node->consensus, NULL, &tag, 1, NULL, NULL, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID); /* nothing but a tag */
        error_done(&error);

        node_pin_wait(node, 1, 1); /* lives on */
        g_assert_cmpuint(node_status(node).last_index, ==, 3);
        node_close(node);
}

/* A tag is told of before its operations, and there may be as many of them as without. */
static void test_tag(Fixture *f, gconstpointer data _unused_) {
        g_autofree ConsensusOp *ops = g_new0(ConsensusOp, CONSENSUS_OPS_MAX + 1);
        Node *node = &f->node;

        ops[0] = (ConsensusOp){ CONSENSUS_TAG, "0123456789abcdef", CONSENSUS_TAG_SIZE };
        for (size_t i = 1; i <= CONSENSUS_OPS_MAX; i++)
                ops[i] = (ConsensusOp){ CONSENSUS_PEER_PUT, "peer", 4 };
        node_start(node);
        g_assert_cmpint(consensus_submit(
                                        node->consensus, NULL, ops, CONSENSUS_OPS_MAX + 1, NULL, NULL, NULL),
                        ==,
                        0);
        NODE_WAIT(node, node->n_applied == CONSENSUS_OPS_MAX + 1);
        g_assert_cmpuint(node_status(node).applied_term, ==, node_status(node).term);
        g_assert_cmpuint(node_status(node).skipped_index, ==, 0);
        node_close(node);
}

/* Kinds that are not of the pinset go through the log, and are told of. */
static void test_other_kinds(Fixture *f, gconstpointer data _unused_) {
        const ConsensusOp ops[] = { { CONSENSUS_PEER_PUT, "peer", 4 }, { CONSENSUS_PEER_REMOVE, "id", 2 } };
        Node *node = &f->node;

        node_start(node);
        g_assert_cmpint(consensus_submit(node->consensus, NULL, ops, 2, NULL, NULL, NULL), ==, 0);
        NODE_WAIT(node, node->n_applied == 2);
        g_assert_cmpuint(node_count(node), ==, 0);
        node_close(node);
        node_start(node);
        node_close(node);
}

static void test_pending_is_bounded(Fixture *f, gconstpointer data _unused_) {
        g_autofree char *body = g_malloc0(60000);
        ConsensusOp ops[16];
        Node *node = &f->node;
        Error error = {};
        size_t n = 0;

        node->options.segment_size = 0;
        node_start(node);
        for (size_t i = 0; i < ELEMENTSOF(ops); i++)
                ops[i] = (ConsensusOp){ CONSENSUS_PEER_PUT, body, 60000 };
        while (consensus_submit(node->consensus, NULL, ops, ELEMENTSOF(ops), NULL, NULL, &error) == 0)
                n++;
        g_assert_cmpint(error.code, ==, ERROR_BUSY);
        g_assert_cmpuint(n, ==, CONSENSUS_PENDING_BYTES_MAX / (16 * 60004));
        error_done(&error);
        NODE_WAIT(node, node->n_applied == n * ELEMENTSOF(ops));
        g_assert_cmpint(consensus_submit(node->consensus, NULL, ops, 1, NULL, NULL, &error), ==, 0);
        node_close(node);
}

static void on_never(
                ConsensusCall *call _unused_,
                int r _unused_,
                const Error *error _unused_,
                void *userdata _unused_) {
        g_assert_not_reached();
}

static void test_dropped_call_is_silent(Fixture *f, gconstpointer data _unused_) {
        const ConsensusOp op = { CONSENSUS_PEER_PUT, "peer", 4 };
        Node *node = &f->node;
        ConsensusCall *call;

        node_start(node);
        g_assert_cmpint(consensus_submit(node->consensus, &call, &op, 1, on_never, node, NULL), ==, 0);
        g_assert_null(consensus_call_unref(call));
        NODE_WAIT(node, node->n_applied == 1); /* the entry stays */
        node_close(node);
}

static void test_close_cancels(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;
        uint64_t n_done;

        node_start(node);
        node_pin_wait(node, 1, 3);
        for (uint64_t i = 0; i < 10; i++)
                g_assert_cmpint(node_pin(node, 100 + i, 1), ==, 0);
        node_close(node);
        g_assert_cmpuint(node->n_done + node->n_refused, ==, 13);
        n_done = node->n_done;

        node_start(node);
        g_assert_cmpuint(node_count(node), >=, n_done);
        node_close(node);
}

/* Wherever a snapshot is when the peer stops, that is no failure. */
static void test_close_during_a_snapshot(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        for (uint64_t n = 0; n < 60; n++) {
                node_start(node);
                node_pin_wait(node, 10 * n, 10);
                g_assert_cmpint(consensus_snapshot(node->consensus, NULL, NULL), ==, 0);
                for (uint64_t i = 0; i < n % 12; i++)
                        node_turn(node);
                g_usleep(2000); /* the worker goes on, of which the loop does not hear any more */
                node_close(node);
        }
        node_start(node);
        node_check_pins(node, 0, 599);
}

/* What is being written while it closes is durable, and told. */
static void test_close_waits_for_the_disk(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        node_start(node);
        NODE_WAIT(node,
                  !consensus_disk_is_busy(node->consensus->disk)); /* else the pin is not written yet */
        g_assert_cmpint(node_pin(node, 1, 1), ==, 0);
        NODE_WAIT(node, node_status(node).last_index == 3);
        node_close(node);
        g_assert_cmpuint(node->n_done, ==, 1);
        node_start(node);
        node_check_pins(node, 1, 1);
        node_close(node);
}

/* ---- folders */

static void test_other_peers_folder(Fixture *f, gconstpointer data _unused_) {
        g_autofree char *words = NULL;
        Node *node = &f->node;

        node_start(node);
        node_close(node);
        node->options.self = help_peer(2);
        g_assert_cmpint(node_open(node, &words), <, 0);
        g_assert_nonnull(strstr(words, "raft: the folder belongs to peer 12D3KooW"));
}

static void test_members_of_a_first_start(Fixture *f, gconstpointer data _unused_) {
        PeerId peers[] = { help_peer(3), help_peer(1), help_peer(2), help_peer(2) };
        PeerIdList list = { .items = peers, .n = 1 };
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        g_autofree char *absent = NULL, *twice = NULL;
        Node *node = &f->node;
        PeerIdList members;

        node->options.members = &list;
        g_assert_cmpint(node_open(node, &absent), <, 0);
        g_assert_nonnull(strstr(absent, "init_peerset: this peer's own id is not in the list"));
        list.n = 4;
        g_assert_cmpint(node_open(node, &twice), <, 0);
        g_assert_nonnull(strstr(twice, "init_peerset: a peer is listed twice"));

        list.n = 3;
        g_assert_cmpint(node_open(node, NULL), ==, 0);
        memcpy(cluster_id, node_status(node).cluster_id, sizeof(cluster_id));
        g_assert_false(node_status(node).is_leader);
        g_assert_cmpint(node_pin(node, 1, 1), <, 0); /* nobody to vote for it */
        g_assert_cmpint(consensus_members(node->consensus, &members), ==, 0);
        g_assert_cmpuint(members.n, ==, 3);
        peer_id_list_done(&members);
        node_crash(node);

        /* Another member of the same set writes the same first entry. */
        g_assert_cmpint(file_remove_tree(f->folder.fd, "raft"), ==, 0);
        node->options.self = help_peer(2);
        peers[0] = help_peer(1);
        peers[1] = help_peer(2);
        peers[2] = help_peer(3);
        g_assert_cmpint(node_open(node, NULL), ==, 0);
        g_assert_cmpmem(node_status(node).cluster_id, sizeof(cluster_id), cluster_id, sizeof(cluster_id));
        node_crash(node);
}

static void test_foreign_folder_is_refused(Fixture *f, gconstpointer data _unused_) {
        g_autofree char *words = NULL;
        Node *node = &f->node;

        g_assert_cmpint(mkdirat(f->folder.fd, "raft", 0700), ==, 0);
        help_write(&f->folder, "raft/raft.db", "x", 1);
        g_assert_cmpint(node_open(node, &words), <, 0);
        g_assert_nonnull(strstr(words, "holds something that is not this program's"));
        g_assert_cmpint(unlinkat(f->folder.fd, "raft/raft.db", 0), ==, 0);
        node_start(node); /* an empty folder is taken */
        node_close(node);
}

/* A first start that was cut off anywhere begins again. */
static void test_half_a_first_start(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        g_assert_cmpint(mkdirat(f->folder.fd, "raft.new", 0700), ==, 0);
        help_write(&f->folder, "raft.new/meta-a", "x", 1);
        node_start(node);
        node_close(node);
        g_assert_cmpint(faccessat(f->folder.fd, "raft.new", F_OK, 0), <, 0);
}

static void test_missing_files_are_refused(Fixture *f, gconstpointer data _unused_) {
        static const struct {
                const char *files[3];
                const char *words;
        } cases[] = {
                { { "meta-a", "meta-b" }, "meta-a: offset 0: the file is missing" },
                { { "log-00000000000000000001" }, "the log begins at entry 1 and there is no snapshot" },
                { { "meta-a", "meta-b", "log-00000000000000000001" }, NULL }, /* nothing: a first start */
        };
        Node *node = &f->node;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *words = NULL;

                help_folder_empty(&f->folder);
                node_start(node);
                node_close(node);
                for (size_t j = 0; j < 3 && cases[i].files[j]; j++) {
                        g_autofree char *path = g_strdup_printf("raft/%s", cases[i].files[j]);

                        g_assert_cmpint(unlinkat(f->folder.fd, path, 0), ==, 0);
                }
                g_test_message("case %zu", i);
                g_assert_cmpint(node_open(node, &words), ==, cases[i].words ? -EIO : 0);
                if (cases[i].words)
                        g_assert_nonnull(strstr(words, cases[i].words));
                node_crash(node);
        }
}

/* The cache knows more than the log, which lost its last write: then the cache is not believed. */
static void test_cache_ahead_of_the_log(Fixture *f, gconstpointer data _unused_) {
        const char *file = "raft/log-00000000000000000001";
        g_autofree char *bytes = NULL;
        Node *node = &f->node;
        size_t n, end;

        node_start(node);
        node_pin_wait(node, 1, 1);
        node_pin_wait(node, 2, 1);
        node_close(node);

        bytes = help_read(&f->folder, file, &n);
        for (end = n; bytes[end - 1] == 0; end--)
                ;
        bytes[end - 1] ^= 1;
        help_write(&f->folder, file, bytes, n);
        node_start(node);
        g_assert_true(node_has(node, 1));
        g_assert_false(node_has(node, 2));
        node_check_pins(node, 1, 1);
        node_close(node);
}

/* ---- out of memory */

/* Opening FOLDER fails at each allocation in turn, then succeeds; nothing is lost by it. */
static void open_with_faults(Node *node) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                Consensus *consensus = NULL;
                int r;

                r = consensus_open(&consensus, node->event, &node->options, &error);
                if (r < 0) {
                        g_assert_true(fault_fired());
                        g_assert_cmpint(error.code, !=, ERROR_NONE);
                        g_assert_null(consensus);
                }
                fault_arm(-1);
                consensus_free(consensus);
        }
}

static void test_open_without_memory(Fixture *f, gconstpointer data _unused_) {
        Node *node = &f->node;

        node->options.segment_size = 4096;
        open_with_faults(node); /* a first start, again and again until it works */
        node_start(node);
        node_pin_wait(node, 1, 30);
        node_snapshot_wait(node);
        node_pin_wait(node, 31, 10);
        node_crash(node);
        open_with_faults(node);
        node_start(node);
        node_check_pins(node, 1, 40);
        node_close(node);
}

static void test_submit_without_memory(Fixture *f, gconstpointer data _unused_) {
        _cleanup_(str_done) Str bytes = {};
        Node *node = &f->node;
        ConsensusOp op;

        node_start(node);
        node_pin_bytes(1, &bytes);
        op = (ConsensusOp){ CONSENSUS_PIN, bytes.data, bytes.len };
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                ConsensusCall *call = NULL;
                int r = consensus_submit(node->consensus, &call, &op, 1, NULL, NULL, &error);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpint(error.code, ==, fault_fired() ? ERROR_NO_MEMORY : ERROR_NONE);
                consensus_call_unref(call);
        }
        g_assert_cmpuint(node_status(node).n_pending, ==, 1);
        NODE_WAIT(node, node->n_applied == 1);
        node_close(node);
}

/* ---- what changes its owner between the library and us is freed by the close (H6) */

static long heap_balance;

static void *heap_malloc(void *data _unused_, size_t size) {
        heap_balance++;
        return malloc(size);
}

static void *heap_calloc(void *data _unused_, size_t n, size_t size) {
        heap_balance++;
        return calloc(n, size);
}

static void *heap_realloc(void *data _unused_, void *p, size_t size) {
        heap_balance += !p;
        return realloc(p, size);
}

static void heap_free(void *data _unused_, void *p) {
        heap_balance -= !!p;
        free(p);
}

static void test_library_heap_is_balanced(Fixture *f, gconstpointer data _unused_) {
        static struct raft_heap heap = {
                .malloc = heap_malloc,
                .free = heap_free,
                .calloc = heap_calloc,
                .realloc = heap_realloc,
        };
        Node *node = &f->node;

        raft_heap_set(&heap);
        for (int round = 0; round < 3; round++) {
                node_start(node);
                node_pin_wait(node, 1 + (uint64_t) round * 50, 50);
                node_snapshot_wait(node);
                node_pin_wait(node, 1000, 1);
                if (round == 1)
                        node_crash(node);
                else
                        node_close(node);
                g_assert_cmpint(heap_balance, ==, 0);
        }
        raft_heap_set_default();
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) log_set_levels("error");
        TEST("first-start", test_first_start);
        TEST("pins-survive-a-close", test_pins_survive_a_close);
        TEST("pins-survive-a-crash", test_pins_survive_a_crash);
        TEST("batch", test_batch);
        TEST("many-in-flight", test_many_in_flight);
        TEST("snapshot-and-compaction", test_snapshot_and_compaction);
        TEST("snapshot-by-bytes", test_snapshot_by_bytes);
        TEST("snapshot-by-interval", test_snapshot_by_interval);
        TEST("snapshot-of-a-busy-loop", test_snapshot_of_a_busy_loop);
        TEST("open-without-memory", test_open_without_memory);
        TEST("submit-without-memory", test_submit_without_memory);
        TEST("writes-during-a-snapshot", test_writes_during_a_snapshot);
        TEST("bad-submits", test_bad_submits);
        TEST("tag", test_tag);
        TEST("other-kinds", test_other_kinds);
        TEST("pending-is-bounded", test_pending_is_bounded);
        TEST("dropped-call-is-silent", test_dropped_call_is_silent);
        TEST("close-cancels", test_close_cancels);
        TEST("close-during-a-snapshot", test_close_during_a_snapshot);
        TEST("close-waits-for-the-disk", test_close_waits_for_the_disk);
        TEST("other-peers-folder", test_other_peers_folder);
        TEST("members-of-a-first-start", test_members_of_a_first_start);
        TEST("foreign-folder-is-refused", test_foreign_folder_is_refused);
        TEST("half-a-first-start", test_half_a_first_start);
        TEST("missing-files-are-refused", test_missing_files_are_refused);
        TEST("cache-ahead-of-the-log", test_cache_ahead_of_the_log);
        TEST("library-heap-is-balanced", test_library_heap_is_balanced);
        return g_test_run();
}
