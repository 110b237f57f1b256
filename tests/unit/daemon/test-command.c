#include <glib.h>

#include "daemon/command.h"
#include "tests/lib/fault.h"

static char *recorded_stdout(const char *name) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "service", name, NULL),
                        *text = NULL;
        char *out;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        out = g_strdup(strstr(text, "=== stdout\n") + strlen("=== stdout\n"));
        *strstr(out, "\n=== stderr\n") = '\0';
        return out;
}

static void check_help(const char *path, Str *to) {
        g_auto(GStrv) names = g_strsplit(path, " ", -1);
        const Command *command = &command_root;

        for (size_t i = 1; names[i]; i++) {
                command = command_find(command, names[i]);
                g_assert_nonnull(command);
        }
        g_assert_cmpint(command_write_help(command, path, to), ==, 0);
}

/* The texts that are the Go program's, byte for byte. Those of init, state and the program itself say what
 * is offered here. */
static void test_recorded(void) {
        static const struct {
                const char *path, *recording;
        } cases[] = {
                { "ipfs-cluster-service daemon", "006-help-daemon.txt" },
                { "ipfs-cluster-service state export", "008-help-state-export.txt" },
                { "ipfs-cluster-service state cleanup", "010-help-state-cleanup.txt" },
                { "ipfs-cluster-service version", "016-help-version.txt" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *recorded = recorded_stdout(cases[i].recording);
                _cleanup_(str_done) Str text = {};

                check_help(cases[i].path, &text);
                g_assert_cmpstr(text.data, ==, recorded);
        }
}

/* state is the recorded one without its crdt line, and so on. */
static void test_state(void) {
        g_autofree char *recorded = recorded_stdout("007-help-state.txt");
        g_autoptr(GString) expected = g_string_new(recorded);
        _cleanup_(str_done) Str text = {};

        g_string_replace(expected, "   crdt     CRDT-state commands\n", "", 1);
        /* one more, which is longer */
        g_string_replace(expected, "   export  ", "   export         ", 1);
        g_string_replace(expected, "   import  ", "   import         ", 1);
        g_string_replace(expected, "   cleanup  ", "   cleanup         ", 1);
        g_string_replace(
                        expected,
                        "persistent data\n",
                        "persistent data\n   recover-quorum  go on alone when too few peers are left\n",
                        1);
        check_help("ipfs-cluster-service state", &text);
        g_assert_cmpstr(text.data, ==, expected->str);
}

static void test_root(void) {
        _cleanup_(str_done) Str text = {};
        g_autofree char *recorded = recorded_stdout("003-no-args.txt");

        g_setenv("IPFS_CLUSTER_PATH", "<DIR>/home/.ipfs-cluster", true);
        check_help("ipfs-cluster-service", &text);
        g_unsetenv("IPFS_CLUSTER_PATH");
        /* name, usage and version; then commands and options */
        g_assert_cmpmem(text.data,
                        (size_t) (strstr(text.data, "This peer also") - text.data),
                        recorded,
                        (size_t) (strstr(recorded, "This peer also") - recorded));
        g_assert_cmpstr(strstr(text.data, "\nCOMMANDS:"), ==, strstr(recorded, "\nCOMMANDS:"));
}

static void check_width(const Command *command, const char *path) {
        _cleanup_(str_done) Str text = {};
        g_auto(GStrv) lines = NULL;

        g_assert_cmpint(command_write_help(command, path, &text), ==, 0);
        lines = g_strsplit(text.data, "\n", -1);
        for (size_t i = 0; lines[i]; i++)
                if (strlen(lines[i]) > 130)
                        g_error("%s: too wide: %s", path, lines[i]);
        for (const Command *child = command->commands; child && child->name; child++) {
                g_autofree char *name = g_strconcat(path, " ", child->name, NULL);

                check_width(child, name);
        }
}

static void test_width(void) {
        check_width(&command_root, COMMAND_PROGRAM);
}

static void test_faults(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str text = {};
                int r = command_write_help(&command_root, COMMAND_PROGRAM, &text);

                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/daemon/command/help-as-recorded", test_recorded);
        g_test_add_func("/daemon/command/help-of-state", test_state);
        g_test_add_func("/daemon/command/help-of-the-program", test_root);
        g_test_add_func("/daemon/command/help-is-not-too-wide", test_width);
        g_test_add_func("/daemon/command/allocations-fail", test_faults);
        return g_test_run();
}
