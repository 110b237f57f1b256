#pragma once

/*
 * Consensus: the replicated log of this peer and the pinset that it makes (design: Raft by libraft's
 * raft_step()).
 *
 * consensus_submit() → appended, durable (on a quorum; here one voter) → applied in the order of the log on
 * every peer → DONE. What DONE reported with 0 survives kill -9, a torn write and a full disk. Entries of
 * one loop turn are written with one pwrite(2) and one fdatasync(2) in a worker thread.
 *
 * Crash-only: a failed write, sync or apply is logged with file and offset, EVENTS->failed is called once,
 * and from then on nothing is accepted, applied or acknowledged; the process has to end.
 *
 * Files, below the state folder (formats: architecture.md):
 *   raft/meta-a, raft/meta-b     format, cluster id, own raft id, term, vote, disk id
 *   raft/log-<first index>       segments of 8 MiB
 *   raft/snapshot-<index>/       pins.dump, members
 *   pins.gdbm, pins.dirty        the pinset's cache; pins-new.*: one that is being made
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/state/pinset.h"
#include "daemon/types/cid.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define CONSENSUS_DISK_ID_SIZE 16
#define CONSENSUS_OPS_MAX 1000                   /* in one submit */
#define CONSENSUS_SUBMIT_BYTES_MAX (1024 * 1024) /* in one submit */
#define CONSENSUS_PENDING_BYTES_MAX                                                                         \
        (32 * 1024 * 1024)          /* submitted and not yet applied, of all callers; ERROR_BUSY beyond */
#define CONSENSUS_PENDING_MAX 65536 /* the same, in submits */
#define CONSENSUS_BOUNDARY 256      /* PROGRESSED is told of each multiple that is applied: of all peers */

typedef struct Consensus Consensus;
typedef struct ConsensusCall ConsensusCall;
typedef struct ConsensusMessage ConsensusMessage; /* message.h */
struct ConsensusChange;                           /* engine.h */
struct ConsensusMembers;                          /* engine.h */
struct ConsensusSnapshotHead;                     /* message.h */
struct ConsensusSnapshotStore;                    /* snapshot-store.h */

typedef enum ConsensusOpKind {                      /* stored: never renumbered */
                               CONSENSUS_PIN = 1,   /* body: protobuf Pin */
                               CONSENSUS_UNPIN = 2, /* body: CID bytes */
                               CONSENSUS_PEER_PUT = 3,
                               CONSENSUS_PEER_REMOVE = 4,
                               /* Pinning requests: as state/requests.h has it. Told as a pin (with what
                                * the pinset has) when it was made by the request, as an unpin when it went
                                * with it; else as they are. */
                               CONSENSUS_REQUEST_PUT = 5,    /* body: the id that it replaces, or none
                                                              * (pin_request_id_write()); a protobuf Pin
                                                              * that has the request */
                               CONSENSUS_REQUEST_REMOVE = 6, /* body: the id */
                               /* Only while what the pinset has of the CID is what it was: the body begins
                                * with consensus_condition() of it. Told as the kind without the condition,
                                * and only when it was carried out. */
                               CONSENSUS_PIN_IF = 7,
                               CONSENSUS_UNPIN_IF = 8,
                               /* Says which entry this is, for whoever has sent it; changes nothing. The
                                * first of its entry. */
                               CONSENSUS_TAG = 9,
} ConsensusOpKind;

#define CONSENSUS_TAG_SIZE 16
#define CONSENSUS_CONDITION_SIZE 16
/* Of the bytes of a pin, as state_pinset_get_bytes() has them. */
void consensus_condition(const void *value, size_t size, uint8_t condition[static CONSENSUS_CONDITION_SIZE]);

typedef struct ConsensusOp {
        ConsensusOpKind kind;
        const void *body;
        size_t size;
} ConsensusOp;

typedef struct ConsensusEvents {
        /* OP was applied at INDEX; the pinset shows it. From the loop, in order. Also for entries that are
         * applied again at a start, so the receiver must take repetition. After a snapshot of another peer,
         * for whatever it has changed, in slices. CID is that of a pin, unpin or pinning
         * request, else undefined. */
        void (*applied)(uint64_t index, const ConsensusOp *op, const Cid *cid, void *userdata);
        /* There is a leader and this peer has applied everything that it had when it was started, unless
         * that was not committed. Once. */
        void (*ready)(void *userdata);
        void (*leader_changed)(const PeerId *leader, void *userdata); /* not set: none */
        /* Everything up to APPLIED is in the pinset: after each turn, and after a snapshot was loaded. */
        void (*progressed)(uint64_t applied, void *userdata);
        /* Those of what is applied, consensus_member_table(). */
        void (*members_changed)(void *userdata);
        /* MESSAGE is for the member MESSAGE->peer and may be lost. Also from inside a call: it is encoded or
         * copied, and nothing else is done. NULL: there is no link to anybody. */
        void (*send)(const ConsensusMessage *message, void *userdata);
        /* The end: see "crash-only". EXIT_STATUS is 74 for a failed disk, 75 to start again. The words are
         * logged already. */
        void (*failed)(int exit_status, void *userdata);
} ConsensusEvents;

typedef struct ConsensusOptions {
        const char *state_folder; /* exists */
        const char *raft_folder;  /* NULL: <state_folder>/raft */
        PeerId self;
        const PeerIdList *members; /* of a first start: self alone, or the whole init_peerset; NULL: self */
        /* A first start joins the cluster of this id (STATE_CLUSTER_ID_SIZE bytes): no vote, an empty log,
         * and whatever its leader sends. NULL: it founds one. */
        const uint8_t *join;
        uint64_t join_raft_id; /* given by that leader */
        uint64_t heartbeat_timeout_usec;
        uint64_t election_timeout_usec;
        uint64_t snapshot_interval_usec;
        uint64_t snapshot_threshold; /* entries; a snapshot is also due by bytes */
        uint64_t trailing_logs;
        size_t segment_size;     /* of the log's files; 0: 8 MiB */
        uint64_t snapshot_bytes; /* of the log since the last snapshot that make one due; 0: 32 MiB */
        const ConsensusEvents *events;
        void *userdata;
        unsigned rules_off; /* of the simulator: bits 1 << ConsensusRule (engine.h) */
} ConsensusOptions;

/* Answers 1 when a peer has begun a log in RAFT_FOLDER, 0 when there is nothing of it: a first start. */
int consensus_exists(const char *raft_folder, Error *reterr);

/* The id of the cluster that MEMBERS, more than one, found together; each derives it by itself. Errors:
 * ERROR_INVALID. */
int consensus_founding_id(
                const PeerIdList *members, uint8_t ret[static STATE_CLUSTER_ID_SIZE], Error *reterr);

/* For tools, while no peer is at work there. The members as of the newest entry in RAFT_FOLDER, committed or
 * not. Then: an entry that makes its peer the only one, so that all that is in the log counts, committed or
 * not; for a copy of a folder. Errors: ERROR_IO. */
int consensus_peek_members(const char *raft_folder, PeerIdList *ret, Error *reterr);
int consensus_make_alone(const char *raft_folder, Error *reterr);

/* Open or create, recover, and go on from the loop. Blocks while it reads (and rebuilds) what is on disk.
 * Errors: ERROR_IO, with file and offset and what to do; ERROR_REFUSED (the folder belongs to another peer
 * or cluster). */
int consensus_open(Consensus **ret, sd_event *event, const ConsensusOptions *options, Error *reterr);

/* An orderly end: pending submits are ended with ERROR_CANCELED unless they are durable, disk work is waited
 * for, the pinset is closed clean. Blocks shortly. Not from inside an event or DONE. */
int consensus_close(Consensus *consensus);
Consensus *consensus_free(Consensus *consensus); /* NULL-safe; as after a crash */
DEFINE_CLEANUP(Consensus *, consensus_free);

/* Append N operations as one entry, in this term or not at all: applied all at once or not at all. They are
 * copied; a tag before them counts for nothing. DONE comes once, from the loop: R is 0 after the entry was
 * applied, else negative with words. *RET (may be NULL) is the slot: dropping it silences DONE, the entry
 * stays. Errors: ERROR_BUSY (a pending bound), ERROR_TOO_BIG,
 * ERROR_INVALID (a pin that cannot be decoded), ERROR_NO_LEADER. */
typedef void (*ConsensusDone)(ConsensusCall *call, int r, const Error *error, void *userdata);
int consensus_submit(
                Consensus *consensus,
                ConsensusCall **ret,
                const ConsensusOp *ops,
                size_t n,
                ConsensusDone done,
                void *userdata,
                Error *reterr);
ConsensusCall *consensus_call_unref(ConsensusCall *call);
/* Of its entry, once DONE came. 0: it was never appended; else, and DONE came with an error: others may
 * commit it. */
uint64_t consensus_call_index(const ConsensusCall *call);
DEFINE_CLEANUP(ConsensusCall *, consensus_call_unref);

/* A message came from the member MESSAGE->peer. What follows from it happens in the loop, but for SEND. One
 * of CONSENSUS_MESSAGE_INSTALL is handed over when its snapshot lies whole in raft/snapshot.received (as in
 * snapshot-store.h), and only while consensus_may_install(); the snapshot is then loaded in a thread. */
void consensus_receive(Consensus *consensus, const ConsensusMessage *message);
bool consensus_may_install(const Consensus *consensus, uint64_t index);

/* The pinset of this peer is not that of the others. A snapshot of another one, that HEAD tells of, lies
 * whole and marked in raft/snapshot.received (snapshot-store.h): FAILED comes from the loop, with 75, and
 * the next start puts it in the place of this peer's own and applies the log from there; the log stays as it
 * is. Errors: ERROR_REFUSED: the log does not go on from there, or is not applied so far. */
int consensus_repair(Consensus *consensus, const struct ConsensusSnapshotHead *head, Error *reterr);

/* Begin a change of the members, or hand the leadership to RAFT_ID (0: to whoever is up to date). That it
 * has happened shows in the members, or in the leader. Errors: ERROR_NO_LEADER; ERROR_BUSY: another one is
 * under way; ERROR_REFUSED: no such step (engine.h). */
int consensus_change(Consensus *consensus, const struct ConsensusChange *change, Error *reterr);
int consensus_transfer(Consensus *consensus, uint64_t raft_id, Error *reterr);
/* The leader cannot be reached: stand for election now, if the others cannot reach it either. They should
 * not all do so at the same time. */
void consensus_leader_lost(Consensus *consensus);

StatePinset *consensus_pinset(Consensus *consensus); /* for reading; borrowed */

typedef struct ConsensusStatus {
        bool ready;
        bool is_leader;
        PeerId leader;    /* not set: none */
        uint64_t raft_id; /* of this peer */
        uint64_t term, last_index, commit_index, applied_index, snapshot_index;
        uint64_t applied_term;  /* of the entry applied last */
        uint64_t skipped_index; /* a snapshot has taken the place of what led to here; 0: none since the
                                   start */
        size_t n_pending;
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint8_t disk_id[CONSENSUS_DISK_ID_SIZE]; /* random, of this raft folder since it was made */
} ConsensusStatus;
void consensus_status(const Consensus *consensus, ConsensusStatus *ret);
int consensus_members(const Consensus *consensus, PeerIdList *ret);
/* The same with Raft ids and roles; borrowed until the loop goes on. Empty: nobody has told this peer yet.
 */
const struct ConsensusMembers *consensus_member_table(const Consensus *consensus);
const uint8_t *consensus_cluster_id(const Consensus *consensus);
/* The folders of the snapshots; borrowed. */
const struct ConsensusSnapshotStore *consensus_snapshots(const Consensus *consensus);

/* Start a snapshot now if none is under way; for tests and tools. DONE may be NULL. */
int consensus_snapshot(Consensus *consensus, void (*done)(int r, void *userdata), void *userdata);
