#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/metric.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"

static void test_golden(void) {
        golden_check("metric.json", &metric_shape, 4);
}

static void test_golden_alert(void) {
        golden_check("alert.json", &alert_shape, 0); /* all with nanoseconds */
}

static void test_copy(void) {
        Metric metric = { .name = (char *) "ping", .value = (char *) "{}", .weight = -7, .valid = true };

        FOREACH_FAULT {
                _cleanup_(metric_done) Metric copy = {};

                g_assert_cmpint(metric_copy(&copy, &metric), ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpstr(copy.name, ==, fault_fired() ? NULL : "ping");
                g_assert_cmpstr(copy.value, ==, fault_fired() ? NULL : "{}");
                g_assert_cmpint(copy.weight, ==, fault_fired() ? 0 : -7);
        }
}

static void test_usable(void) {
        Metric metric = { .valid = true, .expire_nsec = 5000000 };

        g_assert_true(metric_is_usable(&metric, 0));
        g_assert_true(metric_is_usable(&metric, 5000));
        g_assert_false(metric_is_usable(&metric, 5001));
        g_assert_false(metric_is_usable(&metric, UINT64_MAX));
        metric.valid = false;
        g_assert_false(metric_is_usable(&metric, 0));
        metric = (Metric){ .valid = true, .expire_nsec = -1 };
        g_assert_false(metric_is_usable(&metric, 0));
}

static void test_alert_done(void) {
        Alert alert = { .metric = { .name = strdup("a"), .value = strdup("b") }, .triggered_at = 1 };

        alert_done(&alert);
        g_assert_null(alert.metric.name);
        g_assert_cmpuint(alert.triggered_at, ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/metric/as-recorded", test_golden);
        g_test_add_func("/types/metric/alert-as-recorded", test_golden_alert);
        g_test_add_func("/types/metric/copy-also-without-memory", test_copy);
        g_test_add_func("/types/metric/usable-until-it-expires", test_usable);
        g_test_add_func("/types/metric/alert-done", test_alert_done);
        return g_test_run();
}
