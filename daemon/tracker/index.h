#pragma once

/*
 * TrackerIndex: where in the FIFOs a spilled item stands, by its CID, so that it needs no record of its own
 * in the store: that would be a write for each, and a FIFO takes one for TRACKER_FIFO_BLOCK of them.
 *
 * An item is 8 bytes in memory: 24 bits of its CID's hash, its FIFO and its number. So a CID may have
 * candidates, of which one is its own; who looks for it compares the CID that stands there. It takes
 * TRACKER_INDEX_MAX items, which are 16 MiB; further ones have to be found another way.
 */

#include "daemon/store/store.h"
#include "daemon/types/cid.h"

#define TRACKER_INDEX_SLOTS_MAX ((size_t) 1 << 21)
#define TRACKER_INDEX_MAX (TRACKER_INDEX_SLOTS_MAX / 4 * 3)

typedef struct TrackerIndex {
        uint64_t *slots; /* 0: free */
        size_t n_slots, n;
        size_t n_saved; /* records that the store has of it */
        uint8_t seed[16];
} TrackerIndex;

/* What is kept of it beside its records. */
typedef struct TrackerIndexHead {
        uint64_t n_slots, n, n_saved;
        uint8_t seed[16];
} TrackerIndexHead;

typedef struct TrackerPlace {
        unsigned fifo;
        uint64_t number;
} TrackerPlace;

typedef struct TrackerIndexIterator {
        size_t n_passed;
} TrackerIndexIterator;

void tracker_index_init(TrackerIndex *index);
void tracker_index_done(TrackerIndex *index);

/* Answers false when it has no room: full, out of memory, or a number too far from TRACKER_SPILL_FIRST. */
bool tracker_index_add(TrackerIndex *index, const Cid *cid, const TrackerPlace *place);
bool tracker_index_has(const TrackerIndex *index, const Cid *cid, const TrackerPlace *place);
bool tracker_index_remove(TrackerIndex *index, const Cid *cid, const TrackerPlace *place);
/* The next candidate; start with an iterator that is all zero. The index must not change meanwhile. */
bool tracker_index_next(
                const TrackerIndex *index, const Cid *cid, TrackerIndexIterator *i, TrackerPlace *ret);

int tracker_index_save(TrackerIndex *index, Store *store, TrackerIndexHead *ret);
/* Into an index that is empty. Answers 1, or 0 when the store does not have what HEAD says. */
int tracker_index_load(TrackerIndex *index, Store *store, const TrackerIndexHead *head);
