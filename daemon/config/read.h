#pragma once

/* Filling a Config: from the parsed service.json, and from the environment. */

#include "daemon/config/config.h"

struct json_object;

/* FILE is consumed: what the table does not use stays in it and becomes config->rest_of_file. */
int config_read(Config *config, struct json_object *file, Error *reterr);

/* Names of what is kept and not used, "cluster.pubsub, api.ipfsproxy (not served yet), …"; "" when there is
 * nothing. */
int config_read_unused(const Config *config, Str *to);
