#include <string.h>

#include "daemon/cluster/import.h"
#include "daemon/cluster/internal.h"
#include "tests/unit/cluster/asked.h"

typedef struct Importing {
        ClusterImport *import;
        unsigned n_woken, n_done;
        int r;
        uint64_t n_committed;
        char *words;
} Importing;

static Peer peer;

static void on_wake(void *userdata) {
        ((Importing *) userdata)->n_woken++;
}

static void on_done(int r, const Error *error, uint64_t n_committed, void *userdata) {
        Importing *importing = userdata;

        importing->n_done++;
        importing->r = r;
        importing->n_committed = n_committed;
        importing->words = g_strdup(r < 0 ? error_message(error) : NULL);
}

static void begin(Importing *importing, const ClusterImportOptions *options) {
        *importing = (Importing){};
        g_assert_cmpint(cluster_import_new(
                                        peer.cluster,
                                        &importing->import,
                                        options,
                                        on_wake,
                                        on_done,
                                        importing),
                        ==,
                        0);
}

static void end(Importing *importing) {
        cluster_import_free(importing->import);
        g_free(importing->words);
}

static void finish(Importing *importing) {
        cluster_import_finish(importing->import);
        g_assert_cmpuint(importing->n_done, ==, 0); /* from the loop */
        PEER_UNTIL(&peer, importing->n_done > 0);
}

static void test_nothing(void) {
        Importing importing;

        peer_open(&peer);
        begin(&importing, NULL);
        finish(&importing);
        g_assert_cmpint(importing.r, ==, 0);
        g_assert_cmpuint(importing.n_committed, ==, 0);
        end(&importing);
        peer_close(&peer);
}

/* More than all batches hold: the taker waits, and is woken. */
static void test_back_pressure(void) {
        uint64_t n = 0, n_waits = 0;
        Importing importing;

        peer_open(&peer);
        begin(&importing, NULL);
        while (n < 6 * CONSENSUS_OPS_MAX) {
                Pin pin = asked_pin_of(n);
                unsigned n_woken = importing.n_woken;
                int r = cluster_import_add(importing.import, &pin, NULL);

                g_assert_cmpint(r, >=, 0);
                n += (uint64_t) r;
                n_waits += r == 0;
                if (r == 0)
                        PEER_UNTIL(&peer, importing.n_woken > n_woken);
        }
        g_assert_cmpuint(n_waits, >, 0);
        finish(&importing);
        g_assert_cmpint(importing.r, ==, 0);
        g_assert_cmpuint(importing.n_committed, ==, n);
        end(&importing);
        peer_close(&peer);
}

static void test_overrides(void) {
        Importing importing;
        PeerIdList allocations = {};
        Pin pin = asked_pin_of(1), stored = {};

        peer_open(&peer);
        g_assert_cmpint(peer_id_list_append(&allocations, cluster_self(peer.cluster)), ==, 0);
        begin(&importing,
              &(ClusterImportOptions){
                              .replication_factor_min = 1,
                              .replication_factor_max = 2,
                              .allocations = &allocations,
              });
        peer_id_list_done(&allocations); /* copied */
        g_assert_cmpint(cluster_import_add(importing.import, &pin, NULL), ==, 1);
        finish(&importing);
        g_assert_cmpint(cluster_pin_get(peer.cluster, &pin.cid, &stored), ==, 1);
        g_assert_cmpint(stored.replication_factor_min, ==, 1);
        g_assert_cmpint(stored.replication_factor_max, ==, 2);
        g_assert_cmpuint(stored.allocations.n, ==, 1);
        pin_done(&stored);
        end(&importing);
        peer_close(&peer);
}

/* A pin that cannot be taken changes nothing; those around it are committed. */
static void test_refused_pins(void) {
        Pin good = asked_pin_of(1), large = asked_pin_of(2), none = asked_pin_of(3);
        Importing importing;
        Error error = {};

        peer_open(&peer);
        large.name = g_strnfill(PIN_BYTES_MAX, 'x');
        none.cid = (Cid){};
        begin(&importing, NULL);
        g_assert_cmpint(cluster_import_add(importing.import, &good, NULL), ==, 1);
        g_assert_cmpint(cluster_import_add(importing.import, &large, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_TOO_BIG);
        asked_assert_has(error.message, "is larger than 65536 bytes");
        error_done(&error);
        g_assert_cmpint(cluster_import_add(importing.import, &none, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        error_done(&error);
        peer.config->cluster.follower_mode = true;
        g_assert_cmpint(cluster_import_add(importing.import, &good, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_REFUSED);
        error_done(&error);
        peer.config->cluster.follower_mode = false;
        good.cid = peer_cid(4);
        g_assert_cmpint(cluster_import_add(importing.import, &good, NULL), ==, 1);
        finish(&importing);
        g_assert_cmpint(importing.r, ==, 0);
        g_assert_cmpuint(importing.n_committed, ==, 2);
        g_free(large.name);
        end(&importing);
        peer_close(&peer);
}

/* Submit until the log takes no more. */
static void fill_log(void) {
        g_autofree char *name = g_strnfill(60000, 'n');
        ConsensusOp ops[16];
        Str bodies[16] = {};
        Error error = {};

        for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
                Pin pin = asked_pin_of(100 + i);

                pin.name = name;
                g_assert_cmpint(pin_write(&pin, &bodies[i]), ==, 0);
                ops[i] = (ConsensusOp){ .kind = CONSENSUS_PIN,
                                        .body = bodies[i].data,
                                        .size = bodies[i].len };
        }
        for (size_t n = G_N_ELEMENTS(ops); n > 0; n /= 4) {
                while (consensus_submit(peer.cluster->consensus, NULL, ops, n, NULL, NULL, &error) >= 0)
                        ;
                g_assert_cmpint(error.code, ==, ERROR_BUSY);
                error_done(&error);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(ops); i++)
                str_done(&bodies[i]);
}

/* Nothing of its own is under way then: the clock has to bring it on. */
static void test_log_full_of_others(void) {
        g_autofree char *name = g_strnfill(60000, 'n');
        Pin pin = asked_pin_of(1);
        Importing importing;

        peer_open(&peer);
        pin.name = name;
        begin(&importing, NULL);
        for (unsigned i = 0; i < 5; i++)
                g_assert_cmpint(cluster_import_add(importing.import, &pin, NULL), ==, 1);
        fill_log();
        g_assert_cmpint(cluster_import_add(importing.import, &pin, NULL), ==, 0);
        PEER_UNTIL(&peer, importing.n_woken > 0);
        finish(&importing);
        g_assert_cmpint(importing.r, ==, 0);
        g_assert_cmpuint(importing.n_committed, ==, 5);
        end(&importing);
        peer_close(&peer);
}

static void test_too_many(void) {
        Importing importing[CLUSTER_IMPORTS_MAX];
        ClusterImport *another = NULL;

        peer_open(&peer);
        for (size_t i = 0; i < CLUSTER_IMPORTS_MAX; i++)
                begin(&importing[i], NULL);
        g_assert_cmpint(cluster_import_new(peer.cluster, &another, NULL, on_wake, on_done, NULL),
                        ==,
                        -EBUSY);
        for (size_t i = 0; i < CLUSTER_IMPORTS_MAX; i++)
                end(&importing[i]);
        begin(&importing[0], NULL);
        end(&importing[0]);
        peer_close(&peer);
}

static void test_drop_under_way(void) {
        Importing importing;

        peer_open(&peer);
        for (unsigned turns = 0; turns < 8; turns++) {
                begin(&importing, NULL);
                for (uint64_t n = 0; n < CONSENSUS_OPS_MAX + 1; n++) {
                        Pin pin = asked_pin_of(n);

                        g_assert_cmpint(cluster_import_add(importing.import, &pin, NULL), ==, 1);
                }
                for (unsigned i = 0; i < turns; i++)
                        g_assert_cmpint(sd_event_run(peer.event, 1000), >=, 0);
                end(&importing);
                g_assert_cmpuint(importing.n_done, ==, 0);
        }
        peer_close(&peer);
}

/* Ends with words, once what was under way is known. */
static void test_stop(void) {
        Importing importing;
        Error error = {};
        Pin pin;

        peer_open(&peer);
        begin(&importing, NULL);
        for (uint64_t n = 0; n < CONSENSUS_OPS_MAX + 1; n++) {
                pin = asked_pin_of(n);
                g_assert_cmpint(cluster_import_add(importing.import, &pin, NULL), ==, 1);
        }
        cluster_stop(peer.cluster);
        PEER_UNTIL(&peer, importing.n_done > 0);
        g_assert_cmpint(importing.r, ==, -ECANCELED);
        g_assert_cmpstr(importing.words, ==, "the peer is being stopped");
        g_assert_cmpuint(importing.n_committed, ==, CONSENSUS_OPS_MAX);
        g_assert_cmpint(cluster_import_add(importing.import, &pin, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_CANCELED);
        error_done(&error);
        end(&importing);
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/import/nothing", test_nothing);
        g_test_add_func("/cluster/import/back-pressure", test_back_pressure);
        g_test_add_func("/cluster/import/overrides", test_overrides);
        g_test_add_func("/cluster/import/refused-pins", test_refused_pins);
        g_test_add_func("/cluster/import/log-full-of-others", test_log_full_of_others);
        g_test_add_func("/cluster/import/too-many", test_too_many);
        g_test_add_func("/cluster/import/drop-under-way", test_drop_under_way);
        g_test_add_func("/cluster/import/stop", test_stop);
        return g_test_run();
}
