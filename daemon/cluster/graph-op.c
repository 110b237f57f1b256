/* Who is linked with whom: each peer tells its own links, and its Kubo's.  ask ──► done */

#include <string.h>

#include "daemon/cluster/internal.h"
#include "daemon/cluster/remote.h"

enum {
        GRAPH_ASK,
};

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

        return cluster_call_ask_others(
                        call, &(ClusterAsk){ .method = "graph", .handler = &handler, .userdata = call });
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

static const FlowState graph_states[] = { [GRAPH_ASK] = { "ask", graph_ask, 0 } };
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
        return cluster_call_start(call, &graph_class, cluster_call_ask_timeout(cluster), ret);
}

int cluster_graph(Cluster *cluster, ClusterCall **ret, ClusterGraphDone done, void *userdata) {
        return graph_new(cluster, ret, /* local= */ false, done, userdata);
}

int cluster_graph_local(Cluster *cluster, ClusterCall **ret, ClusterGraphDone done, void *userdata) {
        return graph_new(cluster, ret, /* local= */ true, done, userdata);
}
