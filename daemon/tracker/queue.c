#include "daemon/tracker/queue.h"

#include <string.h>

#include "daemon/base/map.h"

/* Numbers of items in memory: behind every number on disk. */
#define RECENT_FIRST (UINT64_C(3) << 62)

/* An item in memory. It waits in a FIFO, or is worked on (its link is in no list). */
typedef struct QueueItem {
        List link;
        Cid cid;
        TrackerRecord record; /* its queue and number are those in memory */
} QueueItem;

static const PinStatus counted[] = {
        PIN_STATUS_PIN_QUEUED,
        PIN_STATUS_PIN_ERROR,
        PIN_STATUS_UNPIN_QUEUED,
        PIN_STATUS_UNPIN_ERROR,
        PIN_STATUS_UNEXPECTEDLY_UNPINNED,
};

struct TrackerQueue {
        TrackerSpill *spill;
        Map *recent; /* CID → QueueItem */
        List fifos[_TRACKER_FIFO_N];
        uint64_t front, back; /* the next numbers in memory */
        uint64_t counts[ELEMENTSOF(counted)];
};

static_assert(_TRACKER_FIFO_N <= TRACKER_FIFOS_MAX, "a FIFO has no place on disk");

/* ---- open, close ---- */

int tracker_queue_open(
                TrackerQueue **ret, const char *folder, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        _cleanup_(tracker_queue_freep) TrackerQueue *queue = NULL;
        int r;

        queue = calloc(1, sizeof(TrackerQueue));
        if (!queue)
                return -ENOMEM;
        queue->front = queue->back = RECENT_FIRST;
        for (size_t i = 0; i < _TRACKER_FIFO_N; i++)
                list_init(&queue->fifos[i]);

        r = map_new(&queue->recent);
        if (r < 0)
                return r;
        r = tracker_spill_open(&queue->spill, folder, digest);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(counted); i++)
                queue->counts[i] = tracker_spill_count_status(queue->spill, counted[i]);

        *ret = TAKE_PTR(queue);
        return r;
}

static void item_free(TrackerQueue *queue, QueueItem *item) {
        list_remove(&item->link);
        (void) map_remove(queue->recent, item->cid.bytes, item->cid.size);
        tracker_record_done(&item->record);
        free(item);
}

TrackerQueue *tracker_queue_free(TrackerQueue *queue) {
        MapIterator i = {};
        void *item;

        if (!queue)
                return NULL;
        while (queue->recent && map_next(queue->recent, &i, NULL, NULL, &item))
                item_free(queue, item);
        map_free(queue->recent);
        tracker_spill_free(queue->spill);
        free(queue);
        return NULL;
}

static int queue_spill(TrackerQueue *queue, QueueItem *item, unsigned fifo) {
        int r;

        r = tracker_spill_put(queue->spill, &item->cid, &item->record, fifo, /* front= */ false);
        if (r < 0)
                return r;
        item_free(queue, item);
        return 0;
}

int tracker_queue_close(TrackerQueue *queue, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        int r = 0;

        for (unsigned fifo = 0; fifo < _TRACKER_FIFO_N && r >= 0; fifo++)
                LIST_FOREACH (item, &queue->fifos[fifo], QueueItem, link)
                        if (r >= 0)
                                r = queue_spill(queue, item, fifo);
        if (r >= 0)
                r = tracker_spill_close(TAKE_PTR(queue->spill), digest);
        tracker_queue_free(queue);
        return r;
}

/* ---- records ---- */

static uint64_t *queue_counter(TrackerQueue *queue, PinStatus status) {
        for (size_t i = 0; i < ELEMENTSOF(counted); i++)
                if (counted[i] == status)
                        return &queue->counts[i];
        assert(false);
        return NULL;
}

static int record_copy(TrackerRecord *to, const TrackerRecord *from) {
        TrackerRecord copy = *from;
        int r;

        copy.error = NULL;
        r = tracker_record_set_error(&copy, from->error);
        if (r < 0)
                return r;
        *to = copy;
        return 0;
}

static QueueItem *queue_find(TrackerQueue *queue, const Cid *cid) {
        return map_get(queue->recent, cid->bytes, cid->size);
}

int tracker_queue_get(TrackerQueue *queue, const Cid *cid, TrackerRecord *ret) {
        const QueueItem *item = queue_find(queue, cid);
        int r;

        if (!item)
                return tracker_spill_get(queue->spill, cid, ret);
        r = record_copy(ret, &item->record);
        return r < 0 ? r : 1;
}

int tracker_queue_settle(TrackerQueue *queue, const Cid *cid) {
        QueueItem *item = queue_find(queue, cid);
        TrackerRecord old = {};
        int r;

        if (item) {
                (*queue_counter(queue, item->record.status))--;
                item_free(queue, item);
                return 1;
        }

        r = tracker_spill_get(queue->spill, cid, &old);
        if (r <= 0)
                return r;
        r = tracker_spill_remove(queue->spill, cid);
        if (r >= 0)
                (*queue_counter(queue, old.status))--;
        tracker_record_done(&old);
        return r < 0 ? r : 1;
}

/* A new item in memory that waits nowhere, in place of what there was of CID. */
static int queue_new_item(
                TrackerQueue *queue, const Cid *cid, const TrackerRecord *record, QueueItem **ret) {
        QueueItem *item;
        int r;

        item = calloc(1, sizeof(QueueItem));
        if (!item)
                return -ENOMEM;
        list_init(&item->link);
        item->cid = *cid;
        r = record_copy(&item->record, record);
        if (r >= 0)
                r = MIN(tracker_queue_settle(queue, cid), 0);
        if (r >= 0)
                r = MIN(map_set(queue->recent, cid->bytes, cid->size, item, NULL), 0);
        if (r < 0) {
                tracker_record_done(&item->record);
                free(item);
                return r;
        }
        (*queue_counter(queue, record->status))++;
        *ret = item;
        return 0;
}

int tracker_queue_update(TrackerQueue *queue, const Cid *cid, TrackerRecord *record) {
        QueueItem *item;

        return queue_new_item(queue, cid, record, &item);
}

/* ---- FIFOs ---- */

/* Memory is full: its oldest items go to disk, first those of the longest wait. */
static int queue_make_room(TrackerQueue *queue) {
        for (unsigned fifo = _TRACKER_FIFO_N; fifo-- > 0 && map_size(queue->recent) >= TRACKER_RECENT_MAX;)
                while (!list_is_empty(&queue->fifos[fifo]) &&
                       map_size(queue->recent) >= TRACKER_RECENT_MAX) {
                        int r = queue_spill(queue, LIST_FIRST(&queue->fifos[fifo], QueueItem, link), fifo);

                        if (r < 0)
                                return r;
                }
        return 0;
}

/* What is put in front of items on disk has to be on disk itself. */
static int queue_put_front_of_spill(
                TrackerQueue *queue, const Cid *cid, TrackerRecord *record, unsigned fifo) {
        int r;

        r = tracker_queue_settle(queue, cid);
        if (r >= 0)
                r = tracker_spill_put(queue->spill, cid, record, fifo, /* front= */ true);
        if (r >= 0)
                (*queue_counter(queue, record->status))++;
        return r;
}

int tracker_queue_put(
                TrackerQueue *queue, const Cid *cid, TrackerRecord *record, unsigned fifo, bool front) {
        QueueItem *item;
        int r;

        if (front && !tracker_spill_fifo_is_empty(queue->spill, fifo))
                return queue_put_front_of_spill(queue, cid, record, fifo);

        r = queue_make_room(queue);
        if (r >= 0)
                r = queue_new_item(queue, cid, record, &item);
        if (r < 0)
                return r;
        item->record.queue = fifo;
        item->record.number = front ? --queue->front : queue->back++;
        if (front)
                list_prepend(&queue->fifos[fifo], &item->link);
        else
                list_append(&queue->fifos[fifo], &item->link);
        return 0;
}

static int queue_tell(const QueueItem *item, Cid *ret_cid, TrackerRecord *ret) {
        int r;

        r = record_copy(ret, &item->record);
        if (r < 0)
                return r;
        *ret_cid = item->cid;
        return 1;
}

int tracker_queue_peek(TrackerQueue *queue, unsigned fifo, Cid *ret_cid, TrackerRecord *ret) {
        int r;

        r = tracker_spill_first(queue->spill, fifo, ret_cid, ret);
        if (r != 0 || list_is_empty(&queue->fifos[fifo]))
                return r;
        return queue_tell(LIST_FIRST(&queue->fifos[fifo], QueueItem, link), ret_cid, ret);
}

int tracker_queue_pop(TrackerQueue *queue, unsigned fifo, Cid *ret_cid, TrackerRecord *ret) {
        QueueItem *item;
        int r, k;

        r = tracker_queue_peek(queue, fifo, ret_cid, ret);
        if (r != 1)
                return r;

        item = queue_find(queue, ret_cid);
        if (item)
                list_remove(&item->link);
        k = item ? 0 : queue_new_item(queue, ret_cid, ret, &item);
        if (k < 0) {
                tracker_record_done(ret);
                return k;
        }
        return 1;
}

/* On disk first, then in memory, whose numbers are higher. */
int tracker_queue_walk(
                TrackerQueue *queue, unsigned fifo, uint64_t *number, Cid *ret_cid, TrackerRecord *ret) {
        int r;

        if (*number < tracker_spill_tail(queue->spill, fifo)) {
                r = tracker_spill_walk(queue->spill, fifo, number, ret_cid, ret);
                if (r != 0)
                        return r;
        }
        LIST_FOREACH (item, &queue->fifos[fifo], QueueItem, link)
                if (item->record.number >= *number) {
                        *number = item->record.number + 1;
                        return queue_tell(item, ret_cid, ret);
                }
        return 0;
}

uint64_t tracker_queue_delay(unsigned fifo) {
        assert(fifo >= TRACKER_FIFO_DELAY && fifo < _TRACKER_FIFO_N);
        return MIN(TRACKER_RETRY_MIN << (fifo - TRACKER_FIFO_DELAY), TRACKER_RETRY_MAX);
}

uint64_t tracker_queue_count(const TrackerQueue *queue, PinStatus status) {
        return *queue_counter((TrackerQueue *) queue, status);
}
