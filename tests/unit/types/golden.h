#pragma once

/* Recorded JSON objects, one a line of golden/<name>.json, as the Go program sent them. */

#include <json-c/json.h>

#include "daemon/base/json.h"

/* Read and write again each line of golden/NAME: the parsed values are equal (points in time: to the
 * microsecond, in any zone), and so is the text where it has no finer times and no other zone. N_EXACT is
 * how many lines at least are equal as text. */
void golden_check(const char *name, const JsonShape *shape, size_t n_exact);

/* The content of FOLDER/NAME beside the tests, parsed; owned. */
json_object *golden_parse(const char *folder, const char *name);
