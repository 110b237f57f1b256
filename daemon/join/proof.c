#include "daemon/join/proof.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "daemon/base/multibase.h"

#define SECRET_SIZE 32

/* The number of bytes, 0 for an empty secret. */
static ssize_t read_key(const char *secret, uint8_t key[static SECRET_SIZE]) {
        ssize_t n = multibase_decode(MULTIBASE_16, secret, strlen(secret), key, SECRET_SIZE);

        return n == 0 || n == SECRET_SIZE ? n : -EINVAL;
}

/* The NUL and the size keep the parts from running into each other. */
static int write_message(Str *to, const char *purpose, const PeerId *prover, const uint8_t *exporter) {
        (void) str_append_bytes(to, purpose, strlen(purpose) + 1);
        (void) str_append_char(to, (char) prover->size);
        (void) str_append_bytes(to, prover->bytes, prover->size);
        (void) str_append_bytes(to, exporter, JOIN_EXPORTER_SIZE);
        return str_error(to);
}

int join_proof_make(
                const char *secret,
                const char *purpose,
                const PeerId *prover,
                const uint8_t exporter[static JOIN_EXPORTER_SIZE],
                uint8_t ret[static JOIN_PROOF_SIZE]) {
        _cleanup_(str_done) Str message = {};
        uint8_t key[SECRET_SIZE];
        ssize_t n;
        int r;

        r = write_message(&message, purpose, prover, exporter);
        if (r < 0)
                return r;
        n = read_key(secret, key);
        if (n < 0)
                return (int) n;

        r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, (size_t) n, message.data, message.len, ret);
        explicit_bzero(key, sizeof(key));
        return r < 0 ? -EIO : 0;
}

bool join_proof_is(
                const char *secret,
                const char *purpose,
                const PeerId *prover,
                const uint8_t exporter[static JOIN_EXPORTER_SIZE],
                const uint8_t proof[static JOIN_PROOF_SIZE]) {
        uint8_t expected[JOIN_PROOF_SIZE];

        return join_proof_make(secret, purpose, prover, exporter, expected) >= 0 &&
               gnutls_memcmp(expected, proof, JOIN_PROOF_SIZE) == 0;
}
