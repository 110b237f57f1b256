#pragma once

/*
 * The options of a pin request as query parameters: read from a query, and written into one.
 */

#include "daemon/types/error.h"
#include "daemon/types/pin.h"

/* One decoded query parameter. */
typedef struct PinOption {
        const char *key;
        const char *value;
} PinOption;

/* Fill the options of the zeroed PIN (its cid, type and allocations are left alone; max_depth is set from
 * the mode) from N parameters, of which the first of a key counts. metadata is set ({}), user_allocations
 * and origins are unset unless given, as the Go program answers. NOW is for expire-in. Parameters with other
 * names are ignored. On failure PIN is as before. Errors: ERROR_INVALID, with the words of the recordings
 * ("parameter replication-min invalid", "expire-in duration too short", …). */
int pin_options_read(Pin *pin, const PinOption *options, size_t n, uint64_t now, Error *reterr);

/* Append "key=value&…" sorted by key and percent-encoded, as the Go client sends them: always
 * replication-min, replication-max, name, mode, shard-size, user-allocations; expire-at, meta-*, pin-update,
 * origins when set. The first is preceded by '&' unless TO is empty or ends with '?'. */
int pin_options_write(const Pin *pin, Str *to);
