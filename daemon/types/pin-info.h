#pragma once

/* What the cluster knows of one pin: GlobalPinInfo of the Go program, with one PinInfo a
 * peer. */

#include "daemon/base/json.h"
#include "daemon/types/cid.h"
#include "daemon/types/peer-id.h"
#include "daemon/types/pin-request.h"
#include "daemon/types/pin-status.h"

typedef struct PinInfo {
        char *peer; /* the key of the map: text form of the peer ID */
        char *peername;
        PeerId ipfs_peer_id;
        StrList ipfs_peer_addresses;
        int status; /* PinStatus */
        uint64_t timestamp;
        char *error;
        int64_t attempt_count;
        bool priority_pin;
} PinInfo;

typedef struct GlobalPinInfo {
        Cid cid;
        char *name;
        PeerIdList allocations;
        StrList origins;
        uint64_t created;
        StrMap metadata;
        JsonArray peer_map; /* PinInfo, sorted by peer */

        PinRequestList requests; /* of the pin; not in the JSON */
} GlobalPinInfo;

extern const JsonShape global_pin_info_shape;
extern const JsonShape pin_info_shape;

/* A new, zeroed element of INFO->peer_map for PEER, at its place in the order; an existing one is answered
 * as it is. Pointers to other elements are lost. Answers 1 when it is new, 0 when not. */
int global_pin_info_peer(GlobalPinInfo *info, const PeerId *peer, PinInfo **ret);
void global_pin_info_done(GlobalPinInfo *info);
