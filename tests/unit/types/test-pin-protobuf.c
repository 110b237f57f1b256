#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/base/protobuf.h"
#include "daemon/types/pin.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"
#include "tests/unit/types/pin-sample.h"

/* The sample as the generated Go code would have it, field by field. */
static const char sample_hex[] =
                "0a24015512200a6a30a709b9732cca6d6254ee3aefdcfb76ff9909a7a3068f90a9997af119ee" /* 1 Cid */
                "1001"                                                                         /* 2 Type */
                "1a2600240801122047ace4d4d30b37f31d02e0c7ef2221b8a4549870d9a3ddc89e78fccf312024ba"
                "1a221220891b7fa3052191f91b71a5fa469477bb618d9a97915b71ff243ad8b883dae9db" /* 3 Allocations
                                                                                            */
                "2001"                                                                     /* 4 MaxDepth */
                "2a221220d42e773dce38b903e3d9e212bba9737d31b1bfe67ad0d86987d5302ac3d969d8" /* 5 Reference */
                "328001"                                                                   /* 6 Options */
                "08021004"                                                                 /* 1, 2 factors */
                "1a0b61206ec3a46d65203c623e"                                               /* 3 Name */
                "2064"                                                                     /* 4 ShardSize */
                "3a2212200b1d6d95aae1fc9a54ad6eb18d968af23b27c51fb66d8bc21cc999eaef208768" /* 7 PinUpdate */
                "40a5aaf58607"                                                             /* 8 ExpireAt */
                "4a2d047f000001064e2ba503221220891b7fa3052191f91b71a5fa469477bb618d9a97915b71ff243ad8b883dae9db"
                "52090a026161120374776f" /* 10 Metadata */
                "52070a027a7a120131"
                "3896948cd806"; /* 7 Timestamp */

/* What its pinning requests add. */
static const char requests_hex[] =
                "a80601"                               /* 101 RequestsOnly */
                "b2060f08c0a7a085f29b980310ffffffff0f" /* 102 Request: created, random */
                "b2062108c0e7d585f29b98031a046d696e654a08047f000001064e2b52060a016b120176";

static GByteArray *from_hex(const char *hex) {
        GByteArray *bytes = g_byte_array_new();

        for (; hex[0] && hex[1]; hex += 2) {
                uint8_t byte = (uint8_t) (g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));

                g_byte_array_append(bytes, &byte, 1);
        }
        return bytes;
}

static void test_write(void) {
        g_autoptr(GByteArray) expected = from_hex(sample_hex);
        _cleanup_(str_done) Str bytes = {};
        _cleanup_(pin_done) Pin pin = {};

        pin_sample(&pin);
        (void) str_append(&bytes, "before"); /* what was there stays */
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
        g_assert_cmpmem(bytes.data + 6, bytes.len - 6, expected->data, expected->len);
        g_assert_cmpmem(bytes.data, 6, "before", 6);
}

static void test_read(void) {
        g_autoptr(GByteArray) bytes = from_hex(sample_hex);
        _cleanup_(pin_done) Pin pin = {}, read = {};

        pin_sample(&pin);
        g_assert_cmpint(pin_read(bytes->data, bytes->len, &read), ==, 0);
        g_assert_true(pin_equal(&pin, &read));
        g_assert_cmpuint(read.user_allocations.n, ==, 0);
        g_assert_false(read.user_allocations.is_set);
}

static GByteArray *with_requests(void) {
        GByteArray *bytes = from_hex(sample_hex);
        g_autoptr(GByteArray) more = from_hex(requests_hex);

        return g_byte_array_append(bytes, more->data, more->len);
}

static void test_requests(void) {
        g_autoptr(GByteArray) expected = with_requests();
        _cleanup_(pin_done) Pin pin = {}, read = {};
        _cleanup_(str_done) Str bytes = {};

        pin_sample_with_requests(&pin);
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
        g_assert_cmpmem(bytes.data, bytes.len, expected->data, expected->len);
        g_assert_cmpint(pin_read(bytes.data, bytes.len, &read), ==, 0);
        g_assert_true(pin_equal(&pin, &read));
        g_assert_cmpuint(read.requests.n, ==, 2);
        g_assert_true(read.requests_only);
}

/* In whatever order they come, they are written in theirs; one that is repeated counts once. */
static void test_requests_are_canonical(void) {
        static const char forms[][32] = { "b20604081e1001", "b206020805", "b20604081e1001", "b20602081e" };
        _cleanup_(str_done) Str hex = {}, bytes = {};
        _cleanup_(pin_done) Pin pin = {};
        g_autoptr(GByteArray) input = NULL, expected = NULL;

        (void) str_append(
                        &hex,
                        "0a24015512200a6a30a709b9732cca6d6254ee3aefdcfb76ff9909a7a3068f90a9997af119ee10013200");
        expected = from_hex(hex.data);
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
                (void) str_append(&hex, forms[i]);
        input = from_hex(hex.data);
        g_assert_cmpint(pin_read(input->data, input->len, &pin), ==, 0);
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
        g_assert_cmpmem(bytes.data, expected->len, expected->data, expected->len);
        g_clear_pointer(&expected, g_byte_array_unref);
        expected = from_hex("b206020805b20602081eb20604081e1001");
        g_assert_cmpmem(bytes.data + bytes.len - expected->len,
                        expected->len,
                        expected->data,
                        expected->len);
}

/* "Only" what is not there: it says nothing. */
static void test_only_without_requests(void) {
        g_autoptr(GByteArray) bytes = from_hex(sample_hex), only = from_hex("a80601");
        size_t n = bytes->len;
        _cleanup_(pin_done) Pin pin = {};
        _cleanup_(str_done) Str again = {};

        g_byte_array_append(bytes, only->data, only->len);
        g_assert_cmpint(pin_read(bytes->data, bytes->len, &pin), ==, 0);
        g_assert_false(pin.requests_only);
        pin.requests_only = true;
        g_assert_cmpint(pin_write(&pin, &again), ==, 0);
        g_assert_cmpmem(again.data, again.len, bytes->data, n);
}

static void test_parts(void) {
        g_autoptr(GByteArray) bytes = with_requests();
        size_t own = strlen(sample_hex) / 2;
        PinParts parts;

        parts = pin_parts(bytes->data, bytes->len);
        g_assert_cmpuint(parts.own, ==, own);
        g_assert_cmpuint(parts.requests, ==, own + 3);
        parts = pin_parts(bytes->data, own);
        g_assert_cmpuint(parts.own, ==, own);
        g_assert_cmpuint(parts.requests, ==, own);

        g_byte_array_remove_range(bytes, (guint) own, 3);
        parts = pin_parts(bytes->data, bytes->len);
        g_assert_cmpuint(parts.own, ==, own);
        g_assert_cmpuint(parts.requests, ==, own);
        parts = pin_parts("\xff", 1); /* no pin */
        g_assert_cmpuint(parts.own, ==, 1);
}

static void test_requests_bounds(void) {
        _cleanup_(pin_done) Pin pin = {}, read = {};
        _cleanup_(str_done) Str bytes = {};

        pin_sample_with_requests(&pin);
        g_free(pin.requests.items[0].name);
        pin.requests.items[0].name = g_strnfill(PIN_REQUESTS_BYTES_MAX, 'n');
        g_assert_cmpint(pin_write(&pin, &bytes), ==, -E2BIG);
        g_assert_cmpuint(bytes.len, ==, 0);
        pin.requests.items[0].name[PIN_REQUESTS_BYTES_MAX - 200] = '\0';
        str_map_done(&pin.metadata);
        g_free(pin.name);
        pin.name = g_strnfill(PIN_OWN_BYTES_MAX - 400, 'n'); /* as much as there can be */
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
        g_assert_cmpuint(bytes.len, <=, PIN_BYTES_MAX);
        g_assert_cmpint(pin_read(bytes.data, bytes.len, &read), ==, 0);
        g_assert_true(pin_equal(&pin, &read));

        for (unsigned i = 0; pin.requests.items[1].origins.n <= PIN_ORIGINS_MAX; i++)
                g_assert_cmpint(str_list_append(&pin.requests.items[1].origins, "/ip4/1.2.3.4"), ==, 0);
        g_assert_cmpint(pin_write(&pin, &bytes), ==, -E2BIG);
        str_list_done(&pin.requests.items[1].origins);
        for (unsigned i = 0; pin.requests.items[1].meta.n <= PIN_METADATA_MAX; i++) {
                char key[16];

                (void) g_snprintf(key, sizeof(key), "%u", i);
                g_assert_cmpint(str_map_set(&pin.requests.items[1].meta, key, ""), ==, 0);
        }
        g_assert_cmpint(pin_write(&pin, &bytes), ==, -E2BIG);
}

static void test_too_many_requests(void) {
        _cleanup_(str_done) Str bytes = {};
        Pin pin = {};
        Cid cid;

        g_assert_cmpint(cid_parse(SAMPLE_CID, &cid, NULL), ==, 0);
        (void) protobuf_write_bytes(&bytes, 1, cid.bytes, cid.size);
        for (int i = 0; i <= PIN_REQUESTS_MAX; i++) {
                _cleanup_(str_done) Str request = {};

                (void) protobuf_write_uint(&request, 1, (uint64_t) i + 1);
                (void) protobuf_write_bytes(&bytes, 102, request.data, request.len);
        }
        g_assert_cmpint(pin_read(bytes.data, bytes.len, &pin), ==, -EBADMSG);
}

static void test_minimal(void) {
        _cleanup_(pin_done) Pin pin = {}, read = {};
        _cleanup_(str_done) Str bytes = {}, text = {};

        g_assert_cmpint(cid_parse(SAMPLE_CID, &pin.cid, NULL), ==, 0);
        pin.type = PIN_TYPE_DATA;
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
        g_assert_cmpuint(bytes.len, ==, 2 + 36 + 2 + 2); /* CID, type, empty options */
        g_assert_cmpint(pin_read(bytes.data, bytes.len, &read), ==, 0);
        g_assert_cmpint(json_write(&pin_shape, &read, &text), ==, 0);
        g_assert_cmpstr(text.data,
                        ==,
                        "{\"replication_factor_min\":0,\"replication_factor_max\":0,\"name\":\"\",\"mode\":"
                        "\"direct\",\"shard_size\":0,\"user_allocations\":null,\"expire_at\":\"0001-01-01T00:"
                        "00:00Z\",\"metadata\":null,\"pin_update\":null,\"origins\":[],\"cid\":\"" SAMPLE_CID
                        "\",\"type\":\"pin\",\"allocations\":[],\"max_depth\":0,\"reference\":null,"
                        "\"timestamp\":\"0001-01-01T00:00:00Z\"}");
}

static void test_types(void) {
        static const int types[] = {
                PIN_TYPE_BAD, PIN_TYPE_DATA, PIN_TYPE_META, PIN_TYPE_CLUSTER_DAG, PIN_TYPE_SHARD
        };

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                _cleanup_(pin_done) Pin pin = { .type = types[i] }, read = {};
                _cleanup_(str_done) Str bytes = {};

                g_assert_cmpint(cid_parse(SAMPLE_CID, &pin.cid, NULL), ==, 0);
                g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
                g_assert_cmpint(pin_read(bytes.data, bytes.len, &read), ==, 0);
                g_assert_cmpint(read.type, ==, types[i]);
        }
}

/* Cut anywhere it is refused, or is a shorter message; never more than the bytes are read. */
static void test_cut(void) {
        g_autoptr(GByteArray) bytes = with_requests();

        for (size_t n = 0; n < bytes->len; n++) {
                g_autofree uint8_t *cut = g_memdup2(bytes->data, n);
                _cleanup_(str_done) Str again = {};
                _cleanup_(pin_done) Pin pin = {};
                int r;

                r = pin_read(cut, n, &pin);
                if (r < 0) {
                        g_assert_cmpint(r, ==, -EBADMSG);
                        g_assert_cmpuint(pin.cid.size, ==, 0);
                        continue;
                }
                g_assert_cmpint(pin_write(&pin, &again), ==, 0);
                g_assert_cmpuint(again.len + 3, >=, n); /* "only" goes without a request */
        }
}

static void test_unknown_fields(void) {
        g_autoptr(GByteArray) bytes = from_hex(sample_hex);
        _cleanup_(pin_done) Pin pin = {}, read = {};
        _cleanup_(str_done) Str longer = {};

        pin_sample(&pin);
        (void) protobuf_write_uint(&longer, 8, 1);
        (void) str_append_bytes(&longer, bytes->data, bytes->len);
        (void) protobuf_write_bytes(&longer, 100, "new", 3);
        (void) protobuf_write_bytes(&longer, 103, "new", 3);
        g_assert_cmpint(pin_read(longer.data, longer.len, &read), ==, 0);
        g_assert_true(pin_equal(&pin, &read));
}

/* Metadata as older versions wrote it, a map in field 6. */
static void test_old_metadata(void) {
        static const char hex[] =
                        "0a24015512200a6a30a709b9732cca6d6254ee3aefdcfb76ff9909a7a3068f90a9997af119ee"
                        "321032060a0161120162"
                        "32060a01631a0178";
        g_autoptr(GByteArray) bytes = from_hex(hex);
        _cleanup_(pin_done) Pin pin = {};

        g_assert_cmpint(pin_read(bytes->data, bytes->len, &pin), ==, 0);
        g_assert_cmpuint(pin.metadata.n, ==, 2);
        g_assert_cmpstr(str_map_get(&pin.metadata, "a"), ==, "b");
        g_assert_cmpstr(str_map_get(&pin.metadata, "c"), ==, "");
}

#define CID_HEX "0a24015512200a6a30a709b9732cca6d6254ee3aefdcfb76ff9909a7a3068f90a9997af119ee"

static void test_bad(void) {
        static const char *const cases[] = {
                "",
                "1001",                 /* no CID */
                "0a03015512",           /* a bad one */
                "0801",                 /* of another wire type */
                CID_HEX "1005",         /* type */
                CID_HEX "1a020001",     /* allocation */
                CID_HEX "2a0101",       /* reference */
                CID_HEX "3203ffffff",   /* options */
                CID_HEX "320308",       /* cut */
                CID_HEX "32031a0100",   /* a NUL in the name */
                CID_HEX "32033a0101",   /* update */
                CID_HEX "32034a0105",   /* origin */
                CID_HEX "320452020a05", /* metadata, cut */
                CID_HEX "32045202"
                        "0801",                       /* metadata of another wire type */
                CID_HEX "38ffffffffffffffff7f",       /* a time beyond microseconds */
                CID_HEX "aa0600",                     /* requests: only, of another wire type */
                CID_HEX "b00601",                     /* a request that is a number */
                CID_HEX "b2060208",                   /* cut */
                CID_HEX "b206020a00",                 /* created of another wire type */
                CID_HEX "b2060a08ffffffffffffffff7f", /* after 9999 */
                CID_HEX "b206061080808080"
                        "10",             /* random beyond 32 bits */
                CID_HEX "b206031a0100",   /* a NUL in the name */
                CID_HEX "b206034a0105",   /* origin */
                CID_HEX "b2060452020a05", /* meta, cut */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GByteArray) bytes = from_hex(cases[i]);
                Pin pin = {};

                if (pin_read(bytes->data, bytes->len, &pin) != -EBADMSG)
                        g_error("'%s' is accepted", cases[i]);
                g_assert_null(pin.name);
        }
}

static void test_bounds(void) {
        _cleanup_(pin_done) Pin pin = {}, read = {};
        _cleanup_(str_done) Str bytes = {};
        char key[16];

        pin_sample(&pin);
        (void) str_append(&bytes, "x");
        g_free(pin.name);
        pin.name = g_strnfill(PIN_BYTES_MAX, 'n');
        g_assert_cmpint(pin_write(&pin, &bytes), ==, -E2BIG);
        g_assert_cmpstr(bytes.data, ==, "x"); /* as before */
        g_assert_cmpuint(bytes.len, ==, 1);
        pin.name[PIN_NAME_MAX] = '\0';
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
        g_assert_cmpint(pin_read(bytes.data + 1, bytes.len - 1, &read), ==, 0);
        g_assert_true(pin_equal(&pin, &read));

        for (int i = 0; pin.metadata.n <= PIN_METADATA_MAX; i++) {
                (void) g_snprintf(key, sizeof(key), "%d", i);
                g_assert_cmpint(str_map_set(&pin.metadata, key, ""), ==, 0);
        }
        g_assert_cmpint(pin_write(&pin, &bytes), ==, -E2BIG);
        str_map_done(&pin.metadata);
        while (pin.origins.n <= PIN_ORIGINS_MAX)
                g_assert_cmpint(str_list_append(&pin.origins, "/ip4/1.2.3.4"), ==, 0);
        g_assert_cmpint(pin_write(&pin, &bytes), ==, -E2BIG);
}

/* What a message may hold is bounded when it is read, too. */
static void test_read_bounds(void) {
        static const struct {
                uint32_t number;
                const char *element;
        } cases[] = { { 10, "\x0a\x01z" }, { 9, "/x" } };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str options = {}, bytes = {};
                Pin pin = {};
                Cid cid;

                for (int k = 0; k <= PIN_METADATA_MAX; k++) {
                        char entry[8] = "\x0a\x02";

                        entry[2] = (char) (1 + k % 100);
                        entry[3] = (char) (1 + k / 100);
                        if (cases[i].number == 9)
                                (void) strcpy(entry, cases[i].element);
                        (void) protobuf_write_element(&options, cases[i].number, entry, strlen(entry));
                }
                g_assert_cmpint(cid_parse(SAMPLE_CID, &cid, NULL), ==, 0);
                (void) protobuf_write_bytes(&bytes, 1, cid.bytes, cid.size);
                (void) protobuf_write_bytes(&bytes, 6, options.data, options.len);
                g_assert_cmpint(pin_read(bytes.data, bytes.len, &pin), ==, -EBADMSG);
        }
}

static void test_faults(void) {
        g_autoptr(GByteArray) bytes = with_requests();

        FOREACH_FAULT {
                _cleanup_(pin_done) Pin pin = {};
                _cleanup_(str_done) Str again = {};
                int r;

                r = pin_read(bytes->data, bytes->len, &pin);
                if (r >= 0)
                        r = pin_write(&pin, &again);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

/* What the Go program answered from its state is what the stored form carries. */
static void test_golden(void) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "pin.json", NULL);
        g_autofree char *content = NULL;
        g_auto(GStrv) lines = NULL;
        size_t n_same = 0;

        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        lines = g_strsplit(g_strchomp(content), "\n", -1);
        for (size_t i = 0; lines[i]; i++) {
                _cleanup_(pin_done) Pin pin = {}, read = {};
                _cleanup_(str_done) Str bytes = {}, text = {};

                g_assert_cmpint(json_read_text(&pin_shape, lines[i], strlen(lines[i]), &pin, NULL), ==, 0);
                g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);
                g_assert_cmpint(pin_read(bytes.data, bytes.len, &read), ==, 0);
                g_assert_true(pin_equal(&pin, &read));
                g_assert_cmpint(json_write(&pin_shape, &read, &text), ==, 0);
                n_same += !strcmp(text.data, lines[i]);
        }
        g_assert_cmpuint(n_same, >=, 20);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/pin-protobuf/write", test_write);
        g_test_add_func("/types/pin-protobuf/read", test_read);
        g_test_add_func("/types/pin-protobuf/requests", test_requests);
        g_test_add_func("/types/pin-protobuf/requests-are-canonical", test_requests_are_canonical);
        g_test_add_func("/types/pin-protobuf/only-without-requests", test_only_without_requests);
        g_test_add_func("/types/pin-protobuf/parts", test_parts);
        g_test_add_func("/types/pin-protobuf/requests-bounds", test_requests_bounds);
        g_test_add_func("/types/pin-protobuf/too-many-requests", test_too_many_requests);
        g_test_add_func("/types/pin-protobuf/minimal", test_minimal);
        g_test_add_func("/types/pin-protobuf/types", test_types);
        g_test_add_func("/types/pin-protobuf/cut-anywhere", test_cut);
        g_test_add_func("/types/pin-protobuf/unknown-fields", test_unknown_fields);
        g_test_add_func("/types/pin-protobuf/old-metadata", test_old_metadata);
        g_test_add_func("/types/pin-protobuf/bad", test_bad);
        g_test_add_func("/types/pin-protobuf/bounds", test_bounds);
        g_test_add_func("/types/pin-protobuf/bounds-when-read", test_read_bounds);
        g_test_add_func("/types/pin-protobuf/without-memory", test_faults);
        g_test_add_func("/types/pin-protobuf/as-recorded", test_golden);
        return g_test_run();
}
