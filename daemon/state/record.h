#pragma once

/* What the files of this folder hand to each other: a record, and integers as they stand in files. */

#include <stdint.h>

#include "daemon/base/le.h"
#include "daemon/base/str.h"
#include "daemon/types/cid.h"
#include "daemon/types/pin.h"

#define STATE_RECORD_MAX (CID_BYTES_MAX + PIN_BYTES_MAX)

/* Borrowed. KEY is a CID, VALUE a canonical Pin. */
typedef struct StateRecord {
        const void *key;
        const void *value; /* NULL: the key was removed */
        size_t key_size;
        size_t value_size;
} StateRecord;

static inline void state_append_u32(Str *to, uint32_t value) {
        uint8_t bytes[sizeof(value)];

        le_put32(bytes, value);
        (void) str_append_bytes(to, bytes, sizeof(bytes));
}

static inline void state_append_u64(Str *to, uint64_t value) {
        uint8_t bytes[sizeof(value)];

        le_put64(bytes, value);
        (void) str_append_bytes(to, bytes, sizeof(bytes));
}
