/*
 * Expiry: pins whose expire_at has passed are unpinned, looked at every state_sync_interval.
 *
 * No index is kept. The earliest expiry of all pins is known from the last scan and from what was pinned
 * since; only when that time has come is the pinset scanned, in slices, for what is due, and for the next
 * earliest time.
 */

#include <time.h>

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"

#define EXPIRY_SLICE 512

void cluster_expiry_note(Cluster *cluster, const Pin *pin) {
        ClusterExpiry *expiry = &cluster->expiry;

        if (pin->expire_at == 0)
                return;
        expiry->earliest = MIN(expiry->earliest, pin->expire_at);
        expiry->next = MIN(expiry->next, pin->expire_at);
}

static int expiry_unpin(Cluster *cluster, const Pin *pin) {
        ConsensusOp op = { .kind = CONSENSUS_UNPIN, .body = pin->cid.bytes, .size = pin->cid.size };
        _cleanup_(error_done) Error error = {};
        char text[CID_TEXT_MAX];
        int r;

        r = consensus_submit(cluster->consensus, NULL, &op, 1, NULL, NULL, &error);
        if (r < 0) {
                /* It stays due; the next round tries again. */
                cluster->expiry.next = MIN(cluster->expiry.next, pin->expire_at);
                log_warning("Failed to unpin expired %s: %s",
                            cid_format(&pin->cid, text),
                            error_message(&error));
                return 0;
        }
        log_info("Pin %s has expired and is unpinned.", cid_format(&pin->cid, text));
        return 0;
}

/* 1 to go on, 0 at the end. */
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
        if (pin.expire_at > now)
                expiry->next = MIN(expiry->next, pin.expire_at);
        else if (pin.expire_at > 0)
                r = expiry_unpin(cluster, &pin);
        pin_done(&pin);
        return r < 0 ? r : 1;
}

static int expiry_on_slice(sd_event_source *source, void *userdata) {
        Cluster *cluster = userdata;
        ClusterExpiry *expiry = &cluster->expiry;
        uint64_t now = time_now();
        int r = 1;

        for (size_t i = 0; i < EXPIRY_SLICE && r > 0; i++)
                r = expiry_look(cluster, now);
        if (r > 0) {
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
                return 0;
        }

        if (r < 0)
                log_warning_errno(r, "Failed to look for expired pins, trying again: %m");
        else
                expiry->earliest = expiry->next;
        expiry->scan = state_scan_free(expiry->scan);
        return 0;
}

static int expiry_begin(Cluster *cluster) {
        ClusterExpiry *expiry = &cluster->expiry;
        int r;

        if (expiry->scan || expiry->earliest > time_now() || cluster->config->cluster.follower_mode)
                return 0;
        r = state_scan_new(&expiry->scan, consensus_pinset(cluster->consensus));
        if (r < 0)
                return r;
        expiry->next = UINT64_MAX;
        return sd_event_source_set_enabled(expiry->slice, SD_EVENT_ONESHOT);
}

static int expiry_on_timer(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        Cluster *cluster = userdata;
        int r;

        r = expiry_begin(cluster);
        if (r < 0)
                log_warning_errno(r, "Failed to look for expired pins, trying again: %m");
        (void) sd_event_source_set_time_relative(
                        source, random_jitter((uint64_t) cluster->config->cluster.state_sync_interval));
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

int cluster_expiry_start(Cluster *cluster) {
        ClusterExpiry *expiry = &cluster->expiry;
        int r;

        r = sd_event_add_defer(cluster->event, &expiry->slice, expiry_on_slice, cluster);
        if (r >= 0)
                r = sd_event_source_set_enabled(expiry->slice, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(expiry->slice, SD_EVENT_PRIORITY_IDLE);
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

void cluster_expiry_stop(Cluster *cluster) {
        ClusterExpiry *expiry = &cluster->expiry;

        expiry->timer = sd_event_source_disable_unref(expiry->timer);
        expiry->slice = sd_event_source_disable_unref(expiry->slice);
        expiry->scan = state_scan_free(expiry->scan);
}
