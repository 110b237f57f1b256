#pragma once

/* POST /allocations: pins as the state export writes them, one JSON object a line, committed in bulk. */

#include "daemon/rest/request.h"

#define REST_LINE_MAX (256 * 1024)

void rest_import_start(RestRequest *request);
struct RestImport *rest_import_free(struct RestImport *import);
