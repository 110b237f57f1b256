#include <glib.h>
#include <string.h>

#include "daemon/proxy/rule.h"

static const struct {
        const char *path, *command, *element; /* NULL: not one of the cluster's; nothing behind it */
} paths[] = {
        { "/api/v0/pin/add", "pin/add", NULL },
        { "/api/v0/pin/add/", "pin/add", "" },
        { "/api/v0/pin/add/Qm", "pin/add", "Qm" },
        { "/api/v0/pin/add/ipfs/Qm", NULL, NULL }, /* Kubo knows no such call */
        { "/api/v0/pin/addx", NULL, NULL },
        { "/api/v0/pin/rm", "pin/rm", NULL },
        { "/api/v0/pin/ls", "pin/ls", NULL },
        { "/api/v0/pin/update", "pin/update", NULL },
        { "/api/v0/pin/verify", NULL, NULL },
        { "/api/v0/pin/remote/add", NULL, NULL },
        { "/api/v0/pin", NULL, NULL },
        { "/api/v0/add", "add", NULL },
        { "/api/v0/add/x", "add", "x" }, /* Kubo adds then, too */
        { "/api/v0/repo/stat", "repo/stat", NULL },
        { "/api/v0/repo/gc/", "repo/gc", "" },
        { "/api/v0/repo/version", NULL, NULL },
        { "/api/v0/block/put", "block/put", NULL },
        { "/api/v0/block/get", NULL, NULL },
        { "/api/v0/dag/put", "dag/put", NULL },
        { "/api/v0/dag/import", "dag/import", NULL },
        { "/api/v0/dag/export", NULL, NULL },
        { "/api/v0/cat", NULL, NULL },
        { "/api/v0/", NULL, NULL },
        { "/api/v1/add", NULL, NULL },
        { "/add", NULL, NULL },
        { "*", NULL, NULL },
        { "", NULL, NULL },
};

static void test_find(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                const char *element = NULL;
                const ProxyRule *rule;

                g_test_message("%s", paths[i].path);
                rule = proxy_rule_find(paths[i].path, &element);
                g_assert_cmpstr(rule ? rule->command : NULL, ==, paths[i].command);
                g_assert_cmpstr(element, ==, paths[i].element);
                if (rule)
                        g_assert_cmpint(!rule->begin, !=, !rule->upload);
        }
}

static const struct {
        const char *target;
        bool preset;
        int result, value;
} flags[] = {
        { "/", false, 0, false },
        { "/", true, 0, true },
        { "/?recursive=false", true, 0, false },
        { "/?r=0", true, 0, false },
        { "/?recursive", false, 0, true },
        { "/?recursive=", false, 0, true },
        { "/?recursive=T&r=false", false, 0, true },
        { "/?recursive=maybe", false, -EINVAL, -1 },
};

static void test_flags(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
                _cleanup_(query_done) Query query = {};
                bool value;

                g_test_message("%s", flags[i].target);
                g_assert_cmpint(query_parse(flags[i].target, &query), ==, 0);
                g_assert_cmpint(proxy_rule_flag(&query, "recursive", "r", flags[i].preset, &value),
                                ==,
                                flags[i].result);
                if (flags[i].result == 0)
                        g_assert_cmpint(value, ==, flags[i].value);
        }
}

static const struct {
        const ProxyUpload *upload;
        const char *target;
        bool is_pinning;
} uploads[] = {
        { &proxy_upload_add, "/", true },
        { &proxy_upload_add, "/?pin=true", true },
        { &proxy_upload_add, "/?pin=false", false },
        { &proxy_upload_add, "/?pin=perhaps", false }, /* Kubo refuses that */
        { &proxy_upload_add, "/?only-hash", false },
        { &proxy_upload_add, "/?n=true", false },
        { &proxy_upload_add, "/?only-hash=false", true },
        { &proxy_upload_block, "/", false },
        { &proxy_upload_block, "/?pin=1", true },
        { &proxy_upload_dag, "/?pin=true", true },
        { &proxy_upload_dag, "/", false },
        { &proxy_upload_car, "/", true },
        { &proxy_upload_car, "/?pin=false", true }, /* it has another name there */
        { &proxy_upload_car, "/?pin-roots=false", false },
        { &proxy_upload_car, "/?local-only=true", false },
};

static void test_uploads(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(uploads); i++) {
                _cleanup_(query_done) Query query = {};

                g_test_message("%zu: %s", i, uploads[i].target);
                g_assert_cmpint(query_parse(uploads[i].target, &query), ==, 0);
                g_assert_cmpint(proxy_rule_is_pinning(uploads[i].upload, &query), ==, uploads[i].is_pinning);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/proxy/rule/find", test_find);
        g_test_add_func("/proxy/rule/flags", test_flags);
        g_test_add_func("/proxy/rule/uploads", test_uploads);
        return g_test_run();
}
