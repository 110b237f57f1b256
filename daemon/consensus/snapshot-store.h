#pragma once

/*
 * Snapshot store: raft/snapshot-<index>/ with "pins.dump" (daemon/state/snapshot.h) and "members".
 *
 * A snapshot is made in raft/snapshot.new, synced and renamed, so that what has its name is whole. Two are
 * kept. "members", little endian: magic "clstsnap", crc32c of what follows, format, cluster id, index, term,
 * index of the members, length, the members as in the log.
 */

#include <stdatomic.h>

#include "daemon/consensus/engine.h"
#include "daemon/state/pinset.h"
#include "daemon/types/error.h"

#define CONSENSUS_SNAPSHOTS_KEPT 2
#define CONSENSUS_SNAPSHOT_FORMAT 1
#define CONSENSUS_SNAPSHOT_HEADER 64
#define CONSENSUS_SNAPSHOT_NEW "snapshot.new"
#define CONSENSUS_SNAPSHOT_RECEIVED "snapshot.received" /* of another peer, until it is taken over */
/* A file in there: at the next start it takes the place of this peer's own snapshots (consensus_repair()).
 */
#define CONSENSUS_SNAPSHOT_REPAIR "repair"
#define CONSENSUS_SNAPSHOT_DUMP "pins.dump"
#define CONSENSUS_SNAPSHOT_MEMBERS "members"
#define CONSENSUS_SNAPSHOT_NAME_MAX 48

typedef struct ConsensusSnapshotStore {
        int dir_fd;         /* of raft/; borrowed */
        const char *folder; /* for the words; borrowed */
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
} ConsensusSnapshotStore;

char *consensus_snapshot_name(uint64_t index, char name[static CONSENSUS_SNAPSHOT_NAME_MAX]);

/* The bytes of "members". Answers of decode: 0, or 1 for a newer format. Errors: -EBADMSG. */
int consensus_snapshot_encode(
                const ConsensusSnapshotHead *head,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                Str *to);
int consensus_snapshot_decode(
                const void *bytes,
                size_t n,
                ConsensusSnapshotHead *ret,
                uint8_t ret_cluster_id[static STATE_CLUSTER_ID_SIZE]);
void consensus_snapshot_head_done(ConsensusSnapshotHead *head);
int consensus_snapshot_head_copy(ConsensusSnapshotHead *to, const ConsensusSnapshotHead *from);

/* Indexes, the newest first. */
int consensus_snapshot_list(const ConsensusSnapshotStore *store, uint64_t **ret, size_t *ret_n);

/* Errors: ERROR_IO, naming the file. */
int consensus_snapshot_open(
                const ConsensusSnapshotStore *store,
                uint64_t index,
                ConsensusSnapshotHead *ret,
                Error *reterr);
/* The one that was received. Errors: ERROR_IO, naming the file. */
int consensus_snapshot_open_received(
                const ConsensusSnapshotStore *store, ConsensusSnapshotHead *ret, Error *reterr);
/* Fill the empty PINSET. On failure the caller clears it. Blocks. */
int consensus_snapshot_load(
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                StatePinset *pinset,
                Error *reterr);
/* The same of the one that was received; -ECANCELED when STOP is set. In any thread. */
int consensus_snapshot_load_received(
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                StatePinset *pinset,
                const atomic_bool *stop,
                Error *reterr);
/* It is of no use: out of the way, under another name. */
int consensus_snapshot_set_aside(const ConsensusSnapshotStore *store, uint64_t index, Error *reterr);
uint64_t consensus_snapshot_bytes(
                const ConsensusSnapshotStore *store, uint64_t index); /* of the dump; 0: gone */

/* Give the received one its name, durable, and remove what is older than the two newest. Blocks. */
int consensus_snapshot_receive(
                const ConsensusSnapshotStore *store, const ConsensusSnapshotHead *head, Error *reterr);

/* In any thread; they block. BEGIN answers the file descriptor of the dump. FINISH makes it durable under
 * its name and removes what is older than the two newest. */
int consensus_snapshot_begin(const ConsensusSnapshotStore *store, Error *reterr);
int consensus_snapshot_finish(
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                int fd,
                Error *reterr);
