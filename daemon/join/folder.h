#pragma once

/*
 * What the state folder says of where this peer belongs:
 *
 *   raft/         it is a member of the cluster of this log
 *   raft.join     it is to join a cluster: the addresses of whom to ask, one a line. Written before raft/ is
 *                 put aside, and removed after there is a raft/ of the other cluster, so that a crash at any
 *                 point leaves something to go on from
 *   raft.left     it was removed: what it begins next is its own, whoever init_peerset names. Removed when
 *                 that has begun
 *   raft.old.N    what it was before, 0 being the newest
 *
 * Everything here blocks: it is for the start, the stop, and the moment at which a peer decides to leave.
 */

#include <stdbool.h>

#include "daemon/base/str.h"
#include "daemon/types/error.h"

#define JOIN_FILE "raft.join"
#define JOIN_LEFT_FILE "raft.left"

/* Answers 1 and the addresses, 0 when there is no such file. Lines that are no multiaddrs are passed over.
 */
int join_folder_file_read(const char *state_folder, StrList *ret, Error *reterr);
int join_folder_file_write(const char *state_folder, const StrList *addresses, Error *reterr);
int join_folder_file_remove(const char *state_folder, Error *reterr);

int join_folder_left_write(const char *state_folder, Error *reterr);
bool join_folder_left_is(const char *state_folder);
int join_folder_left_remove(const char *state_folder, Error *reterr);

/* Answers 1 when there is a log in RAFT_FOLDER, 0 when this peer belongs nowhere yet. */
int join_folder_belongs(const char *raft_folder, Error *reterr);

/* Move RAFT_FOLDER to <raft folder>.old.0; of the older ones KEEP are kept. Answers 1, or 0 when it is not
 * there. */
int join_folder_put_aside(const char *raft_folder, uint64_t keep, Error *reterr);
