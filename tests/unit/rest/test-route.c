#include <glib.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/rest/route.h"
#include "daemon/rest/routes.h"

#define METHODS "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"

/* ---- the recorded matrix of methods; POST /allocations is ours, and answers what is not in the recorded
 * program */

static bool is_ours(const char *path, const char *method) {
        return strcmp(path, "/allocations") == 0 && strcmp(method, "POST") == 0;
}

static RestMatch match_of(int status) {
        if (status == 405)
                return REST_MATCH_NOT_ALLOWED;
        return status == 404 ? REST_MATCH_NOT_FOUND : REST_MATCH_FOUND;
}

static void test_matrix(void) {
        json_object *file = json_object_from_file(GOLDEN "/rest/299-method-matrix.json"), *matrix;
        size_t n = 0;

        g_assert_true(json_object_object_get_ex(file, "matrix", &matrix));
        json_object_object_foreach(matrix, path, methods) {
                json_object_object_foreach(methods, method, status) {
                        RestRequest request = {};
                        const RestRoute *route = NULL;
                        RestMatch match = rest_route_find(&rest_surface, method, path, &request, &route);

                        n++;
                        g_test_message("%s %s", method, path);
                        if (is_ours(path, method))
                                g_assert_cmpint(match, ==, REST_MATCH_FOUND);
                        else if (json_object_is_type(status, json_type_int))
                                g_assert_cmpint(match, ==, match_of(json_object_get_int(status)));
                        free(request.path);
                }
        }
        g_assert_cmpuint(n, ==, 196);
        json_object_put(file);
}

/* ---- which handler, and what it is told */

static void test_found(void) {
        static const struct {
                const char *method, *path;
                void (*handle)(RestRequest *request);
                const char *segment, *rest;
        } cases[] = {
                { "GET", "/pins", rest_get_pins, NULL, NULL },
                { "GET", "/pins/x", rest_get_pin, "x", NULL },
                { "POST", "/pins/x", rest_post_pin, "x", NULL },
                { "DELETE", "/pins/x", rest_delete_pin, "x", NULL },
                { "POST", "/pins/recover", rest_post_recover_all, NULL, NULL },
                { "POST", "/pins/sync", rest_post_sync_all, NULL, NULL },
                { "GET", "/pins/recover", rest_get_pin, "recover", NULL },
                { "POST", "/pins/x/recover", rest_post_recover, "x", NULL },
                { "POST", "/pins/x/sync", rest_post_sync, "x", NULL },
                { "POST", "/pins/ipfs/recover", rest_post_recover, "ipfs", NULL },
                { "POST", "/pins/ipfs/a/b", rest_post_pin_path, NULL, "/ipfs/a/b" },
                { "POST", "/pins/ipns/a", rest_post_pin_path, NULL, "/ipns/a" },
                { "DELETE", "/pins/ipld/a", rest_delete_pin_path, NULL, "/ipld/a" },
                { "GET", "/pinlist", rest_get_pinlist, NULL, NULL },
                { "GET", "/monitor/metrics", rest_get_metric_names, NULL, NULL },
                { "GET", "/monitor/metrics/tag:a b", rest_get_metric, "tag:a b", NULL },
                { "DELETE", "/peers/x", rest_delete_peer, "x", NULL },
                { "GET", "/health", rest_get_health, NULL, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                RestRequest request = {};
                const RestRoute *route = NULL;

                g_test_message("%s %s", cases[i].method, cases[i].path);
                g_assert_cmpint(rest_route_find(&rest_surface,
                                                cases[i].method,
                                                cases[i].path,
                                                &request,
                                                &route),
                                ==,
                                REST_MATCH_FOUND);
                g_assert_true(route->handle == cases[i].handle);
                if (cases[i].segment)
                        g_assert_cmpstr(request.segments[0], ==, cases[i].segment);
                if (cases[i].rest)
                        g_assert_cmpstr(request.rest, ==, cases[i].rest);
                free(request.path);
        }
}

static void test_not_found(void) {
        static const char *const paths[] = { "",
                                             "/",
                                             "*",
                                             "pins",
                                             "/pin",
                                             "/pins/a/b",
                                             "/pins/a/recover/b",
                                             "/pins//",
                                             "/idx",
                                             "/id/",
                                             "/monitor/metrics/a/b",
                                             "/health/x" };
        static const char *const methods[] = { METHODS };

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
                for (size_t k = 0; k < G_N_ELEMENTS(methods); k++) {
                        RestRequest request = {};
                        const RestRoute *route = NULL;

                        g_test_message("%s %s", methods[k], paths[i]);
                        g_assert_cmpint(rest_route_find(&rest_surface,
                                                        methods[k],
                                                        paths[i],
                                                        &request,
                                                        &route),
                                        ==,
                                        REST_MATCH_NOT_FOUND);
                        g_assert_null(request.path);
                }
}

static void test_clean(void) {
        static const struct {
                const char *path, *clean; /* NULL: it is clean */
        } cases[] = {
                { "/", NULL },
                { "/id", NULL },
                { "/id/", NULL },
                { "/a/b/c", NULL },
                { "//id", "/id" },
                { "/pins//x", "/pins/x" },
                { "/pins/./x", "/pins/x" },
                { "/pins/../id", "/id" },
                { "/../../id", "/id" },
                { "/a/..", "/" },
                { "/..", "/" },
                { "/.", "/" },
                { "//", "/" },
                { "/id//", "/id/" },
                { "/a/b/../../c/", "/c/" },
                { "/a/../", "/" },
                { "/a/./", "/a/" },
                { "/a/.//", "/a/" },
                { "/...", NULL },
                { "/..a", NULL },
                { "/a/.b", NULL },
                { "id", "/id" },
                { "", "/" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_free_ char *clean = NULL;

                g_test_message("'%s'", cases[i].path);
                g_assert_cmpint(rest_route_clean(cases[i].path, &clean), ==, cases[i].clean ? 1 : 0);
                g_assert_cmpstr(clean, ==, cases[i].clean);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/rest/route/matrix", test_matrix);
        g_test_add_func("/rest/route/found", test_found);
        g_test_add_func("/rest/route/not-found", test_not_found);
        g_test_add_func("/rest/route/clean", test_clean);
        return g_test_run();
}
