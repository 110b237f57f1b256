#include <glib.h>

#include "daemon/net/mime.h"
#include "tests/lib/fault.h"

static const struct {
        const char *field, *value, *parameter;
} good[] = {
        { "form-data; name=\"file\"; filename=\"a.txt\"", "form-data", "a.txt" },
        { "form-data;name=file;filename=a.txt", "form-data", "a.txt" },
        { "  form-data \t; FileName=\"a\" ", "form-data", "a" },
        { "form-data; filename=\"\"", "form-data", "" },
        { "form-data; filename=\"a;b=c\"; name=x", "form-data", "a;b=c" },
        { "form-data; filename=\"say \\\"hi\\\".txt\"", "form-data", "say \"hi\".txt" },
        { "form-data; filename=\"C:\\dev\\go.txt\"", "form-data", "C:\\dev\\go.txt" },
        { "form-data; filename=\"a\\\\b\"", "form-data", "a\\b" },
        { "form-data; filename=\"\xc3\xa4\"", "form-data", "\xc3\xa4" },
        { "form-data; filename=one; filename=two", "form-data", "one" },
        { "form-data; xfilename=one", "form-data", NULL },
        { "form-data; file=one", "form-data", NULL },
        { "form-data; x=\"filename=no\"; filename=yes", "form-data", "yes" },
        { "form-data;", "form-data", NULL },
        { "form-data", "form-data", NULL },
        { "", "", NULL },
};

static void test_good(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                _cleanup_free_ char *value = NULL, *parameter = NULL;
                int r = mime_parse(good[i].field, "filename", &value, &parameter);

                g_test_message("%s", good[i].field);
                g_assert_cmpint(r, ==, 0);
                g_assert_cmpstr(value, ==, good[i].value);
                g_assert_cmpstr(parameter, ==, good[i].parameter);
        }
}

static void test_bad(void) {
        static const char *const bad[] = {
                "form-data; filename",           "form-data; filename=",
                "form-data; filename=\"a",       "form-data; =a",
                "form-data; filename=\"a\" b=c", "form-data; file name=a",
                "form-data; filename=\"a\\\"",   "form-data; filename=(x)",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                char *value = NULL, *parameter = NULL;

                g_test_message("%s", bad[i]);
                g_assert_cmpint(mime_parse(bad[i], "filename", &value, &parameter), ==, -EINVAL);
                g_assert_cmpint(value == NULL && parameter == NULL, ==, true);
        }
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                _cleanup_free_ char *value = NULL, *parameter = NULL;
                int r = mime_parse(good[0].field, "filename", &value, &parameter);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/net/mime/good", test_good);
        g_test_add_func("/net/mime/bad", test_bad);
        g_test_add_func("/net/mime/no-memory", test_no_memory);
        return g_test_run();
}
