#include <arpa/inet.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl/backend/http.h"
#include "daemon/base/time.h"
#include "daemon/types/pin-info.h"

/* ---- a server that sends bytes, one answer a connection, and keeps what it was sent */

typedef struct Server {
        int fd;
        char address[64];
        const char *const *answers;
        GString *seen;
        GThread *thread;
} Server;

/* The head, and the body that it announces. */
static void server_read_request(Server *server, int fd) {
        size_t start = server->seen->len, length = 0, end = 0;
        char buffer[4096];

        while (end == 0 || server->seen->len < end + length) {
                const char *head, *content;
                ssize_t n = read(fd, buffer, sizeof(buffer));

                if (n <= 0)
                        return;
                g_string_append_len(server->seen, buffer, n);
                head = strstr(server->seen->str + start, "\r\n\r\n");
                if (!head)
                        continue;
                end = head + 4 - server->seen->str;
                content = strstr(server->seen->str + start, "Content-Length: ");
                if (strstr(server->seen->str + start, ": chunked\r\n")) {
                        if (g_str_has_suffix(server->seen->str, "\r\n0\r\n\r\n"))
                                return;
                        end = 0;
                        continue;
                }
                length = content ? strtoul(content + strlen("Content-Length: "), NULL, 10) : 0;
        }
}

static gpointer server_run(gpointer data) {
        Server *server = data;

        for (const char *const *answer = server->answers; *answer; answer++) {
                int fd = accept(server->fd, NULL, NULL);

                if (fd < 0)
                        break;
                server_read_request(server, fd);
                g_assert_cmpint(write(fd, *answer, strlen(*answer)), ==, strlen(*answer));
                close(fd);
        }
        return NULL;
}

static void server_start_thread(Server *server, const char *const *answers) {
        g_assert_cmpint(listen(server->fd, 8), ==, 0);
        server->answers = answers;
        server->seen = g_string_new(NULL);
        server->thread = g_thread_new("server", server_run, server);
}

static void server_start(Server *server, const char *const *answers) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(address);

        *server = (Server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        g_assert_cmpint(bind(server->fd, (struct sockaddr *) &address, n), ==, 0);
        g_assert_cmpint(getsockname(server->fd, (struct sockaddr *) &address, &n), ==, 0);
        g_snprintf(server->address,
                   sizeof(server->address),
                   "/ip4/127.0.0.1/tcp/%u",
                   ntohs(address.sin_port));
        server_start_thread(server, answers);
}

static void server_start_unix(Server *server, const char *path, const char *const *answers) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        *server = (Server){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        g_assert_cmpint(bind(server->fd, (struct sockaddr *) &address, sizeof(address)), ==, 0);
        server_start_thread(server, answers);
}

static void server_stop(Server *server) {
        shutdown(server->fd, SHUT_RDWR);
        g_thread_join(server->thread);
        close(server->fd);
        g_string_free(server->seen, TRUE);
}

/* ---- one call */

typedef struct Got {
        CtlCall call;
        GString *items;
} Got;

static int got_item(void *item, void *userdata) {
        _cleanup_(str_done) Str text = {};
        Got *got = userdata;

        g_assert_cmpint(ctl_call_write(got->call, item, &text), ==, 0);
        g_string_append_printf(got->items, "%s\n", text.data);
        return 0;
}

static CtlBackend *open_backend(const char *hosts, const char *credentials, FILE *debug) {
        CtlHttpOptions options = { .credentials = credentials, .debug = debug };
        CtlBackend *backend = NULL;

        g_assert_cmpint(ctl_hosts_parse(hosts, false, &options.hosts, NULL), ==, 0);
        g_assert_cmpint(ctl_backend_http_new(&backend, &options, NULL), ==, 0);
        g_assert_cmpuint(options.hosts.n, ==, 0);
        return backend;
}

static const char version_answer[] =
                "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"version\":\"1.1.6\"}\n";

/* ---- requests */

static void test_requests(void) {
        static const char none[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
        static const char *const answers[] = { none, NULL };
        Pin pin = { .max_depth = -1 };
        const struct {
                CtlRequest request;
                const char *line;
        } cases[] = {
                { { CTL_CALL_ID }, "GET /id " },
                { { CTL_CALL_VERSION }, "GET /version " },
                { { CTL_CALL_PEERS }, "GET /peers " },
                { { CTL_CALL_PEER_REMOVE, "12D3" }, "DELETE /peers/12D3 " },
                { { CTL_CALL_PIN, "/ipfs/Qm/a b?#%", .pin = &pin },
                  "POST /pins/ipfs/Qm/a%20b%3F%23%25?mode=recursive&name=&replication-max=0&replication-min=0"
                  "&shard-size=0&user-allocations= " },
                { { CTL_CALL_UNPIN, "/ipfs/Qm/../x" }, "DELETE /pins/ipfs/Qm/../x " },
                { { CTL_CALL_ALLOCATION, "Qm" }, "GET /allocations/Qm " },
                { { CTL_CALL_ALLOCATIONS, .filter = "pin,meta-pin" },
                  "GET /allocations?filter=pin,meta-pin " },
                { { CTL_CALL_STATUS, "Qm", .local = true }, "GET /pins/Qm?local=true " },
                { { CTL_CALL_STATUS_LIST, "a,b" }, "GET /pins?local=false&filter=&cids=a,b " },
                { { CTL_CALL_STATUS_LIST, .filter = "a&b" }, "GET /pins?local=false&filter=a%26b&cids= " },
                { { CTL_CALL_SYNC, "Qm" }, "POST /pins/Qm/sync " },
                { { CTL_CALL_SYNC_ALL }, "POST /pins/sync " },
                { { CTL_CALL_RECOVER, "Qm" }, "POST /pins/Qm/recover?local=false " },
                { { CTL_CALL_RECOVER_ALL, .local = true }, "POST /pins/recover?local=true " },
                { { CTL_CALL_GC }, "POST /ipfs/gc?local=false " },
                { { CTL_CALL_GRAPH }, "GET /health/graph " },
                { { CTL_CALL_ALERTS }, "GET /health/alerts " },
                { { CTL_CALL_BANDWIDTH }, "GET /health/bandwidth " },
                { { CTL_CALL_METRIC_NAMES }, "GET /monitor/metrics " },
                { { CTL_CALL_METRICS, "tag:a/b" }, "GET /monitor/metrics/tag:a%2Fb " },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
                CtlFailure failure = {};
                Server server;

                server_start(&server, answers);
                backend = open_backend(server.address, NULL, NULL);
                g_assert_cmpint(ctl_backend_call(backend, &cases[i].request, got_item, NULL, &failure),
                                ==,
                                -EREMOTEIO);
                g_assert_cmpuint(failure.code, ==, 500);
                g_assert_cmpstr(failure.message, ==, "HTTP status 500");
                g_test_message("%s", server.seen->str);
                g_assert_true(g_str_has_prefix(server.seen->str, cases[i].line));
                g_assert_null(strstr(server.seen->str, "Authorization"));
                ctl_failure_done(&failure);
                server_stop(&server);
        }
}

static void test_body_and_credentials(void) {
        static const char *const answers[] = {
                "HTTP/1.1 401 No\r\nContent-Length: 33\r\n\r\n{\"code\":401,\"message\":\"no access\"}",
                NULL,
        };
        const CtlRequest request = { CTL_CALL_PEER_ADD, "/ip4/1.2.3.4/tcp/1/p2p/\"x" };
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        CtlFailure failure = {};
        Server server;

        server_start(&server, answers);
        backend = open_backend(server.address, "alice:a:b", NULL);
        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, NULL, &failure), ==, -EREMOTEIO);
        g_assert_nonnull(strstr(server.seen->str, "POST /peers HTTP/1.1\r\n"));
        g_assert_nonnull(strstr(server.seen->str, "Authorization: Basic YWxpY2U6YTpi\r\n"));
        g_assert_true(g_str_has_suffix(
                        server.seen->str, "{\"peer_multiaddress\":\"/ip4/1.2.3.4/tcp/1/p2p/\\\"x\"}"));
        ctl_failure_done(&failure);
        server_stop(&server);
}

/* ---- answers */

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n"
#define NAMES "[\"a\",\"b\"]"

static const struct {
        CtlCall call;
        const char *answer;
        const char *items;
        int r;
        unsigned code;
        const char *message; /* what it holds; NULL: any */
} answer_cases[] = {
        { CTL_CALL_METRIC_NAMES, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" NAMES, NAMES "\n" },
        { CTL_CALL_PEER_REMOVE, "HTTP/1.1 204 No Content\r\n\r\n", "" },
        { CTL_CALL_PEERS, "HTTP/1.1 204 No Content\r\n\r\n", "" },
        { CTL_CALL_SYNC_ALL, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[]\n", "" },
        { CTL_CALL_PEERS, CHUNKED "0\r\nX-Stream-Error: \r\n\r\n", "" },
        { CTL_CALL_PEERS, CHUNKED "0\r\nX-Stream-Error: it broke\r\n\r\n", "", -EREMOTEIO, 500, "it broke" },
        { CTL_CALL_PEERS,
          CHUNKED "0\r\nx-stream-error: one\r\nX-Stream-Error: two\r\n\r\n",
          "",
          -EREMOTEIO,
          500,
          "one; two" },
        { CTL_CALL_PEERS, CHUNKED "8\r\n{\"id\":1}\r\n0\r\n\r\n", "", -EBADMSG, 200, "id is 1, expected" },
        { CTL_CALL_PEERS, CHUNKED "3\r\n{\"i\r\n0\r\n\r\n", "", -EBADMSG, 200, "cannot read the answer" },
        { CTL_CALL_PEERS, CHUNKED "6\r\n<html>\r\n0\r\n\r\n", "", -EBADMSG, 200, "cannot read the answer" },
        { CTL_CALL_PEERS, CHUNKED "3\r\n", "", -EIO, 0, "/peers\": unexpected EOF" },
        { CTL_CALL_ID, "HTTP/1.1 204 No Content\r\n\r\n", "", -EBADMSG, 204, NULL },
        { CTL_CALL_ID, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "", -EIO, 0, "unexpected EOF" },
        { CTL_CALL_ID, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", -EBADMSG, 200, NULL },
        { CTL_CALL_ID,
          "HTTP/1.1 500 No\r\nContent-Length: 26\r\n\r\n{\"code\":404,\"message\":\"m\"}",
          "",
          -EREMOTEIO,
          404,
          "m" },
        { CTL_CALL_ID, "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nwhat\n", "", -EREMOTEIO, 404, "what\n" },
        { CTL_CALL_ID,
          "HTTP/1.1 503 No\r\nContent-Length: 24\r\n\r\n{\"code\":0,\"message\":\"m\"}",
          "",
          -EREMOTEIO,
          503,
          "m" },
        { CTL_CALL_ID, "", "", -EIO, 0, "/id\": EOF" },
        { CTL_CALL_ID, "SSH-2.0-x\r\n", "", -EIO, 0, "malformed HTTP response" },
};

static void test_answers(void) {
        for (size_t i = 0; i < ELEMENTSOF(answer_cases); i++) {
                const char *const answers[] = { answer_cases[i].answer, NULL };
                const CtlRequest request = { answer_cases[i].call };
                _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
                g_autoptr(GString) items = g_string_new(NULL);
                Got got = { answer_cases[i].call, items };
                CtlFailure failure = {};
                Server server;

                g_test_message("%s", answer_cases[i].answer);
                server_start(&server, answers);
                backend = open_backend(server.address, NULL, NULL);
                g_assert_cmpint(ctl_backend_call(backend, &request, got_item, &got, &failure),
                                ==,
                                answer_cases[i].r);
                g_assert_cmpstr(items->str, ==, answer_cases[i].items);
                g_assert_cmpuint(failure.code, ==, answer_cases[i].code);
                if (answer_cases[i].message) {
                        g_test_message("%s", failure.message);
                        g_assert_nonnull(strstr(failure.message, answer_cases[i].message));
                }
                ctl_failure_done(&failure);
                server_stop(&server);
        }
}

static void test_items_before_a_failure_are_handed_out(void) {
        static const char *const answers[] = {
                CHUNKED
                "29\r\n{\"cid\":null,\"peer_map\":{},\"name\":\"first\"}\r\n0\r\nX-Stream-Error: late\r\n\r\n",
                NULL,
        };
        const CtlRequest request = { CTL_CALL_STATUS_LIST };
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        g_autoptr(GString) items = g_string_new(NULL);
        Got got = { CTL_CALL_STATUS_LIST, items };
        CtlFailure failure = {};
        Server server;

        server_start(&server, answers);
        backend = open_backend(server.address, NULL, NULL);
        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, &got, &failure), ==, -EREMOTEIO);
        g_assert_nonnull(strstr(items->str, "\"name\":\"first\""));
        g_assert_cmpstr(failure.message, ==, "late");
        ctl_failure_done(&failure);
        server_stop(&server);
}

/* ---- which host */

static unsigned closed_port(void) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(bind(fd, (struct sockaddr *) &address, n), ==, 0);
        g_assert_cmpint(getsockname(fd, (struct sockaddr *) &address, &n), ==, 0);
        close(fd);
        return ntohs(address.sin_port);
}

static void test_next_host_when_there_is_no_answer(void) {
        static const char *const answers[] = { version_answer, NULL };
        const CtlRequest request = { CTL_CALL_VERSION };
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        g_autoptr(GString) items = g_string_new(NULL);
        g_autofree char *hosts = NULL;
        Got got = { CTL_CALL_VERSION, items };
        CtlFailure failure = {};
        Server server;

        server_start(&server, answers);
        hosts = g_strdup_printf("/ip4/127.0.0.1/tcp/%u,%s", closed_port(), server.address);
        backend = open_backend(hosts, NULL, NULL);
        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, &got, &failure), ==, 0);
        g_assert_cmpstr(items->str, ==, "{\"version\":\"1.1.6\"}\n");
        g_assert_null(failure.message);
        server_stop(&server);
}

static void test_an_error_is_an_answer(void) {
        static const char *const answers[] = { "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", NULL };
        const CtlRequest request = { CTL_CALL_VERSION };
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        g_autofree char *hosts = NULL;
        CtlFailure failure = {};
        Server first, second;

        server_start(&first, answers);
        server_start(&second, answers);
        hosts = g_strdup_printf("%s,%s", first.address, second.address);
        backend = open_backend(hosts, NULL, NULL);
        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, NULL, &failure), ==, -EREMOTEIO);
        g_assert_cmpuint(second.seen->len, ==, 0);
        ctl_failure_done(&failure);
        server_stop(&first);
        server_stop(&second);
}

static void test_nobody_answers(void) {
        const CtlRequest request = { CTL_CALL_RECOVER_ALL };
        unsigned port = closed_port();
        g_autofree char *hosts = g_strdup_printf("127.0.0.1:%u", port);
        g_autofree char *words = g_strdup_printf(
                        "Post \"http://127.0.0.1:%u/pins/recover?local=false\": "
                        "dial tcp 127.0.0.1:%u: connect: connection refused",
                        port,
                        port);
        _cleanup_(ctl_backend_freep) CtlBackend *backend = open_backend(hosts, NULL, NULL);
        CtlFailure failure = {};

        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, NULL, &failure), ==, -EIO);
        g_assert_cmpuint(failure.code, ==, 0);
        g_assert_cmpstr(failure.message, ==, words);
        ctl_failure_done(&failure);
}

static void test_socket_file(void) {
        static const char *const answers[] = { version_answer, NULL };
        const CtlRequest request = { CTL_CALL_VERSION };
        g_autofree char *folder = g_dir_make_tmp("ctl-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "s", NULL);
        g_autofree char *hosts = g_strconcat("/unix", path, NULL);
        g_autoptr(GString) items = g_string_new(NULL);
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        Got got = { CTL_CALL_VERSION, items };
        CtlFailure failure = {};
        Server server;

        server_start_unix(&server, path, answers);
        backend = open_backend(hosts, NULL, NULL);
        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, &got, &failure), ==, 0);
        g_assert_cmpstr(items->str, ==, "{\"version\":\"1.1.6\"}\n");
        server_stop(&server);
        g_unlink(path);
        g_rmdir(folder);
}

/* ---- uploads */

typedef struct Content {
        const char *left;
        bool breaks; /* after that */
} Content;

static ssize_t content_read(void *userdata, char *buffer, size_t max) {
        Content *content = userdata;
        size_t n = MIN(max, strlen(content->left));

        memcpy(buffer, content->left, n);
        content->left += n;
        return n == 0 && content->breaks ? -EIO : (ssize_t) n;
}

static const char *content_words(void *userdata G_GNUC_UNUSED) {
        return "read x: input/output error";
}

static int upload(CtlBackend *backend, Content *content, GString *items, CtlFailure *failure) {
        const CtlUpload source = {
                .header = "Content-Type: multipart/form-data; boundary=B",
                .read = content_read,
                .words = content_words,
                .userdata = content,
        };
        const AddOptions add = { .stream = true };
        const Pin pin = {};
        const CtlRequest request = { CTL_CALL_ADD, .add = &add, .pin = &pin, .upload = &source };
        Got got = { CTL_CALL_ADD, items };

        return ctl_backend_call(backend, &request, got_item, &got, failure);
}

static void test_upload(void) {
        static const char *const answers[] = {
                "HTTP/1.1 200 OK\r\nTrailer: X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n"
                "17\r\n{\"name\":\"a\",\"cid\":null}\r\n0\r\nX-Stream-Error: no\r\n\r\n",
                NULL
        };
        g_autoptr(GString) items = g_string_new(NULL);
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        Content content = { "hello" };
        CtlFailure failure = {};
        Server server;

        server_start(&server, answers);
        backend = open_backend(server.address, NULL, NULL);
        g_assert_cmpint(upload(backend, &content, items, &failure), ==, -EREMOTEIO);
        g_assert_cmpstr(items->str, ==, "{\"name\":\"a\",\"cid\":null}\n");
        g_assert_cmpstr(failure.message, ==, "no");
        g_assert_true(g_str_has_prefix(server.seen->str, "POST /add?chunker=&cid-version=0&"));
        g_assert_nonnull(strstr(server.seen->str, "\r\nTransfer-Encoding: chunked\r\n"));
        g_assert_nonnull(strstr(server.seen->str, "\r\nContent-Type: multipart/form-data; boundary=B\r\n"));
        g_assert_null(strstr(server.seen->str, "Expect:"));
        ctl_failure_done(&failure);
        server_stop(&server);
}

/* What cannot be sent a second time is not sent to another host. */
static void test_upload_breaks(void) {
        static const char *const none[] = { "", NULL };
        g_autoptr(GString) items = g_string_new(NULL);
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        g_autofree char *hosts = NULL;
        Content broken = { "hello", true }, whole = { "hello" };
        CtlFailure failure = {};
        Server first, second;

        server_start(&first, (const char *const[]){ "", "", NULL });
        server_start(&second, none);
        hosts = g_strdup_printf("%s,%s", first.address, second.address);
        backend = open_backend(hosts, NULL, NULL);
        g_assert_cmpint(upload(backend, &broken, items, &failure), ==, -EPIPE);
        g_assert_true(g_str_has_suffix(failure.message, "\": read x: input/output error"));
        g_assert_cmpuint(failure.code, ==, 0);
        g_assert_cmpint(upload(backend, &whole, items, &failure), ==, -EIO);
        g_assert_cmpuint(second.seen->len, ==, 0);
        ctl_failure_done(&failure);
        server_stop(&first);
        server_stop(&second);
}

/* ---- ends that are not the server's */

static void test_deadline_and_cancel(void) {
        static const char *const answers[] = { NULL };
        volatile sig_atomic_t cancel = 1;
        const CtlRequest late = { CTL_CALL_VERSION, .deadline_usec = time_monotonic() };
        const CtlRequest canceled = { CTL_CALL_VERSION, .cancel = &cancel };
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        CtlFailure failure = {};
        Server server;

        server_start(&server, answers); /* it listens, and accepts nothing */
        backend = open_backend(server.address, NULL, NULL);
        g_assert_cmpint(ctl_backend_call(backend, &late, got_item, NULL, &failure), ==, -ETIME);
        g_assert_nonnull(strstr(failure.message, "context deadline exceeded"));
        g_assert_cmpint(ctl_backend_call(backend, &canceled, got_item, NULL, &failure), ==, -ECANCELED);
        ctl_failure_done(&failure);
        server_stop(&server);
}

static void test_events_are_not_told(void) {
        _cleanup_(ctl_backend_freep) CtlBackend *backend = open_backend("/ip4/127.0.0.1/tcp/1", NULL, NULL);
        const CtlRequest request = { CTL_CALL_EVENTS };
        CtlFailure failure = {};

        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, NULL, &failure), ==, -ENOSYS);
        g_assert_cmpuint(failure.code, ==, 0);
        g_assert_nonnull(strstr(failure.message, "over the bus"));
        ctl_failure_done(&failure);
}

static void test_debug_tells_requests_and_bodies(void) {
        static const char *const answers[] = { version_answer, NULL };
        const CtlRequest request = { CTL_CALL_VERSION };
        _cleanup_(ctl_backend_freep) CtlBackend *backend = NULL;
        g_autoptr(GString) items = g_string_new(NULL);
        Got got = { CTL_CALL_VERSION, items };
        CtlFailure failure = {};
        char *told = NULL;
        size_t n = 0;
        FILE *debug = open_memstream(&told, &n);
        Server server;

        server_start(&server, answers);
        backend = open_backend(server.address, "alice:secret", debug);
        g_assert_cmpint(ctl_backend_call(backend, &request, got_item, &got, &failure), ==, 0);
        fclose(debug);
        g_assert_nonnull(strstr(told, "\tDEBUG\tapiclient\tGET: http://127.0.0.1:"));
        g_assert_nonnull(strstr(told, "\tDEBUG\tapiclient\tResponse body: {\"version\":\"1.1.6\"}\n"));
        g_assert_null(strstr(told, "secret"));
        free(told);
        server_stop(&server);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/http/requests", test_requests);
        g_test_add_func("/ctl/backend/http/body-and-credentials", test_body_and_credentials);
        g_test_add_func("/ctl/backend/http/answers", test_answers);
        g_test_add_func("/ctl/backend/http/items-before-a-failure-are-handed-out",
                        test_items_before_a_failure_are_handed_out);
        g_test_add_func("/ctl/backend/http/next-host-when-there-is-no-answer",
                        test_next_host_when_there_is_no_answer);
        g_test_add_func("/ctl/backend/http/an-error-is-an-answer", test_an_error_is_an_answer);
        g_test_add_func("/ctl/backend/http/nobody-answers", test_nobody_answers);
        g_test_add_func("/ctl/backend/http/socket-file", test_socket_file);
        g_test_add_func("/ctl/backend/http/upload", test_upload);
        g_test_add_func("/ctl/backend/http/upload-breaks", test_upload_breaks);
        g_test_add_func("/ctl/backend/http/deadline-and-cancel", test_deadline_and_cancel);
        g_test_add_func("/ctl/backend/http/events-are-not-told", test_events_are_not_told);
        g_test_add_func("/ctl/backend/http/debug-tells-requests-and-bodies",
                        test_debug_tells_requests_and_bodies);
        return g_test_run();
}
