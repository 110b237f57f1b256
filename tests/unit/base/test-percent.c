#include <glib.h>
#include <string.h>

#include "daemon/base/percent.h"
#include "tests/lib/fault.h"

static void test_encode(void) {
        static const struct {
                const char *text, *keep, *encoded;
        } cases[] = {
                { "", "", "" },
                { "AZaz09-._~", "", "AZaz09-._~" },
                { "a b/c", "", "a%20b%2Fc" },
                { "a b/c", "/ ", "a b/c" },
                { "100%&=+", "", "100%25%26%3D%2B" },
                { "\xc3\xa9\x7f\x01", "", "%C3%A9%7F%01" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str to = {};

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(percent_encode(&to, cases[i].text, strlen(cases[i].text), cases[i].keep),
                                ==,
                                0);
                g_assert_cmpstr(to.data ?: "", ==, cases[i].encoded);
        }
}

static void test_encode_query(void) {
        _cleanup_(str_done) Str to = {};

        g_assert_cmpint(str_append(&to, "a b="), ==, 0); /* what is there stays as it is */
        g_assert_cmpint(percent_encode_query(&to, "c d+/", 5), ==, 0);
        g_assert_cmpstr(to.data, ==, "a b=c+d%2B%2F");
}

/* A NUL is a byte like any other, and in no KEEP. */
static void test_every_byte(void) {
        for (int byte = 0; byte < 256; byte++) {
                _cleanup_(str_done) Str to = {};
                char c = (char) byte;

                g_assert_cmpint(percent_encode(&to, &c, 1, "/"), ==, 0);
                if (to.len == 1)
                        g_assert_cmpint(to.data[0], ==, c);
                else
                        g_assert_cmpint(percent_decode(to.data, to.len), ==, byte);
        }
}

static void test_decode(void) {
        static const struct {
                const char *text;
                int byte;
        } cases[] = {
                { "%41", 0x41 },    { "%2f", 0x2f },    { "%fFx", 0xff },   { "%00", 0 },
                { "%4", -EINVAL },  { "%", -EINVAL },   { "", -EINVAL },    { "41", -EINVAL },
                { "a41", -EINVAL }, { "%g1", -EINVAL }, { "%1g", -EINVAL }, { "% 1", -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("%s", cases[i].text);
                g_assert_cmpint(percent_decode(cases[i].text, strlen(cases[i].text)), ==, cases[i].byte);
        }
        g_assert_cmpint(percent_decode("%411", 2), ==, -EINVAL);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str to = {};
                int r;

                r = percent_encode(&to, "a b", 3, "");
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/percent/encode", test_encode);
        g_test_add_func("/base/percent/encode-query", test_encode_query);
        g_test_add_func("/base/percent/every-byte", test_every_byte);
        g_test_add_func("/base/percent/decode", test_decode);
        g_test_add_func("/base/percent/out-of-memory", test_out_of_memory);
        return g_test_run();
}
