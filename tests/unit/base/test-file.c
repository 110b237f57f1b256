#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "daemon/base/macro.h"
#include "tests/lib/fault.h"

typedef struct Fixture {
        char *path;
        int fd;
} Fixture;

static void set_up(Fixture *f, const void *data _unused_) {
        f->path = g_dir_make_tmp("test-file-XXXXXX", NULL);
        g_assert_nonnull(f->path);
        f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(f->fd, >=, 0);
}

static void tear_down(Fixture *f, const void *data _unused_) {
        closep(&f->fd);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->path), ==, 0);
        g_assert_cmpint(access(f->path, F_OK), <, 0);
        g_free(f->path);
}

static void assert_content(int dir_fd, const char *name, const char *text) {
        _cleanup_free_ char *content = NULL;
        size_t n;

        g_assert_cmpint(file_read(dir_fd, name, 1000000, &content, &n), ==, 0);
        g_assert_cmpstr(content, ==, text);
        g_assert_cmpuint(n, ==, strlen(text));
}

static void test_replace_and_read(Fixture *f, const void *data _unused_) {
        struct stat st;

        g_assert_cmpint(file_replace(f->fd, "a", "one", 3, 0600), ==, 0);
        assert_content(f->fd, "a", "one");
        g_assert_cmpint(fstatat(f->fd, "a", &st, 0), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0600);

        umask(0077);
        g_assert_cmpint(file_replace(f->fd, "a", "two", 3, 0644), ==, 0);
        assert_content(f->fd, "a", "two");
        g_assert_cmpint(fstatat(f->fd, "a", &st, 0), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0644); /* whatever the umask */

        g_assert_cmpint(file_replace(f->fd, "a", NULL, 0, 0600), ==, 0);
        assert_content(f->fd, "a", "");
        g_assert_cmpint(faccessat(f->fd, ".a.new", F_OK, 0), <, 0);
}

static void test_replace_elsewhere(Fixture *f, const void *data _unused_) {
        g_autofree char *path = g_build_filename(f->path, "sub", "b", NULL);

        g_assert_cmpint(file_replace(AT_FDCWD, path, "x", 1, 0600), ==, -ENOENT);
        g_assert_cmpint(mkdirat(f->fd, "sub", 0700), ==, 0);
        g_assert_cmpint(file_replace(AT_FDCWD, path, "x", 1, 0600), ==, 0);
        assert_content(f->fd, "sub/b", "x");
        g_assert_cmpint(file_replace(f->fd, "sub/b", "y", 1, 0600), ==, 0);
        assert_content(AT_FDCWD, path, "y");
}

/* A failure leaves the former content and nothing beside it. */
static void test_replace_fails(Fixture *f, const void *data _unused_) {
        g_assert_cmpint(mkdirat(f->fd, "folder", 0700), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "folder", "x", 1, 0600), ==, -EISDIR);
        g_assert_cmpint(faccessat(f->fd, ".folder.new", F_OK, 0), <, 0);

        /* What a crash left is in nobody's way. */
        g_assert_cmpint(file_replace(f->fd, ".a.new", "left", 4, 0400), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "a", "new", 3, 0600), ==, 0);
        assert_content(f->fd, "a", "new");
        g_assert_cmpint(faccessat(f->fd, ".a.new", F_OK, 0), <, 0);
}

static void test_read_bounds(Fixture *f, const void *data _unused_) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };
        g_autofree char *bytes = g_strnfill(100000, 'x');

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_free_ char *content = NULL;
                size_t n = 0;

                g_test_message("%zu bytes", sizes[i]);
                g_assert_cmpint(file_replace(f->fd, "a", bytes, sizes[i], 0600), ==, 0);
                g_assert_cmpint(file_read(f->fd, "a", sizes[i], &content, &n), ==, 0);
                g_assert_cmpuint(n, ==, sizes[i]);
                g_assert_cmpuint(strlen(content), ==, n);
                if (sizes[i] > 0)
                        g_assert_cmpint(file_read(f->fd, "a", sizes[i] - 1, &content, NULL), ==, -EFBIG);
        }
}

static void test_read_odd(Fixture *f, const void *data _unused_) {
        _cleanup_free_ char *content = NULL;
        size_t n;

        g_assert_cmpint(file_read(f->fd, "none", 10, &content, &n), ==, -ENOENT);
        g_assert_cmpint(file_read(AT_FDCWD, f->path, 10, &content, &n), ==, -EISDIR);
        g_assert_null(content);

        /* A file whose size is not known before. */
        g_assert_cmpint(file_read(AT_FDCWD, "/proc/self/cmdline", 100000, &content, &n), ==, 0);
        g_assert_cmpuint(n, >, 0);
}

static void test_read_at(Fixture *f, const void *data _unused_) {
        _cleanup_close_ int fd = -1;
        char bytes[4] = {};

        fd = openat(f->fd, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        g_assert_cmpint(file_write_all(fd, "0123456789", 10), ==, 0);
        g_assert_cmpint(file_read_at(fd, bytes, 4, 3), ==, 0);
        g_assert_cmpmem(bytes, 4, "3456", 4);
        g_assert_cmpint(file_read_at(fd, bytes, 4, 6), ==, 0);
        g_assert_cmpint(file_read_at(fd, bytes, 4, 7), ==, -ENODATA);
        g_assert_cmpint(file_read_at(fd, bytes, 0, 10), ==, 0);
        g_assert_cmpint(file_read_at(-1, bytes, 1, 0), ==, -EBADF);
        g_assert_cmpint(file_write_all(-1, bytes, 1), ==, -EBADF);
}

static void test_remove_tree(Fixture *f, const void *data _unused_) {
        g_autofree char *deep = g_build_filename(f->path, "tree/a/b/c", NULL);
        g_autofree char *outside = g_build_filename(f->path, "kept", NULL);

        g_assert_cmpint(file_make_dirs(deep, 0700), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "kept", "k", 1, 0600), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "tree/a/file", "x", 1, 0600), ==, 0);
        g_assert_cmpint(symlinkat(f->path, f->fd, "tree/a/b/up"), ==, 0);
        g_assert_cmpint(symlinkat(outside, f->fd, "tree/link"), ==, 0);

        g_assert_cmpint(file_remove_tree(f->fd, "tree"), ==, 0);
        g_assert_cmpint(faccessat(f->fd, "tree", F_OK, AT_SYMLINK_NOFOLLOW), <, 0);
        assert_content(f->fd, "kept", "k"); /* links are not followed */
        g_assert_cmpint(file_remove_tree(f->fd, "tree"), ==, 0);
        g_assert_cmpint(file_remove_tree(f->fd, "kept"), ==, 0);
}

static void test_make_dirs(Fixture *f, const void *data _unused_) {
        g_autofree char *deep = g_build_filename(f->path, "a/b/c/", NULL);
        g_autofree char *below = g_build_filename(f->path, "file/x", NULL);
        g_autofree char *file = g_build_filename(f->path, "file", NULL);

        g_assert_cmpint(file_make_dirs(deep, 0700), ==, 0);
        g_assert_cmpint(file_make_dirs(deep, 0700), ==, 0);
        g_assert_cmpint(faccessat(f->fd, "a/b/c", X_OK, 0), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "file", "", 0, 0600), ==, 0);
        g_assert_cmpint(file_make_dirs(below, 0700), ==, -ENOTDIR);
        g_assert_cmpint(file_make_dirs(file, 0700), ==, -ENOTDIR);
}

static void test_sync_dir(Fixture *f, const void *data _unused_) {
        _cleanup_close_ int fd = open(f->path, O_PATH | O_CLOEXEC);

        g_assert_cmpint(file_sync_dir(f->fd), ==, 0);
        g_assert_cmpint(file_sync_dir(fd), ==, 0);
        g_assert_cmpint(file_sync_dir(-1), ==, -EBADF);
}

static void test_sync_parent(Fixture *f, const void *data _unused_) {
        g_autofree char *path = g_build_filename(f->path, "not-there", NULL);

        g_assert_cmpint(file_sync_parent(AT_FDCWD, path), ==, 0);
        g_assert_cmpint(file_sync_parent(f->fd, "not-there"), ==, 0);
        g_assert_cmpint(file_sync_parent(AT_FDCWD, "/not-there"), ==, 0);
        g_assert_cmpint(file_sync_parent(f->fd, "not/there"), ==, -ENOENT);
}

static void test_copy_tree(Fixture *f, const void *data _unused_) {
        g_assert_cmpint(mkdirat(f->fd, "a", 0700), ==, 0);
        g_assert_cmpint(mkdirat(f->fd, "a/b", 0700), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "a/one", "one", 3, 0600), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "a/b/two", "two", 3, 0600), ==, 0);
        g_assert_cmpint(file_replace(f->fd, "a/b/none", "", 0, 0600), ==, 0);

        g_assert_cmpint(file_copy_tree(f->fd, "a", "c"), ==, 0);
        assert_content(f->fd, "c/one", "one");
        assert_content(f->fd, "c/b/two", "two");
        assert_content(f->fd, "c/b/none", "");
        assert_content(f->fd, "a/b/two", "two");
        g_assert_cmpint(file_copy_tree(f->fd, "a", "c"), ==, -EEXIST);
        g_assert_cmpint(file_copy_tree(f->fd, "none", "d"), ==, -ENOENT);
}

static void test_put_aside(Fixture *f, const void *data _unused_) {
        g_autofree char *path = g_build_filename(f->path, "raft", NULL);
        g_autofree char *name = g_build_filename(path, "name", NULL);

        g_assert_cmpint(file_put_aside(path, path, 3), ==, 0); /* nothing is there */
        for (int i = 0; i < 5; i++) {
                g_autofree char *text = g_strdup_printf("%d", i);

                g_assert_cmpint(file_make_dirs(path, 0700), ==, 0);
                g_assert_cmpint(file_replace(AT_FDCWD, name, text, 1, 0600), ==, 0);
                g_assert_cmpint(file_put_aside(path, path, i < 4 ? 3 : UINT64_MAX), ==, 1);
                g_assert_cmpint(access(path, F_OK), <, 0);
        }
        assert_content(f->fd, "raft.old.0/name", "4");
        assert_content(f->fd, "raft.old.1/name", "3");
        assert_content(f->fd, "raft.old.2/name", "2");
        assert_content(f->fd, "raft.old.3/name", "1"); /* with more room the fourth stayed */
        g_assert_cmpint(faccessat(f->fd, "raft.old.4", F_OK, 0), <, 0);
}

static void test_join(void) {
        static const struct {
                const char *folder, *name, *path;
        } cases[] = {
                { "/a", "b", "/a/b" }, { "/a/", "b", "/a/b" }, { "/", "b", "/b" },
                { "", "b", "b" },      { "a", "/b", "/b" },    { "a", "", "a/" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *path = NULL;

                g_assert_cmpint(file_join(&path, cases[i].folder, cases[i].name), ==, 0);
                g_assert_cmpstr(path, ==, cases[i].path);
        }
}

static int replace_and_read(int fd) {
        _cleanup_free_ char *content = NULL, *path = NULL;
        int r;

        r = file_replace(fd, "./a", "new", 3, 0600);
        if (r >= 0)
                r = file_read(fd, "a", 10, &content, NULL);
        if (r >= 0)
                r = file_join(&path, "a", "b");
        return r;
}

static void test_out_of_memory(Fixture *f, const void *data _unused_) {
        FOREACH_FAULT {
                int r;

                r = replace_and_read(f->fd);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpint(faccessat(f->fd, ".a.new", F_OK, 0), <, 0);
        }
}

#define ADD(name, function) g_test_add("/base/file/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("replace-and-read", test_replace_and_read);
        ADD("replace-elsewhere", test_replace_elsewhere);
        ADD("replace-fails", test_replace_fails);
        ADD("read-bounds", test_read_bounds);
        ADD("read-odd", test_read_odd);
        ADD("read-at", test_read_at);
        ADD("remove-tree", test_remove_tree);
        ADD("make-dirs", test_make_dirs);
        ADD("sync-dir", test_sync_dir);
        ADD("sync-parent", test_sync_parent);
        ADD("copy-tree", test_copy_tree);
        ADD("put-aside", test_put_aside);
        ADD("out-of-memory", test_out_of_memory);
        g_test_add_func("/base/file/join", test_join);
        return g_test_run();
}
