#include "daemon/base/multibase.h"
#include "daemon/config/key.h"
#include "tests/lib/fault.h"
#include "tests/unit/config/fixture.h"

/* A key of the libp2p specification's test vectors, as bytes. */
static size_t vector(const char *name, uint8_t *bytes, size_t max) {
        g_autofree char *path = g_test_build_filename(
                        G_TEST_DIST, "golden", "vectors", "libp2p-keys.json", NULL);
        struct json_object *file = json_object_from_file(path), *keys = NULL, *item, *text;
        ssize_t n = -1;

        g_assert_true(json_object_object_get_ex(file, "keys", &keys));
        for (size_t i = 0; i < json_object_array_length(keys); i++) {
                item = json_object_array_get_idx(keys, i);
                if (!g_str_equal(json_object_get_string(json_object_object_get(item, "name")), name))
                        continue;
                text = json_object_object_get(item, "hex");
                n = multibase_decode(
                                MULTIBASE_16,
                                json_object_get_string(text),
                                (size_t) json_object_get_string_len(text),
                                bytes,
                                max);
        }
        json_object_put(file);
        g_assert_cmpint(n, >, 0);
        return (size_t) n;
}

static void test_vectors(void) {
        static const struct {
                const char *private, *public;
                PeerKeyType type;
        } cases[] = {
                { "ED25519 private key", "ED25519 public key", PEER_KEY_ED25519 },
                { "rsa private key", "rsa public key", PEER_KEY_RSA },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t private[4096], public[4096];
                size_t n = vector(cases[i].private, private, sizeof(private));
                size_t n_public = vector(cases[i].public, public, sizeof(public));
                _cleanup_(str_done) Str made = {};
                Error error = {};
                PeerKeyType type;

                if (config_key_public(private, n, &type, &made, &error) < 0)
                        g_error("%s: %s", cases[i].private, error_message(&error));
                g_assert_cmpint(type, ==, cases[i].type);
                g_assert_cmpmem(made.data, made.len, public, n_public);
        }
}

static void check_refused(const void *bytes, size_t n, ErrorCode code, const char *words) {
        _cleanup_(str_done) Str made = {};
        Error error = {};
        PeerKeyType type;

        g_assert_cmpint(config_key_public(bytes, n, &type, &made, &error), <, 0);
        g_assert_cmpint(error.code, ==, code);
        g_assert_cmpstr(error_message(&error), ==, words);
        error_done(&error);
}

static void test_other_types(void) {
        uint8_t bytes[4096];
        size_t n;

        n = vector("secp256k1 private key", bytes, sizeof(bytes));
        check_refused(bytes,
                      n,
                      ERROR_UNSUPPORTED,
                      "a Secp256k1 key is not offered, expected an Ed25519 or RSA key");
        n = vector("ECDSA private key", bytes, sizeof(bytes));
        check_refused(bytes,
                      n,
                      ERROR_UNSUPPORTED,
                      "an ECDSA key is not offered, expected an Ed25519 or RSA key");
        bytes[1] = 9;
        check_refused(bytes,
                      n,
                      ERROR_UNSUPPORTED,
                      "a key of an unknown type is not offered, expected an Ed25519 or RSA key");
}

static void test_cut(void) {
        static const char *const names[] = { "ED25519 private key", "rsa private key" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                uint8_t bytes[4096];
                size_t n = vector(names[i], bytes, sizeof(bytes));

                for (size_t cut = 0; cut < n; cut++) {
                        _cleanup_(str_done) Str made = {};
                        PeerKeyType type;

                        if (config_key_public(bytes, cut, &type, &made, NULL) >= 0)
                                g_error("%s cut at %zu is accepted", names[i], cut);
                }
        }
}

/* The public key beside the seed must be the seed's. */
static void test_public_part(void) {
        uint8_t bytes[4096];
        size_t n = vector("ED25519 private key", bytes, sizeof(bytes));

        bytes[n - 1] ^= 1;
        check_refused(bytes, n, ERROR_INVALID, "not a usable Ed25519 key");
        check_refused("", 0, ERROR_INVALID, "not a private key, expected the libp2p protobuf of one");
}

/* Old Ed25519 keys repeat the public key: 96 bytes. */
static void test_long_form(void) {
        uint8_t bytes[4096], public[4096];
        size_t n = vector("ED25519 private key", bytes, sizeof(bytes));
        size_t n_public = vector("ED25519 public key", public, sizeof(public));
        _cleanup_(str_done) Str made = {};
        PeerKeyType type;

        memcpy(bytes + n, bytes + n - 32, 32);
        bytes[3] = 96;
        g_assert_cmpint(config_key_public(bytes, n + 32, &type, &made, NULL), ==, 0);
        g_assert_cmpmem(made.data, made.len, public, n_public);

        bytes[n] ^= 1;
        check_refused(bytes, n + 32, ERROR_INVALID, "not a usable Ed25519 key");
}

static void test_generate(void) {
        _cleanup_(str_done) Str a = {}, b = {}, public = {};
        PeerKeyType type;

        g_assert_cmpint(config_key_generate(&a), ==, 0);
        g_assert_cmpint(config_key_generate(&b), ==, 0);
        g_assert_cmpuint(a.len, ==, 68);
        g_assert_cmpint(memcmp(a.data, b.data, a.len), !=, 0);
        g_assert_cmpint(config_key_public(a.data, a.len, &type, &public, NULL), ==, 0);
        g_assert_cmpint(type, ==, PEER_KEY_ED25519);
        g_assert_cmpmem(public.data + 4, public.len - 4, a.data + 36, 32);
}

static void test_faults(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str private = {}, public = {};
                PeerKeyType type;
                int r = config_key_generate(&private);

                if (r >= 0)
                        r = config_key_public(private.data, private.len, &type, &public, NULL);
                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/config/key/vectors", test_vectors);
        g_test_add_func("/config/key/other-types-are-refused", test_other_types);
        g_test_add_func("/config/key/cut-at-each-byte", test_cut);
        g_test_add_func("/config/key/public-part-must-fit", test_public_part);
        g_test_add_func("/config/key/long-form", test_long_form);
        g_test_add_func("/config/key/generate", test_generate);
        g_test_add_func("/config/key/allocations-fail", test_faults);
        return g_test_run();
}
