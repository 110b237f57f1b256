#pragma once

/*
 * Log: the entries of Raft in segments (segment.h), and what of them is still only in memory.
 *
 * The loop owns the log. Entries are appended to its tail in memory, at once readable there; a plan takes
 * all that are not written yet, the worker carries it out, and the loop finishes it:
 *
 *   append, truncate, compact ──► plan ──► run (worker; one write and one fdatasync per segment) ──► finish
 *
 * One plan at a time. An entry leaves memory when it was written and applied; from then on it is read back
 * from its segment. What stays in memory per entry is the offset of its record, four bytes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/consensus/engine.h"
#include "daemon/consensus/entry.h"
#include "daemon/consensus/plan.h"
#include "daemon/types/error.h"

typedef struct ConsensusLog ConsensusLog;

typedef struct ConsensusLogOptions {
        int dir_fd;         /* borrowed: must outlive the log */
        const char *folder; /* for the words */
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        size_t segment_size; /* of new segments */
} ConsensusLogOptions;

/* Read and check all segments; a torn end is cut, with a warning. Without any segment the log is empty, its
 * first entry will be 1. Errors: ERROR_IO, with file, offset and what to do. Blocks. */
int consensus_log_open(ConsensusLog **ret, const ConsensusLogOptions *options, Error *reterr);
int consensus_log_exists(int dir_fd); /* 1: there is a segment, 0: none */
ConsensusLog *consensus_log_free(ConsensusLog *log);
DEFINE_CLEANUP(ConsensusLog *, consensus_log_free);

/* Remove all segments and begin anew after entry INDEX of TERM. Nothing may be under way. Blocks. */
int consensus_log_reset(ConsensusLog *log, uint64_t index, uint64_t term, Error *reterr);

uint64_t consensus_log_first(const ConsensusLog *log);
uint64_t consensus_log_last(const ConsensusLog *log); /* first - 1 when it is empty */
uint64_t consensus_log_written(const ConsensusLog *log);
uint64_t consensus_log_term(const ConsensusLog *log, uint64_t index); /* 0: not known */
/* The terms, and the entries that are changes of the members: borrowed until the log changes. */
const ConsensusTermRun *consensus_log_runs(const ConsensusLog *log, size_t *ret_n);
const uint64_t *consensus_log_changes(const ConsensusLog *log, size_t *ret_n);
bool consensus_log_is_change(const ConsensusLog *log, uint64_t index);
uint64_t consensus_log_bytes_after(const ConsensusLog *log, uint64_t index); /* of written records */
/* The first entry of the segments that hold the last BYTES, whole segments only. */
uint64_t consensus_log_index_by_bytes(const ConsensusLog *log, uint64_t bytes);

/* ENTRY's index is last + 1; its payload gets another reference. Errors: -EMSGSIZE. */
int consensus_log_append(ConsensusLog *log, const ConsensusEntry *entry);
/* Forget FROM and what follows: in memory now, on disk with the next plan. */
int consensus_log_truncate(ConsensusLog *log, uint64_t from);
/* Entries up to INDEX are not needed in memory, as far as they are written. */
void consensus_log_release(ConsensusLog *log, uint64_t index);
/* Entries below FROM may go; whole segments go with the next plan. */
int consensus_log_compact(ConsensusLog *log, uint64_t from);

/* The entry with a reference of its own, from memory or disk. Errors: -EBADMSG, -EIO. */
int consensus_log_get(const ConsensusLog *log, uint64_t index, ConsensusEntry *ret);

/* FROM and what follows stay in memory until the next call: no plan takes them. UINT64_MAX: everything may
 * be written.
 */
void consensus_log_hold(ConsensusLog *log, uint64_t from);

/* What has to be done on disk (plan.h). Answers 1, or 0 when there is nothing to do. */
int consensus_log_plan(ConsensusLog *log, ConsensusLogPlan **ret);
/* After a run without error. Answers the last entry that is durable and still in the log. PLAN is freed. */
uint64_t consensus_log_finish(ConsensusLog *log, ConsensusLogPlan *plan);
