#pragma once

/*
 * PinsvcResults: of all requests that a query takes the newest, a few at most, and how many there are.
 * Memory does not grow with those that are not kept (a heap whose root is the oldest one kept).
 *
 * Newest first; requests of one microsecond in the order of their ids. A client asks for the next page with
 * `before` the time of the last result, so a page must not end between two of one time: then those of that
 * time are left for the next page, unless there is nothing else.
 */

#include "daemon/pinsvc/status.h"
#include "daemon/types/pin-request.h"

typedef struct PinsvcResult {
        PinRequestId id;
        uint64_t created;
        PinsvcStatus status;
        char *details; /* NULL: none */
} PinsvcResult;

typedef struct PinsvcResults {
        PinsvcResult *items; /* after pinsvc_results_finish(): newest first */
        size_t n, max;
        uint64_t count;          /* of all */
        uint64_t newest_dropped; /* its time; 0: none was */
} PinsvcResults;

int pinsvc_results_init(PinsvcResults *results, size_t max);
void pinsvc_results_done(PinsvcResults *results);
/* One more; DETAILS is copied when it is kept. Errors: -ENOMEM. */
int pinsvc_results_add(PinsvcResults *results, const PinsvcResult *result, const char *details);
void pinsvc_results_finish(PinsvcResults *results);
