#include "daemon/config/peerstore.h"
#include "tests/lib/fault.h"
#include "tests/unit/config/fixture.h"

#define PEER "/p2p/QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static char *peerstore(const Fixture *f) {
        return g_build_filename(f->folder, "peerstore", NULL);
}

static void test_recorded(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *golden = fixture_golden("init-peers.peerstore"), *path = peerstore(f),
                        *written = NULL;
        _cleanup_(str_list_done) StrList list = {};

        fixture_put(f, "peerstore", golden);
        g_assert_cmpint(config_peerstore_load(path, &list, &f->error), ==, 0);
        g_assert_cmpuint(list.n, ==, 2);
        g_assert_cmpstr(list.items[0], ==, "/ip4/127.0.0.1/tcp/22096" PEER);
        g_assert_cmpint(config_peerstore_write(path, &list, &f->error), ==, 0);
        written = fixture_get(f, "peerstore");
        g_assert_cmpstr(written, ==, golden);
}

static void test_skipped_lines(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *path = peerstore(f);
        _cleanup_(str_list_done) StrList list = {};

        fixture_put(f,
                    "peerstore",
                    "# a note\n\n/ip4/1.2.3.4/tcp/1\n/ip4/x/tcp/1" PEER "\r\n/dns4/a/tcp/1" PEER "\r\n"
                    "/ip4/1.2.3.4/tcp/2/ipfs/QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc");
        g_assert_cmpint(config_peerstore_load(path, &list, &f->error), ==, 0);
        g_assert_cmpuint(list.n, ==, 2);
        g_assert_cmpstr(list.items[0], ==, "/dns4/a/tcp/1" PEER);
        g_assert_cmpstr(list.items[1], ==, "/ip4/1.2.3.4/tcp/2" PEER);
}

static void test_none(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *path = peerstore(f), *written = NULL;
        _cleanup_(str_list_done) StrList list = {};

        g_assert_cmpint(config_peerstore_load(path, &list, &f->error), ==, 0);
        g_assert_cmpuint(list.n, ==, 0);
        g_assert_cmpint(config_peerstore_write(path, &list, &f->error), ==, 0);
        written = fixture_get(f, "peerstore");
        g_assert_cmpstr(written, ==, "");
}

static void test_no_folder(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *path = g_build_filename(f->folder, "none", "peerstore", NULL);

        g_assert_cmpint(config_peerstore_write(path, &(StrList){}, &f->error), ==, -ENOENT);
        g_assert_true(g_str_has_suffix(
                        error_message(&f->error), "/none/peerstore: No such file or directory"));
}

static void test_faults(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *path = peerstore(f);

        fixture_put(f, "peerstore", "/ip4/1.2.3.4/tcp/1" PEER "\n/ip4/1.2.3.4/tcp/2" PEER "\n");
        FOREACH_FAULT {
                _cleanup_(str_list_done) StrList list = {};
                int r = config_peerstore_load(path, &list, NULL);

                if (r >= 0)
                        r = config_peerstore_write(path, &list, NULL);
                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/peerstore/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("as-recorded", test_recorded);
        ADD("other-lines-are-skipped", test_skipped_lines);
        ADD("none", test_none);
        ADD("no-folder", test_no_folder);
        ADD("allocations-fail", test_faults);
        return g_test_run();
}
