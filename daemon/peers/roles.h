#pragma once

/*
 * Roles: which member votes. A pure function of the members and of who is up.
 *
 * Of N members there are as many voters as the largest odd number up to N, at most PEERS_VOTERS_MAX; of two,
 * both (either may be lost without a loss of what was acknowledged). All others are standbys, which follow
 * the log. A voter that was down for PEERS_ROLE_GRACE gives its place to a standby that is up, which is
 * promoted first; where there is none, nothing changes.
 *
 * Voters are spread over failure domains: the next voter is of the domain that has the fewest, who gives up
 * its vote is of the one that has the most, and a vote moves when that makes the two more equal. The lowest
 * Raft ids vote, other things being equal.
 */

#include "daemon/consensus/engine.h"

#define PEERS_VOTERS_MAX 7
#define PEERS_ROLE_GRACE (60 * USEC_PER_SEC)

typedef struct PeersRole {
        uint64_t raft_id;
        ConsensusRole role;
        uint64_t down_usec; /* for how long it has had no link; 0: it is up */
        const char *domain; /* what it shares with those that fail together with it; NULL: not known */
} PeersRole;

size_t peers_roles_voters(size_t n_members);

/* One step towards it, never of LEADER itself. Answers false when all is as it should be. */
bool peers_roles_next(const PeersRole *members, size_t n, uint64_t leader, ConsensusChange *ret);
