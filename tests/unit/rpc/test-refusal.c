#include <glib.h>
#include <stdio.h>

#include "daemon/base/macro.h"
#include "daemon/rpc/refusal.h"

static void test_once_a_minute(void) {
        RpcRefusals refusals = {};
        uint64_t n_silent;

        g_assert_cmpint(rpc_refusal_count(&refusals, "10.0.0.1", 1, &n_silent), ==, true);
        for (int i = 0; i < 5; i++)
                g_assert_cmpint(rpc_refusal_count(&refusals, "10.0.0.1", 2, &n_silent), ==, false);
        g_assert_cmpint(rpc_refusal_count(&refusals, "10.0.0.2", 2, &n_silent), ==, true);
        g_assert_cmpint(rpc_refusal_count(&refusals, "10.0.0.1", RPC_REFUSAL_PERIOD, &n_silent), ==, false);
        g_assert_cmpint(rpc_refusal_count(&refusals, "10.0.0.1", RPC_REFUSAL_PERIOD + 1, &n_silent),
                        ==,
                        true);
        g_assert_cmpuint(n_silent, ==, 6);
        g_assert_cmpint(rpc_refusal_count(&refusals, "10.0.0.1", 3 * RPC_REFUSAL_PERIOD, &n_silent),
                        ==,
                        true);
        g_assert_cmpuint(n_silent, ==, 0);
}

/* From everywhere at once: so many lines a minute, no more. */
static void test_many_sources(void) {
        RpcRefusals refusals = {};
        uint64_t n_silent;
        unsigned n_logged = 0;
        char source[32];

        for (int i = 0; i < 10 * RPC_REFUSALS_MAX; i++) {
                snprintf(source, sizeof(source), "10.0.%d.%d", i / 256, i % 256);
                n_logged += rpc_refusal_count(&refusals, source, 5, &n_silent);
        }
        g_assert_cmpuint(n_logged, ==, RPC_REFUSALS_MAX);
        g_assert_cmpint(rpc_refusal_count(&refusals, "new", 6 + RPC_REFUSAL_PERIOD, &n_silent), ==, true);
        g_assert_cmpuint(n_silent, ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/rpc/refusal/once-a-minute", test_once_a_minute);
        g_test_add_func("/rpc/refusal/many-sources", test_many_sources);
        return g_test_run();
}
