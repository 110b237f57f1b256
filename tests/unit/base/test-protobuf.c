#include <glib.h>
#include <string.h>

#include "daemon/base/protobuf.h"
#include "tests/lib/fault.h"

static int write_sample(Str *to) {
        (void) protobuf_write_uint(to, 1, 150);
        (void) protobuf_write_uint(to, 2, 0); /* left out */
        (void) protobuf_write_sint(to, 3, -2);
        (void) protobuf_write_bytes(to, 4, "testing", 7);
        (void) protobuf_write_bytes(to, 5, NULL, 0); /* left out */
        (void) protobuf_write_element(to, 6, "", 0);
        return protobuf_write_uint(to, 536870911, UINT64_MAX);
}

/* The first three are the examples of the format's own description. */
static const char sample[] = "\x08\x96\x01"
                             "\x18\x03"
                             "\x22\x07testing"
                             "\x32\x00"
                             "\xf8\xff\xff\xff\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";

static void test_write(void) {
        _cleanup_(str_done) Str s = {};

        g_assert_cmpint(write_sample(&s), ==, 0);
        g_assert_cmpmem(s.data, s.len, sample, sizeof(sample) - 1);
}

static void test_read(void) {
        ProtobufReader reader = protobuf_reader(sample, sizeof(sample) - 1);
        ProtobufField field;

        g_assert_cmpint(protobuf_next(&reader, &field), ==, 1);
        g_assert_cmpuint(field.number, ==, 1);
        g_assert_cmpint(field.type, ==, PROTOBUF_VARINT);
        g_assert_cmpuint(field.value, ==, 150);

        g_assert_cmpint(protobuf_next(&reader, &field), ==, 1);
        g_assert_cmpuint(field.number, ==, 3);
        g_assert_cmpint(protobuf_sint(field.value), ==, -2);

        g_assert_cmpint(protobuf_next(&reader, &field), ==, 1);
        g_assert_cmpuint(field.number, ==, 4);
        g_assert_cmpint(field.type, ==, PROTOBUF_BYTES);
        g_assert_cmpmem(field.bytes, field.size, "testing", 7);

        g_assert_cmpint(protobuf_next(&reader, &field), ==, 1);
        g_assert_cmpuint(field.number, ==, 6);
        g_assert_cmpuint(field.size, ==, 0);

        g_assert_cmpint(protobuf_next(&reader, &field), ==, 1);
        g_assert_cmpuint(field.number, ==, 536870911);
        g_assert_cmpuint(field.value, ==, UINT64_MAX);

        g_assert_cmpint(protobuf_next(&reader, &field), ==, 0);
        g_assert_cmpint(protobuf_next(&reader, &field), ==, 0);
}

/* A cut between two fields is an end, elsewhere it is an error. */
static void test_cut(void) {
        static const size_t ends[] = { 0, 3, 5, 14, 16 };

        for (size_t n = 0; n < sizeof(sample) - 1; n++) {
                ProtobufReader reader = protobuf_reader(sample, n);
                ProtobufField field;
                bool at_end = false;
                int r;

                for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                        at_end = at_end || ends[i] == n;
                while ((r = protobuf_next(&reader, &field)) > 0)
                        ;
                g_test_message("cut at %zu", n);
                g_assert_cmpint(r, ==, at_end ? 0 : -EBADMSG);
        }
}

static void test_fixed(void) {
        static const char bytes[] = "\x0d\x01\x02\x03\x04\x11\x01\x02\x03\x04\x05\x06\x07\x08";
        ProtobufReader reader = protobuf_reader(bytes, sizeof(bytes) - 1);
        ProtobufField field;

        g_assert_cmpint(protobuf_next(&reader, &field), ==, 1);
        g_assert_cmpint(field.type, ==, PROTOBUF_FIXED32);
        g_assert_cmphex(field.value, ==, 0x04030201);
        g_assert_cmpint(protobuf_next(&reader, &field), ==, 1);
        g_assert_cmpint(field.type, ==, PROTOBUF_FIXED64);
        g_assert_cmphex(field.value, ==, UINT64_C(0x0807060504030201));
        g_assert_cmpint(protobuf_next(&reader, &field), ==, 0);
}

static void test_bad(void) {
        static const struct {
                const char *bytes;
                size_t n;
                const char *what;
        } cases[] = {
                { "\x00\x01", 2, "field 0" },
                { "\x0b", 1, "group start" },
                { "\x0c", 1, "group end" },
                { "\x0e\x00", 2, "type 6" },
                { "\x0f\x00", 2, "type 7" },
                { "\x80\x80\x80\x80\x10\x01", 6, "field 2^29" },
                { "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, "65 bits" },
                { "\x0a\x02\x61", 3, "beyond the end" },
                { "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x61", 12, "a length that wraps" },
                { "\x0d\x01\x02\x03", 4, "fixed32 cut" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ProtobufReader reader = protobuf_reader(cases[i].bytes, cases[i].n);
                ProtobufField field = { .number = 77 };

                g_test_message("%s", cases[i].what);
                g_assert_cmpint(protobuf_next(&reader, &field), ==, -EBADMSG);
                g_assert_cmpuint(field.number, ==, 77);
        }
}

static void test_sint(void) {
        static const int64_t values[] = { 0, -1, 1, -2, INT64_MAX, INT64_MIN, -64, 63 };

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                _cleanup_(str_done) Str s = {};
                ProtobufField field = {};
                ProtobufReader reader;

                g_assert_cmpint(protobuf_write_sint(&s, 1, values[i]), ==, 0);
                reader = protobuf_reader(s.data, s.len);
                g_assert_cmpint(protobuf_next(&reader, &field), ==, values[i] == 0 ? 0 : 1);
                g_assert_cmpint(protobuf_sint(field.value), ==, values[i]);
        }
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str s = {};
                int r;

                r = write_sample(&s);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/protobuf/write", test_write);
        g_test_add_func("/base/protobuf/read", test_read);
        g_test_add_func("/base/protobuf/cut", test_cut);
        g_test_add_func("/base/protobuf/fixed", test_fixed);
        g_test_add_func("/base/protobuf/bad", test_bad);
        g_test_add_func("/base/protobuf/sint", test_sint);
        g_test_add_func("/base/protobuf/out-of-memory", test_out_of_memory);
        return g_test_run();
}
