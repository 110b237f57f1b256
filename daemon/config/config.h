#pragma once

/*
 * Config: service.json in the layout of v1.1.6 (service.json(5)), its environment overrides, and the flat
 * file of 2017 (flat.h).
 *
 * One table a section (key, member, default, environment name, what is allowed) does reading, environment,
 * checking and writing. Precedence: environment, file, default. Sections that have no meaning here
 * (consensus.crdt, datastore.*, cluster.pubsub, …) are kept as they are and written back; unused.h
 * names them. A setting that is understood but not built yet is refused with its name, never
 * ignored.
 *
 * Errors name section.key, the value and what is allowed: "cluster.connection_manager.high_water: 0 is not
 * allowed, expected a number above 0".
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/macro.h"
#include "daemon/base/str.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define CONFIG_FILE "service.json"
#define CONFIG_FILE_MAX (1024 * 1024)

typedef struct ConfigCluster {
        char *peername;
        char *secret;    /* 64 hex digits or "" */
        char *log_level; /* our addition: what --loglevel is when it is not given; "": nothing */
        bool leave_on_shutdown;
        StrList listen_multiaddress, announce_multiaddress, no_announce_multiaddress;
        int64_t dial_peer_timeout, state_sync_interval,
                        pin_recover_interval; /* µs, like all durations here */
        int64_t replication_factor_min, replication_factor_max;
        int64_t monitor_ping_interval, peer_watch_interval, mdns_interval;
        bool pin_only_on_trusted_peers, pin_only_on_untrusted_peers;
        bool disable_repinning, follower_mode;
        char *peerstore_file;
        StrList peer_addresses;
        StrList bootstrap; /* 2017's file only */
} ConfigCluster;

typedef struct ConfigRaft {
        char *data_folder; /* "": <state folder>/raft; config_load() makes it absolute */
        StrList init_peerset;
        int64_t wait_for_leader_timeout, network_timeout;
        int64_t commit_retries, commit_retry_delay;
        int64_t backups_rotate;
        int64_t heartbeat_timeout, election_timeout, commit_timeout, leader_lease_timeout;
        int64_t max_append_entries, trailing_logs, snapshot_threshold;
        int64_t snapshot_interval;
} ConfigRaft;

typedef struct ConfigCors {
        StrList allowed_origins, allowed_methods, allowed_headers, exposed_headers;
        bool allow_credentials;
        int64_t max_age;
} ConfigCors;

/* An API over HTTP, and what stands before it. Relative paths of files begin in Config.folder. */
typedef struct ConfigHttpApi {
        StrList http_listen_multiaddress;
        char *ssl_cert_file, *ssl_key_file; /* "": no TLS; both or neither */
        int64_t read_timeout, read_header_timeout, write_timeout, idle_timeout;
        int64_t max_header_bytes;
        StrMap credentials;  /* name to password; not is_set: whoever asks may */
        char *http_log_file; /* "": none */
        char *headers;       /* of every answer, as JSON: {"Name":["value",…],…} */
        ConfigCors cors;
} ConfigHttpApi;

typedef struct ConfigProxy {
        StrList listen_multiaddress;
        char *node_multiaddress;
        bool node_https;
        int64_t read_timeout, read_header_timeout, write_timeout, idle_timeout;
        int64_t max_header_bytes;
        StrList extract_headers_extra;
        char *extract_headers_path;
        int64_t extract_headers_ttl;
} ConfigProxy;

typedef struct ConfigIpfs {
        char *node_multiaddress;
        char *authorization; /* our addition (ipfs_connector.ipfshttp.authorization): "bearer:TOKEN" or
                                "basic:USER:PASSWORD" */
        int64_t connect_swarms_delay, ipfs_request_timeout, pin_timeout, unpin_timeout, repogc_timeout;
        int64_t informer_trigger_interval;
        bool unpin_disable;
} ConfigIpfs;

typedef struct ConfigTracker {
        int64_t max_pin_queue_size, concurrent_pins, priority_pin_max_age, priority_pin_max_retries;
} ConfigTracker;

typedef struct ConfigInformers {
        bool disk_enabled, tags_enabled, pinqueue_enabled, numpin_enabled; /* the section is there */
        int64_t disk_metric_ttl;
        bool disk_reposize; /* metric_type */
        int64_t tags_metric_ttl;
        StrMap tags;
        int64_t pinqueue_metric_ttl, pinqueue_weight_bucket_size;
        int64_t numpin_metric_ttl;
} ConfigInformers;

typedef struct ConfigMetrics {
        bool is_there; /* the section; without it the rest is as set here */
        bool enable_stats;
        char *prometheus_endpoint;
} ConfigMetrics;

typedef struct Config {
        char *folder; /* of the configuration; relative paths start there */
        ConfigCluster cluster;
        ConfigRaft raft;
        bool rest_enabled; /* api.restapi is there */
        ConfigHttpApi rest;
        bool pinsvc_enabled; /* api.pinsvcapi is there */
        ConfigHttpApi pinsvc;
        bool proxy_enabled; /* api.ipfsproxy is there */
        ConfigProxy proxy;
        ConfigIpfs ipfs;
        ConfigTracker tracker;
        int64_t monitor_check_interval;
        StrList allocate_by;
        ConfigInformers informers;
        ConfigMetrics metrics;
        char *rest_of_file; /* what this program does not use, as JSON, for writing back */
} Config;

/* The defaults of `init` (consensus raft): a fresh secret, the host's name. */
int config_new_default(Config **ret, const char *folder, Error *reterr);

/* Read FOLDER/service.json, then the environment. Errors: ERROR_NOT_FOUND (no file; the words say how to
 * make one), ERROR_INVALID, ERROR_UNSUPPORTED (a setting that is not offered), ERROR_REFUSED (crdt only: how
 * to migrate), ERROR_IO. */
int config_load(Config **ret, const char *folder, Error *reterr);
int config_apply_environment(Config *config, Error *reterr);
/* Set the key at PATH ("api.restapi.idle_timeout") from TEXT in the form of an environment variable. */
int config_set(Config *config, const char *path, const char *text, Error *reterr);
/* The value at PATH in the same form, owned; of lists and strings only. NULL in *RET: it has none. */
int config_get(const Config *config, const char *path, char **ret);
int config_check(const Config *config, Error *reterr); /* values that depend on each other */
int config_write(
                const Config *config,
                Error *reterr); /* FOLDER/service.json, 0600, 2-space indent, atomically */
Config *config_free(Config *config);
DEFINE_CLEANUP(Config *, config_free);

/* $IPFS_CLUSTER_PATH, else ~/.ipfs-cluster. */
int config_default_folder(char **ret);
/* Where the state of the peer configured in FOLDER lies: $STATE_DIRECTORY (systemd), /var/lib/<name> for a
 * FOLDER /etc/<name>, so that the offline verbs find what the service wrote, else FOLDER itself. */
int config_state_folder(const char *folder, char **ret);
