#pragma once

/*
 * Recovery: from what is on disk to what the engine starts with.
 *
 * First start: the first configuration, meta and a log of one entry are made in <raft>.new, synced and
 * renamed, so that raft/ is whole from its first moment and anything that is missing there later is damage.
 * Peers that found together derive its ids from their peer IDs; one that founds alone takes random ones.
 * Else: meta, then all segments of the log are checked, the newest snapshot that is whole and joins the log
 * is taken, and the pinset is loaded from it unless its cache was closed in order. What comes after the
 * snapshot is applied again from the log, in the loop.
 */

#include "daemon/consensus/log.h"
#include "daemon/consensus/meta.h"
#include "daemon/consensus/snapshot-store.h"

typedef struct ConsensusRecovery {
        char *folder; /* raft/ */
        int dir_fd;
        ConsensusMeta meta;
        ConsensusLog *log;
        StatePinset *pinset;
        bool has_snapshot;
        ConsensusSnapshotHead snapshot;
        ConsensusMembers members; /* the newest that the disk knows, committed or not */
} ConsensusRecovery;

/* The log goes on where the snapshot ends (H13). */
bool consensus_recovery_joins(const ConsensusLog *log, const ConsensusSnapshotHead *head);

/* Errors: ERROR_IO with file, offset and what to do; ERROR_REFUSED: the folder of another peer;
 * ERROR_INVALID: bad members of a first start. Blocks. */
int consensus_recover(ConsensusRecovery *ret, const ConsensusOptions *options, Error *reterr);
void consensus_recovery_done(ConsensusRecovery *recovery);
