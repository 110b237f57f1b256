#include <glib.h>

#include "ctl/humanize.h"
#include "daemon/base/macro.h"

#define DAY_SEC UINT64_C(86400)

static void test_bytes(void) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                { 0, "0 B" },
                { 9, "9 B" },
                { 10, "10 B" },
                { 70, "70 B" },
                { 999, "999 B" },
                { 1000, "1.0 kB" },
                { 1234, "1.2 kB" },
                { 8400, "8.4 kB" },
                { 9949, "9.9 kB" },
                { 9950, "10 kB" },
                { 10062, "10 kB" },
                { 149000, "149 kB" },
                { 5300000, "5.3 MB" },
                { 9993602049, "10 GB" },
                { UINT64_MAX, "18 EB" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[CTL_HUMANIZE_MAX];

                g_test_message("%" G_GUINT64_FORMAT, cases[i].bytes);
                g_assert_cmpstr(ctl_humanize_bytes(cases[i].bytes, text), ==, cases[i].text);
        }
}

static void test_times(void) {
        static const struct {
                double seconds;
                const char *text;
        } cases[] = {
                { 0, "now" },
                { -0.9, "now" },
                { 1, "1 second from now" },
                { -1.9, "1 second ago" },
                { 2, "2 seconds from now" },
                { 29.9, "29 seconds from now" },
                { -59, "59 seconds ago" },
                { -60, "1 minute ago" },
                { -119, "1 minute ago" },
                { -120, "2 minutes ago" },
                { 3599, "59 minutes from now" },
                { 3600, "1 hour from now" },
                { 7200, "2 hours from now" },
                { DAY_SEC, "1 day from now" },
                { 2 * DAY_SEC, "2 days from now" },
                { 7 * DAY_SEC, "1 week from now" },
                { 14 * DAY_SEC, "2 weeks from now" },
                { 30 * DAY_SEC, "1 month from now" },
                { 60 * DAY_SEC, "2 months from now" },
                { 360 * DAY_SEC, "1 year from now" },
                { 540 * DAY_SEC, "2 years from now" },
                { 720 * DAY_SEC, "2 years from now" },
                { 3 * 360 * DAY_SEC, "3 years from now" },
                { -37.0 * 360 * DAY_SEC, "a long while ago" },
        };
        uint64_t now = UINT64_C(1795361905) * USEC_PER_SEC;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[CTL_HUMANIZE_MAX];
                uint64_t then = now + (int64_t) (cases[i].seconds * USEC_PER_SEC);

                g_test_message("%f", cases[i].seconds);
                g_assert_cmpstr(ctl_humanize_time(then, now, text), ==, cases[i].text);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/humanize/bytes", test_bytes);
        g_test_add_func("/ctl/humanize/times", test_times);
        return g_test_run();
}
