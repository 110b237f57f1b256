#pragma once

/* ClusterImport: pins in bulk, as they are (pin_import_read()), committed in batches through the log. */

#include "daemon/cluster/cluster.h"

#define CLUSTER_IMPORTS_MAX 8 /* under way */

typedef struct ClusterImport ClusterImport;

typedef struct ClusterImportOptions {
        int64_t replication_factor_min, replication_factor_max; /* override when above 0 */
        const PeerIdList *allocations;                          /* override when not empty */
} ClusterImportOptions;

/* WAKE: cluster_import_add() may be called again. DONE, once, with the number of pins committed: after
 * cluster_import_finish(), when all that was added is; or early with an error, when nothing is under way any
 * more. Both from the loop; DONE may free the import. Errors: -EBUSY (CLUSTER_IMPORTS_MAX), -ENOMEM. */
int cluster_import_new(
                Cluster *cluster,
                ClusterImport **ret,
                const ClusterImportOptions *options,
                void (*wake)(void *userdata),
                void (*done)(int r, const Error *error, uint64_t n_committed, void *userdata),
                void *userdata);
ClusterImport *cluster_import_free(ClusterImport *import);
DEFINE_CLEANUP(ClusterImport *, cluster_import_free);
/* Answers 1: taken (copied); 0: too much is under way, wait for WAKE and call again. Errors: PIN cannot be
 * taken, nothing has changed; what was added before is committed by cluster_import_finish() all the same. */
int cluster_import_add(ClusterImport *import, const Pin *pin, Error *reterr);
void cluster_import_finish(ClusterImport *import);
