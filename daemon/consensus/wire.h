#pragma once

/* Little-endian integers of the files in raft/. */

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void consensus_wire_put32(uint8_t *to, uint32_t value) {
        value = htole32(value);
        memcpy(to, &value, sizeof(value));
}

static inline void consensus_wire_put64(uint8_t *to, uint64_t value) {
        value = htole64(value);
        memcpy(to, &value, sizeof(value));
}

static inline uint32_t consensus_wire_get32(const uint8_t *from) {
        uint32_t value;

        memcpy(&value, from, sizeof(value));
        return le32toh(value);
}

static inline uint64_t consensus_wire_get64(const uint8_t *from) {
        uint64_t value;

        memcpy(&value, from, sizeof(value));
        return le64toh(value);
}
