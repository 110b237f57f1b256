#pragma once

/* The recordings of tests/golden/service: what the Go program said on a terminal. */

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/base/file.h"

typedef struct Said {
        int status;
        char *out, *err;
} Said;

static inline void said_done(Said *said) {
        g_free(said->out);
        g_free(said->err);
        *said = (Said){};
}

static inline char *recording_text(const char *name) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "service", name, NULL);
        char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return text;
}

/* Lines of its log are not part of the interface: they begin with a date. */
static inline char *recording_without_log(const char *text) {
        GString *kept = g_string_new("");
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (size_t i = 0; lines[i]; i++)
                if (!g_regex_match_simple("^\\d{4}-\\d\\d-\\d\\dT", lines[i], 0, 0))
                        g_string_append_printf(kept, "%s%s", lines[i], lines[i + 1] ? "\n" : "");
        return g_string_free(kept, FALSE);
}

/* What was said, with FOLDER in place of DIR ("<DIR>/ir"). Each stream has a newline after it that is not
 * part of it. */
static inline Said recording_read(const char *name, const char *dir, const char *folder) {
        g_autofree char *text = recording_text(name), *raw = NULL;
        g_autoptr(GString) whole = g_string_new(text);
        char *out, *err, *status;

        g_string_replace(whole, dir, folder, 0);
        out = strstr(whole->str, "=== stdout\n") + strlen("=== stdout\n");
        err = strstr(out, "\n=== stderr\n");
        raw = g_strndup(err + strlen("\n=== stderr\n"), strlen(err) - strlen("\n=== stderr\n") - 1);
        status = strstr(whole->str, "exit: ") + strlen("exit: ");
        return (Said){
                .status = atoi(status),
                .out = g_strndup(out, (size_t) (err - out)),
                .err = recording_without_log(raw),
        };
}

/* The standard input of the recording, or NULL. */
static inline char *recording_stdin(const char *name) {
        g_autofree char *text = recording_text(name);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (size_t i = 0; lines[i]; i++)
                if (g_str_has_prefix(lines[i], "stdin: ")) {
                        struct json_object *value = json_tokener_parse(lines[i] + strlen("stdin: "));
                        char *result = g_strdup(json_object_get_string(value));

                        json_object_put(value);
                        return result;
                }
        return NULL;
}

/* Run FUNC in a process of its own with INPUT (NULL: none) as standard input. */
static inline Said said_by(int (*func)(const void *data), const void *data, const char *input) {
        g_autofree char *folder = g_dir_make_tmp("said-XXXXXX", NULL);
        static const char *const names[] = { "in", "out", "err" };
        char *paths[3] = {};
        Said said = {};
        pid_t pid;

        for (int i = 0; i < 3; i++) {
                paths[i] = g_build_filename(folder, names[i], NULL);
                g_assert_true(g_file_set_contents(paths[i], i == 0 && input ? input : "", -1, NULL));
        }

        fflush(NULL);
        pid = fork();
        if (pid == 0) {
                for (int i = 0; i < 3; i++) {
                        int fd = open(paths[i], i == 0 ? O_RDONLY : O_WRONLY);

                        if (fd < 0 || dup2(fd, i) < 0)
                                _exit(99);
                }
                said.status = func(data);
                fflush(NULL);
                _exit(said.status);
        }

        g_assert_cmpint(waitpid(pid, &said.status, 0), ==, pid);
        g_assert_true(WIFEXITED(said.status));
        said.status = WEXITSTATUS(said.status);
        g_assert_true(g_file_get_contents(paths[1], &said.out, NULL, NULL));
        g_assert_true(g_file_get_contents(paths[2], &said.err, NULL, NULL));
        for (int i = 0; i < 3; i++) {
                g_unlink(paths[i]);
                g_clear_pointer(&paths[i], g_free);
        }
        g_rmdir(folder);
        return said;
}

static inline void said_check(const Said *said, const Said *expected) {
        g_assert_cmpstr(said->out, ==, expected->out);
        g_assert_cmpstr(said->err, ==, expected->err);
        g_assert_cmpint(said->status, ==, expected->status);
}
