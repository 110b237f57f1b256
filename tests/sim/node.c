#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "tests/sim/sim.h"

#define SUBMIT_MAX 3
#define RESTART_MSEC 50
#define REQUEST_CIDS 4
#define REQUESTS_OF_CID 6

SimNode sim_nodes[SIM_NODES_MAX];
static uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];

SimNode *sim_node_by_id(uint64_t raft_id) {
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                if (sim_nodes[i].raft_id == raft_id)
                        return &sim_nodes[i];
        return NULL;
}

bool sim_node_is_leader(const SimNode *node) {
        return node->consensus && !node->failed && node->consensus->state == CONSENSUS_LEADER;
}

SimNode *sim_leader(void) {
        SimNode *leader = NULL;

        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                if (sim_node_is_leader(&sim_nodes[i]) &&
                    (!leader || sim_nodes[i].consensus->term > leader->consensus->term))
                        leader = &sim_nodes[i];
        return leader;
}

/* ---- start and crash */

static PeerId peer(unsigned i) {
        uint8_t bytes[38] = { 0x00, 36, 0x08, 0x01, 0x12, 0x20 }; /* identity, Ed25519 */
        PeerId id;
        int r;

        memset(bytes + 6, (int) i + 1, 32);
        r = peer_id_from_bytes(bytes, sizeof(bytes), &id);
        assert(r == 0);
        return id;
}

void sim_node_init(unsigned i, const char *folder) {
        SimNode *node = &sim_nodes[i];

        *node = (SimNode){
                .i = i,
                .folder = g_strdup_printf("%s/node-%u", folder, i),
                .self = peer(i),
                .event = sim_loop_new(),
        };
        node->raft_id = consensus_raft_id(&node->self);
        if (mkdir(node->folder, 0700) < 0)
                sim_finish(SIM_VIOLATION, "%s: cannot make", node->folder);
}

static void on_failed(int exit_status, void *userdata) {
        ((SimNode *) userdata)->failed = exit_status;
}

static void on_send(const ConsensusMessage *message, void *userdata) {
        sim_network_send(userdata, message);
}

static void boot_members(PeerIdList *ret) {
        int r = 0;

        *ret = (PeerIdList){ .is_set = true };
        for (unsigned i = 0; i < sim_profile->n_boot && r == 0; i++)
                r = peer_id_list_append(ret, &sim_nodes[i].self);
        assert(r == 0);
}

/* Of one that founds alone the ids are random. */
static void take_ids(SimNode *node) {
        ConsensusStatus status;

        consensus_status(node->consensus, &status);
        node->raft_id = status.raft_id;
        if (node->i == 0) /* the first that starts, and one that founds */
                memcpy(cluster_id, status.cluster_id, STATE_CLUSTER_ID_SIZE);
}

void sim_node_start(SimNode *node) {
        static const ConsensusEvents events = { .failed = on_failed, .send = on_send };
        _cleanup_(error_done) Error error = {};
        PeerIdList members;
        ConsensusOptions options = {
                .state_folder = node->folder,
                .self = node->self,
                .members = &members,
                .election_timeout_usec = SIM_ELECTION_MSEC * 1000,
                .trailing_logs = SIM_TRAILING,
                .segment_size = SIM_SEGMENT_SIZE,
                .snapshot_bytes = sim_profile->steady ? 0 : SIM_SNAPSHOT_BYTES,
                .events = &events,
                .userdata = node,
                .rules_off = sim_rules_off,
        };
        int r;

        boot_members(&members);
        if (node->i >= sim_profile->n_boot)
                options.join = cluster_id;
        node->failed = 0;
        node->generation++;
        r = consensus_open(&node->consensus, node->event, &options, &error);
        peer_id_list_done(&members);
        if (r < 0)
                sim_finish(SIM_VIOLATION, "node %u does not start: %s", node->i, error_message(&error));

        take_ids(node);
        node->checked = node->consensus->applied;
        sim_trace("node %u starts: term %" PRIu64 " vote %016" PRIx64 " log %" PRIu64 "..%" PRIu64
                  " snapshot %" PRIu64,
                  node->i,
                  node->consensus->disk_state.meta.term,
                  node->consensus->disk_state.meta.vote,
                  consensus_log_first(node->consensus->disk_state.log),
                  consensus_log_last(node->consensus->disk_state.log),
                  node->consensus->disk_state.has_snapshot ? node->consensus->disk_state.snapshot.index : 0);
        sim_check_node(node);
}

void sim_node_crash(SimNode *node, uint64_t down_msec) {
        sim_trace("node %u crashes", node->i);
        sim_loop_crash(node->event);
        node->consensus = consensus_free(node->consensus);
        node->generation++;
        node->restart_at = sim_now + down_msec;
        sim_counts.crashes++;
}

void sim_node_free(SimNode *node) {
        node->consensus = consensus_free(node->consensus);
        sim_loop_free(node->event);
        g_free(node->folder);
}

void sim_node_run(SimNode *node) {
        if (!node->consensus) {
                if (sim_now >= node->restart_at)
                        sim_node_start(node);
                return;
        }
        while (!node->failed && sim_loop_step(node->event))
                sim_check_node(node);
        if (node->failed == CONSENSUS_EXIT_RESTART)
                sim_node_crash(node, RESTART_MSEC);
        else if (node->failed)
                sim_finish(SIM_VIOLATION, "node %u ends with status %d", node->i, node->failed);
}

/* ---- clients */

typedef struct Request {
        uint64_t first;
        unsigned n;
        bool is_unpin;
} Request;

static GPtrArray *requests; /* some are never answered */
static uint64_t next_pin = 1;

static void pin_cid(uint64_t n, Cid *ret) {
        char text[32];

        (void) g_snprintf(text, sizeof(text), "pin %" PRIu64, n);
        cid_of_bytes(CID_CODEC_RAW, text, strlen(text), ret);
}

static void pin_bytes(uint64_t n, Str *to) {
        Pin pin = {
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .replication_factor_min = -1,
                .replication_factor_max = -1,
        };
        int r;

        pin_cid(n, &pin.cid);
        r = pin_write(&pin, to);
        assert(r == 0);
}

static void on_done(ConsensusCall *call _unused_, int r, const Error *error _unused_, void *userdata) {
        const Request *request = userdata;

        for (unsigned i = 0; r == 0 && i < request->n; i++)
                sim_check_acked(request->first + i, request->is_unpin);
}

static Request *request_new(void) {
        Request *request = g_new0(Request, 1);

        if (!requests)
                requests = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(requests, request);
        return request;
}

static void submit_pins(SimNode *node, unsigned n) {
        Request *request = request_new();
        ConsensusOp ops[SUBMIT_MAX];
        Str bytes[SUBMIT_MAX] = {};

        request->first = next_pin;
        request->n = n;
        next_pin += n;
        for (unsigned i = 0; i < n; i++) {
                pin_bytes(request->first + i, &bytes[i]);
                ops[i] = (ConsensusOp){ CONSENSUS_PIN, bytes[i].data, bytes[i].len };
        }
        (void) consensus_submit(node->consensus, NULL, ops, n, on_done, request, NULL);
        for (unsigned i = 0; i < n; i++)
                str_done(&bytes[i]);
}

static void submit_unpin(SimNode *node, uint64_t pin) {
        Request *request = request_new();
        ConsensusOp op;
        Cid cid;

        *request = (Request){ .first = pin, .n = 1, .is_unpin = true };
        pin_cid(pin, &cid);
        op = (ConsensusOp){ CONSENSUS_UNPIN, cid.bytes, cid.size };
        sim_check_asked_unpin(pin);
        (void) consensus_submit(node->consensus, NULL, &op, 1, on_done, request, NULL);
}

/* ---- pinning requests of a few CIDs, that come and go beside other pins of them: nobody counts them, but
 * at the end they have to be the same everywhere */

static PinRequestId request_id(void) {
        PinRequestId id = { .is_plain = sim_one_in(4) };

        pin_cid(UINT64_MAX - sim_below(REQUEST_CIDS), &id.cid);
        if (!id.is_plain)
                id.created = 1 + sim_below(REQUESTS_OF_CID);
        return id;
}

static void put_body(const PinRequestId *replaces, Str *to) {
        _cleanup_(pin_done) Pin pin = { .type = PIN_TYPE_DATA, .max_depth = PIN_DEPTH_RECURSIVE };
        PinRequest request = { .created = 1 + sim_below(REQUESTS_OF_CID) };
        int r;

        pin.timestamp = (1 + sim_below(3)) * USEC_PER_SEC;
        pin.cid = request_id().cid;
        (void) pin_request_id_write(replaces, to);
        r = pin_request_list_take(&pin.requests, &request);
        if (r >= 0)
                r = pin_write(&pin, to);
        assert(r == 0);
}

static void submit_request(SimNode *node) {
        const PinRequestId id = request_id();
        _cleanup_(str_done) Str body = {};
        ConsensusOp op = {};

        if (sim_one_in(2)) {
                op.kind = CONSENSUS_REQUEST_PUT;
                put_body(sim_one_in(3) ? &id : &(PinRequestId){}, &body);
        } else if (!sim_one_in(4)) {
                op.kind = CONSENSUS_REQUEST_REMOVE;
                (void) pin_request_id_write(&id, &body);
        } else {
                op.kind = CONSENSUS_UNPIN;
                (void) str_append_bytes(&body, id.cid.bytes, id.cid.size);
        }
        op.body = body.data;
        op.size = body.len;
        (void) consensus_submit(node->consensus, NULL, &op, 1, NULL, NULL, NULL);
}

static void submit_beside_requests(SimNode *node) {
        _cleanup_(str_done) Str bytes = {};
        ConsensusOp op = { .kind = CONSENSUS_PIN };

        pin_bytes(UINT64_MAX - sim_below(REQUEST_CIDS), &bytes);
        op.body = bytes.data;
        op.size = bytes.len;
        (void) consensus_submit(node->consensus, NULL, &op, 1, NULL, NULL, NULL);
}

void sim_node_submit(SimNode *node) {
        uint64_t pin = 1 + sim_below((unsigned) next_pin);

        if (sim_one_in(6))
                submit_request(node);
        else if (sim_one_in(32))
                submit_beside_requests(node);
        else if (sim_one_in(8) && sim_check_may_unpin(pin))
                submit_unpin(node, pin);
        else
                submit_pins(node, 1 + sim_below(SUBMIT_MAX));
}

void sim_clients_done(void) {
        if (requests)
                g_ptr_array_free(requests, TRUE);
        requests = NULL;
}
