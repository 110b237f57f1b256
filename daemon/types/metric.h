#pragma once

/* A metric of a peer, and the alert that its expiry raises. */

#include "daemon/base/json.h"
#include "daemon/types/peer-id.h"

typedef struct Metric {
        char *name;
        PeerId peer;
        char *value;
        int64_t expire_nsec; /* UnixNano */
        bool valid;
        int64_t weight;
        bool partitionable;
        int64_t received_at_nsec; /* UnixNano */
} Metric;

typedef struct Alert {
        Metric metric; /* its keys are flattened */
        uint64_t triggered_at;
} Alert;

extern const JsonShape metric_shape;
extern const JsonShape alert_shape;

void metric_done(Metric *metric);
int metric_copy(Metric *to, const Metric *from);
bool metric_is_usable(const Metric *metric, uint64_t now_usec); /* valid and not expired */
void alert_done(Alert *alert);
