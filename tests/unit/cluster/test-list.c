#include <string.h>

#include "daemon/cluster/list.h"
#include "tests/lib/fault.h"
#include "tests/unit/cluster/set.h"

static Peer peer;

static void set_up(void) {
        peer_open(&peer);
}

static void tear_down(void) {
        peer_close(&peer);
}

static size_t count_lines(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static char *pins(PinType filter) {
        ClusterList *list = NULL;

        g_assert_cmpint(cluster_list_pins(peer.cluster, &list, filter, NULL), ==, 0);
        return asked_list(&peer, list);
}

static void test_pins(void) {
        static const struct {
                PinType filter;
                size_t n;
        } cases[] = {
                { PIN_TYPE_ALL, 11 },
                { PIN_TYPE_DATA, 10 },
                { PIN_TYPE_SHARD, 1 },
                { PIN_TYPE_META, 0 },
                { PIN_TYPE_META | PIN_TYPE_SHARD, 1 },
        };
        Pin shard = asked_pin_of(100);

        set_up();
        shard.type = PIN_TYPE_SHARD;
        peer_fill(&peer, 0, 10, "n");
        asked_pin(&peer, 100, &shard);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_free_ char *text = pins(cases[i].filter);

                g_assert_cmpuint(count_lines(text), ==, cases[i].n);
        }
        tear_down();
}

/* A filter that nothing passes: the list yields to the loop between its steps. */
static void test_a_long_search_yields(void) {
        _cleanup_free_ char *text = NULL;
        ClusterList *list = NULL;
        const void *item;

        set_up();
        peer_fill(&peer, 0, 2 * CLUSTER_LIST_STEPS, NULL);
        g_assert_cmpint(cluster_list_pins(peer.cluster, &list, PIN_TYPE_META, NULL), ==, 0);
        g_assert_cmpint(cluster_list_next(list, &item, NULL), ==, CLUSTER_LIST_WAIT);
        text = asked_list(&peer, list);
        g_assert_cmpstr(text, ==, "");
        tear_down();
}

/* What changes while a list is read is not seen by it. */
static void test_a_list_is_one_view(void) {
        ClusterList *list = NULL;
        _cleanup_free_ char *text = NULL;

        set_up();
        peer_fill(&peer, 0, 100, NULL);
        g_assert_cmpint(cluster_list_pins(peer.cluster, &list, PIN_TYPE_ALL, NULL), ==, 0);
        peer_fill(&peer, 100, 2000, NULL);
        text = asked_list(&peer, list);
        g_assert_cmpuint(count_lines(text), ==, 100);
        tear_down();
}

static void test_many_at_once(void) {
        ClusterList *lists[CLUSTER_LISTS_MAX + 1] = {};
        Error error = {};

        set_up();
        peer_fill(&peer, 0, 100, NULL);
        for (size_t i = 0; i < CLUSTER_LISTS_MAX; i++)
                g_assert_cmpint(cluster_list_pins(peer.cluster, &lists[i], PIN_TYPE_ALL, &error), ==, 0);
        g_assert_cmpint(cluster_list_pins(peer.cluster, &lists[CLUSTER_LISTS_MAX], PIN_TYPE_ALL, &error),
                        <,
                        0);
        g_assert_cmpint(error.code, ==, ERROR_BUSY);
        asked_assert_has(error.message, "60 lists are being read already");
        error_done(&error);

        peer_fill(&peer, 100, 1000, NULL);
        for (size_t i = 0; i < CLUSTER_LISTS_MAX; i++) {
                _cleanup_free_ char *text = asked_list(&peer, lists[i]);

                g_assert_cmpuint(count_lines(text), ==, 100);
        }
        tear_down();
}

static void test_peers(void) {
        static const FakeAnswer down = { .status = 500,
                                         .body = "{\"Message\":\"no\",\"Code\":0,\"Type\":\"error\"}" };
        ClusterList *list = NULL;
        char *text;

        set_up();
        g_assert_cmpint(cluster_list_peers(peer.cluster, &list, NULL), ==, 0);
        text = asked_list(&peer, list);
        g_assert_cmpuint(count_lines(text), ==, 1);
        asked_assert_has(text, "\"peername\":\"tester\"");
        asked_assert_has(text, FAKE_KUBO_ID);
        free(text);

        fake_kubo_plan(peer.kubo, "id", NULL, &down);
        g_assert_cmpint(cluster_list_peers(peer.cluster, &list, NULL), ==, 0);
        text = asked_list(&peer, list);
        g_assert_cmpuint(count_lines(text), ==, 1); /* a Kubo that fails is part of the answer */
        g_assert_false(asked_has(text, "\"addresses\":null,\"error\":\"\""));
        free(text);
        tear_down();
}

static int open_pins(ClusterList **ret, Error *reterr) {
        return cluster_list_pins(peer.cluster, ret, PIN_TYPE_ALL, reterr);
}

static int open_statuses(ClusterList **ret, Error *reterr) {
        return cluster_list_statuses(peer.cluster, ret, &(ClusterStatusQuery){}, reterr);
}

static int open_cids(ClusterList **ret, Error *reterr) {
        Cid cid = peer_cid(3);

        return cluster_list_statuses(
                        peer.cluster, ret, &(ClusterStatusQuery){ .cids = &cid, .n_cids = 1 }, reterr);
}

static int open_peers(ClusterList **ret, Error *reterr) {
        return cluster_list_peers(peer.cluster, ret, reterr);
}

/* Each allocation fails in turn: the list is whole, or it ends with words. */
static void test_out_of_memory(void) {
        static int (*const opens[])(ClusterList * *ret, Error * reterr) = {
                open_pins, open_statuses, open_cids, open_peers
        };

        set_up();
        peer_fill(&peer, 0, 20, "name");
        for (size_t i = 0; i < G_N_ELEMENTS(opens); i++)
                FOREACH_FAULT {
                        ClusterList *list = NULL;
                        Error error = {};
                        const void *item;
                        int r = opens[i](&list, &error);

                        while (r >= 0 && (r = cluster_list_next(list, &item, &error)) == 1)
                                ;
                        if (r < 0)
                                g_assert_cmpint(error.code, ==, ERROR_NO_MEMORY);
                        error_done(&error);
                        cluster_list_free(list);
                        g_assert_cmpuint(peer.cluster->n_lists, ==, 0);
                }
        tear_down();
}

static void on_wake(void *userdata) {
        (*(unsigned *) userdata)++;
}

/* Whoever waits for a list is woken, from the loop, and told why it ends. */
static void test_stop(void) {
        ClusterList *waiting = NULL, *scanning = NULL, *late = NULL;
        unsigned n_woken = 0;
        const void *item;
        Error error = {};

        set_up();
        peer_fill(&peer, 0, 100, NULL);
        fake_kubo_plan(peer.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        g_assert_cmpint(cluster_list_peers(peer.cluster, &waiting, NULL), ==, 0);
        cluster_list_on_wake(waiting, on_wake, &n_woken);
        g_assert_cmpint(cluster_list_next(waiting, &item, NULL), ==, CLUSTER_LIST_WAIT);
        g_assert_cmpint(cluster_list_pins(peer.cluster, &scanning, PIN_TYPE_ALL, NULL), ==, 0);
        g_assert_cmpint(cluster_list_next(scanning, &item, NULL), ==, 1);

        cluster_stop(peer.cluster);
        g_assert_cmpuint(n_woken, ==, 0);
        PEER_UNTIL(&peer, n_woken > 0);
        g_assert_cmpint(cluster_list_next(waiting, &item, &error), <, 0);
        g_assert_cmpstr(error.message, ==, "the peer is being stopped");
        error_done(&error);
        g_assert_cmpint(cluster_list_next(scanning, &item, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_CANCELED);
        error_done(&error);
        g_assert_cmpint(cluster_list_pins(peer.cluster, &late, PIN_TYPE_ALL, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_CANCELED);
        error_done(&error);
        cluster_list_free(waiting);
        cluster_list_free(scanning);
        tear_down();
}

/* ---- all peers */

static char *list_peers(Set *set, unsigned i) {
        ClusterList *list;

        g_assert_cmpint(cluster_list_peers(set->peers[i].cluster, &list, NULL), ==, 0);
        return asked_list(&set->peers[i], list);
}

static void test_all_peers(Set *set, gconstpointer data G_GNUC_UNUSED) {
        char id[PEER_ID_TEXT_MAX];

        for (unsigned i = 0; i < SET_N; i++) {
                g_autofree char *text = list_peers(set, i);

                g_assert_cmpuint(set_count(text, "\n"), ==, SET_N);
                g_assert_cmpuint(set_count(text, "\"error\":\"\""), ==, 2 * SET_N);
                g_assert_cmpuint(set_count(text, "\"peername\":\"peer"), ==, SET_N);
        }

        /* as recorded: the unreachable one is last, with nothing but its ID and the words */
        set_stop_third(set);
        for (unsigned i = 0; i < 2; i++) {
                g_autofree char *text = list_peers(set, i);
                g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
                g_autofree char *expected = g_strdup_printf(
                                "{\"id\":\"%s\",\"addresses\":null,\"cluster_peers\":null,"
                                "\"cluster_peers_addresses\":null,\"version\":\"\",\"commit\":\"\","
                                "\"rpc_protocol_version\":\"\",\"error\":\"peer ",
                                peer_id_format(&set->peers[2].identity.id, id));

                g_assert_cmpuint(g_strv_length(lines), ==, SET_N + 1);
                g_assert_true(g_str_has_prefix(lines[2], expected));
                asked_assert_has(lines[2], " was not reached within 50ms: ");
                g_assert_true(g_str_has_suffix(
                                lines[2],
                                "\"ipfs\":{\"addresses\":null,\"error\":\"\"},\"peername\":\"\"}"));
        }
}

static void test_false_peer(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const char *const answers[] = { "", "null", "{\"id\":\"" FAKE_KUBO_ID "\"}", "{\"id\":7}" };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                g_autofree char *text = NULL;

                set->impostor.answer = answers[i];
                set->impostor.size = strlen(answers[i]);
                text = list_peers(set, 0);
                g_assert_cmpuint(
                                set_count(text, "\"error\":\"the peer has given no proper answer\""), ==, 1);
                g_assert_cmpuint(set_count(text, "\n"), ==, SET_N);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/list/pins", test_pins);
        g_test_add_func("/cluster/list/a-long-search-yields", test_a_long_search_yields);
        g_test_add_func("/cluster/list/a-list-is-one-view", test_a_list_is_one_view);
        g_test_add_func("/cluster/list/many-at-once", test_many_at_once);
        g_test_add_func("/cluster/list/peers", test_peers);
        g_test_add_func("/cluster/list/out-of-memory", test_out_of_memory);
        g_test_add_func("/cluster/list/stop", test_stop);
        SET_TEST("/cluster/list/all-peers", test_all_peers);
        SET_IMPOSTOR_TEST("/cluster/list/false-peer", test_false_peer);
        return g_test_run();
}
