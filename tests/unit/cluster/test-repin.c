#include "daemon/cluster/internal.h"
#include "tests/lib/peer.h"

static Peer peer;

static void on_submitted(int r, const Error *error G_GNUC_UNUSED, void *userdata) {
        g_assert_cmpint(r, ==, 0);
        *(bool *) userdata = true;
}

static PeerId stranger(void) {
        PeerId id;

        g_assert_cmpint(peer_id_parse("12D3KooWDpp7U7W9Q8feMZPPEpPP5FKXTUakLgnVLbavfjb9mzrT", &id), ==, 0);
        return id;
}

/* Pin number N as another peer would have left it. */
static void put(uint64_t n, int64_t min, int64_t max, bool here, bool there) {
        Pin pin = { .type = PIN_TYPE_DATA,
                    .max_depth = PIN_DEPTH_RECURSIVE,
                    .cid = peer_cid(n),
                    .replication_factor_min = min,
                    .replication_factor_max = max };
        ConsensusOp op = { .kind = CONSENSUS_PIN };
        _cleanup_(str_done) Str body = {};
        PeerId other = stranger();
        bool done = false;

        if (here)
                g_assert_cmpint(peer_id_list_append(&pin.allocations, cluster_self(peer.cluster)), ==, 0);
        if (there)
                g_assert_cmpint(peer_id_list_append(&pin.allocations, &other), ==, 0);
        g_assert_cmpint(pin_write(&pin, &body), ==, 0);
        op.body = body.data;
        op.size = body.len;
        g_assert_cmpint(peers_submit(peer.cluster->peers, NULL, &op, 1, on_submitted, &done, NULL), ==, 0);
        PEER_UNTIL(&peer, done);
        peer_id_list_done(&pin.allocations);
}

static size_t n_places(uint64_t n, bool *ret_there) {
        PeerId other = stranger();
        Cid cid = peer_cid(n);
        Pin pin = {};
        size_t count;

        g_assert_cmpint(cluster_pin_get(peer.cluster, &cid, &pin), ==, 1);
        count = pin.allocations.n;
        *ret_there = peer_id_list_contains(&pin.allocations, &other);
        pin_done(&pin);
        return count;
}

static bool is_only_here(uint64_t n) {
        bool there;

        return n_places(n, &there) == 1 && !there;
}

static void set_up(void) {
        peer_init(&peer);
        peer.config->cluster.monitor_ping_interval = 20 * USEC_PER_MSEC;
        peer_start(&peer);
        peer_until_metric(&peer, "freespace");
}

/* What a peer that is no member any more has held goes to members, though enough are left. */
static void test_vacates(void) {
        set_up();
        put(1, 1, 1, false, true);
        put(2, 1, 2, true, true);
        for (uint64_t n = 100; n < 400; n++) /* several batches */
                put(n, 1, 1, false, true);
        cluster_repin_soon(peer.cluster->repin);
        PEER_UNTIL(&peer, is_only_here(1));
        PEER_UNTIL(&peer, is_only_here(2));
        for (uint64_t n = 100; n < 400; n++)
                PEER_UNTIL(&peer, is_only_here(n));
        peer_close(&peer);
}

/* What finds no place stays as it is, so that nothing is lost. */
static void test_no_place(void) {
        bool there;

        set_up();
        put(1, 2, 2, true, true);
        put(2, 1, 1, false, true);
        cluster_repin_soon(peer.cluster->repin);
        PEER_UNTIL(&peer, is_only_here(2)); /* the round is over */
        g_assert_cmpuint(n_places(1, &there), ==, 2);
        g_assert_true(there);
        peer_close(&peer);
}

static void test_everywhere(void) {
        bool there;

        set_up();
        put(1, -1, -1, false, false);
        put(2, 1, 1, false, true);
        cluster_repin_soon(peer.cluster->repin);
        PEER_UNTIL(&peer, is_only_here(2));
        g_assert_cmpuint(n_places(1, &there), ==, 0);
        peer_close(&peer);
}

/* In the middle of a round. */
static void test_stop(void) {
        set_up();
        for (uint64_t n = 0; n < 200; n++)
                put(n, 1, 1, false, true);
        cluster_repin_soon(peer.cluster->repin);
        PEER_UNTIL(&peer, is_only_here(0) || is_only_here(199));
        peer_stop(&peer);
        peer_start(&peer);
        for (uint64_t n = 0; n < 200; n++)
                PEER_UNTIL(&peer, is_only_here(n));
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/repin/vacates", test_vacates);
        g_test_add_func("/cluster/repin/no-place", test_no_place);
        g_test_add_func("/cluster/repin/everywhere", test_everywhere);
        g_test_add_func("/cluster/repin/stop", test_stop);
        return g_test_run();
}
