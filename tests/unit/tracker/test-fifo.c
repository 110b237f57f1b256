#include "daemon/tracker/fifo.h"
#include "tests/lib/fault.h"
#include "tests/unit/tracker/fixture.h"

#define FIRST UINT64_C(1000) /* in the middle of a block */

static Store *open_store(const Folder *f) {
        Store *store;

        g_assert_cmpint(store_open(&store, f->path, "fifo"), >=, 0);
        return store;
}

/* Every third has its record elsewhere. */
static void put(TrackerFifo *fifo, Store *store, uint64_t number, uint32_t item) {
        const Cid cid = item_cid(item);
        const TrackerRecord record = {
                .status = PIN_STATUS_PIN_QUEUED,
                .attempts = item,
                .timestamp = UINT64_MAX - item,
                .created = 1,
        };

        g_assert_cmpint(tracker_fifo_put(fifo, store, number, &cid, item % 3 > 0 ? &record : NULL), ==, 0);
}

static void assert_item(const TrackerFifo *fifo, const TrackerFifoItem *is, uint64_t number, uint32_t item) {
        const Cid expect = item_cid(item);

        g_assert_true(cid_equal(&is->cid, &expect));
        if (item % 3 == 0) {
                g_assert_cmpuint(is->record.status, ==, 0);
                return;
        }
        g_assert_cmpuint(is->record.status, ==, PIN_STATUS_PIN_QUEUED);
        g_assert_cmpuint(is->record.attempts, ==, item);
        g_assert_cmpuint(is->record.timestamp, ==, UINT64_MAX - item);
        g_assert_cmpuint(is->record.created, ==, 1);
        g_assert_cmpuint(is->record.queue, ==, fifo->id);
        g_assert_cmpuint(is->record.number, ==, number);
}

static void assert_at(TrackerFifo *fifo, Store *store, uint64_t number, uint32_t item) {
        TrackerFifoItem is;

        g_assert_cmpint(tracker_fifo_find(fifo, store, number, &is), ==, 1);
        assert_item(fifo, &is, number, item);
        g_assert_cmpint(tracker_fifo_get(fifo, store, number, &is), ==, 1);
        assert_item(fifo, &is, number, item);
}

static void assert_gap(TrackerFifo *fifo, Store *store, uint64_t number) {
        TrackerFifoItem is;

        g_assert_cmpint(tracker_fifo_find(fifo, store, number, &is), ==, 0);
        g_assert_cmpint(tracker_fifo_get(fifo, store, number, &is), ==, 0);
}

/* Both ends grow, over several blocks; what is put is there, at once and after it went to disk. */
static void test_both_ends(Folder *f, gconstpointer data _unused_) {
        _cleanup_(store_freep) Store *store = open_store(f);
        TrackerFifo fifo;

        tracker_fifo_init(&fifo, 7, FIRST, FIRST);
        for (uint32_t i = 0; i < 3 * TRACKER_FIFO_BLOCK; i++) {
                put(&fifo, store, FIRST + i, 2 * i);
                put(&fifo, store, FIRST - 1 - i, 2 * i + 1);
                assert_at(&fifo, store, FIRST + i, 2 * i);
        }
        g_assert_cmpuint(fifo.head, ==, FIRST - 3 * TRACKER_FIFO_BLOCK);
        g_assert_cmpuint(fifo.tail, ==, FIRST + 3 * TRACKER_FIFO_BLOCK);
        for (uint32_t i = 0; i < 3 * TRACKER_FIFO_BLOCK; i++) {
                assert_at(&fifo, store, FIRST + i, 2 * i);
                assert_at(&fifo, store, FIRST - 1 - i, 2 * i + 1);
        }
        assert_gap(&fifo, store, fifo.tail);
}

static void test_gaps(Folder *f, gconstpointer data _unused_) {
        _cleanup_(store_freep) Store *store = open_store(f);
        TrackerFifo fifo;

        tracker_fifo_init(&fifo, 0, FIRST, FIRST);
        put(&fifo, store, FIRST, 1);
        put(&fifo, store, FIRST + 5 * TRACKER_FIFO_BLOCK, 2);
        assert_gap(&fifo, store, FIRST + 1);
        assert_gap(&fifo, store, FIRST + 2 * TRACKER_FIFO_BLOCK);
        assert_at(&fifo, store, FIRST, 1);
        assert_at(&fifo, store, FIRST + 5 * TRACKER_FIFO_BLOCK, 2);
}

static size_t count_records(Store *store) {
        _cleanup_(store_walk_freep) StoreWalk *walk = NULL;
        size_t n = 0;

        while (store_walk(store, &walk, NULL, NULL) > 0)
                n++;
        return n;
}

/* Blocks go when their last number does; nothing of an emptied list is left, nor comes back when it is used
 * again. */
static void test_drop(Folder *f, gconstpointer data _unused_) {
        _cleanup_(store_freep) Store *store = open_store(f);
        TrackerFifo fifo;

        tracker_fifo_init(&fifo, 0, FIRST, FIRST);
        for (unsigned round = 0; round < 3; round++) {
                uint64_t first = fifo.tail;

                for (uint32_t i = 0; i < 2 * TRACKER_FIFO_BLOCK + 3; i++)
                        put(&fifo, store, first + i, i);
                g_assert_cmpint(tracker_fifo_flush(&fifo, store), ==, 0);
                for (uint32_t i = 0; fifo.head < fifo.tail; i++) {
                        assert_at(&fifo, store, fifo.head, i);
                        g_assert_cmpint(tracker_fifo_drop_head(&fifo, store), ==, 0);
                }
                g_assert_cmpuint(count_records(store), ==, 0);
                assert_gap(&fifo, store, fifo.tail);
                assert_gap(&fifo, store, first);
        }
}

static void test_round_trip(Folder *f, gconstpointer data _unused_) {
        Store *store = open_store(f);
        TrackerFifo fifo, other;

        tracker_fifo_init(&fifo, 1, FIRST, FIRST);
        tracker_fifo_init(&other, 2, FIRST, FIRST);
        for (uint32_t i = 0; i < TRACKER_FIFO_BLOCK + 1; i++) {
                put(&fifo, store, FIRST + i, i);
                put(&other, store, FIRST + i, i + 100);
        }
        g_assert_cmpint(tracker_fifo_flush(&fifo, store), ==, 0);
        g_assert_cmpint(tracker_fifo_flush(&other, store), ==, 0);
        g_assert_cmpint(store_close(store), ==, 0);

        store = open_store(f);
        tracker_fifo_init(&fifo, 1, fifo.head, fifo.tail);
        tracker_fifo_init(&other, 2, other.head, other.tail);
        for (uint32_t i = 0; i < TRACKER_FIFO_BLOCK + 1; i++) {
                assert_at(&fifo, store, FIRST + i, i);
                assert_at(&other, store, FIRST + i, i + 100);
        }
        store_free(store);
}

/* A block that was damaged is told, whatever its bytes are. */
static void test_damaged(Folder *f, gconstpointer data _unused_) {
        static const struct {
                const char *bytes;
                size_t n;
        } cases[] = {
                { "", 0 },
                { "\0", 1 },
                { "\5ab", 3 },
                { "\4abcd", 5 },
                { "\377", 1 },
                { "\0\0\0\0\0\0\0\0\4abcd\0", 14 },                            /* no CID */
                { "\0\0\0\0\0\0\0\0\6\1\125\0\2ab", 15 },                      /* no size of its record */
                { "\0\0\0\0\0\0\0\0\6\1\125\0\2ab\3xyz", 19 },                 /* no record */
                { "\0\0\0\0\0\0\0\0\6\1\125\0\2ab\5\1\x8\x80\x8\x3a\1w", 23 }, /* one with words */
        };
        _cleanup_(store_freep) Store *store = open_store(f);
        static const char key[] = "\0q\0\0\0\0\0\0\0\3\340"; /* list 0, block 992 */
        TrackerFifo fifo;
        TrackerFifoItem item;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_assert_cmpint(store_put(store, key, sizeof(key) - 1, cases[i].bytes, cases[i].n), ==, 0);
                tracker_fifo_init(&fifo, 0, FIRST, FIRST + 1);
                g_assert_cmpint(tracker_fifo_find(&fifo, store, FIRST, &item), ==, -EIO);
                g_assert_cmpint(tracker_fifo_get(&fifo, store, FIRST, &item), ==, -EIO);
        }
}

/* A failed allocation loses nothing that was put before, and what failed can be put again. */
static void test_out_of_memory(Folder *f, gconstpointer data _unused_) {
        _cleanup_(store_freep) Store *store = open_store(f);
        TrackerFifo fifo;
        uint32_t n = 0;

        tracker_fifo_init(&fifo, 0, FIRST, FIRST);
        FOREACH_FAULT {
                const Cid cid = item_cid(3 * n);
                /* Another block each time, so that one is saved and one is loaded. */
                int r = tracker_fifo_put(
                                &fifo, store, FIRST + (uint64_t) n * TRACKER_FIFO_BLOCK, &cid, NULL);

                if (r == 0)
                        n++;
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
        for (uint32_t i = 0; i < n; i++)
                assert_at(&fifo, store, FIRST + (uint64_t) i * TRACKER_FIFO_BLOCK, 3 * i);
}

#define TEST(name, func)                                                                                    \
        g_test_add("/tracker/fifo/" name, Folder, NULL, folder_set_up, func, folder_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("both-ends", test_both_ends);
        TEST("gaps", test_gaps);
        TEST("drop", test_drop);
        TEST("round-trip", test_round_trip);
        TEST("damaged", test_damaged);
        TEST("out-of-memory", test_out_of_memory);
        return g_test_run();
}
