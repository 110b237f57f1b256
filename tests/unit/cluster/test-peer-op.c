#include <string.h>

#include "tests/unit/cluster/set.h"

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

/* ---- of several peers */

typedef struct Graph {
        bool is_there;
        ConnectGraph graph;
} Graph;

static void on_graph(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error G_GNUC_UNUSED,
                const ConnectGraph *graph,
                void *userdata) {
        _cleanup_(str_done) Str text = {};
        Graph *got = userdata;

        g_assert_cmpint(r, ==, 0);
        g_assert_cmpint(json_write(&connect_graph_shape, graph, &text), ==, 0);
        g_assert_cmpint(json_read_text(&connect_graph_shape, text.data, text.len, &got->graph, NULL), ==, 0);
        got->is_there = true;
}

static void graph_of_all(Set *set, Graph *graph) {
        ClusterCall *call;

        *graph = (Graph){};
        g_assert_cmpint(cluster_graph(set->peers[0].cluster, &call, on_graph, graph), ==, 0);
        PEER_UNTIL(&set->peers[0], graph->is_there);
        cluster_call_unref(call);
}

static size_t n_links(const ConnectGraph *graph, const Peer *from) {
        const GraphLinks *links = graph->cluster_links.items;
        char id[PEER_ID_TEXT_MAX];

        (void) peer_id_format(&from->identity.id, id);
        for (size_t i = 0; i < graph->cluster_links.n; i++)
                if (strcmp(links[i].id, id) == 0)
                        return links[i].links.n;
        return SIZE_MAX;
}

static void test_graph(Set *set, gconstpointer data G_GNUC_UNUSED) {
        Graph got;

        graph_of_all(set, &got);
        g_assert_cmpuint(got.graph.id_to_peername.n, ==, SET_N);
        g_assert_cmpuint(got.graph.cluster_trust_links.n, ==, SET_N);
        g_assert_cmpuint(got.graph.cluster_to_ipfs.n, ==, SET_N);
        g_assert_cmpuint(got.graph.ipfs_links.n, ==, 1); /* all Kubos here say the same ID */
        for (unsigned i = 0; i < SET_N; i++)
                g_assert_cmpuint(n_links(&got.graph, &set->peers[i]), ==, SET_N - 1);
        connect_graph_done(&got.graph);

        /* as recorded: who cannot be asked has no links, whose Kubo is down has no part in the others */
        set_stop_third(set);
        fake_kubo_stop(set->peers[1].kubo);
        graph_of_all(set, &got);
        g_assert_cmpuint(got.graph.id_to_peername.n, ==, SET_N);
        g_assert_cmpuint(got.graph.cluster_to_ipfs.n, ==, 1);
        g_assert_cmpuint(n_links(&got.graph, &set->peers[0]), ==, 1);
        g_assert_cmpuint(n_links(&got.graph, &set->peers[1]), ==, 1);
        g_assert_cmpuint(n_links(&got.graph, &set->peers[2]), ==, 0);
        connect_graph_done(&got.graph);
        g_assert_cmpint(fake_kubo_start(set->peers[1].kubo), ==, 0);
}

static char *garbage_of_all(Set *set) {
        Asked asked = {};
        char *json;

        g_assert_cmpint(cluster_collect_garbage(
                                        set->peers[0].cluster, &asked.call, false, asked_on_gc, &asked),
                        ==,
                        0);
        asked_wait(&set->peers[0], &asked);
        g_assert_cmpint(asked.r, ==, 0);
        json = g_strdup(asked.json);
        asked_done(&asked);
        return json;
}

static const FakeAnswer one_key = {
        .body = "{\"Key\":{\"/\":\"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn\"}}\n"
};

static void test_gc(Set *set, gconstpointer data G_GNUC_UNUSED) {
        g_autofree char *all = NULL, *some = NULL;

        for (unsigned i = 0; i < SET_N; i++)
                fake_kubo_plan(set->peers[i].kubo, "repo/gc", NULL, i == 1 ? &set_refusal : &one_key);
        all = garbage_of_all(set);
        g_assert_cmpuint(set_count(all, "\"peername\":\"peer"), ==, SET_N);
        g_assert_cmpuint(set_count(all, "\"keys\":[{\"key\":\"QmUNLL"), ==, 2);
        g_assert_cmpuint(set_count(all, "\"keys\":[],\"error\":\""), ==, 1);
        asked_assert_has(all, "Message: no\"");

        set_stop_third(set);
        some = garbage_of_all(set);
        asked_assert_has(some, "\"peername\":\"peer2\",\"keys\":[],\"error\":\"peer 12D3Koo");
        asked_assert_has(some, "was not reached within 50ms");
}

static char *repos_of_others(Set *set) {
        Asked asked = {};
        char *json;

        g_assert_cmpint(cluster_repo_of_others(set->peers[0].cluster, &asked.call, asked_on_repo, &asked),
                        ==,
                        0);
        asked_wait(&set->peers[0], &asked);
        g_assert_cmpint(asked.r, ==, 0);
        json = g_strdup(asked.json);
        asked_done(&asked);
        return json;
}

static void test_repo(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const FakeAnswer large = { .body = "{\"RepoSize\":5,\"StorageMax\":18446744073709551615}\n" },
                                small = { .body = "{\"RepoSize\":70,\"StorageMax\":100}\n" };
        g_autofree char *all = NULL, *some = NULL, *none = NULL;

        fake_kubo_plan(set->peers[1].kubo, "repo/stat", NULL, &large);
        fake_kubo_plan(set->peers[2].kubo, "repo/stat", NULL, &small);
        all = repos_of_others(set);
        g_assert_cmpstr(all, ==, "{\"size\":75,\"storage_max\":18446744073709551615}");

        fake_kubo_plan(set->peers[1].kubo, "repo/stat", NULL, &set_refusal);
        some = repos_of_others(set);
        g_assert_cmpstr(some, ==, "{\"size\":70,\"storage_max\":100}");
        set_stop_third(set);
        none = repos_of_others(set);
        g_assert_cmpstr(none, ==, "{\"size\":0,\"storage_max\":0}");
}

static void test_nonsense(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const char *const answers[] = {
                "",
                "[]",
                "{}",
                "{\"peer_map\":{}}",
                "{\"peer_map\":{\"" FAKE_KUBO_ID "\":{\"peer\":\"" FAKE_KUBO_ID "\",\"keys\":[]}}}",
                "{\"cluster_id\":5}",
                "{\"size\":-1,\"storage_max\":1}",
        };
        static const FakeAnswer stat = { .body = "{\"RepoSize\":1,\"StorageMax\":2}\n" };

        fake_kubo_plan(set->peers[0].kubo, "repo/gc", NULL, &one_key);
        fake_kubo_plan(set->peers[1].kubo, "repo/gc", NULL, &one_key);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                g_autofree char *gc = NULL, *repo = NULL;
                Graph got;

                set->impostor.answer = answers[i];
                set->impostor.size = strlen(answers[i]);
                gc = garbage_of_all(set);
                asked_assert_has(gc, "\"keys\":[],\"error\":\"the peer has given no proper answer\"");
                fake_kubo_plan(set->peers[1].kubo, "repo/stat", NULL, &stat);
                repo = repos_of_others(set);
                g_assert_cmpstr(repo, ==, "{\"size\":1,\"storage_max\":2}");
                graph_of_all(set, &got);
                g_assert_cmpuint(n_links(&got.graph, &set->peers[2]), ==, 0);
                g_assert_cmpuint(n_links(&got.graph, &set->peers[0]), ==, SET_N - 1);
                connect_graph_done(&got.graph);
        }
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
        SET_TEST("/cluster/peer-op/graph-of-all", test_graph);
        SET_TEST("/cluster/peer-op/garbage-of-all", test_gc);
        SET_TEST("/cluster/peer-op/repositories-of-others", test_repo);
        SET_IMPOSTOR_TEST("/cluster/peer-op/nonsense", test_nonsense);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
