#pragma once

/* A setting from outside the file: a systemd credential of that name ($CREDENTIALS_DIRECTORY/NAME, a newline
 * at its end is dropped), else the environment variable NAME. Set but empty counts as set. */

#include "daemon/types/error.h"

/* Answers 1 and the text (owned), or 0. Errors: ERROR_IO (a credential that cannot be read). */
int config_environment_get(const char *name, char **ret, Error *reterr);
