#include "daemon/types/multiaddr-protocol.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "daemon/base/multibase.h"
#include "daemon/base/percent.h"
#include "daemon/types/multihash.h"
#include "daemon/types/peer-id.h"

#define ONION_PORT_SIZE 2
#define GARLIC64_MIN 386    /* bytes of an I2P destination */
#define GARLIC32_SIZE 32    /* bytes of an I2P address … */
#define GARLIC32_BLINDED 35 /* … and the least of one with an encrypted lease set */

/* A value as a C string, for the functions of the C library. */
static int value_text(const char *text, size_t n, char *to, size_t max) {
        if (n == 0 || n >= max || memchr(text, '\0', n))
                return -EINVAL;

        memcpy(to, text, n);
        to[n] = '\0';
        return 0;
}

/* ---- numbers */

static int number_parse(const char *text, size_t n, uint64_t max, uint64_t *ret) {
        uint64_t value = 0;

        if (n == 0)
                return -EINVAL;

        for (size_t i = 0; i < n; i++) {
                unsigned digit = (unsigned) text[i] - '0';

                if (digit > 9 || value > (max - digit) / 10)
                        return -EINVAL;
                value = value * 10 + digit;
        }

        *ret = value;
        return 0;
}

static int number_encode(const char *text, size_t n, uint64_t max, size_t size, Str *to) {
        uint64_t value;

        if (number_parse(text, n, max, &value) < 0)
                return -EINVAL;

        value = htobe64(value);
        return str_append_bytes(to, (const uint8_t *) &value + sizeof(value) - size, size);
}

static int number_decode(const uint8_t *bytes, size_t n, Str *to) {
        uint64_t value = 0;

        for (size_t i = 0; i < n; i++)
                value = value << 8 | bytes[i];
        return str_append_uint(to, value);
}

static int port_encode(const char *text, size_t n, Str *to) {
        return number_encode(text, n, UINT16_MAX, 2, to);
}

static int cidr_encode(const char *text, size_t n, Str *to) {
        return number_encode(text, n, UINT8_MAX, 1, to);
}

static int memory_encode(const char *text, size_t n, Str *to) {
        return number_encode(text, n, UINT64_MAX, 8, to);
}

/* ---- addresses */

static int ip_encode(int family, const char *text, size_t n, Str *to) {
        char host[INET6_ADDRSTRLEN];
        uint8_t bytes[16];

        if (value_text(text, n, host, sizeof(host)) < 0 || inet_pton(family, host, bytes) != 1)
                return -EINVAL;
        return str_append_bytes(to, bytes, family == AF_INET ? 4 : 16);
}

static int ip_decode(int family, const uint8_t *bytes, Str *to) {
        char host[INET6_ADDRSTRLEN];

        return inet_ntop(family, bytes, host, sizeof(host)) ? str_append(to, host) : -EINVAL;
}

static int ip4_encode(const char *text, size_t n, Str *to) {
        return ip_encode(AF_INET, text, n, to);
}

static int ip4_decode(const uint8_t *bytes, size_t n _unused_, Str *to) {
        return ip_decode(AF_INET, bytes, to);
}

static int ip6_encode(const char *text, size_t n, Str *to) {
        return ip_encode(AF_INET6, text, n, to);
}

static int ip6_decode(const uint8_t *bytes, size_t n _unused_, Str *to) {
        return ip_decode(AF_INET6, bytes, to);
}

/* ---- names: the bytes are the text */

static int name_decode(const uint8_t *bytes, size_t n, Str *to) {
        if (n == 0 || memchr(bytes, '/', n) || memchr(bytes, '\0', n))
                return -EINVAL;
        return str_append_bytes(to, bytes, n);
}

static int name_encode(const char *text, size_t n, Str *to) {
        return name_decode((const uint8_t *) text, n, to);
}

static int path_decode(const uint8_t *bytes, size_t n, Str *to) {
        if (n < 2 || bytes[0] != '/' || bytes[n - 1] == '/' || memchr(bytes, '\0', n))
                return -EINVAL;
        return str_append_bytes(to, bytes, n);
}

static int path_encode(const char *text, size_t n, Str *to) {
        return path_decode((const uint8_t *) text, n, to);
}

/* ---- http-path: escaped in the text as in a query, so that it has no '/' */

static int http_path_encode(const char *text, size_t n, Str *to) {
        if (n == 0)
                return -EINVAL;

        for (size_t i = 0; i < n; i++) {
                int byte;

                if (text[i] != '%') {
                        (void) str_append_char(to, text[i] == '+' ? ' ' : text[i]);
                        continue;
                }
                byte = percent_decode(text + i, n - i);
                if (byte < 0)
                        return byte;
                (void) str_append_char(to, (char) byte);
                i += 2;
        }
        return str_error(to);
}

static int http_path_decode(const uint8_t *bytes, size_t n, Str *to) {
        return n == 0 ? -EINVAL : percent_encode_query(to, bytes, n);
}

/* ---- hashes and keys */

static int p2p_encode(const char *text, size_t n, Str *to) {
        char buffer[PEER_ID_TEXT_MAX * 2];
        PeerId id;

        if (value_text(text, n, buffer, sizeof(buffer)) < 0 || peer_id_parse(buffer, &id) < 0)
                return -EINVAL;
        return str_append_bytes(to, id.bytes, id.size);
}

static int p2p_decode(const uint8_t *bytes, size_t n, Str *to) {
        char text[PEER_ID_TEXT_MAX];
        PeerId id;

        if (peer_id_from_bytes(bytes, n, &id) < 0)
                return -EINVAL;
        return str_append(to, peer_id_format(&id, text));
}

static int certhash_encode(const char *text, size_t n, Str *to) {
        uint8_t bytes[MULTIADDR_VALUE_MAX];
        Multihash multihash;
        Multibase base;
        ssize_t size;

        if (n == 0 || (base = multibase_from_prefix(text[0])) < 0)
                return -EINVAL;

        size = multibase_decode(base, text + 1, n - 1, bytes, sizeof(bytes));
        if (size < 0 || multihash_read(bytes, (size_t) size, &multihash, NULL) < 0)
                return -EINVAL;
        return str_append_bytes(to, bytes, (size_t) size);
}

static int certhash_decode(const uint8_t *bytes, size_t n, Str *to) {
        Multihash multihash;

        if (multihash_read(bytes, n, &multihash, NULL) < 0)
                return -EINVAL;

        (void) str_append_char(to, multibase_prefix(MULTIBASE_64_URL));
        return multibase_encode(MULTIBASE_64_URL, bytes, n, to);
}

/* "<base32 of SIZE bytes>:<port>" */
static int onion_encode_size(const char *text, size_t n, size_t size, Str *to) {
        const char *colon = memchr(text, ':', n);
        uint8_t bytes[MULTIADDR_VALUE_MAX];
        uint64_t port;
        ssize_t k;

        if (!colon)
                return -EINVAL;

        k = multibase_decode(MULTIBASE_32, text, (size_t) (colon - text), bytes, sizeof(bytes));
        if (k < 0 || (size_t) k != size)
                return -EINVAL;

        n -= (size_t) (colon + 1 - text);
        if (number_parse(colon + 1, n, UINT16_MAX, &port) < 0 || port == 0)
                return -EINVAL;
        (void) str_append_bytes(to, bytes, size);
        return port_encode(colon + 1, n, to);
}

static int onion_encode(const char *text, size_t n, Str *to) {
        return onion_encode_size(text, n, 10, to);
}

static int onion3_encode(const char *text, size_t n, Str *to) {
        return onion_encode_size(text, n, 35, to);
}

static int onion_decode(const uint8_t *bytes, size_t n, Str *to) {
        const uint8_t *port = bytes + n - ONION_PORT_SIZE;

        if (port[0] == 0 && port[1] == 0)
                return -EINVAL;

        (void) multibase_encode(MULTIBASE_32, bytes, n - ONION_PORT_SIZE, to);
        (void) str_append_char(to, ':');
        return number_decode(port, ONION_PORT_SIZE, to);
}

/* I2P writes base64 with '-' and '~' where the standard has '+' and '/'. */
static void garlic_translate(char *text, size_t n, const char from[static 2], const char to[static 2]) {
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < 2; j++)
                        if (text[i] == from[j]) {
                                text[i] = to[j];
                                break;
                        }
}

static int garlic64_encode(const char *text, size_t n, Str *to) {
        uint8_t bytes[MULTIADDR_VALUE_MAX];
        char copy[MULTIADDR_VALUE_MAX];
        ssize_t size;

        if (n > sizeof(copy) || memchr(text, '+', n))
                return -EINVAL;

        memcpy(copy, text, n);
        garlic_translate(copy, n, "-~", "+/");
        size = multibase_decode(MULTIBASE_64_PAD, copy, n, bytes, sizeof(bytes));
        return size < GARLIC64_MIN ? -EINVAL : str_append_bytes(to, bytes, (size_t) size);
}

static int garlic64_decode(const uint8_t *bytes, size_t n, Str *to) {
        size_t start = to->len;
        int r;

        if (n < GARLIC64_MIN)
                return -EINVAL;

        r = multibase_encode(MULTIBASE_64_PAD, bytes, n, to);
        if (r < 0)
                return r;
        garlic_translate(to->data + start, to->len - start, "+/", "-~");
        return 0;
}

static int garlic32_decode(const uint8_t *bytes, size_t n, Str *to) {
        if (n != GARLIC32_SIZE && n < GARLIC32_BLINDED)
                return -EINVAL;
        return multibase_encode(MULTIBASE_32, bytes, n, to);
}

static int garlic32_encode(const char *text, size_t n, Str *to) {
        uint8_t bytes[MULTIADDR_VALUE_MAX];
        ssize_t size;

        size = multibase_decode(MULTIBASE_32, text, n, bytes, sizeof(bytes));
        if (size != GARLIC32_SIZE && size < GARLIC32_BLINDED)
                return -EINVAL;
        return str_append_bytes(to, bytes, (size_t) size);
}

/* ---- the table */

#define PROTOCOL(name, code, size, encode, decode)                                                          \
        { name, code, size, encode, decode, "invalid value for protocol " name }
#define PROTOCOL_BARE(name, code)                                                                           \
        { name, code, MULTIADDR_NO_VALUE, NULL, NULL, NULL }

static const MultiaddrProtocol protocols[] = {
        PROTOCOL("ip4", 4, 4, ip4_encode, ip4_decode),
        PROTOCOL("tcp", 6, 2, port_encode, number_decode),
        PROTOCOL("p2p", 421, MULTIADDR_PREFIXED, p2p_encode, p2p_decode),
        PROTOCOL("ipfs", 421, MULTIADDR_PREFIXED, p2p_encode, p2p_decode), /* the old name; never written */
        PROTOCOL("ip6", 41, 16, ip6_encode, ip6_decode),
        PROTOCOL("udp", 273, 2, port_encode, number_decode),
        PROTOCOL("dns", 53, MULTIADDR_PREFIXED, name_encode, name_decode),
        PROTOCOL("dns4", 54, MULTIADDR_PREFIXED, name_encode, name_decode),
        PROTOCOL("dns6", 55, MULTIADDR_PREFIXED, name_encode, name_decode),
        PROTOCOL("dnsaddr", 56, MULTIADDR_PREFIXED, name_encode, name_decode),
        PROTOCOL("unix", 400, MULTIADDR_PATH, path_encode, path_decode),
        PROTOCOL("ip6zone", 42, MULTIADDR_PREFIXED, name_encode, name_decode),
        PROTOCOL("ipcidr", 43, 1, cidr_encode, number_decode),
        PROTOCOL("dccp", 33, 2, port_encode, number_decode),
        PROTOCOL("sctp", 132, 2, port_encode, number_decode),
        PROTOCOL("onion", 444, 12, onion_encode, onion_decode),
        PROTOCOL("onion3", 445, 37, onion3_encode, onion_decode),
        PROTOCOL("garlic64", 446, MULTIADDR_PREFIXED, garlic64_encode, garlic64_decode),
        PROTOCOL("garlic32", 447, MULTIADDR_PREFIXED, garlic32_encode, garlic32_decode),
        PROTOCOL("sni", 449, MULTIADDR_PREFIXED, name_encode, name_decode),
        PROTOCOL("certhash", 466, MULTIADDR_PREFIXED, certhash_encode, certhash_decode),
        PROTOCOL("http-path", 481, MULTIADDR_PREFIXED, http_path_encode, http_path_decode),
        PROTOCOL("memory", 777, 8, memory_encode, number_decode),
        PROTOCOL_BARE("p2p-webrtc-direct", 276),
        PROTOCOL_BARE("webrtc-direct", 280),
        PROTOCOL_BARE("webrtc", 281),
        PROTOCOL_BARE("p2p-circuit", 290),
        PROTOCOL_BARE("udt", 301),
        PROTOCOL_BARE("utp", 302),
        PROTOCOL_BARE("https", 443),
        PROTOCOL_BARE("tls", 448),
        PROTOCOL_BARE("noise", 454),
        PROTOCOL_BARE("quic", 460),
        PROTOCOL_BARE("quic-v1", 461),
        PROTOCOL_BARE("webtransport", 465),
        PROTOCOL_BARE("ws", 477),
        PROTOCOL_BARE("wss", 478),
        PROTOCOL_BARE("http", 480),
        PROTOCOL_BARE("plaintextv2", 7367777),
};

const MultiaddrProtocol *multiaddr_protocol_by_name(const char *name, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (str_equal_n(protocols[i].name, name, n))
                        return &protocols[i];
        return NULL;
}

const MultiaddrProtocol *multiaddr_protocol_by_code(uint64_t code) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (protocols[i].code == code)
                        return &protocols[i];
        return NULL;
}
