#pragma once

/*
 * Snapshot task: one snapshot being taken, without stopping anything else.
 *
 * The pinset is read in the loop, a block at a time, when the loop has nothing else to do; a worker of its
 * own writes the blocks, two at most are under way, then syncs and publishes. What changes meanwhile does
 * not show: the scan is a view as of the index at which the task began.
 */

#include <systemd/sd-event.h>

#include "daemon/base/worker.h"
#include "daemon/consensus/snapshot-store.h"

typedef struct ConsensusSnapshotTask ConsensusSnapshotTask;

/* Once, from the loop, last: DONE frees the task. R is 0 when the snapshot is durable. */
typedef void (*ConsensusSnapshotDone)(
                ConsensusSnapshotTask *task, int r, const Error *error, void *userdata);

typedef struct ConsensusSnapshotTaskOptions {
        sd_event *event;
        Worker *worker;                      /* must be freed before the task unless the task has ended */
        const ConsensusSnapshotStore *store; /* must outlive the task */
        StatePinset *pinset;
        const ConsensusSnapshotHead *head; /* copied; its index is the pinset's */
        ConsensusSnapshotDone done;
        void *userdata;
} ConsensusSnapshotTaskOptions;

int consensus_snapshot_task_new(ConsensusSnapshotTask **ret, const ConsensusSnapshotTaskOptions *options);
ConsensusSnapshotTask *consensus_snapshot_task_free(ConsensusSnapshotTask *task);
DEFINE_CLEANUP(ConsensusSnapshotTask *, consensus_snapshot_task_free);

const ConsensusSnapshotHead *consensus_snapshot_task_head(const ConsensusSnapshotTask *task);
/* Do not wait for the loop to be idle any more: the log grows faster than the snapshot. */
void consensus_snapshot_task_hurry(ConsensusSnapshotTask *task);
