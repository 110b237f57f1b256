#include <string.h>

#include "daemon/types/multiaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Canonical text stays as it is, by way of its bytes too. */
static void check_again(const char *canonical) {
        _cleanup_free_ char *again = NULL, *back = NULL, *with = NULL;
        _cleanup_(str_done) Str bytes = {};
        MultiaddrEndpoint endpoint;
        PeerId id = {};

        if (multiaddr_parse(canonical, &again, NULL) < 0 || strcmp(again, canonical) != 0)
                abort();
        if (multiaddr_to_bytes(canonical, &bytes) < 0 ||
            multiaddr_from_bytes(bytes.data, bytes.len, &back) < 0 || strcmp(back, canonical) != 0)
                abort();

        (void) multiaddr_endpoint(canonical, &endpoint);
        (void) multiaddr_is_public(canonical);
        if (multiaddr_peer_id(canonical, &id) > 0 &&
            (multiaddr_with_peer_id(canonical, &id, &with) < 0 || multiaddr_peer_id(with, &id) <= 0))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size), *canonical = NULL, *stored = NULL;
        const char *problem = NULL;

        if (multiaddr_from_bytes(data, size, &stored) >= 0)
                check_again(stored);

        if (text && multiaddr_parse(text, &canonical, &problem) >= 0)
                check_again(canonical);
        else if (!problem)
                abort();
        return 0;
}
