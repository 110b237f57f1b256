#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cluster/list.h"
#include "daemon/rest/stream.h"
#include "tests/unit/rest/web.h"

static Web web;

static size_t count_lines(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static int begin(const char *request) {
        int fd = web_connect(&web);

        web_send(&web, fd, request, strlen(request));
        return fd;
}

static void test_empty(void) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", "/pins", NULL, 204, &answer);
        g_assert_true(web_answer_has(&answer, "Trailer: X-Stream-Error"));
        g_assert_true(web_answer_has(&answer, "Content-Type: application/json"));
        g_assert_cmpstr(answer.body, ==, "");
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/pinlist", NULL, 200, &answer);
        g_assert_cmpstr(answer.body, ==, "[]\n");
        g_assert_false(web_answer_has(&answer, "Trailer"));
        web_answer_done(&answer);
}

static void test_lines_and_trailer(void) {
        WebAnswer answer = {};

        peer_fill(&web.peer, 0, 3000, "name");
        WEB_EXPECT(&web, "GET", "/allocations", NULL, 200, &answer);
        g_assert_true(answer.is_whole);
        g_assert_cmpuint(count_lines(answer.body), ==, 3000);
        g_assert_cmpstr(answer.trailer, ==, "");
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/pins", NULL, 200, &answer);
        g_assert_true(answer.is_whole);
        g_assert_cmpuint(count_lines(answer.body), ==, 3000);
        g_assert_cmpstr(answer.trailer, ==, "");
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/pinlist", NULL, 200, &answer);
        g_assert_true(answer.is_whole);
        g_assert_cmpuint(count_lines(answer.body), ==, 1);
        g_assert_cmpint(answer.body[0], ==, '[');
        g_assert_true(g_str_has_suffix(answer.body, "}]\n"));
        web_answer_done(&answer);
}

static void test_http10(void) {
        WebAnswer answer = {};

        web_read(&web, begin("GET /allocations HTTP/1.0\r\n\r\n"), &answer);
        g_assert_cmpuint(answer.status, ==, 200);
        g_assert_false(web_answer_has(&answer, "chunked"));
        g_assert_cmpuint(count_lines(answer.body), ==, 3000);
        g_assert_true(g_str_has_suffix(answer.body, "}\n")); /* no trailer behind it */
        web_answer_done(&answer);
}

static void test_error_at_the_start(void) {
        static const FakeAnswer broken = {
                .status = 500, .body = "{\"Message\":\"broken\",\"Code\":0,\"Type\":\"error\"}"
        };
        static const char *const targets[] = { "/pins/recover", "/pins/sync" };

        web_check(&web, "POST", "/pins/recover", NULL, 204); /* the check of the start has ended */
        fake_kubo_plan(web.peer.kubo, "pin/ls", NULL, &broken);
        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                WebAnswer answer = {};

                WEB_EXPECT(&web, "POST", targets[i], NULL, 500, &answer);
                g_assert_true(g_str_has_prefix(answer.body, "{\"code\":500,\"message\":\""));
                g_assert_nonnull(strstr(answer.body, "broken"));
                web_answer_done(&answer);
        }
        fake_kubo_forget_plans(web.peer.kubo);
}

/* The client reads slowly; meanwhile the list fails: the trailer says it, or the end is missing. */
static void test_error_in_the_middle(void) {
        static const struct {
                const char *request;
                bool is_whole;
        } cases[] = {
                { "GET /allocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", true },
                { "GET /pins HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", true },
                { "GET /pinlist HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WebAnswer answer = {};
                ClusterList *list;
                int fd = begin(cases[i].request);

                PEER_UNTIL(&web.peer, web.peer.cluster->n_lists == 1);
                list = LIST_FIRST(&web.peer.cluster->lists, ClusterList, link);
                list->result = error_set(&list->error, ERROR_IO, "pins.gdbm: broken");
                web_read(&web, fd, &answer);
                g_assert_cmpuint(answer.status, ==, 200);
                g_assert_cmpuint(count_lines(answer.body), <, 3000);
                g_assert_true(answer.is_whole == cases[i].is_whole);
                g_assert_cmpstr(answer.trailer, ==, cases[i].is_whole ? "pins.gdbm: broken" : NULL);
                web_answer_done(&answer);
        }
}

static void test_client_gone_while_it_waits(void) {
        int fd;

        fake_kubo_plan(web.peer.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fd = begin("GET /peers HTTP/1.1\r\nHost: x\r\n\r\n");
        PEER_UNTIL(&web.peer, web.peer.cluster->n_lists == 1);
        close(fd);
        PEER_UNTIL(&web.peer, web.peer.cluster->n_lists == 0);
        g_assert_true(rest_api_is_idle(web.api));
        fake_kubo_forget_plans(web.peer.kubo);
}

static void test_client_gone_in_the_middle(void) {
        int fd = begin("GET /allocations HTTP/1.1\r\nHost: x\r\n\r\n");

        PEER_UNTIL(&web.peer, web.peer.cluster->n_lists == 1);
        close(fd);
        PEER_UNTIL(&web.peer, web.peer.cluster->n_lists == 0);
        g_assert_true(rest_api_is_idle(web.api));
}

/* A client that does not read holds a list, and no more than a piece of it in memory. */
static void test_slow_reader(void) {
        WebAnswer answer = {};
        int fd = begin("GET /allocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

        PEER_UNTIL(&web.peer, web.peer.cluster->n_lists == 1);
        peer_fill(&web.peer, 10000, 3000, NULL); /* the log goes on */
        web_check(&web, "GET", "/id", NULL, 200);
        g_assert_cmpuint(web.peer.cluster->n_lists, ==, 1);
        web_read(&web, fd, &answer);
        g_assert_cmpuint(count_lines(answer.body), ==, 3000); /* as of its beginning */
        g_assert_cmpstr(answer.trailer, ==, "");
        web_answer_done(&answer);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_open(&web);
        g_test_add_func("/rest/stream/empty", test_empty);
        g_test_add_func("/rest/stream/error-at-the-start", test_error_at_the_start);
        g_test_add_func("/rest/stream/lines-and-trailer", test_lines_and_trailer);
        g_test_add_func("/rest/stream/http10", test_http10);
        g_test_add_func("/rest/stream/error-in-the-middle", test_error_in_the_middle);
        g_test_add_func("/rest/stream/client-gone-while-it-waits", test_client_gone_while_it_waits);
        g_test_add_func("/rest/stream/client-gone-in-the-middle", test_client_gone_in_the_middle);
        g_test_add_func("/rest/stream/slow-reader", test_slow_reader);
        r = g_test_run();
        web_close(&web);
        return r;
}
