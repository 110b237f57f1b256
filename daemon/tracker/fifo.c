#include "daemon/tracker/fifo.h"

#include <endian.h>
#include <string.h>

typedef struct BlockKey {
        char mark[2];
        uint8_t id;
        uint64_t base; /* big endian */
} __attribute__((__packed__)) BlockKey;

static BlockKey block_key(const TrackerFifo *fifo, uint64_t base) {
        return (BlockKey){ .mark = { 0, 'q' }, .id = fifo->id, .base = htobe64(base) };
}

static uint64_t base_of(uint64_t number) {
        return number - number % TRACKER_FIFO_BLOCK;
}

void tracker_fifo_init(TrackerFifo *fifo, uint8_t id, uint64_t head, uint64_t tail) {
        *fifo = (TrackerFifo){ .id = id, .head = head, .tail = tail };
        fifo->written.base = fifo->looked.base = UINT64_MAX;
}

/* ---- blocks: for each number the size of its CID in a byte, and the CID ---- */

static int block_save(TrackerFifo *fifo, Store *store, TrackerFifoBlock *block) {
        BlockKey key = block_key(fifo, block->base);
        _cleanup_(str_done) Str bytes = {};
        int r;

        if (!block->changed)
                return 0;
        for (size_t i = 0; i < TRACKER_FIFO_BLOCK; i++) {
                (void) str_append_char(&bytes, (char) block->cids[i].size);
                (void) str_append_bytes(&bytes, block->cids[i].bytes, block->cids[i].size);
        }
        r = str_error(&bytes);
        if (r >= 0)
                r = store_put(store, &key, sizeof(key), bytes.data, bytes.len);
        if (r >= 0)
                block->changed = false;
        return MIN(r, 0);
}

static int block_read(TrackerFifoBlock *block, const Str *bytes) {
        size_t at = 0;

        for (size_t i = 0; i < TRACKER_FIFO_BLOCK; i++) {
                size_t size = at < bytes->len ? (uint8_t) bytes->data[at++] : SIZE_MAX;

                if (size > bytes->len - at)
                        return -EIO;
                if (size > 0 && cid_from_bytes(bytes->data + at, size, &block->cids[i]) < 0)
                        return -EIO;
                at += size;
        }
        return at == bytes->len ? 0 : -EIO;
}

/* A block that the store does not have is one of gaps. */
static int block_load(TrackerFifo *fifo, Store *store, uint64_t base, TrackerFifoBlock *block) {
        BlockKey key = block_key(fifo, base);
        _cleanup_(str_done) Str bytes = {};
        int r;

        block->base = UINT64_MAX;
        r = store_get(store, &key, sizeof(key), &bytes);
        if (r < 0)
                return r;

        memset(block->cids, 0, sizeof(block->cids));
        block->changed = false;
        if (r > 0)
                r = block_read(block, &bytes);
        if (r < 0)
                return r;
        block->base = base;
        return 0;
}

/* ---- the list ---- */

static void fifo_cover(TrackerFifo *fifo, uint64_t number) {
        bool is_empty = fifo->head == fifo->tail;

        assert(is_empty || number < fifo->head || number >= fifo->tail);
        if (is_empty || number < fifo->head)
                fifo->head = number;
        if (is_empty || number >= fifo->tail)
                fifo->tail = number + 1;
}

/* Have the block of BASE as the one that is written; it is in memory once only. */
static int fifo_open_block(TrackerFifo *fifo, Store *store, uint64_t base) {
        int r;

        if (fifo->written.base == base)
                return 0;
        r = tracker_fifo_flush(fifo, store);
        if (r < 0)
                return r;
        if (fifo->looked.base == base)
                fifo->looked.base = UINT64_MAX;
        return block_load(fifo, store, base, &fifo->written);
}

int tracker_fifo_put(TrackerFifo *fifo, Store *store, uint64_t number, const Cid *cid) {
        int r;

        r = fifo_open_block(fifo, store, base_of(number));
        if (r < 0)
                return r;
        fifo->written.cids[number % TRACKER_FIFO_BLOCK] = *cid;
        fifo->written.changed = true;
        fifo_cover(fifo, number);
        return 0;
}

int tracker_fifo_get(TrackerFifo *fifo, Store *store, uint64_t number, Cid *ret) {
        uint64_t base = base_of(number);
        const TrackerFifoBlock *block = &fifo->written;
        int r;

        if (fifo->written.base != base) {
                if (fifo->looked.base != base) {
                        r = block_load(fifo, store, base, &fifo->looked);
                        if (r < 0)
                                return r;
                }
                block = &fifo->looked;
        }
        *ret = block->cids[number % TRACKER_FIFO_BLOCK];
        return cid_is_defined(ret);
}

/* The last number of a block takes the block with it. What stays of the others is before the head, and never
 * looked at. */
int tracker_fifo_drop_head(TrackerFifo *fifo, Store *store) {
        uint64_t base = base_of(fifo->head);
        BlockKey key = block_key(fifo, base);
        int r;

        assert(fifo->head < fifo->tail);
        if (fifo->head + 1 < base + TRACKER_FIFO_BLOCK && fifo->head + 1 < fifo->tail) {
                fifo->head++;
                return 0;
        }

        r = store_remove(store, &key, sizeof(key));
        if (r < 0)
                return r;
        if (fifo->written.base == base)
                fifo->written.base = UINT64_MAX;
        if (fifo->looked.base == base)
                fifo->looked.base = UINT64_MAX;
        fifo->head++;
        return 0;
}

int tracker_fifo_flush(TrackerFifo *fifo, Store *store) {
        return fifo->written.base == UINT64_MAX ? 0 : block_save(fifo, store, &fifo->written);
}
