#pragma once

/* The value of the metric "ping" (compare the Go program's): who the peer is, and which Kubo it drives. */

#include "daemon/base/json.h"
#include "daemon/types/peer-id.h"

typedef struct MetricsPing {
        char *peer_name;
        PeerId ipfs_id;
        StrList ipfs_addresses; /* public ones */
} MetricsPing;

extern const JsonShape metrics_ping_shape;
