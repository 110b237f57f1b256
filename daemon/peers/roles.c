#include "daemon/peers/roles.h"

#include "daemon/base/str.h"

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

typedef struct Roles {
        const PeersRole *members;
        size_t n;
        uint64_t leader;
} Roles;

/* Of the domain of MEMBER. Those whose domain is not known share one. */
static size_t load(const Roles *roles, const PeersRole *member) {
        size_t voters = 0;

        for (size_t i = 0; i < roles->n; i++)
                voters += roles->members[i].role == CONSENSUS_VOTER &&
                          str_equal(roles->members[i].domain, member->domain);
        return voters;
}

static bool is_better(const Roles *roles, const PeersRole *a, const PeersRole *b) {
        size_t of_a = load(roles, a), of_b = b ? load(roles, b) : 0;

        if (!b || of_a != of_b)
                return !b || of_a < of_b;
        return a->raft_id < b->raft_id;
}

static const PeersRole *next_voter(const Roles *roles) {
        const PeersRole *best = NULL;

        for (size_t i = 0; i < roles->n; i++) {
                const PeersRole *member = &roles->members[i];

                if (member->role == CONSENSUS_STANDBY && member->down_usec == 0 &&
                    is_better(roles, member, best))
                        best = member;
        }
        return best;
}

/* Who is away for longest goes first. */
static bool is_worse(const Roles *roles, const PeersRole *a, const PeersRole *b) {
        size_t of_a = load(roles, a), of_b = b ? load(roles, b) : 0;

        if (!b || a->down_usec != b->down_usec)
                return !b || a->down_usec > b->down_usec;
        if (of_a != of_b)
                return of_a > of_b;
        return a->raft_id > b->raft_id;
}

static const PeersRole *worst_voter(const Roles *roles) {
        const PeersRole *worst = NULL;

        for (size_t i = 0; i < roles->n; i++) {
                const PeersRole *member = &roles->members[i];

                if (member->role == CONSENSUS_VOTER && member->raft_id != roles->leader &&
                    is_worse(roles, member, worst))
                        worst = member;
        }
        return worst;
}

/* TO would vote instead of FROM, which is the one that is demoted when there is a voter too many. */
static bool is_more_equal(const Roles *roles, const PeersRole *from, const PeersRole *to) {
        return from && to && from->domain && to->domain && load(roles, from) >= load(roles, to) + 2;
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
        const Roles roles = { .members = members, .n = n, .leader = leader };
        size_t voters = count_voters(members, n), wanted = peers_roles_voters(n);
        const PeersRole *worst = worst_voter(&roles), *next = next_voter(&roles);

        if (change_role(first_spare(members, n), CONSENSUS_STANDBY, ret))
                return true;
        if (voters > wanted)
                return change_role(worst, CONSENSUS_STANDBY, ret);
        if (voters < wanted || (worst && worst->down_usec >= PEERS_ROLE_GRACE) ||
            is_more_equal(&roles, worst, next))
                return change_role(next, CONSENSUS_VOTER, ret);
        return false;
}
