#include "daemon/join/request.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/join/body.h"
#include "daemon/join/call.h"
#include "daemon/types/multiaddr.h"

#define BACKOFF_DOUBLINGS_MAX 16

struct JoinRequest {
        sd_event *event;
        JoinRequestOptions options;
        StrList addresses; /* but for this peer's own */
        Rpc *rpc;          /* listens nowhere */
        JoinCall *call;
        sd_event_source *next; /* the next attempt, or to tell the end */
        size_t at;
        unsigned n_rounds;

        bool is_over;
        int result;
        Error error;
        Joined joined;
};

void join_request_joined_done(Joined *joined) {
        str_list_done(&joined->addresses);
        *joined = (Joined){};
}

/* ---- the end */

static void set_next(JoinRequest *join, uint64_t usec) {
        (void) sd_event_source_set_time_relative(join->next, usec);
        (void) sd_event_source_set_enabled(join->next, SD_EVENT_ONESHOT);
}

/* Told from a turn of its own: the owner may then free the links. */
static void end(JoinRequest *join, int r) {
        join->is_over = true;
        join->result = r;
        set_next(join, 0);
}

static void wait_for(JoinRequest *join, const char *words) {
        unsigned doublings = MIN(join->n_rounds, (unsigned) BACKOFF_DOUBLINGS_MAX);
        uint64_t usec = 0;

        if (++join->at >= join->addresses.n) {
                join->at = 0;
                join->n_rounds++;
                usec = random_jitter(MIN(JOIN_BACKOFF_MIN << doublings, (uint64_t) JOIN_BACKOFF_MAX));
        }
        set_next(join, usec);
        if (join->options.waiting)
                join->options.waiting(words, join->options.userdata);
}

/* ---- the answer */

static int take_answer(JoinRequest *join, const void *bytes, size_t size, Error *reterr) {
        char peer[PEER_ID_TEXT_MAX];
        JoinedBody body = {};
        int r;

        r = join_body_read(&join_body_joined_shape, bytes, size, JOIN_BODY_ANSWER_MAX, &body, reterr);
        if (r < 0)
                return r;

        if (!join_call_is_proved(join->call, JOIN_PURPOSE_JOINED, body.proof))
                r = error_set(reterr,
                              ERROR_FORBIDDEN,
                              "peer %s cannot show that it knows this peer's cluster secret",
                              peer_id_format(join_call_peer(join->call), peer));
        else if (body.raft_id == 0)
                r = error_set(reterr, ERROR_INVALID, "joined: raft_id: 0 is not allowed");
        else {
                memcpy(join->joined.cluster_id, body.cluster_id, sizeof(body.cluster_id));
                join->joined.raft_id = body.raft_id;
                join->joined.addresses = body.addresses;
                body.addresses = (StrList){};
        }
        json_done(&join_body_joined_shape, &body);
        return r;
}

static bool is_certain(const Error *error) {
        return error->code == ERROR_FORBIDDEN || error->code == ERROR_REFUSED;
}

static void on_answer(int r, const Error *error, const void *body, size_t size, void *userdata) {
        _cleanup_(error_done) Error mine = {};
        _cleanup_(str_done) Str words = {};
        JoinRequest *join = userdata;

        if (r >= 0) {
                r = take_answer(join, body, size, &mine);
                error = &mine;
        }
        if (r < 0)
                (void) str_appendf(&words, "%s: %s", join->addresses.items[join->at], error_message(error));
        if (r >= 0)
                end(join, 0);
        else if (is_certain(error))
                end(join, error_set(&join->error, error->code, "%s", words.data ?: error_message(error)));
        else
                wait_for(join, words.data ?: error_message(error));
        join->call = join_call_unref(join->call); /* last: ERROR may be its own */
}

/* ---- the question */

static int write_question(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata) {
        const JoinRequest *join = userdata;
        JoinBody body = {
                .peername = (char *) join->options.peername,
                .addresses = *join->options.own_addresses,
        };

        memcpy(body.proof, proof, sizeof(body.proof));
        return json_write(&join_body_shape, &body, to);
}

static int ask(JoinRequest *join) {
        const char *address = join->addresses.items[join->at];
        PeerId peer;

        return join_call_new(
                        &join->call,
                        join->rpc,
                        &(JoinCallOptions){
                                        .secret = join->options.secret,
                                        .method = JOIN_PURPOSE_JOIN,
                                        .peer = multiaddr_peer_id(address, &peer) > 0 ? &peer : NULL,
                                        .address = address,
                                        .timeout_usec = JOIN_TIMEOUT,
                                        .write = write_question,
                                        .done = on_answer,
                                        .userdata = join,
                        });
}

static int on_next(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        JoinRequest *join = userdata;
        Joined joined;
        int r;

        if (!join->is_over) {
                r = ask(join);
                if (r < 0)
                        wait_for(join, strerror(-r));
                return 0;
        }

        joined = join->joined;
        join->joined = (Joined){};
        join->options.done(join->result, &join->error, &joined, join->options.userdata);
        return 0;
}

/* ---- life */

/* Only who is asked has a link. It may begin to speak as to a member before its answer is here: that is not
 * refused, and comes again. */
static bool is_member(const PeerId *peer _unused_, void *userdata _unused_) {
        return true;
}

static void on_note(
                const PeerId *from _unused_,
                const void *bytes _unused_,
                size_t size _unused_,
                void *userdata _unused_) {
}

static const RpcMethod no_methods[] = { {} };
static const RpcEvents events = { .is_member = is_member, .note = on_note };

static int open_rpc(JoinRequest *join, Error *reterr) {
        return rpc_new(&join->rpc,
                       join->event,
                       &(RpcOptions){
                                       .private_key = join->options.private_key,
                                       .dial_timeout_usec = join->options.dial_timeout_usec,
                                       .methods = no_methods,
                                       .events = &events,
                                       .userdata = join,
                       },
                       reterr);
}

static int take_addresses(JoinRequest *join, Error *reterr) {
        const StrList *from = join->options.addresses;
        PeerId peer;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < from->n; i++)
                if (multiaddr_peer_id(from->items[i], &peer) <= 0 ||
                    !peer_id_equal(&peer, rpc_self(join->rpc)))
                        r = str_list_append(&join->addresses, from->items[i]);
        if (r < 0)
                return error_set_errno(reterr, r, "bootstrap: %m");
        if (join->addresses.n == 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "bootstrap: no address of another peer, expected at least one");
        return 0;
}

int join_request_new(JoinRequest **ret, sd_event *event, const JoinRequestOptions *options, Error *reterr) {
        _cleanup_(join_request_freep) JoinRequest *join = NULL;
        int r;

        join = calloc(1, sizeof(*join));
        if (!join)
                return error_set_errno(reterr, -ENOMEM, "bootstrap: %m");

        join->event = sd_event_ref(event);
        join->options = *options;
        r = open_rpc(join, reterr);
        if (r >= 0)
                r = take_addresses(join, reterr);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &join->next, CLOCK_MONOTONIC, 0, 0, on_next, join);
        if (r < 0)
                return error_set_errno(reterr, r, "bootstrap: %m");

        *ret = TAKE_PTR(join);
        return 0;
}

JoinRequest *join_request_free(JoinRequest *join) {
        if (!join)
                return NULL;

        sd_event_source_disable_unref(join->next);
        join_call_unref(join->call);
        rpc_free(join->rpc);
        str_list_done(&join->addresses);
        join_request_joined_done(&join->joined);
        error_done(&join->error);
        sd_event_unref(join->event);
        free(join);
        return NULL;
}
