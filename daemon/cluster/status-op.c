/* The status of one pin, as a flow:  ask ──► done. "sync" asks Kubo in any case; "recover" queues first. */

#include "daemon/base/log.h"
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

int cluster_status_head_of_pin(const Pin *pin, GlobalPinInfo *info) {
        int r;

        info->cid = pin->cid;
        info->created = pin->timestamp;
        r = str_copy(&info->name, pin->name);
        if (r >= 0)
                r = peer_id_list_copy(&info->allocations, &pin->allocations);
        if (r >= 0)
                r = str_list_copy(&info->origins, &pin->origins);
        if (r >= 0)
                r = str_map_copy(&info->metadata, &pin->metadata);
        return r;
}

int cluster_status_head(Cluster *cluster, const Cid *cid, bool local, GlobalPinInfo *info) {
        Pin pin = {};
        int r, k;

        r = cluster_pin_get(cluster, cid, &pin);
        if (r > 0) {
                k = cluster_status_head_of_pin(&pin, info);
                pin_done(&pin);
                return k < 0 ? k : 1;
        }
        if (r < 0)
                return r;

        /* Not in the pinset: the recordings differ between this peer alone and all peers. */
        info->cid = *cid;
        info->allocations.is_set = !local;
        info->created = local ? 0 : time_now();
        return 0;
}

int cluster_status_add(Cluster *cluster, GlobalPinInfo *info, PinInfo *self) {
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

        r = cluster_status_head(call->cluster, &call->cid, call->local, &call->info);
        if (r < 0)
                return r;
        r = pin_info_copy(&self, info);
        if (r < 0)
                return r;
        r = cluster_status_add(call->cluster, &call->info, &self);
        json_done(&pin_info_shape, &self);
        return r;
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
        ClusterCall *call = CLUSTER_CALL(flow);

        return tracker_status(
                        call->cluster->tracker,
                        &call->tracker,
                        &call->cid,
                        call->ask,
                        status_on_known,
                        call);
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

        call->tracker = tracker_call_unref(call->tracker);
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
}

static int recover_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);

        return tracker_status(
                        call->cluster->tracker,
                        &call->tracker,
                        &call->cid,
                        /* ask= */ true,
                        recover_on_known,
                        call);
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
