#include "tests/unit/net/tls.h"

#include <glib.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <time.h>

#include "tests/unit/net/wire.h"

#define OK(call) g_assert_cmpint(call, ==, GNUTLS_E_SUCCESS)

static enum MHD_Result serve(
                void *userdata G_GNUC_UNUSED,
                struct MHD_Connection *connection,
                const char *url G_GNUC_UNUSED,
                const char *method G_GNUC_UNUSED,
                const char *version G_GNUC_UNUSED,
                const char *data G_GNUC_UNUSED,
                size_t *n G_GNUC_UNUSED,
                void **context G_GNUC_UNUSED) {
        struct MHD_Response *response = MHD_create_response_from_buffer(
                        6, (char[]){ "secret" }, MHD_RESPMEM_MUST_COPY);
        enum MHD_Result r = MHD_queue_response(connection, 200, response);

        MHD_destroy_response(response);
        return r;
}

static void make_certificate(gnutls_datum_t *certificate, gnutls_datum_t *key) {
        gnutls_x509_privkey_t private;
        gnutls_x509_crt_t crt;

        OK(gnutls_x509_privkey_init(&private));
        OK(gnutls_x509_privkey_generate(
                        private, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
        OK(gnutls_x509_crt_init(&crt));
        OK(gnutls_x509_crt_set_version(crt, 3));
        OK(gnutls_x509_crt_set_key(crt, private));
        OK(gnutls_x509_crt_set_serial(crt, "\1", 1));
        OK(gnutls_x509_crt_set_dn(crt, "CN=localhost", NULL));
        OK(gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600));
        OK(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600));
        OK(gnutls_x509_crt_sign2(crt, crt, private, GNUTLS_DIG_SHA256, 0));
        OK(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, certificate));
        OK(gnutls_x509_privkey_export2(private, GNUTLS_X509_FMT_PEM, key));
        gnutls_x509_crt_deinit(crt);
        gnutls_x509_privkey_deinit(private);
}

struct MHD_Daemon *tls_start(unsigned *ret_port) {
        gnutls_datum_t certificate, key;
        struct MHD_Daemon *daemon;

        make_certificate(&certificate, &key);
        daemon = MHD_start_daemon(
                        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS,
                        /* port= */ 0,
                        /* apc= */ NULL,
                        /* apc_cls= */ NULL,
                        serve,
                        /* dh_cls= */ NULL,
                        MHD_OPTION_LISTEN_SOCKET,
                        wire_listen(ret_port),
                        MHD_OPTION_HTTPS_MEM_CERT,
                        certificate.data,
                        MHD_OPTION_HTTPS_MEM_KEY,
                        key.data,
                        MHD_OPTION_END);
        gnutls_free(certificate.data);
        gnutls_free(key.data);
        return daemon;
}
