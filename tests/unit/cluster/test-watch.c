#include "daemon/cluster/internal.h"
#include "tests/unit/cluster/asked.h"

typedef struct Heard {
        unsigned n_changed, n_added, n_removed, n_status, n_leaders, n_alerts, n_links, n_peers;
        int status;
        char *name;
        ClusterWatch *ends; /* by the first pin */
} Heard;

static Peer peer;

static void on_changed(void *userdata) {
        ((Heard *) userdata)->n_changed++;
}

static void on_leader(const PeerId *leader G_GNUC_UNUSED, void *userdata) {
        ((Heard *) userdata)->n_leaders++;
}

static void on_alert(const Alert *alert G_GNUC_UNUSED, void *userdata) {
        ((Heard *) userdata)->n_alerts++;
}

static void on_added(const Pin *pin, void *userdata) {
        Heard *heard = userdata;

        heard->n_added++;
        g_free(heard->name);
        heard->name = g_strdup(pin->name);
        if (heard->ends)
                cluster_unwatch(heard->ends);
}

static void on_removed(const Cid *cid, void *userdata) {
        g_assert_true(cid_is_defined(cid));
        ((Heard *) userdata)->n_removed++;
}

static void on_status(const Cid *cid, const PinInfo *info, void *userdata) {
        Heard *heard = userdata;

        g_assert_true(cid_is_defined(cid));
        heard->n_status++;
        heard->status |= info->status;
}

static void on_link(void *userdata) {
        ((Heard *) userdata)->n_links++;
}

static void on_peers(void *userdata) {
        ((Heard *) userdata)->n_peers++;
}

static const ClusterEvents all = { on_changed, on_leader, on_alert, on_added,
                                   on_removed, on_status, on_link,  on_peers };
static const ClusterEvents none = {};

static void unpin(uint64_t n) {
        Cid cid = peer_cid(n);
        Asked asked = {};

        g_assert_cmpint(cluster_unpin(peer.cluster, &asked.call, &cid, NULL, asked_on_pin, &asked), ==, 0);
        asked_wait(&peer, &asked);
        asked_done(&asked);
}

/* Until then statuses are not known for sure. */
static void wait_until_complete(void) {
        ClusterSummary summary;

        PEER_UNTIL(&peer, (cluster_summary(peer.cluster, &summary), summary.is_complete));
}

static void test_news(void) {
        Heard heard = {}, quiet = {};
        ClusterWatch watch = { .events = &all, .userdata = &heard, .per_pin = true };
        ClusterWatch without = { .events = &all, .userdata = &quiet };
        ClusterWatch deaf = { .events = &none, .per_pin = true };
        const Alert alert = {};

        peer_open(&peer);
        wait_until_complete();
        cluster_watch(peer.cluster, &deaf);
        cluster_watch(peer.cluster, &watch);
        cluster_watch(peer.cluster, &without);
        peer_fill(&peer, 1, 1, "one");
        PEER_UNTIL(&peer, heard.status & PIN_STATUS_PINNED);
        g_assert_cmpuint(heard.n_added, ==, 1);
        g_assert_cmpstr(heard.name, ==, "one");
        unpin(1);
        g_assert_cmpuint(heard.n_removed, ==, 1);
        cluster_tell_leader(peer.cluster, cluster_self(peer.cluster));
        cluster_tell_alert(peer.cluster, &alert);
        cluster_tell_link(peer.cluster);
        cluster_tell_peers(peer.cluster);
        g_assert_cmpuint(heard.n_peers, ==, 1);
        g_assert_cmpuint(heard.n_links, ==, 1);
        g_assert_cmpuint(heard.n_leaders, ==, 1);
        g_assert_cmpuint(heard.n_alerts, ==, 1);
        g_assert_cmpuint(heard.n_changed, >, 0);

        /* who does not ask for pins is told the rest */
        g_assert_cmpuint(quiet.n_added + quiet.n_removed + quiet.n_status, ==, 0);
        g_assert_cmpuint(quiet.n_changed, ==, heard.n_changed);
        g_assert_cmpuint(quiet.n_leaders + quiet.n_alerts, ==, 2);

        cluster_unwatch(&watch);
        cluster_unwatch(&watch);
        cluster_unwatch(&without);
        peer_fill(&peer, 2, 1, "two");
        g_assert_cmpuint(heard.n_added, ==, 1);
        cluster_unwatch(&deaf);
        g_free(heard.name);
        peer_close(&peer);
}

/* A watch that ends in its handler hears nothing more; others do. */
static void test_end_within(void) {
        Heard first = {}, second = {};
        ClusterWatch watch = { .events = &all, .userdata = &first, .per_pin = true };
        ClusterWatch other = { .events = &all, .userdata = &second, .per_pin = true };

        first.ends = &watch;
        peer_open(&peer);
        cluster_watch(peer.cluster, &watch);
        cluster_watch(peer.cluster, &other);
        peer_fill(&peer, 1, 5, "x");
        g_assert_cmpuint(first.n_added, ==, 1);
        g_assert_cmpuint(second.n_added, ==, 5);
        cluster_unwatch(&other);
        g_free(first.name);
        g_free(second.name);
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/watch/news", test_news);
        g_test_add_func("/cluster/watch/end-within", test_end_within);
        return g_test_run();
}
