#pragma once

/* Multihash (multiformats/multihash): <code varint><length varint><digest>. */

#include <stddef.h>
#include <stdint.h>

#define MULTIHASH_IDENTITY 0x00
#define MULTIHASH_SHA2_256 0x12

#define MULTIHASH_DIGEST_MAX 128

typedef struct Multihash {
        uint64_t code;
        const uint8_t *digest; /* borrowed from the input */
        size_t size;
} Multihash;

/* All N bytes must belong to it. Errors: -EBADMSG, and *RETERR (may be NULL) is a static text ("length
 * greater than remaining number of bytes in buffer", …). */
int multihash_read(const void *bytes, size_t n, Multihash *ret, const char **reterr);
