#pragma once

/*
 * Message: what Raft's peers tell each other, as a value and as bytes.
 *
 * The bytes, little endian: format (1), type (1), libraft's version of the type (1), flags (1), zero (4),
 * term (8), then by type:
 *
 *   append           index and term of the entry before, commit, number (8 each), entries {term (8),
 *                    length (4), type (1), zero (3), payload}
 *   append result    rejected, last index (8 each), features, capacity (2 each), zero (4)
 *   vote             candidate, index and term of its last entry (8 each)      flags: 1 disrupt, 2 pre-vote
 *   vote result      features, capacity (2 each), zero (4)                     flags: 1 granted, 2 pre-vote
 *   install          index, term, index of the members, length (8 each), members
 *   timeout now      index and term of the leader's last entry (8 each)
 *
 * Who sent it, or whom it is for, is not among them: the link knows. A snapshot's content goes another way.
 */

#include <stdbool.h>

#include "daemon/base/str.h"
#include "daemon/consensus/entry.h"

#define CONSENSUS_MESSAGE_FORMAT 1
#define CONSENSUS_MESSAGE_ENTRIES_MAX 8192
/* The payloads of one message; the first entry goes in any case. With all that is around them they fit into
 * a note of the links, 2 MiB. */
#define CONSENSUS_MESSAGE_BYTES_MAX (1792 * 1024)
#define CONSENSUS_INDEX_MAX (UINT64_MAX >> 2) /* of what a message may say of indexes and terms */

typedef struct ConsensusConfiguration { /* the members as of an index */
        uint64_t index;                 /* of the entry that made them so */
        ConsensusPayload *members;
} ConsensusConfiguration;

/* What a snapshot stands for. */
typedef struct ConsensusSnapshotHead {
        uint64_t index;
        uint64_t term;
        ConsensusConfiguration configuration;
} ConsensusSnapshotHead;

typedef enum ConsensusMessageType { /* on the wire: never renumbered */
                                    CONSENSUS_MESSAGE_APPEND = 1,
                                    CONSENSUS_MESSAGE_APPEND_RESULT = 2,
                                    CONSENSUS_MESSAGE_VOTE = 3,
                                    CONSENSUS_MESSAGE_VOTE_RESULT = 4,
                                    CONSENSUS_MESSAGE_INSTALL = 5,
                                    CONSENSUS_MESSAGE_TIMEOUT_NOW = 6,
} ConsensusMessageType;

typedef struct ConsensusMessage {
        ConsensusMessageType type;
        uint8_t version;
        uint64_t peer; /* Raft id: whom it is for, or who sent it */
        uint64_t term;
        union {
                struct {
                        uint64_t previous_index, previous_term, commit;
                        ConsensusEntry *entries; /* NULL until they were filled in */
                        size_t n;
                } append;
                struct {
                        uint64_t rejected; /* 0: accepted */
                        uint64_t last_index;
                        uint16_t features, capacity;
                } append_result;
                struct {
                        uint64_t candidate, last_index, last_term;
                        bool disrupt_leader, pre_vote;
                } vote;
                struct {
                        bool granted, pre_vote;
                        uint16_t features, capacity;
                } vote_result;
                ConsensusSnapshotHead install;
                struct {
                        uint64_t last_index, last_term;
                } timeout_now;
        };
} ConsensusMessage;

const char *consensus_message_type_to_string(ConsensusMessageType type);

/* Appended. Errors: -ENOMEM. */
int consensus_message_encode(const ConsensusMessage *message, Str *to);

/* Positive answer: a newer release sent this. */
#define CONSENSUS_MESSAGE_NEWER 1

/* Everything is checked, the members of a change too; of PEER nothing is said. Answers 0 or
 * CONSENSUS_MESSAGE_NEWER. Errors: -EBADMSG. */
int consensus_message_decode(const void *bytes, size_t n, ConsensusMessage *ret);

void consensus_message_done(ConsensusMessage *message);
