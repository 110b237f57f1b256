#include <stdio.h>

#include "daemon/tracker/queue.h"
#include "tests/lib/fault.h"
#include "tests/unit/tracker/fixture.h"

#define ITEMS 60
#define RECENT 7

static const PinStatus statuses[] = { PIN_STATUS_PIN_QUEUED,
                                      PIN_STATUS_PIN_ERROR,
                                      PIN_STATUS_UNPIN_QUEUED,
                                      PIN_STATUS_UNPIN_ERROR,
                                      PIN_STATUS_UNEXPECTEDLY_UNPINNED };

/* ---- the model: for each FIFO a plain list of items ---- */

typedef struct ModelItem {
        bool is_known, waits;
        unsigned fifo;
        PinStatus status;
        uint64_t mark; /* what its record must hold */
} ModelItem;

typedef struct Model {
        const Folder *folder;
        TrackerQueue *queue;
        GRand *random;
        ModelItem items[ITEMS];
        Cid cids[ITEMS];
        GQueue fifos[_TRACKER_FIFO_N]; /* item numbers */
        uint64_t mark;
} Model;

static uint32_t model_find(const Model *model, const Cid *cid) {
        for (uint32_t i = 0; i < ITEMS; i++)
                if (cid_equal(&model->cids[i], cid))
                        return i;
        g_assert_not_reached();
}

static void model_take(Model *model, uint32_t i) {
        if (model->items[i].waits)
                g_queue_remove(&model->fifos[model->items[i].fifo], GUINT_TO_POINTER(i));
        model->items[i].waits = false;
}

static TrackerRecord model_record(Model *model, char *words, size_t n) {
        PinStatus status = statuses[g_rand_int_range(model->random, 0, ELEMENTSOF(statuses))];

        (void) snprintf(words, n, "error %" G_GUINT64_FORMAT, ++model->mark);
        return (TrackerRecord){ .status = status, .attempts = model->mark, .error = words };
}

static void assert_record(const Model *model, uint32_t i, const TrackerRecord *record) {
        g_autofree char *words = g_strdup_printf("error %" G_GUINT64_FORMAT, model->items[i].mark);

        g_assert_cmpint(record->status, ==, model->items[i].status);
        g_assert_cmpuint(record->attempts, ==, model->items[i].mark);
        g_assert_cmpstr(record->error, ==, words);
}

static void step_put(Model *model, uint32_t i, bool update) {
        unsigned fifo = (unsigned) g_rand_int_range(model->random, 0, _TRACKER_FIFO_N);
        bool front = g_rand_int_range(model->random, 0, 4) == 0;
        char words[40];
        TrackerRecord record = model_record(model, words, sizeof(words));

        if (update)
                g_assert_cmpint(tracker_queue_update(model->queue, &model->cids[i], &record), ==, 0);
        else
                g_assert_cmpint(tracker_queue_put(model->queue, &model->cids[i], &record, fifo, front),
                                ==,
                                0);
        model_take(model, i);
        model->items[i] = (ModelItem){ true, !update, fifo, record.status, record.attempts };
        if (update)
                return;
        if (front)
                g_queue_push_head(&model->fifos[fifo], GUINT_TO_POINTER(i));
        else
                g_queue_push_tail(&model->fifos[fifo], GUINT_TO_POINTER(i));
}

static void step_settle(Model *model, uint32_t i) {
        g_assert_cmpint(tracker_queue_settle(model->queue, &model->cids[i]), ==, model->items[i].is_known);
        model_take(model, i);
        model->items[i].is_known = false;
}

static void step_pop(Model *model, bool peek) {
        unsigned fifo = (unsigned) g_rand_int_range(model->random, 0, _TRACKER_FIFO_N);
        TrackerRecord record = {};
        uint32_t i;
        Cid cid;
        int r;

        r = peek ? tracker_queue_peek(model->queue, fifo, &cid, &record)
                 : tracker_queue_pop(model->queue, fifo, &cid, &record);
        g_assert_cmpint(r, ==, !g_queue_is_empty(&model->fifos[fifo]));
        if (r == 0)
                return;
        i = model_find(model, &cid);
        g_assert_cmpuint(i, ==, GPOINTER_TO_UINT(g_queue_peek_head(&model->fifos[fifo])));
        assert_record(model, i, &record);
        tracker_record_done(&record);
        if (!peek)
                model_take(model, i);
}

static void model_check(Model *model) {
        for (size_t s = 0; s < ELEMENTSOF(statuses); s++) {
                uint64_t n = 0;

                for (uint32_t i = 0; i < ITEMS; i++)
                        n += model->items[i].is_known && model->items[i].status == statuses[s];
                g_assert_cmpuint(tracker_queue_count(model->queue, statuses[s]), ==, n);
        }
        for (uint32_t i = 0; i < ITEMS; i++) {
                TrackerRecord record = {};

                g_assert_cmpint(tracker_queue_get(model->queue, &model->cids[i], &record),
                                ==,
                                model->items[i].is_known);
                if (model->items[i].is_known)
                        assert_record(model, i, &record);
                tracker_record_done(&record);
        }
        for (unsigned fifo = 0; fifo < _TRACKER_FIFO_N; fifo++) {
                uint64_t number = 0;

                for (GList *at = model->fifos[fifo].head; at; at = at->next) {
                        TrackerRecord record = {};
                        Cid cid;

                        g_assert_cmpint(tracker_queue_walk(model->queue, fifo, &number, &cid, &record),
                                        ==,
                                        1);
                        g_assert_cmpuint(model_find(model, &cid), ==, GPOINTER_TO_UINT(at->data));
                        tracker_record_done(&record);
                }
        }
}

static void model_open(Model *model, int expect) {
        g_assert_cmpint(tracker_queue_open(&model->queue, model->folder->path, folder_digest), ==, expect);
        tracker_queue_set_recent_max(model->queue, RECENT);
}

/* Only what waits outlives a close: what is worked on has to be put back before. */
static void step_reopen(Model *model) {
        for (uint32_t i = 0; i < ITEMS; i++)
                if (model->items[i].is_known && !model->items[i].waits)
                        step_settle(model, i);
        g_assert_cmpint(tracker_queue_close(model->queue, folder_digest), ==, 0);
        model_open(model, 1);
}

static void model_step(Model *model) {
        uint32_t i = (uint32_t) g_rand_int_range(model->random, 0, ITEMS);

        switch (g_rand_int_range(model->random, 0, 16)) {
        case 0:
        case 1:
                step_settle(model, i);
                break;
        case 2:
        case 3:
        case 4:
                step_pop(model, false);
                break;
        case 5:
                step_pop(model, true);
                break;
        case 6:
                step_put(model, i, true);
                break;
        default:
                step_put(model, i, false);
        }
}

static void test_model(Folder *f, gconstpointer data _unused_) {
        for (uint32_t seed = 1; seed <= 5; seed++) {
                Model model = { .folder = f, .random = g_rand_new_with_seed(seed) };

                g_test_message("seed %u", seed);
                for (uint32_t i = 0; i < ITEMS; i++)
                        model.cids[i] = item_cid(i);
                for (unsigned i = 0; i < _TRACKER_FIFO_N; i++)
                        g_queue_init(&model.fifos[i]);
                model_open(&model, 0);
                for (unsigned n = 0; n < 4000; n++) {
                        model_step(&model);
                        if (n % 100 == 99)
                                model_check(&model);
                        if (n % 500 == 499) {
                                step_reopen(&model);
                                model_check(&model);
                        }
                }
                /* Written to and not closed: the next one starts empty. */
                tracker_queue_set_recent_max(model.queue, 0);
                step_put(&model, 0, false);
                tracker_queue_free(model.queue);
                for (unsigned i = 0; i < _TRACKER_FIFO_N; i++)
                        g_queue_clear(&model.fifos[i]);
                g_rand_free(model.random);
        }
}

/* ---- walking while things change ---- */

static void put(TrackerQueue *queue, uint32_t item, unsigned fifo) {
        const Cid cid = item_cid(item);
        const TrackerRecord record = { .status = PIN_STATUS_PIN_QUEUED };

        g_assert_cmpint(tracker_queue_put(queue, &cid, &record, fifo, false), ==, 0);
}

/* What goes to disk behind a walk, or before it, is told once. */
static void test_walk_while_spilling(Folder *f, gconstpointer data _unused_) {
        for (uint32_t at = 0; at <= 20; at++) {
                _cleanup_(tracker_queue_freep) TrackerQueue *queue = NULL;
                unsigned seen[20] = {};
                uint64_t number = 0;
                uint32_t n = 0;

                g_test_message("spilled after %u", at);
                g_assert_cmpint(tracker_queue_open(&queue, f->path, folder_digest), ==, 0);
                for (uint32_t i = 0; i < ELEMENTSOF(seen); i++)
                        put(queue, i, TRACKER_FIFO_NORMAL);
                for (;;) {
                        TrackerRecord record = {};
                        Cid cid;

                        if (n++ == at) {
                                tracker_queue_set_recent_max(queue, 5);
                                put(queue, 100, TRACKER_FIFO_PRIORITY);
                        }
                        if (tracker_queue_walk(queue, TRACKER_FIFO_NORMAL, &number, &cid, &record) != 1)
                                break;
                        for (uint32_t i = 0; i < ELEMENTSOF(seen); i++) {
                                const Cid other = item_cid(i);

                                seen[i] += cid_equal(&cid, &other);
                        }
                        tracker_record_done(&record);
                }
                for (size_t i = 0; i < ELEMENTSOF(seen); i++)
                        g_assert_cmpuint(seen[i], ==, 1);
        }
}

/* ---- short of memory ---- */

/* Whatever fails, an item keeps its old record or has the new one, waits in one place, and the counts hold.
 */
static void test_fault(Folder *f, gconstpointer data _unused_) {
        for (unsigned front = 0; front < 2; front++)
                FOREACH_FAULT {
                        TrackerQueue *queue = NULL;
                        const Cid cid = item_cid(3);
                        TrackerRecord record = { .status = PIN_STATUS_PIN_ERROR, .error = (char *) "words" };
                        unsigned n = 0;
                        int r;

                        fault_arm(-1);
                        g_assert_cmpint(tracker_queue_open(&queue, f->path, folder_digest), ==, 0);
                        tracker_queue_set_recent_max(queue, 2);
                        for (uint32_t i = 0; i < 6; i++)
                                put(queue, i, TRACKER_FIFO_NORMAL);
                        fault_arm(_n);
                        r = tracker_queue_put(queue, &cid, &record, TRACKER_FIFO_NORMAL, front);
                        fault_arm(-1);

                        g_assert_true(r == 0 || r == -ENOMEM);
                        g_assert_cmpuint(tracker_queue_count(queue, PIN_STATUS_PIN_ERROR), ==, r == 0);
                        g_assert_cmpuint(
                                        tracker_queue_count(queue, PIN_STATUS_PIN_QUEUED),
                                        ==,
                                        r == 0 ? 5 : 6);
                        for (;; n++) {
                                Cid other;

                                if (tracker_queue_pop(queue, TRACKER_FIFO_NORMAL, &other, &record) != 1)
                                        break;
                                g_assert_cmpstr(record.error,
                                                ==,
                                                cid_equal(&other, &cid) && r == 0 ? "words" : NULL);
                                tracker_record_done(&record);
                        }
                        g_assert_cmpuint(n, ==, 6);
                        tracker_queue_free(queue);
                }
}

#define TEST(name, func)                                                                                    \
        g_test_add("/tracker/queue/" name, Folder, NULL, folder_set_up, func, folder_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("model", test_model);
        TEST("walk-while-spilling", test_walk_while_spilling);
        TEST("fault", test_fault);
        return g_test_run();
}
