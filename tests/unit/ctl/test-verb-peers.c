#include "tests/unit/ctl/fake.h"

#define A "12D3KooWBBfAXrawDUsdPnWUjBbY6ChgpkZHHjNXokyd46uApg9T"
#define NOBODY "{\"id\":\"" A "\",\"error\":\"x\"}"
#define NOBODY_TEXT A " | ERROR: x\n"

static const FakeCase cases[] = {
        { "id", { { NOBODY } }, "id\n", NOBODY_TEXT, "" },
        { "version", { { "{\"version\":\"1\"}" } }, "version\n", "1\n", "" },
        { "peers ls", { { NOBODY, NOBODY } }, "peers\n", NOBODY_TEXT NOBODY_TEXT, "" },
        { "peers rm " A, {}, "peer_remove " A "\n", "", "" },
        { "peers rm",
          {},
          "",
          "",
          "error parsing peer ID: failed to parse peer ID: invalid cid: cid too short\n",
          1 },
        { "peers rm junk",
          {},
          "",
          "",
          "error parsing peer ID: failed to parse peer ID: invalid cid: selected encoding not supported\n",
          1 },
        { "peers rm Qmjunk",
          {},
          "",
          "",
          "error parsing peer ID: failed to parse peer ID: invalid multihash\n",
          1 },
        { "peers rm bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y",
          {},
          "",
          "",
          "error parsing peer ID: failed to parse peer ID: invalid cid: not the CID of a key\n",
          1 },
        { "peers add /ip4/1.2.3.4/tcp/1/ipfs/" A,
          { { NOBODY } },
          "peer_add /ip4/1.2.3.4/tcp/1/p2p/" A "\n",
          NOBODY_TEXT,
          "" },
        { "peers add", {}, "", "", "error parsing multiaddress: a multiaddress argument is needed\n", 1 },
        { "peers add x",
          {},
          "",
          "",
          "error parsing multiaddress: failed to parse multiaddr \"x\": must begin with /\n",
          1 },
        { "peers add /ip4/1.2.3.4/tcp/1",
          {},
          "",
          "",
          "error parsing multiaddress: \"/ip4/1.2.3.4/tcp/1\" does not end with /p2p/<peer ID>\n",
          1 },
        { "ipfs gc", { { "{\"peer_map\":{}}" } }, "gc\n", "", "" },
        { "ipfs gc --local", { { "{\"peer_map\":{}}" } }, "gc local\n", "", "" },
};

static void test_cases(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_check(&cases[i]);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/verb-peers/cases", test_cases);
        return g_test_run();
}
