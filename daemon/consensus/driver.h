#pragma once

/*
 * Driver: the engine's owner in the loop. It feeds inputs, carries updates out, applies what is committed,
 * and takes snapshots. Private to this folder; consensus.h is the way in.
 *
 *   submit ──► SUBMIT ──► log's tail ──► disk ──► PERSISTED ──► commit ──► apply ──► events, done
 *
 *   RECEIVE ──► log's tail, SEND ──► …          INSTALL ──► a fresh pinset ──► store, log ──► INSTALLED
 *
 * An input is fed from the loop only, never while an update is being carried out.
 */

#include "daemon/consensus/disk.h"
#include "daemon/consensus/recovery.h"
#include "daemon/consensus/snapshot-task.h"

#define CONSENSUS_EXIT_DISK 74     /* EX_IOERR */
#define CONSENSUS_EXIT_SOFTWARE 70 /* EX_SOFTWARE */
#define CONSENSUS_EXIT_RESTART 75  /* EX_TEMPFAIL */

#define CONSENSUS_SNAPSHOT_BYTES (32 * 1024 * 1024)
#define CONSENSUS_TRAILING_BYTES (16 * 1024 * 1024) /* of the log kept behind a snapshot, at most */
#define CONSENSUS_APPLY_ENTRIES_MAX 256             /* in one turn of the loop */
#define CONSENSUS_APPLY_OPS_MAX 1000

typedef struct ConsensusInstall ConsensusInstall;
typedef struct ConsensusNews ConsensusNews;

struct ConsensusCall {
        List link; /* in submitted, then in appended */
        unsigned n_ref;
        ConsensusDone done; /* NULL when nobody listens any more */
        void *userdata;
        uint64_t index; /* once it is appended */
        ConsensusPayload *payload;
};

struct Consensus {
        ConsensusOptions options; /* its pointers are not used after the open, except for events and userdata
                                   */
        ConsensusEvents events;
        ConsensusRecovery disk_state;
        ConsensusSnapshotStore store;
        sd_event *event;
        ConsensusEngine *engine;
        ConsensusDisk *disk;
        Worker *snapshot_worker;
        ConsensusSnapshotTask *snapshot;
        uint64_t snapshot_bytes; /* the dump's size of the newest one */
        void (*snapshot_done)(int r, void *userdata);
        void *snapshot_userdata;
        sd_event_source *submit, *advance, *timer, *interval;
        List submitted; /* ConsensusCall: not handed to the engine */
        List appended;  /* ConsensusCall: in the order of their indexes */
        List lost;      /* ConsensusCall: of a leader that is none any more; index 0: not appended */
        ConsensusSnapshotHead install; /* of a snapshot to be loaded; index 0: none */
        ConsensusInstall *loading;
        ConsensusNews *news; /* what such a snapshot has changed, and nobody was told of yet */
        size_t n_pending, pending_bytes;
        Str scratch, canonical; /* of submits */
        ConsensusState state;
        uint64_t term, leader, leader_told;
        uint64_t commit, applied, skipped, hold;
        uint64_t recovered; /* the last entry that the log had at the start */
        bool has_moved;     /* an input has made something possible since this was last cleared */
        bool ready, failed, closing, want_barrier, want_snapshot, want_repair;
};

void consensus_driver_wake(Consensus *consensus); /* what an input made possible happens in the loop */
int consensus_driver_start(Consensus *consensus, Error *reterr);
int consensus_driver_feed(Consensus *consensus, const ConsensusInput *input); /* answers 0 when it went on */
void consensus_driver_receive(Consensus *consensus, const ConsensusMessage *message);
/* Apply everything that is committed; for the end. */
void consensus_driver_drain(Consensus *consensus);
void consensus_driver_fail(Consensus *consensus, int exit_status, const Error *error);
void consensus_driver_fail_errno(Consensus *consensus, int exit_status, int r, const char *what);
void consensus_driver_tell_progress(Consensus *consensus);
void consensus_driver_end_call(Consensus *consensus, ConsensusCall *call, int r, const Error *error);

extern const ConsensusDiskEvents consensus_driver_disk_events;
int consensus_driver_on_submit(sd_event_source *source, void *userdata);
int consensus_driver_on_advance(sd_event_source *source, void *userdata);
int consensus_driver_on_timer(sd_event_source *source, uint64_t usec, void *userdata);

/* driver-snapshot.c */
void consensus_driver_snapshot_if_due(Consensus *consensus, bool interval);
int consensus_driver_on_interval(sd_event_source *source, uint64_t usec, void *userdata);
void consensus_driver_install_if_due(Consensus *consensus);
void consensus_driver_install_stop(Consensus *consensus); /* before its worker is freed */
void consensus_driver_install_free(Consensus *consensus); /* after that */
/* What was not told of is worthless then: tell of something, so that whoever listens knows. */
void consensus_driver_news_close(Consensus *consensus);
bool consensus_driver_may_repair(const Consensus *consensus, const ConsensusSnapshotHead *head);
