#include "daemon/prometheus/server.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/net/http-server.h"
#include "daemon/net/listener.h"
#include "daemon/prometheus/metrics.h"
#include "daemon/prometheus/process.h"
#include "daemon/prometheus/text.h"

#define SERVER_PATH "/metrics"
#define SERVER_SETTING "observations.metrics.prometheus_endpoint"
#define SERVER_CONNECTIONS_MAX 16

struct PrometheusServer {
        Cluster *cluster;
        HttpServer *http;
};

static void reply_text(HttpRequest *request, unsigned status, const char *type, const char *text) {
        if (http_request_reply(
                            request,
                            &(HttpReply){
                                            .status = status,
                                            .content_type = type,
                                            .body = text,
                                            .size = strlen(text),
                            }) < 0)
                log_warning("Not enough memory to answer a request.");
}

static int write_metrics(PrometheusServer *server, Str *to) {
        _cleanup_(cluster_counters_done) ClusterCounters counters = {};
        PrometheusProcess process;
        int r;

        r = cluster_counters(server->cluster, &counters);
        if (r < 0)
                return r;
        prometheus_process_read(&process);
        (void) prometheus_metrics_write(&counters, time_now(), to);
        prometheus_process_write(&process, to);
        return str_error(to);
}

static void on_request(HttpRequest *request, void *userdata) {
        const char *method = http_request_method(request);
        _cleanup_(str_done) Str text = {};

        if (strcmp(http_request_query(request)->path, SERVER_PATH) != 0)
                reply_text(request,
                           404,
                           PROMETHEUS_TEXT_TYPE,
                           "Not found: the metrics are at " SERVER_PATH "\n");
        else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
                reply_text(request, 405, PROMETHEUS_TEXT_TYPE, "Method not allowed\n");
        else if (write_metrics(userdata, &text) < 0)
                reply_text(request, 500, PROMETHEUS_TEXT_TYPE, "The metrics cannot be had now\n");
        else
                reply_text(request, 200, PROMETHEUS_TEXT_TYPE, text.data);
}

int prometheus_server_new(
                PrometheusServer **ret,
                sd_event *event,
                Cluster *cluster,
                const char *address,
                Error *reterr) {
        _cleanup_(prometheus_server_freep) PrometheusServer *server = calloc(1, sizeof(*server));
        _cleanup_(error_done) Error error = {};
        int fd, r;

        if (!server)
                return error_set_errno(reterr, -ENOMEM, SERVER_SETTING ": %m");
        server->cluster = cluster;

        r = listener_open(address, &fd, &error);
        if (r < 0)
                return error_set(reterr, error.code, SERVER_SETTING ": %s", error_message(&error));
        r = http_server_new(
                        &server->http,
                        event,
                        &(HttpServerOptions){
                                        .fd = fd,
                                        .max_connections = SERVER_CONNECTIONS_MAX,
                                        .handle = on_request,
                                        .userdata = server,
                        });
        if (r < 0)
                return error_set_errno(reterr, r, SERVER_SETTING ": %m");

        log_info("Metrics for Prometheus at %s.", address);
        *ret = TAKE_PTR(server);
        return 0;
}

PrometheusServer *prometheus_server_free(PrometheusServer *server) {
        if (!server)
                return NULL;
        http_server_free(server->http);
        free(server);
        return NULL;
}
