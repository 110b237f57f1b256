#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/multihash.h"

static void test_read(void) {
        static const char bytes[] = "\x12\x04"
                                    "abcd";
        Multihash multihash;

        g_assert_cmpint(multihash_read(bytes, 6, &multihash, NULL), ==, 0);
        g_assert_cmpuint(multihash.code, ==, MULTIHASH_SHA2_256);
        g_assert_cmpmem(multihash.digest, multihash.size, "abcd", 4);

        g_assert_cmpint(multihash_read("\0\0", 2, &multihash, NULL), ==, 0);
        g_assert_cmpuint(multihash.code, ==, MULTIHASH_IDENTITY);
        g_assert_cmpuint(multihash.size, ==, 0);

        g_assert_cmpint(multihash_read("\xa0\xe4\x02\x01z", 5, &multihash, NULL), ==, 0); /* blake2b-256 */
        g_assert_cmphex(multihash.code, ==, 0xb220);
}

static void test_bad(void) {
        static const struct {
                const char *bytes;
                size_t n;
                const char *problem;
        } cases[] = {
                { "", 0, "multihash too short. must be >= 2 bytes" },
                { "\x12", 1, "multihash too short. must be >= 2 bytes" },
                { "\x80\x80", 2, "uvarint: buffer too small" },
                { "\x12\x80", 2, "uvarint: buffer too small" },
                { "\x92\x00\x00", 3, "uvarint: varint too big (max 64bit)" },
                { "\x12\x04"
                  "abc",
                  5,
                  "length greater than remaining number of bytes in buffer" },
                { "\x12\x04"
                  "abcde",
                  7,
                  "multihash length inconsistent" },
        };
        char huge[200] = "\0\x81\x01"; /* 129 bytes of identity */
        const char *problem;
        Multihash multihash;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(multihash_read(cases[i].bytes, cases[i].n, &multihash, &problem),
                                ==,
                                -EBADMSG);
                g_assert_cmpstr(problem, ==, cases[i].problem);
        }

        g_assert_cmpint(multihash_read(huge, 3 + 129, &multihash, &problem), ==, -EBADMSG);
        g_assert_cmpstr(problem, ==, "multihash too long. must be < 129 bytes");
        huge[1] = (char) 0x80;
        g_assert_cmpint(multihash_read(huge, 3 + 128, &multihash, NULL), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/multihash/read", test_read);
        g_test_add_func("/types/multihash/bad-with-words", test_bad);
        return g_test_run();
}
