#pragma once

/* What other peers may ask of this one: the methods "id", "status", "records", "check", "gc",
 * "repo", "graph". */

#include "daemon/cluster/internal.h"

#define CLUSTER_REMOTE_GC_KEYS_MAX 20000 /* listed in one answer */

extern const RpcMethod cluster_remote_methods[]; /* their userdata is the Cluster */

/* The answer of this peer to "records". */
int cluster_remote_page(Cluster *cluster, const TrackerPageQuestion *question, TrackerPage *ret);

/* What is being asked ends with an error. */
void cluster_remote_stop_all(Cluster *cluster);
/* CID's status has changed. */
void cluster_remote_note(Cluster *cluster, const Cid *cid);
