#include "daemon/offline/peer.h"
#include "tests/unit/offline/stopped.h"

static void test_open(Stopped *s, const void *data G_GNUC_UNUSED) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;
        g_autofree char *raft = stopped_path(s, "raft");

        g_assert_cmpint(offline_peer_open(&peer, s->folder), ==, 0);
        g_assert_cmpstr(peer.state_folder, ==, s->folder);
        g_assert_cmpstr(peer.raft_folder, ==, raft);
        g_assert_cmpint(peer.lock_fd, >=, 0);
        g_assert_true(peer_id_is_set(&peer.identity.id));
}

static int open_peer(const void *data) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;

        return offline_peer_open(&peer, data);
}

/* What a configuration has that nobody uses is told by the daemon, not by each verb. */
static void test_silent(Stopped *s, const void *data G_GNUC_UNUSED) {
        Said said = said_by(open_peer, s->folder, NULL);

        g_assert_cmpstr(said.err, ==, "");
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
}

static void check_refused(const Stopped *s, const char *begins, int status) {
        Said said = stopped_said_by(open_peer, s->folder, NULL);

        if (!g_str_has_prefix(said.err, begins))
                g_error("%s, not %s", said.err, begins);
        g_assert_cmpint(said.status, ==, status);
        said_done(&said);
}

static void test_refused(Stopped *s, const void *data G_GNUC_UNUSED) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;
        g_autofree char *config = stopped_path(s, "service.json"), *locked = NULL;

        g_assert_cmpint(offline_peer_open(&peer, s->folder), ==, 0);
        locked = g_strdup_printf(
                        "error obtaining execution lock: lock %s/cluster.lock: someone else has the lock (process %ld)",
                        s->folder,
                        (long) getpid());
        check_refused(s, locked, 1);
        offline_peer_done(&peer);

        stopped_put(s, "identity.json", "{}");
        check_refused(s, "error loading configurations: identity.json: id: \"\" is not allowed", 78);
        stopped_put(s, "service.json", "{");
        check_refused(s, "error loading configurations: service.json: not valid JSON at byte 1", 78);
        g_assert_cmpint(g_unlink(config), ==, 0);
        check_refused(s, "error loading configurations: open ", 1);
}

static void test_back_up(Stopped *s, const void *data G_GNUC_UNUSED) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;

        g_assert_cmpint(offline_peer_open(&peer, s->folder), ==, 0);
        peer.config->raft.backups_rotate = 3;
        g_assert_cmpint(offline_peer_back_up(&peer, peer.raft_folder), ==, 0); /* nothing is there */
        g_assert_false(stopped_has(s, "raft.old.0"));

        for (int i = 0; i < 5; i++) {
                g_autofree char *text = g_strdup_printf("%d", i);

                stopped_put(s, "raft/name", text);
                g_assert_cmpint(offline_peer_back_up(&peer, peer.raft_folder), ==, 0);
        }
        for (int i = 0; i < 3; i++) {
                g_autofree char *name = g_strdup_printf("raft.old.%d/name", i), *text = stopped_get(s, name);
                g_autofree char *expected = g_strdup_printf("%d", 4 - i);

                g_assert_cmpstr(text, ==, expected);
        }
        g_assert_false(stopped_has(s, "raft.old.3"));
        g_assert_false(stopped_has(s, "raft"));
}

static void test_drop_caches(Stopped *s, const void *data G_GNUC_UNUSED) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;

        stopped_put(s, "pins.gdbm", "");
        stopped_put(s, "tracker.dirty", "");
        g_assert_cmpint(offline_peer_open(&peer, s->folder), ==, 0);
        g_assert_cmpint(offline_peer_drop_caches(&peer), ==, 0);
        g_assert_false(stopped_has(s, "pins.gdbm"));
        g_assert_false(stopped_has(s, "tracker.dirty"));
        g_assert_true(stopped_has(s, "service.json"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/offline/peer/" path, Stopped, NULL, stopped_set_up, func, stopped_tear_down)
        ADD("open", test_open);
        ADD("silent", test_silent);
        ADD("refused", test_refused);
        ADD("back-up", test_back_up);
        ADD("drop-caches", test_drop_caches);
        return g_test_run();
}
