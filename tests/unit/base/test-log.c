#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "daemon/base/log.h"
#include "tests/lib/fault.h"

int sd_journal_sendv_with_location(
                const char *file, const char *line, const char *function, const struct iovec *iov, int n);

static GString *journal;
static int journal_result;

/* In place of libsystemd's. */
int sd_journal_sendv_with_location(
                const char *file, const char *line, const char *function, const struct iovec *iov, int n) {
        if (journal_result < 0)
                return journal_result;

        for (int i = 0; i < n; i++)
                g_string_append_printf(
                                journal, "%.*s\n", (int) iov[i].iov_len, (const char *) iov[i].iov_base);
        g_assert_true(g_str_has_prefix(file, "CODE_FILE="));
        g_assert_true(g_str_has_suffix(file, "test-log.c"));
        g_assert_true(g_str_has_prefix(line, "CODE_LINE="));
        g_assert_nonnull(strstr(function, "test_")); /* the name alone: the library adds the field's */
        return 0;
}

/* ---- standard error, for a while a file */

static int saved_stderr = -1;

static void capture_start(int fd) {
        saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        g_assert_cmpint(saved_stderr, >=, 0);
        g_assert_cmpint(dup2(fd, STDERR_FILENO), >=, 0);
}

static void capture_end(void) {
        g_assert_cmpint(dup2(saved_stderr, STDERR_FILENO), >=, 0);
        closep(&saved_stderr);
}

static int capture_to_file(void) {
        g_autofree char *name = NULL;
        int fd;

        fd = g_file_open_tmp("test-log-XXXXXX", &name, NULL);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(unlink(name), ==, 0);
        capture_start(fd);
        return fd;
}

static const char *capture_take(int fd) {
        static char text[10000];
        ssize_t n;

        capture_end();
        n = pread(fd, text, sizeof(text) - 1, 0);
        g_assert_cmpint(n, >=, 0);
        text[n] = '\0';
        close(fd);
        return text;
}

/* This file lies in a folder named "base". */
static void test_lines(void) {
        int fd = capture_to_file();

        log_error("one");
        log_warning("two %d", 2);
        log_notice("three");
        log_info("four");
        log_debug("not shown");
        g_assert_cmpstr(capture_take(fd),
                        ==,
                        "error base: one\nwarning base: two 2\nnotice base: three\ninfo base: four\n");
}

static void test_errno(void) {
        int fd = capture_to_file(), r[5];

        errno = EBADF;
        r[0] = log_error_errno(-ENOENT, "Failed: %m");
        r[1] = log_warning_errno(ENOENT, "Failed again: %m");
        r[2] = log_info_errno(-EPERM, "%m");
        r[3] = log_debug_errno(-EPERM, "hidden: %m");
        r[4] = log_error_errno(0, "nothing");
        g_assert_cmpint(errno, ==, EBADF); /* the caller's is kept */
        g_assert_cmpstr(capture_take(fd),
                        ==,
                        "error base: Failed: No such file or directory\n"
                        "warning base: Failed again: No such file or directory\n"
                        "info base: Operation not permitted\n"
                        "error base: nothing\n");
        g_assert_cmpint(r[0], ==, -ENOENT);
        g_assert_cmpint(r[1], ==, -ENOENT);
        g_assert_cmpint(r[2], ==, -EPERM);
        g_assert_cmpint(r[3], ==, -EPERM);
        g_assert_cmpint(r[4], ==, 0);
}

static void test_one_line(void) {
        int fd = capture_to_file();

        log_info("'%s'\n", "a\nerror base: forged\x1b[31m\x7f\t.\xc3\xa9");
        g_assert_cmpstr(capture_take(fd), ==, "info base: 'a error base: forged [31m  .\xc3\xa9'\n");
}

/* Long messages are cut on a character, and end their line. */
static void test_long(void) {
        g_autofree char *fill = g_strnfill(5000, 'x');

        for (size_t shift = 0; shift < 4; shift++) {
                _cleanup_free_ char *text = g_strdup(fill);
                const char *written;
                int fd;

                for (size_t i = shift; i + 1 < 5000; i += 2)
                        memcpy(text + i, "\xc3\xa9", 2);
                fd = capture_to_file();
                log_info("%s", text);
                written = capture_take(fd);
                g_assert_true(g_str_has_suffix(written, "\n"));
                g_assert_cmpuint(strlen(written), >, 4000);
                g_assert_true(g_utf8_validate(written, -1, NULL));
        }
}

static void test_terminal_has_time(void) {
        _cleanup_close_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
        char text[200] = "";

        if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
                return g_test_skip("no pseudo terminals here");
        slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return g_test_skip("no pseudo terminals here");

        capture_start(slave);
        log_info("hello");
        capture_end();
        g_assert_cmpint(read(master, text, sizeof(text) - 1), >, 0);
        g_assert_true(g_regex_match_simple(
                        "^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d info base: hello\\r\\n$", text, 0, 0));
}

static void set_stream(int fd, int skew) {
        g_autofree char *stream = NULL;
        struct stat st;

        g_assert_cmpint(fstat(fd, &st), ==, 0);
        stream = g_strdup_printf(
                        "%llu:%llu",
                        (unsigned long long) st.st_dev,
                        (unsigned long long) st.st_ino + (unsigned long long) skew);
        g_setenv("JOURNAL_STREAM", stream, TRUE);
}

static void test_journal(void) {
        int fd = capture_to_file();

        journal = g_string_new(NULL);
        set_stream(fd, 0);
        log_info_errno(-ENOENT, "Lost: %m");
        log_struct(LOG_WARNING, LOG_FIELDS("CLUSTER_CID=bafy", "CLUSTER_OP=7"), "Pin '%s'", "x");
        g_assert_cmpstr(capture_take(fd), ==, "");
        g_assert_cmpstr(journal->str,
                        ==,
                        "MESSAGE=Lost: No such file or directory\nPRIORITY=6\nCLUSTER_COMPONENT=base\nERRNO=2\n"
                        "MESSAGE=Pin 'x'\nPRIORITY=4\nCLUSTER_COMPONENT=base\nCLUSTER_CID=bafy\nCLUSTER_OP=7\n");
        g_string_free(journal, TRUE);
        g_unsetenv("JOURNAL_STREAM");
}

/* Somebody else's stream, nonsense, and a journal that does not take it: lines. */
static void test_no_journal(void) {
        int fd = capture_to_file();

        set_stream(fd, 1);
        log_info("one");
        g_setenv("JOURNAL_STREAM", "nonsense", TRUE);
        log_info("two");
        set_stream(fd, 0);
        journal_result = -ECONNREFUSED;
        log_struct(LOG_INFO, LOG_FIELDS("CLUSTER_OP=7"), "three");
        journal_result = 0;
        g_unsetenv("JOURNAL_STREAM");
        g_assert_cmpstr(capture_take(fd), ==, "info base: one\ninfo base: two\ninfo base: three\n");
}

static void test_level_names(void) {
        static const struct {
                const char *text;
                int level;
        } cases[] = {
                { "debug", LOG_DEBUG },   { "info", LOG_INFO },
                { "notice", LOG_NOTICE }, { "warning", LOG_WARNING },
                { "warn", LOG_WARNING },  { "error", LOG_ERR },
                { "err", LOG_ERR },       { "crit", LOG_CRIT },
                { "critical", LOG_CRIT }, { "alert", LOG_ALERT },
                { "emerg", LOG_EMERG },   { "dpanic", LOG_CRIT },
                { "panic", LOG_CRIT },    { "fatal", LOG_CRIT },
                { "ERROR", LOG_ERR },     { "", -EINVAL },
                { "verbose", -EINVAL },   { "info ", -EINVAL },
                { "7", -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("'%s'", cases[i].text);
                g_assert_cmpint(log_level_from_string(cases[i].text), ==, cases[i].level);
        }
}

/* The levels of these places, as letters. */
static const char *levels(void) {
        static const char *const files[] = {
                "daemon/net/a.c", "../x/daemon/rest/b.c", "main.c", "/abs/net/c.c"
        };
        static char text[32];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                int level = LOG_DEBUG;

                while (level >= 0 && !log_enabled(level, files[i]))
                        level--;
                text[n++] = level < 0 ? '-' : "macewnid"[level];
        }
        text[n] = '\0';
        return text;
}

static void test_levels(void) {
        static const struct {
                const char *text;
                int result;
                const char *levels;
        } cases[] = {
                { "info", 0, "iiii" },
                { "error", 0, "eeee" },
                { "net:debug", 0, "deed" },
                { "rest:warn, net:crit", 0, "cwec" },
                { "debug,oops", -EINVAL, "cwec" },
                { "debug,net:oops", -EINVAL, "cwec" },
                { ":debug", -EINVAL, "cwec" },
                { "net:", -EINVAL, "cwec" },
                { "a-name-of-more-than-thirty-one-bytes:debug", -EINVAL, "cwec" },
                { "", 0, "cwec" },
                { "notice,rest:debug", 0, "ndnn" },
                { "*:warning", 0, "wwww" },
                { "net:debug,info", 0, "iiii" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("'%s'", cases[i].text);
                g_assert_cmpint(log_set_levels(cases[i].text), ==, cases[i].result);
                g_assert_cmpstr(levels(), ==, cases[i].levels);
        }
}

static void test_many_components(void) {
        g_autoptr(GString) text = g_string_new("info");

        for (int i = 0; i < 32; i++)
                g_string_append_printf(text, ",c%d:debug", i);
        g_assert_cmpint(log_set_levels(text->str), ==, 0);
        g_assert_true(log_enabled(LOG_DEBUG, "c31/a.c"));
        g_assert_cmpint(log_set_levels("more:debug"), ==, -EINVAL);
        g_assert_cmpint(log_set_levels("c3:error"), ==, 0);
        g_assert_false(log_enabled(LOG_INFO, "c3/a.c"));
        g_assert_cmpint(log_set_levels("info"), ==, 0);
}

static void test_field(void) {
        char field[LOG_FIELD_MAX], value[2 * LOG_FIELD_MAX] = "";

        g_assert_cmpstr(log_field(field, "CLUSTER_CID", "Qm"), ==, "CLUSTER_CID=Qm");
        g_assert_cmpstr(log_field(field, "CLUSTER_ERROR", ""), ==, "CLUSTER_ERROR=");
        while (strlen(value) < sizeof(value) - 4) /* cut between characters, not in one */
                (void) strcat(value, "é");
        g_assert_true(g_utf8_validate(log_field(field, "CLUSTER_ERROR", value), -1, NULL));
        g_assert_cmpuint(strlen(field), >, LOG_FIELD_MAX - 4);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                int r;

                r = log_set_levels("net:debug,error");
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpstr(levels(), ==, r < 0 ? "iiii" : "eeee");
        }
        g_assert_cmpint(log_set_levels("info"), ==, 0);
}

static void test_told(void) {
        static const char *const cases[] = {
                "debug", "err", "crit", "info,net:debug", "notice,a:err,b:emerg"
        };
        char *text;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_assert_cmpint(log_set_levels(cases[i]), ==, 0);
                g_assert_cmpint(log_get_levels(&text), ==, 0);
                g_assert_cmpstr(text, ==, cases[i]);
                g_assert_cmpint(log_set_levels(text), ==, 0); /* it is taken again */
                free(text);
        }
        g_assert_cmpint(log_set_levels("error"), ==, 0);
        FOREACH_FAULT {
                text = NULL;
                g_assert_cmpint(log_get_levels(&text), ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpstr(text, ==, fault_fired() ? NULL : "err");
                free(text);
        }
        g_assert_cmpint(log_set_levels("info"), ==, 0);
}

int main(int argc, char **argv) {
        g_unsetenv("JOURNAL_STREAM");
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/log/lines", test_lines);
        g_test_add_func("/base/log/errno", test_errno);
        g_test_add_func("/base/log/one-line", test_one_line);
        g_test_add_func("/base/log/long", test_long);
        g_test_add_func("/base/log/terminal-has-time", test_terminal_has_time);
        g_test_add_func("/base/log/journal", test_journal);
        g_test_add_func("/base/log/field", test_field);
        g_test_add_func("/base/log/no-journal", test_no_journal);
        g_test_add_func("/base/log/level-names", test_level_names);
        g_test_add_func("/base/log/levels", test_levels);
        g_test_add_func("/base/log/many-components", test_many_components);
        g_test_add_func("/base/log/out-of-memory", test_out_of_memory);
        g_test_add_func("/base/log/told", test_told);
        return g_test_run();
}
