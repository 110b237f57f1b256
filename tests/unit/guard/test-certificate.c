#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "daemon/guard/certificate.h"
#include "tests/lib/fault.h"
#include "tests/lib/forge.h"

static char *folder;

static void write_text(const char *name, const char *text) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        g_assert_cmpint(g_file_set_contents(path, text, -1, NULL), ==, true);
}

static void write_forged(const char *name, ForgeFlaw flaw) {
        g_autofree char *cert_name = g_strconcat(name, ".pem", NULL),
                        *key_name = g_strconcat(name, ".key", NULL);
        gnutls_datum_t certificate, key;
        Forge forge;

        forge_open(&forge, flaw);
        g_assert_cmpint(gnutls_x509_crt_export2(forge.crt, GNUTLS_X509_FMT_PEM, &certificate), ==, 0);
        g_assert_cmpint(gnutls_x509_privkey_export2(forge.key, GNUTLS_X509_FMT_PEM, &key), ==, 0);
        write_text(cert_name, (const char *) certificate.data);
        write_text(key_name, (const char *) key.data);
        gnutls_free(certificate.data);
        gnutls_free(key.data);
        forge_close(&forge);
}

static const struct {
        const char *chain, *key, *words; /* NULL: none, it is good */
} cases[] = {
        { "a.pem", "a.key", NULL },
        { "both.pem", "both.pem", NULL },
        { "old.pem", "old.key", NULL }, /* that is warned of */
        { "nope.pem",
          "a.key",
          "api.x.ssl_cert_file: cannot read FOLDER/nope.pem: No such file or directory" },
        { "a.pem",
          "nope.key",
          "api.x.ssl_key_file: cannot read FOLDER/nope.key: No such file or directory" },
        { "/proc/self", "a.key", "api.x.ssl_cert_file: cannot read /proc/self: Is a directory" },
        { "junk",
          "a.key",
          "api.x.ssl_cert_file: junk is not allowed, expected a certificate in PEM form (" },
        { "empty",
          "a.key",
          "api.x.ssl_cert_file: empty is not allowed, expected a certificate in PEM form (" },
        { "a.key",
          "a.key",
          "api.x.ssl_cert_file: a.key is not allowed, expected a certificate in PEM form (" },
        { "a.pem", "junk", "api.x.ssl_key_file: junk is not allowed, expected a private key in PEM form" },
        { "a.pem", "a.pem", "api.x.ssl_key_file: a.pem is not allowed, expected a private key in PEM form" },
        { "a.pem",
          "b.key",
          "api.x.ssl_key_file: b.key is not allowed, expected the key of the certificate (" },
};

static void test_files(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                GuardCertificate certificate = {};
                Error error = {};
                int r = guard_certificate_load(
                                &certificate, folder, cases[i].chain, cases[i].key, "api.x", &error);

                g_assert_cmpint(r == 0, ==, cases[i].words == NULL);
                g_assert_cmpint(r == 0, ==, certificate.chain && certificate.key);
                if (cases[i].words) {
                        g_auto(GStrv) parts = g_strsplit(error.message, folder, -1);
                        g_autofree char *words = g_strjoinv("FOLDER", parts);

                        g_assert_cmpint(error.code, ==, ERROR_INVALID);
                        if (!g_str_has_prefix(words, cases[i].words))
                                g_error("%s %s: %s", cases[i].chain, cases[i].key, words);
                }
                error_done(&error);
                guard_certificate_done(&certificate);
        }
}

/* Cut anywhere it is no certificate, and no key. */
static void test_cut(void) {
        g_autofree char *path = g_build_filename(folder, "a.pem", NULL), *text = NULL;
        gsize n;

        g_assert_cmpint(g_file_get_contents(path, &text, NULL, NULL), ==, true);
        n = (gsize) (strstr(text, "-----END") - text);
        for (gsize i = 0; i < n; i += 7) {
                g_autofree char *cut = g_strndup(text, i);
                GuardCertificate certificate = {};

                write_text("cut", cut);
                g_assert_cmpint(guard_certificate_load(&certificate, folder, "cut", "a.key", "x", NULL),
                                <,
                                0);
        }
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                GuardCertificate certificate = {};
                int r = guard_certificate_load(&certificate, folder, "a.pem", "a.key", "api.x", NULL);

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                guard_certificate_done(&certificate);
        }
}

int main(int argc, char **argv) {
        static const char *const names[] = { "a.pem",   "a.key",    "b.pem", "b.key", "old.pem",
                                             "old.key", "both.pem", "junk",  "empty", "cut" };
        g_autofree char *a = NULL, *k = NULL, *both = NULL, *path = NULL, *key_path = NULL;
        int r;

        g_test_init(&argc, &argv, NULL);
        folder = g_dir_make_tmp("guard-XXXXXX", NULL);
        write_forged("a", FORGE_NONE);
        write_forged("b", FORGE_NONE);
        write_forged("old", FORGE_EXPIRED);
        path = g_build_filename(folder, "b.pem", NULL);
        key_path = g_build_filename(folder, "b.key", NULL);
        (void) g_file_get_contents(path, &a, NULL, NULL);
        (void) g_file_get_contents(key_path, &k, NULL, NULL);
        both = g_strconcat(k, a, NULL);
        write_text("both.pem", both);
        write_text("junk", "junk\n");
        write_text("empty", "");
        g_test_add_func("/guard/certificate/files", test_files);
        g_test_add_func("/guard/certificate/cut", test_cut);
        g_test_add_func("/guard/certificate/out-of-memory", test_out_of_memory);
        r = g_test_run();
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *file = g_build_filename(folder, names[i], NULL);

                (void) g_unlink(file);
        }
        (void) g_rmdir(folder);
        g_free(folder);
        return r;
}
