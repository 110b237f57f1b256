#include <glib.h>

#include "tests/lib/fault.h"
#include "tests/lib/json-sample.h"

typedef struct Outer {
        struct {
                char *a, *b;
        } inner;
} Outer;

static const JsonShape inner_shape = {
        .name = "inner",
        .fields =
                        (const JsonField[]){
                                        { "a", JSON_STRING, 0 },
                                        { "b", JSON_STRING, sizeof(char *) },
                                        JSON_END,
                        },
};

static const JsonShape outer_shape = {
        .name = "outer",
        .fields =
                        (const JsonField[]){
                                        { "inner",
                                          JSON_OBJECT,
                                          offsetof(Outer, inner),
                                          .shape = &inner_shape },
                                        JSON_END,
                        },
};

static int sample_read(const char *text, Sample *sample, JsonProblem *problem) {
        *sample = (Sample){};
        return json_read_text(&sample_shape, text, strlen(text), sample, problem);
}

static void test_every_kind(void) {
        JsonProblem problem;
        Sample s;
        const SamplePeer *peers, *named;

        g_assert_cmpint(sample_read(SAMPLE_TEXT, &s, &problem), ==, 0);
        g_assert_cmpstr(s.name, ==, "n");
        g_assert_true(s.flag);
        g_assert_cmpint(s.number, ==, -5);
        g_assert_cmpuint(s.size, ==, UINT64_MAX);
        g_assert_cmpfloat(s.weight, ==, 0.25);
        g_assert_cmpint(s.mode, ==, 1);
        g_assert_cmpuint(s.created, ==, UINT64_C(1709208000500000));
        g_assert_cmpint(s.timeout, ==, 90000000);
        g_assert_cmpuint(s.tags.n, ==, 2);
        g_assert_cmpstr(s.tags.items[1], ==, "b");
        g_assert_cmpuint(s.addresses.n, ==, 1);
        g_assert_cmpstr(s.addresses.items[0], ==, "one");
        g_assert_cmpstr(str_map_get(&s.metadata, "k"), ==, "v");
        g_assert_cmpstr(str_map_get(&s.metadata, "l"), ==, "");
        g_assert_cmpint(s.limits.high, ==, 2);

        peers = s.peers.items;
        g_assert_cmpuint(s.peers.n, ==, 2);
        g_assert_cmpuint(peers[0].port, ==, 1);
        g_assert_cmpstr(peers[1].id, ==, "q");
        named = s.by_name.items;
        g_assert_cmpuint(s.by_name.n, ==, 2);
        g_assert_cmpstr(named[0].id, ==, "x");
        g_assert_cmpuint(named[0].port, ==, 3);

        g_assert_cmpstr(s.raw, ==, "{\"any\":[1,2.50,null]}");
        g_assert_cmpstr(s.letter, ==, "z");
        json_done(&sample_shape, &s);
}

static void test_flags(void) {
        Sample s;

        g_assert_cmpint(sample_read("{\"secret\":\"s\",\"derived\":7,\"unknown\":[{}]}", &s, NULL), ==, 0);
        g_assert_cmpstr(s.secret, ==, "s");
        g_assert_cmpint(s.derived, ==, 0); /* written only */
        json_done(&sample_shape, &s);
}

static void test_empty_is_not_absent(void) {
        Sample s;

        g_assert_cmpint(sample_read("{\"tags\":[],\"metadata\":{},\"peers\":[],\"by_name\":{}}", &s, NULL),
                        ==,
                        0);
        g_assert_true(s.tags.is_set);
        g_assert_true(s.metadata.is_set);
        g_assert_true(s.peers.is_set);
        g_assert_true(s.by_name.is_set);
        g_assert_false(s.addresses.is_set);
        json_done(&sample_shape, &s);

        g_assert_cmpint(sample_read("{\"tags\":null,\"name\":null,\"limits\":null,\"raw\":null}", &s, NULL),
                        ==,
                        0);
        g_assert_false(s.tags.is_set);
        g_assert_null(s.name);
        g_assert_null(s.raw);
        json_done(&sample_shape, &s);
}

/* Absent keys leave what is there; those that are present replace it, but embedded structs are merged. */
static void test_defaults(void) {
        static const char text[] =
                        "{\"name\":\"new\",\"tags\":[\"only\"],\"metadata\":{\"m\":\"1\"},\"limits\":{\"high\":9},"
                        "\"peers\":[],\"letter\":\"b\",\"number\":null}";
        Sample s;

        g_assert_cmpint(sample_read(SAMPLE_TEXT, &s, NULL), ==, 0);
        g_assert_cmpint(json_read_text(&sample_shape, text, strlen(text), &s, NULL), ==, 0);
        g_assert_cmpstr(s.name, ==, "new");
        g_assert_cmpuint(s.tags.n, ==, 1);
        g_assert_cmpuint(s.metadata.n, ==, 1);
        g_assert_cmpint(s.limits.low, ==, 1);
        g_assert_cmpint(s.limits.high, ==, 9);
        g_assert_cmpuint(s.peers.n, ==, 0);
        g_assert_cmpstr(s.letter, ==, "b");
        g_assert_cmpint(s.number, ==, -5);
        g_assert_cmpuint(s.by_name.n, ==, 2);
        json_done(&sample_shape, &s);
}

/* Also what embedded structs own. */
static void test_defaults_nested(void) {
        static const char first[] = "{\"inner\":{\"a\":\"1\",\"b\":\"2\"}}",
                          second[] = "{\"inner\":{\"b\":\"3\"}}";
        Outer outer = {};

        g_assert_cmpint(json_read_text(&outer_shape, first, strlen(first), &outer, NULL), ==, 0);
        g_assert_cmpint(json_read_text(&outer_shape, second, strlen(second), &outer, NULL), ==, 0);
        g_assert_cmpstr(outer.inner.a, ==, "1");
        g_assert_cmpstr(outer.inner.b, ==, "3");
        json_done(&outer_shape, &outer);
        g_assert_null(outer.inner.a);
}

static void test_accepted_forms(void) {
        Sample s;

        g_assert_cmpint(sample_read("{\"weight\":3,\"timeout\":\"\",\"addresses\":[\"a\",\"b\"]}", &s, NULL),
                        ==,
                        0);
        g_assert_cmpfloat(s.weight, ==, 3);
        g_assert_cmpint(s.timeout, ==, 0);
        g_assert_cmpuint(s.addresses.n, ==, 2);
        json_done(&sample_shape, &s);

        g_assert_cmpint(sample_read("{\"metadata\":{\"z\":\"1\",\"a\":\"2\",\"z\":\"3\"}}", &s, NULL),
                        ==,
                        0);
        g_assert_cmpuint(s.metadata.n, ==, 2); /* the last one counts */
        g_assert_cmpstr(s.metadata.items[0].key, ==, "a");
        g_assert_cmpstr(s.metadata.items[1].value, ==, "3");
        json_done(&sample_shape, &s);
}

static void test_errors(void) {
        static const struct {
                const char *text;
                int error;
                const char *field, *expected, *value;
        } cases[] = {
                { "[1]", -EPROTOTYPE, "", "an object", "[1]" },
                { "null", -EPROTOTYPE, "", "an object", "" },
                { "{\"a\":", -EBADMSG, "", "JSON (wrong from byte 5 on)", "" },
                { "{]}", -EBADMSG, "", "JSON (wrong from byte 1 on)", "]}" },
                { "{\"name\":\"\xff\"}", -EBADMSG, "", "JSON (wrong from byte 12 on)", "" },
                { "{\"name\":7}", -EPROTOTYPE, "name", "a string", "7" },
                { "{\"name\":\"a\\u0000b\"}", -EBADMSG, "name", "a string", "\"a\\u0000b\"" },
                { "{\"flag\":1}", -EPROTOTYPE, "flag", "true or false", "1" },
                { "{\"number\":1.5}", -EPROTOTYPE, "number", "a whole number", "1.5" },
                { "{\"number\":9223372036854775808}",
                  -ERANGE,
                  "number",
                  "a whole number",
                  "9223372036854775808" },
                { "{\"size\":-1}", -ERANGE, "size", "a whole number, not negative", "-1" },
                { "{\"weight\":\"1\"}", -EPROTOTYPE, "weight", "a number", "\"1\"" },
                { "{\"weight\":1e999}", -ERANGE, "weight", "a number", "1e999" },
                { "{\"mode\":\"odd\"}", -EBADMSG, "mode", "one of 'recursive', 'direct'", "\"odd\"" },
                { "{\"mode\":0}", -EPROTOTYPE, "mode", "a string", "0" },
                { "{\"created\":\"now\"}",
                  -EBADMSG,
                  "created",
                  "a time like \"2006-01-02T15:04:05Z\"",
                  "\"now\"" },
                { "{\"created\":\"1969-01-01T00:00:00Z\"}",
                  -ERANGE,
                  "created",
                  "a time like \"2006-01-02T15:04:05Z\"",
                  "\"1969-01-01T00:00:00Z\"" },
                { "{\"timeout\":\"5\"}",
                  -EBADMSG,
                  "timeout",
                  "a duration like \"1h30m\" or \"500ms\"",
                  "\"5\"" },
                { "{\"tags\":\"a\"}", -EPROTOTYPE, "tags", "a list of strings", "\"a\"" },
                { "{\"tags\":[\"a\",null]}", -EPROTOTYPE, "tags[1]", "a string", "" },
                { "{\"tags\":[\"a\",\"\\u0000\"]}", -EBADMSG, "tags[1]", "a string", "\"\\u0000\"" },
                { "{\"addresses\":[1]}", -EPROTOTYPE, "addresses[0]", "a string", "1" },
                { "{\"addresses\":1}", -EPROTOTYPE, "addresses", "a string or a list of strings", "1" },
                { "{\"metadata\":{\"a\":\"b\",\"k\":1}}", -EPROTOTYPE, "metadata.k", "a string", "1" },
                { "{\"metadata\":[]}", -EPROTOTYPE, "metadata", "an object whose values are strings", "[]" },
                { "{\"limits\":{\"low\":true}}", -EPROTOTYPE, "limits.low", "a whole number", "true" },
                { "{\"limits\":5}", -EPROTOTYPE, "limits", "an object", "5" },
                { "{\"peers\":[{\"id\":\"a\"},{}]}", -ENODATA, "peers[1].id", "a string", "" },
                { "{\"peers\":[{\"id\":null}]}", -ENODATA, "peers[0].id", "a string", "" },
                { "{\"peers\":[7]}", -EPROTOTYPE, "peers[0]", "an object", "7" },
                { "{\"peers\":{}}", -EPROTOTYPE, "peers", "a list of objects", "{}" },
                { "{\"by_name\":{\"x\":{\"port\":-1}}}",
                  -ERANGE,
                  "by_name.x.port",
                  "a whole number, not negative",
                  "-1" },
                { "{\"by_name\":{\"x\":null}}", -EPROTOTYPE, "by_name.x", "an object", "" },
                { "{\"letter\":\"ab\"}", -EBADMSG, "letter", "one letter", "\"ab\"" },
                { "{\"letter\":[]}", -EPROTOTYPE, "letter", "one letter", "[]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *shown = g_strescape(cases[i].text, NULL);
                JsonProblem problem = {};
                Sample s;

                g_test_message("%s", shown);
                g_assert_cmpint(sample_read(cases[i].text, &s, &problem), ==, cases[i].error);
                g_assert_cmpstr(problem.field, ==, cases[i].field);
                g_assert_cmpstr(problem.expected, ==, cases[i].expected);
                g_assert_cmpstr(problem.value, ==, cases[i].value);
                g_assert_null(s.name);
                g_assert_null(s.tags.items);
                g_assert_null(s.peers.items);
                g_assert_cmpint(sample_read(cases[i].text, &s, NULL), ==, cases[i].error);
        }
}

/* Names and values of any length, cut on a character. */
static void test_long_problem(void) {
        _cleanup_(str_done) Str text = {};
        JsonProblem problem;
        Sample s;

        (void) str_append(&text, "{\"by_name\":{\"");
        for (int i = 0; i < 200; i++)
                (void) str_append(&text, "\xc3\xa9");
        (void) str_append(&text, "\":{\"port\":\"");
        for (int i = 0; i < 200; i++)
                (void) str_append(&text, "\xc3\xa9");
        (void) str_append(&text, "\"}}}");

        g_assert_cmpint(sample_read(text.data, &s, &problem), ==, -EPROTOTYPE);
        g_assert_true(g_str_has_prefix(problem.field, "by_name.\xc3\xa9"));
        g_assert_true(str_is_utf8(problem.field, strlen(problem.field)));
        g_assert_cmpuint(strlen(problem.field), >, sizeof(problem.field) - 5);
        g_assert_true(g_str_has_suffix(problem.value, "\xc3\xa9…"));
        g_assert_true(str_is_utf8(problem.value, strlen(problem.value)));
}

/* The text need not end with a NUL, and may be no text. */
static void test_excerpt(void) {
        g_autofree char *exact = g_memdup2("[\xff\xff", 3);
        _cleanup_free_ char *long_text = g_strnfill(500, '!');
        JsonProblem problem;
        Sample s = {};

        g_assert_cmpint(json_read_text(&sample_shape, exact, 3, &s, &problem), ==, -EBADMSG);
        g_assert_cmpstr(problem.value, ==, "");
        g_assert_cmpint(json_read_text(&sample_shape, long_text, 500, &s, &problem), ==, -EBADMSG);
        g_assert_true(g_str_has_suffix(problem.value, "!…"));
        g_assert_cmpuint(strlen(problem.value), ==, sizeof(problem.value) - 1);
        g_assert_cmpint(json_read_text(&sample_shape, exact, 0, &s, &problem), ==, -EBADMSG);
        g_assert_cmpstr(problem.expected, ==, "JSON (wrong from byte 0 on)");
}

static void test_large_map(void) {
        _cleanup_(str_done) Str text = {};
        Sample s;

        (void) str_append(&text, "{\"metadata\":{");
        for (int i = 20000; i > 0; i--)
                (void) str_appendf(&text, "\"%d\":\"%d\"%s", i, i, i > 1 ? "," : "}}");
        g_assert_cmpint(sample_read(text.data, &s, NULL), ==, 0);
        g_assert_cmpuint(s.metadata.n, ==, 20000);
        g_assert_cmpstr(str_map_get(&s.metadata, "12345"), ==, "12345");
        json_done(&sample_shape, &s);
}

static void test_out_of_memory(void) {
        _cleanup_(json_object_putp) json_object *good = NULL, *bad = NULL;
        static const char text[] = SAMPLE_TEXT;
        unsigned n_failed = 0;

        g_assert_cmpint(json_parse(text, strlen(text), &good, NULL), ==, 0);
        g_assert_cmpint(json_parse("{\"mode\":\"odd\"}", 14, &bad, NULL), ==, 0);

        FOREACH_FAULT {
                Sample s = {};
                int r;

                r = json_read(&sample_shape, good, &s, NULL);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                if (r < 0)
                        g_assert_null(s.name);
                n_failed += r < 0;
                json_done(&sample_shape, &s);
        }
        g_assert_cmpuint(n_failed, >=, 15);

        FOREACH_FAULT {
                Sample s = {};

                g_assert_cmpint(json_read(&sample_shape, bad, &s, NULL),
                                ==,
                                fault_fired() ? -ENOMEM : -EBADMSG);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/json-read/every-kind", test_every_kind);
        g_test_add_func("/base/json-read/flags", test_flags);
        g_test_add_func("/base/json-read/empty-is-not-absent", test_empty_is_not_absent);
        g_test_add_func("/base/json-read/defaults", test_defaults);
        g_test_add_func("/base/json-read/defaults-nested", test_defaults_nested);
        g_test_add_func("/base/json-read/accepted-forms", test_accepted_forms);
        g_test_add_func("/base/json-read/errors", test_errors);
        g_test_add_func("/base/json-read/long-problem", test_long_problem);
        g_test_add_func("/base/json-read/excerpt", test_excerpt);
        g_test_add_func("/base/json-read/large-map", test_large_map);
        g_test_add_func("/base/json-read/out-of-memory", test_out_of_memory);
        return g_test_run();
}
