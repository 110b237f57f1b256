#include "daemon/base/log.h"
#include "daemon/service-reload.h"
#include "tests/lib/fault.h"
#include "tests/lib/peer.h"

typedef struct Fixture {
        Peer peer;
        RestApi *rest;
        Arguments arguments;
        Error error;
} Fixture;

static void set_up(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        peer_init(&f->peer);
        g_assert_cmpint(config_write(f->peer.config, NULL), ==, 0);
        g_assert_cmpint(config_identity_write(&f->peer.identity, f->peer.folder, NULL), ==, 0);
        peer_start(&f->peer);
        g_assert_cmpint(log_set_levels("info"), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        rest_api_free(f->rest);
        error_done(&f->error);
        peer_close(&f->peer);
}

static int reload(Fixture *f) {
        error_done(&f->error);
        return service_reload(
                        &(ServiceReload){
                                        .arguments = &f->arguments,
                                        .folder = f->peer.folder,
                                        .config = f->peer.config,
                                        .cluster = f->peer.cluster,
                                        .apis = &f->rest,
                                        .n_apis = 1,
                        },
                        &f->error);
}

/* Somebody edits service.json. */
static void edit(Fixture *f, const char *path, const char *text) {
        _cleanup_(config_freep) Config *config = NULL;

        g_assert_cmpint(config_load(&config, f->peer.folder, NULL), ==, 0);
        g_assert_cmpint(config_set(config, path, text, NULL), ==, 0);
        g_assert_cmpint(config_write(config, NULL), ==, 0);
}

static void assert_levels(const char *expected) {
        _cleanup_free_ char *levels = NULL;

        g_assert_cmpint(log_get_levels(&levels), ==, 0);
        g_assert_cmpstr(levels, ==, expected);
}

static void test_applies(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        edit(f, "pin_tracker.stateless.concurrent_pins", "3");
        edit(f, "informer.tags.tags", "color:red");
        edit(f, "allocator.balanced.allocate_by", "numpin");
        g_assert_cmpint(reload(f), ==, 0);
        g_assert_cmpint(f->peer.config->tracker.concurrent_pins, ==, 3);
        g_assert_cmpstr(f->peer.config->allocate_by.items[0], ==, "numpin");
        peer_until_metric(&f->peer, "tag:color");
        g_assert_cmpint(reload(f), ==, 0); /* nothing is new */
        g_assert_cmpint(f->peer.config->tracker.concurrent_pins, ==, 3);
}

static void test_with_the_api(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        StrList *addresses = &f->peer.config->rest.http_listen_multiaddress;

        g_assert_cmpint(str_copy(&addresses->items[0], "/ip4/127.0.0.1/tcp/0"), ==, 0);
        g_assert_cmpint(rest_api_new(&f->rest,
                                     &(RestApiOptions){
                                                     .surface = &rest_surface,
                                                     .event = f->peer.event,
                                                     .cluster = f->peer.cluster,
                                                     .config = f->peer.config,
                                     },
                                     NULL),
                        ==,
                        0);
        edit(f, "api.restapi.idle_timeout", "9s");
        g_assert_cmpint(reload(f), ==, 0);
        g_assert_cmpint(f->peer.config->rest.idle_timeout, ==, 9 * USEC_PER_SEC);
}

static void test_restart_needed(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        edit(f, "cluster.peername", "another");
        edit(f, "ipfs_connector.ipfshttp.node_multiaddress", "/ip4/127.0.0.1/tcp/1");
        g_assert_cmpint(reload(f), ==, 0);
        g_assert_cmpstr(f->peer.config->cluster.peername, ==, "tester");
        g_assert_cmpstr(f->peer.config->ipfs.node_multiaddress, ==, fake_kubo_multiaddr(f->peer.kubo));
}

static void test_another_identity(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        _cleanup_(config_identity_done) ConfigIdentity other = {};

        g_assert_cmpint(config_identity_generate(&other, NULL), ==, 0);
        g_assert_cmpint(config_identity_write(&other, f->peer.folder, NULL), ==, 0);
        g_assert_cmpint(reload(f), ==, 0);
        g_assert_true(peer_id_equal(cluster_self(f->peer.cluster), &f->peer.identity.id));
}

static void test_wrong(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        static const struct {
                const char *variable, *value, *words;
        } cases[] = {
                { "CLUSTER_SECRET", "no secret", "CLUSTER_SECRET" },
                { "CLUSTER_REPLICATIONFACTORMIN", "7", "cluster.replication_factor_min is larger than max" },
                { "CLUSTER_LOGLEVEL", "loud", "CLUSTER_LOGLEVEL" },
                { "CLUSTER_ID", "x", "CLUSTER_ID" },
        };

        edit(f, "pin_tracker.stateless.concurrent_pins", "3");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_setenv(cases[i].variable, cases[i].value, TRUE);
                g_assert_cmpint(reload(f), <, 0);
                g_unsetenv(cases[i].variable);
                if (!strstr(error_message(&f->error), cases[i].words))
                        g_error("'%s' is not in '%s'", cases[i].words, error_message(&f->error));
                g_assert_cmpint(f->peer.config->tracker.concurrent_pins, ==, 10);
        }
}

static void test_log_level(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        edit(f, "cluster.log_level", "warning,tracker:debug");
        g_assert_cmpint(reload(f), ==, 0);
        assert_levels("warning,tracker:debug");
        g_assert_cmpint(log_set_levels("err"), ==, 0); /* over the bus */
        g_assert_cmpint(reload(f), ==, 0);
        assert_levels("err");
        edit(f, "cluster.log_level", "");
        g_assert_cmpint(reload(f), ==, 0);
        assert_levels("info");

        f->arguments.loglevel = "notice";
        edit(f, "cluster.log_level", "debug");
        g_assert_cmpint(reload(f), ==, 0);
        assert_levels("info");
        service_reload_log_level(f->peer.config, &f->arguments);
        assert_levels("info");
        f->arguments.loglevel = NULL;
        service_reload_log_level(f->peer.config, &f->arguments);
        assert_levels("debug");
        g_assert_cmpint(log_set_levels("info"), ==, 0);
}

static void test_arguments_count(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        f->arguments.leave = true;
        g_assert_cmpint(reload(f), ==, 0);
        g_assert_true(f->peer.config->cluster.leave_on_shutdown);
}

/* All or nothing. */
static void test_faults(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        bool is_applied = false;

        edit(f, "pin_tracker.stateless.concurrent_pins", "3");
        g_assert_cmpint(log_set_levels("crit"), ==, 0);
        FOREACH_FAULT {
                int r = reload(f);

                is_applied |= r >= 0;
                g_assert_cmpint(f->peer.config->tracker.concurrent_pins, ==, is_applied ? 3 : 10);
                g_assert_true(r >= 0 || fault_fired());
        }
        g_assert_true(is_applied);
        g_assert_cmpint(log_set_levels("info"), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func) g_test_add("/daemon/service-reload/" path, Fixture, NULL, set_up, func, tear_down)
        ADD("applies-what-it-can", test_applies);
        ADD("with-the-api", test_with_the_api);
        ADD("the-rest-needs-a-restart", test_restart_needed);
        ADD("another-identity-is-not-taken", test_another_identity);
        ADD("wrong-settings-change-nothing", test_wrong);
        ADD("log-level", test_log_level);
        ADD("arguments-count-as-at-a-start", test_arguments_count);
        ADD("allocations-fail", test_faults);
        return g_test_run();
}
