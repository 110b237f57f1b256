#include "daemon/config/read.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config/environment.h"
#include "daemon/config/value.h"

static void *read_member(Config *config, const ConfigRow *row) {
        return (char *) config + row->offset;
}

static int read_problem(int r, const char *path, const ConfigProblem *problem, Error *reterr) {
        if (r != -EINVAL)
                return error_set_errno(reterr, r, "%s: %m", path);
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "%s: %s is not allowed, expected %s",
                        path,
                        problem->value[0] ? problem->value : "the value",
                        problem->expected);
}

/* Check VALUE, and refuse it when it asks for what is not built. VALUE is released on failure. */
static int read_accept(const ConfigRow *row, const char *path, ConfigValue *value, Error *reterr) {
        ConfigProblem problem = {};
        int r;

        if (row->flags & CONFIG_ZERO_PRESET && config_value_is_zero(row, value)) {
                config_value_done(row, value);
                r = config_value_parse(row, row->preset, value, &problem);
                if (r < 0)
                        return read_problem(r, path, &problem, reterr);
        }

        r = config_value_check(row, value, &problem);
        if (r < 0)
                return read_problem(r, path, &problem, reterr);
        if (!(row->flags & CONFIG_UNBUILT))
                return 0;

        r = config_value_is_preset(row, value);
        if (r > 0)
                return 0;
        config_value_done(row, value);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", path);
        return error_set(
                        reterr,
                        ERROR_UNSUPPORTED,
                        "%s: this setting is not offered yet, remove it or set it back to its default",
                        path);
}

static int read_preset(Config *config, const ConfigRow *row, const char *path, Error *reterr) {
        ConfigProblem problem;
        ConfigValue value;
        int r;

        r = config_value_parse(row, row->absent ? row->absent : row->preset, &value, &problem);
        if (r < 0)
                return read_problem(r, path, &problem, reterr);

        config_value_store(row, &value, read_member(config, row));
        return 0;
}

static bool read_is_there(const ConfigRow *row, struct json_object *object) {
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(object, row->key, &value) || !value)
                return false;
        /* an empty duration is the default */
        return row->kind != JSON_DURATION || !json_object_is_type(value, json_type_string) ||
               json_object_get_string_len(value) > 0;
}

static int read_absent(Config *config, const ConfigRow *row, const char *path, Error *reterr) {
        if (row->flags & CONFIG_REQUIRED)
                return error_set(reterr, ERROR_INVALID, "%s is undefined", path);
        if (row->offset == CONFIG_KEPT)
                return 0;
        return read_preset(config, row, path, reterr);
}

static int read_rows(
                Config *config,
                const ConfigRow *rows,
                const char *path,
                struct json_object *object,
                Error *reterr);

static int read_not_object(const char *path, struct json_object *value, Error *reterr) {
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "%s: %.80s is not allowed, expected an object",
                        path,
                        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
}

static int read_nested(
                Config *config,
                const ConfigRow *row,
                const char *path,
                struct json_object *object,
                Error *reterr) {
        struct json_object *nested = NULL;

        (void) json_object_object_get_ex(object, row->key, &nested);
        if (!json_object_is_type(nested, json_type_object))
                return read_not_object(path, nested, reterr);
        return read_rows(config, row->rows, path, nested, reterr);
}

static int read_row(
                Config *config,
                const ConfigRow *row,
                const char *path,
                struct json_object *object,
                Error *reterr) {
        ConfigProblem problem;
        ConfigValue value;
        int r;

        if (!read_is_there(row, object))
                return read_absent(config, row, path, reterr);
        if (row->rows)
                return read_nested(config, row, path, object, reterr);

        r = config_value_read(row, object, &value, &problem);
        if (r < 0)
                return read_problem(r, path, &problem, reterr);
        r = read_accept(row, path, &value, reterr);
        if (r < 0)
                return r;

        if (row->offset == CONFIG_KEPT) {
                config_value_done(row, &value);
                return 0;
        }
        config_value_store(row, &value, read_member(config, row));
        return 0;
}

static int read_rows(
                Config *config,
                const ConfigRow *rows,
                const char *path,
                struct json_object *object,
                Error *reterr) {
        char full[CONFIG_PATH_MAX];
        int r;

        for (const ConfigRow *row = rows; row->key; row++) {
                snprintf(full, sizeof(full), "%s.%s", path, row->key);
                r = read_row(config, row, full, object, reterr);
                if (r < 0)
                        return r;
                if (row->offset != CONFIG_KEPT)
                        json_object_object_del(object, row->key);
        }
        return 0;
}

static int read_presets(Config *config, const ConfigSection *section, Error *reterr) {
        int r;

        for (const ConfigRow *row = section->rows; row->key; row++) {
                if (row->offset == CONFIG_KEPT)
                        continue;
                r = read_preset(config, row, row->key, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_section(
                Config *config, const ConfigSection *section, struct json_object *file, Error *reterr) {
        struct json_object *object = config_table_find(section, file);
        char path[CONFIG_PATH_MAX];

        (void) config_table_path(section, path);
        if (object && !json_object_is_type(object, json_type_object))
                return read_not_object(path, object, reterr);

        if (section->enabled != CONFIG_KEPT)
                *(bool *) ((char *) config + section->enabled) = object;
        if (!object)
                return read_presets(config, section, reterr);
        return read_rows(config, section->rows, path, object, reterr);
}

/* A group has to be an object too, else what is in it would be taken for absent. */
static int read_groups(struct json_object *file, Error *reterr) {
        for (const ConfigSection *section = config_table_sections; section->name; section++) {
                struct json_object *group = NULL;

                if (!section->group || !json_object_object_get_ex(file, section->group, &group) || !group)
                        continue;
                if (!json_object_is_type(group, json_type_object))
                        return read_not_object(section->group, group, reterr);
        }
        return 0;
}

static int read_keep(Config *config, struct json_object *rest) {
        return str_copy(&config->rest_of_file,
                        json_object_to_json_string_ext(
                                        rest, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

int config_read(Config *config, struct json_object *file, Error *reterr) {
        int r;

        r = read_groups(file, reterr);
        if (r < 0)
                return r;

        if (!json_object_object_get_ex(file, "cluster", NULL)) {
                struct json_object *empty = json_object_new_object();

                if (!empty || json_object_object_add(file, "cluster", empty) < 0) {
                        json_object_put(empty);
                        return error_set_errno(reterr, -ENOMEM, "%s: %m", CONFIG_FILE);
                }
        }

        for (const ConfigSection *section = config_table_sections; section->name; section++) {
                r = read_section(config, section, file, reterr);
                if (r < 0)
                        return r;
        }

        r = read_keep(config, file);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", CONFIG_FILE) : 0;
}

/* ---- environment */

typedef struct ReadVariables {
        Config *config;
        Error *reterr;
} ReadVariables;

/* Put VALUE into the section that keeps the row, if the file has that section. */
static int variable_keep(const ConfigRow *row, const ConfigValue *value, struct json_object *object) {
        _cleanup_(json_object_putp) struct json_object *written = NULL;
        _cleanup_(str_done) Str text = {};
        struct json_object *item = NULL;
        int r;

        if (!json_object_is_type(object, json_type_object))
                return 0;

        (void) str_append_char(&text, '{');
        (void) config_value_write(row, value, 0, &text);
        (void) str_append_char(&text, '}');
        r = str_error(&text);
        if (r >= 0)
                r = json_parse(text.data, text.len, &written, NULL);
        if (r < 0)
                return r;

        (void) json_object_object_get_ex(written, row->key, &item);
        if (json_object_object_add(object, row->key, json_object_get(item)) < 0) {
                json_object_put(item);
                return -ENOMEM;
        }
        return 0;
}

static int variable_apply(
                ReadVariables *v,
                const ConfigRow *row,
                const char *name,
                const char *text,
                struct json_object *object) {
        ConfigProblem problem;
        ConfigValue value;
        int r;

        r = config_value_parse(row, text, &value, &problem);
        if (r < 0)
                return read_problem(r, name, &problem, v->reterr);
        r = read_accept(row, name, &value, v->reterr);
        if (r < 0)
                return r;

        if (row->offset != CONFIG_KEPT) {
                config_value_store(row, &value, read_member(v->config, row));
                return 0;
        }
        r = variable_keep(row, &value, object);
        config_value_done(row, &value);
        return r < 0 ? error_set_errno(v->reterr, r, "%s: %m", name) : 0;
}

static int variables_read(
                ReadVariables *v, const ConfigRow *rows, const char *prefix, struct json_object *object);

static int variables_read_nested(
                ReadVariables *v, const ConfigRow *row, const char *name, struct json_object *object) {
        struct json_object *nested = NULL;
        char prefix[CONFIG_PATH_MAX + 2];

        (void) json_object_object_get_ex(object, row->key, &nested);
        snprintf(prefix, sizeof(prefix), "%s_", name);
        return variables_read(v, row->rows, prefix, nested);
}

static int variables_read(
                ReadVariables *v, const ConfigRow *rows, const char *prefix, struct json_object *object) {
        char name[CONFIG_PATH_MAX];
        int r;

        for (const ConfigRow *row = rows; row->key; row++) {
                _cleanup_free_ char *text = NULL;

                if (row->flags & CONFIG_NO_VARIABLE)
                        continue;
                config_table_variable(prefix, row->key, name);
                if (row->rows) {
                        r = variables_read_nested(v, row, name, object);
                } else {
                        r = config_environment_get(name, &text, v->reterr);
                        if (r > 0)
                                r = variable_apply(v, row, name, text, object);
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

int config_apply_environment(Config *config, Error *reterr) {
        _cleanup_(json_object_putp) struct json_object *rest = NULL;
        ReadVariables v = { .config = config, .reterr = reterr };
        int r;

        r = json_parse(config->rest_of_file, strlen(config->rest_of_file), &rest, NULL);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);

        for (const ConfigSection *section = config_table_sections; section->name; section++) {
                r = variables_read(&v, section->rows, section->prefix, config_table_find(section, rest));
                if (r < 0)
                        return r;
        }

        r = read_keep(config, rest);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", CONFIG_FILE) : 0;
}

/* ---- one key */

/* The row of PATH and, where it has one, the object that keeps it. */
static const ConfigRow *path_find(
                const char *path, struct json_object *rest, struct json_object **ret_object) {
        char name[CONFIG_PATH_MAX];

        for (const ConfigSection *section = config_table_sections; section->name; section++) {
                size_t n = strlen(config_table_path(section, name));

                if (strncmp(path, name, n) != 0 || path[n] != '.')
                        continue;
                for (const ConfigRow *row = section->rows; row->key; row++)
                        if (str_equal(row->key, path + n + 1)) {
                                *ret_object = config_table_find(section, rest);
                                return row;
                        }
        }
        return NULL;
}

int config_set(Config *config, const char *path, const char *text, Error *reterr) {
        _cleanup_(json_object_putp) struct json_object *rest = NULL;
        ReadVariables v = { .config = config, .reterr = reterr };
        struct json_object *object = NULL;
        const ConfigRow *row;
        int r;

        r = json_parse(config->rest_of_file, strlen(config->rest_of_file), &rest, NULL);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", path);

        row = path_find(path, rest, &object);
        assert(row);
        r = variable_apply(&v, row, path, text, object);
        if (r < 0)
                return r;
        r = read_keep(config, rest);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", path) : 0;
}

static int path_join(const ConfigRow *row, const void *member, char **ret) {
        _cleanup_(str_done) Str text = {};
        const StrList *list = member;

        if (row->kind == JSON_STRING)
                return str_copy(ret, *(char *const *) member);

        for (size_t i = 0; i < list->n; i++)
                (void) str_appendf(&text, "%s%s", i > 0 ? "," : "", list->items[i]);
        *ret = str_take(&text);
        return *ret ? 0 : -ENOMEM;
}

int config_get(const Config *config, const char *path, char **ret) {
        _cleanup_(json_object_putp) struct json_object *rest = NULL;
        struct json_object *object = NULL;
        ConfigProblem problem;
        const ConfigRow *row;
        ConfigValue value;
        int r;

        r = json_parse(config->rest_of_file, strlen(config->rest_of_file), &rest, NULL);
        if (r < 0)
                return r;

        *ret = NULL;
        row = path_find(path, rest, &object);
        assert(row &&
               (row->kind == JSON_STRING || row->kind == JSON_STRINGS || row->kind == JSON_ONE_OR_MORE));
        if (row->offset != CONFIG_KEPT)
                return path_join(row, (const char *) config + row->offset, ret);
        if (!object || !read_is_there(row, object))
                return 0;

        r = config_value_read(row, object, &value, &problem);
        if (r < 0)
                return r;
        r = path_join(row, &value, ret);
        config_value_done(row, &value);
        return r;
}
