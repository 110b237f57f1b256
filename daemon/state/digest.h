#pragma once

/*
 * StateDigest: the digest of a set of records, whatever their order: the sum modulo 2^128 of the first 16
 * bytes, read as a little endian number, of SHA-256(key ‖ value) of each. Records come and go one by one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/state/pinset.h"
#include "daemon/state/record.h"

typedef struct StateDigest {
        uint64_t low;
        uint64_t high;
} StateDigest;

/* A record of more than STATE_RECORD_MAX bytes must have been refused before. */
void state_digest_add(StateDigest *digest, const StateRecord *record);
void state_digest_subtract(StateDigest *digest, const StateRecord *record);

static inline bool state_digest_equal(const StateDigest *a, const StateDigest *b) {
        return a->low == b->low && a->high == b->high;
}

/* As stored and sent: 16 bytes, little endian. */
void state_digest_write(const StateDigest *digest, uint8_t bytes[static STATE_DIGEST_SIZE]);
void state_digest_read(StateDigest *digest, const uint8_t bytes[static STATE_DIGEST_SIZE]);
