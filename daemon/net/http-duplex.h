#pragma once

/*
 * An answer that goes out while the body of its request is still being read: written past libmicrohttpd,
 * which takes no answer in the middle of a body, on the socket of the connection. It goes out chunked
 * (HTTP/1.0: until close), and is the last one of its connection.
 *
 * The producer is pulled as the client takes what was made: at most one block waits here.
 */

#include <gnutls/gnutls.h>
#include <systemd/sd-event.h>

#include "daemon/base/str.h"
#include "daemon/net/http-server.h"

#define HTTP_DUPLEX_BLOCK 8192 /* asked of the producer in one go; a chunk */

typedef struct HttpDuplexEvents {
        ssize_t (*pull)(char *buffer, size_t max, void *userdata); /* as of HttpSource */
        void (*moved)(bool is_blocked,
                      void *userdata); /* bytes went out, or the client does not take any now */
        /* Nothing more comes, once: all was handed to the kernel (COMPLETE), or it failed. May free the
         * object. */
        void (*ended)(bool complete, void *userdata);
} HttpDuplexEvents;

typedef struct HttpDuplex HttpDuplex;

typedef struct HttpDuplexOptions {
        int fd;               /* the connection's socket: watched, not owned */
        gnutls_session_t tls; /* the connection's, or NULL */
        bool is_http10;
        const HttpReply *head; /* its body is ignored */
} HttpDuplexOptions;

/* Callbacks come from the loop. */
int http_duplex_new(
                HttpDuplex **ret,
                sd_event *event,
                const HttpDuplexOptions *options,
                const HttpDuplexEvents *events,
                void *userdata);
HttpDuplex *http_duplex_free(HttpDuplex *duplex);
DEFINE_CLEANUP(HttpDuplex *, http_duplex_free);
void http_duplex_resume(HttpDuplex *duplex);
int http_duplex_trailer(HttpDuplex *duplex, const char *name, const char *value);
bool http_duplex_is_blocked(const HttpDuplex *duplex); /* waits for the client to take something */
bool http_duplex_is_over(const HttpDuplex *duplex);    /* the producer has ended */
