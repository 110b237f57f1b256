#pragma once

/* Maps from peers to structs, as JSON_OBJECTS has them: a JsonArray of structs whose first member is the
 * key, the text form of a peer ID (char *, owned), in the order of the keys. */

#include "daemon/base/json.h"
#include "daemon/types/peer-id.h"

/* The element of PEER in MAP, whose structs have SIZE bytes; when it is not there a zeroed one is put at its
 * place. Pointers to other elements are lost. Answers 1 when it is new, 0 when not. Errors: -ENOMEM. */
int peer_map_get(JsonArray *map, size_t size, const PeerId *peer, void **ret);
