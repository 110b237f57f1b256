/* What is known of an item, what Kubo is asked, and who is told. */

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/tracker/internal.h"

static const char unexpectedly_unpinned[] = "the item should be pinned but it is not";

/* ---- known ---- */

static PinStatus status_without_record(const Tracker *tracker, const Pin *pin) {
        if (!pin)
                return PIN_STATUS_UNPINNED;
        if (pin->type == PIN_TYPE_META)
                return PIN_STATUS_SHARDED;
        if (!tracker_is_allocated(tracker, pin))
                return PIN_STATUS_REMOTE;
        return tracker->complete ? PIN_STATUS_PINNED : PIN_STATUS_PIN_QUEUED;
}

/* An unpin of an item that is in the pinset (it has moved to other peers) is their business: it is told as
 * remote until it fails. */
static PinStatus status_of_record(const Tracker *tracker, const TrackerRecord *record, const Pin *pin) {
        if (record->status == PIN_STATUS_UNPIN_QUEUED && pin && !tracker_is_allocated(tracker, pin))
                return PIN_STATUS_REMOTE;
        return record->status;
}

static void status_set_operation(const TrackerOperation *op, PinInfo *info) {
        if (info->status != PIN_STATUS_REMOTE)
                info->status = op->is_unpin ? PIN_STATUS_UNPINNING : PIN_STATUS_PINNING;
        info->timestamp = op->started;
        info->attempt_count = (int64_t) op->attempts;
}

static int status_set_record(
                Tracker *tracker,
                const Cid *cid,
                const TrackerRecord *record,
                const Pin *pin,
                PinInfo *info) {
        const TrackerOperation *op = tracker_run_find(tracker, cid);

        info->status = status_of_record(tracker, record, pin);
        info->timestamp = record->timestamp;
        info->attempt_count = (int64_t) record->attempts;
        info->priority_pin = !tracker_record_is_unpin(record) &&
                             tracker_run_is_prior(tracker, record->created, record->attempts);
        if (op)
                status_set_operation(op, info);
        return str_copy(&info->error, record->error);
}

static int status_set_peer(const Tracker *tracker, PinInfo *info) {
        const IpfsId *ipfs = ipfs_last_id(tracker->options.ipfs);
        int r;

        r = str_copy(&info->peer, tracker->self_text);
        if (r >= 0)
                r = str_copy(&info->peername, tracker->peername);
        info->ipfs_peer_id = ipfs->id;
        for (size_t i = 0; i < ipfs->addresses.n && r >= 0; i++)
                if (multiaddr_is_public(ipfs->addresses.items[i]))
                        r = str_list_append(&info->ipfs_peer_addresses, ipfs->addresses.items[i]);
        return r;
}

static int status_set_settled(const Tracker *tracker, const Pin *pin, PinInfo *info) {
        info->status = status_without_record(tracker, pin);
        info->timestamp = pin && pin->timestamp > 0 ? pin->timestamp : time_now();
        info->attempt_count = 0;
        info->priority_pin = false;
        return str_copy(&info->error, NULL);
}

int tracker_status_update(Tracker *tracker, const Cid *cid, const Pin *pin, PinInfo *info) {
        TrackerRecord record = {};
        int r;

        r = tracker_queue_get(tracker->queue, cid, &record);
        if (r > 0)
                r = status_set_record(tracker, cid, &record, pin, info);
        else if (r == 0)
                r = status_set_settled(tracker, pin, info);
        tracker_record_done(&record);
        return r;
}

int tracker_status_known(Tracker *tracker, const Cid *cid, const Pin *pin, PinInfo *ret) {
        PinInfo info = {};
        int r;

        r = tracker_status_update(tracker, cid, pin, &info);
        if (r >= 0)
                r = status_set_peer(tracker, &info);
        if (r < 0) {
                json_done(&pin_info_shape, &info);
                return r;
        }
        *ret = info;
        return 0;
}

static int status_known_now(Tracker *tracker, const Cid *cid, PinInfo *ret) {
        Pin pin = {};
        int r;

        r = state_pinset_get(tracker->options.pinset, cid, &pin);
        if (r >= 0)
                r = tracker_status_known(tracker, cid, r > 0 ? &pin : NULL, ret);
        pin_done(&pin);
        return r;
}

void tracker_status_tell(Tracker *tracker, const Cid *cid) {
        if (tracker->options.changed)
                tracker->options.changed(cid, tracker->options.userdata);
}

/* ---- noted ---- */

static bool status_is_satisfied(const Pin *pin, IpfsPinType type) {
        return type == (pin->max_depth == PIN_DEPTH_DIRECT ? IPFS_PIN_DIRECT : IPFS_PIN_RECURSIVE);
}

static int status_set_unexpected(Tracker *tracker, const Cid *cid, const Pin *pin) {
        TrackerRecord record = {
                .status = PIN_STATUS_UNEXPECTEDLY_UNPINNED,
                .timestamp = time_now(),
                .created = pin->timestamp,
        };
        int r;

        r = tracker_record_set_error(&record, unexpectedly_unpinned);
        if (r >= 0)
                r = tracker_queue_put(
                                tracker->queue, cid, &record, TRACKER_FIFO_UNEXPECTED, /* front= */ false);
        tracker_record_done(&record);
        return r < 0 ? r : 1;
}

/* There is no record: what has none is settled, or not yet known. */
static int status_note_unknown(Tracker *tracker, const Cid *cid, const Pin *pin, IpfsPinType type) {
        TrackerRecord record = {};
        int r;

        if (status_is_satisfied(pin, type))
                return 0;
        if (tracker->complete)
                return status_set_unexpected(tracker, cid, pin);

        record.created = pin->timestamp;
        r = tracker_run_enqueue_pin(tracker, pin, &record);
        tracker_record_done(&record);
        return r < 0 ? r : 1;
}

int tracker_status_note(Tracker *tracker, const Cid *cid, const Pin *pin, IpfsPinType type) {
        TrackerRecord record = {};
        int r;

        if (pin->type == PIN_TYPE_META || !tracker_is_allocated(tracker, pin) ||
            tracker_run_find(tracker, cid))
                return 0;

        r = tracker_queue_get(tracker->queue, cid, &record);
        if (r < 0)
                return r;
        if (r == 0)
                r = status_note_unknown(tracker, cid, pin, type);
        else if (!tracker_record_is_unpin(&record) && record.status != PIN_STATUS_PIN_QUEUED &&
                 status_is_satisfied(pin, type))
                r = tracker_queue_settle(tracker->queue, cid); /* somebody else has pinned it */
        else
                r = 0;

        tracker_record_done(&record);
        if (r > 0)
                tracker_status_tell(tracker, cid);
        return r;
}

/* ---- asked ---- */

/* Kubo could not be asked: that is the status, as the Go program tells it. */
static int status_set_failure(const Error *error, PinInfo *info) {
        info->status = PIN_STATUS_CLUSTER_ERROR;
        info->timestamp = time_now();
        return str_copy(&info->error, error_message(error));
}

static void status_fail(TrackerCall *call, int r) {
        (void) error_set_errno(&call->error, r, "Failed to find out a status: %m");
}

static void status_answer(TrackerCall *call, const Error *failure) {
        PinInfo info = {};
        int r;

        r = call->tracker->stopped ? -ESHUTDOWN : status_known_now(call->tracker, &call->cid, &info);
        if (r >= 0 && failure)
                r = status_set_failure(failure, &info);
        if (r < 0)
                status_fail(call, r);
        call->done(call, MIN(r, 0), &call->error, &info, call->userdata);
        json_done(&pin_info_shape, &info);
}

static void status_on_asked(
                IpfsCall *ipfs _unused_, int r, const Error *error, IpfsPinType type, void *userdata) {
        TrackerCall *call = userdata;
        Tracker *tracker = call->tracker;
        Pin pin = {};
        int k;

        if (r < 0 || tracker->stopped) {
                status_answer(call, error);
                return;
        }

        k = state_pinset_get(tracker->options.pinset, &call->cid, &pin);
        if (k > 0)
                k = tracker_status_note(tracker, &call->cid, &pin, type);
        pin_done(&pin);
        if (k >= 0) {
                status_answer(call, NULL);
                return;
        }

        /* What Kubo said could not be noted: what is known is not right. */
        if (k != -ENOMEM)
                tracker_fail(tracker, k);
        status_fail(call, k);
        call->done(call, k, &call->error, &(PinInfo){}, call->userdata);
}

static int status_on_run(sd_event_source *source _unused_, void *userdata) {
        status_answer(userdata, NULL);
        return 0;
}

/* Only what should be pinned here, and is not being worked on or known to be amiss, is a question for Kubo.
 */
static int status_is_question(Tracker *tracker, const Cid *cid, bool ask) {
        TrackerRecord record = {};
        Pin pin = {};
        bool is_ours;
        int r;

        r = state_pinset_get(tracker->options.pinset, cid, &pin);
        is_ours = r > 0 && pin.type != PIN_TYPE_META && tracker_is_allocated(tracker, &pin);
        pin_done(&pin);
        if (r < 0 || !is_ours)
                return MIN(r, 0);

        r = tracker_queue_get(tracker->queue, cid, &record);
        if (r < 0)
                return r;
        if (r == 0)
                return ask || !tracker->complete;
        r = ask && (record.status & (PIN_STATUS_PIN_ERROR | PIN_STATUS_UNEXPECTEDLY_UNPINNED));
        tracker_record_done(&record);
        return r;
}

int tracker_status(
                Tracker *tracker,
                TrackerCall **ret,
                const Cid *cid,
                bool ask,
                TrackerDone done,
                void *userdata) {
        TrackerCall *call;
        int r;

        r = tracker_call_new(&call, tracker, cid, userdata);
        if (r < 0)
                return r;
        call->done = done;

        r = status_is_question(tracker, cid, ask);
        if (r > 0)
                r = ipfs_pin_type(
                                tracker->options.ipfs,
                                &call->ipfs,
                                cid,
                                /* is_work= */ false,
                                status_on_asked,
                                call);
        else if (r == 0)
                r = sd_event_add_defer(tracker->event, &call->run, status_on_run, call);
        if (r < 0) {
                tracker_call_unref(call);
                return r;
        }

        *ret = call;
        return 0;
}

/* ---- listed ---- */

/* What is under way comes first, then each FIFO: source n is FIFO n - 1. */
#define CURSOR_RUNNING 0

struct TrackerCursor {
        Tracker *tracker;
        PinStatus filter;
        Cid *running; /* a copy of what was under way at the start */
        size_t n_running;
        TrackerPosition position;
};

int tracker_cursor_new(TrackerCursor **ret, Tracker *tracker, PinStatus filter) {
        _cleanup_(tracker_cursor_freep) TrackerCursor *cursor = NULL;

        cursor = calloc(1, sizeof(TrackerCursor));
        if (!cursor)
                return -ENOMEM;
        *cursor = (TrackerCursor){ .tracker = tracker, .filter = filter };

        cursor->running = calloc(tracker->n_pins + tracker->n_unpins + 1, sizeof(Cid));
        if (!cursor->running)
                return -ENOMEM;
        LIST_FOREACH (op, &tracker->running, TrackerOperation, link)
                cursor->running[cursor->n_running++] = op->cid;

        *ret = TAKE_PTR(cursor);
        return 0;
}

TrackerCursor *tracker_cursor_free(TrackerCursor *cursor) {
        if (!cursor)
                return NULL;
        free(cursor->running);
        free(cursor);
        return NULL;
}

void tracker_cursor_seek(TrackerCursor *cursor, const TrackerPosition *position) {
        cursor->position = *position;
}

TrackerPosition tracker_cursor_tell(const TrackerCursor *cursor) {
        return cursor->position;
}

static bool cursor_takes(const TrackerCursor *cursor, const Cid *cid, const TrackerRecord *record) {
        const TrackerOperation *op = tracker_run_find(cursor->tracker, cid);
        PinStatus status = record->status;

        if (op)
                status = op->is_unpin ? PIN_STATUS_UNPINNING : PIN_STATUS_PINNING;
        return pin_status_matches(status, cursor->filter);
}

/* There may be millions in a FIFO whose items FILTER does not take. */
static bool cursor_may_take(const TrackerCursor *cursor, unsigned fifo) {
        static const PinStatus statuses[_TRACKER_FIFO_N] = {
                [TRACKER_FIFO_PRIORITY] = PIN_STATUS_PIN_QUEUED,
                [TRACKER_FIFO_NORMAL] = PIN_STATUS_PIN_QUEUED,
                [TRACKER_FIFO_UNPIN] = PIN_STATUS_UNPIN_QUEUED,
                [TRACKER_FIFO_UNEXPECTED] = PIN_STATUS_UNEXPECTEDLY_UNPINNED,
                [TRACKER_FIFO_DELAY... _TRACKER_FIFO_N - 1] = PIN_STATUS_PIN_ERROR | PIN_STATUS_UNPIN_ERROR,
        };

        return pin_status_matches(statuses[fifo], cursor->filter);
}

/* The next item of the present source: 1, 0 when the source is at its end, TRACKER_QUEUE_MORE. */
static int cursor_look(TrackerCursor *cursor, Cid *ret_cid, TrackerRecord *ret) {
        TrackerPosition *position = &cursor->position;
        TrackerQueue *queue = cursor->tracker->queue;
        unsigned fifo = (unsigned) position->source - 1;
        int r;

        if (position->source != CURSOR_RUNNING)
                return cursor_may_take(cursor, fifo)
                                       ? tracker_queue_walk(queue, fifo, &position->number, ret_cid, ret)
                                       : 0;
        if (position->number >= cursor->n_running)
                return 0;
        *ret_cid = cursor->running[position->number++];
        r = tracker_queue_get(queue, ret_cid, ret);
        return r == 0 ? TRACKER_QUEUE_MORE : r;
}

int tracker_cursor_step(TrackerCursor *cursor, Cid *ret) {
        TrackerRecord record = {};
        bool takes;
        int r;

        if (cursor->position.source > _TRACKER_FIFO_N)
                return 0;
        r = cursor_look(cursor, ret, &record);
        if (r < 0)
                return r;
        if (r == 0)
                cursor->position = (TrackerPosition){ .source = cursor->position.source + 1 };
        if (r != 1)
                return TRACKER_CURSOR_MORE;

        takes = cursor_takes(cursor, ret, &record);
        tracker_record_done(&record);
        return takes ? 1 : TRACKER_CURSOR_MORE;
}

int tracker_cursor_next(TrackerCursor *cursor, Cid *ret) {
        int r;

        do
                r = tracker_cursor_step(cursor, ret);
        while (r == TRACKER_CURSOR_MORE);
        return r;
}
