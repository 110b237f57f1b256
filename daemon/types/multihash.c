#include "daemon/types/multihash.h"

#include <errno.h>

#include "daemon/base/varint.h"

/* The words are those of the Go program's library. */
static int multihash_fail(const char **reterr, const char *text) {
        if (reterr)
                *reterr = text;
        return -EBADMSG;
}

static int multihash_read_varint(
                const uint8_t **at, const uint8_t *end, uint64_t *ret, const char **reterr) {
        ssize_t k;

        k = varint_read(*at, (size_t) (end - *at), ret);
        if (k == -ENODATA)
                return multihash_fail(reterr, "uvarint: buffer too small");
        if (k < 0)
                return multihash_fail(reterr, "uvarint: varint too big (max 64bit)");

        *at += k;
        return 0;
}

int multihash_read(const void *bytes, size_t n, Multihash *ret, const char **reterr) {
        const uint8_t *at = bytes, *end = at + n;
        uint64_t code, size;
        int r;

        if (n < 2)
                return multihash_fail(reterr, "multihash too short. must be >= 2 bytes");

        r = multihash_read_varint(&at, end, &code, reterr);
        if (r < 0)
                return r;
        r = multihash_read_varint(&at, end, &size, reterr);
        if (r < 0)
                return r;

        if (size > (size_t) (end - at))
                return multihash_fail(reterr, "length greater than remaining number of bytes in buffer");
        if (size < (size_t) (end - at))
                return multihash_fail(reterr, "multihash length inconsistent");
        if (size > MULTIHASH_DIGEST_MAX)
                return multihash_fail(reterr, "multihash too long. must be < 129 bytes");

        *ret = (Multihash){
                .code = code,
                .digest = at,
                .size = (size_t) size,
        };
        return 0;
}
