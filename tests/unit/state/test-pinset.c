#include <signal.h>
#include <sys/wait.h>

#include "daemon/state/pinset-internal.h"
#include "daemon/state/pinset.h"
#include "tests/lib/fault.h"
#include "tests/unit/state/fixture.h"

/* The digest and the count are those of the records that a scan finds. */
static void assert_consistent(StatePinset *pinset) {
        uint8_t expect[STATE_DIGEST_SIZE], bytes[STATE_DIGEST_SIZE];
        StateDigest digest = {};
        StateRecord record;
        StateScan *scan;
        uint64_t n = 0;
        int r;

        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        while ((r = state_scan_next(
                                scan, &record.key, &record.key_size, &record.value, &record.value_size)) >
               0) {
                state_digest_add(&digest, &record);
                n++;
        }
        g_assert_cmpint(r, ==, 0);
        state_scan_free(scan);

        state_pinset_digest(pinset, expect);
        state_digest_write(&digest, bytes);
        g_assert_cmpuint(n, ==, state_pinset_count(pinset));
        g_assert_cmpmem(bytes, sizeof(bytes), expect, sizeof(expect));
}

/* ---- trust */

static void test_closed_is_kept(Fixture *f, gconstpointer data) {
        uint8_t digest[STATE_DIGEST_SIZE], again[STATE_DIGEST_SIZE];
        StatePinset *pinset;

        (void) data;
        pinset = fixture_open(f, 0);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 0);
        g_assert_cmpint(fixture_put(pinset, 1, "one"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 7), ==, 0);
        state_pinset_digest(pinset, digest);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);

        pinset = fixture_open(f, 1);
        state_pinset_digest(pinset, again);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 7);
        g_assert_cmpuint(state_pinset_count(pinset), ==, 1);
        g_assert_cmpmem(digest, sizeof(digest), again, sizeof(again));
        fixture_assert_value(pinset, 1, "one");
        assert_consistent(pinset);
        state_pinset_free(pinset);
}

/* What was not changed is as it was, even without a close; an index that moved alone is saved, too. */
static void test_index_alone(Fixture *f, gconstpointer data) {
        StatePinset *pinset;

        (void) data;
        g_assert_cmpint(state_pinset_close(fixture_open(f, 0)), ==, 0);

        pinset = fixture_open(f, 1);
        g_assert_cmpint(state_pinset_commit(pinset, 9), ==, 0);
        state_pinset_free(pinset);

        pinset = fixture_open(f, 1);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 9), ==, 0);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);

        pinset = fixture_open(f, 1);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 9);
        state_pinset_free(pinset);
}

static void test_not_closed_is_emptied(Fixture *f, gconstpointer data) {
        StatePinset *pinset;

        (void) data;
        pinset = fixture_open(f, 0);
        g_assert_cmpint(fixture_put(pinset, 1, "one"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 7), ==, 0);
        state_pinset_free(pinset);

        pinset = fixture_open(f, 0);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 0);
        g_assert_cmpuint(state_pinset_count(pinset), ==, 0);
        fixture_assert_value(pinset, 1, NULL);
        assert_consistent(pinset);
        state_pinset_free(pinset);
}

static void test_other_cluster_is_emptied(Fixture *f, gconstpointer data) {
        static const uint8_t other[STATE_CLUSTER_ID_SIZE] = "another cluster";
        StatePinset *pinset;

        (void) data;
        pinset = fixture_open(f, 0);
        g_assert_cmpint(fixture_put(pinset, 1, "one"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 7), ==, 0);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);

        g_assert_cmpint(state_pinset_open(&pinset, f->folder, other, NULL), ==, 0);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 0);
        fixture_assert_value(pinset, 1, NULL);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);
        g_assert_cmpint(state_pinset_open(&pinset, f->folder, other, NULL), ==, 1);
        state_pinset_free(pinset);
}

static void test_store_without_meta_is_emptied(Fixture *f, gconstpointer data) {
        Cid key = fixture_key(1);
        StatePinset *pinset;
        Store *store;

        (void) data;
        g_assert_cmpint(store_open(&store, f->folder, "pins"), ==, 0);
        g_assert_cmpint(store_put(store, key.bytes, key.size, "one", 3), ==, 0);
        g_assert_cmpint(store_close(store), ==, 0);

        pinset = fixture_open(f, 0);
        fixture_assert_value(pinset, 1, NULL);
        state_pinset_free(pinset);
}

static void test_refusals_have_words(Fixture *f, gconstpointer data) {
        g_autofree char *folder = g_build_filename(f->folder, "none", NULL);
        g_autofree char *in_use = g_strdup_printf("%s/pins.gdbm is in use by another process", f->folder);
        g_autofree char *no_folder = g_strdup_printf(
                        "cannot open %s/pins.gdbm: No such file or directory", folder);
        StatePinset *pinset = fixture_open(f, 0), *second = NULL;
        Error error = {};

        (void) data;
        g_assert_cmpint(state_pinset_open(&second, f->folder, fixture_cluster, &error), ==, -EWOULDBLOCK);
        g_assert_cmpstr(error.message, ==, in_use);
        error_done(&error);
        state_pinset_free(pinset);

        g_assert_cmpint(state_pinset_open(&second, folder, fixture_cluster, &error), ==, -ENOENT);
        g_assert_cmpstr(error.message, ==, no_folder);
        error_done(&error);
        g_assert_null(second);
}

/* ---- changes */

static void test_changes_are_idempotent(Fixture *f, gconstpointer data) {
        static const struct {
                const char *value; /* NULL: remove */
                uint32_t key;
                int answer;
                uint64_t count;
        } steps[] = {
                { "one", 1, 0, 1 }, { "one", 1, 0, 1 },    { "two", 2, 0, 2 }, { "other", 1, 0, 2 },
                { NULL, 1, 1, 1 },  { NULL, 1, 0, 1 },     { NULL, 3, 0, 1 },  { "again", 1, 0, 2 },
                { NULL, 2, 1, 1 },  { "longer", 1, 0, 1 }, { NULL, 1, 1, 0 },
        };
        static const uint8_t zero[STATE_DIGEST_SIZE];
        uint8_t digest[STATE_DIGEST_SIZE];
        StatePinset *pinset = fixture_open(f, 0);

        (void) data;
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                g_test_message("step %zu", i);
                g_assert_cmpint(steps[i].value ? fixture_put(pinset, steps[i].key, steps[i].value)
                                               : fixture_remove(pinset, steps[i].key),
                                ==,
                                steps[i].answer);
                g_assert_cmpint(state_pinset_commit(pinset, i + 1), ==, 0);
                g_assert_cmpuint(state_pinset_index(pinset), ==, i + 1);
                g_assert_cmpuint(state_pinset_count(pinset), ==, steps[i].count);
                fixture_assert_value(pinset, steps[i].key, steps[i].value);
                assert_consistent(pinset);
        }

        state_pinset_digest(pinset, digest);
        g_assert_cmpmem(digest, sizeof(digest), zero, sizeof(zero));
        state_pinset_free(pinset);
}

static void test_digest_is_the_same_by_every_way(Fixture *f, gconstpointer data) {
        uint8_t a[STATE_DIGEST_SIZE], b[STATE_DIGEST_SIZE];
        StatePinset *pinset = fixture_open(f, 0);

        (void) data;
        for (uint32_t i = 0; i < 50; i++)
                g_assert_cmpint(fixture_put(pinset, i, "value"), ==, 0);
        state_pinset_digest(pinset, a);
        g_assert_cmpint(state_pinset_clear(pinset), ==, 0);

        for (uint32_t i = 60; i-- > 0;)
                g_assert_cmpint(fixture_put(pinset, i, i % 3 ? "value" : "first"), ==, 0);
        for (uint32_t i = 0; i < 60; i++)
                if (i >= 50)
                        g_assert_cmpint(fixture_remove(pinset, i), ==, 1);
                else
                        g_assert_cmpint(fixture_put(pinset, i, "value"), ==, 0);
        state_pinset_digest(pinset, b);
        g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
        state_pinset_free(pinset);
}

static void test_size_limit(Fixture *f, gconstpointer data) {
        g_autofree char *value = g_malloc0(PIN_BYTES_MAX + 1);
        StatePinset *pinset = fixture_open(f, 0);
        Cid key = fixture_key(1);

        (void) data;
        g_assert_cmpint(state_pinset_put(pinset, &key, value, PIN_BYTES_MAX + 1), ==, -E2BIG);
        g_assert_cmpint(state_pinset_has(pinset, &key), ==, 0);
        g_assert_cmpint(state_pinset_put(pinset, &key, value, PIN_BYTES_MAX), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);
        assert_consistent(pinset);
        state_pinset_free(pinset);
}

static void test_clear(Fixture *f, gconstpointer data) {
        static const uint8_t zero[STATE_DIGEST_SIZE];
        uint8_t digest[STATE_DIGEST_SIZE];
        StatePinset *pinset = fixture_open(f, 0);
        StateScan *scan;

        (void) data;
        g_assert_cmpint(fixture_put(pinset, 1, "in the file"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);
        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        g_assert_cmpint(fixture_put(pinset, 2, "in the overlay"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 2), ==, 0);
        state_scan_free(scan);

        g_assert_cmpint(state_pinset_clear(pinset), ==, 0);
        fixture_assert_value(pinset, 1, NULL);
        fixture_assert_value(pinset, 2, NULL);
        state_pinset_digest(pinset, digest);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 0);
        g_assert_cmpuint(state_pinset_count(pinset), ==, 0);
        g_assert_cmpmem(digest, sizeof(digest), zero, sizeof(zero));
        g_assert_cmpint(fixture_put(pinset, 3, "later"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);

        pinset = fixture_open(f, 1);
        fixture_assert_value(pinset, 3, "later");
        assert_consistent(pinset);
        state_pinset_free(pinset);
}

static void test_get_reads_the_pin(Fixture *f, gconstpointer data) {
        char name[] = "a name";
        Pin pin = {
                .name = name,
                .cid = fixture_key(1),
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .replication_factor_min = -1,
                .replication_factor_max = -1,
        };
        StatePinset *pinset = fixture_open(f, 0);
        _cleanup_(pin_done) Pin found = {};
        Cid other = fixture_key(2);
        _cleanup_(str_done) Str value = {};

        (void) data;
        g_assert_cmpint(pin_write(&pin, &value), ==, 0);
        g_assert_cmpint(state_pinset_put(pinset, &pin.cid, value.data, value.len), ==, 0);
        g_assert_cmpint(state_pinset_get(pinset, &other, &found), ==, 0);
        g_assert_cmpint(state_pinset_get(pinset, &pin.cid, &found), ==, 1);
        g_assert_true(pin_equal(&found, &pin));

        g_assert_cmpint(fixture_put(pinset, 2, "\xff no pin"), ==, 0);
        g_assert_cmpint(state_pinset_get(pinset, &other, &found), ==, -EBADMSG);
        state_pinset_free(pinset);
}

/* The overlay that a scan leaves behind is merged by later changes, and by the close. */
static void test_overlay_is_merged(Fixture *f, gconstpointer data) {
        StatePinset *pinset = fixture_open(f, 0);
        StateScan *scan;
        unsigned n = 0;

        (void) data;
        for (uint32_t i = 0; i < 100; i++)
                g_assert_cmpint(fixture_put(pinset, i, "old"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);

        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        for (uint32_t i = 50; i < 200; i++)
                g_assert_cmpint(i < 60 ? fixture_remove(pinset, i) : fixture_put(pinset, i, "new"),
                                ==,
                                i < 60 ? 1 : 0);
        g_assert_cmpint(state_pinset_commit(pinset, 2), ==, 0);
        state_scan_free(scan);
        g_assert_false(state_overlay_is_empty(pinset->overlay));
        assert_consistent(pinset);

        for (; !state_overlay_is_empty(pinset->overlay); n++) {
                g_assert_cmpint(fixture_put(pinset, 150, n % 2 ? "a" : "b"), ==, 0);
                g_assert_cmpint(state_pinset_commit(pinset, 3 + n), ==, 0);
                assert_consistent(pinset);
        }
        g_assert_cmpuint(n, >, 5); /* not all at once */

        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        g_assert_cmpint(fixture_put(pinset, 1, "newer"), ==, 0);
        g_assert_cmpint(fixture_remove(pinset, 2), ==, 1);
        g_assert_cmpint(state_pinset_commit(pinset, 100), ==, 0);
        state_scan_free(scan);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);

        pinset = fixture_open(f, 1);
        fixture_assert_value(pinset, 1, "newer");
        fixture_assert_value(pinset, 2, NULL);
        fixture_assert_value(pinset, 55, NULL);
        fixture_assert_value(pinset, 60, "new");
        assert_consistent(pinset);
        state_pinset_free(pinset);
}

/* ---- replacing */

static StatePinset *open_fresh(const StatePinset *pinset) {
        StatePinset *fresh;

        g_assert_cmpint(state_pinset_open_fresh(&fresh, pinset, NULL), ==, 0);
        return fresh;
}

static bool has_file(const Fixture *f, const char *name) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_replace(Fixture *f, gconstpointer data) {
        StatePinset *pinset = fixture_open(f, 0), *fresh, *former;

        (void) data;
        g_assert_cmpint(fixture_put(pinset, 1, "former"), ==, 0);
        g_assert_cmpint(fixture_put(pinset, 2, "former"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);
        fresh = open_fresh(pinset);
        g_assert_cmpint(fixture_put(fresh, 2, "fresh"), ==, 0);
        g_assert_cmpint(fixture_put(fresh, 3, "fresh"), ==, 0);
        g_assert_cmpint(state_pinset_commit(fresh, 7), ==, 0);
        g_assert_cmpint(state_pinset_flush(fresh), ==, 0);
        fixture_assert_value(pinset, 2, "former");

        g_assert_cmpint(state_pinset_replace(pinset, fresh, &former), ==, 0);
        g_assert_null(former);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 7);
        fixture_assert_value(pinset, 1, NULL);
        fixture_assert_value(pinset, 2, "fresh");
        assert_consistent(pinset);
        g_assert_cmpint(fixture_put(pinset, 4, "later"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 8), ==, 0);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);

        pinset = fixture_open(f, 1);
        g_assert_cmpuint(state_pinset_index(pinset), ==, 8);
        fixture_assert_value(pinset, 3, "fresh");
        fixture_assert_value(pinset, 4, "later");
        assert_consistent(pinset);
        state_pinset_free(pinset);
}

/* Scans see what they saw, changes that only the overlay had too, until the last one ends. */
static void test_replace_under_scans(Fixture *f, gconstpointer data) {
        StatePinset *pinset = fixture_open(f, 0), *fresh, *former;
        StateScan *first, *second, *third;
        StateRecord record;
        unsigned n = 0;

        (void) data;
        for (uint32_t i = 0; i < 100; i++)
                g_assert_cmpint(fixture_put(pinset, i, "former"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);
        g_assert_cmpint(state_scan_new(&first, pinset), ==, 0);
        g_assert_cmpint(fixture_put(pinset, 100, "in the overlay"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 2), ==, 0);
        g_assert_cmpint(state_scan_new(&second, pinset), ==, 0);

        fresh = open_fresh(pinset);
        g_assert_cmpint(fixture_put(fresh, 1, "fresh"), ==, 0);
        g_assert_cmpint(state_pinset_commit(fresh, 3), ==, 0);
        g_assert_cmpint(state_pinset_replace(pinset, fresh, &former), ==, 0);
        g_assert_nonnull(former);
        fixture_assert_value(pinset, 1, "fresh");
        fixture_assert_value(former, 1, "former");
        fixture_assert_value(former, 100, "in the overlay");
        g_assert_cmpint(state_scan_new(&third, pinset), ==, 0);
        g_assert_cmpint(fixture_put(pinset, 2, "fresh"), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, 4), ==, 0);

        while (state_scan_next(first, &record.key, &record.key_size, &record.value, &record.value_size) > 0)
                n++;
        g_assert_cmpuint(n, ==, 100);
        state_scan_free(first);
        while (state_scan_next(second, &record.key, &record.key_size, &record.value, &record.value_size) > 0)
                n++;
        g_assert_cmpuint(n, ==, 201);
        state_scan_free(second); /* and with it what it was */
        while (state_scan_next(third, &record.key, &record.key_size, &record.value, &record.value_size) > 0)
                n++;
        g_assert_cmpuint(n, ==, 202);
        state_scan_free(third);
        assert_consistent(pinset);
        g_assert_cmpint(state_pinset_close(pinset), ==, 0);
        state_pinset_free(fixture_open(f, 1));
}

static void test_fresh_is_thrown_away(Fixture *f, gconstpointer data) {
        StatePinset *pinset = fixture_open(f, 0), *fresh;

        (void) data;
        fresh = open_fresh(pinset);
        g_assert_cmpint(fixture_put(fresh, 1, "fresh"), ==, 0);
        g_assert_true(has_file(f, "pins-new.gdbm"));
        state_pinset_free(fresh);
        g_assert_false(has_file(f, "pins-new.gdbm"));
        g_assert_false(has_file(f, "pins-new.dirty"));

        /* Of a process that was killed something is left: it is empty again, or gone with the next start. */
        fresh = open_fresh(pinset);
        g_assert_cmpint(fixture_put(fresh, 1, "fresh"), ==, 0);
        fresh->is_fresh = false;
        state_pinset_free(fresh);
        fresh = open_fresh(pinset);
        fixture_assert_value(fresh, 1, NULL);
        fresh->is_fresh = false;
        state_pinset_free(fresh);
        state_pinset_free(pinset);
        g_assert_true(has_file(f, "pins-new.gdbm"));
        state_pinset_free(fixture_open(f, 0));
        g_assert_false(has_file(f, "pins-new.gdbm"));
}

/* ---- failures */

static void test_killed(Fixture *f, gconstpointer data) {
        int ready[2], status;
        char byte;
        pid_t pid;

        (void) data;
        g_assert_cmpint(pipe(ready), ==, 0);
        pid = fork();
        if (pid == 0) {
                StatePinset *pinset = fixture_open(f, 0);

                for (uint32_t i = 0;; i++) {
                        if (fixture_put(pinset, i, "value") < 0 || state_pinset_commit(pinset, i) < 0)
                                _exit(1);
                        if (i == 1000 && write(ready[1], "", 1) != 1)
                                _exit(1);
                }
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status));
        close(ready[0]);
        close(ready[1]);

        state_pinset_free(fixture_open(f, 0));
}

static int use_everything(const Fixture *f) {
        _cleanup_(state_pinset_freep) StatePinset *pinset = NULL;
        Cid key = fixture_key(1);
        _cleanup_(str_done) Str value = {};
        int r;

        r = state_pinset_open(&pinset, f->folder, fixture_cluster, NULL);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < 3; i++) {
                r = fixture_put(pinset, 1, i % 2 ? "one" : "other");
                if (r < 0)
                        return r;
        }
        r = state_pinset_get_bytes(pinset, &key, &value);
        if (r < 0)
                return r;
        r = fixture_remove(pinset, 1);
        if (r < 0)
                return r;
        return state_pinset_close(TAKE_PTR(pinset));
}

static void test_out_of_memory(Fixture *f, gconstpointer data) {
        (void) data;
        FOREACH_FAULT {
                int r = use_everything(f);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

#define ADD(path, function)                                                                                 \
        g_test_add("/state/pinset/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("closed-is-kept", test_closed_is_kept);
        ADD("index-alone-is-kept", test_index_alone);
        ADD("not-closed-is-emptied", test_not_closed_is_emptied);
        ADD("other-cluster-is-emptied", test_other_cluster_is_emptied);
        ADD("store-without-meta-is-emptied", test_store_without_meta_is_emptied);
        ADD("refusals-have-words", test_refusals_have_words);
        ADD("changes-are-idempotent", test_changes_are_idempotent);
        ADD("digest-is-the-same-by-every-way", test_digest_is_the_same_by_every_way);
        ADD("size-limit", test_size_limit);
        ADD("clear", test_clear);
        ADD("get-reads-the-pin", test_get_reads_the_pin);
        ADD("overlay-is-merged", test_overlay_is_merged);
        ADD("replace", test_replace);
        ADD("replace-under-scans", test_replace_under_scans);
        ADD("fresh-is-thrown-away", test_fresh_is_thrown_away);
        ADD("killed-writer-starts-empty", test_killed);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
