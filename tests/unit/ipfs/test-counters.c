#include <glib.h>

#include "daemon/ipfs/counters.h"

static void test_commands(void) {
        IpfsCounters counters = {};
        const IpfsCounter *counter;

        g_assert_null(ipfs_counters_find(&counters, "id"));
        ipfs_counters_add(&counters, "id", 50, false);
        ipfs_counters_add(&counters, "pin/add", 2 * USEC_PER_SEC, true);
        ipfs_counters_add(&counters, "id", 150, true);
        g_assert_cmpuint(counters.n, ==, 2);

        counter = ipfs_counters_find(&counters, "id");
        g_assert_cmpuint(histogram_count(&counter->latency), ==, 2);
        g_assert_cmpuint(counter->latency.counts[0], ==, 1);
        g_assert_cmpuint(counter->latency.counts[1], ==, 1);
        g_assert_cmpuint(counter->latency.sum_usec, ==, 200);
        g_assert_cmpuint(counter->n_failures, ==, 1);
        g_assert_cmpuint(ipfs_counters_find(&counters, "pin/add")->n_failures, ==, 1);
}

/* More commands than there is room for: nothing is written beyond it, nothing is lost. */
static void test_bound(void) {
        static char names[IPFS_COUNTERS_MAX + 10][8];
        IpfsCounters counters = {};
        uint64_t n = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_snprintf(names[i], sizeof(names[i]), "c%zu", i);
                ipfs_counters_add(&counters, names[i], 1, false);
        }
        g_assert_cmpuint(counters.n, ==, IPFS_COUNTERS_MAX);
        for (size_t i = 0; i < counters.n; i++)
                n += histogram_count(&counters.items[i].latency);
        g_assert_cmpuint(n, ==, G_N_ELEMENTS(names));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ipfs/counters/commands", test_commands);
        g_test_add_func("/ipfs/counters/bound", test_bound);
        return g_test_run();
}
