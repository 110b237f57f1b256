#pragma once

/*
 * The table of multiaddr protocols (multiformats/multiaddr, protocols.csv): name, code, size of the value,
 * and how a value goes from text to bytes and back. For multiaddr.c, which handles whole addresses.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/str.h"

#define MULTIADDR_VALUE_MAX 1024 /* bytes of one value */

enum {
        MULTIADDR_NO_VALUE = 0,
        MULTIADDR_PREFIXED = -1, /* a varint tells the length */
        MULTIADDR_PATH = -2, /* the same, and the value takes the rest of the address, its '/' included */
};

/* ENCODE appends the bytes of a value's text, DECODE the text of its bytes. Errors: -EINVAL, -ENOMEM. */
typedef struct MultiaddrProtocol {
        const char *name;
        uint32_t code;
        int size; /* in bytes, or one of the above */
        int (*encode)(const char *text, size_t n, Str *to);
        int (*decode)(const uint8_t *bytes, size_t n, Str *to);
        const char *problem; /* "invalid value for protocol <name>" */
} MultiaddrProtocol;

/* NULL: not known. */
const MultiaddrProtocol *multiaddr_protocol_by_name(const char *name, size_t n);
const MultiaddrProtocol *multiaddr_protocol_by_code(uint64_t code);
