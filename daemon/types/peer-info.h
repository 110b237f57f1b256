#pragma once

/* A peer as GET /id tells it: the ID object of the Go program. */

#include "daemon/base/json.h"
#include "daemon/types/multiaddr.h"
#include "daemon/types/peer-id.h"

#define PEER_RPC_PROTOCOL "/ipfscluster/1.0/rpc"

typedef struct IpfsId {
        PeerId id;
        StrList addresses;
        char *error;
} IpfsId;

typedef struct PeerInfo {
        PeerId id;
        StrList addresses;
        PeerIdList cluster_peers;
        StrList cluster_peers_addresses;
        char *version;
        char *commit;
        char *rpc_protocol_version;
        char *error;
        IpfsId ipfs;
        char *peername;
} PeerInfo;

extern const JsonShape peer_info_shape;

void ipfs_id_done(IpfsId *id);
int ipfs_id_copy(IpfsId *to, const IpfsId *from);
void peer_info_done(PeerInfo *info);
