/* Who this peer is, changes of the members, metrics.  ask ──► done */

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

int cluster_id(Cluster *cluster, ClusterCall **ret, ClusterPeerDone done, void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.peer = done;
        return cluster_call_start(call, &id_class, cluster_call_ask_timeout(cluster), ret);
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
