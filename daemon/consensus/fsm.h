#pragma once

/*
 * State machine: committed entries become the pinset.
 *
 * Entries are applied in the order of the log, several in one turn: first all of them are put into the
 * pinset, then the pinset's index moves, then the owner is told of each operation. Changes of peers leave
 * the pinset as it is; the owner is told of them alike.
 */

#include "daemon/consensus/entry.h"
#include "daemon/state/pinset.h"

/* The forms of OP are right, so that every peer can apply it. A pin's body is replaced in CANONICAL by its
 * canonical form, where OP then points to. Errors: ERROR_INVALID. */
int consensus_fsm_check(ConsensusOp *op, Str *canonical, Error *reterr);

/* Put a command into the pinset. Answers the number of its operations. Any error means the end: ERROR_IO, or
 * ERROR_UNSUPPORTED when a newer release wrote it. */
int consensus_fsm_apply(StatePinset *pinset, const ConsensusEntry *entry, Error *reterr);
/* Tell of what was applied. */
void consensus_fsm_tell(
                StatePinset *pinset,
                const ConsensusEntry *entry,
                const ConsensusEvents *events,
                void *userdata);
