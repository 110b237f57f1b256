#include "daemon/config/addresses.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "daemon/base/file.h"
#include "daemon/types/multiaddr.h"

#define INTERFACES_MAX 256 /* addresses; more are not told */
#define INTERFACES_BYTES_MAX (256 * 1024)

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
static int add_interface(StrList *to, int family, const void *bytes, const char *rest, const PeerId *self) {
        char ip[INET6_ADDRSTRLEN];
        _cleanup_(str_done) Str text = {};

        if (!inet_ntop(family, bytes, ip, sizeof(ip)))
                return -errno;
        if (str_appendf(&text, "/%s/%s/%s", family == AF_INET ? "ip4" : "ip6", ip, rest) < 0)
                return -ENOMEM;
        return add(to, text.data, self);
}

/* getifaddrs(3) would do, but wants a netlink socket, which a sandbox rather not allows. */
static int add_interfaces_ip4(StrList *to, const char *rest, const PeerId *self) {
        struct ifreq items[INTERFACES_MAX];
        struct ifconf list = { .ifc_len = sizeof(items), .ifc_req = items };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int r = 0;

        if (fd < 0 || ioctl(fd, SIOCGIFCONF, &list) < 0)
                return -errno;

        for (size_t i = 0; r >= 0 && i < (size_t) list.ifc_len / sizeof(items[0]); i++) {
                struct sockaddr_in address;

                memcpy(&address, &items[i].ifr_addr, sizeof(address));
                if (ioctl(fd, SIOCGIFFLAGS, &items[i]) < 0 || !(items[i].ifr_flags & IFF_UP))
                        continue;
                r = add_interface(to, AF_INET, &address.sin_addr, rest, self);
        }
        return r;
}

static int parse_ip6(const char *hex, struct in6_addr *ret) {
        for (size_t i = 0; i < sizeof(ret->s6_addr); i++) {
                unsigned byte;

                if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
                        return -EINVAL;
                ret->s6_addr[i] = (uint8_t) byte;
        }
        return 0;
}

/* "fe80000000000000021122fffe334455 02 40 20 80 eth0" a line, of interfaces that are up. */
static int add_interfaces_ip6(StrList *to, const char *rest, const PeerId *self) {
        _cleanup_free_ char *text = NULL;
        char *line, *next = NULL;
        size_t n;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/net/if_inet6", INTERFACES_BYTES_MAX, &text, &n);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* a kernel without IPv6 */

        for (line = strtok_r(text, "\n", &next); line && r >= 0; line = strtok_r(NULL, "\n", &next)) {
                struct in6_addr address;

                if (strlen(line) < 2 * sizeof(address) || parse_ip6(line, &address) < 0 ||
                    IN6_IS_ADDR_LINKLOCAL(&address))
                        continue;
                r = add_interface(to, AF_INET6, &address, rest, self);
        }
        return r;
}

static int drop_hidden(const StrList *hidden, const PeerId *self, StrList *list) {
        _cleanup_(str_list_done) StrList names = {};
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; i < hidden->n && r >= 0; i++)
                r = add(&names, hidden->items[i], self);
        if (r < 0)
                return r;
        for (size_t i = 0; i < list->n; i++)
                if (str_list_contains(&names, list->items[i]))
                        free(list->items[i]);
                else
                        list->items[n++] = list->items[i];
        list->n = n;
        return 0;
}

int config_addresses(const ConfigCluster *config, const PeerId *self, StrList *ret) {
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
                    : family == AF_INET ? add_interfaces_ip4(&list, rest, self)
                                        : add_interfaces_ip6(&list, rest, self);
        }
        if (r >= 0)
                r = drop_hidden(&config->no_announce_multiaddress, self, &list);
        if (r < 0) {
                str_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}

int config_founders(const ConfigRaft *config, const PeerId *self, PeerIdList *ret) {
        const StrList *texts = &config->init_peerset;
        PeerIdList list = { .is_set = true };
        PeerId id;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < texts->n; i++) {
                r = peer_id_parse(texts->items[i], &id);
                if (r >= 0 && !peer_id_list_contains(&list, &id))
                        r = peer_id_list_append(&list, &id);
        }
        if (r >= 0 && !peer_id_list_contains(&list, self))
                r = peer_id_list_append(&list, self);
        if (r < 0) {
                peer_id_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}
