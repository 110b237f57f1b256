#include <sys/wait.h>

#include "daemon/config/lock.h"
#include "tests/unit/config/fixture.h"

static char *busy_words(const Fixture *f, long pid) {
        return g_strdup_printf(
                        "lock %s/cluster.lock: someone else has the lock (process %ld). If no other "
                        "ipfs-cluster-service process is running, remove %s/cluster.lock, or make sure that the "
                        "config folder is writable for the user running ipfs-cluster-service.",
                        f->folder,
                        pid,
                        f->folder);
}

static void test_held(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *words = busy_words(f, getpid());
        int fd = -1, other = -1;

        g_assert_cmpint(config_lock(f->folder, &fd, &f->error), ==, 0);
        g_assert_cmpint(config_lock(f->folder, &other, &f->error), ==, -EBUSY);
        g_assert_cmpint(f->error.code, ==, ERROR_BUSY);
        g_assert_cmpstr(error_message(&f->error), ==, words);
        g_assert_cmpint(other, ==, -1);
        close(fd);
        g_assert_cmpint(config_lock(f->folder, &other, NULL), ==, 0);
        close(other);
}

/* The Go program's lock is one of fcntl(2) on the process. */
static void test_held_by_a_process_lock(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *path = g_build_filename(f->folder, "cluster.lock", NULL), *words = NULL;
        int up[2], fd = -1;
        pid_t pid;
        char c;

        g_assert_cmpint(pipe(up), ==, 0);
        pid = fork();
        if (pid == 0) {
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                int held = open(path, O_RDWR | O_CREAT, 0600);

                _exit(fcntl(held, F_SETLK, &lock) < 0 || write(up[1], "x", 1) != 1 || pause());
        }

        g_assert_cmpint(read(up[0], &c, 1), ==, 1);
        words = busy_words(f, pid);
        g_assert_cmpint(config_lock(f->folder, &fd, &f->error), ==, -EBUSY);
        g_assert_cmpstr(error_message(&f->error), ==, words);
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_cmpint(config_lock(f->folder, &fd, NULL), ==, 0);
        close(fd);
        close(up[0]);
        close(up[1]);
}

static void test_left_over(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = NULL, *pid = g_strdup_printf("%ld\n", (long) getpid());
        int fd = -1;

        fixture_put(f, "cluster.lock", "123456789012\n");
        g_assert_cmpint(config_lock(f->folder, &fd, NULL), ==, 0);
        text = fixture_get(f, "cluster.lock");
        g_assert_cmpstr(text, ==, pid);
        close(fd);
}

static void test_no_folder(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *folder = g_build_filename(f->folder, "none", NULL);
        int fd = -1;

        g_assert_cmpint(config_lock(folder, &fd, &f->error), ==, -ENOENT);
        g_assert_true(g_str_has_suffix(
                        error_message(&f->error), "/none/cluster.lock: No such file or directory"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/lock/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("held", test_held);
        ADD("held-by-a-process-lock", test_held_by_a_process_lock);
        ADD("left-over-file", test_left_over);
        ADD("no-folder", test_no_folder);
        return g_test_run();
}
