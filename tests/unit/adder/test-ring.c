#include <glib.h>
#include <string.h>

#include "daemon/adder/ring.h"
#include "daemon/base/macro.h"
#include "tests/lib/fault.h"

/* Bytes come out as they went in, whatever the portions, and however often the end is passed. */
static void test_order(void) {
        AdderRing ring;
        unsigned char in = 0, out = 0, block[7];

        g_assert_cmpint(adder_ring_init(&ring, 7), ==, 0);
        for (size_t i = 0; i < 1000; i++) {
                size_t n = MIN(i % 5, adder_ring_room(&ring)), k;

                for (k = 0; k < n; k++)
                        block[k] = in++;
                adder_ring_put(&ring, block, n);
                n = adder_ring_get(&ring, block, i % 4);
                for (k = 0; k < n; k++)
                        g_assert_cmpuint(block[k], ==, out++);
        }
        g_assert_cmpuint(in, ==, (unsigned char) (out + (7 - adder_ring_room(&ring))));
        adder_ring_done(&ring);
}

static void test_full_and_empty(void) {
        AdderRing ring;
        char block[8];

        g_assert_cmpint(adder_ring_init(&ring, 4), ==, 0);
        g_assert_cmpuint(adder_ring_get(&ring, block, 8), ==, 0);
        adder_ring_put(&ring, "abcd", 4);
        g_assert_cmpuint(adder_ring_room(&ring), ==, 0);
        g_assert_cmpuint(adder_ring_get(&ring, block, 8), ==, 4);
        g_assert_cmpint(memcmp(block, "abcd", 4), ==, 0);
        g_assert_cmpuint(adder_ring_room(&ring), ==, 4);
        adder_ring_done(&ring);
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                AdderRing ring;
                int r = adder_ring_init(&ring, 4);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                adder_ring_done(&ring);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/adder/ring/order", test_order);
        g_test_add_func("/adder/ring/full-and-empty", test_full_and_empty);
        g_test_add_func("/adder/ring/no-memory", test_no_memory);
        return g_test_run();
}
