#include "daemon/rest/stream.h"

#include <string.h>

#include "daemon/rest/reply.h"

#define TRAILER "X-Stream-Error"
#define STREAM_BATCH 16384 /* bytes of lines made in one go */

struct RestStream {
        RestRequest *request;
        ClusterList *list;
        int (*write_item)(const void *item, Str *to);
        Str buffer;
        size_t at;
        bool begun; /* the head is out */
        bool ended; /* the list is */
        uint64_t n_items;
        Error error;
};

static void stream_free(void *state) {
        struct RestStream *stream = state;

        cluster_list_free(stream->list);
        str_done(&stream->buffer);
        error_done(&stream->error);
        free(stream);
}

static int stream_write(struct RestStream *stream, const void *item) {
        if (!stream->write_item) {
                (void) json_write(cluster_list_shape(stream->list), item, &stream->buffer);
                return str_append_char(&stream->buffer, '\n');
        }
        (void) str_append_char(&stream->buffer, stream->n_items > 0 ? ',' : '[');
        return stream->write_item(item, &stream->buffer);
}

static int stream_write_end(struct RestStream *stream) {
        stream->ended = true;
        if (!stream->write_item)
                return 0;
        return str_append(&stream->buffer, stream->n_items > 0 ? "]\n" : "[]\n");
}

/* Take items until there is a batch: answers what the list said last (1, 0 at its end, CLUSTER_LIST_WAIT),
 * or negative with words. */
static int stream_fill(struct RestStream *stream) {
        int r = 1;

        str_reset(&stream->buffer);
        stream->at = 0;
        while (r == 1 && stream->buffer.len < STREAM_BATCH) {
                const void *item;

                r = cluster_list_next(stream->list, &item, &stream->error);
                if (r == 1) {
                        if (stream_write(stream, item) < 0)
                                r = error_set_errno(
                                                &stream->error,
                                                -ENOMEM,
                                                "the list could not be written on: %m");
                        stream->n_items++;
                }
        }
        if (r == 0)
                r = stream_write_end(stream);
        else if (r < 0)
                stream->ended = true;
        return r;
}

/* ---- the body ---- */

static ssize_t stream_end(struct RestStream *stream, HttpRequest *http) {
        if (stream->write_item)
                return stream->error.code == ERROR_NONE ? HTTP_SOURCE_END : HTTP_SOURCE_CUT;
        if (!http_request_is_http10(http) &&
            http_request_trailer(
                            http,
                            TRAILER,
                            stream->error.code == ERROR_NONE ? "" : error_message(&stream->error)) < 0)
                return HTTP_SOURCE_CUT;
        return stream->error.code != ERROR_NONE && http_request_is_http10(http) ? HTTP_SOURCE_CUT
                                                                                : HTTP_SOURCE_END;
}

static ssize_t stream_pull(HttpRequest *http, char *buffer, size_t max, void *userdata) {
        RestRequest *request = userdata;
        struct RestStream *stream = request->state;
        size_t n;

        if (stream->at == stream->buffer.len) {
                if (stream->ended)
                        return stream_end(stream, http);
                (void) stream_fill(stream);
                if (stream->buffer.len == 0)
                        return stream->ended ? stream_end(stream, http) : HTTP_SOURCE_WAIT;
        }

        n = MIN(max, stream->buffer.len - stream->at);
        memcpy(buffer, stream->buffer.data + stream->at, n);
        stream->at += n;
        return (ssize_t) n;
}

static void stream_on_closed(HttpRequest *http _unused_, bool complete _unused_, void *userdata) {
        rest_request_free(userdata);
}

static const HttpSource stream_source = { .pull = stream_pull, .closed = stream_on_closed };

/* ---- the head ---- */

static const HttpHeader stream_trailer = { "Trailer", TRAILER };

/* Whatever happens, the request is freed: by the source's closed(), or here. */
static void stream_begin(struct RestStream *stream) {
        RestRequest *request = stream->request;
        _cleanup_free_ HttpHeader *headers = NULL;
        HttpReply reply = { .status = 200, .content_type = "application/json" };

        headers = rest_reply_headers(
                        request, &stream_trailer, stream->write_item ? 0 : 1, true, &reply.n_headers);
        if (!headers) {
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        reply.headers = headers;
        stream->begun = true;
        (void) http_request_stream(request->http, &reply, &stream_source, request);
}

static void stream_answer_nothing(struct RestStream *stream) {
        RestRequest *request = stream->request;
        _cleanup_free_ HttpHeader *headers = NULL;
        HttpReply reply = { .status = 204, .content_type = "application/json" };

        headers = rest_reply_headers(request, &stream_trailer, 1, true, &reply.n_headers);
        if (!headers) {
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        reply.headers = headers;
        (void) http_request_reply(request->http, &reply);
        rest_request_free(request);
}

static void stream_answer_error(struct RestStream *stream) {
        _cleanup_(error_done) Error error = {};

        error_move(&error, &stream->error);
        rest_reply_error(stream->request, -error_errno(error.code), &error);
}

/* Until there is something to say, the status is open. */
static void stream_try(struct RestStream *stream) {
        int r = stream_fill(stream);

        if (stream->n_items == 0 && r == CLUSTER_LIST_WAIT)
                return;
        if (stream->n_items == 0 && r < 0)
                stream_answer_error(stream);
        else if (stream->n_items == 0 && !stream->write_item)
                stream_answer_nothing(stream);
        else
                stream_begin(stream);
}

static void stream_on_wake(void *userdata) {
        struct RestStream *stream = userdata;

        if (stream->begun)
                http_request_resume(stream->request->http);
        else
                stream_try(stream);
}

void rest_stream_start(
                RestRequest *request, ClusterList *list, int (*write_item)(const void *item, Str *to)) {
        struct RestStream *stream;

        stream = calloc(1, sizeof(struct RestStream));
        if (!stream) {
                cluster_list_free(list);
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        *stream = (struct RestStream){ .request = request, .list = list, .write_item = write_item };
        request->state = stream;
        request->free_state = stream_free;
        cluster_list_on_wake(list, stream_on_wake, stream);
        stream_try(stream);
}
