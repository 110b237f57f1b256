#include <glib.h>
#include <string.h>

#include "daemon/wire/http1-body.h"

static const struct {
        const char *bytes; /* what comes */
        int result;        /* of the whole: 1 ended, 0 goes on, or negative */
        const char *data, *trailers;
        size_t used;
} chunked[] = {
        { "0\r\n\r\n", 1, "", "", 5 },
        { "0\r\n\r\nGET", 1, "", "", 5 },
        { "5\r\nhello\r\n0\r\n\r\n", 1, "hello", "", 15 },
        { "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 1, "hello!", "", 21 },
        { "A\r\n0123456789\r\n000\r\n\r\n", 1, "0123456789", "", 22 },
        { "a;x=y; z=\"1\"\r\n0123456789\r\n0;q\r\n\r\n", 1, "0123456789", "", 33 },
        { "0\r\nX-Stream-Error: a b\r\nY:\r\n\r\n", 1, "", "X-Stream-Error: a b\r\nY:\r\n", 30 },
        { "5\r\nhel", 0, "hel", "", 6 },
        { "5\r\nhello\r\n0\r\nX: y", 0, "hello", "X: y", 17 },
        { "5\r\nhello\r\n0\r\n\r", 0, "hello", "", 14 },
        { "7fffffffffffffff\r\nx", 0, "x", "", 19 },

        { "\r\n", -EBADMSG, NULL, NULL, 0 },
        { " 5\r\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "5 \r\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "+5\r\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "-5\r\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "0x5\r\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "5\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "5\rhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "5\r\nhello\n0\r\n\r\n", -EBADMSG, NULL, NULL, 0 },
        { "5\r\nhello!\r\n", -EBADMSG, NULL, NULL, 0 },
        { "5\r\nhello\r0", -EBADMSG, NULL, NULL, 0 },
        { "5\r\nhello\r\n\r\n", -EBADMSG, NULL, NULL, 0 },
        { "5;\n\r\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "ffffffffffffffff\r\nx", -EBADMSG, NULL, NULL, 0 },
        { "00000000000000005\r\nhello\r\n", -EBADMSG, NULL, NULL, 0 },
        { "8000000000000000\r\nx", -EBADMSG, NULL, NULL, 0 },
        { "0\r\n: x\r\n\r\n", -EBADMSG, NULL, NULL, 0 },
        { "0\r\nX y: z\r\n\r\n", -EBADMSG, NULL, NULL, 0 },
        { "0\r\nX\r\n\r\n", -EBADMSG, NULL, NULL, 0 },
        { "0\r\nX: y\n\r\n", -EBADMSG, NULL, NULL, 0 },
        { "0\r\nX: y\rz\r\n\r\n", -EBADMSG, NULL, NULL, 0 },
        { "0\r\n\rX", -EBADMSG, NULL, NULL, 0 },
};

/* Show it the bytes STEP at a time. */
static int feed(const char *bytes, size_t step, GString *data, GString *trailers, size_t *ret_used) {
        size_t n = strlen(bytes), at = 0, known = 0;
        Http1Body body;
        Http1Part part;
        int r = 0;

        http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
        while (r >= 0 && !http1_body_is_ended(&body) && (at < known || known < n)) {
                known = MIN(n, MAX(known, at + step));
                r = http1_body_next(&body, bytes + at, known - at, &part);
                if (r == HTTP1_PART_DATA)
                        g_string_append_len(data, part.at, (gssize) part.n);
                if (r == HTTP1_PART_TRAILER)
                        g_string_append_len(trailers, part.at, (gssize) part.n);
                at += r >= 0 ? part.used : 0;
        }
        *ret_used = at;
        return r < 0 ? r : http1_body_is_ended(&body);
}

static void test_chunked(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(chunked); i++)
                for (size_t step = 1; step <= strlen(chunked[i].bytes); step++) {
                        g_autoptr(GString) data = g_string_new(NULL), trailers = g_string_new(NULL);
                        size_t used;
                        int r;

                        g_test_message("%s, %zu at a time", chunked[i].bytes, step);
                        r = feed(chunked[i].bytes, step, data, trailers, &used);
                        g_assert_cmpint(r, ==, chunked[i].result);
                        if (r < 0)
                                continue;
                        g_assert_cmpstr(data->str, ==, chunked[i].data);
                        g_assert_cmpstr(trailers->str, ==, chunked[i].trailers);
                        g_assert_cmpuint(used, ==, chunked[i].used);
                }
}

static void test_scan(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(chunked); i++) {
                Http1Body body;
                size_t used;
                int r;

                http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
                g_test_message("%s", chunked[i].bytes);
                r = http1_body_scan(&body, chunked[i].bytes, strlen(chunked[i].bytes), &used);
                g_assert_cmpint(r, ==, chunked[i].result);
                if (r >= 0)
                        g_assert_cmpuint(used, ==, chunked[i].used);
        }
}

/* What costs nothing to send must not cost memory or time without end. */
static void test_bounds(void) {
        g_autoptr(GString) extension = g_string_new("5;"), trailers = g_string_new("0\r\n");
        Http1Body body;
        size_t used;

        for (int i = 0; i < HTTP1_EXTENSION_MAX; i++)
                g_string_append_c(extension, 'x');
        http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
        g_assert_cmpint(http1_body_scan(&body, extension->str, extension->len, &used), ==, 0);
        g_assert_cmpint(http1_body_scan(&body, "x", 1, &used), ==, -EBADMSG);

        for (int i = 0; i < HTTP1_TRAILERS_MAX; i++)
                g_string_append(trailers, "X: y\r\n");
        http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
        g_assert_cmpint(http1_body_scan(&body, trailers->str, trailers->len, &used), ==, -EBADMSG);
}

static void test_length(void) {
        Http1Body body;
        size_t used;

        http1_body_init(&body, HTTP1_BODY_LENGTH, 5);
        g_assert_false(http1_body_is_ended(&body));
        g_assert_cmpuint(http1_body_data_left(&body), ==, 5);
        g_assert_cmpint(http1_body_scan(&body, "abc", 3, &used), ==, 0);
        g_assert_cmpuint(used, ==, 3);
        g_assert_cmpint(http1_body_scan(&body, "defg", 4, &used), ==, 1);
        g_assert_cmpuint(used, ==, 2);
        g_assert_cmpint(http1_body_scan(&body, "g", 1, &used), ==, 1);
        g_assert_cmpuint(used, ==, 0);

        http1_body_init(&body, HTTP1_BODY_LENGTH, 0);
        g_assert_true(http1_body_is_ended(&body));
        http1_body_init(&body, HTTP1_BODY_NONE, 7);
        g_assert_true(http1_body_is_ended(&body));
        http1_body_init(&body, HTTP1_BODY_CLOSE, 0);
        g_assert_cmpint(http1_body_scan(&body, "abc", 3, &used), ==, 0);
        g_assert_cmpuint(used, ==, 3);
        g_assert_cmpuint(http1_body_data_left(&body), ==, UINT64_MAX);
}

static void test_skip(void) {
        Http1Body body;
        size_t used;

        http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
        g_assert_cmpuint(http1_body_data_left(&body), ==, 0);
        g_assert_cmpint(http1_body_scan(&body, "10\r\nab", 6, &used), ==, 0);
        g_assert_cmpuint(http1_body_data_left(&body), ==, 14);
        http1_body_skip(&body, 14);
        g_assert_cmpuint(http1_body_data_left(&body), ==, 0);
        g_assert_cmpint(http1_body_scan(&body, "\r\n0\r\n\r\n", 7, &used), ==, 1);
        http1_body_init(&body, HTTP1_BODY_CLOSE, 0);
        http1_body_skip(&body, 1000);
        g_assert_false(http1_body_is_ended(&body));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/wire/http1-body/chunked-at-any-cut", test_chunked);
        g_test_add_func("/wire/http1-body/scan", test_scan);
        g_test_add_func("/wire/http1-body/bounds", test_bounds);
        g_test_add_func("/wire/http1-body/length", test_length);
        g_test_add_func("/wire/http1-body/skip", test_skip);
        return g_test_run();
}
