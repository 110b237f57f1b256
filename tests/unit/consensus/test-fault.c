/*
 * Disk errors: the Nth write, sync, rename, open fails, for every N until a run meets no failure. The peer
 * must say which file, acknowledge nothing after that, and have everything acknowledged when it is opened
 * again.
 */

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "tests/unit/consensus/node.h"

#define PINS 12
#define SHORT (-1) /* a write that takes half, and then finds the disk full */

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __real_pwrite64(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_openat(int fd, const char *path, int flags, ...);
int __real_openat64(int fd, const char *path, int flags, ...);
int __real_ftruncate(int fd, off_t size);
int __real_ftruncate64(int fd, off_t size);
int __real_unlinkat(int fd, const char *path, int flags);
int __real_mkdirat(int fd, const char *path, mode_t mode);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat64(int fd, const char *path, int flags, ...);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_unlinkat(int fd, const char *path, int flags);
int __wrap_mkdirat(int fd, const char *path, mode_t mode);

static atomic_int countdown = -1; /* calls until the one that fails; both threads make them */
static atomic_int fail_with;
static atomic_bool fired;
static atomic_bool disk_full; /* after a short write, all others fail */

static bool is_disk(int fd) { /* not a pipe, an eventfd or the terminal */
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fd > STDERR_FILENO;
}

/* 0: go on. */
static int tick(bool writes) {
        int error = fail_with;

        if (disk_full && writes)
                return ENOSPC;
        if (error == SHORT && !writes)
                return 0;
        if (countdown < 0 || atomic_fetch_sub(&countdown, 1) > 0)
                return 0;
        fired = true;
        return error;
}

static ssize_t fail_write(int error) {
        if (error == SHORT) {
                disk_full = true;
                return SHORT;
        }
        errno = error;
        return 0;
}

#define WRITE_OR_FAIL(fd, n, call_n, call_half)                                                             \
        int error = is_disk(fd) ? tick(true) : 0;                                                           \
        if (error == 0)                                                                                     \
                return call_n;                                                                              \
        if (fail_write(error) != SHORT)                                                                     \
                return -1;                                                                                  \
        return (n) > 1 ? call_half : (errno = ENOSPC, -1)

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset) {
        WRITE_OR_FAIL(fd, n, __real_pwrite(fd, bytes, n, offset), __real_pwrite(fd, bytes, n / 2, offset));
}

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t offset) {
        WRITE_OR_FAIL(fd,
                      n,
                      __real_pwrite64(fd, bytes, n, offset),
                      __real_pwrite64(fd, bytes, n / 2, offset));
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n) {
        WRITE_OR_FAIL(fd, n, __real_write(fd, bytes, n), __real_write(fd, bytes, n / 2));
}

static int fail_call(void) {
        int error = tick(false);

        errno = error;
        return error == 0 ? 0 : -1;
}

int __wrap_fdatasync(int fd) {
        return fail_call() < 0 ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd) {
        return fail_call() < 0 ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
        return fail_call() < 0 ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_ftruncate(int fd, off_t size) {
        return fail_call() < 0 ? -1 : __real_ftruncate(fd, size);
}

int __wrap_ftruncate64(int fd, off_t size) {
        return fail_call() < 0 ? -1 : __real_ftruncate64(fd, size);
}

int __wrap_unlinkat(int fd, const char *path, int flags) {
        return fail_call() < 0 ? -1 : __real_unlinkat(fd, path, flags);
}

int __wrap_mkdirat(int fd, const char *path, mode_t mode) {
        return fail_call() < 0 ? -1 : __real_mkdirat(fd, path, mode);
}

#define MODE_OF(flags)                                                                                      \
        ({                                                                                                  \
                mode_t _mode = 0;                                                                           \
                va_list _ap;                                                                                \
                va_start(_ap, flags);                                                                       \
                if ((flags) &O_CREAT)                                                                       \
                        _mode = va_arg(_ap, mode_t);                                                        \
                va_end(_ap);                                                                                \
                _mode;                                                                                      \
        })

int __wrap_openat(int fd, const char *path, int flags, ...) {
        mode_t mode = MODE_OF(flags);

        return fail_call() < 0 ? -1 : __real_openat(fd, path, flags, mode);
}

int __wrap_openat64(int fd, const char *path, int flags, ...) {
        mode_t mode = MODE_OF(flags);

        return fail_call() < 0 ? -1 : __real_openat64(fd, path, flags, mode);
}

/* ---- the run */

static void arm(int n, int error) {
        fired = disk_full = false;
        fail_with = error;
        countdown = n;
}

static void disarm(void) {
        countdown = -1;
        disk_full = false;
        fail_with = 0;
}

static void settings(Node *node) {
        node->options.segment_size = 1024; /* a few pins */
        node->options.trailing_logs = 2;
}

/* Pins one after the other, a snapshot in the middle. Answers how many were acknowledged. */
static uint64_t work(Node *node, uint64_t first) {
        for (uint64_t n = first; n < first + PINS && !node->failed; n++) {
                uint64_t before = node->n_done;

                if (node_pin(node, n, 1) < 0)
                        break;
                NODE_WAIT(node, node->n_done > before);
                if (n == first + PINS / 2 && !node->failed) {
                        node->snapshot_result = 1;
                        g_assert_cmpint(consensus_snapshot(node->consensus, NULL, NULL), >=, 0);
                        NODE_WAIT(node, node_status(node).snapshot_index > 0);
                }
        }
        return node->n_done;
}

static void check_silent(Node *node, uint64_t n_done) {
        g_assert_cmpint(node->failed_status, ==, 74);
        g_assert_cmpint(node_pin(node, 1000, 1), <, 0);
        for (int i = 0; i < 20; i++)
                g_assert_cmpint(sd_event_run(node->event, 0), >=, 0);
        g_assert_cmpuint(node->n_done, ==, n_done);
        g_assert_cmpuint(node->n_refused, ==, 0);
}

/* The words name a file of the folder. */
static void check_words(const HelpFolder *folder, const char *words) {
        if (!strstr(words, folder->path) && !strstr(words, "pins."))
                g_error("no file is named: '%s'", words);
}

static bool run(int n, int error, bool restart) {
        g_autofree char *words = NULL, *logged = NULL;
        uint64_t n_done = 0, n_before = 0;
        HelpFolder folder;
        Node node;
        bool hit;
        int r;

        help_folder_make(&folder);
        node_init(&node, &folder);
        settings(&node);
        if (restart) { /* the failure meets a later start, with everything there */
                node_start(&node);
                n_before = work(&node, 1);
                g_assert_cmpuint(n_before, ==, PINS);
                node_crash(&node);
        }

        help_capture_start();
        arm(n, error);
        r = node_open(&node, &words);
        if (r == 0) {
                NODE_WAIT(&node, node.ready);
                n_done = work(&node, n_before + 1);
        }
        hit = fired;
        if (node.failed)
                check_silent(&node, n_done);
        if (node.failed && n % 2 == 0) {
                g_assert_cmpint(consensus_close(node.consensus), <, 0);
                node.consensus = NULL;
        } else if (node.consensus)
                node_crash(&node);
        disarm();
        logged = help_capture_end();

        if (r < 0)
                check_words(&folder, words);
        else if (node.failed)
                check_words(&folder, logged);
        else
                g_assert_cmpuint(n_done, ==, PINS);

        g_test_message("failure %d: %s", n, r < 0 ? words : logged);
        node_start(&node);
        for (uint64_t i = 1; i <= n_before + n_done; i++)
                if (!node_has(&node, i))
                        g_error("failure at call %d: pin %" PRIu64 " of %" PRIu64 " is lost",
                                n,
                                i,
                                n_before + n_done);
        node_pin_wait(&node, 2000, 1); /* and it goes on */
        node_done(&node);
        help_folder_done(&folder);
        return hit;
}

static void sweep(int error, bool restart) {
        int n = 0;

        while (run(n, error, restart))
                n++;
        g_test_message("%d calls", n);
        g_assert_cmpint(n, >, 10);
}

static void test_input_output_error(void) {
        sweep(EIO, false);
}

static void test_disk_full(void) {
        sweep(SHORT, false);
}

static void test_error_after_a_restart(void) {
        sweep(EIO, true);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) log_set_levels("error");
        g_test_add_func("/consensus/fault/input-output-error", test_input_output_error);
        g_test_add_func("/consensus/fault/disk-full", test_disk_full);
        g_test_add_func("/consensus/fault/error-after-a-restart", test_error_after_a_restart);
        return g_test_run();
}
