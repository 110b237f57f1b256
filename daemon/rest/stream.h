#pragma once

/* A list on its way out: pulled by the HTTP server as the client takes it, one item a line (or one array).
 */

#include "daemon/rest/request.h"

/* LIST is taken. WRITE_ITEM NULL: one object of the list's shape a line; else: an array of what it writes.
 * The status is decided by the first item. */
void rest_stream_start(
                RestRequest *request, ClusterList *list, int (*write_item)(const void *item, Str *to));
