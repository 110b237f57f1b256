#include "daemon/config/table.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config/config.h"

#define OWN(key_, kind_, rule_, member, preset_, ...)                                                       \
        {                                                                                                   \
                .key = key_, .kind = JSON_##kind_, .rule = CONFIG_RULE_##rule_,                             \
                .offset = offsetof(Config, member), .preset = preset_, __VA_ARGS__                          \
        }
#define KEEP(key_, kind_, rule_, preset_, ...)                                                              \
        {                                                                                                   \
                .key = key_, .kind = JSON_##kind_, .rule = CONFIG_RULE_##rule_, .offset = CONFIG_KEPT,      \
                .preset = preset_, __VA_ARGS__                                                              \
        }
#define FLAGS(f) .flags = (f)
#define ABSENT(text) .absent = (text)
#define ROWS(r) .rows = (r)
#define TYPE(t) .type = (t)
#define ROWS_END                                                                                            \
        { .key = NULL }

/* informer.disk.metric_type: a bool here, two words in the file. */
static int metric_type_read(struct json_object *from, void *member) {
        const char *text = json_object_get_string(from);

        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;
        if (!str_equal(text, "freespace") && !str_equal(text, "reposize"))
                return -EBADMSG;

        *(bool *) member = str_equal(text, "reposize");
        return 0;
}

static int metric_type_write(const void *member, Str *to) {
        return json_write_string(to, *(const bool *) member ? "reposize" : "freespace");
}

static const JsonType metric_type_json = {
        .expected = "\"freespace\" or \"reposize\"",
        .read = metric_type_read,
        .write = metric_type_write,
};

static const ConfigRow connection_manager_rows[] = {
        KEEP("high_water", INT, POSITIVE, "400"),
        KEEP("low_water", INT, POSITIVE, "100"),
        KEEP("grace_period", DURATION, NOT_ZERO, "2m"),
        ROWS_END,
};

static const ConfigRow resource_manager_rows[] = {
        KEEP("enabled", BOOL, ANY, "true"),
        KEEP("memory_limit_bytes", INT, NOT_NEGATIVE, "0"),
        KEEP("file_descriptors_limit", INT, NOT_NEGATIVE, "0"),
        ROWS_END,
};

static const ConfigRow pubsub_rows[] = {
        KEEP("seen_messages_ttl", DURATION, POSITIVE, "30m"),
        KEEP("heartbeat_interval", DURATION, POSITIVE, "10s"),
        KEEP("d_factor", INT, POSITIVE, "4"),
        KEEP("history_gossip", INT, POSITIVE, "2"),
        KEEP("history_length", INT, POSITIVE, "6"),
        KEEP("flood_publish", BOOL, ANY, "false"),
        ROWS_END,
};

static const ConfigRow cluster_rows[] = {
        KEEP("id", STRING, ANY, NULL, FLAGS(CONFIG_NO_VARIABLE)),
        KEEP("private_key", STRING, ANY, NULL, FLAGS(CONFIG_SECRET | CONFIG_NO_VARIABLE)),
        OWN("peername", STRING, ANY, cluster.peername, ""),
        OWN("secret", STRING, SECRET, cluster.secret, "", FLAGS(CONFIG_SECRET)),
        OWN("log_level", STRING, LOG_LEVELS, cluster.log_level, "", FLAGS(CONFIG_LIVE | CONFIG_OMIT_EMPTY)),
        OWN("leave_on_shutdown", BOOL, ANY, cluster.leave_on_shutdown, "false", FLAGS(CONFIG_LIVE)),
        OWN("listen_multiaddress",
            ONE_OR_MORE,
            ADDRESSES,
            cluster.listen_multiaddress,
            "/ip4/0.0.0.0/tcp/9096,/ip4/0.0.0.0/udp/9096/quic",
            FLAGS(CONFIG_REQUIRED)),
        OWN("announce_multiaddress", ONE_OR_MORE, ADDRESS, cluster.announce_multiaddress, ""),
        OWN("no_announce_multiaddress", ONE_OR_MORE, ADDRESS, cluster.no_announce_multiaddress, ""),
        KEEP("enable_relay_hop", BOOL, ANY, "true"),
        KEEP("connection_manager", OBJECT, ANY, NULL, ROWS(connection_manager_rows)),
        KEEP("resource_manager", OBJECT, ANY, NULL, ROWS(resource_manager_rows)),
        KEEP("pubsub", OBJECT, ANY, NULL, ROWS(pubsub_rows)),
        OWN("dial_peer_timeout", DURATION, POSITIVE, cluster.dial_peer_timeout, "3s"),
        OWN("state_sync_interval",
            DURATION,
            POSITIVE,
            cluster.state_sync_interval,
            "5m",
            FLAGS(CONFIG_LIVE)),
        OWN("pin_recover_interval",
            DURATION,
            POSITIVE,
            cluster.pin_recover_interval,
            "12m",
            FLAGS(CONFIG_LIVE)),
        OWN("replication_factor_min",
            INT,
            ANY,
            cluster.replication_factor_min,
            "-1",
            FLAGS(CONFIG_LIVE | CONFIG_ZERO_PRESET)),
        OWN("replication_factor_max",
            INT,
            ANY,
            cluster.replication_factor_max,
            "-1",
            FLAGS(CONFIG_LIVE | CONFIG_ZERO_PRESET)),
        OWN("monitor_ping_interval",
            DURATION,
            POSITIVE,
            cluster.monitor_ping_interval,
            "15s",
            FLAGS(CONFIG_LIVE)),
        OWN("peer_watch_interval", DURATION, POSITIVE, cluster.peer_watch_interval, "5s"),
        OWN("mdns_interval", DURATION, NOT_NEGATIVE, cluster.mdns_interval, "10s"),
        OWN("pin_only_on_trusted_peers", BOOL, ANY, cluster.pin_only_on_trusted_peers, "false"),
        OWN("pin_only_on_untrusted_peers", BOOL, ANY, cluster.pin_only_on_untrusted_peers, "false"),
        OWN("disable_repinning", BOOL, ANY, cluster.disable_repinning, "true", ABSENT("false")),
        OWN("follower_mode",
            BOOL,
            ANY,
            cluster.follower_mode,
            "false",
            FLAGS(CONFIG_LIVE | CONFIG_OMIT_EMPTY)),
        OWN("peerstore_file", STRING, ANY, cluster.peerstore_file, "", FLAGS(CONFIG_OMIT_EMPTY)),
        OWN("peer_addresses", STRINGS, ADDRESS, cluster.peer_addresses, ""),
        OWN("bootstrap",
            STRINGS,
            ADDRESS,
            cluster.bootstrap,
            "",
            FLAGS(CONFIG_OMIT_EMPTY | CONFIG_NO_VARIABLE)),
        ROWS_END,
};

static const ConfigRow batching_rows[] = {
        KEEP("max_batch_size", INT, NOT_NEGATIVE, "0"),
        KEEP("max_batch_age", DURATION, NOT_NEGATIVE, "0s"),
        KEEP("max_queue_size", INT, POSITIVE, NULL),
        ROWS_END,
};

static const ConfigRow crdt_rows[] = {
        KEEP("cluster_name", STRING, FILLED, "ipfs-cluster"),
        KEEP("trusted_peers", STRINGS, TRUSTED_PEERS, "*"),
        KEEP("batching", OBJECT, ANY, NULL, ROWS(batching_rows)),
        KEEP("repair_interval", DURATION, NOT_NEGATIVE, "1h"),
        KEEP("rebroadcast_interval", DURATION, POSITIVE, NULL),
        KEEP("peerset_metric", STRING, FILLED, NULL),
        KEEP("datastore_namespace", STRING, ANY, NULL),
        ROWS_END,
};

static const ConfigRow raft_rows[] = {
        OWN("data_folder", STRING, ANY, raft.data_folder, "", FLAGS(CONFIG_OMIT_EMPTY)),
        OWN("init_peerset", STRINGS, PEERS, raft.init_peerset, ""),
        OWN("wait_for_leader_timeout",
            DURATION,
            POSITIVE,
            raft.wait_for_leader_timeout,
            "15s",
            FLAGS(CONFIG_ZERO_PRESET)),
        OWN("network_timeout", DURATION, POSITIVE, raft.network_timeout, "10s", FLAGS(CONFIG_ZERO_PRESET)),
        OWN("commit_retries", INT, NOT_NEGATIVE, raft.commit_retries, "1", ABSENT("0")),
        OWN("commit_retry_delay",
            DURATION,
            POSITIVE,
            raft.commit_retry_delay,
            "200ms",
            FLAGS(CONFIG_ZERO_PRESET)),
        OWN("backups_rotate", INT, POSITIVE, raft.backups_rotate, "6", FLAGS(CONFIG_ZERO_PRESET)),
        KEEP("datastore_namespace", STRING, ANY, NULL),
        OWN("heartbeat_timeout",
            DURATION,
            POSITIVE,
            raft.heartbeat_timeout,
            "1s",
            FLAGS(CONFIG_ZERO_PRESET)),
        OWN("election_timeout", DURATION, POSITIVE, raft.election_timeout, "1s", FLAGS(CONFIG_ZERO_PRESET)),
        OWN("commit_timeout", DURATION, POSITIVE, raft.commit_timeout, "50ms", FLAGS(CONFIG_ZERO_PRESET)),
        OWN("max_append_entries", INT, POSITIVE, raft.max_append_entries, "64", FLAGS(CONFIG_ZERO_PRESET)),
        OWN("trailing_logs", INT, POSITIVE, raft.trailing_logs, "10240", FLAGS(CONFIG_ZERO_PRESET)),
        OWN("snapshot_interval",
            DURATION,
            POSITIVE,
            raft.snapshot_interval,
            "2m",
            FLAGS(CONFIG_ZERO_PRESET)),
        OWN("snapshot_threshold", INT, POSITIVE, raft.snapshot_threshold, "8192", FLAGS(CONFIG_ZERO_PRESET)),
        OWN("leader_lease_timeout",
            DURATION,
            POSITIVE,
            raft.leader_lease_timeout,
            "500ms",
            FLAGS(CONFIG_ZERO_PRESET)),
        ROWS_END,
};

static const ConfigRow proxy_rows[] = {
        OWN("listen_multiaddress",
            ONE_OR_MORE,
            ENDPOINTS,
            proxy.listen_multiaddress,
            "/ip4/127.0.0.1/tcp/9095"),
        OWN("node_multiaddress", STRING, ENDPOINT, proxy.node_multiaddress, "/ip4/127.0.0.1/tcp/5001"),
        OWN("node_https", BOOL, ANY, proxy.node_https, "false", FLAGS(CONFIG_OMIT_EMPTY)),
        KEEP("log_file", STRING, ANY, "", FLAGS(CONFIG_UNBUILT)),
        OWN("read_timeout", DURATION, NOT_NEGATIVE, proxy.read_timeout, "0s"),
        OWN("read_header_timeout", DURATION, NOT_NEGATIVE, proxy.read_header_timeout, "5s"),
        OWN("write_timeout", DURATION, NOT_NEGATIVE, proxy.write_timeout, "0s"),
        OWN("idle_timeout", DURATION, NOT_NEGATIVE, proxy.idle_timeout, "1m"),
        OWN("max_header_bytes",
            INT,
            HEADER_BYTES,
            proxy.max_header_bytes,
            "4096",
            FLAGS(CONFIG_ZERO_PRESET)),
        OWN("extract_headers_extra",
            STRINGS,
            ANY,
            proxy.extract_headers_extra,
            "",
            FLAGS(CONFIG_OMIT_EMPTY)),
        OWN("extract_headers_path",
            STRING,
            FILLED,
            proxy.extract_headers_path,
            "/api/v0/version",
            FLAGS(CONFIG_OMIT_PRESET)),
        OWN("extract_headers_ttl",
            DURATION,
            NOT_NEGATIVE,
            proxy.extract_headers_ttl,
            "5m",
            FLAGS(CONFIG_OMIT_PRESET)),
        ROWS_END,
};

#define CORS_EXPOSED "Content-Type,X-Stream-Output,X-Chunked-Output,X-Content-Length"

/* Without the keys of CORS a file means what the Go program's library does then: every origin, and "" for
 * the methods stands for GET, POST and HEAD. */
/* clang-format off */
#define HTTP_API_ROWS(api_, address_) \
        OWN("http_listen_multiaddress", ONE_OR_MORE, ENDPOINTS, api_.http_listen_multiaddress, address_), \
        OWN("ssl_cert_file", STRING, ANY, api_.ssl_cert_file, "", FLAGS(CONFIG_LIVE | CONFIG_OMIT_EMPTY)), \
        OWN("ssl_key_file", STRING, ANY, api_.ssl_key_file, "", FLAGS(CONFIG_LIVE | CONFIG_OMIT_EMPTY)), \
        OWN("read_timeout", DURATION, NOT_NEGATIVE, api_.read_timeout, "0s", FLAGS(CONFIG_LIVE)), \
        OWN("read_header_timeout", DURATION, NOT_NEGATIVE, api_.read_header_timeout, "5s", \
            FLAGS(CONFIG_LIVE)), \
        OWN("write_timeout", DURATION, NOT_NEGATIVE, api_.write_timeout, "0s", FLAGS(CONFIG_LIVE)), \
        OWN("idle_timeout", DURATION, NOT_NEGATIVE, api_.idle_timeout, "2m", FLAGS(CONFIG_LIVE)), \
        OWN("max_header_bytes", INT, HEADER_BYTES, api_.max_header_bytes, "4096", \
            FLAGS(CONFIG_ZERO_PRESET)), \
        KEEP("libp2p_listen_multiaddress", ONE_OR_MORE, ADDRESS, NULL, FLAGS(CONFIG_UNBUILT)), \
        KEEP("id", STRING, ANY, NULL, FLAGS(CONFIG_UNBUILT)), \
        KEEP("private_key", STRING, ANY, NULL, FLAGS(CONFIG_UNBUILT | CONFIG_SECRET)), \
        OWN("basic_auth_credentials", MAP, FILLED, api_.credentials, "null", \
            FLAGS(CONFIG_LIVE | CONFIG_SECRET)), \
        OWN("http_log_file", STRING, ANY, api_.http_log_file, "", FLAGS(CONFIG_LIVE)), \
        OWN("headers", OBJECT, HEADERS, api_.headers, "{}", FLAGS(CONFIG_LIVE)), \
        OWN("cors_allowed_origins", STRINGS, ANY, api_.cors.allowed_origins, "*", FLAGS(CONFIG_LIVE), \
            ABSENT("")), \
        OWN("cors_allowed_methods", STRINGS, ANY, api_.cors.allowed_methods, "GET", FLAGS(CONFIG_LIVE), \
            ABSENT("")), \
        OWN("cors_allowed_headers", STRINGS, ANY, api_.cors.allowed_headers, "", FLAGS(CONFIG_LIVE)), \
        OWN("cors_exposed_headers", STRINGS, ANY, api_.cors.exposed_headers, CORS_EXPOSED, \
            FLAGS(CONFIG_LIVE), ABSENT("")), \
        OWN("cors_allow_credentials", BOOL, ANY, api_.cors.allow_credentials, "true", \
            FLAGS(CONFIG_LIVE), ABSENT("false")), \
        OWN("cors_max_age", DURATION, NOT_NEGATIVE, api_.cors.max_age, "0s", FLAGS(CONFIG_LIVE))
/* clang-format on */

static const ConfigRow pinsvc_rows[] = {
        HTTP_API_ROWS(pinsvc, "/ip4/127.0.0.1/tcp/9097"),
        ROWS_END,
};

static const ConfigRow rest_rows[] = {
        HTTP_API_ROWS(rest, "/ip4/127.0.0.1/tcp/9094"),
        ROWS_END,
};

static const ConfigRow ipfs_rows[] = {
        OWN("node_multiaddress", STRING, ENDPOINT, ipfs.node_multiaddress, "/ip4/127.0.0.1/tcp/5001"),
        OWN("authorization",
            STRING,
            AUTHORIZATION,
            ipfs.authorization,
            "",
            FLAGS(CONFIG_LIVE | CONFIG_OMIT_EMPTY | CONFIG_SECRET)),
        OWN("connect_swarms_delay", DURATION, NOT_NEGATIVE, ipfs.connect_swarms_delay, "30s"),
        OWN("ipfs_request_timeout",
            DURATION,
            NOT_NEGATIVE,
            ipfs.ipfs_request_timeout,
            "5m",
            FLAGS(CONFIG_LIVE)),
        OWN("pin_timeout", DURATION, NOT_NEGATIVE, ipfs.pin_timeout, "2m", FLAGS(CONFIG_LIVE)),
        OWN("unpin_timeout", DURATION, NOT_NEGATIVE, ipfs.unpin_timeout, "3h", FLAGS(CONFIG_LIVE)),
        OWN("repogc_timeout", DURATION, NOT_NEGATIVE, ipfs.repogc_timeout, "24h", FLAGS(CONFIG_LIVE)),
        OWN("informer_trigger_interval",
            INT,
            NOT_NEGATIVE,
            ipfs.informer_trigger_interval,
            "0",
            FLAGS(CONFIG_LIVE)),
        OWN("unpin_disable", BOOL, ANY, ipfs.unpin_disable, "false", FLAGS(CONFIG_LIVE | CONFIG_OMIT_EMPTY)),
        ROWS_END,
};

static const ConfigRow tracker_rows[] = {
        OWN("max_pin_queue_size",
            INT,
            POSITIVE,
            tracker.max_pin_queue_size,
            "1000000",
            FLAGS(CONFIG_LIVE | CONFIG_ZERO_PRESET | CONFIG_OMIT_PRESET)),
        OWN("concurrent_pins",
            INT,
            POSITIVE,
            tracker.concurrent_pins,
            "10",
            FLAGS(CONFIG_LIVE | CONFIG_ZERO_PRESET)),
        OWN("priority_pin_max_age",
            DURATION,
            POSITIVE,
            tracker.priority_pin_max_age,
            "24h",
            FLAGS(CONFIG_LIVE | CONFIG_ZERO_PRESET)),
        OWN("priority_pin_max_retries",
            INT,
            POSITIVE,
            tracker.priority_pin_max_retries,
            "5",
            FLAGS(CONFIG_LIVE | CONFIG_ZERO_PRESET)),
        ROWS_END,
};

static const ConfigRow monitor_rows[] = {
        OWN("check_interval",
            DURATION,
            POSITIVE,
            monitor_check_interval,
            "15s",
            FLAGS(CONFIG_LIVE | CONFIG_REQUIRED)),
        KEEP("failure_threshold", DOUBLE, ANY, NULL),
        ROWS_END,
};

static const ConfigRow allocator_rows[] = {
        /* files older than the allocator had the free space decide */
        OWN("allocate_by",
            STRINGS,
            FILLED,
            allocate_by,
            "tag:group,freespace",
            FLAGS(CONFIG_LIVE | CONFIG_REQUIRED),
            ABSENT("freespace")),
        ROWS_END,
};

static const ConfigRow disk_rows[] = {
        OWN("metric_ttl",
            DURATION,
            POSITIVE,
            informers.disk_metric_ttl,
            "30s",
            FLAGS(CONFIG_LIVE | CONFIG_REQUIRED)),
        OWN("metric_type",
            TYPE,
            ANY,
            informers.disk_reposize,
            "freespace",
            FLAGS(CONFIG_LIVE | CONFIG_REQUIRED),
            TYPE(&metric_type_json)),
        ROWS_END,
};

static const ConfigRow pinqueue_rows[] = {
        OWN("metric_ttl",
            DURATION,
            POSITIVE,
            informers.pinqueue_metric_ttl,
            "30s",
            FLAGS(CONFIG_LIVE | CONFIG_REQUIRED)),
        OWN("weight_bucket_size",
            INT,
            NOT_NEGATIVE,
            informers.pinqueue_weight_bucket_size,
            "100000",
            ABSENT("0"),
            FLAGS(CONFIG_LIVE)),
        ROWS_END,
};

static const ConfigRow tags_rows[] = {
        OWN("metric_ttl", DURATION, POSITIVE, informers.tags_metric_ttl, "30s", FLAGS(CONFIG_LIVE)),
        OWN("tags", MAP, ANY, informers.tags, "group:default", ABSENT(""), FLAGS(CONFIG_LIVE)),
        ROWS_END,
};

static const ConfigRow numpin_rows[] = {
        OWN("metric_ttl",
            DURATION,
            POSITIVE,
            informers.numpin_metric_ttl,
            "10s",
            FLAGS(CONFIG_LIVE | CONFIG_REQUIRED)),
        ROWS_END,
};

static const ConfigRow metrics_rows[] = {
        OWN("enable_stats", BOOL, ANY, metrics.enable_stats, "false"),
        OWN("prometheus_endpoint", STRING, ENDPOINT, metrics.prometheus_endpoint, "/ip4/127.0.0.1/tcp/8888"),
        KEEP("reporting_interval", DURATION, POSITIVE, "30s"),
        ROWS_END,
};

static const ConfigRow tracing_rows[] = {
        KEEP("enable_tracing", BOOL, ANY, "false", FLAGS(CONFIG_UNBUILT)),
        KEEP("jaeger_agent_endpoint", STRING, ADDRESS, "/ip4/0.0.0.0/udp/6831"),
        KEEP("sampling_prob", DOUBLE, ANY, "0.3"),
        KEEP("service_name", STRING, ANY, "cluster-daemon"),
        ROWS_END,
};

static const ConfigRow badger_rows[] = {
        /* badger3 has the same keys */
        KEEP("folder", STRING, FILLED, NULL),
        KEEP("gc_discard_ratio", DOUBLE, FRACTION, NULL),
        KEEP("gc_interval", DURATION, NOT_NEGATIVE, NULL),
        KEEP("gc_sleep", DURATION, NOT_NEGATIVE, NULL),
        KEEP("badger_options", OBJECT, ANY, NULL),
        ROWS_END,
};

static const ConfigRow leveldb_rows[] = {
        KEEP("folder", STRING, FILLED, NULL),
        KEEP("leveldb_options", OBJECT, ANY, NULL),
        ROWS_END,
};

static const ConfigRow pebble_rows[] = {
        KEEP("folder", STRING, FILLED, NULL),
        KEEP("pebble_options", OBJECT, ANY, NULL),
        ROWS_END,
};

#define SECTION(group_, name_, prefix_, rows_, flags_)                                                      \
        {                                                                                                   \
                .group = group_, .name = name_, .prefix = "CLUSTER_" prefix_, .rows = rows_,                \
                .flags = flags_, .enabled = CONFIG_KEPT                                                     \
        }
#define OPTIONAL(group_, name_, prefix_, rows_, flags_, member)                                             \
        {                                                                                                   \
                .group = group_, .name = name_, .prefix = "CLUSTER_" prefix_, .rows = rows_,                \
                .flags = flags_, .enabled = offsetof(Config, member)                                        \
        }
#define USED CONFIG_SECTION_USED
#define INIT CONFIG_SECTION_INIT
#define LIVE CONFIG_SECTION_LIVE

const ConfigSection config_table_sections[] = {
        SECTION(NULL, "cluster", "", cluster_rows, USED | INIT),
        SECTION("consensus", "crdt", "CRDT_", crdt_rows, 0),
        SECTION("consensus", "raft", "RAFT_", raft_rows, USED | INIT),
        OPTIONAL("api", "ipfsproxy", "IPFSPROXY_", proxy_rows, USED | INIT, proxy_enabled),
        OPTIONAL("api", "pinsvcapi", "PINSVCAPI_", pinsvc_rows, USED | INIT, pinsvc_enabled),
        OPTIONAL("api", "restapi", "RESTAPI_", rest_rows, USED | INIT, rest_enabled),
        SECTION("ipfs_connector", "ipfshttp", "IPFSHTTP_", ipfs_rows, USED | INIT),
        SECTION("pin_tracker", "stateless", "STATELESS_", tracker_rows, USED | INIT),
        SECTION("monitor", "pubsubmon", "PUBSUBMON_", monitor_rows, USED | INIT),
        SECTION("allocator", "balanced", "BALANCED_", allocator_rows, USED | INIT),
        OPTIONAL("informer", "disk", "DISK_", disk_rows, USED | INIT | LIVE, informers.disk_enabled),
        OPTIONAL("informer", "numpin", "NUMPIN_", numpin_rows, USED | LIVE, informers.numpin_enabled),
        OPTIONAL("informer",
                 "pinqueue",
                 "PINQUEUE_",
                 pinqueue_rows,
                 USED | INIT | LIVE,
                 informers.pinqueue_enabled),
        OPTIONAL("informer", "tags", "TAGS_", tags_rows, USED | INIT | LIVE, informers.tags_enabled),
        OPTIONAL("observations", "metrics", "METRICS_", metrics_rows, USED | INIT, metrics.is_there),
        SECTION("observations", "tracing", "TRACING_", tracing_rows, INIT),
        SECTION("datastore", "badger", "BADGER_", badger_rows, 0),
        SECTION("datastore", "badger3", "BADGER3_", badger_rows, 0),
        SECTION("datastore", "leveldb", "LEVELDB_", leveldb_rows, 0),
        SECTION("datastore", "pebble", "PEBBLE_", pebble_rows, 0),
        { .name = NULL },
};

const char *config_table_path(const ConfigSection *section, char text[static CONFIG_PATH_MAX]) {
        snprintf(text,
                 CONFIG_PATH_MAX,
                 "%s%s%s",
                 section->group ? section->group : "",
                 section->group ? "." : "",
                 section->name);
        return text;
}

void config_table_variable(const char *prefix, const char *key, char text[static CONFIG_PATH_MAX]) {
        size_t n = 0;

        for (const char *p = prefix; *p && n + 1 < CONFIG_PATH_MAX; p++)
                text[n++] = *p;
        for (const char *p = key; *p && n + 1 < CONFIG_PATH_MAX; p++)
                if (*p != '_')
                        text[n++] = (char) toupper((unsigned char) *p);
        text[n] = '\0';
}

struct json_object *config_table_find(const ConfigSection *section, struct json_object *file) {
        struct json_object *object = file;

        if (section->group && !json_object_object_get_ex(file, section->group, &object))
                return NULL;
        if (!json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, section->name, &object))
                return NULL;
        return object;
}
