#include <glib.h>

#include "daemon/arguments.h"
#include "daemon/base/macro.h"
#include "tests/lib/fault.h"

static void parse(const char *line, Arguments *arguments) {
        g_autofree char *whole = g_strconcat("ipfs-cluster-service ", line, NULL);
        g_auto(GStrv) words = g_strsplit(g_strchomp(whole), " ", -1);
        static GPtrArray *kept; /* texts are borrowed from argv */

        if (!kept)
                kept = g_ptr_array_new_with_free_func(g_free);
        for (size_t i = 0; words[i]; i++) {
                g_ptr_array_add(kept, words[i]);
        }
        g_assert_cmpint(arguments_parse((int) g_strv_length(words), words, arguments), ==, 0);
        words[0] = NULL; /* they belong to KEPT now */
}

static void test_verbs(void) {
        static const struct {
                const char *line;
                ArgumentsVerb verb;
        } cases[] = {
                { "", ARGUMENTS_DAEMON },
                { "-d", ARGUMENTS_DAEMON },
                { "daemon --upgrade", ARGUMENTS_DAEMON },
                { "-init", ARGUMENTS_INIT },
                { "--init -f", ARGUMENTS_INIT },
                { "init", ARGUMENTS_INIT },
                { "-c x init -f", ARGUMENTS_INIT },
                { "state export", ARGUMENTS_EXPORT },
                { "state import", ARGUMENTS_IMPORT },
                { "state cleanup", ARGUMENTS_CLEANUP },
                { "version", ARGUMENTS_VERSION },
                { "help", ARGUMENTS_NONE },
                { "state", ARGUMENTS_NONE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Arguments arguments = {};

                parse(cases[i].line, &arguments);
                if (arguments.verb != cases[i].verb)
                        g_error("%s: verb %d", cases[i].line, (int) arguments.verb);
                arguments_done(&arguments);
        }
}

static void test_options(void) {
        Arguments a = {};

        parse("-c folder --loglevel=info,cluster:debug -debug daemon -j /a,/b -x --stats --tracing=false --no-trust",
              &a);
        g_assert_cmpstr(a.folder, ==, "folder");
        g_assert_cmpstr(a.loglevel, ==, "info,cluster:debug");
        g_assert_cmpstr(a.bootstrap, ==, "/a,/b");
        g_assert_true(a.debug && a.leave && a.stats && !a.tracing && a.no_trust && !a.upgrade && !a.force);
        arguments_done(&a);

        a = (Arguments){};
        parse("init --consensus raft -s=T --peers=/a --force=TRUE --randomports --datastore x", &a);
        g_assert_cmpstr(a.consensus, ==, "raft");
        g_assert_cmpstr(a.datastore, ==, "x");
        g_assert_cmpstr(a.peers, ==, "/a");
        g_assert_true(a.custom_secret && a.force && a.random_ports);
        arguments_done(&a);

        a = (Arguments){};
        parse("state import file --rmin 2 --replication-max=0x3 -allocs a,b -f", &a);
        g_assert_cmpstr(a.file, ==, "file");
        g_assert_cmpint(a.replication_factor_min, ==, 2);
        g_assert_cmpint(a.replication_factor_max, ==, 3);
        g_assert_cmpstr(a.allocations, ==, "a,b");
        g_assert_true(a.force);
        arguments_done(&a);

        a = (Arguments){};
        parse("state import http://x --merge --dry-run --basic-auth=a:b --no-check-certificate", &a);
        g_assert_cmpstr(a.file, ==, "http://x");
        g_assert_cmpstr(a.basic_auth, ==, "a:b");
        g_assert_true(a.merge && a.dry_run && a.no_check_certificate && !a.force);
        arguments_done(&a);

        a = (Arguments){};
        parse("state export -f out", &a);
        g_assert_cmpstr(a.file, ==, "out");
        arguments_done(&a);

        a = (Arguments){};
        parse("state import -- -f", &a);
        g_assert_cmpstr(a.file, ==, "-f");
        g_assert_false(a.force);
        arguments_done(&a);
}

static void test_environment(void) {
        Arguments a = {};

        g_setenv("CLUSTER_CREDENTIALS", "from:env", true);
        parse("state import x", &a);
        g_assert_cmpstr(a.basic_auth, ==, "from:env");
        arguments_done(&a);
        a = (Arguments){};
        parse("state import x --basic-auth from:argv", &a);
        g_assert_cmpstr(a.basic_auth, ==, "from:argv");
        arguments_done(&a);
        a = (Arguments){};
        g_setenv("IPFS_CLUSTER_PATH", "/from/env", true);
        g_setenv("IPFS_CLUSTER_LOG_LEVEL", "debug", true);
        parse("-c /from/argv daemon", &a);
        g_assert_cmpstr(a.folder, ==, "/from/argv");
        g_assert_cmpstr(a.loglevel, ==, "debug");
        arguments_done(&a);
        a = (Arguments){};
        parse("daemon", &a);
        g_assert_cmpstr(a.folder, ==, "/from/env");
        arguments_done(&a);
        g_unsetenv("IPFS_CLUSTER_PATH");
        g_unsetenv("IPFS_CLUSTER_LOG_LEVEL");
}

static const struct {
        const char *line;
        int status;
        bool is_error;
        const char *begins;
} shown[] = {
        { "--version", 0, false, "ipfs-cluster-service version 1.1.6\n" },
        { "-v", 0, false, "ipfs-cluster-service version 1.1.6\n" },
        { "--help", 0, false, "NAME:\n   ipfs-cluster-service - IPFS Cluster peer\n" },
        { "help", 0, false, "NAME:\n   ipfs-cluster-service - IPFS Cluster peer\n" },
        { "h init", 0, false, "NAME:\n   ipfs-cluster-service init - " },
        { "init -h", 0, false, "NAME:\n   ipfs-cluster-service init - " },
        { "state", 0, false, "NAME:\n   ipfs-cluster-service state - " },
        { "state help export", 0, false, "NAME:\n   ipfs-cluster-service state export - " },
        { "state import --help", 0, false, "NAME:\n   ipfs-cluster-service state import - " },
        { "frobnicate", 1, false, "NAME:\n   ipfs-cluster-service - IPFS Cluster peer\n" },
        { "state frob", 3, true, "No help topic for 'frob'\n" },
        { "help frob", 3, true, "No help topic for 'frob'\n" },
        { "--frob", 1, false, "Incorrect Usage: flag provided but not defined: -frob\n\nNAME:\n" },
        { "daemon --frob",
          1,
          false,
          "Incorrect Usage: flag provided but not defined: -frob\n\nNAME:\n   ipfs-cluster-service daemon - " },
        { "init --frob=3",
          1,
          false,
          "Incorrect Usage: flag provided but not defined: -frob\n\nNAME:\n   ipfs-cluster-service init - " },
        { "-c", 1, false, "Incorrect Usage: flag needs an argument: -config\n\n" },
        { "state import --rmin x",
          1,
          false,
          "Incorrect Usage: invalid value \"x\" for flag -replication-min: parse error\n\n" },
        { "state import --rmin 9223372036854775808",
          1,
          false,
          "Incorrect Usage: invalid value \"9223372036854775808\" for flag -replication-min: value out of range\n\n" },
        { "init -f=maybe",
          1,
          false,
          "Incorrect Usage: invalid boolean value \"maybe\" for -force: parse error\n\n" },
        { "init http://127.0.0.1/x",
          1,
          false,
          "Incorrect Usage: unexpected argument: http://127.0.0.1/x\n\n" },
        { "state import a b", 1, false, "Incorrect Usage: unexpected argument: b\n\n" },
};

static void test_shown(void) {
        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                Arguments a = {};

                parse(shown[i].line, &a);
                g_assert_cmpint(a.verb, ==, ARGUMENTS_NONE);
                if (!g_str_has_prefix(a.text.data, shown[i].begins))
                        g_error("%s: %s", shown[i].line, a.text.data);
                if (a.status != shown[i].status || a.text_is_error != shown[i].is_error)
                        g_error("%s: status %d", shown[i].line, a.status);
                arguments_done(&a);
        }
}

static void test_faults(void) {
        char *words[] = { (char *) "x", (char *) "state", (char *) "import", (char *) "--frob", NULL };

        FOREACH_FAULT {
                Arguments a = {};
                int r = arguments_parse(4, words, &a);

                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
                arguments_done(&a);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_unsetenv("IPFS_CLUSTER_PATH");
        g_unsetenv("IPFS_CLUSTER_LOG_LEVEL");

        g_test_add_func("/daemon/arguments/verbs", test_verbs);
        g_test_add_func("/daemon/arguments/options", test_options);
        g_test_add_func("/daemon/arguments/environment", test_environment);
        g_test_add_func("/daemon/arguments/what-is-shown", test_shown);
        g_test_add_func("/daemon/arguments/allocations-fail", test_faults);
        return g_test_run();
}
