#include "daemon/guard/certificate.h"

#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"

static void credentials_freep(gnutls_certificate_credentials_t *credentials) {
        if (*credentials)
                gnutls_certificate_free_credentials(*credentials);
}

static void key_deinitp(gnutls_x509_privkey_t *key) {
        if (*key)
                gnutls_x509_privkey_deinit(*key);
}

void guard_certificate_done(GuardCertificate *certificate) {
        if (certificate->key)
                explicit_bzero(certificate->key, strlen(certificate->key));
        free(certificate->key);
        free(certificate->chain);
        *certificate = (GuardCertificate){};
}

static int read_pem(
                const char *folder,
                const char *file,
                const char *setting,
                char **ret,
                gnutls_datum_t *ret_datum,
                Error *reterr) {
        _cleanup_free_ char *path = NULL;
        size_t n;
        int r;

        r = file_join(&path, folder, file);
        if (r >= 0)
                r = file_read(AT_FDCWD, path, GUARD_CERTIFICATE_MAX, ret, &n);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "%s: %m", setting);
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: cannot read %s: %s",
                                setting,
                                path,
                                strerror(-r));

        *ret_datum = (gnutls_datum_t){ (uint8_t *) *ret, (unsigned) n };
        return 0;
}

static int refuse(const char *setting, const char *file, const char *expected, int code, Error *reterr) {
        if (code == GNUTLS_E_MEMORY_ERROR)
                return error_set_errno(reterr, -ENOMEM, "%s: %m", setting);
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "%s: %s is not allowed, expected %s (%s)",
                        setting,
                        file,
                        expected,
                        gnutls_strerror(code));
}

static void warn_of_time(const gnutls_x509_crt_t crt, const char *setting, const char *file) {
        time_t now = time(NULL);

        if (gnutls_x509_crt_get_expiration_time(crt) < now)
                log_warning("%s: the certificate in '%s' has expired.", setting, file);
        else if (gnutls_x509_crt_get_activation_time(crt) > now)
                log_warning("%s: the certificate in '%s' is not valid yet.", setting, file);
}

static int check_chain(const gnutls_datum_t *pem, const char *setting, const char *file, Error *reterr) {
        gnutls_x509_crt_t *chain = NULL;
        unsigned n = 0;
        int code;

        code = gnutls_x509_crt_list_import2(&chain, &n, pem, GNUTLS_X509_FMT_PEM, 0);
        if (code < 0)
                return refuse(setting, file, "a certificate in PEM form", code, reterr);

        warn_of_time(chain[0], setting, file);
        for (unsigned i = 0; i < n; i++)
                gnutls_x509_crt_deinit(chain[i]);
        gnutls_free(chain);
        return 0;
}

static int check_key(const gnutls_datum_t *pem, const char *setting, const char *file, Error *reterr) {
        _cleanup_(key_deinitp) gnutls_x509_privkey_t key = NULL;
        int code;

        code = gnutls_x509_privkey_init(&key);
        if (code >= 0)
                code = gnutls_x509_privkey_import2(key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
        return code < 0 ? refuse(setting,
                                 file,
                                 "a private key in PEM form, without a password",
                                 code,
                                 reterr)
                        : 0;
}

static int check_pair(
                const gnutls_datum_t *chain,
                const gnutls_datum_t *key,
                const char *setting,
                const char *file,
                Error *reterr) {
        _cleanup_(credentials_freep) gnutls_certificate_credentials_t credentials = NULL;
        int code;

        code = gnutls_certificate_allocate_credentials(&credentials);
        if (code >= 0)
                code = gnutls_certificate_set_x509_key_mem(credentials, chain, key, GNUTLS_X509_FMT_PEM);
        return code < 0 ? refuse(setting, file, "the key of the certificate", code, reterr) : 0;
}

int guard_certificate_load(
                GuardCertificate *ret,
                const char *folder,
                const char *chain_file,
                const char *key_file,
                const char *section,
                Error *reterr) {
        _cleanup_(guard_certificate_done) GuardCertificate read = {};
        gnutls_datum_t chain, key;
        char cert_setting[128], key_setting[128];
        int r;

        (void) snprintf(cert_setting, sizeof(cert_setting), "%s.ssl_cert_file", section);
        (void) snprintf(key_setting, sizeof(key_setting), "%s.ssl_key_file", section);

        r = read_pem(folder, chain_file, cert_setting, &read.chain, &chain, reterr);
        if (r >= 0)
                r = read_pem(folder, key_file, key_setting, &read.key, &key, reterr);
        if (r >= 0)
                r = check_chain(&chain, cert_setting, chain_file, reterr);
        if (r >= 0)
                r = check_key(&key, key_setting, key_file, reterr);
        if (r >= 0)
                r = check_pair(&chain, &key, key_setting, key_file, reterr);
        if (r < 0)
                return r;

        *ret = read;
        read = (GuardCertificate){};
        return 0;
}
