#include <glib.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "daemon/base/multibase.h"
#include "daemon/guard/token.h"
#include "tests/lib/fault.h"

#define NOW_SEC 1800000000
#define NOW (NOW_SEC * USEC_PER_SEC)

static StrMap credentials;

/* ---- a signer of its own, for what no library would sign */

static void append_part(GString *to, const void *bytes, size_t n) {
        Str text = {};

        g_assert_cmpint(multibase_encode(MULTIBASE_64_URL, bytes, n, &text), ==, 0);
        g_string_append(to, text.data ? text.data : "");
        str_done(&text);
}

static char *sign(
                const char *header, const char *claims, gnutls_mac_algorithm_t algorithm, const char *key) {
        g_autoptr(GString) token = g_string_new(NULL);
        uint8_t signature[64];

        append_part(token, header, strlen(header));
        g_string_append_c(token, '.');
        append_part(token, claims, strlen(claims));
        if (algorithm != GNUTLS_MAC_NULL)
                g_assert_cmpint(gnutls_hmac_fast(
                                                algorithm,
                                                key,
                                                strlen(key),
                                                token->str,
                                                token->len,
                                                signature),
                                ==,
                                0);
        g_string_append_c(token, '.');
        if (algorithm != GNUTLS_MAC_NULL)
                append_part(token, signature, gnutls_hmac_get_len(algorithm));
        return g_strdup(token->str);
}

#define HEADER(name) "{\"alg\":\"" name "\",\"typ\":\"JWT\"}"
#define ALICE "{\"iss\":\"alice\"}"
#define WITH(more) "{\"iss\":\"alice\"," more "}"

static const struct {
        const char *header, *claims;
        gnutls_mac_algorithm_t algorithm;
        const char *key, *user;
} cases[] = {
        { HEADER("HS256"), ALICE, GNUTLS_MAC_SHA256, "secret1", "alice" },
        { HEADER("HS384"), ALICE, GNUTLS_MAC_SHA384, "secret1", "alice" },
        { HEADER("HS512"), ALICE, GNUTLS_MAC_SHA512, "secret1", "alice" },
        { "{\"alg\":\"HS256\"}", ALICE, GNUTLS_MAC_SHA256, "secret1", "alice" },
        { HEADER("HS256"), WITH("\"x\":[1,{\"iss\":\"bob\"}]"), GNUTLS_MAC_SHA256, "secret1", "alice" },
        /* algorithms: none, another than was signed by, no HMAC */
        { HEADER("none"), ALICE, GNUTLS_MAC_NULL, "", NULL },
        { HEADER("None"), ALICE, GNUTLS_MAC_NULL, "", NULL },
        { HEADER("HS256"), ALICE, GNUTLS_MAC_NULL, "", NULL },
        { HEADER("none"), ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS512"), ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("RS256"), ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("ES256"), ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("x"), ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { "{\"typ\":\"JWT\"}", ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { "{\"alg\":1}", ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { "[]", ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        { "", ALICE, GNUTLS_MAC_SHA256, "secret1", NULL },
        /* keys and names */
        { HEADER("HS256"), ALICE, GNUTLS_MAC_SHA256, "secret2", NULL },
        { HEADER("HS256"), ALICE, GNUTLS_MAC_SHA256, "", NULL },
        { HEADER("HS256"), "{\"iss\":\"bob\"}", GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), "{\"iss\":\"bob\"}", GNUTLS_MAC_SHA256, "pw2", "bob" },
        { HEADER("HS256"), "{\"iss\":\"carol\"}", GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), "{\"iss\":\"empty\"}", GNUTLS_MAC_SHA256, "", NULL },
        { HEADER("HS256"), "{\"iss\":\"\"}", GNUTLS_MAC_SHA256, "pw", NULL },
        { HEADER("HS256"), "{\"iss\":[\"alice\"]}", GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), "{}", GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), "x", GNUTLS_MAC_SHA256, "secret1", NULL },
        /* times */
        { HEADER("HS256"), WITH("\"exp\":1800000001"), GNUTLS_MAC_SHA256, "secret1", "alice" },
        { HEADER("HS256"), WITH("\"exp\":1800000000"), GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), WITH("\"exp\":1800000000.5"), GNUTLS_MAC_SHA256, "secret1", "alice" },
        { HEADER("HS256"), WITH("\"exp\":0"), GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), WITH("\"exp\":-1"), GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), WITH("\"exp\":\"1900000000\""), GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), WITH("\"exp\":true"), GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), WITH("\"nbf\":1800000000"), GNUTLS_MAC_SHA256, "secret1", "alice" },
        { HEADER("HS256"), WITH("\"nbf\":1800000001"), GNUTLS_MAC_SHA256, "secret1", NULL },
        { HEADER("HS256"), WITH("\"iat\":1800000000"), GNUTLS_MAC_SHA256, "secret1", "alice" },
        { HEADER("HS256"), WITH("\"iat\":1800000001"), GNUTLS_MAC_SHA256, "secret1", NULL },
};

static void test_checks(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *token = sign(
                                cases[i].header, cases[i].claims, cases[i].algorithm, cases[i].key);
                const char *user = NULL;
                int r = guard_token_check(&credentials, token, NOW, &user);

                if (r != (cases[i].user != NULL) || g_strcmp0(user, cases[i].user) != 0)
                        g_error("%s %s %s: %d %s", cases[i].header, cases[i].claims, cases[i].key, r, user);
        }
}

/* As recorded of the Go program, key by key. */
static void test_made(void) {
        g_autofree char *token = NULL;
        const char *user = NULL;

        g_assert_cmpint(guard_token_make(&credentials, "alice", &token), ==, 0);
        g_assert_cmpstr(token,
                        ==,
                        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhbGljZSJ9."
                        "oulmjQ6EjfLSCFxttEML6ltY32JU9eSRQ1JjvtlZ01M");
        g_assert_cmpint(guard_token_check(&credentials, token, NOW, &user), ==, 1);
        g_assert_cmpstr(user, ==, "alice");
}

/* Cut at every byte, and with every byte changed. */
static void test_broken(void) {
        g_autofree char *token = NULL;
        const char *user = NULL;

        g_assert_cmpint(guard_token_make(&credentials, "alice", &token), ==, 0);
        for (size_t i = 0; i < strlen(token); i++) {
                g_autofree char *cut = g_strndup(token, i), *changed = g_strdup(token);

                g_assert_cmpint(guard_token_check(&credentials, cut, NOW, &user), ==, 0);
                changed[i] = changed[i] == 'A' ? 'Z' : 'A';
                if (i + 1 < strlen(token)) /* of the last one, some bits mean nothing */
                        g_assert_cmpint(guard_token_check(&credentials, changed, NOW, &user), ==, 0);
        }
        g_assert_null(user);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                char *token = NULL;
                int r = guard_token_make(&credentials, "alice", &token);

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                free(token);
        }
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        (void) str_map_set(&credentials, "alice", "secret1");
        (void) str_map_set(&credentials, "bob", "pw2");
        (void) str_map_set(&credentials, "empty", "");
        (void) str_map_set(&credentials, "", "pw");
        g_test_add_func("/guard/token/checks", test_checks);
        g_test_add_func("/guard/token/made", test_made);
        g_test_add_func("/guard/token/broken", test_broken);
        g_test_add_func("/guard/token/out-of-memory", test_out_of_memory);
        r = g_test_run();
        str_map_done(&credentials);
        return r;
}
