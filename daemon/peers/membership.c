/*
 * Membership of this peer itself: it is invited into another cluster, is told that it was removed, finds out
 * that it was removed while it was away, or was told at its start to join others as long as it is alone.
 *
 * It goes only where nothing is lost by it: a peer that is to join another cluster is the only member of its
 * own, and has no pins.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/log.h"
#include "daemon/join/body.h"
#include "daemon/join/call.h"
#include "daemon/join/folder.h"
#include "daemon/peers/internal.h"
#include "daemon/types/multiaddr.h"

#define ASKED_MAX 3      /* peers at once, whether this one is a member */
#define LEADER_SAYS_NO 3 /* times in a row, where this peer's own log does not show that it was a member */

struct PeersMembership {
        Peers *peers;
        bool was_member;   /* as of an index that this peer has applied */
        unsigned n_denied; /* by a leader */
        size_t turn;       /* of the members to ask, or of the addresses */
        JoinCall *question;
        char *words; /* why it has not joined yet, as logged last */
        struct {
                PeersMembership *owner;
                RpcCall *call;
        } asked[ASKED_MAX];
};

/* ---- the facts */

int peers_check_running(const Peers *peers, Error *reterr) {
        if (peers->is_leaving || peers->is_stopping)
                return error_set(reterr, ERROR_CANCELED, PEERS_IS_STOPPING);
        if (!peers->consensus)
                return error_set(reterr, ERROR_BUSY, "this peer is being started, try again");
        return 0;
}

static bool is_own_member(const Peers *peers, uint64_t raft_id) {
        return consensus_members_find(consensus_member_table(peers->consensus), raft_id) != NULL;
}

static bool is_alone(const Peers *peers) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);

        return members->n == 1 && peer_id_equal(&members->items[0].peer, &peers->self);
}

static uint64_t n_pins(const Peers *peers) {
        return state_pinset_count(consensus_pinset(peers->consensus));
}

static bool is_empty(const Peers *peers, const ConsensusStatus *status) {
        return n_pins(peers) == 0 && status->n_pending == 0 && peers->n_submits == 0;
}

bool peers_would_join(const Peers *peers) {
        ConsensusStatus status;

        if (!peers->options.bootstrap || peers->options.bootstrap->n == 0 || !is_alone(peers))
                return false;
        consensus_status(peers->consensus, &status);
        return status.ready && is_empty(peers, &status);
}

/* ---- to leave */

void peers_leave(Peers *peers, int exit_status, const char *words) {
        if (peers->is_leaving || peers->is_stopping)
                return;
        peers->is_leaving = true; /* from now on nothing is submitted: what is empty stays empty */
        peers->options.events->leave(exit_status, words, peers->options.userdata);
}

/* The addresses are kept until there is a state of the other cluster: see folder.h. */
static int leave_to_join(Peers *peers, const StrList *addresses, const char *words, Error *reterr) {
        int r = join_folder_file_write(peers->options.state_folder, addresses, reterr);

        if (r >= 0)
                peers_leave(peers, EX_TEMPFAIL, words);
        return r;
}

static void reply(RpcRequest *request, const JsonShape *shape, const void *body) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str text = {};

        if (json_write(shape, body, &text) >= 0) {
                (void) rpc_request_reply(request, text.data, text.len);
                return;
        }
        (void) error_set_errno(&error, -ENOMEM, "out of memory");
        (void) rpc_request_fail(request, &error);
}

/* ---- "invite" */

static int check_invitation(
                Peers *peers, const RpcRequest *request, const JoinInviteBody *body, Error *reterr) {
        char text[PEER_ID_TEXT_MAX], own[PEER_ID_TEXT_MAX];
        const PeerId *peer = rpc_request_peer(request);
        uint8_t exporter[JOIN_EXPORTER_SIZE];

        if (rpc_request_exporter(request, exporter) >= 0 &&
            join_proof_is(peers->options.secret, JOIN_PURPOSE_INVITE, peer, exporter, body->proof))
                return 0;
        peers_refuse(peers, peer, "it does not know the cluster secret");
        return error_set(
                        reterr,
                        ERROR_FORBIDDEN,
                        "the cluster secret of peer %s is not that of peer %s",
                        peer_id_format(peer, text),
                        peer_id_format(&peers->self, own));
}

/* May this peer go? */
static int check_free(const Peers *peers, Error *reterr) {
        size_t n = consensus_member_table(peers->consensus)->n;
        char own[PEER_ID_TEXT_MAX];
        ConsensusStatus status;

        (void) peer_id_format(&peers->self, own);
        consensus_status(peers->consensus, &status);
        if (n > 1)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "peer %s is in a cluster of %zu peers: remove it there first",
                                own,
                                n);
        if (!is_alone(peers) || !status.ready)
                return error_set(reterr, ERROR_BUSY, "peer %s is not ready yet, try again", own);
        if (n_pins(peers) > 0)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "peer %s has %" PRIu64
                                " pins of its own, which it would lose: unpin them, or "
                                "export them and clean up its state",
                                own,
                                n_pins(peers));
        if (!is_empty(peers, &status))
                return error_set(reterr, ERROR_BUSY, "peer %s is taking pins at this moment", own);
        return 0;
}

static int accept_invitation(Peers *peers, const PeerId *by, const StrList *addresses, Error *reterr) {
        char text[PEER_ID_TEXT_MAX], words[160];
        int r;

        r = check_free(peers, reterr);
        if (r < 0)
                return r;
        if (addresses->n == 0)
                return error_set(reterr, ERROR_INVALID, "invite: addresses: expected at least one");
        (void) snprintf(words, sizeof(words), "joining the cluster of peer %s", peer_id_format(by, text));
        return leave_to_join(peers, addresses, words, reterr);
}

static bool is_of_this_cluster(const Peers *peers, const uint8_t *cluster_id) {
        return memcmp(cluster_id, consensus_cluster_id(peers->consensus), STATE_CLUSTER_ID_SIZE) == 0;
}

void peers_invite_on_request(RpcRequest *request, const void *bytes, size_t size, void *userdata) {
        const PeerId by = *rpc_request_peer(request);
        _cleanup_(error_done) Error error = {};
        JoinInviteBody body = {};
        Peers *peers = userdata;
        bool is_member = false;
        int r;

        r = peers_check_running(peers, &error);
        if (r >= 0)
                r = join_body_read(&join_body_invite_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0)
                r = check_invitation(peers, request, &body, &error);
        if (r >= 0) {
                is_member = is_of_this_cluster(peers, body.cluster_id);
                r = is_member ? 0 : accept_invitation(peers, &by, &body.addresses, &error);
        }
        if (r >= 0)
                reply(request, &join_body_invited_shape, &(JoinInvitedBody){ .is_member = is_member });
        else
                (void) rpc_request_fail(request, &error);
        json_done(&join_body_invite_shape, &body);
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
        if (!is_of_this_cluster(peers, body->cluster_id) || body->raft_id != status.raft_id)
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
        if (r >= 0 && !is_of_this_cluster(peers, body.cluster_id))
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
        reply(request, &join_body_membership_answer_shape, &answer);
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
        PeersMembership **slot = userdata, *membership = *slot;
        JoinMembershipAnswer answer = {};

        if (r >= 0 && peers_check_running(membership->peers, NULL) >= 0 &&
            join_body_read(&join_body_membership_answer_shape, bytes, size, JOIN_BODY_MAX, &answer, NULL) >=
                            0)
                conclude(membership, rpc_call_peer(call), &answer);
        for (size_t i = 0; i < ASKED_MAX; i++)
                if (membership->asked[i].call == call)
                        membership->asked[i].call = rpc_call_unref(call);
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
        membership->asked[slot].owner = membership;
        return r < 0 ? r
                     : rpc_call(peers->rpc,
                                &membership->asked[slot].call,
                                &(RpcCallOptions){
                                                .peer = peer,
                                                .method = "membership",
                                                .body = text.data,
                                                .size = text.len,
                                                .timeout_usec = peers->options.watch_usec,
                                                .handler = &membership_handler,
                                                .userdata = &membership->asked[slot].owner,
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
                if (!membership->asked[i].call)
                        (void) ask_one(membership, i, &list.items[membership->turn++ % list.n]);
}

/* ---- alone, and told to join others */

static int write_question(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata) {
        const PeersMembership *membership = userdata;
        JoinBody body = {
                .only_ask = true,
                .peername = (char *) membership->peers->options.peername,
        };

        memcpy(body.proof, proof, sizeof(body.proof));
        return json_write(&join_body_shape, &body, to);
}

static void log_words(PeersMembership *membership, const char *words) {
        if (str_equal(membership->words, words))
                return;
        (void) str_copy(&membership->words, words);
        log_warning("Not joining another cluster yet, going on alone: %s", words);
}

static int take_answer(PeersMembership *membership, const void *bytes, size_t size, Error *reterr) {
        Peers *peers = membership->peers;
        JoinedBody body = {};
        int r;

        r = join_body_read(&join_body_joined_shape, bytes, size, JOIN_BODY_ANSWER_MAX, &body, reterr);
        if (r >= 0 && !join_call_is_proved(membership->question, JOIN_PURPOSE_JOINED, body.proof))
                r = error_set(reterr, ERROR_FORBIDDEN, "it cannot show that it knows the cluster secret");
        if (r >= 0 && peers_would_join(peers))
                r = leave_to_join(
                                peers,
                                body.addresses.n > 0 ? &body.addresses : peers->options.bootstrap,
                                "joining the cluster that it was told to",
                                reterr);
        json_done(&join_body_joined_shape, &body);
        return r;
}

static void on_question_answered(int r, const Error *error, const void *body, size_t size, void *userdata) {
        PeersMembership *membership = userdata;
        _cleanup_(error_done) Error mine = {};

        if (r >= 0) {
                r = take_answer(membership, body, size, &mine);
                error = &mine;
        }
        if (r < 0)
                log_words(membership, error_message(error));
        membership->question = join_call_unref(membership->question);
}

static void ask_to_join(PeersMembership *membership) {
        Peers *peers = membership->peers;
        const StrList *list = peers->options.bootstrap;
        const char *address = list->items[membership->turn++ % list->n];
        PeerId peer;
        bool names_peer = multiaddr_peer_id(address, &peer) > 0;

        if (membership->question || (names_peer && peer_id_equal(&peer, &peers->self)))
                return;
        (void) join_call_new(
                        &membership->question,
                        peers->rpc,
                        &(JoinCallOptions){
                                        .secret = peers->options.secret,
                                        .method = JOIN_PURPOSE_JOIN,
                                        .peer = names_peer ? &peer : NULL,
                                        .address = address,
                                        .timeout_usec = JOIN_LINK_TIMEOUT,
                                        .write = write_question,
                                        .done = on_question_answered,
                                        .userdata = membership,
                        });
}

/* ---- from time to time */

void peers_membership_on_watch(Peers *peers) {
        ConsensusStatus status;

        if (peers_check_running(peers, NULL) < 0)
                return;
        consensus_status(peers->consensus, &status);
        if (peers_would_join(peers))
                ask_to_join(peers->membership);
        else if (!peer_id_is_set(&status.leader) && !is_alone(peers))
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

        membership->question = join_call_unref(membership->question);
        for (size_t i = 0; i < ASKED_MAX; i++)
                membership->asked[i].call = rpc_call_unref(membership->asked[i].call);
}

void peers_membership_free(Peers *peers) {
        if (!peers->membership)
                return;
        peers_membership_stop(peers);
        free(peers->membership->words);
        free(peers->membership);
        peers->membership = NULL;
}
