#pragma once

/*
 * CID: content identifier (multiformats/cid), version 0 or 1, as a plain value.
 *
 * Text in: base58btc of a sha2-256 multihash (version 0) or any multibase form of multibase.h (version 1).
 * Text out: base58 for version 0, base32 for version 1, whatever was read. The byte form is what is stored,
 * compared and hashed. A zeroed Cid is "undefined"; in JSON that is null.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/json.h"

#define CID_BYTES_MAX 143 /* v1 + codec + identity multihash of 128 bytes, the most that Kubo accepts */
#define CID_TEXT_MAX 256  /* with NUL */

#define CID_CODEC_RAW 0x55
#define CID_CODEC_DAG_PB 0x70
#define CID_CODEC_LIBP2P_KEY 0x72

typedef struct Cid {
        uint8_t size; /* 0: undefined */
        uint8_t bytes[CID_BYTES_MAX];
} Cid;

/* Errors: -EINVAL, and *RETERR (may be NULL) is a static text in the words of the Go program ("cid too
 * short", "selected encoding not supported", …), to stand behind "invalid cid: ". A text of the form
 * /ipfs/<cid> is not a CID. */
int cid_parse(const char *text, Cid *ret, const char **reterr);
int cid_parse_n(const char *text, size_t n, Cid *ret, const char **reterr);

/* Errors: -EINVAL; all N bytes must belong to the CID. */
int cid_from_bytes(const void *bytes, size_t n, Cid *ret);

/* "" for an undefined one. */
char *cid_format(const Cid *cid, char text[static CID_TEXT_MAX]);

static inline bool cid_is_defined(const Cid *cid) {
        return cid->size > 0;
}

bool cid_equal(const Cid *a, const Cid *b);
unsigned cid_version(const Cid *cid);
uint64_t cid_codec(const Cid *cid);
/* Borrowed from the CID. */
const uint8_t *cid_multihash(const Cid *cid, size_t *ret_size);

/* The CID of BYTES by sha2-256, version 1. For tests and for names. */
void cid_of_bytes(uint64_t codec, const void *bytes, size_t n, Cid *ret);

extern const JsonType cid_json; /* Cid; undefined is null. Reads {"/":"…"} (exports of 0.10 to 0.14) too */
