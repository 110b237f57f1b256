#include "daemon/tracker/spill.h"

#include <string.h>

#include "daemon/tracker/fifo.h"

#define SPILL_FORMAT 2

static const char meta_key[] = "\0meta";
#define META_KEY_SIZE (sizeof(meta_key) - 1)

typedef struct SpillMeta {
        uint64_t format;
        uint64_t heads[TRACKER_FIFOS_MAX], tails[TRACKER_FIFOS_MAX];
        uint64_t counts[TRACKER_RECORD_STATUSES];
        uint8_t digest[STATE_DIGEST_SIZE]; /* of the pinset that the records belong to */
} SpillMeta;

struct TrackerSpill {
        Store *store;
        SpillMeta meta; /* heads and tails: as they were read, or are to be written */
        TrackerFifo fifos[TRACKER_FIFOS_MAX];
        Str value; /* scratch */
};

/* ---- open, close ---- */

static void spill_reset(TrackerSpill *spill) {
        spill->meta = (SpillMeta){ .format = SPILL_FORMAT };
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
        return spill_meta_is_good(&spill->meta, digest);
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

int tracker_spill_get(TrackerSpill *spill, const Cid *cid, TrackerRecord *ret) {
        int r;

        if (tracker_spill_count(spill) == 0)
                return 0; /* the usual case: nothing is looked up */

        str_reset(&spill->value);
        r = store_get(spill->store, cid->bytes, cid->size, &spill->value);
        if (r <= 0)
                return r;
        r = tracker_record_read(spill->value.data, spill->value.len, ret);
        return r == -EBADMSG ? -EIO : r < 0 ? r : 1;
}

int tracker_spill_remove(TrackerSpill *spill, const Cid *cid, PinStatus *ret_status) {
        TrackerRecord old = {};
        int r;

        r = tracker_spill_get(spill, cid, &old);
        if (r <= 0)
                return r;
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

int tracker_spill_put(TrackerSpill *spill, const Cid *cid, const TrackerRecord *record) {
        int r;

        r = tracker_fifo_put(&spill->fifos[record->queue], spill->store, record->number, cid);
        return r < 0 ? r : spill_write(spill, cid, record);
}

/* The entry NUMBER of FIFO: 1 when the record of its CID names it, 0 when it is a left-over or there is
 * none. */
static int spill_look(
                TrackerSpill *spill, unsigned fifo, uint64_t number, Cid *ret_cid, TrackerRecord *ret) {
        TrackerRecord record = {};
        Cid cid;
        int r;

        r = tracker_fifo_get(&spill->fifos[fifo], spill->store, number, &cid);
        if (r <= 0)
                return r;
        r = tracker_spill_get(spill, &cid, &record);
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
