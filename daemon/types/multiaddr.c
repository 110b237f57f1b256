#include "daemon/types/multiaddr.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/base/macro.h"
#include "daemon/base/varint.h"
#include "daemon/types/multiaddr-protocol.h"

/* One step of an address in text form. */
typedef struct MultiaddrPart {
        const MultiaddrProtocol
                        *protocol; /* NULL: not known, and VALUE is all the rest, its name included */
        const char *value;
        size_t n;
} MultiaddrPart;

static int multiaddr_fail(const char **reterr, const char *text) {
        if (reterr)
                *reterr = text;
        return -EINVAL;
}

/* ---- walking the text */

/* TEXT ends at END and starts with '/'. Answers 1 and the part, moving *AT behind it, or 0 at the end. */
static int multiaddr_next(const char **at, const char *end, MultiaddrPart *ret, const char **reterr) {
        const char *name, *value;

        if (*at == end)
                return 0;

        name = *at + 1;
        value = memchr(name, '/', (size_t) (end - name));
        if (!value)
                value = end;
        if (value == name)
                return multiaddr_fail(reterr, "empty protocol name");

        *ret = (MultiaddrPart){ .protocol = multiaddr_protocol_by_name(name, (size_t) (value - name)) };
        if (!ret->protocol) {
                ret->value = *at;
                ret->n = (size_t) (end - *at);
                *at = end;
                return 1;
        }
        *at = value;
        if (ret->protocol->size == MULTIADDR_NO_VALUE)
                return 1;

        if (value == end)
                return multiaddr_fail(reterr, "unexpected end of multiaddr");
        ret->value = ret->protocol->size == MULTIADDR_PATH ? value : value + 1;
        *at = ret->protocol->size == MULTIADDR_PATH ? end
                                                    : memchr(ret->value, '/', (size_t) (end - ret->value));
        if (!*at)
                *at = end;
        ret->n = (size_t) (*at - ret->value);
        return 1;
}

/* The same for a text that multiaddr_parse() made: it cannot fail. */
static int multiaddr_next_canonical(const char **at, MultiaddrPart *ret) {
        return multiaddr_next(at, *at + strlen(*at), ret, NULL);
}

/* ---- canonical text */

static int multiaddr_append_name(const MultiaddrProtocol *protocol, Str *to) {
        (void) str_append_char(to, '/');
        return str_append(to, multiaddr_protocol_by_code(protocol->code)->name); /* /ipfs is /p2p */
}

static int multiaddr_append_value(const MultiaddrProtocol *protocol, const void *bytes, size_t n, Str *to) {
        if (protocol->size != MULTIADDR_PATH) /* a path brings its own */
                (void) str_append_char(to, '/');
        return protocol->decode(bytes, n, to);
}

static int multiaddr_append_part(const MultiaddrPart *part, Str *to, const char **reterr) {
        _cleanup_(str_done) Str bytes = {};
        int r;

        if (!part->protocol)
                return str_append_bytes(to, part->value, part->n);

        (void) multiaddr_append_name(part->protocol, to);
        if (part->protocol->size == MULTIADDR_NO_VALUE)
                return str_error(to);

        r = part->protocol->encode(part->value, part->n, &bytes);
        if (r >= 0)
                r = multiaddr_append_value(part->protocol, bytes.data, bytes.len, to);
        return r == -EINVAL ? multiaddr_fail(reterr, part->protocol->problem) : r;
}

int multiaddr_parse(const char *text, char **ret, const char **reterr) {
        _cleanup_(str_done) Str canonical = {};
        const char *end = text + strlen(text), *at = text;
        MultiaddrPart part;
        char *taken;
        int r;

        while (end > text && end[-1] == '/')
                end--;
        if (end == text)
                return multiaddr_fail(reterr, *text == '/' ? "empty multiaddr" : "must begin with /");
        if (*text != '/')
                return multiaddr_fail(reterr, "must begin with /");

        if (end - text >= MULTIADDR_TEXT_MAX)
                return multiaddr_fail(reterr, "multiaddr too long");

        while ((r = multiaddr_next(&at, end, &part, reterr)) > 0) {
                r = multiaddr_append_part(&part, &canonical, reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (canonical.len >= MULTIADDR_TEXT_MAX)
                return multiaddr_fail(reterr, "multiaddr too long");

        taken = str_take(&canonical);
        if (!taken)
                return -ENOMEM;
        *ret = taken;
        return 0;
}

/* ---- bytes */

static int multiaddr_append_varint(uint64_t value, Str *to) {
        uint8_t bytes[VARINT_MAX_BYTES];

        return str_append_bytes(to, bytes, varint_write(value, bytes));
}

static int multiaddr_append_bytes(const MultiaddrPart *part, Str *to) {
        _cleanup_(str_done) Str value = {};
        int r;

        (void) multiaddr_append_varint(part->protocol->code, to);
        if (part->protocol->size == MULTIADDR_NO_VALUE)
                return str_error(to);

        r = part->protocol->encode(part->value, part->n, &value);
        if (r < 0)
                return r;
        if (part->protocol->size < 0)
                (void) multiaddr_append_varint(value.len, to);
        return str_append_bytes(to, value.data, value.len);
}

int multiaddr_to_bytes(const char *canonical, Str *to) {
        const char *at = canonical;
        size_t start = to->len;
        MultiaddrPart part;
        int r;

        while ((r = multiaddr_next_canonical(&at, &part)) > 0) {
                if (!part.protocol) {
                        to->len = start;
                        return str_append(to, canonical);
                }
                r = multiaddr_append_bytes(&part, to);
                if (r < 0)
                        return r;
        }
        return r;
}

static int multiaddr_read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret) {
        ssize_t k;

        k = varint_read(*at, (size_t) (end - *at), ret);
        if (k < 0)
                return -EINVAL;
        *at += k;
        return 0;
}

static int multiaddr_read_part(const uint8_t **at, const uint8_t *end, Str *to) {
        const MultiaddrProtocol *protocol;
        uint64_t code, n;

        if (multiaddr_read_varint(at, end, &code) < 0)
                return -EINVAL;
        protocol = multiaddr_protocol_by_code(code);
        if (!protocol)
                return -EINVAL;

        (void) multiaddr_append_name(protocol, to);
        if (protocol->size == MULTIADDR_NO_VALUE)
                return str_error(to);

        n = (uint64_t) protocol->size;
        if (protocol->size < 0 && multiaddr_read_varint(at, end, &n) < 0)
                return -EINVAL;
        if (n > (size_t) (end - *at) || n > MULTIADDR_VALUE_MAX)
                return -EINVAL;
        if (protocol->size == MULTIADDR_PATH && n < (size_t) (end - *at))
                return -EINVAL;

        *at += n;
        return multiaddr_append_value(protocol, *at - n, (size_t) n, to);
}

int multiaddr_from_bytes(const void *bytes, size_t n, char **ret) {
        _cleanup_(str_done) Str text = {};
        const uint8_t *at = bytes, *end = at + n;
        int r;

        if (n == 0 || n > MULTIADDR_TEXT_MAX)
                return -EINVAL;

        if (*at == '/') {
                if (memchr(at, '\0', n))
                        return -EINVAL;
                (void) str_append_bytes(&text, at, n);
                at = end;
        }
        while (at < end) {
                r = multiaddr_read_part(&at, end, &text);
                if (r < 0)
                        return r;
        }

        r = str_error(&text);
        return r < 0 ? r : multiaddr_parse(text.data, ret, NULL);
}

/* ---- questions */

static bool multiaddr_is(const MultiaddrPart *part, const char *name) {
        return part->protocol && !strcmp(part->protocol->name, name);
}

static int multiaddr_copy(const MultiaddrPart *part, char *to, size_t max) {
        if (part->n >= max)
                return -ENAMETOOLONG;

        memcpy(to, part->value, part->n);
        to[part->n] = '\0';
        return 0;
}

/* Answers 1 when PART is a host, which is then in ENDPOINT. */
static int multiaddr_host(const MultiaddrPart *part, MultiaddrEndpoint *endpoint) {
        static const struct {
                const char *protocol;
                int family;
                bool is_name;
        } hosts[] = {
                { "ip4", AF_INET, false }, { "ip6", AF_INET6, false }, { "dns", AF_UNSPEC, true },
                { "dns4", AF_INET, true }, { "dns6", AF_INET6, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(hosts); i++)
                if (multiaddr_is(part, hosts[i].protocol)) {
                        endpoint->family = hosts[i].family;
                        endpoint->is_name = hosts[i].is_name;
                        return multiaddr_copy(part, endpoint->host, sizeof(endpoint->host)) >= 0;
                }
        return 0;
}

/* "fe80::1%eth0", as getaddrinfo(3) wants it. */
static bool multiaddr_add_zone(MultiaddrEndpoint *endpoint, const MultiaddrPart *zone) {
        size_t n = strlen(endpoint->host);

        if (zone->n >= sizeof(endpoint->host) - n - 1)
                return false;

        endpoint->host[n] = '%';
        memcpy(endpoint->host + n + 1, zone->value, zone->n);
        endpoint->host[n + 1 + zone->n] = '\0';
        return true;
}

static int multiaddr_unix(const MultiaddrPart *part, MultiaddrEndpoint *ret) {
        MultiaddrEndpoint endpoint = { .transport = MULTIADDR_UNIX, .family = AF_UNIX };

        if (multiaddr_copy(part, endpoint.path, sizeof(endpoint.path)) < 0)
                return 0;
        *ret = endpoint;
        return 1;
}

int multiaddr_endpoint(const char *canonical, MultiaddrEndpoint *ret) {
        MultiaddrEndpoint endpoint = { .transport = MULTIADDR_TCP };
        MultiaddrPart part, zone = {};
        const char *at = canonical;

        if (multiaddr_next_canonical(&at, &part) <= 0)
                return 0;
        if (multiaddr_is(&part, "unix"))
                return multiaddr_unix(&part, ret);
        if (multiaddr_is(&part, "ip6zone")) {
                zone = part;
                if (multiaddr_next_canonical(&at, &part) <= 0)
                        return 0;
        }
        if (!multiaddr_host(&part, &endpoint))
                return 0;
        if (zone.protocol && (endpoint.family != AF_INET6 || !multiaddr_add_zone(&endpoint, &zone)))
                return 0;

        if (multiaddr_next_canonical(&at, &part) <= 0 || !multiaddr_is(&part, "tcp"))
                return 0;
        endpoint.port = (uint16_t) strtoul(part.value, NULL, 10);
        endpoint.tls = multiaddr_next_canonical(&at, &part) > 0 &&
                       (multiaddr_is(&part, "https") || multiaddr_is(&part, "tls"));

        *ret = endpoint;
        return 1;
}

/* Answers 1 and the last /p2p/ part, 0 when there is none. */
static int multiaddr_last_peer(const char *canonical, MultiaddrPart *ret) {
        const char *at = canonical;
        MultiaddrPart part;
        int found = 0;

        while (multiaddr_next_canonical(&at, &part) > 0)
                if (multiaddr_is(&part, "p2p")) {
                        *ret = part;
                        found = 1;
                }
        return found;
}

int multiaddr_peer_id(const char *canonical, PeerId *ret) {
        char text[PEER_ID_TEXT_MAX];
        MultiaddrPart part;

        if (!multiaddr_last_peer(canonical, &part) || multiaddr_copy(&part, text, sizeof(text)) < 0)
                return 0;
        return peer_id_parse(text, ret) >= 0;
}

int multiaddr_with_peer_id(const char *canonical, const PeerId *id, char **ret) {
        _cleanup_(str_done) Str address = {};
        char text[PEER_ID_TEXT_MAX];
        size_t n = strlen(canonical);
        MultiaddrPart part;
        char *taken;

        if (multiaddr_last_peer(canonical, &part) && part.value[part.n] == '\0')
                n = (size_t) (part.value - canonical) - strlen("/p2p/");

        (void) str_append_bytes(&address, canonical, n);
        (void) str_append(&address, "/p2p/");
        (void) str_append(&address, peer_id_format(id, text));
        taken = str_take(&address);
        if (!taken)
                return -ENOMEM;
        *ret = taken;
        return 0;
}

static bool ip4_is_public(const char *host) {
        struct in_addr in;
        uint32_t ip;

        if (inet_pton(AF_INET, host, &in) != 1)
                return false;

        ip = ntohl(in.s_addr);
        return ip != INADDR_ANY && ip != INADDR_BROADCAST && ip >> 24 != 127 && ip >> 16 != 0xa9fe &&
               ip >> 28 != 14;
}

static bool ip6_is_public(const char *host) {
        struct in6_addr ip;

        return inet_pton(AF_INET6, host, &ip) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&ip) &&
               !IN6_IS_ADDR_LOOPBACK(&ip) && !IN6_IS_ADDR_LINKLOCAL(&ip) && !IN6_IS_ADDR_MULTICAST(&ip);
}

bool multiaddr_is_public(const char *canonical) {
        MultiaddrEndpoint endpoint = {};
        const char *at = canonical;
        MultiaddrPart part;

        if (multiaddr_next_canonical(&at, &part) <= 0)
                return false;
        if (multiaddr_is(&part, "dnsaddr"))
                return true;
        if (!multiaddr_host(&part, &endpoint))
                return false;

        return endpoint.is_name ||
               (endpoint.family == AF_INET ? ip4_is_public(endpoint.host) : ip6_is_public(endpoint.host));
}

/* ---- JSON */

static int multiaddr_list_append(StrList *list, json_object *from) {
        char *canonical;
        const char *text;
        int r;

        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        text = json_object_get_string(from);
        if (strlen(text) != (size_t) json_object_get_string_len(from))
                return -EBADMSG;
        r = multiaddr_parse(text, &canonical, NULL);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        return str_list_append_take(list, canonical);
}

static int multiaddr_list_read(json_object *from, void *member) {
        _cleanup_(str_list_done) StrList list = { .is_set = true };
        int r;

        if (!json_object_is_type(from, json_type_array))
                return -EPROTOTYPE;

        for (size_t i = 0; i < json_object_array_length(from); i++) {
                r = multiaddr_list_append(&list, json_object_array_get_idx(from, i));
                if (r < 0)
                        return r;
        }

        *(StrList *) member = list;
        list = (StrList){};
        return 0;
}

static int multiaddr_list_write(const void *member, Str *to) {
        return json_write_strings(to, member);
}

static bool multiaddr_list_is_empty(const void *member) {
        return ((const StrList *) member)->n == 0;
}

static void multiaddr_list_done(void *member) {
        str_list_done(member);
}

const JsonType multiaddr_list_json = {
        .expected = "a list of multiaddresses",
        .read = multiaddr_list_read,
        .write = multiaddr_list_write,
        .is_empty = multiaddr_list_is_empty,
        .done = multiaddr_list_done,
};
