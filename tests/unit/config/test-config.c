#include <locale.h>

#include "daemon/config/config.h"
#include "tests/lib/fault.h"
#include "tests/unit/config/fixture.h"

/* ---- what init writes */

static void test_default(Fixture *f, const void *data G_GNUC_UNUSED) {
        const ConfigCluster *c;

        g_assert_cmpint(config_new_default(&f->config, f->folder, &f->error), ==, 0);
        c = &f->config->cluster;
        g_assert_cmpstr(c->peername, ==, g_get_host_name());
        g_assert_cmpuint(strlen(c->secret), ==, 64);
        g_assert_cmpuint(strspn(c->secret, "0123456789abcdef"), ==, 64);
        g_assert_cmpuint(c->listen_multiaddress.n, ==, 2);
        g_assert_cmpint(c->state_sync_interval, ==, 300 * USEC_PER_SEC);
        g_assert_true(c->disable_repinning);
        g_assert_true(f->config->rest_enabled);
        g_assert_cmpstr(f->config->rest.http_listen_multiaddress.items[0], ==, "/ip4/127.0.0.1/tcp/9094");
        g_assert_true(f->config->informers.disk_enabled);
        g_assert_true(f->config->informers.tags_enabled);
        g_assert_true(f->config->informers.pinqueue_enabled);
        g_assert_false(f->config->informers.numpin_enabled);
        g_assert_cmpuint(f->config->allocate_by.n, ==, 2);
        g_assert_cmpint(config_check(f->config, &f->error), ==, 0);
}

static void test_secrets_differ(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_freep) Config *other = NULL;

        g_assert_cmpint(config_new_default(&f->config, f->folder, NULL), ==, 0);
        g_assert_cmpint(config_new_default(&other, f->folder, NULL), ==, 0);
        g_assert_cmpstr(f->config->cluster.secret, !=, other->cluster.secret);
}

/* ---- what is absent */

static void test_absent(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("informer.pinqueue.metric_ttl", "\"7s\"");
        const Config *c;

        g_assert_cmpint(fixture_load(f, text), ==, 0);
        c = f->config;
        g_assert_cmpstr(c->cluster.peername, ==, g_get_host_name());
        g_assert_cmpstr(c->cluster.secret, ==, "");
        g_assert_false(c->cluster.disable_repinning); /* not the default of init */
        g_assert_cmpint(c->cluster.replication_factor_min, ==, -1);
        g_assert_cmpint(c->cluster.mdns_interval, ==, 10 * USEC_PER_SEC);
        g_assert_false(c->rest_enabled);
        g_assert_false(c->informers.disk_enabled);
        g_assert_true(c->informers.pinqueue_enabled);
        g_assert_cmpint(c->informers.pinqueue_metric_ttl, ==, 7 * USEC_PER_SEC);
        g_assert_cmpint(c->informers.pinqueue_weight_bucket_size, ==, 0);
        g_assert_cmpuint(c->allocate_by.n, ==, 1); /* the rule of files older than the allocator */
        g_assert_cmpstr(c->allocate_by.items[0], ==, "freespace");
        g_assert_cmpint(c->raft.commit_retries, ==, 0);
        g_assert_cmpint(c->raft.backups_rotate, ==, 6);
        g_assert_cmpint(c->tracker.max_pin_queue_size, ==, 1000000);
        g_assert_cmpint(c->ipfs.unpin_timeout, ==, 3 * 3600 * USEC_PER_SEC);
        g_assert_cmpint(c->monitor_check_interval, ==, 15 * USEC_PER_SEC);
}

static const struct {
        const char *path, *value;
} accepted[] = {
        { "cluster.secret", "\"" FIXTURE_SECRET "\"" },
        { "cluster.secret", "\"\"" },
        { "cluster.listen_multiaddress", "[\"/ip4/1.2.3.4/tcp/1\",\"/dns4/a/tcp/2\"]" },
        { "cluster.no_announce_multiaddress", "\"/ip4/10.0.0.0/ipcidr/8\"" },
        { "cluster.dial_peer_timeout", "\"\"" },
        { "cluster.replication_factor_max", "0" },
        { "cluster.mdns_interval", "\"0s\"" },
        { "cluster.mdns_interval", "null" },
        { "cluster.unheard_of", "{\"a\":[1,2]}" },
        { "unheard_of", "[1]" },
        { "api.restapi.max_header_bytes", "0" },
        { "api.restapi.basic_auth_credentials", "null" },
        { "api.restapi.basic_auth_credentials", "{\"a\":\"b:c,d\"}" },
        { "api.restapi.headers", "{}" },
        { "api.restapi.headers", "{\"X-A\":[\"b\",\"\"],\"x_b~\":[]}" },
        { "api.restapi.cors_allowed_origins", "[\"*\"]" },
        { "api.restapi.cors_allowed_origins", "[]" },
        { "api.restapi.cors_allow_credentials", "false" },
        { "api.restapi.cors_max_age", "\"1s\"" },
        { "api.restapi.http_log_file", "\"log\"" },
        { "api.restapi.http_listen_multiaddress", "\"/unix/run/api\"" },
        { "api.ipfsproxy.node_https", "true" },
        { "api.pinsvcapi.cors_allowed_origins", "[\"example.org\"]" },
        { "ipfs_connector.ipfshttp.unpin_disable", "true" },
        { "ipfs_connector.ipfshttp.authorization", "\"basic:user:pass:word\"" },
        { "pin_tracker.stateless.concurrent_pins", "0" },
        { "informer.tags.tags", "{\"a\":\"b\"}" },
        { "observations.metrics.enable_stats", "true" },
        { "datastore.badger.gc_discard_ratio", "0.5" },
        { "datastore.badger3.badger_options", "{\"dir\":\"x\"}" },
        { "datastore.pebble.pebble_options", "{\"levels\":[{}]}" },
};

static void test_accepted(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (size_t i = 0; i < ELEMENTSOF(accepted); i++) {
                g_autofree char *text = fixture_with(accepted[i].path, accepted[i].value);

                if (fixture_load(f, text) < 0)
                        g_error("%s %s: %s", accepted[i].path, accepted[i].value, error_message(&f->error));
        }
}

/* ---- what is refused */

#define NUMBER "a whole number"
#define ABOVE_0 "a number above 0"
#define LATER "a duration above 0"
#define HEADERS "names of HTTP headers (none that frame the answer), each with a list of values"
#define NOT_OFFERED ": this setting is not offered yet, remove it or set it back to its default"

static const struct {
        const char *path, *value;
        ErrorCode code;
        const char *words; /* after PATH; NULL: EXPECTED, around VALUE */
        const char *expected;
} refused[] = {
        { "cluster", "1", ERROR_INVALID, NULL, "an object" },
        { "cluster.peername", "3", ERROR_INVALID, NULL, "a string" },
        { "cluster.secret",
          "\"abcd\"",
          ERROR_INVALID,
          ": the value is not allowed, expected 64 hexadecimal digits, or nothing for an open cluster",
          NULL },
        { "cluster.leave_on_shutdown", "\"yes\"", ERROR_INVALID, NULL, "true or false" },
        { "cluster.listen_multiaddress", "null", ERROR_INVALID, " is undefined", NULL },
        { "cluster.listen_multiaddress",
          "[]",
          ERROR_INVALID,
          NULL,
          "one or more multiaddrs such as /ip4/0.0.0.0/tcp/9096" },
        { "cluster.listen_multiaddress",
          "\"junk\"",
          ERROR_INVALID,
          NULL,
          "one or more multiaddrs such as /ip4/0.0.0.0/tcp/9096" },
        { "cluster.announce_multiaddress",
          "[\"x\"]",
          ERROR_INVALID,
          ": \"x\" is not allowed, expected a multiaddr such as /ip4/127.0.0.1/tcp/9096",
          NULL },
        { "cluster.enable_relay_hop", "1", ERROR_INVALID, NULL, "true or false" },
        { "cluster.connection_manager", "[]", ERROR_INVALID, NULL, "an object" },
        { "cluster.connection_manager.high_water", "0", ERROR_INVALID, NULL, ABOVE_0 },
        { "cluster.connection_manager.low_water", "-1", ERROR_INVALID, NULL, ABOVE_0 },
        { "cluster.connection_manager.grace_period",
          "\"0s\"",
          ERROR_INVALID,
          NULL,
          "a duration other than 0" },
        { "cluster.connection_manager",
          "{\"low_water\":9,\"high_water\":8}",
          ERROR_INVALID,
          ".low_water: 9 is not allowed, expected at most high_water (8)",
          NULL },
        { "cluster.resource_manager.memory_limit_bytes",
          "-1",
          ERROR_INVALID,
          NULL,
          "0 or a number above it" },
        { "cluster.pubsub.d_factor", "0", ERROR_INVALID, NULL, ABOVE_0 },
        { "cluster.pubsub.heartbeat_interval", "\"0s\"", ERROR_INVALID, NULL, LATER },
        { "cluster.dial_peer_timeout", "\"0s\"", ERROR_INVALID, NULL, LATER },
        { "cluster.state_sync_interval", "\"soon\"", ERROR_INVALID, NULL, "a duration such as \"1m30s\"" },
        { "cluster.pin_recover_interval", "\"-1s\"", ERROR_INVALID, NULL, LATER },
        { "cluster.replication_factor_min", "\"1\"", ERROR_INVALID, NULL, NUMBER },
        { "cluster.replication_factor_min", "1.5", ERROR_INVALID, NULL, NUMBER },
        { "cluster.replication_factor_min", "3", ERROR_INVALID, " is larger than max: 3, -1", NULL },
        { "cluster.monitor_ping_interval", "5", ERROR_INVALID, NULL, "a duration such as \"1m30s\"" },
        { "cluster.peer_watch_interval", "\"0s\"", ERROR_INVALID, NULL, LATER },
        { "cluster.mdns_interval", "\"-1s\"", ERROR_INVALID, NULL, "0 or a duration above it" },
        { "cluster.peer_addresses", "\"/ip4/1.2.3.4/tcp/1\"", ERROR_INVALID, NULL, "a list of strings" },
        { "consensus", "[]", ERROR_INVALID, NULL, "an object" },
        { "consensus.crdt.cluster_name", "\"\"", ERROR_INVALID, NULL, "something that is not empty" },
        { "consensus.crdt.trusted_peers", "[\"x\"]", ERROR_INVALID, NULL, "peer IDs or \"*\"" },
        { "consensus.crdt.batching.max_queue_size", "0", ERROR_INVALID, NULL, ABOVE_0 },
        { "consensus.crdt.repair_interval", "\"-1s\"", ERROR_INVALID, NULL, "0 or a duration above it" },
        { "consensus.raft.init_peerset", "[\"x\"]", ERROR_INVALID, NULL, "peer IDs" },
        { "consensus.raft.commit_retries", "-1", ERROR_INVALID, NULL, "0 or a number above it" },
        { "consensus.raft.backups_rotate", "-1", ERROR_INVALID, NULL, ABOVE_0 },
        { "consensus.raft.network_timeout", "\"-2s\"", ERROR_INVALID, NULL, LATER },
        { "consensus.raft.leader_lease_timeout",
          "\"2s\"",
          ERROR_INVALID,
          " is larger than heartbeat_timeout: 2s, 1s",
          NULL },
        { "consensus.raft.election_timeout",
          "\"900ms\"",
          ERROR_INVALID,
          " is smaller than heartbeat_timeout: 900ms, 1s",
          NULL },
        { "api.restapi", "false", ERROR_INVALID, NULL, "an object" },
        { "api.restapi.http_listen_multiaddress",
          "\"/ip4/1.2.3.4/udp/5\"",
          ERROR_INVALID,
          NULL,
          "one or more multiaddrs with tcp or unix, such as /ip4/127.0.0.1/tcp/9094" },
        { "api.restapi.read_timeout", "\"-1s\"", ERROR_INVALID, NULL, "0 or a duration above it" },
        { "api.restapi.max_header_bytes", "4095", ERROR_INVALID, NULL, "a number from 4096 to 2147483647" },
        { "api.restapi.max_header_bytes",
          "2147483648",
          ERROR_INVALID,
          NULL,
          "a number from 4096 to 2147483647" },
        { "api.restapi.ssl_cert_file", "3", ERROR_INVALID, NULL, "a string" },
        { "api.restapi.basic_auth_credentials",
          "{}",
          ERROR_INVALID,
          ": the value is not allowed, expected something that is not empty",
          NULL },
        { "api.restapi.basic_auth_credentials",
          "{\"a\":5}",
          ERROR_INVALID,
          ": the value is not allowed, expected names and values, both strings",
          NULL },
        { "api.restapi.headers", "3", ERROR_INVALID, NULL, "an object, in the file only" },
        { "api.restapi.headers", "{\"A\":\"b\"}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.headers", "{\"A\":[5]}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.headers", "{\"A\":[\"b\\r\\nc\"]}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.headers", "{\"A b\":[\"c\"]}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.headers", "{\"A:\":[\"c\"]}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.headers", "{\"\":[\"c\"]}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.headers", "{\"content-length\":[\"9\"]}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.headers", "{\"Transfer-Encoding\":[\"x\"]}", ERROR_INVALID, NULL, HEADERS },
        { "api.restapi.cors_max_age", "\"-1s\"", ERROR_INVALID, NULL, "0 or a duration above it" },
        { "api.restapi.libp2p_listen_multiaddress",
          "\"/ip4/1.2.3.4/tcp/1\"",
          ERROR_UNSUPPORTED,
          NOT_OFFERED,
          NULL },
        { "api.pinsvcapi.cors_max_age", "\"-1s\"", ERROR_INVALID, NULL, "0 or a duration above it" },
        { "api.pinsvcapi.libp2p_listen_multiaddress",
          "\"/ip4/1.2.3.4/tcp/1\"",
          ERROR_UNSUPPORTED,
          NOT_OFFERED,
          NULL },
        { "api.ipfsproxy.node_multiaddress",
          "\"/ip4/1.2.3.4\"",
          ERROR_INVALID,
          NULL,
          "a multiaddr with tcp or unix, such as /ip4/127.0.0.1/tcp/5001" },
        { "api.ipfsproxy.extract_headers_path", "\"\"", ERROR_INVALID, NULL, "something that is not empty" },
        { "ipfs_connector.ipfshttp.node_multiaddress",
          "\"localhost:5001\"",
          ERROR_INVALID,
          NULL,
          "a multiaddr with tcp or unix, such as /ip4/127.0.0.1/tcp/5001" },
        { "ipfs_connector.ipfshttp.pin_timeout",
          "\"-1s\"",
          ERROR_INVALID,
          NULL,
          "0 or a duration above it" },
        { "ipfs_connector.ipfshttp.informer_trigger_interval",
          "-1",
          ERROR_INVALID,
          NULL,
          "0 or a number above it" },
        { "ipfs_connector.ipfshttp.authorization",
          "\"token\"",
          ERROR_INVALID,
          ": the value is not allowed, expected bearer:TOKEN or basic:USER:PASSWORD",
          NULL },
        { "ipfs_connector.ipfshttp.authorization",
          "\"bearer:a\\r\\nb\"",
          ERROR_INVALID,
          ": the value is not allowed, expected bearer:TOKEN or basic:USER:PASSWORD",
          NULL },
        { "pin_tracker.stateless.max_pin_queue_size", "-1", ERROR_INVALID, NULL, ABOVE_0 },
        { "pin_tracker.stateless.concurrent_pins", "-1", ERROR_INVALID, NULL, ABOVE_0 },
        { "monitor.pubsubmon", "{}", ERROR_INVALID, ".check_interval is undefined", NULL },
        { "monitor.pubsubmon.check_interval", "\"0s\"", ERROR_INVALID, NULL, LATER },
        { "allocator.balanced.allocate_by", "[]", ERROR_INVALID, NULL, "something that is not empty" },
        { "informer.disk", "{\"metric_ttl\":\"30s\"}", ERROR_INVALID, ".metric_type is undefined", NULL },
        { "informer.disk",
          "{\"metric_type\":\"reposize\"}",
          ERROR_INVALID,
          ".metric_ttl is undefined",
          NULL },
        { "informer.disk",
          "{\"metric_ttl\":\"30s\",\"metric_type\":\"x\"}",
          ERROR_INVALID,
          ".metric_type: \"x\" is not allowed, expected \"freespace\" or \"reposize\"",
          NULL },
        { "informer.tags.tags",
          "{\"a\":1}",
          ERROR_INVALID,
          ": 1 is not allowed, expected names and values, both strings",
          NULL },
        { "informer.pinqueue", "{}", ERROR_INVALID, ".metric_ttl is undefined", NULL },
        { "informer.numpin.metric_ttl", "\"0s\"", ERROR_INVALID, NULL, LATER },
        { "observations.metrics.prometheus_endpoint",
          "\"x\"",
          ERROR_INVALID,
          NULL,
          "a multiaddr with tcp or unix, such as /ip4/127.0.0.1/tcp/5001" },
        { "observations.tracing.enable_tracing", "true", ERROR_UNSUPPORTED, NOT_OFFERED, NULL },
        { "datastore.badger.gc_discard_ratio", "1", ERROR_INVALID, NULL, "a number above 0 and below 1" },
        { "datastore.leveldb.folder", "\"\"", ERROR_INVALID, NULL, "something that is not empty" },
        { "datastore.pebble.pebble_options", "[]", ERROR_INVALID, NULL, "an object, in the file only" },
};

static char *refused_words(size_t i) {
        if (!refused[i].words)
                return g_strdup_printf(
                                "%s: %s is not allowed, expected %s",
                                refused[i].path,
                                refused[i].value,
                                refused[i].expected);
        return g_strdup_printf("%s%s", refused[i].path, refused[i].words);
}

static void test_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                g_autofree char *text = fixture_with(refused[i].path, refused[i].value);
                g_autofree char *words = refused_words(i);

                if (fixture_load(f, text) >= 0)
                        g_error("%s %s is accepted", refused[i].path, refused[i].value);
                g_assert_cmpstr(error_message(&f->error), ==, words);
                if (f->error.code != refused[i].code)
                        g_error("%s: code %d, not %d", words, (int) f->error.code, (int) refused[i].code);
        }
}

static const struct {
        const char *text;
        ErrorCode code;
        const char *words;
} files[] = {
        { "{not json", ERROR_INVALID, "service.json: not valid JSON at byte 1" },
        { "", ERROR_INVALID, "service.json: not valid JSON at byte 0" },
        { "null", ERROR_INVALID, "service.json: expected a JSON object" },
        { "[]", ERROR_INVALID, "service.json: expected a JSON object" },
        { "{}", ERROR_INVALID, "cluster.listen_multiaddress is undefined" },
        { "{\"source\":\"http://127.0.0.1:1/x\"}",
          ERROR_UNSUPPORTED,
          "source: a configuration from a URL (http://127.0.0.1:1/x) is not offered, expected the settings "
          "themselves" },
        { "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\"}}",
          ERROR_INVALID,
          "could not determine the consensus component: expected the section consensus.raft" },
        { "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\"},\"consensus\":{\"crdt\":{},\"raft\":{}}}",
          ERROR_INVALID,
          "could not determine the consensus component: expected the section consensus.raft, and no "
          "consensus.crdt" },
        { "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\"},\"consensus\":{\"crdt\":{}}}",
          ERROR_REFUSED,
          "consensus.crdt is not offered: to migrate, stop the peer, save its pins with `state export` of the "
          "program that wrote them, run `ipfs-cluster-service init`, then `ipfs-cluster-service state import`" },
        { "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\",\"replication_factor_min\":2,"
          "\"replication_factor_max\":1},\"consensus\":{\"raft\":{}}}",
          ERROR_INVALID,
          "cluster.replication_factor_min is larger than max: 2, 1" },
        { "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\",\"replication_factor_max\":3},"
          "\"consensus\":{\"raft\":{}}}",
          ERROR_INVALID,
          "cluster.replication_factor_min and max must be -1 when one of them is" },
        { "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\",\"replication_factor_min\":-2},"
          "\"consensus\":{\"raft\":{}}}",
          ERROR_INVALID,
          "cluster.replication_factor_min is wrong: -2, expected -1 or a number above 0" },
        { "{\"cluster\":{\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\",\"pin_only_on_trusted_peers\":true,"
          "\"pin_only_on_untrusted_peers\":true},\"consensus\":{\"raft\":{}}}",
          ERROR_INVALID,
          "cluster.pin_only_on_trusted_peers and cluster.pin_only_on_untrusted_peers are both set, expected at "
          "most one" },
};

static void test_files(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                if (fixture_load(f, files[i].text) >= 0)
                        g_error("%s is accepted", files[i].text);
                g_assert_cmpstr(error_message(&f->error), ==, files[i].words);
                g_assert_cmpint(f->error.code, ==, files[i].code);
        }
}

static void test_no_file(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *words = g_strdup_printf(
                        "open %s/service.json: no such file or directory; `ipfs-cluster-service init` makes one",
                        f->folder);

        g_assert_cmpint(config_load(&f->config, f->folder, &f->error), <, 0);
        g_assert_cmpint(f->error.code, ==, ERROR_NOT_FOUND);
        g_assert_cmpstr(error_message(&f->error), ==, words);
}

/* The files that the Go program's init writes: those of raft load, those of crdt are refused. */
static void test_recorded(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                ErrorCode code;
        } cases[] = {
                { "init-raft.service.json", ERROR_NONE },
                { "init-raft-env.service.json", ERROR_NONE },
                { "init-raft-peers.service.json", ERROR_NONE },
                { "init-crdt-pebble.service.json", ERROR_REFUSED },
                { "init-crdt-badger.service.json", ERROR_REFUSED },
                { "init-crdt-badger3.service.json", ERROR_REFUSED },
                { "init-crdt-leveldb.service.json", ERROR_REFUSED },
                { "init-crdt-peers.service.json", ERROR_REFUSED },
                { "init-url.service.json", ERROR_UNSUPPORTED },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *text = fixture_golden(cases[i].name);
                char *secret = strstr(text, "<64 hex digits>");
                g_autoptr(GString) whole = g_string_new(text);

                if (secret)
                        g_string_replace(whole, "<64 hex digits>", FIXTURE_SECRET, 1);
                g_test_message("%s", cases[i].name);
                (void) fixture_load(f, whole->str);
                if (f->error.code != cases[i].code)
                        g_error("%s: %s", cases[i].name, error_message(&f->error));
        }
}

/* Cut at any byte it is no JSON any more, and nothing else happens. */
static void test_cut(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("informer.tags.tags", "{\"a\":\"b\"}");

        for (size_t n = strlen(text); n-- > 0;) {
                text[n] = '\0';
                g_assert_cmpint(fixture_load(f, text), <, 0);
                g_assert_true(g_str_has_prefix(
                                error_message(&f->error), "service.json: not valid JSON at byte "));
        }
}

/* One of the two files is no TLS. */
static void test_half_of_tls(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *key, *words;
        } cases[] = {
                { "api.restapi.ssl_cert_file",
                  "api.restapi.ssl_key_file: nothing is not allowed beside api.restapi.ssl_cert_file, expected both or neither" },
                { "api.restapi.ssl_key_file",
                  "api.restapi.ssl_cert_file: nothing is not allowed beside api.restapi.ssl_key_file, expected both or neither" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *text = fixture_with(cases[i].key, "\"some.pem\"");

                g_assert_cmpint(fixture_load(f, text), <, 0);
                g_assert_cmpint(f->error.code, ==, ERROR_INVALID);
                g_assert_cmpstr(error_message(&f->error), ==, cases[i].words);
        }
}

static void test_default_folder(void) {
        _cleanup_free_ char *folder = NULL;

        g_setenv("HOME", "/nowhere", true);
        g_unsetenv("IPFS_CLUSTER_PATH");
        g_assert_cmpint(config_default_folder(&folder), ==, 0);
        g_assert_cmpstr(folder, ==, "/nowhere/.ipfs-cluster");
        g_setenv("IPFS_CLUSTER_PATH", "/else/where", true);
        g_assert_cmpint(config_default_folder(&folder), ==, 0);
        g_assert_cmpstr(folder, ==, "/else/where");
        g_unsetenv("IPFS_CLUSTER_PATH");
}

static void test_state_folder(void) {
        static const struct {
                const char *variable, *folder, *state;
        } cases[] = {
                { NULL, "/srv/a/.ipfs-cluster", "/srv/a/.ipfs-cluster" },
                { NULL, "/etc/ipfs-cluster", "/var/lib/ipfs-cluster" },
                { NULL, "/etcetera", "/etcetera" },
                { "/var/lib/x", "/etc/ipfs-cluster", "/var/lib/x" },
                { "/var/lib/x:/var/lib/y", "relative", "/var/lib/x" },
                { "", "relative", "relative" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *state = NULL;

                if (cases[i].variable)
                        g_setenv("STATE_DIRECTORY", cases[i].variable, true);
                g_assert_cmpint(config_state_folder(cases[i].folder, &state), ==, 0);
                g_unsetenv("STATE_DIRECTORY");
                g_assert_cmpstr(state, ==, cases[i].state);
        }
}

static void test_data_folder(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("consensus.raft.data_folder", "\"logs\"");
        g_autofree char *path = g_build_filename(f->folder, "logs", NULL);

        g_assert_cmpint(fixture_load(f, text), ==, 0);
        g_assert_cmpstr(f->config->raft.data_folder, ==, path);
}

static void test_faults(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = fixture_with("cluster.peer_addresses", "[\"/ip4/1.2.3.4/tcp/1\"]");

        fixture_put(f, CONFIG_FILE, text);
        FOREACH_FAULT {
                int r = config_load(&f->config, f->folder, &f->error);

                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
                f->config = config_free(f->config);
                error_done(&f->error);
        }
}

int main(int argc, char **argv) {
        setlocale(LC_ALL, "");
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/config/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("default-is-that-of-init", test_default);
        ADD("each-default-has-its-own-secret", test_secrets_differ);
        ADD("absent-keys", test_absent);
        ADD("values-that-are-accepted", test_accepted);
        ADD("values-that-are-refused", test_refused);
        ADD("files-that-are-refused", test_files);
        ADD("no-file", test_no_file);
        ADD("recorded-files", test_recorded);
        ADD("cut-at-each-byte", test_cut);
        ADD("half-of-tls-is-refused", test_half_of_tls);
        ADD("allocations-fail", test_faults);
        ADD("data-folder-starts-at-the-configuration", test_data_folder);
        g_test_add_func("/config/config/default-folder", test_default_folder);
        g_test_add_func("/config/config/state-folder", test_state_folder);
        return g_test_run();
}
