/* How a call is put on the wire, and what the answers mean. */

#include <glib.h>
#include <microhttpd.h>
#include <string.h>

#include "tests/lib/fault.h"
#include "tests/unit/net/calls.h"
#include "tests/unit/net/tls.h"

typedef struct Fixture {
        sd_event *event;
        HttpClient *client;
        WireServer server;
        Recorder recorder;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(sd_event_new(&f->event), ==, 0);
        g_assert_cmpint(http_client_new(&f->client, f->event), ==, 0);
        wire_server_open(&f->server, f->event);
        recorder_open(&f->recorder, f->event, f->client);
        f->server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        recorder_close(&f->recorder);
        http_client_free(f->client);
        wire_server_close(&f->server);
        sd_event_unref(f->event);
}

/* ---- requests */

typedef struct RequestCase {
        const char *name;
        HttpCallOptions options;
        const char *send;       /* streamed body */
        unsigned n_read_pauses; /* before it */
        const char *end;        /* of the request on the wire */
        const char *wire;       /* with "HOST" for the host */
} RequestCase;

static const char *const two_headers[] = { "X-One: 1", "Content-Type: a/b", NULL };

static const RequestCase requests[] = {
        { "get",
          { .method = "GET" },
          .wire = "GET /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\n\r\n" },
        { "head",
          { .method = "HEAD" },
          .wire = "HEAD /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\n\r\n" },
        { "delete",
          { .method = "DELETE" },
          .wire = "DELETE /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\n\r\n" },
        { "post-without-body",
          { .method = "POST" },
          .wire = "POST /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n" },
        { "post",
          { .method = "POST", .body = "a\0b", .body_size = 3, .headers = two_headers },
          .end = "b",
          .wire = "POST /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\nX-One: 1\r\nContent-Type: a/b\r\n"
                  "Content-Length: 3\r\n\r\na\\0b" },
        { "put",
          { .method = "PUT", .body = "abc", .body_size = 3 },
          .end = "abc",
          .wire = "PUT /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\nContent-Length: 3\r\n\r\nabc" },
        { "basic",
          { .method = "GET", .userpwd = "user:pass:word" },
          .wire = "GET /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAuthorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n"
                  "Accept: */*\r\n\r\n" },
        { "streamed",
          { .method = "POST", .read_body = recorder_read_body },
          .send = "abcdef",
          .end = "0\r\n\r\n",
          .wire = "POST /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n" },
        { "streamed-with-pauses",
          { .method = "POST", .read_body = recorder_read_body },
          .send = "abc",
          .n_read_pauses = 2,
          .end = "0\r\n\r\n",
          .wire = "POST /x?a=b%2F HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n0\r\n\r\n" },
};

/* With zero bytes as "\0", so that texts can be compared. */
static char *visible(const GString *bytes) {
        g_autoptr(GString) text = g_string_new(NULL);

        for (gsize i = 0; i < bytes->len; i++)
                g_string_append(text, bytes->str[i] ? (char[]){ bytes->str[i], 0 } : "\\0");
        return g_strdup(text->str);
}

static void test_request(Fixture *f, const void *data) {
        const RequestCase *c = data;
        g_autofree char *url = g_strdup_printf("%sx?a=b%%2F", f->server.url);
        g_autofree char *host = g_strdup_printf("127.0.0.1:%u", f->server.port);
        g_autoptr(GString) wire = g_string_new(c->wire);
        g_autofree char *received = NULL;
        HttpCallOptions options = c->options;

        options.url = url;
        f->server.after = c->end;
        f->recorder.send = c->send;
        f->recorder.n_read_pauses = c->n_read_pauses;

        g_assert_cmpint(recorder_start(&f->recorder, options), ==, 0);
        for (unsigned i = 0; i < c->n_read_pauses; i++) {
                wire_wait(f->event, &f->recorder.moved);
                f->recorder.moved = false;
                http_call_resume(f->recorder.call);
        }
        wire_wait(f->event, &f->recorder.done);

        g_assert_cmpint(f->recorder.result, ==, 0);
        g_string_replace(wire, "HOST", host, 1);
        received = visible(f->server.received);
        g_assert_cmpstr(received, ==, wire->str);
}

/* ---- answers */

typedef struct AnswerCase {
        const char *name, *wire, *body;
        unsigned status;
        int result;
        const char *words; /* in the error, after the host */
        const char *header, *trailer;
        bool stays_open;
} AnswerCase;

#define HEAD_200 "HTTP/1.1 200 OK\r\n"

static const AnswerCase answers[] = {
        { "content-length",
          HEAD_200 "X-Test:  a b \r\nContent-Length: 3\r\n\r\nabc",
          "abc",
          200,
          0,
          NULL,
          "a b",
          .stays_open = true },
        { "until-close", HEAD_200 "\r\nabc", "abc", 200, 0 },
        { "http10", "HTTP/1.0 200 OK\r\n\r\nabc", "abc", 200, 0 },
        { "chunked",
          HEAD_200 "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
          "abc",
          200,
          0,
          .stays_open = true },
        { "trailer",
          HEAD_200 "Trailer: X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nabc\r\n0\r\nX-Stream-Error: broken pin\r\n\r\n",
          "abc",
          200,
          0,
          NULL,
          NULL,
          "broken pin",
          .stays_open = true },
        { "empty-trailer",
          HEAD_200 "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Stream-Error: \r\n\r\n",
          "abc",
          200,
          0,
          NULL,
          NULL,
          "",
          .stays_open = true },
        { "informational",
          "HTTP/1.1 100 Continue\r\nX-Test: no\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" HEAD_200
          "X-Test: yes\r\nContent-Length: 3\r\n\r\nabc",
          "abc",
          200,
          0,
          NULL,
          "yes",
          .stays_open = true },
        { "no-redirect",
          "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
          "",
          307,
          0,
          .stays_open = true },
        { "error-status",
          "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nfail",
          "fail",
          500,
          0,
          .stays_open = true },
        { "no-content", "HTTP/1.1 204 No Content\r\n\r\n", "", 204, 0, .stays_open = true },
        { "cut-length", HEAD_200 "Content-Length: 9\r\n\r\nabc", "abc", 200, -EPIPE, "" },
        { "cut-chunk", HEAD_200 "Transfer-Encoding: chunked\r\n\r\n9\r\nabc", "abc", 200, -EPIPE, "" },
        { "cut-before-trailer",
          HEAD_200 "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
          "abc",
          200,
          -EPIPE,
          "" },
        { "cut-in-head", "HTTP/1.1 200 OK\r\nContent-Le", "", 0, -EPIPE, "" },
        { "nothing", "", "", 0, -EPIPE, "Empty reply from server" },
        { "garbage", "what is this?\r\n\r\n", "", 0, -EPROTO, "HTTP/0.9" },
        { "bad-chunk", HEAD_200 "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc", "", 200, -EPIPE, "" },
};

static void test_answer(Fixture *f, const void *data) {
        const AnswerCase *c = data;
        g_autofree char *host = g_strdup_printf("127.0.0.1:%u: ", f->server.port);

        f->server.reply = c->wire;
        f->server.closes = !c->stays_open;
        recorder_run(&f->recorder, (HttpCallOptions){ .url = f->server.url });

        g_test_message("result %d: %s", f->recorder.result, f->recorder.words->str);
        g_assert_cmpint(f->recorder.result, ==, c->result);
        g_assert_cmpuint(f->recorder.status, ==, c->status);
        g_assert_cmpuint(http_call_status(f->recorder.call), ==, c->status);
        g_assert_cmpuint(f->recorder.n_heads, ==, c->status > 0);
        g_assert_cmpstr(f->recorder.body->str, ==, c->body);
        g_assert_cmpstr(f->recorder.header, ==, c->header);
        g_assert_cmpstr(f->recorder.trailer, ==, c->trailer);
        if (c->words) {
                g_assert_cmpint(g_str_has_prefix(f->recorder.words->str, host), ==, true);
                g_assert_cmpstr(strstr(f->recorder.words->str, c->words), !=, NULL);
        }
}

/* Cut after each byte, the answer is an error, whole only at the end. */
static void test_cut_everywhere(Fixture *f, const void *data G_GNUC_UNUSED) {
        const char *whole = answers[4].wire;

        for (size_t n = 0; n <= strlen(whole); n++) {
                g_autofree char *cut = g_strndup(whole, n);
                Recorder recorder;

                g_test_message("cut to %zu bytes", n);
                f->server.reply = cut;
                f->server.closes = true;
                recorder_open(&recorder, f->event, f->client);
                recorder_run(&recorder, (HttpCallOptions){ .url = f->server.url });
                /* Without the last line break the empty line is there in two ways that libcurl takes. */
                if (n < strlen(whole) - 1)
                        g_assert_cmpint(recorder.result, <, 0);
                else
                        g_assert_cmpstr(recorder.trailer, ==, "broken pin");
                recorder_close(&recorder);
        }
}

static void test_long_header(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *value = g_strnfill(HTTP_CALL_HEADER_MAX, 'x');
        g_autofree char *reply = g_strdup_printf(HEAD_200 "X-Test: %s\r\nContent-Length: 0\r\n\r\n", value);

        f->server.reply = reply;
        recorder_run(&f->recorder, (HttpCallOptions){ .url = f->server.url });
        g_assert_cmpint(f->recorder.result, ==, -EPROTO);
        g_assert_cmpstr(strstr(f->recorder.words->str, "a header line is too long"), !=, NULL);
}

static void test_many_headers(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autoptr(GString) reply = g_string_new(HEAD_200);

        for (unsigned i = 0; i < 20000; i++)
                g_string_append(reply, "X-Test: x\r\n");
        g_string_append(reply, "Content-Length: 0\r\n\r\n");

        f->server.reply = reply->str;
        recorder_run(&f->recorder, (HttpCallOptions){ .url = f->server.url });
        g_assert_cmpint(f->recorder.result, ==, -EPROTO);
        g_assert_cmpstr(strstr(f->recorder.words->str, "too many header lines"), !=, NULL);
}

/* ---- where it goes */

static void test_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        unsigned port = wire_dead_port();
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port);
        g_autofree char *words = g_strdup_printf("connect to 127.0.0.1:%u: Connection refused", port);

        recorder_run(&f->recorder, (HttpCallOptions){ .url = url });
        g_assert_cmpint(f->recorder.result, ==, -ECONNREFUSED);
        g_assert_cmpstr(f->recorder.words->str, ==, words);
        g_assert_cmpuint(f->recorder.n_heads, ==, 0);
}

static void test_unix_missing(Fixture *f, const void *data G_GNUC_UNUSED) {
        recorder_run(&f->recorder,
                     (HttpCallOptions){ .url = "http://kubo/x", .unix_path = "/nonexistent/socket" });
        g_assert_cmpint(f->recorder.result, ==, -ECONNREFUSED);
        g_assert_cmpint(g_str_has_prefix(f->recorder.words->str, "connect to /nonexistent/socket: "),
                        ==,
                        true);
}

static void test_no_such_host(Fixture *f, const void *data G_GNUC_UNUSED) {
        recorder_run(&f->recorder, (HttpCallOptions){ .url = "http://no-such-host.invalid/" });
        g_assert_cmpint(f->recorder.result, ==, -EHOSTUNREACH);
        g_assert_cmpstr(strstr(f->recorder.words->str, "no-such-host.invalid:80: "), !=, NULL);
}

static void test_no_tls(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u/", f->server.port);

        f->server.after = "\x16\x03"; /* a TLS record begins */
        f->server.reply = "HTTP/1.1 400 Bad Request\r\n\r\n";
        f->server.closes = true;
        recorder_run(&f->recorder, (HttpCallOptions){ .url = url, .no_verify = true });
        g_assert_cmpint(f->recorder.result, ==, -EPROTO);
}

static void test_tls(Fixture *f, const void *verify) {
        unsigned port;
        struct MHD_Daemon *daemon = tls_start(&port);
        g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u/", port);

        g_assert_cmpint(daemon != NULL, ==, true);
        recorder_run(&f->recorder, (HttpCallOptions){ .url = url, .no_verify = !verify });
        g_test_message("%s", f->recorder.words->str);
        g_assert_cmpint(f->recorder.result, ==, verify ? -EPROTO : 0);
        g_assert_cmpstr(f->recorder.body->str, ==, verify ? "" : "secret");
        if (verify)
                g_assert_cmpstr(strstr(f->recorder.words->str, "certificate"), !=, NULL);
        MHD_stop_daemon(daemon);
}

static const struct {
        const char *method, *url;
        const char *header;
} invalid[] = {
        { "GET", "" },
        { "GET", "127.0.0.1:5001/api" },
        { "GET", "ftp://127.0.0.1/" },
        { "GET", "file:///etc/passwd" },
        { "GET", "http://" },
        { "GET", "http://127.0.0.1:99999/" },
        { "GET", "http://a b/" },
        { "", "http://127.0.0.1/" },
        { "GE T", "http://127.0.0.1/" },
        { "GET\r\nX: y", "http://127.0.0.1/" },
        { "GET", "http://127.0.0.1/", "X-One: 1\r\nX-Two: 2" },
};

static void test_invalid(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(invalid); i++) {
                const char *headers[] = { invalid[i].header, NULL };

                g_test_message("%s %s %s", invalid[i].method, invalid[i].url, invalid[i].header);
                g_assert_cmpint(recorder_start(&f->recorder,
                                               (HttpCallOptions){
                                                               .method = invalid[i].method,
                                                               .url = invalid[i].url,
                                                               .headers = headers,
                                               }),
                                ==,
                                -EINVAL);
                g_assert_cmpint(f->recorder.call == NULL, ==, true);
        }
}

static void test_memory(Fixture *f, const void *data G_GNUC_UNUSED) {
        FOREACH_FAULT {
                int r = recorder_start(
                                &f->recorder,
                                (HttpCallOptions){ .url = f->server.url,
                                                   .userpwd = "a:b",
                                                   .headers = two_headers });

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                f->recorder.call = http_call_unref(f->recorder.call);
        }
}

#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                g_autofree char *path = g_strconcat("/net/http-call/request/", requests[i].name, NULL);

                g_test_add(path, Fixture, requests + i, set_up, test_request, tear_down);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                g_autofree char *path = g_strconcat("/net/http-call/answer/", answers[i].name, NULL);

                g_test_add(path, Fixture, answers + i, set_up, test_answer, tear_down);
        }
        ADD("/net/http-call/answer/cut-at-every-byte", test_cut_everywhere);
        ADD("/net/http-call/answer/header-line-is-bounded", test_long_header);
        ADD("/net/http-call/answer/head-is-bounded", test_many_headers);
        ADD("/net/http-call/connection-refused", test_refused);
        ADD("/net/http-call/unix-socket-missing", test_unix_missing);
        ADD("/net/http-call/no-such-host", test_no_such_host);
        ADD("/net/http-call/no-tls", test_no_tls);
        ADD("/net/http-call/tls", test_tls);
        g_test_add("/net/http-call/tls-not-trusted", Fixture, "verify", set_up, test_tls, tear_down);
        ADD("/net/http-call/invalid-options", test_invalid);
        ADD("/net/http-call/out-of-memory", test_memory);
        return g_test_run();
}
