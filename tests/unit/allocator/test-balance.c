#include <glib.h>

#include "daemon/allocator/allocator.h"
#include "tests/lib/fault.h"
#include "tests/unit/allocator/sample.h"

static const StrList by_freespace = { .items = (char *[]){ (char *) "freespace" }, .n = 1 };
static const StrList by_region = { .items = (char *[]){ (char *) "tag:region", (char *) "freespace" },
                                   .n = 2 };
static const StrList by_zone = {
        .items = (char *[]){ (char *) "tag:region", (char *) "tag:zone", (char *) "freespace" }, .n = 3
};

static void assert_order(const StrList *by, const Metric *metrics, size_t n, const char *expected) {
        PeerIdList list = {};
        char text[64];

        g_assert_cmpint(allocator_balance(by, metrics, n, 1, &list), ==, 0);
        g_assert_cmpstr(sample_letters(&list, text), ==, expected);
        peer_id_list_done(&list);
}

/* The worked example of the Go program's own tests: regions with 600, 610 and 649 in sum give peers of c, b,
 * a, c, b, a, b. */
static void test_worked_example(void) {
        const Metric metrics[] = {
                sample_metric("tag:region", '1', "a", 0, true),
                sample_metric("freespace", '1', "300", 300, false),
                sample_metric("tag:region", '2', "a", 0, true),
                sample_metric("freespace", '2', "300", 300, false),
                sample_metric("tag:region", '3', "b", 0, true),
                sample_metric("freespace", '3', "10", 10, false),
                sample_metric("tag:region", '4', "b", 0, true),
                sample_metric("freespace", '4', "200", 200, false),
                sample_metric("tag:region", '5', "b", 0, true),
                sample_metric("freespace", '5', "400", 400, false),
                sample_metric("tag:region", '6', "c", 0, true),
                sample_metric("freespace", '6', "329", 329, false),
                sample_metric("tag:region", '7', "c", 0, true),
                sample_metric("freespace", '7', "320", 320, false),
        };
        PeerIdList list = {};
        char text[64];

        g_assert_cmpint(allocator_balance(&by_region, metrics, ELEMENTSOF(metrics), 7, &list), ==, 0);
        (void) sample_letters(&list, text);
        /* Peers 1 and 2 weigh the same and have the same value: either may come first. */
        if (text[2] == '2') {
                text[2] = '1';
                text[5] = '2';
        }
        g_assert_cmpstr(text, ==, "6517423");
        peer_id_list_done(&list);
}

static void test_by_weight_then_value(void) {
        const Metric metrics[] = {
                sample_metric("freespace", 'x', "3", 10, false),
                sample_metric("freespace", 'y', "2", 10, false),
                sample_metric("freespace", 'z', "1", 99, false),
        };

        assert_order(&by_freespace, metrics, ELEMENTSOF(metrics), "zyx");
}

static void test_peer_without_metric_is_ignored(void) {
        const Metric metrics[] = {
                sample_metric("tag:region", 'x', "a", 0, true),
                sample_metric("freespace", 'x', "1", 1, false),
                sample_metric("tag:region", 'y', "a", 0, true), /* has no freespace */
                sample_metric("freespace", 'z', "5", 5, false), /* has no region */
        };

        assert_order(&by_region, metrics, ELEMENTSOF(metrics), "x");
        assert_order(&by_freespace, metrics, 0, "");
}

static void test_three_levels(void) {
        const Metric metrics[] = {
                sample_metric("tag:region", '1', "a", 0, true),
                sample_metric("tag:zone", '1', "a1", 0, true),
                sample_metric("freespace", '1', "9", 9, false),
                sample_metric("tag:region", '2', "a", 0, true),
                sample_metric("tag:zone", '2', "a1", 0, true),
                sample_metric("freespace", '2', "8", 8, false),
                sample_metric("tag:region", '3', "a", 0, true),
                sample_metric("tag:zone", '3', "a2", 0, true),
                sample_metric("freespace", '3', "1", 1, false),
                sample_metric("tag:region", '4', "b", 0, true),
                sample_metric("tag:zone", '4', "b1", 0, true),
                sample_metric("freespace", '4', "2", 2, false),
        };

        assert_order(&by_zone, metrics, ELEMENTSOF(metrics), "1432");
}

/* The seed alone decides between peers that nothing tells apart, and the same seed decides the same way. */
static void test_seed_breaks_ties(void) {
        Metric metrics[16];
        bool differs = false;
        char first[64];

        for (size_t i = 0; i < ELEMENTSOF(metrics); i++)
                metrics[i] = sample_metric("tag:region", (char) ('a' + i), "r", 0, true);
        for (uint64_t seed = 0; seed < 8; seed++) {
                const StrList by = { .items = (char *[]){ (char *) "tag:region" }, .n = 1 };
                PeerIdList a = {}, b = {};
                char x[64], y[64];

                g_assert_cmpint(allocator_balance(&by, metrics, ELEMENTSOF(metrics), seed, &a), ==, 0);
                g_assert_cmpint(allocator_balance(&by, metrics, ELEMENTSOF(metrics), seed, &b), ==, 0);
                g_assert_cmpstr(sample_letters(&a, x), ==, sample_letters(&b, y));
                g_assert_cmpuint(a.n, ==, ELEMENTSOF(metrics));
                if (seed == 0)
                        strcpy(first, x);
                differs = differs || strcmp(first, x) != 0;
                peer_id_list_done(&a);
                peer_id_list_done(&b);
        }
        g_assert_true(differs);
}

static void test_sums_do_not_overflow(void) {
        const Metric metrics[] = {
                sample_metric("tag:region", 'x', "a", INT64_MAX, true),
                sample_metric("freespace", 'x', "1", INT64_MAX, false),
                sample_metric("tag:region", 'y', "a", INT64_MAX, true),
                sample_metric("freespace", 'y', "2", INT64_MAX, false),
                sample_metric("tag:region", 'z', "b", INT64_MIN, true),
                sample_metric("freespace", 'z', "3", INT64_MIN, false),
        };

        assert_order(&by_region, metrics, ELEMENTSOF(metrics), "xzy");
}

static void test_out_of_memory(void) {
        const Metric metrics[] = {
                sample_metric("tag:region", 'x', "a", 0, true),
                sample_metric("freespace", 'x', "1", 1, false),
                sample_metric("tag:region", 'y', "b", 0, true),
                sample_metric("freespace", 'y', "2", 2, false),
        };

        FOREACH_FAULT {
                PeerIdList list = {};
                int r = allocator_balance(&by_region, metrics, ELEMENTSOF(metrics), 1, &list);

                if (fault_fired())
                        g_assert_cmpint(r, ==, -ENOMEM);
                else
                        g_assert_cmpint(r, ==, 0);
                peer_id_list_done(&list);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/allocator/balance/worked-example", test_worked_example);
        g_test_add_func("/allocator/balance/by-weight-then-value", test_by_weight_then_value);
        g_test_add_func("/allocator/balance/peer-without-metric-is-ignored",
                        test_peer_without_metric_is_ignored);
        g_test_add_func("/allocator/balance/three-levels", test_three_levels);
        g_test_add_func("/allocator/balance/seed-breaks-ties", test_seed_breaks_ties);
        g_test_add_func("/allocator/balance/sums-do-not-overflow", test_sums_do_not_overflow);
        g_test_add_func("/allocator/balance/out-of-memory", test_out_of_memory);
        return g_test_run();
}
