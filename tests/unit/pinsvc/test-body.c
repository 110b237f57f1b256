#include <glib.h>
#include <string.h>

#include "daemon/pinsvc/body.h"
#include "tests/lib/fault.h"

#define CID_A "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"
#define CID_B "bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey"
#define PEER "12D3KooWPWhuasJ2zc7v4bJZFHfYpmUAkehjqZQVbzjjf8JAmd4Q"
#define ORIGIN "/ip4/127.0.0.1/tcp/20021/p2p/" PEER
#define BIG                                                                                                 \
        "{\"cid\":\"" CID_A "\",\"name\":\"n\",\"origins\":[\"" ORIGIN                                      \
        "\"],\"meta\":{\"a\":\"b\",\"c\":\"\"}}"

static int read_text(const char *text, Pin *pin, Error *error) {
        return pinsvc_body_read(text, strlen(text), pin, error);
}

static void test_taken(void) {
        static const struct {
                const char *text, *cid, *name;
                size_t n_origins, n_meta;
        } cases[] = {
                { "{\"cid\":\"" CID_A "\"}", CID_A, NULL, 0, 0 },
                { " {\"cid\" : \"" CID_B "\"}\n", CID_B, NULL, 0, 0 },
                { BIG, CID_A, "n", 1, 2 },
                { "{\"cid\":\"" CID_A "\",\"name\":null,\"origins\":null,\"meta\":null}",
                  CID_A,
                  NULL,
                  0,
                  0 },
                { "{\"cid\":\"" CID_A "\",\"name\":\"\",\"origins\":[],\"meta\":{}}", CID_A, "", 0, 0 },
                { "{\"cid\":\"" CID_A "\",\"unknown\":[{}],\"status\":7}", CID_A, NULL, 0, 0 },
                { "{\"cid\":\"" CID_A "\",\"cid\":\"" CID_B "\",\"name\":\"a\",\"name\":\"b\"}",
                  CID_B,
                  "b",
                  0,
                  0 },
                { "{\"cid\":\"" CID_A "\",\"meta\":{\"a\":\"1\",\"a\":\"2\"}}", CID_A, NULL, 0, 1 },
                { "{\"cid\":\"" CID_A "\",\"Name\":\"x\",\"CID\":1}", CID_A, NULL, 0, 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(error_done) Error error = {};
                char text[CID_TEXT_MAX];
                Pin pin = {};

                g_test_message("%s", cases[i].text);
                if (read_text(cases[i].text, &pin, &error) < 0)
                        g_error("%s", error_message(&error));
                g_assert_cmpstr(cid_format(&pin.cid, text), ==, cases[i].cid);
                g_assert_cmpstr(pin.name, ==, cases[i].name);
                g_assert_cmpuint(pin.origins.n, ==, cases[i].n_origins);
                g_assert_cmpuint(pin.metadata.n, ==, cases[i].n_meta);
                g_assert_cmpint(pin.type, ==, PIN_TYPE_DATA);
                g_assert_cmpint(pin.max_depth, ==, PIN_DEPTH_RECURSIVE);
                g_assert_cmpint(pin.replication_factor_min, ==, 0);
                pin_done(&pin);
        }
}

static void test_refused(void) {
        static const struct {
                const char *text, *words;
        } cases[] = {
                { "", "the body: nothing is not allowed, expected " },
                { "zz", "the body: " },
                { "null", "the body: " },
                { "[]", "the body: " },
                { "\"" CID_A "\"", "the body: " },
                { BIG BIG, "the body: " },
                { "{}", "cid: nothing is not allowed, expected a CID" },
                { "{\"cid\":null}", "cid: nothing is not allowed, expected a CID" },
                { "{\"cid\":\"\"}", "cid: \"\" is not allowed, expected a CID" },
                { "{\"cid\":\"junk\"}", "cid: \"junk\" is not allowed, expected a CID" },
                { "{\"cid\":1}", "cid: 1 is not allowed, expected a CID" },
                { "{\"cid\":\"" CID_A "\",\"name\":1}", "name: 1 is not allowed, expected " },
                { "{\"cid\":\"" CID_A "\",\"name\":\"a\\u0000b\"}",
                  "name: \"a\\u0000b\" is not allowed, expected " },
                { "{\"cid\":\"" CID_A "\",\"origins\":\"" ORIGIN "\"}", "origins: \"" },
                { "{\"cid\":\"" CID_A "\",\"origins\":[\"junk\"]}",
                  "origins: [\"junk\"] is not allowed, expected " },
                { "{\"cid\":\"" CID_A "\",\"origins\":[\"/ip4/1.2.3.4/tcp/1\"]}",
                  "origins[0]: '/ip4/1.2.3.4/tcp/1' is not allowed, expected a multiaddr with /p2p/" },
                { "{\"cid\":\"" CID_A "\",\"meta\":[]}", "meta: [] is not allowed, expected " },
                { "{\"cid\":\"" CID_A "\",\"meta\":{\"a\":1}}", "meta" },
                { "{\"cid\":\"" CID_A "\",\"meta\":{\"a\":{}}}", "meta" },
                { "{\"cid\":\"" CID_A "\",\"meta\":{\"a\":null}}", "meta" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(error_done) Error error = {};
                Pin pin = {};

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(read_text(cases[i].text, &pin, &error), <, 0);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
                g_test_message("%s", error_message(&error));
                if (!g_str_has_prefix(error_message(&error), cases[i].words))
                        g_error("%s: %s", cases[i].text, error_message(&error));
                g_assert_cmpint(memcmp(&pin, &(Pin){}, sizeof(pin)), ==, 0);
        }
}

/* Nothing but the whole is taken. */
static void test_cut(void) {
        for (size_t n = 0; n < strlen(BIG); n++) {
                _cleanup_(error_done) Error error = {};
                Pin pin = {};

                g_test_message("%zu", n);
                g_assert_cmpint(pinsvc_body_read(BIG, n, &pin, &error), ==, -error_errno(ERROR_INVALID));
        }
}

static void test_deep(void) {
        for (unsigned depth = 1; depth < 100000; depth *= 10) {
                GString *text = g_string_new("{\"cid\":\"" CID_A "\",\"x\":");
                _cleanup_(error_done) Error error = {};
                Pin pin = {};

                for (unsigned i = 0; i < depth; i++)
                        g_string_append_c(text, '[');
                for (unsigned i = 0; i < depth; i++)
                        g_string_append_c(text, ']');
                g_string_append_c(text, '}');
                g_assert_cmpint(read_text(text->str, &pin, &error),
                                ==,
                                depth < JSON_DEPTH_MAX ? 0 : -error_errno(ERROR_INVALID));
                pin_done(&pin);
                g_string_free(text, TRUE);
        }
}

static int read_with(const char *key, const char *each, unsigned n, bool is_map, Pin *pin, Error *error) {
        GString *text = g_string_new("{\"cid\":\"" CID_A "\",");
        int r;

        g_string_append_printf(text, "\"%s\":%s", key, is_map ? "{" : "[");
        for (unsigned i = 0; i < n; i++) {
                g_string_append(text, i > 0 ? "," : "");
                if (is_map)
                        g_string_append_printf(text, "\"%u\":", i);
                g_string_append_printf(text, "\"%s\"", each);
        }
        g_string_append(text, is_map ? "}}" : "]}");
        r = read_text(text->str, pin, error);
        g_string_free(text, TRUE);
        return r;
}

static void test_bounds(void) {
        static const struct {
                const char *key, *each;
                unsigned n;
                bool is_map, is_taken;
        } cases[] = {
                { "meta", "x", PIN_METADATA_MAX, true, true },
                { "meta", "x", PIN_METADATA_MAX + 1, true, false },
                { "origins", ORIGIN, PIN_ORIGINS_MAX, false, true },
                { "origins", ORIGIN, 3 * PIN_ORIGINS_MAX, false, true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(error_done) Error error = {};
                Pin pin = {};

                g_test_message("%s %u", cases[i].key, cases[i].n);
                g_assert_cmpint(read_with(cases[i].key,
                                          cases[i].each,
                                          cases[i].n,
                                          cases[i].is_map,
                                          &pin,
                                          &error) >= 0,
                                ==,
                                cases[i].is_taken);
                g_assert_cmpuint(pin.origins.n, <=, PIN_ORIGINS_MAX);
                pin_done(&pin);
        }
}

static void test_long_name(void) {
        for (unsigned n = 254; n <= 256; n++) {
                GString *text = g_string_new("{\"cid\":\"" CID_A "\",\"name\":\"");
                _cleanup_(error_done) Error error = {};
                Pin pin = {};

                for (unsigned i = 0; i < n; i++)
                        g_string_append(text, i % 2 ? "ä" : "\\u00e4");
                g_string_append(text, "\"}");
                g_assert_cmpint(read_text(text->str, &pin, &error),
                                ==,
                                n <= 255 ? 0 : -error_errno(ERROR_INVALID));
                g_assert_cmpstr(error.message,
                                ==,
                                n <= 255 ? NULL
                                         : "name: 256 characters are not allowed, expected at most 255");
                pin_done(&pin);
                g_string_free(text, TRUE);
        }
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                Pin pin = {};
                int r = read_text(BIG, &pin, &error);

                g_assert_true(r == 0 || r == -ENOMEM);
                pin_done(&pin);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pinsvc/body/taken", test_taken);
        g_test_add_func("/pinsvc/body/refused", test_refused);
        g_test_add_func("/pinsvc/body/cut", test_cut);
        g_test_add_func("/pinsvc/body/deep", test_deep);
        g_test_add_func("/pinsvc/body/bounds", test_bounds);
        g_test_add_func("/pinsvc/body/long-name", test_long_name);
        g_test_add_func("/pinsvc/body/no-memory", test_no_memory);
        return g_test_run();
}
