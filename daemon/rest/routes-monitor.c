/* Health, metrics, garbage collection, and what is not offered. */

#include "daemon/rest/reply.h"
#include "daemon/rest/routes.h"

void rest_get_health(RestRequest *request) {
        rest_reply_empty(request, 204);
}

static void on_graph(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const ConnectGraph *graph,
                void *userdata) {
        if (r < 0)
                rest_reply_error(userdata, r, error);
        else
                rest_reply_json(userdata, &connect_graph_shape, graph);
}

void rest_get_graph(RestRequest *request) {
        int r = cluster_graph(request->api->cluster, &request->call, on_graph, request);

        if (r < 0)
                rest_reply_error(request, r, NULL);
}

void rest_get_alerts(RestRequest *request) {
        const Alert *alerts;
        size_t n = cluster_alerts(request->api->cluster, &alerts);
        Str body = {};

        (void) str_append_char(&body, '[');
        for (size_t i = 0; i < n; i++) {
                (void) str_append(&body, i > 0 ? "," : "");
                (void) json_write(&alert_shape, &alerts[i], &body);
        }
        (void) str_append_char(&body, ']');
        rest_reply_text(request, 200, &body);
}

/* No libp2p, no bandwidth by protocol: the map is empty, as the Go program's before any traffic. */
void rest_get_bandwidth(RestRequest *request) {
        Str body = {};

        (void) str_append(&body, "{}");
        rest_reply_text(request, 200, &body);
}

void rest_get_metric_names(RestRequest *request) {
        StrList names = {};
        Str body = {};
        int r;

        r = cluster_metric_names(request->api->cluster, &names);
        if (r < 0) {
                rest_reply_error(request, r, NULL);
                return;
        }
        (void) str_append_char(&body, '[');
        for (size_t i = 0; i < names.n; i++) {
                (void) str_append(&body, i > 0 ? "," : "");
                (void) json_write_string(&body, names.items[i]);
        }
        (void) str_append_char(&body, ']');
        str_list_done(&names);
        rest_reply_text(request, 200, &body);
}

void rest_get_metric(RestRequest *request) {
        _cleanup_free_ const Metric **metrics = NULL;
        Str body = {};
        size_t n;
        int r;

        r = cluster_metrics(request->api->cluster, request->segments[0], &metrics, &n);
        if (r < 0) {
                rest_reply_error(request, r, NULL);
                return;
        }
        (void) str_append_char(&body, '[');
        for (size_t i = 0; i < n; i++) {
                (void) str_append(&body, i > 0 ? "," : "");
                (void) json_write(&metric_shape, metrics[i], &body);
        }
        (void) str_append_char(&body, ']');
        rest_reply_text(request, 200, &body);
}

static void on_gc(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const GlobalRepoGc *gc,
                void *userdata) {
        if (r < 0)
                rest_reply_error(userdata, r, error);
        else
                rest_reply_json(userdata, &global_repo_gc_shape, gc);
}

void rest_post_gc(RestRequest *request) {
        int r = cluster_collect_garbage(
                        request->api->cluster,
                        &request->call,
                        rest_request_flag(request, "local"),
                        on_gc,
                        request);

        if (r < 0)
                rest_reply_error(request, r, NULL);
}

/* Without credentials in the configuration there is nobody to make a token for. */
void rest_post_token(RestRequest *request) {
        _cleanup_free_ char *token = NULL;
        Str body = {};
        int r;

        if (!request->visit.user) {
                rest_reply_failure(request, ERROR_UNAUTHORIZED, "unauthorized");
                return;
        }
        r = guard_make_token(request->guard, request->visit.user, &token);
        if (r < 0) {
                rest_reply_error(request, r, NULL);
                return;
        }
        (void) str_append(&body, "{\"token\":");
        (void) json_write_string(&body, token);
        (void) str_append_char(&body, '}');
        rest_reply_text(request, 200, &body);
}
