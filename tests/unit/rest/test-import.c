#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cluster/internal.h"
#include "daemon/rest/import.h"
#include "tests/unit/rest/web.h"

static Web web;

static uint64_t n_pins(void) {
        return state_pinset_count(consensus_pinset(web.peer.cluster->consensus));
}

/* ---- lines */

static void add_line(GString *body, uint64_t n) {
        char text[CID_TEXT_MAX];

        g_string_append_printf(
                        body,
                        "{\"cid\":\"%s\",\"name\":\"n\",\"type\":\"pin\",\"max_depth\":-1,"
                        "\"replication_factor_min\":-1,\"replication_factor_max\":-1}\n",
                        peer_cid_text(n, text));
}

static char *lines(uint64_t first, uint64_t n) {
        GString *body = g_string_new(NULL);

        for (uint64_t i = first; i < first + n; i++)
                add_line(body, i);
        return g_string_free(body, FALSE);
}

static void ask(const char *body, unsigned status, const char *expected) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, "POST", "/allocations", body, status, &answer);
        if (!strstr(answer.body, expected))
                g_error("expected %s: %s", expected, answer.raw);
        web_answer_done(&answer);
}

static void test_good(void) {
        g_autofree char *one = lines(1, 1), *many = lines(10, 3000);
        g_autofree char *open = g_strndup(one, strlen(one) - 1);
        g_autofree char *blank = g_strdup_printf("\n  \r\n%s\n\n", one);

        ask("", 200, "{\"imported\":0}\n");
        ask(one, 200, "{\"imported\":1}");
        ask(open, 200, "{\"imported\":1}"); /* no newline at the end */
        ask(blank, 200, "{\"imported\":1}");
        ask(many, 200, "{\"imported\":3000}");
        g_assert_cmpuint(n_pins(), ==, 3001);
        web_check(&web, "POST", "/allocations", NULL, 200);
}

/* The line is named, what stands before it is committed, and the answer says so. */
static void test_bad_line(void) {
        static const struct {
                const char *line, *expected;
        } cases[] = {
                { "junk", "line 3: expected one JSON object" },
                { "[]", "line 3: expected one JSON object" },
                { "{\"cid\":", "line 3: expected one JSON object" },
                { "{}", "line 3: cid: " },
                { "{\"cid\":null}", "line 3: cid: " },
                { "{\"cid\":\"junk\"}", "line 3: cid: " },
                { "{\"cid\":5}", "line 3: cid: " },
                { "{\"cid\":\"bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey\",\"type\":\"x\"}",
                  "line 3: type: " },
                { "{\"cid\":\"bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey\",\"max_depth\":-7}",
                  "line 3: max_depth: " },
        };
        g_autofree char *before = lines(5000, 2), *behind = lines(6000, 1000);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *body = g_strdup_printf("%s%s\n%s", before, cases[i].line, behind);
                uint64_t n = n_pins() - (i > 0 ? 2 : 0);

                ask(body, 400, cases[i].expected);
                ask(body, 400, "; 2 pins were imported\"}");
                g_assert_cmpuint(n_pins(), ==, n + 2);
        }
}

static void test_long_line(void) {
        g_autofree char *name = g_strnfill(PIN_BYTES_MAX, 'x'), *huge = g_strnfill(REST_LINE_MAX * 2, ' ');
        g_autofree char *before = lines(7000, 1);
        g_autofree char *large = NULL, *body = NULL, *closed = NULL;
        char text[CID_TEXT_MAX];

        large = g_strdup_printf(
                        "%s{\"cid\":\"%s\",\"name\":\"%s\"}\n", before, peer_cid_text(7001, text), name);
        ask(large, 413, "is larger than 65536 bytes; 1 pins were imported");
        body = g_strconcat(before, huge, NULL);
        ask(body, 413, "line 2: expected at most 256 KiB, found more; 1 pins were imported");
        closed = g_strconcat(before, huge, "\n", before, NULL);
        ask(closed, 413, "line 2: expected at most 256 KiB");
}

/* However the body is cut into pieces. */
static void test_pieces(void) {
        static const size_t sizes[] = { 1, 7, 100, 4096 };
        g_autofree char *body = lines(8000, 20);
        g_autofree char *head = g_strdup_printf(
                        "POST /allocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n");

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                int fd = web_connect(&web);
                WebAnswer answer = {};

                web_send(&web, fd, head, strlen(head));
                for (size_t at = 0; at < strlen(body); at += sizes[i]) {
                        size_t n = MIN(sizes[i], strlen(body) - at);
                        g_autofree char *chunk = g_strdup_printf("%zx\r\n%.*s\r\n", n, (int) n, body + at);

                        web_send(&web, fd, chunk, strlen(chunk));
                        if (at % 64 == 0)
                                g_assert_cmpint(sd_event_run(web.peer.event, 0), >=, 0);
                }
                web_send(&web, fd, "0\r\n\r\n", 5);
                web_read(&web, fd, &answer);
                g_assert_cmpstr(answer.body, ==, "{\"imported\":20}\n");
                web_answer_done(&answer);
        }
}

/* A body that is cut off: nothing is answered, and all is let go. */
static void test_client_gone(void) {
        g_autofree char *body = lines(20000, 5000);
        g_autofree char *head = g_strdup_printf(
                        "POST /allocations HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                        strlen(body));
        static const size_t sent[] = { 0, 1, 100, 100000, 500000 };

        for (size_t i = 0; i < G_N_ELEMENTS(sent) * 4; i++) {
                int fd = web_connect(&web);

                web_send(&web, fd, head, strlen(head));
                web_send(&web, fd, body, sent[i / 4]);
                for (size_t k = 0; k < i % 4; k++)
                        g_assert_cmpint(sd_event_run(web.peer.event, 1000), >=, 0);
                close(fd);
                PEER_UNTIL(&web.peer, rest_api_is_idle(web.api));
                g_assert_cmpuint(web.peer.cluster->n_imports, ==, 0);
        }
}

static void test_follower(void) {
        g_autofree char *one = lines(9000, 1);

        web.peer.config->cluster.follower_mode = true;
        ask(one, 500, "line 1: this peer is configured to be in follower mode");
        web.peer.config->cluster.follower_mode = false;
}

static void test_stop_in_the_middle(void) {
        static const char head[] = "POST /allocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                   "Content-Length: 1000000\r\n\r\n";
        g_autofree char *body = lines(30000, 1500);
        int fd = web_connect(&web);
        WebAnswer answer = {};

        web_send(&web, fd, head, strlen(head));
        web_send(&web, fd, body, strlen(body));
        PEER_UNTIL(&web.peer, n_pins() >= 1000);
        cluster_stop(web.peer.cluster);
        web_read(&web, fd, &answer);
        g_assert_cmpuint(answer.status, ==, 500);
        g_assert_true(web_answer_has(&answer, "the peer is being stopped; 1000 pins were imported"));
        web_answer_done(&answer);
}

static void test_stop(void) {
        web_close(&web);
        web_open(&web);
        test_stop_in_the_middle();
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_open(&web);
        g_test_add_func("/rest/import/good", test_good);
        g_test_add_func("/rest/import/bad-line", test_bad_line);
        g_test_add_func("/rest/import/long-line", test_long_line);
        g_test_add_func("/rest/import/pieces", test_pieces);
        g_test_add_func("/rest/import/client-gone", test_client_gone);
        g_test_add_func("/rest/import/follower", test_follower);
        g_test_add_func("/rest/import/stop-in-the-middle", test_stop);
        r = g_test_run();
        web_close(&web);
        return r;
}
