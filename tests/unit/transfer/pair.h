#pragma once

/* Peers with a consensus each, alone in their clusters or without one, and their links: what
 * moves snapshots. Peer 0 has pins and leads; peer 1 is to get them. */

#include "daemon/transfer/transfer.h"
#include "tests/unit/rpc/nodes.h"

#define PAIR_LEADER 0
#define PAIR_FOLLOWER 1

typedef struct PairPeer {
        Transfer transfer;
        Node *node;
        PeerId self; /* of the consensus */
        char *folder;
        ConsensusOptions options;
        bool ready, failed;
        int exit_status;
        uint64_t applied; /* as told */
        unsigned n_asked; /* requests for a snapshot that came here */
        uint64_t offset;  /* of the last one */
        unsigned n_done;
        unsigned n_pins, n_unpins; /* operations that were told of */
} PairPeer;

typedef struct Pair {
        Nodes nodes;
        PairPeer peer[NODES_MAX];
} Pair;

/* N nodes; peer 0 with PINS pins and a snapshot, the others about to join it. */
void pair_open(Pair *pair, size_t n, unsigned pins);
void pair_close(Pair *pair);

/* PEER's folder becomes that of FROM, and its consensus one of the same identity, as of now. */
void pair_make_twin(PairPeer *peer, PairPeer *from);
void pair_open_consensus(PairPeer *peer, const uint8_t *join);
void pair_pin(PairPeer *peer, uint64_t first, unsigned n); /* and wait */
void pair_unpin(PairPeer *peer, uint64_t n);               /* the same */
void pair_rename(PairPeer *peer, uint64_t n);              /* the same: another value for its CID */
/* Something is lost from its pinset behind its back. */
void pair_lose_pin(PairPeer *peer, uint64_t n);
uint64_t pair_snapshot(PairPeer *peer);             /* its index */
uint64_t pair_snapshot_index(const PairPeer *peer); /* of the newest */
/* What a leader tells of its newest snapshot, in its term plus LATER. */
ConsensusMessage pair_install(PairPeer *peer, uint64_t later);
void pair_digest(const PairPeer *peer, uint8_t digest[static STATE_DIGEST_SIZE]);
void pair_same_pins(const PairPeer *a, const PairPeer *b);
char *pair_path(const PairPeer *peer, const char *name); /* below its raft folder; glib's */
bool pair_has(const PairPeer *peer, const char *name);

/* Run the loop until CONDITION. */
#define PAIR_WAIT(pair, condition) PAIR_WAIT_FOR((pair)->nodes.event, condition)
#define PAIR_WAIT_FOR(event, condition)                                                                     \
        for (gint64 _deadline = g_get_monotonic_time() + NODE_DEADLINE_USEC; !(condition);) {               \
                g_assert_cmpint(g_get_monotonic_time(), <, _deadline);                                      \
                g_assert_cmpint(sd_event_run(event, 100000), >=, 0);                                        \
        }

/* What was written to standard error between the two. To be freed. */
void pair_capture_start(void);
char *pair_capture_end(void);
