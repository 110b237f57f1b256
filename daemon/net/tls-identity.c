#include "daemon/net/tls-identity.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "daemon/base/multibase.h"
#include "daemon/base/protobuf.h"
#include "daemon/base/random.h"
#include "daemon/net/tls-certificate.h"

#define ED25519_SIZE 32 /* of the seed, and of the public key */
#define DAY_SEC (24 * 60 * 60)
#define VALID_SEC (INT64_C(100) * 365 * DAY_SEC)
#define SERIAL_SIZE 8

struct TlsIdentity {
        gnutls_certificate_credentials_t credentials;
        PeerId peer;
};

/* What lives while a certificate is made. */
typedef struct Making {
        PeerKeyType type;
        gnutls_privkey_t peer_key;
        Str peer_public; /* protobuf */
        gnutls_x509_privkey_t key;
        gnutls_privkey_t signer; /* the same, to sign with */
        gnutls_pubkey_t public;
        gnutls_x509_crt_t crt;
} Making;

static void making_donep(Making *making) {
        if (making->peer_key)
                gnutls_privkey_deinit(making->peer_key);
        str_done(&making->peer_public);
        if (making->key)
                gnutls_x509_privkey_deinit(making->key);
        if (making->signer)
                gnutls_privkey_deinit(making->signer);
        if (making->public)
                gnutls_pubkey_deinit(making->public);
        if (making->crt)
                gnutls_x509_crt_deinit(making->crt);
}

static void pubkey_deinitp(gnutls_pubkey_t *key) {
        if (*key)
                gnutls_pubkey_deinit(*key);
}

static void datum_donep(gnutls_datum_t *datum) {
        gnutls_free(datum->data);
}

static int to_errno(int r) {
        return r >= 0 ? 0 : r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
}

/* ---- the peer's key */

typedef struct Secret {
        uint8_t bytes[TLS_IDENTITY_KEY_MAX];
        size_t size;
} Secret;

static void secret_donep(Secret *secret) {
        gnutls_memset(secret, 0, sizeof(*secret));
}

/* What PKCS#8 (RFC 8410) puts before the seed. */
static const uint8_t pkcs8_ed25519[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                         0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };

static int import_der(gnutls_privkey_t key, const uint8_t *bytes, size_t n) {
        const gnutls_datum_t der = { (uint8_t *) bytes, (unsigned) n };

        return to_errno(gnutls_privkey_import_x509_raw(key, &der, GNUTLS_X509_FMT_DER, NULL, 0));
}

/* The seed, then the public key, which is made anew from the seed. */
static int import_ed25519(gnutls_privkey_t key, const uint8_t *bytes, size_t n) {
        uint8_t der[sizeof(pkcs8_ed25519) + ED25519_SIZE];
        int r;

        if (n < ED25519_SIZE)
                return -EBADMSG;

        memcpy(der, pkcs8_ed25519, sizeof(pkcs8_ed25519));
        memcpy(der + sizeof(pkcs8_ed25519), bytes, ED25519_SIZE);
        r = import_der(key, der, sizeof(der));
        gnutls_memset(der, 0, sizeof(der));
        return r;
}

static int decode_key(const char *text, Secret *secret, ProtobufField *ret_type, ProtobufField *ret_data) {
        ProtobufReader reader;
        ssize_t n;

        n = multibase_decode(MULTIBASE_64_PAD, text, strlen(text), secret->bytes, sizeof(secret->bytes));
        if (n < 0)
                return -EBADMSG;

        secret->size = (size_t) n;
        reader = protobuf_reader(secret->bytes, secret->size);
        if (protobuf_next(&reader, ret_type) <= 0 || ret_type->number != 1 ||
            ret_type->type != PROTOBUF_VARINT || protobuf_next(&reader, ret_data) <= 0 ||
            ret_data->number != 2 || ret_data->type != PROTOBUF_BYTES)
                return -EBADMSG;
        return 0;
}

static int import_key(Making *making, const char *text, Error *reterr) {
        _cleanup_(secret_donep) Secret secret = {};
        ProtobufField type, data;
        int r;

        if (decode_key(text, &secret, &type, &data) < 0)
                return error_set(reterr, ERROR_INVALID, "the private key is not the base64 of a libp2p key");
        if (type.value != PEER_KEY_RSA && type.value != PEER_KEY_ED25519)
                return error_set(
                                reterr,
                                ERROR_UNSUPPORTED,
                                "the private key is %s key, expected an Ed25519 or RSA one",
                                type.value == PEER_KEY_SECP256K1 ? "a secp256k1"
                                : type.value == PEER_KEY_ECDSA   ? "an ECDSA"
                                                                 : "an unknown");

        making->type = (PeerKeyType) type.value;
        r = to_errno(gnutls_privkey_init(&making->peer_key));
        if (r >= 0)
                r = making->type == PEER_KEY_RSA ? import_der(making->peer_key, data.bytes, data.size)
                                                 : import_ed25519(making->peer_key, data.bytes, data.size);
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "the private key cannot be used");
        return 0;
}

static int write_public(Making *making, const gnutls_datum_t *data) {
        (void) str_append_char(&making->peer_public, 0x08); /* field 1 is written also when it is 0 */
        (void) str_append_char(&making->peer_public, (char) making->type);
        return protobuf_write_element(&making->peer_public, 2, data->data, data->size);
}

static int make_public(Making *making) {
        _cleanup_(pubkey_deinitp) gnutls_pubkey_t key = NULL;
        _cleanup_(datum_donep) gnutls_datum_t data = {};
        int r;

        r = gnutls_pubkey_init(&key);
        if (r >= 0)
                r = gnutls_pubkey_import_privkey(key, making->peer_key, 0, 0);
        if (r >= 0)
                r = making->type == PEER_KEY_RSA ? gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &data)
                                                 : gnutls_pubkey_export_ecc_raw2(key, NULL, &data, NULL, 0);
        return r < 0 ? to_errno(r) : write_public(making, &data);
}

/* ---- the certificate */

static int make_certificate_key(Making *making) {
        int r;

        r = gnutls_x509_privkey_init(&making->key);
        if (r >= 0)
                r = gnutls_x509_privkey_generate(
                                making->key,
                                GNUTLS_PK_ECDSA,
                                GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                0);
        if (r >= 0)
                r = gnutls_privkey_init(&making->signer);
        if (r >= 0)
                r = gnutls_privkey_import_x509(making->signer, making->key, GNUTLS_PRIVKEY_IMPORT_COPY);
        if (r >= 0)
                r = gnutls_pubkey_init(&making->public);
        if (r >= 0)
                r = gnutls_pubkey_import_privkey(making->public, making->signer, 0, 0);
        return to_errno(r);
}

static int sign_key(Making *making, gnutls_datum_t *ret) {
        _cleanup_(datum_donep) gnutls_datum_t spki = {};
        _cleanup_(str_done) Str text = {};
        gnutls_datum_t message;
        int r;

        r = gnutls_pubkey_export2(making->public, GNUTLS_X509_FMT_DER, &spki);
        if (r < 0)
                return to_errno(r);

        (void) str_append(&text, TLS_CERTIFICATE_PREFIX);
        if (str_append_bytes(&text, spki.data, spki.size) < 0)
                return -ENOMEM;

        message = (gnutls_datum_t){ (uint8_t *) text.data, (unsigned) text.len };
        return to_errno(gnutls_privkey_sign_data2(
                        making->peer_key,
                        making->type == PEER_KEY_RSA ? GNUTLS_SIGN_RSA_SHA256 : GNUTLS_SIGN_EDDSA_ED25519,
                        0,
                        &message,
                        ret));
}

static int add_extension(Making *making) {
        _cleanup_(datum_donep) gnutls_datum_t signature = {};
        _cleanup_(str_done) Str value = {};
        int r;

        r = sign_key(making, &signature);
        if (r < 0)
                return r;
        r = tls_certificate_write_extension(
                        &value,
                        making->peer_public.data,
                        making->peer_public.len,
                        signature.data,
                        signature.size);
        if (r < 0)
                return r;
        return to_errno(gnutls_x509_crt_set_extension_by_oid(
                        making->crt, TLS_CERTIFICATE_OID, value.data, value.len, 0));
}

/* Valid since yesterday, for peers whose clocks are late. */
static int fill_certificate(Making *making) {
        uint8_t serial[SERIAL_SIZE];
        time_t now = time(NULL);
        int r;

        random_bytes(serial, sizeof(serial));
        serial[0] = (serial[0] & 0x7f) | 1; /* positive, not 0 */

        r = gnutls_x509_crt_init(&making->crt);
        if (r >= 0)
                r = gnutls_x509_crt_set_version(making->crt, 3);
        if (r >= 0)
                r = gnutls_x509_crt_set_pubkey(making->crt, making->public);
        if (r >= 0)
                r = gnutls_x509_crt_set_serial(making->crt, serial, sizeof(serial));
        if (r >= 0)
                r = gnutls_x509_crt_set_activation_time(making->crt, now - DAY_SEC);
        if (r >= 0)
                r = gnutls_x509_crt_set_expiration_time(making->crt, now + VALID_SEC);
        if (r >= 0)
                r = gnutls_x509_crt_set_dn(making->crt, "serialNumber=1", NULL);
        if (r >= 0)
                r = gnutls_x509_crt_set_issuer_dn(making->crt, "serialNumber=1", NULL);
        return to_errno(r);
}

static int make_certificate(Making *making) {
        int r;

        r = make_certificate_key(making);
        if (r >= 0)
                r = fill_certificate(making);
        if (r >= 0)
                r = add_extension(making);
        if (r >= 0)
                r = to_errno(gnutls_x509_crt_privkey_sign(
                                making->crt, making->crt, making->signer, GNUTLS_DIG_SHA256, 0));
        return r;
}

static int make_identity(TlsIdentity *identity, Making *making) {
        int r;

        r = make_public(making);
        if (r >= 0)
                r = peer_id_from_public_key(
                                making->peer_public.data, making->peer_public.len, &identity->peer);
        if (r >= 0)
                r = make_certificate(making);
        if (r >= 0)
                r = to_errno(gnutls_certificate_allocate_credentials(&identity->credentials));
        if (r >= 0)
                r = to_errno(gnutls_certificate_set_x509_key(
                                identity->credentials, &making->crt, 1, making->key));
        return r;
}

int tls_identity_new(TlsIdentity **ret, const char *private_key, Error *reterr) {
        _cleanup_(tls_identity_freep) TlsIdentity *identity = NULL;
        _cleanup_(making_donep) Making making = {};
        int r;

        identity = calloc(1, sizeof(*identity));
        if (!identity)
                return error_set_errno(reterr, -ENOMEM, "cannot make a certificate: %m");

        r = import_key(&making, private_key, reterr);
        if (r < 0)
                return r;
        r = make_identity(identity, &making);
        if (r < 0)
                return error_set_errno(reterr, r, "cannot make a certificate: %m");

        *ret = TAKE_PTR(identity);
        return 0;
}

TlsIdentity *tls_identity_free(TlsIdentity *identity) {
        if (!identity)
                return NULL;

        if (identity->credentials)
                gnutls_certificate_free_credentials(identity->credentials);
        free(identity);
        return NULL;
}

const PeerId *tls_identity_peer(const TlsIdentity *identity) {
        return &identity->peer;
}

gnutls_certificate_credentials_t tls_identity_credentials(const TlsIdentity *identity) {
        return identity->credentials;
}
