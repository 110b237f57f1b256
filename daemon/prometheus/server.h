#pragma once

/* PrometheusServer: GET /metrics, by observations.metrics of the configuration. Without credentials: whoever
 * reaches the address may read. */

#include <systemd/sd-event.h>

#include "daemon/cluster/cluster.h"

typedef struct PrometheusServer PrometheusServer;

/* ADDRESS is a canonical multiaddr with tcp or unix. CLUSTER must outlive it. Errors: with words that name
 * the setting. */
int prometheus_server_new(
                PrometheusServer **ret,
                sd_event *event,
                Cluster *cluster,
                const char *address,
                Error *reterr);
PrometheusServer *prometheus_server_free(PrometheusServer *server);
DEFINE_CLEANUP(PrometheusServer *, prometheus_server_free);
