#include <string.h>

#include "daemon/cluster/gather.h"
#include "tests/lib/fault.h"
#include "tests/unit/cluster/set.h"

/* An item with records at several peers is told once, whether they are asked for records or not. */
static void test_errors(Set *set, gconstpointer data G_GNUC_UNUSED) {
        set_pin_three(set);
        fake_kubo_plan(set->peers[1].kubo, "pin/add", NULL, &set_refusal);
        fake_kubo_plan(set->peers[2].kubo, "pin/add", NULL, &set_refusal);
        set_pin(set, 4, "");
        set_pin(set, 5, "2");
        set_until_status(set, 4, 0, PIN_STATUS_PINNED);
        set_until_status(set, 4, 1, PIN_STATUS_PIN_ERROR);
        set_until_status(set, 4, 2, PIN_STATUS_PIN_ERROR);
        set_until_status(set, 5, 2, PIN_STATUS_PIN_ERROR);
        for (unsigned i = 0; i < SET_N; i++) {
                set_assert_told(set_statuses(set, i, PIN_STATUS_PIN_ERROR),
                                "4 1=pin_error(no) 2=pin_error(no)\n5 2=pin_error(no)");
                set_assert_told(set_statuses(set, i, PIN_STATUS_PIN_ERROR | PIN_STATUS_REMOTE),
                                "2 1=remote\n3 0=remote 2=remote\n4 1=pin_error(no) 2=pin_error(no)\n"
                                "5 0=remote 1=remote 2=pin_error(no)");
        }
}

/* An unpin that fails is not hidden once the CID has left the pinset. */
static void test_unpins(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const char told[] = "3 0=unpinned 1=unpin_error(no) 2=unpinned";
        const Cid cid = peer_cid(3);
        Asked asked = {};

        set_pin_three(set);
        fake_kubo_plan(set->peers[1].kubo, "pin/rm", NULL, &set_refusal);
        g_assert_cmpint(cluster_unpin(set->peers[0].cluster, &asked.call, &cid, NULL, asked_on_pin, &asked),
                        ==,
                        0);
        asked_wait(&set->peers[0], &asked);
        asked_done(&asked);
        set_until_status(set, 3, 0, PIN_STATUS_UNPINNED);
        set_until_status(set, 3, 2, PIN_STATUS_UNPINNED);
        set_until_status(set, 3, 1, PIN_STATUS_UNPIN_ERROR);
        for (unsigned i = 0; i < SET_N; i++) {
                g_autofree char *all = set_statuses(set, i, 0);

                if (!g_str_has_suffix(all, told))
                        g_assert_cmpstr(all, ==, told);
                set_assert_told(set_statuses(set, i, PIN_STATUS_UNPIN_ERROR), "3 1=unpin_error(no)");
                set_assert_told(set_statuses(set, i, PIN_STATUS_ERROR), "3 1=unpin_error(no)");
        }
}

static bool is_idle(const Peer *peer) {
        ClusterSummary summary;

        cluster_summary(peer->cluster, &summary);
        return summary.n_queued == 0;
}

/* Records come in pages: those under way, and those that wait. */
static void test_pages(Set *set, gconstpointer data G_GNUC_UNUSED) {
        g_autofree char *text = NULL;

        fake_kubo_plan(set->peers[2].kubo, "pin/add", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        peer_fill(&set->peers[0], 1000, 1200, "many");
        set_until_applied(set, 2199);
        for (unsigned i = 0; i < 2; i++)
                PEER_UNTIL(&set->peers[i], is_idle(&set->peers[i]));
        text = set_statuses(set, 1, PIN_STATUS_PIN_QUEUED | PIN_STATUS_PINNING);
        g_assert_cmpuint(set_count(text, " 2=pin"), ==, 1200);
}

/* ---- recover, sync */

static void test_recover(Set *set, gconstpointer data G_GNUC_UNUSED) {
        ClusterList *list;

        set_pin_three(set);
        for (unsigned i = 1; i < SET_N; i++)
                fake_kubo_plan(set->peers[i].kubo, "pin/add", NULL, &set_refusal);
        set_pin(set, 4, "");
        set_pin(set, 5, "2");
        set_until_status(set, 4, 0, PIN_STATUS_PINNED);
        set_until_status(set, 4, 1, PIN_STATUS_PIN_ERROR);
        set_until_status(set, 4, 2, PIN_STATUS_PIN_ERROR);
        set_until_status(set, 5, 2, PIN_STATUS_PIN_ERROR);
        for (unsigned i = 1; i < SET_N; i++)
                fake_kubo_forget_plans(set->peers[i].kubo);

        g_assert_cmpint(cluster_list_recover(set->peers[0].cluster, &list, false, NULL), ==, 0);
        set_assert_told(set_told(set, list), "4 1=pin_queued 2=pin_queued\n5 2=pin_queued");
        set_until_status(set, 4, 1, PIN_STATUS_PINNED);
        set_until_status(set, 4, 2, PIN_STATUS_PINNED);
        set_until_status(set, 5, 2, PIN_STATUS_PINNED);
        g_assert_cmpint(cluster_list_recover(set->peers[2].cluster, &list, false, NULL), ==, 0);
        set_assert_told(set_told(set, list), "");
}

/* A Kubo that is down is no success. */
static void test_recover_without_kubo(Set *set, gconstpointer data G_GNUC_UNUSED) {
        for (unsigned i = 0; i < 2; i++) { /* this peer's, and another's */
                g_autofree char *text = NULL;
                ClusterList *list;

                set_until_complete(set, i);
                fake_kubo_stop(set->peers[i].kubo);
                g_assert_cmpint(cluster_list_recover(set->peers[0].cluster, &list, false, NULL), ==, 0);
                text = set_told(set, list);
                asked_assert_has(text, "error: not all peers have done it: 12D3Koo");
                g_assert_cmpint(fake_kubo_start(set->peers[i].kubo), ==, 0);
        }
}

static void test_sync(Set *set, gconstpointer data G_GNUC_UNUSED) {
        char text[CID_TEXT_MAX];
        ClusterList *list;

        set_pin_three(set);
        fake_kubo_pin(set->peers[1].kubo, peer_cid_text(1, text), NULL);
        fake_kubo_pin(set->peers[2].kubo, peer_cid_text(1, text), NULL);
        fake_kubo_pin(set->peers[2].kubo, peer_cid_text(2, text), NULL);
        g_assert_cmpint(cluster_list_sync(set->peers[0].cluster, &list, NULL), ==, 0);
        set_assert_told(set_told(set, list),
                        "1 0=pinned 1=unexpectedly_unpinned(the item should be pinned but it is not) "
                        "2=unexpectedly_unpinned(the item should be pinned but it is not)\n"
                        "2 0=pinned 1=remote 2=unexpectedly_unpinned(the item should be pinned but it is not)");

        fake_kubo_pin(set->peers[2].kubo, peer_cid_text(2, text), "recursive"); /* found again, and fine */
        g_assert_cmpint(cluster_list_sync(set->peers[0].cluster, &list, NULL), ==, 0);
        set_assert_told(set_told(set, list),
                        "1 0=pinned 1=unexpectedly_unpinned(the item should be pinned but it is not) "
                        "2=unexpectedly_unpinned(the item should be pinned but it is not)\n"
                        "2 0=pinned 1=remote 2=pinned");
}

/* ---- dropped, stopped, out of memory */

static void begin(Set *set, ClusterListKind kind, ClusterList **ret) {
        const Cid cid = peer_cid(1);
        ClusterStatusQuery query = { .cids = &cid };
        int r = 0;

        switch (kind) {
        case CLUSTER_LIST_CIDS:
                query.n_cids = 1;
                r = cluster_list_statuses(set->peers[0].cluster, ret, &query, NULL);
                break;
        case CLUSTER_LIST_STATUSES:
                r = cluster_list_statuses(set->peers[0].cluster, ret, &query, NULL);
                break;
        case CLUSTER_LIST_RECOVER:
                r = cluster_list_recover(set->peers[0].cluster, ret, false, NULL);
                break;
        case CLUSTER_LIST_SYNC:
                r = cluster_list_sync(set->peers[0].cluster, ret, NULL);
                break;
        }
        g_assert_cmpint(r, ==, 0);
}

static void on_wake(void *userdata) {
        ++*(unsigned *) userdata;
}

/* After each number of turns of the loop. */
static void test_dropped(Set *set, gconstpointer data G_GNUC_UNUSED) {
        set_pin_three(set);
        for (ClusterListKind kind = 0; kind <= CLUSTER_LIST_SYNC; kind++)
                for (unsigned turns = 0; turns < 30; turns++) {
                        unsigned n_wakes = 0;
                        const void *item;
                        ClusterList *list;

                        begin(set, kind, &list);
                        cluster_list_on_wake(list, on_wake, &n_wakes);
                        for (unsigned i = 0; i < turns; i++) {
                                g_assert_cmpint(cluster_list_next(list, &item, NULL), >=, 0);
                                g_assert_cmpint(sd_event_run(set->peers[0].event, 0), >=, 0);
                        }
                        cluster_list_free(list);
                }
        set_assert_told(set_statuses(set, 0, PIN_STATUS_REMOTE), "2 1=remote\n3 0=remote 2=remote");
}

static void test_stopped(Set *set, gconstpointer data G_GNUC_UNUSED) {
        ClusterList *lists[CLUSTER_LIST_SYNC + 1];
        const void *item;

        set_pin_three(set);
        for (ClusterListKind kind = 0; kind <= CLUSTER_LIST_SYNC; kind++) {
                begin(set, kind, &lists[kind]);
                g_assert_cmpint(cluster_list_next(lists[kind], &item, NULL), ==, CLUSTER_LIST_WAIT);
        }
        cluster_stop(set->peers[0].cluster);
        for (ClusterListKind kind = 0; kind <= CLUSTER_LIST_SYNC; kind++) {
                Error error = {};

                g_assert_cmpint(cluster_list_next(lists[kind], &item, &error), ==, -ECANCELED);
                g_assert_cmpstr(error.message, ==, CLUSTER_IS_STOPPING);
                error_done(&error);
                cluster_list_free(lists[kind]);
        }
}

static void test_memory(Set *set, gconstpointer data G_GNUC_UNUSED) {
        set_pin_three(set);
        FOREACH_FAULT {
                const ClusterStatusQuery query = {};
                ClusterList *list = NULL;
                const void *item;
                int r;

                r = cluster_list_statuses(set->peers[0].cluster, &list, &query, NULL);
                if (r >= 0)
                        r = cluster_list_next(list, &item, NULL);
                g_assert_true(r == CLUSTER_LIST_WAIT || r == -ENOMEM);
                cluster_list_free(list);
        }
        set_assert_told(set_statuses(set, 0, PIN_STATUS_REMOTE), "2 1=remote\n3 0=remote 2=remote");
}

/* ---- those that are wanted: nobody is asked about others */

static bool is_named(const Pin *pin, void *userdata) {
        return !g_strcmp0(pin->name, userdata);
}

static unsigned n_told(Set *set, const ClusterStatusQuery *query) {
        g_autofree char *text = NULL;
        ClusterList *list;

        g_assert_cmpint(cluster_list_statuses(set->peers[1].cluster, &list, query, NULL), ==, 0);
        text = set_told(set, list);
        return set_count(text, " 0=pinned 1=pinned 2=pinned");
}

static void test_wanted(Set *set, gconstpointer data G_GNUC_UNUSED) {
        const Cid cids[] = { peer_cid(1000), peer_cid(5), peer_cid(9), peer_cid(1001) };
        ClusterStatusQuery query = { .wants = is_named, .userdata = (char *) "few" };

        peer_fill(&set->peers[0], 1, 3, "few");
        peer_fill(&set->peers[0], 1000, CLUSTER_LIST_STEPS + 100, "many");
        peer_fill(&set->peers[0], 5, 3, "few");
        set_until_applied(set, 7);
        for (unsigned i = 0; i < SET_N; i++)
                set_until_status(set, 7, i, PIN_STATUS_PINNED);
        g_assert_cmpuint(n_told(set, &query), ==, 6);
        query.userdata = (char *) "nobody";
        g_assert_cmpuint(n_told(set, &query), ==, 0);
        query.userdata = (char *) "few";
        query.cids = cids;
        query.n_cids = G_N_ELEMENTS(cids);
        g_assert_cmpuint(n_told(set, &query), ==, 1);
        query = (ClusterStatusQuery){ .wants = is_named,
                                      .userdata = (char *) "few",
                                      .filter = PIN_STATUS_PIN_ERROR };
        g_assert_cmpuint(n_told(set, &query), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        SET_TEST("/cluster/gather/errors-once-an-item", test_errors);
        SET_TEST("/cluster/gather/failed-unpin-is-not-hidden", test_unpins);
        SET_TEST("/cluster/gather/pages", test_pages);
        SET_TEST("/cluster/gather/wanted", test_wanted);
        SET_TEST("/cluster/gather/recover", test_recover);
        SET_TEST("/cluster/gather/recover-without-kubo", test_recover_without_kubo);
        SET_TEST("/cluster/gather/sync", test_sync);
        SET_TEST("/cluster/gather/dropped", test_dropped);
        SET_TEST("/cluster/gather/stopped", test_stopped);
        SET_TEST("/cluster/gather/out-of-memory", test_memory);
        return g_test_run();
}
