/* The life of a request: each way to be answered, and the client going away in each phase. */

#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/net/calls.h"
#include "tests/unit/net/serving.h"

#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: x\r\n"
#define GET(path) REQUEST("GET", path) "\r\n"
#define POST(path, n) REQUEST("POST", path) "Content-Length: " #n "\r\n\r\n"
#define POST_CHUNKED(path) REQUEST("POST", path) "Transfer-Encoding: chunked\r\n\r\n"

typedef struct Fixture {
        Serving serving;
        int client;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        serving_open(&f->serving, NULL);
        f->client = wire_connect(f->serving.port);
}

/* Whatever happened: the server serves on, and all that belonged to the client is gone. */
static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *answer = NULL;
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;

        if (f->client >= 0)
                close(f->client);

        if (f->serving.server) {
                answer = wire_exchange(
                                f->serving.event,
                                f->serving.port,
                                REQUEST("GET", "/hello") "Connection: close\r\n\r\n");
                g_assert_cmpint(g_str_has_suffix(answer, "\r\n\r\nhello"), ==, true);
                while (http_server_connections(f->serving.server) > 0) {
                        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                        g_assert_cmpint(sd_event_run(f->serving.event, 1000), >=, 0);
                }
        }
        serving_close(&f->serving);
}

static void send_text(Fixture *f, const char *text) {
        wire_send_text(f->serving.event, f->client, text);
}

/* An answer that leaves the connection open, up to TEXT; the connection serves on. */
static void expect(Fixture *f, const char *status, const char *text) {
        g_autofree char *answer = wire_read(f->serving.event, f->client, text);

        g_assert_cmpstr(answer, !=, NULL);
        g_assert_cmpint(g_str_has_prefix(answer, status), ==, true);
        g_assert_cmpstr(strstr(answer, "Connection: close"), ==, NULL);
}

/* An answer that ends the connection. */
static void expect_last(Fixture *f, const char *status, const char *text) {
        g_autofree char *answer = wire_read(f->serving.event, f->client, NULL);

        g_assert_cmpstr(answer, !=, NULL);
        g_assert_cmpint(g_str_has_prefix(answer, status), ==, true);
        g_assert_cmpint(g_str_has_suffix(answer, text), ==, true);
        g_assert_cmpstr(strstr(answer, "Connection: close"), !=, NULL);
}

/* ---- answered */

static void test_at_once(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (unsigned i = 0; i < 3; i++) {
                send_text(f, GET("/hello"));
                expect(f, "HTTP/1.1 200", "\r\n\r\nhello");
        }
        g_assert_cmpuint(http_server_connections(f->serving.server), ==, 1);
        g_assert_cmpuint(f->serving.n_closed, ==, 0);
}

static void test_later(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (unsigned i = 0; i < 3; i++) {
                send_text(f, GET("/later"));
                expect(f, "HTTP/1.1 200", "\r\n\r\nlater");
        }
        g_assert_cmpuint(f->serving.n_closed, ==, 0);
}

static void test_later_with_body(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, POST("/later", 3) "abc");
        expect_last(f, "HTTP/1.1 200", "\r\n\r\nlater");
}

static void test_pipelined(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *answers = NULL;

        send_text(f,
                  GET("/hello") POST("/echo", 3) "abc" GET("/later")
                                  POST_CHUNKED("/echo") "1\r\nx\r\n0\r\n\r\n");
        send_text(f, REQUEST("GET", "/lines?1") "Connection: close\r\n\r\n");
        answers = wire_read(f->serving.event, f->client, NULL);
        g_assert_cmpstr(f->serving.seen->str,
                        ==,
                        "GET /hello\nPOST /echo\nabc\nGET /later\nPOST /echo\nx\nGET /lines?1\n");
        g_assert_cmpint(g_regex_match_simple(
                                        "\r\n\r\nhelloHTTP.*\r\n\r\nabcHTTP.*\r\n\r\nlaterHTTP.*\r\n\r\nxHTTP",
                                        answers,
                                        G_REGEX_DOTALL,
                                        0),
                        ==,
                        true);
        g_assert_cmpint(g_str_has_suffix(answers, "X-Test: a b\r\n\r\n"), ==, true);
}

/* ---- bodies */

static const struct {
        const char *name, *wire, *answer;
} bodies[] = {
        { "length", POST("/echo", 3) "abc", "\r\n\r\nabc" },
        { "chunked",
          POST_CHUNKED("/echo") "1\r\na\r\n2;x=y\r\nbc\r\n0\r\nTrailer: x\r\n\r\n",
          "\r\n\r\nabc" },
        { "none", POST("/echo", 0), "Content-Length: 0\r\n\r\n" },
        { "none-of-get", GET("/echo"), "Content-Length: 0\r\n\r\n" },
        { "of-get", REQUEST("GET", "/echo") "Content-Length: 3\r\n\r\nabc", "\r\n\r\nabc" },
        { "as-large-as-allowed", POST("/echo?3", 3) "abc", "\r\n\r\nabc" },
        { "chunked-as-large-as-allowed", POST_CHUNKED("/echo?3") "3\r\nabc\r\n0\r\n\r\n", "\r\n\r\nabc" },
        { "sink", POST("/sink", 3) "abc", "\r\n\r\ngot 3" },
        { "sink-none", POST("/sink", 0), "\r\n\r\ngot 0" },
};

static void test_body(Fixture *f, const void *data) {
        const char *wire = bodies[GPOINTER_TO_SIZE(data)].wire,
                   *answer = bodies[GPOINTER_TO_SIZE(data)].answer;

        send_text(f, wire);
        expect(f, "HTTP/1.1 200", answer);
        send_text(f, GET("/hello"));
        expect(f, "HTTP/1.1 200", "\r\n\r\nhello");
}

static void test_body_dripped(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n";

        send_text(f, POST_CHUNKED("/echo"));
        for (const char *p = body; *p; p++) {
                wire_send(f->serving.event, f->client, p, 1);
                wire_turns(f->serving.event, 3);
        }
        expect(f, "HTTP/1.1 200", "\r\n\r\n0123456789x");
}

static void test_body_large(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *body = g_strnfill(HTTP_BODY_MAX, 'x');
        g_autofree char *head = g_strdup_printf(
                        REQUEST("POST", "/echo") "Connection: close\r\nContent-Length: %d\r\n\r\n",
                        HTTP_BODY_MAX);
        g_autofree char *answer = NULL;

        send_text(f, head);
        send_text(f, body);
        answer = wire_read(f->serving.event, f->client, NULL);
        g_assert_cmpint(g_str_has_suffix(answer, body), ==, true);
}

static void test_expect(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *interim = NULL;

        send_text(f, REQUEST("POST", "/echo") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        interim = wire_read(f->serving.event, f->client, "HTTP/1.1 100 Continue\r\n\r\n");
        g_assert_cmpstr(interim, !=, NULL);
        send_text(f, "abc");
        expect(f, "HTTP/1.1 200", "\r\n\r\nabc");
}

static void test_expect_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, REQUEST("POST", "/early") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        expect_last(f, "HTTP/1.1 401", "\r\n\r\nno");
}

static void test_body_announced_too_large(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, POST("/echo?3", 4));
        expect_last(f, "HTTP/1.1 413", "413 Request Entity Too Large");
        serving_until(&f->serving, &f->serving.n_closed, 1);
        g_assert_cmpuint(f->serving.n_bodies, ==, 0);
}

static void test_body_grows_too_large(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, POST_CHUNKED("/echo?3") "2\r\nab\r\n2\r\ncd\r\n");
        expect_last(f, "HTTP/1.1 413", "413 Request Entity Too Large");
        send_text(f, "2\r\nef\r\n");
        close(f->client);
        f->client = -1;
        serving_until(&f->serving, &f->serving.n_closed, 1);
        g_assert_cmpuint(f->serving.n_bodies, ==, 0);
}

/* The client has a lot to send, and gets the answer all the same; nor is it told of a reset. */
static void test_answer_survives_upload(Fixture *f, const void *path) {
        g_autofree char *body = g_strnfill(4 * 1024 * 1024, 'x');
        g_autofree char *head = g_strdup_printf(
                        "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
                        (const char *) path,
                        4 * 1024 * 1024);
        g_autofree char *answer = NULL;

        send_text(f, head);
        g_assert_cmpint(wire_send_text(f->serving.event, f->client, body), ==, true);
        answer = wire_read(f->serving.event, f->client, "\r\n\r\nno");
        g_assert_cmpstr(answer, !=, NULL);
        g_assert_cmpint(g_str_has_prefix(answer, "HTTP/1.1 40"), ==, true);
        g_assert_cmpstr(strstr(answer, "Connection: close"), !=, NULL);
        for (ssize_t n = -1; n != 0;) {
                g_assert_cmpint(sd_event_run(f->serving.event, 1000), >=, 0);
                n = recv(f->client, body, 1, MSG_DONTWAIT);
                g_assert_cmpint(n == 0 || errno == EAGAIN, ==, true);
        }
}

static void test_bad_chunk(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *answer = NULL;

        send_text(f, POST_CHUNKED("/echo") "3\r\nabc\r\nzz\r\n");
        answer = wire_read(f->serving.event, f->client, NULL);
        g_assert_cmpstr(strstr(answer, "200 OK"), ==, NULL);
        serving_until(&f->serving, &f->serving.n_closed, 1);
        g_assert_cmpuint(f->serving.n_bodies, ==, 0);
}

/* ---- back-pressure */

static void test_sink_waits(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = "0123456789";

        f->serving.sink_takes = 0;
        send_text(f, POST("/sink", 10));
        send_text(f, body);
        for (size_t i = 1; i <= 10; i++) {
                serving_until(&f->serving, &f->serving.n_fed, (unsigned) i);
                wire_turns(f->serving.event, 20);
                g_assert_cmpuint(f->serving.n_fed, ==, i); /* stands still */
                g_assert_cmpuint(f->serving.body->len, ==, i - 1);
                f->serving.sink_takes = 1;
                http_request_resume(f->serving.kept);
        }
        expect(f, "HTTP/1.1 200", "\r\n\r\ngot 10");
        g_assert_cmpstr(f->serving.body->str, ==, body);
}

static void test_slow_reader(Fixture *f, const void *data G_GNUC_UNUSED) {
        unsigned n_pulled;

        (void) setsockopt(f->client, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
        send_text(f, GET("/endless"));
        do {
                n_pulled = f->serving.n_pulled;
                for (unsigned i = 0; i < 20; i++)
                        g_assert_cmpint(sd_event_run(f->serving.event, 1000), >=, 0);
        } while (f->serving.n_pulled > n_pulled);

        /* What the kernel holds, and no more. */
        g_assert_cmpuint(n_pulled, <, 1000);
        close(f->client);
        f->client = -1;
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpint(f->serving.is_complete, ==, false);
}

static void test_source_waits(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, GET("/wait"));
        serving_until(&f->serving, &f->serving.n_pulled, 1);
        for (unsigned i = 1; i <= 3; i++) {
                wire_turns(f->serving.event, 20);
                g_assert_cmpuint(f->serving.n_pulled, ==, i); /* stands still */
                f->serving.source_waits = i < 3;
                http_request_resume(f->serving.kept);
                g_assert_cmpuint(f->serving.n_pulled, ==, i); /* nothing from inside a call */
                serving_until(&f->serving, &f->serving.n_pulled, i + 1);
        }
        expect(f, "HTTP/1.1 200", "X-Test: a b\r\n\r\n");
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpint(f->serving.is_complete, ==, true);
}

/* A resume that comes before the wait is not lost. */
static void test_source_wakes(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->serving.source_wakes = true;
        send_text(f, GET("/lines?1"));
        expect(f, "HTTP/1.1 200", "X-Test: a b\r\n\r\n");
}

static void test_stream_later(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, GET("/later-lines"));
        expect(f, "HTTP/1.1 200", "X-Test: a b\r\n\r\n");
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpint(f->serving.is_complete, ==, true);
}

static void test_large_stream(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *answer = NULL;

        send_text(f, REQUEST("GET", "/lines?100000") "Connection: close\r\n\r\n");
        answer = wire_read(f->serving.event, f->client, NULL);
        g_assert_cmpuint(strlen(answer), >, 2200000);
        g_assert_cmpint(g_str_has_suffix(answer, "\r\n0\r\nX-Stream-Error:  \r\nX-Test: a b\r\n\r\n"),
                        ==,
                        true);
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpint(f->serving.is_complete, ==, true);
}

static void test_cut(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *answer = NULL;

        send_text(f, GET("/cut"));
        answer = wire_read(f->serving.event, f->client, NULL);
        g_assert_cmpint(g_str_has_suffix(answer, "9\"}\n\r\n"), ==, true); /* no last chunk */
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpint(f->serving.is_complete, ==, false);
}

/* ---- the client goes away */

typedef struct AbortCase {
        const char *name, *wire;
        unsigned offset; /* of the counter that tells that the phase is reached */
        bool is_kept, has_source;
        size_t sink_takes;
} AbortCase;

#define COUNTER(name) offsetof(Serving, name)

static const AbortCase aborts[] = {
        { "while-the-owner-thinks", GET("/keep"), COUNTER(n_handled), .is_kept = true },
        { "before-the-body-is-wanted", POST("/keep", 9), COUNTER(n_handled), .is_kept = true },
        { "before-the-body-is-wanted-but-came",
          POST("/keep", 3) "abc",
          COUNTER(n_handled),
          .is_kept = true },
        { "before-the-body", POST("/echo", 9), COUNTER(n_handled) },
        { "in-the-body", POST("/sink", 9) "abc", COUNTER(n_fed), .sink_takes = SIZE_MAX },
        { "in-a-chunk", POST_CHUNKED("/sink") "9\r\nabc", COUNTER(n_fed), .sink_takes = SIZE_MAX },
        { "while-the-source-waits", GET("/wait"), COUNTER(n_pulled), .has_source = true },
        { "while-reading", GET("/endless"), COUNTER(n_pulled), .has_source = true },
};

static void reach(Fixture *f, const AbortCase *c) {
        f->serving.sink_takes = c->sink_takes;
        send_text(f, c->wire);
        serving_until(&f->serving, (unsigned *) ((char *) &f->serving + c->offset), 1);
        wire_turns(f->serving.event, 20);
}

static void assert_closed_once(Fixture *f, const AbortCase *c) {
        serving_until(&f->serving, c->has_source ? &f->serving.n_source_closed : &f->serving.n_closed, 1);
        wire_turns(f->serving.event, 20);
        g_assert_cmpuint(f->serving.n_closed, ==, !c->has_source);
        g_assert_cmpuint(f->serving.n_source_closed, ==, c->has_source);
        g_assert_cmpint(f->serving.is_complete, ==, false);
        g_assert_cmpint(f->serving.kept == NULL, ==, true);
}

static void test_abort(Fixture *f, const void *data) {
        reach(f, data);
        close(f->client);
        f->client = -1;
        assert_closed_once(f, data);
}

static void test_abort_by_reset(Fixture *f, const void *data) {
        reach(f, data);
        g_assert_cmpint(setsockopt(f->client,
                                   SOL_SOCKET,
                                   SO_LINGER,
                                   &(struct linger){ .l_onoff = 1 },
                                   sizeof(struct linger)),
                        ==,
                        0);
        close(f->client);
        f->client = -1;
        assert_closed_once(f, data);
}

static void test_server_freed(Fixture *f, const void *data) {
        g_autofree char *rest = NULL;

        reach(f, data);
        serving_free_server(&f->serving);
        assert_closed_once(f, data);
        rest = wire_read(f->serving.event, f->client, NULL); /* it is closed */
        g_assert_cmpstr(strstr(rest, "\r\n0\r\n"), ==, NULL);
}

/* A sink that waits: the rest of the body is in the socket, and a reset is seen at once. */
static void test_abort_sink_waits(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const AbortCase c = { "", POST("/sink", 9) "abc", COUNTER(n_fed), .sink_takes = 1 };

        test_abort_by_reset(f, &c);
}

/* After an end of its sending, the client gets what it asked for, if all of it was there. */
static void test_half_closed_upload(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->serving.sink_takes = 1;
        send_text(f, POST("/sink", 3) "abc");
        serving_until(&f->serving, &f->serving.n_fed, 1);
        g_assert_cmpint(shutdown(f->client, SHUT_WR), ==, 0);
        wire_turns(f->serving.event, 20);
        f->serving.sink_takes = SIZE_MAX;
        http_request_resume(f->serving.kept);
        serving_until(&f->serving, &f->serving.n_ended, 1);
        g_assert_cmpstr(f->serving.body->str, ==, "abc");
}

/* The owner answers in the very turn in which the client's end was seen. */
static void test_answer_after_abort(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, GET("/keep"));
        serving_until(&f->serving, &f->serving.n_handled, 1);
        wire_turns(f->serving.event, 20);
        close(f->client);
        f->client = -1;
        g_assert_cmpint(http_request_reply(f->serving.kept, &(HttpReply){ .status = 200 }), ==, 0);
        wire_turns(f->serving.event, 20);
        g_assert_cmpuint(f->serving.n_closed, ==, 0);
}

/* ---- our own client against our own server */

static void test_own_client(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/lines?1000", f->serving.port);
        HttpClient *client;
        Recorder recorder;

        g_assert_cmpint(http_client_new(&client, f->serving.event), ==, 0);
        recorder_open(&recorder, f->serving.event, client);
        recorder_run(&recorder, (HttpCallOptions){ .url = url });
        g_assert_cmpint(recorder.result, ==, 0);
        g_assert_cmpuint(recorder.body->len, ==, 22000);
        g_assert_cmpstr(recorder.trailer, ==, "");
        recorder_close(&recorder);

        g_free(url);
        url = g_strdup_printf("http://127.0.0.1:%u/echo", f->serving.port);
        recorder_open(&recorder, f->serving.event, client);
        recorder.send = "0123456789";
        recorder_run(&recorder,
                     (HttpCallOptions){ .method = "POST", .url = url, .read_body = recorder_read_body });
        g_assert_cmpint(recorder.result, ==, 0);
        g_assert_cmpstr(recorder.body->str, ==, "0123456789");
        recorder_close(&recorder);
        http_client_free(client);
}

#define ADD(path, function) ADD_WITH(path, NULL, function)
#define ADD_WITH(path, data, function) g_test_add(path, Fixture, data, set_up, function, tear_down)

static void add_table(const char *prefix, const AbortCase *c, void (*test)(Fixture *f, const void *data)) {
        g_autofree char *path = g_strconcat(prefix, c->name, NULL);

        ADD_WITH(path, c, test);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/net/http-request/answered/at-once", test_at_once);
        ADD("/net/http-request/answered/later", test_later);
        ADD("/net/http-request/answered/later-before-the-body", test_later_with_body);
        ADD("/net/http-request/answered/pipelined", test_pipelined);
        for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
                g_autofree char *path = g_strconcat("/net/http-request/body/", bodies[i].name, NULL);

                ADD_WITH(path, GSIZE_TO_POINTER(i), test_body);
        }
        ADD("/net/http-request/body/byte-by-byte", test_body_dripped);
        ADD("/net/http-request/body/large", test_body_large);
        ADD("/net/http-request/body/continue", test_expect);
        ADD("/net/http-request/body/continue-refused", test_expect_refused);
        ADD("/net/http-request/body/announced-too-large", test_body_announced_too_large);
        ADD("/net/http-request/body/grows-too-large", test_body_grows_too_large);
        ADD_WITH("/net/http-request/body/answered-before", "/early", test_answer_survives_upload);
        ADD_WITH("/net/http-request/body/answered-in-the-middle", "/middle", test_answer_survives_upload);
        ADD("/net/http-request/body/bad-chunk", test_bad_chunk);
        ADD("/net/http-request/body/sink-waits", test_sink_waits);
        ADD("/net/http-request/stream/slow-reader", test_slow_reader);
        ADD("/net/http-request/stream/source-waits", test_source_waits);
        ADD("/net/http-request/stream/source-wakes-itself", test_source_wakes);
        ADD("/net/http-request/stream/started-later", test_stream_later);
        ADD("/net/http-request/stream/large", test_large_stream);
        ADD("/net/http-request/stream/cut", test_cut);
        for (size_t i = 0; i < G_N_ELEMENTS(aborts); i++) {
                add_table("/net/http-request/abort/", aborts + i, test_abort);
                add_table("/net/http-request/abort/by-reset/", aborts + i, test_abort_by_reset);
                add_table("/net/http-request/abort/server-freed/", aborts + i, test_server_freed);
        }
        ADD("/net/http-request/abort/by-reset/while-the-sink-waits", test_abort_sink_waits);
        ADD("/net/http-request/abort/half-closed-upload", test_half_closed_upload);
        ADD("/net/http-request/abort/answered-meanwhile", test_answer_after_abort);
        ADD("/net/http-request/own-client", test_own_client);
        return g_test_run();
}
