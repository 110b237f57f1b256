#include "daemon/net/tls-certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted proves a peer; what is refused has words. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(error_done) Error error = {};
        PeerId peer = {};
        int r = tls_certificate_check(data, size, &peer, &error);

        if ((r < 0) != (error.code != ERROR_NONE) || (r >= 0) != peer_id_is_set(&peer))
                abort();
        return 0;
}
