#pragma once

/*
 * Bodies: the JSON objects of "join", "invite", "removed" and "membership". They come from anybody who has
 * an identity, so they are read strictly: what is missing, of another type or too large is refused with
 * words that name it.
 *
 * Ids and proofs are hex, in lower case; addresses are multiaddrs.
 */

#include "daemon/base/json.h"
#include "daemon/peers/proof.h"
#include "daemon/state/pinset.h"

#define PEERS_BODY_MAX (64 * 1024)          /* of a question */
#define PEERS_BODY_ANSWER_MAX (1024 * 1024) /* of an answer: the addresses of all members */

typedef struct PeersJoinBody {
        uint8_t proof[PEERS_PROOF_SIZE]; /* purpose PEERS_JOIN */
        bool only_ask;                   /* would you? Nothing is changed */
        char *peername;
        StrList addresses;
} PeersJoinBody;

typedef struct PeersJoinedBody {
        uint8_t proof[PEERS_PROOF_SIZE]; /* purpose PEERS_JOINED */
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t raft_id; /* 0: it was only asked */
        uint64_t index;
        StrList addresses; /* of the members */
} PeersJoinedBody;

typedef struct PeersInviteBody {
        uint8_t proof[PEERS_PROOF_SIZE]; /* purpose PEERS_INVITE */
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        StrList addresses; /* whom to ask to be taken in */
} PeersInviteBody;

typedef struct PeersInvitedBody {
        bool is_member; /* already, of this cluster */
} PeersInvitedBody;

/* A question, and with INDEX and LEADER the news that RAFT_ID is no member. */
typedef struct PeersMembershipBody {
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t raft_id;
        uint64_t index;
} PeersMembershipBody;

typedef struct PeersMembershipAnswer {
        uint64_t index; /* that the answer is true for */
        bool is_member;
        bool is_leader; /* who answers */
} PeersMembershipAnswer;

extern const JsonShape peers_join_body_shape, peers_joined_body_shape, peers_invite_body_shape,
                peers_invited_body_shape, peers_membership_body_shape, peers_membership_answer_shape;

/* Fill the zeroed struct at TO, to be released by json_done(). Errors: ERROR_TOO_BIG, ERROR_INVALID. */
int peers_body_read(
                const JsonShape *shape, const void *bytes, size_t size, size_t max, void *to, Error *reterr);
