/*
 * The check: Kubo's pins against the pinset.
 *
 *   list ──► compare ──► done        any state: error, cancel ──► done
 *
 * "list" streams pin/ls into a spool (check.gdbm, thrown away afterwards); "compare" scans the pinset in
 * slices and looks each item up. What operations do meanwhile is written into the spool as well, so that an
 * item pinned after its part of the list went by is not taken for missing.
 */

#include <inttypes.h>
#include <time.h>

#include "daemon/base/file.h"
#include "daemon/base/flow.h"
#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/base/turn.h"
#include "daemon/tracker/internal.h"

#define CHECK_SLICE                                                                                         \
        32 /* items compared in one turn of the loop, which is shared with whatever else there is */
#define CHECK_SPOOL "check"

enum {
        CHECK_LIST,
        CHECK_COMPARE,
};

struct TrackerCheck {
        Flow flow;
        Tracker *tracker;
        Store *spool;
        IpfsCall *call;
        StateScan *scan;
        sd_event_source *slice;
        Str value; /* scratch */
        uint64_t n_listed, n_compared, n_changed;
        Error error;
};

#define CHECK(flow_) CONTAINER_OF(flow_, TrackerCheck, flow)

static int check_list(Flow *flow);
static int check_scan(Flow *flow);
static void check_done(Flow *flow, int result);

static const FlowState check_states[] = {
        [CHECK_LIST] = { "list", check_list, FLOW_TO(CHECK_COMPARE) },
        [CHECK_COMPARE] = { "compare", check_scan, 0 },
};

static const FlowClass check_class = { "check", check_states, check_done };

/* ---- the spool ---- */

/* What an earlier process left is nothing to us. */
static int check_spool_open(TrackerCheck *check) {
        int r;

        r = store_open(&check->spool, check->tracker->state_folder, CHECK_SPOOL);
        return r > 0 ? store_clear(check->spool) : r;
}

static void check_spool_drop(TrackerCheck *check) {
        static const char *const files[] = { CHECK_SPOOL ".gdbm", CHECK_SPOOL ".dirty" };

        check->spool = store_free(check->spool);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = NULL;

                if (file_join(&path, check->tracker->state_folder, files[i]) >= 0)
                        (void) unlink(path);
        }
}

static int check_spool_put(TrackerCheck *check, const Cid *cid, IpfsPinType type) {
        char value = (char) type;

        if (type == IPFS_PIN_NONE)
                return store_remove(check->spool, cid->bytes, cid->size);
        return store_put(check->spool, cid->bytes, cid->size, &value, 1);
}

static int check_spool_get(TrackerCheck *check, const Cid *cid, IpfsPinType *ret) {
        int r;

        str_reset(&check->value);
        r = store_get(check->spool, cid->bytes, cid->size, &check->value);
        if (r < 0)
                return r;
        *ret = r > 0 && check->value.len == 1 ? (IpfsPinType) check->value.data[0] : IPFS_PIN_NONE;
        return 0;
}

void tracker_check_note(Tracker *tracker, const Cid *cid, IpfsPinType type) {
        if (tracker->check && tracker->check->spool && check_spool_put(tracker->check, cid, type) < 0)
                flow_next(&tracker->check->flow, -EIO);
}

/* ---- list ---- */

static int check_on_item(IpfsCall *call _unused_, const Cid *cid, IpfsPinType type, void *userdata) {
        TrackerCheck *check = userdata;

        check->n_listed++;
        return MIN(check_spool_put(check, cid, type), 0);
}

static void check_on_listed(IpfsCall *call _unused_, int r, const Error *error, void *userdata) {
        TrackerCheck *check = userdata;

        if (r < 0)
                (void) error_copy(&check->error, error);
        check->call = ipfs_call_unref(check->call);
        flow_next(&check->flow, r < 0 ? r : CHECK_COMPARE);
}

static int check_list(Flow *flow) {
        TrackerCheck *check = CHECK(flow);
        int r;

        r = check_spool_open(check);
        if (r < 0)
                return r;
        return ipfs_pin_ls(
                        check->tracker->options.ipfs, &check->call, check_on_item, check_on_listed, check);
}

/* ---- compare ---- */

/* The scan is a view of the past: what counts is the pin that the pinset has now, if it still has one. */
static int check_compare(TrackerCheck *check, const Cid *cid) {
        Tracker *tracker = check->tracker;
        IpfsPinType type;
        Pin pin = {};
        int r;

        r = check_spool_get(check, cid, &type);
        if (r < 0)
                return r;
        r = state_pinset_get(tracker->options.pinset, cid, &pin);
        if (r <= 0)
                return r;

        r = tracker_status_note(tracker, cid, &pin, type);
        if (r > 0)
                check->n_changed++;
        if (r < 0 && r != -ENOMEM)
                tracker_fail(tracker, r);
        check->n_compared++;
        pin_done(&pin);
        return MIN(r, 0);
}

/* One item: 1 to go on, 0 at the end. */
static int check_compare_next(TrackerCheck *check) {
        const void *key, *value;
        size_t key_size, value_size;
        Cid cid;
        int r;

        r = state_scan_next(check->scan, &key, &key_size, &value, &value_size);
        if (r <= 0)
                return r;
        r = cid_from_bytes(key, key_size, &cid);
        if (r >= 0)
                r = check_compare(check, &cid);
        return r < 0 ? r : 1;
}

static int check_on_slice(sd_event_source *source _unused_, void *userdata) {
        TrackerCheck *check = userdata;
        int r = 1;

        turn_renew(check->tracker->event, &check->slice, check_on_slice, check);
        for (size_t i = 0; i < CHECK_SLICE && r > 0; i++)
                r = check_compare_next(check);
        if (r > 0)
                (void) sd_event_source_set_enabled(check->slice, SD_EVENT_ONESHOT);
        else
                flow_next(&check->flow, r < 0 ? r : FLOW_DONE);
        return 0;
}

static int check_scan(Flow *flow) {
        TrackerCheck *check = CHECK(flow);
        int r;

        r = state_scan_new(&check->scan, check->tracker->options.pinset);
        if (r < 0)
                return r;
        return sd_event_add_defer(check->tracker->event, &check->slice, check_on_slice, check);
}

/* ---- end ---- */

static TrackerCheck *check_free(TrackerCheck *check) {
        flow_deinit(&check->flow);
        ipfs_call_unref(check->call);
        sd_event_source_disable_unref(check->slice);
        state_scan_free(check->scan);
        if (check->spool)
                check_spool_drop(check);
        str_done(&check->value);
        error_done(&check->error);
        free(check);
        return NULL;
}

/* A handler may drop any call, and may ask for the next check. */
static void check_tell(Tracker *tracker, int r, const Error *error) {
        LIST_FOREACH (call, &tracker->calls, TrackerCall, link)
                call->check_is_over = call->waits_for_check;

        for (;;) {
                TrackerCall *next = NULL;

                LIST_FOREACH (call, &tracker->calls, TrackerCall, link)
                        if (call->check_is_over && !next)
                                next = call;
                if (!next)
                        return;
                next->waits_for_check = next->check_is_over = false;
                if (next->check_done)
                        next->check_done(next, r, error, next->userdata);
        }
}

static void check_plan(Tracker *tracker, uint64_t usec) {
        if (usec == 0 || !tracker->started || tracker->stopped)
                return;
        (void) sd_event_source_set_time_relative(tracker->check_timer, random_jitter(usec));
        (void) sd_event_source_set_enabled(tracker->check_timer, SD_EVENT_ONESHOT);
}

/* One that failed is made again a third of the first retry later (10 s), then with doubling distance. */
static uint64_t check_again(const Tracker *tracker) {
        unsigned n = MIN(tracker->n_check_failures, 16U);

        return MIN(tracker->options.retry_min_usec / 3 << (n > 0 ? n - 1 : 0),
                   tracker->options.retry_max_usec);
}

static void check_succeeded(Tracker *tracker, const TrackerCheck *check) {
        if (!tracker->complete || check->n_changed > 0 || tracker->n_check_failures > 0)
                log_info("Compared %" PRIu64 " pins with the %" PRIu64 " that Kubo has: %" PRIu64
                         " were not as known.",
                         check->n_compared,
                         check->n_listed,
                         check->n_changed);
        tracker->complete = true;
        tracker->n_check_failures = 0;
        check_plan(tracker, tracker->options.check_interval_usec);
}

static void check_failed(Tracker *tracker, const Error *error) {
        if (tracker->n_check_failures++ > 0 || !ipfs_is_reachable(tracker->options.ipfs))
                log_debug("The check of Kubo's pins has failed again: %s", error_message(error));
        else
                log_warning("The check of Kubo's pins has failed, it will be made again: %s",
                            error_message(error));
        check_plan(tracker, check_again(tracker));
}

static void check_done(Flow *flow, int result) {
        TrackerCheck *check = CHECK(flow);
        Tracker *tracker = check->tracker;
        _cleanup_(error_done) Error error = {};

        if (result < 0 && check->error.code == ERROR_NONE)
                (void) error_set_errno(
                                &check->error, result, "Failed to compare Kubo's pins with the pinset: %m");
        error_move(&error, &check->error);

        if (result >= 0)
                check_succeeded(tracker, check);
        else
                check_failed(tracker, &error);

        tracker->check = check_free(check);
        check_tell(tracker, result, &error);
}

bool tracker_check_is_comparing(const Tracker *tracker) {
        return tracker->check && tracker->check->scan;
}

void tracker_check_cancel(Tracker *tracker) {
        if (tracker->check)
                tracker->check = check_free(tracker->check);
}

/* ---- start ---- */

static int check_start(Tracker *tracker) {
        TrackerCheck *check;
        int r;

        if (tracker->stopped)
                return -ESHUTDOWN;
        if (tracker->check)
                return 0;
        check = calloc(1, sizeof(TrackerCheck));
        if (!check)
                return -ENOMEM;
        *check = (TrackerCheck){ .tracker = tracker };

        /* No deadline: a list is as long as it is; pin/ls ends by itself when Kubo stands still. */
        r = flow_start(&check->flow, &check_class, tracker->event, UINT64_MAX);
        if (r < 0) {
                free(check);
                return r;
        }
        tracker->check = check;
        return 0;
}

static int check_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Tracker *tracker = userdata;
        int r;

        r = check_start(tracker);
        if (r < 0) {
                log_warning_errno(r, "Failed to start a check of Kubo's pins, trying again: %m");
                check_plan(tracker, check_again(tracker));
        }
        return 0;
}

int tracker_check_init(Tracker *tracker) {
        int r;

        r = sd_event_add_time_relative(
                        tracker->event,
                        &tracker->check_timer,
                        CLOCK_MONOTONIC,
                        0,
                        0,
                        check_on_timer,
                        tracker);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(tracker->check_timer, SD_EVENT_OFF);
}

void tracker_check_arm(Tracker *tracker) {
        check_plan(tracker, tracker->options.check_interval_usec);
}

int tracker_check(
                Tracker *tracker,
                TrackerCall **ret,
                void (*done)(TrackerCall *call, int r, const Error *error, void *userdata),
                void *userdata) {
        TrackerCall *call;
        int r;

        r = check_start(tracker);
        if (r < 0 || !ret)
                return r;

        r = tracker_call_new(&call, tracker, NULL, userdata);
        if (r < 0)
                return r;
        call->waits_for_check = true;
        call->check_done = done;
        *ret = call;
        return 0;
}

void tracker_kick(Tracker *tracker) {
        tracker_run_soon(tracker);
        if (!tracker->check && (!tracker->complete || tracker->n_check_failures > 0))
                check_plan(tracker, 1);
}
