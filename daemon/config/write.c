#include "daemon/config/write.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/config/value.h"

#define WRITE_INDENT 2

/* ---- parts */

static void write_key(Str *to, const char *key) {
        (void) json_write_string(to, key);
        (void) str_append_char(to, ':');
}

/* Append `"key":value,`. */
static void write_member(Str *to, const char *key, struct json_object *value) {
        write_key(to, key);
        (void) str_append(
                        to,
                        json_object_to_json_string_ext(
                                        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        (void) str_append_char(to, ',');
}

/* ---- presets */

static int presets_write_rows(const ConfigRow *rows, Str *to);

/* Append `"key":preset,`, or nothing. */
static int presets_write_row(const ConfigRow *row, Str *to) {
        ConfigProblem problem;
        ConfigValue value;
        int r;

        if (row->rows) {
                write_key(to, row->key);
                (void) presets_write_rows(row->rows, to);
                return str_append_char(to, ',');
        }
        if (!row->preset)
                return 0;

        r = config_value_parse(row, row->preset, &value, &problem);
        if (r < 0)
                return r;
        r = config_value_write(row, &value, 0, to);
        config_value_done(row, &value);
        return r < 0 ? r : str_append_char(to, ',');
}

static void write_close(Str *to) {
        if (to->len > 0 && to->data[to->len - 1] == ',')
                to->len--;
        (void) str_append_char(to, '}');
}

static int presets_write_rows(const ConfigRow *rows, Str *to) {
        int r = str_append_char(to, '{');

        for (const ConfigRow *row = rows; r >= 0 && row->key; row++)
                r = presets_write_row(row, to);
        if (r < 0)
                return r;
        write_close(to);
        return str_error(to);
}

static bool write_starts_group(const ConfigSection *section) {
        return section->group &&
               (section == config_table_sections || !str_equal(section[-1].group, section->group));
}

static bool write_ends_group(const ConfigSection *section) {
        return section->group && !str_equal(section[1].group, section->group);
}

static void write_open(Str *to, const char *key) {
        (void) json_write_string(to, key);
        (void) str_append(to, ":{");
}

static bool presets_has_group(const char *group) {
        for (const ConfigSection *section = config_table_sections; section->name; section++)
                if (str_equal(section->group, group) && section->flags & CONFIG_SECTION_INIT)
                        return true;
        return false;
}

static int presets_write_section(const ConfigSection *section, Str *to) {
        int r;

        if (!(section->flags & CONFIG_SECTION_INIT))
                return 0;

        write_key(to, section->name);
        r = presets_write_rows(section->rows, to);
        return r < 0 ? r : str_append_char(to, ',');
}

int config_write_presets(Str *to) {
        int r = str_append_char(to, '{');

        for (const ConfigSection *section = config_table_sections; r >= 0 && section->name; section++) {
                bool grouped = section->group && presets_has_group(section->group);

                if (grouped && write_starts_group(section))
                        write_open(to, section->group);
                r = presets_write_section(section, to);
                if (grouped && write_ends_group(section)) {
                        write_close(to);
                        (void) str_append_char(to, ',');
                }
        }
        if (r < 0)
                return r;
        write_close(to);
        return str_error(to);
}

/* ---- a configuration */

/* Append `"key":value,` for each key of OBJECT. */
static void write_rest(struct json_object *object, Str *to) {
        if (!json_object_is_type(object, json_type_object))
                return;

        json_object_object_foreach(object, key, value) write_member(to, key, value);
}

static int write_own(const ConfigRow *row, const Config *config, Str *to) {
        const void *member = (const char *) config + row->offset;
        size_t before;
        int r;

        if (row->flags & CONFIG_OMIT_PRESET) {
                r = config_value_is_preset(row, member);
                if (r != 0)
                        return r < 0 ? r : 0;
        }

        before = to->len;
        r = config_value_write(row, member, row->flags & CONFIG_OMIT_EMPTY ? JSON_OMIT_EMPTY : 0, to);
        if (r < 0 || to->len == before)
                return r;
        return str_append_char(to, ',');
}

/* A kept key goes out in its place, and out of REST. */
static void write_kept(const ConfigRow *row, struct json_object *rest, Str *to) {
        struct json_object *value = NULL;

        if (!json_object_is_type(rest, json_type_object) ||
            !json_object_object_get_ex(rest, row->key, &value))
                return;

        write_member(to, row->key, value);
        json_object_object_del(rest, row->key);
}

static bool write_has_section(const ConfigSection *section, const Config *config, struct json_object *rest) {
        if (section->enabled != CONFIG_KEPT)
                return *(const bool *) ((const char *) config + section->enabled);
        return section->flags & CONFIG_SECTION_USED || rest;
}

static int write_section(
                const ConfigSection *section, const Config *config, struct json_object *group, Str *to) {
        struct json_object *rest = NULL;
        int r = 0;

        if (json_object_is_type(group, json_type_object))
                (void) json_object_object_get_ex(group, section->name, &rest);
        if (!write_has_section(section, config, rest))
                return 0;

        write_open(to, section->name);
        for (const ConfigRow *row = section->rows; r >= 0 && row->key; row++)
                if (row->offset == CONFIG_KEPT)
                        write_kept(row, rest, to);
                else
                        r = write_own(row, config, to);
        if (r < 0)
                return r;

        write_rest(rest, to);
        write_close(to);
        if (rest)
                json_object_object_del(group, section->name);
        return str_append_char(to, ',');
}

/* A group of which nothing is there is not written: its text would end as it began. */
static void write_end_group(Str *to, struct json_object *file, const char *group) {
        struct json_object *rest = NULL;

        if (json_object_object_get_ex(file, group, &rest))
                write_rest(rest, to);
        json_object_object_del(file, group);

        if (to->len > 0 && to->data[to->len - 1] == '{') {
                to->len -= strlen(group) + strlen("\"\":{");
                to->data[to->len] = '\0';
                return;
        }
        write_close(to);
        (void) str_append_char(to, ',');
}

static int write_compact(const Config *config, struct json_object *file, Str *to) {
        int r = str_append_char(to, '{');

        for (const ConfigSection *section = config_table_sections; r >= 0 && section->name; section++) {
                struct json_object *group = file;

                if (section->group && !json_object_object_get_ex(file, section->group, &group))
                        group = NULL;
                if (write_starts_group(section))
                        write_open(to, section->group);
                r = write_section(section, config, group, to);
                if (write_ends_group(section))
                        write_end_group(to, file, section->group);
        }
        if (r < 0)
                return r;

        write_rest(file, to);
        write_close(to);
        return str_error(to);
}

int config_write_text(const Config *config, Str *to) {
        _cleanup_(json_object_putp) struct json_object *rest = NULL;
        _cleanup_(str_done) Str compact = {};
        int r;

        r = json_parse(config->rest_of_file, strlen(config->rest_of_file), &rest, NULL);
        if (r < 0)
                return r;
        r = write_compact(config, rest, &compact);
        if (r < 0)
                return r;
        return json_indent(compact.data, compact.len, WRITE_INDENT, to);
}

int config_write(const Config *config, Error *reterr) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(str_done) Str text = {};
        int r;

        r = file_join(&path, config->folder, CONFIG_FILE);
        if (r >= 0)
                r = config_write_text(config, &text);
        if (r >= 0)
                r = file_replace(AT_FDCWD, path, text.data, text.len, 0600);
        if (text.data)
                explicit_bzero(text.data, text.len); /* it has the secret */
        return r < 0 ? error_set_errno(reterr, r, "%s/%s: %m", config->folder, CONFIG_FILE) : 0;
}
