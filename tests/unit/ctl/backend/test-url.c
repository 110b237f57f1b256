#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl/backend/url.h"

/* A server for one connection: reads a head, sends ANSWER and BODY. */
typedef struct Server {
        int fd;
        unsigned port;
        const char *answer, *body;
        size_t n_body;
        GThread *thread;
} Server;

static gpointer serve(gpointer data) {
        Server *server = data;
        int fd = accept(server->fd, NULL, NULL);
        char head[4096] = "";

        for (size_t n = 0; !strstr(head, "\r\n\r\n");) {
                ssize_t k = recv(fd, head + n, sizeof(head) - n - 1, 0);

                if (k <= 0)
                        break;
                n += (size_t) k;
        }
        (void) send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
        for (size_t at = 0; at < server->n_body;) {
                ssize_t k = send(fd, server->body + at, server->n_body - at, MSG_NOSIGNAL);

                if (k <= 0)
                        break;
                at += (size_t) k;
        }
        close(fd);
        return NULL;
}

static void server_open(Server *server, const char *answer, const char *body, size_t n) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        *server = (Server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                            .answer = answer,
                            .body = body,
                            .n_body = n };
        g_assert_cmpint(bind(server->fd, (struct sockaddr *) &address, size), ==, 0);
        g_assert_cmpint(listen(server->fd, 1), ==, 0);
        g_assert_cmpint(getsockname(server->fd, (struct sockaddr *) &address, &size), ==, 0);
        server->port = ntohs(address.sin_port);
        server->thread = g_thread_new("server", serve, server);
}

static void server_close(Server *server) {
        g_thread_join(server->thread);
        close(server->fd);
}

/* What comes, in pieces of STEP bytes; or "error: …", in which the port is called PORT. */
static char *fetch(Server *server, size_t step) {
        g_autofree char *address = g_strdup_printf("http://127.0.0.1:%u/x", server->port);
        g_autofree char *port = g_strdup_printf(":%u", server->port);
        _cleanup_(ctl_url_closep) CtlUrl *url = NULL;
        _cleanup_(error_done) Error error = {};
        g_autoptr(GString) all = g_string_new(NULL);
        g_autofree char *buffer = g_malloc(step);
        ssize_t n;

        g_assert_cmpint(ctl_url_open(&url, address, NULL), ==, 0);
        while ((n = ctl_url_read(url, buffer, step, &error)) > 0)
                g_string_append_len(all, buffer, n);
        if (n < 0) {
                g_string_printf(all, "error: %s", error_message(&error));
                g_string_replace(all, port, ":PORT", 0);
        }
        return g_string_free(g_steal_pointer(&all), FALSE);
}

static const struct {
        const char *name, *answer, *got;
} cases[] = {
        { "body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello" },
        { "chunked",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
          "hello" },
        { "empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "" },
        { "not-found",
          "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\noops",
          "error: Get \"http://127.0.0.1:PORT/x\": got non-2XX status code 404" },
        { "not-found-empty",
          "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
          "error: Get \"http://127.0.0.1:PORT/x\": got non-2XX status code 404" },
};

static void test_cases(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                for (size_t step = 1; step < 10; step += 4) {
                        g_autofree char *got = NULL;
                        Server server;

                        g_test_message("%s in steps of %zu", cases[i].name, step);
                        server_open(&server, cases[i].answer, "", 0);
                        got = fetch(&server, step);
                        server_close(&server);
                        g_assert_cmpstr(got, ==, cases[i].got);
                }
}

/* More than fits into anything on the way. */
static void test_large(void) {
        size_t n = 16 * 1024 * 1024;
        g_autofree char *body = g_strnfill(n, 'x'), *got = NULL;
        Server server;

        server_open(&server, "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n", body, n);
        got = fetch(&server, 10000);
        server_close(&server);
        g_assert_cmpuint(strlen(got), ==, n);
        g_assert_cmpuint(strspn(got, "x"), ==, n);
}

/* What is cut off is no end. */
static void test_cut(void) {
        g_autofree char *got = NULL;
        Server server;

        server_open(&server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "", 0);
        got = fetch(&server, 100);
        server_close(&server);
        g_assert_true(g_str_has_prefix(got, "error: Get \"http://127.0.0.1:PORT/x\": "));
}

static void test_refused(void) {
        static const struct {
                const char *address, *words;
        } refused[] = {
                { "http://127.0.0.1:1/x",
                  "Get \"http://127.0.0.1:1/x\": dial tcp 127.0.0.1:1: connect: connection refused" },
                { "http://user:pw@127.0.0.1:1/x",
                  "Get \"http://user:pw@127.0.0.1:1/x\": dial tcp 127.0.0.1:1: connect: connection refused" },
                { "file:///etc/passwd", "Get \"file:///etc/passwd\": " },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
                _cleanup_(ctl_url_closep) CtlUrl *url = NULL;
                _cleanup_(error_done) Error error = {};
                char buffer[16];

                g_assert_cmpint(ctl_url_open(&url, refused[i].address, NULL), ==, 0);
                g_assert_cmpint(ctl_url_read(url, buffer, sizeof(buffer), &error), <, 0);
                if (!g_str_has_prefix(error_message(&error), refused[i].words))
                        g_error("%s: %s", refused[i].address, error_message(&error));
        }
}

static void test_closed_in_the_middle(void) {
        g_autofree char *body = g_strnfill(4 * 1024 * 1024, 'x'), *address = NULL;
        CtlUrl *url;
        Server server;
        char buffer[16];

        server_open(&server, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n", body, 4 * 1024 * 1024);
        address = g_strdup_printf("http://127.0.0.1:%u/x", server.port);
        g_assert_cmpint(ctl_url_open(&url, address, NULL), ==, 0);
        g_assert_cmpint(ctl_url_read(url, buffer, sizeof(buffer), NULL), ==, 16);
        ctl_url_close(url);
        server_close(&server);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/url/answers", test_cases);
        g_test_add_func("/ctl/backend/url/large", test_large);
        g_test_add_func("/ctl/backend/url/cut", test_cut);
        g_test_add_func("/ctl/backend/url/refused", test_refused);
        g_test_add_func("/ctl/backend/url/closed-in-the-middle", test_closed_in_the_middle);
        return g_test_run();
}
