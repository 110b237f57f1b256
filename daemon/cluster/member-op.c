/* Changes of the members: add and remove. Each asks the peers once:  ask ──► done. */

#include "daemon/cluster/internal.h"
#include "daemon/types/multiaddr.h"
#include "daemon/types/version.h"

#define MEMBER_TIMEOUT                                                                                      \
        (PEERS_MEMBERSHIP_TIMEOUT + 10 * USEC_PER_SEC) /* the peers have deadlines of their own */

enum {
        MEMBER_ASK,
};

static void member_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.peer(call, MIN(result, 0), &call->error, &call->peer, call->userdata);
}

/* ---- add ---- */

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

static const FlowState add_states[] = { [MEMBER_ASK] = { "ask", add_ask, 0 } };
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

/* ---- remove ---- */

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

static const FlowState remove_states[] = { [MEMBER_ASK] = { "ask", remove_ask, 0 } };
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
