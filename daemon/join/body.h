#pragma once

/*
 * Bodies: the JSON objects of "join", "invite", "removed", "membership" and "founding". They come from
 * anybody who has an identity, so they are read strictly: what is missing, of another type or too large is
 * refused with words that name it.
 *
 * Ids and proofs are hex, in lower case; addresses are multiaddrs.
 */

#include "daemon/base/json.h"
#include "daemon/join/proof.h"
#include "daemon/state/pinset.h"

#define JOIN_BODY_MAX (64 * 1024)          /* of a question */
#define JOIN_BODY_ANSWER_MAX (1024 * 1024) /* of an answer: the addresses of all members */

typedef struct JoinBody {
        uint8_t proof[JOIN_PROOF_SIZE]; /* purpose JOIN_PURPOSE_JOIN */
        bool only_ask;                  /* would you? Nothing is changed */
        char *peername;
        StrList addresses;
} JoinBody;

typedef struct JoinedBody {
        uint8_t proof[JOIN_PROOF_SIZE]; /* purpose JOIN_PURPOSE_JOINED */
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t raft_id; /* 0: it was only asked */
        uint64_t index;
        StrList addresses; /* of the members */
} JoinedBody;

typedef struct JoinInviteBody {
        uint8_t proof[JOIN_PROOF_SIZE]; /* purpose JOIN_PURPOSE_INVITE */
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        StrList addresses; /* whom to ask to be taken in */
} JoinInviteBody;

typedef struct JoinInvitedBody {
        bool is_member; /* already, of this cluster */
} JoinInvitedBody;

/* A question; with INDEX the news that RAFT_ID is no member as of that entry. */
typedef struct JoinMembershipBody {
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t raft_id;
        uint64_t index;
} JoinMembershipBody;

typedef struct JoinMembershipAnswer {
        uint64_t index; /* that the answer is true for */
        bool is_member;
        bool is_leader;  /* who answers */
        bool is_another; /* who asks is a member, with another Raft id */
        StrList leader;  /* else the addresses of the one that it knows, with /p2p/ */
} JoinMembershipAnswer;

typedef struct JoinFoundingBody {
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
} JoinFoundingBody;

typedef struct JoinFoundingAnswer {
        bool exists;       /* that cluster, and not only its founding */
        bool is_member;    /* who asks */
        StrList addresses; /* of the members, with /p2p/ */
} JoinFoundingAnswer;

extern const JsonType join_body_id_json; /* 16 bytes, as 32 hex digits */

extern const JsonShape join_body_shape, join_body_joined_shape, join_body_invite_shape,
                join_body_invited_shape, join_body_membership_shape, join_body_membership_answer_shape,
                join_body_founding_shape, join_body_founding_answer_shape;

/* Fill the zeroed struct at TO, to be released by json_done(). Errors: ERROR_TOO_BIG, ERROR_INVALID. */
int join_body_read(
                const JsonShape *shape, const void *bytes, size_t size, size_t max, void *to, Error *reterr);
