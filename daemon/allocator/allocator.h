#pragma once

/*
 * Allocator: which peers shall hold a pin. Pure functions of their arguments (compat 7.5, 7.6).
 *
 * Peers are classified as current (in the stored allocations) before priority (user_allocations) before
 * candidate; a peer that lacks a usable metric of allocate_by is ignored. Order inside a class: partitions
 * by allocate_by, balanced (allocator_balance()).
 */

#include "daemon/types/error.h"
#include "daemon/types/metric.h"
#include "daemon/types/peer-id.h"

typedef struct AllocatorInput {
        const PeerIdList *current;   /* may be NULL */
        const PeerIdList *priority;  /* may be NULL */
        const PeerIdList *blacklist; /* may be NULL */
        int64_t min, max;            /* replication factors; both negative: everywhere */
        const StrList *allocate_by;  /* metric names */
        const Metric *metrics;       /* the latest usable ones of all peers, any order */
        size_t n_metrics;
        uint64_t seed; /* breaks ties inside one partition (random in Go) */
} AllocatorInput;

/* *RET is empty for everywhere. The stored allocations as they are when at least MIN of them are healthy and
 * MAX is not exceeded. Errors: ERROR_REFUSED ("bad replication factors"), ERROR_NOT_ENOUGH_PEERS in the
 * recorded words. */
int allocator_allocate(const AllocatorInput *input, PeerIdList *ret, Error *reterr);

/* All peers that have every metric of ALLOCATE_BY, in the balanced order of compat 7.5. */
int allocator_balance(
                const StrList *allocate_by,
                const Metric *metrics,
                size_t n_metrics,
                uint64_t seed,
                PeerIdList *ret);

/* S's order: ascending by the number in the metric "numpin". */
int allocator_by_numpin(const Metric *metrics, size_t n_metrics, PeerIdList *ret);
