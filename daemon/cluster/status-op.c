/* The status of one pin, as a flow:  ask ──► done. "sync" asks Kubo in any case; "recover" queues first.
 * Other peers are asked meanwhile: all that hold the pin, or all when it is not in the pinset. */

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
        info->requests = pin->requests;
        pin->allocations = (PeerIdList){};
        pin->origins = (StrList){};
        pin->metadata = (StrMap){};
        pin->requests = (PinRequestList){};
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

/* INFO is copied. */
static int status_add(ClusterCall *call, const PeerId *peer, const PinInfo *info) {
        PinInfo copy = {}, *slot;
        int r;

        r = pin_info_copy(&copy, info);
        if (r >= 0)
                r = global_pin_info_peer(&call->info, peer, &slot);
        if (r < 0) {
                json_done(&pin_info_shape, &copy);
                return r;
        }
        json_done(&pin_info_shape, slot);
        *slot = copy;
        return 0;
}

static int status_build(ClusterCall *call, const PinInfo *info) {
        int r;

        r = status_head(call);
        return r < 0 ? r : status_add(call, cluster_self(call->cluster), info);
}

/* ---- others ---- */

static int others_take(ClusterCall *call, ClusterParty *member, const void *body, size_t size) {
        TrackerWireReader reader;
        TrackerWireEntry entry;
        PinInfo info;
        int r;

        r = cluster_party_read(member, body, size, &reader);
        if (r >= 0)
                r = tracker_wire_next_entry(&reader, &entry);
        if (r == 0 || (r > 0 && entry.status == 0))
                r = -EBADMSG;
        if (r < 0)
                return r == -ENOMEM ? r : cluster_party_fail(member, "the peer has given no proper answer");

        r = cluster_party_told(member, &entry, call->pin.timestamp, &info);
        if (r < 0)
                return r;
        r = status_add(call, &member->id, &info);
        free(info.error);
        return r;
}

static void others_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterCall *call = userdata;
        ClusterParty *member = cluster_parties_asked(&call->members, i);

        r = r < 0 ? cluster_party_fail(member, error_message(error)) : others_take(call, member, body, size);
        if (r < 0)
                flow_next(&call->flow, r);
}

/* Those that were not asked, or have not answered. */
static int others_add_untold(ClusterCall *call) {
        bool is_pinned = cid_is_defined(&call->pin.cid);
        int r = 0;

        for (size_t i = 0; i < call->members.n && r >= 0; i++) {
                const ClusterParty *member = &call->members.items[i];
                PinInfo info;

                if (member->is_self || (member->has_told && !member->failure))
                        continue;
                r = cluster_party_untold(member, &call->pin.allocations, is_pinned, &info);
                if (r >= 0)
                        r = status_add(call, &member->id, &info);
                free(info.error);
        }
        return r;
}

static void others_on_done(RpcGather *gather _unused_, void *userdata) {
        ClusterCall *call = userdata;

        cluster_call_part_done(call, others_add_untold(call), NULL);
}

/* Who is not allocated has nothing to tell: as recorded, it is not asked. */
static void others_choose(ClusterCall *call) {
        const Pin *pin = &call->pin;

        cluster_parties_clear(&call->members);
        for (size_t i = 0; i < call->members.n; i++) {
                const ClusterParty *member = &call->members.items[i];

                if (!member->is_self && (!cid_is_defined(&pin->cid) || pin->allocations.n == 0 ||
                                         peer_id_list_contains(&pin->allocations, &member->id)))
                        cluster_parties_add(&call->members, i);
        }
}

static int others_ask(ClusterCall *call, TrackerVerb verb) {
        static const RpcGatherHandler handler = { others_on_answer, others_on_done };
        const TrackerQuestion question = { .verb = verb, .cids = &call->cid, .n = 1 };
        _cleanup_(str_done) Str body = {};
        int r;

        if (call->local || !cluster_has_others(call->cluster))
                return 0;
        r = cluster_pin_get(call->cluster, &call->cid, &call->pin);
        if (r >= 0)
                r = cluster_parties_get(call->cluster, &call->members);
        if (r >= 0)
                r = tracker_wire_write_question(&body, &question);
        if (r < 0)
                return r;
        others_choose(call);
        call->n_pending++;
        return cluster_parties_ask(
                        &call->members,
                        call->cluster,
                        &(ClusterAsk){
                                        .method = "status",
                                        .body = &body,
                                        .handler = &handler,
                                        .userdata = call,
                        });
}

/* ---- this peer ---- */

static int ask_tracker(ClusterCall *call, bool ask, TrackerDone done) {
        int r;

        r = cluster_call_may_ask(call);
        if (r < 0)
                return r;
        call->n_pending++;
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
        cluster_call_part_done(call, r, error);
        call->tracker = tracker_call_unref(call->tracker);
}

static int status_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = ask_tracker(call, /* ask= */ true, status_on_known);
        return r < 0 ? r : others_ask(call, TRACKER_VERB_ASK);
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
        cluster_call_part_done(call, r, error);
        call->tracker = tracker_call_unref(call->tracker);
}

static int recover_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = ask_tracker(call, /* ask= */ true, recover_on_known);
        return r < 0 ? r : others_ask(call, TRACKER_VERB_RECOVER);
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
