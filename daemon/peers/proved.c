#include "daemon/peers/proved.h"

#include <string.h>

/* Without a body it is refused at once, and there is a link. */
#define LINK_METHOD "membership"

struct PeersProved {
        Rpc *rpc;
        PeersProvedOptions options; /* but for PEER and ADDRESS, which are below */
        PeerId peer;
        char *address;
        unsigned n_tries;
        uint8_t exporter[PEERS_EXPORTER_SIZE];
        RpcCall *call;
};

static int reach(PeersProved *proved);

static void finish(PeersProved *proved, int r, const Error *error, const void *body, size_t size) {
        proved->options.done(r, error, body, size, proved->options.userdata);
}

static void finish_errno(PeersProved *proved, int r) {
        _cleanup_(error_done) Error error = {};

        (void) error_set_errno(&error, r, "cannot ask a peer to \"%s\": %m", proved->options.method);
        finish(proved, r, &error, NULL, 0);
}

/* ---- ask */

/* A proof that was made for a link which is not there any more is no proof. */
static bool has_moved(const PeersProved *proved) {
        uint8_t now[PEERS_EXPORTER_SIZE];

        return rpc_exporter(proved->rpc, &proved->peer, now) < 0 ||
               memcmp(now, proved->exporter, sizeof(now)) != 0;
}

static void on_answer(
                RpcCall *call _unused_,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        PeersProved *proved = userdata;

        if (r < 0 && error->code == ERROR_FORBIDDEN && proved->n_tries < PEERS_PROVED_TRIES &&
            has_moved(proved)) {
                r = reach(proved);
                if (r < 0)
                        finish_errno(proved, r);
                return;
        }
        finish(proved, r, error, body, size);
}

static const RpcCallHandler answer_handler = { .on_done = on_answer };

static int ask(PeersProved *proved) {
        const PeersProvedOptions *options = &proved->options;
        _cleanup_(str_done) Str body = {};
        uint8_t proof[PEERS_PROOF_SIZE];
        int r;

        r = peers_proof_make(
                        options->secret, options->method, rpc_self(proved->rpc), proved->exporter, proof);
        if (r >= 0)
                r = options->write(proof, &body, options->userdata);
        if (r < 0)
                return r;

        proved->call = rpc_call_unref(proved->call);
        return rpc_call(proved->rpc,
                        &proved->call,
                        &(RpcCallOptions){
                                        .peer = &proved->peer,
                                        .method = options->method,
                                        .body = body.data,
                                        .size = body.len,
                                        .timeout_usec = options->timeout_usec,
                                        .handler = &answer_handler,
                                        .userdata = proved,
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
        PeersProved *proved = userdata;
        const PeerId *peer = rpc_call_peer(call);
        int k = -ENOTCONN;

        if (peer) {
                proved->peer = *peer;
                k = rpc_exporter(proved->rpc, &proved->peer, proved->exporter);
        }
        if (k >= 0)
                k = ask(proved);
        else if (r < 0 && error->code != ERROR_INVALID) {
                finish(proved, r, error, NULL, 0);
                return;
        } else if (proved->n_tries < PEERS_PROVED_TRIES)
                k = reach(proved);
        if (k < 0)
                finish_errno(proved, k);
}

static const RpcCallHandler reached_handler = { .on_done = on_reached };

static int reach(PeersProved *proved) {
        const PeerId *peer = peer_id_is_set(&proved->peer) ? &proved->peer : NULL;
        bool is_linked = peer && rpc_is_linked(proved->rpc, peer);

        proved->n_tries++;
        proved->call = rpc_call_unref(proved->call);
        return rpc_call(proved->rpc,
                        &proved->call,
                        &(RpcCallOptions){
                                        .peer = peer,
                                        .address = is_linked ? NULL : proved->address,
                                        .method = LINK_METHOD,
                                        .timeout_usec = PEERS_LINK_TIMEOUT,
                                        .handler = &reached_handler,
                                        .userdata = proved,
                        });
}

/* ---- life */

int peers_proved_call(PeersProved **ret, Rpc *rpc, const PeersProvedOptions *options) {
        _cleanup_(peers_proved_unrefp) PeersProved *proved = NULL;
        int r;

        proved = calloc(1, sizeof(*proved));
        if (!proved)
                return -ENOMEM;

        proved->rpc = rpc;
        proved->options = *options;
        if (options->peer)
                proved->peer = *options->peer;
        r = str_copy(&proved->address, options->address);
        if (r >= 0)
                r = reach(proved);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(proved);
        return 0;
}

PeersProved *peers_proved_unref(PeersProved *proved) {
        if (!proved)
                return NULL;

        rpc_call_unref(proved->call);
        free(proved->address);
        free(proved);
        return NULL;
}

const PeerId *peers_proved_peer(const PeersProved *proved) {
        return peer_id_is_set(&proved->peer) ? &proved->peer : NULL;
}

bool peers_proved_is(
                const PeersProved *proved,
                const char *purpose,
                const uint8_t proof[static PEERS_PROOF_SIZE]) {
        return peers_proof_is(proved->options.secret, purpose, &proved->peer, proved->exporter, proof);
}
