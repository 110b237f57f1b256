#include <string.h>

#include "daemon/pinsvc/surface.h"
#include "tests/unit/rest/web.h"

static Web web;

static char *body_of(uint64_t n, const char *more) {
        char text[CID_TEXT_MAX];

        return g_strdup_printf("{\"cid\":\"%s\"%s}", peer_cid_text(n, text), more);
}

/* POST to PATH; answers the id. */
static char *post(const char *path, uint64_t n, const char *more) {
        g_autofree char *body = body_of(n, more);
        WebAnswer answer = {};
        char *id;

        WEB_EXPECT(&web, "POST", path, body, 202, &answer);
        g_assert_true(g_str_has_prefix(answer.body, "{\"requestid\":\""));
        id = g_strdup(answer.body + strlen("{\"requestid\":\""));
        *strchr(id, '"') = '\0';
        web_answer_done(&answer);
        return id;
}

static void expect(
                const char *method, const char *path, const char *body, unsigned status, const char *words) {
        WebAnswer answer = {};

        WEB_EXPECT(&web, method, path, body, status, &answer);
        if (!web_answer_has(&answer, words))
                g_error("%s %s: %s", method, path, answer.raw);
        web_answer_done(&answer);
}

static void until(const char *path, const char *words) {
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;
        WebAnswer answer = {};

        do {
                web_ask(&web, "GET", path, NULL, &answer);
                peer_turn(&web.peer, deadline);
        } while (!web_answer_has(&answer, words));
        web_answer_done(&answer);
}

static void test_life(void) {
        g_autofree char *id = post("/pins", 1, ",\"name\":\"a\",\"meta\":{\"k\":\"v\"}");
        g_autofree char *path = g_strdup_printf("/pins/%s", id);
        g_autofree char *other = NULL, *other_path = NULL;

        until(path, "\"status\":\"pinned\"");
        expect("GET", path, NULL, 200, ",\"name\":\"a\",\"meta\":{\"k\":\"v\"}}");
        other = post(path, 2, "");
        other_path = g_strdup_printf("/pins/%s", other);
        expect("GET", path, NULL, 404, "\"reason\":\"NOT_FOUND\"");
        until(other_path, "\"status\":\"pinned\"");
        expect("DELETE", other_path, NULL, 202, "Content-Length: 0");
        expect("DELETE", other_path, NULL, 404, other);
}

/* Nothing is done but to tell what is wrong. */
static void test_refused(void) {
        char text[CID_TEXT_MAX];
        g_autofree char *good = body_of(3, ""), *plain = g_strdup_printf("/pins/%s", peer_cid_text(3, text));
        uint64_t index = web.peer.n_failed;

        expect("POST", "/pins", "{}", 400, "\"details\":\"cid: nothing is not allowed");
        expect("POST", "/pins", "", 400, "\"details\":\"the body: nothing");
        expect("POST", "/pins/junk", good, 400, "\"details\":\"requestid: 'junk'");
        expect("POST", plain, good, 404, "there is no pinning request");
        expect("GET", plain, NULL, 404, "there is no pinning request");
        expect("GET", "/pins/junk", NULL, 400, "\"reason\":\"BAD_REQUEST\"");
        expect("DELETE", "/pins/junk", NULL, 400, "\"reason\":\"BAD_REQUEST\"");
        expect("GET", plain, NULL, 404, "there is no pinning request");
        g_assert_cmpuint(web.peer.n_failed, ==, index);
}

/* The client goes while it waits: nothing of it is left. */
static void test_gone(void) {
        char text[CID_TEXT_MAX];
        g_autofree char *body = body_of(4, "");
        g_autofree char *head = g_strdup_printf(
                        "POST /pins HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", strlen(body));
        g_autofree char *plain = g_strdup_printf("/pins/%s", peer_cid_text(4, text));
        int fd = web_connect(&web);

        web_send(&web, fd, head, strlen(head));
        web_send(&web, fd, body, strlen(body));
        close(fd);
        expect("GET", "/health", NULL, 204, "");
        expect("GET", plain, NULL, 404, "NOT_FOUND");
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_init(&web);
        web.surface = &pinsvc_surface;
        web_begin(&web);
        g_test_add_func("/pinsvc/pins/life", test_life);
        g_test_add_func("/pinsvc/pins/refused", test_refused);
        g_test_add_func("/pinsvc/pins/gone", test_gone);
        r = g_test_run();
        web_close(&web);
        return r;
}
