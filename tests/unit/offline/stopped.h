#pragma once

/* A peer that was set up by init in a temporary folder, for the verbs that work on a stopped one. */

#include "daemon/offline/offline.h"
#include "tests/unit/offline/recording.h"

typedef struct Stopped {
        char *folder;
} Stopped;

static inline int stopped_init(const void *data) {
        return offline_init(data);
}

static inline void stopped_set_up(Stopped *s, const void *data G_GNUC_UNUSED) {
        Said said;

        s->folder = g_dir_make_tmp("stopped-XXXXXX", NULL);
        said = said_by(stopped_init, &(OfflineInitOptions){ .folder = s->folder }, NULL);
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
}

static inline void stopped_tear_down(Stopped *s, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(file_remove_tree(AT_FDCWD, s->folder), ==, 0);
        g_free(s->folder);
}

static inline char *stopped_path(const Stopped *s, const char *name) {
        return g_build_filename(s->folder, name, NULL);
}

static inline bool stopped_has(const Stopped *s, const char *name) {
        g_autofree char *path = stopped_path(s, name);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static inline void stopped_put(const Stopped *s, const char *name, const char *text) {
        g_autofree char *path = stopped_path(s, name), *folder = g_path_get_dirname(path);

        g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static inline char *stopped_get(const Stopped *s, const char *name) {
        g_autofree char *path = stopped_path(s, name);
        char *text = NULL;

        return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

/* Our log lines begin with their level. */
static inline char *stopped_without_log(const char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        GString *kept = g_string_new("");

        for (size_t i = 0; lines[i]; i++)
                if (!g_regex_match_simple("^(debug|info|notice|warning) \\w+: ", lines[i], 0, 0))
                        g_string_append_printf(kept, "%s%s", lines[i], lines[i + 1] ? "\n" : "");
        return g_string_free(kept, FALSE);
}

static inline Said stopped_said_by(int (*func)(const void *data), const void *data, const char *input) {
        Said said = said_by(func, data, input);
        char *kept = stopped_without_log(said.err);

        g_free(said.err);
        said.err = kept;
        return said;
}
