#pragma once

/*
 * The status of a pinning request: what the statuses of a pin at its peers come to.
 *
 *   pinned    as many peers have it as the pin asks for at least (replication_factor_min), whatever the
 *             others say: nothing is left to wait for. Of one that is to be everywhere, all peers that can
 *             be asked.
 *   pinning   too few have it, and one is at work
 *   queued    too few have it, and one waits for its turn; or nothing is known yet
 *   failed    too few have it, and those that lack it have an error, or cannot be asked. It is tried again,
 *             so this may change.
 */

#include "daemon/types/pin-info.h"
#include "daemon/types/pin.h"

typedef enum PinsvcStatus {
        PINSVC_STATUS_QUEUED,
        PINSVC_STATUS_PINNING,
        PINSVC_STATUS_PINNED,
        PINSVC_STATUS_FAILED,
        _PINSVC_STATUS_N,
        _PINSVC_STATUS_INVALID = -EINVAL,
} PinsvcStatus;

const char *pinsvc_status_to_string(PinsvcStatus status);
PinsvcStatus pinsvc_status_from_string(const char *text, size_t n);

/* PIN is as the pinset has it, INFO what was answered about it. */
PinsvcStatus pinsvc_status_of(const Pin *pin, const GlobalPinInfo *info);
/* Why it has failed, in the words of the first peer with an error, borrowed; NULL: no words. */
const char *pinsvc_status_why(const GlobalPinInfo *info);
