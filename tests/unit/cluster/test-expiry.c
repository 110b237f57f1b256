#include <string.h>

#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"
#include "tests/unit/cluster/asked.h"

static Peer peer;

static void set_up(void) {
        peer_init(&peer);
        peer.config->cluster.state_sync_interval = 20 * USEC_PER_MSEC;
        peer_start(&peer);
}

static void tear_down(void) {
        peer_close(&peer);
}

/* As an import brings it: also with an expiry that has passed. */
static void put(uint64_t n, uint64_t expire_at) {
        _cleanup_(str_done) Str body = {};
        Pin pin = asked_pin_of(n);
        ConsensusOp op;

        pin.expire_at = expire_at;
        g_assert_cmpint(pin_write(&pin, &body), ==, 0);
        op = (ConsensusOp){ .kind = CONSENSUS_PIN, .body = body.data, .size = body.len };
        g_assert_cmpint(consensus_submit(peer.cluster->consensus, NULL, &op, 1, NULL, NULL, NULL), ==, 0);
}

static int is_there(uint64_t n) {
        Cid cid = peer_cid(n);
        Pin pin = {};
        int r = cluster_pin_get(peer.cluster, &cid, &pin);

        pin_done(&pin);
        return r;
}

static void test_what_is_due_goes(void) {
        uint64_t now = time_now();

        set_up();
        peer_fill(&peer, 100, 2000, NULL);
        put(1, now - USEC_PER_SEC);
        put(2, now + 3600 * USEC_PER_SEC);
        put(3, 0);
        PEER_UNTIL(&peer, is_there(3) == 1);
        PEER_UNTIL(&peer, is_there(1) == 0);
        g_assert_cmpint(is_there(2), ==, 1);
        g_assert_cmpint(is_there(3), ==, 1);
        put(4, now - USEC_PER_SEC); /* later than the first scan */
        PEER_UNTIL(&peer, is_there(4) == 1);
        PEER_UNTIL(&peer, is_there(4) == 0);
        g_assert_cmpuint(state_pinset_count(consensus_pinset(peer.cluster->consensus)), ==, 2002);
        tear_down();
}

/* What has pinning requests lives on by them, and does not expire again. */
static void test_requests_stay(void) {
        Pin pin = asked_pin_of(1);
        PinRequest request = { .created = 7 };
        _cleanup_(str_done) Str body = {};
        Cid cid = peer_cid(1);
        ConsensusOp op;

        set_up();
        pin.expire_at = time_now() - USEC_PER_SEC;
        g_assert_cmpint(pin_request_list_take(&pin.requests, &request), ==, 0);
        g_assert_cmpint(pin_write(&pin, &body), ==, 0);
        op = (ConsensusOp){ .kind = CONSENSUS_PIN, .body = body.data, .size = body.len };
        g_assert_cmpint(consensus_submit(peer.cluster->consensus, NULL, &op, 1, NULL, NULL, NULL), ==, 0);
        PEER_UNTIL(&peer, is_there(1) == 1);
        put(2, time_now() - USEC_PER_SEC);
        for (bool only = false; !only;) {
                _cleanup_(pin_done) Pin now = {};

                peer_turn(&peer, G_MAXINT64);
                g_assert_cmpint(cluster_pin_get(peer.cluster, &cid, &now), ==, 1);
                g_assert_cmpuint(now.requests.n, ==, 1);
                g_assert_cmpint(now.requests_only, ==, now.expire_at == 0);
                only = now.requests_only;
        }
        PEER_UNTIL(&peer, is_there(2) == 0);
        PEER_UNTIL(&peer, peer.cluster->expiry.earliest == UINT64_MAX);
        g_assert_cmpint(is_there(1), ==, 1);
        pin_done(&pin);
        tear_down();
}

static void test_no_scan_before_its_time(void) {
        ClusterExpiry *expiry;
        uint64_t due = (time_now() / USEC_PER_SEC + 3600) * USEC_PER_SEC;

        set_up();
        expiry = &peer.cluster->expiry;
        put(1, due);
        PEER_UNTIL(&peer, expiry->earliest == due);
        for (unsigned i = 0; i < 20; i++) {
                g_assert_null(expiry->scan);
                g_assert_cmpint(sd_event_run(peer.event, 5000), >=, 0);
        }
        tear_down();
}

static void test_followers_do_not_unpin(void) {
        uint64_t fired = 0;

        peer_init(&peer);
        peer.config->cluster.follower_mode = true;
        peer.config->cluster.state_sync_interval = 20 * USEC_PER_MSEC;
        peer_start(&peer);
        put(1, time_now() - USEC_PER_SEC);
        PEER_UNTIL(&peer, is_there(1) == 1);
        for (gint64 end = g_get_monotonic_time() + 100000; g_get_monotonic_time() < end; fired++)
                g_assert_cmpint(sd_event_run(peer.event, 5000), >=, 0);
        g_assert_null(peer.cluster->expiry.scan);
        g_assert_cmpint(is_there(1), ==, 1);
        tear_down();
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/expiry/what-is-due-goes", test_what_is_due_goes);
        g_test_add_func("/cluster/expiry/requests-stay", test_requests_stay);
        g_test_add_func("/cluster/expiry/no-scan-before-its-time", test_no_scan_before_its_time);
        g_test_add_func("/cluster/expiry/followers-do-not-unpin", test_followers_do_not_unpin);
        return g_test_run();
}
