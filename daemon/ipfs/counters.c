#include "daemon/ipfs/counters.h"

#include <string.h>

static size_t find(const IpfsCounters *counters, const char *command) {
        size_t i = 0;

        while (i < counters->n && strcmp(counters->items[i].command, command) != 0)
                i++;
        return i;
}

void ipfs_counters_add(IpfsCounters *counters, const char *command, uint64_t usec, bool is_failure) {
        size_t i = MIN(find(counters, command), (size_t) IPFS_COUNTERS_MAX - 1);

        if (i == counters->n)
                counters->items[counters->n++].command = command;
        histogram_add(&counters->items[i].latency, usec);
        counters->items[i].n_failures += is_failure;
}

const IpfsCounter *ipfs_counters_find(const IpfsCounters *counters, const char *command) {
        size_t i = find(counters, command);

        return i < counters->n ? &counters->items[i] : NULL;
}
