#include <glib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/pinsvc/routes.h"
#include "daemon/pinsvc/surface.h"
#include "daemon/rest/route.h"
#include "daemon/rest/routes.h"

/* Each code has a word for programs, and a status of the specification's: 4xx, or 5xx where trying again may
 * help. */
static void test_errors(void) {
        static const struct {
                ErrorCode code;
                unsigned status;
                const char *reason;
        } cases[] = {
                { ERROR_INVALID, 400, "BAD_REQUEST" }, { ERROR_UNAUTHORIZED, 401, "UNAUTHORIZED" },
                { ERROR_NOT_FOUND, 404, "NOT_FOUND" }, { ERROR_TOO_BIG, 413, "TOO_BIG" },
                { ERROR_REFUSED, 409, "CONFLICT" },    { ERROR_BUSY, 503, "BUSY" },
                { ERROR_NO_LEADER, 500, "NO_LEADER" }, { ERROR_NO_MEMORY, 500, "INTERNAL_SERVER_ERROR" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *wanted = g_strdup_printf(
                                "{\"error\":{\"reason\":\"%s\",\"details\":\"a \\\"b\\\"\"}}",
                                cases[i].reason);
                Str body = {};

                g_assert_cmpuint(
                                pinsvc_surface.write_error(cases[i].code, "a \"b\"", &body),
                                ==,
                                cases[i].status);
                g_assert_cmpstr(body.data, ==, wanted);
                str_done(&body);
        }
        for (ErrorCode code = ERROR_NONE; code < _ERROR_N; code++) {
                Str body = {};

                g_test_message("%d", (int) code);
                (void) pinsvc_surface.write_error(code, "", &body);
                g_assert_null(strstr(body.data, "(null)"));
                str_done(&body);
        }
}

static void test_routes(void) {
        static const struct {
                const char *method, *path;
                RestMatch match;
                void (*handle)(RestRequest *request);
        } cases[] = {
                { "GET", "/pins", REST_MATCH_FOUND, pinsvc_get_pins },
                { "POST", "/pins", REST_MATCH_FOUND, pinsvc_post_pins },
                { "GET", "/pins/x", REST_MATCH_FOUND, pinsvc_get_pin },
                { "POST", "/pins/x", REST_MATCH_FOUND, pinsvc_post_pin },
                { "DELETE", "/pins/x", REST_MATCH_FOUND, pinsvc_delete_pin },
                { "POST", "/token", REST_MATCH_FOUND, rest_post_token },
                { "GET", "/health", REST_MATCH_FOUND, rest_get_health },
                { "PUT", "/pins", REST_MATCH_NOT_ALLOWED, NULL },
                { "GET", "/pins/x/y", REST_MATCH_NOT_FOUND, NULL },
                { "GET", "/id", REST_MATCH_NOT_FOUND, NULL },
                { "GET", "/", REST_MATCH_NOT_FOUND, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const RestRoute *route = NULL;
                RestRequest request = {};

                g_test_message("%s %s", cases[i].method, cases[i].path);
                g_assert_cmpint(rest_route_find(&pinsvc_surface,
                                                cases[i].method,
                                                cases[i].path,
                                                &request,
                                                &route),
                                ==,
                                cases[i].match);
                g_assert_true(!cases[i].handle || route->handle == cases[i].handle);
                free(request.path);
        }
        g_assert_cmpuint(pinsvc_surface.config, ==, offsetof(Config, pinsvc));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pinsvc/surface/errors", test_errors);
        g_test_add_func("/pinsvc/surface/routes", test_routes);
        return g_test_run();
}
