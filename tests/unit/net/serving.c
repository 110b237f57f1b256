#include "tests/unit/net/serving.h"

#include <stdlib.h>
#include <string.h>

static void on_closed(HttpRequest *request, void *userdata) {
        Serving *serving = userdata;

        serving->n_closed++;
        if (serving->kept == request)
                serving->kept = NULL;
}

static void reply_text(HttpRequest *request, unsigned status, const char *text) {
        g_assert_cmpint(http_request_reply(
                                        request,
                                        &(HttpReply){
                                                        .status = status,
                                                        .content_type = "text/plain",
                                                        .body = text,
                                                        .size = strlen(text),
                                        }),
                        ==,
                        0);
}

static void serve_hello(Serving *serving G_GNUC_UNUSED, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        reply_text(request, 200, "hello");
}

static void serve_headers(Serving *serving G_GNUC_UNUSED, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        static const HttpHeader headers[] = {
                { "X-One", "1" },
                { "X-Empty", "" },
                { "X-Lines", "a\r\nb\tc" },
                { "X-One", "2" },
        };

        (void) http_request_reply(
                        request,
                        &(HttpReply){
                                        .status = 200,
                                        .headers = headers,
                                        .n_headers = G_N_ELEMENTS(headers),
                                        .body = "x",
                                        .size = 1,
                        });
}

static void serve_status(Serving *serving G_GNUC_UNUSED, HttpRequest *request, size_t n) {
        (void) http_request_reply(request, &(HttpReply){ .status = (unsigned) n });
}

static void serve_big(Serving *serving G_GNUC_UNUSED, HttpRequest *request, size_t n) {
        g_autofree char *body = g_malloc(n + 1);

        for (size_t i = 0; i < n; i++)
                body[i] = (char) ('a' + i % 26);
        (void) http_request_reply(request, &(HttpReply){ .status = 200, .body = body, .size = n });
}

static void on_body(HttpRequest *request, char *body, size_t n, void *userdata) {
        Serving *serving = userdata;

        g_assert_cmpint(body[n], ==, 0);
        serving->n_bodies++;
        g_string_append_len(serving->seen, body, (gssize) n);
        g_string_append_c(serving->seen, '\n');
        (void) http_request_reply(request, &(HttpReply){ .status = 200, .body = body, .size = n });
}

static void serve_echo(Serving *serving, HttpRequest *request, size_t n) {
        g_assert_cmpint(http_request_read_body(request, n ?: HTTP_BODY_MAX, on_body, serving), ==, 0);
}

static int on_later(sd_event_source *source G_GNUC_UNUSED, void *userdata) {
        Serving *serving = userdata;

        if (serving->kept)
                reply_text(serving->kept, 200, "later");
        serving->kept = NULL;
        return 0;
}

static void serve_later(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        serving->kept = request;
        g_assert_cmpint(sd_event_add_defer(serving->event, NULL, on_later, serving), >=, 0);
}

static void serve_keep(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        serving->kept = request;
}

static size_t sink_feed(HttpRequest *request, const char *data, size_t n, void *userdata) {
        Serving *serving = userdata;
        size_t taken = MIN(n, serving->sink_takes);

        serving->n_fed++;
        serving->kept = taken < n ? request : NULL;
        serving->sink_takes -= taken;
        g_string_append_len(serving->body, data, (gssize) taken);
        return taken;
}

static void sink_end(HttpRequest *request, void *userdata) {
        Serving *serving = userdata;
        g_autofree char *text = g_strdup_printf("got %zu", serving->body->len);

        serving->n_ended++;
        reply_text(request, 200, text);
}

static const HttpSink sink = { .feed = sink_feed, .end = sink_end };

static void serve_sink(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        g_assert_cmpint(http_request_receive(request, &sink, serving), ==, 0);
}

static void serve_early(Serving *serving G_GNUC_UNUSED, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        reply_text(request, 401, "no");
}

static size_t middle_feed(HttpRequest *request, const char *data G_GNUC_UNUSED, size_t n, void *userdata) {
        Serving *serving = userdata;

        serving->n_fed++;
        reply_text(request, 403, "no");
        return n;
}

static void serve_middle(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        static const HttpSink middle = { .feed = middle_feed, .end = sink_end };

        g_assert_cmpint(http_request_receive(request, &middle, serving), ==, 0);
}

/* ---- streams */

typedef struct Stream {
        Serving *serving;
        size_t n_left;
        ssize_t end;
} Stream;

static ssize_t stream_pull(HttpRequest *request, char *buffer, size_t max, void *userdata) {
        static const char line[] = "{\"line\":\"0123456789\"}\n";
        Stream *stream = userdata;
        size_t n = 0;

        stream->serving->n_pulled++;
        if (stream->serving->source_waits) {
                stream->serving->kept = request;
                return HTTP_SOURCE_WAIT;
        }

        if (stream->serving->source_wakes) { /* the lines come just now */
                stream->serving->source_wakes = false;
                http_request_resume(request);
                return HTTP_SOURCE_WAIT;
        }

        for (; stream->n_left > 0 && n + sizeof(line) <= max; stream->n_left--) {
                memcpy(buffer + n, line, sizeof(line) - 1);
                n += sizeof(line) - 1;
        }
        if (n > 0)
                return (ssize_t) n;

        if (stream->end == HTTP_SOURCE_END) {
                g_assert_cmpint(http_request_trailer(request, "X-Stream-Error", ""), ==, 0);
                g_assert_cmpint(http_request_trailer(request, "X-Test", "a\nb"), ==, 0);
        }
        return stream->end;
}

static void stream_closed(HttpRequest *request, bool complete, void *userdata) {
        Stream *stream = userdata;

        stream->serving->n_source_closed++;
        stream->serving->is_complete = complete;
        if (stream->serving->kept == request)
                stream->serving->kept = NULL;
        g_free(stream);
}

static void start_stream(Serving *serving, HttpRequest *request, size_t n, ssize_t end) {
        static const HttpHeader headers[] = { { "Trailer", "X-Stream-Error" } };
        static const HttpSource source = { .pull = stream_pull, .closed = stream_closed };
        Stream *stream = g_new(Stream, 1);

        *stream = (Stream){ .serving = serving, .n_left = n, .end = end };
        g_assert_cmpint(http_request_stream(
                                        request,
                                        &(HttpReply){
                                                        .status = 200,
                                                        .content_type = "application/json",
                                                        .headers = headers,
                                                        .n_headers = 1,
                                        },
                                        &source,
                                        stream),
                        ==,
                        0);
}

static void serve_lines(Serving *serving, HttpRequest *request, size_t n) {
        start_stream(serving, request, n, HTTP_SOURCE_END);
}

static void serve_wait(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        serving->source_waits = true;
        start_stream(serving, request, 1, HTTP_SOURCE_END);
}

static void serve_cut(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        start_stream(serving, request, 1, HTTP_SOURCE_CUT);
}

static void serve_endless(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        start_stream(serving, request, SIZE_MAX, HTTP_SOURCE_END);
}

static int on_later_lines(sd_event_source *source G_GNUC_UNUSED, void *userdata) {
        Serving *serving = userdata;
        HttpRequest *request = serving->kept;

        serving->kept = NULL;
        if (request)
                start_stream(serving, request, 2, HTTP_SOURCE_END);
        return 0;
}

static void serve_later_lines(Serving *serving, HttpRequest *request, size_t n G_GNUC_UNUSED) {
        serving->kept = request;
        g_assert_cmpint(sd_event_add_defer(serving->event, NULL, on_later_lines, serving), >=, 0);
}

/* ---- beside the body: what was fed comes back */

typedef struct Echo {
        Serving *serving;
        size_t sent;
        size_t end_at; /* SIZE_MAX: where the body ends */
        bool has_ended;
} Echo;

static ssize_t echo_pull(HttpRequest *request, char *buffer, size_t max, void *userdata) {
        Echo *echo = userdata;
        size_t n = MIN(MIN(echo->serving->body->len, echo->end_at) - echo->sent, max);

        echo->serving->n_pulled++;
        if (echo->serving->source_wakes) { /* what is there, comes just now */
                echo->serving->source_wakes = false;
                http_request_resume(request);
                return HTTP_SOURCE_WAIT;
        }
        if (n == 0 && (echo->has_ended || echo->sent == echo->end_at)) {
                g_assert_cmpint(http_request_trailer(request, "X-Test", "a\nb"), ==, 0);
                return HTTP_SOURCE_END;
        }

        memcpy(buffer, echo->serving->body->str + echo->sent, n);
        echo->sent += n;
        return (ssize_t) n;
}

static void echo_closed(HttpRequest *request, bool complete, void *userdata) {
        Echo *echo = userdata;

        echo->serving->n_source_closed++;
        echo->serving->is_complete = complete;
        if (echo->serving->kept == request)
                echo->serving->kept = NULL;
        g_free(echo);
}

static void start_echo(Echo *echo, HttpRequest *request) {
        static const HttpHeader headers[] = { { "Connection", "close" }, { "Trailer", "X-Test" } };
        static const HttpSource source = { .pull = echo_pull, .closed = echo_closed };

        g_assert_cmpint(http_request_stream(
                                        request,
                                        &(HttpReply){
                                                        .status = 200,
                                                        .content_type = "text/plain",
                                                        .headers = headers,
                                                        .n_headers = G_N_ELEMENTS(headers),
                                        },
                                        &source,
                                        echo),
                        ==,
                        0);
}

static size_t duplex_feed(HttpRequest *request, const char *data, size_t n, void *userdata) {
        Echo *echo = userdata;
        size_t taken = sink_feed(request, data, n, echo->serving);

        if (echo->serving->n_fed == 1)
                start_echo(echo, request);
        else
                http_request_resume(request);
        return taken;
}

static void duplex_end(HttpRequest *request, void *userdata) {
        Echo *echo = userdata;

        echo->serving->n_ended++;
        echo->has_ended = true;
        if (echo->serving->n_fed == 0)
                start_echo(echo, request);
        else
                http_request_resume(request);
}

static void serve_duplex(Serving *serving, HttpRequest *request, size_t n) {
        static const HttpSink duplex = { .feed = duplex_feed, .end = duplex_end };
        Echo *echo = g_new(Echo, 1);

        *echo = (Echo){ .serving = serving, .end_at = n ?: SIZE_MAX };
        g_assert_cmpint(http_request_receive(request, &duplex, echo), ==, 0);
}

/* ---- the server */

static const struct {
        const char *path;
        void (*serve)(Serving *serving, HttpRequest *request, size_t n);
} paths[] = {
        { "/hello", serve_hello },     { "/headers", serve_headers },
        { "/status", serve_status },   { "/big", serve_big },
        { "/echo", serve_echo },       { "/later", serve_later },
        { "/keep", serve_keep },       { "/sink", serve_sink },
        { "/early", serve_early },     { "/middle", serve_middle },
        { "/lines", serve_lines },     { "/wait", serve_wait },
        { "/cut", serve_cut },         { "/later-lines", serve_later_lines },
        { "/endless", serve_endless }, { "/duplex", serve_duplex },
};

static void on_request(HttpRequest *request, void *userdata) {
        const Query *query = http_request_query(request);
        Serving *serving = userdata;

        serving->n_handled++;
        g_string_append_printf(
                        serving->seen,
                        "%s %s\n",
                        http_request_method(request),
                        http_request_target(request));
        http_request_on_closed(request, on_closed, serving);

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
                if (strcmp(paths[i].path, query->path) == 0) {
                        paths[i].serve(serving,
                                       request,
                                       query->n_parameters > 0 ? strtoull(query->parameters[0].key, NULL, 10)
                                                               : 0);
                        return;
                }
        reply_text(request, 404, query->path);
}

static void on_finished(
                HttpRequest *request G_GNUC_UNUSED, unsigned status, uint64_t n_bytes, void *userdata) {
        g_string_append_printf(
                        ((Serving *) userdata)->finished, "%u %" G_GUINT64_FORMAT "\n", status, n_bytes);
}

void serving_open(Serving *serving, const HttpServerOptions *options) {
        HttpServerOptions all = options ? *options : (HttpServerOptions){};

        *serving = (Serving){
                .seen = g_string_new(NULL),
                .body = g_string_new(NULL),
                .finished = g_string_new(NULL),
                .sink_takes = SIZE_MAX,
        };
        if (!options || options->fd <= 0)
                all.fd = wire_listen(&serving->port);
        all.handle = on_request;
        all.finished = on_finished;
        all.userdata = serving;
        g_assert_cmpint(sd_event_new(&serving->event), ==, 0);
        g_assert_cmpint(http_server_new(&serving->server, serving->event, &all), ==, 0);
}

void serving_free_server(Serving *serving) {
        serving->server = http_server_free(serving->server);
}

void serving_close(Serving *serving) {
        http_server_free(serving->server);
        sd_event_unref(serving->event);
        g_string_free(serving->seen, TRUE);
        g_string_free(serving->body, TRUE);
        g_string_free(serving->finished, TRUE);
}

void serving_until(Serving *serving, const unsigned *counter, unsigned n) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;

        while (*counter < n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(serving->event, 1000), >=, 0);
        }
}
