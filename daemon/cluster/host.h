#pragma once

/* What the host asks of a running peer. */

#include "daemon/cluster/cluster.h"

/* The keys of the configuration that may change while the peer runs (CONFIG_LIVE) have changed in place. On
 * an error (-ENOMEM) the peer goes on as it was, and the configuration has to be put back. */
int cluster_reload(Cluster *cluster, Error *reterr);

/* The host goes down, or the peer: let another one lead, so that nobody has to find out that this one is
 * gone. Answers 1 when that has begun (it shows in the leader), 0 when there is nothing to hand over, or
 * nobody. */
int cluster_hand_over(Cluster *cluster);

/* What is known of the unit that runs Kubo on this host; ignored when the configuration names a Kubo
 * elsewhere. What fails because it is stopped or restarted is no attempt of a pin. */
typedef enum ClusterIpfsUnit {
        CLUSTER_IPFS_UNKNOWN,
        CLUSTER_IPFS_RUNS,
        CLUSTER_IPFS_ENDED,
        CLUSTER_IPFS_CHANGES, /* it is being started or stopped */
} ClusterIpfsUnit;
void cluster_ipfs_unit(Cluster *cluster, ClusterIpfsUnit state);
