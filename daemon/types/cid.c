#include "daemon/types/cid.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/macro.h"
#include "daemon/base/multibase.h"
#include "daemon/base/varint.h"
#include "daemon/types/multihash.h"

#define CID_V0_SIZE 34 /* <sha2-256> <32> digest, and nothing around it */
#define CID_V0_TEXT 46
#define CID_INPUT_MAX 512 /* base16 takes two characters a byte; base58 takes quadratic time */

/* The Go program wraps an error twice when it is in the bytes, once when it is in the text. */
#define CID_WRAP "invalid cid: "

static const uint8_t cid_v0_prefix[] = { MULTIHASH_SHA2_256, HASH_SHA256_SIZE };

static int cid_fail(const char **reterr, const char *text) {
        if (reterr)
                *reterr = text;
        return -EINVAL;
}

/* ---- bytes */

static bool cid_is_v0(const uint8_t *bytes, size_t n) {
        return n > sizeof(cid_v0_prefix) && !memcmp(bytes, cid_v0_prefix, sizeof(cid_v0_prefix));
}

/* The words of multihash_read(), wrapped. */
static const char *cid_wrap_multihash(const char *text) {
        static const char *const wrapped[] = {
                CID_WRAP "multihash too short. must be >= 2 bytes",
                CID_WRAP "uvarint: buffer too small",
                CID_WRAP "uvarint: varint too big (max 64bit)",
                CID_WRAP "length greater than remaining number of bytes in buffer",
                CID_WRAP "multihash too long. must be < 129 bytes",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrapped); i++)
                if (!strcmp(wrapped[i] + strlen(CID_WRAP), text))
                        return wrapped[i];
        return "trailing bytes in data buffer passed to cid Cast";
}

static int cid_check_v1(const uint8_t *bytes, size_t n, const char **reterr) {
        uint64_t version, codec;
        Multihash multihash;
        const char *problem;
        ssize_t a, b;

        a = varint_read(bytes, n, &version);
        if (a < 0)
                return cid_fail(reterr, CID_WRAP "varints malformed, could not reach the end");
        if (version != 1)
                return cid_fail(reterr, CID_WRAP "expected 1 as the cid version number");

        b = varint_read(bytes + a, n - (size_t) a, &codec);
        if (b < 0)
                return cid_fail(reterr, CID_WRAP "varints malformed, could not reach the end");

        if (multihash_read(bytes + a + b, n - (size_t) (a + b), &multihash, &problem) < 0)
                return cid_fail(reterr, cid_wrap_multihash(problem));
        return 0;
}

static int cid_read(const uint8_t *bytes, size_t n, Cid *ret, const char **reterr) {
        Cid cid = { .size = (uint8_t) n };
        int r;

        if (n == 0)
                return cid_fail(reterr, CID_WRAP "varints malformed, could not reach the end");
        if (cid_is_v0(bytes, n)) {
                if (n < CID_V0_SIZE)
                        return cid_fail(reterr, CID_WRAP "not enough bytes for cid v0");
                if (n > CID_V0_SIZE)
                        return cid_fail(reterr, "trailing bytes in data buffer passed to cid Cast");
        } else {
                r = cid_check_v1(bytes, n, reterr);
                if (r < 0)
                        return r;
        }
        if (n > CID_BYTES_MAX)
                return cid_fail(reterr, "cid too long");

        memcpy(cid.bytes, bytes, n);
        *ret = cid;
        return 0;
}

int cid_from_bytes(const void *bytes, size_t n, Cid *ret) {
        return cid_read(bytes, n, ret, NULL);
}

/* ---- text */

/* Words for a base32 TEXT that does not decode: one that was cut has rest bits, which the Go program
 * ignores, and then misses the end of its multihash. Whole groups always decode. */
static int cid_fail_text(Multibase base, const char *text, size_t n, const char **reterr) {
        uint8_t bytes[CID_INPUT_MAX];
        ssize_t size;
        Cid unused;

        if (reterr && (base == MULTIBASE_32 || base == MULTIBASE_32_UPPER)) {
                size = multibase_decode(base, text, n & ~(size_t) 7, bytes, sizeof(bytes));
                if (size > 0 && cid_read(bytes, (size_t) size, &unused, reterr) < 0)
                        return -EINVAL;
        }
        return cid_fail(reterr, "illegal character or length for its encoding");
}

static int cid_parse_base(Multibase base, const char *text, size_t n, Cid *ret, const char **reterr) {
        uint8_t bytes[CID_INPUT_MAX];
        ssize_t size;

        size = multibase_decode(base, text, n, bytes, sizeof(bytes));
        if (size < 0)
                return cid_fail_text(base, text, n, reterr);

        return cid_read(bytes, (size_t) size, ret, reterr);
}

/* Without prefix: the multihash alone. */
static int cid_parse_v0(const char *text, size_t n, Cid *ret, const char **reterr) {
        uint8_t bytes[CID_V0_TEXT];
        Multihash multihash;
        const char *problem;
        ssize_t size;

        size = multibase_decode(MULTIBASE_58_BTC, text, n, bytes, sizeof(bytes));
        if (size < 0)
                return cid_fail(reterr, "input isn't valid multihash");
        if (multihash_read(bytes, (size_t) size, &multihash, &problem) < 0)
                return cid_fail(reterr, problem);
        if (!cid_is_v0(bytes, (size_t) size))
                return cid_fail(reterr, "invalid hash for cidv0");

        return cid_read(bytes, (size_t) size, ret, reterr);
}

int cid_parse_n(const char *text, size_t n, Cid *ret, const char **reterr) {
        Multibase base;

        if (n < 2)
                return cid_fail(reterr, "cid too short");
        if (n > CID_INPUT_MAX)
                return cid_fail(reterr, "cid too long");
        if (n == CID_V0_TEXT && !memcmp(text, "Qm", 2))
                return cid_parse_v0(text, n, ret, reterr);

        base = multibase_from_prefix(text[0]);
        if (base < 0)
                return cid_fail(reterr, "selected encoding not supported");
        return cid_parse_base(base, text + 1, n - 1, ret, reterr);
}

int cid_parse(const char *text, Cid *ret, const char **reterr) {
        return cid_parse_n(text, strlen(text), ret, reterr);
}

char *cid_format(const Cid *cid, char text[static CID_TEXT_MAX]) {
        Str to = { .data = text,
                   .capacity = CID_TEXT_MAX }; /* has room for all of it: nothing is allocated */
        int r = 0;

        text[0] = '\0';
        if (cid_is_v0(cid->bytes, cid->size))
                r = multibase_encode(MULTIBASE_58_BTC, cid->bytes, cid->size, &to);
        else if (cid->size > 0) {
                (void) str_append_char(&to, multibase_prefix(MULTIBASE_32));
                r = multibase_encode(MULTIBASE_32, cid->bytes, cid->size, &to);
        }

        assert(r >= 0 && to.data == text);
        return text;
}

/* ---- parts */

bool cid_equal(const Cid *a, const Cid *b) {
        return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

unsigned cid_version(const Cid *cid) {
        return cid->size > 0 && !cid_is_v0(cid->bytes, cid->size);
}

uint64_t cid_codec(const Cid *cid) {
        uint64_t codec = CID_CODEC_DAG_PB;

        if (cid_version(cid) == 1)
                (void) varint_read(cid->bytes + 1, cid->size - 1U, &codec);
        return codec;
}

const uint8_t *cid_multihash(const Cid *cid, size_t *ret_size) {
        size_t before = cid_version(cid) == 1 ? 1 + varint_size(cid_codec(cid)) : 0;

        *ret_size = cid->size - before;
        return cid->bytes + before;
}

void cid_of_bytes(uint64_t codec, const void *bytes, size_t n, Cid *ret) {
        uint8_t varint[VARINT_MAX_BYTES];
        size_t size = 1, k = varint_write(codec, varint);

        *ret = (Cid){ .bytes = { 1 } };
        memcpy(ret->bytes + size, varint, k);
        size += k;
        memcpy(ret->bytes + size, cid_v0_prefix, sizeof(cid_v0_prefix));
        size += sizeof(cid_v0_prefix);
        hash_sha256(bytes, n, ret->bytes + size);
        ret->size = (uint8_t) (size + HASH_SHA256_SIZE);
}

/* ---- JSON */

static int cid_json_read(json_object *from, void *member) {
        json_object *inner;

        if (json_object_is_type(from, json_type_object) && json_object_object_length(from) == 1 &&
            json_object_object_get_ex(from, "/", &inner))
                from = inner;
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        if (cid_parse_n(json_object_get_string(from),
                        (size_t) json_object_get_string_len(from),
                        member,
                        NULL) < 0)
                return -EBADMSG;
        return 0;
}

static int cid_json_write(const void *member, Str *to) {
        char text[CID_TEXT_MAX];
        const Cid *cid = member;

        if (!cid_is_defined(cid))
                return str_append(to, "null");

        /* The alphabets need no escapes. */
        (void) str_append_char(to, '"');
        (void) str_append(to, cid_format(cid, text));
        return str_append_char(to, '"');
}

static bool cid_json_is_empty(const void *member) {
        return !cid_is_defined(member);
}

const JsonType cid_json = {
        .expected = "a CID",
        .read = cid_json_read,
        .write = cid_json_write,
        .is_empty = cid_json_is_empty,
};
