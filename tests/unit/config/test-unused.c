#include "daemon/config/unused.h"
#include "tests/unit/config/fixture.h"

static void test_unused(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(str_done) Str names = {};

        g_assert_cmpint(fixture_load(f,
                                     "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\",\"id\":\"x\","
                                     "\"pubsub\":{},\"odd\":1},\"consensus\":{\"raft\":{}},\"api\":{\"ipfsproxy\":{},\"pinsvcapi\":{},"
                                     "\"restapi\":{\"http_log_file\":\"\"}},\"datastore\":{\"pebble\":{},\"x\":1},\"state\":{}}"),
                        ==,
                        0);
        g_assert_cmpint(config_unused_names(f->config, &names), ==, 0);
        g_assert_cmpstr(names.data, ==, "cluster.pubsub, cluster.odd, datastore.pebble, datastore.x, state");
}

static void test_nothing(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("api.restapi.http_log_file", "\"\"");
        _cleanup_(str_done) Str names = {};

        g_assert_cmpint(fixture_load(f, text), ==, 0);
        g_assert_cmpint(config_unused_names(f->config, &names), ==, 0);
        g_assert_cmpuint(names.len, ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/unused/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("what-is-not-used-is-named", test_unused);
        ADD("nothing", test_nothing);
        return g_test_run();
}
