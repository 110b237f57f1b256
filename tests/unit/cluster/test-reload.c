#include "daemon/base/time.h"
#include "daemon/cluster/host.h"
#include "daemon/cluster/internal.h"
#include "tests/lib/fault.h"
#include "tests/unit/cluster/asked.h"

static Peer peer;

static void reload(void) {
        g_assert_cmpint(cluster_reload(peer.cluster, NULL), ==, 0);
}

static void test_kubo_is_asked_with_the_new_authorization(void) {
        peer_open(&peer);
        g_assert_null(fake_kubo_authorization(peer.kubo));
        g_assert_cmpint(str_copy(&peer.config->ipfs.authorization, "bearer:new"), ==, 0);
        reload();
        fake_kubo_forget_requests(peer.kubo);
        asked_pin(&peer, 1, NULL);
        PEER_UNTIL(&peer, fake_kubo_count(peer.kubo, "pin/add") == 1);
        g_assert_cmpstr(fake_kubo_authorization(peer.kubo), ==, "Bearer new");
        peer_close(&peer);
}

static void test_metrics_are_told_anew(void) {
        peer_open(&peer);
        peer_until_metric(&peer, "freespace");
        peer.config->informers.disk_reposize = true;
        g_assert_cmpint(str_map_set(&peer.config->informers.tags, "color", "red"), ==, 0);
        reload();
        peer_until_metric(&peer, "reposize");
        peer_until_metric(&peer, "tag:color");
        peer_close(&peer);
}

static void test_expired_pins_go_after_the_new_interval(void) {
        Cid cid = peer_cid(1);
        Pin pin = asked_pin_of(1), found = {};

        peer_open(&peer);
        pin.expire_at = time_now() + 200 * USEC_PER_MSEC;
        asked_pin(&peer, 1, &pin);
        peer.config->cluster.state_sync_interval = 20 * USEC_PER_MSEC;
        reload();
        PEER_UNTIL(&peer, (pin_done(&found), cluster_pin_get(peer.cluster, &cid, &found) == 0));
        peer_close(&peer);
}

/* What a failure leaves works on. */
static void test_faults(void) {
        MetricsInformer *before;

        peer_open(&peer);
        FOREACH_FAULT {
                int r;

                before = peer.cluster->informer;
                r = cluster_reload(peer.cluster, NULL);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_true(r == 0 || peer.cluster->informer == before);
        }
        peer_until_metric(&peer, "ping");
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/reload/authorization", test_kubo_is_asked_with_the_new_authorization);
        g_test_add_func("/cluster/reload/metrics", test_metrics_are_told_anew);
        g_test_add_func("/cluster/reload/expiry", test_expired_pins_go_after_the_new_interval);
        g_test_add_func("/cluster/reload/allocations-fail", test_faults);
        return g_test_run();
}
