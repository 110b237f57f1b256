#pragma once

/* The metrics of a peer: those of the Go program under its names, as far as they mean something here, and
 * others. */

#include "daemon/base/str.h"
#include "daemon/cluster/counters.h"

/* NOW: wall clock, for ages. Errors: -ENOMEM. */
int prometheus_metrics_write(const ClusterCounters *counters, uint64_t now_usec, Str *to);
