#pragma once

/* How long Kubo took for each command, and how often it failed. */

#include <stdbool.h>

#include "daemon/base/histogram.h"

#define IPFS_COUNTERS_MAX 32 /* commands; more are counted with the last one */

typedef struct IpfsCounter {
        const char *command; /* "pin/add"; literal */
        Histogram latency;   /* of requests that were not cancelled, whatever came of them */
        uint64_t n_failures; /* of these, what Kubo refused, or did not answer */
} IpfsCounter;

typedef struct IpfsCounters {
        IpfsCounter items[IPFS_COUNTERS_MAX];
        size_t n;
} IpfsCounters;

void ipfs_counters_add(IpfsCounters *counters, const char *command, uint64_t usec, bool is_failure);
const IpfsCounter *ipfs_counters_find(
                const IpfsCounters *counters, const char *command); /* NULL: never asked */
