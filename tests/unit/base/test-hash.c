#include <glib.h>
#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/macro.h"

typedef uint32_t (*Crc32c)(uint32_t crc, const void *bytes, size_t n);

static const Crc32c crc32c[] = { hash_crc32c, hash_crc32c_portable };

/* RFC 3720, B.4 */
static void test_crc32c_vectors(void) {
        uint8_t zeros[32] = {}, ones[32], up[32], down[32];

        memset(ones, 0xff, sizeof(ones));
        for (uint8_t i = 0; i < 32; i++) {
                up[i] = i;
                down[i] = 31 - i;
        }

        for (size_t i = 0; i < ELEMENTSOF(crc32c); i++) {
                g_assert_cmphex(crc32c[i](0, "", 0), ==, 0);
                g_assert_cmphex(crc32c[i](0, "123456789", 9), ==, 0xe3069283);
                g_assert_cmphex(crc32c[i](0, zeros, 32), ==, 0x8a9136aa);
                g_assert_cmphex(crc32c[i](0, ones, 32), ==, 0x62a8ab43);
                g_assert_cmphex(crc32c[i](0, up, 32), ==, 0x46dd794e);
                g_assert_cmphex(crc32c[i](0, down, 32), ==, 0x113fdb5c);
        }
}

/* Both ways agree at each length and place, and in pieces. */
static void test_crc32c_pieces(void) {
        uint8_t bytes[80];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (i * 37 + 11);

        for (size_t start = 0; start < 9; start++)
                for (size_t n = 0; n + start <= sizeof(bytes); n++) {
                        uint32_t whole = hash_crc32c(0, bytes + start, n);

                        g_assert_cmphex(hash_crc32c_portable(0, bytes + start, n), ==, whole);
                        for (size_t i = 0; i < ELEMENTSOF(crc32c); i++) {
                                uint32_t first = crc32c[i](0, bytes + start, n / 3);

                                g_assert_cmphex(crc32c[i](first, bytes + start + n / 3, n - n / 3),
                                                ==,
                                                whole);
                        }
                }
}

static void test_sha256(void) {
        static const struct {
                const char *text, *digest;
        } cases[] = {
                { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t digest[HASH_SHA256_SIZE];
                char hex[2 * HASH_SHA256_SIZE + 1];

                hash_sha256(cases[i].text, strlen(cases[i].text), digest);
                for (size_t k = 0; k < sizeof(digest); k++)
                        (void) g_snprintf(hex + 2 * k, 3, "%02x", digest[k]);
                g_assert_cmpstr(hex, ==, cases[i].digest);
        }
}

/* The reference implementation's vectors_sip64: key 00 01 … 0f, input 00 01 …, its first N bytes. */
static void test_siphash(void) {
        static const struct {
                size_t n;
                uint64_t hash;
        } cases[] = {
                { 0, UINT64_C(0x726fdb47dd0e0e31) },  { 1, UINT64_C(0x74f839c593dc67fd) },
                { 2, UINT64_C(0x0d6c8009d9a94f5a) },  { 3, UINT64_C(0x85676696d7fb7e2d) },
                { 4, UINT64_C(0xcf2794e0277187b7) },  { 5, UINT64_C(0x18765564cd99a68d) },
                { 6, UINT64_C(0xcbc9466e58fee3ce) },  { 7, UINT64_C(0xab0200f58b01d137) },
                { 8, UINT64_C(0x93f5f5799a932462) },  { 9, UINT64_C(0x9e0082df0ba9e4b0) },
                { 15, UINT64_C(0xa129ca6149be45e5) }, { 63, UINT64_C(0x958a324ceb064572) },
        };
        uint8_t key[16], input[64];

        for (uint8_t i = 0; i < sizeof(input); i++)
                input[i] = i;
        memcpy(key, input, sizeof(key));

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("%zu bytes", cases[i].n);
                g_assert_cmphex(hash_siphash(key, input, cases[i].n), ==, cases[i].hash);
        }

        key[15] ^= 1;
        g_assert_cmphex(hash_siphash(key, input, 0), !=, cases[0].hash);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/hash/crc32c-vectors", test_crc32c_vectors);
        g_test_add_func("/base/hash/crc32c-pieces", test_crc32c_pieces);
        g_test_add_func("/base/hash/sha256", test_sha256);
        g_test_add_func("/base/hash/siphash-vectors", test_siphash);
        return g_test_run();
}
