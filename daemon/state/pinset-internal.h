#pragma once

/* What pinset.c, scan.c and requests.c share, and tests that need a small overlay. */

#include <stdbool.h>

#include "daemon/base/list.h"
#include "daemon/state/meta.h"
#include "daemon/state/overlay.h"
#include "daemon/state/pinset.h"
#include "daemon/store/store.h"

struct StatePinset {
        Store *store;
        StateMeta meta; /* of the newest state, overlay included */
        bool is_saved;  /* the file has this meta record */
        bool in_batch;
        bool is_fresh;  /* thrown away, unless it replaces another one */
        bool is_former; /* was replaced: freed with its last scan */
        char *folder;

        StateOverlay *overlay;
        size_t overlay_max;
        uint64_t epoch; /* of changes to come */

        List scans;
        size_t n_scans;
        size_t n_reading; /* scans that read the file and the overlay: both must keep what these see */
};

/* state_pinset_put(), but what is there has a say: MERGE, called when there is something, may have NEW point
 * to something else, in MERGED. */
typedef int (*StateMerge)(const StateRecord *old, StateRecord *new, Str *merged);
int state_pinset_merge(
                StatePinset *pinset, const Cid *key, const void *value, size_t size, StateMerge merge);

/* Take records out of the file and the overlay into the scan's spool, in step with the overlay's growth: all
 * of them before it is full. A failure is the scan's own. */
void state_scan_spool(StateScan *scan);
/* The scan after SCAN, the first one after NULL. */
StateScan *state_scan_of(StatePinset *pinset, StateScan *scan);
void state_scan_move_all(StatePinset *from, StatePinset *to); /* but the counts */
