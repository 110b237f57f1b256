#pragma once

/* Filling a Config: from the parsed service.json, and from the environment. */

#include "daemon/config/config.h"

struct json_object;

/* FILE is consumed: what the table does not use stays in it and becomes config->rest_of_file. */
int config_read(Config *config, struct json_object *file, Error *reterr);
