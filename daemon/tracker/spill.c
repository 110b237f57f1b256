#include "daemon/tracker/spill.h"

#include <string.h>

#include "daemon/tracker/fifo.h"
#include "daemon/tracker/index.h"

#define SPILL_FORMAT 3

static const char meta_key[] = "\0meta";
#define META_KEY_SIZE (sizeof(meta_key) - 1)

typedef struct SpillMeta {
        uint64_t format;
        uint64_t heads[TRACKER_FIFOS_MAX], tails[TRACKER_FIFOS_MAX];
        uint64_t counts[TRACKER_RECORD_STATUSES];
        uint8_t digest[STATE_DIGEST_SIZE]; /* of the pinset that the records belong to */
        TrackerIndexHead index;
} SpillMeta;

struct TrackerSpill {
        Store *store;
        SpillMeta meta; /* heads and tails: as they were read, or are to be written */
        TrackerFifo fifos[TRACKER_FIFOS_MAX];
        TrackerIndex index; /* of those whose record is in a FIFO */
        Str value;          /* scratch */
};

/* ---- open, close ---- */

static void spill_reset(TrackerSpill *spill) {
        spill->meta = (SpillMeta){ .format = SPILL_FORMAT };
        tracker_index_done(&spill->index);
        tracker_index_init(&spill->index);
        for (size_t i = 0; i < TRACKER_FIFOS_MAX; i++)
                spill->meta.heads[i] = spill->meta.tails[i] = TRACKER_SPILL_FIRST;
}

static bool spill_meta_is_good(const SpillMeta *meta, const uint8_t *digest) {
        if (meta->format != SPILL_FORMAT || memcmp(meta->digest, digest, STATE_DIGEST_SIZE) != 0)
                return false;
        for (size_t i = 0; i < TRACKER_FIFOS_MAX; i++)
                if (meta->heads[i] > meta->tails[i])
                        return false;
        return true;
}

/* The meta record is written by this machine for this machine: the struct as it is. */
static int spill_load_meta(TrackerSpill *spill, const uint8_t *digest) {
        int r;

        str_reset(&spill->value);
        r = store_get(spill->store, meta_key, META_KEY_SIZE, &spill->value);
        if (r < 0)
                return r;
        if (r == 0 || spill->value.len != sizeof(SpillMeta))
                return 0;
        memcpy(&spill->meta, spill->value.data, sizeof(SpillMeta));
        if (!spill_meta_is_good(&spill->meta, digest))
                return 0;
        return tracker_index_load(&spill->index, spill->store, &spill->meta.index);
}

int tracker_spill_open(
                TrackerSpill **ret, const char *folder, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        _cleanup_(tracker_spill_freep) TrackerSpill *spill = NULL;
        bool is_whole = false;
        int r;

        spill = calloc(1, sizeof(TrackerSpill));
        if (!spill)
                return -ENOMEM;

        r = store_open(&spill->store, folder, "tracker");
        if (r < 0)
                return r;
        if (r > 0) {
                r = spill_load_meta(spill, digest);
                if (r < 0)
                        return r;
                is_whole = r > 0;
        }
        if (!is_whole) { /* of another format, or of another pinset */
                r = store_clear(spill->store);
                if (r < 0)
                        return r;
                spill_reset(spill);
        }

        for (size_t i = 0; i < TRACKER_FIFOS_MAX; i++)
                tracker_fifo_init(&spill->fifos[i], (uint8_t) i, spill->meta.heads[i], spill->meta.tails[i]);

        *ret = TAKE_PTR(spill);
        return is_whole;
}

int tracker_spill_close(TrackerSpill *spill, const uint8_t digest[static STATE_DIGEST_SIZE]) {
        int r = 0;

        for (size_t i = 0; i < TRACKER_FIFOS_MAX && r >= 0; i++) {
                spill->meta.heads[i] = spill->fifos[i].head;
                spill->meta.tails[i] = spill->fifos[i].tail;
                r = tracker_fifo_flush(&spill->fifos[i], spill->store);
        }
        memcpy(spill->meta.digest, digest, STATE_DIGEST_SIZE);
        if (r >= 0)
                r = tracker_index_save(&spill->index, spill->store, &spill->meta.index);
        if (r >= 0)
                r = store_put(spill->store, meta_key, META_KEY_SIZE, &spill->meta, sizeof(SpillMeta));
        if (r >= 0)
                r = store_close(TAKE_PTR(spill->store));
        tracker_spill_free(spill);
        return r;
}

TrackerSpill *tracker_spill_free(TrackerSpill *spill) {
        if (!spill)
                return NULL;
        store_free(spill->store);
        tracker_index_done(&spill->index);
        str_done(&spill->value);
        free(spill);
        return NULL;
}

/* ---- records ---- */

static uint64_t *spill_counter(TrackerSpill *spill, PinStatus status) {
        int slot = tracker_record_slot(status);

        assert(slot >= 0);
        return &spill->meta.counts[slot];
}

/* One whose record is in a FIFO: 1, 0 not there. */
static int spill_find_listed(TrackerSpill *spill, const Cid *cid, TrackerRecord *ret) {
        TrackerIndexIterator i = {};
        TrackerFifoItem item;
        TrackerPlace place;
        int r;

        while (tracker_index_next(&spill->index, cid, &i, &place)) {
                r = tracker_fifo_find(&spill->fifos[place.fifo], spill->store, place.number, &item);
                if (r < 0)
                        return r;
                if (r > 0 && item.record.status != 0 && cid_equal(&item.cid, cid)) {
                        *ret = item.record;
                        return 1;
                }
        }
        return 0;
}

/* One that has a record of its own. */
static int spill_find_own(TrackerSpill *spill, const Cid *cid, TrackerRecord *ret) {
        int r;

        if (tracker_spill_count(spill) == spill->index.n)
                return 0; /* the usual case: nothing is looked up */

        str_reset(&spill->value);
        r = store_get(spill->store, cid->bytes, cid->size, &spill->value);
        if (r <= 0)
                return r;
        r = tracker_record_read(spill->value.data, spill->value.len, ret);
        return r == -EBADMSG ? -EIO : r < 0 ? r : 1;
}

int tracker_spill_get(TrackerSpill *spill, const Cid *cid, TrackerRecord *ret) {
        int r;

        r = spill_find_listed(spill, cid, ret);
        return r != 0 ? r : spill_find_own(spill, cid, ret);
}

static TrackerPlace place_of(const TrackerRecord *record) {
        return (TrackerPlace){ .fifo = record->queue, .number = record->number };
}

int tracker_spill_remove(TrackerSpill *spill, const Cid *cid, PinStatus *ret_status) {
        TrackerRecord old = {};
        TrackerPlace place;
        int r;

        r = tracker_spill_get(spill, cid, &old);
        if (r <= 0)
                return r;
        place = place_of(&old);
        r = store_touch(spill->store);
        if (r >= 0 && !tracker_index_remove(&spill->index, cid, &place))
                r = store_remove(spill->store, cid->bytes, cid->size);
        if (r >= 0) {
                (*spill_counter(spill, old.status))--;
                *ret_status = old.status;
        }
        tracker_record_done(&old);
        return r < 0 ? r : 1;
}

static int spill_write(TrackerSpill *spill, const Cid *cid, const TrackerRecord *record) {
        int r;

        str_reset(&spill->value);
        r = tracker_record_write(record, &spill->value);
        if (r < 0)
                return r;
        r = store_put(spill->store, cid->bytes, cid->size, spill->value.data, spill->value.len);
        if (r < 0)
                return r;
        (*spill_counter(spill, record->status))++;
        return 0;
}

/* ---- FIFOs ---- */

/* What has an error's words needs a record of its own, and so does what the index has no room for. */
int tracker_spill_put(TrackerSpill *spill, const Cid *cid, const TrackerRecord *record) {
        TrackerFifo *fifo = &spill->fifos[record->queue];
        const TrackerPlace place = place_of(record);
        bool is_listed;
        int r;

        r = store_touch(spill->store);
        if (r < 0)
                return r;
        is_listed = !record->error && tracker_index_add(&spill->index, cid, &place);
        r = tracker_fifo_put(fifo, spill->store, record->number, cid, is_listed ? record : NULL);
        if (r < 0) {
                if (is_listed)
                        (void) tracker_index_remove(&spill->index, cid, &place);
                return r;
        }
        if (!is_listed)
                return spill_write(spill, cid, record);
        (*spill_counter(spill, record->status))++;
        return 0;
}

/* The entry NUMBER of FIFO: 1 when it is the item's, 0 when it is a left-over or there is none. */
static int spill_look(
                TrackerSpill *spill, unsigned fifo, uint64_t number, Cid *ret_cid, TrackerRecord *ret) {
        const TrackerPlace place = { .fifo = fifo, .number = number };
        TrackerFifoItem item;
        int r;

        r = tracker_fifo_get(&spill->fifos[fifo], spill->store, number, &item);
        if (r <= 0)
                return r;
        if (item.record.status != 0)
                r = tracker_index_has(&spill->index, &item.cid, &place);
        else
                r = spill_find_own(spill, &item.cid, &item.record);
        if (r <= 0)
                return r;
        if (item.record.queue != fifo || item.record.number != number) {
                tracker_record_done(&item.record);
                return 0;
        }
        *ret_cid = item.cid;
        *ret = item.record;
        return 1;
}

int tracker_spill_first(TrackerSpill *spill, unsigned fifo, Cid *ret_cid, TrackerRecord *ret) {
        TrackerFifo *f = &spill->fifos[fifo];
        int r;

        for (size_t i = 0; i < TRACKER_SPILL_DEAD_MAX; i++) {
                if (f->head == f->tail)
                        return 0;
                r = spill_look(spill, fifo, f->head, ret_cid, ret);
                if (r != 0)
                        return r;
                r = tracker_fifo_drop_head(f, spill->store);
                if (r < 0)
                        return r;
        }
        return TRACKER_SPILL_MORE;
}

int tracker_spill_walk(
                TrackerSpill *spill, unsigned fifo, uint64_t *number, Cid *ret_cid, TrackerRecord *ret) {
        const TrackerFifo *f = &spill->fifos[fifo];

        for (size_t i = 0; i < TRACKER_SPILL_DEAD_MAX; i++) {
                int r;

                *number = MAX(*number, f->head);
                if (*number >= f->tail)
                        return 0;
                r = spill_look(spill, fifo, (*number)++, ret_cid, ret);
                if (r != 0)
                        return r;
        }
        return TRACKER_SPILL_MORE;
}

uint64_t tracker_spill_count(const TrackerSpill *spill) {
        uint64_t n = 0;

        for (size_t i = 0; i < TRACKER_RECORD_STATUSES; i++)
                n += spill->meta.counts[i];
        return n;
}

bool tracker_spill_fifo_is_empty(const TrackerSpill *spill, unsigned fifo) {
        return spill->fifos[fifo].head == spill->fifos[fifo].tail;
}

uint64_t tracker_spill_head(const TrackerSpill *spill, unsigned fifo) {
        return spill->fifos[fifo].head;
}

uint64_t tracker_spill_tail(const TrackerSpill *spill, unsigned fifo) {
        return spill->fifos[fifo].tail;
}

void tracker_spill_counts(const TrackerSpill *spill, uint64_t ret[static TRACKER_RECORD_STATUSES]) {
        memcpy(ret, spill->meta.counts, sizeof(spill->meta.counts));
}
