#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/peer-info.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"

#define ID "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"

static void test_golden(void) {
        golden_check("peer-info.json", &peer_info_shape, 10);
}

/* A peer that could not be asked: all there, but null and empty. */
static void test_empty(void) {
        _cleanup_(str_done) Str text = {};
        PeerInfo info = { .error = (char *) "x" };

        g_assert_cmpint(json_write(&peer_info_shape, &info, &text), ==, 0);
        g_assert_cmpstr(text.data,
                        ==,
                        "{\"id\":\"\",\"addresses\":null,\"cluster_peers\":null,\"cluster_peers_addresses\":null,"
                        "\"version\":\"\",\"commit\":\"\",\"rpc_protocol_version\":\"\",\"error\":\"x\","
                        "\"ipfs\":{\"addresses\":null,\"error\":\"\"},\"peername\":\"\"}");
}

static void test_copy(void) {
        _cleanup_(ipfs_id_done) IpfsId id = {};

        g_assert_cmpint(peer_id_parse(ID, &id.id), ==, 0);
        g_assert_cmpint(str_list_append(&id.addresses, "/ip4/1.2.3.4"), ==, 0);
        g_assert_cmpint(str_copy(&id.error, "x"), ==, 0);
        FOREACH_FAULT {
                _cleanup_(ipfs_id_done) IpfsId copy = {};

                g_assert_cmpint(ipfs_id_copy(&copy, &id), ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpint(peer_id_equal(&copy.id, &id.id), ==, !fault_fired());
                g_assert_cmpstr(copy.error, ==, fault_fired() ? NULL : "x");
                g_assert_cmpuint(copy.addresses.n, ==, fault_fired() ? 0 : 1);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/peer-info/as-recorded", test_golden);
        g_test_add_func("/types/peer-info/empty", test_empty);
        g_test_add_func("/types/peer-info/copy-also-without-memory", test_copy);
        return g_test_run();
}
