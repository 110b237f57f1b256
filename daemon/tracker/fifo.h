#pragma once

/*
 * TrackerFifo: a numbered list of items in a store, packed TRACKER_FIFO_BLOCK to a record, so that a row of
 * puts costs the store one write for all of them. The block that is being written and one that is being read
 * are in memory. Of an item that has its record elsewhere the list has the CID alone.
 */

#include "daemon/store/store.h"
#include "daemon/tracker/record.h"
#include "daemon/types/cid.h"

#define TRACKER_FIFO_BLOCK 32 /* numbers in a record */

typedef struct TrackerFifoItem {
        Cid cid;              /* undefined: a gap */
        TrackerRecord record; /* without words; status 0: it is elsewhere */
} TrackerFifoItem;

typedef struct TrackerFifoBlock {
        uint64_t base; /* of its first number; UINT64_MAX: none */
        bool changed;
        TrackerFifoItem items[TRACKER_FIFO_BLOCK];
} TrackerFifoBlock;

typedef struct TrackerFifo {
        uint8_t id;    /* in the keys */
        uint64_t head; /* no number is before it */
        uint64_t tail; /* behind the last one; head: empty */
        TrackerFifoBlock written, looked;
} TrackerFifo;

void tracker_fifo_init(TrackerFifo *fifo, uint8_t id, uint64_t head, uint64_t tail);

/* NUMBER is before all that are in the list, or behind them. RECORD: without an error's words; NULL: it is
 * elsewhere. */
int tracker_fifo_put(
                TrackerFifo *fifo,
                Store *store,
                uint64_t number,
                const Cid *cid,
                const TrackerRecord *record);
/* 1, 0 for a gap. For numbers one after the other; _find() is for any, and reads one item only. */
int tracker_fifo_get(TrackerFifo *fifo, Store *store, uint64_t number, TrackerFifoItem *ret);
int tracker_fifo_find(TrackerFifo *fifo, Store *store, uint64_t number, TrackerFifoItem *ret);
int tracker_fifo_drop_head(TrackerFifo *fifo, Store *store); /* it is not empty */
int tracker_fifo_flush(TrackerFifo *fifo, Store *store);     /* before a close */
