#pragma once

/*
 * Inside of the HTTP server: connections and requests. http-server.c owns the daemon of libmicrohttpd, the
 * event sources, the connections and their time-outs; http-request.c is the life of one request.
 *
 * Both are called by libmicrohttpd, from MHD_run(). What an owner asks for from elsewhere (an answer, a
 * resume) is written down, and done in the next MHD_run(), which http_server_kick() brings about: a resume
 * does not wake the epoll descriptor of libmicrohttpd by itself.
 */

#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "daemon/base/list.h"
#include "daemon/net/http-server.h"

/* Whom a connection waits for, and so which time-out runs. */
typedef enum HttpWait {
        HTTP_WAIT_HEAD,   /* the client, to send a whole head */
        HTTP_WAIT_IDLE,   /* the client, to begin another request */
        HTTP_WAIT_CLIENT, /* the client, to send or to take more */
        HTTP_WAIT_OWNER,  /* the request's owner: no time-out */
        _HTTP_WAIT_N,
} HttpWait;

typedef struct HttpConnection {
        List link;  /* of the server's connections */
        List ended; /* of those whose end libmicrohttpd may have missed */
        HttpServer *server;
        struct MHD_Connection *mhd;
        int fd; /* libmicrohttpd's */
        HttpRequest *request;
        HttpWait wait;
        uint64_t since_usec; /* when the wait began, or the last byte moved */
        uint64_t until_usec; /* the end of what is under way, however fast it moves; UINT64_MAX: none */
        bool is_half_closed; /* the client has ended its sending */
        bool is_shut;        /* for reading, by us: to be done once */
} HttpConnection;

/* ---- http-request.c, for http-server.c */

HttpRequest *http_request_new(HttpConnection *connection, const char *target); /* NULL: out of memory */
enum MHD_Result http_request_serve(
                HttpRequest *request, const char *method, const char *version, const char *data, size_t *n);
/* The last call of a request. */
void http_request_finish(HttpRequest *request, bool is_complete);
bool http_request_is_suspended(const HttpRequest *request);
/* The client went away; IS_HALF when it may only have ended its sending. */
void http_request_hang_up(HttpRequest *request, bool is_half);
/* The head turned out to be malformed, before the first serve(); nothing happens after it. */
void http_request_refuse_raw(HttpRequest *request, unsigned status);

/* ---- http-server.c, for http-request.c */

bool http_server_is_closing(const HttpServer *server);
sd_event *http_server_event(const HttpServer *server);
size_t http_server_max_head(const HttpServer *server);
void http_server_handle(HttpServer *server, HttpRequest *request);
void http_server_kick(HttpServer *server);
void http_server_wait(HttpConnection *connection, HttpWait wait);
void http_server_limit_answer(HttpConnection *connection, bool is_given); /* else: no limit */
void http_server_finished(
                HttpConnection *connection, HttpRequest *request, unsigned status, uint64_t n_bytes);
gnutls_session_t http_server_tls(const HttpConnection *connection); /* NULL: it has none */
/* Keep the socket open until the client has read the answer, after libmicrohttpd closed it. */
void http_server_linger(HttpServer *server, int fd);
