#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/rpc/exchange.h"

/*
 *   coming ──► handed ──► (streaming) ──► gone
 *   notes (for as long as the link stays)
 */

/* ---- life */

static void request_free(RpcRequest *request) {
        list_remove(&request->link_of);
        list_remove(&request->resumed);
        if (request->link)
                request->link->gathered -= request->body.len;
        if (request->stream)
                h2_stream_set_userdata(request->stream, NULL);
        if (request->state == RPC_REQUEST_HANDED || request->state == RPC_REQUEST_STREAMING)
                request->rpc->n_handled--;
        str_done(&request->body);
        free(request);
}

static RpcRequest *request_new(RpcLink *link, H2Stream *stream) {
        RpcRequest *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;

        *request = (RpcRequest){
                .rpc = link->rpc, .link = link, .stream = stream, .peer_id = link->peer->id
        };
        list_init(&request->resumed);
        list_init(&request->link_of);
        list_append(&link->requests, &request->link_of);
        h2_stream_set_userdata(stream, request);
        return request;
}

/* ---- answering */

static void reset(RpcLink *link, H2Stream *stream) {
        h2_reset(link->h2, stream, H2_INTERNAL_ERROR);
        rpc_link_busy(link);
}

static int answer(RpcLink *link, H2Stream *stream, ErrorCode code, const void *body, size_t n) {
        int r;

        r = h2_respond(link->h2,
                       stream,
                       code == ERROR_NONE ? 200 : error_http_status(code),
                       code == ERROR_NONE ? NULL : error_bus_name(code));
        if (r >= 0)
                r = h2_write(link->h2, stream, body, n, true);
        if (r < 0)
                reset(link, stream);
        rpc_link_busy(link);
        return r;
}

static int answer_error(RpcLink *link, H2Stream *stream, ErrorCode code, const char *words) {
        return answer(link, stream, code, words, str_utf8_cut(words, RPC_WORDS_MAX));
}

static bool is_alive(const RpcRequest *request) {
        return request->link && request->link->state != RPC_LINK_CLOSED;
}

int rpc_request_reply(RpcRequest *request, const void *body, size_t size) {
        int r = 0;

        if (is_alive(request)) {
                if (size > RPC_BODY_MAX)
                        r = answer_error(
                                        request->link,
                                        request->stream,
                                        ERROR_TOO_BIG,
                                        "the answer is too big");
                else if (rpc_peer_queued(request->link->peer) + size > RPC_QUEUE_MAX)
                        r = answer_error(
                                        request->link, request->stream, ERROR_BUSY, "too many answers wait");
                else
                        r = answer(request->link, request->stream, ERROR_NONE, body, size);
        }
        request_free(request);
        return r;
}

int rpc_request_fail(RpcRequest *request, const Error *error) {
        int r = 0;

        if (is_alive(request))
                r = answer_error(
                                request->link,
                                request->stream,
                                error->code == ERROR_NONE ? ERROR_INTERNAL : error->code,
                                error_message(error));
        request_free(request);
        return r;
}

/* ---- streaming */

static void stop_streaming(RpcRequest *request, bool complete) {
        const RpcSource *source = request->source;

        request->source = NULL;
        if (source->closed)
                source->closed(request, complete, request->source_userdata);
        request_free(request);
}

/* Answers whether there may be more at once. */
static bool pull_once(RpcRequest *request) {
        RpcLink *link = request->link;
        H2Stream *stream = request->stream;
        uint8_t *buffer = request->rpc->out; /* not in use while events are handled */
        ssize_t n;

        request->is_waiting = true; /* unless it resumes itself meanwhile */
        n = request->source->pull(request, buffer, sizeof(request->rpc->out), request->source_userdata);
        if (n == RPC_SOURCE_WAIT || link->state == RPC_LINK_CLOSED)
                return false;
        request->is_waiting = false;
        if (n == RPC_SOURCE_END) { /* CLOSED is told when the asker has it all */
                request->has_ended = true;
                n = h2_write(link->h2, stream, NULL, 0, true);
                if (n >= 0) {
                        rpc_link_busy(link);
                        return false;
                }
        }
        if (n < 0) {
                reset(link, stream);
                stop_streaming(request, /* complete= */ false);
                return false;
        }
        if (h2_write(link->h2, stream, buffer, (size_t) n, false) < 0) {
                reset(link, stream);
                stop_streaming(request, /* complete= */ false);
                return false;
        }

        rpc_link_busy(link);
        return h2_stream_queued(stream) < H2_LOW;
}

void rpc_request_pull(RpcRequest *request) {
        if (request->state != RPC_REQUEST_STREAMING || !is_alive(request) || request->has_ended ||
            request->is_waiting)
                return;
        while (h2_stream_queued(request->stream) < H2_LOW && pull_once(request))
                ;
}

int rpc_request_stream(RpcRequest *request, const RpcSource *source, void *userdata) {
        int r;

        if (!request->link) {
                request_free(request);
                return -ENOTCONN;
        }

        request->state = RPC_REQUEST_STREAMING;
        request->source = source;
        request->source_userdata = userdata;
        if (!is_alive(request)) /* the source is told when the link is buried */
                return 0;

        r = h2_respond(request->link->h2, request->stream, 200, NULL);
        if (r < 0) {
                reset(request->link, request->stream);
                request_free(request);
                return r;
        }

        rpc_request_resume(request);
        return 0;
}

void rpc_request_resume(RpcRequest *request) {
        if (!is_alive(request) || request->state != RPC_REQUEST_STREAMING)
                return;

        request->is_waiting = false;
        list_remove(&request->resumed);
        list_append(&request->link->resumed_requests, &request->resumed);
        rpc_link_busy(request->link);
}

/* ---- the beginning of a request */

static const RpcMethod *find_method(const Rpc *rpc, const char *name, void **ret_userdata) {
        for (size_t i = 0; i < rpc->n_services; i++)
                for (const RpcMethod *method = rpc->services[i].methods; method->name; method++)
                        if (strcmp(method->name, name) == 0) {
                                *ret_userdata = rpc->services[i].userdata;
                                return method;
                        }
        return NULL;
}

/* "/<version>/<name>"; answers the name, or NULL. */
static const char *parse_path(const char *path, unsigned long *ret_version) {
        char *end;

        if (path[0] != '/' || path[1] < '0' || path[1] > '9')
                return NULL;
        errno = 0;
        *ret_version = strtoul(path + 1, &end, 10);
        return errno == 0 && *end == '/' ? end + 1 : NULL;
}

static int check_path(H2Stream *stream, const char **ret_name, Error *reterr) {
        const char *name;
        unsigned long version;

        if (strcmp(h2_stream_method(stream), "POST") != 0)
                return error_set(reterr, ERROR_NOT_ALLOWED, "only POST is understood here");
        name = parse_path(h2_stream_path(stream), &version);
        if (!name)
                return error_set(reterr, ERROR_UNSUPPORTED, "the path is not /%d/METHOD", RPC_PROTOCOL);
        if (version != RPC_PROTOCOL)
                return error_set(
                                reterr,
                                ERROR_UNSUPPORTED,
                                "this peer speaks version %d of the protocol, the request is of version %lu",
                                RPC_PROTOCOL,
                                version);

        *ret_name = name;
        return 0;
}

/* *RET is NULL for notes. */
static int admit(
                RpcLink *link, const char *name, const RpcMethod **ret, void **ret_userdata, Error *reterr) {
        bool is_notes = strncmp(name, RPC_NOTES_PATH, strlen(RPC_NOTES_PATH)) == 0;
        const RpcMethod *method = is_notes ? NULL : find_method(link->rpc, name, ret_userdata);
        char id[PEER_ID_TEXT_MAX];

        if (!is_notes && !method)
                return error_set(reterr, ERROR_UNSUPPORTED, "this peer has no method '%s'", name);
        if ((is_notes || method->trust != RPC_OPEN) && !rpc_is_trusted(link->rpc, &link->peer->id))
                return error_set(
                                reterr,
                                ERROR_FORBIDDEN,
                                "peer %s is no member of this cluster",
                                peer_id_format(&link->peer->id, id));

        *ret = method;
        return 0;
}

static void begin(RpcLink *link, H2Stream *stream) {
        _cleanup_(error_done) Error error = {};
        const RpcMethod *method = NULL;
        void *userdata = NULL;
        const char *name = NULL;
        RpcRequest *request;

        if (check_path(stream, &name, &error) < 0 || admit(link, name, &method, &userdata, &error) < 0) {
                rpc_refuse(link->rpc, link->source, error_message(&error));
                (void) answer_error(link, stream, error.code, error_message(&error));
                return;
        }

        request = request_new(link, stream);
        if (!request) {
                reset(link, stream);
                return;
        }
        request->method = method;
        request->method_userdata = userdata;
        if (!method)
                rpc_note_begin(request, name);
}

/* ---- its body */

static void refuse_body(RpcRequest *request, ErrorCode code, const char *words) {
        RpcLink *link = request->link;
        H2Stream *stream = request->stream;

        request_free(request);
        (void) answer_error(link, stream, code, words);
}

static void gather(RpcRequest *request, const uint8_t *data, size_t n) {
        RpcLink *link = request->link;
        size_t max = rpc_is_trusted(link->rpc, &request->peer_id) ? RPC_GATHER_MAX
                                                                  : RPC_GATHER_UNTRUSTED_MAX;

        if (request->body.len + n > RPC_BODY_MAX)
                refuse_body(request, ERROR_TOO_BIG, "the request is too big");
        else if (link->gathered + n > max)
                refuse_body(request, ERROR_BUSY, "too many requests are under way");
        else if (n > 0 && str_append_bytes(&request->body, data, n) < 0)
                refuse_body(request, ERROR_NO_MEMORY, "out of memory");
        else {
                link->gathered += n;
                h2_consume(link->h2, request->stream, n);
        }
}

static void hand_out(RpcRequest *request) {
        _cleanup_(str_done) Str body = request->body;

        request->link->gathered -= body.len;
        request->body = (Str){};
        request->state = RPC_REQUEST_HANDED;
        request->rpc->n_handled++;
        request->method->handle(request, body.data ?: "", body.len, request->method_userdata);
}

/* ---- its end */

/* Not heard of it yet: nobody is told. Handed out: the owner is, or answers in vain. */
static void abandon(RpcRequest *request, bool complete) {
        void (*closed)(RpcRequest * request, void *userdata) = request->closed;

        if (request->stream)
                h2_stream_set_userdata(request->stream, NULL);
        request->stream = NULL;
        switch (request->state) {
        case RPC_REQUEST_COMING:
                request_free(request);
                break;
        case RPC_REQUEST_NOTES:
                if (request->link->peer->notes == request)
                        request->link->peer->notes = NULL;
                request_free(request);
                break;
        case RPC_REQUEST_HANDED:
                list_remove(&request->link_of);
                request->link = NULL;
                if (closed) {
                        closed(request, request->closed_userdata);
                        request_free(request);
                }
                break;
        case RPC_REQUEST_STREAMING:
                stop_streaming(request, complete && request->has_ended);
                break;
        }
}

void rpc_request_on_link_lost(RpcRequest *request) {
        abandon(request, /* complete= */ false);
}

static void on_end(RpcRequest *request) {
        if (request->state == RPC_REQUEST_COMING)
                hand_out(request);
        else if (request->state == RPC_REQUEST_NOTES)
                (void) answer(request->link, request->stream, ERROR_NONE, NULL, 0);
}

void rpc_request_on_event(RpcLink *link, const H2Event *event) {
        RpcRequest *request = h2_stream_userdata(event->stream);

        if (event->type == H2_HEAD) {
                begin(link, event->stream);
                return;
        }
        if (!request)
                return;

        switch (event->type) {
        case H2_DATA:
                if (request->state == RPC_REQUEST_COMING)
                        gather(request, event->data, event->size);
                else if (request->state == RPC_REQUEST_NOTES)
                        rpc_note_feed(request, event->data, event->size);
                break;
        case H2_END:
                on_end(request);
                break;
        case H2_WRITABLE:
                rpc_request_pull(request);
                break;
        case H2_CLOSED:
                abandon(request, event->reason == H2_NO_ERROR);
                break;
        case H2_HEAD:
        case H2_SETTINGS:
        case H2_PONG:
        case H2_GOAWAY:
                break;
        }
}

/* ---- for the owner */

const PeerId *rpc_request_peer(const RpcRequest *request) {
        return &request->peer_id;
}

bool rpc_request_is_member(const RpcRequest *request) {
        return rpc_is_trusted(request->rpc, &request->peer_id);
}

int rpc_request_exporter(const RpcRequest *request, uint8_t bytes[static 32]) {
        return request->link ? tls_session_export(request->link->tls, RPC_EXPORTER_LABEL, bytes, 32)
                             : -ENOTCONN;
}

void rpc_request_on_closed(
                RpcRequest *request, void (*closed)(RpcRequest *request, void *userdata), void *userdata) {
        request->closed = closed;
        request->closed_userdata = userdata;
}
