#include "daemon/service-listen.h"

#include "daemon/base/log.h"
#include "daemon/net/listener.h"
#include "daemon/service-say.h"
#include "daemon/types/multiaddr.h"

/* QUIC and the like are in the Go program's default; such an address is announced by others, and not
 * listened at here. */
static int listen_at(const char *address, int *fds, size_t *n) {
        MultiaddrEndpoint endpoint;
        Error error = {};

        if (multiaddr_endpoint(address, &endpoint) <= 0 || endpoint.transport != MULTIADDR_TCP) {
                log_debug("cluster.listen_multiaddress: %s is no TCP address, ignoring it.", address);
                return 0;
        }
        if (*n == SERVICE_PEER_LISTENERS_MAX)
                return service_say_refusal("cluster.listen_multiaddress: too many addresses");
        if (listener_open(address, &fds[*n], &error) < 0) {
                error.code = ERROR_INTERNAL; /* an address that is in use is no failed disk */
                return service_say_failure("listening for other peers", &error, EXIT_FAILURE, NULL);
        }
        ++*n;
        return 0;
}

int service_listen_for_peers(
                const Config *config, int fds[static SERVICE_PEER_LISTENERS_MAX], size_t *ret_n) {
        const StrList *addresses = &config->cluster.listen_multiaddress;
        size_t n = 0;
        int r;

        r = listener_inherited("peer", fds, SERVICE_PEER_LISTENERS_MAX);
        if (r < 0)
                return service_say_errno("listening for other peers", r, "inherited sockets");
        n = (size_t) r;
        for (size_t i = 0; r == 0 && i < addresses->n; i++) {
                int k = listen_at(addresses->items[i], fds, &n);

                if (k != 0) {
                        while (n > 0)
                                close(fds[--n]);
                        return k;
                }
        }
        *ret_n = n;
        return 0;
}
