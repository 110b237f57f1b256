#include <glib.h>
#include <string.h>

#include "daemon/base/multibase.h"
#include "tests/lib/fault.h"

static void test_prefixes(void) {
        static const char prefixes[] = "fFbBcvVkKzmMuU";

        for (int base = 0; base < _MULTIBASE_N; base++) {
                g_assert_cmpint(multibase_prefix(base), ==, prefixes[base]);
                g_assert_cmpint(multibase_from_prefix(prefixes[base]), ==, base);
        }
        g_assert_cmpint(multibase_from_prefix('x'), ==, _MULTIBASE_INVALID);
        g_assert_cmpint(multibase_from_prefix('\0'), ==, _MULTIBASE_INVALID);
}

/* From the tests of multiformats/multibase (basic.csv, two_leading_zeros.csv) and RFC 4648. */
static const struct {
        Multibase base;
        const char *bytes;
        size_t n;
        const char *text;
} vectors[] = {
        { MULTIBASE_16, "yes mani !", 10, "796573206d616e692021" },
        { MULTIBASE_16_UPPER, "yes mani !", 10, "796573206D616E692021" },
        { MULTIBASE_32, "yes mani !", 10, "pfsxgidnmfxgsibb" },
        { MULTIBASE_32_UPPER, "yes mani !", 10, "PFSXGIDNMFXGSIBB" },
        { MULTIBASE_32_PAD, "yes mani !", 10, "pfsxgidnmfxgsibb" },
        { MULTIBASE_32_HEX, "yes mani !", 10, "f5in683dc5n6i811" },
        { MULTIBASE_32_HEX_UPPER, "yes mani !", 10, "F5IN683DC5N6I811" },
        { MULTIBASE_36, "yes mani !", 10, "2lcpzo5yikidynfl" },
        { MULTIBASE_36_UPPER, "yes mani !", 10, "2LCPZO5YIKIDYNFL" },
        { MULTIBASE_58_BTC, "yes mani !", 10, "7paNL19xttacUY" },
        { MULTIBASE_64, "yes mani !", 10, "eWVzIG1hbmkgIQ" },
        { MULTIBASE_64_PAD, "yes mani !", 10, "eWVzIG1hbmkgIQ==" },
        { MULTIBASE_64_URL, "yes mani !", 10, "eWVzIG1hbmkgIQ" },
        { MULTIBASE_64_URL_PAD, "yes mani !", 10, "eWVzIG1hbmkgIQ==" },
        { MULTIBASE_16, "\0\0yes mani !", 12, "0000796573206d616e692021" },
        { MULTIBASE_32, "\0\0yes mani !", 12, "aaahszltebwwc3tjeaqq" },
        { MULTIBASE_36, "\0\0yes mani !", 12, "002lcpzo5yikidynfl" },
        { MULTIBASE_58_BTC, "\0\0yes mani !", 12, "117paNL19xttacUY" },
        { MULTIBASE_64, "\0\0yes mani !", 12, "AAB5ZXMgbWFuaSAh" },
        { MULTIBASE_58_BTC, "Hello World!", 12, "2NEpo7TZRRrLZSi2U" },
        { MULTIBASE_58_BTC, "\0\0\x28\x7f\xb4\xcd", 6, "11233QC4" },
        { MULTIBASE_58_BTC, "\0\0\0", 3, "111" },
        { MULTIBASE_36, "\0", 1, "0" },
        { MULTIBASE_32_PAD, "f", 1, "my======" },
        { MULTIBASE_32_PAD, "fo", 2, "mzxq====" },
        { MULTIBASE_32_PAD, "foo", 3, "mzxw6===" },
        { MULTIBASE_32_PAD, "foob", 4, "mzxw6yq=" },
        { MULTIBASE_32_PAD, "fooba", 5, "mzxw6ytb" },
        { MULTIBASE_32, "foob", 4, "mzxw6yq" },
        { MULTIBASE_64_PAD, "fooba", 5, "Zm9vYmE=" },
        { MULTIBASE_64_PAD, "foobar", 6, "Zm9vYmFy" },
        { MULTIBASE_64, "\xfb\xff", 2, "+/8" },
        { MULTIBASE_64_URL, "\xfb\xff", 2, "-_8" },
        { MULTIBASE_16, "", 0, "" },
        { MULTIBASE_32_PAD, "", 0, "" },
        { MULTIBASE_58_BTC, "", 0, "" },
};

static void test_vectors(void) {
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                _cleanup_(str_done) Str text = {};
                uint8_t bytes[64];
                ssize_t n;

                (void) str_append(&text, "<");
                g_assert_cmpint(multibase_encode(vectors[i].base, vectors[i].bytes, vectors[i].n, &text),
                                ==,
                                0);
                g_assert_cmpstr(text.data + 1, ==, vectors[i].text);

                n = multibase_decode(
                                vectors[i].base,
                                vectors[i].text,
                                strlen(vectors[i].text),
                                bytes,
                                sizeof(bytes));
                g_test_message("%c%s", multibase_prefix(vectors[i].base), vectors[i].text);
                g_assert_cmpint(n, ==, (ssize_t) vectors[i].n);
                g_assert_cmpmem(bytes, (size_t) n, vectors[i].bytes, vectors[i].n);
        }
}

static void test_strict(void) {
        static const struct {
                Multibase base;
                const char *text;
        } cases[] = {
                { MULTIBASE_16, "0" },
                { MULTIBASE_16, "000" },
                { MULTIBASE_16, "0g" },
                { MULTIBASE_16, "FF" },
                { MULTIBASE_16_UPPER, "ff" },
                { MULTIBASE_16, "f f" },
                { MULTIBASE_32, "m" },
                { MULTIBASE_32, "mzx" },
                { MULTIBASE_32, "mzxw6y" },
                { MULTIBASE_32, "mz" },
                { MULTIBASE_32, "MY" },
                { MULTIBASE_32, "m1" },
                { MULTIBASE_32, "my======" },
                { MULTIBASE_32_PAD, "my" },
                { MULTIBASE_32_PAD, "my=====" },
                { MULTIBASE_32_PAD, "my=======" },
                { MULTIBASE_32_PAD, "========" },
                { MULTIBASE_32_PAD, "m=y=====" },
                { MULTIBASE_32_PAD, "mzxw6===mzxw6===" },
                { MULTIBASE_32_HEX, "w0" },
                { MULTIBASE_36, "0A" },
                { MULTIBASE_36_UPPER, "0a" },
                { MULTIBASE_36, "-1" },
                { MULTIBASE_58_BTC, "0" },
                { MULTIBASE_58_BTC, "O" },
                { MULTIBASE_58_BTC, "I" },
                { MULTIBASE_58_BTC, "l" },
                { MULTIBASE_58_BTC, "11 1" },
                { MULTIBASE_58_BTC, "\xc3\xa9" },
                { MULTIBASE_64, "Z" },
                { MULTIBASE_64, "Zh" },
                { MULTIBASE_64, "Zg==" },
                { MULTIBASE_64, "-_8" },
                { MULTIBASE_64_URL, "+/8" },
                { MULTIBASE_64_PAD, "Zg" },
                { MULTIBASE_64_PAD, "Zg=" },
                { MULTIBASE_64_PAD, "Zg===" },
                { MULTIBASE_64_PAD, "Zm9=" },
                { MULTIBASE_64_PAD, "====" },
                { MULTIBASE_64_PAD, "Z===" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t bytes[64];

                g_test_message("%c%s", multibase_prefix(cases[i].base), cases[i].text);
                g_assert_cmpint(multibase_decode(
                                                cases[i].base,
                                                cases[i].text,
                                                strlen(cases[i].text),
                                                bytes,
                                                64),
                                ==,
                                -EBADMSG);
        }
}

/* Bytes of each length come back, and fit exactly. */
static void test_lengths(void) {
        uint8_t bytes[300], back[301];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (i * 151 + 13);
        memset(bytes, 0xff, 9); /* carries all the way */

        for (int base = 0; base < _MULTIBASE_N; base++)
                for (size_t n = 1; n <= sizeof(bytes); n++) {
                        _cleanup_(str_done) Str text = {};

                        g_assert_cmpint(multibase_encode(base, bytes, n, &text), ==, 0);
                        back[n] = 0x77;
                        g_assert_cmpint(multibase_decode(base, text.data, text.len, back, n),
                                        ==,
                                        (ssize_t) n);
                        g_assert_cmpmem(back, n, bytes, n);
                        g_assert_cmphex(back[n], ==, 0x77);
                        g_assert_cmpint(multibase_decode(base, text.data, text.len, back, n - 1),
                                        ==,
                                        -ENOBUFS);
                }
}

static void test_bounds(void) {
        _cleanup_free_ char *long_text = g_strnfill(1000000, '2');
        static uint8_t bytes[1000000];
        static const Multibase numbers[] = { MULTIBASE_36, MULTIBASE_36_UPPER, MULTIBASE_58_BTC };
        _cleanup_(str_done) Str text = {};

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                ssize_t n;

                n = multibase_decode(numbers[i], long_text, 1000000, bytes, sizeof(bytes));
                g_assert_cmpint(n, ==, -ENOBUFS);
                n = multibase_decode(numbers[i], long_text, MULTIBASE_NUMBER_MAX, bytes, sizeof(bytes));
                g_assert_cmpint(n, >, 0);

                memset(bytes, 0xff, MULTIBASE_NUMBER_MAX); /* the largest number */
                g_assert_cmpint(multibase_encode(numbers[i], bytes, MULTIBASE_NUMBER_MAX, &text), ==, 0);
                g_assert_cmpint(multibase_encode(numbers[i], bytes, MULTIBASE_NUMBER_MAX + 1, &text),
                                ==,
                                -ENOBUFS);
        }

        memset(bytes, 0, sizeof(bytes));
        g_assert_cmpint(multibase_decode(MULTIBASE_64, "AAAA", 4, bytes, 2), ==, -ENOBUFS);
        g_assert_cmpint(multibase_decode(MULTIBASE_58_BTC, "1111", 4, bytes, 3), ==, -ENOBUFS);
        g_assert_cmpint(multibase_encode(MULTIBASE_32, bytes, sizeof(bytes), &text), ==, 0);
}

static void test_out_of_memory(void) {
        uint8_t bytes[200] = { 0, 0, 1, 2, 3 };

        for (int base = 0; base < _MULTIBASE_N; base++)
                FOREACH_FAULT {
                        _cleanup_(str_done) Str text = {};
                        int r;

                        r = multibase_encode(base, bytes, sizeof(bytes), &text);
                        g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/multibase/prefixes", test_prefixes);
        g_test_add_func("/base/multibase/vectors", test_vectors);
        g_test_add_func("/base/multibase/strict", test_strict);
        g_test_add_func("/base/multibase/lengths", test_lengths);
        g_test_add_func("/base/multibase/bounds", test_bounds);
        g_test_add_func("/base/multibase/out-of-memory", test_out_of_memory);
        return g_test_run();
}
