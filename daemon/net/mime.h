#pragma once

/* Header fields with parameters, as of MIME: text/plain; charset="utf-8". */

#include "daemon/base/str.h"

/* The value in front of the first ';', without blanks, in *RET; and the parameter NAME in *RET_PARAMETER,
 * NULL when it is not there. Both are owned. Errors: -EINVAL (malformed), -ENOMEM. */
int mime_parse(const char *field, const char *name, char **ret, char **ret_parameter);
