#include "daemon/offline/log.h"

#include <errno.h>
#include <fcntl.h>

#include "daemon/base/file.h"

/* Batches under way: they share their syncs, and the disk does not wait for the reader. */
#define LOG_PENDING_MAX 16
#define LOG_COPY_MODE 0700

static void log_on_applied(
                uint64_t index _unused_,
                const ConsensusOp *op _unused_,
                const Cid *cid _unused_,
                void *userdata _unused_) {
}

static void log_on_ready(void *userdata) {
        OfflineLog *log = userdata;

        log->is_ready = true;
}

static void log_on_leader(const PeerId *leader _unused_, void *userdata _unused_) {
}

static void log_on_failed(int exit_status, void *userdata) {
        OfflineLog *log = userdata;

        log->failed = exit_status;
}

static const ConsensusEvents log_events = {
        .applied = log_on_applied,
        .ready = log_on_ready,
        .leader_changed = log_on_leader,
        .failed = log_on_failed,
};

static void log_on_submitted(ConsensusCall *call, int r, const Error *error, void *userdata) {
        OfflineLog *log = userdata;

        (void) call; /* nobody holds it */
        log->n_pending--;
        if (r < 0 && log->error.code == ERROR_NONE)
                (void) error_copy(&log->error, error);
}

/* One turn of the loop; fails when the engine or a submit has. */
static int log_turn(OfflineLog *log, Error *reterr) {
        int r = sd_event_run(log->event, UINT64_MAX);

        if (r < 0)
                return error_set_errno(reterr, r, "event loop: %m");
        if (log->failed)
                return error_set(reterr, ERROR_IO, "the log cannot go on, see the message above");
        if (log->error.code != ERROR_NONE) {
                r = -error_errno(log->error.code);
                if (reterr)
                        error_move(reterr, &log->error);
                return r;
        }
        return 0;
}

int offline_log_open(
                OfflineLog *log,
                const OfflinePeer *peer,
                const char *state_folder,
                const char *raft_folder,
                Error *reterr) {
        const ConfigRaft *raft = &peer->config->raft;
        int r;

        r = sd_event_new(&log->event);
        if (r < 0)
                return error_set_errno(reterr, r, "event loop: %m");

        r = consensus_open(
                        &log->consensus,
                        log->event,
                        &(ConsensusOptions){
                                        .state_folder = state_folder,
                                        .raft_folder = raft_folder,
                                        .self = peer->identity.id,
                                        .heartbeat_timeout_usec = (uint64_t) raft->heartbeat_timeout,
                                        .election_timeout_usec = (uint64_t) raft->election_timeout,
                                        .snapshot_interval_usec = (uint64_t) raft->snapshot_interval,
                                        .snapshot_threshold = (uint64_t) raft->snapshot_threshold,
                                        .trailing_logs = (uint64_t) raft->trailing_logs,
                                        .events = &log_events,
                                        .userdata = log,
                        },
                        reterr);
        while (r >= 0 && !log->is_ready)
                r = log_turn(log, reterr);
        return r;
}

static int log_clear_copy(OfflineLog *log) {
        int r = log->copy_raft ? file_remove_tree(AT_FDCWD, log->copy_raft) : 0;

        return r >= 0 && log->copy_state ? file_remove_tree(AT_FDCWD, log->copy_state) : r;
}

static int log_copy(OfflineLog *log, const OfflinePeer *peer, Error *reterr) {
        int r;

        r = file_join(&log->copy_state, peer->state_folder, "read.new");
        if (r >= 0)
                r = file_join(&log->copy_raft, peer->state_folder, "raft.read");
        if (r >= 0)
                r = log_clear_copy(log);
        if (r >= 0)
                r = file_make_dirs(log->copy_state, LOG_COPY_MODE);
        if (r >= 0)
                r = file_copy_tree(AT_FDCWD, peer->raft_folder, log->copy_raft);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot copy: %m", peer->raft_folder) : 0;
}

int offline_log_open_to_read(OfflineLog *log, const OfflinePeer *peer, Error *reterr) {
        PeerIdList members = {};
        size_t n;
        int r;

        r = consensus_peek_members(peer->raft_folder, &members, reterr);
        if (r < 0)
                return r;
        n = members.n;
        peer_id_list_done(&members);
        if (n == 1)
                return offline_log_open(log, peer, peer->state_folder, peer->raft_folder, reterr);

        r = log_copy(log, peer, reterr);
        if (r >= 0)
                r = consensus_make_alone(log->copy_raft, reterr);
        return r < 0 ? r : offline_log_open(log, peer, log->copy_state, log->copy_raft, reterr);
}

int offline_log_submit(OfflineLog *log, const ConsensusOp *ops, size_t n, Error *reterr) {
        int r = 0;

        while (r >= 0 && log->n_pending >= LOG_PENDING_MAX)
                r = log_turn(log, reterr);
        if (r >= 0)
                r = consensus_submit(log->consensus, NULL, ops, n, log_on_submitted, log, reterr);
        if (r >= 0)
                log->n_pending++;
        return r;
}

int offline_log_wait(OfflineLog *log, Error *reterr) {
        int r = 0;

        while (r >= 0 && log->n_pending > 0)
                r = log_turn(log, reterr);
        return r;
}

int offline_log_close(OfflineLog *log, Error *reterr) {
        int r = offline_log_wait(log, reterr);

        if (r < 0)
                return r;

        r = consensus_close(TAKE_PTR(log->consensus)); /* which also frees it */
        if (r < 0)
                return error_set(reterr, ERROR_IO, "the log was not closed in order");
        return 0;
}

void offline_log_done(OfflineLog *log) {
        log->consensus = consensus_free(log->consensus);
        log->event = sd_event_unref(log->event);
        (void) log_clear_copy(log);
        free(log->copy_raft);
        free(log->copy_state);
        error_done(&log->error);
}
