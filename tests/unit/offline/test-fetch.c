#include <arpa/inet.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/str.h"
#include "daemon/offline/fetch.h"
#include "tests/lib/fault.h"

/* A server of one answer, in a thread: offline_fetch() has a loop of its own. */

#define HEAD "HTTP/1.1 200 OK\r\n"
#define CHUNKED HEAD "Trailer: X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n"
#define REQUEST_MAX 4096

typedef struct Server {
        int fd;
        uint16_t port;
        const char *answer;
        char request[REQUEST_MAX];
        GThread *thread;
} Server;

/* Until the listening socket is shut down. Who goes in the middle of it is left alone. */
static void *serve(void *data) {
        Server *server = data;
        int fd;

        while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                ssize_t k = 1;

                memset(server->request, 0, sizeof(server->request));
                for (size_t n = 0; k > 0 && !strstr(server->request, "\r\n\r\n"); n += (size_t) k)
                        k = read(fd, server->request + n, REQUEST_MAX - 1 - n);
                (void) send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
                (void) close(fd);
        }
        return NULL;
}

static void server_open(Server *server, const char *answer) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        *server = (Server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer };
        g_assert_cmpint(bind(server->fd, (struct sockaddr *) &address, size), ==, 0);
        g_assert_cmpint(listen(server->fd, 1), ==, 0);
        g_assert_cmpint(getsockname(server->fd, (struct sockaddr *) &address, &size), ==, 0);
        server->port = ntohs(address.sin_port);
        server->thread = g_thread_new("server", serve, server);
}

static void server_close(Server *server) {
        (void) shutdown(server->fd, SHUT_RDWR);
        (void) g_thread_join(server->thread);
        (void) close(server->fd);
}

static int take(const char *bytes, size_t n, Error *refused, void *userdata) {
        if (memchr(bytes, '!', n))
                return error_set(refused, ERROR_INVALID, "no exclamations");
        return str_append_bytes(userdata, bytes, n);
}

static int fetch(const char *url, const char *userpwd, Str *list, Error *error) {
        return offline_fetch(
                        &(OfflineFetchOptions){
                                        .url = url, .userpwd = userpwd, .feed = take, .userdata = list },
                        error);
}

static void test_answers(void) {
        static const struct {
                const char *answer, *list, *words; /* WORDS: NULL: it succeeds */
                int result;
        } cases[] = {
                { CHUNKED "3\r\n{}\n\r\n0\r\nX-Stream-Error: \r\n\r\n", "{}\n", NULL, 1 },
                { CHUNKED "3\r\n{}\n\r\n0\r\n\r\n", "{}\n", NULL, 0 },
                { HEAD "Content-Length: 3\r\n\r\n{}\n", "{}\n", NULL, 0 },
                { "HTTP/1.1 204 No Content\r\nTrailer: X-Stream-Error\r\n\r\n", "", NULL, 1 },
                { CHUNKED "3\r\n{}\n\r\n0\r\nX-Stream-Error: context canceled\r\n\r\n",
                  "{}\n",
                  "the other peer broke its list off: context canceled" },
                { CHUNKED "3\r\n{}\n\r\n", "{}\n", "127.0.0.1:" },
                { CHUNKED "3\r\n{}\n\r\n3\r\n{", "{}\n{", "127.0.0.1:" },
                { HEAD "Content-Length: 4\r\n\r\n{}\n", "{}\n", "127.0.0.1:" },
                { HEAD "\r\n{}\n", "{}\n", "the answer does not say where it ends, expected one that does" },
                { HEAD "Content-Length: 4\r\n\r\n{}!\n", "", "no exclamations" },
                { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 46\r\n\r\n"
                  "{\"code\":401,\"message\":\"no auth provided\"}    \n",
                  "",
                  "the other peer answers with status 401: no auth provided, expected its list of pins" },
                { "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 5\r\n\r\n<a/>\n",
                  "",
                  "the other peer answers with status 301, expected its list of pins" },
                { "junk\r\n\r\n", "", "127.0.0.1:" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *url = NULL;
                _cleanup_(error_done) Error error = {};
                _cleanup_(str_done) Str list = {};
                Server server;
                int r;

                server_open(&server, cases[i].answer);
                url = g_strdup_printf("http://127.0.0.1:%u", server.port);
                r = fetch(url, NULL, &list, &error);
                server_close(&server);
                if (cases[i].words ? r >= 0 || !g_str_has_prefix(error_message(&error), cases[i].words)
                                   : r != cases[i].result)
                        g_error("%s: %d %s", cases[i].answer, r, error_message(&error));
                g_assert_cmpstr(list.data ?: "", ==, cases[i].list);
        }
}

static void test_urls(void) {
        static const struct {
                const char *before, *after, *userpwd, *target, *has;
        } cases[] = {
                { "http://", "", NULL, "GET /allocations HTTP/1.1\r\n", "" },
                { "HTTP://", "/", NULL, "GET /allocations HTTP/1.1\r\n", "" },
                { "http://", "/a/b?filter=all", NULL, "GET /a/b?filter=all HTTP/1.1\r\n", "" },
                { "http://", "", "a:b", "GET /allocations HTTP/1.1\r\n", "Authorization: Basic YTpi\r\n" },
                { "http://a:b@",
                  "",
                  NULL,
                  "GET /allocations HTTP/1.1\r\n",
                  "Authorization: Basic YTpi\r\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *url = NULL;
                _cleanup_(error_done) Error error = {};
                _cleanup_(str_done) Str list = {};
                Server server;

                server_open(&server, "HTTP/1.1 204 No Content\r\n\r\n");
                url = g_strdup_printf("%s127.0.0.1:%u%s", cases[i].before, server.port, cases[i].after);
                g_assert_true(offline_fetch_is_url(url));
                g_assert_cmpint(fetch(url, cases[i].userpwd, &list, &error), ==, 1);
                server_close(&server);
                if (!g_str_has_prefix(server.request, cases[i].target) ||
                    !strstr(server.request, cases[i].has))
                        g_error("%s: %s", url, server.request);
        }
}

static void test_bad_urls(void) {
        static const char *const urls[] = { "http://", "http:///x", "http://a b", "https://[" };
        static const char *const files[] = { "pins.json", "/http://x", "http:/x", "ftp://x", "" };

        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                _cleanup_(error_done) Error error = {};

                g_assert_cmpint(fetch(urls[i], NULL, NULL, &error), <, 0);
                if (error.code != ERROR_INVALID)
                        g_error("%s: %s", urls[i], error_message(&error));
        }
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (offline_fetch_is_url(files[i]))
                        g_error("%s", files[i]);
        g_assert_false(offline_fetch_is_url(NULL));
}

/* The server's thread allocates nothing. */
static void test_out_of_memory(void) {
        static const char *const answers[] = {
                CHUNKED "3\r\n{}\n\r\n0\r\nX-Stream-Error: \r\n\r\n",
                "HTTP/1.1 404 Not Found\r\nContent-Length: 33\r\n\r\n{\"code\":404,\"message\":\"no list\"}\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                g_autofree char *url = NULL;
                Server server;

                server_open(&server, answers[i]);
                url = g_strdup_printf("http://127.0.0.1:%u", server.port);
                FOREACH_FAULT {
                        _cleanup_(error_done) Error error = {};
                        _cleanup_(str_done) Str list = {};
                        int r = fetch(url, NULL, &list, &error);

                        if (r != 1)
                                g_assert_cmpint(error.code, !=, ERROR_NONE);
                        if (r == 1)
                                g_assert_cmpstr(list.data, ==, "{}\n");
                }
                server_close(&server);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/offline/fetch/answers", test_answers);
        g_test_add_func("/offline/fetch/urls", test_urls);
        g_test_add_func("/offline/fetch/bad-urls", test_bad_urls);
        g_test_add_func("/offline/fetch/out-of-memory", test_out_of_memory);
        return g_test_run();
}
