#pragma once

/*
 * HTTP client on the event loop (libcurl multi, GnuTLS flavour).
 *
 * One HttpCall is one request. It is a slot: http_call_unref() cancels it and guarantees that no callback
 * comes any more. Callbacks come from the event loop, never from inside http_client_call(), and may unref
 * their own call. Bodies stream in both directions with back-pressure: on_data may answer HTTP_PAUSE, and
 * the call stands still until http_call_resume().
 *
 * Lessons of libcurl's and systemd's histories (curl-util) that are built in: one finished transfer a loop
 * turn, the rest by a defer source; no easy handle is removed inside a libcurl callback; timers are
 * relative, monotonic and lazily armed; protocols are restricted to http and https; no signals; no
 * redirects.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/base/macro.h"
#include "daemon/types/error.h"

#define HTTP_CALLS_MAX 1024        /* calls under way in one client; ERROR_BUSY beyond */
#define HTTP_CONNECTIONS_MAX 64    /* to one host; further calls wait for one */
#define HTTP_CALL_HEADER_MAX 16384 /* one header line of an answer */

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

#define HTTP_PAUSE ((ssize_t) -1)

typedef struct HttpCallHandler {
        /* The status line and all headers have arrived (informational ones are skipped). May be NULL. */
        void (*on_head)(HttpCall *call, unsigned status, void *userdata);
        /* Body bytes of any length. Answers N, or HTTP_PAUSE (nothing is taken), or 0 to give up (the call
         * ends with -ECANCELED). NULL: dropped. */
        ssize_t (*on_data)(HttpCall *call, const void *data, size_t n, void *userdata);
        /* The end, exactly once. R is 0 when a whole answer came, whatever its status; negative when not:
         * -ECONNREFUSED, -ETIMEDOUT, -EPIPE (cut off), -EPROTO (no HTTP), … and ERROR says it with the host
         * in it. Status, headers and trailers can be asked. */
        void (*on_done)(HttpCall *call, int r, const Error *error, void *userdata);
} HttpCallHandler;

typedef struct HttpCallOptions {
        const char *method; /* "POST" */
        const char *url;    /* http:// or https://; with UNIX_PATH the host in it is only the Host header */
        const char *unix_path;      /* NULL: TCP */
        const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
        const char *userpwd;        /* "user:password" for Basic, or NULL */
        const void *body; /* sent as it is with its length; copied; NULL: no body (Content-Length: 0 for
                             POST) */
        size_t body_size;
        uint64_t connect_timeout_usec; /* 0: 10 s */
        uint64_t timeout_usec;         /* for the whole call; 0 or UINT64_MAX: none */
        uint64_t stall_usec; /* no byte in either direction for so long ends it with -ETIMEDOUT; 0: none */
        bool no_verify;      /* https: do not check the certificate */
        /* A body that is produced while it is sent (chunked). READ answers bytes, 0 at the end, HTTP_PAUSE
         * to wait for http_call_resume(). */
        ssize_t (*read_body)(HttpCall *call, void *buffer, size_t max, void *userdata);
} HttpCallOptions;

int http_client_new(HttpClient **ret, sd_event *event);
HttpClient *http_client_free(HttpClient *client); /* no call may be left */
DEFINE_CLEANUP(HttpClient *, http_client_free);

/* Start a call. Everything in OPTIONS is copied. *RET is the slot. Errors: -EINVAL (bad URL), -EBUSY
 * (HTTP_CALLS_MAX), -ENOMEM. */
int http_client_call(
                HttpClient *client,
                HttpCall **ret,
                const HttpCallOptions *options,
                const HttpCallHandler *handler,
                void *userdata);
HttpCall *http_call_unref(HttpCall *call);
DEFINE_CLEANUP(HttpCall *, http_call_unref);

void http_call_resume(HttpCall *call);
unsigned http_call_status(const HttpCall *call);                       /* 0 before the head */
const char *http_call_header(const HttpCall *call, const char *name);  /* NULL: not there; the first one */
const char *http_call_trailer(const HttpCall *call, const char *name); /* after the end of the body */
