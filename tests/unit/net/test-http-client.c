/* The life of calls: cancelled in each phase, paused, stalled, many. */

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/net/calls.h"

#define REPLY_ABC "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
#define STALL_USEC (40 * 1000)

typedef struct Fixture {
        sd_event *event;
        HttpClient *client;
        WireServer server;
        Recorder recorder;
        HttpCallOptions options;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(sd_event_new(&f->event), ==, 0);
        g_assert_cmpint(http_client_new(&f->client, f->event), ==, 0);
        wire_server_open(&f->server, f->event);
        recorder_open(&f->recorder, f->event, f->client);
        f->server.reply = REPLY_ABC;
        f->options = (HttpCallOptions){ .url = f->server.url };
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        recorder_close(&f->recorder);
        http_client_free(f->client);
        wire_server_close(&f->server);
        sd_event_unref(f->event);
}

/* Nothing is told after the end of a slot: run on until a second call is through. */
static void assert_silence(Fixture *f) {
        unsigned n_dones = f->recorder.n_dones;
        Recorder second;

        recorder_open(&second, f->event, f->client);
        f->server.reply = REPLY_ABC;
        recorder_run(&second, f->options);
        g_assert_cmpint(second.result, ==, 0);
        g_assert_cmpstr(second.body->str, ==, "abc");
        recorder_close(&second);
        g_assert_cmpuint(f->recorder.n_dones, ==, n_dones);
}

static void wait_for(Fixture *f, const unsigned *counter) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;

        while (*counter == 0) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);
        }
}

/* ---- cancelled */

static void test_cancel_at_once(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        f->recorder.call = http_call_unref(f->recorder.call);
        assert_silence(f);
        g_assert_cmpuint(f->server.n_requests, ==, 1);
}

static void test_cancel_while_connecting(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wire_turns(f->event, 1);
        f->recorder.call = http_call_unref(f->recorder.call);
        assert_silence(f);
}

static void test_cancel_before_head(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->server.reply = NULL;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wait_for(f, &f->server.n_requests);
        f->recorder.call = http_call_unref(f->recorder.call);
        assert_silence(f);
}

static void test_cancel_in_body(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc";
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wire_wait(f->event, &f->recorder.moved);
        wire_turns(f->event, 5);
        f->recorder.call = http_call_unref(f->recorder.call);
        assert_silence(f);
}

static void test_cancel_while_paused(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.n_pauses = 1;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wire_wait(f->event, &f->recorder.moved);
        http_call_resume(f->recorder.call);
        f->recorder.call = http_call_unref(f->recorder.call);
        assert_silence(f);
        g_assert_cmpstr(f->recorder.body->str, ==, "");
}

static void test_cancel_while_sending(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.send = "abc";
        f->recorder.n_read_pauses = 1;
        f->options.method = "POST";
        f->options.read_body = recorder_read_body;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wire_wait(f->event, &f->recorder.moved);
        f->recorder.call = http_call_unref(f->recorder.call);
        f->options.read_body = NULL;
        assert_silence(f);
}

static void test_drop_in_head(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.drops_in_head = true;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wire_wait(f->event, &f->recorder.moved);
        assert_silence(f);
        g_assert_cmpuint(f->recorder.n_heads, ==, 1);
        g_assert_cmpuint(f->recorder.n_dones, ==, 0);
        g_assert_cmpstr(f->recorder.body->str, ==, "");
}

static void test_drop_in_data(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.drops_in_data = true;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wire_wait(f->event, &f->recorder.moved);
        assert_silence(f);
        g_assert_cmpuint(f->recorder.n_dones, ==, 0);
}

/* Freed with a call that waits for the loop to be released. */
static void test_free_after_drop(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.drops_in_data = true;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wire_wait(f->event, &f->recorder.moved);
}

static void test_drop_in_done(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.drops_in_done = true;
        recorder_run(&f->recorder, f->options);
        assert_silence(f);
}

static void test_drop_after_done(Fixture *f, const void *data G_GNUC_UNUSED) {
        recorder_run(&f->recorder, f->options);
        http_call_resume(f->recorder.call);
        f->recorder.call = http_call_unref(f->recorder.call);
        assert_silence(f);
}

static void test_give_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.gives_up = true;
        recorder_run(&f->recorder, f->options);
        g_assert_cmpint(f->recorder.result, ==, -ECANCELED);
        assert_silence(f);
}

/* ---- paused */

static void test_pause(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->recorder.n_pauses = 3;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);

        for (unsigned left = 3; left > 0; left--) {
                while (f->recorder.n_pauses == left)
                        g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);
                wire_turns(f->event, 20); /* stands still */
                g_assert_cmpuint(f->recorder.n_pauses, ==, left - 1);
                g_assert_cmpuint(f->recorder.n_dones, ==, 0);
                http_call_resume(f->recorder.call);
                g_assert_cmpuint(f->recorder.n_pauses, ==, left - 1); /* nothing from inside a call */
        }

        wire_wait(f->event, &f->recorder.done);
        g_assert_cmpint(f->recorder.result, ==, 0);
        g_assert_cmpstr(f->recorder.body->str, ==, "abc");
}

/* ---- in time */

static void test_stall(Fixture *f, const void *data) {
        f->server.reply = data;
        f->options.stall_usec = STALL_USEC;
        recorder_run(&f->recorder, f->options);
        g_assert_cmpint(f->recorder.result, ==, -ETIMEDOUT);
        g_assert_cmpstr(strstr(f->recorder.words->str, "no byte came or went"), !=, NULL);
        assert_silence(f);
}

static int on_drip(sd_event_source *source, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        Fixture *f = userdata;

        wire_server_send(&f->server, "x");
        if (f->recorder.body->len < 11) {
                g_assert_cmpint(sd_event_source_set_time_relative(source, STALL_USEC / 4), >=, 0);
                g_assert_cmpint(sd_event_source_set_enabled(source, SD_EVENT_ONESHOT), >=, 0);
        }
        return 0;
}

/* A body that drips for longer than the stall time is no stall. */
static void test_no_stall(Fixture *f, const void *data G_GNUC_UNUSED) {
        sd_event_source *drip;

        f->server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n";
        f->options.stall_usec = STALL_USEC;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        wait_for(f, &f->recorder.n_heads);
        g_assert_cmpint(sd_event_add_time_relative(f->event, &drip, CLOCK_MONOTONIC, 0, 1, on_drip, f),
                        >=,
                        0);
        wire_wait(f->event, &f->recorder.done);
        sd_event_source_disable_unref(drip);
        g_assert_cmpint(f->recorder.result, ==, 0);
        g_assert_cmpuint(f->recorder.body->len, ==, 12);
}

static int on_late(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        http_call_resume(userdata);
        return 0;
}

/* Nor is it one when our own side is the one that waits. */
static void test_paused_is_no_stall(Fixture *f, const void *data G_GNUC_UNUSED) {
        sd_event_source *late;

        f->recorder.n_pauses = 1;
        f->options.stall_usec = STALL_USEC;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        g_assert_cmpint(sd_event_add_time_relative(
                                        f->event,
                                        &late,
                                        CLOCK_MONOTONIC,
                                        3 * STALL_USEC,
                                        1,
                                        on_late,
                                        f->recorder.call),
                        >=,
                        0);
        wire_wait(f->event, &f->recorder.done);
        sd_event_source_disable_unref(late);
        g_assert_cmpint(f->recorder.result, ==, 0);
}

static void test_timeout(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc";
        f->options.timeout_usec = STALL_USEC;
        recorder_run(&f->recorder, f->options);
        g_assert_cmpint(f->recorder.result, ==, -ETIMEDOUT);
        g_assert_cmpstr(strstr(f->recorder.words->str, "no whole answer in time"), !=, NULL);
        assert_silence(f);
}

/* All of them in one call of libcurl. */
static void test_timeout_of_many(Fixture *f, const void *data G_GNUC_UNUSED) {
        Recorder recorders[8];

        f->server.reply = NULL;
        f->options.timeout_usec = STALL_USEC;
        for (size_t i = 0; i < G_N_ELEMENTS(recorders); i++) {
                recorder_open(recorders + i, f->event, f->client);
                g_assert_cmpint(recorder_start(recorders + i, f->options), ==, 0);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(recorders); i++) {
                wire_wait(f->event, &recorders[i].done);
                g_assert_cmpint(recorders[i].result, ==, -ETIMEDOUT);
                recorder_close(recorders + i);
        }
}

/* ---- the end of the connection, while there is nothing to send */

static void begin_sending(Fixture *f) {
        f->recorder.send = "abc";
        f->recorder.n_read_pauses = 1000;
        f->options.method = "POST";
        f->options.read_body = recorder_read_body;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
}

static void test_closed_while_nothing_to_send(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->server.reply = NULL;
        begin_sending(f);
        wire_wait(f->event, &f->recorder.moved);
        while (f->server.n_requests == 0)
                g_assert_cmpint(sd_event_run(f->event, 100000), >=, 0);
        wire_server_hang_up(&f->server);
        wire_wait(f->event, &f->recorder.done);
        g_assert_cmpint(f->recorder.result, ==, -EPIPE);
        g_assert_cmpstr(strstr(f->recorder.words->str, "closed before all was sent"), !=, NULL);
}

/* What was said before it is not lost: neither a refusal nor why the answer ends. */
static void test_refused_while_nothing_to_send(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->server.reply = "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno";
        f->server.closes = true;
        begin_sending(f);
        wire_wait(f->event, &f->recorder.done);
        g_assert_cmpint(f->recorder.result, ==, 0);
        g_assert_cmpuint(f->recorder.status, ==, 500);
        g_assert_cmpstr(f->recorder.body->str, ==, "no");
}

static void test_answered_while_nothing_to_send(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->server.reply = "HTTP/1.1 200 OK\r\nTrailer: X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "1\r\na\r\n0\r\nX-Stream-Error: why\r\n\r\n";
        f->server.closes = true;
        begin_sending(f);
        wire_wait(f->event, &f->recorder.done);
        g_assert_cmpstr(f->recorder.body->str, ==, "a");
        g_assert_cmpstr(f->recorder.trailer, ==, "why");
}

/* ---- many */

static void test_connection_is_kept(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (unsigned i = 0; i < 20; i++)
                assert_silence(f);
        g_assert_cmpuint(f->server.n_requests, ==, 20);
        g_assert_cmpuint(f->server.n_connections, ==, 1);
}

/* The other side closes a kept connection: the next call takes another one. */
static void test_kept_connection_is_closed(Fixture *f, const void *data G_GNUC_UNUSED) {
        assert_silence(f);
        wire_server_hang_up(&f->server);
        assert_silence(f);
        g_assert_cmpuint(f->server.n_connections, ==, 2);
}

static void test_many(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree Recorder *recorders = g_new0(Recorder, HTTP_CALLS_MAX);
        HttpCall *refused = NULL;

        f->options.method = "GET";
        for (unsigned i = 0; i < HTTP_CALLS_MAX; i++) {
                recorder_open(recorders + i, f->event, f->client);
                g_assert_cmpint(recorder_start(recorders + i, f->options), ==, 0);
        }

        g_assert_cmpint(http_client_call(
                                        f->client,
                                        &refused,
                                        &f->options,
                                        &(HttpCallHandler){ .on_done = (void *) abort },
                                        NULL),
                        ==,
                        -EBUSY);

        for (unsigned i = 0; i < HTTP_CALLS_MAX; i++) {
                wire_wait(f->event, &recorders[i].done);
                g_assert_cmpint(recorders[i].result, ==, 0);
                g_assert_cmpstr(recorders[i].body->str, ==, "abc");
        }
        g_assert_cmpuint(f->server.n_connections, <=, HTTP_CONNECTIONS_MAX);

        for (unsigned i = 0; i < HTTP_CALLS_MAX; i++)
                recorder_close(recorders + i);
}

/* Whoever waits for one of the connections to a host, is not connecting yet. */
static void test_waiting_is_no_connecting(Fixture *f, const void *data G_GNUC_UNUSED) {
        Recorder recorders[HTTP_CONNECTIONS_MAX + 1];
        gint64 end = g_get_monotonic_time() + 5 * STALL_USEC;

        f->server.reply = NULL;
        f->options.connect_timeout_usec = STALL_USEC;
        for (size_t i = 0; i < G_N_ELEMENTS(recorders); i++) {
                recorder_open(recorders + i, f->event, f->client);
                g_assert_cmpint(recorder_start(recorders + i, f->options), ==, 0);
        }
        while (g_get_monotonic_time() < end)
                g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);

        for (size_t i = 0; i < G_N_ELEMENTS(recorders); i++)
                g_assert_cmpstr(recorders[i].words->str, ==, "");
        g_assert_cmpuint(f->server.n_connections, ==, HTTP_CONNECTIONS_MAX);

        f->server.reply = REPLY_ABC;
        recorders[0].call = http_call_unref(recorders[0].call);
        wire_wait(f->event, &recorders[HTTP_CONNECTIONS_MAX].done);
        g_assert_cmpint(recorders[HTTP_CONNECTIONS_MAX].result, ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(recorders); i++)
                recorder_close(recorders + i);
}

/* One on_done may drop all the others, and start new ones. */
typedef struct Chain {
        Fixture *f;
        HttpCall *calls[8];
        unsigned n_dones;
        bool done;
} Chain;

static void on_chain_done(HttpCall *call, int r, const Error *error G_GNUC_UNUSED, void *userdata) {
        static const HttpCallHandler handler = { .on_done = on_chain_done };
        Chain *chain = userdata;
        bool is_first = chain->n_dones++ == 0;

        g_assert_cmpint(r, ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(chain->calls); i++)
                if (is_first || chain->calls[i] == call)
                        chain->calls[i] = http_call_unref(chain->calls[i]);

        if (is_first)
                g_assert_cmpint(http_client_call(
                                                chain->f->client,
                                                chain->calls,
                                                &chain->f->options,
                                                &handler,
                                                chain),
                                ==,
                                0);
        else
                chain->done = true;
}

static void test_chain(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const HttpCallHandler handler = { .on_done = on_chain_done };
        Chain chain = { .f = f };

        f->options.method = "GET";
        for (size_t i = 0; i < G_N_ELEMENTS(chain.calls); i++)
                g_assert_cmpint(http_client_call(f->client, chain.calls + i, &f->options, &handler, &chain),
                                ==,
                                0);
        wire_wait(f->event, &chain.done);
        g_assert_cmpuint(chain.n_dones, ==, 2);
}

/* ---- Unix sockets */

static void test_unix(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *folder = g_dir_make_tmp("net-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "socket", NULL);
        int listening = wire_listen_unix(path);
        int fd = -1;
        g_autofree char *request = NULL;

        f->options.url = "http://kubo/api/v0/id";
        f->options.unix_path = path;
        g_assert_cmpint(recorder_start(&f->recorder, f->options), ==, 0);
        while ((fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0)
                g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);

        request = wire_read(f->event, fd, "\r\n\r\n");
        g_assert_cmpint(g_str_has_prefix(request, "GET /api/v0/id HTTP/1.1\r\nHost: kubo\r\n"), ==, true);
        wire_send_text(f->event, fd, REPLY_ABC);
        wire_wait(f->event, &f->recorder.done);
        g_assert_cmpint(f->recorder.result, ==, 0);
        g_assert_cmpstr(f->recorder.body->str, ==, "abc");

        close(fd);
        close(listening);
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

#define ADD(path, function) ADD_WITH(path, NULL, function)
#define ADD_WITH(path, data, function) g_test_add(path, Fixture, data, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/net/http-client/cancel/at-once", test_cancel_at_once);
        ADD("/net/http-client/cancel/while-connecting", test_cancel_while_connecting);
        ADD("/net/http-client/cancel/before-the-head", test_cancel_before_head);
        ADD("/net/http-client/cancel/in-the-body", test_cancel_in_body);
        ADD("/net/http-client/cancel/while-paused", test_cancel_while_paused);
        ADD("/net/http-client/cancel/while-sending", test_cancel_while_sending);
        ADD("/net/http-client/cancel/from-on-head", test_drop_in_head);
        ADD("/net/http-client/cancel/from-on-data", test_drop_in_data);
        ADD("/net/http-client/cancel/client-is-freed", test_free_after_drop);
        ADD("/net/http-client/cancel/from-on-done", test_drop_in_done);
        ADD("/net/http-client/cancel/after-on-done", test_drop_after_done);
        ADD("/net/http-client/cancel/by-taking-nothing", test_give_up);
        ADD("/net/http-client/pause-and-resume", test_pause);
        ADD("/net/http-client/nothing-to-send/closed", test_closed_while_nothing_to_send);
        ADD("/net/http-client/nothing-to-send/refused", test_refused_while_nothing_to_send);
        ADD("/net/http-client/nothing-to-send/answered", test_answered_while_nothing_to_send);
        ADD_WITH("/net/http-client/stall/before-the-head", NULL, test_stall);
        ADD_WITH("/net/http-client/stall/in-the-body",
                 "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
                 test_stall);
        ADD("/net/http-client/stall/not-while-it-drips", test_no_stall);
        ADD("/net/http-client/stall/not-while-paused", test_paused_is_no_stall);
        ADD("/net/http-client/timeout", test_timeout);
        ADD("/net/http-client/timeout-of-many", test_timeout_of_many);
        ADD("/net/http-client/connection-is-kept", test_connection_is_kept);
        ADD("/net/http-client/kept-connection-is-closed", test_kept_connection_is_closed);
        ADD("/net/http-client/many", test_many);
        ADD("/net/http-client/waiting-is-no-connecting", test_waiting_is_no_connecting);
        ADD("/net/http-client/calls-from-on-done", test_chain);
        ADD("/net/http-client/unix-socket", test_unix);
        return g_test_run();
}
