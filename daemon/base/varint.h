#pragma once

/* Unsigned varint: LEB128 as in multiformats/unsigned-varint (at most 9 bytes, shortest form only) and in
 * protobuf (at most 10 bytes, any form). */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VARINT_MAX_BYTES 10

size_t varint_write(
                uint64_t value, uint8_t bytes[static VARINT_MAX_BYTES]); /* the number of bytes written */
size_t varint_size(uint64_t value);

/* Read one at BYTES. Answers the bytes used. Errors: -ENODATA (cut off), -EBADMSG (too long or not minimal).
 */
ssize_t varint_read(const void *bytes, size_t n, uint64_t *ret);          /* multiformats: strict */
ssize_t varint_read_protobuf(const void *bytes, size_t n, uint64_t *ret); /* protobuf: lax */
