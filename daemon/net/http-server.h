#pragma once

/*
 * HTTP/1.1 server on the event loop (libmicrohttpd, external epoll): one HttpServer per listening socket.
 *
 * HANDLE is called when the head of a request has arrived and was checked. It may answer at once
 * (http_request_reply, http_request_stream), or ask for the body first (http_request_read_body,
 * http_request_receive), or keep the request and answer later from the loop. Each request is answered
 * exactly once. When the client goes away first, or the server is freed, the request's `closed` tells; the
 * request must not be touched afterwards. While the owner thinks or his source waits, a client that only
 * ends its sending counts as gone, as in Go; while a sink waits, it does so after stall_timeout.
 *
 * Checked before HANDLE, and answered by the server itself: head too large (431), bad head (400), two
 * Content-Length or one beside Transfer-Encoding (400), Transfer-Encoding other than chunked (501), more
 * than max_connections, or few file descriptors left in the process (the connection is closed). A head that
 * takes longer than header_timeout, an idle connection, a client that neither takes nor sends anything for
 * stall_timeout, or takes longer than read_timeout or write_timeout, are cut. The time that the owner takes
 * to answer does not count.
 *
 * Callbacks come from the loop, never from inside a call, except where a comment says so.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/base/macro.h"
#include "daemon/net/query.h"

#define HTTP_BODY_MAX (1024 * 1024) /* a usual bound for http_request_read_body() */

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;

typedef struct HttpServerOptions {
        int fd;                       /* listening stream socket (TCP or Unix); taken, also on failure */
        size_t max_header_bytes;      /* 0: 4096; Go allows 4096 more, so do we */
        unsigned max_connections;     /* 0: 1024 */
        uint64_t header_timeout_usec; /* 0: 5 s */
        uint64_t idle_timeout_usec;   /* 0: 2 min */
        uint64_t stall_timeout_usec;  /* 0: 1 min; a client that takes or sends nothing */
        uint64_t read_timeout_usec;   /* 0: none; of all of a request, from its head on */
        uint64_t write_timeout_usec;  /* 0: none; of all of an answer, since it was given */
        const char *certificate; /* PEM, with its chain, for TLS 1.2 and 1.3; NULL: no TLS. Borrowed for */
        const char *key;         /* the call, as its key; they must be usable, and belong together */
        void (*handle)(HttpRequest *request, void *userdata);
        /* Of each request whose head was read, when it is over: for an access log. STATUS 0: it was not
         * answered. N_BYTES were given of the body. What the request said can be asked a last time. May be
         * NULL. */
        void (*finished)(HttpRequest *request, unsigned status, uint64_t n_bytes, void *userdata);
        void *userdata; /* must outlive the server */
} HttpServerOptions;

typedef struct HttpHeader {
        const char *name;
        const char *value;
} HttpHeader;

/* STATUS with a body of known length. HEADERS are sent as they are, in their order. CONTENT_TYPE NULL: none.
 */
typedef struct HttpReply {
        unsigned status;
        const char *content_type;
        const HttpHeader *headers;
        size_t n_headers;
        const void *body; /* copied */
        size_t size;
} HttpReply;

/* The producer of a streamed body. */
typedef struct HttpSource {
        /* Put up to MAX bytes into BUFFER. Answers their number; HTTP_SOURCE_WAIT when there is nothing yet
         * (call http_request_resume() when there is); HTTP_SOURCE_END; HTTP_SOURCE_CUT to break the
         * connection off, so that the client sees that the body is not whole. From the loop. */
        ssize_t (*pull)(HttpRequest *request, char *buffer, size_t max, void *userdata);
        /* The last call, exactly once: everything was handed to the kernel (COMPLETE), or the client is
         * gone. Frees USERDATA. */
        void (*closed)(HttpRequest *request, bool complete, void *userdata);
} HttpSource;

#define HTTP_SOURCE_WAIT ((ssize_t) 0)
#define HTTP_SOURCE_END ((ssize_t) -1)
#define HTTP_SOURCE_CUT ((ssize_t) -2)

/* The taker of a streamed request body. */
typedef struct HttpSink {
        /* Answers how many of the N bytes were taken; fewer: the client waits until http_request_resume().
         */
        size_t (*feed)(HttpRequest *request, const char *data, size_t n, void *userdata);
        /* The body has ended: the request may be answered from now on (also later). */
        void (*end)(HttpRequest *request, void *userdata);
} HttpSink;

int http_server_new(HttpServer **ret, sd_event *event, const HttpServerOptions *options);
/* Requests under way are closed, by callbacks from inside this call. Not to be called from a callback. */
HttpServer *http_server_free(HttpServer *server);
DEFINE_CLEANUP(HttpServer *, http_server_free);
void http_server_stop_accepting(HttpServer *server); /* for an orderly end: requests under way go on */
/* The time-outs of OPTIONS count from now on, also for connections that are there; the rest is not looked
 * at. */
void http_server_set_timeouts(HttpServer *server, const HttpServerOptions *options);
unsigned http_server_connections(const HttpServer *server);
int http_server_fd(
                const HttpServer *server); /* the listening one, borrowed; -1 after it stopped accepting */

const char *http_request_method(const HttpRequest *request);
const char *http_request_target(const HttpRequest *request);                   /* as it came */
const Query *http_request_query(const HttpRequest *request);                   /* the target, decoded */
const char *http_request_header(const HttpRequest *request, const char *name); /* NULL: not there */
bool http_request_is_http10(const HttpRequest *request);
char *http_request_peer(const HttpRequest *request, char text[static 64]); /* "127.0.0.1:1234", "unix" */

/* Tell when the client goes away (or the server is freed) before the answer is complete. Replaces an earlier
 * one. CLOSED is called at most once, and not after http_request_reply() was called. http_request_stream()
 * replaces it by its source's closed. */
void http_request_on_closed(
                HttpRequest *request, void (*closed)(HttpRequest *request, void *userdata), void *userdata);

/* Gather the body, at most MAX bytes, NUL-terminated; then call DONE. A larger one is answered 413 by the
 * server; DONE is not called then, CLOSED is. */
int http_request_read_body(
                HttpRequest *request,
                size_t max,
                void (*done)(HttpRequest *request,
                             char *body,
                             size_t n,
                             void *userdata), /* BODY is borrowed */
                void *userdata);
int http_request_receive(HttpRequest *request, const HttpSink *sink, void *userdata);

/* An answer before the body was read, or in the middle of it, ends the connection after it; in the middle it
 * should be small. Errors: -ENOMEM (the connection is cut, CLOSED is not called). */
int http_request_reply(HttpRequest *request, const HttpReply *reply);
/* REPLY's body is ignored. The body goes out chunked (HTTP/1.0: until close); after HEAD there is none, and
 * pull() is not called. SOURCE->closed is called in any case, from inside this call when it fails. Errors:
 * -ENOMEM; the connection is cut.
 *
 * In the middle of the request's body (called by its sink, or later) both go on beside each other: the sink
 * is fed until the body ends or the source does. http_request_resume() is for both. The connection ends
 * after the answer. */
int http_request_stream(
                HttpRequest *request, const HttpReply *reply, const HttpSource *source, void *userdata);
/* A trailer field, sent after the last chunk; to be called before pull() answers HTTP_SOURCE_END. Its name
 * should be announced by a Trailer header. VALUE may be empty; line breaks in it, as in header values, are
 * sent as spaces. Errors: -ENOMEM. */
int http_request_trailer(HttpRequest *request, const char *name, const char *value);
void http_request_resume(HttpRequest *request);
