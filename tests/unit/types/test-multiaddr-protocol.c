#include <glib.h>
#include <string.h>

#include "daemon/types/multiaddr-protocol.h"

static const MultiaddrProtocol *by_name(const char *name) {
        return multiaddr_protocol_by_name(name, strlen(name));
}

static void test_find(void) {
        static const struct {
                const char *name;
                uint32_t code;
                int size;
        } cases[] = {
                { "ip4", 4, 4 },
                { "ip6", 41, 16 },
                { "tcp", 6, 2 },
                { "udp", 273, 2 },
                { "dns", 53, MULTIADDR_PREFIXED },
                { "dnsaddr", 56, MULTIADDR_PREFIXED },
                { "unix", 400, MULTIADDR_PATH },
                { "p2p", 421, MULTIADDR_PREFIXED },
                { "onion", 444, 12 },
                { "onion3", 445, 37 },
                { "quic-v1", 461, MULTIADDR_NO_VALUE },
                { "p2p-circuit", 290, MULTIADDR_NO_VALUE },
                { "memory", 777, 8 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const MultiaddrProtocol *protocol = by_name(cases[i].name);

                g_assert_nonnull(protocol);
                g_assert_cmpuint(protocol->code, ==, cases[i].code);
                g_assert_cmpint(protocol->size, ==, cases[i].size);
                g_assert_true(multiaddr_protocol_by_code(cases[i].code) == protocol);
        }

        g_assert_null(by_name("ip"));
        g_assert_null(by_name("ip44"));
        g_assert_null(by_name(""));
        g_assert_null(multiaddr_protocol_by_code(0));
        g_assert_null(multiaddr_protocol_by_code('/')); /* stored texts begin with it */
        g_assert_cmpstr(multiaddr_protocol_by_code(by_name("ipfs")->code)->name, ==, "p2p");
}

static void test_values(void) {
        static const struct {
                const char *protocol;
                const char *in;
                const char *out; /* NULL: refused */
        } cases[] = {
                { "ip4", "1.2.3.4", "1.2.3.4" },
                { "ip4", "1.2.3", NULL },
                { "ip4", "", NULL },
                { "ip6", "0:0::1", "::1" },
                { "ip6", "::1%eth0", NULL },
                { "ip6", "::1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4:5:6:7:8:9", NULL },
                { "tcp", "0", "0" },
                { "tcp", "065535", "65535" },
                { "tcp", "65536", NULL },
                { "tcp", "+1", NULL },
                { "tcp", "", NULL },
                { "ipcidr", "255", "255" },
                { "ipcidr", "256", NULL },
                { "memory", "18446744073709551615", "18446744073709551615" },
                { "memory", "18446744073709551616", NULL },
                { "dns", "a.b", "a.b" },
                { "dns", "", NULL },
                { "unix", "/a/b", "/a/b" },
                { "unix", "a", NULL },
                { "unix", "/", NULL },
                { "unix", "/a/", NULL },
                { "http-path", "a%2fb", "a%2Fb" },
                { "http-path", "a+b%20c", "a+b+c" },
                { "http-path", "%00", "%00" },
                { "http-path", "%", NULL },
                { "http-path", "%2", NULL },
                { "http-path", "%2g", NULL },
                { "http-path", "", NULL },
                { "onion", "timaq4ygg2iegci7:80", "timaq4ygg2iegci7:80" },
                { "onion", "timaq4ygg2iegci7:", NULL },
                { "certhash", "", NULL },
                { "garlic64", "ab+d", NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const MultiaddrProtocol *protocol = by_name(cases[i].protocol);
                _cleanup_(str_done) Str bytes = {}, text = {};
                int r;

                r = protocol->encode(cases[i].in, strlen(cases[i].in), &bytes);
                if (r != (cases[i].out ? 0 : -EINVAL))
                        g_error("%s '%s': %d", cases[i].protocol, cases[i].in, r);
                if (r < 0)
                        continue;
                if (protocol->size > 0)
                        g_assert_cmpuint(bytes.len, ==, (size_t) protocol->size);
                g_assert_cmpint(protocol->decode((uint8_t *) bytes.data, bytes.len, &text), ==, 0);
                g_assert_cmpstr(text.data, ==, cases[i].out);
        }
}

/* Bytes that no text gives. */
static void test_bad_bytes(void) {
        static const struct {
                const char *protocol;
                const char *bytes;
                size_t n;
        } cases[] = {
                { "dns", "a/b", 3 },
                { "dns", "a\0b", 3 },
                { "unix", "/a\0b", 4 },
                { "p2p", "\x12\x20", 2 },
                { "certhash", "\x12\x20", 2 },
                { "onion", "0123456789\0\0", 12 },
                { "garlic32", "0123456789", 10 },
                { "garlic64", "0123456789", 10 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str text = {};

                if (by_name(cases[i].protocol)
                                    ->decode((const uint8_t *) cases[i].bytes, cases[i].n, &text) != -EINVAL)
                        g_error("%s %zu is accepted", cases[i].protocol, i);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/multiaddr-protocol/find", test_find);
        g_test_add_func("/types/multiaddr-protocol/values", test_values);
        g_test_add_func("/types/multiaddr-protocol/bad-bytes", test_bad_bytes);
        return g_test_run();
}
