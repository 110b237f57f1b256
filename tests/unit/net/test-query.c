#include <glib.h>
#include <string.h>

#include "daemon/net/query.h"
#include "tests/lib/fault.h"

/* Parameters as one text: "key=value|key=value". */
static char *parameters_text(const Query *query) {
        g_autoptr(GString) text = g_string_new(NULL);

        for (size_t i = 0; i < query->n_parameters; i++)
                g_string_append_printf(
                                text,
                                "%s%s=%s",
                                i > 0 ? "|" : "",
                                query->parameters[i].key,
                                query->parameters[i].value);
        return g_strdup(text->str);
}

static const struct {
        const char *target, *path, *parameters;
        int result;
} targets[] = {
        { "/", "/", "" },
        { "*", "*", "" },
        { "/pins", "/pins", "" },
        { "/pins?", "/pins", "" },
        { "/pins?local=true", "/pins", "local=true" },
        { "/pins?local", "/pins", "local=" },
        { "/pins?=true", "/pins", "=true" },
        { "/pins?a=1&a=2&b=", "/pins", "a=1|a=2|b=" },
        { "/pins?&&a=1&&", "/pins", "a=1" },
        { "/pins?a=b=c", "/pins", "a=b=c" },
        { "/pins?a=b?c", "/pins", "a=b?c" },
        { "/pins?a+b=c+d%2B%20e", "/pins", "a b=c d+ e" },
        { "/pins%2FQm%20+x?a=%2f", "/pins/Qm +x", "a=/" },
        { "/pins//ipfs/%c3%a4", "/pins//ipfs/\xc3\xa4", "" },
        { "/pins?a=%zz&b=1&%4=2&c=%", "/pins", "b=1" },
        { "/pins?a;b=1&c=2;3&d=4", "/pins", "d=4" },
        { "/pins?a=%00&b=1", "/pins", "b=1" },
        { "http://127.0.0.1:9094/version?x=y", "/version", "x=y" },
        { "http://host?x=y", "", "x=y" },
        { "http://host", "", "" },
        { "/pins%", NULL, NULL, -EINVAL },
        { "/pins%4", NULL, NULL, -EINVAL },
        { "/pins%4g?a=1", NULL, NULL, -EINVAL },
        { "/pins%00", NULL, NULL, -EINVAL },
        { "", NULL, NULL, -EINVAL },
        { "pins", NULL, NULL, -EINVAL },
        { "://host/pins", NULL, NULL, -EINVAL },
        { "host:9094", NULL, NULL, -EINVAL },
};

static void test_targets(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                _cleanup_(query_done) Query query = {};
                g_autofree char *parameters = NULL;

                g_test_message("target '%s'", targets[i].target);
                g_assert_cmpint(query_parse(targets[i].target, &query), ==, targets[i].result);
                g_assert_cmpstr(query.path, ==, targets[i].path);
                if (targets[i].result < 0)
                        continue;

                parameters = parameters_text(&query);
                g_assert_cmpstr(parameters, ==, targets[i].parameters);
        }
}

static void test_get(void) {
        _cleanup_(query_done) Query query = {};

        g_assert_cmpint(query_parse("/x?a=1&a=2&b", &query), ==, 0);
        g_assert_cmpstr(query_get(&query, "a"), ==, "1");
        g_assert_cmpstr(query_get(&query, "b"), ==, "");
        g_assert_cmpstr(query_get(&query, "c"), ==, NULL);
}

static void test_limit(void) {
        g_autoptr(GString) text = g_string_new("/x?");

        for (size_t i = 0; i < QUERY_PARAMETERS_MAX; i++)
                g_string_append(text, "&a=1");

        for (size_t i = 0; i < 2; i++) {
                _cleanup_(query_done) Query query = {};

                g_assert_cmpint(query_parse(text->str, &query), ==, i == 0 ? 0 : -E2BIG);
                g_assert_cmpuint(query.n_parameters, ==, i == 0 ? QUERY_PARAMETERS_MAX : 0);
                g_string_append(text, "&b=1");
        }

        for (size_t i = 0; i < 4 * QUERY_PARAMETERS_MAX; i++)
                g_string_append_c(text, '&');
        g_assert_cmpint(query_parse(text->str, &(Query){}), ==, -E2BIG);
}

/* Whatever is cut off, the answer is a query or an error, never a read past the end. */
static void test_truncated(void) {
        static const char whole[] = "http://h/pins%2fQm%20x?a+%41=%42+&b;=1&%zz&c=%C3%A4";

        for (size_t n = 0; n < sizeof(whole); n++) {
                _cleanup_(query_done) Query query = {};
                g_autofree char *cut = g_strndup(whole, n);
                int r = query_parse(cut, &query);

                g_test_message("cut to '%s': %d", cut, r);
                g_assert_cmpint(r == 0 || r == -EINVAL, ==, true);
        }
}

static const struct {
        const char *text, *query, *path;
} escapes[] = {
        { "", "", "" },
        { "abcXYZ019-_.~", "abcXYZ019-_.~", "abcXYZ019-_.~" },
        { "a b", "a+b", "a%20b" },
        { "a+b&c=d", "a%2Bb%26c%3Dd", "a+b&c=d" },
        { "/?;,#%", "%2F%3F%3B%2C%23%25", "%2F%3F%3B%2C%23%25" },
        { "$:@", "%24%3A%40", "$:@" },
        { "\xc3\xa4\x01", "%C3%A4%01", "%C3%A4%01" },
};

static void test_escape(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(escapes); i++) {
                _cleanup_(str_done) Str query = {}, path = {};

                g_test_message("text '%s'", escapes[i].text);
                g_assert_cmpint(query_escape(&query, escapes[i].text), ==, 0);
                g_assert_cmpint(query_escape_path(&path, escapes[i].text), ==, 0);
                g_assert_cmpstr(query.data ?: "", ==, escapes[i].query);
                g_assert_cmpstr(path.data ?: "", ==, escapes[i].path);
        }
}

static void test_memory(void) {
        FOREACH_FAULT {
                _cleanup_(query_done) Query query = {};
                _cleanup_(str_done) Str text = {};
                int r = query_parse("/pins?a=1&b=2", &query), k = query_escape(&text, "a b/c");

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                g_assert_cmpint(k == 0 || k == -ENOMEM, ==, true);
                g_assert_cmpint(r == 0, ==, query.path != NULL);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/net/query/targets", test_targets);
        g_test_add_func("/net/query/first-value-is-got", test_get);
        g_test_add_func("/net/query/parameters-are-bounded", test_limit);
        g_test_add_func("/net/query/cut-at-every-byte", test_truncated);
        g_test_add_func("/net/query/escapes", test_escape);
        g_test_add_func("/net/query/out-of-memory", test_memory);
        return g_test_run();
}
