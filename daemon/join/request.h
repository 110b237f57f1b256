#pragma once

/*
 * JoinRequest: a peer without a raft folder asks a member of a cluster to be taken in, before it opens its
 * consensus.
 *
 *   address ──► "join" with proof (call.h) ──► Raft id, cluster id, addresses
 *      ▲              │ no answer, or not now
 *      └── back-off ──┘
 *
 * Each address is tried in turn, again and again, until somebody takes this peer in, or says for certain
 * that it does not: another secret, a refusal. The member that was asked has the leader add it, and answers
 * with a proof of its own.
 */

#include "daemon/consensus/consensus.h"
#include "daemon/types/error.h"

#define JOIN_TIMEOUT (45 * USEC_PER_SEC)       /* of one who was asked: the leader has to add this peer */
#define JOIN_BACKOFF_MIN (500 * USEC_PER_MSEC) /* between rounds, doubled, ± 25 % */
#define JOIN_BACKOFF_MAX (30 * USEC_PER_SEC)

typedef struct JoinRequest JoinRequest;

typedef struct Joined {
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t raft_id;
        StrList addresses; /* of the members, with /p2p/ */
} Joined;

typedef struct JoinRequestOptions { /* all borrowed */
        const char *private_key;
        const char *secret;
        const char *peername;
        const StrList *own_addresses; /* announced, with /p2p/ */
        const StrList *addresses;     /* whom to ask, canonical, with or without /p2p/ */
        uint64_t dial_timeout_usec;
        /* From the loop, once. On 0, JOINED is given away. Errors: ERROR_FORBIDDEN, ERROR_REFUSED; what is
         * not certain is tried again. The join may be freed. */
        void (*done)(int r, const Error *error, Joined *joined, void *userdata);
        /* Why it takes long, after each attempt, from the loop; may be NULL. The join may not be freed. */
        void (*waiting)(const char *words, void *userdata);
        void *userdata;
} JoinRequestOptions;

/* Errors: ERROR_INVALID (no address but those of this peer; the key), … */
int join_request_new(JoinRequest **ret, sd_event *event, const JoinRequestOptions *options, Error *reterr);
JoinRequest *join_request_free(JoinRequest *join);
DEFINE_CLEANUP(JoinRequest *, join_request_free);
void join_request_joined_done(Joined *joined);
