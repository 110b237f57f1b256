#pragma once

/*
 * The body of POST /pins and POST /pins/{requestid}: the Pin object of the specification,
 * {"cid":"…","name":"…","origins":["…"],"meta":{"key":"value"}}.
 *
 * cid has to be there. As with all JSON here, null is as good as absent, unknown keys are ignored, and of a
 * key that repeats the last one counts. origins are hints: those beyond PIN_ORIGINS_MAX are dropped.
 */

#include "daemon/types/pin.h"

/* cid, name, origins, metadata; a recursive pin, with the factors of the configuration. Errors:
 * ERROR_INVALID, naming the key, the value and what was expected. */
int pinsvc_body_read(const char *text, size_t n, Pin *ret, Error *reterr);
