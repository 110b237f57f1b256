#include "daemon/cluster/addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/types/multiaddr.h"

/* "/ip4/0.0.0.0/…" and "/ip6/::/…": the family that is meant, and what stands behind; AF_UNSPEC for any
 * other address. */
static int wildcard_family(const char *address, const char **ret_rest) {
        static const struct {
                const char *prefix;
                int family;
        } wildcards[] = {
                { "/ip4/0.0.0.0/", AF_INET },
                { "/ip6/::/", AF_INET6 },
        };

        for (size_t i = 0; i < ELEMENTSOF(wildcards); i++) {
                size_t n = strlen(wildcards[i].prefix);

                if (strncmp(address, wildcards[i].prefix, n) == 0) {
                        *ret_rest = address + n;
                        return wildcards[i].family;
                }
        }
        return AF_UNSPEC;
}

static int add(StrList *to, const char *address, const PeerId *self) {
        char *with_id = NULL;
        int r;

        r = multiaddr_with_peer_id(address, self, &with_id);
        if (r < 0)
                return r;
        if (str_list_contains(to, with_id)) {
                free(with_id);
                return 0;
        }
        return str_list_append_take(to, with_id);
}

/* One interface address in place of a wildcard. */
static int add_interface(StrList *to, const struct sockaddr *address, const char *rest, const PeerId *self) {
        char ip[INET6_ADDRSTRLEN];
        _cleanup_(str_done) Str text = {};
        const void *bytes;

        if (address->sa_family == AF_INET)
                bytes = &((const struct sockaddr_in *) address)->sin_addr;
        else {
                const struct in6_addr *ip6 = &((const struct sockaddr_in6 *) address)->sin6_addr;

                if (IN6_IS_ADDR_LINKLOCAL(ip6))
                        return 0;
                bytes = ip6;
        }
        if (!inet_ntop(address->sa_family, bytes, ip, sizeof(ip)))
                return -errno;
        if (str_appendf(&text, "/%s/%s/%s", address->sa_family == AF_INET ? "ip4" : "ip6", ip, rest) < 0)
                return -ENOMEM;
        return add(to, text.data, self);
}

static int add_interfaces(StrList *to, int family, const char *rest, const PeerId *self) {
        struct ifaddrs *list;
        int r = 0;

        if (getifaddrs(&list) < 0)
                return -errno;
        for (struct ifaddrs *i = list; i && r >= 0; i = i->ifa_next)
                if (i->ifa_addr && i->ifa_addr->sa_family == family && (i->ifa_flags & IFF_UP))
                        r = add_interface(to, i->ifa_addr, rest, self);
        freeifaddrs(list);
        return r;
}

int cluster_addresses(const ConfigCluster *config, const PeerId *self, StrList *ret) {
        const StrList *from = config->announce_multiaddress.n > 0 ? &config->announce_multiaddress
                                                                  : &config->listen_multiaddress;
        StrList list = { .is_set = true };
        int r = 0;

        for (size_t i = 0; i < from->n && r >= 0; i++) {
                const char *address = from->items[i], *rest;
                MultiaddrEndpoint endpoint;
                int family;

                if (multiaddr_endpoint(address, &endpoint) <= 0)
                        continue; /* QUIC: listed by the Go program, never listened at */
                family = wildcard_family(address, &rest);
                r = family == AF_UNSPEC ? add(&list, address, self)
                                        : add_interfaces(&list, family, rest, self);
        }
        if (r < 0) {
                str_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}
