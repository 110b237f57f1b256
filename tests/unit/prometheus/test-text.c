#include <glib.h>
#include <string.h>

#include "daemon/prometheus/text.h"
#include "tests/lib/fault.h"

static void test_families(void) {
        Str text = {};

        prometheus_text_family(&text, "a_total", PROMETHEUS_COUNTER, "How many");
        prometheus_text_uint(&text, "a_total", NULL, UINT64_MAX);
        prometheus_text_family(&text, "b", PROMETHEUS_GAUGE, "How much");
        prometheus_text_int(&text, "b", "x=\"1\"", INT64_MIN);
        prometheus_text_int(&text, "b", "", -1);
        prometheus_text_seconds(&text, "c", NULL, 0);
        prometheus_text_seconds(&text, "c", NULL, 1000001);
        prometheus_text_seconds(&text, "c", NULL, UINT64_MAX);
        g_assert_cmpstr(text.data,
                        ==,
                        "# HELP a_total How many\n# TYPE a_total counter\na_total 18446744073709551615\n"
                        "# HELP b How much\n# TYPE b gauge\nb{x=\"1\"} -9223372036854775808\nb -1\n"
                        "c 0.000000\nc 1.000001\nc 18446744073709.551615\n");
        str_done(&text);
}

static void test_labels(void) {
        static const struct {
                const char *value, *text;
        } cases[] = {
                { "", "n=\"\"" },
                { "plain", "n=\"plain\"" },
                { "a\"b\\c\nd", "n=\"a\\\"b\\\\c\\nd\"" },
                { "n\xc3\xa4me {x}", "n=\"n\xc3\xa4me {x}\"" },
                { "\xff\xc3", "n=\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Str labels = {};

                prometheus_text_label(&labels, "n", cases[i].value);
                g_assert_cmpstr(labels.data, ==, cases[i].text);
                prometheus_text_label(&labels, "m", "x");
                g_assert_true(g_str_has_suffix(labels.data, "\",m=\"x\""));
                str_done(&labels);
        }
}

/* On a bound is below it; each bucket has those before it, too. */
static void test_histogram(void) {
        Histogram histogram = {};
        Str text = {};

        histogram_add(&histogram, 0);
        histogram_add(&histogram, 100);
        histogram_add(&histogram, 101);
        histogram_add(&histogram, 2500);
        histogram_add(&histogram, 3600 * USEC_PER_SEC);
        g_assert_cmpuint(histogram_count(&histogram), ==, 5);
        prometheus_text_histogram(&text, "h_seconds", "a=\"b\"", &histogram);
        g_assert_cmpstr(text.data,
                        ==,
                        "h_seconds_bucket{a=\"b\",le=\"0.0001\"} 2\nh_seconds_bucket{a=\"b\",le=\"0.00025\"} 3\n"
                        "h_seconds_bucket{a=\"b\",le=\"0.0005\"} 3\nh_seconds_bucket{a=\"b\",le=\"0.001\"} 3\n"
                        "h_seconds_bucket{a=\"b\",le=\"0.0025\"} 4\nh_seconds_bucket{a=\"b\",le=\"0.005\"} 4\n"
                        "h_seconds_bucket{a=\"b\",le=\"0.01\"} 4\nh_seconds_bucket{a=\"b\",le=\"0.025\"} 4\n"
                        "h_seconds_bucket{a=\"b\",le=\"0.05\"} 4\nh_seconds_bucket{a=\"b\",le=\"0.1\"} 4\n"
                        "h_seconds_bucket{a=\"b\",le=\"0.25\"} 4\nh_seconds_bucket{a=\"b\",le=\"0.5\"} 4\n"
                        "h_seconds_bucket{a=\"b\",le=\"1\"} 4\nh_seconds_bucket{a=\"b\",le=\"5\"} 4\n"
                        "h_seconds_bucket{a=\"b\",le=\"30\"} 4\nh_seconds_bucket{a=\"b\",le=\"120\"} 4\n"
                        "h_seconds_bucket{a=\"b\",le=\"600\"} 4\nh_seconds_bucket{a=\"b\",le=\"+Inf\"} 5\n"
                        "h_seconds_sum{a=\"b\"} 3600.002701\nh_seconds_count{a=\"b\"} 5\n");
        str_reset(&text);
        prometheus_text_histogram(&text, "h", NULL, &(Histogram){});
        g_assert_true(g_str_has_prefix(text.data, "h_bucket{le=\"0.0001\"} 0\n"));
        g_assert_true(g_str_has_suffix(text.data, "h_bucket{le=\"+Inf\"} 0\nh_sum 0.000000\nh_count 0\n"));
        str_done(&text);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                Str text = {};

                prometheus_text_family(&text, "a", PROMETHEUS_GAUGE, "x");
                prometheus_text_histogram(&text, "a", NULL, &(Histogram){});
                g_assert_cmpint(str_error(&text) == 0 || str_error(&text) == -ENOMEM, ==, true);
                str_done(&text);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/prometheus/text/families", test_families);
        g_test_add_func("/prometheus/text/labels", test_labels);
        g_test_add_func("/prometheus/text/histogram", test_histogram);
        g_test_add_func("/prometheus/text/out-of-memory", test_out_of_memory);
        return g_test_run();
}
