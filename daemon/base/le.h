#pragma once

/* Little-endian integers, as they stand in files and messages, at any address. */

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void le_put32(void *to, uint32_t value) {
        value = htole32(value);
        memcpy(to, &value, sizeof(value));
}

static inline void le_put64(void *to, uint64_t value) {
        value = htole64(value);
        memcpy(to, &value, sizeof(value));
}

static inline uint32_t le_get32(const void *from) {
        uint32_t value;

        memcpy(&value, from, sizeof(value));
        return le32toh(value);
}

static inline uint64_t le_get64(const void *from) {
        uint64_t value;

        memcpy(&value, from, sizeof(value));
        return le64toh(value);
}
