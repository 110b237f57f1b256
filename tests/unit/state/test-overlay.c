#include <glib.h>

#include "daemon/state/overlay.h"
#include "tests/lib/fault.h"

static int set(StateOverlay *overlay, const char *key, const char *value, uint64_t epoch) {
        StateRecord record = {
                .key = key,
                .value = value,
                .key_size = strlen(key),
                .value_size = value ? strlen(value) : 0,
        };

        return state_overlay_set(overlay, &record, epoch, false);
}

static StateOverlayEntry *find(const StateOverlay *overlay, const char *key) {
        return state_overlay_find(overlay, key, strlen(key));
}

/* EXPECT: the value, "-" for removed, NULL for none. */
static void assert_version(
                const StateOverlay *overlay, const char *key, uint64_t epoch, const char *expect) {
        const StateVersion *version = state_overlay_version(find(overlay, key), epoch);

        g_test_message("%s at %ju, expected %s", key, (uintmax_t) epoch, expect ?: "none");
        if (!expect)
                g_assert_null(version);
        else if (strcmp(expect, "-") == 0)
                g_assert_true(version->is_removed);
        else
                g_assert_cmpmem(version->value, version->size, expect, strlen(expect));
}

static void test_versions(void) {
        _cleanup_(state_overlay_freep) StateOverlay *overlay = NULL;
        static const struct {
                uint64_t epoch;
                const char *a, *b;
        } views[] = {
                { 0, NULL, NULL },   { 1, NULL, NULL },
                { 2, "two", NULL },  { 3, "two", "three" },
                { 4, "-", "three" }, { 5, "-", "" },
                { 9, "nine", "" },   { STATE_EPOCH_NEWEST, "nine", "" },
        };

        g_assert_cmpint(state_overlay_new(&overlay), ==, 0);
        g_assert_cmpint(set(overlay, "a", "two", 2), ==, 0);
        g_assert_cmpint(set(overlay, "b", "three", 3), ==, 0);
        g_assert_cmpint(set(overlay, "a", NULL, 4), ==, 0);
        g_assert_cmpint(set(overlay, "b", "", 5), ==, 0);
        g_assert_cmpint(set(overlay, "a", "nine", 9), ==, 0);

        for (size_t i = 0; i < ELEMENTSOF(views); i++) {
                assert_version(overlay, "a", views[i].epoch, views[i].a);
                assert_version(overlay, "b", views[i].epoch, views[i].b);
        }
        assert_version(overlay, "c", STATE_EPOCH_NEWEST, NULL);
}

static void test_same_epoch_replaces(void) {
        _cleanup_(state_overlay_freep) StateOverlay *overlay = NULL;
        size_t bytes;

        g_assert_cmpint(state_overlay_new(&overlay), ==, 0);
        g_assert_cmpint(set(overlay, "key", "one", 1), ==, 0);
        g_assert_cmpint(set(overlay, "key", "two", 2), ==, 0);
        bytes = state_overlay_bytes(overlay);

        g_assert_cmpint(set(overlay, "key", NULL, 2), ==, 0);
        g_assert_cmpint(set(overlay, "key", "new", 2), ==, 0);
        g_assert_cmpuint(state_overlay_bytes(overlay), ==, bytes);
        assert_version(overlay, "key", 1, "one");
        assert_version(overlay, "key", 2, "new");
}

static void test_order_and_end(void) {
        _cleanup_(state_overlay_freep) StateOverlay *overlay = NULL;
        static const char *const keys[] = { "z", "a", "m" };
        StateOverlayEntry *entry = NULL;

        g_assert_cmpint(state_overlay_new(&overlay), ==, 0);
        g_assert_true(state_overlay_is_empty(overlay));
        g_assert_null(state_overlay_next(overlay, NULL));
        g_assert_null(find(overlay, "z"));

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                g_assert_cmpint(set(overlay, keys[i], "value", 1), ==, 0);
        g_assert_cmpint(set(overlay, "z", "again", 2), ==, 0);
        g_assert_false(state_overlay_is_empty(overlay));

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                entry = state_overlay_next(overlay, entry);
                g_assert_cmpmem(entry->key, entry->key_size, keys[i], 1);
        }
        g_assert_null(state_overlay_next(overlay, entry));

        while ((entry = state_overlay_next(overlay, NULL)))
                state_overlay_drop(overlay, entry);
        g_assert_true(state_overlay_is_empty(overlay));
        g_assert_cmpuint(state_overlay_bytes(overlay), ==, 0);
        g_assert_null(find(overlay, "m"));
}

static void test_in_file_counts_once(void) {
        _cleanup_(state_overlay_freep) StateOverlay *overlay = NULL;
        StateRecord record = { .key = "key", .key_size = 3 };

        g_assert_cmpint(state_overlay_new(&overlay), ==, 0);
        g_assert_cmpint(state_overlay_set(overlay, &record, 1, true), ==, 0);
        g_assert_cmpint(state_overlay_set(overlay, &record, 2, false), ==, 0);
        g_assert_true(find(overlay, "key")->is_in_file);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(state_overlay_freep) StateOverlay *overlay = NULL;
                int r;

                r = state_overlay_new(&overlay);
                for (char key[] = "a"; r >= 0 && key[0] <= 'z'; key[0]++)
                        r = set(overlay, key, "value", 1);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/state/overlay/versions", test_versions);
        g_test_add_func("/state/overlay/same-epoch-replaces", test_same_epoch_replaces);
        g_test_add_func("/state/overlay/order-and-end", test_order_and_end);
        g_test_add_func("/state/overlay/in-file-counts-once", test_in_file_counts_once);
        g_test_add_func("/state/overlay/out-of-memory", test_out_of_memory);
        return g_test_run();
}
