#pragma once

/* The JSON text of service.json. */

#include "daemon/config/config.h"

int config_write_presets(Str *to); /* what `init` writes, compact; names and secret are empty */
int config_write_text(const Config *config, Str *to); /* as it stands in the file */
