#include <string.h>

#include "daemon/base/time.h"
#include "daemon/cluster/add.h"
#include "daemon/rest/add.h"
#include "daemon/rest/reply.h"
#include "daemon/rest/routes.h"

#define TRAILER "X-Stream-Error"

struct RestAdd {
        RestRequest *request;
        ClusterAdd *add;
        bool is_array;
        Str lines; /* made and not sent yet; the whole array */
        size_t at;
        bool has_begun; /* the answer */
        bool is_paused; /* the cluster tells no more lines until they are sent */
        bool has_ended;
        Error error;
};

static void add_free(void *state) {
        struct RestAdd *add = state;

        cluster_add_free(add->add);
        str_done(&add->lines);
        error_done(&add->error);
        free(add);
}

/* ---- lines ---- */

static size_t add_waiting(const struct RestAdd *add) {
        return add->lines.len - add->at;
}

static ssize_t add_end(struct RestAdd *add, HttpRequest *http) {
        if (add->error.code == ERROR_NONE)
                return HTTP_SOURCE_END;
        if (http_request_is_http10(http) ||
            http_request_trailer(http, TRAILER, error_message(&add->error)) < 0)
                return HTTP_SOURCE_CUT;
        return HTTP_SOURCE_END;
}

static ssize_t add_pull(HttpRequest *http, char *buffer, size_t max, void *userdata) {
        struct RestAdd *add = ((RestRequest *) userdata)->state;
        size_t n = MIN(max, add_waiting(add));

        if (n == 0)
                return add->has_ended ? add_end(add, http) : HTTP_SOURCE_WAIT;

        memcpy(buffer, add->lines.data + add->at, n);
        add->at += n;
        if (add_waiting(add) > 0)
                return (ssize_t) n;

        str_reset(&add->lines);
        add->at = 0;
        if (add->is_paused && add->add) {
                add->is_paused = false;
                cluster_add_resume(add->add);
        }
        return (ssize_t) n;
}

static void add_on_closed(HttpRequest *http _unused_, bool complete _unused_, void *userdata) {
        rest_request_free(userdata);
}

/* On failure the request is gone. */
static void add_begin(RestRequest *request) {
        static const HttpSource source = { .pull = add_pull, .closed = add_on_closed };
        static const HttpHeader own[] = {
                { "Cache-Control", "no-cache" },
                { "Connection", "close" },
                { "Trailer", TRAILER },
                { "X-Chunked-Output", "1" },
        };
        _cleanup_free_ HttpHeader *headers = NULL;
        HttpReply reply = { .status = 200, .content_type = "application/json" };

        headers = rest_reply_headers(request, own, ELEMENTSOF(own), /* has_type= */ true, &reply.n_headers);
        if (!headers) {
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        reply.headers = headers;
        ((struct RestAdd *) request->state)->has_begun = true;
        (void) http_request_stream(request->http, &reply, &source, request);
}

/* ---- the cluster ---- */

static void add_on_wanted(void *userdata) {
        http_request_resume(((RestRequest *) userdata)->http);
}

static int add_write_line(RestRequest *request, const Added *added) {
        struct RestAdd *add = request->state;

        (void) json_write(&added_shape, added, &add->lines);
        if (add->has_begun)
                http_request_resume(request->http);
        add->is_paused = add_waiting(add) > REST_ADD_LINES_MAX;
        return str_append_char(&add->lines, '\n') < 0 ? -ENOMEM : add->is_paused;
}

static int add_write_element(RestRequest *request, const Added *added) {
        struct RestAdd *add = request->state;
        int r;

        (void) str_append_char(&add->lines, add->lines.len > 0 ? ',' : '[');
        r = json_write(&added_shape, added, &add->lines);
        if (add->lines.len <= REST_ADD_ARRAY_MAX)
                return r;

        rest_reply_failure(
                        request,
                        ERROR_TOO_BIG,
                        "stream-channels=false: the answer is larger than %d bytes: expected fewer entries, or stream-channels=true",
                        REST_ADD_ARRAY_MAX);
        return 1;
}

static int add_on_added(const Added *added, void *userdata) {
        RestRequest *request = userdata;
        const struct RestAdd *add = request->state;

        return add->is_array ? add_write_element(request, added) : add_write_line(request, added);
}

static void add_answer_array(RestRequest *request) {
        struct RestAdd *add = request->state;
        Str body = add->lines;

        add->lines = (Str){};
        (void) str_append_char(&body, ']');
        rest_reply_text(request, 200, &body);
}

static void add_on_done(int r, const Error *error, void *userdata) {
        RestRequest *request = userdata;
        struct RestAdd *add = request->state;

        if (r < 0 && !add->has_begun) {
                rest_reply_error(request, r, error);
                return;
        }
        if (add->is_array) {
                add_answer_array(request);
                return;
        }

        add->has_ended = true;
        if (r < 0)
                (void) error_copy(&add->error, error);
        add->add = cluster_add_free(add->add);
        http_request_resume(request->http);
}

static const ClusterAddEvents add_events = {
        .wanted = add_on_wanted,
        .added = add_on_added,
        .done = add_on_done,
};

/* ---- the body ---- */

/* What comes after the end is read and dropped. */
static size_t add_feed(HttpRequest *http _unused_, const char *data, size_t n, void *userdata) {
        RestRequest *request = userdata;
        struct RestAdd *add = request->state;
        size_t taken;

        if (!add->add)
                return n;
        taken = cluster_add_feed(add->add, data, n);
        if (!add->has_begun && !add->is_array && cluster_add_has_begun(add->add))
                add_begin(request);
        return taken;
}

static void add_on_body_end(HttpRequest *http _unused_, void *userdata) {
        struct RestAdd *add = ((RestRequest *) userdata)->state;

        if (add->add)
                cluster_add_finish(add->add);
}

/* ---- the request ---- */

static int add_read_options(const RestRequest *request, AddOptions *options, Pin *pin, Error *reterr) {
        _cleanup_free_ PinOption *parameters = NULL;
        size_t n;
        int r;

        r = rest_request_parameters(request, &parameters, &n);
        if (r < 0)
                return r;
        r = pin_options_read(pin, parameters, n, time_now(), reterr);
        if (r < 0)
                return r;
        return add_options_read(options, parameters, n, reterr);
}

static int add_open(RestRequest *request, Error *reterr) {
        _cleanup_(add_options_done) AddOptions options = {};
        _cleanup_(pin_done) Pin pin = {};
        struct RestAdd *add;
        int r;

        r = add_read_options(request, &options, &pin, reterr);
        if (r < 0)
                return r;

        add = request->state = calloc(1, sizeof(struct RestAdd));
        if (!add)
                return -ENOMEM;
        request->free_state = add_free;
        *add = (struct RestAdd){ .request = request, .is_array = !options.stream };
        return cluster_add_new(
                        request->api->cluster,
                        &add->add,
                        &(ClusterAddInput){
                                        .options = &options,
                                        .pin = &pin,
                                        .content_type = http_request_header(request->http, "Content-Type"),
                        },
                        &add_events,
                        request,
                        reterr);
}

void rest_post_add(RestRequest *request) {
        static const HttpSink sink = { .feed = add_feed, .end = add_on_body_end };
        _cleanup_(error_done) Error error = {};
        int r;

        r = add_open(request, &error);
        if (r >= 0)
                r = http_request_receive(request->http, &sink, request);
        if (r < 0)
                rest_reply_error(request, r, &error);
}
