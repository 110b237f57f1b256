#include <glib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/time.h"

#define SEC UINT64_C(1000000)

static void set_zone(const char *zone) {
        g_setenv("TZ", zone, TRUE);
        tzset();
}

static void test_format(void) {
        static const struct {
                const char *zone;
                uint64_t usec;
                const char *text;
        } cases[] = {
                { "UTC", 0, "0001-01-01T00:00:00Z" },
                { "UTC", 1, "1970-01-01T00:00:00.000001Z" },
                { "UTC", SEC, "1970-01-01T00:00:01Z" },
                { "UTC", 951782399 * SEC + 500000, "2000-02-28T23:59:59.5Z" },
                { "UTC", 951782400 * SEC, "2000-02-29T00:00:00Z" },
                { "UTC", 1700000000 * SEC + 123456, "2023-11-14T22:13:20.123456Z" },
                { "UTC", 1700000000 * SEC + 120, "2023-11-14T22:13:20.00012Z" },
                { "ABC-2", 1700000000 * SEC, "2023-11-15T00:13:20+02:00" },
                { "ABC3:30", 1700000000 * SEC, "2023-11-14T18:43:20-03:30" },
                { "ABC-5:45", 1700000000 * SEC, "2023-11-15T03:58:20+05:45" },
                { "ABC-2", 0, "0001-01-01T00:00:00Z" },
                { "UTC", 253402300799 * SEC + 999999, "9999-12-31T23:59:59.999999Z" },
                { "UTC", 253402300800 * SEC, "0001-01-01T00:00:00Z" },
                { "UTC", UINT64_MAX, "0001-01-01T00:00:00Z" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[TIME_TEXT_MAX];
                uint64_t usec;

                set_zone(cases[i].zone);
                g_assert_cmpstr(time_format(cases[i].usec, text), ==, cases[i].text);
                g_assert_cmpint(time_parse(text, &usec), ==, 0);
                g_assert_cmpuint(usec, ==, strncmp(text, "0001", 4) == 0 ? 0 : cases[i].usec);
        }
        set_zone("UTC");
}

static void test_format_utc(void) {
        char text[TIME_TEXT_MAX];

        set_zone("ABC-5:45");
        g_assert_cmpstr(time_format_utc(1700000000 * SEC + 5, text), ==, "2023-11-14T22:13:20.000005Z");
        g_assert_cmpstr(time_format_utc(0, text), ==, "0001-01-01T00:00:00Z");
        set_zone("UTC");
}

static void test_parse(void) {
        static const struct {
                const char *text;
                int result;
                uint64_t usec;
        } cases[] = {
                { "1970-01-01T00:00:00Z", 0, 0 },
                { "1970-01-01T00:00:00.000001Z", 0, 1 },
                { "1970-01-01T01:00:00+01:00", 0, 0 },
                { "1969-12-31T23:00:01-01:00", 0, SEC },
                { "2024-02-29T12:00:00.5Z", 0, 1709208000 * SEC + 500000 },
                { "2024-02-29T12:00:00.123456789Z", 0, 1709208000 * SEC + 123456 },
                { "0001-01-01T00:00:00Z", 0, 0 },
                { "0001-01-01T01:00:00+01:00", 0, 0 },
                { "0000-12-31T23:00:00-01:00", 0, 0 },
                { "9999-12-31T23:59:59Z", 0, 253402300799 * SEC },
                { "9999-12-31T23:59:59-00:01", -ERANGE, 0 },
                { "1969-12-31T23:59:59Z", -ERANGE, 0 },
                { "1970-01-01T00:00:00+00:01", -ERANGE, 0 },
                { "0001-01-01T00:00:00.1Z", -ERANGE, 0 },
                { "0000-01-01T00:00:00Z", -ERANGE, 0 },
                { "2023-02-29T00:00:00Z", -EINVAL, 0 },
                { "1900-02-29T00:00:00Z", -EINVAL, 0 },
                { "2000-13-01T00:00:00Z", -EINVAL, 0 },
                { "2000-00-01T00:00:00Z", -EINVAL, 0 },
                { "2000-01-00T00:00:00Z", -EINVAL, 0 },
                { "2000-04-31T00:00:00Z", -EINVAL, 0 },
                { "2000-01-01T24:00:00Z", -EINVAL, 0 },
                { "2000-01-01T00:60:00Z", -EINVAL, 0 },
                { "2000-01-01T00:00:60Z", -EINVAL, 0 },
                { "2000-01-01T00:00:00", -EINVAL, 0 },
                { "2000-01-01T00:00:00.Z", -EINVAL, 0 },
                { "2000-01-01T00:00:00.1234567890Z", -EINVAL, 0 },
                { "2000-01-01T00:00:00,5Z", -EINVAL, 0 },
                { "2000-01-01t00:00:00Z", -EINVAL, 0 },
                { "2000-01-01T00:00:00z", -EINVAL, 0 },
                { "2000-01-01 00:00:00Z", -EINVAL, 0 },
                { "2000-01-01T00:00:00+0100", -EINVAL, 0 },
                { "2000-01-01T00:00:00+24:00", -EINVAL, 0 },
                { "2000-01-01T00:00:00+01:60", -EINVAL, 0 },
                { "2000-01-01T00:00:00Z ", -EINVAL, 0 },
                { " 2000-01-01T00:00:00Z", -EINVAL, 0 },
                { "12000-01-01T00:00:00Z", -EINVAL, 0 },
                { "2000-1-1T00:00:00Z", -EINVAL, 0 },
                { "+000-01-01T00:00:00Z", -EINVAL, 0 },
                { "", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t usec = 77;

                g_test_message("'%s'", cases[i].text);
                g_assert_cmpint(time_parse(cases[i].text, &usec), ==, cases[i].result);
                g_assert_cmpuint(usec, ==, cases[i].result < 0 ? 77 : cases[i].usec);
        }
}

static void test_parse_cut(void) {
        static const char text[] = "2024-02-29T12:00:00.123+01:30";

        for (size_t n = 0; n < strlen(text); n++) {
                g_autofree char *cut = g_strndup(text, n);
                uint64_t usec;

                g_test_message("'%s'", cut);
                g_assert_cmpint(time_parse(cut, &usec), ==, -EINVAL);
        }
}

/* Each day has its own number, and comes back. */
static void test_every_day(void) {
        char text[TIME_TEXT_MAX];

        set_zone("UTC");
        for (uint64_t day = 1; day < 366 * 500; day += day % 97 + 1) {
                uint64_t usec;

                g_assert_cmpint(time_parse(time_format(day * 86400 * SEC, text), &usec), ==, 0);
                g_assert_cmpuint(usec, ==, day * 86400 * SEC);
        }
}

static void test_duration_parse(void) {
        static const struct {
                const char *text;
                int result;
                int64_t usec;
        } cases[] = {
                { "0", 0, 0 },
                { "-0", 0, 0 },
                { "+0", 0, 0 },
                { "0s", 0, 0 },
                { "300ms", 0, 300000 },
                { "1h2m0s", 0, 3720 * (int64_t) SEC },
                { "-1.5h", 0, -5400 * (int64_t) SEC },
                { "+5s", 0, 5 * (int64_t) SEC },
                { "1.s", 0, (int64_t) SEC },
                { ".5s", 0, 500000 },
                { "1us", 0, 1 },
                { "1\xc2\xb5s", 0, 1 },
                { "1\xce\xbcs", 0, 1 },
                { "999ns", 0, 0 },
                { "-999ns", 0, 0 },
                { "1500ns1500ns", 0, 3 },
                { "1m1m", 0, 120 * (int64_t) SEC },
                { "1s1h", 0, 3601 * (int64_t) SEC },
                { "0.3333333333333333333333h", 0, 1199999999 },
                { "1.0000000000000000000000000000000000001s", 0, (int64_t) SEC },
                { "9223372036854775807ns", 0, 9223372036854775 },
                { "9223372036854775808ns", -ERANGE, 0 },
                { "-9223372036854775808ns", 0, -9223372036854775 },
                { "-9223372036854775809ns", -ERANGE, 0 },
                { "2562047h47m16.854775807s", 0, 9223372036854775 },
                { "9999999h", -ERANGE, 0 },
                { "99999999999999999999999999s", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "-", -EINVAL, 0 },
                { "+", -EINVAL, 0 },
                { "1", -EINVAL, 0 },
                { "00", -EINVAL, 0 },
                { "s", -EINVAL, 0 },
                { ".", -EINVAL, 0 },
                { ".s", -EINVAL, 0 },
                { "1d", -EINVAL, 0 },
                { "1 s", -EINVAL, 0 },
                { " 1s", -EINVAL, 0 },
                { "1s ", -EINVAL, 0 },
                { "--1s", -EINVAL, 0 },
                { "1s-1s", -EINVAL, 0 },
                { "1e3s", -EINVAL, 0 },
                { "1\xc2\xb5", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int64_t usec = 77;

                g_test_message("'%s'", cases[i].text);
                g_assert_cmpint(duration_parse(cases[i].text, &usec), ==, cases[i].result);
                g_assert_cmpint(usec, ==, cases[i].result < 0 ? 77 : cases[i].usec);
        }
}

static void test_duration_format(void) {
        static const struct {
                int64_t usec;
                const char *text;
        } cases[] = {
                { 0, "0s" },
                { 1, "1\xc2\xb5s" },
                { 999, "999\xc2\xb5s" },
                { 1000, "1ms" },
                { 1500, "1.5ms" },
                { 1001, "1.001ms" },
                { 500000, "500ms" },
                { 999999, "999.999ms" },
                { 1000000, "1s" },
                { 1500000, "1.5s" },
                { 59999999, "59.999999s" },
                { 60000000, "1m0s" },
                { 120000000, "2m0s" },
                { 3600000000, "1h0m0s" },
                { 3600000001, "1h0m0.000001s" },
                { 86400000000, "24h0m0s" },
                { -90000000, "-1m30s" },
                { -1, "-1\xc2\xb5s" },
                { INT64_MAX, "2562047788h0m54.775807s" },
                { INT64_MIN, "-2562047788h0m54.775808s" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[TIME_TEXT_MAX];
                int64_t usec;

                g_assert_cmpstr(duration_format(cases[i].usec, text), ==, cases[i].text);
                if (cases[i].usec < INT64_MAX / 1000 && cases[i].usec > INT64_MIN / 1000) {
                        g_assert_cmpint(duration_parse(text, &usec), ==, 0);
                        g_assert_cmpint(usec, ==, cases[i].usec);
                }
        }
}

static void test_clocks(void) {
        uint64_t before = time_monotonic();

        g_assert_cmpuint(time_monotonic(), >=, before);
        g_assert_cmpuint(time_now(), >, 1700000000 * SEC);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/time/format", test_format);
        g_test_add_func("/base/time/format-utc", test_format_utc);
        g_test_add_func("/base/time/parse", test_parse);
        g_test_add_func("/base/time/parse-cut", test_parse_cut);
        g_test_add_func("/base/time/every-day", test_every_day);
        g_test_add_func("/base/time/duration-parse", test_duration_parse);
        g_test_add_func("/base/time/duration-format", test_duration_format);
        g_test_add_func("/base/time/clocks", test_clocks);
        return g_test_run();
}
