#include <errno.h>
#include <glib.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/types/cid.h"

#define V0 "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq"
#define V0_HASH "0b1d6d95aae1fc9a54ad6eb18d968af23b27c51fb66d8bc21cc999eaef208768"
#define RAW "bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y"
#define RAW_HASH "0a6a30a709b9732cca6d6254ee3aefdcfb76ff9909a7a3068f90a9997af119ee"
#define HELLO "bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a" /* "hello cluster\n" */

static Cid parse(const char *text) {
        const char *problem = NULL;
        Cid cid = {};

        if (cid_parse(text, &cid, &problem) < 0)
                g_error("'%s': %s", text, problem);
        return cid;
}

/* All the forms that the Go library writes of it. */
static void test_text(void) {
        static const char *const forms[] = {
                RAW,
                ("f01551220" RAW_HASH),
                "F015512200A6A30A709B9732CCA6D6254EE3AEFDCFB76FF9909A7A3068F90A9997AF119EE",
                "BAFKREIAKNIYKOCNZOMWMU3LCKTXDV3647N3P7GIJU6RQND4QVGMXV4IZ5Y",
                "cafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y======",
                "v05ah480ad8oae2dpecmckrb2ajn3lrusvdrfv689kuhgd3sgl6cnls8pto",
                "V05AH480AD8OAE2DPECMCKRB2AJN3LRUSVDRFV689KUHGD3SGL6CNLS8PTO",
                "k2cwue8wqyrld7095slrn44cs3tz14j5lscizbns1exkup8tqrfg1qsu",
                "K2CWUE8WQYRLD7095SLRN44CS3TZ14J5LSCIZBNS1EXKUP8TQRFG1QSU",
                "zb2rhXLwBhRNnwhfFAHXnjXqBGHB2sdHKB4rbgkyTrv7KGmWu",
                "mAVUSIApqMKcJuXMsym1iVO4679z7dv+ZCaejBo+QqZl68Rnu",
                "MAVUSIApqMKcJuXMsym1iVO4679z7dv+ZCaejBo+QqZl68Rnu",
                "uAVUSIApqMKcJuXMsym1iVO4679z7dv-ZCaejBo-QqZl68Rnu",
                "UAVUSIApqMKcJuXMsym1iVO4679z7dv-ZCaejBo-QqZl68Rnu",
        };
        char text[CID_TEXT_MAX];
        Cid cid;

        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
                cid = parse(forms[i]);
                g_assert_cmpstr(cid_format(&cid, text), ==, RAW);
        }
}

static void test_version_0(void) {
        static const char *const forms[] = { V0,
                                             "zQmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq",
                                             ("f1220" V0_HASH) };
        char text[CID_TEXT_MAX];
        Cid cid;

        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
                cid = parse(forms[i]);
                g_assert_cmpstr(cid_format(&cid, text), ==, V0);
                g_assert_cmpuint(cid_version(&cid), ==, 0);
        }

        cid = parse("bafybeialdvwzlkxb7snfjllowggzncxshmt4kh5wnwf4ehgjthvo6iehna"); /* the same as version 1
                                                                                     */
        g_assert_cmpuint(cid_version(&cid), ==, 1);
        g_assert_cmpstr(cid_format(&cid, text), !=, V0);
}

/* The words are recorded from the Go program and its library. */
static void test_bad(void) {
        static const struct {
                const char *text;
                const char *problem;
        } cases[] = {
                { "", "cid too short" },
                { "a", "cid too short" },
                { "abcd", "selected encoding not supported" },
                { "recover", "selected encoding not supported" },
                { "notacid", "selected encoding not supported" },
                { "<b>&", "selected encoding not supported" },
                { "/ipfs/" V0, "selected encoding not supported" },
                { "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmm", "selected encoding not supported" },
                { "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmm0", "input isn't valid multihash" },
                { "Qmzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
                  "length greater than remaining number of bytes in buffer" },
                { "bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5",
                  "invalid cid: length greater than remaining number of bytes in buffer" },
                { "bafkrei!", "illegal character or length for its encoding" },
                { "bx", "illegal character or length for its encoding" },
                { "f0", "illegal character or length for its encoding" },
                { "f12", "invalid cid: expected 1 as the cid version number" },
                { "f02551220", "invalid cid: expected 1 as the cid version number" },
                { "k2k4r8", "invalid cid: expected 1 as the cid version number" },
                { "f01", "invalid cid: varints malformed, could not reach the end" },
                { "f0155", "invalid cid: multihash too short. must be >= 2 bytes" },
                { "f015512", "invalid cid: multihash too short. must be >= 2 bytes" },
                { "f01551220", "invalid cid: length greater than remaining number of bytes in buffer" },
                { "f01558080", "invalid cid: uvarint: buffer too small" },
                { "f01559200ff", "invalid cid: uvarint: varint too big (max 64bit)" },
                { "f01551220" RAW_HASH "00", "trailing bytes in data buffer passed to cid Cast" },
                { "f1220" RAW_HASH "00", "trailing bytes in data buffer passed to cid Cast" },
                { "f1220aa", "invalid cid: not enough bytes for cid v0" },
        };
        const char *problem;
        Cid cid = { .size = 1 };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                problem = NULL;
                if (cid_parse(cases[i].text, &cid, &problem) != -EINVAL)
                        g_error("'%s' is accepted", cases[i].text);
                if (g_strcmp0(problem, cases[i].problem) != 0)
                        g_error("'%s': '%s', expected '%s'", cases[i].text, problem, cases[i].problem);
                g_assert_cmpint(cid_parse(cases[i].text, &cid, NULL), ==, -EINVAL);
        }
        g_assert_cmpuint(cid.size, ==, 1);
}

static void test_too_long(void) {
        g_autofree char *text = g_strnfill(10000, 'a');
        uint8_t bytes[CID_BYTES_MAX + 10] = { 1, 0x55, 0, 0x80, 1 };
        Cid cid;

        text[0] = 'z';
        g_assert_cmpint(cid_parse(text, &cid, NULL), ==, -EINVAL);
        text[0] = 'b';
        g_assert_cmpint(cid_parse(text, &cid, NULL), ==, -EINVAL);

        g_assert_cmpint(cid_from_bytes(bytes, 5 + 128, &cid), ==, 0); /* the longest digest */
        bytes[3] = 0x81;
        g_assert_cmpint(cid_from_bytes(bytes, 5 + 129, &cid), ==, -EINVAL);
}

/* The longest ones have room. */
static void test_format_room(void) {
        uint8_t bytes[CID_BYTES_MAX] = { 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f };
        char text[CID_TEXT_MAX];
        Cid cid, again;

        bytes[10] = 0; /* identity */
        bytes[11] = 128;
        bytes[12] = 1;
        memset(bytes + 13, 0xff, 128);
        g_assert_cmpint(cid_from_bytes(bytes, 13 + 128, &cid), ==, 0);
        again = parse(cid_format(&cid, text));
        g_assert_true(cid_equal(&cid, &again));
}

static void test_cut(void) {
        static const char *const texts[] = { V0, RAW };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                Cid cid = parse(texts[i]), cut;

                for (size_t n = 0; n < cid.size; n++) {
                        g_autofree uint8_t *bytes = g_memdup2(cid.bytes, n);

                        g_assert_cmpint(cid_from_bytes(bytes, n, &cut), ==, -EINVAL);
                }
                for (size_t n = 0; n < strlen(texts[i]); n++)
                        g_assert_cmpint(cid_parse_n(texts[i], n, &cut, NULL), ==, -EINVAL);
                g_assert_cmpint(cid_from_bytes(cid.bytes, cid.size, &cut), ==, 0);
                g_assert_true(cid_equal(&cut, &cid));
        }
}

static void test_parts(void) {
        Cid v0 = parse(V0), raw = parse(RAW), key = {}, none = {};
        char text[CID_TEXT_MAX];
        const uint8_t *hash;
        size_t n;

        g_assert_cmphex(cid_codec(&v0), ==, CID_CODEC_DAG_PB);
        g_assert_cmphex(cid_codec(&raw), ==, CID_CODEC_RAW);
        hash = cid_multihash(&v0, &n);
        g_assert_cmpmem(hash, n, v0.bytes, 34);
        hash = cid_multihash(&raw, &n);
        g_assert_cmpmem(hash, n, raw.bytes + 2, 34);

        cid_of_bytes(0x0129, "", 0, &key); /* a codec of two bytes */
        g_assert_cmphex(cid_codec(&key), ==, 0x0129);
        hash = cid_multihash(&key, &n);
        g_assert_cmpmem(hash, n, key.bytes + 3, 34);

        g_assert_false(cid_is_defined(&none));
        g_assert_cmpstr(cid_format(&none, text), ==, "");
        g_assert_false(cid_equal(&v0, &raw));
        g_assert_false(cid_equal(&v0, &none));
}

static void test_of_bytes(void) {
        char text[CID_TEXT_MAX];
        Cid cid;

        cid_of_bytes(CID_CODEC_RAW, "hello cluster\n", 14, &cid);
        g_assert_cmpstr(cid_format(&cid, text), ==, HELLO);
}

typedef struct Sample {
        Cid cid;
} Sample;

static const JsonField sample_fields[] = {
        { "cid", JSON_TYPE, offsetof(Sample, cid), .type = &cid_json },
        JSON_END,
};
static const JsonShape sample_shape = { "sample", sizeof(Sample), sample_fields };

static void test_json(void) {
        static const struct {
                const char *in;
                int r;
                const char *out;
        } cases[] = {
                { "{\"cid\":\"" RAW "\"}", 0, "{\"cid\":\"" RAW "\"}" },
                { "{\"cid\":{\"/\":\"" RAW "\"}}", 0, "{\"cid\":\"" RAW "\"}" },
                { "{\"cid\":null}", 0, "{\"cid\":null}" },
                { "{}", 0, "{\"cid\":null}" },
                { "{\"cid\":\"\"}", -EBADMSG, NULL },
                { "{\"cid\":\"x\"}", -EBADMSG, NULL },
                { "{\"cid\":1}", -EPROTOTYPE, NULL },
                { "{\"cid\":{\"/\":1}}", -EPROTOTYPE, NULL },
                { "{\"cid\":{\"x\":\"" RAW "\"}}", -EPROTOTYPE, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str out = {};
                Sample sample = {};
                int r;

                r = json_read_text(&sample_shape, cases[i].in, strlen(cases[i].in), &sample, NULL);
                if (r != cases[i].r)
                        g_error("%s: %d, expected %d", cases[i].in, r, cases[i].r);
                if (r < 0)
                        continue;
                g_assert_cmpint(json_write(&sample_shape, &sample, &out), ==, 0);
                g_assert_cmpstr(out.data, ==, cases[i].out);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/cid/all-text-forms", test_text);
        g_test_add_func("/types/cid/version-0", test_version_0);
        g_test_add_func("/types/cid/bad-with-words", test_bad);
        g_test_add_func("/types/cid/too-long", test_too_long);
        g_test_add_func("/types/cid/the-longest-has-room", test_format_room);
        g_test_add_func("/types/cid/cut-anywhere", test_cut);
        g_test_add_func("/types/cid/parts", test_parts);
        g_test_add_func("/types/cid/of-bytes", test_of_bytes);
        g_test_add_func("/types/cid/json", test_json);
        return g_test_run();
}
