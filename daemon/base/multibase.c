#include "daemon/base/multibase.h"

#include <pthread.h>
#include <string.h>

/* base36 and base58 are numbers: five digits at a time fit in 32 bits (58^5 = 656356768). */
#define DIGITS_PER_LIMB 5
#define TEXT_LIMBS_MAX (2 * MULTIBASE_NUMBER_MAX / DIGITS_PER_LIMB) /* a byte is at most 1.55 digits */
#define BYTE_LIMBS_MAX (MULTIBASE_NUMBER_MAX / 4)                   /* a digit is less than a byte */

typedef struct MultibaseInfo {
        char prefix;
        uint8_t bits; /* per character; 0: a number */
        bool padded;
        const char *alphabet;
} MultibaseInfo;

#define ALPHABET_32 "abcdefghijklmnopqrstuvwxyz234567"
#define ALPHABET_32_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#define ALPHABET_64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define ALPHABET_64_URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static const MultibaseInfo infos[_MULTIBASE_N] = {
        [MULTIBASE_16] = { 'f', 4, false, "0123456789abcdef" },
        [MULTIBASE_16_UPPER] = { 'F', 4, false, "0123456789ABCDEF" },
        [MULTIBASE_32] = { 'b', 5, false, ALPHABET_32 },
        [MULTIBASE_32_UPPER] = { 'B', 5, false, ALPHABET_32_UPPER },
        [MULTIBASE_32_PAD] = { 'c', 5, true, ALPHABET_32 },
        [MULTIBASE_32_HEX] = { 'v', 5, false, "0123456789abcdefghijklmnopqrstuv" },
        [MULTIBASE_32_HEX_UPPER] = { 'V', 5, false, "0123456789ABCDEFGHIJKLMNOPQRSTUV" },
        [MULTIBASE_36] = { 'k', 0, false, "0123456789abcdefghijklmnopqrstuvwxyz" },
        [MULTIBASE_36_UPPER] = { 'K', 0, false, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
        [MULTIBASE_58_BTC] = { 'z', 0, false, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz" },
        [MULTIBASE_64] = { 'm', 6, false, ALPHABET_64 },
        [MULTIBASE_64_PAD] = { 'M', 6, true, ALPHABET_64 },
        [MULTIBASE_64_URL] = { 'u', 6, false, ALPHABET_64_URL },
        [MULTIBASE_64_URL_PAD] = { 'U', 6, true, ALPHABET_64_URL },
};

/* The value of each character, -1 when it is not in the alphabet; filled from the alphabets. */
static int8_t values[_MULTIBASE_N][256];
static pthread_once_t values_once = PTHREAD_ONCE_INIT;

static void values_fill(void) {
        memset(values, -1, sizeof(values));
        for (size_t base = 0; base < _MULTIBASE_N; base++)
                for (int8_t i = 0; infos[base].alphabet[i]; i++)
                        values[base][(uint8_t) infos[base].alphabet[i]] = i;
}

static const int8_t *values_of(Multibase base) {
        pthread_once(&values_once, values_fill);
        return values[base];
}

Multibase multibase_from_prefix(char prefix) {
        for (size_t base = 0; base < _MULTIBASE_N; base++)
                if (infos[base].prefix == prefix)
                        return (Multibase) base;

        return _MULTIBASE_INVALID;
}

char multibase_prefix(Multibase base) {
        assert(base >= 0 && base < _MULTIBASE_N);

        return infos[base].prefix;
}

/* ---- a power of two: characters are groups of bits (RFC 4648) */

/* Characters of a whole group: padding fills up to it. */
static size_t group_size(const MultibaseInfo *info) {
        return info->bits == 5 ? 8 : info->bits == 6 ? 4 : 2;
}

static int bits_encode(const MultibaseInfo *info, const uint8_t *bytes, size_t n, Str *to) {
        uint32_t pending = 0;
        unsigned n_bits = 0;
        size_t n_written = 0;
        int r;

        if (n > SIZE_MAX / 4)
                return -ENOMEM;
        r = str_reserve(to, n * 8 / info->bits + group_size(info));
        if (r < 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                pending = pending << 8 | bytes[i];
                for (n_bits += 8; n_bits >= info->bits; n_written++) {
                        n_bits -= info->bits;
                        to->data[to->len++] = info->alphabet[pending >> n_bits & ((1U << info->bits) - 1)];
                }
        }
        if (n_bits > 0) {
                to->data[to->len++] =
                                info->alphabet[pending << (info->bits - n_bits) & ((1U << info->bits) - 1)];
                n_written++;
        }
        for (; info->padded && n_written % group_size(info) != 0; n_written++)
                to->data[to->len++] = '=';

        to->data[to->len] = '\0';
        return 0;
}

/* The length without the padding, which must be what the encoder would have written; -1 if it is not. */
static ssize_t without_padding(const MultibaseInfo *info, const char *text, size_t n) {
        size_t kept = n;

        if (!info->padded)
                return (ssize_t) n;
        if (n % group_size(info) != 0)
                return -1;

        while (kept > 0 && text[kept - 1] == '=')
                kept--;

        return n - kept < group_size(info) ? (ssize_t) kept : -1;
}

static ssize_t bits_decode(Multibase base, const char *text, size_t n, uint8_t *bytes, size_t max) {
        const MultibaseInfo *info = &infos[base];
        const int8_t *value_of = values_of(base);
        ssize_t kept = without_padding(info, text, n);
        uint32_t pending = 0;
        unsigned n_bits = 0;
        size_t size = 0;

        if (kept < 0)
                return -EBADMSG;

        for (size_t i = 0; i < (size_t) kept; i++) {
                int value = value_of[(uint8_t) text[i]];

                if (value < 0)
                        return -EBADMSG;
                pending = pending << info->bits | (uint32_t) value;
                n_bits += info->bits;
                if (n_bits < 8)
                        continue;
                n_bits -= 8;
                if (size == max)
                        return -ENOBUFS;
                bytes[size++] = (uint8_t) (pending >> n_bits);
        }

        /* Less than a character may remain, and it must be zero: each value has one text only. */
        if (n_bits >= info->bits || (pending & ((1U << n_bits) - 1)) != 0)
                return -EBADMSG;

        return (ssize_t) size;
}

/* ---- a number: leading zero bytes are as many leading zero digits */

static uint32_t power(uint32_t base, size_t exponent) {
        uint32_t value = 1;

        while (exponent-- > 0)
                value *= base;

        return value;
}

/* number = number * FACTOR + SUMMAND, with limbs below LIMIT (UINT32_MAX + 1 for whole words), least first.
 */
static void number_multiply_add(
                uint32_t *limbs, size_t *n_limbs, uint64_t limit, uint64_t factor, uint64_t summand) {
        for (size_t i = 0; i < *n_limbs; i++) {
                summand += limbs[i] * factor;
                limbs[i] = (uint32_t) (summand % limit);
                summand /= limit;
        }
        for (; summand > 0; summand /= limit)
                limbs[(*n_limbs)++] = (uint32_t) (summand % limit);
}

static int number_encode(const MultibaseInfo *info, const uint8_t *bytes, size_t n, Str *to) {
        uint32_t base = (uint32_t) strlen(info->alphabet), limbs[TEXT_LIMBS_MAX];
        char digits[TEXT_LIMBS_MAX * DIGITS_PER_LIMB];
        size_t n_zeros = 0, n_limbs = 0, at = sizeof(digits);

        if (n > MULTIBASE_NUMBER_MAX)
                return -ENOBUFS;

        while (n_zeros < n && bytes[n_zeros] == 0)
                n_zeros++;
        for (size_t i = n_zeros, step; i < n; i += step) {
                uint32_t word = 0;

                step = (n - i) % 4 == 0 ? 4 : (n - i) % 4;
                for (size_t k = 0; k < step; k++)
                        word = word << 8 | bytes[i + k];
                number_multiply_add(
                                limbs,
                                &n_limbs,
                                power(base, DIGITS_PER_LIMB),
                                UINT64_C(1) << (8 * step),
                                word);
        }

        for (size_t i = 0; i < n_limbs; i++)
                for (int k = 0; k < DIGITS_PER_LIMB; k++, limbs[i] /= base)
                        digits[--at] = info->alphabet[limbs[i] % base];
        while (at < sizeof(digits) && digits[at] == info->alphabet[0])
                at++;

        for (size_t i = 0; i < n_zeros; i++)
                (void) str_append_char(to, info->alphabet[0]);
        return str_append_bytes(to, digits + at, sizeof(digits) - at);
}

/* Big-endian bytes of the number behind N_ZEROS zero bytes. */
static ssize_t number_store(
                const uint32_t *limbs, size_t n_limbs, size_t n_zeros, uint8_t *bytes, size_t max) {
        size_t size = n_limbs * 4;

        while (size > 0 && (limbs[(size - 1) / 4] >> (8 * ((size - 1) % 4)) & 0xff) == 0)
                size--;
        if (n_zeros > max || size > max - n_zeros)
                return -ENOBUFS;

        memset(bytes, 0, n_zeros);
        for (size_t i = 0; i < size; i++)
                bytes[n_zeros + size - 1 - i] = (uint8_t) (limbs[i / 4] >> (8 * (i % 4)));

        return (ssize_t) (n_zeros + size);
}

static ssize_t number_decode(Multibase base, const char *text, size_t n, uint8_t *bytes, size_t max) {
        uint32_t radix = (uint32_t) strlen(infos[base].alphabet), limbs[BYTE_LIMBS_MAX];
        const int8_t *value_of = values_of(base);
        size_t n_zeros = 0, n_limbs = 0;

        if (n > MULTIBASE_NUMBER_MAX)
                return -ENOBUFS;

        while (n_zeros < n && text[n_zeros] == infos[base].alphabet[0])
                n_zeros++;
        for (size_t i = n_zeros, step; i < n; i += step) {
                uint32_t word = 0;

                step = MIN(n - i, (size_t) DIGITS_PER_LIMB);
                for (size_t k = 0; k < step; k++) {
                        int value = value_of[(uint8_t) text[i + k]];

                        if (value < 0)
                                return -EBADMSG;
                        word = word * radix + (uint32_t) value;
                }
                number_multiply_add(limbs, &n_limbs, UINT64_C(1) << 32, power(radix, step), word);
        }

        return number_store(limbs, n_limbs, n_zeros, bytes, max);
}

int multibase_encode(Multibase base, const void *bytes, size_t n, Str *to) {
        assert(base >= 0 && base < _MULTIBASE_N);

        return infos[base].bits > 0 ? bits_encode(&infos[base], bytes, n, to)
                                    : number_encode(&infos[base], bytes, n, to);
}

ssize_t multibase_decode(Multibase base, const char *text, size_t n, void *bytes, size_t max) {
        assert(base >= 0 && base < _MULTIBASE_N);

        return infos[base].bits > 0 ? bits_decode(base, text, n, bytes, max)
                                    : number_decode(base, text, n, bytes, max);
}
