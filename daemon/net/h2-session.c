#include "daemon/net/h2-session.h"

#include <string.h>

#define WINDOW_CONNECTION INT32_MAX /* streams bound what comes in; one that stands still stops no other */
#define HEADER_OVERHEAD 32          /* of a field, as RFC 9113 section 6.5.2 counts */
#define EVENTS_ROOM_MIN 32
#define OUT_KEEP (16 * 1024) /* a larger buffer is given back when it is empty */

/* ---- events */

static int push(H2 *h2, const H2Event *event) {
        size_t room;
        H2Event *larger;

        if (h2->n_events >= H2_EVENTS_MAX)
                return -ENOBUFS;
        if (h2->n_events >= h2->events_room) {
                room = MAX(h2->events_room * 2, (size_t) EVENTS_ROOM_MIN);
                larger = realloc(h2->events, room * sizeof(*larger));
                if (!larger)
                        return -ENOMEM;
                h2->events = larger;
                h2->events_room = room;
        }

        h2->events[h2->n_events++] = *event;
        return 0;
}

static int tell(H2 *h2, const H2Event *event) {
        return push(h2, event) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* ---- streams */

H2Stream *h2_session_add_stream(H2Session *session, int32_t id) {
        H2Stream *stream = calloc(1, sizeof(*stream));

        if (!stream)
                return NULL;

        stream->session = session;
        stream->id = id;
        stream->wants_writable = true;
        list_append(&session->h2->streams, &stream->link);
        session->h2->n_streams++;
        return stream;
}

static H2Stream *find(nghttp2_session *nghttp2, int32_t id) {
        return nghttp2_session_get_stream_user_data(nghttp2, id);
}

/* ---- what nghttp2 calls while bytes come in; USERDATA is the session */

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *userdata) {
        H2Session *session = userdata;
        H2Stream *stream;

        if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;

        stream = h2_session_add_stream(session, frame->hd.stream_id);
        if (!stream)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets this stream */

        stream->is_request = true;
        (void) nghttp2_session_set_stream_user_data(nghttp2, stream->id, stream);
        return 0;
}

/* What does not fit is as good as unknown. */
static void keep(char *to, size_t room, const uint8_t *value, size_t n) {
        if (n >= room || memchr(value, 0, n))
                n = 0;
        memcpy(to, value, n);
        to[n] = '\0';
}

static unsigned parse_status(const uint8_t *value, size_t n) {
        return n == 3 ? (unsigned) ((value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0')) : 0;
}

static void keep_header(H2Stream *stream, const char *name, size_t n, const uint8_t *value, size_t size) {
        if (n == 5 && memcmp(name, ":path", n) == 0)
                keep(stream->path, sizeof(stream->path), value, size);
        else if (n == 7 && memcmp(name, ":method", n) == 0)
                keep(stream->method, sizeof(stream->method), value, size);
        else if (n == 7 && memcmp(name, ":status", n) == 0)
                stream->status = parse_status(value, size); /* nghttp2 lets three digits through only */
        else if (n == 4 && memcmp(name, "code", n) == 0)
                keep(stream->code, sizeof(stream->code), value, size);
}

static int on_header(
                nghttp2_session *nghttp2,
                const nghttp2_frame *frame,
                nghttp2_rcbuf *name_buffer,
                nghttp2_rcbuf *value_buffer,
                uint8_t flags _unused_,
                void *userdata) {
        const nghttp2_vec name = nghttp2_rcbuf_get_buf(name_buffer),
                          value = nghttp2_rcbuf_get_buf(value_buffer);
        H2Session *session = userdata;
        H2Stream *stream = find(nghttp2, frame->hd.stream_id);

        if (!stream)
                return 0;

        stream->header_size += name.len + value.len + HEADER_OVERHEAD;
        if (stream->header_size > session->h2->options.header_max) {
                session->h2->n_resets++; /* counts as broken by the other side */
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }

        keep_header(stream, (const char *) name.base, name.len, value.base, value.len);
        return 0;
}

static int told_end(H2Session *session, H2Stream *stream) {
        const H2Event event = { .type = H2_END, .stream = stream };

        stream->has_ended = true;
        return tell(session->h2, &event);
}

static int on_headers(H2Session *session, H2Stream *stream, const nghttp2_frame *frame) {
        const H2Event event = { .type = H2_HEAD, .stream = stream };
        bool is_interim = !stream->is_request && stream->status / 100 == 1;
        int r = 0;

        if (frame->headers.cat != NGHTTP2_HCAT_HEADERS && !is_interim) /* else trailers */
                r = tell(session->h2, &event);
        if (r == 0 && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
                r = told_end(session, stream);
        return r;
}

static int on_settings(H2Session *session) {
        const H2Event event = { .type = H2_SETTINGS };
        bool is_first = !session->is_settled;

        session->is_settled = true;
        return is_first && !session->is_marked && session->is_client ? tell(session->h2, &event) : 0;
}

static int on_pong(H2Session *session, const nghttp2_frame *frame) {
        H2Event event = { .type = H2_PONG };

        memcpy(&event.value, frame->ping.opaque_data, sizeof(event.value));
        return tell(session->h2, &event);
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *userdata) {
        const H2Event goaway = { .type = H2_GOAWAY };
        H2Session *session = userdata;
        H2Stream *stream;

        switch (frame->hd.type) {
        case NGHTTP2_HEADERS:
                stream = find(nghttp2, frame->hd.stream_id);
                return stream ? on_headers(session, stream, frame) : 0;
        case NGHTTP2_DATA:
                stream = frame->hd.flags & NGHTTP2_FLAG_END_STREAM ? find(nghttp2, frame->hd.stream_id)
                                                                   : NULL;
                return stream ? told_end(session, stream) : 0;
        case NGHTTP2_SETTINGS:
                return frame->hd.flags & NGHTTP2_FLAG_ACK ? 0 : on_settings(session);
        case NGHTTP2_PING:
                return frame->hd.flags & NGHTTP2_FLAG_ACK ? on_pong(session, frame) : 0;
        case NGHTTP2_GOAWAY:
                return tell(session->h2, &goaway);
        case NGHTTP2_RST_STREAM:
                session->h2->n_resets += session->is_client ? 0 : 1;
                return 0;
        default:
                return 0;
        }
}

/* A frame for which nghttp2 resets the stream is as cheap to send as a reset, and costs us the same. */
static int on_invalid_frame(
                nghttp2_session *nghttp2 _unused_,
                const nghttp2_frame *frame _unused_,
                int error,
                void *userdata) {
        H2Session *session = userdata;

        session->h2->words = nghttp2_strerror(error);
        session->h2->n_resets++;
        return 0;
}

static int on_data(
                nghttp2_session *nghttp2,
                uint8_t flags _unused_,
                int32_t id,
                const uint8_t *data,
                size_t n,
                void *userdata) {
        H2Session *session = userdata;
        H2Stream *stream = find(nghttp2, id);
        const H2Event event = { .type = H2_DATA, .stream = stream, .data = data, .size = n };

        if (nghttp2_session_consume_connection(nghttp2, n) != 0)
                return NGHTTP2_ERR_CALLBACK_FAILURE;
        return stream ? tell(session->h2, &event) : 0;
}

static int on_closed(nghttp2_session *nghttp2, int32_t id, uint32_t reason, void *userdata) {
        H2Session *session = userdata;
        H2Stream *stream = find(nghttp2, id);
        const H2Event event = { .type = H2_CLOSED, .stream = stream, .reason = reason };

        if (!stream)
                return 0;

        stream->id = 0;
        session->h2->n_streams--;
        session->h2->n_queued -= h2_stream_queued(stream);
        str_done(&stream->out);
        stream->out_at = 0;
        list_remove(&stream->link);
        list_append(&session->h2->closed, &stream->link);
        return tell(session->h2, &event);
}

/* ---- what it calls while bytes go out */

/* A complete answer to a request that is still coming: the rest is not wanted (RFC 9113 section 8.1). */
static int on_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *userdata) {
        H2Session *session = userdata;
        H2Stream *stream;

        if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
                session->h2->is_broken = true;
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
                return 0;
        stream = find(nghttp2, frame->hd.stream_id);
        if (!stream)
                return 0;

        stream->is_sent = true;
        if (!session->is_client && frame->hd.flags & NGHTTP2_FLAG_END_STREAM && !stream->has_ended)
                return nghttp2_submit_rst_stream(nghttp2, 0, stream->id, NGHTTP2_NO_ERROR) == 0
                                       ? 0
                                       : NGHTTP2_ERR_CALLBACK_FAILURE;
        return 0;
}

static int tell_writable(H2Session *session, H2Stream *stream) {
        const H2Event event = { .type = H2_WRITABLE, .stream = stream };

        if (stream->out_ended || !stream->wants_writable || h2_stream_queued(stream) >= H2_LOW)
                return 0;

        stream->wants_writable = false; /* until something was written */
        return push(session->h2, &event);
}

ssize_t h2_session_pull(
                nghttp2_session *nghttp2 _unused_,
                int32_t id _unused_,
                uint8_t *buffer,
                size_t max,
                uint32_t *flags,
                nghttp2_data_source *source,
                void *userdata) {
        H2Session *session = userdata;
        H2Stream *stream = source->ptr;
        size_t n = MIN(max, h2_stream_queued(stream));

        if (n > 0)
                memcpy(buffer, stream->out.data + stream->out_at, n);
        stream->out_at += n;
        session->h2->n_queued -= n;

        if (h2_stream_queued(stream) == 0) {
                stream->out_at = 0;
                if (stream->out.capacity > OUT_KEEP)
                        str_done(&stream->out);
                else
                        str_reset(&stream->out);
                if (stream->out_ended)
                        *flags |= NGHTTP2_DATA_FLAG_EOF;
        }
        if (tell_writable(session, stream) < 0)
                return NGHTTP2_ERR_CALLBACK_FAILURE;

        stream->is_deferred = n == 0 && !stream->out_ended;
        return stream->is_deferred ? NGHTTP2_ERR_DEFERRED : (ssize_t) n;
}

/* ---- the session */

static int set_options(const H2Session *session, nghttp2_option **ret) {
        nghttp2_option *option;

        if (nghttp2_option_new(&option) != 0)
                return -ENOMEM;

        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_peer_max_concurrent_streams(option, session->h2->options.streams_max);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_send_header_block_length(option, session->h2->options.header_max);
        if (session->is_marked)
                nghttp2_option_set_no_recv_client_magic(option, 1);
        *ret = option;
        return 0;
}

static void set_callbacks(nghttp2_session_callbacks *callbacks) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
}

static int create(H2Session *session) {
        nghttp2_session_callbacks *callbacks;
        nghttp2_option *option;
        int r;

        if (nghttp2_session_callbacks_new(&callbacks) != 0)
                return -ENOMEM;
        r = set_options(session, &option);
        if (r < 0) {
                nghttp2_session_callbacks_del(callbacks);
                return r;
        }

        set_callbacks(callbacks);
        r = session->is_client ? nghttp2_session_client_new2(&session->nghttp2, callbacks, session, option)
                               : nghttp2_session_server_new2(&session->nghttp2, callbacks, session, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(callbacks);
        return r == 0 ? 0 : -ENOMEM;
}

int h2_session_open(H2Session *session) {
        const nghttp2_settings_entry settings[] = {
                { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, session->h2->options.streams_max },
                { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW },
                { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, session->h2->options.header_max },
                { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        };
        size_t n = ELEMENTSOF(settings) - (session->is_client ? 0 : 1); /* the last is the client's alone */
        int r;

        if (session->nghttp2)
                return 0;

        r = create(session);
        if (r < 0)
                return r;

        session->skips_preface = session->is_client && session->is_marked;
        if (nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE, settings, n) != 0 ||
            nghttp2_session_set_local_window_size(
                            session->nghttp2, NGHTTP2_FLAG_NONE, 0, WINDOW_CONNECTION) != 0) {
                nghttp2_session_del(session->nghttp2);
                session->nghttp2 = NULL;
                return -ENOMEM;
        }
        return 0;
}

int h2_session_feed(H2Session *session, const uint8_t *bytes, size_t n) {
        ssize_t r;

        r = nghttp2_session_mem_recv(session->nghttp2, bytes, n);
        if (r == (ssize_t) n)
                return 0;
        if (r == NGHTTP2_ERR_NOMEM || r == NGHTTP2_ERR_CALLBACK_FAILURE)
                return -ENOMEM;

        session->h2->words = r == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "not HTTP/2"
                             : r == NGHTTP2_ERR_FLOODED        ? "a flood of frames that want an answer"
                                                               : "malformed HTTP/2";
        return -EPROTO;
}

/* Set the reserved bit of the frames whose fifth byte is among the N that were copied from the output at
 * AT. */
static void mark(H2Session *session, uint8_t *copied, size_t at, size_t n) {
        while (session->out_frame + H2_FRAME_HEAD <= session->out_size && session->out_frame + 5 < at + n) {
                const uint8_t *head = session->out + session->out_frame;

                copied[session->out_frame + 5 - at] |= 0x80;
                session->out_frame += H2_FRAME_HEAD +
                                      ((size_t) head[0] << 16 | (size_t) head[1] << 8 | head[2]);
        }
}

/* The pointer stays good until nghttp2 is asked for the next. */
static int refill(H2Session *session) {
        ssize_t n;

        do {
                n = nghttp2_session_mem_send(session->nghttp2, &session->out);
                if (n < 0)
                        return n == NGHTTP2_ERR_NOMEM || n == NGHTTP2_ERR_CALLBACK_FAILURE ? -ENOMEM
                                                                                           : -EPROTO;
                if (session->skips_preface && n == H2_PREFACE_SIZE) {
                        session->skips_preface = false;
                        continue;
                }
                break;
        } while (true);

        session->out_size = (size_t) n;
        session->out_at = session->out_frame = 0;
        return n > 0;
}

ssize_t h2_session_produce(H2Session *session, uint8_t *buffer, size_t max) {
        size_t n = 0, k;
        int r;

        while (session->nghttp2 && n < max) {
                if (session->out_at == session->out_size) {
                        r = refill(session);
                        if (r < 0)
                                return r;
                        if (r == 0)
                                break;
                }

                k = MIN(max - n, session->out_size - session->out_at);
                memcpy(buffer + n, session->out + session->out_at, k);
                if (session->is_marked)
                        mark(session, buffer + n, session->out_at, k);
                session->out_at += k;
                n += k;
        }
        return (ssize_t) n;
}
