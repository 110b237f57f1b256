#include "daemon/state/pinset-internal.h"
#include "daemon/state/spool.h"

/* Records come from the file first, as the overlay corrects them, then from what the overlay has beyond the
 * file. Both may be taken ahead into the spool, which is then read before them. */
struct StateScan {
        List link; /* in pinset->scans */
        StatePinset *pinset;
        uint64_t epoch;
        StateMeta meta;       /* of the view */
        size_t overlay_bytes; /* of the overlay at its start */

        StoreWalk *walk;
        const StateOverlayEntry *entry; /* last one taken */
        bool is_walked;
        bool is_taken; /* nothing is left in the file and the overlay */
        uint64_t n_taken;

        StateSpool *spool; /* NULL until it is needed */
        int error;
        Str key, value; /* what was handed out */
};

int state_scan_new(StateScan **ret, StatePinset *pinset) {
        StateScan *scan;

        assert(!pinset->in_batch);

        if (pinset->n_scans >= STATE_SCANS_MAX)
                return -EBUSY;

        scan = malloc(sizeof(*scan));
        if (!scan)
                return -ENOMEM;

        *scan = (StateScan){ .pinset = pinset,
                             .epoch = pinset->epoch++,
                             .meta = pinset->meta,
                             .overlay_bytes = state_overlay_bytes(pinset->overlay) };
        list_append(&pinset->scans, &scan->link);
        pinset->n_scans++;
        pinset->n_reading++;

        *ret = scan;
        return 0;
}

static void scan_end_taking(StateScan *scan) {
        if (scan->is_taken)
                return;

        scan->walk = store_walk_free(scan->walk);
        scan->is_taken = true;
        scan->pinset->n_reading--;
}

StateScan *state_scan_free(StateScan *scan) {
        StatePinset *pinset;

        if (!scan)
                return NULL;

        pinset = scan->pinset;
        scan_end_taking(scan);
        list_remove(&scan->link);
        pinset->n_scans--;
        state_spool_free(scan->spool);
        str_done(&scan->key);
        str_done(&scan->value);
        free(scan);
        if (pinset->is_former && pinset->n_scans == 0)
                state_pinset_free(pinset);
        return NULL;
}

void state_scan_move_all(StatePinset *from, StatePinset *to) {
        LIST_FOREACH (scan, &from->scans, StateScan, link) {
                list_remove(&scan->link);
                list_append(&to->scans, &scan->link);
                scan->pinset = to;
        }
}

StateScan *state_scan_of(StatePinset *pinset, StateScan *scan) {
        const List *next = scan ? scan->link.next : pinset->scans.next;

        return next == &pinset->scans ? NULL : CONTAINER_OF(next, StateScan, link);
}

/* ---- taking records */

static int scan_copy(Str *to, const void *bytes, size_t n) {
        str_reset(to);
        return str_append_bytes(to, bytes, n);
}

/* The record of the file in KEY and VALUE, as it is in this view. 0: it is not part of it. */
static int scan_correct(StateScan *scan, const Str *key, Str *value) {
        const StateVersion *version;
        int r;

        if (state_meta_is_key(key->data, key->len))
                return 0;

        version = state_overlay_version(
                        state_overlay_find(scan->pinset->overlay, key->data, key->len), scan->epoch);
        if (version && version->is_removed)
                return 0;
        if (version) {
                r = scan_copy(value, version->value, version->size);
                if (r < 0)
                        return r;
        }

        return key->len <= CID_BYTES_MAX && value->len <= PIN_BYTES_MAX ? 1 : -EIO;
}

static int scan_take_from_file(StateScan *scan, Str *key, Str *value) {
        int r;

        do {
                r = store_walk(scan->pinset->store, &scan->walk, key, value);
                if (r <= 0)
                        return r;
                r = scan_correct(scan, key, value);
        } while (r == 0);

        return r;
}

static int scan_take_from_overlay(StateScan *scan, Str *key, Str *value) {
        const StateOverlayEntry *entry = scan->entry;
        const StateVersion *version;
        int r;

        while ((entry = state_overlay_next(scan->pinset->overlay, entry))) {
                scan->entry = entry;
                version = entry->is_in_file ? NULL : state_overlay_version(entry, scan->epoch);
                if (!version || version->is_removed)
                        continue;

                r = scan_copy(key, entry->key, entry->key_size);
                if (r >= 0)
                        r = scan_copy(value, version->value, version->size);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* The next record; 0 at the end of both. */
static int scan_take(StateScan *scan, Str *key, Str *value) {
        int r = 0;

        if (scan->is_taken)
                return 0;

        if (!scan->is_walked) {
                r = scan_take_from_file(scan, key, value);
                scan->is_walked = r == 0;
        }
        if (scan->is_walked)
                r = scan_take_from_overlay(scan, key, value);

        if (r > 0)
                scan->n_taken++;
        else
                scan_end_taking(scan);
        return r;
}

/* ---- spooling */

static int scan_spool_some(StateScan *scan, uint64_t count) {
        _cleanup_(str_done) Str key = {}, value = {};
        int r;

        if (!scan->spool) {
                r = state_spool_new(&scan->spool, scan->pinset->folder);
                if (r < 0)
                        return r;
        }

        while (scan->n_taken < count) {
                r = scan_take(scan, &key, &value);
                if (r <= 0)
                        return r;

                r = state_spool_write(
                                scan->spool,
                                &(StateRecord){
                                                .key = key.data,
                                                .value = value.data,
                                                .key_size = key.len,
                                                .value_size = value.len,
                                });
                if (r < 0)
                        return r;
        }
        return 0;
}

/* How many records should have been taken by now. Spooling begins when the overlay is half full, or where it
 * was at the start of this scan, and ends halfway from there to its bound: the first scans leave room for
 * those that begin later. */
static uint64_t scan_target(const StateScan *scan) {
        size_t bytes = state_overlay_bytes(scan->pinset->overlay), max = scan->pinset->overlay_max;
        size_t from = MAX(max / 2, scan->overlay_bytes);
        double part;

        if (bytes >= max)
                return UINT64_MAX;
        if (bytes <= from)
                return 0;

        part = 2 * (double) (bytes - from) / (double) (max - from);
        return part < 1 ? (uint64_t) (part * (double) scan->meta.count) : UINT64_MAX;
}

void state_scan_spool(StateScan *scan) {
        uint64_t target;
        int r;

        if (scan->is_taken)
                return;
        target = scan_target(scan);
        if (scan->n_taken >= target)
                return;

        r = scan_spool_some(scan, target);
        if (r >= 0)
                return;

        scan->error = r;
        scan_end_taking(scan);
}

/* ---- reading */

static int scan_read(StateScan *scan, StateRecord *ret) {
        int r;

        if (scan->error < 0)
                return scan->error;

        if (scan->spool) {
                r = state_spool_read(scan->spool, ret);
                if (r != 0)
                        return r;
        }

        r = scan_take(scan, &scan->key, &scan->value);
        if (r > 0)
                *ret = (StateRecord){
                        .key = scan->key.data,
                        .value = scan->value.data,
                        .key_size = scan->key.len,
                        .value_size = scan->value.len,
                };
        return r;
}

int state_scan_next(
                StateScan *scan,
                const void **key,
                size_t *key_size,
                const void **value,
                size_t *value_size) {
        StateRecord record;
        int r;

        r = scan_read(scan, &record);
        if (r < 0) {
                scan->error = r;
                scan_end_taking(scan);
        }
        if (r <= 0)
                return r;

        *key = record.key;
        *key_size = record.key_size;
        *value = record.value;
        *value_size = record.value_size;
        return 1;
}

uint64_t state_scan_index(const StateScan *scan) {
        return scan->meta.index;
}

uint64_t state_scan_count(const StateScan *scan) {
        return scan->meta.count;
}

void state_scan_digest(const StateScan *scan, uint8_t digest[static STATE_DIGEST_SIZE]) {
        state_digest_write(&scan->meta.digest, digest);
}
