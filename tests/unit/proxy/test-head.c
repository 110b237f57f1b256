#include <glib.h>
#include <string.h>

#include "daemon/proxy/head.h"

#define HEAD_MAX 4096

static const struct {
        const char *head, *written;
        ProxyHead options;
} requests[] = {
        { "GET /a?b HTTP/1.1\r\nHost: h\r\nx-UPPER:  1\r\n\r\n",
          "GET /a?b HTTP/1.1\r\nHost: h\r\nx-UPPER: 1\r\n\r\n",
          {} },
        { "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", {} },
        { "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", {} },
        { "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", {} },
        { "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", {} },
        { "GET /?u=http://x/y HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET /?u=http://x/y HTTP/1.1\r\nHost: h\r\n\r\n",
          {} },
        { "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET /b?c HTTP/1.1\r\nHost: h\r\n\r\n",
          { .target = "/b?c" } },
        { "GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-A\r\nX-A: 1\r\nKeep-Alive: 1\r\nX-B: 2\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nX-B: 2\r\n\r\n",
          {} },
        { "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
          { .address = "1.2.3.4" } },
        { "GET / HTTP/1.1\r\nHost: h\r\nx-forwarded-for: a\r\nX-Forwarded-For: b, c\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: a, b, c, 1.2.3.4\r\n\r\n",
          { .address = "1.2.3.4" } },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nExpect: 100-continue\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nExpect: 100-continue\r\n\r\n",
          {} },
};

static void test_requests(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                const char *text = requests[i].head, *why;
                _cleanup_(str_done) Str written = {};
                Http1Head head;

                g_test_message("%s", text);
                g_assert_cmpint(http1_read_request(text, strlen(text), HEAD_MAX, &head, &why),
                                ==,
                                HTTP1_WHOLE);
                g_assert_cmpint(proxy_head_write_request(&head, &requests[i].options, &written), ==, 0);
                g_assert_cmpstr(written.data, ==, requests[i].written);
        }
}

static const struct {
        const char *head, *written;
        ProxyHead options;
} answers[] = {
        { "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n",
          {} },
        { "HTTP/1.0 404 Not Found\r\nConnection: close\r\nContent-Length: 1\r\n\r\n",
          "HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\n\r\n",
          {} },
        { "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n",
          "HTTP/1.1 200 \r\nContent-Length: 1\r\nConnection: close\r\n\r\n",
          { .closes = true } },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: y\r\n\r\n",
          "HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n",
          { .is_rechunked = true } },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
          "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
          { .is_unchunked = true, .closes = true } },
};

static void test_answers(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                const char *text = answers[i].head, *why;
                _cleanup_(str_done) Str written = {};
                Http1Head head;

                g_test_message("%s", text);
                g_assert_cmpint(http1_read_answer(text, strlen(text), HEAD_MAX, false, &head, &why),
                                ==,
                                HTTP1_WHOLE);
                g_assert_cmpint(proxy_head_write_answer(&head, &answers[i].options, &written), ==, 0);
                g_assert_cmpstr(written.data, ==, answers[i].written);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/proxy/head/requests", test_requests);
        g_test_add_func("/proxy/head/answers", test_answers);
        return g_test_run();
}
