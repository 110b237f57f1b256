#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/net/listener.h"
#include "tests/unit/net/wire.h"

#define FIRST_INHERITED 3 /* sd_listen_fds(3) */

/* Listen, ask for the address, connect to it. */
static void test_tcp(void) {
        static const struct {
                const char *address, *prefix;
        } cases[] = {
                { "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/" },
                { "/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/tcp/" },
                { "/dns4/localhost/tcp/0", "/ip4/127.0.0.1/tcp/" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_free_ char *address = NULL;
                _cleanup_close_ int fd = -1, client = -1;

                g_test_message("%s", cases[i].address);
                g_assert_cmpint(listener_open(cases[i].address, &fd, NULL), ==, 0);
                g_assert_cmpint(fcntl(fd, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
                g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
                g_assert_cmpint(listener_address(fd, &address), ==, 0);
                g_assert_cmpint(g_str_has_prefix(address, cases[i].prefix), ==, true);
                client = wire_connect((unsigned) atoi(strrchr(address, '/') + 1));
        }
}

static void test_tcp6(void) {
        _cleanup_(error_done) Error error = {};
        _cleanup_free_ char *address = NULL;
        _cleanup_close_ int fd = -1;

        if (listener_open("/ip6/::1/tcp/0", &fd, &error) < 0) {
                g_test_skip(error_message(&error)); /* a kernel without IPv6 */
                return;
        }

        g_assert_cmpint(listener_address(fd, &address), ==, 0);
        g_assert_cmpint(g_str_has_prefix(address, "/ip6/::1/tcp/"), ==, true);
}

static void test_refused(void) {
        static const struct {
                const char *address, *words;
                ErrorCode code;
        } cases[] = {
                { "/ip4/127.0.0.1/udp/1",
                  "cannot listen at '/ip4/127.0.0.1/udp/1': expected /ip4/",
                  ERROR_INVALID },
                { "/ip4/127.0.0.1", "cannot listen at '/ip4/127.0.0.1': expected /ip4/", ERROR_INVALID },
                { "/ip4/192.0.2.1/tcp/0", "cannot listen at /ip4/192.0.2.1/tcp/0: Cannot assign", ERROR_IO },
                { "/dns4/no-such-host.invalid/tcp/0", "cannot listen at /dns4/no-such-host", ERROR_IO },
                { "/unix/nonexistent/socket",
                  "cannot listen at /unix/nonexistent/socket: No such",
                  ERROR_IO },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(error_done) Error error = {};
                int fd = -1;

                g_assert_cmpint(listener_open(cases[i].address, &fd, &error), <, 0);
                g_test_message("%s: %s", cases[i].address, error_message(&error));
                g_assert_cmpint(error.code, ==, cases[i].code);
                g_assert_cmpint(g_str_has_prefix(error_message(&error), cases[i].words), ==, true);
                g_assert_cmpint(fd, ==, -1);
        }
}

static void test_taken(void) {
        _cleanup_(error_done) Error error = {};
        _cleanup_free_ char *address = NULL;
        _cleanup_close_ int fd = -1;
        int second = -1;

        g_assert_cmpint(listener_open("/ip4/127.0.0.1/tcp/0", &fd, NULL), ==, 0);
        g_assert_cmpint(listener_address(fd, &address), ==, 0);
        g_assert_cmpint(listener_open(address, &second, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_IO);
        g_assert_cmpstr(strstr(error_message(&error), "already in use"), !=, NULL);
}

/* ---- Unix sockets */

typedef struct Fixture {
        char *folder, *path, *address;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->folder = g_dir_make_tmp("net-XXXXXX", NULL);
        f->path = g_build_filename(f->folder, "socket", NULL);
        f->address = g_strconcat("/unix", f->path, NULL);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_unlink(f->path);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
        g_free(f->path);
        g_free(f->address);
}

static void test_unix(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_close_ int fd = -1, client = -1;
        _cleanup_free_ char *address = NULL;

        g_assert_cmpint(listener_open(f->address, &fd, NULL), ==, 0);
        g_assert_cmpint(listener_address(fd, &address), ==, 0);
        g_assert_cmpstr(address, ==, f->address);
        client = wire_connect_unix(f->path);
}

static void test_unix_stale(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_close_ int fd = -1, client = -1;

        close(wire_listen_unix(f->path)); /* the file stays */
        g_assert_cmpint(listener_open(f->address, &fd, NULL), ==, 0);
        client = wire_connect_unix(f->path);
}

static void test_unix_taken(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(error_done) Error error = {};
        _cleanup_close_ int fd = wire_listen_unix(f->path), client = -1;
        int second = -1;

        g_assert_cmpint(fd, >=, 0);

        g_assert_cmpint(listener_open(f->address, &second, &error), <, 0);
        g_assert_cmpstr(strstr(error_message(&error), "already in use"), !=, NULL);
        client = wire_connect_unix(f->path); /* still there */
}

/* A file that is no socket is nobody's to remove. */
static void test_unix_file(Fixture *f, const void *data G_GNUC_UNUSED) {
        int fd = -1;

        g_assert_cmpint(g_file_set_contents(f->path, "x", 1, NULL), ==, true);
        g_assert_cmpint(listener_open(f->address, &fd, NULL), <, 0);
        g_assert_cmpint(g_file_test(f->path, G_FILE_TEST_IS_REGULAR), ==, true);
}

/* ---- inherited, in a process of its own, where descriptors 3 … are free to be replaced */

static void put_at(int fd, int at) {
        g_assert_cmpint(dup2(fd, at), ==, at);
        if (fd != at)
                close(fd);
}

static int inherit(const char *const *names, int n) {
        g_autofree char *pid = g_strdup_printf("%d", getpid()), *count = g_strdup_printf("%d", n);
        g_autofree char *joined = g_strjoinv(":", (char **) names);

        g_setenv("LISTEN_PID", pid, TRUE);
        g_setenv("LISTEN_FDS", count, TRUE);
        g_setenv("LISTEN_FDNAMES", joined, TRUE);
        return n;
}

static int check_inherited(void) {
        static const char *const names[] = { "api", "api", "proxy", "api", "api", NULL };
        unsigned port;
        int fds[8] = {};

        for (int i = 0; i < 5; i++)
                put_at(fcntl(wire_listen(&port), F_DUPFD, 20), FIRST_INHERITED + i);
        put_at(socket(AF_INET, SOCK_DGRAM, 0), FIRST_INHERITED + 3); /* not a stream */
        g_assert_cmpint(fcntl(FIRST_INHERITED, F_SETFL, 0), ==, 0);  /* blocking */
        inherit(names, 5);

        if (listener_inherited("other", fds, 8) != 0 || listener_inherited("proxy", fds, 8) != 1 ||
            fds[0] != FIRST_INHERITED + 2)
                return 1;
        if (listener_inherited("api", fds, 2) != 2 || fds[0] != FIRST_INHERITED ||
            fds[1] != FIRST_INHERITED + 1)
                return 2;
        if (listener_inherited("api", fds, 8) != 3 || fds[2] != FIRST_INHERITED + 4)
                return 3;
        return fcntl(FIRST_INHERITED, F_GETFL) & O_NONBLOCK ? 0 : 4;
}

static void test_inherited(void) {
        pid_t pid = fork();
        int status = 0;

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0)
                _exit(check_inherited());

        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void test_none_inherited(void) {
        int fds[1];

        g_assert_cmpint(listener_inherited("api", fds, 1), ==, 0);
}

static void test_address(void) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char *address = NULL;

        g_assert_cmpint(listener_address(fd, &address), ==, -EAFNOSUPPORT); /* it has no name */
        g_assert_cmpint(listener_address(-1, &address), ==, -EBADF);
        g_assert_cmpstr(address, ==, NULL);
}

/* ---- a plan */

typedef struct Added {
        int fds[4];
        char *addresses[4];
        size_t n;
        int fail_at; /* -1: never */
} Added;

static int add(int fd, const char *address, void *userdata) {
        Added *added = userdata;

        if ((int) added->n == added->fail_at) {
                close(fd);
                return -ENOMEM;
        }
        added->addresses[added->n] = g_strdup(address);
        added->fds[added->n++] = fd;
        return 0;
}

static void added_done(Added *added) {
        for (size_t i = 0; i < added->n; i++) {
                close(added->fds[i]);
                g_free(added->addresses[i]);
        }
}

static const struct {
        const char *addresses[4];
        size_t n_inherited;
        int fail_at;
        int r;
        ErrorCode code;
        const char *words; /* NULL: none */
        size_t n_added;
} plans[] = {
        { { "/ip4/127.0.0.1/tcp/0" }, 0, -1, 0, ERROR_NONE, NULL, 1 },
        { { "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0" }, 0, -1, 0, ERROR_NONE, NULL, 2 },
        { { "/ip4/127.0.0.1/tcp/0" }, 2, -1, 0, ERROR_NONE, NULL, 2 },
        { { "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0" },
          0,
          -1,
          -EINVAL,
          ERROR_INVALID,
          "a.listen: 3 addresses, at most 2 are allowed",
          0 },
        { { "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1" },
          0,
          -1,
          -EINVAL,
          ERROR_INVALID,
          "cannot listen at",
          1 },
        { { "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0" },
          0,
          1,
          -ENOMEM,
          ERROR_NO_MEMORY,
          "API at /ip4/127.0.0.1/tcp/0: Cannot allocate memory",
          1 },
        { {}, 3, -1, -EMFILE, ERROR_BUSY, "API on an inherited socket: Too many open files", 0 },
        { {}, 2, 1, -ENOMEM, ERROR_NO_MEMORY, "API on an inherited socket: Cannot allocate memory", 1 },
};

static void test_plan(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(plans); i++) {
                Added added = { .fail_at = plans[i].fail_at };
                StrList addresses = {};
                Error error = {};
                int fds[4];
                ListenerPlan plan = {
                        .name = "API",
                        .section = "a",
                        .key = "listen",
                        .note = "",
                        .addresses = &addresses,
                        .fds = fds,
                        .n_fds = plans[i].n_inherited,
                        .max = 2,
                        .add = add,
                        .userdata = &added,
                };

                for (size_t k = 0; plans[i].addresses[k]; k++)
                        g_assert_cmpint(str_list_append(&addresses, plans[i].addresses[k]), ==, 0);
                for (size_t k = 0; k < plans[i].n_inherited; k++)
                        g_assert_cmpint(listener_open("/ip4/127.0.0.1/tcp/0", &fds[k], NULL), ==, 0);
                g_assert_cmpint(listener_start(&plan, &error), ==, plans[i].r);
                g_test_message("%zu: %s", i, error_message(&error));
                g_assert_cmpint(error.code, ==, plans[i].code);
                if (plans[i].words)
                        g_assert_nonnull(strstr(error_message(&error), plans[i].words));
                g_assert_cmpuint(added.n, ==, plans[i].n_added);
                for (size_t k = 0; k < added.n; k++)
                        g_assert_nonnull(strstr(added.addresses[k], "/ip4/127.0.0.1/tcp/"));
                for (size_t k = added.n; k < plans[i].n_inherited; k++) /* taken all the same */
                        g_assert_cmpint(fcntl(fds[k], F_GETFD), <, 0);
                added_done(&added);
                str_list_done(&addresses);
                error_done(&error);
        }
}

/* ---- in the loop */

typedef struct Accepting {
        ListenerWatch watch;
        unsigned n_calls, n_accepted;
        bool is_short;
} Accepting;

static int on_readable(
                sd_event_source *source G_GNUC_UNUSED,
                int fd,
                uint32_t events G_GNUC_UNUSED,
                void *userdata) {
        Accepting *accepting = userdata;

        accepting->n_calls++;
        if (accepting->is_short)
                listener_watch_rest(&accepting->watch);
        else {
                close(accept(fd, NULL, NULL));
                accepting->n_accepted++;
        }
        return 0;
}

/* While it rests it is not asked; afterwards what waited is accepted. */
static void test_rest(void) {
        _cleanup_close_ int fd = -1, client = -1;
        Accepting accepting = { .is_short = true };
        sd_event *event = NULL;
        unsigned port;

        fd = wire_listen(&port);
        g_assert_cmpint(sd_event_new(&event), ==, 0);
        g_assert_cmpint(listener_watch_init(&accepting.watch, event, fd, on_readable, &accepting), ==, 0);
        client = wire_connect(port);
        while (accepting.n_calls < 3) {
                unsigned n = accepting.n_calls;
                int enabled;

                g_assert_cmpint(sd_event_run(event, 10 * G_USEC_PER_SEC), >, 0);
                if (accepting.n_calls > n) {
                        g_assert_cmpint(sd_event_source_get_enabled(accepting.watch.io, &enabled), >=, 0);
                        g_assert_cmpint(enabled, ==, SD_EVENT_OFF);
                }
        }
        accepting.is_short = false;
        while (accepting.n_accepted == 0)
                g_assert_cmpint(sd_event_run(event, 10 * G_USEC_PER_SEC), >, 0);
        listener_watch_done(&accepting.watch);
        listener_watch_done(&accepting.watch);
        sd_event_unref(event);
}

static void test_shortage(void) {
        static const int few[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM },
                         other[] = { EAGAIN, EINTR, ECONNABORTED };

        for (size_t i = 0; i < G_N_ELEMENTS(few); i++)
                g_assert_true(listener_is_short(few[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(other); i++)
                g_assert_false(listener_is_short(other[i]));
}

static void test_fd_limit(void) {
        static const struct {
                rlim_t soft;
                int limit;
        } cases[] = { { 64, 32 }, { 256, 128 }, { 1024, 896 } };
        struct rlimit saved, own;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &saved), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                own = (struct rlimit){ cases[i].soft, saved.rlim_max };
                g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &own), ==, 0);
                g_assert_cmpint(listener_fd_limit(), ==, cases[i].limit);
        }
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &saved), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/net/listener/tcp", test_tcp);
        g_test_add_func("/net/listener/tcp-ipv6", test_tcp6);
        g_test_add_func("/net/listener/refused", test_refused);
        g_test_add_func("/net/listener/taken", test_taken);
        g_test_add("/net/listener/unix", Fixture, NULL, set_up, test_unix, tear_down);
        g_test_add("/net/listener/unix-stale", Fixture, NULL, set_up, test_unix_stale, tear_down);
        g_test_add("/net/listener/unix-taken", Fixture, NULL, set_up, test_unix_taken, tear_down);
        g_test_add("/net/listener/unix-other-file", Fixture, NULL, set_up, test_unix_file, tear_down);
        g_test_add_func("/net/listener/inherited", test_inherited);
        g_test_add_func("/net/listener/none-inherited", test_none_inherited);
        g_test_add_func("/net/listener/address", test_address);
        g_test_add_func("/net/listener/plan", test_plan);
        g_test_add_func("/net/listener/rest", test_rest);
        g_test_add_func("/net/listener/shortage", test_shortage);
        g_test_add_func("/net/listener/fd-limit", test_fd_limit);
        return g_test_run();
}
