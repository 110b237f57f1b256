#include "daemon/config/key.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#include "daemon/base/protobuf.h"

#define KEY_ED25519_SIZE 32 /* of the seed, and of the public key */

static void key_deinitp(gnutls_privkey_t *key) {
        if (*key)
                gnutls_privkey_deinit(*key);
}

static void key_public_deinitp(gnutls_pubkey_t *key) {
        if (*key)
                gnutls_pubkey_deinit(*key);
}

static void key_datum_done(gnutls_datum_t *datum) {
        if (datum->data)
                gnutls_memset(datum->data, 0, datum->size);
        gnutls_free(datum->data);
        *datum = (gnutls_datum_t){};
}

static int key_errno(int r) {
        return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
}

/* The type is written also when it is 0 (RSA): the field is required (proto2), and IDs are digests of this
 * encoding. */
static int key_write(PeerKeyType type, const void *data, size_t n, Str *to) {
        (void) str_append_char(to, 0x08); /* field 1, varint */
        (void) str_append_char(to, (char) type);
        (void) protobuf_write_element(to, 2, data, n);
        return str_error(to);
}

int config_key_generate(Str *private_key) {
        _cleanup_(key_deinitp) gnutls_privkey_t key = NULL;
        _cleanup_(key_datum_done) gnutls_datum_t public = {}, seed = {};
        uint8_t data[2 * KEY_ED25519_SIZE];
        int r;

        r = gnutls_privkey_init(&key);
        if (r >= 0)
                r = gnutls_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 0, 0);
        if (r >= 0)
                r = gnutls_privkey_export_ecc_raw2(key, NULL, &public, NULL, &seed, 0);
        if (r < 0 || seed.size != KEY_ED25519_SIZE || public.size != KEY_ED25519_SIZE)
                return key_errno(r);

        memcpy(data, seed.data, KEY_ED25519_SIZE);
        memcpy(data + KEY_ED25519_SIZE, public.data, KEY_ED25519_SIZE);
        r = str_reserve(private_key, sizeof(data) + 8); /* no copy is left behind by growing */
        if (r >= 0)
                r = key_write(PEER_KEY_ED25519, data, sizeof(data), private_key);
        gnutls_memset(data, 0, sizeof(data));
        return r;
}

/* What PKCS#8 (RFC 8410) puts before the seed. */
static const uint8_t key_pkcs8_ed25519[] = {
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
};

static int key_import_der(gnutls_privkey_t key, const uint8_t *data, size_t n) {
        const gnutls_datum_t der = { (uint8_t *) data, (unsigned) n };

        return gnutls_privkey_import_x509_raw(key, &der, GNUTLS_X509_FMT_DER, NULL, 0) < 0 ? -EBADMSG : 0;
}

/* Ed25519 data is the seed and the public key; old keys repeat the public key. Imported from PKCS#8, where
 * GnuTLS makes the public key itself: gnutls_privkey_import_ecc_raw() believes the one it is given. */
static int key_import_ed25519(gnutls_privkey_t key, const uint8_t *data, size_t n) {
        uint8_t der[sizeof(key_pkcs8_ed25519) + KEY_ED25519_SIZE];
        const uint8_t *public = data + KEY_ED25519_SIZE;
        int r;

        if (n != 2 * KEY_ED25519_SIZE && n != 3 * KEY_ED25519_SIZE)
                return -EBADMSG;
        if (n == 3 * KEY_ED25519_SIZE && memcmp(public, public + KEY_ED25519_SIZE, KEY_ED25519_SIZE) != 0)
                return -EBADMSG;

        memcpy(der, key_pkcs8_ed25519, sizeof(key_pkcs8_ed25519));
        memcpy(der + sizeof(key_pkcs8_ed25519), data, KEY_ED25519_SIZE);
        r = key_import_der(key, der, sizeof(der));
        gnutls_memset(der, 0, sizeof(der));
        return r;
}

static int key_public_ed25519(gnutls_pubkey_t public, const uint8_t *data, Str *to) {
        _cleanup_(key_datum_done) gnutls_datum_t point = {};
        int r;

        r = gnutls_pubkey_export_ecc_raw2(public, NULL, &point, NULL, 0);
        if (r < 0)
                return key_errno(r);
        /* GnuTLS has made the public key from the seed: the one that is written beside it must be the same
         */
        if (point.size != KEY_ED25519_SIZE || memcmp(point.data, data + KEY_ED25519_SIZE, point.size) != 0)
                return -EBADMSG;
        return key_write(PEER_KEY_ED25519, point.data, point.size, to);
}

static int key_public_rsa(gnutls_pubkey_t public, Str *to) {
        _cleanup_(key_datum_done) gnutls_datum_t der = {};
        int r;

        if (gnutls_pubkey_get_pk_algorithm(public, NULL) != GNUTLS_PK_RSA)
                return -EBADMSG;
        r = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &der);
        return r < 0 ? key_errno(r) : key_write(PEER_KEY_RSA, der.data, der.size, to);
}

static int key_public(PeerKeyType type, const uint8_t *data, size_t n, Str *to) {
        _cleanup_(key_deinitp) gnutls_privkey_t key = NULL;
        _cleanup_(key_public_deinitp) gnutls_pubkey_t public = NULL;
        int r;

        if (gnutls_privkey_init(&key) < 0 || gnutls_pubkey_init(&public) < 0)
                return -ENOMEM;

        r = type == PEER_KEY_RSA ? key_import_der(key, data, n) : key_import_ed25519(key, data, n);
        if (r < 0)
                return r;
        if (gnutls_pubkey_import_privkey(public, key, 0, 0) < 0)
                return -EBADMSG;
        return type == PEER_KEY_RSA ? key_public_rsa(public, to) : key_public_ed25519(public, data, to);
}

typedef struct KeyFields {
        uint64_t type;
        const uint8_t *data;
        size_t size;
        bool has_type;
} KeyFields;

static int key_parse(const void *private_key, size_t n, KeyFields *ret) {
        ProtobufReader reader = protobuf_reader(private_key, n);
        ProtobufField field;
        KeyFields key = {};
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.number == 1 && field.type == PROTOBUF_VARINT) {
                        key.type = field.value;
                        key.has_type = true;
                } else if (field.number == 2 && field.type == PROTOBUF_BYTES) {
                        key.data = field.bytes;
                        key.size = field.size;
                }
        }
        if (r < 0 || !key.has_type || !key.data)
                return -EBADMSG;

        *ret = key;
        return 0;
}

static const char *key_type_name(uint64_t type) {
        switch (type) {
        case PEER_KEY_SECP256K1:
                return "a Secp256k1 key";
        case PEER_KEY_ECDSA:
                return "an ECDSA key";
        default:
                return "a key of an unknown type";
        }
}

int config_key_public(
                const void *private_key, size_t n, PeerKeyType *ret_type, Str *public_key, Error *reterr) {
        KeyFields key;
        int r;

        r = n > CONFIG_KEY_MAX ? -EBADMSG : key_parse(private_key, n, &key);
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "not a private key, expected the libp2p protobuf of one");
        if (key.type != PEER_KEY_RSA && key.type != PEER_KEY_ED25519)
                return error_set(
                                reterr,
                                ERROR_UNSUPPORTED,
                                "%s is not offered, expected an Ed25519 or RSA key",
                                key_type_name(key.type));

        r = key_public((PeerKeyType) key.type, key.data, key.size, public_key);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "%m");
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "not a usable %s key",
                                key.type == PEER_KEY_RSA ? "RSA" : "Ed25519");

        *ret_type = (PeerKeyType) key.type;
        return 0;
}
