/* An answer that streams while its request's body is being read. */

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/net/http-duplex.h"
#include "tests/unit/net/serving.h"

#define HEAD(path) "POST " path " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
#define TRAILER "\r\n0\r\nX-Test: a b\r\n\r\n"

typedef struct Fixture {
        Serving serving;
        int client;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        serving_open(&f->serving, NULL);
        f->client = wire_connect(f->serving.port);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        if (f->client >= 0)
                close(f->client);
        serving_close(&f->serving);
}

static void send_text(Fixture *f, const char *text) {
        g_assert_cmpint(wire_send_text(f->serving.event, f->client, text), ==, true);
}

static void expect(Fixture *f, const char *text) {
        g_autofree char *answer = wire_read(f->serving.event, f->client, text);

        g_assert_cmpstr(answer, !=, NULL);
}

static void expect_end(Fixture *f, const char *text) {
        g_autofree char *answer = wire_read(f->serving.event, f->client, NULL);

        g_assert_cmpint(g_str_has_suffix(answer, text), ==, true);
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpuint(f->serving.n_source_closed, ==, 1);
        g_assert_cmpuint(f->serving.n_closed, ==, 0);
}

/* ---- both ways */

static void test_comes_as_it_goes(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *head = NULL;

        send_text(f, HEAD("/duplex") "2\r\nab\r\n");
        head = wire_read(f->serving.event, f->client, "2\r\nab\r\n");
        g_assert_cmpint(g_str_has_prefix(head, "HTTP/1.1 200 OK\r\n"), ==, true);
        g_assert_cmpstr(strstr(head, "\r\nContent-Type: text/plain\r\n"), !=, NULL);
        g_assert_cmpstr(strstr(head, "\r\nDate: "), !=, NULL);
        g_assert_cmpstr(strstr(head, "\r\nTrailer: X-Test\r\n"), !=, NULL);
        g_assert_cmpstr(strstr(head, "\r\nTransfer-Encoding: chunked\r\n"), !=, NULL);
        g_assert_cmpstr(strstr(strstr(head, "Connection: close") + 1, "Connection: close"), ==, NULL);
        send_text(f, "3\r\ncde\r\n");
        expect(f, "3\r\ncde\r\n");
        send_text(f, "1\r\nf\r\n0\r\n\r\n");
        expect_end(f, "1\r\nf" TRAILER);
        g_assert_cmpint(f->serving.is_complete, ==, true);
        g_assert_cmpuint(f->serving.n_ended, ==, 1);
}

static void test_all_at_once(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, HEAD("/duplex") "2\r\nab\r\n0\r\n\r\n");
        expect_end(f, "2\r\nab" TRAILER);
        g_assert_cmpint(f->serving.is_complete, ==, true);
}

static void test_empty(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, HEAD("/duplex") "0\r\n\r\n");
        expect_end(f, "0\r\nX-Test: a b\r\n\r\n");
        g_assert_cmpint(f->serving.is_complete, ==, true);
}

static void test_http10(Fixture *f, const void *data G_GNUC_UNUSED) {
        send_text(f, "POST /duplex HTTP/1.0\r\nContent-Length: 3\r\n\r\nab");
        expect(f, "\r\n\r\nab");
        send_text(f, "c");
        expect_end(f, "c");
        g_assert_cmpint(f->serving.is_complete, ==, true);
}

/* More than the kernel holds, so that both directions have to wait for each other. */
static void test_large(Fixture *f, const void *data G_GNUC_UNUSED) {
        size_t n = 16 * 1024 * 1024, n_sent = 0, n_got = 0;
        g_autofree char *body = g_strnfill(n, 'x');
        g_autofree char *head = g_strdup_printf(
                        "POST /duplex HTTP/1.0\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", n);
        char block[65536];

        send_text(f, head);
        for (ssize_t r = -1; r != 0;) {
                ssize_t s = send(f->client, body + n_sent, n - n_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

                n_sent += s > 0 ? (size_t) s : 0;
                g_assert_cmpint(sd_event_run(f->serving.event, 1000), >=, 0);
                r = recv(f->client, block, sizeof(block), MSG_DONTWAIT);
                n_got += r > 0 ? (size_t) r : 0;
        }
        g_assert_cmpuint(n_sent, ==, n);
        g_assert_cmpuint(n_got, >, n);
        g_assert_cmpuint(n_got, <, n + 500);
}

static void test_sink_waits(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->serving.sink_takes = 1;
        send_text(f, HEAD("/duplex") "3\r\nabc\r\n0\r\n\r\n");
        expect(f, "1\r\na\r\n");
        wire_turns(f->serving.event, 20);
        g_assert_cmpuint(f->serving.n_fed, ==, 1);
        f->serving.sink_takes = 2;
        http_request_resume(f->serving.kept);
        expect_end(f, "2\r\nbc" TRAILER);
}

/* A resume that comes before the wait is not lost. */
static void test_source_wakes(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->serving.source_wakes = true;
        send_text(f, HEAD("/duplex") "2\r\nab\r\n");
        expect(f, "2\r\nab\r\n");
}

/* ---- the end */

/* The answer ends before the body: what the client still sends is read and dropped, so that he gets it. */
static void test_ends_first(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *rest = g_strnfill(4 * 1024 * 1024, 'x');
        g_autofree char *answer = NULL;

        send_text(f, HEAD("/duplex?3") "fffffff\r\nabcd");
        g_assert_cmpint(wire_send_text(f->serving.event, f->client, rest), ==, true);
        answer = wire_read(f->serving.event, f->client, NULL);
        g_assert_cmpint(g_str_has_suffix(answer, "3\r\nabc" TRAILER), ==, true);
        g_assert_cmpuint(f->serving.n_ended, ==, 0);
        close(f->client);
        f->client = -1;
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpint(f->serving.is_complete, ==, true);
}

static void reach(Fixture *f) {
        send_text(f, HEAD("/duplex") "9\r\nabc");
        expect(f, "3\r\nabc\r\n");
        wire_turns(f->serving.event, 20);
}

static void assert_broken_off(Fixture *f) {
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        wire_turns(f->serving.event, 20);
        g_assert_cmpuint(f->serving.n_source_closed, ==, 1);
        g_assert_cmpuint(f->serving.n_ended, ==, 0);
        g_assert_cmpint(f->serving.is_complete, ==, false);
        g_assert_cmpuint(http_server_connections(f->serving.server), ==, 0);
}

static void test_client_goes(Fixture *f, const void *data G_GNUC_UNUSED) {
        reach(f);
        close(f->client);
        f->client = -1;
        assert_broken_off(f);
}

static void test_client_ends_sending(Fixture *f, const void *data G_GNUC_UNUSED) {
        reach(f);
        g_assert_cmpint(shutdown(f->client, SHUT_WR), ==, 0);
        assert_broken_off(f);
}

static void test_client_resets(Fixture *f, const void *data G_GNUC_UNUSED) {
        reach(f);
        g_assert_cmpint(setsockopt(f->client,
                                   SOL_SOCKET,
                                   SO_LINGER,
                                   &(struct linger){ .l_onoff = 1 },
                                   sizeof(struct linger)),
                        ==,
                        0);
        close(f->client);
        f->client = -1;
        assert_broken_off(f);
}

/* After its last byte, while the answer is not complete. */
static void test_client_goes_in_the_answer(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *body = g_strnfill(16 * 1024 * 1024, 'x');

        (void) setsockopt(f->client, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
        send_text(f, "POST /duplex HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n");
        send_text(f, body);
        serving_until(&f->serving, &f->serving.n_ended, 1);
        close(f->client);
        f->client = -1;
        serving_until(&f->serving, &f->serving.n_source_closed, 1);
        g_assert_cmpint(f->serving.is_complete, ==, false);
}

static void test_server_freed(Fixture *f, const void *data G_GNUC_UNUSED) {
        reach(f);
        serving_free_server(&f->serving);
        g_assert_cmpuint(f->serving.n_source_closed, ==, 1);
        g_assert_cmpint(f->serving.is_complete, ==, false);
}

/* A client that neither takes the answer nor is read from, since the answer waits. */
static void test_stalls(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *body = g_strnfill(16 * 1024 * 1024, 'x');
        Serving serving;

        serving_open(&serving, &(HttpServerOptions){ .stall_timeout_usec = 100 * USEC_PER_MSEC });
        close(f->client);
        f->client = wire_connect(serving.port);
        (void) setsockopt(f->client, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
        serving.sink_takes = 14 * 1024 * 1024; /* the rest waits, as it does when the answer is not taken */
        g_assert_cmpint(wire_send_text(serving.event,
                                       f->client,
                                       "POST /duplex HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n"),
                        ==,
                        true);
        (void) wire_send(serving.event, f->client, body, 14 * 1024 * 1024 + 1);
        serving_until(&serving, &serving.n_source_closed, 1);
        g_assert_cmpint(serving.is_complete, ==, false);
        serving_close(&serving);
}

int main(int argc, char **argv) {
        static const struct {
                const char *path;
                void (*test)(Fixture *f, const void *data);
        } tests[] = {
                { "comes-as-it-goes", test_comes_as_it_goes },
                { "all-at-once", test_all_at_once },
                { "empty", test_empty },
                { "http10", test_http10 },
                { "large", test_large },
                { "sink-waits", test_sink_waits },
                { "source-wakes", test_source_wakes },
                { "ends-first", test_ends_first },
                { "client-goes", test_client_goes },
                { "client-ends-sending", test_client_ends_sending },
                { "client-resets", test_client_resets },
                { "client-goes-in-the-answer", test_client_goes_in_the_answer },
                { "server-freed", test_server_freed },
                { "stalls", test_stalls },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
                g_autofree char *path = g_strdup_printf("/net/http-duplex/%s", tests[i].path);

                g_test_add(path, Fixture, NULL, set_up, tests[i].test, tear_down);
        }
        return g_test_run();
}
