#pragma once

/* The pinset that a stopped peer has, for an import into it: to be kept with what is imported, or to be
 * compared with what would come of that. */

#include "daemon/offline/peer.h"
#include "daemon/state/pinset.h"
#include "daemon/state/spool.h"

/* How AFTER differs from the pinset as it is. */
typedef struct OfflineDifference {
        uint64_t n_added, n_changed, n_same, n_removed;
} OfflineDifference;

/* Write all pins to SPOOL. A peer that never ran has none. */
int offline_present_keep(const OfflinePeer *peer, StateSpool *spool, Error *reterr);
int offline_present_compare(
                const OfflinePeer *peer, StatePinset *after, OfflineDifference *ret, Error *reterr);
