#pragma once

/*
 * RpcGather: one question to many peers, each with a deadline of its own. Answers are told one by one, as
 * they come; a peer that is slow or dead delays no other.
 *
 * At most AT_ONCE peers are being asked, the others follow as those answer. Dropping the gather silences it
 * and cancels what is under way; it may be dropped in its own handlers.
 */

#include "daemon/rpc/rpc.h"

#define RPC_GATHER_AT_ONCE 64

typedef struct RpcGather RpcGather;

typedef struct RpcGatherHandler {
        /* Of the peer that is number I: R is 0 and BODY its answer, or R is negative, with words as
         * rpc_call() has them. All is borrowed. */
        void (*on_answer)(
                        RpcGather *gather,
                        size_t i,
                        int r,
                        const Error *error,
                        const void *body,
                        size_t size,
                        void *userdata);
        void (*on_done)(RpcGather *gather, void *userdata); /* once, after the last answer */
} RpcGatherHandler;

typedef struct RpcGatherOptions {
        const PeerId *peers; /* copied, like the body */
        size_t n;
        size_t at_once; /* 0: RPC_GATHER_AT_ONCE */
        const char *method;
        const void *body;
        size_t size;
        uint64_t timeout_usec, link_timeout_usec; /* as in RpcCallOptions; from when the peer is asked */
        const RpcGatherHandler *handler;          /* must outlive */
        void *userdata;
} RpcGatherOptions;

/* Errors: -ENOMEM; all others come by ON_ANSWER. */
int rpc_gather(Rpc *rpc, RpcGather **ret, const RpcGatherOptions *options);
RpcGather *rpc_gather_unref(RpcGather *gather);
DEFINE_CLEANUP(RpcGather *, rpc_gather_unref);
