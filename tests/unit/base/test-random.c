#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/base/macro.h"
#include "daemon/base/random.h"

static void test_bytes(void) {
        uint8_t a[64] = {}, b[64] = {}, guard[3] = { 1, 2, 3 };

        random_bytes(a, sizeof(a));
        random_bytes(b, sizeof(b));
        g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);

        random_bytes(guard + 1, 0);
        g_assert_cmpmem(guard, 3, "\1\2\3", 3);
}

static void test_below(void) {
        bool seen[5] = {};

        for (int i = 0; i < 1000; i++) {
                uint64_t value = random_below(ELEMENTSOF(seen));

                g_assert_cmpuint(value, <, ELEMENTSOF(seen));
                seen[value] = true;
        }
        for (size_t i = 0; i < ELEMENTSOF(seen); i++)
                g_assert_true(seen[i]); /* fails once in 10^96 runs */

        g_assert_cmpuint(random_below(1), ==, 0);
        g_assert_cmpuint(random_below(UINT64_MAX), <, UINT64_MAX);
}

static void test_jitter(void) {
        for (int i = 0; i < 1000; i++) {
                uint64_t value = random_jitter(1000);

                g_assert_cmpuint(value, >=, 750);
                g_assert_cmpuint(value, <=, 1250);
        }

        g_assert_cmpuint(random_jitter(0), ==, 0);
        g_assert_cmpuint(random_jitter(1), ==, 1);
        g_assert_cmpuint(random_jitter(UINT64_MAX), ==, UINT64_MAX);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/random/bytes", test_bytes);
        g_test_add_func("/base/random/below", test_below);
        g_test_add_func("/base/random/jitter", test_jitter);
        return g_test_run();
}
