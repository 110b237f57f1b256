#pragma once

/*
 * TrackerSpill: the part of the queue that memory has no room for, in tracker.gdbm.
 *
 * An item is an entry of its FIFO, a numbered list (fifo.h), which has its record, too; the index (index.h)
 * finds it by its CID. What has failed, or has no room in the index, has a record of its own instead. An
 * entry counts only while the index or that record names its FIFO and number, so that an item is taken out
 * by taking it from there; left-overs and gaps are passed over when they come to the front. Heads and index
 * are in memory, and in the store after a clean close.
 */

#include "daemon/state/pinset.h"
#include "daemon/store/store.h"
#include "daemon/tracker/record.h"

#define TRACKER_SPILL_FIRST (UINT64_C(1) << 62) /* the first number of all; leaves room in front */
#define TRACKER_SPILL_DEAD_MAX 1000             /* left-over entries and gaps that one call passes over */
#define TRACKER_SPILL_MORE 2 /* a call has passed over that many and found nothing yet: call again */

typedef struct TrackerSpill TrackerSpill;

/* Answers 1 when the content of an orderly close was found and belongs to the pinset with DIGEST, 0 when it
 * starts empty. */
int tracker_spill_open(
                TrackerSpill **ret, const char *folder, const uint8_t digest[static STATE_DIGEST_SIZE]);
int tracker_spill_close(TrackerSpill *spill, const uint8_t digest[static STATE_DIGEST_SIZE]);
TrackerSpill *tracker_spill_free(TrackerSpill *spill);
DEFINE_CLEANUP(TrackerSpill *, tracker_spill_free);

int tracker_spill_get(TrackerSpill *spill, const Cid *cid, TrackerRecord *ret); /* 1, 0 not there */
/* CID has no record yet. The record names its FIFO and its number there, which is before all that are in the
 * FIFO or behind them. */
int tracker_spill_put(TrackerSpill *spill, const Cid *cid, const TrackerRecord *record);
int tracker_spill_remove(TrackerSpill *spill, const Cid *cid, PinStatus *ret_status); /* 1, 0 not there */

/* The first item of FIFO: 1, 0 when it is empty, TRACKER_SPILL_MORE. It stays until its record is removed.
 */
int tracker_spill_first(TrackerSpill *spill, unsigned fifo, Cid *ret_cid, TrackerRecord *ret);
/* The item at *NUMBER or behind; *NUMBER moves past it. Start with 0. The same answers. */
int tracker_spill_walk(
                TrackerSpill *spill, unsigned fifo, uint64_t *number, Cid *ret_cid, TrackerRecord *ret);

uint64_t tracker_spill_count(const TrackerSpill *spill);
bool tracker_spill_fifo_is_empty(const TrackerSpill *spill, unsigned fifo); /* not even left-overs */
uint64_t tracker_spill_head(const TrackerSpill *spill, unsigned fifo);      /* no number is before it */
uint64_t tracker_spill_tail(const TrackerSpill *spill, unsigned fifo);      /* behind the last number */
/* How many records have each status; for the queue's counts after an open. */
void tracker_spill_counts(const TrackerSpill *spill, uint64_t ret[static TRACKER_RECORD_STATUSES]);
