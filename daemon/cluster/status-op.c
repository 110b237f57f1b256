/* The status of one pin, as a flow:  ask ──► done. "sync" asks Kubo in any case; "recover" queues first. */

#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"

enum {
        STATUS_ASK,
};

static int status_ask(Flow *flow);
static void status_finish(Flow *flow, int result);

static const FlowState status_states[] = {
        [STATUS_ASK] = { "ask", status_ask, 0 },
};

static const FlowClass status_class = { "status", status_states, status_finish };

/* ---- what the pinset says ---- */

void cluster_status_head_take(Pin *pin, GlobalPinInfo *info) {
        info->cid = pin->cid;
        info->created = pin->timestamp;
        info->name = TAKE_PTR(pin->name);
        info->allocations = pin->allocations;
        info->origins = pin->origins;
        info->metadata = pin->metadata;
        pin->allocations = (PeerIdList){};
        pin->origins = (StrList){};
        pin->metadata = (StrMap){};
}

/* The recordings differ between this peer alone and all peers. */
void cluster_status_head_unknown(const Cid *cid, bool local, GlobalPinInfo *info) {
        info->cid = *cid;
        info->allocations.is_set = !local;
        info->created = local ? 0 : time_now();
}

static int status_head(ClusterCall *call) {
        Pin pin = {};
        int r;

        r = cluster_pin_get(call->cluster, &call->cid, &pin);
        if (r > 0)
                cluster_status_head_take(&pin, &call->info);
        else if (r == 0)
                cluster_status_head_unknown(&call->cid, call->local, &call->info);
        pin_done(&pin);
        return r;
}

/* Put this peer's PinInfo into INFO; SELF is taken (zeroed). */
static int status_add(Cluster *cluster, GlobalPinInfo *info, PinInfo *self) {
        PinInfo *slot;
        int r;

        r = global_pin_info_peer(info, cluster_self(cluster), &slot);
        if (r < 0)
                return r;
        free(slot->peer);
        *slot = *self;
        *self = (PinInfo){};
        return 0;
}

/* ---- ask ---- */

static int pin_info_copy(PinInfo *to, const PinInfo *from) {
        PinInfo copy = *from;
        int r;

        copy.peer = copy.peername = copy.error = NULL;
        copy.ipfs_peer_addresses = (StrList){};
        r = str_copy(&copy.peer, from->peer);
        if (r >= 0)
                r = str_copy(&copy.peername, from->peername);
        if (r >= 0)
                r = str_copy(&copy.error, from->error);
        if (r >= 0)
                r = str_list_copy(&copy.ipfs_peer_addresses, &from->ipfs_peer_addresses);
        if (r < 0) {
                json_done(&pin_info_shape, &copy);
                return r;
        }
        *to = copy;
        return 0;
}

static int status_build(ClusterCall *call, const PinInfo *info) {
        PinInfo self = {};
        int r;

        r = status_head(call);
        if (r < 0)
                return r;
        r = pin_info_copy(&self, info);
        if (r < 0)
                return r;
        r = status_add(call->cluster, &call->info, &self);
        json_done(&pin_info_shape, &self);
        return r;
}

static int ask_tracker(ClusterCall *call, bool ask, TrackerDone done) {
        int r;

        r = cluster_call_may_ask(call);
        if (r < 0)
                return r;
        return tracker_status(call->cluster->tracker, &call->tracker, &call->cid, ask, done, call);
}

static void status_on_known(
                TrackerCall *tracker _unused_,
                int r,
                const Error *error,
                const PinInfo *info,
                void *userdata) {
        ClusterCall *call = userdata;

        if (r >= 0)
                r = status_build(call, info);
        cluster_call_next(call, r, error, FLOW_DONE);
        call->tracker = tracker_call_unref(call->tracker);
}

static int status_ask(Flow *flow) {
        return ask_tracker(CLUSTER_CALL(flow), CLUSTER_CALL(flow)->ask, status_on_known);
}

static void status_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.status(call, MIN(result, 0), &call->error, &call->info, call->userdata);
}

static int status_new(
                ClusterCall **ret,
                Cluster *cluster,
                const Cid *cid,
                bool local,
                ClusterStatusDone done,
                void *userdata) {
        int r;

        r = cluster_call_new(ret, cluster, userdata);
        if (r < 0)
                return r;
        (*ret)->cid = *cid;
        (*ret)->local = local;
        (*ret)->done.status = done;
        return 0;
}

/* Kubo's own time-out ends the question; ours only stands behind it. */
static uint64_t status_timeout(const Cluster *cluster) {
        return (uint64_t) cluster->config->ipfs.ipfs_request_timeout + CLUSTER_REQUEST_TIMEOUT;
}

int cluster_status(
                Cluster *cluster,
                ClusterCall **ret,
                const Cid *cid,
                bool local,
                ClusterStatusDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = status_new(&call, cluster, cid, local, done, userdata);
        if (r < 0)
                return r;
        call->ask = true;
        return cluster_call_start(call, &status_class, status_timeout(cluster), ret);
}

int cluster_sync(
                Cluster *cluster,
                ClusterCall **ret,
                const Cid *cid,
                ClusterStatusDone done,
                void *userdata) {
        return cluster_status(cluster, ret, cid, /* local= */ false, done, userdata);
}

/* What Kubo has lost behind our back is found by asking first; then what is amiss is queued. */
static void recover_on_known(
                TrackerCall *tracker _unused_,
                int r,
                const Error *error,
                const PinInfo *info _unused_,
                void *userdata) {
        ClusterCall *call = userdata;
        PinInfo known = {};
        Pin pin = {};
        int found = 0;

        if (r >= 0)
                r = tracker_recover(call->cluster->tracker, &call->cid);
        if (r >= 0)
                r = found = cluster_pin_get(call->cluster, &call->cid, &pin);
        if (r >= 0)
                r = tracker_status_known(
                                call->cluster->tracker, &call->cid, found > 0 ? &pin : NULL, &known);
        if (r >= 0)
                r = status_build(call, &known);
        json_done(&pin_info_shape, &known);
        pin_done(&pin);
        cluster_call_next(call, r, error, FLOW_DONE);
        call->tracker = tracker_call_unref(call->tracker);
}

static int recover_ask(Flow *flow) {
        return ask_tracker(CLUSTER_CALL(flow), /* ask= */ true, recover_on_known);
}

static const FlowState recover_states[] = {
        [STATUS_ASK] = { "ask", recover_ask, 0 },
};

static const FlowClass recover_class = { "recover", recover_states, status_finish };

int cluster_recover(
                Cluster *cluster,
                ClusterCall **ret,
                const Cid *cid,
                bool local,
                ClusterStatusDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = status_new(&call, cluster, cid, local, done, userdata);
        if (r < 0)
                return r;
        return cluster_call_start(call, &recover_class, status_timeout(cluster), ret);
}
