/* Membership of this peer itself: it is told that it was removed, or finds out when it comes back. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/join/body.h"
#include "daemon/peers/internal.h"

#define ASKED_MAX 3      /* peers at once, whether this one is a member */
#define LEADER_SAYS_NO 3 /* times in a row, where this peer's own log does not show that it was a member */

struct PeersMembership {
        Peers *peers;
        bool was_member;   /* as of an index that this peer has applied */
        unsigned n_denied; /* by a leader */
        size_t turn;       /* of the members to ask */
        RpcCall *asked[ASKED_MAX];
};

/* ---- the facts */

int peers_check_running(const Peers *peers, Error *reterr) {
        if (peers->is_leaving || peers->is_stopping)
                return error_set(reterr, ERROR_CANCELED, PEERS_IS_STOPPING);
        if (!peers->consensus)
                return error_set(reterr, ERROR_BUSY, "this peer is being started, try again");
        return 0;
}

bool peers_is_cluster(const Peers *peers, const uint8_t *cluster_id) {
        return memcmp(cluster_id, consensus_cluster_id(peers->consensus), STATE_CLUSTER_ID_SIZE) == 0;
}

bool peers_is_alone(const Peers *peers) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);

        return members->n == 1 && peer_id_equal(&members->items[0].peer, &peers->self);
}

static bool is_own_member(const Peers *peers, uint64_t raft_id) {
        return consensus_members_find(consensus_member_table(peers->consensus), raft_id) != NULL;
}

void peers_reply(RpcRequest *request, const JsonShape *shape, const void *body) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str text = {};

        if (json_write(shape, body, &text) >= 0) {
                (void) rpc_request_reply(request, text.data, text.len);
                return;
        }
        (void) error_set_errno(&error, -ENOMEM, "out of memory");
        (void) rpc_request_fail(request, &error);
}

/* ---- to leave */

void peers_leave(Peers *peers, int exit_status, const char *words) {
        if (peers->is_leaving || peers->is_stopping)
                return;
        peers->is_leaving = true; /* from now on nothing is submitted: what is empty stays empty */
        peers->options.events->leave(exit_status, words, peers->options.userdata);
}

/* ---- removed */

static void leave_for_good(Peers *peers, const PeerId *by) {
        char text[PEER_ID_TEXT_MAX], words[160];

        (void) snprintf(words,
                        sizeof(words),
                        "this peer was removed from its cluster, as peer %s tells",
                        peer_id_format(by, text));
        peers_leave(peers, EXIT_SUCCESS, words);
        peers_changes_on_left(peers);
}

/* Raft ids are never given twice: one that is no member at a later index than one at which it was has been
 * removed. */
static bool is_removed_as_of(const Peers *peers, uint64_t index) {
        const PeersMembership *membership = peers->membership;
        ConsensusStatus status;

        consensus_status(peers->consensus, &status);
        if (is_own_member(peers, status.raft_id))
                return index > status.applied_index;
        return membership->was_member;
}

static int check_removal(
                const Peers *peers, const PeerId *by, const JoinMembershipBody *body, Error *reterr) {
        ConsensusStatus status;

        consensus_status(peers->consensus, &status);
        if (!peers_is_member(peers, by))
                return error_set(reterr, ERROR_FORBIDDEN, "removed: only members are listened to");
        if (!peers_is_cluster(peers, body->cluster_id) || body->raft_id != status.raft_id)
                return error_set(reterr, ERROR_REFUSED, "removed: this is not the peer that is meant");
        if (!is_removed_as_of(peers, body->index))
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "removed: this peer is a member as of entry %" PRIu64,
                                status.applied_index);
        return 0;
}

void peers_removed_on_request(RpcRequest *request, const void *bytes, size_t size, void *userdata) {
        const PeerId by = *rpc_request_peer(request);
        _cleanup_(error_done) Error error = {};
        JoinMembershipBody body = {};
        Peers *peers = userdata;
        int r;

        r = peers_check_running(peers, &error);
        if (r >= 0)
                r = join_body_read(&join_body_membership_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0)
                r = check_removal(peers, &by, &body, &error);
        if (r < 0) {
                (void) rpc_request_fail(request, &error);
                return;
        }
        (void) rpc_request_reply(request, NULL, 0);
        leave_for_good(peers, &by);
}

/* ---- "membership": is it still a member? */

void peers_membership_on_request(RpcRequest *request, const void *bytes, size_t size, void *userdata) {
        JoinMembershipAnswer answer = {};
        _cleanup_(error_done) Error error = {};
        JoinMembershipBody body = {};
        ConsensusStatus status = {};
        Peers *peers = userdata;
        int r;

        r = peers_check_running(peers, &error);
        if (r >= 0)
                r = join_body_read(&join_body_membership_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0 && !peers_is_cluster(peers, body.cluster_id))
                r = error_set(&error, ERROR_REFUSED, "membership: this is another cluster");
        if (r >= 0) {
                consensus_status(peers->consensus, &status);
                if (!status.ready) /* the members may be those of entries that are not committed */
                        r = error_set(&error, ERROR_BUSY, "membership: this peer is not ready yet");
        }
        if (r < 0) {
                (void) rpc_request_fail(request, &error);
                return;
        }

        answer.index = status.applied_index;
        answer.is_member = is_own_member(peers, body.raft_id);
        answer.is_leader = status.is_leader;
        peers_reply(request, &join_body_membership_answer_shape, &answer);
}

/* ---- removed while it was away */

/* Where this peer's own log does not say that it was a member (it has just joined, or has applied its
 * removal and started again), one that lags behind would say the same: a leader has to say it again and
 * again. */
static void conclude(PeersMembership *membership, const PeerId *by, const JoinMembershipAnswer *answer) {
        Peers *peers = membership->peers;

        if (answer->is_member)
                membership->n_denied = 0;
        else if (is_removed_as_of(peers, answer->index))
                leave_for_good(peers, by);
        else if (answer->is_leader && ++membership->n_denied >= LEADER_SAYS_NO)
                leave_for_good(peers, by);
}

static void on_membership(
                RpcCall *call,
                int r,
                const Error *error _unused_,
                const void *bytes,
                size_t size,
                void *userdata) {
        PeersMembership *membership = userdata;
        JoinMembershipAnswer answer = {};

        if (r >= 0 && peers_check_running(membership->peers, NULL) >= 0 &&
            join_body_read(&join_body_membership_answer_shape, bytes, size, JOIN_BODY_MAX, &answer, NULL) >=
                            0)
                conclude(membership, rpc_call_peer(call), &answer);
        for (size_t i = 0; i < ASKED_MAX; i++)
                if (membership->asked[i] == call)
                        membership->asked[i] = rpc_call_unref(call);
}

static const RpcCallHandler membership_handler = { .on_done = on_membership };

static int ask_one(PeersMembership *membership, size_t slot, const PeerId *peer) {
        Peers *peers = membership->peers;
        _cleanup_(str_done) Str text = {};
        JoinMembershipBody body = {};
        ConsensusStatus status;
        int r;

        consensus_status(peers->consensus, &status);
        memcpy(body.cluster_id, status.cluster_id, sizeof(body.cluster_id));
        body.raft_id = status.raft_id;
        r = json_write(&join_body_membership_shape, &body, &text);
        return r < 0 ? r
                     : rpc_call(peers->rpc,
                                &membership->asked[slot],
                                &(RpcCallOptions){
                                                .peer = peer,
                                                .method = "membership",
                                                .body = text.data,
                                                .size = text.len,
                                                .timeout_usec = peers->options.watch_usec,
                                                .handler = &membership_handler,
                                                .userdata = membership,
                                });
}

static int list_members(const Peers *peers, PeerIdList *ret) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < members->n; i++)
                if (!peer_id_equal(&members->items[i].peer, &peers->self))
                        r = peer_id_list_append(ret, &members->items[i].peer);
        return r;
}

static int list_known(const Peers *peers, PeerIdList *ret) {
        MapIterator i = {};
        void *value;
        int r = 0;

        while (r >= 0 && map_next(peers->book, &i, NULL, NULL, &value))
                if (((PeersEntry *) value)->addresses.n > 0)
                        r = peer_id_list_append(ret, &((PeersEntry *) value)->id);
        return r;
}

/* Some of the members in turn; one that has none yet asks those who have taken it in. */
static void ask_members(PeersMembership *membership) {
        const Peers *peers = membership->peers;
        _cleanup_(peer_id_list_done) PeerIdList list = {};
        int r;

        r = consensus_member_table(peers->consensus)->n > 0 ? list_members(peers, &list)
                                                            : list_known(peers, &list);
        if (r < 0 || list.n == 0)
                return;
        for (size_t i = 0; i < ASKED_MAX && i < list.n; i++)
                if (!membership->asked[i])
                        (void) ask_one(membership, i, &list.items[membership->turn++ % list.n]);
}

/* ---- from time to time */

void peers_membership_on_watch(Peers *peers) {
        ConsensusStatus status;

        if (peers_check_running(peers, NULL) < 0)
                return;
        consensus_status(peers->consensus, &status);
        if (!peer_id_is_set(&status.leader) && !peers_is_alone(peers))
                ask_members(peers->membership);
}

void peers_membership_on_progress(Peers *peers) {
        ConsensusStatus status;

        if (peers->membership->was_member)
                return;
        consensus_status(peers->consensus, &status);
        peers->membership->was_member = is_own_member(peers, status.raft_id);
}

int peers_membership_new(Peers *peers, Error *reterr) {
        peers->membership = calloc(1, sizeof(*peers->membership));
        if (!peers->membership)
                return error_set_errno(reterr, -ENOMEM, "peers: %m");
        peers->membership->peers = peers;
        return 0;
}

void peers_membership_stop(Peers *peers) {
        PeersMembership *membership = peers->membership;

        for (size_t i = 0; i < ASKED_MAX; i++)
                membership->asked[i] = rpc_call_unref(membership->asked[i]);
}

void peers_membership_free(Peers *peers) {
        if (!peers->membership)
                return;
        peers_membership_stop(peers);
        free(peers->membership);
        peers->membership = NULL;
}
