/*
 * Pinning requests, as flows:
 *
 *   put      prepare ──► commit ──► done         any state: error, timeout, cancel ──► done
 *   remove   find ──► commit ──► done
 *
 * "prepare" and "find" wait for nothing. What they find may be another thing when the entry is applied, so
 * "commit" looks at what has become of it.
 */

#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"
#include "daemon/state/requests.h"

enum {
        REQUEST_PREPARE,
        REQUEST_COMMIT,
};

static const char not_there[] = "the pinning request is not there";
static const char is_full[] = "the CID has %d pinning requests already";

static int request_get(ClusterCall *call, const Cid *cid, Pin *ret) {
        return state_pinset_get(consensus_pinset(call->cluster->consensus), cid, ret);
}

/* Answers 0 when ID keeps the pin, which is read. */
static int request_find(ClusterCall *call, const PinRequestId *id, Pin *ret) {
        int r;

        r = request_get(call, &id->cid, ret);
        if (r < 0)
                return r;
        if (r == 0 || !state_requests_keep(ret, id))
                return error_set(&call->error, ERROR_NOT_FOUND, not_there);
        return 0;
}

static void request_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.request(call, MIN(result, 0), &call->error, &call->request, &call->info, call->userdata);
}

/* ---- put: prepare ---- */

/* Never twice, and never before the last one, while this peer runs. */
static uint64_t request_now(Cluster *cluster) {
        cluster->last_request = MAX(time_now(), cluster->last_request + 1);
        return cluster->last_request;
}

static int request_fill(ClusterCall *call) {
        Pin *pin = &call->pin;
        PinRequest request = {};
        int r;

        request.created = request_now(call->cluster);
        request.random = (uint32_t) random_below(UINT64_C(1) << 32);
        r = str_copy(&request.name, pin->name);
        if (r >= 0)
                r = str_map_copy(&request.meta, &pin->metadata);
        if (r >= 0)
                r = str_list_copy(&request.origins, &pin->origins);
        call->request = (PinRequestId){
                .cid = pin->cid,
                .created = request.created,
                .random = request.random,
        };
        if (r >= 0)
                r = pin_request_list_take(&pin->requests, &request);
        pin_request_done(&request);
        pin->requests_only = true;
        pin->timestamp = call->request.created;
        return r;
}

/* It joins EXISTING, whose place the request's own pin would take if that went in between. */
static int request_join(ClusterCall *call, const Pin *existing) {
        bool frees = cid_equal(&call->replaces.cid, &existing->cid) && !call->replaces.is_plain;
        Pin *pin = &call->pin;
        int r;

        if (existing->requests.n >= PIN_REQUESTS_MAX && !frees)
                return error_set(&call->error, ERROR_REFUSED, is_full, PIN_REQUESTS_MAX);
        r = cluster_pin_check_existing(pin, existing, &call->error);
        if (r < 0)
                return r;
        pin->replication_factor_min = existing->replication_factor_min;
        pin->replication_factor_max = existing->replication_factor_max;
        return peer_id_list_copy(&pin->allocations, &existing->allocations);
}

/* Where the pin that it replaces is, if there is one: Kubo there has blocks of it. */
static int request_allocate(ClusterCall *call, const Pin *old) {
        bool is_update = cid_is_defined(&old->cid) && old->type == PIN_TYPE_DATA;
        int r;

        if (is_update)
                call->pin.pin_update = old->cid;
        r = cluster_pin_complete(call->cluster, &call->pin, &call->error);
        if (r < 0)
                return r;
        return cluster_pin_allocate(call->cluster, &call->pin, is_update ? old : NULL, &call->error);
}

static int request_prepare(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        _cleanup_(pin_done) Pin existing = {}, old = {};
        int r = 0, found;

        if (cid_is_defined(&call->replaces.cid))
                r = request_find(call, &call->replaces, &old);
        if (r >= 0)
                r = request_fill(call);
        if (r >= 0)
                r = found = request_get(call, &call->pin.cid, &existing);
        if (r >= 0)
                r = found ? request_join(call, &existing) : request_allocate(call, &old);
        if (r < 0)
                return r;
        flow_next(flow, REQUEST_COMMIT);
        return 0;
}

/* ---- put: commit ---- */

static int request_head(ClusterCall *call, const Cid *cid) {
        Pin pin = {};
        int r;

        r = request_get(call, cid, &pin);
        if (r > 0)
                cluster_status_head_take(&pin, &call->info);
        pin_done(&pin);
        return r;
}

/* Why the request is not there although its entry was applied. */
static int request_explain(ClusterCall *call) {
        const PinRequestList *requests = &call->info.requests;
        Pin old = {};
        int r = 0;

        if (cid_is_defined(&call->replaces.cid))
                r = request_find(call, &call->replaces, &old);
        pin_done(&old);
        if (r < 0)
                return r;
        if (requests->n >= PIN_REQUESTS_MAX)
                return error_set(&call->error, ERROR_REFUSED, is_full, PIN_REQUESTS_MAX);
        if (requests->n == 0)
                return error_set(&call->error, ERROR_REFUSED, "the pin was removed at the same time");
        return error_set(
                        &call->error,
                        ERROR_REFUSED,
                        "the pinning requests of the CID would have more than %d bytes",
                        PIN_REQUESTS_BYTES_MAX);
}

static void request_on_put(int r, const Error *error, void *userdata) {
        ClusterCall *call = userdata;

        if (r >= 0)
                r = request_head(call, &call->pin.cid);
        if (r >= 0 && !pin_request_list_find(&call->info.requests, &call->request))
                r = request_explain(call);
        cluster_call_next(call, r, error, FLOW_DONE);
        call->submit = peers_submit_unref(call->submit);
}

/* A request holds all below its CID: a pin that is direct becomes recursive. Answers 1 when BODY has that.
 */
static int request_deepen(ClusterCall *call, Str *body) {
        _cleanup_(str_done) Str value = {};
        _cleanup_(pin_done) Pin pin = {};
        uint8_t condition[CONSENSUS_CONDITION_SIZE];
        int r;

        r = state_pinset_get_bytes(consensus_pinset(call->cluster->consensus), &call->pin.cid, &value);
        if (r > 0)
                r = pin_read(value.data, value.len, &pin);
        if (r < 0 || !cid_is_defined(&pin.cid) || pin.max_depth == PIN_DEPTH_RECURSIVE)
                return MIN(r, 0);

        pin.max_depth = PIN_DEPTH_RECURSIVE;
        consensus_condition(value.data, value.len, condition);
        (void) str_append_bytes(body, condition, sizeof(condition));
        r = pin_write(&pin, body);
        return r < 0 ? r : 1;
}

static int request_write(ClusterCall *call, Str *body) {
        int r;

        (void) pin_request_id_write(&call->replaces, body);
        r = pin_write(&call->pin, body);
        if (r == -E2BIG)
                return error_set(
                                &call->error,
                                ERROR_TOO_BIG,
                                "the pinning request with its name, meta and origins is larger than %d bytes",
                                PIN_REQUESTS_BYTES_MAX);
        return r;
}

static int request_commit(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        _cleanup_(str_done) Str body = {}, deeper = {};
        ConsensusOp ops[2];
        size_t n = 0;
        int r;

        r = request_deepen(call, &deeper);
        if (r > 0)
                ops[n++] = (ConsensusOp){ CONSENSUS_PIN_IF, deeper.data, deeper.len };
        if (r >= 0)
                r = request_write(call, &body);
        if (r < 0)
                return r;
        ops[n++] = (ConsensusOp){ CONSENSUS_REQUEST_PUT, body.data, body.len };
        return peers_submit(call->cluster->peers, &call->submit, ops, n, request_on_put, call, &call->error);
}

static const FlowState put_states[] = {
        [REQUEST_PREPARE] = { "prepare", request_prepare, FLOW_TO(REQUEST_COMMIT) },
        [REQUEST_COMMIT] = { "commit", request_commit, 0 },
};

static const FlowClass put_class = { "request put", put_states, request_finish };

/* Of PIN only what a request may say. */
static int request_take(ClusterCall *call, const Pin *pin) {
        Pin *to = &call->pin;
        int r;

        to->cid = pin->cid;
        to->type = PIN_TYPE_DATA;
        to->max_depth = PIN_DEPTH_RECURSIVE;
        r = str_copy(&to->name, pin->name);
        if (r >= 0)
                r = str_map_copy(&to->metadata, &pin->metadata);
        return r < 0 ? r : str_list_copy(&to->origins, &pin->origins);
}

int cluster_request_put(
                Cluster *cluster,
                ClusterCall **ret,
                const Pin *pin,
                const PinRequestId *replaces,
                ClusterRequestDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.request = done;
        if (replaces)
                call->replaces = *replaces;
        r = request_take(call, pin);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        return cluster_call_start_checked(
                        call, &put_class, CLUSTER_COMMIT_TIMEOUT, cluster_call_may_write(call), ret);
}

/* ---- remove ---- */

static int remove_find(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        Pin pin = {};
        int r;

        r = request_find(call, &call->request, &pin);
        if (r >= 0) {
                cluster_status_head_take(&pin, &call->info);
                flow_next(flow, REQUEST_COMMIT);
        }
        pin_done(&pin);
        return r;
}

static void remove_on_committed(int r, const Error *error, void *userdata) {
        ClusterCall *call = userdata;

        cluster_call_next(call, r, error, FLOW_DONE);
        call->submit = peers_submit_unref(call->submit);
}

static int remove_commit(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        _cleanup_(str_done) Str body = {};
        int r;

        r = pin_request_id_write(&call->request, &body);
        if (r < 0)
                return r;
        return cluster_call_commit(call, CONSENSUS_REQUEST_REMOVE, body.data, body.len, remove_on_committed);
}

static const FlowState remove_states[] = {
        [REQUEST_PREPARE] = { "find", remove_find, FLOW_TO(REQUEST_COMMIT) },
        [REQUEST_COMMIT] = { "commit", remove_commit, 0 },
};

static const FlowClass remove_class = { "request remove", remove_states, request_finish };

int cluster_request_remove(
                Cluster *cluster,
                ClusterCall **ret,
                const PinRequestId *id,
                ClusterRequestDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.request = done;
        call->request = *id;
        return cluster_call_start_checked(
                        call, &remove_class, CLUSTER_COMMIT_TIMEOUT, cluster_call_may_write(call), ret);
}

/* ---- where content may come from ---- */

/* Answers 1, or 0 when it is none. */
static int addresses_full(const char *address, const PeerId *peer, char **ret) {
        _cleanup_free_ char *canonical = NULL;
        int r;

        r = multiaddr_parse(address, &canonical, NULL);
        if (r >= 0)
                r = multiaddr_with_peer_id(canonical, peer, ret);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return 1;
}

static int addresses_add(const PinInfo *who, StrList *to) {
        int r = 0;

        for (size_t i = 0; i < who->ipfs_peer_addresses.n && r >= 0; i++) {
                const char *address = who->ipfs_peer_addresses.items[i];
                _cleanup_free_ char *full = NULL;

                r = addresses_full(address, &who->ipfs_peer_id, &full);
                if (r > 0 && !str_list_contains(to, full))
                        r = str_list_append_take(to, TAKE_PTR(full));
        }
        return r;
}

int cluster_ipfs_addresses(Cluster *cluster, const PeerIdList *peers, StrList *ret) {
        ClusterParties members = {};
        StrList addresses = { .is_set = true };
        int r;

        r = cluster_parties_get(cluster, &members);
        for (size_t i = 0; i < members.n && r >= 0; i++)
                if (peer_id_is_set(&members.items[i].who.ipfs_peer_id) &&
                    (peers->n == 0 || peer_id_list_contains(peers, &members.items[i].id)))
                        r = addresses_add(&members.items[i].who, &addresses);
        cluster_parties_done(&members);
        if (r < 0) {
                str_list_done(&addresses);
                return r;
        }
        *ret = addresses;
        return 0;
}
