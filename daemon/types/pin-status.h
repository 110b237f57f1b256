#pragma once

/* The status of a pin on a peer: a bit mask, so that a filter is an OR of statuses. */

#include <stdbool.h>

#include "daemon/base/json.h"

typedef enum PinStatus {
        PIN_STATUS_UNDEFINED = 0,
        PIN_STATUS_CLUSTER_ERROR = 2,
        PIN_STATUS_PIN_ERROR = 4,
        PIN_STATUS_UNPIN_ERROR = 8,
        PIN_STATUS_PINNED = 16,
        PIN_STATUS_PINNING = 32,
        PIN_STATUS_UNPINNING = 64,
        PIN_STATUS_UNPINNED = 128,
        PIN_STATUS_REMOTE = 256,
        PIN_STATUS_PIN_QUEUED = 512,
        PIN_STATUS_UNPIN_QUEUED = 1024,
        PIN_STATUS_SHARDED = 2048,
        PIN_STATUS_UNEXPECTEDLY_UNPINNED = 4096,
        PIN_STATUS_ERROR = 14,    /* filter only */
        PIN_STATUS_QUEUED = 1536, /* filter only */
} PinStatus;

const char *pin_status_to_string(PinStatus status);
PinStatus pin_status_from_string(const char *text); /* unknown: PIN_STATUS_UNDEFINED */

/* A comma list without regard to spaces; unknown names are dropped. Answers the mask, 0 when no name is
 * known ("undefined" is none). */
PinStatus pin_status_filter(const char *text);

/* Filter 0 matches everything, status 0 matches every filter, else a bit test. */
static inline bool pin_status_matches(PinStatus status, PinStatus filter) {
        return filter == 0 || status == 0 || (status & filter) != 0;
}

extern const JsonType pin_status_json; /* int */
