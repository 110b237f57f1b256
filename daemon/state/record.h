#pragma once

/* What the files of this folder hand to each other: a record, and integers as they stand in files. */

#include <endian.h>
#include <stdint.h>
#include <string.h>

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
        value = htole32(value);
        (void) str_append_bytes(to, &value, sizeof(value));
}

static inline void state_append_u64(Str *to, uint64_t value) {
        value = htole64(value);
        (void) str_append_bytes(to, &value, sizeof(value));
}

static inline uint32_t state_load_u32(const void *bytes) {
        uint32_t value;

        memcpy(&value, bytes, sizeof(value));
        return le32toh(value);
}

static inline uint64_t state_load_u64(const void *bytes) {
        uint64_t value;

        memcpy(&value, bytes, sizeof(value));
        return le64toh(value);
}
