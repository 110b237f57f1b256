#pragma once

/*
 * TlsIdentity: what a peer shows of itself in each handshake: a certificate with an ephemeral ECDSA P-256
 * key, made once, that carries the peer's key (tls-certificate.h). Shared by all sessions; must outlive
 * them.
 */

#include <gnutls/gnutls.h>

#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define TLS_IDENTITY_KEY_MAX (16 * 1024) /* bytes of a private key's protobuf */

typedef struct TlsIdentity TlsIdentity;

/* PRIVATE_KEY is the base64 of the libp2p protobuf, as identity.json has it. Takes 2 ms with an Ed25519 key.
 * Errors: ERROR_INVALID, ERROR_UNSUPPORTED (neither Ed25519 nor RSA). */
int tls_identity_new(TlsIdentity **ret, const char *private_key, Error *reterr);
TlsIdentity *tls_identity_free(TlsIdentity *identity);
DEFINE_CLEANUP(TlsIdentity *, tls_identity_free);

const PeerId *tls_identity_peer(const TlsIdentity *identity);
gnutls_certificate_credentials_t tls_identity_credentials(const TlsIdentity *identity);
