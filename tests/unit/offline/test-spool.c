#include <glib.h>
#include <glib/gstdio.h>

#include "daemon/base/macro.h"
#include "daemon/offline/spool.h"

static void test_order(void) {
        g_autofree char *folder = g_dir_make_tmp("spool-XXXXXX", NULL);
        _cleanup_(offline_spool_done) OfflineSpool spool = {};
        _cleanup_(str_done) Str record = {};

        g_assert_cmpint(offline_spool_open(&spool, folder), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0); /* no name is left in it */

        for (uint32_t i = 0; i < 5000; i++)
                g_assert_cmpint(offline_spool_put(&spool, &i, i % 5), ==, 0);
        g_assert_cmpuint(spool.n_records, ==, 5000);
        g_assert_cmpint(offline_spool_rewind(&spool), ==, 0);
        for (uint32_t i = 0; i < 5000; i++) {
                str_reset(&record);
                g_assert_cmpint(offline_spool_next(&spool, &record), ==, 1);
                g_assert_cmpmem(record.data, record.len, &i, i % 5);
        }
        g_assert_cmpint(offline_spool_next(&spool, &record), ==, 0);
}

static void test_empty(void) {
        _cleanup_(offline_spool_done) OfflineSpool spool = {};
        _cleanup_(str_done) Str record = {};

        g_assert_cmpint(offline_spool_open(&spool, g_get_tmp_dir()), ==, 0);
        g_assert_cmpint(offline_spool_rewind(&spool), ==, 0);
        g_assert_cmpint(offline_spool_next(&spool, &record), ==, 0);
}

static void test_no_folder(void) {
        _cleanup_(offline_spool_done) OfflineSpool spool = {};

        g_assert_cmpint(offline_spool_open(&spool, "/nonexistent"), ==, -ENOENT);
}

static void test_full_disk(void) {
        OfflineSpool spool = { .file = fopen("/dev/full", "w+") };
        char bytes[100000] = "";
        int r;

        r = offline_spool_put(&spool, bytes, sizeof(bytes));
        if (r >= 0)
                r = offline_spool_rewind(&spool);
        g_assert_cmpint(r, ==, -ENOSPC);
        offline_spool_done(&spool);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/offline/spool/order", test_order);
        g_test_add_func("/offline/spool/empty", test_empty);
        g_test_add_func("/offline/spool/no-folder", test_no_folder);
        g_test_add_func("/offline/spool/full-disk", test_full_disk);
        return g_test_run();
}
