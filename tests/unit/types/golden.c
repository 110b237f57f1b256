#include "tests/unit/types/golden.h"

#include <glib.h>
#include <string.h>

#include "daemon/base/time.h"

static bool golden_equal(json_object *a, json_object *b);

static bool golden_equal_text(const char *a, const char *b) {
        uint64_t x, y;

        return !strcmp(a, b) || (time_parse(a, &x) >= 0 && time_parse(b, &y) >= 0 && x == y);
}

static bool golden_equal_objects(json_object *a, json_object *b) {
        json_object *other;

        if (json_object_object_length(a) != json_object_object_length(b))
                return false;
        json_object_object_foreach(a, key, value) {
                if (!json_object_object_get_ex(b, key, &other) || !golden_equal(value, other))
                        return false;
        }
        return true;
}

static bool golden_equal_arrays(json_object *a, json_object *b) {
        if (json_object_array_length(a) != json_object_array_length(b))
                return false;
        for (size_t i = 0; i < json_object_array_length(a); i++)
                if (!golden_equal(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i)))
                        return false;
        return true;
}

static bool golden_equal(json_object *a, json_object *b) {
        if (json_object_get_type(a) != json_object_get_type(b))
                return false;
        if (json_object_is_type(a, json_type_object))
                return golden_equal_objects(a, b);
        if (json_object_is_type(a, json_type_array))
                return golden_equal_arrays(a, b);
        if (json_object_is_type(a, json_type_string))
                return golden_equal_text(json_object_get_string(a), json_object_get_string(b));
        return json_object_equal(a, b);
}

/* True when the line is equal as text, too. */
static bool golden_check_line(const JsonShape *shape, const char *line) {
        _cleanup_(json_object_putp) json_object *expected = NULL, *written = NULL;
        _cleanup_free_ void *value = calloc(1, shape->size);
        _cleanup_(str_done) Str text = {};
        JsonProblem problem = {};
        bool exact;

        if (json_read_text(shape, line, strlen(line), value, &problem) < 0)
                g_error("%s: %s: expected %s", line, problem.field, problem.expected);
        g_assert_cmpint(json_write(shape, value, &text), ==, 0);

        g_assert_cmpint(json_parse(line, strlen(line), &expected, NULL), ==, 0);
        g_assert_cmpint(json_parse(text.data, text.len, &written, NULL), ==, 0);
        if (!golden_equal(expected, written))
                g_error("recorded %s, written %s", line, text.data);

        exact = !strcmp(line, text.data);
        if (!exact && !g_regex_match_simple("\"\\d{4}-[^\"]*(\\.\\d{7}|\\+\\d\\d:00\")", line, 0, 0))
                g_assert_cmpstr(text.data, ==, line);
        json_done(shape, value);
        return exact;
}

void golden_check(const char *name, const JsonShape *shape, size_t n_exact) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", name, NULL);
        g_autofree char *content = NULL;
        g_auto(GStrv) lines = NULL;
        size_t n = 0;

        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        lines = g_strsplit(g_strchomp(content), "\n", -1);
        for (size_t i = 0; lines[i]; i++)
                n += golden_check_line(shape, lines[i]);
        g_assert_cmpuint(n, >=, n_exact);
}

json_object *golden_parse(const char *folder, const char *name) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, folder, name, NULL);
        json_object *parsed;
        g_autofree char *content = NULL;
        size_t n;

        g_assert_true(g_file_get_contents(path, &content, &n, NULL));
        g_assert_cmpint(json_parse(content, n, &parsed, NULL), ==, 0);
        return parsed;
}
