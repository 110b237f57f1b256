#include "daemon/config/diff.h"
#include "daemon/config/table.h"
#include "tests/lib/fault.h"
#include "tests/unit/config/fixture.h"

typedef struct DiffCase {
        const char *path, *value;
        const char *live, *restart; /* what is named, or NULL */
} DiffCase;

static const DiffCase cases[] = {
        { "cluster.log_level", "\"debug\"", "cluster.log_level", NULL },
        { "cluster.secret", "\"" FIXTURE_SECRET "\"", NULL, "cluster.secret" },
        { "cluster.follower_mode", "true", "cluster.follower_mode", NULL },
        { "cluster.mdns_interval", "\"10000ms\"", NULL, NULL }, /* the default in other words */
        { "cluster.pubsub.d_factor", "9", NULL, NULL },         /* not used by this program */
        { "cluster.unknown", "9", NULL, NULL },
        { "consensus.raft.init_peerset", "[]", NULL, NULL },
        { "consensus.raft.trailing_logs", "9", NULL, "consensus.raft.trailing_logs" },
        { "api.restapi.idle_timeout", "\"9s\"", NULL, "api.restapi" }, /* the section alone is named */
        { "ipfs_connector.ipfshttp.pin_timeout", "\"9s\"", "ipfs_connector.ipfshttp.pin_timeout", NULL },
        { "ipfs_connector.ipfshttp.node_multiaddress",
          "\"/ip4/127.0.0.1/tcp/9\"",
          NULL,
          "ipfs_connector.ipfshttp.node_multiaddress" },
        { "allocator.balanced.allocate_by", "[\"numpin\"]", "allocator.balanced.allocate_by", NULL },
        { "informer.tags.tags", "{\"a\":\"b\"}", "informer.tags", NULL },
};

static void diff_load(Config **ret, const char *folder, const char *text) {
        g_autofree char *path = g_build_filename(folder, CONFIG_FILE, NULL);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        g_assert_cmpint(config_load(ret, folder, NULL), ==, 0);
}

static void assert_names(const StrList *list, const char *name) {
        g_assert_cmpuint(list->n, ==, name ? 1 : 0);
        if (name)
                g_assert_cmpstr(list->items[0], ==, name);
}

static void test_cases(Fixture *f, const void *data G_GNUC_UNUSED) {
        struct json_object *minimal = fixture_minimal();

        g_assert_cmpint(fixture_load(f, json_object_to_json_string(minimal)), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *text = fixture_with(cases[i].path, cases[i].value);
                _cleanup_(config_diff_done) ConfigDiff diff = {};
                _cleanup_(config_freep) Config *other = NULL;

                g_test_message("%s: %s", cases[i].path, cases[i].value);
                diff_load(&other, f->folder, text);
                g_assert_cmpint(config_diff(f->config, other, &diff), ==, 0);
                assert_names(&diff.live, cases[i].live);
                assert_names(&diff.restart, cases[i].restart);
        }
        json_object_put(minimal);
}

/* Everything that is live, and a secret that is not. */
static void change_all(Config *config) {
        static const char *const values[][2] = {
                { "cluster.log_level", "debug" },
                { "cluster.secret", FIXTURE_SECRET },
                { "pin_tracker.stateless.concurrent_pins", "7" },
                { "allocator.balanced.allocate_by", "numpin" },
                { "informer.tags.tags", "a:b" },
                { "informer.disk.metric_type", "reposize" },
        };

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                g_assert_cmpint(config_set(config, values[i][0], values[i][1], NULL), ==, 0);
        config->informers.numpin_enabled = true;
}

static void test_exchange(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_freep) Config *other = NULL;
        ConfigDiff diff = {};

        g_assert_cmpint(config_new_default(&f->config, f->folder, NULL), ==, 0);
        g_assert_cmpint(config_write(f->config, NULL), ==, 0);
        g_assert_cmpint(config_load(&other, f->folder, NULL), ==, 0);
        change_all(other);

        config_exchange_live(f->config, other);
        g_assert_cmpstr(f->config->cluster.log_level, ==, "debug");
        g_assert_cmpint(f->config->tracker.concurrent_pins, ==, 7);
        g_assert_cmpstr(f->config->allocate_by.items[0], ==, "numpin");
        g_assert_cmpstr(f->config->informers.tags.items[0].key, ==, "a");
        g_assert_true(f->config->informers.disk_reposize);
        g_assert_true(f->config->informers.numpin_enabled);
        g_assert_cmpstr(f->config->cluster.secret, !=, FIXTURE_SECRET);
        g_assert_cmpint(other->tracker.concurrent_pins, ==, 10);
        g_assert_cmpint(config_diff(f->config, other, &diff), ==, 0);
        assert_names(&diff.restart, "cluster.secret");
        g_assert_cmpuint(diff.live.n, ==, 6);
        config_diff_done(&diff);

        config_exchange_live(f->config, other);
        g_assert_cmpstr(f->config->cluster.log_level, ==, "");
        g_assert_false(f->config->informers.numpin_enabled);
        g_assert_cmpstr(other->cluster.log_level, ==, "debug");
}

static void test_faults(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_freep) Config *other = NULL;

        g_assert_cmpint(config_new_default(&f->config, f->folder, NULL), ==, 0);
        g_assert_cmpint(config_new_default(&other, f->folder, NULL), ==, 0);
        change_all(other);
        FOREACH_FAULT {
                _cleanup_(config_diff_done) ConfigDiff diff = {};
                int r = config_diff(f->config, other, &diff);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpuint(diff.restart.n, ==, fault_fired() ? 0 : 1);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/diff/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("names-what-differs", test_cases);
        ADD("exchange-and-back", test_exchange);
        ADD("allocations-fail", test_faults);
        return g_test_run();
}
