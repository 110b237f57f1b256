#include "daemon/proxy/rule.h"

#include <string.h>

#include "daemon/proxy/call.h"

#define PREFIX "/api/v0/"

const ProxyUpload proxy_upload_add = {
        .root = { "Hash" },
        .pin = "pin",
        .pin_default = true,
        .without = { { "only-hash", "n" } },
};
const ProxyUpload proxy_upload_block = { .root = { "Key" }, .pin = "pin" };
const ProxyUpload proxy_upload_dag = { .root = { "Cid", "/" }, .pin = "pin" };
const ProxyUpload proxy_upload_car = {
        .root = { "Root", "Cid", "/" },
        .error = "PinErrorMsg",
        .pin = "pin-roots",
        .pin_default = true,
        .keeps_pin = true,
        .without = { { "local-only" } },
};

static const ProxyRule rules[] = {
        { "pin/add", proxy_pin_add, NULL },     { "pin/rm", proxy_pin_rm, NULL },
        { "pin/ls", proxy_pin_ls, NULL },       { "pin/update", proxy_pin_update, NULL },
        { "repo/stat", proxy_repo_stat, NULL }, { "repo/gc", proxy_repo_gc, NULL },
        { "add", NULL, &proxy_upload_add },     { "block/put", NULL, &proxy_upload_block },
        { "dag/put", NULL, &proxy_upload_dag }, { "dag/import", NULL, &proxy_upload_car },
};

const ProxyRule *proxy_rule_find(const char *path, const char **ret_element) {
        const char *command = path + sizeof(PREFIX) - 1;

        if (strncmp(path, PREFIX, sizeof(PREFIX) - 1) != 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
                size_t n = strlen(rules[i].command);

                if (strncmp(command, rules[i].command, n) != 0)
                        continue;
                if (command[n] != '\0' && (command[n] != '/' || strchr(command + n + 1, '/')))
                        continue;
                *ret_element = command[n] == '/' ? command + n + 1 : NULL;
                return rules + i;
        }
        return NULL;
}

const char *proxy_rule_value(const Query *query, const char *name, const char *short_name) {
        const char *value = query_get(query, name);

        return value || !short_name ? value : query_get(query, short_name);
}

int proxy_rule_flag(const Query *query, const char *name, const char *short_name, bool preset, bool *ret) {
        const char *value = proxy_rule_value(query, name, short_name);

        *ret = value ? true : preset;
        return str_is_empty(value) ? 0 : str_parse_bool(value, ret);
}

/* What Kubo refuses, and so does nothing for, is Kubo's to answer. */
bool proxy_rule_is_pinning(const ProxyUpload *upload, const Query *query) {
        bool is_set;

        if (proxy_rule_flag(query, upload->pin, NULL, upload->pin_default, &is_set) < 0 || !is_set)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(upload->without) && upload->without[i][0]; i++)
                if (proxy_rule_flag(query, upload->without[i][0], upload->without[i][1], false, &is_set) <
                                    0 ||
                    is_set)
                        return false;
        return true;
}
