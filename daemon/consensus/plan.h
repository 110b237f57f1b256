#pragma once

/*
 * Plan: what the disk has to do to catch up with the log in memory, carried out in one go by a worker.
 *
 * log.c makes a plan and finishes it, both in the loop; in between the plan is the worker's alone. Order:
 * truncated segments go (the last one first), then each part is made, written and synced before the next
 * part is touched, then obsolete segments go (the first one first). So after a crash at any point the log
 * has no gap, and only the last write can be torn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/consensus/segment.h"

typedef struct ConsensusLogPart {
        ConsensusSegment *segment; /* the loop's; NULL when it was truncated away meanwhile */
        uint64_t first, previous_term;
        uint32_t size;
        int fd;         /* to write to: the segment's, or with CREATE the new one, which is the plan's */
        bool create;    /* make the file, with KEEP bytes of records of the old one */
        int from_fd;    /* the old one, or -1 */
        int dropped_fd; /* FD or FROM_FD of a segment that was truncated away; the plan's */
        size_t keep;
        uint32_t offset;
        size_t from, n; /* of the plan's entries */
} ConsensusLogPart;

typedef struct ConsensusLogPlan {
        int dir_fd;
        const char *folder;
        const uint8_t *cluster_id;
        uint64_t *cut, *obsolete; /* first indexes of segments */
        size_t n_cut, n_obsolete;
        ConsensusEntry *entries;
        size_t n_entries;
        ConsensusLogPart *parts;
        size_t n_parts;
        uint64_t last; /* what is durable when the plan has run; lowered when the log is truncated meanwhile
                        */
} ConsensusLogPlan;

/* In any thread. Errors: the words name the file and the offset. Blocks. */
int consensus_log_plan_run(ConsensusLogPlan *plan, Error *reterr);
ConsensusLogPlan *consensus_log_plan_free(ConsensusLogPlan *plan); /* in the loop; NULL-safe */
DEFINE_CLEANUP(ConsensusLogPlan *, consensus_log_plan_free);
