#include "daemon/state/pinset.h"

#include <string.h>

#include "daemon/state/pinset-internal.h"

#define PINSET_STORE "pins"
#define PINSET_FRESH_STORE "pins-new"
#define PINSET_MERGE_STEP 16 /* entries with each change: a tenth of a millisecond */

/* ---- open and close */

static int pinset_new(StatePinset **ret, const char *folder) {
        _cleanup_(state_pinset_freep) StatePinset *pinset = NULL;
        int r;

        pinset = calloc(1, sizeof(*pinset));
        if (!pinset)
                return -ENOMEM;

        list_init(&pinset->scans);
        pinset->overlay_max = STATE_OVERLAY_MAX;
        pinset->folder = strdup(folder);
        if (!pinset->folder)
                return -ENOMEM;
        r = state_overlay_new(&pinset->overlay);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(pinset);
        return 0;
}

/* Answers as state_pinset_open(). */
static int pinset_load(StatePinset *pinset, const uint8_t *cluster_id) {
        StateMeta meta;
        int r;

        r = state_meta_load(pinset->store, &meta);
        if (r < 0 && r != -EIO)
                return r;
        if (r > 0 && memcmp(meta.cluster_id, cluster_id, sizeof(meta.cluster_id)) == 0) {
                pinset->meta = meta;
                pinset->is_saved = true;
                return 1;
        }

        return store_clear(pinset->store);
}

static int pinset_open_store(StatePinset *pinset, const uint8_t *cluster_id) {
        int r;

        memcpy(pinset->meta.cluster_id, cluster_id, sizeof(pinset->meta.cluster_id));
        r = store_open(&pinset->store, pinset->folder, PINSET_STORE);
        if (r < 0)
                return r;
        store_discard(pinset->folder, PINSET_FRESH_STORE); /* of a process that was killed */
        return r == 0 ? 0 : pinset_load(pinset, cluster_id);
}

int state_pinset_open(
                StatePinset **ret,
                const char *folder,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                Error *reterr) {
        _cleanup_(state_pinset_freep) StatePinset *pinset = NULL;
        int r;

        r = pinset_new(&pinset, folder);
        if (r >= 0)
                r = pinset_open_store(pinset, cluster_id);
        if (r == -EWOULDBLOCK)
                return error_set_errno(
                                reterr, r, "%s/" PINSET_STORE ".gdbm is in use by another process", folder);
        if (r < 0)
                return error_set_errno(reterr, r, "cannot open %s/" PINSET_STORE ".gdbm: %m", folder);

        *ret = TAKE_PTR(pinset);
        return r;
}

StatePinset *state_pinset_free(StatePinset *pinset) {
        if (!pinset)
                return NULL;

        assert(pinset->n_scans == 0);

        store_free(pinset->store);
        if (pinset->is_fresh)
                store_discard(pinset->folder, PINSET_FRESH_STORE);
        state_overlay_free(pinset->overlay);
        free(pinset->folder);
        free(pinset);
        return NULL;
}

/* ---- replacing */

static int pinset_open_fresh(StatePinset *fresh, const uint8_t *cluster_id) {
        int r;

        fresh->is_fresh = true;
        memcpy(fresh->meta.cluster_id, cluster_id, sizeof(fresh->meta.cluster_id));
        r = store_open(&fresh->store, fresh->folder, PINSET_FRESH_STORE);
        return r > 0 ? store_clear(fresh->store) : r;
}

int state_pinset_open_fresh(StatePinset **ret, const StatePinset *pinset, Error *reterr) {
        _cleanup_(state_pinset_freep) StatePinset *fresh = NULL;
        int r;

        r = pinset_new(&fresh, pinset->folder);
        if (r >= 0)
                r = pinset_open_fresh(fresh, pinset->meta.cluster_id);
        if (r < 0)
                return error_set_errno(
                                reterr, r, "cannot open %s/" PINSET_FRESH_STORE ".gdbm: %m", pinset->folder);

        *ret = TAKE_PTR(fresh);
        return 0;
}

int state_pinset_flush(StatePinset *fresh) {
        return store_sync(fresh->store);
}

/* Exchange what they are; the scans, which know theirs by its address, are at FORMER already. */
static void pinset_exchange(StatePinset *pinset, StatePinset *former) {
        StatePinset was = *pinset;
        List scans = former->scans;

        *pinset = *former;
        list_init(&pinset->scans);
        pinset->overlay_max = was.overlay_max;
        pinset->is_fresh = false;

        *former = was;
        former->scans = scans;
        former->is_former = true;
}

int state_pinset_replace(StatePinset *pinset, StatePinset *fresh, StatePinset **ret_former) {
        int r;

        assert(fresh->is_fresh && fresh->n_scans == 0 && !pinset->in_batch && !fresh->in_batch);

        *ret_former = NULL;
        r = store_rename(fresh->store, PINSET_STORE);
        if (r < 0) {
                state_pinset_free(fresh);
                return r;
        }

        state_scan_move_all(pinset, fresh);
        pinset_exchange(pinset, fresh);
        if (fresh->n_scans > 0)
                *ret_former = fresh;
        else
                state_pinset_free(fresh);
        return 0;
}

/* ---- the overlay */

static int pinset_merge_entry(StatePinset *pinset, StateOverlayEntry *entry) {
        const StateVersion *version = entry->newest;
        int r = 0;

        if (!version->is_removed)
                r = store_put(pinset->store, entry->key, entry->key_size, version->value, version->size);
        else if (entry->is_in_file)
                r = store_remove(pinset->store, entry->key, entry->key_size);
        if (r < 0)
                return r;

        state_overlay_drop(pinset->overlay, entry);
        return 0;
}

static int pinset_merge(StatePinset *pinset, size_t n) {
        StateOverlayEntry *entry;
        int r;

        for (; n > 0 && (entry = state_overlay_next(pinset->overlay, NULL)); n--) {
                r = pinset_merge_entry(pinset, entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Before each change: what the overlay needs, a bounded part of it if possible. */
static int pinset_make_room(StatePinset *pinset) {
        if (state_overlay_is_empty(pinset->overlay))
                return 0;

        if (pinset->n_reading > 0)
                for (StateScan *scan = NULL; (scan = state_scan_of(pinset, scan));)
                        state_scan_spool(scan);

        return pinset->n_reading > 0 ? 0 : pinset_merge(pinset, PINSET_MERGE_STEP);
}

int state_pinset_close(StatePinset *pinset) {
        int r;

        assert(pinset->n_scans == 0);

        r = pinset_merge(pinset, SIZE_MAX);
        if (r >= 0 && !pinset->is_saved)
                r = state_meta_save(pinset->store, &pinset->meta);
        if (r >= 0)
                r = store_close(TAKE_PTR(pinset->store));

        state_pinset_free(pinset);
        return r;
}

/* ---- changes */

static void pinset_count(StatePinset *pinset, const StateRecord *old, const StateRecord *new) {
        if (old) {
                state_digest_subtract(&pinset->meta.digest, old);
                pinset->meta.count--;
        }
        if (new) {
                state_digest_add(&pinset->meta.digest, new);
                pinset->meta.count++;
        }
}

/* Append the newest value. Answers 1, or 0 when there is none. */
static int pinset_find(StatePinset *pinset, const Cid *key, Str *value) {
        const StateVersion *version;

        version = state_overlay_version(
                        state_overlay_find(pinset->overlay, key->bytes, key->size), STATE_EPOCH_NEWEST);
        if (!version)
                return store_get(pinset->store, key->bytes, key->size, value);
        if (version->is_removed)
                return 0;

        return value && str_append_bytes(value, version->value, version->size) < 0 ? -ENOMEM : 1;
}

static int pinset_write(StatePinset *pinset, const StateRecord *new, bool is_in_file) {
        StateOverlayEntry *entry;
        int r;

        if (pinset->n_reading > 0)
                return state_overlay_set(pinset->overlay, new, pinset->epoch, is_in_file);

        if (new->value)
                r = store_put(pinset->store, new->key, new->key_size, new->value, new->value_size);
        else
                r = store_remove(pinset->store, new->key, new->key_size);
        if (r < 0)
                return r;

        entry = state_overlay_find(pinset->overlay, new->key, new->key_size);
        if (entry) /* older than what the file has now */
                state_overlay_drop(pinset->overlay, entry);
        return 0;
}

static StateRecord pinset_record(const Cid *key, const void *value, size_t size) {
        return (StateRecord){ .key = key->bytes, .value = value, .key_size = key->size, .value_size = size };
}

static int pinset_begin(StatePinset *pinset) {
        pinset->in_batch = true;
        pinset->is_saved = false;
        return pinset_make_room(pinset);
}

/* Most pins are new: one call to the store instead of two. 0: it was not that simple. */
static int pinset_insert(StatePinset *pinset, const StateRecord *new) {
        if (!state_overlay_is_empty(pinset->overlay) || pinset->n_reading > 0)
                return 0;

        return store_insert(pinset->store, new->key, new->key_size, new->value, new->value_size);
}

static bool is_same(const StateRecord *a, const StateRecord *b) {
        return a->value_size == b->value_size && !memcmp(a->value, b->value, a->value_size);
}

/* MERGE may be NULL. */
static int pinset_replace(StatePinset *pinset, const Cid *key, StateRecord *new, StateMerge merge) {
        _cleanup_(str_done) Str value = {}, merged = {};
        StateRecord old;
        int r, found;

        found = pinset_find(pinset, key, &value);
        if (found < 0)
                return found;

        old = pinset_record(key, value.data, value.len);
        if (found && is_same(&old, new))
                return 0;
        r = found && merge ? merge(&old, new, &merged) : 0;
        if (r < 0 || (merged.len > 0 && is_same(&old, new)))
                return r;

        r = pinset_write(pinset, new, found);
        if (r < 0)
                return r;

        pinset_count(pinset, found ? &old : NULL, new);
        return 0;
}

int state_pinset_merge(
                StatePinset *pinset, const Cid *key, const void *value, size_t size, StateMerge merge) {
        StateRecord new = pinset_record(key, value, size);
        int r;

        assert(value);

        if (size > PIN_BYTES_MAX)
                return -E2BIG;

        r = pinset_begin(pinset);
        if (r < 0)
                return r;

        r = pinset_insert(pinset, &new);
        if (r > 0)
                pinset_count(pinset, NULL, &new);
        return r != 0 ? MIN(r, 0) : pinset_replace(pinset, key, &new, merge);
}

int state_pinset_put(StatePinset *pinset, const Cid *key, const void *value, size_t size) {
        return state_pinset_merge(pinset, key, value, size, NULL);
}

int state_pinset_remove(StatePinset *pinset, const Cid *key) {
        _cleanup_(str_done) Str value = {};
        StateRecord old, gone = pinset_record(key, NULL, 0);
        int r;

        r = pinset_begin(pinset);
        if (r < 0)
                return r;

        r = pinset_find(pinset, key, &value);
        if (r <= 0)
                return r;
        old = pinset_record(key, value.data, value.len);

        r = pinset_write(pinset, &gone, true);
        if (r < 0)
                return r;

        pinset_count(pinset, &old, NULL);
        return 1;
}

int state_pinset_commit(StatePinset *pinset, uint64_t index) {
        pinset->in_batch = false;
        pinset->is_saved = false;
        pinset->meta.index = index;
        return 0;
}

int state_pinset_clear(StatePinset *pinset) {
        StateOverlayEntry *entry;

        assert(pinset->n_scans == 0);

        while ((entry = state_overlay_next(pinset->overlay, NULL)))
                state_overlay_drop(pinset->overlay, entry);
        pinset->in_batch = false;
        pinset->is_saved = false;
        pinset->meta.index = pinset->meta.count = 0;
        pinset->meta.digest = (StateDigest){};
        return store_clear(pinset->store);
}

/* ---- reads */

int state_pinset_get_bytes(StatePinset *pinset, const Cid *key, Str *value) {
        return pinset_find(pinset, key, value);
}

int state_pinset_has(StatePinset *pinset, const Cid *key) {
        return pinset_find(pinset, key, NULL);
}

int state_pinset_get(StatePinset *pinset, const Cid *key, Pin *ret) {
        _cleanup_(str_done) Str value = {};
        int r;

        r = pinset_find(pinset, key, &value);
        if (r <= 0)
                return r;

        r = pin_read(value.data, value.len, ret);
        return r < 0 ? r : 1;
}

uint64_t state_pinset_index(const StatePinset *pinset) {
        return pinset->meta.index;
}

uint64_t state_pinset_count(const StatePinset *pinset) {
        return pinset->meta.count;
}

void state_pinset_digest(const StatePinset *pinset, uint8_t digest[static STATE_DIGEST_SIZE]) {
        state_digest_write(&pinset->meta.digest, digest);
}
