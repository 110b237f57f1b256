/*
 * Membership of this peer itself: it is told that it was removed, or has no leader, and asks the members.
 *
 *   told, or without a leader ──► round: all are asked ──► settled: it leaves
 *                                   ▲          │
 *                                   └─ a moment ┘ while somebody says so
 *
 * What one of them says is not enough. It leaves when a leader says that it is no member, at a later entry
 * than those that this peer has applied, and more than half of the voters that it knows say the same; or
 * when that leader says so round after round, and no voter that can be asked says otherwise.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/join/body.h"
#include "daemon/peers/internal.h"
#include "daemon/peers/roles.h"
#include "daemon/types/multiaddr.h"

#define ASKED_MAX (PEERS_VOTERS_MAX + 1) /* peers at once, whether this one is a member */
#define LEADER_SAYS_NO 3                 /* times in a row, where nobody else can be asked */
#define ROUND_USEC (200 * USEC_PER_MSEC) /* between rounds */
#define HINTED_ROUNDS 10                 /* after it was told: who is asked may not have heard of it yet */

struct PeersMembership {
        Peers *peers;
        bool was_member;   /* as of an index that this peer has applied */
        unsigned n_denied; /* by a leader, in a row */
        unsigned n_rounds; /* that come in any case */
        size_t turn;       /* of the members to ask */
        PeerId leader;     /* that one of them tells of; not set: none */
        RpcCall *asked[ASKED_MAX];
        sd_event_source *next;
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

static uint64_t raft_id_of(const Peers *peers, const PeerId *peer) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);

        for (size_t i = 0; i < members->n; i++)
                if (peer_id_equal(&members->items[i].peer, peer))
                        return members->items[i].raft_id;
        return 0;
}

/* ---- "membership": is it still a member? */

/* Who has been away for long may know no one who leads by now. */
static int tell_leader(const Peers *peers, const PeerId *leader, StrList *ret) {
        const StrList *addresses = peer_id_is_set(leader) ? peers_addresses(peers, leader) : NULL;

        return addresses ? str_list_copy(ret, addresses) : 0;
}

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
        answer.is_another = !answer.is_member && raft_id_of(peers, rpc_request_peer(request)) > 0;
        if (status.is_leader || tell_leader(peers, &status.leader, &answer.leader) >= 0)
                peers_reply(request, &join_body_membership_answer_shape, &answer);
        else {
                (void) error_set_errno(&error, -ENOMEM, "membership: %m");
                (void) rpc_request_fail(request, &error);
        }
        json_done(&join_body_membership_answer_shape, &answer);
}

/* ---- "founding": does the cluster exist? */

/* Its founding alone is what who asks would write itself; but one that has been seen has lost something.
 * Also without a leader: it is asked for when there can be none. */
static int founding_answer(const Peers *peers, const PeerId *asker, JoinFoundingAnswer *ret) {
        uint64_t raft_id = raft_id_of(peers, asker);
        ConsensusStatus status;

        consensus_status(peers->consensus, &status);
        ret->exists = status.last_index > 1 || peers_disks_find(peers, raft_id);
        ret->is_member = raft_id > 0;
        return ret->exists && ret->is_member ? peers_book_addresses((Peers *) peers, &ret->addresses) : 0;
}

void peers_founding_on_request(RpcRequest *request, const void *bytes, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        JoinFoundingAnswer answer = {};
        JoinFoundingBody body = {};
        Peers *peers = userdata;
        int r;

        r = peers_check_running(peers, &error);
        if (r >= 0)
                r = join_body_read(&join_body_founding_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0 && peers_is_cluster(peers, body.cluster_id)) {
                r = founding_answer(peers, rpc_request_peer(request), &answer);
                if (r < 0)
                        (void) error_set_errno(&error, r, "founding: %m");
        }
        if (r >= 0)
                peers_reply(request, &join_body_founding_answer_shape, &answer);
        else
                (void) rpc_request_fail(request, &error);
        json_done(&join_body_founding_answer_shape, &answer);
}

/* ---- removed while nobody told it, or told by one alone */

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

static void hear(PeersMembership *membership, PeersEntry *entry, const JoinMembershipAnswer *answer) {
        bool is_removed = !answer->is_member && is_removed_as_of(membership->peers, answer->index);

        entry->verdict = answer->is_member ? PEERS_IS_MEMBER
                         : is_removed      ? PEERS_IS_REMOVED
                                           : PEERS_IS_UNKNOWN;
        if (answer->is_leader && answer->is_member)
                membership->n_denied = 0;
        /* where its own log does not say that it was a member, one that lags behind would say the same */
        else if (answer->is_leader && (is_removed || !membership->was_member))
                membership->n_denied++;
        if (answer->leader.n > 0 && multiaddr_peer_id(answer->leader.items[0], &membership->leader) > 0)
                (void) peers_book_learn(membership->peers, &answer->leader);
}

static bool is_settled(const PeersMembership *membership) {
        const ConsensusMembers *members = consensus_member_table(membership->peers->consensus);
        size_t n_voters = 0, n_verdicts[_PEERS_VERDICT_N] = {};

        for (size_t i = 0; i < members->n; i++) {
                const PeersEntry *entry = peers_book_find(membership->peers, &members->items[i].peer);

                if (members->items[i].role != CONSENSUS_VOTER)
                        continue;
                n_voters++;
                if (entry)
                        n_verdicts[entry->verdict]++;
        }
        if (membership->n_denied > 0 && n_verdicts[PEERS_IS_REMOVED] > n_voters / 2)
                return true;
        return membership->n_denied >= LEADER_SAYS_NO && n_verdicts[PEERS_IS_MEMBER] == 0;
}

static bool is_asking(const PeersMembership *membership) {
        for (size_t i = 0; i < ASKED_MAX; i++)
                if (membership->asked[i])
                        return true;
        return false;
}

static void end_round(PeersMembership *membership) {
        if (membership->n_rounds > 0)
                membership->n_rounds--;
        else if (membership->n_denied == 0 || membership->n_denied >= LEADER_SAYS_NO)
                return; /* asked again when there is a reason */
        (void) sd_event_source_set_time_relative(membership->next, ROUND_USEC);
        (void) sd_event_source_set_enabled(membership->next, SD_EVENT_ONESHOT);
}

static void take_answer(
                PeersMembership *membership, const PeerId *by, int r, const void *bytes, size_t size) {
        PeersEntry *entry = peers_book_find(membership->peers, by);
        JoinMembershipAnswer answer = {};
        bool is_another;

        if (!entry)
                return;
        entry->verdict = PEERS_IS_UNKNOWN;
        if (r >= 0 &&
            join_body_read(&join_body_membership_answer_shape, bytes, size, JOIN_BODY_MAX, &answer, NULL) >=
                            0)
                hear(membership, entry, &answer);
        is_another = answer.is_another;
        json_done(&join_body_membership_answer_shape, &answer);
        if (!is_settled(membership))
                return;
        if (is_another)
                peers_join_anew(membership->peers, by);
        leave_for_good(membership->peers, by); /* if it has not gone by now */
}

static void on_membership(
                RpcCall *call,
                int r,
                const Error *error _unused_,
                const void *bytes,
                size_t size,
                void *userdata) {
        PeersMembership *membership = userdata;

        if (peers_check_running(membership->peers, NULL) >= 0 && rpc_call_peer(call))
                take_answer(membership, rpc_call_peer(call), r, bytes, size);
        for (size_t i = 0; i < ASKED_MAX; i++)
                if (membership->asked[i] == call)
                        membership->asked[i] = rpc_call_unref(call);
        if (!is_asking(membership) && peers_check_running(membership->peers, NULL) >= 0)
                end_round(membership);
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

/* The leader that was told of, and all members, or as many of them in turn; one that has none yet asks those
 * who have taken it in. */
static int list_to_ask(PeersMembership *membership, PeerIdList *ret) {
        const Peers *peers = membership->peers;
        int r = 0;

        if (peer_id_is_set(&membership->leader) && !peers_is_member(peers, &membership->leader))
                r = peer_id_list_append(ret, &membership->leader);
        if (r >= 0)
                r = consensus_member_table(peers->consensus)->n > 0 ? list_members(peers, ret)
                                                                    : list_known(peers, ret);
        return r;
}

/* What was heard for an older reason does not count. */
static void forget_verdicts(Peers *peers) {
        MapIterator i = {};
        void *value;

        while (map_next(peers->book, &i, NULL, NULL, &value))
                ((PeersEntry *) value)->verdict = PEERS_IS_UNKNOWN;
}

static void begin_round(PeersMembership *membership) {
        _cleanup_(peer_id_list_done) PeerIdList list = {};

        if (is_asking(membership))
                return;
        (void) sd_event_source_set_enabled(membership->next, SD_EVENT_OFF);
        if (membership->n_denied == 0)
                forget_verdicts(membership->peers);
        if (list_to_ask(membership, &list) < 0 || list.n == 0)
                return;
        for (size_t i = 0; i < ASKED_MAX && i < list.n; i++)
                (void) ask_one(membership, i, &list.items[(membership->turn + i) % list.n]);
        if (list.n > ASKED_MAX)
                membership->turn += ASKED_MAX;
}

static int on_next(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        PeersMembership *membership = userdata;

        if (peers_check_running(membership->peers, NULL) >= 0)
                begin_round(membership);
        return 0;
}

/* ---- "removed": a reason to ask */

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
        _cleanup_(error_done) Error error = {};
        JoinMembershipBody body = {};
        Peers *peers = userdata;
        int r;

        r = peers_check_running(peers, &error);
        if (r >= 0)
                r = join_body_read(&join_body_membership_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0)
                r = check_removal(peers, rpc_request_peer(request), &body, &error);
        if (r < 0) {
                (void) rpc_request_fail(request, &error);
                return;
        }
        (void) rpc_request_reply(request, NULL, 0);
        peers->membership->n_rounds = HINTED_ROUNDS;
        begin_round(peers->membership);
}

/* ---- from time to time */

void peers_membership_on_watch(Peers *peers) {
        ConsensusStatus status;

        if (peers_check_running(peers, NULL) < 0)
                return;
        consensus_status(peers->consensus, &status);
        if (!peer_id_is_set(&status.leader) && !peers_is_alone(peers))
                begin_round(peers->membership);
        else if (peers->membership->n_rounds == 0)
                peers->membership->n_denied = 0;
}

void peers_membership_on_progress(Peers *peers) {
        ConsensusStatus status;

        if (peers->membership->was_member)
                return;
        consensus_status(peers->consensus, &status);
        peers->membership->was_member = is_own_member(peers, status.raft_id);
}

int peers_membership_new(Peers *peers, Error *reterr) {
        PeersMembership *membership = calloc(1, sizeof(*membership));
        int r;

        if (!membership)
                return error_set_errno(reterr, -ENOMEM, "peers: %m");
        peers->membership = membership;
        membership->peers = peers;
        r = sd_event_add_time(peers->event, &membership->next, CLOCK_MONOTONIC, 0, 0, on_next, membership);
        if (r >= 0)
                r = sd_event_source_set_enabled(membership->next, SD_EVENT_OFF);
        return r < 0 ? error_set_errno(reterr, r, "peers: %m") : 0;
}

void peers_membership_stop(Peers *peers) {
        PeersMembership *membership = peers->membership;

        for (size_t i = 0; i < ASKED_MAX; i++)
                membership->asked[i] = rpc_call_unref(membership->asked[i]);
        membership->next = sd_event_source_disable_unref(membership->next);
}

void peers_membership_free(Peers *peers) {
        if (!peers->membership)
                return;
        peers_membership_stop(peers);
        free(peers->membership);
        peers->membership = NULL;
}
