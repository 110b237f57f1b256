/*
 * Repin: pins whose allocations count no more are given others, by the leader.
 *
 * A peer counts no more when it is no member (it was removed: what it held is vacated in any case), or when
 * its ping metric has been missing for REPIN_GRACE pings and cluster.disable_repinning is false. In the
 * latter case a pin moves only when fewer than its minimum of peers that count are left, so a peer that
 * comes back in time finds everything as it was.
 *
 *   watch (each ping interval) ──► a change? ──► scan, in slices ──► a batch ──► submitted ──► scan …
 *
 * One batch is under way at a time. Each change holds only while the pin is what was looked at. What finds
 * no place is looked at again when the members, or who is away, change, and after a ping interval (the
 * metrics of the others may not have come yet), which doubles up to REPIN_AGAIN.
 */

#include <inttypes.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/time.h"
#include "daemon/base/turn.h"
#include "daemon/cluster/internal.h"

#define REPIN_SLICE 256 /* looked at in one turn of the loop */
#define REPIN_BATCH 64
#define REPIN_GRACE 2 /* ping intervals beyond the expiry of the last ping */
#define REPIN_AGAIN (5 * 60 * USEC_PER_SEC)
#define REPIN_RETRY (2 * USEC_PER_SEC) /* after a batch that failed */

typedef struct RepinPeer {
        PeerId id;
        uint64_t silent_usec; /* monotonic: since when; 0: it was heard of */
        bool is_lost;
} RepinPeer;

struct ClusterRepin {
        Cluster *cluster;
        sd_event_source *watch, *slice;
        RepinPeer *peers; /* the members, but this peer */
        size_t n_peers;
        bool is_wanted;      /* also while another peer leads, until this one does */
        uint64_t wait_usec;  /* of what found no place */
        uint64_t again_usec; /* monotonic: when what found no place is looked at again; 0: nothing has */

        StateScan *scan; /* one round */
        Str bodies;
        size_t offsets[REPIN_BATCH + 1];
        size_t n;
        PeersSubmit *submit;
        uint64_t n_moved, n_stuck;
        char *stuck_words;
};

/* ---- who counts */

static bool repin_is_lost(const ClusterRepin *repin, const PeerId *peer) {
        if (peer_id_equal(peer, cluster_self(repin->cluster)))
                return false;
        for (size_t i = 0; i < repin->n_peers; i++)
                if (peer_id_equal(&repin->peers[i].id, peer))
                        return repin->peers[i].is_lost;
        return true; /* no member */
}

static bool repin_is_member(const ClusterRepin *repin, const PeerId *peer) {
        return peers_is_member(repin->cluster->peers, peer);
}

static const RepinPeer *repin_find(const RepinPeer *peers, size_t n, const PeerId *id) {
        for (size_t i = 0; i < n; i++)
                if (peer_id_equal(&peers[i].id, id))
                        return &peers[i];
        return NULL;
}

static void repin_forget(Cluster *cluster, const PeerId *peer) {
        metrics_monitor_forget(cluster->monitor, peer);
        metrics_swarm_forget(cluster->swarm, peer);
}

/* Answers 1 when they are others than before. */
static int repin_take_members(ClusterRepin *repin) {
        const ConsensusMembers *members = consensus_member_table(repin->cluster->consensus);
        RepinPeer *fresh = calloc(members->n + 1, sizeof(*fresh));
        size_t n = 0, n_known = 0;

        if (!fresh)
                return -ENOMEM;
        for (size_t i = 0; i < members->n; i++) {
                const PeerId *id = &members->items[i].peer;
                const RepinPeer *known = repin_find(repin->peers, repin->n_peers, id);

                if (peer_id_equal(id, cluster_self(repin->cluster)))
                        continue;
                n_known += known != NULL;
                fresh[n++] = known ? *known : (RepinPeer){ .id = *id };
        }
        for (size_t i = 0; i < repin->n_peers; i++)
                if (!repin_find(fresh, n, &repin->peers[i].id))
                        repin_forget(repin->cluster, &repin->peers[i].id);

        n_known = n == repin->n_peers && n_known == n;
        free(repin->peers);
        repin->peers = fresh;
        repin->n_peers = n;
        return !n_known;
}

static void repin_tell_lost(const RepinPeer *peer) {
        char text[PEER_ID_TEXT_MAX], field[LOG_FIELD_MAX];

        (void) peer_id_format(&peer->id, text);
        log_struct(LOG_WARNING,
                   LOG_FIELDS(MESSAGE_ID_PEER_LOST, log_field(field, "CLUSTER_PEER", text)),
                   "Peer %s is away for too long: its pins are given to others where too few are left.",
                   text);
}

/* Answers whether somebody was lost now. */
static bool repin_watch_one(ClusterRepin *repin, RepinPeer *peer, uint64_t now) {
        const ConfigCluster *config = &repin->cluster->config->cluster;
        uint64_t grace = REPIN_GRACE * (uint64_t) config->monitor_ping_interval;
        bool was_lost = peer->is_lost;

        if (metrics_monitor_get_one(repin->cluster->monitor, "ping", &peer->id)) {
                peer->silent_usec = 0;
                peer->is_lost = false;
                return false;
        }
        if (peer->silent_usec == 0)
                peer->silent_usec = now;
        peer->is_lost = !config->disable_repinning && now - peer->silent_usec >= grace;
        return peer->is_lost && !was_lost;
}

/* ---- one pin */

static int repin_split(ClusterRepin *repin, const Pin *pin, PeerIdList *ret_valid, PeerIdList *ret_lost) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < pin->allocations.n; i++) {
                const PeerId *peer = &pin->allocations.items[i];

                r = peer_id_list_append(repin_is_lost(repin, peer) ? ret_lost : ret_valid, peer);
        }
        return r;
}

static bool repin_has_stranger(const ClusterRepin *repin, const PeerIdList *lost) {
        for (size_t i = 0; i < lost->n; i++)
                if (!repin_is_member(repin, &lost->items[i]))
                        return true;
        return false;
}

/* A peer that has a copy keeps it, also one that tells nothing of its room just now. */
static int repin_keep_valid(const PeerIdList *valid, int64_t max, PeerIdList *list) {
        PeerIdList kept = { .is_set = true };
        size_t limit = MAX(valid->n, (size_t) MAX(max, INT64_C(0)));
        int r = 0;

        for (size_t i = 0; r >= 0 && i < valid->n; i++)
                r = peer_id_list_append(&kept, &valid->items[i]);
        for (size_t i = 0; r >= 0 && i < list->n && kept.n < limit; i++)
                if (!peer_id_list_contains(valid, &list->items[i]))
                        r = peer_id_list_append(&kept, &list->items[i]);
        peer_id_list_done(list);
        if (r < 0)
                peer_id_list_done(&kept);
        *list = kept;
        return r;
}

/* As many copies as there were, if there is a place for them; else as many as the pin needs at least; else
 * none is taken away. */
static int repin_allocate(
                ClusterRepin *repin,
                const Pin *pin,
                const PeerIdList *valid,
                const PeerIdList *lost,
                PeerIdList *ret,
                Error *reterr) {
        int64_t max = pin->replication_factor_max,
                wanted = MIN((int64_t) pin->allocations.n, MAX(max, INT64_C(1)));
        AllocatorInput allocation = {
                .current = valid,
                .blacklist = lost,
                .min = MAX(wanted, pin->replication_factor_min),
                .max = max,
        };
        int r;

        r = cluster_allocate(repin->cluster, &allocation, ret, reterr);
        if (r < 0 && reterr->code == ERROR_NOT_ENOUGH_PEERS &&
            allocation.min > pin->replication_factor_min) {
                error_done(reterr);
                allocation.min = pin->replication_factor_min;
                r = cluster_allocate(repin->cluster, &allocation, ret, reterr);
        }
        return r < 0 ? r : repin_keep_valid(valid, max, ret);
}

static int repin_add(ClusterRepin *repin, const Pin *pin, const void *value, size_t size) {
        uint8_t condition[CONSENSUS_CONDITION_SIZE];
        size_t start = repin->bodies.len;
        int r;

        consensus_condition(value, size, condition);
        r = str_append_bytes(&repin->bodies, condition, sizeof(condition));
        if (r >= 0)
                r = pin_write(pin, &repin->bodies);
        if (r < 0) {
                repin->bodies.len = start;
                repin->bodies.failed = false;
                return r;
        }
        repin->offsets[repin->n++] = start;
        repin->offsets[repin->n] = repin->bodies.len;
        return 0;
}

static int repin_stuck(ClusterRepin *repin, int r, const Error *error) {
        if (r == -ENOMEM)
                return r;
        if (repin->n_stuck++ == 0)
                (void) str_copy(&repin->stuck_words, error_message(error));
        return 0;
}

static int repin_move(
                ClusterRepin *repin,
                Pin *pin,
                const PeerIdList *valid,
                const PeerIdList *lost,
                const void *value,
                size_t size) {
        _cleanup_(error_done) Error error = {};
        PeerIdList fresh = {};
        int r;

        r = repin_allocate(repin, pin, valid, lost, &fresh, &error);
        if (r < 0)
                return repin_stuck(repin, r, &error);
        peer_id_list_done(&pin->allocations);
        pin->allocations = fresh;
        return repin_add(repin, pin, value, size);
}

static int repin_look_at(ClusterRepin *repin, Pin *pin, const void *value, size_t size) {
        PeerIdList valid = { .is_set = true }, lost = {};
        int r = 0;

        if (pin->allocations.n > 0 && !pin_is_everywhere(pin))
                r = repin_split(repin, pin, &valid, &lost);
        if (r >= 0 && lost.n > 0 &&
            (repin_has_stranger(repin, &lost) || (int64_t) valid.n < pin->replication_factor_min))
                r = repin_move(repin, pin, &valid, &lost, value, size);
        peer_id_list_done(&valid);
        peer_id_list_done(&lost);
        return r;
}

/* ---- a round */

static void repin_end(ClusterRepin *repin) {
        repin->scan = state_scan_free(repin->scan);
        repin->submit = peers_submit_unref(repin->submit);
        str_reset(&repin->bodies);
        repin->n = 0;
        if (repin->slice)
                (void) sd_event_source_set_enabled(repin->slice, SD_EVENT_OFF);
        if (repin->n_moved > 0)
                log_struct(LOG_NOTICE,
                           LOG_FIELDS(MESSAGE_ID_PINS_MOVED),
                           "%" PRIu64 " pins were given to other peers.",
                           repin->n_moved);
        if (repin->n_stuck > 0)
                log_warning("%" PRIu64 " pins of peers that are away or removed find no other place: %s",
                            repin->n_stuck,
                            repin->stuck_words ?: "out of memory");
        if (repin->n_stuck > 0) {
                uint64_t first = (uint64_t) repin->cluster->config->cluster.monitor_ping_interval;

                repin->wait_usec = MIN(MAX(2 * repin->wait_usec, first), REPIN_AGAIN);
                repin->again_usec = time_monotonic() + repin->wait_usec;
        } else
                repin->wait_usec = repin->again_usec = 0;
        repin->n_moved = repin->n_stuck = 0;
        free(repin->stuck_words);
        repin->stuck_words = NULL;
}

static void repin_give_up(ClusterRepin *repin, const char *words) {
        log_warning("Failed to give pins to other peers, trying again: %s", words);
        repin_end(repin);
        repin->again_usec = time_monotonic() + REPIN_RETRY;
}

static void repin_on_committed(int r, const Error *error, void *userdata) {
        ClusterRepin *repin = userdata;

        if (r < 0) {
                repin_give_up(repin, error_message(error));
                return;
        }
        repin->submit = peers_submit_unref(repin->submit);
        repin->n_moved += repin->n;
        repin->n = 0;
        str_reset(&repin->bodies);
        (void) sd_event_source_set_enabled(repin->slice, SD_EVENT_ONESHOT);
}

static int repin_send(ClusterRepin *repin) {
        _cleanup_(error_done) Error error = {};
        ConsensusOp ops[REPIN_BATCH];
        int r;

        for (size_t i = 0; i < repin->n; i++)
                ops[i] = (ConsensusOp){
                        .kind = CONSENSUS_PIN_IF,
                        .body = repin->bodies.data + repin->offsets[i],
                        .size = repin->offsets[i + 1] - repin->offsets[i],
                };
        r = peers_submit(
                        repin->cluster->peers,
                        &repin->submit,
                        ops,
                        repin->n,
                        repin_on_committed,
                        repin,
                        &error);
        if (r < 0)
                repin_give_up(repin, error_message(&error));
        return r;
}

/* Answers 1 to go on, 0 at the end. */
static int repin_next(ClusterRepin *repin) {
        const void *key, *value;
        size_t key_size, value_size;
        Pin pin = {};
        int r;

        r = state_scan_next(repin->scan, &key, &key_size, &value, &value_size);
        if (r <= 0)
                return r;
        r = pin_read(value, value_size, &pin);
        if (r >= 0)
                r = repin_look_at(repin, &pin, value, value_size);
        pin_done(&pin);
        return r < 0 ? r : 1;
}

static int repin_on_slice(sd_event_source *source _unused_, void *userdata) {
        ClusterRepin *repin = userdata;
        int r = 1;

        turn_renew(repin->cluster->event, &repin->slice, repin_on_slice, repin);
        for (size_t i = 0; r > 0 && i < REPIN_SLICE && repin->n < REPIN_BATCH; i++)
                r = repin_next(repin);
        if (r < 0)
                repin_give_up(repin, strerror(-r));
        else if (repin->n == REPIN_BATCH || (r == 0 && repin->n > 0))
                (void) repin_send(repin);
        else if (r == 0)
                repin_end(repin);
        else
                (void) sd_event_source_set_enabled(repin->slice, SD_EVENT_ONESHOT);
        return 0;
}

static void repin_begin(ClusterRepin *repin) {
        int r;

        if (repin->scan) /* the round under way goes by what is known now */
                return;
        repin->is_wanted = false;
        r = state_scan_new(&repin->scan, consensus_pinset(repin->cluster->consensus));
        if (r >= 0)
                r = sd_event_source_set_enabled(repin->slice, SD_EVENT_ONESHOT);
        if (r < 0)
                repin_give_up(repin, strerror(-r));
}

/* ---- watching */

static void repin_look(ClusterRepin *repin) {
        uint64_t now = time_monotonic();
        ConsensusStatus status;
        int r;

        r = repin_take_members(repin);
        if (r < 0)
                return;
        repin->is_wanted |= r > 0;
        for (size_t i = 0; i < repin->n_peers; i++)
                if (repin_watch_one(repin, &repin->peers[i], now)) {
                        repin->is_wanted = true;
                        repin_tell_lost(&repin->peers[i]);
                }

        consensus_status(repin->cluster->consensus, &status);
        repin->is_wanted |= repin->again_usec > 0 && now >= repin->again_usec;
        if (!status.is_leader && repin->scan) {
                repin_end(repin);
                repin->is_wanted = true; /* the next leader may not come to its end either */
        }
        if (status.is_leader && repin->is_wanted && !repin->cluster->config->cluster.follower_mode)
                repin_begin(repin);
}

static int repin_on_watch(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        ClusterRepin *repin = userdata;

        repin_look(repin);
        (void) sd_event_source_set_time_relative(
                        source, (uint64_t) repin->cluster->config->cluster.monitor_ping_interval);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void cluster_repin_soon(ClusterRepin *repin) {
        if (!repin)
                return;
        repin->is_wanted = true;
        (void) sd_event_source_set_time_relative(repin->watch, 0);
        (void) sd_event_source_set_enabled(repin->watch, SD_EVENT_ONESHOT);
}

int cluster_repin_new(ClusterRepin **ret, Cluster *cluster) {
        _cleanup_(cluster_repin_freep) ClusterRepin *repin = NULL;
        int r;

        repin = calloc(1, sizeof(*repin));
        if (!repin)
                return -ENOMEM;
        repin->cluster = cluster;
        repin->is_wanted = true; /* the leader before may not have come to an end */
        r = sd_event_add_defer(cluster->event, &repin->slice, repin_on_slice, repin);
        if (r >= 0)
                r = sd_event_source_set_enabled(repin->slice, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                cluster->event, &repin->watch, CLOCK_MONOTONIC, 0, 0, repin_on_watch, repin);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(repin);
        return 0;
}

ClusterRepin *cluster_repin_free(ClusterRepin *repin) {
        if (!repin)
                return NULL;
        peers_submit_unref(repin->submit);
        state_scan_free(repin->scan);
        sd_event_source_disable_unref(repin->watch);
        sd_event_source_disable_unref(repin->slice);
        str_done(&repin->bodies);
        free(repin->stuck_words);
        free(repin->peers);
        free(repin);
        return NULL;
}
