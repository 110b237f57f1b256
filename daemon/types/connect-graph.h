#pragma once

/* The answer of GET /health/graph: ConnectGraph of the Go program. All keys are text forms of
 * peer IDs. */

#include "daemon/base/json.h"
#include "daemon/types/peer-id.h"

typedef struct GraphLinks {
        char *id; /* key */
        PeerIdList links;
} GraphLinks;

typedef struct ConnectGraph {
        PeerId cluster_id; /* the peer that was asked */
        StrMap id_to_peername;
        JsonArray ipfs_links;       /* GraphLinks */
        JsonArray cluster_links;    /* GraphLinks */
        StrMap cluster_trust_links; /* "true" or "false", written as booleans */
        StrMap cluster_to_ipfs;
} ConnectGraph;

/* The links of ID in MAP (ipfs_links, cluster_links), at their place in the order; an empty list ([]) when
 * they are new. */
int connect_graph_links(JsonArray *map, const PeerId *id, GraphLinks **ret);

extern const JsonShape connect_graph_shape;
void connect_graph_done(ConnectGraph *graph);
