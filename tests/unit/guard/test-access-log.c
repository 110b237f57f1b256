#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/guard/access-log.h"
#include "tests/lib/fault.h"

static char *folder, *path;
static sd_event *event;

#define AT (1795361258 * USEC_PER_SEC) /* 2026-11-22T15:27:38Z */

static const GuardAccess access_of_id = {
        .peer = "127.0.0.1:4711",
        .method = "GET",
        .target = "/id",
        .status = 200,
        .n_bytes = 542,
        .at_usec = AT,
};

#define ID_LINE "127.0.0.1 - - [22/Nov/2026:16:27:38 +0100] \"GET /id HTTP/1.1\" 200 542\n"

static void test_lines(void) {
        static const struct {
                const char *peer, *user, *method, *target;
                bool is_http10;
                const char *line;
        } cases[] = {
                { "127.0.0.1:4711", NULL, "GET", "/id", false, ID_LINE },
                { "[::1]:4711",
                  "alice",
                  "POST",
                  "/pins/x?name=a%20b",
                  true,
                  "::1 - alice [22/Nov/2026:16:27:38 +0100] \"POST /pins/x?name=a%20b HTTP/1.0\" 200 542\n" },
                { "unix",
                  "",
                  "GET",
                  "/a\"b\\c\n\xff",
                  false,
                  "unix - - [22/Nov/2026:16:27:38 +0100] \"GET /a\\\"b\\\\c\\x0a\\xff HTTP/1.1\" 200 542\n" },
                { "unix",
                  "a \"b\"",
                  "X",
                  "*",
                  false,
                  "unix - a \\\"b\\\" [22/Nov/2026:16:27:38 +0100] \"X * HTTP/1.1\" 200 542\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                GuardAccess access = access_of_id;
                Str line = {};

                access.peer = cases[i].peer;
                access.user = cases[i].user;
                access.method = cases[i].method;
                access.target = cases[i].target;
                access.is_http10 = cases[i].is_http10;
                g_assert_cmpint(guard_access_log_format(&access, &line), ==, 0);
                g_assert_cmpstr(line.data, ==, cases[i].line);
                str_done(&line);
        }
}

static void expect_content(const char *file, const char *content) {
        g_autofree char *text = NULL;

        g_assert_cmpint(g_file_get_contents(file, &text, NULL, NULL), ==, true);
        g_assert_cmpstr(text, ==, content);
}

/* Appended, in one go, by the loop; what is left by the end. */
static void test_file(void) {
        GuardAccessLog *log = NULL;
        struct stat st;

        g_assert_cmpint(g_file_set_contents(path, "before\n", -1, NULL), ==, true);
        g_assert_cmpint(guard_access_log_new(&log, event, path, "x", NULL), ==, 0);
        guard_access_log_write(log, &access_of_id);
        guard_access_log_write(log, &access_of_id);
        expect_content(path, "before\n");
        g_assert_cmpint(sd_event_run(event, 0), >, 0);
        expect_content(path, "before\n" ID_LINE ID_LINE);
        g_assert_cmpint(sd_event_run(event, 0), ==, 0);
        guard_access_log_write(log, &access_of_id);
        guard_access_log_free(log);
        expect_content(path, "before\n" ID_LINE ID_LINE ID_LINE);
        (void) g_unlink(path);

        g_assert_cmpint(guard_access_log_new(&log, event, path, "x", NULL), ==, 0);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07, ==, 0); /* not for everybody: it tells who pins what */
        guard_access_log_free(log);
        (void) g_unlink(path);
}

/* It is moved away: lines go there until it is looked, at the latest after a second. */
static void test_rotation(void) {
        g_autofree char *moved = g_strconcat(path, ".1", NULL);
        gint64 deadline = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
        GuardAccessLog *log = NULL;

        g_assert_cmpint(guard_access_log_new(&log, event, path, "x", NULL), ==, 0);
        g_assert_cmpint(g_rename(path, moved), ==, 0);
        while (!g_file_test(path, G_FILE_TEST_EXISTS)) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                guard_access_log_write(log, &access_of_id);
                g_assert_cmpint(sd_event_run(event, 0), >, 0);
        }
        guard_access_log_free(log);
        expect_content(path, ID_LINE);
        (void) g_unlink(path);
        (void) g_unlink(moved);
}

static void test_refused(void) {
        g_autofree char *nowhere = g_build_filename(folder, "no", "log", NULL), *words = NULL;
        GuardAccessLog *log = NULL;
        Error error = {};

        g_assert_cmpint(guard_access_log_new(&log, event, nowhere, "api.x.http_log_file", &error), <, 0);
        words = g_strdup_printf("api.x.http_log_file: cannot write %s: No such file or directory", nowhere);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        g_assert_cmpstr(error.message, ==, words);
        error_done(&error);
}

static void refuse(const char *what) {
        g_autofree char *words = g_strdup_printf(
                        "api.x.http_log_file: %s is no file that can be written without waiting: expected a regular file, or /dev/stderr",
                        what);
        GuardAccessLog *log = NULL;
        Error error = {};

        g_assert_cmpint(guard_access_log_new(&log, event, what, "api.x.http_log_file", &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        g_assert_cmpstr(error.message, ==, words);
        error_done(&error);
}

/* A FIFO blocks until somebody reads it, and when it is full. */
static void test_no_file(void) {
        int reader;

        g_assert_cmpint(mkfifo(path, 0600), ==, 0);
        refuse(path);
        reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        refuse(path);
        close(reader);
        (void) g_unlink(path);
        refuse("/dev/full");
}

static void write_to_stderr(int fd, unsigned n) {
        int saved = dup(STDERR_FILENO);
        GuardAccessLog *log = NULL;

        g_assert_cmpint(dup2(fd, STDERR_FILENO), ==, STDERR_FILENO);
        g_assert_cmpint(guard_access_log_new(&log, event, "/dev/stderr", "x", NULL), ==, 0);
        for (unsigned i = 0; i < n; i++)
                guard_access_log_write(log, &access_of_id);
        guard_access_log_free(log);
        g_assert_cmpint(dup2(saved, STDERR_FILENO), ==, STDERR_FILENO);
        close(saved);
}

/* The journal's socket, or the pipe of a container; neither is waited for. */
static void test_stderr(void) {
        for (int is_socket = 0; is_socket < 2; is_socket++) {
                char text[sizeof(ID_LINE)] = "";
                int ends[2];

                g_assert_cmpint(is_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                                          : pipe2(ends, O_CLOEXEC),
                                ==,
                                0);
                write_to_stderr(ends[1], 1);
                g_assert_cmpint(read(ends[0], text, sizeof(text)), ==, sizeof(ID_LINE) - 1);
                g_assert_cmpstr(text, ==, ID_LINE);
                write_to_stderr(ends[1], 10000); /* more than fits: it ends all the same */
                close(ends[0]);
                close(ends[1]);
        }
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                GuardAccessLog *log = NULL;

                if (guard_access_log_new(&log, event, path, "x", NULL) < 0)
                        continue;
                guard_access_log_write(log, &access_of_id);
                guard_access_log_free(log);
        }
        (void) g_unlink(path);
}

int main(int argc, char **argv) {
        int r;

        g_setenv("TZ", "CET-1", TRUE);
        tzset();
        g_test_init(&argc, &argv, NULL);
        g_assert_cmpint(sd_event_new(&event), ==, 0);
        folder = g_dir_make_tmp("guard-XXXXXX", NULL);
        path = g_build_filename(folder, "log", NULL);
        g_test_add_func("/guard/access-log/lines", test_lines);
        g_test_add_func("/guard/access-log/file", test_file);
        g_test_add_func("/guard/access-log/rotation", test_rotation);
        g_test_add_func("/guard/access-log/refused", test_refused);
        g_test_add_func("/guard/access-log/no-file", test_no_file);
        g_test_add_func("/guard/access-log/stderr", test_stderr);
        g_test_add_func("/guard/access-log/out-of-memory", test_out_of_memory);
        r = g_test_run();
        (void) g_rmdir(folder);
        g_free(path);
        g_free(folder);
        sd_event_unref(event);
        return r;
}
