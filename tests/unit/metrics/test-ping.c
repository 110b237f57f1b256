#include <glib.h>
#include <string.h>

#include "daemon/metrics/ping.h"

/* As the Go program writes it. */
static void test_both_ways(void) {
        static const char text[] =
                        "{\"peer_name\":\"one\",\"ipfs_id\":\"12D3KooWDpp7U7W9Q8feMZPPEpPP5FKXTUakLgnVLbavfjb9mzrT\","
                        "\"ipfs_addresses\":[\"/ip4/10.0.0.1/tcp/4001\"]}";
        _cleanup_(str_done) Str again = {};
        MetricsPing ping = {};

        g_assert_cmpint(json_read_text(&metrics_ping_shape, text, strlen(text), &ping, NULL), ==, 0);
        g_assert_cmpstr(ping.peer_name, ==, "one");
        g_assert_cmpuint(ping.ipfs_addresses.n, ==, 1);
        g_assert_cmpint(json_write(&metrics_ping_shape, &ping, &again), ==, 0);
        g_assert_cmpstr(again.data, ==, text);
        json_done(&metrics_ping_shape, &ping);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/metrics/ping/both-ways", test_both_ways);
        return g_test_run();
}
