#include "daemon/types/metric.h"

#include "daemon/base/macro.h"

#define NSEC_PER_USEC 1000

static const JsonField metric_fields[] = {
        { "name", JSON_STRING, offsetof(Metric, name) },
        { "peer", JSON_TYPE, offsetof(Metric, peer), .type = &peer_id_json },
        { "value", JSON_STRING, offsetof(Metric, value) },
        { "expire", JSON_INT, offsetof(Metric, expire_nsec) },
        { "valid", JSON_BOOL, offsetof(Metric, valid) },
        { "weight", JSON_INT, offsetof(Metric, weight) },
        { "partitionable", JSON_BOOL, offsetof(Metric, partitionable) },
        { "received_at", JSON_INT, offsetof(Metric, received_at_nsec) },
        JSON_END,
};

const JsonShape metric_shape = {
        .name = "metric",
        .size = sizeof(Metric),
        .fields = metric_fields,
};

static const JsonField alert_fields[] = {
        { "name", JSON_STRING, offsetof(Alert, metric.name) },
        { "peer", JSON_TYPE, offsetof(Alert, metric.peer), .type = &peer_id_json },
        { "value", JSON_STRING, offsetof(Alert, metric.value) },
        { "expire", JSON_INT, offsetof(Alert, metric.expire_nsec) },
        { "valid", JSON_BOOL, offsetof(Alert, metric.valid) },
        { "weight", JSON_INT, offsetof(Alert, metric.weight) },
        { "partitionable", JSON_BOOL, offsetof(Alert, metric.partitionable) },
        { "received_at", JSON_INT, offsetof(Alert, metric.received_at_nsec) },
        { "triggered_at", JSON_TIME, offsetof(Alert, triggered_at) },
        JSON_END,
};

const JsonShape alert_shape = {
        .name = "alert",
        .size = sizeof(Alert),
        .fields = alert_fields,
};

void metric_done(Metric *metric) {
        free(metric->name);
        free(metric->value);
        *metric = (Metric){};
}

int metric_copy(Metric *to, const Metric *from) {
        _cleanup_(metric_done) Metric copy = *from;

        copy.name = copy.value = NULL;
        if (str_copy(&copy.name, from->name) < 0 || str_copy(&copy.value, from->value) < 0)
                return -ENOMEM;

        metric_done(to);
        *to = copy;
        copy = (Metric){};
        return 0;
}

bool metric_is_usable(const Metric *metric, uint64_t now_usec) {
        return metric->valid && metric->expire_nsec >= 0 &&
               now_usec <= (uint64_t) metric->expire_nsec / NSEC_PER_USEC;
}

void alert_done(Alert *alert) {
        metric_done(&alert->metric);
        *alert = (Alert){};
}
