#include <glib.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/rest/surface.h"
#include "tests/lib/fault.h"

static void test_errors(void) {
        static const struct {
                ErrorCode code;
                const char *message;
                unsigned status;
                const char *body;
        } cases[] = {
                { ERROR_INVALID, "x is no y", 400, "{\"code\":400,\"message\":\"x is no y\"}" },
                { ERROR_NOT_FOUND, "", 404, "{\"code\":404,\"message\":\"\"}" },
                { ERROR_UNAUTHORIZED, "a\"b\n", 401, "{\"code\":401,\"message\":\"a\\\"b\\n\"}" },
                { ERROR_REFUSED, "<no>", 500, "{\"code\":500,\"message\":\"\\u003cno\\u003e\"}" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str body = {};

                g_test_message("%s", cases[i].message);
                g_assert_cmpuint(
                                rest_surface.write_error(cases[i].code, cases[i].message, &body),
                                ==,
                                cases[i].status);
                g_assert_cmpstr(body.data, ==, cases[i].body);
        }
}

/* Without memory the body sticks as failed, so that the text below is told. */
static void test_no_memory(void) {
        FOREACH_FAULT {
                Str body = {};

                (void) rest_surface.write_error(ERROR_INVALID, "x", &body);
                g_assert_true(body.failed || strcmp(body.data, "{\"code\":400,\"message\":\"x\"}") == 0);
                str_done(&body);
        }
        g_assert_cmpstr(rest_surface.no_memory, ==, "{\"code\":500,\"message\":\"out of memory\"}\n");
}

static void test_table(void) {
        g_assert_cmpuint(rest_surface.config, ==, offsetof(Config, rest));
        for (size_t i = 0; i < rest_surface.n_routes; i++) {
                const RestRoute *route = &rest_surface.routes[i];

                g_assert_nonnull(route->handle);
                g_assert_true(g_str_has_prefix(route->pattern, "/"));
                for (size_t k = 0; k < i; k++)
                        g_assert_false(strcmp(route->pattern, rest_surface.routes[k].pattern) == 0 &&
                                       strcmp(route->method, rest_surface.routes[k].method) == 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/rest/surface/errors", test_errors);
        g_test_add_func("/rest/surface/no-memory", test_no_memory);
        g_test_add_func("/rest/surface/table", test_table);
        return g_test_run();
}
