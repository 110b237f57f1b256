#include "daemon/net/h2.h"

#include <string.h>

#include "daemon/net/h2-session.h"

#define NV(n, v)                                                                                            \
        { .name = (uint8_t *) (n), .value = (uint8_t *) (v), .namelen = strlen(n), .valuelen = strlen(v) }

/* ---- life */

int h2_new(H2 **ret, const H2Options *options) {
        _cleanup_(h2_freep) H2 *h2 = NULL;
        int r;

        h2 = calloc(1, sizeof(*h2));
        if (!h2)
                return -ENOMEM;

        h2->options = *options;
        h2->preface_left = options->is_dialler ? 0 : H2_PREFACE_SIZE;
        list_init(&h2->streams);
        list_init(&h2->closed);
        for (size_t i = 0; i < ELEMENTSOF(h2->sessions); i++)
                h2->sessions[i] = (H2Session){
                        .h2 = h2,
                        .is_client = options->is_dialler == (i == 0),
                        .is_marked = i == 1,
                };

        r = h2_session_open(&h2->sessions[0]);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(h2);
        return 0;
}

static void stream_free(H2Stream *stream) {
        list_remove(&stream->link);
        str_done(&stream->out);
        free(stream);
}

H2 *h2_free(H2 *h2) {
        if (!h2)
                return NULL;

        for (size_t i = 0; i < ELEMENTSOF(h2->sessions); i++)
                nghttp2_session_del(h2->sessions[i].nghttp2);
        LIST_FOREACH (stream, &h2->streams, H2Stream, link)
                stream_free(stream);
        LIST_FOREACH (stream, &h2->closed, H2Stream, link)
                stream_free(stream);
        free(h2->events);
        free(h2);
        return NULL;
}

static H2Session *asking_session(H2 *h2) {
        return &h2->sessions[h2->options.is_dialler ? 0 : 1];
}

static H2Session *answering_session(H2 *h2) {
        return &h2->sessions[h2->options.is_dialler ? 1 : 0];
}

/* ---- input: told apart by the reserved bit of each frame */

static int feed_head(H2 *h2) {
        H2Session *session = &h2->sessions[h2->head[5] & 0x80 ? 1 : 0];
        int r;

        r = h2_session_open(session);
        if (r < 0)
                return r;

        h2->head[5] &= 0x7f;
        h2->head_size = 0;
        h2->payload_left = (size_t) h2->head[0] << 16 | (size_t) h2->head[1] << 8 | h2->head[2];
        h2->payload_of = session;
        return h2_session_feed(session, h2->head, H2_FRAME_HEAD);
}

/* Answers how much of the input was used. */
static ssize_t feed_some(H2 *h2, const uint8_t *bytes, size_t n) {
        size_t *left = h2->preface_left > 0 ? &h2->preface_left : &h2->payload_left;
        H2Session *session = h2->preface_left > 0 ? &h2->sessions[0] : h2->payload_of;
        size_t k;
        int r;

        if (*left > 0) {
                k = MIN(n, *left);
                *left -= k;
                r = h2_session_feed(session, bytes, k);
        } else {
                k = MIN(n, H2_FRAME_HEAD - h2->head_size);
                memcpy(h2->head + h2->head_size, bytes, k);
                h2->head_size += k;
                r = h2->head_size == H2_FRAME_HEAD ? feed_head(h2) : 0;
        }
        return r < 0 ? r : (ssize_t) k;
}

int h2_feed(H2 *h2, const void *bytes, size_t n) {
        const uint8_t *at = bytes;
        ssize_t k;

        while (n > 0) {
                k = feed_some(h2, at, n);
                if (k < 0)
                        return (int) k;
                at += k;
                n -= (size_t) k;
        }
        return 0;
}

const char *h2_words(const H2 *h2) {
        return h2->words ?: "malformed HTTP/2";
}

bool h2_is_broken(const H2 *h2) {
        return h2->is_broken;
}

bool h2_next(H2 *h2, H2Event *ret) {
        if (h2->last)
                stream_free(TAKE_PTR(h2->last));
        if (h2->events_at == h2->n_events) {
                h2->events_at = h2->n_events = 0;
                return false;
        }

        *ret = h2->events[h2->events_at++];
        if (ret->type == H2_CLOSED)
                h2->last = ret->stream;
        return true;
}

/* ---- output: the sessions take turns, frame by frame where one of them has begun */

ssize_t h2_produce(H2 *h2, void *buffer, size_t max) {
        uint8_t *to = buffer;
        size_t n = 0;
        ssize_t k;

        /* What is left of a frame goes first. */
        for (size_t pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < ELEMENTSOF(h2->sessions) && n < max; i++) {
                        H2Session *session = &h2->sessions[i];

                        if (pass == 0 && session->out_at == session->out_size)
                                continue;
                        k = h2_session_produce(session, to + n, max - n);
                        if (k < 0)
                                return k;
                        n += (size_t) k;
                }
        return (ssize_t) n;
}

/* ---- what the owner does */

int h2_request(H2 *h2, H2Stream **ret, const char *path, void *userdata) {
        const nghttp2_nv headers[] = {
                NV(":method", "POST"),
                NV(":scheme", "https"),
                NV(":authority", "peer"),
                NV(":path", path),
        };
        H2Session *session = asking_session(h2);
        nghttp2_data_provider provider = { .read_callback = h2_session_pull };
        H2Stream *stream;
        int32_t id;
        int r;

        r = h2_session_open(session);
        if (r < 0)
                return r;
        if (!nghttp2_session_check_request_allowed(session->nghttp2))
                return -ECANCELED;

        stream = h2_session_add_stream(session, 0);
        if (!stream)
                return -ENOMEM;

        stream->userdata = userdata;
        provider.source.ptr = stream;
        id = nghttp2_submit_request(session->nghttp2, NULL, headers, ELEMENTSOF(headers), &provider, stream);
        if (id < 0) {
                h2->n_streams--;
                stream_free(stream);
                return id == NGHTTP2_ERR_NOMEM ? -ENOMEM : -ECANCELED;
        }

        stream->id = id;
        *ret = stream;
        return 0;
}

int h2_respond(H2 *h2 _unused_, H2Stream *stream, unsigned status, const char *code) {
        char text[4] = { (char) ('0' + status / 100 % 10),
                         (char) ('0' + status / 10 % 10),
                         (char) ('0' + status % 10) };
        const nghttp2_nv headers[] = { NV(":status", text), NV("code", code ?: "") };
        nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = h2_session_pull };

        if (stream->id == 0)
                return 0;
        return nghttp2_submit_response(
                               stream->session->nghttp2, stream->id, headers, code ? 2 : 1, &provider) == 0
                               ? 0
                               : -ENOMEM;
}

/* Keep the buffer from growing for ever while it never runs empty. */
static void compact(H2Stream *stream) {
        if (stream->out_at < stream->out.len / 2 || stream->out_at == 0)
                return;

        memmove(stream->out.data, stream->out.data + stream->out_at, stream->out.len - stream->out_at);
        stream->out.len -= stream->out_at;
        stream->out_at = 0;
}

int h2_write(H2 *h2, H2Stream *stream, const void *bytes, size_t n, bool end) {
        int r;

        assert(!stream->out_ended);

        if (stream->id == 0)
                return 0;

        compact(stream);
        r = n > 0 ? str_append_bytes(&stream->out, bytes, n) : 0;
        if (r < 0)
                return r;

        h2->n_queued += n;
        stream->out_ended = end;
        stream->wants_writable = true;
        if (stream->is_deferred) {
                stream->is_deferred = false;
                if (nghttp2_session_resume_data(stream->session->nghttp2, stream->id) == NGHTTP2_ERR_NOMEM)
                        return -ENOMEM;
        }
        return 0;
}

/* Failing for want of memory loses window, at worst all of one stream: its call ends by its deadline. */
void h2_consume(H2 *h2 _unused_, H2Stream *stream, size_t n) {
        if (stream->id != 0)
                (void) nghttp2_session_consume_stream(stream->session->nghttp2, stream->id, n);
}

void h2_reset(H2 *h2 _unused_, H2Stream *stream, uint32_t reason) {
        stream->is_reset = true;
        if (stream->id != 0)
                (void) nghttp2_submit_rst_stream(stream->session->nghttp2, 0, stream->id, reason);
}

unsigned h2_reset_orphans(H2 *h2, unsigned max) {
        unsigned n = 0;

        LIST_FOREACH (stream, &h2->streams, H2Stream, link)
                if (n < max && !stream->is_request && !stream->userdata && !stream->is_reset) {
                        h2_reset(h2, stream, H2_CANCEL);
                        n++;
                }
        return n;
}

int h2_ping(H2 *h2, uint64_t value) {
        uint8_t bytes[sizeof(value)];

        memcpy(bytes, &value, sizeof(value));
        return nghttp2_submit_ping(h2->sessions[0].nghttp2, NGHTTP2_FLAG_NONE, bytes) == 0 ? 0 : -ENOMEM;
}

int h2_drain(H2 *h2) {
        H2Session *session = answering_session(h2);
        int r;

        r = h2_session_open(session);
        if (r < 0)
                return r;
        return nghttp2_submit_shutdown_notice(session->nghttp2) == 0 ? 0 : -ENOMEM;
}

void h2_terminate(H2 *h2, uint32_t reason) {
        for (size_t i = 0; i < ELEMENTSOF(h2->sessions); i++)
                if (h2->sessions[i].nghttp2)
                        (void) nghttp2_session_terminate_session(h2->sessions[i].nghttp2, reason);
}

size_t h2_queued(const H2 *h2) {
        return h2->n_queued;
}

size_t h2_n_streams(const H2 *h2) {
        return h2->n_streams;
}

unsigned h2_take_resets(H2 *h2) {
        unsigned n = h2->n_resets;

        h2->n_resets = 0;
        return n;
}

/* ---- streams */

void *h2_stream_userdata(const H2Stream *stream) {
        return stream->userdata;
}

void h2_stream_set_userdata(H2Stream *stream, void *userdata) {
        stream->userdata = userdata;
}

bool h2_stream_is_request(const H2Stream *stream) {
        return stream->is_request;
}

bool h2_stream_is_sent(const H2Stream *stream) {
        return stream->is_sent;
}

bool h2_stream_has_ended(const H2Stream *stream) {
        return stream->has_ended;
}

size_t h2_stream_queued(const H2Stream *stream) {
        return stream->out.len - stream->out_at;
}

const char *h2_stream_method(const H2Stream *stream) {
        return stream->method;
}

const char *h2_stream_path(const H2Stream *stream) {
        return stream->path;
}

unsigned h2_stream_status(const H2Stream *stream) {
        return stream->status;
}

const char *h2_stream_code(const H2Stream *stream) {
        return stream->code;
}
