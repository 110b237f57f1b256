#pragma once

/*
 * Simulator: a cluster of peers that run the daemon's own consensus code on a machine made of a seed.
 *
 *   life.c      one life: what happens to the cluster, and what its clients and administrators want
 *   story.c     faults that chance would not find
 *   node.c      a peer: start, crash, submits
 *   network.c   messages between peers: lost, late, twice, in another order, one way only
 *   check.c     what must hold after every step and at the end
 *   loop.c      the machine (loop.h)
 *
 * A life runs in a process of its own and ends it with a SimOutcome.
 */

#include "daemon/consensus/driver.h"
#include "daemon/consensus/message.h"
#include "tests/sim/loop.h"

#define SIM_NODES_MAX 7
#define SIM_SNAPSHOT_BYTES 6000 /* of log make one due */
#define SIM_TRAILING 12
#define SIM_SEGMENT_SIZE 4096
#define SIM_ELECTION_MSEC 1000

typedef enum SimOutcome {
        SIM_OK = 0,
        SIM_VIOLATION = 10, /* something that must always hold did not */
        SIM_STUCK = 11,     /* after the faults the cluster did not go on */
        SIM_LEAK = 12,
        SIM_CRASH = 13, /* a signal */
} SimOutcome;

typedef struct SimProfile {
        const char *name;
        unsigned n_nodes, n_boot; /* that exist; that are voters from the first start on */
        bool reorder, membership, hasty, minority_down, shrink;
        bool forgetful;  /* who votes crashes soon after */
        bool steady;     /* few crashes, no snapshots */
        bool suspicious; /* peers take the leader for lost, rightly or not */
        unsigned min_voters;
        void (*story)(void); /* in each millisecond, instead of chance's faults */
} SimProfile;

typedef struct SimNode {
        unsigned i, generation;
        char *folder;
        PeerId self;
        uint64_t raft_id;
        sd_event *event;
        Consensus *consensus;         /* NULL: down */
        uint64_t restart_at, checked; /* entries up to there were compared */
        int failed;                   /* exit status */
} SimNode;

extern SimNode sim_nodes[SIM_NODES_MAX];
extern const SimProfile *sim_profile;
extern unsigned sim_rules_off;
extern bool sim_verbose;
extern uint64_t sim_end, sim_heal; /* the faults end at the latter */
extern bool sim_cut[SIM_NODES_MAX][SIM_NODES_MAX];

typedef struct SimCounts {
        unsigned leaders, crashes, installs, snapshots, changes, transfers, acked, messages;
} SimCounts;
extern SimCounts sim_counts;

void sim_trace(const char *format, ...) _printf_(1, 2);
_Noreturn void sim_finish(SimOutcome outcome, const char *format, ...) _printf_(2, 3);
_Noreturn void sim_live(uint64_t seed, const char *folder);

int sim_change(SimNode *leader, ConsensusChangeKind kind, const SimNode *target, ConsensusRole role);

/* story.c */
void sim_story_exile(void);
void sim_story_schism(void);

/* node.c */
void sim_node_init(unsigned i, const char *folder);
void sim_node_start(SimNode *node);
void sim_node_crash(SimNode *node, uint64_t down_msec);
void sim_node_free(SimNode *node);
void sim_node_run(SimNode *node);
void sim_node_submit(SimNode *node);
SimNode *sim_node_by_id(uint64_t raft_id);
bool sim_node_is_leader(const SimNode *node);
SimNode *sim_leader(void); /* the one of the highest term, or NULL */
void sim_clients_done(void);

/* network.c */
void sim_network_send(SimNode *from, const ConsensusMessage *message);
void sim_network_run(void);
void sim_network_done(void);

/* check.c */
void sim_check_node(SimNode *node);
void sim_check_entries(const SimNode *node, const ConsensusMessage *message);
void sim_check_acked(uint64_t pin, bool is_unpin);
void sim_check_asked_unpin(uint64_t pin);
bool sim_check_may_unpin(uint64_t pin);
void sim_check_converged(void);
uint64_t sim_check_highest(void); /* the highest entry that any peer has applied */
void sim_check_heap_begin(void);
void sim_check_heap_end(void);
void sim_check_done(void);
