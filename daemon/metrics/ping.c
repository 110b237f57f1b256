#include "daemon/metrics/ping.h"

static const JsonField ping_fields[] = {
        { "peer_name", JSON_STRING, offsetof(MetricsPing, peer_name), JSON_OMIT_EMPTY },
        { "ipfs_id", JSON_TYPE, offsetof(MetricsPing, ipfs_id), JSON_OMIT_EMPTY, .type = &peer_id_json },
        { "ipfs_addresses", JSON_STRINGS, offsetof(MetricsPing, ipfs_addresses), JSON_OMIT_EMPTY },
        JSON_END,
};

const JsonShape metrics_ping_shape = {
        .name = "ping",
        .size = sizeof(MetricsPing),
        .fields = ping_fields,
};
