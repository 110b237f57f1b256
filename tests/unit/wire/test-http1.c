#include <glib.h>
#include <string.h>

#include "daemon/wire/http1.h"

#define HEAD_MAX 1024
#define HOST "Host: h\r\n"

/* ---- requests ---- */

static const struct {
        const char *text;
        int result;
        const char *why; /* of a refusal; else "METHOD TARGET BODY LENGTH CLOSES" */
} requests[] = {
        { "GET / HTTP/1.1\r\n" HOST "\r\n", 1, "GET / 0 0 0" },
        { "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 1, "GET / 0 0 0" },
        { "POST /a?b=c HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n", 1, "POST /a?b=c 1 17 0" },
        { "POST / HTTP/1.1\r\n" HOST "content-length:0\r\n\r\n", 1, "POST / 1 0 0" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n", 1, "POST / 2 0 0" },
        { "GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n", 1, "GET / 0 0 1" },
        { "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n", 1, "GET / 0 0 0" },
        { "GET / HTTP/1.0\r\n\r\n", 1, "GET / 0 0 1" },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 1, "GET / 0 0 0" },
        { "GET http://h/x HTTP/1.1\r\n" HOST "\r\n", 1, "GET http://h/x 0 0 0" },
        { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 1, "OPTIONS * 0 0 0" },
        { "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "X: \xc3\xa4\t\"\r\n\r\n", 1, "GET /\xc3\xa4 0 0 0" },

        { "", 0, NULL },
        { "GET / HTTP/1.1\r\nHost: h\r\n", 0, NULL },
        { "GET / HTTP/1.1\n\n", 0, NULL },

        /* two readers might disagree about where the body ends */
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
          400,
          "two Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
          400,
          "two Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", 400, "bad Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400, "bad Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", 400, "bad Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n", 400, "bad Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400, "bad Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n",
          400,
          "bad Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          400,
          "Content-Length beside Transfer-Encoding" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
          400,
          "two Transfer-Encoding" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
          501,
          "a Transfer-Encoding other than chunked" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
          501,
          "a Transfer-Encoding other than chunked" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n",
          501,
          "a Transfer-Encoding other than chunked" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", 400, "bad header name" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n", 400, "bad header value" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Transfer-Encoding in HTTP/1.0" },
        { "POST / HTTP/1.1\r\n" HOST "X: a\r\n Content-Length: 3\r\n\r\n", 400, "bad header name" },
        { "POST / HTTP/1.1\r\n" HOST "X: a\nContent-Length: 3\r\n\r\n",
          400,
          "a line does not end with CRLF" },
        { "POST / HTTP/1.1\r\n" HOST "X: a\rContent-Length: 3\r\n\r\n", 400, "bad header value" },
        { "POST / HTTP/1.1\n" HOST "\r\n\r\n", 400, "a line does not end with CRLF" },

        { "GET / HTTP/1.1\r\n\r\n", 400, "no Host" },
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "two Host" },
        { "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "bad Host" },
        { "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400, "bad header name" },
        { "GET / HTTP/1.1\r\n" HOST "x\r\n\r\n", 400, "a header line without a colon" },
        { "GET / HTTP/1.1\r\n" HOST "a b: x\r\n\r\n", 400, "bad header name" },
        { "GET / HTTP/2.0\r\n" HOST "\r\n", 505, "neither HTTP/1.0 nor HTTP/1.1" },
        { "GET / HTTP/1.2\r\n" HOST "\r\n", 505, "neither HTTP/1.0 nor HTTP/1.1" },
        { "GET / http/1.1\r\n" HOST "\r\n", 400, "bad version" },
        { "GET / HTTP/1.1 \r\n" HOST "\r\n", 400, "bad request line" },
        { "GET  / HTTP/1.1\r\n" HOST "\r\n", 400, "bad request line" },
        { "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, "bad request line" },
        { "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400, "bad request line" },
        { "GE(T / HTTP/1.1\r\n" HOST "\r\n", 400, "bad request line" },
        { "GET /\r\n\r\n", 400, "bad request line" },
        { " GET / HTTP/1.1\r\n" HOST "\r\n", 400, "bad request line" },
};

static void test_requests(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                const char *text = requests[i].text, *why = NULL;
                Http1Head head;
                int r;

                g_test_message("%s", text);
                r = http1_read_request(text, strlen(text), HEAD_MAX, &head, &why);
                g_assert_cmpint(r, ==, requests[i].result);
                if (r == HTTP1_WHOLE) {
                        g_autofree char *read = g_strdup_printf(
                                        "%.*s %.*s %d %" G_GUINT64_FORMAT " %d",
                                        (int) head.method.n,
                                        head.method.at,
                                        (int) head.target.n,
                                        head.target.at,
                                        (int) head.body,
                                        head.length,
                                        head.closes);

                        g_assert_cmpstr(read, ==, requests[i].why);
                        g_assert_cmpuint(head.size, ==, strlen(text));
                } else
                        g_assert_cmpstr(why, ==, requests[i].why);
        }
}

/* Nothing is believed of a head that is not whole, wherever it is cut. */
static void test_requests_cut(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                const char *text = requests[i].text, *why;
                Http1Head head;

                if (requests[i].result != HTTP1_WHOLE)
                        continue;
                for (size_t n = 0; n < strlen(text); n++) {
                        g_autofree char *cut = g_memdup2(text, n); /* so that reading on is seen */

                        g_assert_cmpint(http1_read_request(cut, n, HEAD_MAX, &head, &why), ==, HTTP1_MORE);
                }
        }
}

static void test_too_large(void) {
        g_autoptr(GString) text = g_string_new("GET / HTTP/1.1\r\n" HOST);
        const char *why = NULL;
        Http1Head head;

        for (int i = 0; i < 70; i++)
                g_string_append(text, "X: y\r\n");
        g_assert_cmpint(http1_read_request(text->str, text->len, text->len, &head, &why), ==, 431);
        g_string_append(text, "\r\n");
        g_assert_cmpint(http1_read_request(text->str, text->len, text->len, &head, &why), ==, HTTP1_WHOLE);
        g_assert_cmpint(http1_read_request(text->str, text->len, text->len - 1, &head, &why), ==, 431);
        g_assert_cmpstr(why, ==, "the head is too large");

        g_string_truncate(text, text->len - 2);
        for (int i = 0; i < 60; i++)
                g_string_append(text, "X: y\r\n");
        g_string_append(text, "\r\n");
        g_assert_cmpint(http1_read_request(text->str, text->len, 65536, &head, &why), ==, 431);
        g_assert_cmpstr(why, ==, "too many header fields");

        g_string_truncate(text, 0);
        for (int i = 0; i < HEAD_MAX; i++)
                g_string_append(text, "\r\n");
        g_assert_cmpint(http1_read_request(text->str, text->len, HEAD_MAX, &head, &why), ==, 431);
}

/* ---- answers ---- */

static const struct {
        const char *text;
        bool is_head;
        int result;
        const char *read; /* "STATUS REASON BODY LENGTH CLOSES" */
} answers[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 1, "200 OK 1 5 0" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 1, "200 OK 0 5 0" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, 1, "200 OK 2 0 0" },
        { "HTTP/1.1 200 OK\r\n\r\n", false, 1, "200 OK 3 0 1" },
        { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", false, 1, "200 OK 3 0 1" },
        { "HTTP/1.1 204 No Content\r\n\r\n", false, 1, "204 No Content 0 0 0" },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, 1, "304 Not Modified 0 5 0" },
        { "HTTP/1.1 100 Continue\r\n\r\n", false, 1, "100 Continue 0 0 0" },
        { "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 1, "200  1 0 0" },
        { "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, 1, "200  1 0 0" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", false, 1, "200 OK 1 5 1" },

        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false, 502, NULL },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", false, 502, NULL },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, 502, NULL },
        { "HTTP/1.1 20 OK\r\n\r\n", false, 502, NULL },
        { "HTTP/1.1 2000 OK\r\n\r\n", false, 502, NULL },
        { "HTTP/1.1 099 OK\r\n\r\n", false, 502, NULL },
        { "HTTP/1.1 200 O\x01K\r\n\r\n", false, 502, NULL },
        { "HTTP/2.0 200 OK\r\n\r\n", false, 502, NULL },
        { "ICY 200 OK\r\n\r\n", false, 502, NULL },
        { "\r\nHTTP/1.1 200 OK\r\n\r\n", false, 502, NULL },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", false, 0, NULL },
};

static void test_answers(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                const char *text = answers[i].text, *why = NULL;
                g_autofree char *read = NULL;
                Http1Head head;
                int r;

                g_test_message("%s", text);
                r = http1_read_answer(text, strlen(text), HEAD_MAX, answers[i].is_head, &head, &why);
                g_assert_cmpint(r, ==, answers[i].result);
                if (r != HTTP1_WHOLE)
                        continue;
                read = g_strdup_printf(
                                "%u %.*s %d %" G_GUINT64_FORMAT " %d",
                                head.status,
                                (int) head.reason.n,
                                head.reason.at,
                                (int) head.body,
                                head.length,
                                head.closes);
                g_assert_cmpstr(read, ==, answers[i].read);
        }
}

/* ---- fields ---- */

static void test_hop(void) {
        static const char text[] =
                        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Mine, Origin, Host\r\n"
                        "Keep-Alive: 5\r\nX-Mine: 1\r\nX-Other: 2\r\nTE: trailers\r\nUpgrade: h2c\r\n"
                        "Origin: http://a\r\nTrailer: X\r\n\r\n";
        g_autoptr(GString) kept = g_string_new(NULL);
        const char *why;
        Http1Head head;

        g_assert_cmpint(http1_read_request(text, strlen(text), HEAD_MAX, &head, &why), ==, HTTP1_WHOLE);
        for (size_t i = 0; i < head.n_fields; i++)
                if (!http1_is_for_hop(&head, head.fields + i))
                        g_string_append_printf(
                                        kept, "%.*s ", (int) head.fields[i].name.n, head.fields[i].name.at);
        g_assert_cmpstr(kept->str, ==, "Host X-Other TE Origin Trailer ");
}

static void test_fields(void) {
        static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX-A:  b c\t \r\nx-a: d\r\n\r\n";
        _cleanup_free_ char *value = NULL, *none = NULL;
        _cleanup_(str_done) Str out = {};
        const char *why;
        Http1Head head;

        g_assert_cmpint(http1_read_request(text, strlen(text), HEAD_MAX, &head, &why), ==, HTTP1_WHOLE);
        g_assert_cmpint(http1_copy(&head, "x-A", &value), ==, 0);
        g_assert_cmpstr(value, ==, "b c");
        g_assert_cmpint(http1_copy(&head, "X", &none), ==, 0);
        g_assert_null(none);
        g_assert_null(http1_find(&head, "X-AA"));
        g_assert_cmpint(http1_write(&out, http1_find(&head, "X-a")), ==, 0);
        g_assert_cmpstr(out.data, ==, "X-A: b c\r\n");
        g_assert_true(http1_equals(head.method, "GET"));
        g_assert_false(http1_equals(head.method, "get"));
        g_assert_true(http1_is(head.method, "get"));
        g_assert_false(http1_is(head.method, "ge"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/wire/http1/requests", test_requests);
        g_test_add_func("/wire/http1/requests-cut", test_requests_cut);
        g_test_add_func("/wire/http1/too-large", test_too_large);
        g_test_add_func("/wire/http1/answers", test_answers);
        g_test_add_func("/wire/http1/for-the-next-hop", test_hop);
        g_test_add_func("/wire/http1/fields", test_fields);
        return g_test_run();
}
