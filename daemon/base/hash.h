#pragma once

/* Checksums and digests: CRC-32C (Castagnoli, RFC 3720 B.4), SHA-256 (GnuTLS). */

#include <stddef.h>
#include <stdint.h>

#define HASH_SHA256_SIZE 32

/* Continue CRC with BYTES; start with 0. crc32c of "123456789" is 0xe3069283. */
uint32_t hash_crc32c(uint32_t crc, const void *bytes, size_t n);
/* The same without the instructions of this processor; for its test. */
uint32_t hash_crc32c_portable(uint32_t crc, const void *bytes, size_t n);
void hash_sha256(const void *bytes, size_t n, uint8_t digest[static HASH_SHA256_SIZE]);

/* Keyed 64-bit hash for tables (SipHash-2-4). */
uint64_t hash_siphash(const uint8_t key[static 16], const void *bytes, size_t n);
