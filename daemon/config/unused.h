#pragma once

#include "daemon/config/config.h"

/* Names of what is kept and not used, "cluster.pubsub, api.ipfsproxy (not served yet), …"; nothing when
 * there is nothing. */
int config_unused_names(const Config *config, Str *to);
