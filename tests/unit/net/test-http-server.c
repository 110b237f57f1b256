/* Limits, time-outs, sockets, and the life of the server. */

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/fault.h"
#include "tests/unit/net/serving.h"

#define SHORT_USEC (50 * 1000)
#define PATIENT_USEC (300 * 1000) /* longer than a busy machine lets a test wait */
#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: x\r\n"
#define GET(path) REQUEST("GET", path) "\r\n"
#define HELLO_LAST REQUEST("GET", "/hello") "Connection: close\r\n\r\n"

/* The time-out in question is short, the others are too long for any test. */
static const HttpServerOptions long_timeouts = {
        .header_timeout_usec = UINT64_MAX / 4,
        .idle_timeout_usec = UINT64_MAX / 4,
        .stall_timeout_usec = UINT64_MAX / 4,
};

static void serves_on(Serving *serving) {
        g_autofree char *answer = wire_exchange(serving->event, serving->port, HELLO_LAST);

        g_assert_cmpint(g_str_has_suffix(answer, "\r\n\r\nhello"), ==, true);
}

/* What the client has sent before it falls silent; what it has got when it is cut off. */
typedef struct TimeoutCase {
        const char *name, *wire;
        size_t timeout; /* offset of the one that ends it */
        const char *answer;
        unsigned n_closed;
} TimeoutCase;

#define TIMEOUT(name) offsetof(HttpServerOptions, name##_timeout_usec)

static const TimeoutCase timeouts[] = {
        { "no-request", "", TIMEOUT(header), "" },
        { "part-of-a-head", "GET /hello HTTP/1.1\r\nHo", TIMEOUT(header), "" },
        { "part-of-a-second-head", GET("/hello") "GET /hello HTTP/1.1\r\nHo", TIMEOUT(header), "hello" },
        { "idle", GET("/hello"), TIMEOUT(idle), "hello" },
        { "part-of-a-second-request-line", GET("/hello") "GET /he", TIMEOUT(idle), "hello" },
        { "part-of-a-body", REQUEST("POST", "/echo") "Content-Length: 9\r\n\r\nabc", TIMEOUT(stall), "", 1 },
        { "part-of-a-chunk",
          REQUEST("POST", "/echo") "Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
          TIMEOUT(stall),
          "",
          1 },
};

static void test_timeout(const void *data) {
        const TimeoutCase *c = data;
        HttpServerOptions options = long_timeouts;
        g_autofree char *answer = NULL;
        Serving serving;

        *(uint64_t *) ((char *) &options + c->timeout) = SHORT_USEC;
        serving_open(&serving, &options);
        answer = wire_exchange(serving.event, serving.port, c->wire);
        g_assert_cmpint(g_str_has_suffix(answer, c->answer), ==, true);
        serving_until(&serving, &serving.n_closed, c->n_closed);
        serves_on(&serving);
        g_assert_cmpuint(serving.n_closed, ==, c->n_closed);
        serving_close(&serving);
}

/* Shorter ones than it began with end a connection that is there. */
static void test_other_timeouts(void) {
        HttpServerOptions options = long_timeouts;
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        Serving serving;
        ssize_t n;
        char c;
        int fd;

        serving_open(&serving, &options);
        fd = wire_connect(serving.port);
        wire_send_text(serving.event, fd, "GET /hello HTTP/1.1\r\nX: ");
        while (http_server_connections(serving.server) == 0)
                g_assert_cmpint(sd_event_run(serving.event, WIRE_DEADLINE_USEC), >, 0);

        options.header_timeout_usec = SHORT_USEC;
        http_server_set_timeouts(serving.server, &options);
        while ((n = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(serving.event, 2000), >=, 0);
        }
        g_assert_cmpint(n, <=, 0);
        close(fd);
        serves_on(&serving);
        serving_close(&serving);
}

/* A head that drips: bytes come all the time, and it ends all the same. */
static void test_dripping_head(void) {
        HttpServerOptions options = long_timeouts;
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        Serving serving;
        ssize_t n;
        char c;
        int fd;

        options.header_timeout_usec = SHORT_USEC;
        serving_open(&serving, &options);
        fd = wire_connect(serving.port);
        wire_send_text(serving.event, fd, "GET /hello HTTP/1.1\r\nX: ");

        while ((n = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                if (sd_event_run(serving.event, 2000) == 0) /* a byte for each time of silence */
                        wire_send(serving.event, fd, "x", 1);
        }
        g_assert_cmpint(n, <=, 0);
        close(fd);
        serves_on(&serving);
        serving_close(&serving);
}

/* A client that takes nothing of its answer. */
static void test_stalled_reader(const void *path) {
        HttpServerOptions options = long_timeouts;
        g_autofree char *request = g_strdup_printf(
                        "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", (const char *) path);
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        Serving serving;
        int fd;

        options.stall_timeout_usec = SHORT_USEC;
        serving_open(&serving, &options);
        fd = wire_connect(serving.port);
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
        wire_send_text(serving.event, fd, request);
        serving_until(&serving, &serving.n_handled, 1);
        while (http_server_connections(serving.server) > 0) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(serving.event, 1000), >=, 0);
        }
        close(fd);
        serves_on(&serving);
        serving_close(&serving);
}

/* Bytes move all the time, and it ends all the same: of a body, and of an answer. */
static void test_whole_request_and_answer(const void *wire) {
        HttpServerOptions options = long_timeouts;
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        bool is_body = strstr(wire, "POST");
        Serving serving;
        int fd;

        *(is_body ? &options.read_timeout_usec : &options.write_timeout_usec) = SHORT_USEC;
        serving_open(&serving, &options);
        fd = wire_connect(serving.port);
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
        wire_send_text(serving.event, fd, wire);
        serving_until(&serving, &serving.n_handled, 1);
        while (http_server_connections(serving.server) > 0) {
                char c;

                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                if (sd_event_run(serving.event, 1000) > 0)
                        continue;
                if (is_body)
                        (void) send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                else
                        (void) recv(fd, &c, 1, MSG_DONTWAIT);
        }
        close(fd);
        serves_on(&serving);
        serving_close(&serving);
}

/* The limits end with what they are for: the owner has time, and so has the next request. */
static void test_limits_end(void) {
        HttpServerOptions options = long_timeouts;
        g_autofree char *answer = NULL;
        Serving serving;
        gint64 end;
        int fd;

        options.read_timeout_usec = options.write_timeout_usec = PATIENT_USEC;
        serving_open(&serving, &options);
        fd = wire_connect(serving.port);
        for (unsigned i = 0; i < 2; i++) {
                g_free(answer);
                wire_send_text(serving.event, fd, REQUEST("POST", "/sink") "Content-Length: 1\r\n\r\nx");
                answer = wire_read(serving.event, fd, "got ");
                g_assert_nonnull(answer);
                for (end = g_get_monotonic_time() + PATIENT_USEC + SHORT_USEC; g_get_monotonic_time() < end;)
                        g_assert_cmpint(sd_event_run(serving.event, 1000), >=, 0);
        }
        wire_send_text(serving.event, fd, GET("/keep"));
        for (end = g_get_monotonic_time() + PATIENT_USEC + SHORT_USEC; g_get_monotonic_time() < end;)
                g_assert_cmpint(sd_event_run(serving.event, 1000), >=, 0);
        g_assert_cmpuint(serving.n_closed, ==, 0);
        close(fd);
        serving_close(&serving);
}

/* What an access log is told. */
static void test_finished(void) {
        static const struct {
                const char *wire, *told;
        } cases[] = {
                { HELLO_LAST, "200 5\n" },
                { REQUEST("GET", "/status?204") "Connection: close\r\n\r\n", "204 0\n" },
                { REQUEST("GET", "/lines?2") "Connection: close\r\n\r\n", "200 44\n" },
                { REQUEST("POST", "/early") "Content-Length: 9\r\n\r\n", "401 2\n" },
                { REQUEST("POST", "/middle") "Content-Length: 9\r\n\r\nabc", "403 2\n" },
                { REQUEST("POST", "/echo?1") "Content-Length: 9\r\n\r\nabc", "413 28\n" },
                { "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n", "400 15\n" },
                { GET("/hello") HELLO_LAST, "200 5\n200 5\n" },
                { "nonsense\r\n\r\n", "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *answer = NULL;
                Serving serving;

                serving_open(&serving, &long_timeouts);
                answer = wire_exchange(serving.event, serving.port, cases[i].wire);
                serving_free_server(&serving);
                if (strcmp(serving.finished->str, cases[i].told) != 0)
                        g_error("%s: %s", cases[i].wire, serving.finished->str);
                serving_close(&serving);
        }
}

/* A slow client is none that stalls: it takes a little now and then, for several times the time-out. */
static void test_slow_reader(void) {
        HttpServerOptions options = long_timeouts;
        gint64 end = g_get_monotonic_time() + 4 * PATIENT_USEC;
        size_t n_read = 0;
        Serving serving;
        int fd;

        options.stall_timeout_usec = PATIENT_USEC;
        serving_open(&serving, &options);
        fd = wire_connect(serving.port);
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 65536 }, sizeof(int));
        wire_send_text(serving.event, fd, REQUEST("GET", "/big?40000000") "Connection: close\r\n\r\n");

        for (ssize_t n = 1; n != 0;) {
                static char block[65536];
                int r = sd_event_run(serving.event, g_get_monotonic_time() < end ? 5000 : 50);

                g_assert_cmpint(r, >=, 0);
                if (r > 0 && g_get_monotonic_time() < end)
                        continue;

                n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
                g_assert_cmpint(n >= 0 || errno == EAGAIN, ==, true);
                n_read += n > 0 ? (size_t) n : 0;
        }
        g_assert_cmpuint(n_read, >, 40000000);
        close(fd);
        serving_close(&serving);
}

/* A sink that waits, and a client that closes: perhaps it has sent all before, so the owner gets some time.
 */
static void test_closed_upload(void) {
        HttpServerOptions options = long_timeouts;
        Serving serving;
        int fd;

        options.stall_timeout_usec = SHORT_USEC;
        serving_open(&serving, &options);
        serving.sink_takes = 1;
        fd = wire_connect(serving.port);
        wire_send_text(serving.event, fd, REQUEST("POST", "/sink") "Content-Length: 9\r\n\r\nabc");
        serving_until(&serving, &serving.n_fed, 1);
        wire_turns(serving.event, 20);
        g_assert_cmpuint(serving.n_closed, ==, 0);
        close(fd);
        serving_until(&serving, &serving.n_closed, 1);
        g_assert_cmpuint(serving.n_fed, ==, 1);
        serves_on(&serving);
        serving_close(&serving);
}

/* The owner may take his time; that of the client does not run. */
static void test_owner_has_time(void) {
        Serving serving;
        int fd;
        gint64 end;
        g_autofree char *answer = NULL;

        serving_open(&serving,
                     &(HttpServerOptions){
                                     .header_timeout_usec = SHORT_USEC,
                                     .idle_timeout_usec = SHORT_USEC,
                                     .stall_timeout_usec = SHORT_USEC,
                     });
        fd = wire_connect(serving.port);
        wire_send_text(serving.event, fd, GET("/keep"));
        for (end = g_get_monotonic_time() + 5 * SHORT_USEC; g_get_monotonic_time() < end;)
                g_assert_cmpint(sd_event_run(serving.event, 1000), >=, 0);
        g_assert_cmpuint(serving.n_closed, ==, 0);
        g_assert_cmpint(http_request_reply(serving.kept, &(HttpReply){ .status = 204 }), ==, 0);
        answer = wire_read(serving.event, fd, "\r\n\r\n");
        g_assert_cmpint(g_str_has_prefix(answer, "HTTP/1.1 204"), ==, true);
        close(fd);
        serving_close(&serving);
}

/* The end comes together with the last bytes: one event for both, and no time-out to help. */
static void test_closed_at_once(void) {
        static const char *const wires[] = {
                "",
                "GET /hello HT",
                "GET /hello HTTP/1.1\r\nHo",
                REQUEST("POST", "/echo") "Content-Length: 9\r\n\r\nabc",
                REQUEST("POST", "/echo") "Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
                GET("/hello"),
                GET("/keep"),
                GET("/wait"),
        };
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        Serving serving;

        serving_open(&serving, &long_timeouts);
        for (size_t i = 0; i < G_N_ELEMENTS(wires); i++) {
                int fd = wire_connect(serving.port);

                g_test_message("'%s'", wires[i]);
                wire_send_text(serving.event, fd, wires[i]);
                close(fd);
                do {
                        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                        g_assert_cmpint(sd_event_run(serving.event, 1000), >=, 0);
                        wire_turns(serving.event, 20);
                } while (http_server_connections(serving.server) > 0);
        }
        serves_on(&serving);
        serving_close(&serving);
}

#define LONG_LINE (100 * 1000)
#define TURNS_MAX 10000

/* A line of a chunked body that is longer than any buffer: it can neither be read nor be done without. The
 * loop has to come to rest all the same, also when the client has gone. */
static void test_endless_chunk_line(const void *data) {
        bool is_closed = GPOINTER_TO_INT(data);
        g_autofree char *line = g_strnfill(LONG_LINE, 'a');
        g_autofree char *wire = g_strconcat(
                        REQUEST("POST", "/echo") "Transfer-Encoding: chunked\r\n\r\n1;", line, NULL);
        unsigned n_turns = 0;
        Serving serving;
        int fd;

        serving_open(&serving, &long_timeouts);
        fd = wire_connect(serving.port);
        wire_send_text(serving.event, fd, wire);
        if (is_closed)
                close(fd);
        while (n_turns < TURNS_MAX && sd_event_run(serving.event, 1000) > 0)
                n_turns++;
        g_assert_cmpuint(n_turns, <, TURNS_MAX);
        serves_on(&serving);
        if (!is_closed)
                close(fd);
        serving_close(&serving);
}

static void test_max_connections(void) {
        g_autofree char *answer = NULL;
        Serving serving;
        int fds[4];

        serving_open(&serving, &(HttpServerOptions){ .max_connections = 4 });
        for (unsigned i = 0; i < 4; i++) {
                g_autofree char *hello = NULL;

                fds[i] = wire_connect(serving.port);
                wire_send_text(serving.event, fds[i], GET("/hello"));
                hello = wire_read(serving.event, fds[i], "hello");
                g_assert_cmpstr(hello, !=, NULL);
        }
        g_assert_cmpuint(http_server_connections(serving.server), ==, 4);

        answer = wire_exchange(serving.event, serving.port, GET("/hello"));
        g_assert_cmpstr(answer, ==, "");

        close(fds[0]);
        while (http_server_connections(serving.server) > 3)
                g_assert_cmpint(sd_event_run(serving.event, 1000), >=, 0);
        serves_on(&serving);
        for (unsigned i = 1; i < 4; i++)
                close(fds[i]);
        serving_close(&serving);
}

/* With few descriptors, half of them are not for clients. */
static void test_few_descriptors(void) {
        g_autofree char *answer = NULL;
        struct rlimit limit, low;
        Serving serving;
        int fds[32];

        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++)
                fds[i] = dup(STDERR_FILENO);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        low = limit;
        low.rlim_cur = 2 * (rlim_t) fds[31]; /* so the clients' half is in use */
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
        serving_open(&serving, &(HttpServerOptions){});
        answer = wire_exchange(serving.event, serving.port, HELLO_LAST);
        g_assert_cmpstr(answer, ==, "");
        g_assert_cmpuint(http_server_connections(serving.server), ==, 0);
        serving_close(&serving);

        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++)
                close(fds[i]);
}

static unsigned turns_of(sd_event *event, int n) {
        gint64 end = g_get_monotonic_time() + 300 * 1000;
        unsigned turns = 0;

        while (g_get_monotonic_time() < end && n > 0)
                turns += sd_event_run(event, (uint64_t) MAX(end - g_get_monotonic_time(), 0)) > 0;
        return turns;
}

/* With none at all the first connection waits, without a spin, and is served when there are some again. */
static void test_no_descriptors(void) {
        g_autofree char *answer = NULL;
        struct rlimit limit, low;
        Serving serving;
        int fds[1024], n = 0, client;

        serving_open(&serving, &(HttpServerOptions){});
        client = wire_connect(serving.port);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        low = limit;
        low.rlim_cur = (rlim_t) client + 4;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
        while (n < (int) G_N_ELEMENTS(fds) && (fds[n] = dup(STDERR_FILENO)) >= 0)
                n++;
        g_assert_cmpuint(turns_of(serving.event, n), <, 30);
        g_assert_cmpuint(http_server_connections(serving.server), ==, 0);

        while (n > 0)
                close(fds[--n]);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        g_assert_cmpint(wire_send_text(serving.event, client, HELLO_LAST), ==, true);
        answer = wire_read(serving.event, client, NULL);
        g_assert_nonnull(strstr(answer, "200 OK"));
        close(client);
        serving_close(&serving);
}

static void test_many(void) {
        enum { N = 300 };
        Serving serving;
        int fds[N];

        serving_open(&serving, NULL);
        for (unsigned i = 0; i < N; i++) {
                fds[i] = wire_connect(serving.port);
                wire_send_text(serving.event, fds[i], i % 2 == 0 ? GET("/later") : GET("/lines?10"));
        }
        for (unsigned i = 1; i < N; i += 2) {
                g_autofree char *answer = wire_read(serving.event, fds[i], "X-Test: a b\r\n\r\n");

                g_assert_cmpstr(answer, !=, NULL);
        }
        g_assert_cmpuint(serving.n_handled, ==, N);
        for (unsigned i = 0; i < N; i++)
                close(fds[i]);
        serving_close(&serving);
}

static void test_stop_accepting(void) {
        g_autofree char *answer = NULL;
        Serving serving;
        int fd, listening, other;

        serving_open(&serving, NULL);
        listening = http_server_fd(serving.server);
        fd = wire_connect(serving.port);
        wire_send_text(serving.event, fd, GET("/keep"));
        serving_until(&serving, &serving.n_handled, 1);

        http_server_stop_accepting(serving.server);
        other = dup2(fd, listening); /* somebody else's, from now on */
        g_assert_cmpint(other, ==, listening);
        http_server_stop_accepting(serving.server);
        g_assert_cmpint(http_server_fd(serving.server), ==, -1);
        wire_turns(serving.event, 20);
        g_assert_cmpint(http_request_reply(serving.kept, &(HttpReply){ .status = 204 }), ==, 0);
        answer = wire_read(serving.event, fd, "\r\n\r\n");
        g_assert_cmpint(g_str_has_prefix(answer, "HTTP/1.1 204"), ==, true);
        close(fd);
        serving_close(&serving);
        g_assert_cmpint(close(other), ==, 0);
}

/* ---- sockets */

static void remember_peer(HttpRequest *request, void *userdata) {
        char text[64];

        g_string_assign(userdata, http_request_peer(request, text));
        (void) http_request_reply(request, &(HttpReply){ .status = 204 });
}

static char *peer_of(int listening, int (*connect_to)(const void *where), const void *where) {
        GString *peer = g_string_new(NULL);
        HttpServer *server;
        g_autofree char *answer = NULL;
        sd_event *event;
        int fd;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        g_assert_cmpint(http_server_new(&server,
                                        event,
                                        &(HttpServerOptions){ .fd = listening,
                                                              .handle = remember_peer,
                                                              .userdata = peer }),
                        ==,
                        0);
        fd = connect_to(where);
        wire_send_text(event, fd, GET("/"));
        answer = wire_read(event, fd, "\r\n\r\n");
        g_assert_cmpint(g_str_has_prefix(answer, "HTTP/1.1 204"), ==, true);
        close(fd);
        http_server_free(server);
        sd_event_unref(event);
        return g_string_free(peer, FALSE);
}

static int connect_tcp(const void *port) {
        return wire_connect(*(const unsigned *) port);
}

static int connect_unix(const void *path) {
        return wire_connect_unix(path);
}

static void test_tcp_peer(void) {
        unsigned port;
        int listening = wire_listen(&port);
        g_autofree char *peer = peer_of(listening, connect_tcp, &port);

        g_assert_cmpint(g_str_has_prefix(peer, "127.0.0.1:"), ==, true);
}

static void test_unix_peer(void) {
        g_autofree char *folder = g_dir_make_tmp("net-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "socket", NULL);
        g_autofree char *peer = peer_of(wire_listen_unix(path), connect_unix, path);

        g_assert_cmpstr(peer, ==, "unix");
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* ---- memory: each request either is answered or ends, and the server serves on */

static void test_memory(void) {
        Serving serving;

        serving_open(&serving, NULL);
        FOREACH_FAULT {
                int fd = wire_connect(serving.port);
                char block[512];

                (void) !write(fd, HELLO_LAST, strlen(HELLO_LAST));
                for (unsigned i = 0; i < 50 && recv(fd, block, sizeof(block), MSG_DONTWAIT) < 0; i++)
                        g_assert_cmpint(sd_event_run(serving.event, 1000), >=, 0);
                close(fd);
        }
        serves_on(&serving);
        serving_close(&serving);
}

static void test_new_without_memory(void) {
        sd_event *event;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        FOREACH_FAULT {
                unsigned port;
                HttpServer *server = NULL;
                int r = http_server_new(&server, event, &(HttpServerOptions){ .fd = wire_listen(&port) });

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                http_server_free(server);
        }
        sd_event_unref(event);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(timeouts); i++) {
                g_autofree char *path = g_strconcat("/net/http-server/timeout/", timeouts[i].name, NULL);

                g_test_add_data_func(path, timeouts + i, test_timeout);
        }
        g_test_add_func("/net/http-server/timeout/others-while-it-serves", test_other_timeouts);
        g_test_add_func("/net/http-server/timeout/dripping-head", test_dripping_head);
        g_test_add_data_func(
                        "/net/http-server/timeout/whole-request",
                        REQUEST("POST", "/sink") "Content-Length: 1000000\r\n\r\n",
                        test_whole_request_and_answer);
        g_test_add_data_func(
                        "/net/http-server/timeout/whole-answer",
                        GET("/endless"),
                        test_whole_request_and_answer);
        g_test_add_func("/net/http-server/timeout/limits-end", test_limits_end);
        g_test_add_func("/net/http-server/finished", test_finished);
        g_test_add_data_func(
                        "/net/http-server/timeout/stalled-reader-of-a-stream",
                        "/endless",
                        test_stalled_reader);
        g_test_add_data_func(
                        "/net/http-server/timeout/stalled-reader-of-a-reply",
                        "/big?20000000",
                        test_stalled_reader);
        g_test_add_func("/net/http-server/timeout/not-for-a-slow-reader", test_slow_reader);
        g_test_add_func("/net/http-server/timeout/upload-closed-while-the-sink-waits", test_closed_upload);
        g_test_add_func("/net/http-server/timeout/not-for-the-owner", test_owner_has_time);
        g_test_add_func("/net/http-server/closed-at-once", test_closed_at_once);
        g_test_add_data_func(
                        "/net/http-server/endless-chunk-line/client-stays",
                        GINT_TO_POINTER(false),
                        test_endless_chunk_line);
        g_test_add_data_func(
                        "/net/http-server/endless-chunk-line/client-goes",
                        GINT_TO_POINTER(true),
                        test_endless_chunk_line);
        g_test_add_func("/net/http-server/max-connections", test_max_connections);
        g_test_add_func("/net/http-server/few-descriptors", test_few_descriptors);
        g_test_add_func("/net/http-server/no-descriptors", test_no_descriptors);
        g_test_add_func("/net/http-server/many", test_many);
        g_test_add_func("/net/http-server/stop-accepting", test_stop_accepting);
        g_test_add_func("/net/http-server/peer-of-tcp", test_tcp_peer);
        g_test_add_func("/net/http-server/peer-of-unix", test_unix_peer);
        g_test_add_func("/net/http-server/out-of-memory", test_memory);
        g_test_add_func("/net/http-server/new-out-of-memory", test_new_without_memory);
        return g_test_run();
}
