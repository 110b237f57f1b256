/* Answers, as they are on the wire. */

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/net/http-answer.h"
#include "tests/unit/net/serving.h"

typedef struct AnswerCase {
        const char *name, *request;
        const char *head; /* all lines but Date, in their order */
        const char *body;
} AnswerCase;

#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define LINE "{\"line\":\"0123456789\"}\n"

static const AnswerCase answers[] = {
        { "content-type-and-length",
          REQUEST("GET", "/hello"),
          "HTTP/1.1 200 OK\nConnection: close\nContent-Type: text/plain\nContent-Length: 5\n",
          "hello" },
        { "headers-in-order",
          REQUEST("GET", "/headers"),
          "HTTP/1.1 200 OK\nConnection: close\nX-One: 1\nX-Empty:\nX-Lines: a  b c\nX-One: 2\nContent-Length: 1\n",
          "x" },
        { "head",
          REQUEST("HEAD", "/hello"),
          "HTTP/1.1 200 OK\nConnection: close\nContent-Type: text/plain\nContent-Length: 5\n",
          "" },
        { "no-content", REQUEST("GET", "/status?204"), "HTTP/1.1 204 No Content\nConnection: close\n", "" },
        { "empty",
          REQUEST("GET", "/status?405"),
          "HTTP/1.1 405 Method Not Allowed\nConnection: close\nContent-Length: 0\n",
          "" },
        { "stream",
          REQUEST("GET", "/lines?2"),
          "HTTP/1.1 200 OK\nConnection: close\nContent-Type: application/json\n"
          "Trailer: X-Stream-Error\nTransfer-Encoding: chunked\n",
          "2C\r\n" LINE LINE "\r\n0\r\nX-Stream-Error:  \r\nX-Test: a b\r\n\r\n" },
        { "empty-stream",
          REQUEST("GET", "/lines?0"),
          "HTTP/1.1 200 OK\nConnection: close\nContent-Type: application/json\n"
          "Trailer: X-Stream-Error\nTransfer-Encoding: chunked\n",
          "0\r\nX-Stream-Error:  \r\nX-Test: a b\r\n\r\n" },
        { "head-of-stream",
          REQUEST("HEAD", "/lines?2"),
          "HTTP/1.1 200 OK\nConnection: close\nContent-Type: application/json\n"
          "Trailer: X-Stream-Error\nContent-Length: 0\n",
          "" },
        { "http10-stream",
          "GET /lines?2 HTTP/1.0\r\n\r\n",
          "HTTP/1.1 200 OK\nConnection: close\nContent-Type: application/json\nTrailer: X-Stream-Error\n",
          LINE LINE },
        { "http10",
          "GET /hello HTTP/1.0\r\n\r\n",
          "HTTP/1.1 200 OK\nConnection: close\nContent-Type: text/plain\nContent-Length: 5\n",
          "hello" },
};

/* The head without Date and with plain line ends. */
static char *normal_head(const char *answer, const char *end) {
        g_autofree char *head = g_strndup(answer, (gsize) (end - answer) + 2);
        g_auto(GStrv) lines = g_strsplit(head, "\r\n", -1);
        GString *text = g_string_new(NULL);

        for (char **line = lines; *line; line++)
                if (**line && !g_str_has_prefix(*line, "Date: "))
                        g_string_append_printf(text, "%s\n", g_strchomp(*line));
        return g_string_free(text, FALSE);
}

static void test_answer(const void *data) {
        const AnswerCase *c = data;
        g_autofree char *answer = NULL, *head = NULL;
        const char *end;
        Serving serving;

        serving_open(&serving, NULL);
        answer = wire_exchange(serving.event, serving.port, c->request);
        end = strstr(answer, "\r\n\r\n");
        g_assert_cmpstr(end, !=, NULL);

        head = normal_head(answer, end);
        g_assert_cmpstr(head, ==, c->head);
        g_assert_cmpstr(end + 4, ==, c->body);
        serving_close(&serving);
}

/* Around the size where a body is no longer handed over at once. */
static void test_sizes(void) {
        static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 100000, 3000000 };

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *request = NULL, *answer = NULL;
                const char *body;
                Serving serving;

                serving_open(&serving, NULL);
                request = g_strdup_printf(
                                "GET /big?%zu HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", sizes[i]);
                answer = wire_exchange(serving.event, serving.port, request);
                body = strstr(answer, "\r\n\r\n") + 4;
                g_assert_cmpuint(strlen(body), ==, sizes[i]);
                for (size_t k = 0; k < sizes[i]; k++)
                        if (body[k] != (char) ('a' + k % 26))
                                g_error("byte %zu of %zu is wrong", k, sizes[i]);
                serving_close(&serving);
        }
}

static void test_write(void) {
        static const HttpHeader headers[] = { { "X-One", "a\nb" }, { "X-Two", "" } };
        int fds[2];
        ssize_t n;
        char text[512];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
        http_answer_write(
                        &(HttpReply){
                                        .status = 413,
                                        .content_type = "text/plain",
                                        .headers = headers,
                                        .n_headers = 2,
                                        .body = "no",
                                        .size = 2,
                        },
                        fds[0],
                        NULL);
        n = recv(fds[1], text, sizeof(text) - 1, 0);
        g_assert_cmpint(n, >, 0);
        text[n] = 0;
        g_assert_cmpstr(text,
                        ==,
                        "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nX-One: a b\r\nX-Two: \r\n"
                        "Connection: close\r\nContent-Length: 2\r\n\r\nno");
        g_assert_cmpint(recv(fds[1], text, sizeof(text), 0), ==, 0); /* the end of the sending */
        close(fds[0]);
        close(fds[1]);
}

static void test_refusals(void) {
        static const struct {
                unsigned status;
                const char *text;
        } cases[] = {
                { 400, "400 Bad Request" },
                { 413, "413 Request Entity Too Large" },
                { 431, "431 Request Header Fields Too Large" },
                { 501, "501 Not Implemented" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                HttpReply reply = http_answer_refusal(cases[i].status);

                g_assert_cmpuint(reply.status, ==, cases[i].status);
                g_assert_cmpstr(reply.body, ==, cases[i].text);
                g_assert_cmpuint(reply.size, ==, strlen(cases[i].text));
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                g_autofree char *path = g_strconcat("/net/http-answer/", answers[i].name, NULL);

                g_test_add_data_func(path, answers + i, test_answer);
        }
        g_test_add_func("/net/http-answer/sizes", test_sizes);
        g_test_add_func("/net/http-answer/written-past-the-library", test_write);
        g_test_add_func("/net/http-answer/refusals", test_refusals);
        return g_test_run();
}
