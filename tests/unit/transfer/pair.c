#include "tests/unit/transfer/pair.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/consensus/snapshot-store.h"
#include "daemon/transfer/wire.h"
#include "daemon/types/pin.h"

#define BATCH 500

/* ---- the links */

static void on_snapshot(RpcRequest *request, const void *body, size_t size, void *userdata) {
        PairPeer *peer = userdata;
        TransferRequest asked = {};

        (void) transfer_request_decode(body, size, &asked);
        peer->n_asked++;
        peer->offset = asked.offset;
        transfer_on_request(request, body, size, &peer->transfer);
}

static const RpcMethod methods[] = {
        { TRANSFER_METHOD, RPC_MEMBER, on_snapshot },
        {},
};

/* ---- the consensus */

static void on_ready(void *userdata) {
        PairPeer *peer = userdata;

        peer->ready = true;
}

static void on_progressed(uint64_t applied, void *userdata) {
        PairPeer *peer = userdata;

        peer->applied = applied;
}

static void on_applied(uint64_t index G_GNUC_UNUSED, const ConsensusOp *op, const Cid *cid, void *userdata) {
        PairPeer *peer = userdata;
        Pin pin = {};

        g_assert_true(op->kind == CONSENSUS_PIN || op->kind == CONSENSUS_UNPIN);
        peer->n_pins += op->kind == CONSENSUS_PIN;
        peer->n_unpins += op->kind == CONSENSUS_UNPIN;
        if (op->kind == CONSENSUS_PIN) {
                g_assert_cmpint(pin_read(op->body, op->size, &pin), ==, 0);
                g_assert_true(cid_equal(&pin.cid, cid));
                pin_done(&pin);
        } else
                g_assert_cmpmem(op->body, op->size, cid->bytes, cid->size);
}

static void on_failed(int exit_status, void *userdata) {
        PairPeer *peer = userdata;

        peer->failed = true;
        peer->exit_status = exit_status;
}

static void on_send(const ConsensusMessage *message G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
}

static const ConsensusEvents events = {
        .ready = on_ready,
        .applied = on_applied,
        .progressed = on_progressed,
        .send = on_send,
        .failed = on_failed,
};

void pair_open_consensus(PairPeer *peer, const uint8_t *join) {
        _cleanup_(error_done) Error error = {};
        int r;

        peer->ready = peer->failed = false;
        peer->options = (ConsensusOptions){
                .state_folder = peer->folder,
                .self = peer->self,
                .join = join,
                .join_raft_id = 77,
                .heartbeat_timeout_usec = 100 * USEC_PER_MSEC,
                .election_timeout_usec = 100 * USEC_PER_MSEC,
                .snapshot_threshold = 1000000,
                .trailing_logs = 100,
                .segment_size = 64 * 1024,
                .events = &events,
                .userdata = peer,
        };
        r = consensus_open(&peer->transfer.consensus, peer->node->event, &peer->options, &error);
        g_assert_cmpstr(error.message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
}

static void pin_bytes(uint64_t n, Str *to) {
        char name[64];
        Pin pin = {
                .name = name,
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .replication_factor_min = -1,
                .replication_factor_max = -1,
        };
        int size = snprintf(name, sizeof(name), "a pin with the number %" PRIu64 " and a long name", n);

        cid_of_bytes(CID_CODEC_RAW, name, (size_t) size, &pin.cid);
        g_assert_cmpint(pin_write(&pin, to), ==, 0);
}

static void copy_tree(const char *from, const char *to) {
        g_autoptr(GDir) dir = g_dir_open(from, 0, NULL);
        const char *name;

        g_assert_cmpint(file_make_dirs(to, 0700), ==, 0);
        while ((name = g_dir_read_name(dir))) {
                g_autofree char *source = g_build_filename(from, name, NULL);
                g_autofree char *target = g_build_filename(to, name, NULL);
                g_autofree char *bytes = NULL;
                size_t n;

                if (g_file_test(source, G_FILE_TEST_IS_DIR)) {
                        copy_tree(source, target);
                        continue;
                }
                g_assert_true(g_file_get_contents(source, &bytes, &n, NULL));
                g_assert_true(g_file_set_contents(target, bytes, (gssize) n, NULL));
        }
}

void pair_make_twin(PairPeer *peer, PairPeer *from) {
        g_autofree char *source = g_build_filename(from->folder, "raft", NULL);
        g_autofree char *target = g_build_filename(peer->folder, "raft", NULL);

        peer->transfer.consensus = consensus_free(peer->transfer.consensus);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, target), ==, 0);
        copy_tree(source, target);
        peer->self = from->node->id;
        pair_open_consensus(peer, NULL);
        PAIR_WAIT_FOR(peer->node->event, peer->ready);
}

void pair_lose_pin(PairPeer *peer, uint64_t n) {
        StatePinset *pinset = consensus_pinset(peer->transfer.consensus);
        _cleanup_(str_done) Str bytes = {};
        Pin pin = {};

        pin_bytes(n, &bytes);
        g_assert_cmpint(pin_read(bytes.data, bytes.len, &pin), ==, 0);
        g_assert_cmpint(state_pinset_remove(pinset, &pin.cid), ==, 1);
        g_assert_cmpint(state_pinset_commit(pinset, state_pinset_index(pinset)), ==, 0);
        pin_done(&pin);
}

static void on_pinned(
                ConsensusCall *call G_GNUC_UNUSED, int r, const Error *error G_GNUC_UNUSED, void *userdata) {
        PairPeer *peer = userdata;

        g_assert_cmpint(r, ==, 0);
        peer->n_done++;
}

static void pin_batch(PairPeer *peer, uint64_t first, unsigned n) {
        g_autofree ConsensusOp *ops = g_new0(ConsensusOp, n);
        g_autofree Str *bytes = g_new0(Str, n);
        unsigned target = peer->n_done + 1;

        for (unsigned i = 0; i < n; i++) {
                pin_bytes(first + i, &bytes[i]);
                ops[i] = (ConsensusOp){ CONSENSUS_PIN, bytes[i].data, bytes[i].len };
        }
        g_assert_cmpint(consensus_submit(peer->transfer.consensus, NULL, ops, n, on_pinned, peer, NULL),
                        ==,
                        0);
        for (unsigned i = 0; i < n; i++)
                str_done(&bytes[i]);
        nodes_until(peer->node->event, &peer->n_done, target);
}

void pair_pin(PairPeer *peer, uint64_t first, unsigned n) {
        for (unsigned i = 0; i < n; i += BATCH)
                pin_batch(peer, first + i, MIN(BATCH, n - i));
}

static void submit_one(PairPeer *peer, ConsensusOpKind kind, const void *body, size_t size) {
        const ConsensusOp op = { kind, body, size };
        unsigned target = peer->n_done + 1;

        g_assert_cmpint(consensus_submit(peer->transfer.consensus, NULL, &op, 1, on_pinned, peer, NULL),
                        ==,
                        0);
        nodes_until(peer->node->event, &peer->n_done, target);
}

static void read_pin(uint64_t n, Pin *ret) {
        _cleanup_(str_done) Str bytes = {};

        pin_bytes(n, &bytes);
        *ret = (Pin){};
        g_assert_cmpint(pin_read(bytes.data, bytes.len, ret), ==, 0);
}

void pair_unpin(PairPeer *peer, uint64_t n) {
        Pin pin;

        read_pin(n, &pin);
        submit_one(peer, CONSENSUS_UNPIN, pin.cid.bytes, pin.cid.size);
        pin_done(&pin);
}

void pair_rename(PairPeer *peer, uint64_t n) {
        _cleanup_(str_done) Str bytes = {};
        Pin pin;

        read_pin(n, &pin);
        g_assert_cmpint(str_copy(&pin.name, "another name"), ==, 0);
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
        submit_one(peer, CONSENSUS_PIN, bytes.data, bytes.len);
        pin_done(&pin);
}

static void on_snapshot_taken(int r, void *userdata) {
        PairPeer *peer = userdata;

        g_assert_cmpint(r, ==, 0);
        peer->n_done++;
}

uint64_t pair_snapshot_index(const PairPeer *peer) {
        ConsensusStatus status;

        consensus_status(peer->transfer.consensus, &status);
        return status.snapshot_index;
}

uint64_t pair_snapshot(PairPeer *peer) {
        unsigned target = peer->n_done + 1;

        g_assert_cmpint(consensus_snapshot(peer->transfer.consensus, on_snapshot_taken, peer), >=, 0);
        nodes_until(peer->node->event, &peer->n_done, target);
        return pair_snapshot_index(peer);
}

ConsensusMessage pair_install(PairPeer *peer, uint64_t later) {
        ConsensusMessage message = { .type = CONSENSUS_MESSAGE_INSTALL };
        ConsensusStatus status;

        consensus_status(peer->transfer.consensus, &status);
        message.peer = status.raft_id;
        message.term = status.term + later;
        g_assert_cmpint(consensus_snapshot_open(
                                        consensus_snapshots(peer->transfer.consensus),
                                        status.snapshot_index,
                                        &message.install,
                                        NULL),
                        ==,
                        0);
        return message;
}

/* ---- looking at it */

void pair_digest(const PairPeer *peer, uint8_t digest[static STATE_DIGEST_SIZE]) {
        state_pinset_digest(consensus_pinset(peer->transfer.consensus), digest);
}

void pair_same_pins(const PairPeer *a, const PairPeer *b) {
        uint8_t ours[STATE_DIGEST_SIZE], theirs[STATE_DIGEST_SIZE];

        pair_digest(a, ours);
        pair_digest(b, theirs);
        g_assert_cmpuint(
                        state_pinset_count(consensus_pinset(a->transfer.consensus)),
                        ==,
                        state_pinset_count(consensus_pinset(b->transfer.consensus)));
        g_assert_cmpmem(ours, sizeof(ours), theirs, sizeof(theirs));
}

char *pair_path(const PairPeer *peer, const char *name) {
        return g_build_filename(peer->folder, "raft", name, NULL);
}

bool pair_has(const PairPeer *peer, const char *name) {
        g_autofree char *path = pair_path(peer, name);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* ---- life */

static void peer_open(PairPeer *peer, Node *node) {
        g_autoptr(GError) error = NULL;

        peer->node = node;
        peer->self = node->id;
        peer->folder = g_dir_make_tmp("transfer-XXXXXX", &error);
        g_assert_no_error(error);
        peer->transfer = (Transfer){
                .event = node->event,
                .rpc = node->rpc,
        };
        g_assert_cmpint(rpc_serve(node->rpc, methods, peer), ==, 0);
}

void pair_open(Pair *pair, size_t n, unsigned pins) {
        *pair = (Pair){};
        nodes_open(&pair->nodes, n);
        nodes_know_all(&pair->nodes);
        for (size_t i = 0; i < n; i++)
                peer_open(&pair->peer[i], &pair->nodes.node[i]);

        pair_open_consensus(&pair->peer[PAIR_LEADER], NULL);
        PAIR_WAIT(pair, pair->peer[PAIR_LEADER].ready);
        if (pins > 0) {
                pair_pin(&pair->peer[PAIR_LEADER], 0, pins);
                (void) pair_snapshot(&pair->peer[PAIR_LEADER]);
        }
        for (size_t i = 1; i < n; i++)
                pair_open_consensus(
                                &pair->peer[i],
                                consensus_cluster_id(pair->peer[PAIR_LEADER].transfer.consensus));
}

void pair_close(Pair *pair) {
        for (size_t i = 0; i < pair->nodes.n; i++)
                transfer_stop(&pair->peer[i].transfer);
        nodes_close(&pair->nodes);
        for (size_t i = 0; i < pair->nodes.n; i++) {
                PairPeer *peer = &pair->peer[i];

                g_assert_null(peer->transfer.servings);
                consensus_free(peer->transfer.consensus);
                g_assert_cmpint(file_remove_tree(AT_FDCWD, peer->folder), ==, 0);
                g_free(peer->folder);
        }
}

/* ---- words */

static int saved_stderr = -1;
static FILE *captured;

void pair_capture_start(void) {
        g_assert_cmpint(saved_stderr, ==, -1);
        (void) fflush(stderr);
        captured = tmpfile();
        saved_stderr = dup(STDERR_FILENO);
        g_assert_cmpint(dup2(fileno(captured), STDERR_FILENO), >=, 0);
}

char *pair_capture_end(void) {
        char *text;
        long n;

        (void) fflush(stderr);
        g_assert_cmpint(dup2(saved_stderr, STDERR_FILENO), >=, 0);
        close(saved_stderr);
        saved_stderr = -1;
        (void) fseek(captured, 0, SEEK_END);
        n = ftell(captured);
        rewind(captured);
        text = g_malloc0((gsize) n + 1);
        g_assert_cmpuint(fread(text, 1, (size_t) n, captured), ==, (size_t) n);
        (void) fclose(captured);
        return text;
}
