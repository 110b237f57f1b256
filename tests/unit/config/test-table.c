#include "daemon/config/table.h"
#include "tests/unit/config/fixture.h"

static void test_variable_names(void) {
        static const struct {
                const char *prefix, *key, *name;
        } cases[] = {
                { "CLUSTER_", "peername", "CLUSTER_PEERNAME" },
                { "CLUSTER_", "mdns_interval", "CLUSTER_MDNSINTERVAL" },
                { "CLUSTER_CONNECTIONMANAGER_", "high_water", "CLUSTER_CONNECTIONMANAGER_HIGHWATER" },
                { "CLUSTER_RESTAPI_",
                  "libp2p_listen_multiaddress",
                  "CLUSTER_RESTAPI_LIBP2PLISTENMULTIADDRESS" },
                { "CLUSTER_IPFSHTTP_", "repogc_timeout", "CLUSTER_IPFSHTTP_REPOGCTIMEOUT" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char name[CONFIG_PATH_MAX];

                config_table_variable(cases[i].prefix, cases[i].key, name);
                g_assert_cmpstr(name, ==, cases[i].name);
        }
}

static void test_paths(void) {
        const ConfigSection top = { .name = "cluster" }, below = { .group = "api", .name = "restapi" };
        char text[CONFIG_PATH_MAX];

        g_assert_cmpstr(config_table_path(&top, text), ==, "cluster");
        g_assert_cmpstr(config_table_path(&below, text), ==, "api.restapi");
}

static void check_row(const ConfigSection *section, const ConfigRow *row, GHashTable *offsets) {
        if (row->offset == CONFIG_KEPT) {
                if (row->flags & CONFIG_LIVE)
                        g_error("%s.%s is not used, a reload cannot apply it", section->name, row->key);
                return;
        }
        if (!row->preset || !(section->flags & CONFIG_SECTION_USED))
                g_error("%s.%s has a member and no preset", section->name, row->key);
        if (row->offset >= sizeof(Config) || !g_hash_table_add(offsets, GSIZE_TO_POINTER(row->offset + 1)))
                g_error("%s.%s shares its member", section->name, row->key);
}

/* Each member belongs to one row, keys are there once, groups are contiguous. */
static void test_consistent(void) {
        g_autoptr(GHashTable) offsets = g_hash_table_new(NULL, NULL);
        g_autoptr(GHashTable) groups = g_hash_table_new(g_str_hash, g_str_equal);
        const char *group = NULL;

        for (const ConfigSection *section = config_table_sections; section->name; section++) {
                g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);

                if (section->group && g_strcmp0(group, section->group) != 0 &&
                    !g_hash_table_add(groups, (char *) section->group))
                        g_error("group %s is in two places", section->group);
                group = section->group;
                for (const ConfigRow *row = section->rows; row->key; row++) {
                        if (!g_hash_table_add(keys, (char *) row->key))
                                g_error("%s.%s is there twice", section->name, row->key);
                        check_row(section, row, offsets);
                }
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/config/table/names-of-variables", test_variable_names);
        g_test_add_func("/config/table/paths", test_paths);
        g_test_add_func("/config/table/consistent", test_consistent);
        return g_test_run();
}
