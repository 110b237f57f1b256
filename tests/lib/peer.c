#include "tests/lib/peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "daemon/base/file.h"
#include "daemon/base/time.h"
#include "daemon/cluster/import.h"
#include "tests/lib/loopback.h"

#define TICK_USEC 5000
#define ELECTION_USEC (300 * (int64_t) USEC_PER_MSEC)
/* Of one that is alone, which leads at once: its log has no timer that could meet what a test makes fail. */
#define NEVER_USEC (3600 * (int64_t) USEC_PER_SEC)

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

static void peer_init_on(Peer *peer, sd_event *event) {
        Error error = {};

        *peer = (Peer){ .folder = g_dir_make_tmp("peer-XXXXXX", NULL), .event = event, .fd = -1 };
        g_assert_nonnull(peer->folder);
        g_assert_cmpint(fake_kubo_new(&peer->kubo, peer->event), ==, 0);
        g_assert_cmpint(config_new_default(&peer->config, peer->folder, &error), ==, 0);
        g_assert_cmpint(config_identity_generate(&peer->identity, &error), ==, 0);
        g_assert_cmpint(str_copy(&peer->config->ipfs.node_multiaddress, fake_kubo_multiaddr(peer->kubo)),
                        ==,
                        0);
        g_assert_cmpint(str_copy(&peer->config->cluster.peername, "tester"), ==, 0);
}

void peer_init(Peer *peer) {
        sd_event *event;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        peer_init_on(peer, event);
        peer->config->raft.heartbeat_timeout = peer->config->raft.election_timeout = NEVER_USEC;
}

void peer_begin(Peer *peer) {
        int fd = peer->fd < 0 && peer->port > 0 ? loopback_listen(&peer->port) : TAKE_FD(peer->fd);
        const ClusterOptions options = {
                .config = peer->config,
                .identity = &peer->identity,
                .state_folder = peer->folder,
                .peer_fds = &fd,
                .n_peer_fds = fd >= 0,
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
        if (peer->fd >= 0)
                (void) close(peer->fd);
        fake_kubo_free(peer->kubo);
        config_identity_done(&peer->identity);
        config_free(peer->config);
        sd_event_unref(peer->event);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, peer->folder), ==, 0);
        g_free(peer->folder);
}

/* ---- several */

static void set_address(Peer *peer) {
        g_autofree char *address = NULL;

        peer->fd = loopback_listen(&peer->port);
        address = g_strdup_printf("/ip4/127.0.0.1/tcp/%u", peer->port);
        str_list_done(&peer->config->cluster.listen_multiaddress);
        g_assert_cmpint(str_list_append(&peer->config->cluster.listen_multiaddress, address), ==, 0);
}

static void set_know(Peer *peer, const Peer *other) {
        const char *address = other->config->cluster.listen_multiaddress.items[0];
        char id[PEER_ID_TEXT_MAX], *with_id;

        (void) peer_id_format(&other->identity.id, id);
        g_assert_cmpint(str_list_append(&peer->config->raft.init_peerset, id), ==, 0);
        if (peer == other)
                return;
        g_assert_cmpint(multiaddr_with_peer_id(address, &other->identity.id, &with_id), ==, 0);
        g_assert_cmpint(str_list_append_take(&peer->config->cluster.peer_addresses, with_id), ==, 0);
}

void peer_set_init(Peer *peers, size_t n) {
        sd_event *event;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        for (size_t i = 0; i < n; i++) {
                g_autofree char *name = g_strdup_printf("peer%zu", i);

                peer_init_on(&peers[i], sd_event_ref(event));
                g_assert_cmpint(str_copy(&peers[i].config->cluster.peername, name), ==, 0);
                peers[i].config->raft.heartbeat_timeout = ELECTION_USEC;
                peers[i].config->raft.election_timeout = ELECTION_USEC;
                set_address(&peers[i]);
        }
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < n; k++)
                        set_know(&peers[i], &peers[k]);
        sd_event_unref(event);
}

static bool set_is_linked(const Peer *peers, size_t n) {
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < n; k++)
                        if (peers[i].cluster && !cluster_peer_is_up(peers[i].cluster, &peers[k].identity.id))
                                return false;
        return true;
}

void peer_set_start(Peer *peers, size_t n) {
        for (size_t i = 0; i < n; i++)
                peer_begin(&peers[i]);
        peer_set_until_linked(peers, n);
}

void peer_set_until_linked(Peer *peers, size_t n) {
        for (size_t i = 0; i < n; i++)
                PEER_UNTIL(&peers[i], !peers[i].cluster || peers[i].n_ready > 0);
        PEER_UNTIL(&peers[0], set_is_linked(peers, n));
}

void peer_set_close(Peer *peers, size_t n) {
        for (size_t i = 0; i < n; i++)
                peer_close(&peers[i]);
}

/* ---- */

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
