#include "daemon/rpc/gather.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/rpc/internal.h"

typedef struct GatherAsk {
        RpcGather *gather;
        PeerId peer;
        RpcCall *call; /* NULL: not yet asked, or told */
} GatherAsk;

struct RpcGather {
        Rpc *rpc;
        RpcGatherOptions options; /* without peers, method and body, which are ours below */
        char *method;
        Str body;
        GatherAsk *asks;
        size_t n, n_begun, n_told;
        sd_event_source *turn; /* when there is nobody to ask */
        bool *gone;            /* set when the owner drops the gather in a handler */
};

/* ---- telling. Each answers false when the gather is gone. */

static bool tell_answer(GatherAsk *ask, int r, const Error *error, const void *body, size_t size) {
        RpcGather *gather = ask->gather;
        bool gone = false;

        gather->n_told++;
        gather->gone = &gone;
        gather->options.handler->on_answer(
                        gather,
                        (size_t) (ask - gather->asks),
                        r,
                        error,
                        body,
                        size,
                        gather->options.userdata);
        if (gone)
                return false;
        gather->gone = NULL;
        ask->call = rpc_call_unref(ask->call);
        return true;
}

static bool tell_failure(GatherAsk *ask, int r) {
        _cleanup_(error_done) Error error = {};

        (void) error_set_errno(&error, r, "the peer could not be asked: %m");
        return tell_answer(ask, r, &error, NULL, 0);
}

/* ---- asking */

static void on_call_done(
                RpcCall *call, int r, const Error *error, const void *body, size_t size, void *userdata);

static int begin(GatherAsk *ask) {
        static const RpcCallHandler handler = { .on_done = on_call_done };
        const RpcGather *gather = ask->gather;

        return rpc_call(gather->rpc,
                        &ask->call,
                        &(RpcCallOptions){
                                        .peer = &ask->peer,
                                        .method = gather->method,
                                        .body = gather->body.data,
                                        .size = gather->body.len,
                                        .timeout_usec = gather->options.timeout_usec,
                                        .link_timeout_usec = gather->options.link_timeout_usec,
                                        .handler = &handler,
                                        .userdata = ask,
                        });
}

static bool may_begin(const RpcGather *gather) {
        return gather->n_begun < gather->n && gather->n_begun - gather->n_told < gather->options.at_once;
}

/* From the loop. */
static void go_on(RpcGather *gather) {
        while (may_begin(gather)) {
                GatherAsk *ask = &gather->asks[gather->n_begun++];
                int r;

                r = begin(ask);
                if (r < 0 && !tell_failure(ask, r))
                        return;
        }
        if (gather->n_told == gather->n)
                gather->options.handler->on_done(gather, gather->options.userdata); /* may drop it */
}

static void on_call_done(
                RpcCall *call _unused_,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        GatherAsk *ask = userdata;
        RpcGather *gather = ask->gather;

        if (tell_answer(ask, r, error, body, size))
                go_on(gather);
}

static int on_turn(sd_event_source *source _unused_, void *userdata) {
        go_on(userdata);
        return 0;
}

/* ---- life */

static int copy_options(RpcGather *gather, const RpcGatherOptions *options) {
        gather->options = *options;
        if (options->at_once == 0)
                gather->options.at_once = RPC_GATHER_AT_ONCE;

        gather->method = strdup(options->method);
        gather->asks = calloc(options->n + 1, sizeof(GatherAsk));
        if (!gather->method || !gather->asks)
                return -ENOMEM;
        gather->n = options->n;
        for (size_t i = 0; i < options->n; i++)
                gather->asks[i] = (GatherAsk){ .gather = gather, .peer = options->peers[i] };
        return options->size > 0 ? str_append_bytes(&gather->body, options->body, options->size) : 0;
}

static int start(RpcGather *gather, sd_event *event) {
        int r = 0;

        if (gather->n == 0)
                return sd_event_add_defer(event, &gather->turn, on_turn, gather);
        while (r >= 0 && may_begin(gather))
                r = begin(&gather->asks[gather->n_begun++]);
        return r;
}

int rpc_gather(Rpc *rpc, RpcGather **ret, const RpcGatherOptions *options) {
        _cleanup_(rpc_gather_unrefp) RpcGather *gather = NULL;
        int r;

        gather = calloc(1, sizeof(RpcGather));
        if (!gather)
                return -ENOMEM;

        gather->rpc = rpc;
        r = copy_options(gather, options);
        if (r >= 0)
                r = start(gather, rpc->event);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(gather);
        return 0;
}

RpcGather *rpc_gather_unref(RpcGather *gather) {
        if (!gather)
                return NULL;

        if (gather->gone)
                *gather->gone = true;
        sd_event_source_disable_unref(gather->turn);
        for (size_t i = 0; i < gather->n; i++)
                rpc_call_unref(gather->asks[i].call);
        free(gather->asks);
        str_done(&gather->body);
        free(gather->method);
        free(gather);
        return NULL;
}
