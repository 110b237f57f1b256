#include "daemon/metrics/monitor.h"

#include <string.h>
#include <time.h>

#include "daemon/base/list.h"
#include "daemon/base/log.h"
#include "daemon/base/time.h"

typedef struct MonitorEntry {
        List link;
        Metric metric;
        bool alerted; /* this one's expiry was told */
} MonitorEntry;

struct MetricsMonitor {
        sd_event *event;
        sd_event_source *timer;
        uint64_t check_interval_usec;
        void (*alert)(const Alert *alert, void *userdata);
        void *userdata;
        List entries; /* sorted by name, then peer */
        size_t n_entries;
        Alert *alerts; /* newest first */
        size_t n_alerts;
};

static MonitorEntry *entry_free(MonitorEntry *entry) {
        list_remove(&entry->link);
        metric_done(&entry->metric);
        free(entry);
        return NULL;
}

/* ---- alerts ---- */

const Alert *metrics_monitor_raise(MetricsMonitor *monitor, const Metric *metric) {
        Alert alert = { .triggered_at = time_now() };

        if (metric_copy(&alert.metric, metric) < 0) {
                log_warning("Not enough memory to keep an alert for metric '%s'.", metric->name);
                return NULL;
        }
        if (monitor->n_alerts == METRICS_ALERTS_MAX)
                alert_done(&monitor->alerts[--monitor->n_alerts]);
        memmove(monitor->alerts + 1, monitor->alerts, monitor->n_alerts * sizeof(Alert));
        monitor->alerts[0] = alert;
        monitor->n_alerts++;
        return &monitor->alerts[0];
}

static void monitor_plan(MetricsMonitor *monitor) {
        (void) sd_event_source_set_time_relative(monitor->timer, monitor->check_interval_usec);
        (void) sd_event_source_set_enabled(monitor->timer, SD_EVENT_ONESHOT);
}

static int monitor_on_check(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        MetricsMonitor *monitor = userdata;
        uint64_t now = time_now();
        const Alert *alert;

        LIST_FOREACH (entry, &monitor->entries, MonitorEntry, link) {
                if (!entry->metric.valid || entry->alerted || metric_is_usable(&entry->metric, now))
                        continue;
                entry->alerted = true;
                alert = metrics_monitor_raise(monitor, &entry->metric);
                if (alert && monitor->alert)
                        monitor->alert(alert, monitor->userdata);
        }

        monitor_plan(monitor);
        return 0;
}

void metrics_monitor_set_interval(MetricsMonitor *monitor, uint64_t check_interval_usec) {
        monitor->check_interval_usec = check_interval_usec;
        monitor_plan(monitor);
}

size_t metrics_monitor_alerts(MetricsMonitor *monitor, const Alert **ret) {
        *ret = monitor->alerts;
        return monitor->n_alerts;
}

/* ---- life ---- */

int metrics_monitor_new(
                MetricsMonitor **ret,
                sd_event *event,
                uint64_t check_interval_usec,
                void (*alert)(const Alert *alert, void *userdata),
                void *userdata) {
        _cleanup_(metrics_monitor_freep) MetricsMonitor *monitor = NULL;
        int r;

        monitor = calloc(1, sizeof(MetricsMonitor));
        if (!monitor)
                return -ENOMEM;

        *monitor = (MetricsMonitor){
                .event = sd_event_ref(event),
                .check_interval_usec = check_interval_usec,
                .alert = alert,
                .userdata = userdata,
        };
        list_init(&monitor->entries);

        monitor->alerts = calloc(METRICS_ALERTS_MAX, sizeof(Alert));
        if (!monitor->alerts)
                return -ENOMEM;

        r = sd_event_add_time_relative(
                        event,
                        &monitor->timer,
                        CLOCK_MONOTONIC,
                        check_interval_usec,
                        check_interval_usec / 10,
                        monitor_on_check,
                        monitor);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(monitor);
        return 0;
}

MetricsMonitor *metrics_monitor_free(MetricsMonitor *monitor) {
        if (!monitor)
                return NULL;

        sd_event_source_disable_unref(monitor->timer);
        LIST_FOREACH (entry, &monitor->entries, MonitorEntry, link)
                entry_free(entry);
        for (size_t i = 0; i < monitor->n_alerts; i++)
                alert_done(&monitor->alerts[i]);
        free(monitor->alerts);
        sd_event_unref(monitor->event);
        free(monitor);
        return NULL;
}

/* ---- metrics ---- */

static int entry_compare(const MonitorEntry *entry, const char *name, const PeerId *peer) {
        int c = strcmp(entry->metric.name, name);

        return c != 0 ? c : peer_id_compare(&entry->metric.peer, peer);
}

/* The entry of NAME and PEER, or (with *RET_BEFORE) the one it would stand before. */
static MonitorEntry *monitor_find(
                MetricsMonitor *monitor, const char *name, const PeerId *peer, List **ret_before) {
        LIST_FOREACH (entry, &monitor->entries, MonitorEntry, link) {
                int c = entry_compare(entry, name, peer);

                if (c == 0)
                        return entry;
                if (c > 0) {
                        *ret_before = &entry->link;
                        return NULL;
                }
        }
        *ret_before = &monitor->entries;
        return NULL;
}

static size_t monitor_count_of(MetricsMonitor *monitor, const PeerId *peer) {
        size_t n = 0;

        LIST_FOREACH (entry, &monitor->entries, MonitorEntry, link)
                if (peer_id_equal(&entry->metric.peer, peer))
                        n++;
        return n;
}

static int monitor_add(MetricsMonitor *monitor, const Metric *metric, List *before) {
        MonitorEntry *entry;
        int r;

        if (monitor->n_entries >= (size_t) METRICS_NAMES_MAX * METRICS_PEERS_MAX ||
            monitor_count_of(monitor, &metric->peer) >= METRICS_NAMES_MAX)
                return -ENOBUFS;

        entry = calloc(1, sizeof(MonitorEntry));
        if (!entry)
                return -ENOMEM;
        list_init(&entry->link);
        r = metric_copy(&entry->metric, metric);
        if (r < 0) {
                entry_free(entry);
                return r;
        }
        list_append(before,
                    &entry->link); /* at the end of the ring that begins with BEFORE: just in front of it */
        monitor->n_entries++;
        return 0;
}

int metrics_monitor_put(MetricsMonitor *monitor, const Metric *metric) {
        Metric copy = {};
        MonitorEntry *entry;
        List *before;
        int r;

        entry = monitor_find(monitor, metric->name, &metric->peer, &before);
        if (!entry)
                return monitor_add(monitor, metric, before);

        r = metric_copy(&copy, metric);
        if (r < 0)
                return r;
        metric_done(&entry->metric);
        entry->metric = copy;
        entry->alerted = false;
        return 0;
}

void metrics_monitor_forget(MetricsMonitor *monitor, const PeerId *peer) {
        LIST_FOREACH (entry, &monitor->entries, MonitorEntry, link)
                if (peer_id_equal(&entry->metric.peer, peer)) {
                        entry_free(entry);
                        monitor->n_entries--;
                }
}

int metrics_monitor_get(MetricsMonitor *monitor, const char *name, const Metric ***ret, size_t *ret_n) {
        uint64_t now = time_now();
        const Metric **found;
        size_t n = 0;

        found = calloc(monitor->n_entries + 1, sizeof(Metric *));
        if (!found)
                return -ENOMEM;
        LIST_FOREACH (entry, &monitor->entries, MonitorEntry, link)
                if (strcmp(entry->metric.name, name) == 0 && metric_is_usable(&entry->metric, now))
                        found[n++] = &entry->metric;
        *ret = found;
        *ret_n = n;
        return 0;
}

const Metric *metrics_monitor_get_last(MetricsMonitor *monitor, const char *name, const PeerId *peer) {
        List *before;
        MonitorEntry *entry = monitor_find(monitor, name, peer, &before);

        return entry ? &entry->metric : NULL;
}

const Metric *metrics_monitor_get_one(MetricsMonitor *monitor, const char *name, const PeerId *peer) {
        const Metric *metric = metrics_monitor_get_last(monitor, name, peer);

        return metric && metric_is_usable(metric, time_now()) ? metric : NULL;
}

int metrics_monitor_names(MetricsMonitor *monitor, StrList *ret) {
        uint64_t now = time_now();
        StrList names = { .is_set = true };
        int r = 0;

        LIST_FOREACH (entry, &monitor->entries, MonitorEntry, link) {
                if (!metric_is_usable(&entry->metric, now) || str_list_contains(&names, entry->metric.name))
                        continue;
                r = str_list_append(&names, entry->metric.name);
                if (r < 0) {
                        str_list_done(&names);
                        return r;
                }
        }
        *ret = names;
        return 0;
}
