#include "daemon/state/pinset-internal.h"
#include "tests/lib/fault.h"
#include "tests/unit/state/fixture.h"

#define KEYS 300
#define SCANS 6

/* ---- the model: what a view must show, key by key */

typedef struct View {
        unsigned values[KEYS]; /* 0: not there */
        bool seen[KEYS];
        unsigned n_seen;
        StateScan *scan;
        uint64_t index;
} View;

typedef struct Model {
        StatePinset *pinset;
        GRand *random;
        Cid keys[KEYS];
        View now;
        View views[SCANS];
        unsigned n_values; /* given out so far: each put writes another one */
        uint64_t index;
} Model;

static unsigned model_key(const Model *model, const void *key, size_t size) {
        for (unsigned i = 0; i < KEYS; i++)
                if (model->keys[i].size == size && memcmp(model->keys[i].bytes, key, size) == 0)
                        return i;
        g_assert_not_reached();
}

static void assert_seen(const Model *model, View *view, const StateRecord *record) {
        unsigned i = model_key(model, record->key, record->key_size);
        g_autofree char *expect = g_strdup_printf("value %u of %u", view->values[i], i);

        g_assert_cmpmem(record->value, record->value_size, expect, strlen(expect));
        g_assert_false(view->seen[i]);
        view->seen[i] = true;
        view->n_seen++;
}

static unsigned view_count(const View *view) {
        unsigned n = 0;

        for (unsigned i = 0; i < KEYS; i++)
                n += view->values[i] > 0;
        return n;
}

static void model_close(View *view) {
        view->scan = state_scan_free(view->scan);
}

static void model_next(Model *model, View *view, unsigned n) {
        StateRecord record;
        int r;

        for (; n > 0; n--) {
                r = state_scan_next(
                                view->scan,
                                &record.key,
                                &record.key_size,
                                &record.value,
                                &record.value_size);
                g_assert_cmpint(r, >=, 0);
                if (r == 0) {
                        g_assert_cmpuint(view->n_seen, ==, view_count(view));
                        if (g_rand_boolean(model->random)) /* or it stays at its end */
                                model_close(view);
                        return;
                }
                assert_seen(model, view, &record);
        }
}

static void model_open(Model *model, View *view) {
        *view = model->now;
        g_assert_cmpint(state_scan_new(&view->scan, model->pinset), ==, 0);
        g_assert_cmpuint(state_scan_count(view->scan), ==, view_count(view));
        g_assert_cmpuint(state_scan_index(view->scan), ==, model->index);
}

static void model_change(Model *model) {
        unsigned i = (unsigned) g_rand_int_range(model->random, 0, KEYS);
        int r;

        if (g_rand_int_range(model->random, 0, 5) < 2) {
                r = state_pinset_remove(model->pinset, &model->keys[i]);
                g_assert_cmpint(r, ==, model->now.values[i] > 0);
                model->now.values[i] = 0;
        } else {
                g_autofree char *value = g_strdup_printf("value %u of %u", ++model->n_values, i);

                model->now.values[i] = model->n_values;
                r = state_pinset_put(model->pinset, &model->keys[i], value, strlen(value));
                g_assert_cmpint(r, ==, 0);
        }
}

static void model_batch(Model *model, unsigned n) {
        for (; n > 0; n--) {
                model_change(model);
                g_assert_cmpuint(
                                state_overlay_bytes(model->pinset->overlay),
                                <=,
                                model->pinset->overlay_max + 400); /* the one change after the check */
        }
        g_assert_cmpint(state_pinset_commit(model->pinset, ++model->index), ==, 0);
        g_assert_cmpuint(state_pinset_count(model->pinset), ==, view_count(&model->now));
}

static void model_step(Model *model) {
        View *view = &model->views[g_rand_int_range(model->random, 0, SCANS)];
        int what = g_rand_int_range(model->random, 0, 100);

        if (what < 50)
                model_batch(model, (unsigned) g_rand_int_range(model->random, 1, 8));
        else if (!view->scan && what < 60)
                model_open(model, view);
        else if (view->scan && what < 98)
                model_next(model, view, (unsigned) g_rand_int_range(model->random, 1, 40));
        else if (view->scan)
                model_close(view);
}

static void assert_model(Model *model) {
        for (unsigned i = 0; i < KEYS; i++) {
                _cleanup_(str_done) Str value = {};
                g_autofree char *expect = g_strdup_printf("value %u of %u", model->now.values[i], i);
                int r;

                r = state_pinset_get_bytes(model->pinset, &model->keys[i], &value);
                g_assert_cmpint(r, ==, model->now.values[i] > 0);
                if (r > 0)
                        g_assert_cmpmem(value.data, value.len, expect, strlen(expect));
        }
}

/* The digest of what a scan shows is that of its head. */
static void assert_digest(StatePinset *pinset) {
        uint8_t expect[STATE_DIGEST_SIZE], bytes[STATE_DIGEST_SIZE];
        StateDigest digest = {};
        StateRecord record;
        StateScan *scan;

        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        while (state_scan_next(scan, &record.key, &record.key_size, &record.value, &record.value_size) > 0)
                state_digest_add(&digest, &record);
        state_scan_digest(scan, expect);
        state_digest_write(&digest, bytes);
        g_assert_cmpmem(bytes, sizeof(bytes), expect, sizeof(expect));
        state_scan_free(scan);
}

static void run_model(const Fixture *f, uint32_t seed, size_t overlay_max) {
        Model model = { .pinset = fixture_open(f, 0), .random = g_rand_new_with_seed(seed) };

        g_test_message("seed %u, overlay %zu", seed, overlay_max);
        model.pinset->overlay_max = overlay_max;
        for (uint32_t i = 0; i < KEYS; i++)
                model.keys[i] = fixture_key(i);

        for (int n = 0; n < 1500; n++)
                model_step(&model);
        assert_model(&model);
        for (size_t i = 0; i < SCANS; i++) {
                if (model.views[i].scan)
                        model_next(&model, &model.views[i], KEYS + 1);
                model_close(&model.views[i]);
        }
        assert_digest(model.pinset);

        g_assert_cmpint(state_pinset_close(model.pinset), ==, 0);
        model.pinset = fixture_open(f, 1);
        assert_model(&model);
        assert_digest(model.pinset);
        g_assert_cmpint(state_pinset_clear(model.pinset), ==, 0);
        state_pinset_free(model.pinset);
        g_rand_free(model.random);
}

static void test_model(Fixture *f, gconstpointer data) {
        static const size_t sizes[] = { STATE_OVERLAY_MAX, 40000, 8000, 1500, 0 };

        (void) data;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                for (uint32_t seed = 1; seed <= 6; seed++)
                        run_model(f, seed, sizes[i]);
}

/* ---- single properties */

static StatePinset *open_filled(const Fixture *f, uint32_t n) {
        StatePinset *pinset = fixture_open(f, 0);

        for (uint32_t i = 0; i < n; i++)
                g_assert_cmpint(fixture_put(pinset, i, "value"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);
        return pinset;
}

static int next(StateScan *scan, StateRecord *record) {
        return state_scan_next(scan, &record->key, &record->key_size, &record->value, &record->value_size);
}

static void test_empty(Fixture *f, gconstpointer data) {
        StatePinset *pinset = open_filled(f, 0);
        StateRecord record;
        StateScan *scan;

        (void) data;
        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        g_assert_cmpint(fixture_put(pinset, 1, "later"), ==, 0);
        g_assert_cmpint(next(scan, &record), ==, 0);
        g_assert_cmpint(next(scan, &record), ==, 0);
        state_scan_free(scan);
        state_pinset_free(pinset);
}

/* A record that was handed out stays as it is while changes move the scan into its spool, and merge. */
static void test_record_is_borrowed_until_the_next(Fixture *f, gconstpointer data) {
        StatePinset *pinset = open_filled(f, 500);
        StateRecord record;
        StateScan *scan;
        uint32_t i = 0;

        (void) data;
        pinset->overlay_max = 2000;
        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        while (next(scan, &record) > 0) {
                g_autofree char *key = g_memdup2(record.key, record.key_size);

                g_assert_cmpint(fixture_put(pinset, i % 700, "other"), ==, 0);
                g_assert_cmpint(fixture_remove(pinset, (i + 350) % 700), >=, 0);
                g_assert_cmpmem(record.key, record.key_size, key, record.key_size);
                g_assert_cmpmem(record.value, record.value_size, "value", 5);
                i++;
        }
        g_assert_cmpuint(i, ==, 500);
        g_assert_cmpuint(pinset->n_reading, ==, 0);
        state_scan_free(scan);
        state_pinset_free(pinset);
}

static void test_limit(Fixture *f, gconstpointer data) {
        StateScan *scans[STATE_SCANS_MAX], *one_more = NULL;
        StatePinset *pinset = open_filled(f, 10);

        (void) data;
        for (size_t i = 0; i < STATE_SCANS_MAX; i++)
                g_assert_cmpint(state_scan_new(&scans[i], pinset), ==, 0);
        g_assert_cmpint(state_scan_new(&one_more, pinset), ==, -EBUSY);
        g_assert_null(one_more);

        state_scan_free(scans[5]);
        g_assert_cmpint(state_scan_new(&scans[5], pinset), ==, 0);
        for (size_t i = 0; i < STATE_SCANS_MAX; i++)
                state_scan_free(scans[i]);
        state_pinset_free(pinset);
}

static unsigned read_to_the_end(StateScan *scan) {
        StateRecord record;
        unsigned n = 0;

        while (next(scan, &record) > 0)
                n++;
        return n;
}

/* Spooling goes in step with the growth of the overlay, not at once; also for a scan that begins when the
 * overlay is well filled already. */
static void test_spools_bit_by_bit(Fixture *f, gconstpointer data) {
        StatePinset *pinset = open_filled(f, 3000);
        unsigned n_changes = 0, n_spooling[2] = {};
        StateScan *scans[2];

        (void) data;
        pinset->overlay_max = 200 * 1000;
        g_assert_cmpint(state_scan_new(&scans[0], pinset), ==, 0);
        for (; n_spooling[0] < 150; n_changes++) {
                g_assert_cmpint(fixture_put(pinset, 10000 + n_changes, "new"), ==, 0);
                n_spooling[0] += state_overlay_bytes(pinset->overlay) > pinset->overlay_max / 2;
        }
        g_assert_cmpuint(pinset->n_reading, ==, 1);

        g_assert_cmpint(state_pinset_commit(pinset, 2), ==, 0);
        g_assert_cmpint(state_scan_new(&scans[1], pinset), ==, 0);
        for (; pinset->n_reading > 0; n_changes++, n_spooling[1]++)
                g_assert_cmpint(fixture_put(pinset, 10000 + n_changes, "new"), ==, 0);
        g_test_message("%u changes, %u and %u of them while spooling",
                       n_changes,
                       n_spooling[0],
                       n_spooling[1]);
        g_assert_cmpuint(n_spooling[1], >, 100);
        g_assert_cmpuint(state_overlay_bytes(pinset->overlay), <, pinset->overlay_max);

        g_assert_cmpuint(read_to_the_end(scans[0]), ==, 3000);
        g_assert_cmpuint(read_to_the_end(scans[1]), ==, 3000 + n_changes - n_spooling[1]);
        state_scan_free(scans[0]);
        state_scan_free(scans[1]);
        state_pinset_free(pinset);
}

/* Without a place for its spool a scan fails; changes do not. */
static void test_spool_fails(Fixture *f, gconstpointer data) {
        StatePinset *pinset = open_filled(f, 2000);
        StateRecord record;
        StateScan *scan;

        (void) data;
        g_free(pinset->folder);
        pinset->folder = g_build_filename(f->folder, "none", NULL);
        pinset->overlay_max = 20000;
        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        g_assert_cmpint(next(scan, &record), ==, 1);
        for (uint32_t i = 0; i < 500; i++)
                g_assert_cmpint(fixture_put(pinset, i, "new"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 2), ==, 0);
        g_assert_cmpuint(pinset->n_reading, ==, 0);

        g_assert_cmpint(next(scan, &record), ==, -ENOENT);
        g_assert_cmpint(next(scan, &record), ==, -ENOENT);
        state_scan_free(scan);
        fixture_assert_value(pinset, 499, "new");
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);
}

static int scan_while_changing(StatePinset *pinset, StateScan *scan) {
        StateRecord record;
        uint32_t i = 0;
        int r;

        while ((r = next(scan, &record)) > 0) {
                r = i % 2 ? fixture_put(pinset, i + 40, "new") : fixture_remove(pinset, i);
                if (r < 0)
                        return r;
                i++;
        }
        return r;
}

/* A failed allocation ends the change or the scan that met it with -ENOMEM. */
static void test_out_of_memory(Fixture *f, gconstpointer data) {
        static const size_t sizes[] = { STATE_OVERLAY_MAX, 4000 };

        (void) data;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                StatePinset *pinset = open_filled(f, 60);
                int r;

                pinset->overlay_max = sizes[i];
                FOREACH_FAULT {
                        _cleanup_(state_scan_freep) StateScan *scan = NULL;

                        r = state_scan_new(&scan, pinset);
                        if (r >= 0)
                                r = scan_while_changing(pinset, scan);
                        g_assert_cmpint(state_pinset_commit(pinset, 2), ==, 0);
                        g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                }
                assert_digest(pinset);
                g_assert_cmpint(state_pinset_clear(pinset), ==, 0);
                state_pinset_free(pinset);
        }
}

#define ADD(path, function)                                                                                 \
        g_test_add("/state/scan/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("is-a-view-whatever-changes", test_model);
        ADD("empty", test_empty);
        ADD("record-is-borrowed-until-the-next", test_record_is_borrowed_until_the_next);
        ADD("limit", test_limit);
        ADD("spools-bit-by-bit", test_spools_bit_by_bit);
        ADD("spool-fails", test_spool_fails);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
