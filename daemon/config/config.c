#include "daemon/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/multibase.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/config/flat.h"
#include "daemon/config/read.h"
#include "daemon/config/value.h"
#include "daemon/config/write.h"

#define CONFIG_SECRET_BYTES 32

int config_default_folder(char **ret) {
        const char *folder = getenv("IPFS_CLUSTER_PATH"), *home = getenv("HOME");

        if (!str_is_empty(folder))
                return str_copy(ret, folder);
        if (str_is_empty(home)) {
                const struct passwd *user = getpwuid(getuid());

                home = user && !str_is_empty(user->pw_dir) ? user->pw_dir : "/";
        }
        return file_join(ret, home, ".ipfs-cluster");
}

int config_state_folder(const char *folder, char **ret) {
        const char *state = getenv("STATE_DIRECTORY");
        size_t n;

        if (!str_is_empty(state)) { /* a list, colons between: the first is ours */
                n = strcspn(state, ":");
                *ret = strndup(state, n);
                return *ret ? 0 : -ENOMEM;
        }
        if (strncmp(folder, "/etc/", strlen("/etc/")) == 0)
                return file_join(ret, "/var/lib", folder + strlen("/etc/"));
        return str_copy(ret, folder);
}

Config *config_free(Config *config) {
        if (!config)
                return NULL;

        for (const ConfigSection *section = config_table_sections; section->name; section++)
                for (const ConfigRow *row = section->rows; row->key; row++)
                        if (row->offset != CONFIG_KEPT)
                                config_value_done(row, (char *) config + row->offset);
        free(config->folder);
        free(config->rest_of_file);
        free(config);
        return NULL;
}

static int config_name_peer(Config *config) {
        char name[HOST_NAME_MAX + 1] = "";

        if (!str_is_empty(config->cluster.peername))
                return 0;
        if (gethostname(name, sizeof(name) - 1) < 0)
                return -errno;
        return str_copy(&config->cluster.peername, name);
}

/* FILE is consumed. */
static int config_new_from(Config **ret, const char *folder, struct json_object *file, Error *reterr) {
        _cleanup_(config_freep) Config *config = NULL;
        int r;

        config = calloc(1, sizeof(*config));
        if (!config)
                return error_set_errno(reterr, -ENOMEM, "%s: %m", CONFIG_FILE);
        r = str_copy(&config->folder, folder);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);

        r = config_read(config, file, reterr);
        if (r < 0)
                return r;
        r = config_name_peer(config);
        if (r < 0)
                return error_set_errno(reterr, r, "cluster.peername: cannot take the host's name: %m");

        *ret = TAKE_PTR(config);
        return 0;
}

static int config_make_secret(char **ret) {
        uint8_t bytes[CONFIG_SECRET_BYTES];
        Str text = {};
        int r;

        random_bytes(bytes, sizeof(bytes));
        r = multibase_encode(MULTIBASE_16, bytes, sizeof(bytes), &text);
        explicit_bzero(bytes, sizeof(bytes));
        if (r < 0)
                return r;

        free(*ret);
        *ret = str_take(&text);
        return *ret ? 0 : -ENOMEM;
}

int config_new_default(Config **ret, const char *folder, Error *reterr) {
        _cleanup_(json_object_putp) struct json_object *file = NULL;
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(str_done) Str presets = {};
        int r;

        r = config_write_presets(&presets);
        if (r >= 0)
                r = json_parse(presets.data, presets.len, &file, NULL);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);

        r = config_new_from(&config, folder, file, reterr);
        if (r < 0)
                return r;
        r = config_make_secret(&config->cluster.secret);
        if (r < 0)
                return error_set_errno(reterr, r, "cluster.secret: %m");

        *ret = TAKE_PTR(config);
        return 0;
}

static bool config_has(struct json_object *file, const char *group, const char *section) {
        struct json_object *object = NULL;

        return json_object_object_get_ex(file, group, &object) &&
               json_object_is_type(object, json_type_object) &&
               json_object_object_get_ex(object, section, &object) && object;
}

static int config_check_consensus(bool raft, bool crdt, Error *reterr) {
        if (raft && !crdt)
                return 0;
        if (crdt && !raft)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "consensus.crdt is not offered: to migrate, stop the peer, save its pins with `state "
                                "export` of the program that wrote them, run `ipfs-cluster-service init`, then "
                                "`ipfs-cluster-service state import`");
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "could not determine the consensus component: expected the section consensus.raft%s",
                        raft ? ", and no consensus.crdt" : "");
}

/* The connection manager is kept only, but its two numbers have to fit as in the Go program. */
static int config_check_watermarks(struct json_object *file, Error *reterr) {
        struct json_object *object = NULL, *low = NULL, *high = NULL;

        if (!json_object_object_get_ex(file, "cluster", &object) ||
            !json_object_object_get_ex(object, "connection_manager", &object) ||
            !json_object_object_get_ex(object, "low_water", &low) ||
            !json_object_object_get_ex(object, "high_water", &high))
                return 0;
        if (json_object_get_int64(low) <= json_object_get_int64(high))
                return 0;

        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "cluster.connection_manager.low_water: %s is not allowed, expected at most high_water (%s)",
                        json_object_get_string(low),
                        json_object_get_string(high));
}

static int config_refuse_source(struct json_object *file, Error *reterr) {
        struct json_object *source = NULL;

        if (!json_object_object_get_ex(file, "source", &source) || !source)
                return 0;
        return error_set(
                        reterr,
                        ERROR_UNSUPPORTED,
                        "source: a configuration from a URL (%.200s) is not offered, expected the settings themselves",
                        json_object_get_string(source));
}

static int config_parse(const char *text, size_t n, struct json_object **ret, Error *reterr) {
        _cleanup_(json_object_putp) struct json_object *file = NULL;
        size_t offset = 0;
        int r;

        r = json_parse(text, n, &file, &offset);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: not valid JSON at byte %zu",
                                CONFIG_FILE,
                                offset);
        if (!json_object_is_type(file, json_type_object))
                return error_set(reterr, ERROR_INVALID, "%s: expected a JSON object", CONFIG_FILE);

        *ret = TAKE_PTR(file);
        return 0;
}

static int config_resolve_data_folder(Config *config) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (str_is_empty(config->raft.data_folder))
                return 0;
        r = file_join(&path, config->folder, config->raft.data_folder);
        if (r < 0)
                return r;
        free(config->raft.data_folder);
        config->raft.data_folder = TAKE_PTR(path);
        return 0;
}

/* Everything of config_load() that does not touch a disk. */
static int config_load_text(Config **ret, const char *folder, const char *text, size_t n, Error *reterr) {
        _cleanup_(json_object_putp) struct json_object *file = NULL, *flat = NULL;
        _cleanup_(config_freep) Config *config = NULL;
        bool raft, crdt;
        int r;

        r = config_parse(text, n, &file, reterr);
        if (r >= 0)
                r = config_refuse_source(file, reterr);
        if (r >= 0 && config_flat_is(file)) {
                r = config_flat_convert(file, &flat, reterr);
                if (r >= 0) {
                        json_object_put(file);
                        file = TAKE_PTR(flat);
                }
        }
        if (r < 0)
                return r;

        raft = config_has(file, "consensus", "raft");
        crdt = config_has(file, "consensus", "crdt");
        r = config_new_from(&config, folder, file, reterr);
        if (r >= 0)
                r = config_check_watermarks(file, reterr);
        if (r >= 0)
                r = config_check_consensus(raft, crdt, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(config);
        return 0;
}

int config_load(Config **ret, const char *folder, Error *reterr) {
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_free_ char *path = NULL, *text = NULL;
        size_t n = 0;
        int r;

        r = file_join(&path, folder, CONFIG_FILE);
        if (r >= 0)
                r = file_read(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &n);
        if (r == -ENOENT)
                return error_set(
                                reterr,
                                ERROR_NOT_FOUND,
                                "open %s: no such file or directory; `ipfs-cluster-service init` makes one",
                                path);
        if (r < 0)
                return error_set_errno(reterr, r, "open %s/%s: %m", folder, CONFIG_FILE);

        r = config_load_text(&config, folder, text, n, reterr);
        explicit_bzero(text, n); /* it has the secret */
        if (r >= 0)
                r = config_apply_environment(config, reterr);
        if (r >= 0) {
                r = config_name_peer(config);
                if (r >= 0)
                        r = config_resolve_data_folder(config);
                if (r < 0)
                        return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);
                r = config_check(config, reterr);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(config);
        return 0;
}

static int config_check_factors(int64_t min, int64_t max, Error *reterr) {
        if (min == 0 || max == 0)
                return error_set(
                                reterr, ERROR_INVALID, "cluster.replication_factor_min and max must be set");
        if (min > max)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "cluster.replication_factor_min is larger than max: %jd, %jd",
                                (intmax_t) min,
                                (intmax_t) max);
        if (min < -1)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "cluster.replication_factor_min is wrong: %jd, expected -1 or a number above 0",
                                (intmax_t) min);
        if (max < -1)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "cluster.replication_factor_max is wrong: %jd, expected -1 or a number above 0",
                                (intmax_t) max);
        if ((min == -1) != (max == -1))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "cluster.replication_factor_min and max must be -1 when one of them is");
        return 0;
}

static int config_check_raft(const ConfigRaft *raft, Error *reterr) {
        char heartbeat[TIME_TEXT_MAX], other[TIME_TEXT_MAX];

        (void) duration_format(raft->heartbeat_timeout, heartbeat);
        if (raft->leader_lease_timeout > raft->heartbeat_timeout)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "consensus.raft.leader_lease_timeout is larger than heartbeat_timeout: %s, %s",
                                duration_format(raft->leader_lease_timeout, other),
                                heartbeat);
        if (raft->election_timeout < raft->heartbeat_timeout)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "consensus.raft.election_timeout is smaller than heartbeat_timeout: %s, %s",
                                duration_format(raft->election_timeout, other),
                                heartbeat);
        return 0;
}

static int config_check_tls(const ConfigHttpApi *api, const char *section, Error *reterr) {
        bool has_cert = !str_is_empty(api->ssl_cert_file), has_key = !str_is_empty(api->ssl_key_file);

        if (has_cert == has_key)
                return 0;
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "%s.ssl_%s_file: nothing is not allowed beside %s.ssl_%s_file, expected both or neither",
                        section,
                        has_cert ? "key" : "cert",
                        section,
                        has_cert ? "cert" : "key");
}

int config_check(const Config *config, Error *reterr) {
        const ConfigCluster *cluster = &config->cluster;
        int r;

        r = config_check_factors(cluster->replication_factor_min, cluster->replication_factor_max, reterr);
        if (r < 0)
                return r;
        if (cluster->pin_only_on_trusted_peers && cluster->pin_only_on_untrusted_peers)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "cluster.pin_only_on_trusted_peers and cluster.pin_only_on_untrusted_peers are both "
                                "set, expected at most one");
        r = config_check_tls(&config->rest, "api.restapi", reterr);
        if (r >= 0)
                r = config_check_tls(&config->pinsvc, "api.pinsvcapi", reterr);
        return r < 0 ? r : config_check_raft(&config->raft, reterr);
}
