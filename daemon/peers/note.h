#pragma once

/*
 * Notes: what members tell each other one-way. Little endian: kind (1), zero (7), cluster id (16), then
 *
 *   raft       Raft id of the sender and of the receiver (8 each), disk id of the sender, and the one of the
 *              receiver that the sender knows (16 each; zeros: none), a ConsensusMessage
 *   metric     JSON object (types/metric.h), "expire" being the nanoseconds that are left
 *   hello      JSON object (PeersHello)
 *   digest     one to eight times: index (8), digest of the pinset as of it (STATE_DIGEST_SIZE)
 *
 * An unknown kind is of a newer release: ignored.
 */

#include "daemon/base/str.h"
#include "daemon/consensus/consensus.h"
#include "daemon/rpc/rpc.h"
#include "daemon/state/pinset.h"

#define PEERS_NOTE_HEAD 24
#define PEERS_NOTE_RAFT_FROM PEERS_NOTE_HEAD
#define PEERS_NOTE_RAFT_TO (PEERS_NOTE_RAFT_FROM + 8)
#define PEERS_NOTE_RAFT_DISK (PEERS_NOTE_RAFT_TO + 8)
#define PEERS_NOTE_RAFT_KNOWN (PEERS_NOTE_RAFT_DISK + CONSENSUS_DISK_ID_SIZE)
#define PEERS_NOTE_RAFT_HEAD (PEERS_NOTE_RAFT_KNOWN + CONSENSUS_DISK_ID_SIZE)

typedef enum PeersNoteKind { /* on the wire: never renumbered */
                             PEERS_NOTE_RAFT = 1,
                             PEERS_NOTE_METRICS = 2,
                             PEERS_NOTE_HELLO = 3,
                             PEERS_NOTE_DIGEST = 4,
} PeersNoteKind;

int peers_note_begin(Str *to, PeersNoteKind kind, const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE]);
