#include "daemon/tracker/queue.h"

#include <string.h>

#include "daemon/base/map.h"

/* An item in memory. It waits in a FIFO, or is worked on (its link is in no list). */
typedef struct QueueItem {
        List link;
        Cid cid;
        TrackerRecord record;
} QueueItem;

typedef struct QueueFifo {
        List items;    /* in memory, by number; those on disk have lower ones */
        uint64_t next; /* the number of the next item at the end */
} QueueFifo;

struct TrackerQueue {
        TrackerSpill *spill;
        Map *recent; /* CID → QueueItem */
        size_t recent_max;
        QueueFifo fifos[_TRACKER_FIFO_N];
        uint64_t counts[TRACKER_RECORD_STATUSES];
};

static_assert(_TRACKER_FIFO_N <= TRACKER_FIFOS_MAX, "a FIFO has no place on disk");

/* ---- open, close ---- */

/* What the spill holds from an orderly close. */
static void queue_take_over(TrackerQueue *queue) {
        for (unsigned fifo = 0; fifo < _TRACKER_FIFO_N; fifo++)
                queue->fifos[fifo].next = tracker_spill_tail(queue->spill, fifo);
        tracker_spill_counts(queue->spill, queue->counts);
}

int tracker_queue_open(
                TrackerQueue **ret, const char *folder, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        _cleanup_(tracker_queue_freep) TrackerQueue *queue = NULL;
        int r;

        queue = calloc(1, sizeof(TrackerQueue));
        if (!queue)
                return -ENOMEM;
        queue->recent_max = TRACKER_RECENT_MAX;
        for (size_t i = 0; i < _TRACKER_FIFO_N; i++)
                list_init(&queue->fifos[i].items);

        r = map_new(&queue->recent);
        if (r < 0)
                return r;
        r = tracker_spill_open(&queue->spill, folder, digest);
        if (r < 0)
                return r;
        queue_take_over(queue);

        *ret = TAKE_PTR(queue);
        return r;
}

void tracker_queue_set_recent_max(TrackerQueue *queue, size_t n) {
        queue->recent_max = n;
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

/* It keeps its FIFO and its number there. */
static int queue_spill(TrackerQueue *queue, QueueItem *item) {
        int r;

        r = tracker_spill_put(queue->spill, &item->cid, &item->record);
        if (r < 0)
                return r;
        item_free(queue, item);
        return 0;
}

int tracker_queue_close(TrackerQueue *queue, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        int r = 0;

        for (unsigned fifo = 0; fifo < _TRACKER_FIFO_N && r >= 0; fifo++)
                LIST_FOREACH (item, &queue->fifos[fifo].items, QueueItem, link)
                        if (r >= 0)
                                r = queue_spill(queue, item);
        if (r >= 0)
                r = tracker_spill_close(TAKE_PTR(queue->spill), digest);
        tracker_queue_free(queue);
        return r;
}

/* ---- records ---- */

static uint64_t *queue_counter(TrackerQueue *queue, PinStatus status) {
        int slot = tracker_record_slot(status);

        assert(slot >= 0);
        return &queue->counts[slot];
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
        PinStatus old;
        int r;

        if (item) {
                (*queue_counter(queue, item->record.status))--;
                item_free(queue, item);
                return 1;
        }

        r = tracker_spill_remove(queue->spill, cid, &old);
        if (r > 0)
                (*queue_counter(queue, old))--;
        return r;
}

/* A new item in memory in place of one on disk. */
static int queue_new_item(TrackerQueue *queue, const Cid *cid, QueueItem **ret) {
        QueueItem *item;
        int r;

        item = calloc(1, sizeof(QueueItem));
        if (!item)
                return -ENOMEM;
        list_init(&item->link);
        item->cid = *cid;

        r = map_set(queue->recent, cid->bytes, cid->size, item, NULL);
        if (r < 0) {
                free(item);
                return r;
        }
        *ret = item;
        return 0;
}

/* Have the item in memory, with RECORD, waiting nowhere. On failure nothing has changed. */
static int queue_hold(TrackerQueue *queue, const Cid *cid, const TrackerRecord *record, QueueItem **ret) {
        QueueItem *item = queue_find(queue, cid);
        TrackerRecord copy = {};
        PinStatus old;
        int r;

        r = record_copy(&copy, record);
        if (r < 0)
                return r;
        if (item) {
                (*queue_counter(queue, item->record.status))--;
                list_remove(&item->link);
                tracker_record_done(&item->record);
        } else {
                r = queue_new_item(queue, cid, &item);
                if (r >= 0) {
                        r = tracker_spill_remove(queue->spill, cid, &old);
                        if (r > 0)
                                (*queue_counter(queue, old))--;
                        if (r < 0)
                                item_free(queue, item);
                }
                if (r < 0) {
                        tracker_record_done(&copy);
                        return r;
                }
        }

        item->record = copy;
        (*queue_counter(queue, copy.status))++;
        *ret = item;
        return 0;
}

int tracker_queue_update(TrackerQueue *queue, const Cid *cid, const TrackerRecord *record) {
        QueueItem *item;

        return queue_hold(queue, cid, record, &item);
}

/* ---- FIFOs ---- */

/* Memory is full: its oldest items go to disk, first those of the longest wait. Short of memory, they have
 * to stay where they are. */
static int queue_make_room(TrackerQueue *queue) {
        for (unsigned fifo = _TRACKER_FIFO_N; fifo-- > 0;) {
                const List *items = &queue->fifos[fifo].items;

                while (!list_is_empty(items) && map_size(queue->recent) > queue->recent_max) {
                        int r = queue_spill(queue, LIST_FIRST(items, QueueItem, link));

                        if (r < 0)
                                return r == -ENOMEM ? 0 : r;
                }
        }
        return 0;
}

/* What is put in front of items on disk has to be on disk itself. Answers 0 when the front is no other place
 * than the end, or when memory is too short to get there. */
static int queue_place_in_front(TrackerQueue *queue, QueueItem *item, unsigned fifo) {
        List *items = &queue->fifos[fifo].items;
        int r;

        if (!tracker_spill_fifo_is_empty(queue->spill, fifo)) {
                item->record.number = tracker_spill_head(queue->spill, fifo) - 1;
                r = queue_spill(queue, item);
                return r == -ENOMEM ? 0 : r < 0 ? r : 1;
        }
        if (list_is_empty(items))
                return 0;
        item->record.number = LIST_FIRST(items, QueueItem, link)->record.number - 1;
        list_prepend(items, &item->link);
        return 1;
}

int tracker_queue_put(
                TrackerQueue *queue,
                const Cid *cid,
                const TrackerRecord *record,
                unsigned fifo,
                bool front) {
        QueueItem *item;
        int r;

        r = queue_hold(queue, cid, record, &item);
        if (r < 0)
                return r;

        item->record.queue = fifo;
        r = front ? queue_place_in_front(queue, item, fifo) : 0;
        if (r < 0)
                return r;
        if (r == 0) {
                item->record.number = queue->fifos[fifo].next++;
                list_append(&queue->fifos[fifo].items, &item->link);
        }
        return queue_make_room(queue);
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
        if (r != 0 || list_is_empty(&queue->fifos[fifo].items))
                return r;
        return queue_tell(LIST_FIRST(&queue->fifos[fifo].items, QueueItem, link), ret_cid, ret);
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
        k = item ? 0 : queue_hold(queue, ret_cid, ret, &item);
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

        if (!tracker_spill_fifo_is_empty(queue->spill, fifo) &&
            *number < tracker_spill_tail(queue->spill, fifo)) {
                r = tracker_spill_walk(queue->spill, fifo, number, ret_cid, ret);
                if (r != 0)
                        return r;
        }
        LIST_FOREACH (item, &queue->fifos[fifo].items, QueueItem, link)
                if (item->record.number >= *number) {
                        *number = item->record.number + 1;
                        return queue_tell(item, ret_cid, ret);
                }
        return 0;
}

uint64_t tracker_queue_count(const TrackerQueue *queue, PinStatus status) {
        return *queue_counter((TrackerQueue *) queue, status);
}
