#include <glib.h>
#include <string.h>

#include "daemon/types/pin-status.h"

static void test_names(void) {
        static const struct {
                const char *name;
                int status;
        } cases[] = {
                { "undefined", 0 },
                { "cluster_error", 2 },
                { "pin_error", 4 },
                { "unpin_error", 8 },
                { "pinned", 16 },
                { "pinning", 32 },
                { "unpinning", 64 },
                { "unpinned", 128 },
                { "remote", 256 },
                { "pin_queued", 512 },
                { "unpin_queued", 1024 },
                { "sharded", 2048 },
                { "unexpectedly_unpinned", 4096 },
                { "error", 14 },
                { "queued", 1536 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(pin_status_from_string(cases[i].name), ==, cases[i].status);
                g_assert_cmpstr(pin_status_to_string(cases[i].status), ==, cases[i].name);
        }
        g_assert_cmpint(pin_status_from_string("PINNED"), ==, 0);
        g_assert_cmpint(pin_status_from_string("pinne"), ==, 0);
        g_assert_cmpstr(pin_status_to_string(16 | 32), ==, "undefined");
}

static void test_filter(void) {
        static const struct {
                const char *text;
                int filter;
        } cases[] = {
                { "", 0 },
                { "pinned", 16 },
                { " pinned , error ", 16 | 14 },
                { "pin ned", 16 }, /* all spaces are taken away */
                { "junk", 0 },
                { "junk,pinned", 16 },
                { "undefined", 0 },
                { ",,pinned,", 16 },
                { "queued,remote,sharded", 1536 | 256 | 2048 },
                { "pinnedpinnedpinnedpinnedpinnedpinned", 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if ((int) pin_status_filter(cases[i].text) != cases[i].filter)
                        g_error("'%s': %d", cases[i].text, pin_status_filter(cases[i].text));
}

static void test_matches(void) {
        g_assert_true(pin_status_matches(PIN_STATUS_PINNED, 0));
        g_assert_true(pin_status_matches(0, PIN_STATUS_PINNED));
        g_assert_true(pin_status_matches(PIN_STATUS_PIN_ERROR, PIN_STATUS_ERROR));
        g_assert_false(pin_status_matches(PIN_STATUS_PINNED, PIN_STATUS_ERROR));
}

static const JsonField sample_fields[] = {
        { "status", JSON_TYPE, 0, .type = &pin_status_json },
        JSON_END,
};
static const JsonShape sample_shape = { "sample", sizeof(int), sample_fields };

static void test_json(void) {
        static const char text[] = "{\"status\":\"unexpectedly_unpinned\"}",
                          unknown[] = "{\"status\":\"new\"}", bad[] = "{\"status\":1}";
        _cleanup_(str_done) Str out = {};
        int status = 0;

        g_assert_cmpint(json_read_text(&sample_shape, text, strlen(text), &status, NULL), ==, 0);
        g_assert_cmpint(status, ==, PIN_STATUS_UNEXPECTEDLY_UNPINNED);
        g_assert_cmpint(json_write(&sample_shape, &status, &out), ==, 0);
        g_assert_cmpstr(out.data, ==, text);
        g_assert_cmpint(json_read_text(&sample_shape, unknown, strlen(unknown), &status, NULL), ==, 0);
        g_assert_cmpint(status, ==, PIN_STATUS_UNDEFINED);
        g_assert_cmpint(json_read_text(&sample_shape, bad, strlen(bad), &status, NULL), ==, -EPROTOTYPE);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/pin-status/names", test_names);
        g_test_add_func("/types/pin-status/filter", test_filter);
        g_test_add_func("/types/pin-status/matches", test_matches);
        g_test_add_func("/types/pin-status/json", test_json);
        return g_test_run();
}
