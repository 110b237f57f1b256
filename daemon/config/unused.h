#pragma once

#include "daemon/config/config.h"

/* Names of what is kept and not used, "cluster.pubsub, datastore.pebble, …"; nothing when
 * there is nothing. */
int config_unused_names(const Config *config, Str *to);
/* One notice with these names: for the start of the daemon. */
void config_unused_tell(const Config *config);
