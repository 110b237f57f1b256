#include "daemon/tracker/index.h"
#include "daemon/tracker/spill.h"
#include "tests/lib/fault.h"
#include "tests/unit/tracker/fixture.h"

static TrackerPlace place(unsigned fifo, int64_t number) {
        return (TrackerPlace){ .fifo = fifo, .number = TRACKER_SPILL_FIRST + (uint64_t) number };
}

static bool add(TrackerIndex *index, uint32_t item, unsigned fifo, int64_t number) {
        const Cid cid = item_cid(item);
        const TrackerPlace at = place(fifo, number);

        return tracker_index_add(index, &cid, &at);
}

static bool has(const TrackerIndex *index, uint32_t item, unsigned fifo, int64_t number) {
        const Cid cid = item_cid(item);
        const TrackerPlace at = place(fifo, number);
        TrackerIndexIterator i = {};
        TrackerPlace candidate;
        bool is_candidate = false;

        while (tracker_index_next(index, &cid, &i, &candidate))
                is_candidate |= candidate.fifo == at.fifo && candidate.number == at.number;
        g_assert_cmpint(tracker_index_has(index, &cid, &at), ==, is_candidate);
        return is_candidate;
}

static bool take(TrackerIndex *index, uint32_t item, unsigned fifo, int64_t number) {
        const Cid cid = item_cid(item);
        const TrackerPlace at = place(fifo, number);

        return tracker_index_remove(index, &cid, &at);
}

/* Each is found while it is there, however the table grows and whoever goes. */
static void test_items(void) {
        TrackerIndex index;
        const uint32_t n = 5000;

        tracker_index_init(&index);
        g_assert_false(has(&index, 0, 0, 0));
        for (uint32_t i = 0; i < n; i++)
                g_assert_true(add(&index, i, i % 16, (int64_t) i - 2500));
        g_assert_cmpuint(index.n, ==, n);
        for (uint32_t i = 0; i < n; i += 3) {
                g_assert_false(take(&index, i, i % 16, (int64_t) i)); /* another number */
                g_assert_true(take(&index, i, i % 16, (int64_t) i - 2500));
                g_assert_false(take(&index, i, i % 16, (int64_t) i - 2500));
        }
        for (uint32_t i = 0; i < n; i++)
                g_assert_cmpint(has(&index, i, i % 16, (int64_t) i - 2500), ==, i % 3 != 0);
        for (uint32_t i = 0; i < n; i++)
                g_assert_cmpint(take(&index, i, i % 16, (int64_t) i - 2500), ==, i % 3 != 0);
        g_assert_cmpuint(index.n, ==, 0);
        g_assert_null(index.slots);
        tracker_index_done(&index);
}

/* All start from the same slot, the last one, and one of another hash stands between them. */
static void test_wraps(void) {
        TrackerIndex index = {};
        uint32_t items[8], n = 0;

        for (uint32_t i = 0; n < ELEMENTSOF(items); i++) {
                g_assert_true(add(&index, i, 0, i));
                if (index.slots[255] != 0)
                        items[n++] = i;
                g_assert_true(take(&index, i, 0, i));
        }
        for (uint32_t i = 0; i < n; i++)
                g_assert_true(add(&index, items[i], 1, i));
        g_assert_true(index.slots[0] != 0);
        for (uint32_t gone = 0; gone < n; gone += 2)
                g_assert_true(take(&index, items[gone], 1, gone));
        for (uint32_t i = 0; i < n; i++)
                g_assert_cmpint(has(&index, items[i], 1, i), ==, i % 2 == 1);
        tracker_index_done(&index);
}

static void test_limits(void) {
        static const struct {
                int64_t number;
                bool fits;
        } cases[] = {
                { 0, true },
                { -(INT64_C(1) << 35), false }, /* would be a free slot */
                { -(INT64_C(1) << 35) + 1, true },
                { (INT64_C(1) << 35) - 1, true },
                { INT64_C(1) << 35, false },
        };
        TrackerIndex index = {};
        uint32_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                g_assert_cmpint(add(&index, 1, 15, cases[i].number), ==, cases[i].fits);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                g_assert_cmpint(take(&index, 1, 15, cases[i].number), ==, cases[i].fits);

        while (add(&index, n, 0, n))
                n++;
        g_assert_cmpuint(n, ==, TRACKER_INDEX_MAX);
        g_assert_true(has(&index, n - 1, 0, n - 1));
        g_assert_true(take(&index, 0, 0, 0));
        g_assert_true(add(&index, n, 0, n));
        tracker_index_done(&index);
}

static void test_out_of_memory(void) {
        TrackerIndex index = {};
        uint32_t n = 0;

        FOREACH_FAULT {
                while (n < 1000 && add(&index, n, 0, n))
                        n++;
        }
        g_assert_cmpuint(n, ==, 1000);
        for (uint32_t i = 0; i < n; i++)
                g_assert_true(has(&index, i, 0, i));
        tracker_index_done(&index);
}

/* What a longer one had in the store is gone when it is shorter. */
static void test_saved(Folder *f, gconstpointer data _unused_) {
        static const uint32_t counts[] = { 20000, 10, 0, 7 };
        TrackerIndex index;
        TrackerIndexHead head;
        Store *store;

        g_assert_cmpint(store_open(&store, f->path, "index"), ==, 0);
        tracker_index_init(&index);
        for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
                for (uint32_t k = 0; k < counts[i]; k++)
                        g_assert_true(add(&index, k, 2, k));
                g_assert_cmpint(tracker_index_save(&index, store, &head), ==, 0);
                tracker_index_done(&index);
                g_assert_cmpint(tracker_index_load(&index, store, &head), ==, 1);
                for (uint32_t k = 0; k < counts[i]; k++)
                        g_assert_true(take(&index, k, 2, k));
                g_assert_cmpuint(index.n, ==, 0);
        }
        tracker_index_done(&index);
        store_free(store);
}

/* No head, however wrong, is believed. */
static void test_damaged(Folder *f, gconstpointer data _unused_) {
        TrackerIndex index;
        TrackerIndexHead good;
        Store *store;

        g_assert_cmpint(store_open(&store, f->path, "index"), ==, 0);
        tracker_index_init(&index);
        for (uint32_t k = 0; k < 100; k++)
                g_assert_true(add(&index, k, 2, k));
        g_assert_cmpint(tracker_index_save(&index, store, &good), ==, 0);
        tracker_index_done(&index);

        const TrackerIndexHead bad[] = {
                { .n_slots = good.n_slots, .n = good.n + 1, .n_saved = 1 },
                { .n_slots = good.n_slots, .n = 0, .n_saved = 1 },
                { .n_slots = good.n_slots, .n = good.n, .n_saved = 2 },
                { .n_slots = good.n_slots, .n = good.n, .n_saved = 0 },
                { .n_slots = good.n_slots, .n = good.n, .n_saved = UINT64_MAX },
                { .n_slots = good.n_slots + 1, .n = good.n, .n_saved = 1 },
                { .n_slots = good.n_slots - 1, .n = good.n, .n_saved = 1 },
                { .n_slots = 0, .n = good.n, .n_saved = 1 },
                { .n_slots = UINT64_MAX, .n = good.n, .n_saved = 1 },
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                if (tracker_index_load(&index, store, &bad[i]) != 0)
                        g_error("case %zu was taken", i);
                tracker_index_done(&index);
        }
        g_assert_cmpint(tracker_index_load(&index, store, &good), ==, 1);
        tracker_index_done(&index);
        store_free(store);
}

#define TEST(name, func)                                                                                    \
        g_test_add("/tracker/index/" name, Folder, NULL, folder_set_up, func, folder_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tracker/index/items", test_items);
        g_test_add_func("/tracker/index/wraps", test_wraps);
        g_test_add_func("/tracker/index/limits", test_limits);
        g_test_add_func("/tracker/index/out-of-memory", test_out_of_memory);
        TEST("saved", test_saved);
        TEST("damaged", test_damaged);
        return g_test_run();
}
