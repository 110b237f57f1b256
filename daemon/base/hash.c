#include "daemon/base/hash.h"

#include <endian.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <string.h>

#include "daemon/base/macro.h"

#define CRC32C_POLYNOMIAL UINT32_C(0x82f63b78) /* 0x1edc6f41 with its bits reversed */

static uint64_t load64(const void *bytes) {
        uint64_t value;

        memcpy(&value, bytes, sizeof(value));
        return le64toh(value);
}

/* crc32c_table[k][b]: the CRC of byte B followed by K zero bytes; eight look-ups advance by eight bytes
 * (Kounavis and Berry, "slicing by 8"). */
static uint32_t crc32c_table[8][256];
static pthread_once_t crc32c_once = PTHREAD_ONCE_INIT;

static void crc32c_fill_table(void) {
        for (uint32_t b = 0; b < 256; b++) {
                uint32_t crc = b;

                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
                crc32c_table[0][b] = crc;
        }

        for (int k = 1; k < 8; k++)
                for (uint32_t b = 0; b < 256; b++) {
                        uint32_t crc = crc32c_table[k - 1][b];

                        crc32c_table[k][b] = crc >> 8 ^ crc32c_table[0][crc & 0xff];
                }
}

static uint32_t crc32c_by_table(uint32_t crc, const uint8_t *at, size_t n) {
        pthread_once(&crc32c_once, crc32c_fill_table);

        for (; n >= 8; at += 8, n -= 8) {
                uint64_t word = load64(at) ^ crc;

                crc = 0;
                for (int k = 0; k < 8; k++)
                        crc ^= crc32c_table[7 - k][word >> (8 * k) & 0xff];
        }
        for (; n > 0; at++, n--)
                crc = crc >> 8 ^ crc32c_table[0][(crc ^ *at) & 0xff];

        return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_sse42(
                uint32_t crc, const uint8_t *at, size_t n) {
        uint64_t wide = crc;

        for (; n >= 8; at += 8, n -= 8)
                wide = __builtin_ia32_crc32di(wide, load64(at));

        crc = (uint32_t) wide;
        for (; n > 0; at++, n--)
                crc = __builtin_ia32_crc32qi(crc, *at);

        return crc;
}
#endif

uint32_t hash_crc32c(uint32_t crc, const void *bytes, size_t n) {
#ifdef __x86_64__
        if (__builtin_cpu_supports("sse4.2"))
                return ~crc32c_by_sse42(~crc, bytes, n);
#endif
        return ~crc32c_by_table(~crc, bytes, n);
}

uint32_t hash_crc32c_portable(uint32_t crc, const void *bytes, size_t n) {
        return ~crc32c_by_table(~crc, bytes, n);
}

void hash_sha256(const void *bytes, size_t n, uint8_t digest[static HASH_SHA256_SIZE]) {
        int r;

        r = gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, n, digest);
        if (r < 0) /* a digest that is wrong without a word would be worse than the end */
                abort();
}

/* ---- SipHash-2-4 (Aumasson and Bernstein, 2012) */

typedef struct SipState {
        uint64_t v0, v1, v2, v3;
} SipState;

static inline uint64_t rotate_left(uint64_t value, unsigned n) {
        return value << n | value >> (64 - n);
}

static inline void sip_round(SipState *s) {
        s->v0 += s->v1;
        s->v1 = rotate_left(s->v1, 13) ^ s->v0;
        s->v0 = rotate_left(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate_left(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate_left(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate_left(s->v1, 17) ^ s->v2;
        s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_absorb(SipState *s, uint64_t word) {
        s->v3 ^= word;
        sip_round(s);
        sip_round(s);
        s->v0 ^= word;
}

uint64_t hash_siphash(const uint8_t key[static 16], const void *bytes, size_t n) {
        uint64_t k0 = load64(key), k1 = load64(key + 8), last = (uint64_t) n << 56;
        SipState s = {
                k0 ^ UINT64_C(0x736f6d6570736575),
                k1 ^ UINT64_C(0x646f72616e646f6d),
                k0 ^ UINT64_C(0x6c7967656e657261),
                k1 ^ UINT64_C(0x7465646279746573),
        };
        const uint8_t *at = bytes;

        for (; n >= 8; at += 8, n -= 8)
                sip_absorb(&s, load64(at));
        for (size_t i = 0; i < n; i++)
                last |= (uint64_t) at[i] << (8 * i);
        sip_absorb(&s, last);

        s.v2 ^= 0xff;
        for (int i = 0; i < 4; i++)
                sip_round(&s);

        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
