#include "daemon/state/pinset-internal.h"
#include "daemon/state/snapshot-format.h"
#include "tests/lib/fault.h"
#include "tests/unit/state/snapshot-file.h"

/* The format is final: this test changes only together with its number. */
static void test_golden(Fixture *f, gconstpointer data) {
        static const char expect[] =
                        "6970667370696e7301000000"
                        "746865207465737420636c7573746572"
                        "080706050403020109000000000000006821a6be"
                        "83000000"
                        "240301551220df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"
                        "6f6e65"
                        "240e0155122026b25d457597a7b0463f9620f666dd10aa2c4373a505967c7c8d70922a2d6ece"
                        "61206c6f6e6765722076616c7565"
                        "24000155122067abdd721024f0ff4e0b3f4c2fc13bc5bad42d0b7851d456d88d203d15aaa450"
                        "cd2b0a76"
                        "000000000300000000000000"
                        "1b7f7fa170ec8019fca1c01cbadc9f11"
                        "e300000000000000a05793e6";
        _cleanup_(str_done) Str bytes = {};
        g_autoptr(GString) hex = g_string_new(NULL);
        StatePinset *pinset = fixture_open(f, 0);

        (void) data;
        snapshot_file_fill(pinset, 3);
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, 0);
        for (size_t i = 0; i < bytes.len; i++)
                g_string_append_printf(hex, "%02x", (uint8_t) bytes.data[i]);
        g_assert_cmpstr(hex->str, ==, expect);
        state_pinset_free(pinset);
}

static void test_empty_pinset(Fixture *f, gconstpointer data) {
        _cleanup_(str_done) Str bytes = {};
        StatePinset *pinset = fixture_open(f, 0);

        (void) data;
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, 0);
        g_assert_cmpuint(bytes.len, ==, SNAPSHOT_HEAD_SIZE + SNAPSHOT_TAIL_SIZE);
        state_pinset_free(pinset);
}

/* Header, blocks of 64 KiB and one record more at most, trailer, end; the end stays the end. */
static void test_steps(Fixture *f, gconstpointer data) {
        _cleanup_(state_snapshot_writer_freep) StateSnapshotWriter *writer = NULL;
        _cleanup_(str_done) Str block = {};
        StatePinset *pinset = fixture_open(f, 0);
        size_t n = 0, length = 0;
        StateScan *scan;
        int r;

        (void) data;
        snapshot_file_fill(pinset, 5000);
        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        g_assert_cmpint(state_snapshot_writer_new(&writer, scan, &snapshot_file_head), ==, 0);

        for (; (r = state_snapshot_writer_step(writer, &block)) > 0; n++) {
                g_assert_cmpuint(block.len, <, STATE_SNAPSHOT_BLOCK + 200);
                if (n == 1 || n == 2)
                        g_assert_cmpuint(block.len, >=, STATE_SNAPSHOT_BLOCK);
                length += block.len;
        }
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpuint(n, ==, 6);
        g_assert_cmpuint(length, >, 5000 * (36 + 2));
        g_assert_cmpuint(pinset->n_scans, ==, 0);

        g_assert_cmpint(state_snapshot_writer_step(writer, &block), ==, 0);
        g_assert_cmpuint(block.len, ==, 0);
        writer = state_snapshot_writer_free(writer);
        state_pinset_free(pinset);
}

/* Changes between the steps are not in the file. */
static void test_is_a_view(Fixture *f, gconstpointer data) {
        _cleanup_(state_snapshot_writer_freep) StateSnapshotWriter *writer = NULL;
        _cleanup_(str_done) Str before = {}, block = {}, bytes = {};
        StatePinset *pinset = fixture_open(f, 0);
        StateScan *scan;
        uint32_t n = 0;

        (void) data;
        pinset->overlay_max = 10000;
        snapshot_file_fill(pinset, 5000);
        g_assert_cmpint(snapshot_file_write(pinset, &before), ==, 0);

        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        g_assert_cmpint(state_snapshot_writer_new(&writer, scan, &snapshot_file_head), ==, 0);
        while (state_snapshot_writer_step(writer, &block) > 0) {
                g_assert_cmpint(str_append_bytes(&bytes, block.data, block.len), ==, 0);
                for (uint32_t end = n + 50; n < end; n++) {
                        g_assert_cmpint(fixture_put(pinset, 4900 + n, "changed"), ==, 0);
                        g_assert_cmpint(fixture_remove(pinset, n), ==, 1);
                }
                g_assert_cmpint(state_pinset_commit(pinset, 5000 + n), ==, 0);
        }
        writer = state_snapshot_writer_free(writer);
        g_assert_cmpmem(bytes.data, bytes.len, before.data, before.len);
        state_pinset_free(pinset);
}

/* A cache that lost a record, or has another one, does not become a snapshot. */
static void test_damaged_cache(Fixture *f, gconstpointer data) {
        _cleanup_(str_done) Str bytes = {};
        StatePinset *pinset = fixture_open(f, 0);
        Cid key = fixture_key(7);

        (void) data;
        snapshot_file_fill(pinset, 20);
        g_assert_cmpint(store_put(pinset->store, key.bytes, key.size, "x", 1), ==, 0);
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, -EIO);
        g_assert_cmpint(store_remove(pinset->store, key.bytes, key.size), ==, 1);
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, -EIO);
        g_assert_cmpint(store_put(pinset->store, key.bytes, key.size, "", 0), ==, 0);
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, 0);
        g_assert_cmpuint(pinset->n_scans, ==, 0);
        state_pinset_free(pinset);
}

static void test_largest_records(Fixture *f, gconstpointer data) {
        g_autofree char *value = g_malloc0(PIN_BYTES_MAX);
        StatePinset *pinset = fixture_open(f, 0);
        _cleanup_close_ int fd = -1;
        _cleanup_(str_done) Str bytes = {};
        StateSnapshotHead head;

        (void) data;
        for (uint32_t i = 0; i < 5; i++) {
                Cid key = fixture_key(i);

                g_assert_cmpint(state_pinset_put(pinset, &key, value, PIN_BYTES_MAX - i), ==, 0);
        }
        g_assert_cmpint(state_pinset_commit(pinset, 1), ==, 0);
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, 0);

        fd = snapshot_file_of_bytes(bytes.data, bytes.len);
        g_assert_cmpint(state_snapshot_read(fd, "x", &head, NULL, NULL, NULL), ==, 0);
        state_pinset_free(pinset);
}

static void test_out_of_memory(Fixture *f, gconstpointer data) {
        StatePinset *pinset = fixture_open(f, 0);

        (void) data;
        snapshot_file_fill(pinset, 3);
        FOREACH_FAULT {
                _cleanup_(str_done) Str bytes = {};
                int r;

                r = snapshot_file_write(pinset, &bytes);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpuint(pinset->n_scans, ==, 0);
        }
        state_pinset_free(pinset);
}

#define ADD(path, function)                                                                                 \
        g_test_add("/state/snapshot-writer/" path,                                                          \
                   Fixture,                                                                                 \
                   NULL,                                                                                    \
                   fixture_set_up,                                                                          \
                   function,                                                                                \
                   fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("golden", test_golden);
        ADD("empty-pinset", test_empty_pinset);
        ADD("steps", test_steps);
        ADD("is-a-view", test_is_a_view);
        ADD("damaged-cache-is-refused", test_damaged_cache);
        ADD("largest-records", test_largest_records);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
