#include <string.h>

#include "tests/unit/cluster/asked.h"

static Peer peer;

typedef int (*Question)(Asked *asked);

static int ask_id(Asked *asked) {
        return cluster_id(peer.cluster, &asked->call, asked_on_peer, asked);
}

static int ask_graph(Asked *asked) {
        return cluster_graph(peer.cluster, &asked->call, asked_on_graph, asked);
}

static int ask_gc(Asked *asked) {
        return cluster_collect_garbage(peer.cluster, &asked->call, false, asked_on_gc, asked);
}

static int ask_gc_local(Asked *asked) {
        return cluster_collect_garbage(peer.cluster, &asked->call, true, asked_on_gc, asked);
}

/* What Kubo is asked for, what is in the answer when it answers, and when it fails (NULL: the whole
 * question does). */
static const struct {
        const char *name;
        Question ask;
        const char *command;
        const char *good, *bad;
} questions[] = {
        { "id", ask_id, "id", "\"ipfs\":{\"id\":\"" FAKE_KUBO_ID "\"", "\"ipfs\":{\"addresses\":null" },
        { "graph", ask_graph, "swarm/peers", "\"ipfs_links\":{\"" FAKE_KUBO_ID "\"", "\"ipfs_links\":{}" },
        { "gc", ask_gc, "repo/gc", "\"peername\":\"tester\"", "\"keys\":[],\"error\":\"" },
        { "gc of this peer", ask_gc_local, "repo/gc", "\"peername\":\"tester\"", NULL },
};

static const FakeAnswer failures[] = {
        { .status = 500, .body = "{\"Message\":\"broken\",\"Code\":0,\"Type\":\"error\"}" },
        { .fault = FAKE_CUT },
        { .fault = FAKE_SILENCE }, /* until the time-out */
};

static void test_answers(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
                Asked asked = {};

                g_assert_cmpint(questions[i].ask(&asked), ==, 0);
                g_assert_cmpuint(asked.n, ==, 0);
                asked_wait(&peer, &asked);
                g_assert_cmpstr(asked.words, ==, NULL);
                asked_assert_has(asked.json, questions[i].good);
                asked_done(&asked);
        }
}

static void test_kubo_fails(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(questions) * G_N_ELEMENTS(failures); i++) {
                size_t k = i / G_N_ELEMENTS(failures);
                Asked asked = {};

                fake_kubo_plan(peer.kubo, questions[k].command, NULL, &failures[i % G_N_ELEMENTS(failures)]);
                g_assert_cmpint(questions[k].ask(&asked), ==, 0);
                asked_wait(&peer, &asked);
                if (questions[k].bad)
                        asked_assert_has(asked.json, questions[k].bad);
                else
                        g_assert_cmpint(asked.r, <, 0);
                asked_done(&asked);
                fake_kubo_forget_plans(peer.kubo);
        }
}

static void test_drop_in_every_state(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++)
                for (unsigned turns = 0;; turns++) {
                        Asked asked = {};
                        bool answered;

                        g_assert_cmpint(questions[i].ask(&asked), ==, 0);
                        for (unsigned k = 0; k < turns && asked.n == 0; k++)
                                g_assert_cmpint(sd_event_run(peer.event, 1000), >=, 0);
                        answered = asked.n > 0;
                        asked_done(&asked);
                        if (answered)
                                break;
                }
}

static void test_garbage_is_listed(void) {
        static const FakeAnswer garbage = {
                .body = "{\"Key\":{\"/\":\"bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey\"}}\n"
                        "{\"Error\":\"no link by that name\"}\n",
        };
        Asked asked = {};

        fake_kubo_plan(peer.kubo, "repo/gc", NULL, &garbage);
        g_assert_cmpint(ask_gc(&asked), ==, 0);
        asked_wait(&peer, &asked);
        asked_assert_has(
                        asked.json,
                        "{\"key\":\"bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey\"}");
        asked_assert_has(asked.json, "{\"key\":null,\"error\":\"no link by that name\"}");
        asked_done(&asked);
        fake_kubo_forget_plans(peer.kubo);
}

static void test_collections_are_counted(void) {
        Asked asked[CLUSTER_GCS_MAX + 1] = {};

        fake_kubo_plan(peer.kubo, "repo/gc", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (size_t i = 0; i < CLUSTER_GCS_MAX; i++)
                g_assert_cmpint(ask_gc(&asked[i]), ==, 0);
        g_assert_cmpint(ask_gc(&asked[CLUSTER_GCS_MAX]), ==, -EBUSY);
        asked_done(&asked[0]);
        g_assert_cmpint(ask_gc(&asked[0]), ==, 0);
        for (size_t i = 0; i < CLUSTER_GCS_MAX; i++)
                asked_done(&asked[i]);
        fake_kubo_forget_plans(peer.kubo);
}

static void test_metrics(void) {
        const Metric **metrics;
        StrList names = {};
        size_t n;

        peer_until_metric(&peer, "freespace");
        peer_until_metric(&peer, "ping");
        g_assert_cmpint(cluster_metric_names(peer.cluster, &names), ==, 0);
        g_assert_true(str_list_contains(&names, "ping"));
        g_assert_true(str_list_contains(&names, "freespace"));
        str_list_done(&names);
        g_assert_cmpint(cluster_metrics(peer.cluster, "ping", &metrics, &n), ==, 0);
        g_assert_cmpuint(n, ==, 1);
        asked_assert_has(metrics[0]->value, "\"peer_name\":\"tester\"");
        free(metrics);
        g_assert_cmpint(cluster_metrics(peer.cluster, "none", &metrics, &n), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        free(metrics);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_init(&peer);
        peer.config->ipfs.ipfs_request_timeout = 500 * USEC_PER_MSEC;
        peer.config->ipfs.repogc_timeout = 500 * USEC_PER_MSEC;
        peer_start(&peer);

        g_test_add_func("/cluster/peer-op/metrics", test_metrics);
        g_test_add_func("/cluster/peer-op/answers", test_answers);
        g_test_add_func("/cluster/peer-op/kubo-fails", test_kubo_fails);
        g_test_add_func("/cluster/peer-op/drop-in-every-state", test_drop_in_every_state);
        g_test_add_func("/cluster/peer-op/garbage-is-listed", test_garbage_is_listed);
        g_test_add_func("/cluster/peer-op/collections-are-counted", test_collections_are_counted);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
