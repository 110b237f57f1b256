/* The tracker at work: items wait in the queue, a few are operations, the failed ones wait for their time.
 */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/base/turn.h"
#include "daemon/tracker/internal.h"

#define UNPINS_MAX 1           /* at once, as the Go program */
#define RUN_WAKE_MAX 1000      /* failed items that are queued again in one turn of the loop */
#define RUN_AGAIN USEC_PER_SEC /* when memory was short */

/* With the delays between them: some eight minutes after the first one. */
#define RUN_ATTEMPTS_NOTABLE 5

static const char queue_is_full[] = "pin/unpin operation queue is full. Try increasing max_pin_queue_size";

static int run_on_run(sd_event_source *source, void *userdata);
static int run_on_retry(sd_event_source *source, uint64_t usec, void *userdata);

int tracker_run_init(Tracker *tracker) {
        int r;

        r = sd_event_add_defer(tracker->event, &tracker->run, run_on_run, tracker);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(tracker->run, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_event_add_time_relative(
                        tracker->event, &tracker->retry, CLOCK_MONOTONIC, 0, 0, run_on_retry, tracker);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(tracker->retry, SD_EVENT_OFF);
}

void tracker_run_deinit(Tracker *tracker) {
        LIST_FOREACH (op, &tracker->running, TrackerOperation, link)
                tracker_operation_free(op);
        sd_event_source_disable_unref(tracker->run);
        sd_event_source_disable_unref(tracker->retry);
}

void tracker_run_soon(Tracker *tracker) {
        if (tracker->started && !tracker->stopped && !tracker->has_failed)
                (void) sd_event_source_set_enabled(tracker->run, SD_EVENT_ONESHOT);
}

/* Memory was short: nothing is lost, and it goes on by itself. Anything else is a damaged store. */
static void run_trouble(Tracker *tracker, int r) {
        if (r != -ENOMEM) {
                tracker_fail(tracker, r);
                return;
        }
        log_warning_errno(r, "Failed to go on with what is to be pinned and unpinned, trying again: %m");
        (void) sd_event_source_set_time_relative(tracker->retry, RUN_AGAIN);
        (void) sd_event_source_set_enabled(tracker->retry, SD_EVENT_ONESHOT);
}

/* ---- into the queue ---- */

static bool run_has_room(const Tracker *tracker, PinStatus status) {
        return tracker_queue_count(tracker->queue, status) < tracker->options.max_pin_queue_size;
}

bool tracker_run_is_prior(const Tracker *tracker, uint64_t created, uint64_t attempts) {
        return time_now() < created + tracker->options.priority_pin_max_age_usec &&
               attempts <= tracker->options.priority_pin_max_retries;
}

static unsigned run_delay_fifo(uint64_t attempts) {
        uint64_t n = attempts > 0 ? attempts - 1 : 0;

        return TRACKER_FIFO_DELAY + (unsigned) MIN(n, (uint64_t) TRACKER_DELAYS - 1);
}

/* The queue is full: the item is in error from the start, and tried again like any other. */
static int run_refuse(Tracker *tracker, const Cid *cid, TrackerRecord *record, PinStatus status) {
        int r;

        record->status = status;
        record->timestamp = time_now();
        r = tracker_record_set_error(record, queue_is_full);
        if (r < 0)
                return r;
        r = tracker_queue_put(tracker->queue, cid, record, run_delay_fifo(record->attempts), false);
        if (r < 0)
                return r;
        tracker_status_tell(tracker, cid);
        return 0;
}

/* RECORD is what there was, if anything, and becomes the new one. What is queued already has its room. */
static int run_enqueue(
                Tracker *tracker, const Cid *cid, TrackerRecord *record, PinStatus status, unsigned fifo) {
        int r;

        if (record->status != status && !run_has_room(tracker, status))
                return run_refuse(
                                tracker,
                                cid,
                                record,
                                status == PIN_STATUS_PIN_QUEUED ? PIN_STATUS_PIN_ERROR
                                                                : PIN_STATUS_UNPIN_ERROR);

        record->status = status;
        record->timestamp = time_now();
        (void) tracker_record_set_error(record, NULL);
        r = tracker_queue_put(tracker->queue, cid, record, fifo, /* front= */ false);
        if (r < 0)
                return r;
        tracker_status_tell(tracker, cid);
        tracker_run_soon(tracker);
        return 1;
}

int tracker_run_enqueue_pin(Tracker *tracker, const Pin *pin, TrackerRecord *record) {
        unsigned fifo = tracker_run_is_prior(tracker, record->created, record->attempts)
                                        ? TRACKER_FIFO_PRIORITY
                                        : TRACKER_FIFO_NORMAL;

        return run_enqueue(tracker, &pin->cid, record, PIN_STATUS_PIN_QUEUED, fifo);
}

int tracker_run_enqueue_unpin(Tracker *tracker, const Cid *cid, TrackerRecord *record) {
        return run_enqueue(tracker, cid, record, PIN_STATUS_UNPIN_QUEUED, TRACKER_FIFO_UNPIN);
}

/* ---- operations ---- */

TrackerOperation *tracker_run_find(Tracker *tracker, const Cid *cid) {
        return map_get(tracker->operations, cid->bytes, cid->size);
}

static void run_forget(Tracker *tracker, TrackerOperation *op) {
        (void) map_remove(tracker->operations, op->cid.bytes, op->cid.size);
        if (op->is_unpin)
                tracker->n_unpins--;
        else
                tracker->n_pins--;
        tracker_operation_free(op);
}

void tracker_run_cancel(Tracker *tracker, const Cid *cid) {
        TrackerOperation *op = tracker_run_find(tracker, cid);

        if (op) {
                run_forget(tracker, op);
                tracker_run_soon(tracker);
        }
}

/* Kubo did as told: the item is settled. */
static int run_settle(Tracker *tracker, const TrackerOperation *op) {
        tracker_check_note(
                        tracker,
                        &op->cid,
                        op->is_unpin                            ? IPFS_PIN_NONE
                        : op->pin.max_depth == PIN_DEPTH_DIRECT ? IPFS_PIN_DIRECT
                                                                : IPFS_PIN_RECURSIVE);
        return tracker_queue_settle(tracker->queue, &op->cid);
}

/* A record without words needs no memory: this does not fail for want of it. */
static int run_put_in_front(Tracker *tracker, const Cid *cid, bool is_unpin, TrackerRecord *record) {
        record->status = is_unpin ? PIN_STATUS_UNPIN_QUEUED : PIN_STATUS_PIN_QUEUED;
        record->timestamp = time_now();
        (void) tracker_record_set_error(record, NULL);
        return tracker_queue_put(
                        tracker->queue,
                        cid,
                        record,
                        is_unpin ? TRACKER_FIFO_UNPIN
                        : tracker_run_is_prior(tracker, record->created, record->attempts)
                                        ? TRACKER_FIFO_PRIORITY
                                        : TRACKER_FIFO_NORMAL,
                        /* front= */ true);
}

/* The attempt that RECORD counts was none. */
static int run_take_back(Tracker *tracker, const Cid *cid, bool is_unpin, TrackerRecord *record) {
        record->attempts -= MIN(record->attempts, UINT64_C(1));
        return run_put_in_front(tracker, cid, is_unpin, record);
}

int tracker_run_put_back(Tracker *tracker, const TrackerOperation *op) {
        TrackerRecord record = {};
        int r;

        r = tracker_queue_get(tracker->queue, &op->cid, &record);
        if (r <= 0)
                return r;
        r = run_take_back(tracker, &op->cid, op->is_unpin, &record);
        tracker_record_done(&record);
        return r;
}

static void run_note_failure(Tracker *tracker, const Cid *cid) {
        unsigned n = tracker->next_failure++ % TRACKER_FAILURES_MAX;

        tracker->failures[n].cid = *cid;
        tracker->failures[n].when = time_monotonic();
}

static int run_forgive(Tracker *tracker, const Cid *cid) {
        TrackerRecord record = {};
        int r;

        r = tracker_queue_get(tracker->queue, cid, &record);
        if (r > 0 && (record.status & (PIN_STATUS_PIN_ERROR | PIN_STATUS_UNPIN_ERROR))) {
                r = run_take_back(tracker, cid, tracker_record_is_unpin(&record), &record);
                if (r >= 0)
                        tracker_status_tell(tracker, cid);
        }
        tracker_record_done(&record);
        return r;
}

void tracker_forgive(Tracker *tracker, uint64_t within_usec) {
        uint64_t now = time_monotonic();

        if (tracker->stopped || tracker->has_failed)
                return;
        for (size_t i = 0; i < TRACKER_FAILURES_MAX; i++) {
                int r;

                if (tracker->failures[i].when == 0 || tracker->failures[i].when + within_usec < now)
                        continue;
                tracker->failures[i].when = 0;
                r = run_forgive(tracker, &tracker->failures[i].cid);
                if (r < 0) {
                        run_trouble(tracker, r);
                        return;
                }
        }
        tracker_run_soon(tracker);
}

static int run_set_error(
                Tracker *tracker, const TrackerOperation *op, TrackerRecord *record, const Error *error) {
        int r;

        record->status = op->is_unpin ? PIN_STATUS_UNPIN_ERROR : PIN_STATUS_PIN_ERROR;
        record->timestamp = time_now();
        r = tracker_record_set_error(record, error_message(error));
        if (r < 0)
                return r;
        return tracker_queue_put(
                        tracker->queue,
                        &op->cid,
                        record,
                        run_delay_fifo(record->attempts),
                        /* front= */ false);
}

static const char *run_op_name(const TrackerOperation *op) {
        return op->is_unpin ? "unpin" : "pin";
}

/* The first failure, and the one after which somebody should look; those between and beyond are counted by
 * the record. */
static void run_log_failure(const TrackerOperation *op, const char *cid, const Error *error) {
        char words[LOG_FIELD_MAX], field[LOG_FIELD_MAX], name[LOG_FIELD_MAX], attempts[LOG_FIELD_MAX];
        bool is_notable = op->attempts == RUN_ATTEMPTS_NOTABLE;

        (void) snprintf(attempts, sizeof(attempts), "CLUSTER_ATTEMPTS=%" PRIu64, op->attempts);
        log_struct(op->attempts <= 1 || is_notable ? LOG_WARNING : LOG_DEBUG,
                   LOG_FIELDS(log_field(field, "CLUSTER_CID", cid),
                              log_field(name, "CLUSTER_OP", run_op_name(op)),
                              log_field(words, "CLUSTER_ERROR", error_message(error)),
                              attempts,
                              is_notable ? MESSAGE_ID_PIN_FAILED : NULL),
                   "Failed to %s %s at attempt %" PRIu64 "%s: %s",
                   run_op_name(op),
                   cid,
                   op->attempts,
                   is_notable ? ", and trying on" : "",
                   error_message(error));
}

static void run_log_success(const TrackerOperation *op, const char *cid) {
        char field[LOG_FIELD_MAX], name[LOG_FIELD_MAX], attempts[LOG_FIELD_MAX];

        log_field(field, "CLUSTER_CID", cid);
        log_field(name, "CLUSTER_OP", run_op_name(op));
        (void) snprintf(attempts, sizeof(attempts), "CLUSTER_ATTEMPTS=%" PRIu64, op->attempts);
        if (op->attempts <= 1)
                log_struct(LOG_INFO,
                           LOG_FIELDS(field, name, attempts),
                           "%s %s.",
                           op->is_unpin ? "Unpinned" : "Pinned",
                           cid);
        else
                log_struct(LOG_NOTICE,
                           LOG_FIELDS(MESSAGE_ID_PIN_RECOVERED, field, name, attempts),
                           "%s %s at attempt %" PRIu64 ".",
                           op->is_unpin ? "Unpinned" : "Pinned",
                           cid,
                           op->attempts);
}

static void run_log_end(const TrackerOperation *op, int r, const Error *error) {
        char cid[CID_TEXT_MAX];

        (void) cid_format(&op->cid, cid);
        if (r < 0)
                run_log_failure(op, cid, error);
        else
                run_log_success(op, cid);
}

static int run_end(
                Tracker *tracker, const TrackerOperation *op, int result, bool is_down, const Error *error) {
        TrackerRecord record = {};
        int r;

        if (result >= 0)
                return run_settle(tracker, op);
        if (is_down)
                return tracker_run_put_back(tracker, op);

        r = tracker_queue_get(tracker->queue, &op->cid, &record);
        if (r <= 0)
                return r;
        run_note_failure(tracker, &op->cid);
        r = run_set_error(tracker, op, &record, error);
        if (r == -ENOMEM) /* better another attempt than an item that nobody thinks of */
                r = run_put_in_front(tracker, &op->cid, op->is_unpin, &record);
        tracker_record_done(&record);
        return r;
}

static void run_on_done(TrackerOperation *op, int result, bool is_down, const Error *error, void *userdata) {
        Tracker *tracker = userdata;
        Cid cid = op->cid;
        int r;

        if (!is_down)
                run_log_end(op, result, error);
        r = run_end(tracker, op, result, is_down, error);
        run_forget(tracker, op);
        if (r < 0)
                run_trouble(tracker, r);
        tracker_status_tell(tracker, &cid);
        tracker_run_soon(tracker);
}

static int run_start(Tracker *tracker, const Cid *cid, TrackerRecord *record, const Pin *pin) {
        TrackerOperation *op;
        int r;

        r = tracker_operation_start(
                        &op,
                        tracker->event,
                        &(TrackerOperationOptions){
                                        .ipfs = tracker->options.ipfs,
                                        .cid = cid,
                                        .pin = pin,
                                        .attempts = record->attempts + 1,
                                        .done = run_on_done,
                                        .userdata = tracker,
                        });
        if (r < 0)
                return r;
        r = map_set(tracker->operations, cid->bytes, cid->size, op, NULL);
        if (r >= 0) {
                record->attempts++;
                record->timestamp = op->started;
                r = tracker_queue_update(tracker->queue, cid, record);
                if (r < 0) {
                        record->attempts--;
                        (void) map_remove(tracker->operations, cid->bytes, cid->size);
                }
        }
        if (r < 0) {
                tracker_operation_free(op);
                return r;
        }

        list_append(&tracker->running, &op->link);
        if (pin)
                tracker->n_pins++;
        else
                tracker->n_unpins++;
        tracker_status_tell(tracker, cid);
        return 0;
}

/* Begin with the first item of FIFO: the same answers as tracker_queue_pop(). */
static int run_start_first(Tracker *tracker, unsigned fifo) {
        TrackerRecord record = {};
        Pin pin = {};
        Cid cid;
        int r, k;

        r = tracker_queue_pop(tracker->queue, fifo, &cid, &record);
        if (r != 1)
                return r;

        if (fifo == TRACKER_FIFO_UNPIN)
                k = run_start(tracker, &cid, &record, NULL);
        else {
                k = state_pinset_get(tracker->options.pinset, &cid, &pin);
                if (k > 0)
                        k = run_start(tracker, &cid, &record, &pin);
                else if (k == 0) /* has left the pinset; its unpin is on its way */
                        k = tracker_queue_settle(tracker->queue, &cid);
        }

        if (k == -ENOMEM)
                (void) tracker_queue_put(tracker->queue, &cid, &record, fifo, /* front= */ true);
        pin_done(&pin);
        tracker_record_done(&record);
        return k < 0 ? k : r;
}

/* Fill the free places from FIFO: 0 when it is empty or the places are taken, TRACKER_QUEUE_MORE. */
static int run_fill(Tracker *tracker, unsigned fifo, const size_t *n, size_t max) {
        int r = 1;

        while (r == 1 && *n < max)
                r = run_start_first(tracker, fifo);
        return r == 1 ? 0 : r;
}

/* ---- the failed ones ---- */

/* ± 25 %, the same for an item each time it is looked at. */
static uint64_t run_jitter(const Cid *cid, uint64_t usec) {
        return usec * 3 / 4 + usec / 2 * cid->bytes[cid->size - 1] / 255;
}

static uint64_t run_due(const Tracker *tracker, unsigned fifo, const Cid *cid, const TrackerRecord *record) {
        uint64_t delay = fifo == TRACKER_FIFO_UNEXPECTED
                                         ? tracker->options.recover_interval_usec
                                         : MIN(tracker->options.retry_min_usec
                                                               << (fifo - TRACKER_FIFO_DELAY),
                                               tracker->options.retry_max_usec);

        if (record->timestamp > time_now())
                return 0; /* the clock was set back: better early than late by that */
        return record->timestamp + run_jitter(cid, delay);
}

static int run_requeue(Tracker *tracker, const Cid *cid, TrackerRecord *record) {
        Pin pin = {};
        int r;

        if (tracker_record_is_unpin(record))
                return tracker_run_enqueue_unpin(tracker, cid, record);

        r = state_pinset_get(tracker->options.pinset, cid, &pin);
        if (r > 0)
                r = tracker_run_enqueue_pin(tracker, &pin, record);
        else if (r == 0)
                r = tracker_queue_settle(tracker->queue, cid);
        pin_done(&pin);
        return r;
}

/* A full queue has room again when an operation ends, and that wakes us. */
static bool run_has_room_for(const Tracker *tracker, const TrackerRecord *record) {
        return run_has_room(
                        tracker,
                        tracker_record_is_unpin(record) ? PIN_STATUS_UNPIN_QUEUED : PIN_STATUS_PIN_QUEUED);
}

/* Queue what of FIFO is due, and lower *NEXT to when the first that is not will be. */
static int run_wake(Tracker *tracker, unsigned fifo, uint64_t now, uint64_t *next) {
        for (size_t i = 0; i < RUN_WAKE_MAX; i++) {
                TrackerRecord record = {};
                uint64_t due;
                Cid cid;
                int r;

                r = tracker_queue_peek(tracker->queue, fifo, &cid, &record);
                if (r <= 0)
                        return r;
                if (r == TRACKER_QUEUE_MORE)
                        break;

                due = run_due(tracker, fifo, &cid, &record);
                if (due > now)
                        *next = MIN(*next, due);
                if (due > now || !run_has_room_for(tracker, &record)) {
                        tracker_record_done(&record);
                        return 0;
                }
                r = run_requeue(tracker, &cid, &record);
                tracker_record_done(&record);
                if (r < 0)
                        return r;
        }
        *next = now;
        return 0;
}

static int run_arm_retry(Tracker *tracker) {
        uint64_t now = time_now(), next = UINT64_MAX;
        int r = 0;

        for (unsigned fifo = TRACKER_FIFO_UNEXPECTED; fifo < _TRACKER_FIFO_N && r >= 0; fifo++)
                r = run_wake(tracker, fifo, now, &next);
        if (r < 0 || next == UINT64_MAX)
                return r;
        r = sd_event_source_set_time_relative(tracker->retry, next - now);
        return r < 0 ? r : sd_event_source_set_enabled(tracker->retry, SD_EVENT_ONESHOT);
}

static int run_on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        tracker_run_soon(userdata);
        return 0;
}

/* ---- a turn ---- */

/* Fill the free places: negative, 0, TRACKER_QUEUE_MORE. */
static int run_fill_all(Tracker *tracker) {
        static const unsigned pins[] = { TRACKER_FIFO_PRIORITY, TRACKER_FIFO_NORMAL };
        int r = 0, k;

        for (size_t i = 0; i < ELEMENTSOF(pins) && r == 0; i++)
                r = run_fill(tracker, pins[i], &tracker->n_pins, tracker->options.concurrent_pins);
        if (r < 0)
                return r;
        k = run_fill(tracker, TRACKER_FIFO_UNPIN, &tracker->n_unpins, UNPINS_MAX);
        return k < 0 ? k : MAX(r, k);
}

static int run_on_run(sd_event_source *source _unused_, void *userdata) {
        Tracker *tracker = userdata;
        int r;

        turn_renew(tracker->event, &tracker->run, run_on_run, tracker);
        if (tracker->has_failed)
                return 0;
        r = run_arm_retry(tracker);
        if (r >= 0 && ipfs_is_reachable(tracker->options.ipfs))
                r = run_fill_all(tracker);
        if (r < 0)
                run_trouble(tracker, r);
        else if (r == TRACKER_QUEUE_MORE)
                tracker_run_soon(tracker);
        return 0;
}
