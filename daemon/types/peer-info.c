#include "daemon/types/peer-info.h"

static const JsonField ipfs_id_fields[] = {
        { "id", JSON_TYPE, offsetof(IpfsId, id), JSON_OMIT_EMPTY, .type = &peer_id_json },
        { "addresses", JSON_TYPE, offsetof(IpfsId, addresses), .type = &multiaddr_list_json },
        { "error", JSON_STRING, offsetof(IpfsId, error) },
        JSON_END,
};

static const JsonShape ipfs_id_shape = {
        .name = "ipfs id",
        .size = sizeof(IpfsId),
        .fields = ipfs_id_fields,
};

static const JsonField peer_info_fields[] = {
        { "id", JSON_TYPE, offsetof(PeerInfo, id), .type = &peer_id_json },
        { "addresses", JSON_TYPE, offsetof(PeerInfo, addresses), .type = &multiaddr_list_json },
        { "cluster_peers", JSON_TYPE, offsetof(PeerInfo, cluster_peers), .type = &peer_id_list_json },
        { "cluster_peers_addresses",
          JSON_TYPE,
          offsetof(PeerInfo, cluster_peers_addresses),
          .type = &multiaddr_list_json },
        { "version", JSON_STRING, offsetof(PeerInfo, version) },
        { "commit", JSON_STRING, offsetof(PeerInfo, commit) },
        { "rpc_protocol_version", JSON_STRING, offsetof(PeerInfo, rpc_protocol_version) },
        { "error", JSON_STRING, offsetof(PeerInfo, error) },
        { "ipfs", JSON_OBJECT, offsetof(PeerInfo, ipfs), .shape = &ipfs_id_shape },
        { "peername", JSON_STRING, offsetof(PeerInfo, peername) },
        JSON_END,
};

const JsonShape peer_info_shape = {
        .name = "peer info",
        .size = sizeof(PeerInfo),
        .fields = peer_info_fields,
};

void ipfs_id_done(IpfsId *id) {
        str_list_done(&id->addresses);
        free(id->error);
        *id = (IpfsId){};
}

int ipfs_id_copy(IpfsId *to, const IpfsId *from) {
        _cleanup_(ipfs_id_done) IpfsId copy = { .id = from->id };

        if (str_list_copy(&copy.addresses, &from->addresses) < 0 || str_copy(&copy.error, from->error) < 0)
                return -ENOMEM;

        ipfs_id_done(to);
        *to = copy;
        copy = (IpfsId){};
        return 0;
}

void peer_info_done(PeerInfo *info) {
        json_done(&peer_info_shape, info);
        *info = (PeerInfo){};
}
