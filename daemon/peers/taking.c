/*
 * Taking in: a peer that knows the cluster secret asks to become a member.
 *
 *   "join" ──► proof? ──► the leader adds it ──► Raft id, cluster id, addresses, a proof of this peer's
 *                                               own
 */

#include <inttypes.h>
#include <string.h>

#include "daemon/join/body.h"
#include "daemon/join/call.h"
#include "daemon/peers/internal.h"
#include "daemon/types/multiaddr.h"

#define TAKINGS_MAX 64 /* at once */
#define NAME_MAX 256

struct PeersTaking {
        List link;
        Peers *peers;
        RpcRequest *request;
        uint8_t proof[JOIN_PROOF_SIZE]; /* of this peer, for the answer */
        PeersManaged *managed;
};

static void taking_free(PeersTaking *taking) {
        list_remove(&taking->link);
        taking->peers->n_takings--;
        peers_managed_unref(taking->managed);
        free(taking);
}

static void fail(RpcRequest *request, ErrorCode code, const char *words) {
        _cleanup_(error_done) Error error = {};

        (void) error_set(&error, code, "%s", words);
        (void) rpc_request_fail(request, &error);
}

/* Too many are known, or wait for a change; or there is no memory. */
static void fail_errno(RpcRequest *request, int r) {
        _cleanup_(error_done) Error error = {};

        if (r == -EBUSY || r == -ENOBUFS)
                (void) error_set(&error, ERROR_BUSY, "join: too many peers are being taken in; try again");
        else
                (void) error_set_errno(&error, r, "join: %m");
        (void) rpc_request_fail(request, &error);
}

/* ---- the answer */

static int reply(PeersTaking *taking, uint64_t raft_id, uint64_t index) {
        JoinedBody body = { .raft_id = raft_id, .index = index };
        Peers *peers = taking->peers;
        _cleanup_(str_done) Str text = {};
        int r;

        memcpy(body.proof, taking->proof, sizeof(body.proof));
        memcpy(body.cluster_id, consensus_cluster_id(peers->consensus), sizeof(body.cluster_id));
        r = peers_book_addresses(peers, &body.addresses);
        if (r >= 0)
                r = json_write(&join_body_joined_shape, &body, &text);
        str_list_done(&body.addresses);
        if (r < 0)
                return r;
        (void) rpc_request_reply(taking->request, text.data, text.len);
        return 0;
}

static void on_added(int r, const Error *error, uint64_t raft_id, uint64_t index, void *userdata) {
        PeersTaking *taking = userdata;

        if (r < 0)
                (void) rpc_request_fail(taking->request, error);
        else if ((r = reply(taking, raft_id, index)) < 0)
                fail_errno(taking->request, r);
        taking_free(taking);
}

static void on_closed(RpcRequest *request _unused_, void *userdata) {
        taking_free(userdata);
}

/* ---- the question */

/* What it says of itself: where it is dialled once it is a member. */
static int learn(Peers *peers, const PeerId *peer, JoinBody *body) {
        _cleanup_(str_list_done) StrList list = {};
        PeersEntry *entry;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < body->addresses.n && i < PEERS_ADDRESSES_MAX; i++) {
                char *address;

                r = multiaddr_with_peer_id(body->addresses.items[i], peer, &address);
                if (r >= 0)
                        r = str_list_append_take(&list, address);
        }
        if (r >= 0)
                r = peers_book_learn(peers, &list);
        if (r >= 0)
                r = peers_book_get(peers, peer, &entry);
        if (r >= 0 && body->peername && str_is_empty(entry->name)) {
                body->peername[str_utf8_cut(body->peername, NAME_MAX)] = '\0';
                free(entry->name);
                entry->name = TAKE_PTR(body->peername);
        }
        return r;
}

static bool is_proved(Peers *peers, RpcRequest *request, const JoinBody *body, uint8_t *ret_own) {
        const PeerId *peer = rpc_request_peer(request);
        uint8_t exporter[JOIN_EXPORTER_SIZE];

        return rpc_request_exporter(request, exporter) >= 0 &&
               join_proof_is(peers->options.secret, JOIN_PURPOSE_JOIN, peer, exporter, body->proof) &&
               join_proof_make(peers->options.secret,
                               JOIN_PURPOSE_JOINED,
                               &peers->self,
                               exporter,
                               ret_own) >= 0;
}

/* Of two that would join each other the one with the lower ID stays, else both wait for each other. */
static bool goes_itself(const Peers *peers, const PeerId *peer) {
        return peers_would_join(peers) && peer_id_compare(peer, &peers->self) < 0;
}

static int check(Peers *peers, RpcRequest *request, const JoinBody *body, uint8_t *ret_own, Error *reterr) {
        const PeerId *peer = rpc_request_peer(request);
        char text[PEER_ID_TEXT_MAX], own[PEER_ID_TEXT_MAX];

        (void) peer_id_format(peer, text);
        (void) peer_id_format(&peers->self, own);
        if (!is_proved(peers, request, body, ret_own)) {
                peers_refuse(peers, peer, "it does not know the cluster secret");
                return error_set(
                                reterr,
                                ERROR_FORBIDDEN,
                                "the cluster secret of peer %s is not that of peer %s",
                                text,
                                own);
        }
        if (peers->n_takings >= TAKINGS_MAX)
                return error_set(reterr, ERROR_BUSY, "%d peers are being taken in already", TAKINGS_MAX);
        if (body->only_ask && goes_itself(peers, peer))
                return error_set(reterr, ERROR_BUSY, "peer %s is about to join a cluster itself", own);
        return 0;
}

static int start(PeersTaking *taking, JoinBody *body) {
        const PeerId peer = *rpc_request_peer(taking->request);
        Peers *peers = taking->peers;
        int r;

        if (body->only_ask) {
                r = reply(taking, 0, 0);
                if (r >= 0)
                        taking_free(taking);
                return r;
        }
        r = learn(peers, &peer, body);
        return r < 0 ? r : peers_manage(peers, &taking->managed, PEERS_ADD, &peer, on_added, taking);
}

static void take(Peers *peers, RpcRequest *request, JoinBody *body, const uint8_t *proof) {
        PeersTaking *taking = calloc(1, sizeof(*taking));
        int r;

        if (!taking) {
                fail_errno(request, -ENOMEM);
                return;
        }

        taking->peers = peers;
        taking->request = request;
        memcpy(taking->proof, proof, sizeof(taking->proof));
        list_append(&peers->takings, &taking->link);
        peers->n_takings++;
        r = start(taking, body);
        if (r < 0) {
                taking_free(taking);
                fail_errno(request, r);
        } else if (!body->only_ask)
                rpc_request_on_closed(request, on_closed, taking);
}

void peers_join_on_request(RpcRequest *request, const void *bytes, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        uint8_t proof[JOIN_PROOF_SIZE];
        JoinBody body = {};
        Peers *peers = userdata;
        int r;

        r = peers_check_running(peers, &error);
        if (r >= 0)
                r = join_body_read(&join_body_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0)
                r = check(peers, request, &body, proof, &error);
        if (r >= 0)
                take(peers, request, &body, proof);
        else
                (void) rpc_request_fail(request, &error);
        json_done(&join_body_shape, &body);
}

void peers_takings_stop(Peers *peers) {
        LIST_FOREACH (taking, &peers->takings, PeersTaking, link) {
                fail(taking->request, ERROR_CANCELED, PEERS_IS_STOPPING);
                taking_free(taking);
        }
}
