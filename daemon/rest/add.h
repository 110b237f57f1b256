#pragma once

/* POST /add: what is uploaded is added and pinned, and told line by line while it comes; or, with
 * stream-channels=false, as one array at the end. That one is bounded; beyond it the answer is 413, at once,
 * which a client that goes on sending may lose with the connection. */

#define REST_ADD_LINES_MAX (64 * 1024)       /* bytes of lines that wait for the client */
#define REST_ADD_ARRAY_MAX (4 * 1024 * 1024) /* bytes of the array: some 25,000 lines */
