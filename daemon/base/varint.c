#include "daemon/base/varint.h"

#include "daemon/base/macro.h"

#define VARINT_MULTIFORMATS_MAX_BYTES 9

size_t varint_write(uint64_t value, uint8_t bytes[static VARINT_MAX_BYTES]) {
        size_t n = 0;

        while (value >= 0x80) {
                bytes[n++] = (uint8_t) (value | 0x80);
                value >>= 7;
        }
        bytes[n++] = (uint8_t) value;

        return n;
}

size_t varint_size(uint64_t value) {
        size_t n = 1;

        while (value >>= 7)
                n++;

        return n;
}

static ssize_t varint_read_max(const uint8_t *bytes, size_t n, size_t max, uint64_t *ret) {
        uint64_t value = 0;

        for (size_t i = 0; i < n && i < max; i++) {
                value |= (uint64_t) (bytes[i] & 0x7f) << (7 * i);
                if (bytes[i] < 0x80) {
                        *ret = value;
                        return (ssize_t) i + 1;
                }
        }

        return n < max ? -ENODATA : -EBADMSG;
}

ssize_t varint_read(const void *bytes, size_t n, uint64_t *ret) {
        uint64_t value;
        ssize_t k;

        k = varint_read_max(bytes, n, VARINT_MULTIFORMATS_MAX_BYTES, &value);
        if (k < 0)
                return k;
        if ((size_t) k != varint_size(value))
                return -EBADMSG;

        *ret = value;
        return k;
}

ssize_t varint_read_protobuf(const void *bytes, size_t n, uint64_t *ret) {
        const uint8_t *u = bytes;
        uint64_t value;
        ssize_t k;

        k = varint_read_max(u, n, VARINT_MAX_BYTES, &value);
        if (k < 0)
                return k;
        if (k == VARINT_MAX_BYTES && u[VARINT_MAX_BYTES - 1] > 1) /* more than 64 bits */
                return -EBADMSG;

        *ret = value;
        return k;
}
