#include <glib/gstdio.h>

#include "tests/unit/ctl/fake.h"

static const FakeCase cases[] = {
        { "health metrics", { { "[\"b\",\"a\"]" } }, "metric_names \n", "b\na\n", "" },
        { "health metrics ping", { { "[]" } }, "metrics ping\n", "", "" },
        { "health alerts", { { "[]" } }, "alerts\n", "", "" },
        { "health bandwidth", { { "null" } }, "bandwidth\n", "", "" },
        { "health graph -f /nowhere/x",
          { { "{}" } },
          "graph\n",
          "",
          "error creating output file: open /nowhere/x: No such file or directory\n",
          1 },
        { "health graph",
          { .r = -EREMOTEIO, .code = 500, .message = "m" },
          "graph\n",
          "An error occurred:\n  Code: 500\n  Message: m\n",
          "",
          2 },
};

static void test_cases(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_check(&cases[i]);
}

static void test_graph_goes_to_the_file(void) {
        static const FakeAnswer answer = { { "{}" } };
        g_autofree char *folder = g_dir_make_tmp("ctl-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "g.dot", NULL);
        g_autofree char *words = g_strconcat("health graph --file ", path, NULL);
        g_autofree char *content = NULL;
        Fake fake;

        for (int i = 0; i < 2; i++) { /* the second replaces the first */
                fake_init(&fake, &answer, 1);
                g_assert_cmpint(fake_run(&fake, words), ==, 0);
                g_assert_cmpstr(fake.out, ==, "");
                fake_done(&fake);
        }
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        g_assert_true(g_str_has_prefix(content, "digraph cluster {\n"));
        g_assert_true(g_str_has_suffix(content, "\n}"));
        g_unlink(path);
        g_rmdir(folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/verb-health/cases", test_cases);
        g_test_add_func("/ctl/verb-health/graph-goes-to-the-file", test_graph_goes_to_the_file);
        return g_test_run();
}
