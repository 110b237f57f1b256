#pragma once

/* The addresses of this peer that others are told; and with whom it founds a cluster. */

#include "daemon/config/config.h"

/* consensus.raft.init_peerset, each once, and SELF. */
int config_founders(const ConfigRaft *config, const PeerId *self, PeerIdList *ret);

/* cluster.announce_multiaddress, or else the TCP ones of cluster.listen_multiaddress, with the wildcard
 * address replaced by those of the interfaces; each with /p2p/SELF. */
int config_addresses(const ConfigCluster *config, const PeerId *self, StrList *ret);
