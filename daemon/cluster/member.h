#pragma once

/* The members of the cluster, as far as they are known without asking them (summary.c). */

#include "daemon/cluster/cluster.h"

/* As of what is applied here; this peer is among them. Errors: -ENOMEM. */
int cluster_members(const Cluster *cluster, PeerIdList *ret);
/* What PEER said when it was linked last, or others said of it: "" and NULL when that is nothing. Borrowed
 * until the loop goes on. */
const char *cluster_member_name(const Cluster *cluster, const PeerId *peer);
const StrList *cluster_member_addresses(const Cluster *cluster, const PeerId *peer);
