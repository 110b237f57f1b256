#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/pin-info.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"

#define A "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"
#define B "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static void test_golden(void) {
        golden_check("global-pin-info.json", &global_pin_info_shape, 40);
}

static void test_peer(void) {
        _cleanup_(global_pin_info_done) GlobalPinInfo info = {};
        _cleanup_(str_done) Str text = {};
        PinInfo *pin_info;
        PeerId a, b;

        g_assert_cmpint(peer_id_parse(A, &a), ==, 0);
        g_assert_cmpint(peer_id_parse(B, &b), ==, 0);
        g_assert_cmpint(global_pin_info_peer(&info, &b, &pin_info), ==, 1);
        pin_info->status = PIN_STATUS_PINNED;
        g_assert_cmpint(global_pin_info_peer(&info, &a, &pin_info), ==, 1);
        pin_info->status = PIN_STATUS_REMOTE;
        g_assert_cmpint(global_pin_info_peer(&info, &b, &pin_info), ==, 0);
        g_assert_cmpint(pin_info->status, ==, PIN_STATUS_PINNED);

        g_assert_cmpint(json_write(&global_pin_info_shape, &info, &text), ==, 0);
        g_assert_cmpstr(text.data,
                        ==,
                        "{\"cid\":null,\"name\":\"\",\"allocations\":null,\"origins\":null,\"created\":"
                        "\"0001-01-01T00:00:00Z\",\"metadata\":null,\"peer_map\":{"
                        "\"" A
                        "\":{\"peername\":\"\",\"status\":\"remote\",\"timestamp\":\"0001-01-01T00:00:00Z\","
                        "\"error\":\"\",\"attempt_count\":0,\"priority_pin\":false},"
                        "\"" B
                        "\":{\"peername\":\"\",\"status\":\"pinned\",\"timestamp\":\"0001-01-01T00:00:00Z\","
                        "\"error\":\"\",\"attempt_count\":0,\"priority_pin\":false}}}");
}

static void test_faults(void) {
        PeerId a;

        g_assert_cmpint(peer_id_parse(A, &a), ==, 0);
        FOREACH_FAULT {
                _cleanup_(global_pin_info_done) GlobalPinInfo info = {};
                PinInfo *pin_info;

                g_assert_cmpint(global_pin_info_peer(&info, &a, &pin_info), ==, fault_fired() ? -ENOMEM : 1);
                g_assert_cmpuint(info.peer_map.n, ==, fault_fired() ? 0 : 1);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/pin-info/as-recorded", test_golden);
        g_test_add_func("/types/pin-info/peer-at-its-place", test_peer);
        g_test_add_func("/types/pin-info/without-memory", test_faults);
        return g_test_run();
}
