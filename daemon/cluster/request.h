#pragma once

/*
 * Pinning requests (types/pin-request.h) of a cluster: put, replaced and removed. What a request does to the
 * pin that it is about is decided when it is applied, the same on every peer (state/requests.h).
 *
 * The status of one is cluster_status() of the CID in its id, whose answer has the requests; of many, a
 * ClusterStatusQuery that wants those pins.
 */

#include "daemon/cluster/cluster.h"
#include "daemon/types/pin-request.h"

/* INFO is what the pinset says, no peer is asked; of a removal, what it said before. */
typedef void (*ClusterRequestDone)(
                ClusterCall *call,
                int r,
                const Error *error,
                const PinRequestId *id,
                const GlobalPinInfo *info,
                void *userdata);

/* A request for the CID of PIN, recursive, with its name, metadata and origins; what it makes a pin of has
 * the options of the configuration. REPLACES (may be NULL) goes when the new one is there, in the same
 * entry; of another CID, Kubo makes the new pin by an update of the old one. ID is that of the new one.
 *
 * Errors: ERROR_NOT_FOUND (REPLACES is not there: nothing was done); ERROR_REFUSED (PIN_REQUESTS_MAX, or
 * what a pin is refused for); ERROR_TOO_BIG. */
int cluster_request_put(
                Cluster *cluster,
                ClusterCall **ret,
                const Pin *pin,
                const PinRequestId *replaces,
                ClusterRequestDone done,
                void *userdata);

/* A plain ID: what keeps the pin beside its requests goes, and the pin when there are none. Errors:
 * ERROR_NOT_FOUND. */
int cluster_request_remove(
                Cluster *cluster,
                ClusterCall **ret,
                const PinRequestId *id,
                ClusterRequestDone done,
                void *userdata);

/* The addresses of the Kubos of PEERS (empty: of all members), with /p2p/, as their pings told last.
 * Appended to the zeroed RET, each once. */
int cluster_ipfs_addresses(Cluster *cluster, const PeerIdList *peers, StrList *ret);
