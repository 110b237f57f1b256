#pragma once

/*
 * Allocator: which peers shall hold a pin. Pure functions of their arguments, by the rules of the Go
 * program.
 *
 * A peer counts when it has a usable metric of every name in allocate_by and is not blacklisted. It is
 * current (in the stored allocations), priority (in user_allocations) or candidate. With needed = min -
 * current and wanted = max - current: wanted < 0    the first max of the current ones needed <= 0   the
 * stored allocations as they are, also peers that are down else          the current ones, then priority,
 * then candidates, up to wanted of them; fewer than needed is an error
 *
 * Order inside a class, balanced: peers are parted by the first metric (equal values of one that groups,
 * like a tag; else each peer by itself), each part by the next, and so on. Parts stand by weight, then the
 * weight of what is below them, both descending, then value; peers are taken round robin over the parts, at
 * every level.
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

/* All peers that have every metric of ALLOCATE_BY, in the balanced order. */
int allocator_balance(
                const StrList *allocate_by,
                const Metric *metrics,
                size_t n_metrics,
                uint64_t seed,
                PeerIdList *ret);
