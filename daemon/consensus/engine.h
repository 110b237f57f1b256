#pragma once

/*
 * Engine: libraft's raft_step() in the project's own terms. Pure: an input goes in, an update comes out; no
 * file, clock, network or loop is touched, so that a simulator can drive it as the daemon does. engine.c is
 * the only file that knows raft.h.
 *
 * The owner carries an update out in the order of its members: meta, entries, state, barrier, commit. It may
 * not call consensus_engine_step() before it has taken over what the update holds.
 *
 * What the engine keeps by itself of the host rules (architecture.md, "Consensus: host rules"): who owns
 * which memory, what was reported as persisted, that the commit index never goes back, when a barrier is
 * needed, which configuration the applied index has, when the timer is due next.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/consensus/entry.h"
#include "daemon/types/peer-id.h"

#define CONSENSUS_MEMBERS_MAX 1000
#define CONSENSUS_INFLIGHT_MAX 8192 /* entries sent or being written and not yet acknowledged */

typedef struct ConsensusEngine ConsensusEngine;

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

typedef struct ConsensusConfiguration { /* the members as of an index */
        uint64_t index;                 /* of the entry that made them so */
        ConsensusPayload *members;
} ConsensusConfiguration;

/* What a snapshot stands for. */
typedef struct ConsensusSnapshotHead {
        uint64_t index;
        uint64_t term;
        ConsensusConfiguration configuration;
} ConsensusSnapshotHead;

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
} ConsensusInputType;

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
        };
} ConsensusInput;

typedef enum ConsensusState {
        CONSENSUS_FOLLOWER,
        CONSENSUS_CANDIDATE,
        CONSENSUS_LEADER,
} ConsensusState;

typedef struct ConsensusUpdate {
        bool meta; /* TERM and VOTE must be durable before any message of this or a later update leaves */
        uint64_t term;
        uint64_t vote;

        ConsensusEntry *entries; /* the log is cut from the first one's index on, then they are appended */
        size_t n_entries;

        bool state_changed;
        ConsensusState state;
        uint64_t leader; /* Raft id; 0: none */

        bool barrier;    /* leader, but nothing of its term is under way: submit a CONSENSUS_ENTRY_BARRIER */
        uint64_t commit; /* apply up to here; never goes back */
        uint64_t deadline_msec; /* the next CONSENSUS_INPUT_TIMEOUT */
} ConsensusUpdate;

typedef struct ConsensusEngineOptions {
        uint64_t raft_id;
        PeerId self;
        unsigned heartbeat_msec;
        unsigned election_msec; /* more than the heartbeat */
        unsigned seed;
} ConsensusEngineOptions;

/* The positive answer to CONSENSUS_INPUT_SUBMIT: this peer is not the leader, nothing has happened. */
#define CONSENSUS_ENGINE_NOT_LEADER 1

int consensus_engine_new(ConsensusEngine **ret, const ConsensusEngineOptions *options);
ConsensusEngine *consensus_engine_free(ConsensusEngine *engine);
DEFINE_CLEANUP(ConsensusEngine *, consensus_engine_free);

/* *RET is filled on 0 only, and released by consensus_update_done(). Any error means that the process has to
 * end; RETERR says what libraft refused. */
int consensus_engine_step(
                ConsensusEngine *engine, const ConsensusInput *input, ConsensusUpdate *ret, Error *reterr);
void consensus_update_done(ConsensusUpdate *update);

/* The configuration as of the applied index; borrowed. */
const ConsensusConfiguration *consensus_engine_configuration(const ConsensusEngine *engine);
