#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/base/file.h"
#include "daemon/store/store.h"
#include "tests/lib/fault.h"

typedef struct Fixture {
        char *folder;
} Fixture;

static void fixture_set_up(Fixture *f, gconstpointer data) {
        (void) data;
        f->folder = g_dir_make_tmp("store-XXXXXX", NULL);
        g_assert_nonnull(f->folder);
}

static void fixture_tear_down(Fixture *f, gconstpointer data) {
        (void) data;
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->folder), ==, 0);
        g_free(f->folder);
}

static Store *open_store(const Fixture *f, int expect) {
        Store *store = NULL;

        g_assert_cmpint(store_open(&store, f->folder, "test"), ==, expect);
        return store;
}

static int put(Store *store, const char *key, const char *value) {
        return store_put(store, key, strlen(key), value, strlen(value));
}

static void assert_value(Store *store, const char *key, const char *expect) {
        _cleanup_(str_done) Str value = {};

        g_assert_cmpint(store_get(store, key, strlen(key), &value), ==, expect ? 1 : 0);
        g_assert_cmpstr(value.data, ==, expect);
}

static bool has_file(const Fixture *f, const char *name) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* ---- trust */

static void test_keeps_what_was_closed(Fixture *f, gconstpointer data) {
        Store *store;

        (void) data;
        store = open_store(f, 0);
        g_assert_cmpint(put(store, "key", "value"), ==, 0);
        g_assert_true(has_file(f, "test.dirty"));
        g_assert_cmpint(store_close(store), ==, 0);
        g_assert_false(has_file(f, "test.dirty"));

        store = open_store(f, 1);
        assert_value(store, "key", "value");
        g_assert_cmpint(store_close(store), ==, 0);
}

static void test_is_private(Fixture *f, gconstpointer data) {
        g_autofree char *path = g_build_filename(f->folder, "test.gdbm", NULL);
        struct stat st;

        (void) data;
        store_free(open_store(f, 0));
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
}

static void test_new_one_is_not_trusted_before_a_close(Fixture *f, gconstpointer data) {
        (void) data;
        store_free(open_store(f, 0));
        g_assert_cmpint(store_close(open_store(f, 0)), ==, 0);
        g_assert_cmpint(store_close(open_store(f, 1)), ==, 0);
}

static void test_reading_needs_no_marker(Fixture *f, gconstpointer data) {
        Store *store;

        (void) data;
        store = open_store(f, 0);
        g_assert_cmpint(put(store, "key", "value"), ==, 0);
        g_assert_cmpint(store_close(store), ==, 0);

        store = open_store(f, 1);
        assert_value(store, "key", "value");
        g_assert_false(has_file(f, "test.dirty"));
        store_free(store);
        store = open_store(f, 1);
        assert_value(store, "key", "value");
        store_free(store);
}

static void test_writing_without_a_close_empties(Fixture *f, gconstpointer data) {
        static const char *const writes[] = { "put", "insert", "remove", "touch", "clear" };

        (void) data;
        for (size_t i = 0; i < ELEMENTSOF(writes); i++) {
                Store *store = open_store(f, 0);

                g_test_message("%s", writes[i]);
                g_assert_cmpint(put(store, "key", "value"), ==, 0);
                g_assert_cmpint(store_close(store), ==, 0);

                store = open_store(f, 1);
                g_assert_false(has_file(f, "test.dirty"));
                if (i == 0)
                        g_assert_cmpint(put(store, "other", "value"), ==, 0);
                else if (i == 1)
                        g_assert_cmpint(store_insert(store, "other", 5, "value", 5), ==, 1);
                else if (i == 2)
                        g_assert_cmpint(store_remove(store, "other", 5), ==, 0);
                else if (i == 3)
                        g_assert_cmpint(store_touch(store), ==, 0);
                else
                        g_assert_cmpint(store_clear(store), ==, 0);
                g_assert_true(has_file(f, "test.dirty"));
                store_free(store);

                store = open_store(f, 0);
                assert_value(store, "key", NULL);
                store_free(store);
        }
}

static void test_killed_writer(Fixture *f, gconstpointer data) {
        int ready[2], status;
        char byte;
        pid_t pid;

        (void) data;
        store_close(open_store(f, 0));
        g_assert_cmpint(pipe(ready), ==, 0);
        pid = fork();
        if (pid == 0) {
                Store *store = open_store(f, 1);

                for (uint64_t i = 0;; i++) {
                        if (store_put(store, &i, sizeof(i), &i, sizeof(i)) < 0)
                                _exit(1);
                        if (i == 1000 && write(ready[1], "", 1) != 1)
                                _exit(1);
                }
        }

        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status));
        close(ready[0]);
        close(ready[1]);

        g_assert_true(has_file(f, "test.dirty"));
        store_free(open_store(f, 0));
}

static void test_other_content_is_discarded(Fixture *f, gconstpointer data) {
        static const char *const contents[] = {
                "x",
                "no database, and longer than the header of one would be, by some bytes of padding here",
        };
        g_autofree char *path = g_build_filename(f->folder, "test.gdbm", NULL);

        (void) data;
        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                Store *store;

                g_test_message("%s", contents[i]);
                g_assert_true(g_file_set_contents(path, contents[i], -1, NULL));
                store = open_store(f, 0);
                assert_value(store, "key", NULL);
                g_assert_cmpint(put(store, "key", "value"), ==, 0);
                g_assert_cmpint(store_close(store), ==, 0);
                store_close(open_store(f, 1));
        }
}

static void test_is_exclusive(Fixture *f, gconstpointer data) {
        Store *store, *second = NULL;

        (void) data;
        store = open_store(f, 0);
        g_assert_cmpint(put(store, "key", "value"), ==, 0);
        g_assert_cmpint(store_open(&second, f->folder, "test"), ==, -EWOULDBLOCK);
        g_assert_cmpint(store_clear(store), ==, 0);
        g_assert_cmpint(store_open(&second, f->folder, "test"), ==, -EWOULDBLOCK);
        g_assert_null(second);
        g_assert_cmpint(store_close(store), ==, 0);
        store_free(open_store(f, 1));
}

static void test_needs_its_folder(Fixture *f, gconstpointer data) {
        g_autofree char *folder = g_build_filename(f->folder, "none", NULL);
        Store *store = NULL;

        (void) data;
        g_assert_cmpint(store_open(&store, folder, "test"), ==, -ENOENT);
        g_assert_null(store);
}

/* ---- records */

static void test_records(Fixture *f, gconstpointer data) {
        static const char zeros[300];
        _cleanup_(str_done) Str value = {};
        Store *store;

        (void) data;
        store = open_store(f, 0);
        g_assert_cmpint(store_get(store, "\0meta", 5, NULL), ==, 0);
        g_assert_cmpint(store_insert(store, "\0meta", 5, zeros, sizeof(zeros)), ==, 1);
        g_assert_cmpint(store_insert(store, "\0meta", 5, "", 0), ==, 0);
        g_assert_cmpint(store_get(store, "\0meta", 5, NULL), ==, 1);

        str_append(&value, "before");
        g_assert_cmpint(store_get(store, "\0meta", 5, &value), ==, 1);
        g_assert_cmpmem(value.data, 6, "before", 6);
        g_assert_cmpmem(value.data + 6, value.len - 6, zeros, sizeof(zeros));

        g_assert_cmpint(store_put(store, "\0meta", 5, "", 0), ==, 0);
        str_reset(&value);
        g_assert_cmpint(store_get(store, "\0meta", 5, &value), ==, 1);
        g_assert_cmpuint(value.len, ==, 0);

        g_assert_cmpint(store_remove(store, "\0meta", 5), ==, 1);
        g_assert_cmpint(store_remove(store, "\0meta", 5), ==, 0);
        g_assert_cmpint(store_get(store, "\0meta", 5, NULL), ==, 0);
        g_assert_cmpint(store_sync(store), ==, 0);
        g_assert_cmpint(store_close(store), ==, 0);
}

static void test_clear(Fixture *f, gconstpointer data) {
        Store *store;

        (void) data;
        store = open_store(f, 0);
        g_assert_cmpint(put(store, "key", "value"), ==, 0);
        g_assert_cmpint(store_clear(store), ==, 0);
        assert_value(store, "key", NULL);
        g_assert_cmpint(put(store, "other", "value"), ==, 0);
        g_assert_cmpint(store_close(store), ==, 0);

        store = open_store(f, 1);
        assert_value(store, "key", NULL);
        assert_value(store, "other", "value");
        store_free(store);
}

#define WALK_N 5000u

static void fill(Store *store) {
        for (uint32_t i = 0; i < WALK_N; i++) {
                uint32_t value = i * 3;

                g_assert_cmpint(store_put(store, &i, sizeof(i), &value, sizeof(value)), ==, 0);
        }
}

static void assert_step(const Str *key, const Str *value, uint8_t *seen) {
        uint32_t i, v;

        g_assert_cmpuint(key->len, ==, sizeof(i));
        memcpy(&i, key->data, sizeof(i));
        g_assert_cmpuint(i, <, WALK_N);
        seen[i]++;

        g_assert_cmpuint(value->len, ==, sizeof(v));
        memcpy(&v, value->data, sizeof(v));
        g_assert_cmpuint(v, ==, i * 3);
}

/* Three walks, of which the second starts later and the third does not come to its end. */
static void test_walks(Fixture *f, gconstpointer data) {
        _cleanup_(store_walk_freep) StoreWalk *a = NULL, *b = NULL, *c = NULL;
        _cleanup_(str_done) Str key = {}, value = {};
        g_autofree uint8_t *seen_a = g_new0(uint8_t, WALK_N);
        g_autofree uint8_t *seen_b = g_new0(uint8_t, WALK_N);
        Store *store;
        int r;

        (void) data;
        store = open_store(f, 0);
        g_assert_cmpint(store_walk(store, &a, &key, &value), ==, 0);
        g_assert_null(a);

        fill(store);
        for (uint32_t n = 0; (r = store_walk(store, &a, &key, &value)) > 0; n++) {
                assert_step(&key, &value, seen_a);
                if (n >= WALK_N / 2 && store_walk(store, &b, &key, &value) > 0)
                        assert_step(&key, &value, seen_b);
                if (n % 100 == 0)
                        g_assert_cmpint(store_walk(store, &c, NULL, NULL), ==, 1);
        }
        g_assert_cmpint(r, ==, 0);
        while ((r = store_walk(store, &b, &key, &value)) > 0)
                assert_step(&key, &value, seen_b);
        g_assert_cmpint(r, ==, 0);

        for (uint32_t i = 0; i < WALK_N; i++)
                g_assert_cmpuint(seen_a[i] * 10u + seen_b[i], ==, 11);
        g_assert_nonnull(c);
        c = store_walk_free(c);
        store_free(store);
}

/* ---- failures */

static int write_until_full(const char *folder) {
        const struct rlimit limit = { 256 * 1024, 256 * 1024 };
        Store *store;
        int r;

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || store_open(&store, folder, "test") != 0)
                return 10;

        for (uint64_t i = 0; i < 100000; i++) {
                r = store_put(store, &i, sizeof(i), "a value of some length", 22);
                if (r < 0)
                        break;
        }
        if (r != -EIO)
                return 11;
        store_free(store);
        return store_open(&store, folder, "test") == 0 ? 0 : 12;
}

static void test_full_disk(Fixture *f, gconstpointer data) {
        int status;
        pid_t pid;

        (void) data;
        pid = fork();
        if (pid == 0)
                _exit(write_until_full(f->folder));
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
        g_assert_true(has_file(f, "test.dirty"));
}

/* Every call answers something; none of the answers is trusted. */
static int use_damaged(const char *folder) {
        _cleanup_(str_done) Str key = {}, value = {};
        _cleanup_(store_freep) Store *store = NULL;
        StoreWalk *walk = NULL;
        int r;

        r = store_open(&store, folder, "test");
        if (r < 0)
                return 1;
        for (uint32_t i = 0; i < WALK_N && r >= 0; i += 50) {
                str_reset(&value);
                r = store_get(store, &i, sizeof(i), &value);
        }
        for (size_t n = 0; n < 2 * WALK_N; n++)
                if (store_walk(store, &walk, &key, &value) <= 0)
                        break;
        store_walk_free(walk);
        for (uint32_t i = 0; i < 2 * WALK_N && r >= 0; i += 100)
                r = i % 200 ? store_remove(store, &i, sizeof(i)) : store_put(store, &i, sizeof(i), "x", 1);
        return 0;
}

static void damage(const char *folder, const char *good, gsize size, GRand *random) {
        g_autofree char *bad = g_memdup2(good, size), *path = g_build_filename(folder, "test.gdbm", NULL);
        g_autofree char *marker = g_build_filename(folder, "test.dirty", NULL);
        unsigned n = 1u << g_rand_int_range(random, 0, 8);

        for (unsigned i = 0; i < n; i++) {
                gsize limit = i % 2 ? size : MIN(size, 32768); /* every other one in what comes first */

                bad[(gsize) (g_rand_double(random) * (double) limit)] ^= (char) g_rand_int_range(
                                random, 1, 256);
        }
        g_assert_true(g_file_set_contents(path, bad, (gssize) size, NULL));
        (void) unlink(marker);
}

static void test_damaged_file(Fixture *f, gconstpointer data) {
        g_autofree char *path = g_build_filename(f->folder, "test.gdbm", NULL), *good = NULL;
        g_autoptr(GRand) random = g_rand_new_with_seed(1);
        Store *store;
        gsize size;

        (void) data;
        store = open_store(f, 0);
        fill(store);
        g_assert_cmpint(store_close(store), ==, 0);
        g_assert_true(g_file_get_contents(path, &good, &size, NULL));

        for (int round = 0; round < 100; round++) {
                int status;
                pid_t pid;

                damage(f->folder, good, size, random);
                pid = fork();
                if (pid == 0) {
                        alarm(20);
                        _exit(use_damaged(f->folder));
                }
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_test_message("round %d: status %x", round, (unsigned) status);
                g_assert_true(WIFEXITED(status));
                g_assert_cmpint(WEXITSTATUS(status), ==, 0);
        }
}

static void test_out_of_memory(Fixture *f, gconstpointer data) {
        (void) data;
        store_close(open_store(f, 0));

        FOREACH_FAULT {
                _cleanup_(store_freep) Store *store = NULL;
                _cleanup_(str_done) Str key = {}, value = {};
                StoreWalk *walk = NULL;
                int r;

                r = store_open(&store, f->folder, "test");
                if (r >= 0)
                        r = store_put(store, "key", 3, "value", 5);
                if (r >= 0)
                        r = store_get(store, "key", 3, &value);
                if (r >= 0)
                        r = store_walk(store, &walk, &key, &value);
                store_walk_free(walk);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 1);
        }
}

/* ---- another name */

static Store *open_named(const Fixture *f, const char *name, int expect) {
        Store *store = NULL;

        g_assert_cmpint(store_open(&store, f->folder, name), ==, expect);
        return store;
}

static void test_rename(Fixture *f, gconstpointer data) {
        Store *former, *store;

        (void) data;
        former = open_named(f, "test", 0);
        g_assert_cmpint(put(former, "key", "former"), ==, 0);
        store = open_named(f, "new", 0);
        g_assert_cmpint(put(store, "key", "new"), ==, 0);
        g_assert_cmpint(store_rename(store, "test"), ==, 0);
        g_assert_false(has_file(f, "new.gdbm"));
        g_assert_false(has_file(f, "new.dirty"));
        g_assert_true(has_file(f, "test.dirty"));
        assert_value(former, "key", "former"); /* it reads what it has open */
        store_free(former);
        assert_value(store, "key", "new");
        g_assert_cmpint(store_close(store), ==, 0);
        g_assert_false(has_file(f, "test.dirty"));

        store = open_named(f, "test", 1);
        assert_value(store, "key", "new");
        store_free(store);
}

/* Until it is closed it is not trusted, whatever the other one was. */
static void test_rename_is_not_trusted(Fixture *f, gconstpointer data) {
        Store *store;

        (void) data;
        g_assert_cmpint(store_close(open_named(f, "test", 0)), ==, 0);
        store = open_named(f, "new", 0);
        g_assert_cmpint(store_rename(store, "test"), ==, 0);
        store_free(store);
        store_free(open_named(f, "test", 0));
}

static void test_rename_fails(Fixture *f, gconstpointer data) {
        g_autofree char *path = g_build_filename(f->folder, "test.gdbm", NULL);
        Store *store;

        (void) data;
        store = open_named(f, "new", 0);
        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        g_assert_cmpint(store_rename(store, "test"), ==, -EISDIR);
        store_free(store);
        g_assert_cmpint(rmdir(path), ==, 0);
}

static void test_discard(Fixture *f, gconstpointer data) {
        Store *store;

        (void) data;
        store = open_named(f, "new", 0);
        g_assert_cmpint(put(store, "key", "value"), ==, 0);
        store_free(store);
        store_discard(f->folder, "new");
        g_assert_false(has_file(f, "new.gdbm"));
        g_assert_false(has_file(f, "new.dirty"));
        store_discard(f->folder, "new");
}

#define ADD(path, function)                                                                                 \
        g_test_add("/store/store/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("keeps-what-was-closed", test_keeps_what_was_closed);
        ADD("is-private", test_is_private);
        ADD("new-one-is-not-trusted-before-a-close", test_new_one_is_not_trusted_before_a_close);
        ADD("reading-needs-no-marker", test_reading_needs_no_marker);
        ADD("writing-without-a-close-empties", test_writing_without_a_close_empties);
        ADD("killed-writer-leaves-the-marker", test_killed_writer);
        ADD("other-content-is-discarded", test_other_content_is_discarded);
        ADD("is-exclusive", test_is_exclusive);
        ADD("needs-its-folder", test_needs_its_folder);
        ADD("records", test_records);
        ADD("clear", test_clear);
        ADD("walks-are-independent", test_walks);
        ADD("full-disk-is-an-error", test_full_disk);
        ADD("damaged-file-never-crashes", test_damaged_file);
        ADD("out-of-memory", test_out_of_memory);
        ADD("rename", test_rename);
        ADD("rename-is-not-trusted", test_rename_is_not_trusted);
        ADD("rename-fails", test_rename_fails);
        ADD("discard", test_discard);
        return g_test_run();
}
