#pragma once

/*
 * MetricsMonitor: the latest metric of each (name, peer), and alerts for those that expired.
 *
 * Bounds: METRICS_NAMES_MAX names a peer; METRICS_ALERTS_MAX alerts, of which the oldest goes first.
 */

#include <systemd/sd-event.h>

#include "daemon/types/metric.h"

#define METRICS_NAMES_MAX 64
#define METRICS_PEERS_MAX 4096
#define METRICS_ALERTS_MAX 1000

typedef struct MetricsMonitor MetricsMonitor;

/* ALERT (may be NULL) is told each new alert, from the loop. */
int metrics_monitor_new(
                MetricsMonitor **ret,
                sd_event *event,
                uint64_t check_interval_usec,
                void (*alert)(const Alert *alert, void *userdata),
                void *userdata);
MetricsMonitor *metrics_monitor_free(MetricsMonitor *monitor);
DEFINE_CLEANUP(MetricsMonitor *, metrics_monitor_free);

void metrics_monitor_set_interval(MetricsMonitor *monitor, uint64_t check_interval_usec);

int metrics_monitor_put(MetricsMonitor *monitor, const Metric *metric); /* copied; -ENOBUFS beyond a bound */
void metrics_monitor_forget(MetricsMonitor *monitor, const PeerId *peer);

/* Borrowed until the next put: usable metrics called NAME, sorted by peer. *RET is to be freed by the
 * caller, its elements are not. */
int metrics_monitor_get(MetricsMonitor *monitor, const char *name, const Metric ***ret, size_t *ret_n);
const Metric *metrics_monitor_get_one(
                MetricsMonitor *monitor, const char *name, const PeerId *peer); /* usable, or NULL */
const Metric *metrics_monitor_get_last(
                MetricsMonitor *monitor, const char *name, const PeerId *peer); /* also an expired one */
int metrics_monitor_names(MetricsMonitor *monitor, StrList *ret);               /* of usable ones, sorted */

/* An alert that is not about an expiry, and not told to ALERT: METRIC says of whom, and in its name and
 * value what. Borrowed until the next one; NULL when there was no memory. */
const Alert *metrics_monitor_raise(MetricsMonitor *monitor, const Metric *metric);
/* Newest first; borrowed until the loop goes on. */
size_t metrics_monitor_alerts(MetricsMonitor *monitor, const Alert **ret);
