#pragma once

/* A temporary folder, and a service.json in it that is as small as one may be. */

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/config/config.h"

#define FIXTURE_SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

typedef struct Fixture {
        char *folder;
        Error error;
        Config *config;
} Fixture;

static inline void fixture_set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->folder = g_dir_make_tmp("config-XXXXXX", NULL);
        g_assert_nonnull(f->folder);
}

static inline void fixture_tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        error_done(&f->error);
        config_free(f->config);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->folder), ==, 0);
        g_free(f->folder);
}

static inline void fixture_put(const Fixture *f, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static inline char *fixture_get(const Fixture *f, const char *name) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);
        char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return text;
}

static inline char *fixture_golden(const char *name) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "service", name, NULL);
        char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return text;
}

/* What config_load() says of TEXT. */
static inline int fixture_load(Fixture *f, const char *text) {
        error_done(&f->error);
        f->config = config_free(f->config);
        fixture_put(f, CONFIG_FILE, text);
        return config_load(&f->config, f->folder, &f->error);
}

static inline struct json_object *fixture_minimal(void) {
        return json_tokener_parse("{\"cluster\":{\"listen_multiaddress\":\"/ip4/127.0.0.1/tcp/9096\"},"
                                  "\"consensus\":{\"raft\":{}}}");
}

/* The smallest file with VALUE (JSON) at PATH ("api.restapi.headers"). */
static inline char *fixture_with(const char *path, const char *value) {
        g_auto(GStrv) names = g_strsplit(path, ".", -1);
        struct json_object *root = fixture_minimal(), *at = root, *next;
        char *text;

        for (size_t i = 0; names[i + 1]; i++, at = next)
                if (!json_object_object_get_ex(at, names[i], &next)) {
                        next = json_object_new_object();
                        json_object_object_add(at, names[i], next);
                }
        json_object_object_add(at, names[g_strv_length(names) - 1], json_tokener_parse(value));
        text = g_strdup(json_object_to_json_string(root));
        json_object_put(root);
        return text;
}
