#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cluster/internal.h"
#include "daemon/rest/add.h"
#include "daemon/rest/request.h"
#include "tests/unit/rest/web.h"

#define PART(name, data)                                                                                    \
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name "\"\r\n\r\n" data "\r\n"
#define END "--B--\r\n"
#define FORM "multipart/form-data; boundary=B"
#define HELLO                                                                                               \
        "{\"name\":\"a\",\"cid\":\"bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a\",\"size\":14,\"allocations\":["

static Web web;

static uint64_t n_pins(void) {
        return state_pinset_count(consensus_pinset(web.peer.cluster->consensus));
}

static int send_head(const char *target, const char *type, size_t n) {
        g_autofree char *head = g_strdup_printf(
                        "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        target,
                        type,
                        n);
        int fd = web_connect(&web);

        web_send(&web, fd, head, strlen(head));
        return fd;
}

static void post(const char *target, const char *type, const char *body, WebAnswer *ret) {
        int fd = send_head(target, type, strlen(body));

        web_send(&web, fd, body, strlen(body));
        web_read(&web, fd, ret);
}

static void expect(const WebAnswer *answer, unsigned status, const char *start, const char *trailer) {
        if (answer->status != status || !g_str_has_prefix(answer->body, start) ||
            g_strcmp0(answer->trailer, trailer) != 0 || !answer->is_whole)
                g_error("expected %u, %s, %s: %s; %s", status, start, trailer, answer->raw, answer->trailer);
}

/* ---- lines */

static void test_stream(void) {
        static const char *const headers[] = {
                "\r\nContent-Type: application/json\r\n",
                "\r\nCache-Control: no-cache\r\n",
                "\r\nTrailer: X-Stream-Error\r\n",
                "\r\nX-Chunked-Output: 1\r\n",
                "\r\nVary: Origin\r\n",
                "\r\nConnection: close\r\n",
                "\r\nTransfer-Encoding: chunked\r\n",
        };
        WebAnswer answer = {};

        post("/add", FORM, PART("a", "hello cluster\n") END, &answer);
        expect(&answer, 200, HELLO, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(headers); i++)
                if (!web_answer_has(&answer, headers[i]))
                        g_error("no '%s' in %s", headers[i], answer.raw);
        g_assert_cmpuint(n_pins(), ==, 1);
        web_answer_done(&answer);
}

static void test_array(void) {
        WebAnswer answer = {};

        post("/add?stream-channels=false", FORM, PART("a", "hello cluster\n") PART("b", "x") END, &answer);
        expect(&answer, 200, "[" HELLO, NULL);
        g_assert_true(g_str_has_suffix(answer.body, "\"]}]\n"));
        g_assert_false(web_answer_has(&answer, "Trailer:"));
        web_answer_done(&answer);
}

static bool has_come(int fd, const char *text) {
        char answer[512];
        ssize_t n = recv(fd, answer, sizeof(answer), MSG_PEEK);

        return n > 0 && memmem(answer, (size_t) n, text, strlen(text));
}

/* The answer comes while the request is sent. */
static void test_both_ways(void) {
        static const char first[] = PART("a", "hello cluster\n"), last[] = PART("b", "x") END;
        WebAnswer answer = {};
        int fd;

        fake_kubo_plan(web.peer.kubo,
                       "add",
                       NULL,
                       &(FakeAnswer){ .body = "{\"Name\":\"a\",\"Bytes\":14}\n",
                                      .fault = FAKE_HANG,
                                      .times = 1 });
        fd = send_head("/add", FORM, strlen(first) + strlen(last));
        web_send(&web, fd, first, strlen(first));
        PEER_UNTIL(&web.peer, has_come(fd, "\r\n\r\n22\r\n{\"name\":\"\",\"cid\":null,\"bytes\":14}\n\r\n"));
        web_send(&web, fd, last, strlen(last));
        fake_kubo_release(web.peer.kubo);
        web_read(&web, fd, &answer);
        g_assert_cmpuint(answer.status, ==, 200);
        web_answer_done(&answer);
}

/* ---- failures */

static void test_refused(void) {
        static const struct {
                const char *target, *type, *body;
                unsigned status;
                const char *start;
        } cases[] = {
                { "/add",
                  "text/plain",
                  "x",
                  400,
                  "{\"code\":400,\"message\":\"request Content-Type isn't multipart/form-data\"}\n" },
                { "/add",
                  "multipart/form-data",
                  "x",
                  400,
                  "{\"code\":400,\"message\":\"no multipart boundary param in Content-Type\"}\n" },
                { "/add",
                  FORM,
                  END,
                  400,
                  "{\"code\":400,\"message\":\"the form has no part: expected at least one file\"}\n" },
                { "/add", FORM, "", 400, "{\"code\":400,\"message\":\"multipart: NextPart: EOF\"}\n" },
                { "/add", FORM, "junk", 400, "{\"code\":400,\"message\":\"multipart: NextPart: EOF\"}\n" },
                { "/add?layout=round",
                  FORM,
                  PART("a", "x") END,
                  400,
                  "{\"code\":400,\"message\":\"layout parameter is invalid\"}\n" },
                { "/add?replication-min=x",
                  FORM,
                  PART("a", "x") END,
                  400,
                  "{\"code\":400,\"message\":\"parameter replication-min invalid\"}\n" },
                { "/add?shard=true",
                  FORM,
                  PART("a", "x") END,
                  501,
                  "{\"code\":501,\"message\":\"shard=true: sharding is not offered" },
                { "/add?stream-channels=false&replication=3",
                  FORM,
                  PART("a", "x") END,
                  500,
                  "{\"code\":500,\"message\":\"not enough peers" },
        };
        uint64_t before = n_pins();

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WebAnswer answer = {};

                post(cases[i].target, cases[i].type, cases[i].body, &answer);
                expect(&answer, cases[i].status, cases[i].start, NULL);
                web_answer_done(&answer);
        }
        g_assert_cmpuint(n_pins(), ==, before);
        g_assert_cmpuint(web.peer.cluster->n_adds, ==, 0);
}

static void test_trailers(void) {
        static const struct {
                const char *target, *body, *start, *trailer;
        } cases[] = {
                { "/add", PART("a", "x"), "", "multipart: NextPart: EOF" },
                { "/add?format=car", PART("a", "x") END, "", "unexpected EOF" },
                { "/add?format=car&wrap-with-directory=true",
                  PART("a", "x") END,
                  "",
                  "cannot wrap a CAR file upload" },
                { "/add?expire-at=2001-01-01T00:00:00Z",
                  PART("a", "x") END,
                  "",
                  "pin.ExpireAt set before current time" },
        };
        uint64_t before = n_pins();

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WebAnswer answer = {};

                post(cases[i].target, FORM, cases[i].body, &answer);
                expect(&answer, 200, cases[i].start, cases[i].trailer);
                web_answer_done(&answer);
        }
        g_assert_cmpuint(n_pins(), ==, before);
}

static void test_kubo_fails(void) {
        FakeAnswer trouble = { .status = 500,
                               .body = "{\"Message\":\"no\",\"Code\":0,\"Type\":\"error\"}",
                               .times = 1 };
        WebAnswer answer = {};

        fake_kubo_plan(web.peer.kubo, "add", NULL, &trouble);
        post("/add", FORM, PART("a", "x") END, &answer);
        expect(&answer, 200, "", "no");
        fake_kubo_plan(web.peer.kubo, "add", NULL, &trouble);
        post("/add?stream-channels=false", FORM, PART("a", "x") END, &answer);
        expect(&answer, 500, "{\"code\":500,\"message\":\"no\"}\n", NULL);
        web_answer_done(&answer);
}

static void test_array_too_large(void) {
        g_autoptr(GString) lines = g_string_new(NULL);
        WebAnswer answer = {};

        while (lines->len < REST_ADD_ARRAY_MAX)
                g_string_append(lines,
                                "{\"Name\":\"a/b\",\"Hash\":\"QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma\",\"Size\":\"1\"}\n");
        fake_kubo_plan(web.peer.kubo, "add", NULL, &(FakeAnswer){ .body = lines->str, .times = 1 });
        post("/add?stream-channels=false", FORM, PART("a", "x") END, &answer);
        expect(&answer,
               413,
               "{\"code\":413,\"message\":\"stream-channels=false: the answer is larger than 4194304 bytes",
               NULL);
        web_answer_done(&answer);
        g_assert_cmpuint(web.peer.cluster->n_adds, ==, 0);
}

/* A client that takes nothing: what waits for it is bounded. */
static void test_slow_client(void) {
        g_autoptr(GString) lines = g_string_new(NULL);
        WebAnswer answer = {};
        RestRequest *request;
        int fd, small = 4096;

        while (lines->len < 4 * 1024 * 1024)
                g_string_append(lines,
                                "{\"Name\":\"a/b\",\"Hash\":\"QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma\",\"Size\":\"1\"}\n");
        fake_kubo_plan(web.peer.kubo, "add", NULL, &(FakeAnswer){ .body = lines->str, .times = 1 });
        fd = send_head("/add", FORM, strlen(PART("a", "x") END));
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        web_send(&web, fd, PART("a", "x") END, strlen(PART("a", "x") END));
        for (unsigned i = 0; i < 300; i++)
                peer_turn(&web.peer, G_MAXINT64);
        request = LIST_FIRST(&web.api->requests, RestRequest, link);
        g_assert_nonnull(request);
        g_assert_cmpuint(web.peer.cluster->n_adds, ==, 1);
        web_read(&web, fd, &answer);
        g_assert_cmpuint(answer.status, ==, 200);
        g_assert_true(answer.is_whole);
        web_answer_done(&answer);
}

/* ---- the client goes */

static void test_client_goes(void) {
        static const char first[] = PART("a", "hello");
        uint64_t before = n_pins();

        for (int array = 0; array < 2; array++) {
                int fd = send_head(array ? "/add?stream-channels=false" : "/add", FORM, 100000);

                fake_kubo_forget_requests(web.peer.kubo);
                web_send(&web, fd, first, strlen(first));
                PEER_UNTIL(&web.peer, fake_kubo_count(web.peer.kubo, "add") == 1);
                close(fd);
                PEER_UNTIL(&web.peer, rest_api_is_idle(web.api));
        }
        g_assert_cmpuint(web.peer.cluster->n_adds, ==, 0);
        g_assert_cmpuint(n_pins(), ==, before);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_open(&web);
        g_test_add_func("/rest/routes-add/stream", test_stream);
        g_test_add_func("/rest/routes-add/array", test_array);
        g_test_add_func("/rest/routes-add/both-ways", test_both_ways);
        g_test_add_func("/rest/routes-add/refused", test_refused);
        g_test_add_func("/rest/routes-add/trailers", test_trailers);
        g_test_add_func("/rest/routes-add/kubo-fails", test_kubo_fails);
        g_test_add_func("/rest/routes-add/array-too-large", test_array_too_large);
        g_test_add_func("/rest/routes-add/slow-client", test_slow_client);
        g_test_add_func("/rest/routes-add/client-goes-pins-nothing", test_client_goes);
        r = g_test_run();
        web_close(&web);
        return r;
}
