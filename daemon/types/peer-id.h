#pragma once

/*
 * Peer ID: the libp2p identity of a peer (libp2p/specs, peer-ids): a multihash of its public key. Plain
 * value.
 *
 * Text in: base58btc ("12D3Koo…", "Qm…") or a CIDv1 of codec libp2p-key ("k51…", "bafz…"). Text out:
 * base58btc.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/json.h"

#define PEER_ID_BYTES_MAX 64
#define PEER_ID_TEXT_MAX 96 /* with NUL */

typedef enum PeerKeyType { /* the KeyType of the libp2p protobuf */
                           PEER_KEY_RSA = 0,
                           PEER_KEY_ED25519 = 1,
                           PEER_KEY_SECP256K1 = 2,
                           PEER_KEY_ECDSA = 3,
} PeerKeyType;

typedef struct PeerId {
        uint8_t size; /* 0: none */
        uint8_t bytes[PEER_ID_BYTES_MAX];
} PeerId;

typedef struct PeerIdList {
        PeerId *items;
        size_t n;
        bool is_set; /* tells [] from null */
} PeerIdList;

int peer_id_parse(const char *text, PeerId *ret); /* Errors: -EINVAL */
int peer_id_from_bytes(const void *bytes, size_t n, PeerId *ret);
char *peer_id_format(const PeerId *id, char text[static PEER_ID_TEXT_MAX]); /* "" for none */

/* From the libp2p protobuf of a public key: the identity multihash up to 42 bytes, sha2-256 beyond. */
int peer_id_from_public_key(const void *protobuf, size_t n, PeerId *ret);

static inline bool peer_id_is_set(const PeerId *id) {
        return id->size > 0;
}

bool peer_id_equal(const PeerId *a, const PeerId *b);
int peer_id_compare(
                const PeerId *a,
                const PeerId *b); /* order of their text forms, which is the order of lists */

int peer_id_list_append(PeerIdList *list, const PeerId *id);
int peer_id_list_copy(PeerIdList *to, const PeerIdList *from);
bool peer_id_list_contains(const PeerIdList *list, const PeerId *id);
bool peer_id_list_equal(const PeerIdList *a, const PeerIdList *b);
void peer_id_list_done(PeerIdList *list);

/* Maps from peers to structs, as JSON_OBJECTS has them: structs of SIZE bytes whose first member is the key,
 * the text form of a peer ID (char *, owned), in the order of the keys. This is the element of PEER; when it
 * is not there a zeroed one is put at its place. Pointers to other elements are lost. Answers 1 when it is
 * new, 0 when not. Errors: -ENOMEM. */
int peer_id_map_get(JsonArray *map, size_t size, const PeerId *peer, void **ret);

extern const JsonType peer_id_json;      /* PeerId; none is "" and empty */
extern const JsonType peer_id_list_json; /* PeerIdList */
