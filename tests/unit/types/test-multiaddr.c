#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/types/multiaddr.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"

#define ID "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"
#define ID2 "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static const char *member(json_object *object, const char *key) {
        json_object *value;

        g_assert_true(json_object_object_get_ex(object, key, &value));
        return json_object_get_string(value);
}

static char *to_hex(const Str *bytes) {
        GString *hex = g_string_new(NULL);

        for (size_t i = 0; i < bytes->len; i++)
                g_string_append_printf(hex, "%02x", (uint8_t) bytes->data[i]);
        return g_string_free(hex, FALSE);
}

/* The same text and the same bytes as go-multiaddr, and back; and cut at every byte. */
static void test_vectors(void) {
        _cleanup_(json_object_putp)
                        json_object *vectors = golden_parse("../../golden/vectors", "multiaddr.json");
        json_object *list;

        g_assert_true(json_object_object_get_ex(vectors, "good", &list));
        g_assert_cmpuint(json_object_array_length(list), >, 30);
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                json_object *vector = json_object_array_get_idx(list, i);
                _cleanup_free_ char *canonical = NULL, *back = NULL;
                _cleanup_(str_done) Str bytes = {};
                const char *problem = "";
                g_autofree char *hex = NULL;

                if (multiaddr_parse(member(vector, "text"), &canonical, &problem) < 0)
                        g_error("%s: %s", member(vector, "text"), problem);
                g_assert_cmpstr(canonical, ==, member(vector, "canonical"));
                g_assert_cmpint(multiaddr_to_bytes(canonical, &bytes), ==, 0);
                hex = to_hex(&bytes);
                g_assert_cmpstr(hex, ==, member(vector, "hex"));
                g_assert_cmpint(multiaddr_from_bytes(bytes.data, bytes.len, &back), ==, 0);
                g_assert_cmpstr(back, ==, canonical);

                for (size_t n = 0; n < bytes.len; n++) {
                        g_autofree char *cut = g_memdup2(bytes.data, n);
                        _cleanup_free_ char *text = NULL;
                        _cleanup_(str_done) Str again = {};

                        if (multiaddr_from_bytes(cut, n, &text) < 0)
                                continue;
                        g_assert_cmpint(multiaddr_to_bytes(text, &again), ==, 0);
                        g_assert_cmpmem(again.data, again.len, cut, n); /* a shorter address */
                }
        }
}

static void test_vectors_bad(void) {
        _cleanup_(json_object_putp)
                        json_object *vectors = golden_parse("../../golden/vectors", "multiaddr.json");
        json_object *list;
        char *canonical;

        g_assert_true(json_object_object_get_ex(vectors, "bad", &list));
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                const char *text = json_object_get_string(json_object_array_get_idx(list, i));

                if (multiaddr_parse(text, &canonical, NULL) != -EINVAL)
                        g_error("%s is accepted", text);
        }
}

static void test_words(void) {
        static const struct {
                const char *text;
                const char *problem;
        } cases[] = {
                { "junk", "must begin with /" },
                { "", "must begin with /" },
                { "/", "empty multiaddr" },
                { "///", "empty multiaddr" },
                { "/ip4", "unexpected end of multiaddr" },
                { "/ip4/1.2.3.4/tcp", "unexpected end of multiaddr" },
                { "/ip4/1.2.3", "invalid value for protocol ip4" },
                { "/ip4//tcp/1", "invalid value for protocol ip4" },
                { "/ip4/1.2.3.4/tcp/99999", "invalid value for protocol tcp" },
                { "/ip4/1.2.3.4/p2p/junk", "invalid value for protocol p2p" },
                { "/ip4/1.2.3.4//tcp/1", "empty protocol name" },
        };
        g_autofree char *fill = g_strnfill(2000, 'x'), *length = g_strconcat("/dns/", fill, NULL);
        const char *problem;
        char *canonical;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                if (multiaddr_parse(cases[i].text, &canonical, &problem) != -EINVAL)
                        g_error("'%s' is accepted", cases[i].text);
                if (strcmp(problem, cases[i].problem) != 0)
                        g_error("'%s': '%s', expected '%s'", cases[i].text, problem, cases[i].problem);
        }
        g_assert_cmpint(multiaddr_parse(length, &canonical, &problem), ==, -EINVAL);
        g_assert_cmpstr(problem, ==, "multiaddr too long");
}

/* Kept as they are, in text and in bytes. */
static void test_unknown(void) {
        static const struct {
                const char *in;
                const char *out;
        } cases[] = {
                { "/foo", "/foo" },
                { "/ip4/001.2.3.4", NULL },
                { "/ip4/1.2.3.4/tcp/01/foo/007//x/", "/ip4/1.2.3.4/tcp/1/foo/007//x" },
                { "/ip4/1.2.3.4/foo/ipfs/junk", "/ip4/1.2.3.4/foo/ipfs/junk" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_free_ char *canonical = NULL, *back = NULL;
                _cleanup_(str_done) Str bytes = {};

                if (!cases[i].out) {
                        g_assert_cmpint(multiaddr_parse(cases[i].in, &canonical, NULL), ==, -EINVAL);
                        continue;
                }
                g_assert_cmpint(multiaddr_parse(cases[i].in, &canonical, NULL), ==, 0);
                g_assert_cmpstr(canonical, ==, cases[i].out);
                g_assert_cmpint(multiaddr_to_bytes(canonical, &bytes), ==, 0);
                g_assert_cmpstr(bytes.data, ==, cases[i].out);
                g_assert_cmpint(multiaddr_from_bytes(bytes.data, bytes.len, &back), ==, 0);
                g_assert_cmpstr(back, ==, canonical);
        }
}

static void test_bad_bytes(void) {
        static const struct {
                const char *bytes;
                size_t n;
        } cases[] = {
                { "", 0 },
                { "\x04\x7f", 2 },
                { "\x05", 1 },         /* no such protocol */
                { "\x84\x00\x01", 3 }, /* a code that is not minimal */
                { "\x36\x00", 2 },     /* an empty name */
                { "\x36\x03"
                  "a/b",
                  5 }, /* a slash in it */
                { "\x36\x05"
                  "ab",
                  4 },
                { "\x90\x03\x02"
                  "/a\x06\0\x01",
                  8 }, /* something behind a path */
                { "/foo\0", 5 },
                { "/ip4/1.2.3", 10 },
        };
        char *text;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (multiaddr_from_bytes(cases[i].bytes, cases[i].n, &text) != -EINVAL)
                        g_error("case %zu is accepted", i);
}

static void test_endpoint(void) {
        static const struct {
                const char *text;
                int r;
                MultiaddrEndpoint endpoint;
        } cases[] = {
                { "/ip4/127.0.0.1/tcp/9096",
                  1,
                  { MULTIADDR_TCP, AF_INET, .host = "127.0.0.1", .port = 9096 } },
                { "/ip6/::1/tcp/1/p2p/" ID, 1, { MULTIADDR_TCP, AF_INET6, .host = "::1", .port = 1 } },
                { "/ip6zone/eth0/ip6/fe80::1/tcp/1",
                  1,
                  { MULTIADDR_TCP, AF_INET6, .host = "fe80::1%eth0", .port = 1 } },
                { "/dns/a.b/tcp/443/https",
                  1,
                  { MULTIADDR_TCP, AF_UNSPEC, true, true, .host = "a.b", .port = 443 } },
                { "/dns4/a.b/tcp/443/tls/http",
                  1,
                  { MULTIADDR_TCP, AF_INET, true, true, .host = "a.b", .port = 443 } },
                { "/dns6/a.b/tcp/80/http",
                  1,
                  { MULTIADDR_TCP, AF_INET6, true, false, .host = "a.b", .port = 80 } },
                { "/ip4/1.2.3.4/tcp/1/tls",
                  1,
                  { MULTIADDR_TCP, AF_INET, .tls = true, .host = "1.2.3.4", .port = 1 } },
                { "/unix/run/x.sock", 1, { MULTIADDR_UNIX, AF_UNIX, .path = "/run/x.sock" } },
                { "/ip4/1.2.3.4/udp/1/quic-v1", 0, {} },
                { "/ip4/1.2.3.4", 0, {} },
                { "/ip6zone/eth0/ip4/1.2.3.4/tcp/1", 0, {} },
                { "/dnsaddr/a.b/p2p/" ID, 0, {} },
                { "/p2p/" ID, 0, {} },
                { "/foo/1/tcp/1", 0, {} },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const MultiaddrEndpoint *expected = &cases[i].endpoint;
                MultiaddrEndpoint endpoint = {};

                if (multiaddr_endpoint(cases[i].text, &endpoint) != cases[i].r ||
                    endpoint.transport != expected->transport || endpoint.family != expected->family ||
                    endpoint.is_name != expected->is_name || endpoint.tls != expected->tls ||
                    strcmp(endpoint.host, expected->host) != 0 || endpoint.port != expected->port ||
                    strcmp(endpoint.path, expected->path) != 0)
                        g_error("%s: family %d, host '%s', port %u, path '%s'",
                                cases[i].text,
                                endpoint.family,
                                endpoint.host,
                                endpoint.port,
                                endpoint.path);
        }
}

static void test_endpoint_too_long(void) {
        g_autofree char *fill = g_strnfill(300, 'x');
        g_autofree char *path = g_strconcat("/unix/", fill, NULL),
                        *name = g_strconcat("/dns/", fill, "/tcp/1", NULL);
        MultiaddrEndpoint endpoint;

        g_assert_cmpint(multiaddr_endpoint(path, &endpoint), ==, 0);
        g_assert_cmpint(multiaddr_endpoint(name, &endpoint), ==, 0);
}

static void test_peer_id(void) {
        static const struct {
                const char *text;
                const char *id;
                const char *with;
        } cases[] = {
                { "/ip4/1.2.3.4/tcp/1", NULL, "/ip4/1.2.3.4/tcp/1/p2p/" ID2 },
                { "/ip4/1.2.3.4/tcp/1/p2p/" ID, ID, "/ip4/1.2.3.4/tcp/1/p2p/" ID2 },
                { "/p2p/" ID, ID, "/p2p/" ID2 },
                { "/ip4/1.2.3.4/tcp/1/p2p/" ID2 "/p2p-circuit",
                  ID2,
                  "/ip4/1.2.3.4/tcp/1/p2p/" ID2 "/p2p-circuit/p2p/" ID2 },
                { "/ip4/1.2.3.4/tcp/1/p2p/" ID2 "/p2p-circuit/p2p/" ID,
                  ID,
                  "/ip4/1.2.3.4/tcp/1/p2p/" ID2 "/p2p-circuit/p2p/" ID2 },
                { "/foo/p2p/" ID, NULL, "/foo/p2p/" ID "/p2p/" ID2 },
        };
        PeerId id, other;

        g_assert_cmpint(peer_id_parse(ID2, &other), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_free_ char *with = NULL;
                char text[PEER_ID_TEXT_MAX];

                g_assert_cmpint(multiaddr_peer_id(cases[i].text, &id), ==, cases[i].id != NULL);
                if (cases[i].id)
                        g_assert_cmpstr(peer_id_format(&id, text), ==, cases[i].id);
                g_assert_cmpint(multiaddr_with_peer_id(cases[i].text, &other, &with), ==, 0);
                g_assert_cmpstr(with, ==, cases[i].with);
        }
}

static void test_is_public(void) {
        static const struct {
                const char *text;
                bool is_public;
        } cases[] = {
                { "/ip4/1.2.3.4/tcp/1", true },
                { "/ip4/10.0.0.1/tcp/1", true },
                { "/ip4/127.0.0.1/tcp/1", false },
                { "/ip4/169.254.1.1/tcp/1", false },
                { "/ip4/0.0.0.0/tcp/1", false },
                { "/ip4/224.0.0.1/udp/1", false },
                { "/ip4/255.255.255.255/udp/1", false },
                { "/ip6/2001:db8::1/tcp/1", true },
                { "/ip6/::1/tcp/1", false },
                { "/ip6/::/tcp/1", false },
                { "/ip6/fe80::1/tcp/1", false },
                { "/ip6/ff02::1/tcp/1", false },
                { "/dns4/a.b/tcp/1", true },
                { "/dnsaddr/a.b", true },
                { "/unix/x", false },
                { "/foo", false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (multiaddr_is_public(cases[i].text) != cases[i].is_public)
                        g_error("%s", cases[i].text);
}

static const JsonField sample_fields[] = {
        { "list", JSON_TYPE, 0, .type = &multiaddr_list_json },
        JSON_END,
};
static const JsonShape sample_shape = { "sample", sizeof(StrList), sample_fields };

static void test_json(void) {
        static const struct {
                const char *in;
                int r;
                const char *out;
        } cases[] = {
                { "{\"list\":[\"/ip4/1.2.3.4/tcp/1\",\"/p2p/" ID "\"]}", 0, NULL },
                { "{\"list\":[\"/ip4/1.2.3.4/tcp/1/ipfs/" ID "\"]}",
                  0,
                  "{\"list\":[\"/ip4/1.2.3.4/tcp/1/p2p/" ID "\"]}" },
                { "{\"list\":[]}", 0, NULL },
                { "{\"list\":null}", 0, NULL },
                { "{\"list\":[\"x\"]}", -EBADMSG, NULL },
                { "{\"list\":[\"/foo\\u0000\"]}", -EBADMSG, NULL },
                { "{\"list\":[1]}", -EPROTOTYPE, NULL },
                { "{\"list\":\"x\"}", -EPROTOTYPE, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str out = {};
                StrList list = {};
                int r;

                r = json_read_text(&sample_shape, cases[i].in, strlen(cases[i].in), &list, NULL);
                if (r != cases[i].r)
                        g_error("%s: %d, expected %d", cases[i].in, r, cases[i].r);
                if (r < 0)
                        continue;
                g_assert_cmpint(json_write(&sample_shape, &list, &out), ==, 0);
                g_assert_cmpstr(out.data, ==, cases[i].out ? cases[i].out : cases[i].in);
                str_list_done(&list);
        }
}

static void test_faults(void) {
        static const char text[] = "/ip4/1.2.3.4/tcp/1/p2p/" ID;
        PeerId id;

        g_assert_cmpint(peer_id_parse(ID2, &id), ==, 0);
        FOREACH_FAULT {
                _cleanup_free_ char *canonical = NULL, *back = NULL, *with = NULL;
                _cleanup_(str_done) Str bytes = {};
                int r;

                r = multiaddr_parse(text, &canonical, NULL);
                if (r >= 0)
                        r = multiaddr_to_bytes(canonical, &bytes);
                if (r >= 0)
                        r = multiaddr_from_bytes(bytes.data, bytes.len, &back);
                if (r >= 0)
                        r = multiaddr_with_peer_id(back, &id, &with);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/multiaddr/as-go-multiaddr", test_vectors);
        g_test_add_func("/types/multiaddr/bad-as-go-multiaddr", test_vectors_bad);
        g_test_add_func("/types/multiaddr/words", test_words);
        g_test_add_func("/types/multiaddr/unknown-protocols-stay", test_unknown);
        g_test_add_func("/types/multiaddr/bad-bytes", test_bad_bytes);
        g_test_add_func("/types/multiaddr/endpoint", test_endpoint);
        g_test_add_func("/types/multiaddr/endpoint-too-long", test_endpoint_too_long);
        g_test_add_func("/types/multiaddr/peer-id", test_peer_id);
        g_test_add_func("/types/multiaddr/is-public", test_is_public);
        g_test_add_func("/types/multiaddr/json", test_json);
        g_test_add_func("/types/multiaddr/without-memory", test_faults);
        return g_test_run();
}
