#include "daemon/config/unused.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/config/table.h"

static void unused_append(Str *to, const char *path, const char *key) {
        (void) str_appendf(to, "%s%s%s%s", to->len > 0 ? ", " : "", path, key ? "." : "", key ? key : "");
}

static bool unused_is_silent(const ConfigSection *section, const char *key) {
        for (const ConfigRow *row = section->rows; row->key; row++)
                if (str_equal(row->key, key)) /* refused unless it changes nothing; or read by identity.c */
                        return row->flags & (CONFIG_UNBUILT | CONFIG_NO_VARIABLE);
        return false;
}

static void unused_section(const ConfigSection *section, struct json_object *object, Str *to) {
        char path[CONFIG_PATH_MAX];

        (void) config_table_path(section, path);
        if (!(section->flags & CONFIG_SECTION_USED)) {
                unused_append(to, path, NULL);
                return;
        }

        json_object_object_foreach(object, key, value) {
                (void) value;
                if (!unused_is_silent(section, key))
                        unused_append(to, path, key);
        }
}

static bool unused_is_section(const char *group, const char *key) {
        for (const ConfigSection *section = config_table_sections; section->name; section++)
                if (str_equal(section->group, group) && str_equal(section->name, key))
                        return true;
        return false;
}

static bool unused_is_group(const char *key) {
        for (const ConfigSection *section = config_table_sections; section->name; section++)
                if (str_equal(section->group, key))
                        return true;
        return false;
}

/* Sections that the table does not know: at the top, and (GROUP is set) in a group. */
static void unused_others(struct json_object *object, const char *group, Str *to) {
        json_object_object_foreach(object, key, value) {
                if (!group && unused_is_group(key)) {
                        if (json_object_is_type(value, json_type_object))
                                unused_others(value, key, to);
                } else if (!unused_is_section(group, key))
                        unused_append(to, group ? group : key, group ? key : NULL);
        }
}

int config_unused_names(const Config *config, Str *to) {
        _cleanup_(json_object_putp) struct json_object *rest = NULL;
        int r;

        r = json_parse(config->rest_of_file, strlen(config->rest_of_file), &rest, NULL);
        if (r < 0)
                return r;

        for (const ConfigSection *section = config_table_sections; section->name; section++) {
                struct json_object *object = config_table_find(section, rest);

                if (object)
                        unused_section(section, object, to);
        }
        unused_others(rest, NULL, to);
        return str_error(to);
}

void config_unused_tell(const Config *config) {
        _cleanup_(str_done) Str names = {};

        if (config_unused_names(config, &names) >= 0 && names.len > 0)
                log_notice("%s: kept, but not used by this program: %s", CONFIG_FILE, names.data);
}
