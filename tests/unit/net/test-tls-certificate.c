#include <glib.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/base/multibase.h"
#include "daemon/net/tls-certificate.h"
#include "tests/lib/fault.h"
#include "tests/lib/forge.h"

/* ---- the vectors of the specification */

static struct json_object *vectors(struct json_object **ret_file) {
        g_autofree char *path = g_test_build_filename(
                        G_TEST_DIST, "golden", "vectors", "libp2p-tls.json", NULL);

        *ret_file = json_object_from_file(path);
        g_assert_nonnull(*ret_file);
        return json_object_object_get(*ret_file, "vectors");
}

static size_t decode(struct json_object *vector, uint8_t *der, size_t max) {
        struct json_object *hex = json_object_object_get(vector, "certificate_hex");
        ssize_t n = multibase_decode(
                        MULTIBASE_16,
                        json_object_get_string(hex),
                        (size_t) json_object_get_string_len(hex),
                        der,
                        max);

        g_assert_cmpint(n, >, 0);
        return (size_t) n;
}

static void test_vectors(void) {
        static const struct {
                const char *key, *words;
        } cases[] = {
                { "ed25519", NULL },
                { "ecdsa", NULL },
                { "secp256k1", "is of a peer with a secp256k1 key, expected Ed25519, RSA or ECDSA" },
                { "bad-signature", "has a signature that is not of the peer's key" },
        };
        struct json_object *file, *list = vectors(&file), *vector;
        char id[PEER_ID_TEXT_MAX];
        uint8_t der[2048];

        g_assert_cmpuint(json_object_array_length(list), ==, ELEMENTSOF(cases));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(error_done) Error error = {};
                PeerId peer = {};
                size_t n;
                int r;

                vector = json_object_array_get_idx(list, i);
                n = decode(vector, der, sizeof(der));
                g_assert_cmpstr(json_object_get_string(json_object_object_get(vector, "key")),
                                ==,
                                cases[i].key);
                r = tls_certificate_check(der, n, &peer, &error);
                g_assert_cmpstr(error.message, ==, cases[i].words);
                g_assert_cmpint(r == 0, ==, !cases[i].words);
                if (!cases[i].words)
                        g_assert_cmpstr(peer_id_format(&peer, id),
                                        ==,
                                        json_object_get_string(json_object_object_get(vector, "peer_id")));
        }
        json_object_put(file);
}

/* Neither cut nor with one bit turned is any of them accepted. */
static void test_damaged(void) {
        struct json_object *file, *list = vectors(&file);
        uint8_t der[2048];
        PeerId peer;
        size_t n = decode(json_object_array_get_idx(list, 0), der, sizeof(der));

        for (size_t i = 0; i < n; i++) {
                g_autofree uint8_t *copy = g_memdup2(der, n);

                g_assert_cmpint(tls_certificate_check(copy, i, &peer, NULL), <, 0);
                copy[i] ^= 1;
                g_assert_cmpint(tls_certificate_check(copy, n, &peer, NULL), <, 0);
        }
        der[n] = 0;
        g_assert_cmpint(tls_certificate_check(der, n + 1, &peer, NULL), <, 0);
        json_object_put(file);
}

/* ---- forged ones */

static void test_flaws(void) {
        static const char *const words[_FORGE_N] = {
                [FORGE_EXPIRED] = "has expired",
                [FORGE_NOT_YET] = "is not valid yet",
                [FORGE_NO_EXTENSION] = "has no libp2p extension",
                [FORGE_CRITICAL] = "has a critical extension 1.2.3.4.5",
                [FORGE_MALFORMED] = "has a malformed libp2p extension",
                [FORGE_TRAILING] = "has a malformed libp2p extension",
                [FORGE_SECP256K1] = "is of a peer with a secp256k1 key",
                [FORGE_UNKNOWN_KEY] = "is of a peer with a unknown key",
                [FORGE_SHORT_KEY] = "has a peer key that is not a usable Ed25519 key",
                [FORGE_OTHER_PEER] = "has a signature that is not of the peer's key",
                [FORGE_OTHER_SIGNER] = "is not signed by its own key",
                [FORGE_BIG] = "expected at most 8192",
        };

        for (ForgeFlaw flaw = 0; flaw < _FORGE_N; flaw++) {
                _cleanup_(error_done) Error error = {};
                gnutls_datum_t der;
                PeerId peer;
                Forge forge;
                int r;

                forge_open(&forge, flaw);
                forge_der(&forge, &der);
                r = tls_certificate_check(der.data, der.size, &peer, &error);
                if (words[flaw]) {
                        g_assert_nonnull(strstr(error_message(&error), words[flaw]));
                        g_assert_cmpint(r, <, 0);
                } else
                        g_assert_cmpint(r, ==, 0);
                gnutls_free(der.data);
                forge_close(&forge);
        }
}

static void test_out_of_memory(void) {
        gnutls_datum_t der;
        Forge forge;

        forge_open(&forge, FORGE_NONE);
        forge_der(&forge, &der);
        FOREACH_FAULT {
                PeerId peer;
                int r = tls_certificate_check(der.data, der.size, &peer, NULL);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
        gnutls_free(der.data);
        forge_close(&forge);
}

/* Lengths of each form: below 128, below 256, beyond. */
static void test_extension(void) {
        static const struct {
                size_t key, signature;
                const char *head;
                size_t total;
        } cases[] = {
                { 36, 64, "306804240000", 106 },
                { 36, 200, "3081f104240000", 244 },
                { 300, 256, "308202340482012c0000", 568 },
        };
        static const uint8_t zeros[512];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str value = {}, text = {};

                g_assert_cmpint(tls_certificate_write_extension(
                                                &value, zeros, cases[i].key, zeros, cases[i].signature),
                                ==,
                                0);
                g_assert_cmpuint(value.len, ==, cases[i].total);
                g_assert_cmpint(multibase_encode(MULTIBASE_16, value.data, value.len, &text), ==, 0);
                g_assert_cmpint(strncmp(text.data, cases[i].head, strlen(cases[i].head)), ==, 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/net/tls-certificate/vectors", test_vectors);
        g_test_add_func("/net/tls-certificate/damaged", test_damaged);
        g_test_add_func("/net/tls-certificate/flaws", test_flaws);
        g_test_add_func("/net/tls-certificate/out-of-memory", test_out_of_memory);
        g_test_add_func("/net/tls-certificate/extension", test_extension);
        return g_test_run();
}
