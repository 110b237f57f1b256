#include <glib.h>
#include <string.h>

#include "daemon/pinsvc/results.h"
#include "tests/lib/fault.h"

static int add(PinsvcResults *results, uint64_t created, uint32_t random, const char *details) {
        PinsvcResult result = { .created = created, .id = { .created = created, .random = random } };

        cid_of_bytes(CID_CODEC_RAW, &random, sizeof(random), &result.id.cid);
        return pinsvc_results_add(results, &result, details);
}

/* All orders of coming give the newest, in one order. */
static void test_newest(void) {
        static const uint64_t times[] = { 5, 3, 9, 1, 7, 8, 2, 6, 4 };

        for (size_t max = 1; max <= 10; max++)
                for (size_t first = 0; first < G_N_ELEMENTS(times); first++) {
                        PinsvcResults results;
                        size_t n = MIN(max, G_N_ELEMENTS(times));

                        g_assert_cmpint(pinsvc_results_init(&results, max), ==, 0);
                        for (size_t i = 0; i < G_N_ELEMENTS(times); i++)
                                g_assert_cmpint(add(&results,
                                                    times[(first + i) % G_N_ELEMENTS(times)],
                                                    0,
                                                    i % 2 ? "x" : NULL),
                                                ==,
                                                0);
                        pinsvc_results_finish(&results);
                        g_assert_cmpuint(results.count, ==, G_N_ELEMENTS(times));
                        g_assert_cmpuint(results.n, ==, n);
                        for (size_t i = 0; i < n; i++)
                                g_assert_cmpuint(results.items[i].created, ==, 9 - i);
                        pinsvc_results_done(&results);
                }
}

/* A page does not end between two of one time, unless all of it is of one. */
static void test_ties(void) {
        static const struct {
                const char *times; /* a digit each */
                size_t max;
                const char *page;
        } cases[] = {
                { "987", 3, "987" },  { "9877", 3, "98" }, { "98777", 4, "98" }, { "98777", 5, "98777" },
                { "99877", 2, "99" }, { "7777", 2, "77" }, { "97777", 3, "9" },  { "777", 1, "7" },
                { "9876", 3, "987" }, { "", 3, "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PinsvcResults results;
                GString *page = g_string_new(NULL);

                g_assert_cmpint(pinsvc_results_init(&results, cases[i].max), ==, 0);
                for (size_t k = 0; cases[i].times[k]; k++)
                        g_assert_cmpint(add(&results,
                                            (uint64_t) (cases[i].times[k] - '0'),
                                            (uint32_t) k,
                                            "x"),
                                        ==,
                                        0);
                pinsvc_results_finish(&results);
                for (size_t k = 0; k < results.n; k++)
                        g_string_append_c(page, (char) ('0' + results.items[k].created));
                g_test_message("%s %zu", cases[i].times, cases[i].max);
                g_assert_cmpstr(page->str, ==, cases[i].page);
                g_assert_cmpuint(results.count, ==, strlen(cases[i].times));
                g_string_free(page, TRUE);
                pinsvc_results_done(&results);
        }
}

/* Of one time: by id, whatever the order in which they came. */
static void test_order_of_one_time(void) {
        PinsvcResults a, b;

        g_assert_cmpint(pinsvc_results_init(&a, 4), ==, 0);
        g_assert_cmpint(pinsvc_results_init(&b, 4), ==, 0);
        for (uint32_t i = 0; i < 9; i++) {
                g_assert_cmpint(add(&a, 5, i, NULL), ==, 0);
                g_assert_cmpint(add(&b, 5, 8 - i, NULL), ==, 0);
        }
        pinsvc_results_finish(&a);
        pinsvc_results_finish(&b);
        for (size_t i = 0; i < 4; i++)
                g_assert_cmpuint(a.items[i].id.random, ==, b.items[i].id.random);
        g_assert_cmpuint(a.items[0].id.random, ==, 8);
        pinsvc_results_done(&a);
        pinsvc_results_done(&b);
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                PinsvcResults results;

                if (pinsvc_results_init(&results, 2) < 0)
                        continue;
                for (uint64_t i = 1; i < 4; i++) {
                        int r = add(&results, i, 0, "words");

                        g_assert_true(r == 0 || r == -ENOMEM);
                }
                g_assert_cmpuint(results.n, <=, 2);
                pinsvc_results_done(&results);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pinsvc/results/newest", test_newest);
        g_test_add_func("/pinsvc/results/ties", test_ties);
        g_test_add_func("/pinsvc/results/order-of-one-time", test_order_of_one_time);
        g_test_add_func("/pinsvc/results/no-memory", test_no_memory);
        return g_test_run();
}
