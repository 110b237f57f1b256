#pragma once

/*
 * Disk: what the engine wants durable, in the order in which it said so, by one worker thread.
 *
 * While a job runs, whatever comes is only noted; when it ends, the next job takes all of it at once: term
 * and vote first, then the log's plan. So the steps of one loop turn, and of all turns during which the disk
 * was busy, share one write and one fdatasync(2) (group commit).
 */

#include <systemd/sd-event.h>

#include "daemon/consensus/log.h"
#include "daemon/consensus/meta.h"

typedef struct ConsensusDisk ConsensusDisk;

typedef struct ConsensusDiskEvents {
        /* Everything that was noted before the job began is durable: entries up to INDEX, and META. From the
         * loop. */
        void (*durable)(uint64_t index, const ConsensusMeta *meta, void *userdata);
        /* The end. Nothing is called after it. */
        void (*failed)(const Error *error, void *userdata);
} ConsensusDiskEvents;

typedef struct ConsensusDiskOptions {
        sd_event *event;
        int dir_fd;         /* borrowed, with what follows: must outlive the disk */
        const char *folder; /* for the words */
        ConsensusLog *log;
        const ConsensusMeta *meta; /* as it is on disk; copied */
        const ConsensusDiskEvents *events;
        void *userdata;
} ConsensusDiskOptions;

int consensus_disk_new(ConsensusDisk **ret, const ConsensusDiskOptions *options);
/* Waits for the job that runs; its end is told before this returns, no other job is begun. */
ConsensusDisk *consensus_disk_free(ConsensusDisk *disk);
DEFINE_CLEANUP(ConsensusDisk *, consensus_disk_free);

void consensus_disk_set_vote(ConsensusDisk *disk, uint64_t term, uint64_t vote);
/* Begin if there is something to do and no job runs. Errors: -ENOMEM. */
int consensus_disk_kick(ConsensusDisk *disk);
bool consensus_disk_is_busy(const ConsensusDisk *disk); /* a job runs; durable() or failed() will come */
