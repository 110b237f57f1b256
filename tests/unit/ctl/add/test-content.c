#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/add/content.h"
#include "tests/lib/fault.h"

typedef struct Fixture {
        char *folder, *cwd;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->cwd = g_get_current_dir();
        f->folder = g_dir_make_tmp("content-XXXXXX", NULL);
        g_assert_cmpint(chdir(f->folder), ==, 0);
        g_assert_cmpint(g_mkdir("d", 0700), ==, 0);
        g_assert_true(g_file_set_contents("d/a b&\".txt", "file a", 6, NULL));
        g_assert_true(g_file_set_contents("empty", "", 0, NULL));
        g_assert_cmpint(symlink("to/where", "link"), ==, 0);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->folder);

        g_assert_cmpint(chdir(f->cwd), ==, 0);
        g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
        g_free(f->folder);
        g_free(f->cwd);
}

/* The whole form in pieces of STEP bytes, with "B" for its boundary. */
static char *read_all(CtlContent *content, size_t step) {
        const char *boundary = strstr(ctl_content_header(content), "boundary=") + strlen("boundary=");
        g_autoptr(GString) form = g_string_new(NULL);
        char buffer[4096];
        ssize_t n;

        while ((n = ctl_content_read(content, buffer, step)) > 0)
                g_string_append_len(form, buffer, n);
        if (n < 0)
                return g_strdup_printf("error: %s", ctl_content_words(content));
        g_string_replace(form, boundary, "B", 0);
        return g_string_free(g_steal_pointer(&form), FALSE);
}

static char *form_of(char **paths, bool nocopy, size_t step) {
        _cleanup_(ctl_content_closep) CtlContent *content = NULL;
        _cleanup_(error_done) Error error = {};
        int r;

        r = ctl_content_open(
                        &content,
                        &(CtlContentOptions){
                                        .paths = paths,
                                        .n_paths = g_strv_length(paths),
                                        .recursive = true,
                                        .nocopy = nocopy,
                        },
                        &error);
        return r < 0 ? g_strdup_printf("error: %s", error_message(&error)) : read_all(content, step);
}

#define HEAD(name, type)                                                                                    \
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name                            \
        "\"\r\nContent-Type: application/" type "\r\n\r\n"

static void test_form(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *paths[] = { (char *) "d", (char *) "empty", (char *) "link", NULL };

        for (size_t step = 1; step < 200; step += 13) {
                g_autofree char *form = form_of(paths, false, step);

                g_assert_cmpstr(form,
                                ==,
                                HEAD("d", "x-directory") "\r\n" HEAD("d%2Fa+b%26%22.txt", "octet-stream") "file a\r\n" HEAD(
                                                "empty",
                                                "octet-stream") "\r\n" HEAD("link", "symlink") "to/where\r\n--B--\r\n");
        }
}

static void test_nothing(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *paths[] = { NULL };
        g_autofree char *form = form_of(paths, false, 100);

        g_assert_cmpstr(form, ==, "--B--\r\n");
}

static void test_stdin(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *paths[] = { (char *) "-", NULL };
        g_autofree char *form = NULL;
        int saved = dup(STDIN_FILENO), pipes[2];

        g_assert_cmpint(pipe(pipes), ==, 0);
        g_assert_cmpint(write(pipes[1], "piped", 5), ==, 5);
        close(pipes[1]);
        g_assert_cmpint(dup2(pipes[0], STDIN_FILENO), ==, STDIN_FILENO);
        form = form_of(paths, false, 100);
        g_assert_cmpint(dup2(saved, STDIN_FILENO), ==, STDIN_FILENO);
        close(saved);
        close(pipes[0]);
        g_assert_cmpstr(form, ==, HEAD("", "octet-stream") "piped\r\n--B--\r\n");
}

static void test_refused(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *missing[] = { (char *) "empty", (char *) "nope", NULL };
        char *files[] = { (char *) "empty", NULL };
        g_autofree char *none = form_of(missing, false, 100), *nocopy = form_of(files, true, 100);

        g_assert_cmpstr(none, ==, "error: lstat nope: no such file or directory");
        g_assert_cmpstr(nocopy, ==, "error: nocopy option is only valid for URLs");
}

/* What goes wrong in the middle is told, and the form has no end. */
static void test_breaks_off(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *paths[] = { (char *) "empty", (char *) "d", NULL };
        _cleanup_(ctl_content_closep) CtlContent *content = NULL;
        g_autofree char *form = NULL;
        char buffer[8];

        g_assert_cmpint(ctl_content_open(
                                        &content,
                                        &(CtlContentOptions){
                                                        .paths = paths, .n_paths = 2, .recursive = true },
                                        NULL),
                        ==,
                        0);
        g_assert_cmpint(ctl_content_read(content, buffer, sizeof(buffer)), ==, 8);
        g_assert_cmpint(g_unlink("d/a b&\".txt"), ==, 0);
        g_assert_cmpint(g_rmdir("d"), ==, 0);
        form = read_all(content, 100);
        g_assert_cmpstr(form, ==, "error: lstat d: no such file or directory");
}

static void test_url_refused(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *paths[] = { (char *) "http://127.0.0.1:1/x/y.txt?q#f", NULL };
        g_autofree char *form = form_of(paths, true, 100);

        g_assert_cmpstr(form,
                        ==,
                        "error: Get \"http://127.0.0.1:1/x/y.txt?q#f\": dial tcp 127.0.0.1:1: connect: connection refused");
}

static void test_counts(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *paths[] = { (char *) "d", (char *) "empty", (char *) "link", NULL };
        char *more[] = { (char *) "d", (char *) "-", NULL };
        _cleanup_(ctl_content_closep) CtlContent *content = NULL, *open = NULL;
        g_autofree char *form = NULL;

        g_assert_cmpint(ctl_content_open(
                                        &content,
                                        &(CtlContentOptions){
                                                        .paths = paths, .n_paths = 3, .recursive = true },
                                        NULL),
                        ==,
                        0);
        g_assert_cmpint(ctl_content_open(
                                        &open,
                                        &(CtlContentOptions){
                                                        .paths = more, .n_paths = 2, .recursive = true },
                                        NULL),
                        ==,
                        0);
        g_assert_cmpuint(ctl_content_total(content), ==, 6);
        g_assert_cmpuint(ctl_content_total(open), ==, 0);
        form = read_all(content, 100);
        g_assert_cmpuint(ctl_content_sent(content), ==, 6);
}

static void test_no_memory(Fixture *f G_GNUC_UNUSED, const void *data G_GNUC_UNUSED) {
        char *paths[] = { (char *) "d", (char *) "link", NULL };

        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                CtlContent *content = NULL;
                char buffer[4096];
                ssize_t n = 1;
                int r = ctl_content_open(
                                &content,
                                &(CtlContentOptions){ .paths = paths, .n_paths = 2, .recursive = true },
                                &error);

                while (r >= 0 && n > 0)
                        n = ctl_content_read(content, buffer, sizeof(buffer));
                g_assert_cmpint(r < 0 || n < 0, ==, fault_fired());
                ctl_content_close(content);
        }
}

int main(int argc, char **argv) {
        static const struct {
                const char *path;
                void (*test)(Fixture *f, const void *data);
        } tests[] = {
                { "form", test_form },
                { "nothing", test_nothing },
                { "stdin", test_stdin },
                { "refused", test_refused },
                { "breaks-off", test_breaks_off },
                { "url-refused", test_url_refused },
                { "counts", test_counts },
                { "no-memory", test_no_memory },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
                g_autofree char *path = g_strdup_printf("/ctl/add/content/%s", tests[i].path);

                g_test_add(path, Fixture, NULL, set_up, tests[i].test, tear_down);
        }
        return g_test_run();
}
