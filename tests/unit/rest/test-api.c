#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cluster/import.h"
#include "daemon/cluster/internal.h"
#include "daemon/rest/api.h"
#include "tests/lib/fault.h"
#include "tests/unit/rest/web.h"

static Web web;

static void test_redirects(void) {
        static const struct {
                const char *method, *target;
                unsigned status;
                const char *location, *type;
        } cases[] = {
                { "GET", "/id/", 307, "/id", "text/html; charset=utf-8" },
                { "POST", "/pins/x/", 307, "/pins/x", NULL },
                { "GET", "/pins/?filter=pinned", 307, "/pins?filter=pinned", "text/html; charset=utf-8" },
                { "GET", "//id", 301, "/id", NULL },
                { "GET", "/pins/../id?a=b", 301, "/id?a=b", NULL },
                { "DELETE", "/a/./b", 301, "/a/b", NULL },
                { "GET", "/a%20b/", 307, "/a%20b", "text/html; charset=utf-8" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *location = g_strdup_printf("\r\nLocation: %s\r\n", cases[i].location);
                WebAnswer answer = {};

                WEB_EXPECT(&web, cases[i].method, cases[i].target, NULL, cases[i].status, &answer);
                if (!web_answer_has(&answer, location))
                        g_error("%s: %s", cases[i].target, answer.raw);
                g_assert_true(!cases[i].type == !web_answer_has(&answer, "Content-Type: "));
                g_assert_true(!cases[i].type || web_answer_has(&answer, cases[i].type));
                web_answer_done(&answer);
        }
}

/* Nothing of what the client sent gets into the page as it is. */
static void test_a_redirect_is_escaped(void) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", "/%22%3E%3Cscript%3E/", NULL, 307, &answer);
        g_assert_false(web_answer_has(&answer, "<script>"));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/a%0d%0aX-Evil:%201/", NULL, 307, &answer);
        g_assert_false(web_answer_has(&answer, "\r\nX-Evil"));
        web_answer_done(&answer);
}

static void test_unknown_and_not_allowed(void) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", "/nosuch", NULL, 404, &answer);
        g_assert_cmpstr(answer.body, ==, "{\"code\":404,\"message\":\"not found\"}\n");
        g_assert_true(web_answer_has(&answer, "Content-Type: application/json"));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "PUT", "/id", NULL, 405, &answer);
        g_assert_cmpstr(answer.body, ==, "");
        g_assert_false(web_answer_has(&answer, "Content-Type"));
        g_assert_true(web_answer_has(&answer, "Vary: Origin"));
        web_answer_done(&answer);
        web_check(&web, "OPTIONS", "*", NULL, 200);
        web_check(&web, "OPTIONS", "/id", NULL, 405);
        web_check(&web, "HEAD", "/id", NULL, 405);
}

/* GET /health needs nobody: neither Kubo nor a free call or list. */
static void test_health_while_all_else_is_busy(void) {
        enum { N = 400 };
        static const char ask[] = "GET /id HTTP/1.1\r\nHost: x\r\n\r\n";
        int fds[N];

        fake_kubo_plan(web.peer.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (size_t i = 0; i < N; i++) {
                fds[i] = web_connect(&web);
                web_send(&web, fds[i], ask, strlen(ask));
        }
        PEER_UNTIL(&web.peer, web.peer.cluster->n_calls == N);
        web_check(&web, "GET", "/health", NULL, 204);
        web_check(&web, "GET", "/version", NULL, 200);
        for (size_t i = 0; i < N; i++)
                close(fds[i]);
        PEER_UNTIL(&web.peer,
                   web.peer.cluster->n_calls == 0); /* the clients are gone, so are the questions */
        PEER_UNTIL(&web.peer, rest_api_is_idle(web.api));
        fake_kubo_forget_plans(web.peer.kubo);
}

static void test_busy(void) {
        char text[CID_TEXT_MAX];
        g_autofree char *pin = g_strdup_printf("/pins/%s", peer_cid_text(1, text));
        WebAnswer answer = {};

        web.peer.cluster->n_calls += CLUSTER_CALLS_MAX;
        WEB_EXPECT(&web, "POST", pin, NULL, 503, &answer);
        g_assert_cmpstr(answer.body, ==, "{\"code\":503,\"message\":\"busy, try again later\"}\n");
        web_answer_done(&answer);
        web_check(&web, "GET", pin, NULL, 503);
        web_check(&web, "GET", "/id", NULL, 503);
        web_check(&web, "GET", "/health/graph", NULL, 503);
        web_check(&web, "POST", "/ipfs/gc", NULL, 503);
        web_check(&web, "DELETE", pin, NULL, 503);
        web.peer.cluster->n_calls -= CLUSTER_CALLS_MAX;

        web.peer.cluster->n_lists += CLUSTER_LISTS_MAX;
        web_check(&web, "GET", "/pins", NULL, 503);
        web_check(&web, "GET", "/allocations", NULL, 503);
        web_check(&web, "GET", "/peers", NULL, 503);
        web_check(&web, "POST", "/pins/recover", NULL, 503);
        web_check(&web, "POST", "/pins/sync", NULL, 503);
        web.peer.cluster->n_lists -= CLUSTER_LISTS_MAX;

        web.peer.cluster->n_imports += CLUSTER_IMPORTS_MAX;
        web_check(&web, "POST", "/allocations", "{}", 503);
        web.peer.cluster->n_imports -= CLUSTER_IMPORTS_MAX;
}

/* The client goes away at any time: turn by turn, with each kind of answer. */
static void test_client_gone_in_every_phase(void) {
        static const char *const targets[] = {
                "GET /id",
                "GET /pins",
                "GET /peers",
                "POST /pins/recover",
                "POST /pins/sync",
                "POST /ipfs/gc",
                "GET /health/graph",
                "POST /pins/bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey",
                "GET /pins/bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey",
                "DELETE /pins/bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++)
                for (unsigned turns = 0; turns < 12; turns++) {
                        g_autofree char *ask = g_strdup_printf("%s HTTP/1.1\r\nHost: x\r\n\r\n", targets[i]);
                        int fd = web_connect(&web);

                        web_send(&web, fd, ask, strlen(ask));
                        for (unsigned k = 0; k < turns; k++)
                                g_assert_cmpint(sd_event_run(web.peer.event, 1000), >=, 0);
                        close(fd);
                }
        PEER_UNTIL(&web.peer, rest_api_is_idle(web.api));
        g_assert_cmpuint(web.peer.cluster->n_calls, ==, 0);
        g_assert_cmpuint(web.peer.cluster->n_lists, ==, 0);
}

/* Each allocation fails in turn: some answer comes, or the connection is cut; nothing stays behind. */
static void test_out_of_memory(void) {
        static const char *const targets[] = {
                "GET /id/",
                "GET //id",
                "GET /version",
                "GET /pins",
                "GET /pinlist",
                "GET /nosuch",
                "GET /pins/bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey",
                "GET /pins?cids=bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey",
                "GET /pins/x",
                "GET /allocations?filter=x",
                "GET /health/alerts",
                "GET /monitor/metrics",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++)
                FOREACH_FAULT {
                        g_autofree char *ask = g_strdup_printf(
                                        "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", targets[i]);
                        WebAnswer answer = {};
                        int fd = web_connect(&web);

                        web_send(&web, fd, ask, strlen(ask));
                        web_read(&web, fd, &answer);
                        web_answer_done(&answer);
                        PEER_UNTIL(&web.peer, rest_api_is_idle(web.api));
                }
        g_assert_cmpuint(web.peer.n_failed, ==, 0);
        g_assert_cmpuint(web.peer.cluster->n_calls + web.peer.cluster->n_lists, ==, 0);
}

static void test_inherited_sockets(void) {
        int pairs[REST_LISTENERS_MAX + 1];
        RestApi *api = NULL;
        Error error = {};

        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
                pairs[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(rest_api_new(&api,
                                     &(RestApiOptions){
                                                     .surface = &rest_surface,
                                                     .event = web.peer.event,
                                                     .cluster = web.peer.cluster,
                                                     .config = web.peer.config,
                                                     .fds = pairs,
                                                     .n_fds = G_N_ELEMENTS(pairs),
                                     },
                                     &error),
                        <,
                        0);
        g_assert_cmpint(error.code, !=, ERROR_NONE);
        error_done(&error);
        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
                g_assert_cmpint(fcntl(pairs[i], F_GETFD), ==, -1); /* taken, also on failure */
}

/* The answers go out: what waits is told why it ends, what is in the log is carried out. */
static void test_stop(void) {
        static const char wait[] = "GET /id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        static const char list[] = "GET /peers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        WebAnswer answer = {};
        int waiting, listing;

        fake_kubo_plan(web.peer.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        waiting = web_connect(&web);
        web_send(&web, waiting, wait, strlen(wait));
        PEER_UNTIL(&web.peer, web.peer.cluster->n_calls == 1);
        listing = web_connect(&web);
        web_send(&web, listing, list, strlen(list));
        PEER_UNTIL(&web.peer, web.peer.cluster->n_lists == 1);

        rest_api_stop_accepting(web.api);
        cluster_stop(web.peer.cluster);
        web_read(&web, waiting, &answer);
        g_assert_cmpstr(answer.body, ==, "{\"code\":500,\"message\":\"the peer is being stopped\"}\n");
        web_read(&web, listing, &answer);
        g_assert_cmpstr(answer.body, ==, "{\"code\":500,\"message\":\"the peer is being stopped\"}\n");
        web_answer_done(&answer);
        PEER_UNTIL(&web.peer, rest_api_is_idle(web.api));
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_open(&web);
        g_test_add_func("/rest/api/redirects", test_redirects);
        g_test_add_func("/rest/api/a-redirect-is-escaped", test_a_redirect_is_escaped);
        g_test_add_func("/rest/api/unknown-and-not-allowed", test_unknown_and_not_allowed);
        g_test_add_func("/rest/api/health-while-all-else-is-busy", test_health_while_all_else_is_busy);
        g_test_add_func("/rest/api/busy", test_busy);
        g_test_add_func("/rest/api/client-gone-in-every-phase", test_client_gone_in_every_phase);
        g_test_add_func("/rest/api/out-of-memory", test_out_of_memory);
        g_test_add_func("/rest/api/inherited-sockets", test_inherited_sockets);
        g_test_add_func("/rest/api/stop", test_stop);
        r = g_test_run();
        web_close(&web);
        return r;
}
