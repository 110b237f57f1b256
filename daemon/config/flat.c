#include "daemon/config/flat.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config/value.h"
#include "daemon/config/write.h"
#include "daemon/types/multiaddr.h"

typedef struct FlatRow FlatRow;

struct FlatRow {
        ConfigRow row;
        /* Put VALUE into ROOT, where FlatRow's text says. */
        int (*put)(const FlatRow *flat, const ConfigValue *value, struct json_object *root);
        const char *group, *section, *key;
};

static struct json_object *flat_section(struct json_object *root, const char *group, const char *section) {
        struct json_object *object = root;

        if (group && !json_object_object_get_ex(root, group, &object))
                return NULL;
        return json_object_object_get_ex(object, section, &object) ? object : NULL;
}

/* Takes VALUE; NULL is -ENOMEM. */
static int flat_set(
                const FlatRow *flat, const char *key, struct json_object *value, struct json_object *root) {
        _cleanup_(json_object_putp) struct json_object *owned = value;
        struct json_object *section = flat_section(root, flat->group, flat->section);

        assert(section);
        if (!value || json_object_object_add(section, key, value) < 0)
                return -ENOMEM;
        TAKE_PTR(owned);
        return 0;
}

static int flat_put_string(const FlatRow *flat, const ConfigValue *value, struct json_object *root) {
        return flat_set(flat, flat->key, json_object_new_string(value->string), root);
}

static int flat_put_bool(const FlatRow *flat, const ConfigValue *value, struct json_object *root) {
        return flat_set(flat, flat->key, json_object_new_boolean(value->boolean), root);
}

static int flat_put_list(const FlatRow *flat, const ConfigValue *value, struct json_object *root) {
        _cleanup_(json_object_putp) struct json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < value->list.n; i++) {
                struct json_object *item = json_object_new_string(value->list.items[i]);

                if (!item || json_object_array_add(list, item) < 0) {
                        json_object_put(item);
                        return -ENOMEM;
                }
        }
        return flat_set(flat, flat->key, TAKE_PTR(list), root);
}

/* 2017 took 60 seconds for 0 and below. */
static int flat_put_seconds(const FlatRow *flat, const ConfigValue *value, struct json_object *root) {
        char text[32];

        snprintf(text, sizeof(text), "%jds", value->number > 0 ? (intmax_t) value->number : (intmax_t) 60);
        return flat_set(flat, flat->key, json_object_new_string(text), root);
}

/* One factor, exact; 0 and anything negative meant everywhere. */
static int flat_put_factor(const FlatRow *flat, const ConfigValue *value, struct json_object *root) {
        int64_t factor = value->number > 0 ? value->number : -1;
        int r;

        r = flat_set(flat, "replication_factor_min", json_object_new_int64(factor), root);
        return r < 0 ? r : flat_set(flat, "replication_factor_max", json_object_new_int64(factor), root);
}

/* The members of the cluster: their addresses, and their IDs as the first peer set. */
static int flat_put_peers(const FlatRow *flat, const ConfigValue *value, struct json_object *root) {
        static const FlatRow peerset = { .group = "consensus", .section = "raft", .key = "init_peerset" };
        ConfigValue ids = {};
        char text[PEER_ID_TEXT_MAX];
        PeerId id;
        int r = flat_put_list(flat, value, root);

        for (size_t i = 0; r >= 0 && i < value->list.n; i++) {
                r = multiaddr_peer_id(value->list.items[i], &id);
                if (r > 0)
                        r = str_list_append(&ids.list, peer_id_format(&id, text));
        }
        if (r >= 0)
                r = flat_put_list(&peerset, &ids, root);
        str_list_done(&ids.list);
        return r;
}

#define ROW(key_, kind_, rule_, flags_)                                                                     \
        {                                                                                                   \
                .key = key_, .kind = JSON_##kind_, .rule = CONFIG_RULE_##rule_, .flags = flags_,            \
                .offset = CONFIG_KEPT                                                                       \
        }

static const FlatRow flat_rows[] = {
        { ROW("id", STRING, ANY, 0), flat_put_string, NULL, "cluster", "id" },
        { ROW("private_key", STRING, ANY, CONFIG_SECRET), flat_put_string, NULL, "cluster", "private_key" },
        { ROW("cluster_peers", STRINGS, ADDRESS, 0), flat_put_peers, NULL, "cluster", "peer_addresses" },
        { ROW("bootstrap", STRINGS, ADDRESS, 0), flat_put_list, NULL, "cluster", "bootstrap" },
        { ROW("leave_on_shutdown", BOOL, ANY, 0), flat_put_bool, NULL, "cluster", "leave_on_shutdown" },
        { ROW("cluster_multiaddress", STRING, ENDPOINT, 0),
          flat_put_string,
          NULL,
          "cluster",
          "listen_multiaddress" },
        { ROW("api_listen_multiaddress", STRING, ENDPOINT, 0),
          flat_put_string,
          "api",
          "restapi",
          "http_listen_multiaddress" },
        { ROW("ipfs_proxy_listen_multiaddress", STRING, ENDPOINT, 0),
          flat_put_string,
          "api",
          "ipfsproxy",
          "listen_multiaddress" },
        { ROW("ipfs_node_multiaddress", STRING, ENDPOINT, 0),
          flat_put_string,
          "ipfs_connector",
          "ipfshttp",
          "node_multiaddress" },
        { ROW("ipfs_node_multiaddress", STRING, ENDPOINT, 0), /* one setting for both */
          flat_put_string,
          "api",
          "ipfsproxy",
          "node_multiaddress" },
        { ROW("consensus_data_folder", STRING, ANY, 0),
          flat_put_string,
          "consensus",
          "raft",
          "data_folder" },
        { ROW("state_sync_seconds", INT, ANY, 0), flat_put_seconds, NULL, "cluster", "state_sync_interval" },
        { ROW("replication_factor", INT, ANY, 0), flat_put_factor, NULL, "cluster", NULL },
};

bool config_flat_is(struct json_object *file) {
        static const char *const keys[] = {
                "cluster_peers",          "cluster_multiaddress",  "api_listen_multiaddress",
                "ipfs_node_multiaddress", "consensus_data_folder", "state_sync_seconds",
        };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (json_object_object_get_ex(file, keys[i], NULL))
                        return !json_object_object_get_ex(file, "cluster", NULL);
        return false;
}

static int flat_convert_row(
                const FlatRow *flat, struct json_object *file, struct json_object *root, Error *reterr) {
        struct json_object *there = NULL;
        ConfigProblem problem;
        ConfigValue value;
        int r;

        if (!json_object_object_get_ex(file, flat->row.key, &there) || !there)
                return 0;

        r = config_value_read(&flat->row, file, &value, &problem);
        if (r >= 0)
                r = config_value_check(&flat->row, &value, &problem);
        if (r == -EINVAL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: %s is not allowed, expected %s",
                                flat->row.key,
                                problem.value[0] ? problem.value : "the value",
                                problem.expected);
        if (r >= 0) {
                r = flat->put(flat, &value, root);
                config_value_done(&flat->row, &value);
        }
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", flat->row.key) : 0;
}

int config_flat_convert(struct json_object *file, struct json_object **ret, Error *reterr) {
        _cleanup_(json_object_putp) struct json_object *root = NULL;
        _cleanup_(str_done) Str presets = {};
        int r;

        r = config_write_presets(&presets);
        if (r >= 0)
                r = json_parse(presets.data, presets.len, &root, NULL);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);

        for (size_t i = 0; i < ELEMENTSOF(flat_rows); i++) {
                r = flat_convert_row(&flat_rows[i], file, root, reterr);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(root);
        return 0;
}
