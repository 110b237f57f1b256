#pragma once

/* What the host asks of a running peer. */

#include "daemon/cluster/cluster.h"

/* The keys of the configuration that may change while the peer runs (CONFIG_LIVE) have changed in place. On
 * an error (-ENOMEM) the peer goes on as it was, and the configuration has to be put back. */
int cluster_reload(Cluster *cluster, Error *reterr);
