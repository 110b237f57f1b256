#include <glib.h>
#include <string.h>

#include "daemon/proxy/path.h"
#include "tests/lib/fault.h"

#define V0 "QmZLRFWaz9Kypt2ACNMDzA5uzACDRiCqwdkNSP1UZsu56D"
#define V1 "bafkreiey5jxe6ilpf62lnh77tm5ejbbmhbugzjuf6p2v3remlu73ced34q"

/* ---- of requests ---- */

static const struct {
        const char *target, *location; /* NULL: clean */
} targets[] = {
        { "/", NULL },
        { "*", NULL },
        { "/api/v0/version", NULL },
        { "/api/v0/pin/ls/", NULL },
        { "/api/v0/version?a=../b//c", NULL },
        { "/a/..b/c..", NULL },
        { "/api/v0/../v0/version", "/api/v0/version" },
        { "/api/v0//pin/ls?stream=true", "/api/v0/pin/ls?stream=true" },
        { "//api/v0/pin/ls", "/api/v0/pin/ls" },
        { "/api/v0/./pin/add", "/api/v0/pin/add" },
        { "/api/v0/pin/add/.", "/api/v0/pin/add" },
        { "/api/v0/%2e%2e/v0/pin/add", "/api/v0/pin/add" },
        { "/api/v0/pin%2f%2fadd", "/api/v0/pin/add" },
        { "/../../x", "/x" },
        { "/..", "/" },
        { "//", "/" },
        { "/a//%20b", "/a/%20b" },
};

static void test_clean(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                _cleanup_free_ char *location = NULL;
                _cleanup_(query_done) Query query = {};

                g_test_message("%s", targets[i].target);
                g_assert_cmpint(query_parse(targets[i].target, &query), ==, 0);
                g_assert_cmpint(proxy_path_clean(targets[i].target, query.path, &location),
                                ==,
                                targets[i].location != NULL);
                g_assert_cmpstr(location, ==, targets[i].location);
        }
}

/* ---- arguments ---- */

static const struct {
        const char *text, *cid, *path, *words;
} arguments[] = {
        { V0, V0, NULL, NULL },
        { V1, V1, NULL, NULL },
        { "/ipfs/" V0, V0, NULL, NULL },
        { "/ipfs/" V0 "/", V0, NULL, NULL },
        { "/ipld/" V1, V1, NULL, NULL },
        { "/ipfs/" V0 "/a/b", NULL, "/ipfs/" V0 "/a/b", NULL },
        { V0 "/a", NULL, "/ipfs/" V0 "/a", NULL },
        { "/ipns/example.org", NULL, "/ipns/example.org", NULL },
        { "", NULL, NULL, "invalid path \"\": path does not have enough components" },
        { "junk", NULL, NULL, "invalid path \"junk\": path does not have enough components" },
        { "/ipfs/junk",
          NULL,
          NULL,
          "invalid path \"/ipfs/junk\": invalid cid: selected encoding not supported" },
};

static void test_arguments(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(arguments); i++) {
                _cleanup_(proxy_path_done) ProxyPath path = {};
                _cleanup_(error_done) Error error = {};
                char cid[CID_TEXT_MAX];
                int r;

                g_test_message("%s", arguments[i].text);
                r = proxy_path_parse(arguments[i].text, &path, &error);
                if (arguments[i].words) {
                        g_assert_cmpint(r, ==, -EINVAL);
                        g_assert_cmpstr(error_message(&error), ==, arguments[i].words);
                        continue;
                }
                g_assert_cmpint(r, ==, 0);
                g_assert_cmpstr(cid_format(&path.cid, cid), ==, arguments[i].cid ? arguments[i].cid : "");
                g_assert_cmpstr(path.path, ==, arguments[i].path);
                g_assert_cmpstr(path.text, ==, arguments[i].text);
        }
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                _cleanup_(proxy_path_done) ProxyPath path = {};
                _cleanup_free_ char *location = NULL;
                int r = proxy_path_clean("/a//b", "/a//b", &location);
                int k = proxy_path_parse(V0 "/a", &path, NULL);

                g_assert_cmpint(r, ==, location ? 1 : -ENOMEM);
                g_assert_cmpint(k, ==, path.path ? 0 : -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/proxy/path/clean", test_clean);
        g_test_add_func("/proxy/path/arguments", test_arguments);
        g_test_add_func("/proxy/path/no-memory", test_no_memory);
        return g_test_run();
}
