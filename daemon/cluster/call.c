/* Questions: their life, and the peers that are asked. */

#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/internal.h"
#include "daemon/metrics/ping.h"

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
        cluster_parties_done(&call->members);
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

        r = flow_start_in(&call->flow, class, &call->cluster->flows, timeout_usec);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        if (call->cluster->is_closing)
                cluster_call_stop(call);
        *ret = call;
        return 0;
}

int cluster_call_start_checked(
                ClusterCall *call, const FlowClass *class, uint64_t timeout_usec, int r, ClusterCall **ret) {
        int k;

        k = cluster_call_start(call, class, timeout_usec, ret);
        if (k >= 0 && r < 0)
                flow_next(&call->flow, r);
        return k;
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

void cluster_call_part_done(ClusterCall *call, int r, const Error *error) {
        call->n_pending--;
        if (r < 0 || call->n_pending == 0)
                cluster_call_next(call, r, error, FLOW_DONE);
}

static_assert(CLUSTER_ASKING_MAX + CLUSTER_LISTS_MAX + 128 <= HTTP_CALLS_MAX, "room for the tracker");

int cluster_call_may_write(ClusterCall *call) {
        if (call->cluster->config->cluster.follower_mode)
                return error_set(&call->error, ERROR_REFUSED, CLUSTER_IS_FOLLOWER);
        return 0;
}

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

/* ---- the peers that are asked: who they are */

bool cluster_has_others(const Cluster *cluster) {
        PeerIdList members = {};
        bool has_others = false;

        if (consensus_members(cluster->consensus, &members) < 0)
                return true; /* whoever asks on meets the same failure */
        for (size_t i = 0; i < members.n; i++)
                has_others |= !peer_id_equal(&members.items[i], cluster_self(cluster));
        peer_id_list_done(&members);
        return has_others;
}

/* Its last ping, even if that has expired; a bad one tells nothing. */
static int member_read_ping(ClusterParty *member, MetricsMonitor *monitor) {
        const Metric *metric = metrics_monitor_get_last(monitor, "ping", &member->id);
        MetricsPing ping = {};
        int r = 0;

        if (metric && metric->value)
                r = json_read_text(&metrics_ping_shape, metric->value, strlen(metric->value), &ping, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        member->who.peername = TAKE_PTR(ping.peer_name);
        member->who.ipfs_peer_id = ping.ipfs_id;
        member->who.ipfs_peer_addresses = ping.ipfs_addresses;
        return 0;
}

static int member_init(ClusterParty *member, Cluster *cluster, const PeerId *id) {
        char text[PEER_ID_TEXT_MAX];
        int r;

        *member = (ClusterParty){ .id = *id, .is_self = peer_id_equal(id, cluster_self(cluster)) };
        r = str_copy(&member->who.peer, peer_id_format(id, text));
        if (r >= 0)
                r = member_read_ping(member, cluster->monitor);
        if (r >= 0 && str_is_empty(member->who.peername))
                r = str_copy(&member->who.peername, peers_name(cluster->peers, id));
        return r;
}

static int member_compare(const void *a, const void *b) {
        return peer_id_compare(&((const ClusterParty *) a)->id, &((const ClusterParty *) b)->id);
}

int cluster_parties_get(Cluster *cluster, ClusterParties *ret) {
        ClusterParties members = {};
        PeerIdList ids = {};
        int r;

        r = consensus_members(cluster->consensus, &ids);
        if (r >= 0 && !peer_id_list_contains(&ids, cluster_self(cluster)))
                r = peer_id_list_append(&ids, cluster_self(cluster));
        if (r >= 0) {
                members.items = calloc(ids.n + 1, sizeof(ClusterParty));
                members.asked = calloc(ids.n + 1, sizeof(size_t));
                r = members.items && members.asked ? 0 : -ENOMEM;
        }
        for (size_t i = 0; i < ids.n && r >= 0; i++)
                r = member_init(&members.items[members.n++], cluster, &ids.items[i]);
        peer_id_list_done(&ids);
        if (r < 0) {
                cluster_parties_done(&members);
                return r;
        }
        qsort(members.items, members.n, sizeof(ClusterParty), member_compare);
        *ret = members;
        return 0;
}

void cluster_parties_done(ClusterParties *members) {
        for (size_t i = 0; i < members->n; i++) {
                json_done(&pin_info_shape, &members->items[i].who);
                free(members->items[i].failure);
        }
        rpc_gather_unref(members->gather);
        free(members->asked);
        free(members->items);
        *members = (ClusterParties){};
}

/* ---- asking them */

void cluster_parties_clear(ClusterParties *members) {
        members->n_asked = 0;
}

void cluster_parties_add(ClusterParties *members, size_t i) {
        assert(members->n_asked < members->n);
        members->asked[members->n_asked++] = i;
}

void cluster_parties_add_others(ClusterParties *members) {
        for (size_t i = 0; i < members->n; i++)
                if (!members->items[i].is_self && !members->items[i].failure)
                        cluster_parties_add(members, i);
}

int cluster_parties_ask(ClusterParties *members, Cluster *cluster, const ClusterAsk *ask) {
        _cleanup_free_ PeerId *peers = calloc(members->n_asked + 1, sizeof(PeerId));

        if (!peers)
                return -ENOMEM;
        for (size_t i = 0; i < members->n_asked; i++)
                peers[i] = cluster_parties_asked(members, i)->id;
        members->gather = rpc_gather_unref(members->gather);
        return rpc_gather(
                        peers_rpc(cluster->peers),
                        &members->gather,
                        &(RpcGatherOptions){
                                        .peers = peers,
                                        .n = members->n_asked,
                                        .at_once = ask->at_once,
                                        .method = ask->method,
                                        .body = ask->body ? ask->body->data : NULL,
                                        .size = ask->body ? ask->body->len : 0,
                                        .timeout_usec = ask->timeout_usec ?: cluster->gather_usec,
                                        .link_timeout_usec = cluster->gather_link_usec,
                                        .handler = ask->handler,
                                        .userdata = ask->userdata,
                        });
}

/* ---- what they say */

int cluster_party_fail(ClusterParty *member, const char *words) {
        return str_copy(&member->failure, words);
}

/* Only the first answer tells who it is: what borrows its words stays right. */
int cluster_party_read(ClusterParty *member, const void *body, size_t size, TrackerWireReader *ret_reader) {
        PinInfo who;
        int r;

        r = tracker_wire_read_answer(body, size, &who, ret_reader);
        if (r < 0)
                return r;
        if (member->has_told) {
                json_done(&pin_info_shape, &who);
                return 0;
        }
        who.peer = TAKE_PTR(member->who.peer);
        json_done(&pin_info_shape, &member->who);
        member->who = who;
        member->has_told = true;
        return 0;
}

int cluster_party_told(
                const ClusterParty *member, const TrackerWireEntry *entry, uint64_t created, PinInfo *info) {
        *info = member->who;
        info->status = entry->status;
        info->timestamp = entry->is_settled ? created : entry->timestamp;
        info->attempt_count = (int64_t) entry->attempts;
        info->priority_pin = entry->priority;
        if (entry->error_size == 0)
                return 0;
        info->error = strndup(entry->error, entry->error_size);
        return info->error ? 0 : -ENOMEM;
}

int cluster_party_untold(
                const ClusterParty *member, const PeerIdList *allocations, bool is_pinned, PinInfo *info) {
        *info = member->who;
        info->timestamp = time_now();
        if (!is_pinned)
                info->status = PIN_STATUS_UNPINNED;
        else if (allocations->n == 0 || peer_id_list_contains(allocations, &member->id))
                info->status = PIN_STATUS_CLUSTER_ERROR;
        else
                info->status = PIN_STATUS_REMOTE;
        if (info->status != PIN_STATUS_CLUSTER_ERROR)
                return 0;
        info->error = strdup(member->failure ?: "");
        return info->error ? 0 : -ENOMEM;
}

uint64_t cluster_call_ask_timeout(const Cluster *cluster) {
        return (uint64_t) cluster->config->ipfs.ipfs_request_timeout + CLUSTER_REQUEST_TIMEOUT;
}

int cluster_call_ask_others(ClusterCall *call, const ClusterAsk *ask) {
        int r;

        if (call->local || !cluster_has_others(call->cluster))
                return 0;
        r = cluster_parties_get(call->cluster, &call->members);
        if (r < 0)
                return r;
        cluster_parties_add_others(&call->members);
        call->n_pending++;
        return cluster_parties_ask(&call->members, call->cluster, ask);
}
