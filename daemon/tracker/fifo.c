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

/* ---- blocks: for each number the size of its CID in a byte, the CID, and as much of its record ---- */

/* Its place says where it waits. */
static int item_write(const TrackerFifoItem *item, Str *to) {
        TrackerRecord record = item->record;
        size_t at;
        int r;

        (void) str_append_char(to, (char) item->cid.size);
        if (!cid_is_defined(&item->cid))
                return str_error(to);
        (void) str_append_bytes(to, item->cid.bytes, item->cid.size);
        r = str_append_char(to, 0);
        if (r < 0 || record.status == 0)
                return r;

        at = to->len;
        record.queue = 0;
        record.number = 0;
        r = tracker_record_write(&record, to);
        if (r < 0)
                return r;
        assert(to->len - at <= UINT8_MAX); /* five numbers of at most eleven bytes */
        to->data[at - 1] = (char) (to->len - at);
        return 0;
}

/* The bytes behind the size that stands at *AT; *AT moves past them. NULL: there are fewer. */
static const char *take_sized(const Str *bytes, size_t *at, size_t *ret_size) {
        size_t size = *at < bytes->len ? (uint8_t) bytes->data[(*at)++] : SIZE_MAX;

        if (size > bytes->len - *at)
                return NULL;
        *at += size;
        *ret_size = size;
        return bytes->data + *at - size;
}

/* RET may be NULL: then the item is passed over. */
static int item_read(const Str *bytes, size_t *at, TrackerFifoItem *ret) {
        const char *cid, *record;
        size_t cid_size, record_size = 0;
        int r;

        cid = take_sized(bytes, at, &cid_size);
        record = cid && cid_size > 0 ? take_sized(bytes, at, &record_size) : cid;
        if (!record)
                return -EIO;
        if (!ret || cid_size == 0)
                return 0;
        if (cid_from_bytes(cid, cid_size, &ret->cid) < 0)
                return -EIO;
        if (record_size == 0)
                return 0;
        r = tracker_record_read(record, record_size, &ret->record);
        if (r >= 0 && ret->record.error) { /* not written here */
                tracker_record_done(&ret->record);
                r = -EIO;
        }
        return r == -EBADMSG ? -EIO : r;
}

static void item_place(TrackerFifoItem *item, const TrackerFifo *fifo, uint64_t number) {
        if (item->record.status == 0)
                return;
        item->record.queue = fifo->id;
        item->record.number = number;
}

static int block_save(TrackerFifo *fifo, Store *store, TrackerFifoBlock *block) {
        BlockKey key = block_key(fifo, block->base);
        _cleanup_(str_done) Str bytes = {};
        int r = 0;

        if (!block->changed)
                return 0;
        for (size_t i = 0; i < TRACKER_FIFO_BLOCK && r >= 0; i++)
                r = item_write(&block->items[i], &bytes);
        if (r >= 0)
                r = store_put(store, &key, sizeof(key), bytes.data, bytes.len);
        if (r >= 0)
                block->changed = false;
        return MIN(r, 0);
}

static int block_read(TrackerFifo *fifo, uint64_t base, TrackerFifoBlock *block, const Str *bytes) {
        size_t at = 0;
        int r;

        for (size_t i = 0; i < TRACKER_FIFO_BLOCK; i++) {
                r = item_read(bytes, &at, &block->items[i]);
                if (r < 0)
                        return r;
                item_place(&block->items[i], fifo, base + i);
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

        memset(block->items, 0, sizeof(block->items));
        block->changed = false;
        if (r > 0)
                r = block_read(fifo, base, block, &bytes);
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

int tracker_fifo_put(
                TrackerFifo *fifo,
                Store *store,
                uint64_t number,
                const Cid *cid,
                const TrackerRecord *record) {
        TrackerFifoItem *item = &fifo->written.items[number % TRACKER_FIFO_BLOCK];
        int r;

        assert(!record || !record->error);

        r = fifo_open_block(fifo, store, base_of(number));
        if (r < 0)
                return r;
        *item = (TrackerFifoItem){ .cid = *cid };
        if (record)
                item->record = *record;
        item_place(item, fifo, number);
        fifo->written.changed = true;
        fifo_cover(fifo, number);
        return 0;
}

/* The block in memory that has NUMBER, or NULL. */
static const TrackerFifoBlock *block_in_memory(const TrackerFifo *fifo, uint64_t number) {
        uint64_t base = base_of(number);

        if (fifo->written.base == base)
                return &fifo->written;
        return fifo->looked.base == base ? &fifo->looked : NULL;
}

int tracker_fifo_get(TrackerFifo *fifo, Store *store, uint64_t number, TrackerFifoItem *ret) {
        const TrackerFifoBlock *block = block_in_memory(fifo, number);
        int r;

        if (!block) {
                r = block_load(fifo, store, base_of(number), &fifo->looked);
                if (r < 0)
                        return r;
                block = &fifo->looked;
        }
        *ret = block->items[number % TRACKER_FIFO_BLOCK];
        return cid_is_defined(&ret->cid);
}

int tracker_fifo_find(TrackerFifo *fifo, Store *store, uint64_t number, TrackerFifoItem *ret) {
        BlockKey key = block_key(fifo, base_of(number));
        _cleanup_(str_done) Str bytes = {};
        TrackerFifoItem item = {};
        size_t at = 0;
        int r;

        if (block_in_memory(fifo, number))
                return tracker_fifo_get(fifo, store, number, ret);
        r = store_get(store, &key, sizeof(key), &bytes);
        if (r <= 0)
                return r;
        for (size_t i = 0; i <= number % TRACKER_FIFO_BLOCK && r >= 0; i++)
                r = item_read(&bytes, &at, i == number % TRACKER_FIFO_BLOCK ? &item : NULL);
        if (r < 0)
                return r;
        item_place(&item, fifo, number);
        *ret = item;
        return cid_is_defined(&ret->cid);
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
