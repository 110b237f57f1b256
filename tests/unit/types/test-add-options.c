#include <glib.h>
#include <string.h>

#include "daemon/types/add-options.h"
#include "tests/lib/fault.h"

static void test_defaults(void) {
        _cleanup_(add_options_done) AddOptions options = {};

        g_assert_cmpint(add_options_read(&options, NULL, 0, NULL), ==, 0);
        g_assert_cmpstr(options.chunker, ==, "size-262144");
        g_assert_cmpstr(options.hash, ==, "sha2-256");
        g_assert_cmpstr(options.layout, ==, "");
        g_assert_cmpstr(options.format, ==, "unixfs");
        g_assert_cmpint(options.cid_version, ==, 0);
        g_assert_true(options.stream);
        g_assert_false(options.raw_leaves || options.wrap || options.local || options.progress ||
                       options.no_pin || options.nocopy || options.shard || options.recursive ||
                       options.hidden);
        g_assert_false(add_options_is_car(&options));
}

static const PinOption all[] = {
        { "chunker", "rabin" },
        { "hash", "sha3-256" },
        { "layout", "trickle" },
        { "format", "car" },
        { "cid-version", "1" },
        { "raw-leaves", "F" },
        { "wrap-with-directory", "T" },
        { "local", "true" },
        { "progress", "1" },
        { "stream-channels", "false" },
        { "no-pin", "True" },
        { "nocopy", "t" },
        { "shard", "TRUE" },
        { "recursive", "true" },
        { "hidden", "true" },
        { "hidden", "junk" }, /* the first one counts */
};

static void test_all(void) {
        _cleanup_(add_options_done) AddOptions options = {};

        g_assert_cmpint(add_options_read(&options, all, G_N_ELEMENTS(all), NULL), ==, 0);
        g_assert_cmpstr(options.chunker, ==, "rabin");
        g_assert_cmpstr(options.hash, ==, "sha3-256");
        g_assert_cmpstr(options.layout, ==, "trickle");
        g_assert_true(add_options_is_car(&options));
        g_assert_cmpint(options.cid_version, ==, 1);
        g_assert_false(options.raw_leaves || options.stream);
        g_assert_true(options.wrap && options.local && options.progress && options.no_pin &&
                      options.nocopy && options.shard && options.recursive && options.hidden);
}

static void test_raw_leaves_follow(void) {
        static const PinOption version[] = { { "cid-version", "1" } };
        _cleanup_(add_options_done) AddOptions options = {};

        g_assert_cmpint(add_options_read(&options, version, 1, NULL), ==, 0);
        g_assert_true(options.raw_leaves);
}

static void test_bad(void) {
        static const struct {
                PinOption option;
                const char *words;
        } cases[] = {
                { { "layout", "round" }, "layout parameter is invalid" },
                { { "format", "tar" }, "format parameter is invalid" },
                { { "cid-version", "x" }, "parameter cid-version invalid" },
                { { "raw-leaves", "maybe" }, "parameter raw-leaves invalid" },
                { { "wrap-with-directory", "2" }, "parameter wrap-with-directory invalid" },
                { { "local", "yes" }, "parameter local invalid" },
                { { "progress", "x" }, "parameter progress invalid" },
                { { "nocopy", "x" }, "parameter nocopy invalid" },
                { { "no-pin", "x" }, "parameter no-pin invalid" },
                { { "shard", "x" }, "parameter shard invalid" },
                { { "stream-channels", "x" }, "parameter stream-channels invalid" },
                { { "recursive", "x" }, "parameter recursive invalid" },
                { { "hidden", "x" }, "parameter hidden invalid" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(error_done) Error error = {};
                AddOptions options = {};

                g_test_message("%s=%s", cases[i].option.key, cases[i].option.value);
                g_assert_cmpint(add_options_read(&options, &cases[i].option, 1, &error), ==, -EINVAL);
                g_assert_cmpstr(error_message(&error), ==, cases[i].words);
                g_assert_null(options.chunker);
        }
}

static void test_write(void) {
        _cleanup_(add_options_done) AddOptions options = {};
        _cleanup_(str_done) Str query = {};
        Pin pin = {};

        g_assert_cmpint(add_options_read(&options, all, G_N_ELEMENTS(all), NULL), ==, 0);
        g_assert_cmpint(str_copy(&options.chunker, "a b&c"), ==, 0);
        g_assert_cmpint(add_options_write(&options, &pin, &query), ==, 0);
        g_assert_cmpstr(query.data,
                        ==,
                        "chunker=a+b%26c&cid-version=1&format=car&hash=sha3-256&hidden=true&layout=trickle"
                        "&local=true&mode=recursive&name=&no-pin=true&nocopy=true&progress=true"
                        "&raw-leaves=false&recursive=true&replication-max=0&replication-min=0"
                        "&shard=true&shard-size=0&stream-channels=false&user-allocations="
                        "&wrap-with-directory=true");
        str_reset(&query);
        g_assert_cmpint(str_append(&query, "/add?a=b"), ==, 0);
        g_assert_cmpint(add_options_write(&options, &pin, &query), ==, 0);
        g_assert_true(g_str_has_prefix(query.data, "/add?a=b&chunker="));
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                AddOptions options = {};
                int r = add_options_read(&options, all, G_N_ELEMENTS(all), &error);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                add_options_done(&options);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/add-options/defaults", test_defaults);
        g_test_add_func("/types/add-options/all", test_all);
        g_test_add_func("/types/add-options/raw-leaves-follow", test_raw_leaves_follow);
        g_test_add_func("/types/add-options/bad", test_bad);
        g_test_add_func("/types/add-options/write", test_write);
        g_test_add_func("/types/add-options/no-memory", test_no_memory);
        return g_test_run();
}
