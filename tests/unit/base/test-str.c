#include <glib.h>
#include <string.h>

#include "daemon/base/str.h"
#include "tests/lib/fault.h"

static void test_empty(void) {
        _cleanup_free_ char *text = NULL;
        Str s = {};

        g_assert_null(s.data);
        g_assert_cmpint(str_error(&s), ==, 0);
        str_reset(&s);
        g_assert_null(s.data);

        text = str_take(&s);
        g_assert_cmpstr(text, ==, "");
        g_assert_null(s.data);
        str_done(&s);
}

static void test_append(void) {
        _cleanup_(str_done) Str s = {};

        g_assert_cmpint(str_append(&s, "a"), ==, 0);
        g_assert_cmpint(str_append_bytes(&s, "b\0c", 3), ==, 0);
        g_assert_cmpint(str_append_char(&s, 'd'), ==, 0);
        g_assert_cmpint(str_append_bytes(&s, NULL, 0), ==, 0);
        g_assert_cmpmem(s.data, s.len + 1, "ab\0cd", 6);

        str_reset(&s);
        g_assert_cmpuint(s.len, ==, 0);
        g_assert_cmpstr(s.data, ==, "");
        g_assert_cmpint(str_append(&s, "new"), ==, 0);
        g_assert_cmpstr(s.data, ==, "new");
}

static void test_grows(void) {
        _cleanup_(str_done) Str s = {};

        for (size_t i = 0; i < 10000; i++) {
                g_assert_cmpint(str_append_char(&s, (char) ('a' + i % 26)), ==, 0);
                g_assert_cmpuint(s.len, ==, i + 1);
                g_assert_cmpuint(s.len, <, s.capacity);
                g_assert_cmpint(s.data[s.len], ==, '\0');
        }
        for (size_t i = 0; i < 10000; i++)
                g_assert_cmpint(s.data[i], ==, 'a' + (int) (i % 26));
}

static void test_reserve(void) {
        _cleanup_(str_done) Str s = {};
        const char *data;

        g_assert_cmpint(str_append(&s, "x"), ==, 0);
        g_assert_cmpint(str_reserve(&s, 5000), ==, 0);
        data = s.data;
        for (size_t i = 0; i < 5000; i++)
                g_assert_cmpint(str_append_char(&s, 'y'), ==, 0);
        g_assert_true(s.data == data);

        g_assert_cmpint(str_reserve(&s, SIZE_MAX - 4),
                        ==,
                        -ENOMEM); /* an overflow must not look like success */
        g_assert_cmpint(str_error(&s), ==, -ENOMEM);
}

static void test_numbers(void) {
        static const struct {
                int64_t value;
                const char *text;
        } cases[] = {
                { 0, "0" },
                { 9, "9" },
                { 10, "10" },
                { -1, "-1" },
                { INT64_MAX, "9223372036854775807" },
                { INT64_MIN, "-9223372036854775808" },
        };
        _cleanup_(str_done) Str s = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                str_reset(&s);
                g_assert_cmpint(str_append_int(&s, cases[i].value), ==, 0);
                g_assert_cmpstr(s.data, ==, cases[i].text);
        }

        str_reset(&s);
        g_assert_cmpint(str_append_uint(&s, UINT64_MAX), ==, 0);
        g_assert_cmpstr(s.data, ==, "18446744073709551615");
}

static void test_format(void) {
        _cleanup_(str_done) Str s = {};

        g_assert_cmpint(str_appendf(&s, "%s-%d", "a", 7), ==, 0);
        g_assert_cmpstr(s.data, ==, "a-7");

        for (int width = 0; width < 300; width++) { /* around the room that is there */
                _cleanup_(str_done) Str t = {};

                g_assert_cmpint(str_append(&t, "<"), ==, 0);
                g_assert_cmpint(str_appendf(&t, "%*d>", width, 1), ==, 0);
                g_assert_cmpuint(t.len, ==, (size_t) MAX(width, 1) + 2);
                g_assert_cmpuint(strlen(t.data), ==, t.len);
                g_assert_cmpint(t.data[t.len - 1], ==, '>');
        }
}

static void test_failure_sticks(void) {
        Str s = {};

        g_assert_cmpint(str_append(&s, "kept"), ==, 0);
        fault_arm(0);
        g_assert_cmpint(str_reserve(&s, 1000), ==, -ENOMEM);
        fault_arm(-1);

        g_assert_cmpint(str_append(&s, "x"), ==, -ENOMEM);
        g_assert_cmpint(str_appendf(&s, "x"), ==, -ENOMEM);
        g_assert_cmpint(str_append_uint(&s, 1), ==, -ENOMEM);
        g_assert_cmpint(str_append_int(&s, -1), ==, -ENOMEM);
        g_assert_cmpint(str_error(&s), ==, -ENOMEM);
        g_assert_cmpstr(s.data, ==, "kept");
        g_assert_null(str_take(&s));

        g_assert_cmpint(str_error(&s), ==, 0); /* usable again */
        g_assert_cmpint(str_append(&s, "x"), ==, 0);
        str_done(&s);
}

static void test_list(void) {
        _cleanup_(str_list_done) StrList list = {}, copy = {};

        for (int i = 0; i < 100; i++) {
                _cleanup_free_ char *item = g_strdup_printf("%d", i);

                g_assert_cmpint(str_list_append(&list, item), ==, 0);
                g_assert_cmpuint(list.n, ==, (size_t) i + 1);
                g_assert_null(list.items[list.n]);
        }
        g_assert_true(list.is_set);
        g_assert_true(str_list_contains(&list, "99"));
        g_assert_false(str_list_contains(&list, "100"));

        g_assert_cmpint(str_list_copy(&copy, &list), ==, 0);
        g_assert_true(str_list_equal(&copy, &list));
        g_assert_cmpint(str_list_append(&copy, "more"), ==, 0);
        g_assert_false(str_list_equal(&copy, &list));

        g_assert_cmpint(str_list_copy(&list, &list), ==, 0); /* onto itself */
        g_assert_cmpuint(list.n, ==, 100);
        g_assert_cmpint(str_list_append_take(&list, NULL), ==, -ENOMEM);

        str_list_done(&copy);
        g_assert_false(copy.is_set);
        copy.is_set = true;
        g_assert_cmpint(str_list_copy(&list, &copy), ==, 0);
        g_assert_cmpuint(list.n, ==, 0);
        g_assert_true(list.is_set); /* an empty list is not an absent one */
}

static void test_list_split(void) {
        static const struct {
                const char *text, *joined;
        } cases[] = {
                { "", "" },    { ",", "" }, { "a", "a" }, { "a,b", "a|b" }, { " a ,, b c ,", "a|b c" },
                { " , ", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_list_done) StrList list = {};
                _cleanup_(str_done) Str joined = {};

                g_assert_cmpint(str_list_split(&list, cases[i].text, ','), ==, 0);
                g_assert_cmpint(str_append(&joined, ""), ==, 0);
                for (size_t k = 0; k < list.n; k++)
                        g_assert_cmpint(str_appendf(&joined, "%s%s", k > 0 ? "|" : "", list.items[k]),
                                        ==,
                                        0);
                g_assert_cmpstr(joined.data, ==, cases[i].joined);
        }
}

static void test_map(void) {
        _cleanup_(str_map_done) StrMap map = {}, copy = {};
        static const char *const keys[] = { "m", "b", "z", "a", "zz", "c", "aa", "" };

        g_assert_null(str_map_get(&map, "a"));
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                g_assert_cmpint(str_map_set(&map, keys[i], keys[i]), ==, 0);
        g_assert_cmpuint(map.n, ==, ELEMENTSOF(keys));
        for (size_t i = 1; i < map.n; i++)
                g_assert_cmpint(strcmp(map.items[i - 1].key, map.items[i].key), <, 0);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                g_assert_cmpstr(str_map_get(&map, keys[i]), ==, keys[i]);
        g_assert_null(str_map_get(&map, "b0"));

        g_assert_cmpint(str_map_copy(&copy, &map), ==, 0);
        g_assert_true(str_map_equal(&copy, &map));
        g_assert_cmpint(str_map_set(&copy, "b", "other"), ==, 0);
        g_assert_cmpuint(copy.n, ==, map.n);
        g_assert_cmpstr(str_map_get(&copy, "b"), ==, "other");
        g_assert_false(str_map_equal(&copy, &map));
}

static void test_values(void) {
        _cleanup_free_ char *text = NULL;

        g_assert_true(str_equal(NULL, NULL));
        g_assert_true(str_equal("a", "a"));
        g_assert_false(str_equal("a", NULL));
        g_assert_false(str_equal(NULL, ""));
        g_assert_true(str_is_empty(NULL));
        g_assert_true(str_is_empty(""));
        g_assert_false(str_is_empty("a"));

        g_assert_cmpint(str_copy(&text, "one"), ==, 0);
        g_assert_cmpint(str_copy(&text, text), ==, 0); /* from itself */
        g_assert_cmpstr(text, ==, "one");
        g_assert_cmpint(str_copy(&text, NULL), ==, 0);
        g_assert_null(text);
}

static void test_utf8(void) {
        static const struct {
                const char *text;
                size_t size; /* of the first character; 0: none */
        } cases[] = {
                { "a", 1 },
                { "\x7f", 1 },
                { "\x80", 0 },
                { "\xc0\x80", 0 }, /* NUL the long way */
                { "\xc1\xbf", 0 },
                { "\xc2\x80", 2 },
                { "\xdf\xbf", 2 },
                { "\xc3", 0 },
                { "\xc3(", 0 },
                { "\xe0\x9f\xbf", 0 }, /* too long */
                { "\xe0\xa0\x80", 3 },
                { "\xed\x9f\xbf", 3 },
                { "\xed\xa0\x80", 0 }, /* surrogate */
                { "\xef\xbf\xbf", 3 },
                { "\xe2\x82", 0 },
                { "\xe2\x82(", 0 },
                { "\xf0\x8f\xbf\xbf", 0 }, /* too long */
                { "\xf0\x90\x80\x80", 4 },
                { "\xf4\x8f\xbf\xbf", 4 },
                { "\xf4\x90\x80\x80", 0 }, /* beyond U+10FFFF */
                { "\xf5\x80\x80\x80", 0 },
                { "\xff", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *shown = g_strescape(cases[i].text, NULL);
                _cleanup_free_ char *behind = g_strconcat("12345678901", cases[i].text, NULL);
                size_t n = strlen(cases[i].text);

                g_test_message("case %s", shown);
                g_assert_cmpuint(str_utf8_rune(cases[i].text, n), ==, cases[i].size);
                g_assert_cmpint(str_is_utf8(cases[i].text, n), ==, cases[i].size == n);
                g_assert_cmpint(str_is_utf8(behind, strlen(behind)), ==, cases[i].size == n);
        }
        g_assert_cmpuint(str_utf8_rune("", 0), ==, 0);
        g_assert_true(str_is_utf8("", 0));
}

static void test_utf8_cut(void) {
        static const struct {
                const char *text;
                size_t max, kept;
        } cases[] = {
                { "", 0, 0 },
                { "abc", 10, 3 },
                { "abc", 3, 3 },
                { "abc", 2, 2 },
                { "a\xc3\xa9", 2, 1 },
                { "a\xc3\xa9", 3, 3 },
                { "\xf0\x9f\x98\x80x", 3, 0 },
                { "\xf0\x9f\x98\x80x", 4, 4 },
                { "\x80\x80\x80\x80\x80\x80", 5, 5 }, /* no UTF-8: merely cut */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("case %zu", i);
                g_assert_cmpuint(str_utf8_cut(cases[i].text, cases[i].max), ==, cases[i].kept);
        }
}

static int fill(Str *s, StrList *list, StrMap *map) {
        StrList copy = {};
        StrMap map_copy = {};
        int r = 0;

        for (int i = 0; i < 10 && r >= 0; i++) {
                char text[8];

                (void) g_snprintf(text, sizeof(text), "%d", i);
                r = str_appendf(s, "%100d", i);
                if (r >= 0)
                        r = str_list_append(list, text);
                if (r >= 0)
                        r = str_map_set(map, text, text);
                if (r >= 0)
                        r = str_map_set(map, "again", text);
        }
        if (r >= 0)
                r = str_list_copy(&copy, list);
        if (r >= 0)
                r = str_map_copy(&map_copy, map);
        if (r >= 0)
                r = str_list_split(&copy, "a, b", ',');

        str_list_done(&copy);
        str_map_done(&map_copy);
        return r;
}

static void test_parse(void) {
        static const struct {
                const char *text;
                int boolean; /* or the error */
                int number;
                int64_t value;
        } cases[] = {
                { "1", true, 0, 1 },
                { "0", false, 0, 0 },
                { "t", true, -EINVAL, 0 },
                { "FALSE", false, -EINVAL, 0 },
                { "True", true, -EINVAL, 0 },
                { "tRUE", -EINVAL, -EINVAL, 0 },
                { "yes", -EINVAL, -EINVAL, 0 },
                { "", -EINVAL, -EINVAL, 0 },
                { "-12", -EINVAL, 0, -12 },
                { "0x10", -EINVAL, 0, 16 },
                { " 1", -EINVAL, -EINVAL, 0 },
                { "1 ", -EINVAL, -EINVAL, 0 },
                { "1.5", -EINVAL, -EINVAL, 0 },
                { "9223372036854775807", -EINVAL, 0, INT64_MAX },
                { "9223372036854775808", -EINVAL, -ERANGE, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int64_t number = 0;
                bool boolean = false;
                int r;

                g_test_message("\"%s\"", cases[i].text);
                r = str_parse_bool(cases[i].text, &boolean);
                g_assert_cmpint(r < 0 ? r : boolean, ==, cases[i].boolean);
                g_assert_cmpint(str_parse_int(cases[i].text, &number), ==, cases[i].number);
                g_assert_cmpint(number, ==, cases[i].value);
        }
        g_assert_true(str_equal_n("abc", "abcd", 3));
        g_assert_false(str_equal_n("abc", "abcd", 4));
        g_assert_false(str_equal_n("abc", "abd", 3));
        g_assert_true(str_equal_n("", "x", 0));
}

static void test_out_of_memory(void) {
        unsigned n_failed = 0;

        FOREACH_FAULT {
                _cleanup_(str_list_done) StrList list = {};
                _cleanup_(str_map_done) StrMap map = {};
                _cleanup_(str_done) Str s = {};
                int r;

                r = fill(&s, &list, &map);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                n_failed += r < 0;
        }

        g_assert_cmpuint(n_failed, >, 50);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/str/empty", test_empty);
        g_test_add_func("/base/str/append", test_append);
        g_test_add_func("/base/str/grows", test_grows);
        g_test_add_func("/base/str/reserve", test_reserve);
        g_test_add_func("/base/str/numbers", test_numbers);
        g_test_add_func("/base/str/format", test_format);
        g_test_add_func("/base/str/failure-sticks", test_failure_sticks);
        g_test_add_func("/base/str/list", test_list);
        g_test_add_func("/base/str/list-split", test_list_split);
        g_test_add_func("/base/str/map", test_map);
        g_test_add_func("/base/str/values", test_values);
        g_test_add_func("/base/str/parse", test_parse);
        g_test_add_func("/base/str/utf8", test_utf8);
        g_test_add_func("/base/str/utf8-cut", test_utf8_cut);
        g_test_add_func("/base/str/out-of-memory", test_out_of_memory);
        return g_test_run();
}
