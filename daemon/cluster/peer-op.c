/* Questions about peers: id, graph, garbage collection, metrics; changes of the members. Each asks Kubo
 * once:  ask ──► done. */

#include <string.h>

#include "daemon/cluster/addresses.h"
#include "daemon/cluster/internal.h"
#include "daemon/types/multiaddr.h"
#include "daemon/types/version.h"

/* The peers have deadlines of their own. */
#define MEMBER_TIMEOUT (PEERS_MEMBERSHIP_TIMEOUT + 10 * USEC_PER_SEC)

enum {
        PEER_ASK,
};

/* ---- id ---- */

static int peer_info_set_ipfs(PeerInfo *info, const IpfsId *ipfs, const char *error) {
        int r = 0;

        if (ipfs)
                r = ipfs_id_copy(&info->ipfs, ipfs);
        if (r >= 0)
                r = str_copy(&info->ipfs.error, error);
        return r;
}

static int peer_info_fill(Cluster *cluster, PeerInfo *info) {
        int r;

        info->id = *cluster_self(cluster);
        info->cluster_peers_addresses.is_set = true;
        r = cluster_addresses(&cluster->config->cluster, &info->id, &info->addresses);
        if (r >= 0)
                r = consensus_members(cluster->consensus, &info->cluster_peers);
        if (r >= 0)
                r = str_copy(&info->version, VERSION_API);
        if (r >= 0)
                r = str_copy(&info->rpc_protocol_version, PEER_RPC_PROTOCOL);
        if (r >= 0)
                r = str_copy(&info->peername, cluster->config->cluster.peername);
        return r;
}

int cluster_peer_info(Cluster *cluster, const IpfsId *ipfs, const char *ipfs_error, PeerInfo *ret) {
        PeerInfo info = {};
        int r;

        r = peer_info_fill(cluster, &info);
        if (r >= 0)
                r = peer_info_set_ipfs(&info, ipfs, ipfs_error);
        if (r < 0) {
                peer_info_done(&info);
                return r;
        }
        *ret = info;
        return 0;
}

static void id_on_known(
                IpfsCall *ipfs _unused_, int r, const Error *error, const IpfsId *id, void *userdata) {
        ClusterCall *call = userdata;
        int k;

        /* A Kubo that does not answer is part of the answer. */
        k = cluster_peer_info(
                        call->cluster, r < 0 ? NULL : id, r < 0 ? error_message(error) : NULL, &call->peer);
        call->ipfs = ipfs_call_unref(call->ipfs);
        flow_next(&call->flow, k < 0 ? k : FLOW_DONE);
}

static int id_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = cluster_call_may_ask(call);
        return r < 0 ? r : ipfs_id(call->cluster->ipfs, &call->ipfs, id_on_known, call);
}

static void id_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.peer(call, MIN(result, 0), &call->error, &call->peer, call->userdata);
}

static const FlowState id_states[] = { [PEER_ASK] = { "ask", id_ask, 0 } };
static const FlowClass id_class = { "id", id_states, id_finish };

static uint64_t ask_timeout(const Cluster *cluster) {
        return (uint64_t) cluster->config->ipfs.ipfs_request_timeout + CLUSTER_REQUEST_TIMEOUT;
}

int cluster_id(Cluster *cluster, ClusterCall **ret, ClusterPeerDone done, void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.peer = done;
        return cluster_call_start(call, &id_class, ask_timeout(cluster), ret);
}

/* ---- graph ---- */

static int graph_fill_self(Cluster *cluster, ConnectGraph *graph) {
        char text[PEER_ID_TEXT_MAX];
        GraphLinks *links;
        int r;

        graph->cluster_id = *cluster_self(cluster);
        graph->ipfs_links.is_set = graph->cluster_to_ipfs.is_set = true;
        (void) peer_id_format(&graph->cluster_id, text);

        r = str_map_set(&graph->id_to_peername, text, cluster->config->cluster.peername);
        if (r >= 0)
                r = str_map_set(&graph->cluster_trust_links, text, "true");
        return r < 0 ? r : connect_graph_links(&graph->cluster_links, &graph->cluster_id, &links);
}

/* A Kubo that does not answer has no entry. */
static int graph_fill_ipfs(Cluster *cluster, ConnectGraph *graph, const PeerIdList *peers) {
        const IpfsId *ipfs = ipfs_last_id(cluster->ipfs);
        char self[PEER_ID_TEXT_MAX], text[PEER_ID_TEXT_MAX];
        GraphLinks *links;
        int r;

        if (!peer_id_is_set(&ipfs->id))
                return 0;
        (void) peer_id_format(&graph->cluster_id, self);
        (void) peer_id_format(&ipfs->id, text);
        r = str_map_set(&graph->cluster_to_ipfs, self, text);
        if (r >= 0)
                r = connect_graph_links(&graph->ipfs_links, &ipfs->id, &links);
        for (size_t i = 0; i < peers->n && r >= 0; i++)
                r = peer_id_list_append(&links->links, &peers->items[i]);
        return r;
}

static void graph_on_peers(
                IpfsCall *ipfs _unused_,
                int r,
                const Error *error _unused_,
                const PeerIdList *peers,
                void *userdata) {
        ClusterCall *call = userdata;
        int k;

        k = graph_fill_self(call->cluster, &call->graph);
        if (k >= 0 && r >= 0)
                k = graph_fill_ipfs(call->cluster, &call->graph, peers);
        call->ipfs = ipfs_call_unref(call->ipfs);
        flow_next(&call->flow, k < 0 ? k : FLOW_DONE);
}

static int graph_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = cluster_call_may_ask(call);
        return r < 0 ? r : ipfs_swarm_peers(call->cluster->ipfs, &call->ipfs, graph_on_peers, call);
}

static void graph_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.graph(call, MIN(result, 0), &call->error, &call->graph, call->userdata);
}

static const FlowState graph_states[] = { [PEER_ASK] = { "ask", graph_ask, 0 } };
static const FlowClass graph_class = { "graph", graph_states, graph_finish };

int cluster_graph(Cluster *cluster, ClusterCall **ret, ClusterGraphDone done, void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.graph = done;
        return cluster_call_start(call, &graph_class, ask_timeout(cluster), ret);
}

/* ---- garbage collection ---- */

static RepoGc *gc_self(ClusterCall *call) {
        return call->gc.peer_map.items;
}

static int gc_add_key(RepoGc *gc, const Cid *key, const char *error) {
        RepoGcKey *item;

        /* Room grows by doubling: the number of elements tells when. */
        if ((gc->keys.n & (gc->keys.n - 1)) == 0) {
                item = reallocarray(gc->keys.items, MAX(gc->keys.n * 2, (size_t) 1), sizeof(RepoGcKey));
                if (!item)
                        return -ENOMEM;
                gc->keys.items = item;
        }
        item = (RepoGcKey *) gc->keys.items + gc->keys.n++;
        *item = (RepoGcKey){ .key = *key };
        return str_copy(&item->error, error);
}

static void gc_on_item(IpfsCall *ipfs _unused_, const Cid *cid, const char *error, void *userdata) {
        ClusterCall *call = userdata;

        call->n_gc_keys++;
        if (gc_self(call)->keys.n < CLUSTER_GC_KEYS_MAX && call->result >= 0)
                call->result = gc_add_key(gc_self(call), cid, error);
}

static int gc_note_rest(ClusterCall *call) {
        Str text = {};

        if (call->n_gc_keys <= CLUSTER_GC_KEYS_MAX)
                return 0;
        (void) str_appendf(
                        &text,
                        "%zu keys were removed, of which the first %d are listed",
                        call->n_gc_keys,
                        CLUSTER_GC_KEYS_MAX);
        free(gc_self(call)->error);
        gc_self(call)->error = str_take(&text);
        return gc_self(call)->error ? 0 : -ENOMEM;
}

static void gc_on_done(IpfsCall *ipfs _unused_, int r, const Error *error, void *userdata) {
        ClusterCall *call = userdata;
        int k = call->result;

        /* The recorded program tells a failure as the peer's part of the answer, or, asked for this peer
         * alone, as the answer. */
        if (k >= 0 && r < 0 && call->local)
                k = r;
        else if (k >= 0)
                k = r < 0 ? str_copy(&gc_self(call)->error, error_message(error)) : gc_note_rest(call);
        cluster_call_next(call, k, error, FLOW_DONE);
        call->ipfs = ipfs_call_unref(call->ipfs);
}

static int gc_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = cluster_call_may_ask(call);
        return r < 0 ? r : ipfs_repo_gc(call->cluster->ipfs, &call->ipfs, gc_on_item, gc_on_done, call);
}

static void gc_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.gc(call, MIN(result, 0), &call->error, &call->gc, call->userdata);
}

static const FlowState gc_states[] = { [PEER_ASK] = { "ask", gc_ask, 0 } };
static const FlowClass gc_class = { "gc", gc_states, gc_finish };

static int gc_prepare(ClusterCall *call) {
        RepoGc *self;
        int r;

        /* Each may gather many keys, and Kubo takes them one by one anyhow. */
        if (call->cluster->n_gcs >= CLUSTER_GCS_MAX)
                return -EBUSY;
        call->is_gc = true;
        call->cluster->n_gcs++;
        r = global_repo_gc_peer(&call->gc, cluster_self(call->cluster), &self);
        if (r < 0)
                return r;
        self->keys.is_set = true;
        return str_copy(&self->peername, call->cluster->config->cluster.peername);
}

int cluster_collect_garbage(
                Cluster *cluster, ClusterCall **ret, bool local, ClusterGcDone done, void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.gc = done;
        call->local = local;
        r = gc_prepare(call);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        /* Bounded by repogc_timeout. */
        return cluster_call_start(call, &gc_class, UINT64_MAX, ret);
}

/* ---- membership ---- */

static void member_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.peer(call, MIN(result, 0), &call->error, &call->peer, call->userdata);
}

/* What is known of it here; its Kubo is asked by who asks for the peers. */
static int added_info(const Cluster *cluster, const PeerId *peer, PeerInfo *ret) {
        const StrList *addresses = peers_addresses(cluster->peers, peer);
        int r;

        ret->id = *peer;
        ret->addresses.is_set = ret->cluster_peers_addresses.is_set = true;
        r = addresses ? str_list_copy(&ret->addresses, addresses) : 0;
        if (r >= 0)
                r = consensus_members(cluster->consensus, &ret->cluster_peers);
        if (r >= 0)
                r = str_copy(&ret->version, VERSION_API);
        if (r >= 0)
                r = str_copy(&ret->rpc_protocol_version, PEER_RPC_PROTOCOL);
        if (r >= 0)
                r = str_copy(&ret->peername, peers_name(cluster->peers, peer));
        return r;
}

static void add_on_done(
                PeersChange *change _unused_,
                int r,
                const Error *error,
                const PeerId *peer,
                void *userdata) {
        ClusterCall *call = userdata;

        if (r >= 0)
                r = added_info(call->cluster, peer, &call->peer);
        cluster_call_next(call, r, error, FLOW_DONE);
        call->change = peers_change_unref(call->change);
}

static int add_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        const PeerId *peer = peer_id_is_set(&call->peer.id) ? &call->peer.id : NULL;
        _cleanup_free_ char *address = NULL;
        const char *why = "out of memory";

        if (call->path && multiaddr_parse(call->path, &address, &why) < 0)
                return error_set(
                                &call->error,
                                ERROR_INVALID,
                                "'%.200s' is no multiaddr: %s",
                                call->path,
                                why);
        return peers_add(call->cluster->peers, &call->change, peer, address, add_on_done, call);
}

static const FlowState add_states[] = { [PEER_ASK] = { "ask", add_ask, 0 } };
static const FlowClass add_class = { "add peer", add_states, member_finish };

int cluster_peer_add(
                Cluster *cluster,
                ClusterCall **ret,
                const PeerId *peer,
                const char *multiaddr,
                ClusterPeerDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        if (peer && peer_id_equal(peer, cluster_self(cluster)))
                return cluster_id(cluster, ret, done, userdata);
        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.peer = done;
        if (peer)
                call->peer.id = *peer;
        r = str_copy(&call->path, multiaddr);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        return cluster_call_start(call, &add_class, MEMBER_TIMEOUT, ret);
}

/* Removing a peer that is none is no error, as in the recorded program. */
static void remove_on_done(
                PeersChange *change _unused_,
                int r,
                const Error *error,
                const PeerId *peer _unused_,
                void *userdata) {
        ClusterCall *call = userdata;

        cluster_call_next(call, r < 0 && error->code == ERROR_NOT_FOUND ? 0 : r, error, FLOW_DONE);
        call->change = peers_change_unref(call->change);
}

static int remove_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);

        return peers_remove(call->cluster->peers, &call->change, &call->peer.id, remove_on_done, call);
}

static const FlowState remove_states[] = { [PEER_ASK] = { "ask", remove_ask, 0 } };
static const FlowClass remove_class = { "remove peer", remove_states, member_finish };

int cluster_peer_remove(
                Cluster *cluster,
                ClusterCall **ret,
                const PeerId *peer,
                ClusterPeerDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.peer = done;
        call->peer.id = *peer;
        return cluster_call_start(call, &remove_class, MEMBER_TIMEOUT, ret);
}

/* ---- metrics ---- */

int cluster_metric_names(Cluster *cluster, StrList *ret) {
        return metrics_monitor_names(cluster->monitor, ret);
}

int cluster_metrics(Cluster *cluster, const char *name, const Metric ***ret, size_t *ret_n) {
        return metrics_monitor_get(cluster->monitor, name, ret, ret_n);
}

size_t cluster_alerts(Cluster *cluster, const Alert **ret) {
        return metrics_monitor_alerts(cluster->monitor, ret);
}
