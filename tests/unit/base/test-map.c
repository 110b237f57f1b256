#include <glib.h>

#include "daemon/base/map.h"
#include "tests/lib/fault.h"

#define N_MANY 5000

static void test_set_get_remove(void) {
        _cleanup_(map_freep) Map *map = NULL;
        int one = 1, two = 2;
        void *old = NULL;

        g_assert_cmpint(map_new(&map), ==, 0);
        g_assert_cmpuint(map_size(map), ==, 0);
        g_assert_null(map_get(map, "a", 1));

        g_assert_cmpint(map_set(map, "a", 1, &one, &old), ==, 1);
        g_assert_null(old);
        g_assert_cmpint(map_set(map, "a", 1, &two, &old), ==, 0);
        g_assert_true(old == &one);
        g_assert_cmpint(map_set(map, "a", 1, &one, NULL), ==, 0);
        g_assert_cmpuint(map_size(map), ==, 1);
        g_assert_true(map_get(map, "a", 1) == &one);

        g_assert_null(map_remove(map, "b", 1));
        g_assert_true(map_remove(map, "a", 1) == &one);
        g_assert_null(map_remove(map, "a", 1));
        g_assert_cmpuint(map_size(map), ==, 0);
}

static void test_keys_are_bytes(void) {
        _cleanup_(map_freep) Map *map = NULL;
        static const struct {
                const char *bytes;
                size_t n;
        } keys[] = { { "", 0 }, { "\0", 1 }, { "\0\0", 2 }, { "a", 1 }, { "a\0", 2 }, { "a\0b", 3 } };
        int values[ELEMENTSOF(keys)];

        g_assert_cmpint(map_new(&map), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                g_assert_cmpint(map_set(map, keys[i].bytes, keys[i].n, &values[i], NULL), ==, 1);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                g_assert_true(map_get(map, keys[i].bytes, keys[i].n) == &values[i]);
        g_assert_true(map_get(map, NULL, 0) == &values[0]);
}

static void test_many(void) {
        static int values[N_MANY];
        _cleanup_(map_freep) Map *map = NULL;

        g_assert_cmpint(map_new(&map), ==, 0);
        for (int i = 0; i < N_MANY; i++)
                g_assert_cmpint(map_set(map, &i, sizeof(i), &values[i], NULL), ==, 1);
        g_assert_cmpuint(map_size(map), ==, N_MANY);

        for (int i = 0; i < N_MANY; i += 2)
                g_assert_true(map_remove(map, &i, sizeof(i)) == &values[i]);
        for (int i = 0; i < N_MANY; i++)
                g_assert_true(map_get(map, &i, sizeof(i)) == (i % 2 ? &values[i] : NULL));
        g_assert_cmpuint(map_size(map), ==, N_MANY / 2);
}

/* Each entry is met once, also while those at hand are removed. */
static void test_walk(void) {
        static int values[N_MANY];
        static bool seen[N_MANY];
        _cleanup_(map_freep) Map *map = NULL;
        MapIterator i = {};
        const void *key;
        size_t n, n_seen = 0;
        void *value;

        g_assert_cmpint(map_new(&map), ==, 0);
        g_assert_false(map_next(map, &(MapIterator){}, NULL, NULL, &value));
        for (int k = 0; k < N_MANY; k++)
                g_assert_cmpint(map_set(map, &k, sizeof(k), &values[k], NULL), ==, 1);

        while (map_next(map, &i, &key, &n, &value)) {
                int k = *(const int *) key;

                g_assert_cmpuint(n, ==, sizeof(k));
                g_assert_true(value == &values[k]);
                g_assert_false(seen[k]);
                seen[k] = true;
                n_seen++;
                if (k % 3 == 0)
                        g_assert_true(map_remove(map, &k, sizeof(k)) == value);
        }
        g_assert_false(map_next(map, &i, NULL, NULL, &value));
        g_assert_cmpuint(n_seen, ==, N_MANY);
        g_assert_cmpuint(map_size(map), ==, N_MANY - (N_MANY + 2) / 3);
}

/* A failed insertion leaves the map as it was. */
static void test_out_of_memory(void) {
        unsigned n_failed = 0;

        FOREACH_FAULT {
                _cleanup_(map_freep) Map *map = NULL;
                int value, r, i;

                r = map_new(&map);
                for (i = 0; i < 40 && r >= 0; i++) { /* grows twice */
                        r = map_set(map, &i, sizeof(i), &value, NULL);
                        g_assert_cmpuint(map_size(map), ==, r < 0 ? (size_t) i : (size_t) i + 1);
                        g_assert_true(map_get(map, &i, sizeof(i)) == (r < 0 ? NULL : &value));
                }
                g_assert_cmpint(MIN(r, 0), ==, fault_fired() ? -ENOMEM : 0);
                n_failed += r < 0;
        }

        g_assert_cmpuint(n_failed, ==, 2 + 40 + 2);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/map/set-get-remove", test_set_get_remove);
        g_test_add_func("/base/map/keys-are-bytes", test_keys_are_bytes);
        g_test_add_func("/base/map/many", test_many);
        g_test_add_func("/base/map/walk", test_walk);
        g_test_add_func("/base/map/out-of-memory", test_out_of_memory);
        return g_test_run();
}
