#include <string.h>

#include "tests/unit/cluster/asked.h"

static Peer peer;

static void set_up(void) {
        peer_open(&peer);
}

static void tear_down(void) {
        peer_close(&peer);
}

static size_t count(const char *text, const char *part) {
        size_t n = 0;

        while ((text = strstr(text, part))) {
                n++;
                text += strlen(part);
        }
        return n;
}

static char *statuses(PinStatus filter, const Cid *cids, size_t n_cids) {
        ClusterList *list = NULL;

        g_assert_cmpint(cluster_list_statuses(
                                        peer.cluster,
                                        &list,
                                        &(ClusterStatusQuery){
                                                        .filter = filter, .cids = cids, .n_cids = n_cids },
                                        NULL),
                        ==,
                        0);
        return asked_list(&peer, list);
}

/* ---- those that are wanted */

static bool is_even(const Pin *pin, void *userdata) {
        char text[CID_TEXT_MAX], other[CID_TEXT_MAX];
        unsigned *n_asked = userdata;

        (*n_asked)++;
        for (unsigned i = 2; i <= 8; i += 2)
                if (!strcmp(cid_format(&pin->cid, text), peer_cid_text(i, other)))
                        return true;
        return false;
}

static char *wanted(ClusterStatusQuery query, unsigned *n_asked) {
        ClusterList *list = NULL;

        *n_asked = 0;
        query.wants = is_even;
        query.userdata = n_asked;
        g_assert_cmpint(cluster_list_statuses(peer.cluster, &list, &query, NULL), ==, 0);
        return asked_list(&peer, list);
}

static void until_listed(PinStatus filter, size_t n) {
        for (;;) {
                _cleanup_free_ char *text = statuses(filter, NULL, 0);

                if (count(text, "\n") == n)
                        return;
                peer_turn(&peer, G_MAXINT64);
        }
}

static void test_by_filter(void) {
        char text[CID_TEXT_MAX];
        _cleanup_free_ char *failed = NULL, *all = NULL, *none = NULL;
        Pin elsewhere = asked_pin_of(4);

        set_up();
        fake_kubo_plan(peer.kubo,
                       "pin/add",
                       peer_cid_text(3, text),
                       &(FakeAnswer){ .body = "{\"Progress\":1}\n", .trailer = "no such block" });
        asked_pin(&peer, 1, NULL);
        asked_pin(&peer, 2, NULL);
        asked_pin(&peer, 3, NULL);
        elsewhere.name = (char *) "name";
        asked_pin(&peer, 4, &elsewhere);
        until_listed(PIN_STATUS_PIN_ERROR, 1);
        until_listed(PIN_STATUS_PINNED, 3);

        failed = statuses(PIN_STATUS_PIN_ERROR, NULL, 0);
        asked_assert_has(failed, "no such block");
        asked_assert_has(failed, peer_cid_text(3, text));
        all = statuses(0, NULL, 0);
        g_assert_cmpuint(count(all, "\n"), ==, 4);
        g_assert_cmpuint(count(all, "\"error\":\"\""), ==, 3); /* nothing is left from the item before */
        g_assert_cmpuint(count(all, "\"attempt_count\":0"), ==, 3);
        g_assert_cmpuint(count(all, "\"name\":\"name\""), ==, 1);
        none = statuses(PIN_STATUS_REMOTE, NULL, 0);
        g_assert_cmpstr(none, ==, "");
        tear_down();
}

static void test_wanted(void) {
        const Cid cids[] = { peer_cid(4), peer_cid(3), peer_cid(9) };
        _cleanup_free_ char *all = NULL, *filtered = NULL, *given = NULL;
        unsigned n_asked;

        set_up();
        peer_fill(&peer, 1, 5, "x");
        until_listed(PIN_STATUS_PINNED, 5);
        all = wanted((ClusterStatusQuery){}, &n_asked);
        g_assert_cmpuint(count(all, "\n"), ==, 2);
        g_assert_cmpuint(n_asked, ==, 5);
        filtered = wanted((ClusterStatusQuery){ .filter = PIN_STATUS_PIN_ERROR }, &n_asked);
        g_assert_cmpstr(filtered, ==, "");
        g_assert_cmpuint(n_asked, ==, 0); /* nothing has a record */

        fake_kubo_forget_requests(peer.kubo);
        given = wanted((ClusterStatusQuery){ .cids = cids, .n_cids = 3 }, &n_asked);
        g_assert_cmpuint(count(given, "\n"), ==, 1);
        g_assert_cmpuint(fake_kubo_count(peer.kubo, "pin/ls"), ==, 1); /* of no other one */
        tear_down();
}

/* An unpin that failed is told although its CID has left the pinset. */
static void test_a_failed_unpin_is_listed(void) {
        static const FakeAnswer no = { .status = 500,
                                       .body = "{\"Message\":\"busy\",\"Code\":0,\"Type\":\"error\"}" };
        Cid cid = peer_cid(1);
        Asked asked = {};

        set_up();
        asked_pin(&peer, 1, NULL);
        until_listed(PIN_STATUS_PINNED, 1);
        fake_kubo_plan(peer.kubo, "pin/rm", NULL, &no);
        g_assert_cmpint(cluster_unpin(peer.cluster, &asked.call, &cid, NULL, asked_on_pin, &asked), ==, 0);
        asked_wait(&peer, &asked);
        asked_done(&asked);
        until_listed(PIN_STATUS_UNPIN_ERROR, 1);
        until_listed(0, 1);
        tear_down();
}

static void test_cids(void) {
        Cid cids[] = { peer_cid(2), peer_cid(99), peer_cid(1), peer_cid(2) };
        _cleanup_free_ char *text = NULL;

        set_up();
        asked_pin(&peer, 1, NULL);
        asked_pin(&peer, 2, NULL);
        until_listed(PIN_STATUS_PINNED, 2);
        text = statuses(PIN_STATUS_PIN_ERROR, cids, G_N_ELEMENTS(cids)); /* the filter does not count */
        g_assert_cmpuint(count(text, "\n"), ==, 4);
        g_assert_cmpuint(count(text, "\"status\":\"pinned\""), ==, 3);
        g_assert_cmpuint(count(text, "\"status\":\"unpinned\""), ==, 1);
        tear_down();
}

static void test_too_many_cids(void) {
        g_autofree Cid *cids = g_new0(Cid, CLUSTER_CIDS_MAX + 1);
        ClusterList *list = NULL;
        Error error = {};

        set_up();
        g_assert_cmpint(cluster_list_statuses(
                                        peer.cluster,
                                        &list,
                                        &(ClusterStatusQuery){ .cids = cids,
                                                               .n_cids = CLUSTER_CIDS_MAX + 1 },
                                        &error),
                        <,
                        0);
        g_assert_cmpint(error.code, ==, ERROR_TOO_BIG);
        error_done(&error);
        tear_down();
}

/* One time-out for the list, not one for each of its CIDs. */
static void test_cids_of_a_silent_kubo(void) {
        Cid cids[64];
        _cleanup_free_ char *text = NULL;

        peer_init(&peer);
        peer.config->ipfs.ipfs_request_timeout = USEC_PER_SEC;
        peer_start(&peer);
        for (size_t i = 0; i < G_N_ELEMENTS(cids); i++) {
                asked_pin(&peer, i, NULL);
                cids[i] = peer_cid(i);
        }
        until_listed(PIN_STATUS_PINNED, G_N_ELEMENTS(cids));
        fake_kubo_plan(peer.kubo, "pin/ls", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fake_kubo_forget_requests(peer.kubo);
        text = statuses(0, cids, G_N_ELEMENTS(cids));
        g_assert_cmpuint(count(text, "\"status\":\"cluster_error\""), ==, G_N_ELEMENTS(cids));
        g_assert_cmpuint(fake_kubo_count(peer.kubo, "pin/ls"), <, G_N_ELEMENTS(cids));
        tear_down();
}

static ClusterList *checked(bool sync) {
        ClusterList *list = NULL;

        g_assert_cmpint(sync ? cluster_list_sync(peer.cluster, &list, NULL)
                             : cluster_list_recover(peer.cluster, &list, false, NULL),
                        ==,
                        0);
        return list;
}

static void test_recover_and_sync(void) {
        char text[CID_TEXT_MAX];
        char *listed;

        set_up();
        asked_pin(&peer, 1, NULL);
        asked_pin(&peer, 2, NULL);
        until_listed(PIN_STATUS_PINNED, 2);
        listed = asked_list(&peer, checked(false));
        g_assert_cmpstr(listed, ==, "");
        free(listed);

        fake_kubo_pin(peer.kubo, peer_cid_text(1, text), NULL);
        listed = asked_list(&peer, checked(true));
        g_assert_cmpuint(count(listed, "\n"), ==, 1);
        asked_assert_has(listed, peer_cid_text(1, text));
        asked_assert_has(listed, "unexpectedly_unpinned");
        free(listed);

        listed = asked_list(&peer, checked(false));
        g_assert_cmpuint(count(listed, "\n"), ==, 1);
        asked_assert_has(listed, peer_cid_text(1, text));
        free(listed);
        until_listed(PIN_STATUS_PINNED, 2);
        tear_down();
}

/* The words come from the tracker's call, which is dropped when it has answered. */
static void test_recover_with_a_kubo_that_fails(void) {
        static const FakeAnswer answers[] = {
                { .status = 500, .body = "{\"Message\":\"broken\",\"Code\":0,\"Type\":\"error\"}" },
                { .body = "{\"Ke", .fault = FAKE_CUT },
        };

        set_up();
        asked_pin(&peer, 1, NULL);
        until_listed(PIN_STATUS_PINNED, 1);
        free(asked_list(&peer, checked(false))); /* the check of the start has ended */
        for (size_t i = 0; i < G_N_ELEMENTS(answers) * 2; i++) {
                _cleanup_free_ char *text = NULL;

                fake_kubo_plan(peer.kubo, "pin/ls", NULL, &answers[i / 2]);
                text = asked_list(&peer, checked(i % 2 == 1));
                asked_assert_has(text, "error: ");
                asked_assert_has(text, "pin/ls");
                fake_kubo_forget_plans(peer.kubo);
        }
        tear_down();
}

static void test_drop_while_kubo_is_asked(void) {
        Cid cid = peer_cid(1);
        ClusterList *list = NULL;
        const void *item;

        set_up();
        asked_pin(&peer, 1, NULL);
        until_listed(PIN_STATUS_PINNED, 1);
        fake_kubo_plan(peer.kubo, "pin/ls", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        g_assert_cmpint(cluster_list_statuses(
                                        peer.cluster,
                                        &list,
                                        &(ClusterStatusQuery){ .cids = &cid, .n_cids = 1 },
                                        NULL),
                        ==,
                        0);
        g_assert_cmpint(cluster_list_next(list, &item, NULL), ==, CLUSTER_LIST_WAIT);
        cluster_list_free(list);
        list = checked(true);
        g_assert_cmpint(cluster_list_next(list, &item, NULL), ==, CLUSTER_LIST_WAIT);
        cluster_list_free(list);
        tear_down();
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/status-list/by-filter", test_by_filter);
        g_test_add_func("/cluster/status-list/wanted", test_wanted);
        g_test_add_func("/cluster/status-list/a-failed-unpin-is-listed", test_a_failed_unpin_is_listed);
        g_test_add_func("/cluster/status-list/cids", test_cids);
        g_test_add_func("/cluster/status-list/too-many-cids", test_too_many_cids);
        g_test_add_func("/cluster/status-list/cids-of-a-silent-kubo", test_cids_of_a_silent_kubo);
        g_test_add_func("/cluster/status-list/recover-and-sync", test_recover_and_sync);
        g_test_add_func("/cluster/status-list/recover-with-a-kubo-that-fails",
                        test_recover_with_a_kubo_that_fails);
        g_test_add_func("/cluster/status-list/drop-while-kubo-is-asked", test_drop_while_kubo_is_asked);
        return g_test_run();
}
