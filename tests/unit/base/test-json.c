#include <glib.h>

#include "tests/lib/json-sample.h"

static void test_grammar(void) {
        static const struct {
                const char *text;
                ssize_t wrong_at; /* -1: it is JSON */
        } cases[] = {
                { "{}", -1 },
                { "[]", -1 },
                { "null", -1 },
                { "true", -1 },
                { "false", -1 },
                { "\"\"", -1 },
                { "0", -1 },
                { "-0", -1 },
                { "-12.5e+3", -1 },
                { "1E5", -1 },
                { " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", -1 },
                { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00eF\"", -1 },
                { "18446744073709551615", -1 },
                { "18446744073709551616", 20 },
                { "-9223372036854775808", -1 },
                { "-9223372036854775809", 20 },
                { "123456789012345678901234567890", 30 },
                { "123456789012345678901234567890.0", -1 },
                { "", 0 },
                { " ", 1 },
                { "{} x", 3 },
                { "{}{}", 2 },
                { "{\"a\":1,}", 7 },
                { "[1,]", 3 },
                { "[1 2]", 3 },
                { "{\"a\"}", 4 },
                { "{\"a\":}", 5 },
                { "{a:1}", 1 },
                { "{'a':1}", 1 },
                { "01", 2 },
                { "-", 1 },
                { "+1", 0 },
                { ".5", 0 },
                { "1.", 2 },
                { "1e", 2 },
                { "1e+", 3 },
                { "0x10", 1 },
                { "NaN", 0 },
                { "Infinity", 0 },
                { "-Infinity", 1 },
                { "nul", 3 },
                { "nulls", 4 },
                { "True", 0 },
                { "\"a", 2 },
                { "\"\\", 2 },
                { "\"\\x\"", 2 },
                { "\"\\u12\"", 5 },
                { "\"\\u12g4\"", 5 },
                { "\"a\nb\"", 2 },
                { "\"\x01\"", 1 },
                { "/**/{}", 0 },
                { "[", 1 },
                { "]", 0 },
                { "[}", 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(json_object_putp) json_object *o = NULL;
                size_t offset = 77;
                int r;

                r = json_parse(cases[i].text, strlen(cases[i].text), &o, &offset);
                g_test_message("'%s'", cases[i].text);
                g_assert_cmpint(r, ==, cases[i].wrong_at < 0 ? 0 : -EBADMSG);
                g_assert_cmpuint(offset, ==, cases[i].wrong_at < 0 ? 77 : (size_t) cases[i].wrong_at);
        }
}

static void test_bytes(void) {
        static const struct {
                const char *text;
                size_t n;
                int result;
        } cases[] = {
                { "{}", 2, 0 },
                { "{}\0", 3, -EBADMSG },
                { "[\0]", 3, -EBADMSG },
                { "\"a\0b\"", 5, -EBADMSG },
                { "12345", 2, 0 }, /* nothing is read beyond the end */
                { "truex", 4, 0 },
                { "\"\xc3\xa9\"", 4, 0 },
                { "\"\xc3\"", 3, -EBADMSG },
                { "\"\xed\xa0\x80\"", 5, -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(json_object_putp) json_object *o = NULL;

                g_test_message("case %zu", i);
                g_assert_cmpint(json_parse(cases[i].text, cases[i].n, &o, NULL), ==, cases[i].result);
        }
}

static void test_depth(void) {
        for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++)
                for (int kind = 0; kind < 2; kind++) {
                        _cleanup_(json_object_putp) json_object *o = NULL;
                        _cleanup_(str_done) Str text = {};
                        size_t inner = depth - 1;

                        for (size_t i = 0; i < inner; i++)
                                (void) str_append(&text, kind ? "{\"a\":" : "[");
                        (void) str_append(&text, "[1]");
                        for (size_t i = 0; i < inner; i++)
                                (void) str_append(&text, kind ? "}" : "]");

                        g_test_message("%zu deep, kind %d", depth, kind);
                        g_assert_cmpint(json_parse(text.data, text.len, &o, NULL),
                                        ==,
                                        depth > JSON_DEPTH_MAX ? -EBADMSG : 0);
                }
}

static void test_cut(void) {
        static const char text[] = SAMPLE_TEXT;

        for (size_t n = 0; n < strlen(text); n++) {
                _cleanup_(json_object_putp) json_object *o = NULL;
                size_t offset = 0;

                g_test_message("cut at %zu", n);
                g_assert_cmpint(json_parse(text, n, &o, &offset), ==, -EBADMSG);
                g_assert_cmpuint(offset, ==, n);
        }
}

static void test_done(void) {
        static const char text[] = SAMPLE_TEXT;
        Sample sample = {};

        json_done(&sample_shape, &sample); /* of nothing */

        g_assert_cmpint(json_read_text(&sample_shape, text, strlen(text), &sample, NULL), ==, 0);
        json_done(&sample_shape, &sample);
        g_assert_null(sample.name);
        g_assert_null(sample.tags.items);
        g_assert_cmpuint(sample.metadata.n, ==, 0);
        g_assert_null(sample.peers.items);
        g_assert_cmpuint(sample.by_name.n, ==, 0);
        g_assert_false(sample.by_name.is_set);
        g_assert_null(sample.raw);
        g_assert_null(sample.letter);
        g_assert_cmpint(sample.number, ==, -5); /* plain values stay */
        json_done(&sample_shape, &sample);      /* again */
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/json/grammar", test_grammar);
        g_test_add_func("/base/json/bytes", test_bytes);
        g_test_add_func("/base/json/depth", test_depth);
        g_test_add_func("/base/json/cut", test_cut);
        g_test_add_func("/base/json/done", test_done);
        return g_test_run();
}
