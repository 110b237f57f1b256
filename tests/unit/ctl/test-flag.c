#include <glib.h>
#include <string.h>

#include "ctl/flag.h"
#include "tests/lib/fault.h"

static const CtlFlag flags[] = {
        { { "local" }, CTL_FLAG_BOOL, offsetof(CtlOptions, local), "" },
        { { "wait", "w" }, CTL_FLAG_BOOL, offsetof(CtlOptions, wait), "" },
        { { "name", "n" }, CTL_FLAG_STRING, offsetof(CtlOptions, name), "" },
        { { "replication", "r" }, CTL_FLAG_INT, offsetof(CtlOptions, replication), "" },
        { { "wait-timeout", "wt" }, CTL_FLAG_DURATION, offsetof(CtlOptions, wait_timeout_usec), "" },
        { { "metadata" }, CTL_FLAG_LIST, offsetof(CtlOptions, metadata), "" },
        { { "basic-auth" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, basic_auth),
          "",
          NULL,
          "CTL_TEST_CREDENTIALS" },
        {},
};

/* The options that were set and the arguments left, as text. */
static char *describe(const CtlOptions *options, const CtlArguments *args) {
        GString *text = g_string_new(NULL);

        g_string_append(text, options->help ? "help " : "");
        g_string_append(text, options->local ? "local " : "");
        g_string_append(text, options->wait ? "wait " : "");
        if (options->name)
                g_string_append_printf(text, "name=%s ", options->name);
        if (options->replication)
                g_string_append_printf(text, "r=%d ", (int) options->replication);
        if (options->wait_timeout_usec)
                g_string_append_printf(text, "wt=%d ", (int) options->wait_timeout_usec);
        for (size_t i = 0; i < options->metadata.n; i++)
                g_string_append_printf(text, "%s ", options->metadata.items[i]);
        g_string_append_c(text, '|');
        for (size_t i = 0; i < args->n; i++)
                g_string_append_printf(text, " %s", args->items[i]);
        return g_string_free(text, FALSE);
}

static const struct {
        const char *words;
        bool permute;
        const char *result; /* NULL: refused */
        const char *problem;
} cases[] = {
        { "", true, "|" },
        { "a b", true, "| a b" },
        { "--local a", true, "local | a" },
        { "a --local", true, "local | a" },
        { "-local", true, "local |" },
        { "a -w b --name x c", true, "wait name=x | a b c" },
        { "a --local", false, "| a --local" },
        { "--local a --wait", false, "local | a --wait" },
        { "--name=x=y", true, "name=x=y |" },
        { "-n= a", true, "name= | a" },
        { "--name --local", true, "name=--local |" },
        { "-r -1", true, "r=-1 |" },
        { "-r 0x10", true, "r=16 |" },
        { "--wt 3s", true, "wt=3000000 |" },
        { "--metadata a=b --metadata c=d,e", true, "a=b c=d,e |" },
        { "--local=false --wait=T", true, "wait |" },
        { "-- --local", true, "| --local" },
        { "a -- -w", true, "| a -w" },
        { "- a", true, "| - a" },
        { "-h", true, "help |" },
        { "a --help", true, "help | a" },
        { "--frob", true, NULL, "flag provided but not defined: -frob" },
        { "a -frob=1", true, NULL, "flag provided but not defined: -frob" },
        { "--name", true, NULL, "flag needs an argument: -name" },
        { "-r x", true, NULL, "invalid value \"x\" for flag -r: parse error" },
        { "-r 1x", true, NULL, "invalid value \"1x\" for flag -r: parse error" },
        { "-r=", true, NULL, "invalid value \"\" for flag -r: parse error" },
        { "-r 99999999999999999999",
          true,
          NULL,
          "invalid value \"99999999999999999999\" for flag -r: value out of range" },
        { "--wt 3", true, NULL, "invalid value \"3\" for flag -wt: parse error" },
        { "--local=maybe", true, NULL, "invalid boolean value \"maybe\" for -local: parse error" },
        { "---local", true, NULL, "bad flag syntax: ---local" },
        { "--=x", true, NULL, "bad flag syntax: --=x" },
};

static void test_cases(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_auto(GStrv) words = g_strsplit(cases[i].words, " ", -1);
                g_autofree char **items = g_memdup2(words, (g_strv_length(words) + 1) * sizeof(char *));
                CtlArguments args = { items, g_strv_length(words) };
                _cleanup_(ctl_options_done) CtlOptions options = {};
                _cleanup_(error_done) Error error = {};
                int r;

                g_test_message("%s", cases[i].words);
                r = ctl_flag_parse(flags, &args, cases[i].permute, &options, &error);
                if (cases[i].result) {
                        g_autofree char *text = describe(&options, &args);

                        g_assert_cmpint(r, ==, 0);
                        g_assert_cmpstr(text, ==, cases[i].result);
                } else {
                        g_assert_cmpint(r, ==, -error_errno(ERROR_INVALID));
                        g_assert_cmpstr(error_message(&error), ==, cases[i].problem);
                }
        }
}

static void test_environment_stands_in(void) {
        CtlOptions options = {};

        g_unsetenv("CTL_TEST_CREDENTIALS");
        ctl_flag_read_environment(flags, &options);
        g_assert_null(options.basic_auth);

        g_setenv("CTL_TEST_CREDENTIALS", "alice:secret", TRUE);
        ctl_flag_read_environment(flags, &options);
        g_assert_cmpstr(options.basic_auth, ==, "alice:secret");
        options.basic_auth = "bob:other";
        ctl_flag_read_environment(flags, &options);
        g_assert_cmpstr(options.basic_auth, ==, "bob:other");
}

static void test_no_table(void) {
        char *items[] = { (char *) "a", (char *) "-h" };
        CtlArguments args = { items, 2 };
        CtlOptions options = {};

        g_assert_cmpint(ctl_flag_parse(NULL, &args, true, &options, NULL), ==, 0);
        g_assert_true(options.help);
        g_assert_cmpuint(args.n, ==, 1);
}

static void test_memory_short(void) {
        FOREACH_FAULT {
                char *items[] = { (char *) "--metadata", (char *) "a=b", (char *) "--frob" };
                CtlArguments args = { items, 3 };
                CtlOptions options = {};
                Error error = {};
                int r;

                r = ctl_flag_parse(flags, &args, true, &options, &error);
                g_assert_cmpint(r, <, 0);
                g_assert_nonnull(error_message(&error));
                error_done(&error);
                ctl_options_done(&options);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/flag/cases", test_cases);
        g_test_add_func("/ctl/flag/environment-stands-in", test_environment_stands_in);
        g_test_add_func("/ctl/flag/no-table", test_no_table);
        g_test_add_func("/ctl/flag/memory-short", test_memory_short);
        return g_test_run();
}
