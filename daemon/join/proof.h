#pragma once

/* Proof: a peer shows that it knows the cluster secret, without telling it: HMAC-SHA256, with the secret as
 * key, of PURPOSE, the ID of who proves, and 32 bytes that only the two ends of the link know
 * (rpc_exporter()). Nobody can repeat it on another link, nor send it back on this one. An empty secret is a
 * key like any other. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/types/peer-id.h"

#define JOIN_PROOF_SIZE 32
#define JOIN_EXPORTER_SIZE 32

/* SECRET: 64 hex digits, or "". Errors: -EINVAL, -EIO, -ENOMEM. */
int join_proof_make(
                const char *secret,
                const char *purpose,
                const PeerId *prover,
                const uint8_t exporter[static JOIN_EXPORTER_SIZE],
                uint8_t ret[static JOIN_PROOF_SIZE]);
/* In constant time. */
bool join_proof_is(
                const char *secret,
                const char *purpose,
                const PeerId *prover,
                const uint8_t exporter[static JOIN_EXPORTER_SIZE],
                const uint8_t proof[static JOIN_PROOF_SIZE]);
