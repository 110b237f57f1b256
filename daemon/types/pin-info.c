#include "daemon/types/pin-info.h"

#include "daemon/types/multiaddr.h"

static const JsonField pin_info_fields[] = {
        { "peer", JSON_KEY, offsetof(PinInfo, peer) },
        { "peername", JSON_STRING, offsetof(PinInfo, peername) },
        { "ipfs_peer_id",
          JSON_TYPE,
          offsetof(PinInfo, ipfs_peer_id),
          JSON_OMIT_EMPTY,
          .type = &peer_id_json },
        { "ipfs_peer_addresses",
          JSON_TYPE,
          offsetof(PinInfo, ipfs_peer_addresses),
          JSON_OMIT_EMPTY,
          .type = &multiaddr_list_json },
        { "status", JSON_TYPE, offsetof(PinInfo, status), .type = &pin_status_json },
        { "timestamp", JSON_TIME, offsetof(PinInfo, timestamp) },
        { "error", JSON_STRING, offsetof(PinInfo, error) },
        { "attempt_count", JSON_INT, offsetof(PinInfo, attempt_count) },
        { "priority_pin", JSON_BOOL, offsetof(PinInfo, priority_pin) },
        JSON_END,
};

const JsonShape pin_info_shape = {
        .name = "pin info",
        .size = sizeof(PinInfo),
        .fields = pin_info_fields,
};

static const JsonField global_pin_info_fields[] = {
        { "cid", JSON_TYPE, offsetof(GlobalPinInfo, cid), .type = &cid_json },
        { "name", JSON_STRING, offsetof(GlobalPinInfo, name) },
        { "allocations", JSON_TYPE, offsetof(GlobalPinInfo, allocations), .type = &peer_id_list_json },
        { "origins", JSON_TYPE, offsetof(GlobalPinInfo, origins), .type = &multiaddr_list_json },
        { "created", JSON_TIME, offsetof(GlobalPinInfo, created) },
        { "metadata", JSON_MAP, offsetof(GlobalPinInfo, metadata) },
        { "peer_map", JSON_OBJECTS, offsetof(GlobalPinInfo, peer_map), .shape = &pin_info_shape },
        JSON_END,
};

const JsonShape global_pin_info_shape = {
        .name = "global pin info",
        .size = sizeof(GlobalPinInfo),
        .fields = global_pin_info_fields,
};

int global_pin_info_peer(GlobalPinInfo *info, const PeerId *peer, PinInfo **ret) {
        void *item;
        int r;

        r = peer_id_map_get(&info->peer_map, sizeof(PinInfo), peer, &item);
        if (r < 0)
                return r;

        *ret = item;
        return r;
}

void global_pin_info_done(GlobalPinInfo *info) {
        json_done(&global_pin_info_shape, info);
        pin_request_list_done(&info->requests);
        *info = (GlobalPinInfo){};
}
