#include <glib.h>

#include "daemon/base/macro.h"
#include "daemon/base/varint.h"

static const struct {
        uint64_t value;
        size_t size;
} values[] = {
        { 0, 1 },
        { 1, 1 },
        { 0x7f, 1 },
        { 0x80, 2 },
        { 0x3fff, 2 },
        { 0x4000, 3 },
        { UINT32_MAX, 5 },
        { (UINT64_C(1) << 56) - 1, 8 },
        { UINT64_C(1) << 56, 9 },
        { INT64_MAX, 9 },
        { (uint64_t) INT64_MAX + 1, 10 },
        { UINT64_MAX, 10 },
};

static void test_round_trip(void) {
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                uint8_t bytes[VARINT_MAX_BYTES];
                uint64_t value = 99;
                size_t n;

                n = varint_write(values[i].value, bytes);
                g_assert_cmpuint(n, ==, values[i].size);
                g_assert_cmpuint(varint_size(values[i].value), ==, n);

                g_assert_cmpint(varint_read_protobuf(bytes, n, &value), ==, (int) n);
                g_assert_cmpuint(value, ==, values[i].value);
                for (size_t cut = 0; cut < n; cut++)
                        g_assert_cmpint(varint_read_protobuf(bytes, cut, &value), ==, -ENODATA);

                value = 99;
                if (n == VARINT_MAX_BYTES) { /* the multiformats have 63 bits */
                        g_assert_cmpint(varint_read(bytes, n, &value), ==, -EBADMSG);
                        g_assert_cmpuint(value, ==, 99);
                        continue;
                }
                g_assert_cmpint(varint_read(bytes, n, &value), ==, (int) n);
                g_assert_cmpuint(value, ==, values[i].value);
                for (size_t cut = 0; cut < n; cut++)
                        g_assert_cmpint(varint_read(bytes, cut, &value), ==, -ENODATA);
        }
}

static void test_forms(void) {
        static const struct {
                const char *bytes;
                size_t n;
                ssize_t strict, lax;
                uint64_t value;
        } cases[] = {
                { "\x80\x00", 2, -EBADMSG, 2, 0 }, /* not the shortest */
                { "\x81\x00", 2, -EBADMSG, 2, 1 },
                { "\xac\x02tail", 6, 2, 2, 300 },
                { "\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10, -EBADMSG, 10, 1 },
                { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, -EBADMSG, 10, UINT64_MAX },
                { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, -EBADMSG, -EBADMSG, 0 }, /* 65 bits */
                { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, -EBADMSG, -EBADMSG, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t value = 0;

                g_test_message("case %zu", i);
                g_assert_cmpint(varint_read(cases[i].bytes, cases[i].n, &value), ==, cases[i].strict);
                g_assert_cmpint(varint_read_protobuf(cases[i].bytes, cases[i].n, &value), ==, cases[i].lax);
                g_assert_cmpuint(value, ==, cases[i].value);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/varint/round-trip-and-cut", test_round_trip);
        g_test_add_func("/base/varint/forms", test_forms);
        return g_test_run();
}
