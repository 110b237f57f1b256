#include "daemon/pinsvc/surface.h"

#include "daemon/base/json.h"
#include "daemon/config/config.h"
#include "daemon/pinsvc/routes.h"
#include "daemon/rest/routes.h"

#define CONFLICT 409

static const RestRoute routes[] = {
        { "GET", "/pins", pinsvc_get_pins },         { "POST", "/pins", pinsvc_post_pins },
        { "GET", "/pins/{}", pinsvc_get_pin },       { "POST", "/pins/{}", pinsvc_post_pin },
        { "DELETE", "/pins/{}", pinsvc_delete_pin }, { "POST", "/token", rest_post_token },
        { "GET", "/health", rest_get_health },
};

static const char *const reasons[_ERROR_N] = {
        [ERROR_NONE] = "INTERNAL_SERVER_ERROR",
        [ERROR_INVALID] = "BAD_REQUEST",
        [ERROR_UNAUTHORIZED] = "UNAUTHORIZED",
        [ERROR_FORBIDDEN] = "FORBIDDEN",
        [ERROR_NOT_FOUND] = "NOT_FOUND",
        [ERROR_NOT_ALLOWED] = "METHOD_NOT_ALLOWED",
        [ERROR_TOO_BIG] = "TOO_BIG",
        [ERROR_BUSY] = "BUSY",
        [ERROR_UNSUPPORTED] = "NOT_IMPLEMENTED",
        [ERROR_REFUSED] = "CONFLICT",
        [ERROR_NOT_ENOUGH_PEERS] = "NOT_ENOUGH_PEERS",
        [ERROR_NO_LEADER] = "NO_LEADER",
        [ERROR_IPFS] = "IPFS_UNAVAILABLE",
        [ERROR_IN_DOUBT] = "IN_DOUBT",
        [ERROR_TIMEOUT] = "TIMEOUT",
        [ERROR_CANCELED] = "CANCELED",
        [ERROR_IO] = "INTERNAL_SERVER_ERROR",
        [ERROR_NO_MEMORY] = "INTERNAL_SERVER_ERROR",
        [ERROR_INTERNAL] = "INTERNAL_SERVER_ERROR",
};

static unsigned write_error(ErrorCode code, const char *message, Str *to) {
        (void) str_appendf(to, "{\"error\":{\"reason\":\"%s\",\"details\":", reasons[code]);
        (void) json_write_string(to, message);
        (void) str_append(to, "}}");
        return code == ERROR_REFUSED ? CONFLICT : error_http_status(code);
}

const RestSurface pinsvc_surface = {
        .name = "Pinning Service API",
        .section = "api.pinsvcapi",
        .config = offsetof(Config, pinsvc),
        .routes = routes,
        .n_routes = ELEMENTSOF(routes),
        .write_error = write_error,
        .no_memory = "{\"error\":{\"reason\":\"INTERNAL_SERVER_ERROR\",\"details\":\"out of memory\"}}\n",
};
