#pragma once

/* What a peer counts of itself, for whoever watches over it: read at once, nobody is asked. */

#include "daemon/base/histogram.h"
#include "daemon/cluster/cluster.h"

#define CLUSTER_KUBO_COMMANDS_MAX 32

typedef struct ClusterKuboCounter {
        const char *command; /* "pin/add"; literal */
        Histogram latency;
        uint64_t n_failures;
} ClusterKuboCounter;

typedef enum ClusterRole {
        CLUSTER_ROLE_NONE, /* not known, or no member (any more) */
        CLUSTER_ROLE_VOTER,
        CLUSTER_ROLE_STANDBY,
        CLUSTER_ROLE_SPARE,
        _CLUSTER_ROLE_N,
} ClusterRole;

typedef struct ClusterMember {
        PeerId id;
        char *name; /* "" when it is not known */
        ClusterRole role;
        bool is_up; /* linked, or this peer itself */
} ClusterMember;

typedef struct ClusterCounters {
        ClusterSummary summary;
        PeerId self;
        uint64_t n_pin_queued, n_pinning, n_pin_error;
        uint64_t n_unpin_queued, n_unpinning, n_unpin_error, n_unexpected;
        uint64_t oldest_pin_usec, oldest_unpin_usec; /* wall clock; 0: none waits */
        ClusterRole role;
        uint64_t term, last_index, commit_index, snapshot_index, n_pending;
        Histogram commits;
        uint64_t n_commit_failures;
        ClusterKuboCounter kubo[CLUSTER_KUBO_COMMANDS_MAX];
        size_t n_kubo;
        bool has_disk;
        int64_t disk_weight; /* of the metric freespace or reposize */
        size_t n_alerts, n_calls, n_lists, n_imports;
        ClusterMember *members;
        size_t n_members;
} ClusterCounters;

/* Errors: -ENOMEM, those of the tracker's store. */
int cluster_counters(Cluster *cluster, ClusterCounters *ret);
void cluster_counters_done(ClusterCounters *counters);
