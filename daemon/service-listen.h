#pragma once

/* The sockets at which other peers are listened for: inherited from systemd ("peer"), else those of
 * cluster.listen_multiaddress. */

#include "daemon/config/config.h"

#define SERVICE_PEER_LISTENERS_MAX 16

/* Answers 0, or the exit status after it was said why. */
int service_listen_for_peers(
                const Config *config, int fds[static SERVICE_PEER_LISTENERS_MAX], size_t *ret_n);
