#pragma once

/*
 * What pins and pinning requests (types/pin-request.h) do to each other in the pinset. All of it follows
 * from what is there and what is asked, so that it is the same on every peer; and what is repeated changes
 * nothing.
 *
 *   pin by anybody else    the requests that are there stay; it lives by more than its requests now
 *   a request              joins the pin that is there, which stays as it is; or makes one, which lives by
 *                          its requests only
 *   the last one goes      a pin that lives by its requests only goes too
 *
 * As with state_pinset_put(), errors mean that the cache is damaged: end the process.
 */

#include "daemon/state/pinset.h"
#include "daemon/types/pin-request.h"

/* VALUE, a canonical pin, is put as somebody else wants it. Requests that it brings along (an import) join
 * those that are there, as far as there is room for them. */
int state_requests_pin(StatePinset *pinset, const Cid *key, const void *value, size_t size);

/* The request in VALUE, a canonical pin that has one, and what it REPLACES (an undefined id: nothing), here
 * or of another CID: that goes when the new one is there. Nothing is done when there is no room for it, or
 * what it replaces is not there. */
int state_requests_put(
                StatePinset *pinset,
                const Cid *key,
                const void *value,
                size_t size,
                const PinRequestId *replaces);

/* Nothing is done when it is not there. A plain ID: what keeps the pin beside its requests goes. */
int state_requests_remove(StatePinset *pinset, const PinRequestId *id);

/* Whether PIN is kept by ID, for one. */
bool state_requests_keep(const Pin *pin, const PinRequestId *id);
