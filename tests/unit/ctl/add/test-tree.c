#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/add/tree.h"

typedef struct Fixture {
        char *folder, *cwd;
} Fixture;

/* d/{.hid, a.txt, b/{c.txt, .x/y}, empty/, link} */
static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->cwd = g_get_current_dir();
        f->folder = g_dir_make_tmp("tree-XXXXXX", NULL);
        g_assert_cmpint(chdir(f->folder), ==, 0);
        g_assert_cmpint(g_mkdir_with_parents("d/b/.x", 0700), ==, 0);
        g_assert_cmpint(g_mkdir_with_parents("d/empty", 0700), ==, 0);
        g_assert_true(g_file_set_contents("d/.hid", "1", 1, NULL));
        g_assert_true(g_file_set_contents("d/a.txt", "22", 2, NULL));
        g_assert_true(g_file_set_contents("d/b/c.txt", "333", 3, NULL));
        g_assert_true(g_file_set_contents("d/b/.x/y", "4444", 4, NULL));
        g_assert_cmpint(symlink("nowhere", "d/link"), ==, 0);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->folder);

        g_assert_cmpint(chdir(f->cwd), ==, 0);
        g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
        g_free(f->folder);
        g_free(f->cwd);
}

static char *walk(const char *path, bool recursive, bool hidden) {
        _cleanup_(ctl_tree_closep) CtlTree *tree = NULL;
        _cleanup_(error_done) Error error = {};
        GString *told = g_string_new(NULL);
        CtlEntry entry;
        int r;

        r = ctl_tree_open(&tree, path, recursive, hidden, &error);
        while (r >= 0 && (r = ctl_tree_next(tree, &entry, &error)) > 0)
                g_string_append_printf(told, "%d %s %u\n", entry.type, entry.name, (unsigned) entry.size);
        if (r < 0)
                g_string_append_printf(told, "error: %s\n", error_message(&error));
        return g_string_free(told, FALSE);
}

static void expect(const char *path, bool hidden, const char *told) {
        g_autofree char *got = walk(path, true, hidden);

        g_assert_cmpstr(got, ==, told);
}

static void test_walk(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        static const char seen[] = "1 d 0\n0 d/a.txt 2\n1 d/b 0\n0 d/b/c.txt 3\n1 d/empty 0\n2 d/link 0\n";

        expect("d", false, seen);
        expect("d/", false, seen);
        expect("d//", false, seen);
        expect("./d", false, seen);
        expect("d",
               true,
               "1 d 0\n0 d/.hid 1\n0 d/a.txt 2\n1 d/b 0\n1 d/b/.x 0\n0 d/b/.x/y 4\n0 d/b/c.txt 3\n1 d/empty 0\n2 d/link 0\n");
        expect("d/b", false, "1 b 0\n0 b/c.txt 3\n");
        expect("d/b/c.txt", false, "0 c.txt 3\n");
        expect("d/.hid", false, "0 .hid 1\n"); /* asked for by name */
        expect("d/link", false, "2 link 0\n");
        g_assert_cmpint(chdir("d/b"), ==, 0);
        expect(".", false, "1 b 0\n0 b/c.txt 3\n");
        expect("..", false, "1 d 0\n0 d/a.txt 2\n1 d/b 0\n0 d/b/c.txt 3\n1 d/empty 0\n2 d/link 0\n");
}

static void test_refused(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        g_autofree char *folder = walk("d", false, false), *nowhere = walk("nope", true, false);
        g_autofree char *empty = walk("", true, false);

        g_assert_cmpstr(folder, ==, "error: d is a directory, but Recursive option is not set\n");
        g_assert_cmpstr(nowhere, ==, "error: lstat nope: no such file or directory\n");
        g_assert_cmpstr(empty, ==, "error: lstat : no such file or directory\n");
}

static void test_special(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(mkfifo("d/b/pipe", 0600), ==, 0);
        expect("d/b", false, "1 b 0\n0 b/c.txt 3\nerror: unrecognized file type for d/b/pipe\n");
}

static void test_unreadable(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        if (geteuid() == 0) {
                g_test_skip("root reads everything");
                return;
        }
        g_assert_cmpint(chmod("d/b", 0), ==, 0);
        expect("d/b", false, "1 b 0\nerror: open d/b: permission denied\n");
        g_assert_cmpint(chmod("d/b", 0700), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add("/ctl/add/tree/walk", Fixture, NULL, set_up, test_walk, tear_down);
        g_test_add("/ctl/add/tree/refused", Fixture, NULL, set_up, test_refused, tear_down);
        g_test_add("/ctl/add/tree/special", Fixture, NULL, set_up, test_special, tear_down);
        g_test_add("/ctl/add/tree/unreadable", Fixture, NULL, set_up, test_unreadable, tear_down);
        return g_test_run();
}
