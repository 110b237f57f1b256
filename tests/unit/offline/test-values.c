#include <glib.h>
#include <string.h>

#include "daemon/base/macro.h"
#include "daemon/offline/values.h"
#include "tests/lib/fault.h"

/* The objects of TEXT, fed in pieces of STEP bytes, each followed by "|"; after an error its words. */
static char *split(const char *text, size_t step) {
        _cleanup_(offline_values_done) OfflineValues values = {};
        GString *found = g_string_new("");
        Error error = {};
        size_t n = strlen(text), used;
        int r = 0;

        for (size_t at = 0; r >= 0 && at < n; at += used) {
                r = offline_values_feed(&values, text + at, MIN(step, n - at), &used, &error);
                if (r > 0)
                        g_string_append_printf(found, "%s|", values.text.data);
        }
        if (r >= 0)
                r = offline_values_end(&values, &error);
        if (r < 0)
                g_string_append(found, error_message(&error));
        error_done(&error);
        return g_string_free(found, FALSE);
}

static void test_split(void) {
        static const struct {
                const char *text, *found;
        } cases[] = {
                { "", "" },
                { " \r\n\t", "" },
                { "{}", "{}|" },
                { "{}{}\n{}", "{}|{}|{}|" },
                { "{\"a\":{\"b\":[{}]}}\n", "{\"a\":{\"b\":[{}]}}|" },
                { "{\n \"a\" : 1\n}\n\n{ }", "{\n \"a\" : 1\n}|{ }|" },
                { "{\"}\":\"{\\\"}\\\\\"}{}", "{\"}\":\"{\\\"}\\\\\"}|{}|" },
                { "[{}]", "pin 1: expected a JSON object, not '['" },
                { "\xff", "pin 1: expected a JSON object, not 0xff" },
                { "{}x", "{}|pin 2: expected a JSON object, not 'x'" },
                { "{}}", "{}|pin 2: expected a JSON object, not '}'" },
                { "{\"a\":\"", "pin 1: the input ends in the middle of it" },
                { "{} {", "{}|pin 2: the input ends in the middle of it" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t step = 1; step < 12; step++) {
                        g_autofree char *found = split(cases[i].text, step);
                        g_autofree char *shown = g_strescape(cases[i].text, NULL);

                        g_test_message("'%s' by %zu", shown, step);
                        g_assert_cmpstr(found, ==, cases[i].found);
                }
}

static void test_too_big(void) {
        g_autofree char *text = g_malloc(OFFLINE_VALUE_MAX + 8);
        g_autofree char *found = NULL;

        memset(text, 'a', OFFLINE_VALUE_MAX + 8);
        memcpy(text, "{}{\"", 4);
        text[OFFLINE_VALUE_MAX + 7] = '\0';
        found = split(text, 4096);
        g_assert_cmpstr(found, ==, "{}|pin 2: larger than 1048576 bytes");
}

static void test_faults(void) {
        FOREACH_FAULT {
                _cleanup_(offline_values_done) OfflineValues values = {};
                size_t used;
                int r = offline_values_feed(&values, "{\"a\":1}", 7, &used, NULL);

                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/offline/values/split", test_split);
        g_test_add_func("/offline/values/too-big", test_too_big);
        g_test_add_func("/offline/values/allocations-fail", test_faults);
        return g_test_run();
}
