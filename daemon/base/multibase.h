#pragma once

/*
 * Text forms of bytes, by the multibase table (multiformats/multibase, multibase.csv).
 *
 * The forms that CIDs and peer IDs meet in practice: base16 (f, F), base32 (b, B, c padded), base32hex (v,
 * V), base36 (k, K), base58btc (z), base64 (m, M padded), base64url (u, U padded). Decoding is strict: a
 * character outside the alphabet, a wrong padding or non-zero rest bits is an error.
 */

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/str.h"

typedef enum Multibase {
        MULTIBASE_16,
        MULTIBASE_16_UPPER,
        MULTIBASE_32,
        MULTIBASE_32_UPPER,
        MULTIBASE_32_PAD,
        MULTIBASE_32_HEX,
        MULTIBASE_32_HEX_UPPER,
        MULTIBASE_36,
        MULTIBASE_36_UPPER,
        MULTIBASE_58_BTC,
        MULTIBASE_64,
        MULTIBASE_64_PAD,
        MULTIBASE_64_URL,
        MULTIBASE_64_URL_PAD,
        _MULTIBASE_N,
        _MULTIBASE_INVALID = -EINVAL,
} Multibase;

/* The encoding that the prefix character names, or _MULTIBASE_INVALID. */
Multibase multibase_from_prefix(char prefix);
char multibase_prefix(Multibase base);

/* Base36 and base58 are numbers, whose conversion takes time with the square of the length: more bytes (when
 * encoding) or characters (when decoding) than this are refused. */
#define MULTIBASE_NUMBER_MAX 1024

/* Append the text form of BYTES, without prefix, to TO. Errors: -ENOMEM, -ENOBUFS (above). */
int multibase_encode(Multibase base, const void *bytes, size_t n, Str *to);

/* Decode N characters at TEXT (no prefix) into BYTES, which has room for MAX. Answers the number of bytes.
 * Errors: -EBADMSG (no such text), -ENOBUFS (does not fit, or above). Never allocates. */
ssize_t multibase_decode(Multibase base, const char *text, size_t n, void *bytes, size_t max);
