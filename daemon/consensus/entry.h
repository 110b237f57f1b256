#pragma once

/*
 * Entry: one item of the log, and the batch of operations that is in it.
 *
 * The payload of a command is a version byte and then operations, each {kind, varint length, body}: all of
 * them are applied or none. Kinds are those of ConsensusOpKind; 1 and 2 are changes of the pinset (a
 * protobuf Pin; the bytes of a CID), as are 5 and 6 (pinning requests); 3 and 4 carry a body of their own, 7
 * and 8 are 1 and 2 on a condition, 9 is the tag of the entry.
 * An unknown version or kind was written by a newer release: a peer that skipped it would diverge from the
 * others, so it must stop.
 *
 * Payloads are counted: the write under way, the log's memory and the library's update hold the same bytes.
 * They are counted in the loop's thread only.
 */

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/macro.h"
#include "daemon/base/str.h"
#include "daemon/consensus/consensus.h"

#define CONSENSUS_ENTRY_VERSION 1
#define CONSENSUS_ENTRY_BODY_MAX (PIN_BYTES_MAX + MAX(CONSENSUS_CONDITION_SIZE, PIN_REQUEST_ID_BYTES_MAX))
#define CONSENSUS_ENTRY_SIZE_MAX (2 * 1024 * 1024) /* of a payload; a submit of the largest size fits */

typedef enum ConsensusEntryType { /* stored: never renumbered */
                                  CONSENSUS_ENTRY_COMMAND = 1,
                                  CONSENSUS_ENTRY_BARRIER = 2,
                                  CONSENSUS_ENTRY_CHANGE = 3,
} ConsensusEntryType;

typedef struct ConsensusPayload {
        unsigned n_ref;
        size_t size;
        uint8_t bytes[];
} ConsensusPayload;

typedef struct ConsensusEntry {
        uint64_t index;
        uint64_t term;
        ConsensusEntryType type;
        ConsensusPayload *payload;
} ConsensusEntry;

void consensus_entry_done(ConsensusEntry *entry);

int consensus_payload_new(ConsensusPayload **ret, const void *bytes, size_t size);
ConsensusPayload *consensus_payload_ref(ConsensusPayload *payload);
ConsensusPayload *consensus_payload_unref(ConsensusPayload *payload); /* NULL-safe */
DEFINE_CLEANUP(ConsensusPayload *, consensus_payload_unref);

/* Append the version, then one operation after the other. Errors: -ENOMEM. */
int consensus_entry_begin(Str *to);
int consensus_entry_add(Str *to, const ConsensusOp *op);

typedef struct ConsensusEntryReader {
        const uint8_t *start;
        const uint8_t *at;
        const uint8_t *end;
} ConsensusEntryReader;

/* Positive answer of the readers: a newer release wrote this. */
#define CONSENSUS_ENTRY_NEWER 2

/* Answers 0 or CONSENSUS_ENTRY_NEWER. Errors: -EBADMSG (empty). */
int consensus_entry_open(ConsensusEntryReader *reader, const void *bytes, size_t n);
/* Answers 1 and an operation whose body is borrowed from the input, 0 at the end, CONSENSUS_ENTRY_NEWER.
 * Errors: -EBADMSG. */
int consensus_entry_next(ConsensusEntryReader *reader, ConsensusOp *ret);

/* OP without its condition, which goes to *RET_CONDITION; of any other kind as it is, and NULL. Errors:
 * -EBADMSG. */
int consensus_entry_strip(const ConsensusOp *op, ConsensusOp *ret, const uint8_t **ret_condition);

/* Of a change of a pinning request: the id that is replaced (undefined: none) and the pin that has the new
 * one, or the id that is removed and no bytes. Errors: -EBADMSG. */
int consensus_entry_request(const ConsensusOp *op, PinRequestId *ret_id, ConsensusOp *ret_pin);

/* The CID that a pin (the first field of its message), an unpin or a pinning request is about. Errors:
 * -EBADMSG. */
int consensus_entry_key(const ConsensusOp *op, Cid *ret);
