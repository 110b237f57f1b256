#include "tests/lib/forge.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OID "1.3.6.1.4.1.53594.1.1"
#define PREFIX "libp2p-tls-handshake:"
#define KEY_SIZE 32

/* Never compiled out: what is looked at has effects. */
#define MUST(expression)                                                                                    \
        do {                                                                                                \
                int _r = (expression);                                                                      \
                assert(_r >= 0);                                                                            \
                (void) _r;                                                                                  \
        } while (0)

static gnutls_x509_privkey_t make_key(void) {
        gnutls_x509_privkey_t key;

        MUST(gnutls_x509_privkey_init(&key));
        MUST(gnutls_x509_privkey_generate(
                        key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
        return key;
}

static void sign(gnutls_privkey_t peer, gnutls_x509_privkey_t key, gnutls_datum_t *ret) {
        uint8_t text[1024];
        gnutls_privkey_t private;
        gnutls_pubkey_t public;
        gnutls_datum_t spki, message = { text, 0 };

        MUST(gnutls_privkey_init(&private));
        MUST(gnutls_privkey_import_x509(private, key, GNUTLS_PRIVKEY_IMPORT_COPY));
        MUST(gnutls_pubkey_init(&public));
        MUST(gnutls_pubkey_import_privkey(public, private, 0, 0));
        MUST(gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &spki));

        memcpy(text, PREFIX, strlen(PREFIX));
        memcpy(text + strlen(PREFIX), spki.data, spki.size);
        message.size = (unsigned) strlen(PREFIX) + spki.size;
        MUST(gnutls_privkey_sign_data2(peer, GNUTLS_SIGN_EDDSA_ED25519, 0, &message, ret));

        gnutls_free(spki.data);
        gnutls_pubkey_deinit(public);
        gnutls_privkey_deinit(private);
}

static gnutls_privkey_t make_peer(uint8_t public[static KEY_SIZE]) {
        gnutls_privkey_t peer;
        gnutls_datum_t x;

        MUST(gnutls_privkey_init(&peer));
        MUST(gnutls_privkey_generate(peer, GNUTLS_PK_EDDSA_ED25519, 0, 0));
        MUST(gnutls_privkey_export_ecc_raw2(peer, NULL, &x, NULL, NULL, 0));
        assert(x.size == KEY_SIZE);
        memcpy(public, x.data, KEY_SIZE);
        gnutls_free(x.data);
        return peer;
}

/* All lengths are below 128: one byte each. */
static size_t make_extension(gnutls_x509_privkey_t key, ForgeFlaw flaw, uint8_t *to) {
        uint8_t public[KEY_SIZE], other[KEY_SIZE];
        gnutls_privkey_t peer = make_peer(public), another = make_peer(other);
        uint8_t n_key = flaw == FORGE_SHORT_KEY ? KEY_SIZE - 1 : KEY_SIZE;
        uint8_t type = flaw == FORGE_SECP256K1 ? 2 : flaw == FORGE_UNKNOWN_KEY ? 9 : 1;
        gnutls_datum_t signature;
        size_t n = 2;

        sign(flaw == FORGE_OTHER_PEER ? another : peer, key, &signature);
        to[n++] = 0x04;
        to[n++] = (uint8_t) (n_key + 4);
        memcpy(to + n, ((uint8_t[]){ 0x08, type, 0x12, n_key }), 4);
        n += 4;
        memcpy(to + n, public, n_key);
        n += n_key;
        to[n++] = 0x04;
        to[n++] = (uint8_t) signature.size;
        memcpy(to + n, signature.data, signature.size);
        n += signature.size;
        if (flaw == FORGE_TRAILING)
                to[n++] = 0;
        to[0] = flaw == FORGE_MALFORMED ? 0x31 : 0x30;
        to[1] = (uint8_t) (n - 2);

        gnutls_free(signature.data);
        gnutls_privkey_deinit(peer);
        gnutls_privkey_deinit(another);
        return n;
}

static void add_extensions(Forge *forge, ForgeFlaw flaw) {
        static const uint8_t null[2] = { 0x05, 0x00 };
        static uint8_t big[10000];
        uint8_t extension[256];
        size_t n = make_extension(forge->key, flaw, extension);

        if (flaw != FORGE_NO_EXTENSION)
                MUST(gnutls_x509_crt_set_extension_by_oid(forge->crt, OID, extension, n, 0));
        if (flaw == FORGE_CRITICAL)
                MUST(gnutls_x509_crt_set_extension_by_oid(forge->crt, "1.2.3.4.5", null, sizeof(null), 1));
        if (flaw == FORGE_BIG) {
                memcpy(big, ((uint8_t[]){ 0x04, 0x82, 0x27, 0x0c }), 4);
                MUST(gnutls_x509_crt_set_extension_by_oid(forge->crt, "1.2.3.4.5", big, sizeof(big), 0));
        }
}

static void fill(Forge *forge, ForgeFlaw flaw) {
        time_t now = time(NULL), from = now - 3600, to = now + 3600;
        gnutls_x509_privkey_t other = make_key();

        from = flaw == FORGE_NOT_YET ? now + 1800 : from;
        to = flaw == FORGE_EXPIRED ? now - 1800 : to;
        MUST(gnutls_x509_crt_init(&forge->crt));
        MUST(gnutls_x509_crt_set_version(forge->crt, 3));
        MUST(gnutls_x509_crt_set_key(forge->crt, forge->key));
        MUST(gnutls_x509_crt_set_serial(forge->crt, "\x01", 1));
        MUST(gnutls_x509_crt_set_activation_time(forge->crt, from));
        MUST(gnutls_x509_crt_set_expiration_time(forge->crt, to));
        MUST(gnutls_x509_crt_set_dn(forge->crt, "serialNumber=1", NULL));
        MUST(gnutls_x509_crt_set_issuer_dn(forge->crt, "serialNumber=1", NULL));
        add_extensions(forge, flaw);
        MUST(gnutls_x509_crt_sign2(
                        forge->crt,
                        forge->crt,
                        flaw == FORGE_OTHER_SIGNER ? other : forge->key,
                        GNUTLS_DIG_SHA256,
                        0));
        gnutls_x509_privkey_deinit(other);
}

void forge_open(Forge *forge, ForgeFlaw flaw) {
        forge->key = make_key();
        fill(forge, flaw);
}

void forge_close(Forge *forge) {
        gnutls_x509_crt_deinit(forge->crt);
        gnutls_x509_privkey_deinit(forge->key);
}

void forge_der(const Forge *forge, gnutls_datum_t *ret) {
        MUST(gnutls_x509_crt_export2(forge->crt, GNUTLS_X509_FMT_DER, ret));
}

/* ---- sessions */

/* By hand: gnutls_certificate_set_x509_key() sorts the chain, and drops what does not belong to it. */
static void show(gnutls_certificate_credentials_t credentials, const Forge *forge, int n) {
        gnutls_privkey_t key;
        gnutls_pcert_st chain[2];

        for (int i = 0; i < n; i++)
                MUST(gnutls_pcert_import_x509(&chain[i], forge->crt, 0));
        MUST(gnutls_privkey_init(&key));
        MUST(gnutls_privkey_import_x509(key, forge->key, GNUTLS_PRIVKEY_IMPORT_COPY));
        MUST(gnutls_certificate_set_key(credentials, NULL, 0, chain, n, key)); /* takes both */
}

void forge_session_open(ForgeSession *session, int fd, const ForgeOptions *options) {
        const char *name = options->protocol ?: "h2";
        const gnutls_datum_t protocol = { (uint8_t *) name, (unsigned) strlen(name) };

        *session = (ForgeSession){ .fd = fd };
        MUST(
                        gnutls_init(&session->gnutls,
                                    (options->is_server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                                                    GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS));
        MUST(gnutls_priority_set_direct(
                        session->gnutls, options->priority ?: "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL));
        MUST(gnutls_certificate_allocate_credentials(&session->credentials));
        if (options->forge)
                show(session->credentials, options->forge, options->twice ? 2 : 1);
        MUST(gnutls_credentials_set(session->gnutls, GNUTLS_CRD_CERTIFICATE, session->credentials));
        if (protocol.size > 0)
                MUST(gnutls_alpn_set_protocols(session->gnutls, &protocol, 1, 0));
        if (options->is_server)
                gnutls_certificate_server_set_request(session->gnutls, GNUTLS_CERT_REQUEST);
        gnutls_transport_set_int(session->gnutls, fd);
}

void forge_session_close(ForgeSession *session) {
        gnutls_deinit(session->gnutls);
        gnutls_certificate_free_credentials(session->credentials);
        (void) close(session->fd);
}

int forge_session_handshake(ForgeSession *session) {
        int r = gnutls_handshake(session->gnutls);

        return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ? 0 : r < 0 ? r : 1;
}

ssize_t forge_session_read(ForgeSession *session, void *buffer, size_t max) {
        return gnutls_record_recv(session->gnutls, buffer, max);
}

ssize_t forge_session_write(ForgeSession *session, const void *bytes, size_t n) {
        return gnutls_record_send(session->gnutls, bytes, n);
}
