#pragma once

/*
 * TrackerOperation: one pin or unpin under way at Kubo.
 *
 *   pin:    check ──► pin ──► done       (what is pinned rightly already is done after the check)
 *   unpin:  unpin ──► done
 *   any state: error, cancel ──► done
 *
 * Origins of a pin are connected to in the background, without waiting. A pin with pin_update is tried as
 * Kubo's pin/update first, when its first attempt is made and the old one is pinned recursively here; later
 * attempts are plain.
 */

#include "daemon/base/flow.h"
#include "daemon/base/list.h"
#include "daemon/ipfs/ipfs.h"
#include "daemon/types/pin.h"

#define TRACKER_ORIGINS_MAX 10 /* connected to, of one pin */

typedef struct TrackerOperation TrackerOperation;

typedef struct TrackerOperationOptions {
        Ipfs *ipfs;
        const Cid *cid;
        const Pin *pin;    /* NULL: unpin */
        uint64_t attempts; /* begun, this one included */
        /* From the loop, once. IS_DOWN: Kubo did not answer at all. The receiver frees the operation. */
        void (*done)(TrackerOperation *operation, int r, bool is_down, const Error *error, void *userdata);
        void *userdata;
} TrackerOperationOptions;

struct TrackerOperation {
        Flow flow;
        List link;
        Ipfs *ipfs;
        Cid cid;
        Pin pin; /* a copy; its cid is undefined for an unpin */
        bool is_unpin;
        uint64_t attempts;
        uint64_t started; /* µs, for status */
        bool use_update;
        IpfsCall *call;
        IpfsCall *origins[TRACKER_ORIGINS_MAX];
        bool is_down;
        Error error;
        void (*done)(TrackerOperation *operation, int r, bool is_down, const Error *error, void *userdata);
        void *userdata;
};

int tracker_operation_start(TrackerOperation **ret, sd_event *event, const TrackerOperationOptions *options);
/* Cancels without a word. */
TrackerOperation *tracker_operation_free(TrackerOperation *operation);
DEFINE_CLEANUP(TrackerOperation *, tracker_operation_free);
