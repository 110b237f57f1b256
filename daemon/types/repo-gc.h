#pragma once

/* The answer of POST /ipfs/gc: GlobalRepoGC of the Go program. */

#include "daemon/base/json.h"
#include "daemon/types/cid.h"
#include "daemon/types/peer-id.h"

typedef struct RepoGcKey {
        Cid key; /* null when undefined */
        char *error;
} RepoGcKey;

typedef struct RepoGc {
        char *key; /* of the map: text form of the peer ID */
        PeerId peer;
        char *peername;
        JsonArray keys; /* RepoGcKey */
        char *error;
} RepoGc;

typedef struct GlobalRepoGc {
        JsonArray peer_map; /* RepoGc */
} GlobalRepoGc;

/* The element of PEER in GC->peer_map, at its place in the order; a new one has nothing but its peer. */
int global_repo_gc_peer(GlobalRepoGc *gc, const PeerId *peer, RepoGc **ret);

extern const JsonShape global_repo_gc_shape;
void global_repo_gc_done(GlobalRepoGc *gc);
