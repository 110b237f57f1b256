#pragma once

/* The repositories of the peers' Kubos, summed up. */

#include "daemon/base/json.h"
#include "daemon/cluster/cluster.h"

typedef struct ClusterRepo {
        uint64_t size, storage_max; /* UINT64_MAX: no limit, as Kubo has it; sums stay there */
} ClusterRepo;

extern const JsonShape cluster_repo_shape; /* between peers */

static inline uint64_t cluster_repo_sum(uint64_t a, uint64_t b) {
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline void cluster_repo_add(ClusterRepo *to, const ClusterRepo *repo) {
        to->size = cluster_repo_sum(to->size, repo->size);
        to->storage_max = cluster_repo_sum(to->storage_max, repo->storage_max);
}

typedef void (*ClusterRepoDone)(
                ClusterCall *call, int r, const Error *error, const ClusterRepo *repo, void *userdata);

/* Of all peers but this one; one that does not answer is left out, as in the Go program. */
int cluster_repo_of_others(Cluster *cluster, ClusterCall **ret, ClusterRepoDone done, void *userdata);
int cluster_repo_local(Cluster *cluster, ClusterCall **ret, ClusterRepoDone done, void *userdata);
