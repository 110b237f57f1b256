#pragma once

/*
 * JoinCall: a call with a proof of the cluster secret.
 *
 *   link (any call) ──► prove over its exporter ──► ask ──► done
 *
 * A proof holds for one link only. When another link has taken the place of the one that it was made for, or
 * the link was lost before, it is made anew, some times.
 */

#include "daemon/join/proof.h"
#include "daemon/rpc/rpc.h"

#define JOIN_CALL_TRIES 3
#define JOIN_LINK_TIMEOUT (15 * USEC_PER_SEC) /* to reach a peer */

/* The purposes of the proofs. */
#define JOIN_PURPOSE_JOIN "join"
#define JOIN_PURPOSE_JOINED "joined"
#define JOIN_PURPOSE_INVITE "invite"

typedef struct JoinCall JoinCall;

typedef struct JoinCallOptions {
        const char *secret;  /* borrowed, as METHOD */
        const char *method;  /* which is the purpose too */
        const PeerId *peer;  /* NULL: whoever is at ADDRESS */
        const char *address; /* canonical; NULL: where PEER is known to be */
        uint64_t timeout_usec;
        /* Append the body of the call. */
        int (*write)(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata);
        /* From the loop, once; R and the rest as RpcCallHandler has them, and gone when the call is dropped.
         */
        void (*done)(int r, const Error *error, const void *body, size_t size, void *userdata);
        void *userdata;
} JoinCallOptions;

int join_call_new(JoinCall **ret, Rpc *rpc, const JoinCallOptions *options);
JoinCall *join_call_unref(JoinCall *join);
DEFINE_CLEANUP(JoinCall *, join_call_unref);

/* Who was asked; NULL before there was a link. */
const PeerId *join_call_peer(const JoinCall *join);
/* What who was asked has sent back is a proof for PURPOSE, on the link of the call. */
bool join_call_is_proved(
                const JoinCall *join, const char *purpose, const uint8_t proof[static JOIN_PROOF_SIZE]);
