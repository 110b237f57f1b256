#include "daemon/state/meta.h"
#include "tests/lib/fault.h"
#include "tests/unit/state/fixture.h"

#define META_SIZE 56

static const StateMeta example = {
        .cluster_id = "sixteen letters",
        .index = UINT64_C(0x0102030405060708),
        .count = 3,
        .digest = { .low = 5, .high = 6 },
};

static Store *open_store(const Fixture *f) {
        Store *store = NULL;

        g_assert_cmpint(store_open(&store, f->folder, "meta"), >=, 0);
        return store;
}

static void test_round_trip(Fixture *f, gconstpointer data) {
        _cleanup_(store_freep) Store *store = open_store(f);
        StateMeta meta;

        (void) data;
        g_assert_cmpint(state_meta_load(store, &meta), ==, 0);
        g_assert_cmpint(state_meta_save(store, &example), ==, 0);
        g_assert_cmpint(state_meta_load(store, &meta), ==, 1);
        g_assert_cmpmem(meta.cluster_id, STATE_CLUSTER_ID_SIZE, example.cluster_id, STATE_CLUSTER_ID_SIZE);
        g_assert_cmpuint(meta.index, ==, example.index);
        g_assert_cmpuint(meta.count, ==, example.count);
        g_assert_true(state_digest_equal(&meta.digest, &example.digest));
}

static void get_bytes(Store *store, Str *key, Str *value) {
        _cleanup_(store_walk_freep) StoreWalk *walk = NULL;

        g_assert_cmpint(store_walk(store, &walk, key, value), ==, 1);
        g_assert_cmpuint(value->len, ==, META_SIZE);
}

static void test_golden(Fixture *f, gconstpointer data) {
        static const char expect[] = "\1\0\0\0sixteen letters\0\10\7\6\5\4\3\2\1"
                                     "\3\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0";
        _cleanup_(store_freep) Store *store = open_store(f);
        _cleanup_(str_done) Str key = {}, value = {};

        (void) data;
        g_assert_cmpint(state_meta_save(store, &example), ==, 0);
        get_bytes(store, &key, &value);
        g_assert_cmpmem(key.data, key.len, "\0meta", 5);
        g_assert_cmpmem(value.data, META_SIZE - 4, expect, sizeof(expect) - 1);
}

static void test_damage(Fixture *f, gconstpointer data) {
        _cleanup_(store_freep) Store *store = open_store(f);
        _cleanup_(str_done) Str key = {}, value = {};
        StateMeta meta;

        (void) data;
        g_assert_cmpint(state_meta_save(store, &example), ==, 0);
        get_bytes(store, &key, &value);

        for (size_t n = 0; n < META_SIZE; n++) {
                g_test_message("byte %zu", n);
                value.data[n] ^= 0x10;
                g_assert_cmpint(store_put(store, key.data, key.len, value.data, value.len), ==, 0);
                g_assert_cmpint(state_meta_load(store, &meta), ==, 0);
                value.data[n] ^= 0x10;

                g_assert_cmpint(store_put(store, key.data, key.len, value.data, n), ==, 0);
                g_assert_cmpint(state_meta_load(store, &meta), ==, 0);
        }
        str_append_char(&value, '\0');
        g_assert_cmpint(store_put(store, key.data, key.len, value.data, value.len), ==, 0);
        g_assert_cmpint(state_meta_load(store, &meta), ==, 0);
}

static void test_key(void) {
        Cid cid = fixture_key(1);

        g_assert_true(state_meta_is_key("\0meta", 5));
        g_assert_false(state_meta_is_key("\0meta", 6));
        g_assert_false(state_meta_is_key("xmeta", 5));
        g_assert_false(state_meta_is_key(cid.bytes, cid.size));
}

static void test_out_of_memory(Fixture *f, gconstpointer data) {
        _cleanup_(store_freep) Store *store = open_store(f);
        StateMeta meta;

        (void) data;
        FOREACH_FAULT {
                int r;

                r = state_meta_save(store, &example);
                if (r >= 0)
                        r = state_meta_load(store, &meta);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 1);
        }
}

#define ADD(path, function)                                                                                 \
        g_test_add("/state/meta/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("round-trip", test_round_trip);
        ADD("golden", test_golden);
        ADD("damage-is-not-believed", test_damage);
        g_test_add_func("/state/meta/key", test_key);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
