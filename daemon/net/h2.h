#pragma once

/*
 * H2: an engine for HTTP/2 in both directions over one connection (nghttp2). Bytes in, events and bytes out;
 * it knows no socket and no time, and calls nobody.
 *
 * In HTTP/2 only the client asks. Here both sides do: a connection carries two HTTP/2 sessions. In the first
 * the dialler is the client; its frames are plain HTTP/2, with the client's preface. In the second the
 * acceptor is the client; its frames, of both sides, have the reserved bit of the stream identifier (RFC
 * 9113, section 4.1) set, and there is no preface. The second begins when it is needed.
 *
 * Feed a piece, pop all events, then feed the next: the bytes of H2_DATA lie in what was fed. Flow control
 * is the owner's: what h2_consume() is not told of stays counted, until the other side may send no more on
 * that stream. The window of the whole connection is never used up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/macro.h"

#define H2_PATH_MAX 128     /* with NUL; a longer one is told as "" */
#define H2_CODE_MAX 32      /* the same */
#define H2_WINDOW 262144    /* bytes that may come in on a stream before they are consumed */
#define H2_LOW (64 * 1024)  /* H2_WRITABLE comes when fewer wait on a stream */
#define H2_EVENTS_MAX 16384 /* not popped; a piece of 16 KiB cannot make so many */

typedef struct H2 H2;
typedef struct H2Stream H2Stream;

typedef enum H2EventType {
        H2_SETTINGS, /* the first of the acceptor came: a dialler may trust the link now */
        H2_HEAD,     /* of a request (then the stream is new), or of an answer */
        H2_DATA,
        H2_END,      /* the other side has sent all on this stream */
        H2_WRITABLE, /* fewer than H2_LOW bytes wait */
        H2_CLOSED,   /* the last event of a stream; it is gone when the next event is popped */
        H2_PONG,     /* VALUE is that of h2_ping() */
        H2_GOAWAY,   /* the other side takes no more requests */
} H2EventType;

typedef struct H2Event {
        H2EventType type;
        H2Stream *stream;    /* of the middle five */
        const uint8_t *data; /* H2_DATA */
        size_t size;
        uint64_t value;  /* H2_PONG */
        uint32_t reason; /* H2_CLOSED: an HTTP/2 error code, 0: complete */
} H2Event;

typedef struct H2Options {
        bool is_dialler;
        uint32_t streams_max; /* that the other side may have open at once */
        uint32_t header_max;  /* bytes of all header fields of one stream */
} H2Options;

#define H2_NO_ERROR 0U
#define H2_INTERNAL_ERROR 2U
#define H2_REFUSED_STREAM 7U /* not processed: may be asked again */
#define H2_CANCEL 8U

int h2_new(H2 **ret, const H2Options *options);
H2 *h2_free(H2 *h2); /* with all streams, without events */
DEFINE_CLEANUP(H2 *, h2_free);

/* Errors: -EPROTO (h2_words() tells why; the connection is to be closed after what h2_produce() still has),
 * -ENOMEM. */
int h2_feed(H2 *h2, const void *bytes, size_t n);
const char *h2_words(const H2 *h2);
bool h2_is_broken(const H2 *h2); /* the other side has violated the protocol, and was told so */
bool h2_next(H2 *h2, H2Event *ret);

/* Fill BUFFER with what is to be sent; answers the bytes. Makes events. Errors: -ENOMEM, -EPROTO. */
ssize_t h2_produce(H2 *h2, void *buffer, size_t max);

/* Ask. The body follows by h2_write(). Errors: -ENOMEM, -ECANCELED (the other side takes none). */
int h2_request(H2 *h2, H2Stream **ret, const char *path, void *userdata);
/* Answer a stream that the other side began; CODE may be NULL. */
int h2_respond(H2 *h2, H2Stream *stream, unsigned status, const char *code);
/* Append to the body (copied); END: this was all. Not after END. What comes after the stream has closed is
 * dropped. Errors: -ENOMEM. */
int h2_write(H2 *h2, H2Stream *stream, const void *bytes, size_t n, bool end);
void h2_consume(H2 *h2, H2Stream *stream, size_t n);
void h2_reset(H2 *h2, H2Stream *stream, uint32_t reason);
/* Reset at most MAX of our own requests that nobody cares about any more (h2_stream_set_userdata()); answers
 * how many were. */
unsigned h2_reset_orphans(H2 *h2, unsigned max);
int h2_ping(H2 *h2, uint64_t value);
/* Take no more requests: those under way, and those the other side sends before it knows, are served. */
int h2_drain(H2 *h2);
/* Say goodbye, with an HTTP/2 error code; nothing but that is produced afterwards. */
void h2_terminate(H2 *h2, uint32_t reason);

size_t h2_queued(const H2 *h2);    /* bytes of bodies that wait for the other side */
size_t h2_n_streams(const H2 *h2); /* open, of both directions */
unsigned h2_take_resets(H2 *h2);   /* streams that the other side has reset or broken since the last call */

/* ---- streams */

void *h2_stream_userdata(const H2Stream *stream);
void h2_stream_set_userdata(H2Stream *stream, void *userdata); /* NULL: nobody cares any more */
bool h2_stream_is_request(const H2Stream *stream);             /* the other side began it */
bool h2_stream_is_sent(const H2Stream *stream);   /* our request has gone out: it may have been processed */
bool h2_stream_has_ended(const H2Stream *stream); /* H2_END was seen */
size_t h2_stream_queued(const H2Stream *stream);
const char *h2_stream_method(const H2Stream *stream);
const char *h2_stream_path(const H2Stream *stream);
unsigned h2_stream_status(const H2Stream *stream);
const char *h2_stream_code(const H2Stream *stream);
