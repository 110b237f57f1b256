#include "daemon/tracker/queue.h"

#include <endian.h>
#include <string.h>

#include "daemon/base/protobuf.h"

#define QUEUE_FORMAT 1
#define QUEUE_FIRST (UINT64_C(1) << 62) /* leaves room for numbers in front */
#define QUEUE_NOWHERE _TRACKER_FIFO_N

static const char meta_key[] = "\0meta";
#define META_KEY_SIZE (sizeof(meta_key) - 1)

/* The counts by status: one slot each. */
static const PinStatus counted[] = {
        PIN_STATUS_PIN_QUEUED,
        PIN_STATUS_PIN_ERROR,
        PIN_STATUS_UNPIN_QUEUED,
        PIN_STATUS_UNPIN_ERROR,
        PIN_STATUS_UNEXPECTEDLY_UNPINNED,
};

typedef struct Fifo {
        uint64_t head; /* the first number that may be in use */
        uint64_t tail; /* behind the last one */
} Fifo;

typedef struct QueueMeta {
        uint64_t format;
        Fifo fifos[_TRACKER_FIFO_N];
        uint64_t counts[ELEMENTSOF(counted)];
        uint8_t digest[STATE_DIGEST_SIZE]; /* of the pinset that the records belong to */
} QueueMeta;

struct TrackerQueue {
        Store *store;
        QueueMeta meta;
        Str value; /* scratch */
};

/* ---- open, close ---- */

static void queue_reset(TrackerQueue *queue) {
        queue->meta = (QueueMeta){ .format = QUEUE_FORMAT };
        for (size_t i = 0; i < _TRACKER_FIFO_N; i++)
                queue->meta.fifos[i] = (Fifo){ QUEUE_FIRST, QUEUE_FIRST };
}

static bool queue_meta_is_good(const QueueMeta *meta, const uint8_t *digest) {
        if (meta->format != QUEUE_FORMAT || memcmp(meta->digest, digest, STATE_DIGEST_SIZE) != 0)
                return false;
        for (size_t i = 0; i < _TRACKER_FIFO_N; i++)
                if (meta->fifos[i].head > meta->fifos[i].tail)
                        return false;
        return true;
}

/* The meta record is written by this machine for this machine: the struct as it is. */
static int queue_load_meta(TrackerQueue *queue, const uint8_t *digest) {
        int r;

        str_reset(&queue->value);
        r = store_get(queue->store, meta_key, META_KEY_SIZE, &queue->value);
        if (r < 0)
                return r;
        if (r == 0 || queue->value.len != sizeof(QueueMeta))
                return 0;
        memcpy(&queue->meta, queue->value.data, sizeof(QueueMeta));
        return queue_meta_is_good(&queue->meta, digest);
}

/* A file of another format or another pinset: the write leaves the marker that makes the next open discard
 * it. */
static int queue_discard(TrackerQueue *queue, const char *folder) {
        int r;

        r = store_put(queue->store, meta_key, META_KEY_SIZE, "", 0);
        if (r < 0)
                return r;
        queue->store = store_free(queue->store);
        r = store_open(&queue->store, folder, "tracker");
        return r > 0 ? -EIO : r;
}

int tracker_queue_open(
                TrackerQueue **ret, const char *folder, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        _cleanup_(tracker_queue_freep) TrackerQueue *queue = NULL;
        bool is_whole = false;
        int r;

        queue = calloc(1, sizeof(TrackerQueue));
        if (!queue)
                return -ENOMEM;

        r = store_open(&queue->store, folder, "tracker");
        if (r < 0)
                return r;
        if (r > 0) {
                r = queue_load_meta(queue, digest);
                if (r < 0)
                        return r;
                is_whole = r > 0;
                r = is_whole ? 0 : queue_discard(queue, folder);
                if (r < 0)
                        return r;
        }
        if (!is_whole)
                queue_reset(queue);

        *ret = TAKE_PTR(queue);
        return is_whole;
}

int tracker_queue_close(TrackerQueue *queue, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        int r;

        memcpy(queue->meta.digest, digest, STATE_DIGEST_SIZE);
        r = store_put(queue->store, meta_key, META_KEY_SIZE, &queue->meta, sizeof(QueueMeta));
        if (r >= 0)
                r = store_close(TAKE_PTR(queue->store));
        tracker_queue_free(queue);
        return r;
}

TrackerQueue *tracker_queue_free(TrackerQueue *queue) {
        if (!queue)
                return NULL;
        store_free(queue->store);
        str_done(&queue->value);
        free(queue);
        return NULL;
}

/* ---- records ---- */

static uint64_t *queue_counter(TrackerQueue *queue, PinStatus status) {
        for (size_t i = 0; i < ELEMENTSOF(counted); i++)
                if (counted[i] == status)
                        return &queue->meta.counts[i];
        assert(false);
        return NULL;
}

int tracker_queue_get(TrackerQueue *queue, const Cid *cid, TrackerRecord *ret) {
        int r;

        str_reset(&queue->value);
        r = store_get(queue->store, cid->bytes, cid->size, &queue->value);
        if (r <= 0)
                return r;
        r = tracker_record_read(queue->value.data, queue->value.len, ret);
        return r == -EBADMSG ? -EIO : r < 0 ? r : 1;
}

static int queue_write(TrackerQueue *queue, const Cid *cid, const TrackerRecord *record) {
        TrackerRecord old = {};
        int r;

        r = tracker_queue_get(queue, cid, &old);
        if (r < 0)
                return r;
        if (r > 0) {
                (*queue_counter(queue, old.status))--;
                tracker_record_done(&old);
        }

        str_reset(&queue->value);
        r = tracker_record_write(record, &queue->value);
        if (r < 0)
                return r;
        r = store_put(queue->store, cid->bytes, cid->size, queue->value.data, queue->value.len);
        if (r < 0)
                return r;
        (*queue_counter(queue, record->status))++;
        return 0;
}

int tracker_queue_update(TrackerQueue *queue, const Cid *cid, TrackerRecord *record) {
        record->queue = QUEUE_NOWHERE;
        record->number = 0;
        return queue_write(queue, cid, record);
}

int tracker_queue_settle(TrackerQueue *queue, const Cid *cid) {
        TrackerRecord old = {};
        int r;

        r = tracker_queue_get(queue, cid, &old);
        if (r <= 0)
                return r;
        (*queue_counter(queue, old.status))--;
        tracker_record_done(&old);
        return store_remove(queue->store, cid->bytes, cid->size);
}

/* ---- FIFOs ---- */

typedef struct EntryKey {
        char mark[2];
        uint8_t fifo;
        uint64_t number; /* big endian */
} __attribute__((__packed__)) EntryKey;

static EntryKey entry_key(unsigned fifo, uint64_t number) {
        return (EntryKey){ .mark = { 0, 'q' }, .fifo = (uint8_t) fifo, .number = htobe64(number) };
}

int tracker_queue_put(
                TrackerQueue *queue, const Cid *cid, TrackerRecord *record, unsigned fifo, bool front) {
        Fifo *f = &queue->meta.fifos[fifo];
        EntryKey key;
        int r;

        record->queue = fifo;
        record->number = front ? f->head - 1 : f->tail;
        key = entry_key(fifo, record->number);
        r = store_put(queue->store, &key, sizeof(key), cid->bytes, cid->size);
        if (r < 0)
                return r;
        if (front)
                f->head--;
        else
                f->tail++;
        return queue_write(queue, cid, record);
}

/* The entry NUMBER of FIFO: 1 when the record of its CID names it, 0 when it is a left-over or there is
 * none. */
static int queue_look(
                TrackerQueue *queue, unsigned fifo, uint64_t number, Cid *ret_cid, TrackerRecord *ret) {
        EntryKey key = entry_key(fifo, number);
        TrackerRecord record = {};
        Cid cid;
        int r;

        str_reset(&queue->value);
        r = store_get(queue->store, &key, sizeof(key), &queue->value);
        if (r <= 0)
                return r;
        if (cid_from_bytes(queue->value.data, queue->value.len, &cid) < 0)
                return -EIO;

        r = tracker_queue_get(queue, &cid, &record);
        if (r <= 0)
                return r;
        if (record.queue != fifo || record.number != number) {
                tracker_record_done(&record);
                return 0;
        }
        *ret_cid = cid;
        *ret = record;
        return 1;
}

static int queue_drop_head(TrackerQueue *queue, unsigned fifo) {
        EntryKey key = entry_key(fifo, queue->meta.fifos[fifo].head);
        int r;

        r = store_remove(queue->store, &key, sizeof(key));
        if (r < 0)
                return r;
        queue->meta.fifos[fifo].head++;
        return 0;
}

int tracker_queue_peek(TrackerQueue *queue, unsigned fifo, Cid *ret_cid, TrackerRecord *ret) {
        const Fifo *f = &queue->meta.fifos[fifo];
        int r;

        for (size_t i = 0; i < TRACKER_QUEUE_DEAD_MAX; i++) {
                if (f->head == f->tail)
                        return 0;
                r = queue_look(queue, fifo, f->head, ret_cid, ret);
                if (r != 0)
                        return r;
                r = queue_drop_head(queue, fifo);
                if (r < 0)
                        return r;
        }
        return TRACKER_QUEUE_MORE;
}

int tracker_queue_pop(TrackerQueue *queue, unsigned fifo, Cid *ret_cid, TrackerRecord *ret) {
        int r, k;

        r = tracker_queue_peek(queue, fifo, ret_cid, ret);
        if (r != 1)
                return r;
        k = queue_drop_head(queue, fifo);
        if (k < 0) {
                tracker_record_done(ret);
                return k;
        }
        return 1;
}

int tracker_queue_walk(
                TrackerQueue *queue, unsigned fifo, uint64_t *number, Cid *ret_cid, TrackerRecord *ret) {
        const Fifo *f = &queue->meta.fifos[fifo];

        for (size_t i = 0; i < TRACKER_QUEUE_DEAD_MAX; i++) {
                int r;

                *number = MAX(*number, f->head);
                if (*number >= f->tail)
                        return 0;
                r = queue_look(queue, fifo, (*number)++, ret_cid, ret);
                if (r != 0)
                        return r;
        }
        return TRACKER_QUEUE_MORE;
}

uint64_t tracker_queue_delay(unsigned fifo) {
        assert(fifo >= TRACKER_FIFO_DELAY && fifo < _TRACKER_FIFO_N);
        return MIN(TRACKER_RETRY_MIN << (fifo - TRACKER_FIFO_DELAY), TRACKER_RETRY_MAX);
}

uint64_t tracker_queue_count(const TrackerQueue *queue, PinStatus status) {
        return *queue_counter((TrackerQueue *) queue, status);
}

uint64_t tracker_queue_count_all(const TrackerQueue *queue) {
        uint64_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(counted); i++)
                n += queue->meta.counts[i];
        return n;
}
