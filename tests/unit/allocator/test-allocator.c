#include <glib.h>

#include "daemon/allocator/allocator.h"
#include "tests/lib/fault.h"
#include "tests/unit/allocator/sample.h"

static const StrList by_freespace = { .items = (char *[]){ (char *) "freespace" }, .n = 1 };

/* Peers a … e are healthy, in this order of free space; x and y are down (no metric). */
static const char healthy[] = "abcde";

static size_t sample_metrics(Metric *metrics) {
        for (size_t i = 0; healthy[i]; i++)
                metrics[i] = sample_metric("freespace", healthy[i], "1", 100 - (int64_t) i, false);
        return strlen(healthy);
}

/* The rules of allocator.h, a row each. */
static const struct {
        const char *what;
        const char *current, *priority, *blacklist;
        int64_t min, max;
        const char *expected; /* NULL: not enough peers */
} cases[] = {
        { "everywhere", "", "", "", -1, -1, "" },
        { "everywhere, though allocated before", "ab", "", "", -1, -1, "" },
        { "new: up to max", "", "", "", 1, 3, "abc" },
        { "new: fewer than max are there", "", "", "", 1, 9, "abcde" },
        { "new: all that are needed", "", "", "", 5, 5, "abcde" },
        { "new: fewer than min are there", "", "", "", 6, 9, NULL },
        { "priority first", "", "de", "", 2, 3, "dea" },
        { "priority that is down is skipped", "", "xd", "", 2, 2, "da" },
        { "more priority than max: cut in order", "", "edc", "", 1, 2, "cd" },
        { "blacklisted: not taken", "", "", "a", 1, 2, "bc" },
        { "again, unchanged: as it is", "cd", "", "", 2, 2, "cd" },
        { "again, a dead one among enough: as it is", "cx", "", "", 1, 2, "cx" },
        { "again, too few healthy: filled up to max", "cx", "", "", 2, 2, "ca" },
        { "again, all dead", "xy", "", "", 2, 3, "abc" },
        { "max lowered: cut", "abc", "", "", 1, 2, "ab" },
        { "max raised, min met: as it is", "ab", "", "", 2, 4, "ab" },
        { "min raised", "ab", "", "", 3, 4, "abcd" },
        { "current one blacklisted: replaced", "ab", "", "a", 2, 2, "bc" },
        { "too many needed beside the current", "ab", "", "", 7, 7, NULL },
};

static void test_rules(void) {
        Metric metrics[8];
        size_t n = sample_metrics(metrics);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                PeerId a[64], b[64], c[64];
                PeerIdList current = sample_list(cases[i].current, a),
                           priority = sample_list(cases[i].priority, b),
                           blacklist = sample_list(cases[i].blacklist, c), list = {};
                _cleanup_(error_done) Error error = {};
                char text[64];
                int r;

                g_test_message("%s", cases[i].what);
                r = allocator_allocate(
                                &(AllocatorInput){
                                                .current = &current,
                                                .priority = &priority,
                                                .blacklist = &blacklist,
                                                .min = cases[i].min,
                                                .max = cases[i].max,
                                                .allocate_by = &by_freespace,
                                                .metrics = metrics,
                                                .n_metrics = n,
                                },
                                &list,
                                &error);
                if (!cases[i].expected) {
                        g_assert_cmpint(r, <, 0);
                        g_assert_cmpint(error.code, ==, ERROR_NOT_ENOUGH_PEERS);
                        continue;
                }
                g_assert_cmpint(r, ==, 0);
                g_assert_true(list.is_set);
                g_assert_cmpstr(sample_letters(&list, text), ==, cases[i].expected);
                peer_id_list_done(&list);
        }
}

static void test_words(void) {
        Metric metrics[8];
        size_t n = sample_metrics(metrics);
        PeerIdList list = {};
        _cleanup_(error_done) Error none = {}, few = {};

        g_assert_cmpint(allocator_allocate(&(AllocatorInput){ .allocate_by = &by_freespace }, &list, &none),
                        <,
                        0);
        g_assert_cmpint(none.code, ==, ERROR_REFUSED);
        g_assert_cmpstr(none.message, ==, "bad replication factors");

        g_assert_cmpint(allocator_allocate(
                                        &(AllocatorInput){ .min = 6,
                                                           .max = 7,
                                                           .allocate_by = &by_freespace,
                                                           .metrics = metrics,
                                                           .n_metrics = n },
                                        &list,
                                        &few),
                        <,
                        0);
        g_assert_cmpstr(few.message,
                        ==,
                        "not enough peers to allocate CID. Needed at least: 6. Wanted at most: 7. Available candidates: 5. See logs for more info.");
}

static void test_out_of_memory(void) {
        Metric metrics[8];
        size_t n = sample_metrics(metrics);
        PeerId items[64];
        PeerIdList current = sample_list("ax", items);

        FOREACH_FAULT {
                PeerIdList list = {};
                Error error = {};
                int r = allocator_allocate(
                                &(AllocatorInput){ .current = &current,
                                                   .min = 2,
                                                   .max = 3,
                                                   .allocate_by = &by_freespace,
                                                   .metrics = metrics,
                                                   .n_metrics = n },
                                &list,
                                &error);

                if (fault_fired())
                        g_assert_cmpint(r, ==, -ENOMEM);
                else
                        g_assert_cmpint(r, ==, 0);
                peer_id_list_done(&list);
                error_done(&error);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/allocator/allocator/rules", test_rules);
        g_test_add_func("/allocator/allocator/words", test_words);
        g_test_add_func("/allocator/allocator/out-of-memory", test_out_of_memory);
        return g_test_run();
}
