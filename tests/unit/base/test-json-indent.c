#include <glib.h>
#include <string.h>

#include "daemon/base/json.h"
#include "tests/lib/fault.h"

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

static void test_golden(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str to = {};

                g_assert_cmpint(json_indent(cases[i].from, strlen(cases[i].from), cases[i].indent, &to),
                                ==,
                                0);
                g_assert_cmpstr(to.data, ==, cases[i].to);
        }
}

/* Cut text gives something, but nothing is read beyond its end. */
static void test_cut(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t n = 0; n <= strlen(cases[i].from); n++) {
                        g_autofree char *cut = n > 0 ? g_memdup2(cases[i].from, n) : g_malloc(1);
                        _cleanup_(str_done) Str to = {};

                        g_assert_cmpint(json_indent(cut, n, 2, &to), ==, 0);
                }
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str to = {};
                int r;

                r = json_indent(cases[4].from, strlen(cases[4].from), 40, &to);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/json-indent/golden", test_golden);
        g_test_add_func("/base/json-indent/cut", test_cut);
        g_test_add_func("/base/json-indent/out-of-memory", test_out_of_memory);
        return g_test_run();
}
