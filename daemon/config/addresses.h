#pragma once

/* The addresses of this peer that others are told. */

#include "daemon/config/config.h"

/* cluster.announce_multiaddress, or else the TCP ones of cluster.listen_multiaddress, with the wildcard
 * address replaced by those of the interfaces; each with /p2p/SELF. */
int config_addresses(const ConfigCluster *config, const PeerId *self, StrList *ret);
