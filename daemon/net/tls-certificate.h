#pragma once

/*
 * The self-signed certificate that carries a libp2p identity (libp2p/specs, tls/tls.md).
 *
 * Its extension 1.3.6.1.4.1.53594.1.1 is SEQUENCE { OCTET STRING key, OCTET STRING signature }: the public
 * key of the peer as libp2p protobuf, and its signature over "libp2p-tls-handshake:" and the certificate's
 * SubjectPublicKeyInfo.
 */

#include <stddef.h>

#include "daemon/base/str.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define TLS_CERTIFICATE_OID "1.3.6.1.4.1.53594.1.1"
#define TLS_CERTIFICATE_PREFIX "libp2p-tls-handshake:"
#define TLS_CERTIFICATE_MAX 8192 /* bytes of DER */
#define TLS_CERTIFICATE_RSA_BITS_MIN 2048
#define TLS_CERTIFICATE_RSA_BITS_MAX 8192

/* The peer that the certificate DER proves. Refused are: no X.509, outside its validity, not signed by its
 * own key, no or another such extension, an unknown critical one, a key that is not Ed25519, RSA or ECDSA
 * (secp256k1: ERROR_UNSUPPORTED), a signature that is not the key's. Errors: ERROR_FORBIDDEN, with words
 * that go after "the certificate". */
int tls_certificate_check(const void *der, size_t n, PeerId *ret, Error *reterr);

/* Append the extension's value. */
int tls_certificate_write_extension(
                Str *to, const void *key, size_t key_size, const void *signature, size_t signature_size);
