#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/time.h"
#include "daemon/rpc/exchange.h"

#define PATH_FORMAT "/%d/%s"
#define DEADLINE_ACCURACY (1 * USEC_PER_MSEC)

/*
 *   dialling (an address) ──► waiting ◄──► sent ──► (held) ──► ended ──► told
 *       └────────────────────────┴──────────┴──────────┴─────────▲      deadline, canceled, lost
 */

/* ---- leaving where it is */

static void leave_link(RpcCall *call) {
        RpcLink *link = TAKE_PTR(call->link);

        list_remove(&call->resumed);
        link->n_calls--;
        link->gathered -= call->body.len;
        if (call->stream) {
                h2_stream_set_userdata(call->stream, NULL);
                link->has_orphans = true;
                rpc_link_busy(link);
        }
        call->stream = NULL;
        if (link->peer)
                rpc_peer_move(link->peer); /* another one may have its place */
}

/* From its list, and out of all counts. */
static void leave(RpcCall *call) {
        list_remove(&call->link_of);
        switch (call->state) {
        case RPC_CALL_DIALLING:
                call->dial = rpc_dial_free(call->dial);
                break;
        case RPC_CALL_WAITING:
                call->peer->n_waiting--;
                call->peer->waiting_bytes -= call->request.len;
                rpc_peer_move(call->peer); /* may not be needed any more */
                break;
        case RPC_CALL_SENT:
                leave_link(call);
                break;
        case RPC_CALL_NEW:
        case RPC_CALL_HELD:
        case RPC_CALL_ENDED:
        case RPC_CALL_TOLD:
                break;
        }
        call->peer = NULL;
        call->state = RPC_CALL_NEW;
}

static void finish(RpcCall *call, int result) {
        leave(call);
        call->timer = sd_event_source_disable_unref(call->timer);
        call->result = result;
        call->state = RPC_CALL_ENDED;
        list_append(&call->rpc->ended, &call->link_of);
        rpc_schedule(call->rpc);
}

void rpc_call_end(RpcCall *call, ErrorCode code, const char *format, ...) {
        _cleanup_free_ char *words = NULL;
        va_list ap;

        if (call->state >= RPC_CALL_ENDED)
                return;

        va_start(ap, format);
        if (vasprintf(&words, format, ap) < 0)
                words = NULL;
        va_end(ap);

        finish(call, error_set(&call->error, code, "%s", words ?: "out of memory"));
        str_done(&call->body);
}

/* ---- waiting */

void rpc_call_wait(RpcCall *call, RpcPeer *peer, bool first) {
        if (!first && (peer->n_waiting >= RPC_CALLS_MAX ||
                       rpc_peer_queued(peer) + call->request.len > RPC_QUEUE_MAX)) {
                rpc_call_end(call, ERROR_BUSY, "too many calls wait for the peer");
                return;
        }

        call->state = RPC_CALL_WAITING;
        call->was_sent = false; /* or was not taken */
        call->peer = peer;
        call->peer_id = peer->id;
        peer->n_waiting++;
        peer->waiting_bytes += call->request.len;
        if (first)
                list_prepend(&peer->waiting, &call->link_of);
        else
                list_append(&peer->waiting, &call->link_of);
        rpc_peer_move(peer);
}

static bool has_link(const RpcCall *call) {
        return call->state != RPC_CALL_DIALLING && !(call->state == RPC_CALL_WAITING && !call->peer->link);
}

static void end_late(RpcCall *call, uint64_t usec) {
        char id[PEER_ID_TEXT_MAX], duration[TIME_TEXT_MAX];
        const char *words;

        (void) peer_id_format(&call->peer_id, id);
        (void) duration_format((int64_t) usec, duration);
        words = call->state == RPC_CALL_WAITING && !call->peer->link ? call->peer->words : "";
        if (call->state == RPC_CALL_DIALLING)
                rpc_call_end(call, ERROR_TIMEOUT, "the address has not answered within %s", duration);
        else if (*words)
                rpc_call_end(call,
                             ERROR_TIMEOUT,
                             "peer %s was not reached within %s: %s",
                             id,
                             duration,
                             words);
        else
                rpc_call_end(call, ERROR_TIMEOUT, "peer %s has not answered within %s", id, duration);
        rpc_settle(call->rpc);
}

static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        end_late(userdata, ((RpcCall *) userdata)->timeout_usec);
        return 0;
}

static int set_timer(RpcCall *call, uint64_t usec, sd_event_time_handler_t handler) {
        call->timer = sd_event_source_disable_unref(call->timer);
        if (usec == UINT64_MAX)
                return 0;
        return sd_event_add_time_relative(
                        call->rpc->event,
                        &call->timer,
                        CLOCK_MONOTONIC,
                        usec,
                        DEADLINE_ACCURACY,
                        handler,
                        call);
}

/* The rest of the time is for the answer. */
static int on_link_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        RpcCall *call = userdata;
        uint64_t rest = call->timeout_usec;

        if (rest != UINT64_MAX)
                rest -= call->link_timeout_usec;
        if (!has_link(call) || set_timer(call, rest, on_deadline) < 0)
                end_late(call, call->link_timeout_usec);
        return 0;
}

static int set_deadline(RpcCall *call, uint64_t timeout_usec, uint64_t link_timeout_usec) {
        call->timeout_usec = timeout_usec;
        call->link_timeout_usec = link_timeout_usec;
        if (link_timeout_usec > 0 && link_timeout_usec < timeout_usec)
                return set_timer(call, link_timeout_usec, on_link_deadline);
        return set_timer(call, timeout_usec, on_deadline);
}

/* ---- sending */

void rpc_call_send(RpcCall *call, RpcLink *link) {
        char path[H2_PATH_MAX];
        RpcPeer *peer = call->peer;
        int r;

        (void) snprintf(path, sizeof(path), PATH_FORMAT, RPC_PROTOCOL, call->method);
        leave(call);

        r = h2_request(link->h2, &call->stream, path, call);
        if (r == -ECANCELED) {
                rpc_call_wait(call, peer, /* first= */ true);
                rpc_link_retire(link);
                return;
        }
        if (r >= 0) {
                call->state = RPC_CALL_SENT;
                call->was_sent = true;
                call->link = link;
                list_append(&link->calls, &call->link_of);
                link->n_calls++;
                rpc_link_busy(link);
                r = h2_write(link->h2, call->stream, call->request.data, call->request.len, true);
        }
        if (r < 0)
                rpc_call_end(call, ERROR_NO_MEMORY, "out of memory");
}

/* ---- the answer */

static bool has_room(RpcCall *call, size_t n) {
        if (call->body.len + n > RPC_BODY_MAX)
                rpc_call_end(call, ERROR_TOO_BIG, "the answer has more than %d bytes", RPC_BODY_MAX);
        else if (call->link->gathered + n > RPC_GATHER_MAX)
                rpc_call_end(call, ERROR_BUSY, "too many answers of this peer are being gathered");
        else
                return true;
        return false;
}

static void gather(RpcCall *call, const uint8_t *data, size_t n) {
        if (call->code != ERROR_NONE)
                n = MIN(n, RPC_WORDS_MAX - MIN(call->body.len, (size_t) RPC_WORDS_MAX));
        if (n == 0 || !has_room(call, n))
                return;

        if (str_append_bytes(&call->body, data, n) < 0)
                rpc_call_end(call, ERROR_NO_MEMORY, "out of memory");
        else
                call->link->gathered += n;
}

/* The call may be gone afterwards: then its stream has no owner. */
static void hand_on(RpcCall *call, const void *data, size_t n) {
        H2Stream *stream = call->stream;
        H2 *h2 = call->link->h2;

        if (!call->handler->on_data(call, data, n, call->userdata) && h2_stream_userdata(stream) == call)
                call->is_paused = true;
        h2_consume(h2, stream, n);
}

/* While it is paused, the window of the stream bounds what is kept. */
static void on_data(RpcCall *call, const uint8_t *data, size_t n) {
        H2Stream *stream = call->stream;
        H2 *h2 = call->link->h2;

        if (call->code == ERROR_NONE && call->handler->on_data) {
                if (call->is_paused)
                        gather(call, data, n);
                else if (n > 0)
                        hand_on(call, data, n);
                return;
        }

        gather(call, data, n);
        h2_consume(h2, stream, n);
}

static ErrorCode code_of(const H2Stream *stream) {
        ErrorCode code;

        if (h2_stream_status(stream) == 200)
                return ERROR_NONE;
        for (code = ERROR_NONE + 1; code < _ERROR_N; code++)
                if (strcmp(error_bus_name(code), h2_stream_code(stream)) == 0)
                        return code;
        code = error_from_http_status(h2_stream_status(stream));
        return code == ERROR_NONE ? ERROR_INTERNAL : code;
}

static void end_failed(RpcCall *call) {
        const char *words = call->body.data;

        if (call->body.len == 0 || !str_is_utf8(words, call->body.len) || memchr(words, 0, call->body.len))
                words = "the peer gives no reason";
        rpc_call_end(call, call->code, "%s", words);
}

static void complete(RpcCall *call) {
        if (call->code != ERROR_NONE)
                end_failed(call);
        else if (call->is_paused) {
                leave(call);
                call->state = RPC_CALL_HELD;
        } else
                finish(call, 0);
}

static void on_closed(RpcCall *call, const H2Event *event) {
        RpcPeer *peer = call->link->peer;

        h2_stream_set_userdata(call->stream, NULL);
        call->stream = NULL;
        if (h2_stream_has_ended(event->stream))
                complete(call);
        else if (event->reason == H2_REFUSED_STREAM) { /* not processed */
                leave(call);
                rpc_call_wait(call, peer, /* first= */ true);
        } else
                rpc_call_end(call, ERROR_CANCELED, "the peer has broken off the call");
}

void rpc_call_on_event(RpcCall *call, const H2Event *event) {
        switch (event->type) {
        case H2_HEAD:
                call->code = code_of(event->stream);
                break;
        case H2_DATA:
                on_data(call, event->data, event->size);
                break;
        case H2_CLOSED:
                on_closed(call, event);
                break;
        case H2_END:
        case H2_WRITABLE:
        case H2_SETTINGS:
        case H2_PONG:
        case H2_GOAWAY:
                break;
        }
}

/* What has not gone out is as if it had never been asked. */
void rpc_call_on_link_lost(RpcCall *call) {
        RpcLink *link = call->link;
        bool is_unsent = !h2_stream_is_sent(call->stream);

        call->stream = NULL;
        if (is_unsent) {
                leave(call);
                rpc_call_wait(call, link->peer, /* first= */ true);
        } else
                rpc_call_end(call,
                             ERROR_CANCELED,
                             "the link to the peer was lost: %s",
                             link->words ?: "out of memory");
}

void rpc_call_on_resumed(RpcCall *call) {
        Str backlog = call->body;

        call->body = (Str){};
        call->link->gathered -= backlog.len;
        call->is_paused = false;
        if (backlog.len > 0)
                hand_on(call, backlog.data, backlog.len);
        str_done(&backlog);
}

/* ---- telling the owner, who may drop the call each time */

/* What came while it was paused. Answers whether that was all. */
static bool tell_rest(RpcCall *call) {
        _cleanup_(str_done) Str rest = call->body;
        bool goes_on;

        call->body = (Str){};
        goes_on = call->handler->on_data(call, rest.data, rest.len, call->userdata);
        if (!call->rpc->telling)
                return false;

        call->is_paused = !goes_on;
        if (!goes_on)
                call->state = RPC_CALL_HELD;
        return goes_on;
}

void rpc_call_tell(RpcCall *call) {
        Rpc *rpc = call->rpc;
        bool is_done = true;

        list_remove(&call->link_of);
        rpc->telling = call;
        if (call->result >= 0 && call->handler->on_data && call->body.len > 0)
                is_done = tell_rest(call);
        if (is_done) {
                call->state = RPC_CALL_TOLD;
                call->handler->on_done(
                                call,
                                call->result,
                                &call->error,
                                call->body.data,
                                call->body.len,
                                call->userdata);
        }
        rpc->telling = NULL;
}

/* ---- for the owner */

static int copy_options(RpcCall *call, const RpcCallOptions *options) {
        int r;

        call->method = strdup(options->method);
        if (!call->method)
                return -ENOMEM;

        r = options->size <= RPC_BODY_MAX && options->size > 0
                            ? str_append_bytes(&call->request, options->body, options->size)
                            : 0;
        return r < 0 ? r : set_deadline(call, options->timeout_usec, options->link_timeout_usec);
}

static int dial(RpcCall *call, const char *address, const PeerId *peer) {
        _cleanup_(str_list_done) StrList addresses = {};
        PeerId named;
        int r;

        if (!peer && multiaddr_peer_id(address, &named) > 0)
                peer = &named;
        r = str_list_append(&addresses, address);
        if (r >= 0)
                r = rpc_dial_new(&call->dial, call->rpc, &addresses, peer);
        if (r < 0)
                return r;

        rpc_dial_set_owner(call->dial, NULL, call);
        call->state = RPC_CALL_DIALLING;
        return 0;
}

static int start(RpcCall *call, const RpcCallOptions *options) {
        RpcPeer *peer;
        int r;

        if (options->size > RPC_BODY_MAX) {
                rpc_call_end(call, ERROR_TOO_BIG, "the request has more than %d bytes", RPC_BODY_MAX);
                return 0;
        }
        if (options->peer)
                call->peer_id = *options->peer;
        if (options->address)
                return dial(call, options->address, options->peer);
        if (peer_id_equal(options->peer, rpc_self(call->rpc))) {
                rpc_call_end(call, ERROR_INVALID, "a peer does not call itself");
                return 0;
        }

        r = rpc_peer_get(call->rpc, options->peer, &peer);
        if (r >= 0)
                rpc_call_wait(call, peer, /* first= */ false);
        else if (r == -ENOBUFS) {
                rpc_call_end(call, ERROR_BUSY, "there are too many peers");
                r = 0;
        }
        return r;
}

int rpc_call(Rpc *rpc, RpcCall **ret, const RpcCallOptions *options) {
        _cleanup_(rpc_call_unrefp) RpcCall *call = NULL;
        int r;

        assert(options->peer || options->address);
        assert(strlen(options->method) < H2_PATH_MAX / 2);

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;

        call->rpc = rpc;
        call->handler = options->handler;
        call->userdata = options->userdata;
        list_init(&call->link_of);
        list_init(&call->resumed);
        rpc->n_calls++;

        r = copy_options(call, options);
        if (r >= 0)
                r = start(call, options);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

RpcCall *rpc_call_unref(RpcCall *call) {
        if (!call)
                return NULL;

        leave(call);
        if (call->rpc->telling == call)
                call->rpc->telling = NULL;
        call->rpc->n_calls--;
        sd_event_source_disable_unref(call->timer);
        free(call->method);
        str_done(&call->request);
        str_done(&call->body);
        error_done(&call->error);
        free(call);
        return NULL;
}

void rpc_call_resume(RpcCall *call) {
        if (!call->is_paused)
                return;

        if (call->state == RPC_CALL_SENT) {
                list_remove(&call->resumed);
                list_append(&call->link->resumed_calls, &call->resumed);
                rpc_link_busy(call->link);
        } else if (call->state == RPC_CALL_HELD) {
                call->state = RPC_CALL_ENDED;
                list_append(&call->rpc->ended, &call->link_of);
                rpc_schedule(call->rpc);
        }
}

bool rpc_call_may_have_arrived(const RpcCall *call) {
        return call->was_sent;
}

const PeerId *rpc_call_peer(const RpcCall *call) {
        return peer_id_is_set(&call->peer_id) ? &call->peer_id : NULL;
}
