/* Questions about peers: id, graph, garbage collection, metrics; changes of the members. Each asks Kubo
 * once, and the other peers about theirs:  ask ──► done. */

#include <string.h>

#include "daemon/cluster/internal.h"
#include "daemon/cluster/remote.h"
#include "daemon/config/addresses.h"
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

static bool is_dns(const char *address) {
        return strncmp(address, "/dns", strlen("/dns")) == 0;
}

/* Where a peer has addresses with a name, those are what is told. */
static int add_peer_addresses(const StrList *from, StrList *to) {
        bool has_dns = false;
        int r = 0;

        for (size_t i = 0; from && i < from->n; i++)
                has_dns |= is_dns(from->items[i]);
        for (size_t i = 0; from && i < from->n && r >= 0; i++)
                if (is_dns(from->items[i]) == has_dns)
                        r = str_list_append(to, from->items[i]);
        return r;
}

static int peer_info_fill_peers(Cluster *cluster, PeerInfo *info) {
        int r;

        r = consensus_members(cluster->consensus, &info->cluster_peers);
        for (size_t i = 0; r >= 0 && i < info->cluster_peers.n; i++)
                if (!peer_id_equal(&info->cluster_peers.items[i], &info->id))
                        r = add_peer_addresses(
                                        peers_addresses(cluster->peers, &info->cluster_peers.items[i]),
                                        &info->cluster_peers_addresses);
        return r;
}

static int peer_info_fill(Cluster *cluster, PeerInfo *info) {
        int r;

        info->id = *cluster_self(cluster);
        info->cluster_peers_addresses.is_set = true;
        r = config_addresses(&cluster->config->cluster, &info->id, &info->addresses);
        if (r >= 0)
                r = peer_info_fill_peers(cluster, info);
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

/* ---- others ---- */

static int ask_others(ClusterCall *call, const ClusterAsk *ask) {
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

/* ---- graph ---- */

static int graph_add_peer(ConnectGraph *graph, const PeerId *peer, const char *name) {
        char text[PEER_ID_TEXT_MAX];
        GraphLinks *links;
        int r;

        (void) peer_id_format(peer, text);
        r = str_map_set(&graph->id_to_peername, text, name ?: "");
        if (r >= 0)
                r = str_map_set(&graph->cluster_trust_links, text, "true");
        return r < 0 ? r : connect_graph_links(&graph->cluster_links, peer, &links);
}

/* Those that this peer has a link to. */
static int graph_fill_links(Cluster *cluster, ConnectGraph *graph) {
        PeerIdList members = {};
        GraphLinks *links;
        int r;

        r = connect_graph_links(&graph->cluster_links, &graph->cluster_id, &links);
        if (r >= 0)
                r = consensus_members(cluster->consensus, &members);
        for (size_t i = 0; i < members.n && r >= 0; i++)
                if (!peer_id_equal(&members.items[i], &graph->cluster_id) &&
                    peers_is_up(cluster->peers, &members.items[i]))
                        r = peer_id_list_append(&links->links, &members.items[i]);
        peer_id_list_done(&members);
        return r;
}

static int graph_fill_self(Cluster *cluster, ConnectGraph *graph) {
        int r;

        graph->cluster_id = *cluster_self(cluster);
        graph->ipfs_links.is_set = graph->cluster_to_ipfs.is_set = true;
        r = graph_add_peer(graph, &graph->cluster_id, cluster->config->cluster.peername);
        return r < 0 ? r : graph_fill_links(cluster, graph);
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
        cluster_call_part_done(call, k, NULL);
}

/* The list of ID in FROM goes into TO. */
static int graph_move_links(const JsonArray *from, JsonArray *to, const PeerId *id) {
        char text[PEER_ID_TEXT_MAX];
        GraphLinks *items = from->items, *links;
        int r;

        r = connect_graph_links(to, id, &links);
        (void) peer_id_format(id, text);
        for (size_t i = 0; i < from->n && r >= 0; i++)
                if (strcmp(items[i].id, text) == 0) {
                        peer_id_list_done(&links->links);
                        links->links = items[i].links;
                        items[i].links = (PeerIdList){ .is_set = true };
                        links->links.is_set = true;
                }
        return MIN(r, 0);
}

/* Of what a peer tells, what is about itself and its Kubo. */
static int graph_take(ConnectGraph *graph, const PeerId *peer, ConnectGraph *told) {
        char text[PEER_ID_TEXT_MAX];
        const char *ipfs = str_map_get(&told->cluster_to_ipfs, peer_id_format(peer, text));
        PeerId ipfs_id;
        int r;

        r = graph_move_links(&told->cluster_links, &graph->cluster_links, peer);
        if (r < 0 || !ipfs || peer_id_parse(ipfs, &ipfs_id) < 0)
                return r;
        r = str_map_set(&graph->cluster_to_ipfs, text, ipfs);
        return r < 0 ? r : graph_move_links(&told->ipfs_links, &graph->ipfs_links, &ipfs_id);
}

/* A peer that does not answer has links to nobody. */
static void graph_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error _unused_,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterCall *call = userdata;
        const ClusterParty *member = cluster_parties_asked(&call->members, i);
        ConnectGraph told = {};

        if (r >= 0)
                r = json_read_text(&connect_graph_shape, body, size, &told, NULL);
        if (r >= 0)
                r = graph_take(&call->graph, &member->id, &told);
        connect_graph_done(&told);
        if (r == -ENOMEM)
                flow_next(&call->flow, r);
}

static void graph_on_done(RpcGather *gather _unused_, void *userdata) {
        ClusterCall *call = userdata;
        int r = 0;

        for (size_t i = 0; i < call->members.n && r >= 0; i++)
                r = graph_add_peer(
                                &call->graph,
                                &call->members.items[i].id,
                                call->members.items[i].who.peername);
        cluster_call_part_done(call, r, NULL);
}

static int graph_ask_others(ClusterCall *call) {
        static const RpcGatherHandler handler = { graph_on_answer, graph_on_done };

        return ask_others(call, &(ClusterAsk){ .method = "graph", .handler = &handler, .userdata = call });
}

static int graph_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = cluster_call_may_ask(call);
        if (r >= 0)
                r = ipfs_swarm_peers(call->cluster->ipfs, &call->ipfs, graph_on_peers, call);
        if (r < 0)
                return r;
        call->n_pending++;
        return graph_ask_others(call);
}

static void graph_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.graph(call, MIN(result, 0), &call->error, &call->graph, call->userdata);
}

static const FlowState graph_states[] = { [PEER_ASK] = { "ask", graph_ask, 0 } };
static const FlowClass graph_class = { "graph", graph_states, graph_finish };

static int graph_new(
                Cluster *cluster, ClusterCall **ret, bool local, ClusterGraphDone done, void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->local = local;
        call->done.graph = done;
        return cluster_call_start(call, &graph_class, ask_timeout(cluster), ret);
}

int cluster_graph(Cluster *cluster, ClusterCall **ret, ClusterGraphDone done, void *userdata) {
        return graph_new(cluster, ret, /* local= */ false, done, userdata);
}

int cluster_graph_local(Cluster *cluster, ClusterCall **ret, ClusterGraphDone done, void *userdata) {
        return graph_new(cluster, ret, /* local= */ true, done, userdata);
}

/* ---- garbage collection ---- */

/* The element of this peer is there from the start; others may move it. */
static RepoGc *gc_self(ClusterCall *call) {
        RepoGc *self;
        int r;

        r = global_repo_gc_peer(&call->gc, cluster_self(call->cluster), &self);
        assert(r == 0);
        return self;
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
        if (gc_self(call)->keys.n < call->n_gc_keys_max && call->result >= 0)
                call->result = gc_add_key(gc_self(call), cid, error);
}

static int gc_note_rest(ClusterCall *call) {
        Str text = {};

        if (call->n_gc_keys <= call->n_gc_keys_max)
                return 0;
        (void) str_appendf(
                        &text,
                        "%zu keys were removed, of which the first %zu are listed",
                        call->n_gc_keys,
                        call->n_gc_keys_max);
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
        cluster_call_part_done(call, k, error);
        call->ipfs = ipfs_call_unref(call->ipfs);
}

static int gc_add_peer(ClusterCall *call, const ClusterParty *member, RepoGc **ret) {
        int r;

        r = global_repo_gc_peer(&call->gc, &member->id, ret);
        if (r < 0)
                return r;
        (*ret)->keys.is_set = true;
        return str_copy(&(*ret)->peername, member->who.peername);
}

/* TOLD is the answer of MEMBER: it has one element, its own. */
static int gc_take(ClusterCall *call, const ClusterParty *member, GlobalRepoGc *told) {
        RepoGc *from = told->peer_map.items, *to;
        int r;

        if (told->peer_map.n != 1 || !peer_id_equal(&from->peer, &member->id) ||
            from->keys.n > CLUSTER_REMOTE_GC_KEYS_MAX)
                return -EBADMSG;
        r = gc_add_peer(call, member, &to);
        if (r < 0)
                return r;
        to->keys = from->keys;
        to->error = TAKE_PTR(from->error);
        from->keys = (JsonArray){};
        return 0;
}

static int gc_fail(ClusterCall *call, const ClusterParty *member, const char *words) {
        RepoGc *to;
        int r;

        r = gc_add_peer(call, member, &to);
        return r < 0 ? r : str_copy(&to->error, words);
}

static void gc_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterCall *call = userdata;
        const ClusterParty *member = cluster_parties_asked(&call->members, i);
        GlobalRepoGc told = {};
        int k;

        k = r < 0 ? r : json_read_text(&global_repo_gc_shape, body, size, &told, NULL);
        if (k >= 0)
                k = gc_take(call, member, &told);
        global_repo_gc_done(&told);
        if (k < 0 && k != -ENOMEM)
                k = gc_fail(call,
                            member,
                            r < 0 ? error_message(error) : "the peer has given no proper answer");
        if (k < 0)
                flow_next(&call->flow, k);
}

static void gc_on_all_done(RpcGather *gather _unused_, void *userdata) {
        cluster_call_part_done(userdata, 0, NULL);
}

/* Kubo's own limit, and a little to tell of it. */
static uint64_t gc_timeout(const Cluster *cluster) {
        return (uint64_t) cluster->config->ipfs.repogc_timeout + CLUSTER_REQUEST_TIMEOUT;
}

/* One after the other: a Kubo that collects garbage does little else. */
static int gc_ask_others(ClusterCall *call) {
        static const RpcGatherHandler handler = { gc_on_answer, gc_on_all_done };

        return ask_others(
                        call,
                        &(ClusterAsk){
                                        .method = "gc",
                                        .timeout_usec = gc_timeout(call->cluster),
                                        .at_once = 1,
                                        .handler = &handler,
                                        .userdata = call,
                        });
}

static int gc_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = cluster_call_may_ask(call);
        if (r >= 0)
                r = ipfs_repo_gc(call->cluster->ipfs, &call->ipfs, gc_on_item, gc_on_done, call);
        if (r < 0)
                return r;
        call->n_pending++;
        return gc_ask_others(call);
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

static int gc_new(
                Cluster *cluster,
                ClusterCall **ret,
                bool local,
                size_t n_keys_max,
                ClusterGcDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.gc = done;
        call->local = local;
        call->n_gc_keys_max = n_keys_max;
        r = gc_prepare(call);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        /* Bounded by repogc_timeout. */
        return cluster_call_start(call, &gc_class, UINT64_MAX, ret);
}

int cluster_collect_garbage(
                Cluster *cluster, ClusterCall **ret, bool local, ClusterGcDone done, void *userdata) {
        return gc_new(cluster, ret, local, CLUSTER_GC_KEYS_MAX, done, userdata);
}

int cluster_gc_local(
                Cluster *cluster, ClusterCall **ret, size_t n_keys_max, ClusterGcDone done, void *userdata) {
        return gc_new(cluster, ret, /* local= */ true, n_keys_max, done, userdata);
}

/* ---- repositories ---- */

static const JsonField repo_fields[] = {
        { "size", JSON_UINT, offsetof(ClusterRepo, size), .flags = JSON_REQUIRED },
        { "storage_max", JSON_UINT, offsetof(ClusterRepo, storage_max), .flags = JSON_REQUIRED },
        JSON_END,
};
const JsonShape cluster_repo_shape = { "repository", sizeof(ClusterRepo), repo_fields };

static void repo_on_stat(
                IpfsCall *ipfs _unused_,
                int r,
                const Error *error,
                uint64_t size,
                uint64_t storage_max,
                void *userdata) {
        ClusterCall *call = userdata;

        call->repo = (ClusterRepo){ size, storage_max };
        cluster_call_part_done(call, r, error);
        call->ipfs = ipfs_call_unref(call->ipfs);
}

static void repo_on_answer(
                RpcGather *gather _unused_,
                size_t i _unused_,
                int r,
                const Error *error _unused_,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterCall *call = userdata;
        ClusterRepo told = {};

        if (r >= 0 && json_read_text(&cluster_repo_shape, body, size, &told, NULL) >= 0)
                cluster_repo_add(&call->repo, &told);
}

static void repo_on_all_done(RpcGather *gather _unused_, void *userdata) {
        cluster_call_part_done(userdata, 0, NULL);
}

static int repo_ask(Flow *flow) {
        static const RpcGatherHandler handler = { repo_on_answer, repo_on_all_done };
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        call->n_pending++;
        if (call->local) {
                r = cluster_call_may_ask(call);
                return r < 0 ? r : ipfs_repo_stat(call->cluster->ipfs, &call->ipfs, repo_on_stat, call);
        }
        r = ask_others(call, &(ClusterAsk){ .method = "repo", .handler = &handler, .userdata = call });
        if (r >= 0)
                cluster_call_part_done(call, 0, NULL); /* there may be nobody to ask */
        return r;
}

static void repo_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.repo(call, MIN(result, 0), &call->error, &call->repo, call->userdata);
}

static const FlowState repo_states[] = { [PEER_ASK] = { "ask", repo_ask, 0 } };
static const FlowClass repo_class = { "repo", repo_states, repo_finish };

static int repo_new(Cluster *cluster, ClusterCall **ret, bool local, ClusterRepoDone done, void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->local = local;
        call->done.repo = done;
        return cluster_call_start(call, &repo_class, ask_timeout(cluster), ret);
}

int cluster_repo_of_others(Cluster *cluster, ClusterCall **ret, ClusterRepoDone done, void *userdata) {
        return repo_new(cluster, ret, /* local= */ false, done, userdata);
}

int cluster_repo_local(Cluster *cluster, ClusterCall **ret, ClusterRepoDone done, void *userdata) {
        return repo_new(cluster, ret, /* local= */ true, done, userdata);
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
