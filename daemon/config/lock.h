#pragma once

/* The execution lock of a state folder: <folder>/cluster.lock, held by fcntl(2) and so gone with its
 * process, naming the holder's pid. */

#include "daemon/types/error.h"

/* *RET_FD holds the lock until it is closed. Errors: ERROR_BUSY, and the words name the file and the
 * holder's pid. */
int config_lock(const char *folder, int *ret_fd, Error *reterr);
