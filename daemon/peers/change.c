/*
 * Changes of the members that somebody asks this peer for.
 *
 *   add:     invite ──► wait ──► done      it accepts, starts again, joins (taking.c) and is a member
 *   remove:  remove ──► tell ──► done      the leader removes it, and it is told that it is out
 */

#include <inttypes.h>
#include <string.h>

#include "daemon/base/flow.h"
#include "daemon/join/body.h"
#include "daemon/join/call.h"
#include "daemon/peers/internal.h"

#define TELL_METHOD "removed"
#define TELL_TIMEOUT (2 * USEC_PER_SEC) /* it finds out by itself, too */
#define INVITE_TIMEOUT (10 * USEC_PER_SEC)
#define INVITE_ADDRESSES_MAX 64

struct PeersChange {
        List link;
        Flow flow;
        Peers *peers;
        PeerId peer;
        char *address;
        bool is_waiting;   /* for PEER to be a member */
        uint64_t raft_id;  /* that it has, or had; 0: none */
        uint64_t index;    /* of its removal */
        StrList addresses; /* of one that was removed */

        JoinCall *invitation;
        PeersManaged *managed;
        RpcCall *tell;

        Error error;
        PeersChangeDone done;
        void *userdata;
};

enum {
        ADD_INVITE,
        ADD_WAIT,
};

enum {
        REMOVE_REMOVE,
        REMOVE_TELL,
};

static const FlowClass remove_class;

#define CHANGE(flow_) CONTAINER_OF(flow_, PeersChange, flow)

static uint64_t raft_id_of(const Peers *peers, const PeerId *peer) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);

        for (size_t i = 0; i < members->n; i++)
                if (peer_id_equal(&members->items[i].peer, peer))
                        return members->items[i].raft_id;
        return 0;
}

/* What an answer says, and the next state. */
static void next(PeersChange *change, int r, const Error *error, int state) {
        if (r < 0 && change->error.code == ERROR_NONE)
                (void) error_copy(&change->error, error);
        flow_next(&change->flow, r < 0 ? r : state);
}

/* ---- add */

static int invitation_addresses(Peers *peers, StrList *ret) {
        int r = peers_book_addresses(peers, ret);

        while (r >= 0 && ret->n > INVITE_ADDRESSES_MAX)
                free(ret->items[--ret->n]);
        return r;
}

static int write_invitation(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata) {
        PeersChange *change = userdata;
        JoinInviteBody body = {};
        int r;

        memcpy(body.proof, proof, sizeof(body.proof));
        memcpy(body.cluster_id, consensus_cluster_id(change->peers->consensus), sizeof(body.cluster_id));
        r = invitation_addresses(change->peers, &body.addresses);
        if (r >= 0)
                r = json_write(&join_body_invite_shape, &body, to);
        str_list_done(&body.addresses);
        return r;
}

static void on_invited(int r, const Error *error, const void *bytes, size_t size, void *userdata) {
        _cleanup_(error_done) Error mine = {};
        PeersChange *change = userdata;
        JoinInvitedBody body = {};

        if (r >= 0) {
                change->peer = *join_call_peer(change->invitation);
                r = join_body_read(&join_body_invited_shape, bytes, size, JOIN_BODY_MAX, &body, &mine);
                error = &mine;
        }
        if (r >= 0)
                change->raft_id = body.is_member ? 0 : raft_id_of(change->peers, &change->peer);
        next(change, r, error, ADD_WAIT);
        change->invitation = join_call_unref(change->invitation);
}

static int add_invite(Flow *flow) {
        PeersChange *change = CHANGE(flow);
        Peers *peers = change->peers;
        ConsensusStatus status;

        if (peer_id_equal(&change->peer, &peers->self)) {
                flow_next(flow, FLOW_DONE);
                return 0;
        }
        consensus_status(peers->consensus, &status);
        if (!peer_id_is_set(&status.leader))
                return error_set(&change->error, ERROR_NO_LEADER, "there is no leader to take a peer in");
        return join_call_new(
                        &change->invitation,
                        peers->rpc,
                        &(JoinCallOptions){
                                        .secret = peers->options.secret,
                                        .method = JOIN_PURPOSE_INVITE,
                                        .peer = peer_id_is_set(&change->peer) ? &change->peer : NULL,
                                        .address = change->address,
                                        .timeout_usec = INVITE_TIMEOUT,
                                        .write = write_invitation,
                                        .done = on_invited,
                                        .userdata = change,
                        });
}

/* It comes with a new Raft id: one that it had before is that of a state which it has lost. */
static void look_for_it(PeersChange *change) {
        uint64_t raft_id = raft_id_of(change->peers, &change->peer);

        if (raft_id == 0 || raft_id == change->raft_id)
                return;
        change->is_waiting = false;
        flow_next(&change->flow, FLOW_DONE);
}

static int add_wait(Flow *flow) {
        PeersChange *change = CHANGE(flow);

        change->is_waiting = true;
        look_for_it(change);
        return 0;
}

void peers_changes_on_progress(Peers *peers) {
        LIST_FOREACH (change, &peers->changes, PeersChange, link)
                if (change->is_waiting)
                        look_for_it(change);
}

/* ---- remove */

static void on_removed(
                int r, const Error *error, uint64_t raft_id _unused_, uint64_t index, void *userdata) {
        PeersChange *change = userdata;

        change->index = index;
        next(change, r, error, REMOVE_TELL);
}

static int remove_remove(Flow *flow) {
        PeersChange *change = CHANGE(flow);
        Peers *peers = change->peers;
        const StrList *addresses = peers_addresses(peers, &change->peer);
        char text[PEER_ID_TEXT_MAX];
        int r = 0;

        change->raft_id = raft_id_of(peers, &change->peer);
        if (change->raft_id == 0)
                return error_set(
                                &change->error,
                                ERROR_NOT_FOUND,
                                "%s is not a peer",
                                peer_id_format(&change->peer, text));
        if (consensus_member_table(peers->consensus)->n == 1)
                return error_set(
                                &change->error,
                                ERROR_REFUSED,
                                "cannot remove ourselves from a 1-peer cluster");
        if (addresses)
                r = str_list_copy(&change->addresses, addresses);
        return r < 0 ? r
                     : peers_manage(peers,
                                    &change->managed,
                                    PEERS_REMOVE,
                                    &change->peer,
                                    on_removed,
                                    change);
}

/* Its own removal may be heard of from another side than the leader, who does not speak to it any more. */
void peers_changes_on_left(Peers *peers) {
        LIST_FOREACH (change, &peers->changes, PeersChange, link)
                if (change->flow.class == &remove_class && peer_id_equal(&change->peer, &peers->self))
                        flow_next(&change->flow, FLOW_DONE);
}

static void on_told(
                RpcCall *call _unused_,
                int r _unused_,
                const Error *error _unused_,
                const void *body _unused_,
                size_t size _unused_,
                void *userdata) {
        PeersChange *change = userdata;

        flow_next(&change->flow, FLOW_DONE);
}

static const RpcCallHandler told_handler = { .on_done = on_told };

/* Its links were closed when it was removed: it is dialled again. */
static int tell(PeersChange *change) {
        JoinMembershipBody body = { .raft_id = change->raft_id, .index = change->index };
        Peers *peers = change->peers;
        _cleanup_(str_done) Str text = {};
        int r;

        memcpy(body.cluster_id, consensus_cluster_id(peers->consensus), sizeof(body.cluster_id));
        r = json_write(&join_body_membership_shape, &body, &text);
        if (r >= 0)
                r = rpc_set_addresses(peers->rpc, &change->peer, &change->addresses);
        return r < 0 ? r
                     : rpc_call(peers->rpc,
                                &change->tell,
                                &(RpcCallOptions){
                                                .peer = &change->peer,
                                                .method = TELL_METHOD,
                                                .body = text.data,
                                                .size = text.len,
                                                .timeout_usec = TELL_TIMEOUT,
                                                .handler = &told_handler,
                                                .userdata = change,
                                });
}

/* That it cannot be told does not make it a member again. */
static int remove_tell(Flow *flow) {
        PeersChange *change = CHANGE(flow);
        bool is_self = peer_id_equal(&change->peer, &change->peers->self);

        if (!is_self && tell(change) >= 0)
                return 0;
        if (is_self)
                peers_leave(change->peers, EXIT_SUCCESS, "this peer was removed from its cluster");
        flow_next(flow, FLOW_DONE);
        return 0;
}

/* ---- the end */

static void settle_error(PeersChange *change, int result) {
        char text[PEER_ID_TEXT_MAX];

        if (result >= 0 || change->error.code != ERROR_NONE)
                return;
        (void) peer_id_format(&change->peer, text);
        if (result == -ETIMEDOUT && change->is_waiting)
                (void) error_set(
                                &change->error,
                                ERROR_TIMEOUT,
                                "peer %s has accepted to join, and has not come back within %" PRIu64 " s",
                                text,
                                PEERS_MEMBERSHIP_TIMEOUT / USEC_PER_SEC);
        else
                (void) error_set_errno(&change->error, result, "peer %s: %m", text);
}

/* Whoever asked may drop the slot. */
static void finish(PeersChange *change, int result) {
        settle_error(change, result);
        change->is_waiting = false;
        change->invitation = join_call_unref(change->invitation);
        change->managed = peers_managed_unref(change->managed);
        change->tell = rpc_call_unref(change->tell);
        list_remove(&change->link);
        change->done(change, MIN(result, 0), &change->error, &change->peer, change->userdata);
}

static void on_finished(Flow *flow, int result) {
        finish(CHANGE(flow), result);
}

void peers_changes_stop(Peers *peers) {
        LIST_FOREACH (change, &peers->changes, PeersChange, link) {
                int r = -ECANCELED;

                flow_deinit(&change->flow);
                if (change->error.code == ERROR_NONE)
                        r = error_set(&change->error, ERROR_CANCELED, PEERS_IS_STOPPING);
                finish(change, r);
        }
}

PeersChange *peers_change_unref(PeersChange *change) {
        if (!change)
                return NULL;

        list_remove(&change->link);
        flow_deinit(&change->flow);
        join_call_unref(change->invitation);
        peers_managed_unref(change->managed);
        rpc_call_unref(change->tell);
        str_list_done(&change->addresses);
        error_done(&change->error);
        free(change->address);
        free(change);
        return NULL;
}

/* ---- life */

static const FlowState add_states[] = {
        [ADD_INVITE] = { "invite", add_invite, FLOW_TO(ADD_WAIT) },
        [ADD_WAIT] = { "wait", add_wait, 0 },
};
static const FlowClass add_class = { "add peer", add_states, on_finished };

static const FlowState remove_states[] = {
        [REMOVE_REMOVE] = { "remove", remove_remove, FLOW_TO(REMOVE_TELL) },
        [REMOVE_TELL] = { "tell", remove_tell, 0 },
};
static const FlowClass remove_class = { "remove peer", remove_states, on_finished };

/* WITH: what it begins with; its texts are copied. */
static int change_start(PeersChange **ret, const FlowClass *class, const PeersChange *with) {
        _cleanup_(peers_change_unrefp) PeersChange *change = NULL;
        Peers *peers = with->peers;
        int r;

        if (peers_check_running(peers, NULL) < 0)
                return -ESHUTDOWN;
        change = malloc(sizeof(*change));
        if (!change)
                return -ENOMEM;

        *change = *with;
        change->address = NULL;
        list_init(&change->link);
        r = str_copy(&change->address, with->address);
        if (r >= 0)
                r = flow_start(&change->flow, class, peers->event, PEERS_MEMBERSHIP_TIMEOUT);
        if (r < 0)
                return r;

        list_append(&peers->changes, &change->link);
        *ret = TAKE_PTR(change);
        return 0;
}

int peers_add(Peers *peers,
              PeersChange **ret,
              const PeerId *peer,
              const char *address,
              PeersChangeDone done,
              void *userdata) {
        PeersChange with = {
                .peers = peers, .address = (char *) address, .done = done, .userdata = userdata
        };

        if (peer)
                with.peer = *peer;
        return change_start(ret, &add_class, &with);
}

int peers_remove(Peers *peers, PeersChange **ret, const PeerId *peer, PeersChangeDone done, void *userdata) {
        PeersChange with = { .peers = peers, .peer = *peer, .done = done, .userdata = userdata };

        return change_start(ret, &remove_class, &with);
}
