#pragma once

/* The parts of H2 (h2.h), for its own files: one nghttp2 session, and what its callbacks record. */

#include <nghttp2/nghttp2.h>

#include "daemon/base/list.h"
#include "daemon/base/str.h"
#include "daemon/net/h2.h"

#define H2_PREFACE_SIZE 24
#define H2_FRAME_HEAD 9

typedef struct H2Session {
        H2 *h2;
        nghttp2_session *nghttp2; /* NULL: not begun */
        bool is_client;
        bool is_marked; /* the second session: the reserved bit is set */
        bool is_settled;

        /* What nghttp2 handed out to be sent, as far as it is not copied: whole frames. */
        const uint8_t *out;
        size_t out_size, out_at;
        size_t out_frame;   /* where the next frame begins */
        bool skips_preface; /* the next to be handed out is not for the wire */
} H2Session;

struct H2Stream {
        H2Session *session;
        List link;
        void *userdata;
        int32_t id; /* 0: closed */
        Str out;
        size_t out_at;
        bool out_ended, is_deferred, wants_writable;
        bool is_request, is_sent, has_ended, is_reset;
        size_t header_size;
        unsigned status;
        char method[8];
        char path[H2_PATH_MAX];
        char code[H2_CODE_MAX];
};

struct H2 {
        H2Session sessions[2];
        H2Options options;
        List streams;
        List closed;    /* wait for their H2_CLOSED to be popped */
        H2Stream *last; /* of the event that was popped; freed with the next one */
        size_t n_streams;
        size_t n_queued;
        unsigned n_resets;
        const char *words;
        bool is_broken;

        H2Event *events;
        size_t n_events, events_at, events_room;

        /* Where the input stands. */
        size_t preface_left;
        uint8_t head[H2_FRAME_HEAD];
        size_t head_size;
        size_t payload_left;
        H2Session *payload_of;
};

int h2_session_open(H2Session *session);
int h2_session_feed(H2Session *session, const uint8_t *bytes, size_t n);
ssize_t h2_session_produce(H2Session *session, uint8_t *buffer, size_t max);
/* The source of every body: what waits on the stream. */
ssize_t h2_session_pull(
                nghttp2_session *nghttp2,
                int32_t id,
                uint8_t *buffer,
                size_t max,
                uint32_t *flags,
                nghttp2_data_source *source,
                void *userdata);
H2Stream *h2_session_add_stream(H2Session *session, int32_t id);
