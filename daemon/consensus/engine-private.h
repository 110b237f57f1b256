#pragma once

/* What engine.c and engine-peers.c share. Only these two include it, and the
 * simulator, which checks what it says. */

#include <raft.h>

#include "daemon/consensus/engine.h"
#include "daemon/consensus/log.h"

/* After so long without an answer a leader says again that it has a snapshot. The default of 30 s is meant
 * for one that is sent with the message; a peer that was killed meanwhile would wait as long. */
#define ENGINE_INSTALL_MSEC 5000

/* The commit index that a member was sent, by the leader of TERM. */
typedef struct EngineTold {
        uint64_t raft_id, term, commit;
} EngineTold;

struct ConsensusEngine {
        struct raft raft;
        bool initialized;
        unsigned heartbeat_msec, election_msec;
        const ConsensusLog *log;
        unsigned rules_off;
        uint64_t commit;    /* H10: the highest that was ever told */
        uint64_t persisted; /* H4: the last index that was reported */
        uint64_t deadline_msec;
        ConsensusConfiguration configuration; /* H14: as of the applied index */
        ConsensusConfiguration newest;        /* H9b: the last change in the log */
        ConsensusSnapshotHead snapshot;       /* H5: the newest durable one, which others may be sent */

        bool installing; /* H15 */
        struct raft_snapshot_metadata install;

        bool meta_pending; /* H2: term and vote are not durable yet */
        ConsensusMessage *held;
        size_t n_held;

        uint64_t promoted, demoted; /* H23: whose change is at CHANGE_INDEX; 0: nobody's */
        uint64_t change_index, change_msec;
        EngineTold *told; /* H25 */
        size_t n_told;
        unsigned char append_version; /* of the library's own AppendEntries */
        uint64_t transfer_term;       /* H24: the only term in which this peer may disrupt a leader */
};

/* One call of consensus_engine_step(): what all its calls of raft_step() came to. */
typedef struct EngineTurn {
        ConsensusEngine *engine;
        const ConsensusInput *input;
        ConsensusUpdate *update;
        bool timeout; /* the library named a new time */
        bool stale;   /* H17: the message under way is of an older term */
} EngineTurn;

static inline bool engine_keeps(const ConsensusEngine *engine, ConsensusRule rule) {
        return !(engine->rules_off & 1U << rule);
}

/* engine.c: one raft_step(). Answers those of consensus_engine_step(). */
int consensus_engine_feed(EngineTurn *turn, struct raft_event *event);
int consensus_engine_decode_members(const ConsensusPayload *payload, struct raft_configuration *ret);
int consensus_engine_encode_members(const struct raft_configuration *configuration, ConsensusPayload **ret);
int consensus_engine_code_to_errno(int code);
int consensus_engine_submit(EngineTurn *turn, const ConsensusEntry *items, size_t n);

/* engine-peers.c */
int consensus_engine_receive(EngineTurn *turn);
int consensus_engine_take_messages(EngineTurn *turn, const struct raft_update *update);
int consensus_engine_release_held(EngineTurn *turn);
int consensus_engine_change(EngineTurn *turn);
void consensus_engine_watch_promotion(EngineTurn *turn); /* H23 */
int consensus_engine_tell_commit(EngineTurn *turn);      /* H25 */
