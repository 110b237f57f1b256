#include "daemon/config/write.h"
#include "tests/unit/config/fixture.h"

/* Byte for byte what the Go program's init writes. */
static void check_golden(Fixture *f, const char *name) {
        g_autofree char *golden = fixture_golden(name), *written = NULL;
        g_autoptr(GString) expected = g_string_new(golden);
        g_autofree char *path = g_build_filename(f->folder, CONFIG_FILE, NULL);
        GStatBuf st;

        g_string_replace(expected, "<64 hex digits>", FIXTURE_SECRET, 1);
        g_assert_cmpint(config_write(f->config, &f->error), ==, 0);
        written = fixture_get(f, CONFIG_FILE);
        g_assert_cmpstr(written, ==, expected->str);
        g_assert_cmpint(g_stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0600);
}

static void new_named(Fixture *f, const char *name) {
        g_assert_cmpint(config_new_default(&f->config, f->folder, &f->error), ==, 0);
        g_assert_cmpint(str_copy(&f->config->cluster.peername, name), ==, 0);
        g_assert_cmpint(str_copy(&f->config->cluster.secret, FIXTURE_SECRET), ==, 0);
}

static void test_init(Fixture *f, const void *data G_GNUC_UNUSED) {
        new_named(f, "vm");
        check_golden(f, "init-raft.service.json");
}

static void test_init_peers(Fixture *f, const void *data G_GNUC_UNUSED) {
        StrList *peers;

        new_named(f, "vm");
        peers = &f->config->raft.init_peerset;
        g_assert_cmpint(str_list_append(peers, "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"), ==, 0);
        g_assert_cmpint(str_list_append(peers, "QmUZ13osndQ5uL4tPWHXe3iBgBgq9gfewcBMSCAuMBsDJ6"), ==, 0);
        check_golden(f, "init-raft-peers.service.json");
}

static void test_init_environment(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(config_new_default(&f->config, f->folder, &f->error), ==, 0);
        g_setenv("CLUSTER_SECRET", FIXTURE_SECRET, true);
        g_setenv("CLUSTER_PEERNAME", "from-env", true);
        g_setenv("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS",
                 "/ip4/127.0.0.1/tcp/23001,/ip4/127.0.0.1/tcp/23002",
                 true);
        g_assert_cmpint(config_apply_environment(f->config, &f->error), ==, 0);
        g_unsetenv("CLUSTER_SECRET");
        g_unsetenv("CLUSTER_PEERNAME");
        g_unsetenv("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS");
        check_golden(f, "init-raft-env.service.json");
}

/* What is loaded and written is the same text when it is loaded and written again. */
static void check_round_trip(Fixture *f, const char *text) {
        g_autofree char *first = NULL, *second = NULL;

        if (fixture_load(f, text) < 0)
                g_error("%s: %s", text, error_message(&f->error));
        g_assert_cmpint(config_write(f->config, NULL), ==, 0);
        first = fixture_get(f, CONFIG_FILE);

        if (fixture_load(f, first) < 0)
                g_error("%s: %s", first, error_message(&f->error));
        g_assert_cmpint(config_write(f->config, NULL), ==, 0);
        second = fixture_get(f, CONFIG_FILE);
        g_assert_cmpstr(second, ==, first);
}

static void test_round_trip(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char *const names[] = {
                "init-raft.service.json",
                "init-raft-env.service.json",
                "init-raft-peers.service.json",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                g_autofree char *golden = fixture_golden(names[i]), *written = NULL;
                g_autoptr(GString) text = g_string_new(golden);

                g_string_replace(text, "<64 hex digits>", FIXTURE_SECRET, 1);
                check_round_trip(f, text->str);
                written = fixture_get(f, CONFIG_FILE);
                g_assert_cmpstr(written, ==, text->str);
        }
        check_round_trip(f, "{\"cluster_peers\":[],\"state_sync_seconds\":7}");
}

/* Unknown keys stay, in their section, after the known ones; sections that are not there stay away. */
static void test_unknown(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *written = NULL;

        g_assert_cmpint(fixture_load(f,
                                     "{\"zz\":{\"<a>\":[1,2.50,null]},\"cluster\":{\"odd\":true,"
                                     "\"listen_multiaddress\":\"/ip4/1.2.3.4/tcp/1\"},\"consensus\":{\"raft\":{}},"
                                     "\"informer\":{\"odd\":{}},\"state\":{}}"),
                        ==,
                        0);
        g_assert_cmpint(config_write(f->config, NULL), ==, 0);
        written = fixture_get(f, CONFIG_FILE);
        g_assert_nonnull(strstr(written, "\"peer_addresses\": [],\n    \"odd\": true\n  },"));
        g_assert_nonnull(strstr(written, "\"informer\": {\n    \"odd\": {}\n  },"));
        g_assert_nonnull(strstr(written, "2.50"));
        g_assert_true(g_str_has_suffix(written, "\"state\": {}\n}"));
        g_assert_null(strstr(written, "\"api\""));
        g_assert_null(strstr(written, "datastore"));
        g_assert_null(strstr(written, "observations"));
}

static void test_hidden(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *written = NULL;

        new_named(f, "vm");
        f->config->tracker.max_pin_queue_size = 5;
        f->config->cluster.follower_mode = true;
        f->config->ipfs.unpin_disable = true;
        g_assert_cmpint(str_copy(&f->config->ipfs.authorization, "bearer:x"), ==, 0);
        g_assert_cmpint(str_copy(&f->config->raft.data_folder, "data"), ==, 0);
        g_assert_cmpint(config_write(f->config, NULL), ==, 0);
        written = fixture_get(f, CONFIG_FILE);
        g_assert_nonnull(strstr(written, "\"stateless\": {\n      \"max_pin_queue_size\": 5,"));
        g_assert_nonnull(strstr(written, "\"disable_repinning\": true,\n    \"follower_mode\": true,"));
        g_assert_nonnull(strstr(
                        written, "\"informer_trigger_interval\": 0,\n      \"unpin_disable\": true\n"));
        g_assert_nonnull(strstr(written, "\"authorization\": \"bearer:x\","));
        g_assert_nonnull(strstr(written, "\"raft\": {\n      \"data_folder\": \"data\","));
}

static void test_no_folder(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *folder = g_build_filename(f->folder, "none", NULL);

        g_assert_cmpint(config_new_default(&f->config, folder, &f->error), ==, 0);
        g_assert_cmpint(config_write(f->config, &f->error), ==, -ENOENT);
        g_assert_true(g_str_has_suffix(
                        error_message(&f->error), "/none/service.json: No such file or directory"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/write/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("init-as-recorded", test_init);
        ADD("init-with-peers-as-recorded", test_init_peers);
        ADD("init-with-environment-as-recorded", test_init_environment);
        ADD("round-trip", test_round_trip);
        ADD("unknown-keys-stay", test_unknown);
        ADD("keys-hidden-at-their-default", test_hidden);
        ADD("no-folder", test_no_folder);
        return g_test_run();
}
