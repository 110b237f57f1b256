#pragma once

/*
 * Proved: a call with a proof of the cluster secret.
 *
 *   link (any call) ──► prove over its exporter ──► ask ──► done
 *
 * A proof holds for one link only. When another link has taken the place of the one that it was made for, or
 * the link was lost before, it is made anew, some times.
 */

#include "daemon/peers/proof.h"
#include "daemon/rpc/rpc.h"

#define PEERS_PROVED_TRIES 3
#define PEERS_LINK_TIMEOUT (15 * USEC_PER_SEC) /* to reach a peer */

/* The purposes of the proofs. */
#define PEERS_JOIN "join"
#define PEERS_JOINED "joined"
#define PEERS_INVITE "invite"

typedef struct PeersProved PeersProved;

typedef struct PeersProvedOptions {
        const char *secret;  /* borrowed, as METHOD */
        const char *method;  /* which is the purpose too */
        const PeerId *peer;  /* NULL: whoever is at ADDRESS */
        const char *address; /* canonical; NULL: where PEER is known to be */
        uint64_t timeout_usec;
        /* Append the body of the call. */
        int (*write)(const uint8_t proof[static PEERS_PROOF_SIZE], Str *to, void *userdata);
        /* From the loop, once; R and the rest as RpcCallHandler has them, and gone when the call is dropped.
         */
        void (*done)(int r, const Error *error, const void *body, size_t size, void *userdata);
        void *userdata;
} PeersProvedOptions;

int peers_proved_call(PeersProved **ret, Rpc *rpc, const PeersProvedOptions *options);
PeersProved *peers_proved_unref(PeersProved *proved);
DEFINE_CLEANUP(PeersProved *, peers_proved_unref);

/* Who was asked; NULL before there was a link. */
const PeerId *peers_proved_peer(const PeersProved *proved);
/* What who was asked has sent back is a proof for PURPOSE, on the link of the call. */
bool peers_proved_is(
                const PeersProved *proved,
                const char *purpose,
                const uint8_t proof[static PEERS_PROOF_SIZE]);
