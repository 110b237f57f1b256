#include "daemon/net/http-request.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/net/http-answer.h"
#include "daemon/net/http-duplex.h"
#include "daemon/net/http-head.h"

/*
 *   HEAD ──► ASKED ──► RECEIVING ──► RECEIVED ──► ANSWERED
 *                │          └──────► CUT   (answered past libmicrohttpd, or out of memory)
 *                └──────────────────────────────► ANSWERED
 *
 * An answer that streams beside the body leaves the phase as it is until it is over: then CUT.
 *
 * libmicrohttpd takes an answer in two states only: when the head was read, and when the body has ended. A
 * request without a body is handed to its owner in the second, because an answer in the first ends the
 * connection. While the owner has neither answered nor asked for the body, the connection is suspended.
 */
typedef enum HttpRequestPhase {
        HTTP_REQUEST_HEAD,      /* the owner does not know it yet */
        HTTP_REQUEST_ASKED,     /* he does, and has not asked for the body */
        HTTP_REQUEST_RECEIVING, /* he has */
        HTTP_REQUEST_RECEIVED,  /* it has ended */
        HTTP_REQUEST_ANSWERED,
        HTTP_REQUEST_CUT, /* to be broken off at the next occasion */
} HttpRequestPhase;

struct HttpRequest {
        HttpConnection *connection;
        const char *method; /* in libmicrohttpd's memory, as the headers are */
        Query query;
        HttpRequestPhase phase;
        bool is_http10;
        bool has_body;
        bool is_in_body; /* libmicrohttpd reads the body: it takes no answer */
        bool is_suspended;
        bool is_woken; /* resumed since the last suspend */
        bool is_gone;  /* the client */

        HttpSink sink;
        void *sink_userdata;
        Str body; /* gathered */
        size_t body_max;
        void (*body_done)(HttpRequest *request, char *body, size_t n, void *userdata);
        void *body_userdata;

        struct MHD_Response *response;
        unsigned status;
        uint64_t n_bytes; /* of the answer's body */
        bool is_queued;
        HttpDuplex *duplex;      /* an answer beside the body */
        bool is_duplex_complete; /* all of it was handed to the kernel */
        HttpSource source;       /* zero: a reply */
        void *source_userdata;

        void (*closed)(HttpRequest *request, void *userdata);
        void *closed_userdata;

        char target[];
};

HttpRequest *http_request_new(HttpConnection *connection, const char *target) {
        size_t n = strlen(target) + 1;
        HttpRequest *request = calloc(1, sizeof(*request) + n);

        if (!request)
                return NULL;

        request->connection = connection;
        memcpy(request->target, target, n);
        return request;
}

/* ---- suspend and resume */

static HttpServer *server_of(const HttpRequest *request) {
        return request->connection->server;
}

/* While the connection is suspended: a client that does not take the answer keeps its owner waiting. */
static HttpWait waits_for(const HttpRequest *request) {
        return request->duplex && http_duplex_is_blocked(request->duplex) ? HTTP_WAIT_CLIENT
                                                                          : HTTP_WAIT_OWNER;
}

static void suspend(HttpRequest *request) {
        if (request->is_woken || request->is_suspended)
                return;

        request->is_suspended = true;
        MHD_suspend_connection(request->connection->mhd);
        http_server_wait(request->connection, waits_for(request));
        if (request->connection->is_half_closed)
                http_request_hang_up(request, /* is_half= */ true);
}

static void wake(HttpRequest *request) {
        request->is_woken = true;
        if (!request->is_suspended)
                return;

        request->is_suspended = false;
        MHD_resume_connection(request->connection->mhd);
        http_server_wait(request->connection, HTTP_WAIT_CLIENT);
        http_server_kick(server_of(request));
}

bool http_request_is_suspended(const HttpRequest *request) {
        return request->is_suspended;
}

void http_request_resume(HttpRequest *request) {
        if (request->duplex)
                http_duplex_resume(request->duplex);
        if (!request->duplex || request->phase == HTTP_REQUEST_RECEIVING)
                wake(request);
}

void http_request_hang_up(HttpRequest *request, bool is_half) {
        /* In the middle of a body, the end of the client's sending says little: the rest may be there, and
         * be read when the owner resumes. He has the stall time for it. */
        if (is_half && request->is_in_body) {
                http_server_wait(request->connection, HTTP_WAIT_CLIENT);
                return;
        }

        request->is_gone = true;
        wake(request);
}

static void moved(void *userdata) {
        HttpRequest *request = userdata;

        http_server_wait(request->connection, HTTP_WAIT_CLIENT);
}

/* ---- what libmicrohttpd calls */

static enum MHD_Result queue_answer(HttpRequest *request) {
        request->is_queued = true;
        http_server_limit_answer(request->connection, /* is_given= */ true);
        http_server_wait(request->connection, HTTP_WAIT_CLIENT);
        return MHD_queue_response(request->connection->mhd, request->status, request->response);
}

/* The owner was called: do what he wants, or wait until he wants something. */
static enum MHD_Result settle(HttpRequest *request) {
        if (request->phase == HTTP_REQUEST_CUT || request->is_gone)
                return MHD_NO;
        if (request->response && !request->is_queued)
                return queue_answer(request);
        if (request->phase == HTTP_REQUEST_ASKED || request->phase == HTTP_REQUEST_RECEIVED)
                suspend(request);
        return MHD_YES;
}

static enum MHD_Result end_body(HttpRequest *request) {
        request->phase = HTTP_REQUEST_RECEIVED;
        request->is_in_body = false;
        http_server_limit_answer(request->connection, request->duplex != NULL);
        if (!request->duplex || !http_duplex_is_over(request->duplex))
                request->sink.end(request, request->sink_userdata);
        return settle(request);
}

/* Also called when a request that was suspended was resumed. */
static enum MHD_Result proceed(HttpRequest *request) {
        if (request->phase == HTTP_REQUEST_RECEIVING) {
                if (!request->has_body || request->is_in_body)
                        return end_body(request);
                request->is_in_body = true; /* what follows are its bytes */
                http_server_wait(request->connection, HTTP_WAIT_CLIENT);
                return MHD_YES;
        }

        return settle(request);
}

static enum MHD_Result ask_owner(HttpRequest *request) {
        request->phase = HTTP_REQUEST_ASKED;
        if (!request->has_body)
                http_server_limit_answer(request->connection, /* is_given= */ false);
        http_server_handle(server_of(request), request);
        return proceed(request);
}

static enum MHD_Result refuse(HttpRequest *request, unsigned status) {
        HttpReply reply = http_answer_refusal(status);

        request->phase = HTTP_REQUEST_ANSWERED;
        request->status = status;
        request->n_bytes = reply.size;
        request->response = http_answer_new(&reply, moved, request);
        return request->response ? queue_answer(request) : MHD_NO;
}

/* The first call, when the head was read. An answer now ends the connection. */
static enum MHD_Result begin(HttpRequest *request, const char *method, const char *version) {
        unsigned status;
        int r;

        request->method = method;
        request->is_http10 = strcmp(version, "HTTP/1.0") == 0;

        status = http_head_check(
                        request->connection->mhd,
                        request->target,
                        version,
                        http_server_max_head(server_of(request)),
                        &request->has_body);
        if (status > 0)
                return refuse(request, status);

        r = query_parse(request->target, &request->query);
        if (r == -ENOMEM)
                return MHD_NO;
        if (r < 0)
                return refuse(request, MHD_HTTP_BAD_REQUEST);

        http_server_wait(request->connection, HTTP_WAIT_CLIENT);
        return request->has_body ? ask_owner(request) : MHD_YES;
}

static enum MHD_Result feed(HttpRequest *request, const char *data, size_t *n) {
        size_t taken;

        if (request->phase != HTTP_REQUEST_RECEIVING)
                return MHD_NO;

        http_server_wait(request->connection, HTTP_WAIT_CLIENT);
        if (request->duplex && http_duplex_is_over(request->duplex))
                taken = *n;
        else
                taken = request->sink.feed(request, data, *n, request->sink_userdata);

        *n -= MIN(taken, *n);
        if (*n > 0 && request->phase == HTTP_REQUEST_RECEIVING)
                suspend(request);
        return request->phase == HTTP_REQUEST_CUT ? MHD_NO : MHD_YES;
}

enum MHD_Result http_request_serve(
                HttpRequest *request, const char *method, const char *version, const char *data, size_t *n) {
        if (request->is_gone || request->phase == HTTP_REQUEST_CUT ||
            http_server_is_closing(server_of(request)))
                return MHD_NO;

        request->is_woken = false;
        if (!request->method)
                return begin(request, method, version);
        if (request->phase == HTTP_REQUEST_HEAD)
                return ask_owner(request);
        if (*n > 0)
                return feed(request, data, n);
        return proceed(request);
}

/* All that was to be sent, was handed to the kernel. */
static void linger(HttpRequest *request) {
        int fd = fcntl(request->connection->fd, F_DUPFD_CLOEXEC, 3);

        http_answer_end(request->connection->fd, http_server_tls(request->connection));
        if (fd >= 0)
                http_server_linger(server_of(request), fd);
}

void http_request_finish(HttpRequest *request, bool is_complete) {
        bool is_refused = !request->method && request->phase == HTTP_REQUEST_HEAD; /* by libmicrohttpd */
        bool is_unread = request->has_body && !request->sink.end && request->phase == HTTP_REQUEST_ANSWERED;

        request->connection->request = NULL;
        if (is_refused || is_unread)
                linger(request);
        if (request->method)
                http_server_finished(request->connection, request, request->status, request->n_bytes);

        request->duplex = http_duplex_free(request->duplex);
        if (request->source.closed)
                request->source.closed(
                                request,
                                is_complete || request->is_duplex_complete,
                                request->source_userdata);
        else if (request->closed)
                request->closed(request, request->closed_userdata);

        if (request->response)
                MHD_destroy_response(request->response);
        query_done(&request->query);
        str_done(&request->body);
        free(request);
}

void http_request_refuse_raw(HttpRequest *request, unsigned status) {
        HttpReply reply = http_answer_refusal(status);

        if (request->method || request->phase == HTTP_REQUEST_CUT)
                return;

        request->phase = HTTP_REQUEST_CUT;
        http_answer_write(&reply, request->connection->fd, http_server_tls(request->connection));
        linger(request);
}

/* ---- what the owner asks */

const char *http_request_method(const HttpRequest *request) {
        return request->method;
}

const char *http_request_target(const HttpRequest *request) {
        return request->target;
}

const Query *http_request_query(const HttpRequest *request) {
        return &request->query;
}

const char *http_request_header(const HttpRequest *request, const char *name) {
        return MHD_lookup_connection_value(request->connection->mhd, MHD_HEADER_KIND, name);
}

bool http_request_is_http10(const HttpRequest *request) {
        return request->is_http10;
}

char *http_request_peer(const HttpRequest *request, char text[static 64]) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
                        request->connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        const struct sockaddr *name = info ? info->client_addr : NULL;
        const struct sockaddr_in *in = (const struct sockaddr_in *) name;
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) name;
        char host[INET6_ADDRSTRLEN];

        if (name && name->sa_family == AF_INET && inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)))
                (void) snprintf(text, 64, "%s:%u", host, (unsigned) ntohs(in->sin_port));
        else if (name && name->sa_family == AF_INET6 &&
                 inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)))
                (void) snprintf(text, 64, "[%s]:%u", host, (unsigned) ntohs(in6->sin6_port));
        else
                (void) snprintf(text, 64, "unix");
        return text;
}

void http_request_on_closed(
                HttpRequest *request, void (*closed)(HttpRequest *request, void *userdata), void *userdata) {
        request->closed = closed;
        request->closed_userdata = userdata;
}

/* ---- the body */

int http_request_receive(HttpRequest *request, const HttpSink *sink, void *userdata) {
        assert(request->phase == HTTP_REQUEST_ASKED);

        request->sink = *sink;
        request->sink_userdata = userdata;
        request->phase = HTTP_REQUEST_RECEIVING;
        wake(request);
        return 0;
}

static void refuse_body(HttpRequest *request) {
        HttpReply reply = http_answer_refusal(MHD_HTTP_CONTENT_TOO_LARGE);
        void (*closed)(HttpRequest * request, void *userdata) = request->closed;

        request->closed = NULL;
        (void) http_request_reply(request, &reply);
        request->closed = closed; /* the owner learns that his request is over, when it is */
}

static size_t gather(HttpRequest *request, const char *data, size_t n, void *userdata _unused_) {
        if (n > request->body_max - request->body.len)
                refuse_body(request);
        else if (str_append_bytes(&request->body, data, n) < 0)
                request->phase = HTTP_REQUEST_CUT;
        return n;
}

static void gathered(HttpRequest *request, void *userdata _unused_) {
        char empty[1] = "";

        request->body_done(request, request->body.data ?: empty, request->body.len, request->body_userdata);
}

/* What a length in the head says; the coding without one says nothing. */
static bool is_announced_larger(const HttpRequest *request, size_t max) {
        const char *length = http_request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

        return length && strtoull(length, NULL, 10) > max;
}

int http_request_read_body(
                HttpRequest *request,
                size_t max,
                void (*done)(HttpRequest *request, char *body, size_t n, void *userdata),
                void *userdata) {
        static const HttpSink sink = { .feed = gather, .end = gathered };

        request->body_max = max;
        request->body_done = done;
        request->body_userdata = userdata;

        if (is_announced_larger(request, max)) {
                refuse_body(request);
                return 0;
        }

        return http_request_receive(request, &sink, NULL);
}

/* ---- the answer */

static int cut(HttpRequest *request, int r) {
        request->closed = NULL;
        request->phase = HTTP_REQUEST_CUT;
        wake(request);
        return r;
}

int http_request_reply(HttpRequest *request, const HttpReply *reply) {
        assert(request->phase > HTTP_REQUEST_HEAD && request->phase < HTTP_REQUEST_ANSWERED);
        assert(!request->duplex);

        request->closed = NULL;
        request->n_bytes = reply->size;
        if (request->is_in_body) {
                request->status = reply->status;
                http_answer_write(reply, request->connection->fd, http_server_tls(request->connection));
                linger(request);
                return cut(request, 0);
        }

        request->response = http_answer_new(reply, moved, request);
        if (!request->response)
                return cut(request, -ENOMEM);

        request->status = reply->status;
        request->phase = HTTP_REQUEST_ANSWERED;
        wake(request);
        return 0;
}

static ssize_t pull(void *userdata, uint64_t position _unused_, char *buffer, size_t max) {
        HttpRequest *request = userdata;
        ssize_t n;

        if (request->is_gone || http_server_is_closing(server_of(request)))
                return MHD_CONTENT_READER_END_WITH_ERROR;

        request->is_woken = false;
        http_server_wait(request->connection, HTTP_WAIT_CLIENT);
        n = request->source.pull(request, buffer, max, request->source_userdata);
        if (n > 0) {
                request->n_bytes += (uint64_t) n;
                return n;
        }
        if (n == HTTP_SOURCE_END)
                return MHD_CONTENT_READER_END_OF_STREAM;

        if (n != HTTP_SOURCE_WAIT)
                return MHD_CONTENT_READER_END_WITH_ERROR;

        suspend(request); /* unless it was resumed meanwhile: then it is asked again soon */
        return 0;
}

/* libmicrohttpd 0.9.75 sends the last chunk of a chunked body also after HEAD. */
static struct MHD_Response *streamed_answer(HttpRequest *request, const HttpReply *reply) {
        HttpReply head = *reply;

        head.size = 0;
        if (strcmp(request->method, MHD_HTTP_METHOD_HEAD) == 0)
                return http_answer_new(&head, moved, request);
        return http_answer_new_streamed(reply, pull, request);
}

/* ---- an answer beside the body */

static ssize_t duplex_pull(char *buffer, size_t max, void *userdata) {
        HttpRequest *request = userdata;
        ssize_t n;

        if (request->is_gone || http_server_is_closing(server_of(request)))
                return HTTP_SOURCE_CUT;
        n = request->source.pull(request, buffer, max, request->source_userdata);
        request->n_bytes += n > 0 ? (uint64_t) n : 0;
        return n;
}

static void duplex_moved(bool is_blocked, void *userdata) {
        HttpRequest *request = userdata;

        http_server_wait(
                        request->connection,
                        request->is_suspended && !is_blocked ? HTTP_WAIT_OWNER : HTTP_WAIT_CLIENT);
}

/* libmicrohttpd is told to close the connection; what is left of the body is not its business. */
static void duplex_ended(bool complete, void *userdata) {
        HttpRequest *request = userdata;

        request->is_duplex_complete = complete;
        if (complete)
                linger(request);
        request->phase = HTTP_REQUEST_CUT;
        wake(request);
}

static const HttpDuplexEvents duplex_events = {
        .pull = duplex_pull,
        .moved = duplex_moved,
        .ended = duplex_ended,
};

static int start_answer(HttpRequest *request, const HttpReply *reply) {
        if (request->is_in_body)
                return http_duplex_new(
                                &request->duplex,
                                http_server_event(server_of(request)),
                                &(HttpDuplexOptions){
                                                .fd = request->connection->fd,
                                                .tls = http_server_tls(request->connection),
                                                .is_http10 = request->is_http10,
                                                .head = reply,
                                },
                                &duplex_events,
                                request);

        request->response = streamed_answer(request, reply);
        return request->response ? 0 : -ENOMEM;
}

int http_request_stream(
                HttpRequest *request, const HttpReply *reply, const HttpSource *source, void *userdata) {
        int r;

        assert(request->phase > HTTP_REQUEST_HEAD && request->phase < HTTP_REQUEST_ANSWERED);
        assert(!request->duplex);

        request->closed = NULL;
        r = start_answer(request, reply);
        if (r < 0) {
                source->closed(request, /* complete= */ false, userdata);
                return cut(request, r);
        }

        request->source = *source;
        request->source_userdata = userdata;
        request->status = reply->status;
        if (request->duplex)
                return 0;

        request->phase = HTTP_REQUEST_ANSWERED;
        wake(request);
        return 0;
}

int http_request_trailer(HttpRequest *request, const char *name, const char *value) {
        if (request->duplex)
                return http_duplex_trailer(request->duplex, name, value);

        assert(request->phase == HTTP_REQUEST_ANSWERED);
        return http_answer_add_trailer(request->response, name, value);
}
