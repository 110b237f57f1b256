#include "daemon/config/identity.h"
#include "tests/lib/fault.h"
#include "tests/unit/config/fixture.h"

/* The Ed25519 key of the libp2p specification's test vectors. */
#define ID "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
#define KEY "CAESQH4IMGF8Sn3oOSXfsmlFVrEpNsR3oOH+suFI7J2mD+59HtHo+uLEoUS4vo/UtHvz07NLhxw8rPYBDw5C1HT84n4="

static void check_written(const Fixture *f, const char *id, const char *key) {
        g_autofree char *text = fixture_get(f, CONFIG_IDENTITY_FILE), *path = NULL;
        g_autofree char *expected = g_strdup_printf(
                        "{\n    \"id\": \"%s\",\n    \"private_key\": \"%s\"\n}", id, key);
        GStatBuf st;

        g_assert_cmpstr(text, ==, expected);
        path = g_build_filename(f->folder, CONFIG_IDENTITY_FILE, NULL);
        g_assert_cmpint(g_stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0600);
}

static void test_generate(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_identity_done) ConfigIdentity made = {}, loaded = {};
        char id[PEER_ID_TEXT_MAX];

        g_assert_cmpint(config_identity_generate(&made, &f->error), ==, 0);
        g_assert_cmpint(made.type, ==, PEER_KEY_ED25519);
        g_assert_true(g_str_has_prefix(peer_id_format(&made.id, id), "12D3KooW"));
        g_assert_cmpint(config_identity_write(&made, f->folder, &f->error), ==, 0);
        check_written(f, id, made.private_key);

        g_assert_cmpint(config_identity_load(&loaded, f->folder, &f->error), ==, 0);
        g_assert_true(peer_id_equal(&loaded.id, &made.id));
        g_assert_cmpstr(loaded.private_key, ==, made.private_key);
}

static const struct {
        const char *text, *words;
        ErrorCode code;
} refused[] = {
        { "junk", "expected a JSON object", ERROR_INVALID },
        { "{\"id\":1}", "id: expected a string", ERROR_INVALID },
        { "{}", "identity.json: id: \"\" is not allowed, expected a peer ID", ERROR_INVALID },
        { "{\"id\":\"junk\"}",
          "identity.json: id: \"junk\" is not allowed, expected a peer ID",
          ERROR_INVALID },
        { "{\"id\":\"" ID "\"}",
          "identity.json: private_key: not a private key, expected the libp2p protobuf of one",
          ERROR_INVALID },
        { "{\"id\":\"" ID "\",\"private_key\":\"~\"}",
          "identity.json: private_key: not base64, expected that of a libp2p private key",
          ERROR_INVALID },
        { "{\"id\":\"" ID "\",\"private_key\":\"CAISIFPa3x1aFk1rSs2xXiSqTFsdNGG9vUKr7bCkQE1Wztj7\"}",
          "identity.json: private_key: a Secp256k1 key is not offered, expected an Ed25519 or RSA key",
          ERROR_UNSUPPORTED },
        { "{\"id\":\"QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc\",\"private_key\":\"" KEY "\"}",
          "identity.json: id: QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc is not the ID of the private key, "
          "expected " ID,
          ERROR_INVALID },
};

static void test_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                ConfigIdentity identity = {};

                fixture_put(f, CONFIG_IDENTITY_FILE, refused[i].text);
                if (config_identity_load(&identity, f->folder, &f->error) >= 0)
                        g_error("%s is accepted", refused[i].text);
                if (!g_str_has_suffix(error_message(&f->error), refused[i].words))
                        g_error("%s, not %s", error_message(&f->error), refused[i].words);
                g_assert_cmpint(f->error.code, ==, refused[i].code);
                error_done(&f->error);
        }
}

static void test_cut(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = g_strdup("{\"id\":\"" ID "\",\"private_key\":\"" KEY "\"}");
        _cleanup_(config_identity_done) ConfigIdentity identity = {};

        fixture_put(f, CONFIG_IDENTITY_FILE, text);
        g_assert_cmpint(config_identity_load(&identity, f->folder, &f->error), ==, 0);
        config_identity_done(&identity);
        for (size_t n = strlen(text); n-- > 0;) {
                text[n] = '\0';
                fixture_put(f, CONFIG_IDENTITY_FILE, text);
                g_assert_cmpint(config_identity_load(&identity, f->folder, NULL), ==, -EINVAL);
        }
}

static void test_none(Fixture *f, const void *data G_GNUC_UNUSED) {
        ConfigIdentity identity = {};

        g_assert_cmpint(config_identity_load(&identity, f->folder, &f->error), <, 0);
        g_assert_cmpint(f->error.code, ==, ERROR_NOT_FOUND);
        g_assert_true(g_str_has_suffix(
                        error_message(&f->error),
                        "/identity.json: no such file or directory; `ipfs-cluster-service init` makes one"));
}

static void test_environment(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_identity_done) ConfigIdentity other = {}, identity = {};
        char id[PEER_ID_TEXT_MAX];

        g_assert_cmpint(config_identity_generate(&other, NULL), ==, 0);
        g_assert_cmpint(config_identity_write(&other, f->folder, NULL), ==, 0);

        g_setenv("CLUSTER_ID", ID, true);
        g_assert_cmpint(config_identity_load(&identity, f->folder, &f->error), ==, -EINVAL);
        g_assert_true(g_str_has_prefix(
                        error_message(&f->error), "CLUSTER_ID: " ID " is not the ID of the private key"));

        g_setenv("CLUSTER_PRIVATEKEY", KEY, true);
        g_assert_cmpint(config_identity_load(&identity, f->folder, NULL), ==, 0);
        g_assert_cmpstr(peer_id_format(&identity.id, id), ==, ID);
        config_identity_done(&identity);

        fixture_put(f, CONFIG_IDENTITY_FILE, "{}"); /* nothing of it is needed */
        g_assert_cmpint(config_identity_load(&identity, f->folder, NULL), ==, 0);
        g_unsetenv("CLUSTER_ID");
        g_unsetenv("CLUSTER_PRIVATEKEY");
}

static void check_legacy(Fixture *f, const char *service) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {}, again = {};
        g_autofree char *path = g_build_filename(f->folder, CONFIG_IDENTITY_FILE, NULL);
        char id[PEER_ID_TEXT_MAX];

        (void) g_unlink(path);
        fixture_put(f, CONFIG_FILE, service);
        g_assert_cmpint(config_identity_load(&identity, f->folder, &f->error), ==, 0);
        g_assert_cmpstr(peer_id_format(&identity.id, id), ==, ID);
        check_written(f, ID, KEY);
        g_assert_cmpint(config_identity_load(&again, f->folder, &f->error), ==, 0);
}

/* Up to 0.10 it stood in service.json; in 2017 at the top. */
static void test_legacy(Fixture *f, const void *data G_GNUC_UNUSED) {
        check_legacy(f, "{\"cluster\":{\"id\":\"" ID "\",\"private_key\":\"" KEY "\"}}");
        check_legacy(f, "{\"id\":\"" ID "\",\"private_key\":\"" KEY "\",\"cluster_peers\":[]}");
}

static void test_wiped(void) {
        ConfigIdentity identity = {};

        g_assert_cmpint(config_identity_from_private_key(KEY, &identity, NULL), ==, 0);
        config_identity_done(&identity);
        g_assert_null(identity.private_key);
        g_assert_false(peer_id_is_set(&identity.id));
        config_identity_done(&identity); /* may be called again */
}

static void test_faults(Fixture *f, const void *data G_GNUC_UNUSED) {
        FOREACH_FAULT {
                _cleanup_(config_identity_done) ConfigIdentity made = {}, loaded = {};
                int r = config_identity_generate(&made, NULL);

                if (r >= 0)
                        r = config_identity_write(&made, f->folder, NULL);
                if (r >= 0)
                        r = config_identity_load(&loaded, f->folder, NULL);
                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/config/identity/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("generate-write-load", test_generate);
        ADD("refused", test_refused);
        ADD("cut-at-each-byte", test_cut);
        ADD("none", test_none);
        ADD("environment-wins", test_environment);
        ADD("taken-from-an-old-service-json", test_legacy);
        ADD("allocations-fail", test_faults);
        g_test_add_func("/config/identity/wiped", test_wiped);
        return g_test_run();
}
