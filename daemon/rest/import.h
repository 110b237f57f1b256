#pragma once

/* POST /allocations: pins as the state export writes them, one JSON object a line, committed in bulk. The
 * answer is {"imported":<n>}, or an error object that names the line and says how many pins were imported
 * all the same: those before it. */

#include "daemon/rest/request.h"

#define REST_LINE_MAX (256 * 1024)

void rest_import_start(RestRequest *request);
