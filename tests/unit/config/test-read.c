#include "daemon/config/read.h"
#include "tests/unit/config/fixture.h"

/* ---- environment */

static void set_list(const StrList *list, GString *to) {
        for (size_t i = 0; i < list->n; i++)
                g_string_append_printf(to, "%s%s", i > 0 ? "," : "", list->items[i]);
}

#define INT(m)                                                                                              \
        static void get_##m(const Config *c, GString *to) {                                                 \
                g_string_append_printf(to, "%jd", (intmax_t) c->m);                                         \
        }
#define TEXT(s, m)                                                                                          \
        static void get_##s##_##m(const Config *c, GString *to) {                                           \
                g_string_append(to, c->s.m);                                                                \
        }
#define NUMBER(s, m)                                                                                        \
        static void get_##s##_##m(const Config *c, GString *to) {                                           \
                g_string_append_printf(to, "%jd", (intmax_t) c->s.m);                                       \
        }
#define LIST(s, m)                                                                                          \
        static void get_##s##_##m(const Config *c, GString *to) {                                           \
                set_list(&c->s.m, to);                                                                      \
        }

TEXT(cluster, peername)
TEXT(cluster, secret)
TEXT(cluster, peerstore_file)
TEXT(raft, data_folder)
TEXT(ipfs, node_multiaddress)
TEXT(ipfs, authorization)
TEXT(metrics, prometheus_endpoint)
LIST(cluster, listen_multiaddress)
LIST(cluster, announce_multiaddress)
LIST(cluster, peer_addresses)
LIST(raft, init_peerset)
LIST(rest, http_listen_multiaddress)
NUMBER(cluster, leave_on_shutdown)
NUMBER(cluster, dial_peer_timeout)
NUMBER(cluster, replication_factor_min)
NUMBER(cluster, monitor_ping_interval)
NUMBER(cluster, mdns_interval)
NUMBER(cluster, disable_repinning)
NUMBER(cluster, follower_mode)
NUMBER(raft, wait_for_leader_timeout)
NUMBER(raft, commit_retries)
NUMBER(raft, backups_rotate)
NUMBER(rest, max_header_bytes)
NUMBER(rest, idle_timeout)
NUMBER(ipfs, pin_timeout)
NUMBER(ipfs, repogc_timeout)
NUMBER(ipfs, unpin_disable)
NUMBER(metrics, enable_stats)
NUMBER(tracker, concurrent_pins)
NUMBER(tracker, max_pin_queue_size)
NUMBER(informers, disk_metric_ttl)
NUMBER(informers, disk_reposize)
NUMBER(informers, pinqueue_weight_bucket_size)
NUMBER(informers, numpin_metric_ttl)
INT(monitor_check_interval)

static void get_allocate_by(const Config *c, GString *to) {
        set_list(&c->allocate_by, to);
}

static void get_tags(const Config *c, GString *to) {
        for (size_t i = 0; i < c->informers.tags.n; i++)
                g_string_append_printf(
                                to,
                                "[%s=%s]",
                                c->informers.tags.items[i].key,
                                c->informers.tags.items[i].value);
}

static void get_credentials(const Config *c, GString *to) {
        const StrMap *map = &c->rest.credentials;

        for (size_t i = 0; i < map->n; i++)
                g_string_append_printf(to, "[%s=%s]", map->items[i].key, map->items[i].value);
}

static void get_origins(const Config *c, GString *to) {
        set_list(&c->rest.cors.allowed_origins, to);
}

#define PEER "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static const struct {
        const char *variable, *text;
        void (*get)(const Config *c, GString *to);
        const char *value;
} variables[] = {
        { "CLUSTER_PEERNAME", "name", get_cluster_peername, "name" },
        { "CLUSTER_SECRET",
          "AA112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
          get_cluster_secret,
          "aa112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" },
        { "CLUSTER_SECRET", "", get_cluster_secret, "" },
        { "CLUSTER_LEAVEONSHUTDOWN", "t", get_cluster_leave_on_shutdown, "1" },
        { "CLUSTER_LISTENMULTIADDRESS",
          "/ip4/1.2.3.4/tcp/1,/ip6/::1/tcp/2",
          get_cluster_listen_multiaddress,
          "/ip4/1.2.3.4/tcp/1,/ip6/::1/tcp/2" },
        { "CLUSTER_ANNOUNCEMULTIADDRESS",
          "/ip4/1.2.3.4/tcp/1",
          get_cluster_announce_multiaddress,
          "/ip4/1.2.3.4/tcp/1" },
        { "CLUSTER_DIALPEERTIMEOUT", "8s", get_cluster_dial_peer_timeout, "8000000" },
        { "CLUSTER_DIALPEERTIMEOUT", "", get_cluster_dial_peer_timeout, "3000000" },
        { "CLUSTER_REPLICATIONFACTORMIN", "-1", get_cluster_replication_factor_min, "-1" },
        { "CLUSTER_MONITORPINGINTERVAL", "1m", get_cluster_monitor_ping_interval, "60000000" },
        { "CLUSTER_MDNSINTERVAL", "0", get_cluster_mdns_interval, "0" },
        { "CLUSTER_DISABLEREPINNING", "TRUE", get_cluster_disable_repinning, "1" },
        { "CLUSTER_FOLLOWERMODE", "1", get_cluster_follower_mode, "1" },
        { "CLUSTER_PEERSTOREFILE", "peers", get_cluster_peerstore_file, "peers" },
        { "CLUSTER_PEERADDRESSES",
          "/ip4/1.2.3.4/tcp/1/ipfs/" PEER,
          get_cluster_peer_addresses,
          "/ip4/1.2.3.4/tcp/1/p2p/" PEER },
        { "CLUSTER_RAFT_DATAFOLDER", "/data", get_raft_data_folder, "/data" },
        { "CLUSTER_RAFT_INITPEERSET", PEER, get_raft_init_peerset, PEER },
        { "CLUSTER_RAFT_WAITFORLEADERTIMEOUT", "9s", get_raft_wait_for_leader_timeout, "9000000" },
        { "CLUSTER_RAFT_COMMITRETRIES", "0x10", get_raft_commit_retries, "16" },
        { "CLUSTER_RAFT_BACKUPSROTATE", "0", get_raft_backups_rotate, "6" },
        { "CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS",
          "/ip4/127.0.0.1/tcp/23001,/ip4/127.0.0.1/tcp/23002",
          get_rest_http_listen_multiaddress,
          "/ip4/127.0.0.1/tcp/23001,/ip4/127.0.0.1/tcp/23002" },
        { "CLUSTER_RESTAPI_MAXHEADERBYTES", "8192", get_rest_max_header_bytes, "8192" },
        { "CLUSTER_RESTAPI_IDLETIMEOUT", "3s", get_rest_idle_timeout, "3000000" },
        { "CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "user:pass,b:c", get_credentials, "[b=c][user=pass]" },
        { "CLUSTER_RESTAPI_CORSALLOWEDORIGINS", "a,b", get_origins, "a,b" },
        { "CLUSTER_METRICS_ENABLESTATS", "true", get_metrics_enable_stats, "1" },
        { "CLUSTER_METRICS_PROMETHEUSENDPOINT",
          "/ip6/::1/tcp/8888",
          get_metrics_prometheus_endpoint,
          "/ip6/::1/tcp/8888" },
        { "CLUSTER_IPFSHTTP_NODEMULTIADDRESS",
          "/dns4/kubo/tcp/5001",
          get_ipfs_node_multiaddress,
          "/dns4/kubo/tcp/5001" },
        { "CLUSTER_IPFSHTTP_AUTHORIZATION", "bearer:token", get_ipfs_authorization, "bearer:token" },
        { "CLUSTER_IPFSHTTP_PINTIMEOUT", "10s", get_ipfs_pin_timeout, "10000000" },
        { "CLUSTER_IPFSHTTP_REPOGCTIMEOUT", "10s", get_ipfs_repogc_timeout, "10000000" },
        { "CLUSTER_IPFSHTTP_UNPINDISABLE", "true", get_ipfs_unpin_disable, "1" },
        { "CLUSTER_STATELESS_CONCURRENTPINS", "3", get_tracker_concurrent_pins, "3" },
        { "CLUSTER_STATELESS_CONCURRENTPINS", "0", get_tracker_concurrent_pins, "10" }, /* as recorded */
        { "CLUSTER_STATELESS_MAXPINQUEUESIZE", "7", get_tracker_max_pin_queue_size, "7" },
        { "CLUSTER_PUBSUBMON_CHECKINTERVAL", "2s", get_monitor_check_interval, "2000000" },
        { "CLUSTER_BALANCED_ALLOCATEBY", "tag:a, numpin", get_allocate_by, "tag:a,numpin" },
        { "CLUSTER_DISK_METRICTTL", "2s", get_informers_disk_metric_ttl, "2000000" },
        { "CLUSTER_DISK_METRICTYPE", "reposize", get_informers_disk_reposize, "1" },
        { "CLUSTER_TAGS_TAGS", "group:a,zone:b", get_tags, "[group=a][zone=b]" },
        { "CLUSTER_TAGS_TAGS", "", get_tags, "" },
        { "CLUSTER_PINQUEUE_WEIGHTBUCKETSIZE", "5", get_informers_pinqueue_weight_bucket_size, "5" },
        { "CLUSTER_NUMPIN_METRICTTL", "5s", get_informers_numpin_metric_ttl, "5000000" },
};

static void test_variables(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("cluster.peername", "\"from the file\"");

        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                g_autoptr(GString) value = g_string_new("");

                g_setenv(variables[i].variable, variables[i].text, true);
                if (fixture_load(f, text) < 0)
                        g_error("%s: %s", variables[i].variable, error_message(&f->error));
                g_unsetenv(variables[i].variable);

                variables[i].get(f->config, value);
                if (!g_str_equal(value->str, variables[i].value))
                        g_error("%s=%s: '%s', not '%s'",
                                variables[i].variable,
                                variables[i].text,
                                value->str,
                                variables[i].value);
        }
}

#define NOT_OFFERED ": this setting is not offered yet, remove it or set it back to its default"

static const struct {
        const char *variable, *text, *words; /* after the name */
} bad[] = {
        { "CLUSTER_SECRET",
          "zz",
          ": the value is not allowed, expected 64 hexadecimal digits, or nothing for an open cluster" },
        { "CLUSTER_LEAVEONSHUTDOWN", "", ": the value is not allowed, expected true or false" },
        { "CLUSTER_LEAVEONSHUTDOWN", "maybe", ": maybe is not allowed, expected true or false" },
        { "CLUSTER_LISTENMULTIADDRESS",
          "",
          ": [] is not allowed, expected one or more multiaddrs such as /ip4/0.0.0.0/tcp/9096" },
        { "CLUSTER_REPLICATIONFACTORMIN", "1x", ": 1x is not allowed, expected a whole number" },
        { "CLUSTER_REPLICATIONFACTORMIN", " 1", ":  1 is not allowed, expected a whole number" },
        { "CLUSTER_CONNECTIONMANAGER_HIGHWATER", "0", ": 0 is not allowed, expected a number above 0" },
        { "CLUSTER_PUBSUB_DFACTOR", "x", ": x is not allowed, expected a whole number" },
        { "CLUSTER_STATELESS_CONCURRENTPINS", "-1", ": -1 is not allowed, expected a number above 0" },
        { "CLUSTER_IPFSHTTP_NODEMULTIADDRESS",
          "localhost",
          ": \"localhost\" is not allowed, expected a multiaddr with tcp or unix, such as /ip4/127.0.0.1/tcp/5001" },
        { "CLUSTER_TAGS_TAGS", "group", ": group is not allowed, expected names and values, both strings" },
        { "CLUSTER_TAGS_TAGS", "a:b:c", ": a:b:c is not allowed, expected names and values, both strings" },
        { "CLUSTER_DISK_METRICTYPE", "x", ": x is not allowed, expected \"freespace\" or \"reposize\"" },
        { "CLUSTER_TRACING_SAMPLINGPROB", "x", ": x is not allowed, expected a number" },
        { "CLUSTER_CRDT_TRUSTEDPEERS", "x", ": [\"x\"] is not allowed, expected peer IDs or \"*\"" },
        { "CLUSTER_RESTAPI_BASICAUTHCREDENTIALS",
          "user",
          ": the value is not allowed, expected names and values, both strings" },
        { "CLUSTER_RESTAPI_BASICAUTHCREDENTIALS",
          "",
          ": the value is not allowed, expected something that is not empty" },
        { "CLUSTER_RESTAPI_HEADERS",
          "{\"A\":[\"b\"]}",
          ": {\"A\":[\"b\"]} is not allowed, expected an object, in the file only" },
        { "CLUSTER_RESTAPI_LIBP2PLISTENMULTIADDRESS", "/ip4/1.2.3.4/tcp/1", NOT_OFFERED },
        { "CLUSTER_PINSVCAPI_LIBP2PLISTENMULTIADDRESS", "/ip4/1.2.3.4/tcp/1", NOT_OFFERED },
        { "CLUSTER_TRACING_ENABLETRACING", "1", NOT_OFFERED },
};

static void test_bad_variables(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("cluster.peername", "\"from the file\"");

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                g_autofree char *words = g_strconcat(bad[i].variable, bad[i].words, NULL);

                g_setenv(bad[i].variable, bad[i].text, true);
                if (fixture_load(f, text) >= 0)
                        g_error("%s=%s is accepted", bad[i].variable, bad[i].text);
                g_unsetenv(bad[i].variable);
                g_assert_cmpstr(error_message(&f->error), ==, words);
        }
}

/* A variable of a section that is only kept goes into what is written back. */
static void test_kept_variable(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("cluster.connection_manager.high_water", "5");
        g_autofree char *written = NULL;

        g_setenv("CLUSTER_CONNECTIONMANAGER_HIGHWATER", "77", true);
        g_setenv("CLUSTER_PEBBLE_FOLDER", "elsewhere", true); /* not a section of this file */
        g_assert_cmpint(fixture_load(f, text), ==, 0);
        g_unsetenv("CLUSTER_CONNECTIONMANAGER_HIGHWATER");
        g_unsetenv("CLUSTER_PEBBLE_FOLDER");

        g_assert_cmpint(config_write(f->config, NULL), ==, 0);
        written = fixture_get(f, CONFIG_FILE);
        g_assert_nonnull(strstr(written, "\"high_water\": 77"));
        g_assert_null(strstr(written, "elsewhere"));
}

/* ---- one key */

static void test_set_and_get(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char *const paths[] = { "cluster.listen_multiaddress",
                                             "api.ipfsproxy.listen_multiaddress" };

        g_assert_cmpint(config_new_default(&f->config, f->folder, NULL), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_free_ char *value = NULL;

                g_assert_cmpint(config_set(f->config,
                                           paths[i],
                                           "/ip4/1.2.3.4/tcp/01,/ip4/1.2.3.4/tcp/2",
                                           NULL),
                                ==,
                                0);
                g_assert_cmpint(config_get(f->config, paths[i], &value), ==, 0);
                g_assert_cmpstr(value, ==, "/ip4/1.2.3.4/tcp/1,/ip4/1.2.3.4/tcp/2");
        }

        g_assert_cmpint(config_set(f->config, "cluster.secret", "x", &f->error), ==, -EINVAL);
        g_assert_cmpstr(error_message(&f->error),
                        ==,
                        "cluster.secret: the value is not allowed, expected 64 hexadecimal digits, or nothing for an "
                        "open cluster");
}

static void test_get_what_is_not_there(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("cluster.peername", "\"x\"");
        _cleanup_free_ char *value = NULL;

        g_assert_cmpint(fixture_load(f, text), ==, 0);
        g_assert_cmpint(config_get(f->config, "datastore.pebble.folder", &value), ==, 0);
        g_assert_null(value);
        g_assert_cmpint(config_get(f->config, "cluster.peername", &value), ==, 0);
        g_assert_cmpstr(value, ==, "x");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/read/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("variables", test_variables);
        ADD("bad-variables-are-named", test_bad_variables);
        ADD("variable-of-a-kept-section", test_kept_variable);
        ADD("set-and-get", test_set_and_get);
        ADD("get-what-is-not-there", test_get_what_is_not_there);
        return g_test_run();
}
