#pragma once

/* Keys of peers, by GnuTLS: the private key as libp2p protobuf {1: type, 2: data} (Ed25519: seed and public
 * key; RSA: PKCS#1), the public key likewise (Ed25519: 32 bytes; RSA: SubjectPublicKeyInfo). */

#include "daemon/base/str.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define CONFIG_KEY_MAX (16 * 1024) /* bytes of a private key's protobuf */

int config_key_generate(Str *private_key); /* Ed25519; appended */

/* The public key that belongs to PRIVATE_KEY. Errors: ERROR_INVALID, ERROR_UNSUPPORTED (another type of
 * key); the words go after a name. */
int config_key_public(
                const void *private_key, size_t n, PeerKeyType *ret_type, Str *public_key, Error *reterr);
