#include "daemon/config/diff.h"

#include <errno.h>

#include "daemon/config/value.h"

static void *diff_member(const Config *config, size_t offset) {
        return (char *) config + offset;
}

void config_diff_done(ConfigDiff *diff) {
        str_list_done(&diff->live);
        str_list_done(&diff->restart);
}

static int diff_add(ConfigDiff *diff, bool is_live, const char *path) {
        return str_list_append(is_live ? &diff->live : &diff->restart, path);
}

static int diff_row(
                const ConfigRow *row,
                const char *section,
                const Config *a,
                const Config *b,
                ConfigDiff *diff) {
        _cleanup_free_ char *path = NULL;
        Str text = {};
        int r;

        if (row->offset == CONFIG_KEPT)
                return 0;
        r = config_value_is_equal(row, diff_member(a, row->offset), diff_member(b, row->offset));
        if (r != 0)
                return MIN(r, 0);

        (void) str_appendf(&text, "%s.%s", section, row->key);
        path = str_take(&text);
        return path ? diff_add(diff, row->flags & CONFIG_LIVE, path) : -ENOMEM;
}

static bool diff_is_there(const ConfigSection *section, const Config *config) {
        return section->enabled == CONFIG_KEPT || *(bool *) diff_member(config, section->enabled);
}

/* In a section that is not there, keys have their presets: it is named alone. */
static int diff_section(const ConfigSection *section, const Config *a, const Config *b, ConfigDiff *diff) {
        char path[CONFIG_PATH_MAX];
        int r = 0;

        (void) config_table_path(section, path);
        if (diff_is_there(section, a) != diff_is_there(section, b))
                return diff_add(diff, section->flags & CONFIG_SECTION_LIVE, path);

        for (const ConfigRow *row = section->rows; r >= 0 && row->key; row++)
                r = diff_row(row, path, a, b, diff);
        return r;
}

int config_diff(const Config *a, const Config *b, ConfigDiff *ret) {
        ConfigDiff diff = {};
        int r = 0;

        for (const ConfigSection *section = config_table_sections; r >= 0 && section->name; section++)
                r = diff_section(section, a, b, &diff);
        if (r < 0) {
                config_diff_done(&diff);
                return r;
        }
        *ret = diff;
        return 0;
}

static void exchange_bool(bool *a, bool *b) {
        bool kept = *a;

        *a = *b;
        *b = kept;
}

static void exchange_section(const ConfigSection *section, Config *a, Config *b) {
        if (section->enabled != CONFIG_KEPT && section->flags & CONFIG_SECTION_LIVE)
                exchange_bool(diff_member(a, section->enabled), diff_member(b, section->enabled));
        for (const ConfigRow *row = section->rows; row->key; row++)
                if (row->flags & CONFIG_LIVE)
                        config_value_exchange(row, diff_member(a, row->offset), diff_member(b, row->offset));
}

void config_exchange_live(Config *a, Config *b) {
        for (const ConfigSection *section = config_table_sections; section->name; section++)
                exchange_section(section, a, b);
}
