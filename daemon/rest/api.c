#include "daemon/rest/api.h"

#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/net/listener.h"
#include "daemon/rest/reply.h"
#include "daemon/rest/route.h"

/* ---- dispatch ---- */

static void api_on_closed(HttpRequest *http _unused_, void *userdata) {
        rest_request_free(userdata);
}

/* Escape all but the slashes. */
static int escape_path(Str *to, const char *path) {
        while (*path) {
                size_t n = strcspn(path, "/");
                _cleanup_free_ char *segment = strndup(path, n);

                if (!segment || query_escape_path(to, segment) < 0)
                        return -ENOMEM;
                path += n;
                if (*path == '/' && str_append_char(to, *path++) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int api_redirect(RestRequest *request, unsigned status, const char *path) {
        const char *target = http_request_target(request->http);
        const char *query = strchr(target, '?');
        _cleanup_(str_done) Str location = {};

        if (escape_path(&location, path) < 0 || str_append(&location, query ? query : "") < 0)
                rest_reply_error(request, -ENOMEM, NULL);
        else
                rest_reply_redirect(request, status, location.data);
        return 1;
}

/* Unclean paths and trailing slashes are sent elsewhere: 1 when that was the answer. */
static int api_tidy(RestRequest *request, const char *path) {
        _cleanup_free_ char *clean = NULL;
        size_t n = strlen(path);
        int r;

        r = rest_route_clean(path, &clean);
        if (r < 0) {
                rest_reply_error(request, r, NULL);
                return 1;
        }
        if (r > 0)
                return api_redirect(request, 301, clean);
        if (n <= 1 || path[n - 1] != '/')
                return 0;

        clean = strndup(path, n - 1);
        if (!clean) {
                rest_reply_error(request, -ENOMEM, NULL);
                return 1;
        }
        return api_redirect(request, 307, clean);
}

static void api_dispatch(RestRequest *request) {
        const char *method = http_request_method(request->http);
        const char *path = http_request_query(request->http)->path;
        const RestRoute *route = NULL;

        if (strcmp(method, "OPTIONS") == 0 && strcmp(path, "*") == 0) {
                rest_reply_bare(request, 200);
                return;
        }
        if (api_tidy(request, path))
                return;

        switch (rest_route_find(request->api->surface, method, path, request, &route)) {
        case REST_MATCH_FOUND:
                if (route)
                        route->handle(request);
                else
                        rest_reply_error(request, -ENOMEM, NULL);
                break;
        case REST_MATCH_NOT_FOUND:
                rest_reply_failure(request, ERROR_NOT_FOUND, "not found");
                break;
        case REST_MATCH_NOT_ALLOWED:
                rest_reply_bare(request, 405);
                break;
        }
}

static void api_on_request(HttpRequest *http, void *userdata) {
        RestApi *api = userdata;
        RestRequest *request;

        request = calloc(1, sizeof(RestRequest));
        if (!request) {
                (void) http_request_reply(http, &(HttpReply){ .status = 503 });
                return;
        }
        *request = (RestRequest){ .api = api, .http = http, .guard = guard_ref(api->guard) };
        list_append(&api->requests, &request->link);
        http_request_on_closed(http, api_on_closed, request);
        guard_visit(api->guard, http, &request->visit);
        switch (request->visit.verdict) {
        case GUARD_PASS:
                api_dispatch(request);
                break;
        case GUARD_PREFLIGHT:
                rest_reply_bare(request, 204);
                break;
        case GUARD_NO_MEMORY:
                rest_reply_error(request, -ENOMEM, NULL);
                break;
        case GUARD_NO_AUTH:
        case GUARD_DENIED:
        case GUARD_BAD_TOKEN:
        case _GUARD_VERDICT_N:
                rest_reply_failure(
                                request,
                                ERROR_UNAUTHORIZED,
                                "%s",
                                guard_verdict_words(request->visit.verdict));
                break;
        }
}

static void api_on_finished(HttpRequest *http, unsigned status, uint64_t n_bytes, void *userdata) {
        RestApi *api = userdata;

        guard_log(api->guard, http, status, n_bytes);
}

/* ---- life ---- */

static void api_fill_options(RestApi *api, const Guard *guard, HttpServerOptions *options) {
        *options = (HttpServerOptions){
                .fd = -1,
                .handle = api_on_request,
                .finished = api_on_finished,
                .userdata = api,
        };
        guard_fill_options(guard, options);
}

static int api_add_server(int fd, const char *address, void *userdata) {
        RestApi *api = userdata;
        HttpServerOptions options;

        if (address)
                guard_warn(api->guard, address);
        api_fill_options(api, api->guard, &options);
        options.fd = fd;
        return rest_servers_add(&api->servers, &options);
}

/* Another certificate is for new connections: those that are there go on with the old one. */
static int api_renew_servers(RestApi *api, const Guard *guard) {
        HttpServerOptions options;

        api_fill_options(api, guard, &options);
        if (!guard_has_same_certificate(guard, api->guard))
                return rest_servers_replace(&api->servers, &options);
        rest_servers_set_timeouts(&api->servers, &options);
        return 0;
}

int rest_api_reload(RestApi *api, Error *reterr) {
        _cleanup_(guard_unrefp) Guard *guard = NULL;
        Guard *old = api->guard;
        int r;

        r = guard_new(&guard, &api->options, reterr);
        if (r < 0)
                return r;
        r = api_renew_servers(api, guard);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", api->surface->name);

        if (!guard_has_same_certificate(guard, old))
                log_notice("%s: new connections have another certificate.", api->options.section);
        api->guard = TAKE_PTR(guard);
        guard = old;
        return 0;
}

static int api_listen(RestApi *api, const int *fds, size_t n_fds, Error *reterr) {
        const ListenerPlan plan = {
                .name = api->surface->name,
                .section = api->surface->section,
                .key = "http_listen_multiaddress",
                .note = guard_has_tls(api->guard) ? ", with TLS" : "",
                .addresses = &api->options.api->http_listen_multiaddress,
                .fds = fds,
                .n_fds = n_fds,
                .max = REST_LISTENERS_MAX,
                .add = api_add_server,
                .userdata = api,
        };

        return listener_start(&plan, reterr);
}

static int api_new(RestApi **ret, const RestApiOptions *options, Error *reterr) {
        _cleanup_(rest_api_freep) RestApi *api = calloc(1, sizeof(RestApi));
        const RestSurface *surface = options->surface;
        int r;

        if (!api)
                return error_set_errno(reterr, -ENOMEM, "%s: %m", surface->name);
        *api = (RestApi){
                .surface = surface,
                .event = sd_event_ref(options->event),
                .cluster = options->cluster,
                .options = {
                        .event = options->event,
                        .config = options->config,
                        .api = (const ConfigHttpApi *) ((const char *) options->config + surface->config),
                        .section = surface->section,
                },
        };
        list_init(&api->requests);
        rest_servers_init(&api->servers, options->event);

        r = guard_new(&api->guard, &api->options, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(api);
        return 0;
}

int rest_api_new(RestApi **ret, const RestApiOptions *options, Error *reterr) {
        _cleanup_(rest_api_freep) RestApi *api = NULL;
        int r;

        r = api_new(&api, options, reterr);
        if (r < 0) {
                for (size_t i = 0; i < options->n_fds; i++)
                        close(options->fds[i]);
                return r;
        }

        r = api_listen(api, options->fds, options->n_fds, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(api);
        return 0;
}

RestApi *rest_api_free(RestApi *api) {
        if (!api)
                return NULL;

        /* Each server closes its requests, which frees ours. */
        rest_servers_done(&api->servers);
        assert(list_is_empty(&api->requests));
        guard_unref(api->guard);
        sd_event_unref(api->event);
        free(api);
        return NULL;
}

bool rest_api_is_idle(const RestApi *api) {
        return list_is_empty(&api->requests);
}

void rest_api_stop_accepting(RestApi *api) {
        rest_servers_stop_accepting(&api->servers);
}
