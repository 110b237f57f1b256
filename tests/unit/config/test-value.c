#include "daemon/config/value.h"
#include "tests/lib/fault.h"
#include "tests/unit/config/fixture.h"

#define ROW(kind_, ...)                                                                                     \
        { .key = "k", .kind = JSON_##kind_, .offset = CONFIG_KEPT, __VA_ARGS__ }

static const ConfigRow text_row = ROW(STRING), duration_row = ROW(DURATION, .preset = "3s"),
                       list_row = ROW(STRINGS, .preset = "a,b"), map_row = ROW(MAP, .preset = "null"),
                       secret_row = ROW(STRING, .rule = CONFIG_RULE_SECRET, .flags = CONFIG_SECRET),
                       address_row = ROW(STRINGS, .rule = CONFIG_RULE_ADDRESS),
                       int_row = ROW(INT, .preset = "0"), double_row = ROW(DOUBLE), bool_row = ROW(BOOL);

static void test_parse(void) {
        static const struct {
                const ConfigRow *row;
                const char *text, *written; /* NULL: refused */
        } cases[] = {
                { &text_row, "", "\"k\":\"\"" },
                { &text_row, "a,b", "\"k\":\"a,b\"" },
                { &bool_row, "true", "\"k\":true" },
                { &bool_row, "F", "\"k\":false" },
                { &bool_row, "TRUE ", NULL },
                { &int_row, "-17", "\"k\":-17" },
                { &int_row, "9223372036854775807", "\"k\":9223372036854775807" },
                { &int_row, "9223372036854775808", NULL },
                { &int_row, "", NULL },
                { &double_row, "0.3", "\"k\":0.3" },
                { &double_row, "x", NULL },
                { &duration_row, "90s", "\"k\":\"1m30s\"" },
                { &duration_row, "", "\"k\":\"3s\"" },
                { &duration_row, "90", NULL },
                { &list_row, "", "\"k\":[]" },
                { &list_row, "a, b ,,c", "\"k\":[\"a\",\"b\",\"c\"]" },
                { &map_row, "null", "\"k\":null" },
                { &map_row, "", "\"k\":{}" },
                { &map_row, "b:1,a:2", "\"k\":{\"a\":\"2\",\"b\":\"1\"}" },
                { &map_row, "a", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str written = {};
                ConfigProblem problem = {};
                ConfigValue value;
                int r = config_value_parse(cases[i].row, cases[i].text, &value, &problem);

                g_test_message("'%s'", cases[i].text);
                if (!cases[i].written) {
                        g_assert_cmpint(r, ==, -EINVAL);
                        g_assert_cmpstr(problem.value, ==, cases[i].text);
                        continue;
                }
                g_assert_cmpint(r, ==, 0);
                g_assert_cmpint(config_value_write(cases[i].row, &value, 0, &written), ==, 0);
                g_assert_cmpstr(written.data, ==, cases[i].written);
                config_value_done(cases[i].row, &value);
        }
}

static void test_canonical(void) {
        _cleanup_(str_done) Str written = {};
        ConfigProblem problem;
        ConfigValue value;

        g_assert_cmpint(config_value_parse(
                                        &address_row,
                                        "/ip4/1.2.3.4/tcp/007/,/ip6/0:0::1/tcp/1",
                                        &value,
                                        &problem),
                        ==,
                        0);
        g_assert_cmpint(config_value_check(&address_row, &value, &problem), ==, 0);
        g_assert_cmpint(config_value_write(&address_row, &value, 0, &written), ==, 0);
        g_assert_cmpstr(written.data, ==, "\"k\":[\"/ip4/1.2.3.4/tcp/7\",\"/ip6/::1/tcp/1\"]");
        config_value_done(&address_row, &value);
}

/* A secret is not repeated, whatever is wrong with it. */
static void test_secret(void) {
        struct json_object *object = json_tokener_parse("{\"k\":1}");
        ConfigProblem problem = { .value = "x" };
        ConfigValue value;

        g_assert_cmpint(config_value_parse(&secret_row, "abcd", &value, &problem), ==, 0);
        g_assert_cmpint(config_value_check(&secret_row, &value, &problem), ==, -EINVAL);
        g_assert_cmpstr(problem.value, ==, "");
        g_assert_null(value.string);

        problem.value[0] = 'x';
        g_assert_cmpint(config_value_read(&secret_row, object, &value, &problem), ==, -EINVAL);
        g_assert_cmpstr(problem.value, ==, "");
        json_object_put(object);
}

static void test_preset(void) {
        static const struct {
                const ConfigRow *row;
                const char *text;
                int is;
        } cases[] = {
                { &duration_row, "3000ms", 1 }, { &duration_row, "4s", 0 }, { &list_row, "a,b", 1 },
                { &list_row, "b,a", 0 },        { &map_row, "null", 1 },    { &map_row, "", 0 },
                { &int_row, "0", 1 },           { &int_row, "1", 0 },       { &text_row, "", 1 },
                { &text_row, "x", 0 },          { &bool_row, "false", 1 },  { &bool_row, "true", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ConfigProblem problem;
                ConfigValue value;

                g_test_message("'%s'", cases[i].text);
                g_assert_cmpint(config_value_parse(cases[i].row, cases[i].text, &value, &problem), ==, 0);
                g_assert_cmpint(config_value_is_preset(cases[i].row, &value), ==, cases[i].is);
                config_value_done(cases[i].row, &value);
        }
}

static void test_equal(void) {
        static const struct {
                const ConfigRow *row;
                const char *a, *b;
                int is;
        } cases[] = {
                { &duration_row, "3000ms", "3s", 1 },
                { &duration_row, "4s", "3s", 0 },
                { &list_row, "a,b", "a,b", 1 },
                { &list_row, "a,b", "b,a", 0 },
                { &map_row, "null", "", 0 },
                { &map_row, "a:b", "a:b", 1 },
                { &int_row, "0", "0", 1 },
                { &int_row, "1", "0", 0 },
                { &text_row, "", "x", 0 },
                { &text_row, "x", "x", 1 },
                { &bool_row, "true", "false", 0 },
                { &bool_row, "true", "true", 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ConfigProblem problem;
                ConfigValue a, b;

                g_test_message("'%s' '%s'", cases[i].a, cases[i].b);
                g_assert_cmpint(config_value_parse(cases[i].row, cases[i].a, &a, &problem), ==, 0);
                g_assert_cmpint(config_value_parse(cases[i].row, cases[i].b, &b, &problem), ==, 0);
                g_assert_cmpint(config_value_is_equal(cases[i].row, &a, &b), ==, cases[i].is);
                config_value_exchange(cases[i].row, &a, &b);
                g_assert_cmpint(config_value_is_equal(cases[i].row, &a, &b), ==, cases[i].is);
                config_value_done(cases[i].row, &a);
                config_value_done(cases[i].row, &b);
        }
}

static void test_log_levels(void) {
        static const ConfigRow row = {
                .key = "k", .kind = JSON_STRING, .rule = CONFIG_RULE_LOG_LEVELS, .preset = ""
        };
        static const struct {
                const char *text;
                int r;
        } cases[] = {
                { "", 0 },           { "info", 0 },           { "info,tracker:debug", 0 },
                { "loud", -EINVAL }, { "tracker:", -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ConfigProblem problem;
                ConfigValue value;

                g_test_message("'%s'", cases[i].text);
                g_assert_cmpint(config_value_parse(&row, cases[i].text, &value, &problem), ==, 0);
                g_assert_cmpint(config_value_check(&row, &value, &problem), ==, cases[i].r);
                config_value_done(&row, &value);
        }
}

static void test_faults(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str written = {};
                ConfigProblem problem;
                ConfigValue value;
                int r = config_value_parse(
                                &address_row, "/ip4/1.2.3.4/tcp/1,/ip4/1.2.3.4/tcp/2", &value, &problem);

                if (r >= 0)
                        r = config_value_check(&address_row, &value, &problem);
                if (r >= 0) {
                        r = config_value_write(&address_row, &value, 0, &written);
                        config_value_done(&address_row, &value);
                }
                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/config/value/parse", test_parse);
        g_test_add_func("/config/value/canonical", test_canonical);
        g_test_add_func("/config/value/secrets-are-not-shown", test_secret);
        g_test_add_func("/config/value/preset", test_preset);
        g_test_add_func("/config/value/equal-and-exchanged", test_equal);
        g_test_add_func("/config/value/log-levels", test_log_levels);
        g_test_add_func("/config/value/allocations-fail", test_faults);
        return g_test_run();
}
