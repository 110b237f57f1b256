#pragma once

/*
 * A line of a state export (compat 9.3), of this program, of the Go program, and of its releases 0.10 to
 * 0.14, which wrote CIDs as {"/":"…"} and types as numbers.
 */

#include "daemon/types/error.h"
#include "daemon/types/pin.h"

/* Fill the zeroed PIN. expire_at of 1970 is none; user_allocations are dropped; a missing max_depth follows
 * from mode; a type must be known. Errors: ERROR_INVALID, naming the key, the value and what was expected.
 */
int pin_import_read(const char *line, size_t n, Pin *ret, Error *reterr);
