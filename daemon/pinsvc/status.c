#include "daemon/pinsvc/status.h"

#include <string.h>

static const char *const names[_PINSVC_STATUS_N] = {
        [PINSVC_STATUS_QUEUED] = "queued",
        [PINSVC_STATUS_PINNING] = "pinning",
        [PINSVC_STATUS_PINNED] = "pinned",
        [PINSVC_STATUS_FAILED] = "failed",
};

const char *pinsvc_status_to_string(PinsvcStatus status) {
        return names[status];
}

PinsvcStatus pinsvc_status_from_string(const char *text, size_t n) {
        for (PinsvcStatus i = 0; i < _PINSVC_STATUS_N; i++)
                if (str_equal_n(names[i], text, n))
                        return i;
        return _PINSVC_STATUS_INVALID;
}

/* How many peers are of each kind; those that need not have the pin are of none. */
typedef struct StatusCounts {
        int64_t n_pinned, n_pinning, n_queued, n_errors, n_unreachable;
} StatusCounts;

static int64_t *status_kind(StatusCounts *counts, PinStatus status) {
        switch (status) {
        case PIN_STATUS_PINNED:
        case PIN_STATUS_SHARDED:
                return &counts->n_pinned;
        case PIN_STATUS_PINNING:
                return &counts->n_pinning;
        case PIN_STATUS_PIN_QUEUED:
                return &counts->n_queued;
        case PIN_STATUS_PIN_ERROR:
        case PIN_STATUS_UNPIN_ERROR:
        case PIN_STATUS_UNEXPECTEDLY_UNPINNED:
                return &counts->n_errors;
        case PIN_STATUS_CLUSTER_ERROR:
                return &counts->n_unreachable;
        default: /* remote, leaving, not known; and masks, which no peer has */
                return NULL;
        }
}

static void status_count(const GlobalPinInfo *info, StatusCounts *ret) {
        const PinInfo *peers = info->peer_map.items;

        *ret = (StatusCounts){};
        for (size_t i = 0; i < info->peer_map.n; i++) {
                int64_t *kind = status_kind(ret, (PinStatus) peers[i].status);

                if (kind)
                        (*kind)++;
        }
}

static int64_t status_wanted(const Pin *pin, const StatusCounts *counts) {
        if (pin->replication_factor_min > 0)
                return pin->replication_factor_min;
        return MAX(1, counts->n_pinned + counts->n_pinning + counts->n_queued + counts->n_errors);
}

PinsvcStatus pinsvc_status_of(const Pin *pin, const GlobalPinInfo *info) {
        StatusCounts counts;

        status_count(info, &counts);
        if (counts.n_pinned >= status_wanted(pin, &counts))
                return PINSVC_STATUS_PINNED;
        if (counts.n_pinning > 0)
                return PINSVC_STATUS_PINNING;
        if (counts.n_queued > 0)
                return PINSVC_STATUS_QUEUED;
        return counts.n_errors + counts.n_unreachable > 0 ? PINSVC_STATUS_FAILED : PINSVC_STATUS_QUEUED;
}

const char *pinsvc_status_why(const GlobalPinInfo *info) {
        const PinInfo *peers = info->peer_map.items;

        for (size_t i = 0; i < info->peer_map.n; i++)
                if (!str_is_empty(peers[i].error))
                        return peers[i].error;
        return NULL;
}
