#include <glib.h>
#include <gnutls/x509.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/base/multibase.h"
#include "daemon/net/tls-certificate.h"
#include "daemon/net/tls-identity.h"
#include "tests/lib/fault.h"

static void vector(const char *name, uint8_t *bytes, size_t max, size_t *ret) {
        g_autofree char *path = g_test_build_filename(
                        G_TEST_DIST, "golden", "vectors", "libp2p-keys.json", NULL);
        struct json_object *file = json_object_from_file(path), *keys, *hex;
        ssize_t n = -1;

        g_assert_nonnull(file);
        keys = json_object_object_get(file, "keys");
        for (size_t i = 0; i < json_object_array_length(keys); i++) {
                struct json_object *key = json_object_array_get_idx(keys, i);

                hex = json_object_object_get(key, "hex");
                if (strcmp(json_object_get_string(json_object_object_get(key, "name")), name) == 0)
                        n = multibase_decode(
                                        MULTIBASE_16,
                                        json_object_get_string(hex),
                                        (size_t) json_object_get_string_len(hex),
                                        bytes,
                                        max);
        }
        json_object_put(file);
        g_assert_cmpint(n, >, 0);
        *ret = (size_t) n;
}

static char *base64_of(const char *name) {
        _cleanup_(str_done) Str text = {};
        uint8_t bytes[4096];
        size_t n;

        vector(name, bytes, sizeof(bytes), &n);
        g_assert_cmpint(multibase_encode(MULTIBASE_64_PAD, bytes, n, &text), ==, 0);
        return str_take(&text);
}

static void own_certificate(const TlsIdentity *identity, gnutls_datum_t *ret) {
        gnutls_x509_crt_t *chain;
        unsigned n;

        g_assert_cmpint(gnutls_certificate_get_x509_crt(tls_identity_credentials(identity), 0, &chain, &n),
                        ==,
                        0);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpint(gnutls_x509_crt_export2(chain[0], GNUTLS_X509_FMT_DER, ret), ==, 0);
        gnutls_x509_crt_deinit(chain[0]);
        gnutls_free(chain);
}

/* The ID is that of the public key beside it, and the certificate proves it. */
static void test_keys(void) {
        static const char *const cases[][2] = {
                { "ED25519 private key", "ED25519 public key" },
                { "rsa private key", "rsa public key" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(tls_identity_freep) TlsIdentity *identity = NULL;
                _cleanup_free_ char *key = base64_of(cases[i][0]);
                PeerId expected, proved;
                uint8_t public[1024];
                gnutls_datum_t der;
                size_t n;

                g_assert_cmpint(tls_identity_new(&identity, key, NULL), ==, 0);
                vector(cases[i][1], public, sizeof(public), &n);
                g_assert_cmpint(peer_id_from_public_key(public, n, &expected), ==, 0);
                g_assert_cmpint(peer_id_equal(&expected, tls_identity_peer(identity)), ==, true);

                own_certificate(identity, &der);
                g_assert_cmpint(tls_certificate_check(der.data, der.size, &proved, NULL), ==, 0);
                g_assert_cmpint(peer_id_equal(&expected, &proved), ==, true);
                gnutls_free(der.data);
        }
}

static void test_refused(void) {
        _cleanup_free_ char *ecdsa = base64_of("ECDSA private key"),
                            *secp = base64_of("secp256k1 private key");
        const struct {
                const char *key, *words;
        } cases[] = {
                { "", "the private key is not the base64 of a libp2p key" },
                { "!", "the private key is not the base64 of a libp2p key" },
                { "CAESAA==", "the private key cannot be used" },
                { "CAASAA==", "the private key cannot be used" },
                { "EgAIAQ==", "the private key is not the base64 of a libp2p key" },
                { ecdsa, "the private key is an ECDSA key, expected an Ed25519 or RSA one" },
                { secp, "the private key is a secp256k1 key, expected an Ed25519 or RSA one" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(error_done) Error error = {};
                TlsIdentity *identity = NULL;

                g_assert_cmpint(tls_identity_new(&identity, cases[i].key, &error), <, 0);
                g_assert_cmpstr(error.message, ==, cases[i].words);
                g_assert_null(identity);
        }
}

static void test_out_of_memory(void) {
        _cleanup_free_ char *key = base64_of("ED25519 private key");

        FOREACH_FAULT {
                _cleanup_(tls_identity_freep) TlsIdentity *identity = NULL;
                int r = tls_identity_new(&identity, key, NULL);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/net/tls-identity/keys", test_keys);
        g_test_add_func("/net/tls-identity/refused", test_refused);
        g_test_add_func("/net/tls-identity/out-of-memory", test_out_of_memory);
        return g_test_run();
}
