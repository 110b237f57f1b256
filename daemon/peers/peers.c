#include "daemon/peers/peers.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/join/founding.h"
#include "daemon/peers/internal.h"

#define REFUSAL_LOG_USEC (60 * USEC_PER_SEC)
#define SUSPICION_MIN_USEC (20 * USEC_PER_MSEC) /* a link that another one replaces is soon there again */
#define SUSPICION_SPREAD_USEC (200 * USEC_PER_MSEC)
#define CHECK_USEC USEC_PER_SEC /* one that was removed is answered what it asked for, and told */

/* ---- who may say what */

bool peers_is_member(const Peers *peers, const PeerId *peer) {
        const ConsensusMembers *members;

        if (!peers->consensus)
                return false;
        members = consensus_member_table(peers->consensus);
        for (size_t i = 0; i < members->n; i++)
                if (peer_id_equal(&members->items[i].peer, peer))
                        return true;
        return false;
}

/* A member that is ahead of this peer knows the members that came since. */
static bool is_told_member(const Peers *peers, const PeerId *peer) {
        MapIterator i = {};
        void *value;

        while (map_next(peers->book, &i, NULL, NULL, &value)) {
                const PeersEntry *entry = value;

                if (entry->told_index > peers->applied_index && peers_is_member(peers, &entry->id) &&
                    peer_id_list_contains(&entry->told_members, peer))
                        return true;
        }
        return false;
}

/* One that joins has no members of its own yet; those that it was told of when it was taken in are in its
 * peerstore. */
static bool is_trusted(const PeerId *peer, void *userdata) {
        const Peers *peers = userdata;

        if (!peers->consensus)
                return false;
        if (consensus_member_table(peers->consensus)->n == 0)
                return peers_book_find(peers, peer) && peers_book_find(peers, peer)->addresses.n > 0;
        return peers_is_member(peers, peer) || is_told_member(peers, peer);
}

/* ---- notes */

void peers_refuse(Peers *peers, const PeerId *from, const char *why) {
        char text[PEER_ID_TEXT_MAX];
        uint64_t now = time_monotonic();
        PeersEntry *entry;

        if (peers_book_get(peers, from, &entry) < 0)
                return;
        if (entry->refused_usec > 0 && now - entry->refused_usec < REFUSAL_LOG_USEC)
                return;
        entry->refused_usec = now;
        log_warning("Not listening to peer %s: %s.", peer_id_format(from, text), why);
}

static const struct {
        void (*receive)(Peers *peers, const PeerId *from, const void *bytes, size_t size);
        bool whole; /* with the head */
} note_kinds[] = {
        [PEERS_NOTE_RAFT] = { peers_transport_receive, true },
        [PEERS_NOTE_METRICS] = { peers_metrics_receive, false },
        [PEERS_NOTE_HELLO] = { peers_hello_receive, false },
        [PEERS_NOTE_DIGEST] = { peers_digests_receive, false },
};

static void on_note(const PeerId *from, const void *bytes, size_t size, void *userdata) {
        const uint8_t *head = bytes;
        Peers *peers = userdata;

        if (!peers->consensus || peers->is_stopping)
                return;
        if (size < PEERS_NOTE_HEAD)
                peers_refuse(peers, from, "a note that is too short");
        else if (memcmp(head + 8, consensus_cluster_id(peers->consensus), STATE_CLUSTER_ID_SIZE) != 0)
                peers_refuse(peers, from, "it belongs to another cluster");
        else if (head[0] < ELEMENTSOF(note_kinds) && note_kinds[head[0]].receive) {
                size_t skip = note_kinds[head[0]].whole ? 0 : PEERS_NOTE_HEAD;

                note_kinds[head[0]].receive(peers, from, head + skip, size - skip);
        }
}

/* ---- a leader that is gone */

static int on_suspicion(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Peers *peers = userdata;
        ConsensusStatus status;

        if (!peers->consensus || peers->is_stopping)
                return 0;
        consensus_status(peers->consensus, &status);
        if (peer_id_is_set(&status.leader) && !peers_is_up(peers, &status.leader))
                consensus_leader_lost(peers->consensus);
        return 0;
}

/* A process that ends closes its links, which is seen long before its heartbeats are missed. The moment is
 * another one at each peer, so that they do not stand against each other. */
static void suspect(Peers *peers, const PeerId *peer) {
        ConsensusStatus status;

        consensus_status(peers->consensus, &status);
        if (!peer_id_equal(&status.leader, peer))
                return;
        (void) sd_event_source_set_time_relative(
                        peers->suspicion, SUSPICION_MIN_USEC + random_below(SUSPICION_SPREAD_USEC));
        (void) sd_event_source_set_enabled(peers->suspicion, SD_EVENT_ONESHOT);
}

/* ---- links */

static void on_link_changed(const PeerId *peer, bool up, void *userdata) {
        Peers *peers = userdata;
        PeersEntry *entry;

        if (peers_book_get(peers, peer, &entry) == 0)
                entry->lost_usec = up ? 0 : time_monotonic();
        if (!peers->consensus || peers->is_stopping)
                return;
        if (up && is_trusted(peer, peers))
                peers_hello_send(peers, peer);
        if (!up)
                suspect(peers, peer);
        peers_fetch_link_changed(peers, peer, up);
        if (peers_is_member(peers, peer))
                peers->options.events->link_changed(peer, up, peers->options.userdata);
}

bool peers_is_up(const Peers *peers, const PeerId *peer) {
        return peer_id_equal(peer, &peers->self) || rpc_is_linked(peers->rpc, peer);
}

const char *peers_name(const Peers *peers, const PeerId *peer) {
        const PeersEntry *entry = peers_book_find(peers, peer);

        if (peer_id_equal(peer, &peers->self))
                return peers->options.peername;
        return entry && entry->name ? entry->name : "";
}

const StrList *peers_addresses(const Peers *peers, const PeerId *peer) {
        const PeersEntry *entry = peers_book_find(peers, peer);

        if (peer_id_equal(peer, &peers->self))
                return peers->options.addresses;
        return entry ? &entry->addresses : NULL;
}

Rpc *peers_rpc(Peers *peers) {
        return peers->rpc;
}

bool peers_leads(const Peers *peers) {
        ConsensusStatus status;

        if (!peers->consensus)
                return false;
        consensus_status(peers->consensus, &status);
        return status.is_leader;
}

/* ---- the consensus' events */

static void note_leader(Peers *peers) {
        ConsensusStatus status;

        consensus_status(peers->consensus, &status);
        if (status.is_leader || peer_id_is_set(&status.leader))
                peers->leaderless_usec = 0;
        else if (peers->leaderless_usec == 0)
                peers->leaderless_usec = time_monotonic();
}

void peers_on_leader(Peers *peers) {
        if (!peers->consensus || peers->is_stopping)
                return;
        note_leader(peers);
        peers_forwarded_on_leader(peers);
        peers_submits_go_on(peers);
        peers_manager_go_on(peers);
}

void peers_on_progress(Peers *peers, uint64_t applied_index) {
        peers->applied_index = applied_index;
        if (!peers->consensus || peers->is_stopping)
                return;
        peers_submits_on_progress(peers);
        peers_fetch_on_progress(peers, applied_index);
        peers_digests_on_progress(peers, applied_index);
        peers_membership_on_progress(peers);
}

void peers_on_applied(Peers *peers, uint64_t index, const ConsensusOp *op) {
        if (peers->consensus && !peers->is_stopping && op->kind == CONSENSUS_TAG)
                peers_submits_on_tag(peers, index, op);
}

void peers_on_members(Peers *peers) {
        if (!peers->consensus || peers->is_stopping)
                return;
        (void) sd_event_source_set_time_relative(peers->check, CHECK_USEC);
        (void) sd_event_source_set_enabled(peers->check, SD_EVENT_ONESHOT);
        peers_hello_send(peers, NULL);
        peers_manager_go_on(peers);
        peers_membership_on_progress(peers);
        peers_changes_on_progress(peers);
        peers->options.events->changed(peers->options.userdata);
}

static int on_check(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        rpc_check_members(((Peers *) userdata)->rpc);
        return 0;
}

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        peers_submits_go_on(userdata);
        return 0;
}

/* Links to all members are kept; what they are asked dials them. A greeting may have been lost with a link.
 */
static void watch_links(Peers *peers) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);

        for (size_t i = 0; i < members->n; i++)
                if (!peer_id_equal(&members->items[i].peer, &peers->self) &&
                    (!peers_is_up(peers, &members->items[i].peer) ||
                     !peers_disks_find(peers, members->items[i].raft_id)))
                        peers_hello_send(peers, &members->items[i].peer);
}

static int on_watch(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        Peers *peers = userdata;

        if (peers->consensus && !peers->is_stopping) {
                watch_links(peers);
                peers_submits_on_watch(peers);
                peers_manager_go_on(peers);
                peers_membership_on_watch(peers);
                peers_invitation_on_watch(peers);
        }
        (void) sd_event_source_set_time_relative(source, peers->options.watch_usec);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- life */

static const RpcMethod methods[] = {
        { PEERS_SUBMIT_METHOD, RPC_MEMBER, peers_forwarded_on_request },
        { "change", RPC_MEMBER, peers_manager_on_request },
        { TRANSFER_METHOD, RPC_MEMBER, peers_snapshot_on_request },
        { "join", RPC_OPEN, peers_join_on_request },
        { "invite", RPC_OPEN, peers_invite_on_request },
        { "removed", RPC_OPEN, peers_removed_on_request },
        { "membership", RPC_OPEN, peers_membership_on_request },
        { JOIN_FOUNDING_METHOD, RPC_OPEN, peers_founding_on_request },
        {},
};

static const RpcEvents rpc_events = {
        .is_member = is_trusted,
        .note = on_note,
        .link_changed = on_link_changed,
};

static int open_rpc(Peers *peers, Error *reterr) {
        int r;

        r = rpc_new(&peers->rpc,
                    peers->event,
                    &(RpcOptions){
                                    .private_key = peers->options.private_key,
                                    .fds = peers->options.fds,
                                    .n_fds = peers->options.n_fds,
                                    .dial_timeout_usec = peers->options.dial_timeout_usec,
                                    .methods = methods,
                                    .events = &rpc_events,
                                    .userdata = peers,
                    },
                    reterr);
        if (r < 0)
                return r;
        peers->self = *rpc_self(peers->rpc);
        if (peers->options.methods)
                r = rpc_serve(peers->rpc, peers->options.methods, peers->options.methods_userdata);
        return r < 0 ? error_set_errno(reterr, r, "peers: %m") : 0;
}

static int open_timers(Peers *peers, Error *reterr) {
        int r;

        r = sd_event_add_time(peers->event, &peers->retry, CLOCK_MONOTONIC, 0, 0, on_retry, peers);
        if (r >= 0)
                r = sd_event_source_set_enabled(peers->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(
                                peers->event, &peers->suspicion, CLOCK_MONOTONIC, 0, 0, on_suspicion, peers);
        if (r >= 0)
                r = sd_event_source_set_enabled(peers->suspicion, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(peers->event, &peers->check, CLOCK_MONOTONIC, 0, 0, on_check, peers);
        if (r >= 0)
                r = sd_event_source_set_enabled(peers->check, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                peers->event, &peers->watch, CLOCK_MONOTONIC, 0, 0, on_watch, peers);
        return r < 0 ? error_set_errno(reterr, r, "peers: %m") : 0;
}

int peers_new(Peers **ret, sd_event *event, const PeersOptions *options, Error *reterr) {
        _cleanup_(peers_freep) Peers *peers = NULL;
        int r;

        peers = calloc(1, sizeof(*peers));
        if (!peers) {
                for (size_t i = 0; i < options->n_fds; i++)
                        (void) close(options->fds[i]);
                return error_set_errno(reterr, -ENOMEM, "peers: %m");
        }
        *peers = (Peers){ .event = sd_event_ref(event), .options = *options };
        list_init(&peers->submits);
        list_init(&peers->applying);
        list_init(&peers->changes);
        list_init(&peers->takings);

        r = open_rpc(peers, reterr);
        if (r >= 0)
                r = open_timers(peers, reterr);
        if (r >= 0)
                r = peers_book_open(peers, reterr);
        if (r >= 0)
                r = peers_membership_new(peers, reterr);
        if (r >= 0)
                r = peers_invitation_new(peers, reterr);
        if (r < 0)
                return r;
        r = peers_manager_new(peers);
        if (r >= 0)
                r = peers_submits_new(peers);
        if (r >= 0)
                r = peers_digests_new(peers);
        if (r < 0)
                return error_set_errno(reterr, r, "peers: %m");

        *ret = TAKE_PTR(peers);
        return 0;
}

int peers_attach(Peers *peers, Consensus *consensus, Error *reterr) {
        ConsensusStatus status;
        int r;

        peers->consensus = consensus;
        r = peers_disks_open(peers, reterr);
        if (r < 0)
                return r;
        consensus_status(consensus, &status);
        peers->applied_index = status.applied_index;
        note_leader(peers);
        return 0;
}

void peers_detach(Peers *peers) {
        if (!peers->consensus)
                return;
        peers->is_stopping = true;
        peers_membership_stop(peers);
        peers_invitation_stop(peers);
        peers_takings_stop(peers);
        peers_changes_stop(peers);
        peers_submits_stop(peers);
        peers_forwarded_forget(peers);
        peers_manager_stop(peers);
        peers_fetch_stop(peers);
        peers_book_save(peers);
        peers->consensus = NULL;
}

Peers *peers_free(Peers *peers) {
        if (!peers)
                return NULL;

        peers_detach(peers);
        peers->watch = sd_event_source_disable_unref(peers->watch);
        peers->retry = sd_event_source_disable_unref(peers->retry);
        peers->suspicion = sd_event_source_disable_unref(peers->suspicion);
        peers->check = sd_event_source_disable_unref(peers->check);
        peers_manager_free(peers);
        peers_submits_free(peers);
        peers_digests_free(peers);
        peers_disks_free(peers);
        peers_membership_free(peers);
        peers_invitation_free(peers);
        if (peers->book)
                peers_book_close(peers);
        rpc_free(peers->rpc);
        sd_event_unref(peers->event);
        free(peers);
        return NULL;
}
