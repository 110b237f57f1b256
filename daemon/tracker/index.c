#include "daemon/tracker/index.h"

#include <endian.h>
#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/random.h"
#include "daemon/tracker/spill.h"

/*
 * A slot: 24 bits of the hash, 4 of the FIFO, 36 of the number, which stands at least one above the lowest
 * that fits, so that no slot in use is 0. The hash, as a fraction of the table, is where a slot is looked
 * for from: it stands there or behind, with no free one between. A larger table has the same order.
 */
#define HASH_SHIFT 40
#define FIFO_SHIFT 36
#define NUMBER_MASK ((UINT64_C(1) << FIFO_SHIFT) - 1)
#define NUMBER_ZERO (TRACKER_SPILL_FIRST - (UINT64_C(1) << (FIFO_SHIFT - 1)))
#define HASH_BITS (64 - HASH_SHIFT)
#define SLOTS_MIN ((size_t) 256) /* a power of two */

#define SAVED_SLOTS 8192 /* in a record of the store */

static_assert(TRACKER_FIFOS_MAX <= 1 << (HASH_SHIFT - FIFO_SHIFT), "a FIFO has no place in a slot");
static_assert(TRACKER_INDEX_SLOTS_MAX <= 1 << HASH_BITS, "there is more of the table than of the hash");

void tracker_index_init(TrackerIndex *index) {
        *index = (TrackerIndex){};
        random_bytes(index->seed, sizeof(index->seed));
}

void tracker_index_done(TrackerIndex *index) {
        free(index->slots);
        *index = (TrackerIndex){};
}

/* ---- slots */

static size_t next_of(const TrackerIndex *index, size_t at) {
        return at + 1 < index->n_slots ? at + 1 : 0;
}

/* How far behind FROM slot AT is. */
static size_t distance(const TrackerIndex *index, size_t from, size_t at) {
        return at >= from ? at - from : at + index->n_slots - from;
}

static size_t home_of(const TrackerIndex *index, uint64_t slot) {
        return (size_t) ((slot >> HASH_SHIFT) * index->n_slots >> HASH_BITS);
}

static uint64_t hash_of(const TrackerIndex *index, const Cid *cid) {
        return hash_siphash(index->seed, cid->bytes, cid->size) >> HASH_SHIFT << HASH_SHIFT;
}

/* 0: it does not fit. */
static uint64_t slot_of(const TrackerIndex *index, const Cid *cid, const TrackerPlace *place) {
        uint64_t number = place->number - NUMBER_ZERO;

        if (place->number <= NUMBER_ZERO || number > NUMBER_MASK)
                return 0;
        return hash_of(index, cid) | (uint64_t) place->fifo << FIFO_SHIFT | number;
}

static TrackerPlace place_of(uint64_t slot) {
        return (TrackerPlace){
                .fifo = (unsigned) (slot >> FIFO_SHIFT) & ((1U << (HASH_SHIFT - FIFO_SHIFT)) - 1),
                .number = NUMBER_ZERO + (slot & NUMBER_MASK),
        };
}

static void insert(TrackerIndex *index, uint64_t slot) {
        size_t at = home_of(index, slot);

        while (index->slots[at] != 0)
                at = next_of(index, at);
        index->slots[at] = slot;
}

static bool is_power_of_two(size_t n) {
        return (n & (n - 1)) == 0;
}

/* By a half or by a third. Answers false when the table is as large as it may be, or memory is short. */
static bool grow(TrackerIndex *index) {
        size_t n = index->n_slots;
        TrackerIndex larger = { .n_slots = n == 0 ? SLOTS_MIN : is_power_of_two(n) ? n / 2 * 3 : n / 3 * 4 };

        if (larger.n_slots > TRACKER_INDEX_SLOTS_MAX)
                return false;
        larger.slots = calloc(larger.n_slots, sizeof(uint64_t));
        if (!larger.slots)
                return false;

        for (size_t i = 0; i < n; i++)
                if (index->slots[i] != 0)
                        insert(&larger, index->slots[i]);
        free(index->slots);
        index->slots = larger.slots;
        index->n_slots = larger.n_slots;
        return true;
}

/* Where SLOT is; SIZE_MAX: it is not there. */
static size_t find(const TrackerIndex *index, uint64_t slot) {
        size_t at;

        if (slot == 0 || !index->slots)
                return SIZE_MAX;
        for (at = home_of(index, slot); index->slots[at] != 0; at = next_of(index, at))
                if (index->slots[at] == slot)
                        return at;
        return SIZE_MAX;
}

/* ---- items */

bool tracker_index_add(TrackerIndex *index, const Cid *cid, const TrackerPlace *place) {
        uint64_t slot = slot_of(index, cid, place);

        if (slot == 0)
                return false;
        if ((index->n + 1) * 4 > index->n_slots * 3 && !grow(index))
                return false;
        insert(index, slot);
        index->n++;
        return true;
}

bool tracker_index_has(const TrackerIndex *index, const Cid *cid, const TrackerPlace *place) {
        return find(index, slot_of(index, cid, place)) != SIZE_MAX;
}

/* Those behind move up, unless that is before where they are looked for from. */
static void close_gap(TrackerIndex *index, size_t gap) {
        for (size_t at = next_of(index, gap); index->slots[at] != 0; at = next_of(index, at)) {
                size_t home = home_of(index, index->slots[at]);

                if (distance(index, home, at) < distance(index, gap, at))
                        continue;
                index->slots[gap] = index->slots[at];
                gap = at;
        }
        index->slots[gap] = 0;
}

bool tracker_index_remove(TrackerIndex *index, const Cid *cid, const TrackerPlace *place) {
        size_t at = find(index, slot_of(index, cid, place));

        if (at == SIZE_MAX)
                return false;
        close_gap(index, at);
        if (--index->n == 0) {
                free(index->slots);
                index->slots = NULL;
                index->n_slots = 0;
        }
        return true;
}

bool tracker_index_next(
                const TrackerIndex *index, const Cid *cid, TrackerIndexIterator *i, TrackerPlace *ret) {
        uint64_t hash = hash_of(index, cid);
        size_t home = home_of(index, hash);

        while (i->n_passed < index->n_slots) {
                size_t at = home + i->n_passed++;
                uint64_t slot = index->slots[at < index->n_slots ? at : at - index->n_slots];

                if (slot == 0)
                        return false;
                if (slot >> HASH_SHIFT == hash >> HASH_SHIFT) {
                        *ret = place_of(slot);
                        return true;
                }
        }
        return false;
}

/* ---- in the store, as the machine has it: tracker.gdbm does not travel */

typedef struct SavedKey {
        char mark[2];
        uint32_t i; /* big endian */
} __attribute__((__packed__)) SavedKey;

static SavedKey saved_key(size_t i) {
        return (SavedKey){ .mark = { 0, 'i' }, .i = htobe32((uint32_t) i) };
}

int tracker_index_save(TrackerIndex *index, Store *store, TrackerIndexHead *ret) {
        size_t n = index->n_slots, n_saved = (n + SAVED_SLOTS - 1) / SAVED_SLOTS;
        int r = 0;

        for (size_t i = 0; i < MAX(n_saved, index->n_saved) && r >= 0; i++) {
                const SavedKey key = saved_key(i);
                size_t first = i * SAVED_SLOTS;

                r = i < n_saved ? store_put(store,
                                            &key,
                                            sizeof(key),
                                            index->slots + first,
                                            MIN(n - first, (size_t) SAVED_SLOTS) * sizeof(uint64_t))
                                : store_remove(store, &key, sizeof(key));
        }
        if (r < 0)
                return r;

        index->n_saved = n_saved;
        *ret = (TrackerIndexHead){ .n_slots = n, .n = index->n, .n_saved = n_saved };
        memcpy(ret->seed, index->seed, sizeof(ret->seed));
        return 0;
}

static int load_slots(TrackerIndex *index, Store *store) {
        size_t size = index->n_slots * sizeof(uint64_t), at = 0;
        _cleanup_(str_done) Str bytes = {};
        int r;

        for (size_t i = 0; i < index->n_saved; i++) {
                const SavedKey key = saved_key(i);

                str_reset(&bytes);
                r = store_get(store, &key, sizeof(key), &bytes);
                if (r <= 0)
                        return r;
                if (bytes.len > size - at)
                        return 0;
                memcpy((uint8_t *) index->slots + at, bytes.data, bytes.len);
                at += bytes.len;
        }
        return at == size;
}

/* A table without a free slot would be searched for ever. */
static bool counts_are_right(const TrackerIndex *index) {
        size_t n = 0;

        for (size_t i = 0; i < index->n_slots; i++)
                n += index->slots[i] != 0;
        return n == index->n && n * 4 <= index->n_slots * 3;
}

int tracker_index_load(TrackerIndex *index, Store *store, const TrackerIndexHead *head) {
        int r;

        if (head->n_slots > TRACKER_INDEX_SLOTS_MAX || head->n_saved > TRACKER_INDEX_SLOTS_MAX / SAVED_SLOTS)
                return 0;

        if (head->n_slots > 0) {
                index->slots = calloc((size_t) head->n_slots, sizeof(uint64_t));
                if (!index->slots)
                        return -ENOMEM;
        }
        index->n_slots = (size_t) head->n_slots;
        index->n = (size_t) head->n;
        index->n_saved = (size_t) head->n_saved;
        memcpy(index->seed, head->seed, sizeof(index->seed));
        r = load_slots(index, store);
        return r > 0 ? counts_are_right(index) : r;
}
