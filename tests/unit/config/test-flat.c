#include "daemon/config/flat.h"
#include "tests/unit/config/fixture.h"

#define PEER "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

/* As the program of 2017 wrote it. */
static const char flat[] = "{\n"
                           "    \"id\": \"" PEER "\",\n"
                           "    \"private_key\": \"c2VjcmV0\",\n"
                           "    \"cluster_peers\": [\"/ip4/192.168.1.2/tcp/9096/ipfs/" PEER "\"],\n"
                           "    \"bootstrap\": [],\n"
                           "    \"leave_on_shutdown\": true,\n"
                           "    \"cluster_multiaddress\": \"/ip4/0.0.0.0/tcp/19096\",\n"
                           "    \"api_listen_multiaddress\": \"/ip4/127.0.0.1/tcp/19094\",\n"
                           "    \"ipfs_proxy_listen_multiaddress\": \"/ip4/127.0.0.1/tcp/19095\",\n"
                           "    \"ipfs_node_multiaddress\": \"/ip4/127.0.0.1/tcp/15001\",\n"
                           "    \"consensus_data_folder\": \"/var/lib/cluster/data\",\n"
                           "    \"state_sync_seconds\": 90,\n"
                           "    \"replication_factor\": 2\n"
                           "}\n";

static void test_mapped(Fixture *f, const void *data G_GNUC_UNUSED) {
        const Config *c;

        if (fixture_load(f, flat) < 0)
                g_error("%s", error_message(&f->error));
        c = f->config;
        g_assert_cmpstr(c->cluster.peer_addresses.items[0], ==, "/ip4/192.168.1.2/tcp/9096/p2p/" PEER);
        g_assert_cmpuint(c->raft.init_peerset.n, ==, 1);
        g_assert_cmpstr(c->raft.init_peerset.items[0], ==, PEER);
        g_assert_cmpuint(c->cluster.bootstrap.n, ==, 0);
        g_assert_true(c->cluster.leave_on_shutdown);
        g_assert_cmpuint(c->cluster.listen_multiaddress.n, ==, 1);
        g_assert_cmpstr(c->cluster.listen_multiaddress.items[0], ==, "/ip4/0.0.0.0/tcp/19096");
        g_assert_true(c->rest_enabled);
        g_assert_cmpstr(c->rest.http_listen_multiaddress.items[0], ==, "/ip4/127.0.0.1/tcp/19094");
        g_assert_cmpstr(c->ipfs.node_multiaddress, ==, "/ip4/127.0.0.1/tcp/15001");
        g_assert_cmpstr(c->raft.data_folder, ==, "/var/lib/cluster/data");
        g_assert_cmpint(c->cluster.state_sync_interval, ==, 90 * USEC_PER_SEC);
        g_assert_cmpint(c->cluster.replication_factor_min, ==, 2);
        g_assert_cmpint(c->cluster.replication_factor_max, ==, 2);
        g_assert_cmpstr(c->cluster.secret, ==, ""); /* swarms of 2017 were open */
        g_assert_true(c->proxy_enabled);
        g_assert_cmpstr(c->proxy.listen_multiaddress.items[0], ==, "/ip4/127.0.0.1/tcp/19095");
        g_assert_cmpstr(c->proxy.node_multiaddress, ==, "/ip4/127.0.0.1/tcp/15001");
}

static void test_few_keys(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(fixture_load(f, "{\"state_sync_seconds\":0,\"replication_factor\":0,\"other\":1}"),
                        ==,
                        0);
        g_assert_cmpint(f->config->cluster.state_sync_interval, ==, 60 * USEC_PER_SEC);
        g_assert_cmpint(f->config->cluster.replication_factor_min, ==, -1);
        g_assert_cmpint(f->config->cluster.replication_factor_max, ==, -1);
        g_assert_cmpuint(f->config->cluster.listen_multiaddress.n, ==, 2);
}

static const struct {
        const char *text, *words;
} refused[] = {
        { "{\"state_sync_seconds\":\"60\"}",
          "state_sync_seconds: \"60\" is not allowed, expected a whole number" },
        { "{\"cluster_peers\":\"x\"}", "cluster_peers: \"x\" is not allowed, expected a list of strings" },
        { "{\"cluster_peers\":[\"x\"]}",
          "cluster_peers: [\"x\"] is not allowed, expected a multiaddr such as /ip4/127.0.0.1/tcp/9096" },
        { "{\"cluster_multiaddress\":\"/ip4/1.2.3.4\"}",
          "cluster_multiaddress: \"/ip4/1.2.3.4\" is not allowed, expected a multiaddr with tcp or unix, such as "
          "/ip4/127.0.0.1/tcp/5001" },
        { "{\"cluster_peers\":[],\"private_key\":7}",
          "private_key: the value is not allowed, expected a string" },
};

static void test_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                if (fixture_load(f, refused[i].text) >= 0)
                        g_error("%s is accepted", refused[i].text);
                g_assert_cmpstr(error_message(&f->error), ==, refused[i].words);
                g_assert_cmpint(f->error.code, ==, ERROR_INVALID);
        }
}

static void test_recognised(void) {
        static const struct {
                const char *text;
                bool is;
        } cases[] = {
                { "{}", false },
                { "{\"id\":\"x\"}", false },
                { "{\"cluster_peers\":[]}", true },
                { "{\"api_listen_multiaddress\":1}", true },
                { "{\"cluster\":{},\"cluster_peers\":[]}", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct json_object *file = json_tokener_parse(cases[i].text);

                if (config_flat_is(file) != cases[i].is)
                        g_error("%s", cases[i].text);
                json_object_put(file);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/config/flat/recognised-by-its-keys", test_recognised);
#define ADD(path, func)                                                                                     \
        g_test_add("/config/flat/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("mapped-onto-sections", test_mapped);
        ADD("few-keys", test_few_keys);
        ADD("refused-by-its-own-keys", test_refused);
        return g_test_run();
}
