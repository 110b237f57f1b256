#include "daemon/cluster/internal.h"

int cluster_call_new(ClusterCall **ret, Cluster *cluster, void *userdata) {
        ClusterCall *call;

        if (cluster->n_calls >= CLUSTER_CALLS_MAX)
                return -EBUSY;
        call = calloc(1, sizeof(ClusterCall));
        if (!call)
                return -ENOMEM;

        call->cluster = cluster;
        call->userdata = userdata;
        list_append(&cluster->calls, &call->link);
        cluster->n_calls++;
        *ret = call;
        return 0;
}

ClusterCall *cluster_call_unref(ClusterCall *call) {
        if (!call)
                return NULL;

        list_remove(&call->link);
        call->cluster->n_calls--;
        if (call->is_gc)
                call->cluster->n_gcs--;
        if (call->is_asking)
                call->cluster->n_asking--;
        flow_deinit(&call->flow);
        ipfs_call_unref(call->ipfs);
        peers_submit_unref(call->submit);
        tracker_call_unref(call->tracker);
        peers_change_unref(call->change);
        free(call->path);
        pin_done(&call->pin);
        error_done(&call->error);
        global_pin_info_done(&call->info);
        peer_info_done(&call->peer);
        connect_graph_done(&call->graph);
        global_repo_gc_done(&call->gc);
        free(call);
        return NULL;
}

int cluster_call_start(ClusterCall *call, const FlowClass *class, uint64_t timeout_usec, ClusterCall **ret) {
        int r;

        r = flow_start(&call->flow, class, call->cluster->event, timeout_usec);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        if (call->cluster->is_closing)
                cluster_call_stop(call);
        *ret = call;
        return 0;
}

/* What is in the log already is not held up by anybody, and ends by itself. */
void cluster_call_stop(ClusterCall *call) {
        if (call->submit)
                return;
        if (call->error.code == ERROR_NONE)
                (void) error_set(&call->error, ERROR_CANCELED, CLUSTER_IS_STOPPING);
        flow_cancel(&call->flow);
}

void cluster_call_settle_error(ClusterCall *call, int result) {
        if (result >= 0 || call->error.code != ERROR_NONE)
                return;
        if (result == -ETIMEDOUT)
                (void) error_set(
                                &call->error,
                                ERROR_TIMEOUT,
                                "the request took too long and was given up; it may still be carried out");
        else
                (void) error_set_errno(&call->error, result, "the request has failed: %m");
}

void cluster_call_next(ClusterCall *call, int r, const Error *error, int next) {
        if (r < 0 && error && call->error.code == ERROR_NONE)
                (void) error_copy(&call->error, error);
        flow_next(&call->flow, r < 0 ? r : next);
}

static_assert(CLUSTER_ASKING_MAX + CLUSTER_LISTS_MAX + 128 <= HTTP_CALLS_MAX, "room for the tracker");

int cluster_call_may_ask(ClusterCall *call) {
        if (call->cluster->n_asking >= CLUSTER_ASKING_MAX)
                return error_set(
                                &call->error,
                                ERROR_BUSY,
                                "%d requests wait for Kubo already, try again",
                                CLUSTER_ASKING_MAX);
        call->is_asking = true;
        call->cluster->n_asking++;
        return 0;
}

int cluster_call_resolve(ClusterCall *call, IpfsCidDone done) {
        int r;

        r = cluster_call_may_ask(call);
        if (r < 0)
                return r;
        return ipfs_resolve(call->cluster->ipfs, &call->ipfs, call->path, done, call);
}

int cluster_call_commit(
                ClusterCall *call, ConsensusOpKind kind, const void *body, size_t size, PeersDone done) {
        ConsensusOp op = { .kind = kind, .body = body, .size = size };

        return peers_submit(call->cluster->peers, &call->submit, &op, 1, done, call, &call->error);
}
