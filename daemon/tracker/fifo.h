#pragma once

/*
 * TrackerFifo: a numbered list of CIDs in a store, packed TRACKER_FIFO_BLOCK to a record, so that a row of
 * puts costs the store one write for all of them. The block that is being written and one that is being read
 * are in memory.
 */

#include "daemon/store/store.h"
#include "daemon/types/cid.h"

#define TRACKER_FIFO_BLOCK 32 /* numbers in a record */

typedef struct TrackerFifoBlock {
        uint64_t base; /* of its first number; UINT64_MAX: none */
        bool changed;
        Cid cids[TRACKER_FIFO_BLOCK]; /* undefined: a gap */
} TrackerFifoBlock;

typedef struct TrackerFifo {
        uint8_t id;    /* in the keys */
        uint64_t head; /* no number is before it */
        uint64_t tail; /* behind the last one; head: empty */
        TrackerFifoBlock written, looked;
} TrackerFifo;

void tracker_fifo_init(TrackerFifo *fifo, uint8_t id, uint64_t head, uint64_t tail);

/* NUMBER is before all that are in the list, or behind them. */
int tracker_fifo_put(TrackerFifo *fifo, Store *store, uint64_t number, const Cid *cid);
/* 1, 0 for a gap. */
int tracker_fifo_get(TrackerFifo *fifo, Store *store, uint64_t number, Cid *ret);
int tracker_fifo_drop_head(TrackerFifo *fifo, Store *store); /* it is not empty */
int tracker_fifo_flush(TrackerFifo *fifo, Store *store);     /* before a close */
