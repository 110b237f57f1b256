#include "daemon/peers/roles.h"

size_t peers_roles_voters(size_t n) {
        if (n <= 2)
                return n;
        n = MIN(n, (size_t) PEERS_VOTERS_MAX);
        return n % 2 == 1 ? n : n - 1;
}

static size_t count_voters(const PeersRole *members, size_t n) {
        size_t voters = 0;

        for (size_t i = 0; i < n; i++)
                voters += members[i].role == CONSENSUS_VOTER;
        return voters;
}

static bool is_better(const PeersRole *a, const PeersRole *b) {
        return !b || a->raft_id < b->raft_id;
}

static const PeersRole *next_voter(const PeersRole *members, size_t n) {
        const PeersRole *best = NULL;

        for (size_t i = 0; i < n; i++)
                if (members[i].role == CONSENSUS_STANDBY && members[i].down_usec == 0 &&
                    is_better(&members[i], best))
                        best = &members[i];
        return best;
}

/* Who is away for longest goes first. */
static bool is_worse(const PeersRole *a, const PeersRole *b) {
        if (!b || a->down_usec != b->down_usec)
                return !b || a->down_usec > b->down_usec;
        return a->raft_id > b->raft_id;
}

static const PeersRole *worst_voter(const PeersRole *members, size_t n, uint64_t leader) {
        const PeersRole *worst = NULL;

        for (size_t i = 0; i < n; i++)
                if (members[i].role == CONSENSUS_VOTER && members[i].raft_id != leader &&
                    is_worse(&members[i], worst))
                        worst = &members[i];
        return worst;
}

static bool change_role(const PeersRole *member, ConsensusRole role, ConsensusChange *ret) {
        if (!member)
                return false;
        *ret = (ConsensusChange){
                .kind = CONSENSUS_CHANGE_ROLE,
                .member = { .raft_id = member->raft_id, .role = role },
        };
        return true;
}

/* What this program never makes, another release may have. */
static const PeersRole *first_spare(const PeersRole *members, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (members[i].role == CONSENSUS_SPARE)
                        return &members[i];
        return NULL;
}

bool peers_roles_next(const PeersRole *members, size_t n, uint64_t leader, ConsensusChange *ret) {
        size_t voters = count_voters(members, n), wanted = peers_roles_voters(n);
        const PeersRole *worst = worst_voter(members, n, leader);

        if (change_role(first_spare(members, n), CONSENSUS_STANDBY, ret))
                return true;
        if (voters > wanted)
                return change_role(worst, CONSENSUS_STANDBY, ret);
        if (voters < wanted || (worst && worst->down_usec >= PEERS_ROLE_GRACE))
                return change_role(next_voter(members, n), CONSENSUS_VOTER, ret);
        return false;
}
