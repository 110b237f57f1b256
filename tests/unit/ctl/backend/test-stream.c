#include <glib.h>
#include <string.h>

#include "ctl/backend/stream.h"
#include "tests/lib/fault.h"

/* Everything that comes out, separated by '|', when TEXT is fed in pieces of STEP; the first error, or 0, or
 * 1 when the body may not end there. */
static int split(const char *text, size_t n, size_t step, GString *to) {
        _cleanup_(ctl_stream_done) CtlStream stream = {};
        const char *object;
        size_t length;
        int r;

        for (size_t i = 0; i < n; i += step) {
                ctl_stream_feed(&stream, text + i, MIN(step, n - i));
                while ((r = ctl_stream_next(&stream, &object, &length)) > 0) {
                        g_string_append_len(to, object, length);
                        g_string_append_c(to, '|');
                }
                if (r < 0)
                        return r;
        }
        return ctl_stream_is_whole(&stream) ? 0 : 1;
}

static const struct {
        const char *text;
        const char *objects;
        int r;
} cases[] = {
        { "", "", 0 },
        { " \n", "", 0 },
        { "{}", "{}|", 0 },
        { "{}\n{}\n", "{}|{}|", 0 },
        { "{\"a\":1}{\"b\":[1,{}]}", "{\"a\":1}|{\"b\":[1,{}]}|", 0 },
        { " {\"a\":\"}\\\"]\"}\r\n", "{\"a\":\"}\\\"]\"}|", 0 },
        { "{\n \"a\": \"\\\\\"\n}\n", "{\n \"a\": \"\\\\\"\n}|", 0 },
        { "[]", "", 0 },
        { "[{\"a\":1},\n{\"b\":2} ]\n", "{\"a\":1}|{\"b\":2}|", 0 },
        { "[{}", "{}|", 1 },
        { "{}{\"a", "{}|", 1 },
        { "null", "", -EBADMSG },
        { "[1]", "", -EBADMSG },
        { "{}x{}", "{}|", -EBADMSG },
        { "[]{}", "", -EBADMSG },
        { "<html>", "", -EBADMSG },
        { "{},{}", "{}|", -EBADMSG },
};

static void test_objects_in_any_pieces(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t n = strlen(cases[i].text);

                for (size_t step = 1; step <= n + 1; step++) {
                        g_autoptr(GString) objects = g_string_new(NULL);

                        g_test_message("%s by %zu", cases[i].text, step);
                        g_assert_cmpint(split(cases[i].text, n, step, objects), ==, cases[i].r);
                        g_assert_cmpstr(objects->str, ==, cases[i].objects);
                }
        }
}

static void test_cut_body_is_not_whole(void) {
        static const char text[] = "[{\"a\":\"\\\"\"},{\"b\":{}}]";

        for (size_t n = 1; n < strlen(text); n++) {
                g_autoptr(GString) objects = g_string_new(NULL);

                g_test_message("%zu bytes", n);
                g_assert_cmpint(split(text, n, n, objects), ==, 1);
        }
}

static void test_object_is_bounded(void) {
        _cleanup_(ctl_stream_done) CtlStream stream = {};
        g_autofree char *blanks = g_strnfill(1024 * 1024, ' ');
        const char *object;
        size_t length, fed = 0;
        int r = 0;

        ctl_stream_feed(&stream, "{", 1);
        g_assert_cmpint(ctl_stream_next(&stream, &object, &length), ==, 0);
        while (r == 0 && fed <= CTL_STREAM_OBJECT_MAX) {
                ctl_stream_feed(&stream, blanks, 1024 * 1024);
                r = ctl_stream_next(&stream, &object, &length);
                fed += 1024 * 1024;
        }
        g_assert_cmpint(r, ==, -E2BIG);
}

static void test_memory_short(void) {
        static const char text[] = "{\"a\":1}\n{\"b\":2}\n";

        FOREACH_FAULT {
                _cleanup_(ctl_stream_done) CtlStream stream = {};
                const char *object;
                size_t length;
                int r, n = 0;

                ctl_stream_feed(&stream, text, strlen(text));
                while ((r = ctl_stream_next(&stream, &object, &length)) > 0)
                        n++;
                if (r == 0)
                        g_assert_cmpint(n, ==, 2);
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/stream/objects-in-any-pieces", test_objects_in_any_pieces);
        g_test_add_func("/ctl/backend/stream/cut-body-is-not-whole", test_cut_body_is_not_whole);
        g_test_add_func("/ctl/backend/stream/object-is-bounded", test_object_is_bounded);
        g_test_add_func("/ctl/backend/stream/memory-short", test_memory_short);
        return g_test_run();
}
