#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/state/spool.h"
#include "tests/lib/fault.h"
#include "tests/unit/state/fixture.h"

/* Stands before the C library's, so that a file system without O_TMPFILE can be had. */
static bool without_tmpfile;

int open(const char *path, int flags, ...);

int open(const char *path, int flags, ...) {
        bool has_mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
        mode_t mode;
        va_list ap;

        va_start(ap, flags);
        mode = has_mode ? va_arg(ap, mode_t) : 0;
        va_end(ap);

        if (without_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
                errno = EOPNOTSUPP;
                return -1;
        }
        return (int) syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define VALUE_MAX 2000

/* Record I is I as key, and a value whose length and bytes follow from I. */
static int write_record(StateSpool *spool, uint32_t i) {
        char value[VALUE_MAX];
        StateRecord record = {
                .key = &i,
                .value = value,
                .key_size = sizeof(i),
                .value_size = i * 37 % VALUE_MAX,
        };

        memset(value, (int) i & 0xff, sizeof(value));
        return state_spool_write(spool, &record);
}

static void assert_record(const StateRecord *record, uint32_t i) {
        const uint8_t *value = record->value;

        g_assert_cmpmem(record->key, record->key_size, &i, sizeof(i));
        g_assert_cmpuint(record->value_size, ==, i * 37 % VALUE_MAX);
        for (size_t k = 0; k < record->value_size; k++)
                g_assert_cmpuint(value[k], ==, i & 0xff);
}

static void read_record(StateSpool *spool, uint32_t i) {
        StateRecord record;

        g_assert_cmpint(state_spool_read(spool, &record), ==, 1);
        assert_record(&record, i);
}

static void assert_at_end(StateSpool *spool) {
        StateRecord record;

        g_assert_cmpint(state_spool_read(spool, &record), ==, 0);
}

static void assert_folder_is_empty(const char *path) {
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);

        g_assert_nonnull(folder);
        g_assert_null(g_dir_read_name(folder));
}

static void run_queue(const char *folder) {
        _cleanup_(state_spool_freep) StateSpool *spool = NULL;
        g_autoptr(GRand) random = g_rand_new_with_seed(3);
        uint32_t written = 0, read = 0;

        g_assert_cmpint(state_spool_new(&spool, folder), ==, 0);
        assert_at_end(spool);

        for (int round = 0; round < 60; round++) {
                for (int n = g_rand_int_range(random, 0, 400); n > 0; n--)
                        g_assert_cmpint(write_record(spool, written++), ==, 0);
                assert_folder_is_empty(folder);
                for (int n = g_rand_int_range(random, 0, 500); n > 0 && read < written; n--)
                        read_record(spool, read++);
                if (read == written)
                        assert_at_end(spool);
        }
        while (read < written)
                read_record(spool, read++);
        assert_at_end(spool);
        assert_at_end(spool);
}

static void test_is_a_queue(Fixture *f, gconstpointer data) {
        (void) data;
        run_queue(f->folder);
}

static void test_without_tmpfile(Fixture *f, gconstpointer data) {
        (void) data;
        without_tmpfile = true;
        run_queue(f->folder);
        without_tmpfile = false;
}

static void test_large_record(Fixture *f, gconstpointer data) {
        _cleanup_(state_spool_freep) StateSpool *spool = NULL;
        g_autofree char *value = g_malloc(1000000);
        StateRecord record = { .key = "k", .value = value, .key_size = 1, .value_size = 1000000 };

        (void) data;
        memset(value, 'v', record.value_size);
        g_assert_cmpint(state_spool_new(&spool, f->folder), ==, 0);
        g_assert_cmpint(write_record(spool, 1), ==, 0);
        g_assert_cmpint(state_spool_write(spool, &record), ==, 0);
        g_assert_cmpint(write_record(spool, 2), ==, 0);

        read_record(spool, 1);
        g_assert_cmpint(state_spool_read(spool, &record), ==, 1);
        g_assert_cmpmem(record.value, record.value_size, value, 1000000);
        read_record(spool, 2);
        assert_at_end(spool);
}

static int write_until_error(StateSpool *spool) {
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < 10000; i++)
                r = write_record(spool, i);
        return r;
}

static void test_folder_gone(Fixture *f, gconstpointer data) {
        _cleanup_(state_spool_freep) StateSpool *spool = NULL;
        g_autofree char *folder = g_build_filename(f->folder, "gone", NULL);

        g_assert_cmpint(state_spool_new(&spool, folder), ==, 0);
        without_tmpfile = !!data;
        g_assert_cmpint(write_until_error(spool), ==, -ENOENT);
        without_tmpfile = false;
}

static int fill_disk(const char *folder) {
        const struct rlimit limit = { 300000, 300000 };
        StateSpool *spool;

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || state_spool_new(&spool, folder) < 0)
                return 10;
        return write_until_error(spool) == -EFBIG ? 0 : 11;
}

static void test_full_disk(Fixture *f, gconstpointer data) {
        int status;
        pid_t pid;

        (void) data;
        pid = fork();
        if (pid == 0)
                _exit(fill_disk(f->folder));
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void test_out_of_memory(Fixture *f, gconstpointer data) {
        (void) data;
        FOREACH_FAULT {
                _cleanup_(state_spool_freep) StateSpool *spool = NULL;
                StateRecord record;
                int r;

                r = state_spool_new(&spool, f->folder);
                for (uint32_t i = 0; r >= 0 && i < 200; i++)
                        r = write_record(spool, i);
                while (r >= 0 && (r = state_spool_read(spool, &record)) > 0)
                        ;
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

#define ADD(path, function)                                                                                 \
        g_test_add("/state/spool/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("is-a-queue", test_is_a_queue);
        ADD("works-without-tmpfile", test_without_tmpfile);
        ADD("large-record", test_large_record);
        ADD("folder-gone", test_folder_gone);
        g_test_add("/state/spool/folder-gone-without-tmpfile",
                   Fixture,
                   "",
                   fixture_set_up,
                   test_folder_gone,
                   fixture_tear_down);
        ADD("full-disk", test_full_disk);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
