#include "daemon/join/call.h"

#include <string.h>

/* Without a body it is refused at once, and there is a link. */
#define LINK_METHOD "membership"

struct JoinCall {
        Rpc *rpc;
        JoinCallOptions options; /* but for PEER and ADDRESS, which are below */
        PeerId peer;
        char *address;
        unsigned n_tries;
        uint8_t exporter[JOIN_EXPORTER_SIZE];
        RpcCall *call;
};

static int reach(JoinCall *join);

static void finish(JoinCall *join, int r, const Error *error, const void *body, size_t size) {
        join->options.done(r, error, body, size, join->options.userdata);
}

static void finish_errno(JoinCall *join, int r) {
        _cleanup_(error_done) Error error = {};

        (void) error_set_errno(&error, r, "cannot ask a peer to \"%s\": %m", join->options.method);
        finish(join, r, &error, NULL, 0);
}

/* ---- ask */

/* A proof that was made for a link which is not there any more is no proof. */
static bool has_moved(const JoinCall *join) {
        uint8_t now[JOIN_EXPORTER_SIZE];

        return rpc_exporter(join->rpc, &join->peer, now) < 0 ||
               memcmp(now, join->exporter, sizeof(now)) != 0;
}

static void on_answer(
                RpcCall *call _unused_,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        JoinCall *join = userdata;

        if (r < 0 && error->code == ERROR_FORBIDDEN && join->n_tries < JOIN_CALL_TRIES && has_moved(join)) {
                r = reach(join);
                if (r < 0)
                        finish_errno(join, r);
                return;
        }
        finish(join, r, error, body, size);
}

static const RpcCallHandler answer_handler = { .on_done = on_answer };

static int ask(JoinCall *join) {
        const JoinCallOptions *options = &join->options;
        _cleanup_(str_done) Str body = {};
        uint8_t proof[JOIN_PROOF_SIZE];
        int r;

        r = join_proof_make(options->secret, options->method, rpc_self(join->rpc), join->exporter, proof);
        if (r >= 0)
                r = options->write(proof, &body, options->userdata);
        if (r < 0)
                return r;

        join->call = rpc_call_unref(join->call);
        return rpc_call(join->rpc,
                        &join->call,
                        &(RpcCallOptions){
                                        .peer = &join->peer,
                                        .method = options->method,
                                        .body = body.data,
                                        .size = body.len,
                                        .timeout_usec = options->timeout_usec,
                                        .handler = &answer_handler,
                                        .userdata = join,
                        });
}

/* ---- link */

static void on_reached(
                RpcCall *call,
                int r,
                const Error *error,
                const void *body _unused_,
                size_t size _unused_,
                void *userdata) {
        JoinCall *join = userdata;
        const PeerId *peer = rpc_call_peer(call);
        int k = -ENOTCONN;

        if (peer) {
                join->peer = *peer;
                k = rpc_exporter(join->rpc, &join->peer, join->exporter);
        }
        if (k >= 0)
                k = ask(join);
        else if (r < 0 && error->code != ERROR_INVALID) {
                finish(join, r, error, NULL, 0);
                return;
        } else if (join->n_tries < JOIN_CALL_TRIES)
                k = reach(join);
        if (k < 0)
                finish_errno(join, k);
}

static const RpcCallHandler reached_handler = { .on_done = on_reached };

static int reach(JoinCall *join) {
        const PeerId *peer = peer_id_is_set(&join->peer) ? &join->peer : NULL;
        bool is_linked = peer && rpc_is_linked(join->rpc, peer);

        join->n_tries++;
        join->call = rpc_call_unref(join->call);
        return rpc_call(join->rpc,
                        &join->call,
                        &(RpcCallOptions){
                                        .peer = peer,
                                        .address = is_linked ? NULL : join->address,
                                        .method = LINK_METHOD,
                                        .timeout_usec = JOIN_LINK_TIMEOUT,
                                        .handler = &reached_handler,
                                        .userdata = join,
                        });
}

/* ---- life */

int join_call_new(JoinCall **ret, Rpc *rpc, const JoinCallOptions *options) {
        _cleanup_(join_call_unrefp) JoinCall *join = NULL;
        int r;

        join = calloc(1, sizeof(*join));
        if (!join)
                return -ENOMEM;

        join->rpc = rpc;
        join->options = *options;
        if (options->peer)
                join->peer = *options->peer;
        r = str_copy(&join->address, options->address);
        if (r >= 0)
                r = reach(join);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(join);
        return 0;
}

JoinCall *join_call_unref(JoinCall *join) {
        if (!join)
                return NULL;

        rpc_call_unref(join->call);
        free(join->address);
        free(join);
        return NULL;
}

const PeerId *join_call_peer(const JoinCall *join) {
        return peer_id_is_set(&join->peer) ? &join->peer : NULL;
}

bool join_call_is_proved(
                const JoinCall *join, const char *purpose, const uint8_t proof[static JOIN_PROOF_SIZE]) {
        return join_proof_is(join->options.secret, purpose, &join->peer, join->exporter, proof);
}
