#pragma once

/*
 * PinsvcRequest: a pinning request as clients see it (PinStatus of the specification). A pin shows each of
 * its requests, and itself as one more, whose id is the CID, when somebody else pinned it too. Shards and
 * the like show nothing.
 *
 * Lists go by the time of creation. The pinset knows that of a plain pin by the second: its microseconds are
 * made of its CID, the same at each peer, so that pins of one second can be told apart when a client goes
 * through pages by `before`.
 */

#include "daemon/pinsvc/status.h"
#include "daemon/types/pin-request.h"

#define PINSVC_DELEGATES_MAX 20 /* as the specification has it */
#define PINSVC_DETAILS_MAX 256  /* bytes of the words why a request has failed */

/* Borrowed from its pin. */
typedef struct PinsvcRequest {
        PinRequestId id;
        uint64_t created;
        const char *name;
        const StrMap *meta;
        const StrList *origins;
} PinsvcRequest;

size_t pinsvc_request_count(const Pin *pin);
/* The one at place I, or that of ID: answers whether it is there. */
void pinsvc_request_at(const Pin *pin, size_t i, PinsvcRequest *ret);
bool pinsvc_request_find(const Pin *pin, const PinRequestId *id, PinsvcRequest *ret);

typedef struct PinsvcState {
        PinsvcStatus status;
        const char *details;      /* NULL: none */
        const StrList *delegates; /* the first PINSVC_DELEGATES_MAX are told */
} PinsvcState;

/* Append the JSON object. Errors: -ENOMEM. */
int pinsvc_request_write(const PinsvcRequest *request, const PinsvcState *state, Str *to);
