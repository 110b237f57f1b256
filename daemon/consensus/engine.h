#pragma once

/*
 * Engine: libraft's raft_step() in the project's own terms. Pure: an input goes in, an update comes out; no
 * file, clock, network or loop is touched; of the owner's log it asks the terms. engine*.c are the only
 * files that know raft.h.
 *
 * The owner carries an update out in the order of its members: meta, entries, install, messages, state,
 * barrier, commit. It may not call consensus_engine_step() before it has taken over what the update holds.
 *
 * What the engine keeps by itself of the host rules (architecture.md, "Consensus: host rules"): all that is
 * about messages, changes of the members, votes and the timer; who owns which memory, what was reported as
 * persisted, that the commit index never goes back, which configuration the applied index has.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/consensus/message.h"
#include "daemon/types/peer-id.h"

#define CONSENSUS_MEMBERS_MAX 1000
#define CONSENSUS_INFLIGHT_MAX 8192 /* entries sent or being written and not yet acknowledged */
#define CONSENSUS_PROMOTION_LAG 64  /* entries that a standby may lack when it is made a voter */
#define CONSENSUS_HELD_MAX 4096     /* messages that wait for the vote's write; more are lost */

typedef struct ConsensusEngine ConsensusEngine;
struct ConsensusLog;

typedef enum ConsensusRole { /* of a member */
                             CONSENSUS_STANDBY,
                             CONSENSUS_VOTER,
                             CONSENSUS_SPARE,
} ConsensusRole;

typedef struct ConsensusMember {
        uint64_t raft_id;
        PeerId peer;
        ConsensusRole role;
} ConsensusMember;

typedef struct ConsensusMembers {
        ConsensusMember *items;
        size_t n;
} ConsensusMembers;

/* The payload of a CONSENSUS_ENTRY_CHANGE. MEMBERS are sorted by their Raft ids, so that all peers of a
 * first configuration write the same bytes. Errors of decode: -EBADMSG. */
int consensus_members_encode(ConsensusMembers *members, ConsensusPayload **ret);
int consensus_members_decode(const ConsensusPayload *payload, ConsensusMembers *ret);
const ConsensusMember *consensus_members_find(const ConsensusMembers *members, uint64_t raft_id);
/* RAFT_ID is the only voter: its peer goes on alone. */
bool consensus_members_is_sole_voter(const ConsensusMembers *members, uint64_t raft_id);
void consensus_members_done(ConsensusMembers *members);

/* The id that a peer of a first configuration has. Never 0. */
uint64_t consensus_raft_id(const PeerId *peer);

/* A run of entries of one term. */
typedef struct ConsensusTermRun {
        uint64_t first;
        uint64_t term;
} ConsensusTermRun;

typedef enum ConsensusInputType {
        CONSENSUS_INPUT_START,     /* first, once */
        CONSENSUS_INPUT_PERSISTED, /* a write returned from fdatasync(2) */
        CONSENSUS_INPUT_APPLIED,   /* a CONSENSUS_ENTRY_CHANGE was applied, in the order of the log */
        CONSENSUS_INPUT_SNAPSHOT,  /* one was taken and is durable */
        CONSENSUS_INPUT_TIMEOUT,
        CONSENSUS_INPUT_SUBMIT,
        CONSENSUS_INPUT_RECEIVE,   /* a message; CONSENSUS_MESSAGE_INSTALL when its snapshot is here */
        CONSENSUS_INPUT_INSTALLED, /* what an update's INSTALL asked for is durable and loaded */
        CONSENSUS_INPUT_CHANGE,    /* of the members */
        CONSENSUS_INPUT_TRANSFER,  /* of the leadership */
        CONSENSUS_INPUT_LOST, /* the leader is gone, by what the owner knows: do not wait for the timer */
} ConsensusInputType;

typedef enum ConsensusChangeKind {
        CONSENSUS_CHANGE_ADD,    /* as standby or spare */
        CONSENSUS_CHANGE_ROLE,   /* one step: spare - standby - voter */
        CONSENSUS_CHANGE_REMOVE, /* of one that is no voter */
} ConsensusChangeKind;

typedef struct ConsensusChange {
        ConsensusChangeKind kind;
        ConsensusMember member; /* ADD: all of it; ROLE: id and role; REMOVE: the id */
} ConsensusChange;

typedef struct ConsensusInput {
        ConsensusInputType type;
        uint64_t time_msec; /* monotonic */
        union {
                struct {
                        uint64_t term;
                        uint64_t vote;
                        const ConsensusSnapshotHead *snapshot; /* NULL: none */
                        uint64_t first;                        /* of the log */
                        size_t n;                              /* entries in it */
                        const ConsensusTermRun *runs;
                        size_t n_runs;
                        const ConsensusEntry *changes; /* all entries of that type, in order */
                        size_t n_changes;
                } start;
                struct {
                        uint64_t index; /* the last entry of the write that the log still has */
                        uint64_t term;  /* as meta has it on disk */
                        uint64_t vote;
                } persisted;
                const ConsensusEntry *applied;
                struct {
                        const ConsensusSnapshotHead *head;
                        uint64_t trailing;
                } snapshot;
                struct {
                        const ConsensusEntry *entries; /* type and payload; not CONSENSUS_ENTRY_CHANGE */
                        size_t n;
                } submit;
                const ConsensusMessage *message; /* entries and members are copied */
                const ConsensusChange *change;
                uint64_t transfer; /* Raft id of the new leader; 0: whoever is up to date */
        };
} ConsensusInput;

typedef enum ConsensusState {
        CONSENSUS_FOLLOWER,
        CONSENSUS_CANDIDATE,
        CONSENSUS_LEADER,
} ConsensusState;

typedef struct ConsensusUpdate {
        bool meta; /* write TERM and VOTE; messages that have to wait for it are kept back here (H2) */
        uint64_t term;
        uint64_t vote;

        ConsensusEntry *entries; /* the log is cut from the first one's index on, then they are appended */
        size_t n_entries;
        uint64_t hold; /* entries from here on may not be written yet (H23); UINT64_MAX: all may */

        /* Forget the log, stop applying, make this snapshot and an empty log after it durable, load it, then
         * CONSENSUS_INPUT_INSTALLED. Index 0: nothing to do. */
        ConsensusSnapshotHead install;

        ConsensusMessage *messages; /* the entries are to be filled in from the log */
        size_t n_messages;

        bool restart; /* end the process and start again: what is held back must not be written (H23) */
        bool state_changed;
        ConsensusState state;
        uint64_t leader; /* Raft id; 0: none */

        bool barrier;    /* leader, but nothing of its term is under way: submit a CONSENSUS_ENTRY_BARRIER */
        uint64_t commit; /* apply up to here; never goes back */
        uint64_t deadline_msec; /* the next CONSENSUS_INPUT_TIMEOUT */
} ConsensusUpdate;

/* The rules that the simulator can switch off, one at a time, to show that it would notice. */
typedef enum ConsensusRule {
        CONSENSUS_RULE_VOTE,    /* H2: messages wait for term and vote */
        CONSENSUS_RULE_EARLY,   /* H4: what is not durable is not reported */
        CONSENSUS_RULE_OWNTERM, /* H8: no change before an entry of the own term is committed */
        CONSENSUS_RULE_TRIM,    /* H9 */
        CONSENSUS_RULE_SPLIT,   /* H9a */
        CONSENSUS_RULE_CONFIRM, /* H9b */
        CONSENSUS_RULE_APPLY,   /* H10: what is not committed is not applied */
        CONSENSUS_RULE_BARRIER, /* H12 */
        CONSENSUS_RULE_BUMP,    /* H16: an only voter begins a new term */
        CONSENSUS_RULE_REJECT,  /* H18 */
        CONSENSUS_RULE_PREVOTE, /* H21: a refused pre-vote tells the term */
        CONSENSUS_RULE_FIRST,   /* H23: a new voter is the first to have the entry */
        CONSENSUS_RULE_LAST,    /* H23: one that is voter no more is the last */
        CONSENSUS_RULE_DISRUPT, /* H24 */
        _CONSENSUS_RULE_N,
} ConsensusRule;

typedef struct ConsensusEngineOptions {
        uint64_t raft_id;
        PeerId self;
        unsigned heartbeat_msec;
        unsigned election_msec; /* more than the heartbeat */
        unsigned seed;
        const struct ConsensusLog *log; /* must outlive the engine; NULL: no term is known */
        unsigned rules_off;             /* bits 1 << ConsensusRule; 0 but in the simulator */
} ConsensusEngineOptions;

/* The positive answers to SUBMIT, CHANGE and TRANSFER; nothing has happened. */
#define CONSENSUS_ENGINE_NOT_LEADER 1 /* also while a transfer is under way */
#define CONSENSUS_ENGINE_BUSY 2    /* CHANGE: another one, or the own term's first entry, is not committed */
#define CONSENSUS_ENGINE_REFUSED 3 /* there is no such step from the present members */
#define CONSENSUS_ENGINE_BEHIND 4  /* CHANGE: the standby lacks too much of the log to become a voter */

int consensus_engine_new(ConsensusEngine **ret, const ConsensusEngineOptions *options);
ConsensusEngine *consensus_engine_free(ConsensusEngine *engine);
DEFINE_CLEANUP(ConsensusEngine *, consensus_engine_free);

/* The members as of the newest entry, committed or not. */
int consensus_engine_members(const ConsensusEngine *engine, ConsensusMembers *ret);

/* *RET is filled on 0 only, and released by consensus_update_done(). Any error means that the process has to
 * end; RETERR says what libraft refused. */
int consensus_engine_step(
                ConsensusEngine *engine, const ConsensusInput *input, ConsensusUpdate *ret, Error *reterr);
void consensus_update_done(ConsensusUpdate *update);

/* The configuration as of the applied index; borrowed. */
const ConsensusConfiguration *consensus_engine_configuration(const ConsensusEngine *engine);
