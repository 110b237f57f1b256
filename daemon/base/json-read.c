#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/base/macro.h"
#include "daemon/base/time.h"

typedef struct KindReader {
        json_type type; /* json_type_null: the function looks at it */
        int (*read)(const JsonField *field, json_object *from, void *member, JsonProblem *problem);
        const char *expected;
} KindReader;

/* ---- the problem: the innermost value fills in what is wrong, each level on the way out puts its name in
 * front of the path */

static void copy_cut(char *to, size_t size, const char *from) {
        size_t n = str_utf8_cut(from, size - 1);

        memcpy(to, from, n);
        to[n] = '\0';
        if (from[n] != '\0')
                strcpy(to + str_utf8_cut(to, size - sizeof("…")), "…");
}

static void problem_set(JsonProblem *problem, const char *expected, json_object *value) {
        if (problem->expected[0] != '\0')
                return;

        copy_cut(problem->expected, sizeof(problem->expected), expected);
        if (value)
                copy_cut(problem->value,
                         sizeof(problem->value),
                         json_object_to_json_string_ext(
                                         value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void problem_prepend(JsonProblem *problem, const char *name) {
        char path[sizeof(problem->field) * 2];
        const char *dot;

        dot = problem->field[0] == '\0' || problem->field[0] == '[' ? "" : ".";
        (void) snprintf(path,
                        sizeof(path),
                        "%.*s%s%s",
                        (int) str_utf8_cut(name, sizeof(problem->field)),
                        name,
                        dot,
                        problem->field);
        copy_cut(problem->field, sizeof(problem->field), path);
}

static void problem_prepend_index(JsonProblem *problem, size_t i) {
        char name[32];

        (void) snprintf(name, sizeof(name), "[%zu]", i);
        problem_prepend(problem, name);
}

/* ---- kinds of one value */

/* A string with a NUL in it cannot be held by a C string. */
static const char *text_of(json_object *o) {
        const char *text = json_object_get_string(o);

        return strlen(text) == (size_t) json_object_get_string_len(o) ? text : NULL;
}

static int string_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        const char *text = text_of(from);

        return text ? str_copy(member, text) : -EBADMSG;
}

static int bool_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        *(bool *) member = json_object_get_boolean(from);
        return 0;
}

static int int_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        int64_t value = json_object_get_int64(from);

        /* json-c bends what does not fit to INT64_MAX. */
        if (value > 0 && json_object_get_uint64(from) > INT64_MAX)
                return -ERANGE;

        *(int64_t *) member = value;
        return 0;
}

static int uint_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        if (json_object_get_int64(from) < 0)
                return -ERANGE;

        *(uint64_t *) member = json_object_get_uint64(from);
        return 0;
}

static int double_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        if (!json_object_is_type(from, json_type_double) && !json_object_is_type(from, json_type_int))
                return -EPROTOTYPE;
        if (!isfinite(json_object_get_double(from))) /* json-c's word for 1e999 */
                return -ERANGE;

        *(double *) member = json_object_get_double(from);
        return 0;
}

static int enum_read(const JsonField *field, json_object *from, void *member, JsonProblem *problem) {
        _cleanup_(str_done) Str words = {};
        const char *text = text_of(from);

        for (int i = 0; text && field->names[i]; i++)
                if (!strcmp(field->names[i], text)) {
                        *(int *) member = i;
                        return 0;
                }

        (void) str_append(&words, "one of");
        for (int i = 0; field->names[i]; i++)
                (void) str_appendf(&words, "%s '%s'", i > 0 ? "," : "", field->names[i]);
        if (str_error(&words) < 0)
                return -ENOMEM;
        problem_set(problem, words.data, from);
        return -EBADMSG;
}

static int time_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        const char *text = text_of(from);
        int r;

        r = text ? time_parse(text, member) : -EBADMSG;
        return r == -EINVAL ? -EBADMSG : r;
}

static int duration_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        const char *text = text_of(from);
        int r;

        if (text && *text == '\0') {
                *(int64_t *) member = 0;
                return 0;
        }

        r = text ? duration_parse(text, member) : -EBADMSG;
        return r == -EINVAL ? -EBADMSG : r;
}

static int raw_read(
                const JsonField *field _unused_,
                json_object *from,
                void *member,
                JsonProblem *problem _unused_) {
        const char *text;

        text = json_object_to_json_string_ext(from, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? str_copy(member, text) : -ENOMEM;
}

static int type_read(const JsonField *field, json_object *from, void *member, JsonProblem *problem) {
        int r;

        r = field->type->read(from, member);
        if (r < 0 && r != -ENOMEM)
                problem_set(problem, field->type->expected, from);
        return r;
}

/* ---- kinds of several values; what was read before the failure is released by json_read() */

static int strings_read(
                const JsonField *field _unused_, json_object *from, void *member, JsonProblem *problem) {
        StrList *list = member;
        size_t n = json_object_array_length(from);

        list->is_set = true;
        for (size_t i = 0; i < n; i++) {
                json_object *o = json_object_array_get_idx(from, i);
                const char *text = NULL;
                int r = -EPROTOTYPE;

                if (json_object_is_type(o, json_type_string)) {
                        text = text_of(o);
                        r = text ? str_list_append(list, text) : -EBADMSG;
                }
                if (r < 0) {
                        problem_set(problem, "a string", o);
                        problem_prepend_index(problem, i);
                        return r;
                }
        }

        return 0;
}

static int one_or_more_read(const JsonField *field, json_object *from, void *member, JsonProblem *problem) {
        const char *text;

        if (json_object_is_type(from, json_type_array))
                return strings_read(field, from, member, problem);
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        text = text_of(from);
        return text ? str_list_append(member, text) : -EBADMSG;
}

static int compare_keys(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The keys of an object, borrowed and sorted, so that a large map is not sorted by insertion. */
static int sorted_keys(json_object *from, const char ***ret, size_t *ret_n) {
        size_t i = 0, n = (size_t) json_object_object_length(from);
        const char **keys;

        keys = calloc(n + 1, sizeof(*keys));
        if (!keys)
                return -ENOMEM;

        json_object_object_foreach(from, key, value) {
                (void) value;
                keys[i++] = key;
        }
        qsort(keys, n, sizeof(*keys), compare_keys);

        *ret = keys;
        *ret_n = n;
        return 0;
}

static int map_read(const JsonField *field _unused_, json_object *from, void *member, JsonProblem *problem) {
        _cleanup_free_ const char **keys = NULL;
        StrMap *map = member;
        size_t n;
        int r;

        r = sorted_keys(from, &keys, &n);
        if (r < 0)
                return r;

        map->is_set = true;
        for (size_t i = 0; i < n; i++) {
                json_object *o = json_object_object_get(from, keys[i]);
                const char *text = NULL;

                r = -EPROTOTYPE;
                if (json_object_is_type(o, json_type_string)) {
                        text = text_of(o);
                        r = text ? str_map_set(map, keys[i], text) : -EBADMSG;
                }
                if (r < 0) {
                        problem_set(problem, "a string", o);
                        problem_prepend(problem, keys[i]);
                        return r;
                }
        }

        return 0;
}

static int json_read_fields(const JsonShape *shape, json_object *from, void *to, JsonProblem *problem);

static int object_read(const JsonField *field, json_object *from, void *member, JsonProblem *problem) {
        return json_read_fields(field->shape, from, member, problem);
}

/* The elements are counted one by one, so that json_done() sees what there is. */
static int array_start(const JsonField *field, size_t n, JsonArray *array) {
        assert(field->shape->size > 0);

        array->is_set = true;
        if (n == 0)
                return 0;

        array->items = calloc(n, field->shape->size);
        return array->items ? 0 : -ENOMEM;
}

static int element_read(const JsonField *field, json_object *from, void *item, JsonProblem *problem) {
        if (!json_object_is_type(from, json_type_object)) {
                problem_set(problem, "an object", from);
                return -EPROTOTYPE;
        }

        return json_read_fields(field->shape, from, item, problem);
}

static int array_read(const JsonField *field, json_object *from, void *member, JsonProblem *problem) {
        size_t n = json_object_array_length(from);
        JsonArray *array = member;
        int r;

        r = array_start(field, n, array);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                void *item = (char *) array->items + array->n++ * field->shape->size;

                r = element_read(field, json_object_array_get_idx(from, i), item, problem);
                if (r < 0) {
                        problem_prepend_index(problem, i);
                        return r;
                }
        }

        return 0;
}

static int objects_read(const JsonField *field, json_object *from, void *member, JsonProblem *problem) {
        const JsonField *key_field = &field->shape->fields[0];
        JsonArray *array = member;
        int r;

        assert(key_field->kind == JSON_KEY);

        r = array_start(field, (size_t) json_object_object_length(from), array);
        if (r < 0)
                return r;

        json_object_object_foreach(from, key, value) {
                char *item = (char *) array->items + array->n++ * field->shape->size;

                r = str_copy((char **) (void *) (item + key_field->offset), key);
                if (r >= 0)
                        r = element_read(field, value, item, problem);
                if (r < 0) {
                        problem_prepend(problem, key);
                        return r;
                }
        }

        return 0;
}

static const KindReader kind_readers[_JSON_KIND_N] = {
        [JSON_STRING] = { json_type_string, string_read, "a string" },
        [JSON_BOOL] = { json_type_boolean, bool_read, "true or false" },
        [JSON_INT] = { json_type_int, int_read, "a whole number" },
        [JSON_UINT] = { json_type_int, uint_read, "a whole number, not negative" },
        [JSON_DOUBLE] = { json_type_null, double_read, "a number" },
        [JSON_ENUM] = { json_type_string, enum_read, "a string" },
        [JSON_TIME] = { json_type_string, time_read, "a time like \"2006-01-02T15:04:05Z\"" },
        [JSON_DURATION] = { json_type_string, duration_read, "a duration like \"1h30m\" or \"500ms\"" },
        [JSON_STRINGS] = { json_type_array, strings_read, "a list of strings" },
        [JSON_ONE_OR_MORE] = { json_type_null, one_or_more_read, "a string or a list of strings" },
        [JSON_MAP] = { json_type_object, map_read, "an object whose values are strings" },
        [JSON_OBJECT] = { json_type_object, object_read, "an object" },
        [JSON_ARRAY] = { json_type_array, array_read, "a list of objects" },
        [JSON_OBJECTS] = { json_type_object, objects_read, "an object of objects" },
        [JSON_RAW] = { json_type_null, raw_read, "any JSON" },
        [JSON_TYPE] = { json_type_null, type_read, "a value" },
};

static const char *expected_of(const JsonField *field) {
        return field->kind == JSON_TYPE ? field->type->expected : kind_readers[field->kind].expected;
}

/* A key that is there replaces what the member held; only embedded structs are merged. */
static int json_read_value(const JsonField *field, json_object *from, void *to, JsonProblem *problem) {
        const KindReader *reader = &kind_readers[field->kind];

        if (reader->type != json_type_null && !json_object_is_type(from, reader->type))
                return -EPROTOTYPE;

        if (field->kind != JSON_OBJECT)
                json_done_field(field, to);

        return reader->read(field, from, (char *) to + field->offset, problem);
}

static int json_read_field(const JsonField *field, json_object *from, void *to, JsonProblem *problem) {
        json_object *value = NULL;
        int r = 0;

        if (field->kind == JSON_KEY || field->flags & JSON_NO_READ)
                return 0;

        if (json_object_object_get_ex(from, field->key, &value) && value)
                r = json_read_value(field, value, to, problem);
        else if (field->flags & JSON_REQUIRED)
                r = -ENODATA;

        if (r < 0) {
                problem_set(problem, expected_of(field), value);
                problem_prepend(problem, field->key);
        }
        return r;
}

static int json_read_fields(const JsonShape *shape, json_object *from, void *to, JsonProblem *problem) {
        for (const JsonField *field = shape->fields; field->key; field++) {
                int r;

                r = json_read_field(field, from, to, problem);
                if (r < 0)
                        return r;
        }

        return 0;
}

int json_read(const JsonShape *shape, struct json_object *from, void *to, JsonProblem *reterr) {
        JsonProblem problem = {};
        int r = -EPROTOTYPE;

        if (json_object_is_type(from, json_type_object))
                r = json_read_fields(shape, from, to, &problem);
        if (r >= 0)
                return 0;

        json_done(shape, to);
        problem_set(&problem, "an object", from);
        if (reterr)
                *reterr = problem;
        return r;
}

/* What stands at TEXT, which may be no text at all. */
static void problem_set_excerpt(JsonProblem *problem, const char *text, size_t n) {
        char excerpt[sizeof(problem->value) + 1];

        n = MIN(n, sizeof(excerpt) - 1);
        memcpy(excerpt, text, n);
        excerpt[n] = '\0';
        copy_cut(problem->value, sizeof(problem->value), excerpt);
        if (!str_is_utf8(problem->value, strlen(problem->value)))
                problem->value[0] = '\0';
}

int json_read_text(const JsonShape *shape, const char *text, size_t n, void *to, JsonProblem *reterr) {
        _cleanup_(json_object_putp) json_object *o = NULL;
        size_t offset = 0;
        int r;

        r = json_parse(text, n, &o, &offset);
        if (r >= 0)
                return json_read(shape, o, to, reterr);

        json_done(shape, to);
        if (reterr && r == -EBADMSG) {
                *reterr = (JsonProblem){};
                (void) snprintf(reterr->expected,
                                sizeof(reterr->expected),
                                "JSON (wrong from byte %zu on)",
                                offset);
                problem_set_excerpt(reterr, text + offset, n - offset);
        }
        return r;
}
