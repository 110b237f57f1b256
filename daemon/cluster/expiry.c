/*
 * Expiry: pins whose expire_at has passed are unpinned, looked at every state_sync_interval.
 *
 * No index is kept. The earliest expiry of all pins is known from the last scan and from what was pinned
 * since; only when that time has come is the pinset scanned, in slices, for what is due, and for the next
 * earliest time.
 */

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/base/turn.h"
#include "daemon/cluster/internal.h"

#define EXPIRY_SLICE 64
#define EXPIRY_AGAIN (2 * USEC_PER_SEC)

/* ---- what is pinned ---- */

void cluster_expiry_applied(Cluster *cluster, const Pin *pin) {
        ClusterExpiry *expiry = &cluster->expiry;

        if (pin->expire_at == 0)
                return;
        expiry->earliest = MIN(expiry->earliest, pin->expire_at);
        expiry->next = MIN(expiry->next, pin->expire_at);
}

/* ---- the scan ---- */

/* It stays due, and is looked at again soon. */
static void expiry_postpone(ClusterExpiry *expiry) {
        expiry->next = 0;
        expiry->again = true;
}

/* What has expired lives on by its requests alone, if it has any. */
static int expiry_body(Pin *pin, const void *value, size_t size, Str *to) {
        uint8_t condition[CONSENSUS_CONDITION_SIZE];

        consensus_condition(value, size, condition);
        (void) str_append_bytes(to, condition, sizeof(condition));
        if (pin->requests.n == 0)
                return str_append_bytes(to, pin->cid.bytes, pin->cid.size);
        pin->expire_at = 0;
        pin->requests_only = true;
        return pin_write(pin, to);
}

/* A pin of the same CID that is in the log and not applied yet may give it a new life, so only what was
 * looked at is unpinned. 1 when it is on its way, 0 when the log has no room. */
static int expiry_unpin(Cluster *cluster, Pin *pin, const void *value, size_t size) {
        ConsensusOp op = { .kind = pin->requests.n > 0 ? CONSENSUS_PIN_IF : CONSENSUS_UNPIN_IF };
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str body = {};
        const Cid *cid = &pin->cid;
        char text[CID_TEXT_MAX];
        int r;

        r = expiry_body(pin, value, size, &body);
        if (r < 0)
                return r;
        op.body = body.data;
        op.size = body.len;
        r = peers_submit(cluster->peers, NULL, &op, 1, NULL, NULL, &error);
        if (r < 0) {
                log_warning("Failed to unpin expired %s, trying again: %s",
                            cid_format(cid, text),
                            error_message(&error));
                expiry_postpone(&cluster->expiry);
                return 0;
        }
        log_info("Pin %s has expired and is %s.",
                 cid_format(cid, text),
                 op.kind == CONSENSUS_UNPIN_IF ? "unpinned" : "kept by pinning requests");
        return 1;
}

/* One record: 1 to go on, 0 at the end of the round. */
static int expiry_look(Cluster *cluster, uint64_t now) {
        ClusterExpiry *expiry = &cluster->expiry;
        const void *key, *value;
        size_t key_size, value_size;
        Pin pin = {};
        int r;

        r = state_scan_next(expiry->scan, &key, &key_size, &value, &value_size);
        if (r <= 0)
                return r;
        r = pin_read(value, value_size, &pin);
        if (r < 0)
                return r;
        r = 1;
        if (pin.expire_at > now)
                expiry->next = MIN(expiry->next, pin.expire_at);
        else if (pin.expire_at > 0)
                r = expiry_unpin(cluster, &pin, value, value_size);
        pin_done(&pin);
        return r;
}

static int expiry_plan(Cluster *cluster, uint64_t usec) {
        int r;

        r = sd_event_source_set_time_relative(cluster->expiry.timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(cluster->expiry.timer, SD_EVENT_ONESHOT);
}

static void expiry_end(Cluster *cluster, int r) {
        ClusterExpiry *expiry = &cluster->expiry;

        expiry->scan = state_scan_free(expiry->scan);
        if (r < 0)
                log_warning_errno(r, "Failed to look for expired pins, trying again: %m");
        else
                expiry->earliest = expiry->next;
        if (expiry->again)
                (void) expiry_plan(cluster, EXPIRY_AGAIN);
}

static int expiry_on_slice(sd_event_source *source _unused_, void *userdata) {
        Cluster *cluster = userdata;
        uint64_t now = time_now();
        int r = 1;

        turn_renew(cluster->event, &cluster->expiry.slice, expiry_on_slice, cluster);
        for (size_t i = 0; i < EXPIRY_SLICE && r > 0; i++)
                r = expiry_look(cluster, now);
        if (r > 0)
                (void) sd_event_source_set_enabled(cluster->expiry.slice, SD_EVENT_ONESHOT);
        else
                expiry_end(cluster, r);
        return 0;
}

static int expiry_begin(Cluster *cluster) {
        ClusterExpiry *expiry = &cluster->expiry;
        ConsensusStatus status;
        int r;

        if (expiry->scan || expiry->earliest > time_now() || cluster->config->cluster.follower_mode)
                return 0;
        consensus_status(cluster->consensus, &status);
        if (!status.is_leader) /* one is enough */
                return 0;
        r = state_scan_new(&expiry->scan, consensus_pinset(cluster->consensus));
        if (r < 0)
                return r;
        expiry->next = UINT64_MAX;
        expiry->again = false;
        return sd_event_source_set_enabled(expiry->slice, SD_EVENT_ONESHOT);
}

static int expiry_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Cluster *cluster = userdata;
        int r;

        r = expiry_begin(cluster);
        if (r < 0)
                log_warning_errno(r, "Failed to look for expired pins, trying again: %m");
        (void) expiry_plan(cluster, random_jitter((uint64_t) cluster->config->cluster.state_sync_interval));
        return 0;
}

int cluster_expiry_start(Cluster *cluster) {
        ClusterExpiry *expiry = &cluster->expiry;
        int r;

        r = sd_event_add_defer(cluster->event, &expiry->slice, expiry_on_slice, cluster);
        if (r >= 0)
                r = sd_event_source_set_enabled(expiry->slice, SD_EVENT_OFF);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(
                        cluster->event,
                        &expiry->timer,
                        CLOCK_MONOTONIC,
                        (uint64_t) cluster->config->cluster.state_sync_interval,
                        USEC_PER_SEC,
                        expiry_on_timer,
                        cluster);
}

void cluster_expiry_reload(Cluster *cluster) {
        if (cluster->expiry.timer)
                (void) expiry_plan(cluster, (uint64_t) cluster->config->cluster.state_sync_interval);
}

void cluster_expiry_stop(Cluster *cluster) {
        ClusterExpiry *expiry = &cluster->expiry;

        expiry->timer = sd_event_source_disable_unref(expiry->timer);
        expiry->slice = sd_event_source_disable_unref(expiry->slice);
        expiry->scan = state_scan_free(expiry->scan);
}
