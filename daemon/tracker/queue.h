#pragma once

/*
 * TrackerQueue: the items that are not settled: a record for each, and the FIFO in which it waits.
 *
 * Pins wait in PRIORITY or NORMAL, unpins in UNPIN, what was unpinned behind our back in UNEXPECTED, failed
 * ones in one of the DELAY FIFOs, each of one delay, so that the front of a FIFO is always the first that is
 * due. The newest TRACKER_RECENT_MAX items are in memory, the others in tracker.gdbm (spill.h) with an index
 * of 16 MiB at most, so memory does not grow with their number. An item has a number in its FIFO, which it
 * keeps when it goes to disk. An item that was taken from its FIFO is kept in memory, with its record, until
 * it is settled or put back. After an unclean stop everything is gone; that is what the check is for.
 */

#include "daemon/base/list.h"
#include "daemon/tracker/record.h"
#include "daemon/tracker/spill.h"
#include "daemon/tracker/tracker.h"

#define TRACKER_RECENT_MAX 4096
#define TRACKER_DELAYS 8                      /* retry_min << n, at most retry_max */
#define TRACKER_QUEUE_MORE TRACKER_SPILL_MORE /* nothing found yet, call again */

enum {
        TRACKER_FIFO_PRIORITY,
        TRACKER_FIFO_NORMAL,
        TRACKER_FIFO_UNPIN,
        TRACKER_FIFO_UNEXPECTED, /* unpinned behind our back */
        TRACKER_FIFO_DELAY,      /* the first of TRACKER_DELAYS */
        _TRACKER_FIFO_N = TRACKER_FIFO_DELAY + TRACKER_DELAYS,
};

typedef struct TrackerQueue TrackerQueue;

/* Answers 1 when the content of an orderly close was found and belongs to the pinset with DIGEST, 0 when it
 * starts empty. */
int tracker_queue_open(
                TrackerQueue **ret, const char *folder, const uint8_t digest[static STATE_DIGEST_SIZE]);
int tracker_queue_close(TrackerQueue *queue, const uint8_t digest[static STATE_DIGEST_SIZE]);
void tracker_queue_set_recent_max(TrackerQueue *queue, size_t n); /* instead of TRACKER_RECENT_MAX */
TrackerQueue *tracker_queue_free(TrackerQueue *queue);
DEFINE_CLEANUP(TrackerQueue *, tracker_queue_free);

/* 1 and the record (to be released with tracker_record_done()), 0: settled or unknown. */
int tracker_queue_get(TrackerQueue *queue, const Cid *cid, TrackerRecord *ret);

/* Write RECORD and put the item at the end (or the front) of FIFO. RECORD is copied. On -ENOMEM nothing has
 * changed, here as below; other errors are those of a damaged store. */
int tracker_queue_put(
                TrackerQueue *queue, const Cid *cid, const TrackerRecord *record, unsigned fifo, bool front);
/* Write RECORD of an item that is worked on: it waits nowhere. */
int tracker_queue_update(TrackerQueue *queue, const Cid *cid, const TrackerRecord *record);
int tracker_queue_settle(
                TrackerQueue *queue, const Cid *cid); /* the record goes; 1, 0 when there was none */

/* Take the first valid item of FIFO: 1, 0 when it is empty, TRACKER_QUEUE_MORE. */
int tracker_queue_pop(TrackerQueue *queue, unsigned fifo, Cid *ret_cid, TrackerRecord *ret);
/* Look at it: the same answers. */
int tracker_queue_peek(TrackerQueue *queue, unsigned fifo, Cid *ret_cid, TrackerRecord *ret);
/* The valid item at *NUMBER or behind: the same answers; *NUMBER moves past it. Start with 0. */
int tracker_queue_walk(
                TrackerQueue *queue, unsigned fifo, uint64_t *number, Cid *ret_cid, TrackerRecord *ret);

uint64_t tracker_queue_count(
                const TrackerQueue *queue, PinStatus status); /* records with just that status */
