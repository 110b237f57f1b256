#pragma once

/* POST /add: what is uploaded is added and pinned, and told line by line while it comes; or, with
 * stream-channels=false, as one array at the end. */

#define REST_ADD_LINES_MAX (64 * 1024)       /* bytes of lines that wait for the client */
#define REST_ADD_ARRAY_MAX (4 * 1024 * 1024) /* bytes of the array: some 25,000 lines */
