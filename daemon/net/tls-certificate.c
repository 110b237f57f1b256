#include "daemon/net/tls-certificate.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "daemon/base/protobuf.h"

#define DER_OCTETS 0x04
#define DER_SEQUENCE 0x30
#define SIGNATURE_MAX 1024 /* RSA of 8192 bits */

static void crt_deinitp(gnutls_x509_crt_t *crt) {
        if (*crt)
                gnutls_x509_crt_deinit(*crt);
}

static void pubkey_deinitp(gnutls_pubkey_t *key) {
        if (*key)
                gnutls_pubkey_deinit(*key);
}

static void datum_donep(gnutls_datum_t *datum) {
        gnutls_free(datum->data);
}

/* ---- DER, as far as it is needed: definite lengths of at most two bytes */

typedef struct Der {
        const uint8_t *at;
        const uint8_t *end;
} Der;

/* Answers 1 and the content, with *DER behind it, 0 when that is not what stands there. */
static int der_next(Der *der, uint8_t tag, Der *ret) {
        size_t left = (size_t) (der->end - der->at), n, n_bytes;

        if (left < 2 || der->at[0] != tag)
                return 0;

        n = der->at[1];
        n_bytes = n < 0x80 ? 0 : n - 0x80;
        if (n_bytes > 2 || (n == 0x80) || left < 2 + n_bytes)
                return 0;
        if (n_bytes > 0)
                n = n_bytes == 1 ? der->at[2] : (size_t) der->at[2] << 8 | der->at[3];
        if (n_bytes > 0 && n < (n_bytes == 1 ? 0x80U : 0x100U)) /* DER: the shortest form */
                return 0;
        if (left - 2 - n_bytes < n)
                return 0;

        *ret = (Der){ der->at + 2 + n_bytes, der->at + 2 + n_bytes + n };
        der->at = ret->end;
        return 1;
}

static int der_write_head(Str *to, uint8_t tag, size_t n) {
        (void) str_append_char(to, (char) tag);
        if (n >= 0x100) {
                (void) str_append_char(to, (char) 0x82);
                (void) str_append_char(to, (char) (n >> 8));
        } else if (n >= 0x80)
                (void) str_append_char(to, (char) 0x81);
        return str_append_char(to, (char) n);
}

static size_t der_size(size_t n) {
        return n + (n < 0x80 ? 2 : n < 0x100 ? 3 : 4);
}

int tls_certificate_write_extension(
                Str *to, const void *key, size_t key_size, const void *signature, size_t signature_size) {
        assert(key_size < 0x4000 && signature_size < 0x4000);

        (void) der_write_head(to, DER_SEQUENCE, der_size(key_size) + der_size(signature_size));
        (void) der_write_head(to, DER_OCTETS, key_size);
        (void) str_append_bytes(to, key, key_size);
        (void) der_write_head(to, DER_OCTETS, signature_size);
        (void) str_append_bytes(to, signature, signature_size);
        return str_error(to);
}

/* ---- the checks, in their order */

typedef struct Check {
        const uint8_t *der;
        size_t size;
        gnutls_x509_crt_t crt;
        gnutls_pubkey_t crt_key;  /* the certificate's own */
        gnutls_pubkey_t peer_key; /* of the identity */
        gnutls_sign_algorithm_t peer_algorithm;
        uint8_t extension[TLS_CERTIFICATE_MAX];
        size_t extension_size;
        Der key, signature; /* within the extension */
} Check;

static void check_donep(Check *check) {
        crt_deinitp(&check->crt);
        pubkey_deinitp(&check->crt_key);
        pubkey_deinitp(&check->peer_key);
}

static int refuse(Error *reterr, const char *words) {
        return error_set(reterr, ERROR_FORBIDDEN, "%s", words);
}

static int check_import(Check *check, Error *reterr) {
        const gnutls_datum_t der = { (uint8_t *) check->der, (unsigned) check->size };
        int r;

        if (check->size > TLS_CERTIFICATE_MAX)
                return error_set(
                                reterr,
                                ERROR_FORBIDDEN,
                                "has %zu bytes, expected at most %d",
                                check->size,
                                TLS_CERTIFICATE_MAX);

        r = gnutls_x509_crt_init(&check->crt);
        if (r >= 0)
                r = gnutls_pubkey_init(&check->crt_key);
        if (r >= 0)
                r = gnutls_pubkey_init(&check->peer_key);
        if (r < 0)
                return error_set_errno(reterr, -ENOMEM, "cannot be read: %m");

        if (gnutls_x509_crt_import(check->crt, &der, GNUTLS_X509_FMT_DER) < 0)
                return refuse(reterr, "is not an X.509 certificate");
        if (gnutls_pubkey_import_x509(check->crt_key, check->crt, 0) < 0)
                return refuse(reterr, "has a public key of an unknown kind");
        return 0;
}

static int check_validity(Check *check, Error *reterr) {
        time_t from = gnutls_x509_crt_get_activation_time(check->crt),
               to = gnutls_x509_crt_get_expiration_time(check->crt), now = time(NULL);

        if (from == (time_t) -1 || to == (time_t) -1)
                return refuse(reterr, "has no validity");
        if (now < from)
                return refuse(reterr, "is not valid yet (are the clocks right?)");
        if (now > to)
                return refuse(reterr, "has expired");
        return 0;
}

/* Verified by hand: gnutls_x509_crt_verify() believes a certificate that is in the list of trusted ones
 * without a look at its signature. */
static int check_self_signature(Check *check, Error *reterr) {
        Der der = { check->der, check->der + check->size }, whole, content;
        char bytes[SIGNATURE_MAX];
        size_t n = sizeof(bytes);
        gnutls_datum_t signed_part, signature;
        int algorithm;

        if (!der_next(&der, DER_SEQUENCE, &whole) || der.at != der.end)
                return refuse(reterr, "is not one DER sequence");
        signed_part.data = (uint8_t *) whole.at;
        if (!der_next(&whole, DER_SEQUENCE, &content))
                return refuse(reterr, "has no signed part");
        signed_part.size = (unsigned) (whole.at - signed_part.data);

        algorithm = gnutls_x509_crt_get_signature_algorithm(check->crt);
        if (algorithm < 0 || gnutls_x509_crt_get_signature(check->crt, bytes, &n) < 0)
                return refuse(reterr, "has no usable signature");

        signature = (gnutls_datum_t){ (uint8_t *) bytes, (unsigned) n };
        if (gnutls_pubkey_verify_data2(
                            check->crt_key,
                            (gnutls_sign_algorithm_t) algorithm,
                            0,
                            &signed_part,
                            &signature) < 0)
                return refuse(reterr, "is not signed by its own key");
        return 0;
}

static bool is_known_critical(const char *oid) {
        static const char *const known[] = { "2.5.29.15" /* keyUsage */,
                                             "2.5.29.19" /* basicConstraints */,
                                             "2.5.29.37" /* extKeyUsage */ };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (strcmp(known[i], oid) == 0)
                        return true;
        return false;
}

static int check_one_extension(Check *check, unsigned i, const char *oid, bool critical, Error *reterr) {
        if (strcmp(oid, TLS_CERTIFICATE_OID) != 0)
                return critical && !is_known_critical(oid)
                                       ? error_set(reterr,
                                                   ERROR_FORBIDDEN,
                                                   "has a critical extension %s, which is not known",
                                                   oid)
                                       : 0;

        if (check->extension_size > 0)
                return refuse(reterr, "has two libp2p extensions");
        check->extension_size = sizeof(check->extension);
        if (gnutls_x509_crt_get_extension_data(
                            check->crt, (int) i, check->extension, &check->extension_size) < 0)
                return refuse(reterr, "has an unreadable libp2p extension");
        return 0;
}

static int check_extensions(Check *check, Error *reterr) {
        unsigned critical;
        char oid[128];
        size_t n;
        int r;

        for (unsigned i = 0;; i++) {
                n = sizeof(oid);
                r = gnutls_x509_crt_get_extension_info(check->crt, (int) i, oid, &n, &critical);
                if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        break;
                if (r < 0)
                        return refuse(reterr, "has an unreadable extension");
                r = check_one_extension(check, i, oid, critical, reterr);
                if (r < 0)
                        return r;
        }

        return check->extension_size > 0
                               ? 0
                               : refuse(reterr, "has no libp2p extension (" TLS_CERTIFICATE_OID ")");
}

static int check_signed_key(Check *check, Error *reterr) {
        Der der = { check->extension, check->extension + check->extension_size }, inner;

        if (!der_next(&der, DER_SEQUENCE, &inner) || der.at != der.end ||
            !der_next(&inner, DER_OCTETS, &check->key) || !der_next(&inner, DER_OCTETS, &check->signature) ||
            inner.at != inner.end)
                return refuse(reterr, "has a malformed libp2p extension, expected a key and a signature");
        return 0;
}

static int import_rsa(gnutls_pubkey_t key, const gnutls_datum_t *data) {
        unsigned bits = 0;

        if (gnutls_pubkey_import(key, data, GNUTLS_X509_FMT_DER) < 0 ||
            gnutls_pubkey_get_pk_algorithm(key, &bits) != GNUTLS_PK_RSA)
                return -EBADMSG;
        return bits < TLS_CERTIFICATE_RSA_BITS_MIN || bits > TLS_CERTIFICATE_RSA_BITS_MAX ? -EBADMSG : 0;
}

static int import_ed25519(gnutls_pubkey_t key, const gnutls_datum_t *data) {
        if (data->size != 32 || gnutls_pubkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, data, NULL) < 0)
                return -EBADMSG;
        return 0;
}

static int import_ecdsa(gnutls_pubkey_t key, const gnutls_datum_t *data) {
        if (gnutls_pubkey_import(key, data, GNUTLS_X509_FMT_DER) < 0 ||
            gnutls_pubkey_get_pk_algorithm(key, NULL) != GNUTLS_PK_ECDSA)
                return -EBADMSG;
        return 0;
}

static const struct {
        const char *name;
        gnutls_sign_algorithm_t algorithm;
        int (*import)(gnutls_pubkey_t key, const gnutls_datum_t *data);
} key_types[] = {
        [PEER_KEY_RSA] = { "RSA (2048 to 8192 bits)", GNUTLS_SIGN_RSA_SHA256, import_rsa },
        [PEER_KEY_ED25519] = { "Ed25519", GNUTLS_SIGN_EDDSA_ED25519, import_ed25519 },
        [PEER_KEY_SECP256K1] = { "secp256k1", GNUTLS_SIGN_UNKNOWN, NULL },
        [PEER_KEY_ECDSA] = { "ECDSA", GNUTLS_SIGN_ECDSA_SHA256, import_ecdsa },
};

/* The two fields, each once and in order: the peer's ID is a digest of these bytes. */
static int parse_key(Der protobuf, uint64_t *ret_type, gnutls_datum_t *ret_data) {
        ProtobufReader reader = protobuf_reader(protobuf.at, (size_t) (protobuf.end - protobuf.at));
        ProtobufField type, data, more;

        if (protobuf_next(&reader, &type) <= 0 || type.number != 1 || type.type != PROTOBUF_VARINT ||
            protobuf_next(&reader, &data) <= 0 || data.number != 2 || data.type != PROTOBUF_BYTES ||
            protobuf_next(&reader, &more) != 0)
                return -EBADMSG;

        *ret_type = type.value;
        *ret_data = (gnutls_datum_t){ (uint8_t *) data.bytes, (unsigned) data.size };
        return 0;
}

static int check_key(Check *check, Error *reterr) {
        gnutls_datum_t data;
        uint64_t type;

        if (parse_key(check->key, &type, &data) < 0)
                return refuse(reterr, "has a malformed peer key, expected the libp2p protobuf of one");
        if (type >= ELEMENTSOF(key_types) || !key_types[type].import)
                return error_set(
                                reterr,
                                ERROR_UNSUPPORTED,
                                "is of a peer with a %s key, expected Ed25519, RSA or ECDSA",
                                type < ELEMENTSOF(key_types) ? key_types[type].name : "unknown");
        if (key_types[type].import(check->peer_key, &data) < 0)
                return error_set(
                                reterr,
                                ERROR_FORBIDDEN,
                                "has a peer key that is not a usable %s key",
                                key_types[type].name);

        check->peer_algorithm = key_types[type].algorithm;
        return 0;
}

static int check_peer_signature(Check *check, Error *reterr) {
        _cleanup_(datum_donep) gnutls_datum_t spki = {};
        _cleanup_(str_done) Str text = {};
        gnutls_datum_t message, signature = { (uint8_t *) check->signature.at,
                                              (unsigned) (check->signature.end - check->signature.at) };

        if (gnutls_pubkey_export2(check->crt_key, GNUTLS_X509_FMT_DER, &spki) < 0)
                return refuse(reterr, "has a public key that cannot be written");

        (void) str_append(&text, TLS_CERTIFICATE_PREFIX);
        if (str_append_bytes(&text, spki.data, spki.size) < 0)
                return error_set_errno(reterr, -ENOMEM, "cannot be checked: %m");

        message = (gnutls_datum_t){ (uint8_t *) text.data, (unsigned) text.len };
        if (gnutls_pubkey_verify_data2(check->peer_key, check->peer_algorithm, 0, &message, &signature) < 0)
                return refuse(reterr, "has a signature that is not of the peer's key");
        return 0;
}

int tls_certificate_check(const void *der, size_t n, PeerId *ret, Error *reterr) {
        static int (*const steps[])(Check * check, Error * reterr) = {
                check_import,     check_validity, check_self_signature, check_extensions,
                check_signed_key, check_key,      check_peer_signature,
        };
        _cleanup_(check_donep) Check check = { .der = der, .size = n };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                r = steps[i](&check, reterr);
                if (r < 0)
                        return r;
        }

        if (peer_id_from_public_key(check.key.at, (size_t) (check.key.end - check.key.at), ret) < 0)
                return refuse(reterr, "has a peer key without a peer ID");
        return 0;
}
