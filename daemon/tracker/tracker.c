#include "daemon/tracker/tracker.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/time.h"
#include "daemon/tracker/internal.h"

/* ---- life ---- */

int tracker_new(Tracker **ret, sd_event *event, const TrackerOptions *options, Error *reterr) {
        _cleanup_(tracker_freep) Tracker *tracker = NULL;
        uint8_t digest[STATE_DIGEST_SIZE];
        int r;

        tracker = calloc(1, sizeof(Tracker));
        if (!tracker)
                return error_set_errno(reterr, -ENOMEM, "tracker: %m");

        *tracker = (Tracker){ .event = sd_event_ref(event), .options = *options };
        tracker->options.peername = tracker->options.state_folder = NULL;
        if (options->retry_min_usec == 0)
                tracker->options.retry_min_usec = TRACKER_RETRY_MIN;
        if (options->retry_max_usec == 0)
                tracker->options.retry_max_usec = TRACKER_RETRY_MAX;
        (void) peer_id_format(&options->self, tracker->self_text);
        list_init(&tracker->running);
        list_init(&tracker->calls);

        r = str_copy(&tracker->peername, options->peername);
        if (r >= 0)
                r = str_copy(&tracker->state_folder, options->state_folder);
        if (r >= 0)
                r = map_new(&tracker->operations);
        if (r >= 0)
                r = tracker_run_init(tracker);
        if (r >= 0)
                r = tracker_check_init(tracker);
        state_pinset_digest(options->pinset, digest);
        if (r >= 0)
                r = tracker_queue_open(&tracker->queue, options->state_folder, digest);
        if (r < 0)
                return error_set_errno(
                                reterr, r, "Failed to open %s/tracker.gdbm: %m", options->state_folder);
        tracker->complete = r > 0;

        *ret = TAKE_PTR(tracker);
        return 0;
}

void tracker_set_options(Tracker *tracker, const TrackerOptions *options) {
        tracker->options.concurrent_pins = options->concurrent_pins;
        tracker->options.max_pin_queue_size = options->max_pin_queue_size;
        tracker->options.priority_pin_max_age_usec = options->priority_pin_max_age_usec;
        tracker->options.priority_pin_max_retries = options->priority_pin_max_retries;
        tracker->options.recover_interval_usec = options->recover_interval_usec;
        if (tracker->started)
                tracker_run_soon(tracker);
}

Tracker *tracker_free(Tracker *tracker) {
        if (!tracker)
                return NULL;

        tracker_check_cancel(tracker);
        LIST_FOREACH (call, &tracker->calls, TrackerCall, link)
                tracker_call_unref(call);
        if (tracker->operations)
                tracker_run_deinit(tracker);
        sd_event_source_disable_unref(tracker->check_timer);
        tracker_queue_free(tracker->queue);
        map_free(tracker->operations);
        free(tracker->peername);
        free(tracker->state_folder);
        sd_event_unref(tracker->event);
        free(tracker);
        return NULL;
}

void tracker_stop(Tracker *tracker) {
        tracker->stopped = true;
        tracker_check_cancel(tracker);
        (void) sd_event_source_set_enabled(tracker->check_timer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(tracker->run, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(tracker->retry, SD_EVENT_OFF);
        state_pinset_digest(tracker->options.pinset, tracker->digest);
}

int tracker_close(Tracker *tracker) {
        int r = 0;

        /* Without a whole picture the store is worth nothing to the next start. */
        if (tracker->has_failed || !tracker->complete || !tracker->stopped) {
                tracker_free(tracker);
                return 0;
        }

        LIST_FOREACH (op, &tracker->running, TrackerOperation, link)
                if (r >= 0)
                        r = tracker_run_put_back(tracker, op);
        if (r >= 0)
                r = tracker_queue_close(TAKE_PTR(tracker->queue), tracker->digest);
        tracker_free(tracker);
        return r;
}

int tracker_start(Tracker *tracker) {
        char file[LOG_FIELD_MAX];

        tracker->started = true;
        tracker_run_soon(tracker);
        tracker_check_arm(tracker);
        if (tracker->complete)
                return 0;

        /* A first start has nothing that could have been closed. */
        if (state_pinset_count(tracker->options.pinset) > 0)
                log_struct(LOG_INFO,
                           LOG_FIELDS(MESSAGE_ID_STORE_RENEWED,
                                      log_field(file, "CLUSTER_FILE", "tracker.gdbm")),
                           "The tracker's records were not closed in order: asking Kubo for all its pins.");
        return tracker_check(tracker, NULL, NULL, NULL);
}

void tracker_fail(Tracker *tracker, int r) {
        char file[LOG_FIELD_MAX];

        if (tracker->has_failed)
                return;
        tracker->has_failed = true;
        log_struct(LOG_ERR,
                   LOG_FIELDS(MESSAGE_ID_STORE_RENEWED, log_field(file, "CLUSTER_FILE", "tracker.gdbm")),
                   "%s/tracker.gdbm cannot be used any more, it will be made anew by the next start: %s",
                   tracker->state_folder,
                   strerror(-r));
        tracker->options.failed(r, tracker->options.userdata);
}

/* ---- calls ---- */

int tracker_call_new(TrackerCall **ret, Tracker *tracker, const Cid *cid, void *userdata) {
        TrackerCall *call;

        call = calloc(1, sizeof(TrackerCall));
        if (!call)
                return -ENOMEM;
        *call = (TrackerCall){ .tracker = tracker, .userdata = userdata };
        if (cid)
                call->cid = *cid;
        list_append(&tracker->calls, &call->link);
        *ret = call;
        return 0;
}

TrackerCall *tracker_call_unref(TrackerCall *call) {
        if (!call)
                return NULL;
        list_remove(&call->link);
        ipfs_call_unref(call->ipfs);
        sd_event_source_disable_unref(call->run);
        error_done(&call->error);
        free(call);
        return NULL;
}

/* ---- what the pinset says ---- */

bool tracker_is_allocated(const Tracker *tracker, const Pin *pin) {
        return pin->allocations.n == 0 || peer_id_list_contains(&pin->allocations, &tracker->options.self);
}

/* The operation under way does what is wanted: nothing begins anew. PIN is NULL for an unpin. */
static bool tracker_is_under_way(const TrackerOperation *op, const Pin *pin) {
        if (!op || !pin || op->is_unpin)
                return op && !pin && op->is_unpin;
        return op->pin.max_depth == pin->max_depth &&
               str_equal(str_is_empty(op->pin.name) ? NULL : op->pin.name,
                         str_is_empty(pin->name) ? NULL : pin->name) &&
               str_list_equal(&op->pin.origins, &pin->origins);
}

/* Queue CID for PIN (NULL: for its unpin), in place of what was to be done about it. The attempts of the
 * same kind are kept. */
static int tracker_replace(Tracker *tracker, const Cid *cid, const Pin *pin) {
        const PinStatus status = pin ? PIN_STATUS_PIN_QUEUED : PIN_STATUS_UNPIN_QUEUED;
        const TrackerOperation *op = tracker_run_find(tracker, cid);
        TrackerRecord record = {};
        int r;

        if (tracker_is_under_way(op, pin))
                return 0;
        r = tracker_queue_get(tracker->queue, cid, &record);
        if (r < 0)
                return r;
        if (record.status == status && !op) /* it waits, and the pin is looked up when its turn comes */
                return 0;

        if (tracker_record_is_unpin(&record) != !pin)
                tracker_record_done(&record);
        tracker_run_cancel(tracker, cid);
        if (pin) {
                record.created = pin->timestamp;
                r = tracker_run_enqueue_pin(tracker, pin, &record);
        } else
                r = tracker_run_enqueue_unpin(tracker, cid, &record);
        tracker_record_done(&record);
        return MIN(r, 0);
}

int tracker_track(Tracker *tracker, const Pin *pin) {
        if (tracker->stopped) {
                tracker->complete = false;
                return 0;
        }
        if (pin->type == PIN_TYPE_META)
                return 0;
        if (!tracker_is_allocated(tracker, pin))
                return tracker_untrack(tracker, &pin->cid);
        return tracker_replace(tracker, &pin->cid, pin);
}

int tracker_untrack(Tracker *tracker, const Cid *cid) {
        if (tracker->stopped) {
                tracker->complete = false;
                return 0;
        }
        return tracker_replace(tracker, cid, NULL);
}

int tracker_recover(Tracker *tracker, const Cid *cid) {
        TrackerRecord record = {};
        Pin pin = {};
        int r;

        r = tracker_queue_get(tracker->queue, cid, &record);
        if (r <= 0)
                return r;

        if (record.status == PIN_STATUS_UNPIN_ERROR)
                r = tracker_run_enqueue_unpin(tracker, cid, &record);
        else if (record.status & (PIN_STATUS_PIN_ERROR | PIN_STATUS_UNEXPECTEDLY_UNPINNED)) {
                r = state_pinset_get(tracker->options.pinset, cid, &pin);
                if (r > 0)
                        r = tracker_run_enqueue_pin(tracker, &pin, &record);
                pin_done(&pin);
        } else
                r = 0;

        tracker_record_done(&record);
        return r;
}

void tracker_counts(const Tracker *tracker, TrackerCounts *ret) {
        const TrackerQueue *queue = tracker->queue;

        *ret = (TrackerCounts){
                .queued = tracker_queue_count(queue, PIN_STATUS_PIN_QUEUED) - tracker->n_pins,
                .pinning = tracker->n_pins,
                .pin_error = tracker_queue_count(queue, PIN_STATUS_PIN_ERROR),
                .unpin_queued = tracker_queue_count(queue, PIN_STATUS_UNPIN_QUEUED) - tracker->n_unpins,
                .unpinning = tracker->n_unpins,
                .unpin_error = tracker_queue_count(queue, PIN_STATUS_UNPIN_ERROR),
                .unexpected = tracker_queue_count(queue, PIN_STATUS_UNEXPECTEDLY_UNPINNED),
                .complete = tracker->complete,
        };
}

/* The older one of *AT and the front of FIFO. */
static int tracker_look_at_front(Tracker *tracker, unsigned fifo, uint64_t *at) {
        TrackerRecord record;
        Cid cid;
        int r;

        do
                r = tracker_queue_peek(tracker->queue, fifo, &cid, &record);
        while (r == TRACKER_QUEUE_MORE);
        if (r <= 0)
                return r;

        if (*at == 0 || record.timestamp < *at)
                *at = record.timestamp;
        tracker_record_done(&record);
        return 0;
}

int tracker_oldest(Tracker *tracker, uint64_t *ret_pin, uint64_t *ret_unpin) {
        uint64_t pin = 0, unpin = 0;
        int r;

        r = tracker_look_at_front(tracker, TRACKER_FIFO_PRIORITY, &pin);
        if (r >= 0)
                r = tracker_look_at_front(tracker, TRACKER_FIFO_NORMAL, &pin);
        if (r >= 0)
                r = tracker_look_at_front(tracker, TRACKER_FIFO_UNPIN, &unpin);
        if (r < 0)
                return r;

        *ret_pin = pin;
        *ret_unpin = unpin;
        return 0;
}
