#include <glib.h>
#include <string.h>

#include "daemon/proxy/watch.h"
#include "tests/lib/fault.h"

#define V0 "QmZLRFWaz9Kypt2ACNMDzA5uzACDRiCqwdkNSP1UZsu56D"
#define V1 "bafkreiey5jxe6ilpf62lnh77tm5ejbbmhbugzjuf6p2v3remlu73ced34q"

static const struct {
        const ProxyUpload *upload;
        bool wraps;
        const char *line, *root;
        int result;
} lines[] = {
        { &proxy_upload_add, false, "{\"Name\":\"a\",\"Hash\":\"" V0 "\",\"Size\":\"11\"}", V0, 1 },
        { &proxy_upload_add, false, "{\"Name\":\"dir/a\",\"Hash\":\"" V0 "\"}", NULL, 0 },
        { &proxy_upload_add, false, "{\"Name\":\"a\",\"Bytes\":262144}", NULL, 0 },
        { &proxy_upload_add, true, "{\"Name\":\"a\",\"Hash\":\"" V0 "\"}", NULL, 0 },
        { &proxy_upload_add, true, "{\"Name\":\"\",\"Hash\":\"" V0 "\"}", V0, 1 },
        { &proxy_upload_add, false, "{\"Hash\":\"" V1 "\"}", V1, 1 },
        { &proxy_upload_add, false, "{}", NULL, 0 },
        { &proxy_upload_add, false, "{\"Name\":\"a\",\"Hash\":\"junk\"}", NULL, -EBADMSG },
        { &proxy_upload_add, false, "{\"Name\":\"a\",\"Hash\":5}", NULL, -EBADMSG },
        { &proxy_upload_add, false, "[]", NULL, -EBADMSG },
        { &proxy_upload_add, false, "added " V0, NULL, -EBADMSG },
        { &proxy_upload_add, false, "", NULL, -EBADMSG },
        { &proxy_upload_block, false, "{\"Key\":\"" V1 "\",\"Size\":3}", V1, 1 },
        { &proxy_upload_dag, false, "{\"Cid\":{\"/\":\"" V1 "\"}}", V1, 1 },
        { &proxy_upload_dag, false, "{\"Cid\":\"" V1 "\"}", NULL, 0 },
        { &proxy_upload_dag, false, "{\"Cid\":null}", NULL, 0 },
        { &proxy_upload_car, false, "{\"Root\":{\"Cid\":{\"/\":\"" V0 "\"},\"PinErrorMsg\":\"\"}}", V0, 1 },
        { &proxy_upload_car,
          false,
          "{\"Root\":{\"Cid\":{\"/\":\"" V0 "\"},\"PinErrorMsg\":\"no\"}}",
          NULL,
          0 },
        { &proxy_upload_car, false, "{\"Stats\":{\"BlockCount\":1}}", NULL, 0 },
        { &proxy_upload_car, false, "{\"Root\":{\"Cid\":\"x\"}}", NULL, 0 },
};

static void test_lines(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                char text[CID_TEXT_MAX];
                Cid cid = {};

                g_test_message("%zu: %s", i, lines[i].line);
                g_assert_cmpint(proxy_watch_read_line(
                                                lines[i].upload,
                                                lines[i].wraps,
                                                lines[i].line,
                                                strlen(lines[i].line),
                                                &cid),
                                ==,
                                lines[i].result);
                if (lines[i].root)
                        g_assert_cmpstr(cid_format(&cid, text), ==, lines[i].root);
        }
}

static const struct {
        const ProxyUpload *upload;
        const char *target, *rewritten;
} targets[] = {
        { &proxy_upload_add, "/api/v0/add", "/api/v0/add?pin=false" },
        { &proxy_upload_add, "/api/v0/add?", "/api/v0/add?pin=false" },
        { &proxy_upload_add, "/api/v0/add?pin=true", "/api/v0/add?pin=false" },
        { &proxy_upload_add, "/api/v0/add?p%69n=true&q=%20x&&a", "/api/v0/add?q=%20x&a&pin=false" },
        { &proxy_upload_add,
          "/api/v0/add?cid-version=1&pin-name=a%26b&silent=true&encoding=text&enc=xml",
          "/api/v0/add?cid-version=1&pin=false" },
        { &proxy_upload_block,
          "/api/v0/block/put?pin=true&mhtype=x",
          "/api/v0/block/put?mhtype=x&pin=false" },
        { &proxy_upload_car, "/api/v0/dag/import", "/api/v0/dag/import" },
        { &proxy_upload_car, "/api/v0/dag/import?pin-roots=1&silent", "/api/v0/dag/import?pin-roots=1" },
};

static void test_targets(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                _cleanup_free_ char *rewritten = proxy_watch_rewrite(targets[i].upload, targets[i].target);

                g_test_message("%s", targets[i].target);
                g_assert_cmpstr(rewritten, ==, targets[i].rewritten);
        }
}

static void test_endings(void) {
        static const struct {
                const char *type, *ending;
        } cases[] = {
                { "multipart/form-data; boundary=abc", "--abc--" },
                { "Multipart/Form-Data; charset=x; Boundary=\"a b;c\"; y=z", "--a b;c--" },
                { "multipart/form-data; boundary=abc; x=y", "--abc--" },
                { "multipart/form-data; x=\"boundary=no\"; boundary=abc", "--abc--" },
                { "multipart/form-data; xboundary=no; boundary=abc", "--abc--" },
                { "multipart/form-data; boundary=\"a\\\"b\"", "--a\"b--" },
                { "text/plain; boundary=abc", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_free_ char *ending = NULL;

                g_test_message("%s", cases[i].type);
                g_assert_cmpint(proxy_watch_ending(cases[i].type, &ending, NULL), ==, 0);
                g_assert_cmpstr(ending, ==, cases[i].ending);
        }
}

/* Without its end in view a form that breaks off would be pinned. */
static void test_forms_without_end(void) {
        static const char *const cases[] = {
                "multipart/form-data",
                "multipart/form-data; boundary",
                "multipart/form-data; boundary=",
                "multipart/form-data; boundary=\"abc",
                "multipart/form-data; boundary=a b",
                "multipart/form-data; boundary*0=abc",
                "multipart/form-data; charset=x",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Error error = {};
                char *ending = NULL;

                g_assert_cmpint(proxy_watch_ending(cases[i], &ending, &error), ==, -EINVAL);
                g_test_message("%s: %s", cases[i], error_message(&error));
                g_assert_nonnull(strstr(error_message(&error), cases[i]));
                error_done(&error);
        }
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                _cleanup_free_ char *rewritten = proxy_watch_rewrite(&proxy_upload_add, "/add?a=b&pin=1&c");

                if (fault_fired())
                        g_assert_null(rewritten);
                else
                        g_assert_cmpstr(rewritten, ==, "/add?a=b&c&pin=false");
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/proxy/watch/lines", test_lines);
        g_test_add_func("/proxy/watch/targets", test_targets);
        g_test_add_func("/proxy/watch/endings", test_endings);
        g_test_add_func("/proxy/watch/forms-without-end", test_forms_without_end);
        g_test_add_func("/proxy/watch/no-memory", test_no_memory);
        return g_test_run();
}
