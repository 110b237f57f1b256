#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/le.h"
#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/time.h"
#include "daemon/peers/internal.h"

/*
 * Every peer tells its digest, and as of which entry it is, twice: as of the newest boundary that it has
 * passed (CONSENSUS_BOUNDARY: every peer stops there, so that all of them have a digest of it), and as of
 * now, which is the same entry on all of them once nothing changes any more. Whoever hears of an entry
 * compares at once when it has kept its own digest of it, or when it gets there.
 */

#define DIGESTS_KEPT 64
#define DIGEST_RECORD (8 + STATE_DIGEST_SIZE)
#define DIGEST_RECORDS_MAX 8 /* of a note */

typedef enum DigestKind {
        DIGEST_BOUNDARY,
        DIGEST_NOW,
        _DIGEST_KIND_N,
} DigestKind;

typedef struct DigestAt {
        uint64_t index; /* 0: none */
        uint8_t bytes[STATE_DIGEST_SIZE];
} DigestAt;

typedef struct DigestPeer {
        PeerId id;
        DigestAt waiting[_DIGEST_KIND_N]; /* of entries that are not applied here yet */
        uint64_t compared;                /* the newest entry that was; 0: none */
        bool differs;
        bool is_late; /* it differed already when this peer told its digest the last time */
} DigestPeer;

struct PeersDigests {
        sd_event_source *tick;
        Map *others; /* bytes of the ID → DigestPeer */
        DigestAt own[_DIGEST_KIND_N][DIGESTS_KEPT];
        size_t n_own[_DIGEST_KIND_N];
};

static DigestKind kind_of(uint64_t index) {
        return index % CONSENSUS_BOUNDARY == 0 ? DIGEST_BOUNDARY : DIGEST_NOW;
}

/* ---- this peer's */

static DigestAt digest_now(const Peers *peers) {
        const StatePinset *pinset = consensus_pinset(peers->consensus);
        DigestAt now = { .index = state_pinset_index(pinset) };

        state_pinset_digest(pinset, now.bytes);
        return now;
}

static void keep(PeersDigests *digests, const DigestAt *at) {
        DigestKind kind = kind_of(at->index);

        digests->own[kind][digests->n_own[kind]++ % DIGESTS_KEPT] = *at;
}

static const DigestAt *find(const PeersDigests *digests, uint64_t index) {
        const DigestAt *own = digests->own[kind_of(index)];

        for (size_t i = 0; i < DIGESTS_KEPT; i++)
                if (own[i].index == index)
                        return &own[i];
        return NULL;
}

static const DigestAt *newest_boundary(const PeersDigests *digests) {
        size_t n = digests->n_own[DIGEST_BOUNDARY];

        return n > 0 ? &digests->own[DIGEST_BOUNDARY][(n - 1) % DIGESTS_KEPT] : NULL;
}

/* ---- the others' */

static int get_peer(PeersDigests *digests, const PeerId *id, DigestPeer **ret) {
        DigestPeer *peer = map_get(digests->others, id->bytes, id->size);
        int r;

        if (!peer) {
                peer = calloc(1, sizeof(*peer));
                if (!peer)
                        return -ENOMEM;
                peer->id = *id;
                r = map_set(digests->others, id->bytes, id->size, peer, NULL);
                if (r < 0) {
                        free(peer);
                        return r;
                }
        }
        *ret = peer;
        return 0;
}

static void forget_former_members(Peers *peers) {
        Map *others = peers->digests->others;
        MapIterator i = {};
        void *value;

        while (map_next(others, &i, NULL, NULL, &value)) {
                DigestPeer *peer = value;

                if (!peers_is_member(peers, &peer->id)) {
                        (void) map_remove(others, peer->id.bytes, peer->id.size);
                        free(peer);
                }
        }
}

#define HEX_SIZE (2 * STATE_DIGEST_SIZE + 1)

static const char *to_hex(const uint8_t *bytes, char text[static HEX_SIZE]) {
        for (size_t i = 0; i < STATE_DIGEST_SIZE; i++)
                (void) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
        return text;
}

static void tell_difference(
                Peers *peers, const DigestPeer *peer, const DigestAt *ours, const DigestAt *theirs) {
        char id[PEER_ID_TEXT_MAX], field[LOG_FIELD_MAX], our_text[HEX_SIZE], their_text[HEX_SIZE];
        const PeersEvents *events = peers->options.events;

        log_struct(LOG_WARNING,
                   LOG_FIELDS(MESSAGE_ID_PEERS_DIFFER,
                              log_field(field, "CLUSTER_PEER", peer_id_format(&peer->id, id))),
                   "The pinset of peer %s is another one: as of entry %" PRIu64
                   " its digest is %s, here it is %s.",
                   id,
                   ours->index,
                   to_hex(theirs->bytes, their_text),
                   to_hex(ours->bytes, our_text));
        if (events->diverged)
                events->diverged(
                                &peer->id, ours->index, ours->bytes, theirs->bytes, peers->options.userdata);
}

static void compare(Peers *peers, DigestPeer *peer, const DigestAt *ours, const DigestAt *theirs) {
        bool differs = memcmp(ours->bytes, theirs->bytes, STATE_DIGEST_SIZE) != 0;
        bool differed = peer->differs;
        char id[PEER_ID_TEXT_MAX];

        if (ours->index < peer->compared)
                return;
        peer->compared = ours->index;
        peer->differs = differs;
        if (!differs)
                peer->is_late = false;
        if (differs && !differed)
                tell_difference(peers, peer, ours, theirs);
        else if (!differs && differed)
                log_notice("The pinset of peer %s is that of this peer again, as of entry %" PRIu64 ".",
                           peer_id_format(&peer->id, id),
                           ours->index);
}

static void hear(Peers *peers, DigestPeer *peer, const DigestAt *theirs) {
        DigestAt now = digest_now(peers);
        const DigestAt *ours = theirs->index == now.index ? &now : find(peers->digests, theirs->index);

        if (ours)
                compare(peers, peer, ours, theirs);
        else if (theirs->index > now.index)
                peer->waiting[kind_of(theirs->index)] = *theirs;
}

void peers_digests_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size) {
        const uint8_t *at = bytes;
        DigestPeer *peer;

        if (!peers_is_member(peers, from))
                return;
        if (size == 0 || size % DIGEST_RECORD != 0 || size > DIGEST_RECORDS_MAX * DIGEST_RECORD) {
                peers_refuse(peers, from, "a digest of the pinset that cannot be read");
                return;
        }
        if (get_peer(peers->digests, from, &peer) < 0)
                return; /* there will be another one */

        for (size_t i = 0; i < size; i += DIGEST_RECORD) {
                DigestAt theirs = { .index = le_get64(at + i) };

                memcpy(theirs.bytes, at + i + 8, STATE_DIGEST_SIZE);
                if (theirs.index > 0 && theirs.index <= CONSENSUS_INDEX_MAX)
                        hear(peers, peer, &theirs);
        }
}

void peers_digests_on_progress(Peers *peers, uint64_t applied_index) {
        DigestAt now = digest_now(peers);
        MapIterator i = {};
        void *value;

        if (now.index != applied_index) /* the cache is ahead of what is applied once more */
                return;
        keep(peers->digests, &now);
        while (map_next(peers->digests->others, &i, NULL, NULL, &value)) {
                DigestPeer *peer = value;

                for (int kind = 0; kind < _DIGEST_KIND_N; kind++) {
                        DigestAt *theirs = &peer->waiting[kind];

                        if (theirs->index == now.index)
                                compare(peers, peer, &now, theirs);
                        if (theirs->index <= now.index)
                                theirs->index = 0;
                }
        }
}

/* ---- who is right, and what follows */

typedef struct DigestCount {
        size_t n_members, n_agree, n_differ;
} DigestCount;

static DigestCount count(const Peers *peers) {
        DigestCount count = { .n_members = consensus_member_table(peers->consensus)->n, .n_agree = 1 };
        MapIterator i = {};
        void *value;

        while (map_next(peers->digests->others, &i, NULL, NULL, &value)) {
                const DigestPeer *peer = value;

                count.n_agree += peer->compared > 0 && !peer->differs;
                count.n_differ += peer->differs && peer->is_late;
        }
        return count;
}

static bool is_majority(const DigestCount *count, size_t n) {
        return 2 * n > count->n_members;
}

/* This peer takes over what LEADER has, unless most have what this one has: then it is LEADER's to do so. */
static void follow(Peers *peers, const PeerId *leader, uint64_t snapshot_index, const DigestCount *count) {
        const DigestPeer *peer = map_get(peers->digests->others, leader->bytes, leader->size);
        char id[PEER_ID_TEXT_MAX];

        if (!peer || !peer->differs || !peer->is_late || is_majority(count, count->n_agree) ||
            time_monotonic() < peers->repair_from_usec)
                return;
        if (peers_fetch_repair(peers, leader, snapshot_index) == 0)
                log_notice("Taking over the pinset of the leader, peer %s.", peer_id_format(leader, id));
}

/* Most have another pinset than this peer, which leads: one of them has to, so that this one can follow. */
static void step_down(Peers *peers, const DigestCount *count) {
        if (is_majority(count, count->n_differ) && !is_majority(count, count->n_agree) &&
            consensus_transfer(peers->consensus, 0, NULL) == 0)
                log_notice("Most peers have another pinset than this one: handing over the leadership.");
}

/* A difference counts when everybody has had the time to tell. */
static void settle(Peers *peers) {
        DigestCount counted = count(peers);
        ConsensusStatus status;
        MapIterator i = {};
        void *value;

        consensus_status(peers->consensus, &status);
        if (status.is_leader)
                step_down(peers, &counted);
        else if (peer_id_is_set(&status.leader))
                follow(peers, &status.leader, status.snapshot_index, &counted);

        while (map_next(peers->digests->others, &i, NULL, NULL, &value)) {
                DigestPeer *peer = value;

                peer->is_late = peer->differs;
        }
}

/* ---- telling */

static int append(Str *to, const DigestAt *at) {
        uint8_t bytes[DIGEST_RECORD];

        le_put64(bytes, at->index);
        memcpy(bytes + 8, at->bytes, STATE_DIGEST_SIZE);
        return str_append_bytes(to, bytes, sizeof(bytes));
}

static void send(Peers *peers) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);
        const DigestAt *boundary = newest_boundary(peers->digests);
        DigestAt now = digest_now(peers);
        _cleanup_(str_done) Str note = {};

        if (members->n < 2 || now.index == 0)
                return;
        (void) peers_note_begin(&note, PEERS_NOTE_DIGEST, consensus_cluster_id(peers->consensus));
        if (boundary && boundary->index != now.index)
                (void) append(&note, boundary);
        if (append(&note, &now) < 0)
                return;
        for (size_t i = 0; i < members->n; i++)
                if (!peer_id_equal(&members->items[i].peer, &peers->self))
                        (void) rpc_note(peers->rpc, &members->items[i].peer, note.data, note.len);
}

void peers_digests_tick(Peers *peers) {
        if (!peers->consensus || peers->is_stopping)
                return;
        forget_former_members(peers);
        settle(peers);
        send(peers);
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        peers_digests_tick(userdata);
        (void) sd_event_source_set_time_relative(source, PEERS_DIGEST_INTERVAL);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- life */

int peers_digests_new(Peers *peers) {
        PeersDigests *digests;
        int r;

        digests = peers->digests = calloc(1, sizeof(*digests));
        if (!digests)
                return -ENOMEM;

        peers->repair_from_usec = time_monotonic() + PEERS_REPAIR_UPTIME;
        r = map_new(&digests->others);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(
                        peers->event,
                        &digests->tick,
                        CLOCK_MONOTONIC,
                        PEERS_DIGEST_INTERVAL,
                        USEC_PER_SEC,
                        on_tick,
                        peers);
}

void peers_digests_free(Peers *peers) {
        PeersDigests *digests = TAKE_PTR(peers->digests);
        MapIterator i = {};
        void *value;

        if (!digests)
                return;
        sd_event_source_disable_unref(digests->tick);
        while (digests->others && map_next(digests->others, &i, NULL, NULL, &value)) {
                DigestPeer *peer = value;

                (void) map_remove(digests->others, peer->id.bytes, peer->id.size);
                free(peer);
        }
        map_free(digests->others);
        free(digests);
}
