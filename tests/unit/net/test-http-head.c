/* Heads, good and bad, as they are on the wire. */

#include <glib.h>
#include <string.h>

#include "tests/unit/net/serving.h"

#define HOST "Host: x\r\n"
#define CLOSE "Connection: close\r\n"

typedef struct HeadCase {
        const char *name, *wire;
        unsigned status;  /* 0: closed without an answer */
        const char *seen; /* by the owner */
} HeadCase;

static const HeadCase heads[] = {
        { "plain", "GET /hello HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "GET /hello\n" },
        { "other-method", "FROB /hello HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "FROB /hello\n" },
        { "other-minor-version", "GET /hello HTTP/1.2\r\n" HOST CLOSE "\r\n", 200, "GET /hello\n" },
        { "http10-without-host", "GET /hello HTTP/1.0\r\n\r\n", 200, "GET /hello\n" },
        { "raw-target",
          "GET /hello?a=%2F&a=+ HTTP/1.1\r\n" HOST CLOSE "\r\n",
          200,
          "GET /hello?a=%2F&a=+\n" },
        { "absolute-target",
          "GET http://x/hello HTTP/1.1\r\n" HOST CLOSE "\r\n",
          200,
          "GET http://x/hello\n" },
        { "star", "OPTIONS * HTTP/1.1\r\n" HOST CLOSE "\r\n", 404, "OPTIONS *\n" },
        { "bare-line-feeds", "GET /hello HTTP/1.1\nHost: x\nConnection: close\n\n", 200, "GET /hello\n" },
        { "folded", "GET /hello HTTP/1.1\r\n" HOST CLOSE "A: b\r\n c\r\n\r\n", 200, "GET /hello\n" },
        { "no-name-is-dropped", "GET /hello HTTP/1.1\r\n" HOST CLOSE ": b\r\n\r\n", 200, "GET /hello\n" },
        { "empty-lines-before", "\r\n\r\nGET /hello HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "GET /hello\n" },

        { "no-host", "GET /hello HTTP/1.1\r\n\r\n", 400, "" },
        { "two-hosts", "GET /hello HTTP/1.1\r\n" HOST "Host: y\r\n\r\n", 400, "" },
        { "space-before-colon", "GET /hello HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400, "" },
        { "space-before-name", "GET /hello HTTP/1.1\r\n A: b\r\n" HOST "\r\n", 400, "" },
        { "no-colon", "GET /hello HTTP/1.1\r\n" HOST "A b\r\n\r\n", 400, "" },
        { "no-version", "GET /hello\r\n" HOST "\r\n", 400, "" },
        { "other-protocol", "GET /hello FOO\r\n" HOST "\r\n", 400, "" },
        { "other-major-version", "GET /hello HTTP/2.0\r\n" HOST "\r\n", 505, "" },
        { "one-word", "foo\r\n\r\n", 0, "" },
        { "space-in-target", "GET /he llo HTTP/1.1\r\n" HOST "\r\n", 400, "" },
        { "control-in-target", "GET /he\x01llo HTTP/1.1\r\n" HOST "\r\n", 400, "" },
        { "delete-in-target", "GET /he\x7fllo HTTP/1.1\r\n" HOST "\r\n", 400, "" },
        { "bad-escape-in-path", "GET /hello% HTTP/1.1\r\n" HOST "\r\n", 400, "" },
        { "authority-target", "CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n", 400, "" },

        { "two-lengths",
          "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
          400,
          "" },
        { "same-length-twice",
          "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\ncontent-length: 1\r\n\r\na",
          400,
          "" },
        { "length-and-chunked",
          "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400,
          "" },
        { "chunked-in-http10",
          "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400,
          "" },
        { "xchunked",
          "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
          501,
          "" },
        { "gzip-chunked",
          "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
          501,
          "" },
        { "two-codings",
          "POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          501,
          "" },
        { "length-no-number", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1x\r\n\r\na", 400, "" },
        { "length-with-sign", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\na", 400, "" },
        { "length-negative", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\na", 400, "" },
        { "length-empty", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\na", 400, "" },
        { "length-overflow",
          "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\na",
          400,
          "" },
};

static unsigned status_of(const char *answer) {
        return g_str_has_prefix(answer, "HTTP/1.1 ") ? (unsigned) atoi(answer + 9) : 0;
}

/* One head, one body of the announced length, then the end. */
static void check_form(const char *answer) {
        const char *body = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");

        g_assert_cmpstr(body, !=, NULL);
        g_assert_cmpstr(strstr(answer, "Connection: close\r\n"), !=, NULL);
        if (length)
                g_assert_cmpuint(strlen(body + 4), ==, strtoul(length + 16, NULL, 10));
        g_assert_cmpstr(strstr(body, "HTTP/1.1"), ==, NULL);
}

static void test_head(const void *data) {
        const HeadCase *c = data;
        g_autofree char *answer = NULL;
        Serving serving;

        serving_open(&serving, NULL);
        answer = wire_exchange(serving.event, serving.port, c->wire);
        g_test_message("answer: %s", answer);
        g_assert_cmpuint(status_of(answer), ==, c->status);
        g_assert_cmpstr(serving.seen->str, ==, c->seen);
        if (c->status > 0)
                check_form(answer);
        serving_close(&serving);
}

/* The limit is on all of the head; the recorded answer is a plain text. */
static void test_size(void) {
        static const struct {
                size_t max, n;
                bool in_target;
                unsigned status;
        } cases[] = {
                { 0, 8000, false, 200 },     { 0, 8200, false, 431 },   { 0, 20000, false, 431 },
                { 0, 31000, false, 431 },    { 0, 200000, false, 431 }, { 0, 8000, true, 200 },
                { 0, 8200, true, 431 },      { 0, 40000, true, 414 },   { 8192, 12000, false, 200 },
                { 8192, 12300, false, 431 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *filler = g_strnfill(cases[i].n, 'x'), *wire = NULL, *answer = NULL;
                Serving serving;

                serving_open(&serving, &(HttpServerOptions){ .max_header_bytes = cases[i].max });
                wire = g_strdup_printf(
                                "GET /hello?%s HTTP/1.1\r\n" HOST CLOSE "X-Big: %s\r\n\r\n",
                                cases[i].in_target ? filler : "",
                                cases[i].in_target ? "" : filler);
                answer = wire_exchange(serving.event, serving.port, wire);
                g_test_message("%zu bytes: %s", cases[i].n, answer);
                g_assert_cmpuint(status_of(answer), ==, cases[i].status);
                check_form(answer);
                if (cases[i].status == 431 && cases[i].n < 32000) {
                        g_assert_cmpstr(strstr(answer, "Content-Type: text/plain; charset=utf-8\r\n"),
                                        !=,
                                        NULL);
                        g_assert_cmpint(g_str_has_suffix(
                                                        answer,
                                                        "\r\n\r\n431 Request Header Fields Too Large"),
                                        ==,
                                        true);
                }
                serving_close(&serving);
        }
}

/* Bytes of a head in any portions. */
static void test_dripped(void) {
        static const char wire[] = "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 3\r\n\r\nabc";
        g_autofree char *answer = NULL;
        Serving serving;
        int fd;

        serving_open(&serving, NULL);
        fd = wire_connect(serving.port);
        for (const char *p = wire; *p; p++) {
                wire_send(serving.event, fd, p, 1);
                wire_turns(serving.event, 3);
        }
        answer = wire_read(serving.event, fd, NULL);
        g_assert_cmpint(g_str_has_suffix(answer, "\r\n\r\nabc"), ==, true);
        close(fd);
        serving_close(&serving);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
                g_autofree char *path = g_strconcat("/net/http-head/", heads[i].name, NULL);

                g_test_add_data_func(path, heads + i, test_head);
        }
        g_test_add_func("/net/http-head/size-is-bounded", test_size);
        g_test_add_func("/net/http-head/byte-by-byte", test_dripped);
        return g_test_run();
}
