#pragma once

/* The log of a stopped peer, opened with a loop of its own: the pinset to read, and operations to append. */

#include <systemd/sd-event.h>

#include "daemon/consensus/consensus.h"
#include "daemon/offline/peer.h"

typedef struct OfflineLog {
        char *copy_state, *copy_raft; /* removed at the end */
        sd_event *event;
        Consensus *consensus;
        size_t n_pending; /* submits under way */
        bool is_ready;
        int failed;  /* an exit status of the engine; its words are logged */
        Error error; /* of a submit */
} OfflineLog;

/* Open what lies in STATE_FOLDER and RAFT_FOLDER, and wait until all of it is applied. */
int offline_log_open(
                OfflineLog *log,
                const OfflinePeer *peer,
                const char *state_folder,
                const char *raft_folder,
                Error *reterr);

/* For reading. The log of a peer that is one of several is opened as a copy in which it is the only one: all
 * that is in the log counts, also what the others may not have. */
int offline_log_open_to_read(OfflineLog *log, const OfflinePeer *peer, Error *reterr);
/* Append a batch; waits while too much is under way. */
int offline_log_submit(OfflineLog *log, const ConsensusOp *ops, size_t n, Error *reterr);
int offline_log_wait(OfflineLog *log, Error *reterr);  /* until all is applied */
int offline_log_close(OfflineLog *log, Error *reterr); /* waits for all, then closes in order */
void offline_log_done(OfflineLog *log);
