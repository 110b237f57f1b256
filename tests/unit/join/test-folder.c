#include <fcntl.h>
#include <glib.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/join/folder.h"
#include "tests/lib/fault.h"

#define A "/ip4/10.0.0.1/tcp/9096"
#define B "/dns4/node.example/tcp/9096/p2p/12D3KooWBS8jPkLSZVMD8ygwdLR6WqPDG57frDmvSNa6TQfAvCf3"

typedef struct Fixture {
        char *path;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->path = g_dir_make_tmp("test-folder-XXXXXX", NULL);
        g_assert_nonnull(f->path);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->path), ==, 0);
        g_free(f->path);
}

static void put(Fixture *f, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(f->path, name, NULL);

        g_assert_cmpint(file_replace(AT_FDCWD, path, text, strlen(text), 0600), ==, 0);
}

static void test_join_file(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(str_list_done) StrList addresses = {}, found = {};

        g_assert_cmpint(join_folder_file_read(f->path, &found, NULL), ==, 0);
        g_assert_cmpint(join_folder_file_remove(f->path, NULL), ==, 0); /* nothing is there */

        g_assert_cmpint(str_list_append(&addresses, A), ==, 0);
        g_assert_cmpint(str_list_append(&addresses, B), ==, 0);
        g_assert_cmpint(join_folder_file_write(f->path, &addresses, NULL), ==, 0);
        g_assert_cmpint(join_folder_file_read(f->path, &found, NULL), ==, 1);
        g_assert_true(str_list_equal(&addresses, &found));

        g_assert_cmpint(join_folder_file_remove(f->path, NULL), ==, 0);
        str_list_done(&found);
        g_assert_cmpint(join_folder_file_read(f->path, &found, NULL), ==, 0);
}

static void test_left_file(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_false(join_folder_left_is(f->path));
        g_assert_cmpint(join_folder_left_remove(f->path, NULL), ==, 0);
        g_assert_cmpint(join_folder_left_write(f->path, NULL), ==, 0);
        g_assert_true(join_folder_left_is(f->path));
        g_assert_cmpint(join_folder_left_remove(f->path, NULL), ==, 0);
        g_assert_false(join_folder_left_is(f->path));
}

/* People may write it too. */
static void test_odd_join_files(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *text, *first;
                size_t n;
        } cases[] = {
                { "", NULL, 0 },
                { "\n\n", NULL, 0 },
                { A, A, 1 },
                { "  " A "/  \n", A, 1 },
                { "not an address\n" A "\n/ip4/1.2.3\n", A, 1 },
                { A "\n" B "\n" A "\n", A, 3 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_list_done) StrList found = {};

                g_test_message("'%s'", cases[i].text);
                put(f, JOIN_FILE, cases[i].text);
                g_assert_cmpint(join_folder_file_read(f->path, &found, NULL), ==, 1);
                g_assert_cmpuint(found.n, ==, cases[i].n);
                if (cases[i].n > 0)
                        g_assert_cmpstr(found.items[0], ==, cases[i].first);
        }
}

static void assert_words(int r, Error *error, const char *words) {
        g_assert_cmpint(r, <, 0);
        if (!strstr(error->message, words))
                g_error("'%s' is not in '%s'", words, error->message);
        error_done(error);
}

static void test_failures(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *none = g_build_filename(f->path, "none", NULL);
        g_autofree char *file = g_build_filename(f->path, JOIN_FILE, "raft", NULL);
        _cleanup_(str_list_done) StrList addresses = {};
        Error error = {};

        g_assert_cmpint(str_list_append(&addresses, A), ==, 0);
        assert_words(join_folder_file_write(none, &addresses, &error),
                     &error,
                     "raft.join: cannot write: No such");

        put(f, JOIN_FILE, A);
        assert_words(join_folder_put_aside(file, 1, &error),
                     &error,
                     "raft.join/raft: cannot put aside: Not a dir");
}

static void test_put_aside(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *raft = g_build_filename(f->path, "raft", NULL);
        g_autofree char *old = g_build_filename(f->path, "raft.old.0", "name", NULL);
        g_autofree char *older = g_build_filename(f->path, "raft.old.1", NULL);

        g_assert_cmpint(join_folder_put_aside(raft, 1, NULL), ==, 0);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(file_make_dirs(raft, 0700), ==, 0);
                put(f, "raft/name", "x");
                g_assert_cmpint(join_folder_put_aside(raft, 1, NULL), ==, 1);
                g_assert_cmpint(access(raft, F_OK), <, 0);
                g_assert_cmpint(access(old, F_OK), ==, 0);
                g_assert_cmpint(access(older, F_OK), <, 0);
        }
}

static int write_and_read(const char *folder, const StrList *addresses, Error *reterr) {
        _cleanup_(str_list_done) StrList found = {};
        int r;

        r = join_folder_file_write(folder, addresses, reterr);
        if (r >= 0)
                r = join_folder_file_read(folder, &found, reterr);
        return r >= 0 ? join_folder_file_remove(folder, reterr) : r;
}

static void test_out_of_memory(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(str_list_done) StrList addresses = {};

        g_assert_cmpint(str_list_append(&addresses, A), ==, 0);
        g_assert_cmpint(str_list_append(&addresses, B), ==, 0);
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                int r = write_and_read(f->path, &addresses, &error);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

#define ADD(name, function) g_test_add("/join/folder/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("join-file", test_join_file);
        ADD("left-file", test_left_file);
        ADD("odd-join-files", test_odd_join_files);
        ADD("failures", test_failures);
        ADD("put-aside", test_put_aside);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
