#include <glib.h>
#include <string.h>

#include "daemon/config/addresses.h"

#define SELF "12D3KooWM2WYcBTEbzc6TZhTMNCTDGdE1qN6AKskWYpbG4uVBJTc"

static void test_of_the_configuration(void) {
        static const struct {
                const char *listen[3], *announce[2];
                const char *expected[3];
        } cases[] = {
                { { "/ip4/192.0.2.1/tcp/9096" }, {}, { "/ip4/192.0.2.1/tcp/9096/p2p/" SELF } },
                { { "/ip4/192.0.2.1/tcp/9096", "/ip4/192.0.2.1/tcp/9096" }, /* once */
                  {},
                  { "/ip4/192.0.2.1/tcp/9096/p2p/" SELF } },
                { { "/ip4/192.0.2.1/udp/9096/quic-v1", "/ip6/2001:db8::1/tcp/9" }, /* no QUIC here */
                  {},
                  { "/ip6/2001:db8::1/tcp/9/p2p/" SELF } },
                { { "/ip4/0.0.0.0/tcp/9096" },
                  { "/dns4/peer.example/tcp/1" },
                  { "/dns4/peer.example/tcp/1/p2p/" SELF } },
                { {}, {}, {} },
        };
        PeerId self;

        g_assert_cmpint(peer_id_parse(SELF, &self), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                ConfigCluster config = {
                        .listen_multiaddress = { .items = (char **) cases[i].listen },
                        .announce_multiaddress = { .items = (char **) cases[i].announce },
                };
                StrList list = {};
                size_t n = 0;

                while (cases[i].listen[config.listen_multiaddress.n])
                        config.listen_multiaddress.n++;
                config.announce_multiaddress.n = cases[i].announce[0] ? 1 : 0;
                g_assert_cmpint(config_addresses(&config, &self, &list), ==, 0);
                for (; cases[i].expected[n]; n++)
                        g_assert_cmpstr(list.items[n], ==, cases[i].expected[n]);
                g_assert_cmpuint(list.n, ==, n);
                str_list_done(&list);
        }
}

static void test_wildcards(void) {
        const char *wildcard[] = { "/ip4/0.0.0.0/tcp/9096" };
        ConfigCluster config = { .listen_multiaddress = { .items = (char **) wildcard, .n = 1 } };
        StrList list = {};
        PeerId self;

        g_assert_cmpint(peer_id_parse(SELF, &self), ==, 0);
        g_assert_cmpint(config_addresses(&config, &self, &list), ==, 0);
        g_assert_true(str_list_contains(&list, "/ip4/127.0.0.1/tcp/9096/p2p/" SELF));
        for (size_t i = 0; i < list.n; i++)
                g_assert_null(strstr(list.items[i], "0.0.0.0"));
        str_list_done(&list);
}

static void test_hidden(void) {
        const char *listen[] = { "/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/2", "/ip4/0.0.0.0/tcp/3" };
        const char *hidden[] = { "/ip4/192.0.2.1/tcp/1", "/ip4/127.0.0.1/tcp/3", "/ip4/192.0.2.9/tcp/9" };
        ConfigCluster config = {
                .listen_multiaddress = { .items = (char **) listen, .n = 3 },
                .no_announce_multiaddress = { .items = (char **) hidden, .n = 3 },
        };
        StrList list = {};
        PeerId self;

        g_assert_cmpint(peer_id_parse(SELF, &self), ==, 0);
        g_assert_cmpint(config_addresses(&config, &self, &list), ==, 0);
        g_assert_true(str_list_contains(&list, "/ip4/192.0.2.2/tcp/2/p2p/" SELF));
        g_assert_false(str_list_contains(&list, "/ip4/192.0.2.1/tcp/1/p2p/" SELF));
        g_assert_false(str_list_contains(&list, "/ip4/127.0.0.1/tcp/3/p2p/" SELF));
        str_list_done(&list);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/config/addresses/of-the-configuration", test_of_the_configuration);
        g_test_add_func("/config/addresses/wildcards", test_wildcards);
        g_test_add_func("/config/addresses/hidden", test_hidden);
        return g_test_run();
}
