#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "daemon/consensus/snapshot-store.h"
#include "daemon/state/snapshot.h"
#include "daemon/transfer/wire.h"
#include "tests/unit/transfer/pair.h"

#define PINS 3000
#define MANY_PINS 8000 /* some megabytes: more than the windows of a link */

static PairPeer *leader_of(Pair *pair) {
        return &pair->peer[PAIR_LEADER];
}

static PairPeer *follower_of(Pair *pair) {
        return &pair->peer[PAIR_FOLLOWER];
}

/* INSTALL of peer FROM comes to the follower. */
static void install_from(Pair *pair, size_t from, uint64_t later) {
        ConsensusMessage message = pair_install(&pair->peer[from], later);

        transfer_begin(&follower_of(pair)->transfer, &pair->nodes.node[from].id, &message);
        g_assert_null(message.install.configuration.members);
}

static void install(Pair *pair, uint64_t later) {
        install_from(pair, PAIR_LEADER, later);
}

static void wait_until_installed(Pair *pair) {
        PAIR_WAIT(pair, follower_of(pair)->applied > 0);
        g_assert_null(follower_of(pair)->transfer.fetch);
        pair_same_pins(leader_of(pair), follower_of(pair));
        g_assert_false(pair_has(follower_of(pair), CONSENSUS_SNAPSHOT_RECEIVED));
}

/* Whatever came is gone, with words, and the consensus has not heard of it. */
static void wait_until_refused(Pair *pair, const char *expect) {
        g_autofree char *words = NULL, *prefix = NULL;
        char id[PEER_ID_TEXT_MAX];

        pair_capture_start();
        PAIR_WAIT(pair, !follower_of(pair)->transfer.fetch);
        words = pair_capture_end();
        prefix = g_strdup_printf(
                        "the snapshot of peer %s is not taken: %s",
                        peer_id_format(&leader_of(pair)->node->id, id),
                        expect);
        if (!strstr(words, prefix))
                g_error("expected '%s' in: %s", prefix, words);
        g_assert_false(pair_has(follower_of(pair), CONSENSUS_SNAPSHOT_RECEIVED));
        g_assert_cmpuint(follower_of(pair)->applied, ==, 0);
        g_assert_false(follower_of(pair)->failed);
}

static void test_whole(void) {
        Pair pair;

        pair_open(&pair, 2, PINS);
        install(&pair, 0);
        g_assert_cmpuint(leader_of(&pair)->n_asked, ==, 0); /* not from inside the call */
        wait_until_installed(&pair);
        g_assert_cmpuint(leader_of(&pair)->n_asked, ==, 1);

        install(&pair, 0); /* once more: it has it already */
        g_assert_null(follower_of(&pair)->transfer.fetch);
        pair_close(&pair);
}

/* ---- lost links, ends in the middle */

static void run_until_on_disk(Pair *pair) {
        g_autofree char *dump = pair_path(
                        follower_of(pair), CONSENSUS_SNAPSHOT_RECEIVED "/" CONSENSUS_SNAPSHOT_DUMP);
        struct stat st;

        PAIR_WAIT(pair, stat(dump, &st) == 0 && st.st_size > 0);
}

static void test_resume(void) {
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        install(&pair, 0);
        run_until_on_disk(&pair);
        rpc_forget(leader_of(&pair)->node->rpc, &follower_of(&pair)->node->id);
        wait_until_installed(&pair);
        g_assert_cmpuint(leader_of(&pair)->n_asked, ==, 2);
        g_assert_cmpuint(leader_of(&pair)->offset, >, 0);
        pair_close(&pair);
}

static void lose_links(Pair *pair) {
        rpc_forget(leader_of(pair)->node->rpc, &follower_of(pair)->node->id);
        PAIR_WAIT(pair, !rpc_is_linked(follower_of(pair)->node->rpc, &leader_of(pair)->node->id));
}

static char *leader_file(Pair *pair, const char *file) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        ConsensusMessage message = pair_install(leader_of(pair), 0);
        g_autofree char *folder = pair_path(
                        leader_of(pair), consensus_snapshot_name(message.install.index, name));

        consensus_message_done(&message);
        return g_build_filename(folder, file, NULL);
}

/* Another file under the same name: its beginning is of no use. */
static void test_another_file(void) {
        g_autofree char *dump = NULL, *bytes = NULL;
        size_t n;
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        install(&pair, 0);
        run_until_on_disk(&pair);
        lose_links(&pair);
        dump = leader_file(&pair, CONSENSUS_SNAPSHOT_DUMP);
        g_assert_true(g_file_get_contents(dump, &bytes, &n, NULL));
        g_assert_cmpint(unlink(dump), ==, 0);
        bytes[n - 1]++;
        g_assert_true(g_file_set_contents(dump, bytes, (gssize) n, NULL));

        PAIR_WAIT(&pair, leader_of(&pair)->n_asked == 3);
        g_assert_cmpuint(leader_of(&pair)->offset, ==, 0);
        wait_until_refused(&pair, "snapshot 'snapshot.received/pins.dump' is damaged at offset");
        pair_close(&pair);
}

static void test_gone(void) {
        g_autofree char *folder = NULL, *members = NULL;
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        install(&pair, 0);
        run_until_on_disk(&pair);
        lose_links(&pair);
        members = leader_file(&pair, CONSENSUS_SNAPSHOT_MEMBERS);
        folder = g_path_get_dirname(members);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, folder), ==, 0);
        wait_until_refused(&pair, "there is no snapshot ");
        pair_close(&pair);
}

/* The leader dies; the next one has a snapshot of its own. */
static void test_next_leader(void) {
        Pair pair;

        pair_open(&pair, 3, MANY_PINS);
        /* As peer 2 is to lead the same cluster, it gets what the leader has. */
        {
                ConsensusMessage message = pair_install(leader_of(&pair), 0);

                transfer_begin(&pair.peer[2].transfer, &leader_of(&pair)->node->id, &message);
                PAIR_WAIT(&pair, pair.peer[2].applied > 0);
        }
        install(&pair, 0);
        run_until_on_disk(&pair);
        node_free_rpc(leader_of(&pair)->node);
        leader_of(&pair)->transfer.rpc = NULL;
        install_from(&pair, 2, 5);
        wait_until_installed(&pair);
        g_assert_cmpuint(pair.peer[2].n_asked, ==, 1);
        pair_close(&pair);
}

/* It can be stopped at any moment, and begun again. */
static void test_end(void) {
        Pair pair;

        pair_open(&pair, 2, 4000);
        for (unsigned n = 0; follower_of(&pair)->applied == 0; n++) {
                install(&pair, 0);
                for (unsigned i = 0; i < n && follower_of(&pair)->applied == 0; i++)
                        g_assert_cmpint(sd_event_run(pair.nodes.event, 1000), >=, 0);
                transfer_stop(&follower_of(&pair)->transfer);
                g_assert_null(follower_of(&pair)->transfer.fetch);
        }
        pair_same_pins(leader_of(&pair), follower_of(&pair));
        pair_close(&pair);
}

/* ---- what comes meanwhile */

static void test_older_and_same(void) {
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        install(&pair, 3);
        run_until_on_disk(&pair);
        install(&pair, 2); /* of an older leader */
        install(&pair, 3);
        install(&pair, 4); /* elected again */
        wait_until_installed(&pair);
        g_assert_cmpuint(leader_of(&pair)->n_asked, ==, 1);
        pair_close(&pair);
}

/* The older one of two snapshots is on its way; the leader has a newer one. */
static void open_with_two(Pair *pair) {
        ConsensusMessage message;

        pair_open(pair, 2, MANY_PINS);
        message = pair_install(leader_of(pair), 0);
        pair_pin(leader_of(pair), MANY_PINS, 10);
        (void) pair_snapshot(leader_of(pair));
        transfer_begin(&follower_of(pair)->transfer, &leader_of(pair)->node->id, &message);
        run_until_on_disk(pair);
}

/* A newer one of the same leader does not cut what gets on; the leader will repeat itself. */
static void test_newer_meanwhile(void) {
        uint64_t applied;
        Pair pair;

        open_with_two(&pair);
        install(&pair, 0);
        PAIR_WAIT(&pair, follower_of(&pair)->applied > 0);
        g_assert_cmpuint(leader_of(&pair)->n_asked, ==, 1);
        applied = follower_of(&pair)->applied;

        install(&pair, 0);
        PAIR_WAIT(&pair, follower_of(&pair)->applied > applied);
        pair_same_pins(leader_of(&pair), follower_of(&pair));
        pair_close(&pair);
}

static void test_newer_leader_meanwhile(void) {
        Pair pair;

        open_with_two(&pair);
        install(&pair, 1);
        wait_until_installed(&pair);
        g_assert_cmpuint(leader_of(&pair)->n_asked, ==, 2);
        pair_close(&pair);
}

/* ---- liars */

typedef struct Liar {
        char *bytes; /* of an answer */
        size_t n, taken;
        size_t end;  /* the stream's */
        bool breaks; /* off, instead of an end */
        unsigned n_asked;
} Liar;

static ssize_t lie(RpcRequest *request G_GNUC_UNUSED, void *buffer, size_t max, void *userdata) {
        Liar *liar = userdata;
        size_t n = MIN(max, liar->end - liar->taken);

        if (n == 0)
                return liar->breaks ? -EIO : RPC_SOURCE_END;
        for (size_t i = 0; i < n; i++)
                ((char *) buffer)[i] = liar->bytes[(liar->taken + i) % liar->n];
        liar->taken += n;
        return (ssize_t) n;
}

static void on_lied_to(
                RpcRequest *request,
                const void *body G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        static const RpcSource source = { .pull = lie };
        Liar *liar = userdata;

        liar->n_asked++;
        liar->taken = 0;
        g_assert_cmpint(rpc_request_stream(request, &source, liar), ==, 0);
}

/* The leader answers with LIAR's bytes. */
static void begin_lying(Pair *pair, Liar *liar) {
        static const RpcMethod methods[] = { { TRANSFER_METHOD, RPC_MEMBER, on_lied_to }, {} };
        Node *node = leader_of(pair)->node;

        node_restart(node); /* with other methods */
        leader_of(pair)->transfer.rpc = node->rpc;
        g_assert_cmpint(rpc_serve(node->rpc, methods, liar), ==, 0);
        node_know(follower_of(pair)->node, node);
}

/* The whole answer that the leader would give. */
static void true_answer(Pair *pair, Liar *ret) {
        g_autofree char *dump_name = leader_file(pair, CONSENSUS_SNAPSHOT_DUMP);
        g_autofree char *members_name = leader_file(pair, CONSENSUS_SNAPSHOT_MEMBERS);
        g_autofree char *dump = NULL, *members = NULL;
        GString *bytes = g_string_new(NULL);
        uint8_t lead[TRANSFER_HEAD_SIZE];
        TransferHead head = {};
        size_t n, n_members;

        g_assert_true(g_file_get_contents(dump_name, &dump, &n, NULL));
        g_assert_true(g_file_get_contents(members_name, &members, &n_members, NULL));
        head.size = n;
        head.members_size = (uint32_t) n_members;
        transfer_head_encode(&head, lead);
        g_string_append_len(bytes, (char *) lead, sizeof(lead));
        g_string_append_len(bytes, members, (gssize) n_members);
        g_string_append_len(bytes, dump, (gssize) n);
        *ret = (Liar){ .n = bytes->len, .end = bytes->len };
        ret->bytes = g_string_free(bytes, FALSE);
}

/* The same answer would be taken, if it were not for the lie. */
static void test_true_liar(void) {
        Liar liar;
        Pair pair;

        pair_open(&pair, 2, 100);
        true_answer(&pair, &liar);
        begin_lying(&pair, &liar);
        install(&pair, 0);
        wait_until_installed(&pair);
        pair_close(&pair);
        g_free(liar.bytes);
}

/* Each byte of the answer is another one, some at a time: nothing of it is taken, and nothing happens. */
static void test_damaged(void) {
        Liar liar;
        Pair pair;

        pair_open(&pair, 2, 100);
        true_answer(&pair, &liar);
        begin_lying(&pair, &liar);
        for (size_t at = TRANSFER_HEAD_SIZE; at < liar.n; at += at < 200 ? 1 : 97) {
                liar.bytes[at] ^= 0x40;
                install(&pair, 0);
                wait_until_refused(&pair, "");
                liar.bytes[at] ^= 0x40;
        }
        install(&pair, 0);
        wait_until_installed(&pair);
        pair_close(&pair);
        g_free(liar.bytes);
}

static void refuse_answer(Pair *pair, Liar *liar, const char *words) {
        liar->n_asked = 0;
        install(pair, 0);
        wait_until_refused(pair, words);
        g_assert_cmpuint(liar->n_asked, ==, 1);
}

static void test_lies(void) {
        Liar liar;
        Pair pair;

        pair_open(&pair, 2, 100);
        true_answer(&pair, &liar);
        begin_lying(&pair, &liar);

        liar.end = 3 * liar.n;
        refuse_answer(&pair, &liar, "it sends more than the ");
        liar.end = liar.n;
        liar.bytes[0] = 2;
        refuse_answer(&pair, &liar, "it answers in a newer format");
        liar.bytes[0] = 1;
        liar.bytes[TRANSFER_HEAD_SIZE]++;
        refuse_answer(&pair, &liar, "its members cannot be read");
        liar.bytes[TRANSFER_HEAD_SIZE]--;
        {
                TransferHead head = { .size = TRANSFER_SIZE_MAX, .members_size = 0 };
                uint8_t lead[TRANSFER_HEAD_SIZE];

                g_assert_cmpint(transfer_head_decode((uint8_t *) liar.bytes, &head), ==, 0);
                head.size = TRANSFER_SIZE_MAX; /* no disk has room for it */
                transfer_head_encode(&head, lead);
                memcpy(liar.bytes, lead, sizeof(lead));
                liar.end = 1024 * 1024;
        }
        liar.breaks = true;
        refuse_answer(&pair, &liar, follower_of(&pair)->folder);
        pair_close(&pair);
        g_free(liar.bytes);
}

/* It ends too early: it is asked again for the rest, and for nothing else. */
static void test_too_short(void) {
        Liar liar;
        Pair pair;

        pair_open(&pair, 2, 100);
        true_answer(&pair, &liar);
        begin_lying(&pair, &liar);
        liar.end = liar.n - 1;
        install(&pair, 0);
        PAIR_WAIT(&pair, liar.n_asked == 2);
        wait_until_refused(&pair, "it sends more than the "); /* this liar begins at 0 again */
        pair_close(&pair);
        g_free(liar.bytes);
}

/* Not the snapshot that was announced. */
static void test_another_snapshot(void) {
        ConsensusMessage message;
        Liar liar;
        Pair pair;

        pair_open(&pair, 2, 100);
        message = pair_install(leader_of(&pair), 0);
        pair_pin(leader_of(&pair), 100, 1);
        (void) pair_snapshot(leader_of(&pair));
        true_answer(&pair, &liar);
        begin_lying(&pair, &liar);
        transfer_begin(&follower_of(&pair)->transfer, &leader_of(&pair)->node->id, &message);
        wait_until_refused(&pair, "it is another one, of index ");
        pair_close(&pair);
        g_free(liar.bytes);
}

/* ---- what follows in the consensus */

static void wait_until_told(Pair *pair, unsigned n_pins, unsigned n_unpins) {
        PairPeer *follower = follower_of(pair);

        PAIR_WAIT(pair, follower->n_pins + follower->n_unpins >= n_pins + n_unpins);
        nodes_turns(pair->nodes.event, 100);
        g_assert_cmpuint(follower->n_pins, ==, n_pins);
        g_assert_cmpuint(follower->n_unpins, ==, n_unpins);
        follower->n_pins = follower->n_unpins = 0;
}

/* Whoever tracks pins hears of those that came or went by the snapshot, and of no other. */
static void test_told(void) {
        Pair pair;

        pair_open(&pair, 2, 300);
        install(&pair, 0);
        wait_until_installed(&pair);
        wait_until_told(&pair, 300, 0);

        pair_pin(leader_of(&pair), 1000, 20);
        for (uint64_t n = 0; n < 5; n++)
                pair_unpin(leader_of(&pair), 7 * n);
        for (uint64_t n = 0; n < 3; n++)
                pair_rename(leader_of(&pair), 100 + n);
        (void) pair_snapshot(leader_of(&pair));
        follower_of(&pair)->applied = 0;
        install(&pair, 0);
        wait_until_installed(&pair);
        wait_until_told(&pair, 23, 5);
        pair_close(&pair);
}

/* A scan of the pinset goes on with what it saw, and nobody waits for it. */
static void test_under_a_scan(void) {
        const void *key, *value;
        size_t key_size, value_size;
        StateScan *scan;
        unsigned n = 0;
        Pair pair;

        pair_open(&pair, 2, 300);
        install(&pair, 0);
        wait_until_installed(&pair);
        g_assert_cmpint(state_scan_new(&scan, consensus_pinset(follower_of(&pair)->transfer.consensus)),
                        ==,
                        0);
        pair_pin(leader_of(&pair), 1000, 20);
        (void) pair_snapshot(leader_of(&pair));
        follower_of(&pair)->applied = 0;
        install(&pair, 0);
        wait_until_installed(&pair);
        while (state_scan_next(scan, &key, &key_size, &value, &value_size) > 0)
                n++;
        g_assert_cmpuint(n, ==, 300);
        state_scan_free(scan);
        pair_close(&pair);
}

static void start_anew(Pair *pair) {
        PairPeer *follower = follower_of(pair);

        consensus_free(TAKE_PTR(follower->transfer.consensus));
        g_assert_cmpint(file_remove_tree(AT_FDCWD, follower->folder), ==, 0);
        g_assert_cmpint(file_make_dirs(follower->folder, 0700), ==, 0);
        pair_open_consensus(follower, consensus_cluster_id(leader_of(pair)->transfer.consensus));
}

/* The peer ends in the middle of it, in order: it has what it had, or all of the snapshot; and when not all
 * was told of, something is in the end, so that whoever listens knows. */
static void close_after(Pair *pair, unsigned n_turns) {
        PairPeer *follower = follower_of(pair);
        uint64_t count;
        unsigned told;

        follower->n_pins = 0;
        install(pair, 0);
        while (follower->transfer.fetch)
                g_assert_cmpint(sd_event_run(pair->nodes.event, 100000), >=, 0);
        for (unsigned i = 0; i < n_turns; i++)
                g_assert_cmpint(sd_event_run(pair->nodes.event, 10000), >=, 0);
        count = state_pinset_count(consensus_pinset(follower->transfer.consensus));
        told = follower->n_pins;
        g_assert_true(count == 0 || count == 2000);
        g_assert_cmpint(consensus_close(TAKE_PTR(follower->transfer.consensus)), ==, 0);
        g_assert_cmpuint(follower->n_pins, ==, told + (count > 0 && told < count));

        pair_open_consensus(follower, NULL);
        g_assert_cmpuint(state_pinset_count(consensus_pinset(follower->transfer.consensus)), ==, count);
        if (count > 0)
                pair_same_pins(leader_of(pair), follower);
}

static void test_close_meanwhile(void) {
        Pair pair;

        pair_open(&pair, 2, 2000);
        for (unsigned n = 0; n < 60; n += n < 12 ? 1 : 6) {
                close_after(&pair, n);
                start_anew(&pair);
        }
        pair_close(&pair);
}

/* ---- repairs */

/* The follower has the same log, and yet not the same pins: it starts again with those of the leader. */
static void test_repair(void) {
        PairPeer *follower;
        uint64_t least;
        Pair pair;

        pair_open(&pair, 2, PINS);
        follower = follower_of(&pair);
        pair_make_twin(follower, leader_of(&pair));
        least = pair_snapshot_index(leader_of(&pair));
        pair_lose_pin(follower, 5);

        g_assert_cmpint(transfer_repair(&follower->transfer, &leader_of(&pair)->node->id, least), ==, 0);
        g_assert_cmpint(transfer_repair(&follower->transfer, &leader_of(&pair)->node->id, least),
                        ==,
                        -EBUSY);
        PAIR_WAIT(&pair, follower->failed);
        g_assert_cmpint(follower->exit_status, ==, 75);
        g_assert_null(follower->transfer.fetch);
        g_assert_true(pair_has(follower, CONSENSUS_SNAPSHOT_RECEIVED "/" CONSENSUS_SNAPSHOT_REPAIR));
        g_assert_cmpint(consensus_close(TAKE_PTR(follower->transfer.consensus)), ==, -EIO);

        pair_open_consensus(follower, NULL);
        PAIR_WAIT(&pair, follower->ready);
        pair_same_pins(leader_of(&pair), follower);
        pair_close(&pair);
}

/* The log of this peer does not go on from there. */
static void test_repair_refused(void) {
        PairPeer *follower;
        Pair pair;

        pair_open(&pair, 2, 100);
        follower = follower_of(&pair);
        pair_make_twin(follower, leader_of(&pair));
        pair_pin(leader_of(&pair), 200, 5);
        pair_pin(follower, 300, 5);
        pair_pin(follower, 400, 5);
        follower->applied = 0;
        g_assert_cmpint(transfer_repair(&follower->transfer,
                                        &leader_of(&pair)->node->id,
                                        pair_snapshot(leader_of(&pair))),
                        ==,
                        0);
        wait_until_refused(&pair, "the log of this peer does not go on from snapshot ");
        pair_close(&pair);
}

/* What is applied here has not got there yet. */
static void test_repair_waits(void) {
        PairPeer *follower;
        Pair pair;

        pair_open(&pair, 2, 100);
        follower = follower_of(&pair);
        pair_make_twin(follower, leader_of(&pair));
        pair_pin(leader_of(&pair), 200, 1);
        pair_pin(leader_of(&pair), 300, 1);
        pair_pin(leader_of(&pair), 400, 1);
        g_assert_cmpint(transfer_repair(&follower->transfer,
                                        &leader_of(&pair)->node->id,
                                        pair_snapshot(leader_of(&pair))),
                        ==,
                        0);
        PAIR_WAIT(&pair, pair_has(follower, CONSENSUS_SNAPSHOT_RECEIVED "/" CONSENSUS_SNAPSHOT_REPAIR));
        nodes_turns(pair.nodes.event, 100);
        g_assert_nonnull(follower->transfer.fetch);
        pair_pin(follower, 300, 1);
        pair_pin(follower, 300, 1);
        transfer_on_progress(&follower->transfer, 1); /* too early */
        g_assert_nonnull(follower->transfer.fetch);
        transfer_on_progress(&follower->transfer, UINT64_MAX);
        PAIR_WAIT(&pair, !follower->transfer.fetch); /* refused: the entry there has another term */
        g_assert_false(follower->failed);
        pair_close(&pair);
}

/* ---- the disk */

static void test_disk_full(void) {
        struct rlimit before, small;
        Pair pair;

        pair_open(&pair, 2, PINS);
        g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
        small = before;
        small.rlim_cur = 200 * 1024; /* the log has 64 KiB */
        (void) signal(SIGXFSZ, SIG_IGN);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
        install(&pair, 0);
        wait_until_refused(&pair, follower_of(&pair)->folder);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        install(&pair, 0); /* there is room again */
        wait_until_installed(&pair);
        pair_close(&pair);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/transfer/fetch/whole", test_whole);
        g_test_add_func("/transfer/fetch/resume", test_resume);
        g_test_add_func("/transfer/fetch/another-file", test_another_file);
        g_test_add_func("/transfer/fetch/gone", test_gone);
        g_test_add_func("/transfer/fetch/next-leader", test_next_leader);
        g_test_add_func("/transfer/fetch/end", test_end);
        g_test_add_func("/transfer/fetch/older-and-same", test_older_and_same);
        g_test_add_func("/transfer/fetch/newer-meanwhile", test_newer_meanwhile);
        g_test_add_func("/transfer/fetch/newer-leader-meanwhile", test_newer_leader_meanwhile);
        g_test_add_func("/transfer/fetch/true-liar", test_true_liar);
        g_test_add_func("/transfer/fetch/damaged", test_damaged);
        g_test_add_func("/transfer/fetch/lies", test_lies);
        g_test_add_func("/transfer/fetch/too-short", test_too_short);
        g_test_add_func("/transfer/fetch/another-snapshot", test_another_snapshot);
        g_test_add_func("/transfer/fetch/told", test_told);
        g_test_add_func("/transfer/fetch/under-a-scan", test_under_a_scan);
        g_test_add_func("/transfer/fetch/close-meanwhile", test_close_meanwhile);
        g_test_add_func("/transfer/fetch/repair", test_repair);
        g_test_add_func("/transfer/fetch/repair-refused", test_repair_refused);
        g_test_add_func("/transfer/fetch/repair-waits", test_repair_waits);
        g_test_add_func("/transfer/fetch/disk-full", test_disk_full);
        return g_test_run();
}
