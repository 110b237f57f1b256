#pragma once

/* The flat service.json of 2017 ("cluster_peers", "state_sync_seconds", …), turned into the
 * sections of today. What it does not have takes the defaults of `init`. */

#include <stdbool.h>

#include "daemon/types/error.h"

struct json_object;

bool config_flat_is(struct json_object *file);
/* *RET is owned. Errors name the key of the old file. */
int config_flat_convert(struct json_object *file, struct json_object **ret, Error *reterr);
