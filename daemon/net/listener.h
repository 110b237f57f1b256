#pragma once

/* Listening sockets: by a canonical multiaddr, or inherited from systemd (sd_listen_fds_with_names(3)). */

#include "daemon/types/error.h"

/* Listen at ADDRESS (tcp or unix). A stale Unix socket of nobody is replaced. Errors: ERROR_INVALID (no tcp
 * or unix address), ERROR_IO, with the address in the words. */
int listener_open(const char *address, int *ret_fd, Error *reterr);

/* The inherited stream sockets whose FileDescriptorName is NAME, at most MAX, each once. Answers how many.
 * Not called twice with one name. */
int listener_inherited(const char *name, int *fds, size_t max);

/* The port that FD really listens on (for addresses with port 0), as a canonical address. */
int listener_address(int fd, char **ret);
