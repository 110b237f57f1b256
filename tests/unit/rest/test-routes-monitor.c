#include <string.h>

#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"
#include "tests/unit/rest/web.h"

static Web web;

static void test_plain(void) {
        static const struct {
                const char *method, *target;
                unsigned status;
                const char *body;
        } cases[] = {
                { "GET", "/health", 204, "" },
                { "GET", "/health/alerts", 200, "[]\n" },
                { "GET", "/health/bandwidth", 200, "{}\n" },
                { "GET", "/monitor/metrics/none", 200, "[]\n" },
                { "POST", "/token", 401, "{\"code\":401,\"message\":\"unauthorized\"}\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WebAnswer answer = {};

                WEB_EXPECT(&web, cases[i].method, cases[i].target, NULL, cases[i].status, &answer);
                g_assert_cmpstr(answer.body, ==, cases[i].body);
                g_assert_true(web_answer_has(&answer, "Content-Type: application/json"));
                g_assert_true(web_answer_has(&answer, "Vary: Origin"));
                web_answer_done(&answer);
        }
}

static void test_metrics(void) {
        WebAnswer answer = {};

        PEER_UNTIL(&web.peer,
                   metrics_monitor_get_one(
                                   web.peer.cluster->monitor, "freespace", cluster_self(web.peer.cluster)));
        peer_until_metric(&web.peer, "ping");
        WEB_EXPECT(&web, "GET", "/monitor/metrics", NULL, 200, &answer);
        g_assert_cmpint(answer.body[0], ==, '[');
        g_assert_nonnull(strstr(answer.body, "\"freespace\""));
        g_assert_nonnull(strstr(answer.body, "\"ping\""));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/monitor/metrics/ping", NULL, 200, &answer);
        g_assert_true(g_str_has_prefix(answer.body, "[{\"name\":\"ping\",\"peer\":\""));
        g_assert_nonnull(strstr(answer.body, "\"valid\":true"));
        web_answer_done(&answer);
}

/* A metric that has expired is told, newest first. */
static void test_alerts(void) {
        int64_t past = (int64_t) (time_now() - USEC_PER_SEC) * 1000;
        Metric metric = {
                .name = (char *) "old", .value = (char *) "1", .valid = true, .expire_nsec = past
        };
        const Alert *alerts;
        WebAnswer answer = {};

        g_assert_cmpint(peer_id_parse(FAKE_KUBO_ID, &metric.peer), ==, 0);
        g_assert_cmpint(metrics_monitor_put(web.peer.cluster->monitor, &metric), ==, 0);
        PEER_UNTIL(&web.peer, cluster_alerts(web.peer.cluster, &alerts) > 0);
        WEB_EXPECT(&web, "GET", "/health/alerts", NULL, 200, &answer);
        g_assert_true(g_str_has_prefix(answer.body, "[{\"name\":\"old\",\"peer\":\"" FAKE_KUBO_ID "\""));
        g_assert_nonnull(strstr(answer.body, "\"triggered_at\":\""));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/monitor/metrics/old", NULL, 200, &answer);
        g_assert_cmpstr(answer.body, ==, "[]\n");
        web_answer_done(&answer);
}

static void test_graph(void) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", "/health/graph", NULL, 200, &answer);
        g_assert_true(g_str_has_prefix(answer.body, "{\"cluster_id\":\""));
        g_assert_nonnull(strstr(answer.body, FAKE_KUBO_ID));
        web_answer_done(&answer);
}

static void test_garbage(void) {
        static const FakeAnswer broken = {
                .status = 500, .body = "{\"Message\":\"broken\",\"Code\":0,\"Type\":\"error\"}"
        };
        WebAnswer answer = {};

        web_check(&web, "POST", "/ipfs/gc", NULL, 200);
        web_check(&web, "POST", "/ipfs/gc?local=true", NULL, 200);
        fake_kubo_plan(web.peer.kubo, "repo/gc", NULL, &broken);
        WEB_EXPECT(&web, "POST", "/ipfs/gc", NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "\"keys\":[],\"error\":\""));
        g_assert_nonnull(strstr(answer.body, "broken"));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "POST", "/ipfs/gc?local=true", NULL, 500, &answer);
        g_assert_nonnull(strstr(answer.body, "broken"));
        web_answer_done(&answer);
        fake_kubo_forget_plans(web.peer.kubo);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_init(&web);
        web.peer.config->monitor_check_interval = 20 * USEC_PER_MSEC;
        web_begin(&web);
        g_test_add_func("/rest/routes-monitor/plain", test_plain);
        g_test_add_func("/rest/routes-monitor/metrics", test_metrics);
        g_test_add_func("/rest/routes-monitor/alerts", test_alerts);
        g_test_add_func("/rest/routes-monitor/graph", test_graph);
        g_test_add_func("/rest/routes-monitor/garbage", test_garbage);
        r = g_test_run();
        web_close(&web);
        return r;
}
