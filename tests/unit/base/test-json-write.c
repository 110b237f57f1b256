#include <glib.h>
#include <math.h>

#include "tests/lib/fault.h"
#include "tests/lib/json-sample.h"

static const JsonShape nothing_shape = { .name = "nothing", .fields = (const JsonField[]){ JSON_END } };

static const JsonShape double_shape = {
        .name = "double",
        .fields = (const JsonField[]){ { "d", JSON_DOUBLE, 0 }, JSON_END },
};

static void test_every_kind(void) {
        static const char text[] = SAMPLE_TEXT;
        _cleanup_(str_done) Str written = {};
        Sample s = {};

        g_assert_cmpint(json_read_text(&sample_shape, text, strlen(text), &s, NULL), ==, 0);
        g_assert_cmpint(str_copy(&s.secret, "hidden"), ==, 0); /* read only */
        g_assert_cmpint(json_write(&sample_shape, &s, &written), ==, 0);
        g_assert_cmpstr(written.data, ==, text);
        json_done(&sample_shape, &s);
}

static void test_zero(void) {
        _cleanup_(str_done) Str full = {}, sparse = {};
        Sample s = {};

        g_assert_cmpint(json_write(&sample_shape, &s, &full), ==, 0);
        g_assert_cmpstr(full.data,
                        ==,
                        "{\"name\":\"\",\"flag\":false,\"number\":0,\"size\":0,\"weight\":0,\"mode\":\"recursive\","
                        "\"created\":\"0001-01-01T00:00:00Z\",\"timeout\":\"0s\",\"tags\":null,\"addresses\":null,"
                        "\"metadata\":null,\"limits\":{\"low\":0,\"high\":0},\"peers\":null,\"by_name\":null,"
                        "\"raw\":null,\"letter\":null,\"derived\":0}");

        /* A struct is never empty, as in Go. */
        g_assert_cmpint(json_write(&sample_sparse_shape, &s, &sparse), ==, 0);
        g_assert_cmpstr(sparse.data, ==, "{\"limits\":{\"low\":0,\"high\":0},\"derived\":0}");
}

static void test_empty_lists(void) {
        _cleanup_(str_done) Str text = {};
        Sample s = {
                .tags.is_set = true,
                .addresses.is_set = true,
                .metadata.is_set = true,
                .peers.is_set = true,
                .by_name.is_set = true,
        };

        g_assert_cmpint(json_write(&sample_shape, &s, &text), ==, 0);
        g_assert_nonnull(strstr(text.data, "\"tags\":[],\"addresses\":[],\"metadata\":{},"));
        g_assert_nonnull(strstr(text.data, "\"peers\":[],\"by_name\":{},"));
}

static void test_no_fields(void) {
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(json_write(&nothing_shape, &nothing_shape, &text), ==, 0);
        g_assert_cmpstr(text.data, ==, "{}");
}

static void test_strings(void) {
        static const struct {
                const char *text;
                size_t n;
                const char *written;
        } cases[] = {
                { "", 0, "\"\"" },
                { "plain ~ text", 12, "\"plain ~ text\"" },
                { "\"\\/", 3, "\"\\\"\\\\/\"" },
                { "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
                { "\0\x1f\x7f", 3, "\"\\u0000\\u001f\x7f\"" },
                { "<a>&b", 5, "\"\\u003ca\\u003e\\u0026b\"" },
                { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
                { "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
                  12,
                  "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"" },
                { "a\xff\xc3", 3, "\"a\\ufffd\\ufffd\"" },
                { "\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"" },
                { "\xc3\xa9", 1, "\"\\ufffd\"" },
        };
        _cleanup_(str_done) Str written = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                str_reset(&written);
                g_assert_cmpint(json_write_string_n(&written, cases[i].text, cases[i].n), ==, 0);
                g_assert_cmpstr(written.data, ==, cases[i].written);
        }

        str_reset(&written);
        g_assert_cmpint(json_write_string(&written, "a<"), ==, 0);
        g_assert_cmpint(json_write_string(&written, NULL), ==, 0);
        g_assert_cmpstr(written.data, ==, "\"a\\u003c\"\"\"");
}

/* As encoding/json of Go, but for the exponent from 1e18 on. */
static void test_doubles(void) {
        static const struct {
                double value;
                const char *text;
        } cases[] = {
                { 0, "0" },
                { -0.0, "0" },
                { 1, "1" },
                { -1.5, "-1.5" },
                { 0.1, "0.1" },
                { 1.0 / 3, "0.3333333333333333" },
                { 100, "100" },
                { 123456789.125, "123456789.125" },
                { 123456789012345680.0, "123456789012345680" },
                { 999999999999999900.0, "999999999999999900" },
                { -120000, "-120000" },
                { 1e17, "100000000000000000" },
                { 1e18, "1e+18" },
                { -1.25e20, "-1.25e+20" },
                { 1e21, "1e+21" },
                { 1.5e300, "1.5e+300" },
                { 0.000001, "0.000001" },
                { 0.00000125, "0.00000125" },
                { 1.25e-7, "1.25e-7" },
                { 5e-324, "5e-324" },
                { 1.7976931348623157e308, "1.7976931348623157e+308" },
                { 9007199254740993.0, "9007199254740992" },
                { HUGE_VAL, "null" },
                { -HUGE_VAL, "null" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *expected = g_strdup_printf("{\"d\":%s}", cases[i].text);
                _cleanup_(str_done) Str text = {};

                g_assert_cmpint(json_write(&double_shape, &cases[i].value, &text), ==, 0);
                g_assert_cmpstr(text.data, ==, expected);
        }
}

static void test_out_of_memory(void) {
        static const char text[] = SAMPLE_TEXT;
        unsigned n_failed = 0;
        Sample s = {};

        g_assert_cmpint(json_read_text(&sample_shape, text, strlen(text), &s, NULL), ==, 0);
        FOREACH_FAULT {
                _cleanup_(str_done) Str written = {};
                int r;

                r = json_write(&sample_shape, &s, &written);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                n_failed += r < 0;
        }
        g_assert_cmpuint(n_failed, >=, 3);
        json_done(&sample_shape, &s);
}

/* ---- line breaks */

/* As json.Indent() of Go. */
static const struct {
        const char *from;
        unsigned indent;
        const char *to;
} cases[] = {
        { "1", 2, "1" },
        { "{}", 2, "{}" },
        { "[ ]", 2, "[]" },
        { "{\"a\":1}", 2, "{\n  \"a\": 1\n}" },
        { "{\"a\":[],\"b\":{},\"c\":[1,2]}",
          4,
          "{\n    \"a\": [],\n    \"b\": {},\n    \"c\": [\n        1,\n        2\n    ]\n}" },
        { "[[{}]]", 1, "[\n [\n  {}\n ]\n]" },
        { " { \"a\" :\n null , \"b\":true } ", 2, "{\n  \"a\": null,\n  \"b\": true\n}" },
        { "[\"{,:}\",\"\\\"[\",\"\\\\\"]", 2, "[\n  \"{,:}\",\n  \"\\\"[\",\n  \"\\\\\"\n]" },
        { "[1]", 0, "[\n1\n]" },
};

static void test_indent_golden(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str to = {};

                g_assert_cmpint(json_indent(cases[i].from, strlen(cases[i].from), cases[i].indent, &to),
                                ==,
                                0);
                g_assert_cmpstr(to.data, ==, cases[i].to);
        }
}

/* Cut text gives something, but nothing is read beyond its end. */
static void test_indent_cut(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t n = 0; n <= strlen(cases[i].from); n++) {
                        g_autofree char *cut = n > 0 ? g_memdup2(cases[i].from, n) : g_malloc(1);
                        _cleanup_(str_done) Str to = {};

                        g_assert_cmpint(json_indent(cut, n, 2, &to), ==, 0);
                }
}

static void test_indent_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str to = {};
                int r;

                r = json_indent(cases[4].from, strlen(cases[4].from), 40, &to);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/json-write/every-kind", test_every_kind);
        g_test_add_func("/base/json-write/zero", test_zero);
        g_test_add_func("/base/json-write/empty-lists", test_empty_lists);
        g_test_add_func("/base/json-write/no-fields", test_no_fields);
        g_test_add_func("/base/json-write/strings", test_strings);
        g_test_add_func("/base/json-write/doubles", test_doubles);
        g_test_add_func("/base/json-write/out-of-memory", test_out_of_memory);
        g_test_add_func("/base/json-write/indent-golden", test_indent_golden);
        g_test_add_func("/base/json-write/indent-cut", test_indent_cut);
        g_test_add_func("/base/json-write/indent-out-of-memory", test_indent_out_of_memory);
        return g_test_run();
}
