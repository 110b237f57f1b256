#include "tests/unit/consensus/node.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>

static void on_applied(
                uint64_t index, const ConsensusOp *op _unused_, const Cid *cid _unused_, void *userdata) {
        Node *node = userdata;

        g_assert_cmpuint(index, >=, node->last_applied);
        node->last_applied = index;
        node->n_applied++;
}

static void on_ready(void *userdata) {
        Node *node = userdata;

        g_assert_false(node->ready);
        node->ready = true;
}

static void on_leader_changed(const PeerId *leader, void *userdata) {
        Node *node = userdata;

        node->leader = *leader;
}

static void on_failed(int exit_status, void *userdata) {
        Node *node = userdata;

        g_assert_false(node->failed);
        node->failed = true;
        node->failed_status = exit_status;
}

void node_init(Node *node, const HelpFolder *folder) {
        *node = (Node){
                .options = {
                        .state_folder = folder->path,
                        .self = help_peer(1),
                        .heartbeat_timeout_usec = USEC_PER_SEC,
                        .election_timeout_usec = USEC_PER_SEC,
                        .snapshot_interval_usec = 3600 * USEC_PER_SEC,
                        .snapshot_threshold = 1000000,
                        .trailing_logs = 100,
                        .segment_size = 64 * 1024,
                },
                .events = {
                        .applied = on_applied,
                        .ready = on_ready,
                        .leader_changed = on_leader_changed,
                        .failed = on_failed,
                },
        };
        node->options.events = &node->events;
        node->options.userdata = node;
        g_assert_cmpint(sd_event_new(&node->event), >=, 0);
}

int node_open(Node *node, char **ret_words) {
        _cleanup_(error_done) Error error = {};
        int r;

        node->options.events = &node->events;
        node->ready = node->failed = false;
        node->n_applied = node->last_applied = node->n_done = node->n_refused = node->n_busy = 0;
        r = consensus_open(&node->consensus, node->event, &node->options, &error);
        if (ret_words)
                *ret_words = g_strdup(r < 0 ? error_message(&error) : "");
        else if (r < 0)
                g_test_message("%s", error_message(&error));
        return r;
}

void node_turn(Node *node) {
        g_assert_cmpint(sd_event_run(node->event, UINT64_MAX), >=, 0);
}

void node_start(Node *node) {
        g_assert_cmpint(node_open(node, NULL), ==, 0);
        g_assert_false(node->ready); /* not from inside the call */
        NODE_WAIT(node, node->ready);
        g_assert_true(node->ready);
}

void node_close(Node *node) {
        g_assert_cmpint(consensus_close(node->consensus), ==, 0);
        node->consensus = NULL;
}

void node_crash(Node *node) {
        node->consensus = consensus_free(node->consensus);
}

void node_done(Node *node) {
        node_crash(node);
        node->event = sd_event_unref(node->event);
}

void node_pin_cid(uint64_t n, Cid *ret) {
        char text[32];
        int size = snprintf(text, sizeof(text), "pin %" PRIu64, n);

        cid_of_bytes(CID_CODEC_RAW, text, (size_t) size, ret);
}

void node_pin_bytes(uint64_t n, Str *to) {
        char name[32];
        Pin pin = {
                .name = name,
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .replication_factor_min = -1,
                .replication_factor_max = -1,
        };

        (void) snprintf(name, sizeof(name), "number %" PRIu64, n);
        node_pin_cid(n, &pin.cid);
        g_assert_cmpint(pin_write(&pin, to), ==, 0);
}

static void on_done(ConsensusCall *call _unused_, int r, const Error *error _unused_, void *userdata) {
        Node *node = userdata;

        if (r == 0)
                node->n_done++;
        else
                node->n_refused++;
}

static int submit(Node *node, const ConsensusOp *ops, size_t n) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = consensus_submit(node->consensus, NULL, ops, n, on_done, node, &error);
        if (r < 0)
                g_test_message("%s", error_message(&error));
        node->n_busy += error.code == ERROR_BUSY;
        return r;
}

int node_pin(Node *node, uint64_t first, size_t n) {
        g_autofree ConsensusOp *ops = g_new0(ConsensusOp, n);
        g_autofree Str *bytes = g_new0(Str, n);
        int r;

        for (size_t i = 0; i < n; i++) {
                node_pin_bytes(first + i, &bytes[i]);
                ops[i] = (ConsensusOp){ CONSENSUS_PIN, bytes[i].data, bytes[i].len };
        }
        r = submit(node, ops, n);
        for (size_t i = 0; i < n; i++)
                str_done(&bytes[i]);
        return r;
}

int node_unpin(Node *node, uint64_t n) {
        ConsensusOp op;
        Cid cid;

        node_pin_cid(n, &cid);
        op = (ConsensusOp){ CONSENSUS_UNPIN, cid.bytes, cid.size };
        return submit(node, &op, 1);
}

void node_pin_wait(Node *node, uint64_t first, size_t n) {
        uint64_t target = node->n_done + n;

        for (size_t i = 0; i < n; i++)
                g_assert_cmpint(node_pin(node, first + i, 1), ==, 0);
        NODE_WAIT(node, node->n_done == target);
        g_assert_cmpuint(node->n_done, ==, target);
}

static void on_snapshot(int r, void *userdata) {
        Node *node = userdata;

        node->snapshot_result = r;
}

void node_snapshot_wait(Node *node) {
        node->snapshot_result = 1;
        g_assert_cmpint(consensus_snapshot(node->consensus, on_snapshot, node), >=, 0);
        NODE_WAIT(node, node->snapshot_result <= 0);
        g_assert_cmpint(node->snapshot_result, ==, 0);
}

bool node_has(Node *node, uint64_t n) {
        _cleanup_(str_done) Str want = {};
        _cleanup_(str_done) Str value = {};
        Cid cid;
        int r;

        node_pin_cid(n, &cid);
        r = state_pinset_get_bytes(consensus_pinset(node->consensus), &cid, &value);
        g_assert_cmpint(r, >=, 0);
        if (r == 0)
                return false;
        node_pin_bytes(n, &want);
        g_assert_cmpmem(value.data, value.len, want.data, want.len);
        return true;
}

uint64_t node_count(Node *node) {
        return state_pinset_count(consensus_pinset(node->consensus));
}

void node_digest(Node *node, uint8_t digest[static STATE_DIGEST_SIZE]) {
        state_pinset_digest(consensus_pinset(node->consensus), digest);
}

void node_check_pins(Node *node, uint64_t first, uint64_t last) {
        for (uint64_t n = first; n <= last; n++)
                if (!node_has(node, n)) {
                        g_test_message("pin %" PRIu64 " is missing", n);
                        g_assert_not_reached();
                }
        g_assert_cmpuint(node_count(node), ==, last + 1 - first);
}

ConsensusStatus node_status(Node *node) {
        ConsensusStatus status;

        consensus_status(node->consensus, &status);
        return status;
}
