#include "daemon/rest/surface.h"

#include "daemon/base/json.h"
#include "daemon/config/config.h"
#include "daemon/rest/routes.h"

/* In the order of the Go program's table. */
static const RestRoute routes[] = {
        { "GET", "/id", rest_get_id },
        { "GET", "/version", rest_get_version },
        { "GET", "/peers", rest_get_peers },
        { "POST", "/peers", rest_post_peers },
        { "DELETE", "/peers/{}", rest_delete_peer },
        { "POST", "/add", rest_post_add },
        { "GET", "/allocations", rest_get_allocations },
        { "POST", "/allocations", rest_post_allocations }, /* ours: bulk import */
        { "GET", "/allocations/{}", rest_get_allocation },
        { "GET", "/pinlist", rest_get_pinlist },      /* of 2017 */
        { "POST", "/pins/sync", rest_post_sync_all }, /* of 2017 */
        { "GET", "/pins", rest_get_pins },
        { "POST", "/pins/recover", rest_post_recover_all },
        { "POST", "/pins/{}/sync", rest_post_sync }, /* of 2017 */
        { "POST", "/pins/{}/recover", rest_post_recover },
        { "GET", "/pins/{}", rest_get_pin },
        { "POST", "/pins/{}", rest_post_pin },
        { "POST", "/pins/ipfs/{*}", rest_post_pin_path },
        { "POST", "/pins/ipns/{*}", rest_post_pin_path },
        { "POST", "/pins/ipld/{*}", rest_post_pin_path },
        { "DELETE", "/pins/{}", rest_delete_pin },
        { "DELETE", "/pins/ipfs/{*}", rest_delete_pin_path },
        { "DELETE", "/pins/ipns/{*}", rest_delete_pin_path },
        { "DELETE", "/pins/ipld/{*}", rest_delete_pin_path },
        { "POST", "/ipfs/gc", rest_post_gc },
        { "GET", "/health/graph", rest_get_graph },
        { "GET", "/health/alerts", rest_get_alerts },
        { "GET", "/health/bandwidth", rest_get_bandwidth },
        { "GET", "/monitor/metrics/{}", rest_get_metric },
        { "GET", "/monitor/metrics", rest_get_metric_names },
        { "POST", "/token", rest_post_token },
        { "GET", "/health", rest_get_health },
};

static unsigned surface_write_error(ErrorCode code, const char *message, Str *to) {
        unsigned status = error_http_status(code);

        (void) str_appendf(to, "{\"code\":%u,\"message\":", status);
        (void) json_write_string(to, message);
        (void) str_append_char(to, '}');
        return status;
}

const RestSurface rest_surface = {
        .name = "REST API",
        .section = "api.restapi",
        .config = offsetof(Config, rest),
        .routes = routes,
        .n_routes = ELEMENTSOF(routes),
        .write_error = surface_write_error,
        .no_memory = "{\"code\":500,\"message\":\"out of memory\"}\n",
};
