#pragma once

/* Proof: a peer shows that it knows the cluster secret, without telling it: HMAC-SHA256, with the secret as
 * key, of PURPOSE and 32 bytes that only the two ends of the link know (rpc_exporter()). Nobody can repeat
 * it on another link. An empty secret is a key like any other. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/macro.h"

#define PEERS_PROOF_SIZE 32

/* SECRET: 64 hex digits, or "". Errors: -EINVAL, -EIO. */
int peers_proof_make(
                const char *secret,
                const char *purpose,
                const uint8_t exporter[static 32],
                uint8_t ret[static PEERS_PROOF_SIZE]);
/* In constant time. */
bool peers_proof_is(
                const char *secret,
                const char *purpose,
                const uint8_t exporter[static 32],
                const uint8_t *proof,
                size_t n);
