#pragma once

/* The identity of this peer: identity.json {"id", "private_key"}, 0600. Ed25519 by default; RSA
 * and Ed25519 keys of the Go program load; secp256k1 and ECDSA are refused with words. The private key is
 * the base64 of the libp2p protobuf {Type, Data}. The id must match the key. */

#include "daemon/base/macro.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define CONFIG_IDENTITY_FILE "identity.json"

typedef struct ConfigIdentity {
        PeerId id;
        PeerKeyType type;
        char *private_key; /* base64 of the protobuf; secret */
} ConfigIdentity;

int config_identity_generate(ConfigIdentity *ret, Error *reterr); /* Ed25519 */
/* CLUSTER_ID and CLUSTER_PRIVATEKEY in the environment win over the file. Errors: ERROR_NOT_FOUND,
 * ERROR_INVALID, ERROR_UNSUPPORTED, ERROR_IO. */
int config_identity_load(ConfigIdentity *ret, const char *folder, Error *reterr);
int config_identity_write(const ConfigIdentity *identity, const char *folder, Error *reterr);
/* From the private key, in base64 as above. Errors: ERROR_INVALID, ERROR_UNSUPPORTED. */
int config_identity_from_private_key(const char *base64, ConfigIdentity *ret, Error *reterr);
void config_identity_done(ConfigIdentity *identity); /* wipes the key */
