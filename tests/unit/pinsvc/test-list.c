#include <string.h>

#include "daemon/cluster/internal.h"
#include "daemon/pinsvc/surface.h"
#include "tests/unit/rest/web.h"

#define N_CIDS 30
#define N_EACH 20

static Web web;

static void fill(void) {
        for (unsigned i = 0; i < N_CIDS * N_EACH; i++) {
                char text[CID_TEXT_MAX];
                g_autofree char *body = g_strdup_printf(
                                "{\"cid\":\"%s\",\"name\":\"n%u\"}", peer_cid_text(i % N_CIDS, text), i);

                web_check(&web, "POST", "/pins", body, 202);
        }
}

static unsigned count_of(const WebAnswer *answer) {
        const char *at = strstr(answer->body, "],\"count\":");

        g_assert_nonnull(at);
        return (unsigned) atoi(at + strlen("],\"count\":"));
}

static unsigned results_of(const WebAnswer *answer) {
        unsigned n = 0;

        for (const char *at = answer->body; (at = strstr(at, "{\"requestid\":")); at++)
                n++;
        return n;
}

static void expect(const char *query, unsigned n, unsigned count) {
        g_autofree char *target = g_strdup_printf("/pins?%s", query);
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", target, NULL, 200, &answer);
        g_test_message("%s", query);
        g_assert_true(answer.is_whole);
        g_assert_cmpuint(results_of(&answer), ==, n);
        g_assert_cmpuint(count_of(&answer), ==, count);
        web_answer_done(&answer);
}

static void until_all(void) {
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;
        WebAnswer answer = {};

        do {
                web_ask(&web, "GET", "/pins?limit=1", NULL, &answer);
                peer_turn(&web.peer, deadline);
        } while (count_of(&answer) < N_CIDS * N_EACH);
        web_answer_done(&answer);
}

static void test_filters(void) {
        char text[CID_TEXT_MAX];
        g_autofree char *one = g_strdup_printf("limit=1000&cid=%s", peer_cid_text(3, text));
        g_autofree char *none = g_strdup_printf("cid=%s", peer_cid_text(999, text));

        expect("", 10, N_CIDS * N_EACH);
        expect("limit=3", 3, N_CIDS * N_EACH);
        expect("name=n7", 1, 1);
        expect("name=N7", 0, 0);
        expect("name=N7&match=ipartial&limit=1000", 11, 11);
        expect("status=failed,queued,pinning", 0, 0);
        expect("before=2020-01-01T00:00:00Z", 0, 0);
        expect(one, N_EACH, N_EACH);
        expect(none, 0, 0);
}

/* More than goes out at once: streamed, and whole. */
static void test_long(void) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", "/pins?limit=1000", NULL, 200, &answer);
        g_assert_true(web_answer_has(&answer, "Transfer-Encoding: chunked"));
        g_assert_true(answer.is_whole);
        g_assert_true(g_str_has_prefix(answer.body, "{\"results\":[{\"requestid\":"));
        g_assert_true(g_str_has_suffix(answer.body, "],\"count\":600}"));
        g_assert_cmpuint(results_of(&answer), ==, N_CIDS * N_EACH);
        web_answer_done(&answer);
}

static void test_refused(void) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", "/pins?limit=0", NULL, 400, &answer);
        g_assert_true(web_answer_has(
                        &answer, "{\"error\":{\"reason\":\"BAD_REQUEST\",\"details\":\"limit: '0'"));
        web_answer_done(&answer);
}

/* Clients that go at any time leave nothing behind. */
static void test_gone(void) {
        static const char ask[] = "GET /pins?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n";

        for (unsigned turns = 0; turns < 12; turns++) {
                int fd = web_connect(&web);

                web_send(&web, fd, ask, strlen(ask));
                for (unsigned i = 0; i < turns; i++)
                        (void) sd_event_run(web.peer.event, 1000);
                close(fd);
        }
        expect("limit=1", 1, N_CIDS * N_EACH);
        g_assert_cmpuint(web.peer.cluster->n_lists, ==, 0);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_init(&web);
        web.surface = &pinsvc_surface;
        web_begin(&web);
        fill();
        until_all();
        g_test_add_func("/pinsvc/list/filters", test_filters);
        g_test_add_func("/pinsvc/list/long", test_long);
        g_test_add_func("/pinsvc/list/refused", test_refused);
        g_test_add_func("/pinsvc/list/gone", test_gone);
        r = g_test_run();
        web_close(&web);
        return r;
}
