#pragma once

/* The connectivity of a cluster as a graph in the DOT language of Graphviz, drawn as the Go program draws
 * it: peers of the cluster in one row, their IPFS daemons in the other. */

#include "daemon/types/connect-graph.h"

/* ALL_IPFS: also the IPFS peers that belong to no peer of the cluster. Errors: -ENOMEM. */
int ctl_graph_write(const ConnectGraph *graph, bool all_ipfs, Str *to);
