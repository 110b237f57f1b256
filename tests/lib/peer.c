#include "tests/lib/peer.h"

#include <fcntl.h>
#include <stdio.h>

#include "daemon/base/file.h"
#include "daemon/base/time.h"

#define TICK_USEC 5000

void peer_turn(Peer *peer, gint64 deadline) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpint(sd_event_run(peer->event, TICK_USEC), >=, 0);
}

static void on_ready(void *userdata) {
        ((Peer *) userdata)->n_ready++;
}

static void on_failed(int exit_status G_GNUC_UNUSED, void *userdata) {
        ((Peer *) userdata)->n_failed++;
}

void peer_init(Peer *peer) {
        Error error = {};

        *peer = (Peer){ .folder = g_dir_make_tmp("peer-XXXXXX", NULL) };
        g_assert_nonnull(peer->folder);
        g_assert_cmpint(sd_event_new(&peer->event), >=, 0);
        g_assert_cmpint(fake_kubo_new(&peer->kubo, peer->event), ==, 0);
        g_assert_cmpint(config_new_default(&peer->config, peer->folder, &error), ==, 0);
        g_assert_cmpint(config_identity_generate(&peer->identity, &error), ==, 0);
        g_assert_cmpint(str_copy(&peer->config->ipfs.node_multiaddress, fake_kubo_multiaddr(peer->kubo)),
                        ==,
                        0);
        g_assert_cmpint(str_copy(&peer->config->cluster.peername, "tester"), ==, 0);
}

void peer_begin(Peer *peer) {
        const ClusterOptions options = {
                .config = peer->config,
                .identity = &peer->identity,
                .state_folder = peer->folder,
                .ready = on_ready,
                .failed = on_failed,
                .userdata = peer,
        };
        Error error = {};

        peer->n_ready = 0;
        g_assert_cmpint(cluster_new(&peer->cluster, peer->event, &options, &error), ==, 0);
}

void peer_start(Peer *peer) {
        peer_begin(peer);
        PEER_UNTIL(peer, peer->n_ready > 0);
}

void peer_open(Peer *peer) {
        peer_init(peer);
        peer_start(peer);
}

void peer_stop(Peer *peer) {
        g_assert_cmpint(cluster_close(TAKE_PTR(peer->cluster)), ==, 0);
}

void peer_close(Peer *peer) {
        if (peer->cluster)
                peer_stop(peer);
        fake_kubo_free(peer->kubo);
        config_identity_done(&peer->identity);
        config_free(peer->config);
        sd_event_unref(peer->event);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, peer->folder), ==, 0);
        g_free(peer->folder);
}

static bool has_metric(const Peer *peer, const char *name) {
        _cleanup_free_ const Metric **metrics = NULL;
        size_t n;

        g_assert_cmpint(cluster_metrics(peer->cluster, name, &metrics, &n), ==, 0);
        return n > 0;
}

void peer_until_metric(Peer *peer, const char *name) {
        PEER_UNTIL(peer, has_metric(peer, name));
}

Cid peer_cid(uint64_t n) {
        Cid cid;

        cid_of_bytes(CID_CODEC_RAW, &n, sizeof(n), &cid);
        return cid;
}

char *peer_cid_text(uint64_t n, char text[static CID_TEXT_MAX]) {
        Cid cid = peer_cid(n);

        return cid_format(&cid, text);
}

typedef struct Filling {
        bool waits, is_done;
} Filling;

static void on_wake(void *userdata) {
        ((Filling *) userdata)->waits = false;
}

static void on_filled(
                int r,
                const Error *error G_GNUC_UNUSED,
                uint64_t n_committed G_GNUC_UNUSED,
                void *userdata) {
        g_assert_cmpint(r, ==, 0);
        ((Filling *) userdata)->is_done = true;
}

void peer_fill(Peer *peer, uint64_t first, uint64_t n, const char *name) {
        Pin pin = {
                .replication_factor_min = -1,
                .replication_factor_max = -1,
                .name = (char *) name,
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .timestamp = time_now(),
        };
        Filling filling = {};
        ClusterImport *import;

        g_assert_cmpint(cluster_import_new(peer->cluster, &import, NULL, on_wake, on_filled, &filling),
                        ==,
                        0);
        for (uint64_t i = first; i < first + n;) {
                int r;

                pin.cid = peer_cid(i);
                r = cluster_import_add(import, &pin, NULL);
                g_assert_cmpint(r, >=, 0);
                filling.waits = r == 0;
                i += (uint64_t) r;
                PEER_UNTIL(peer, !filling.waits);
        }
        cluster_import_finish(import);
        PEER_UNTIL(peer, filling.is_done);
        cluster_import_free(import);
}
