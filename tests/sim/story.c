#include "daemon/consensus/engine-private.h"
#include "tests/sim/sim.h"

#define STORY_FROM_MSEC 4000

static void cut(unsigned i, unsigned j, bool is_cut) {
        sim_cut[i][j] = sim_cut[j][i] = is_cut;
}

static ConsensusRole role_of(const SimNode *leader, const SimNode *node, bool *ret_is_member) {
        ConsensusMembers members;
        const ConsensusMember *member;
        ConsensusRole role = CONSENSUS_SPARE;
        int r;

        r = consensus_engine_members(leader->consensus->engine, &members);
        assert(r == 0);
        member = consensus_members_find(&members, node->raft_id);
        *ret_is_member = member != NULL;
        if (member)
                role = member->role;
        consensus_members_done(&members);
        return role;
}

/* H24: one that is told to lead, and hears and says nothing from then on, is made a standby and removed.
 * What it learned last is that it shall lead. */
void sim_story_exile(void) {
        SimNode *exiled = &sim_nodes[0], *leader = sim_leader();
        static uint64_t from;
        bool is_member;

        if (sim_now < STORY_FROM_MSEC || !leader)
                return;
        if (from == 0) {
                if (leader != exiled && consensus_transfer(leader->consensus, exiled->raft_id, NULL) == 0)
                        from = sim_now + 10 + sim_below(20);
                else if (leader == exiled) /* another one first */
                        (void) consensus_transfer(leader->consensus, 0, NULL);
                return;
        }
        for (unsigned i = 1; sim_now == from && i < sim_profile->n_nodes; i++)
                cut(0, i, true);
        if (sim_now <= from || leader == exiled)
                return;
        if (role_of(leader, exiled, &is_member) == CONSENSUS_VOTER)
                (void) sim_change(leader, CONSENSUS_CHANGE_ROLE, exiled, CONSENSUS_STANDBY);
        else if (is_member)
                (void) sim_change(leader, CONSENSUS_CHANGE_REMOVE, exiled, CONSENSUS_SPARE);
}

/* Answers true when the last node was promoted, and has the entry, as nobody else but the leader has. */
static bool promote_last(SimNode *leader) {
        SimNode *last = &sim_nodes[sim_profile->n_nodes - 1];
        bool is_member;

        if (role_of(leader, last, &is_member) == CONSENSUS_VOTER)
                return leader->consensus->engine->promoted == 0;
        if (is_member)
                (void) sim_change(leader, CONSENSUS_CHANGE_ROLE, last, CONSENSUS_VOTER);
        else
                (void) sim_change(leader, CONSENSUS_CHANGE_ADD, last, CONSENSUS_STANDBY);
        return false;
}

/* H8: of nodes 0 to 3, the leader has promoted node 4, and no other of them knows; the others elect one, who
 * would make the old leader a standby before anything of its own term is committed. Two majorities that have
 * nobody in common would follow: the old leader, node 4 and one; the new leader and one. */
void sim_story_schism(void) {
        static SimNode *old, *successor;
        SimNode *leader = sim_leader();
        unsigned last = sim_profile->n_nodes - 1;

        if (sim_now < STORY_FROM_MSEC || !leader || successor)
                return;
        if (!old) {
                if (!promote_last(leader))
                        return;
                old = leader;
                for (unsigned i = 0; i < last; i++)
                        if (i != old->i) {
                                cut(old->i, i, true);
                                cut(last, i, true);
                        }
                return;
        }
        if (leader == old || leader->i == last)
                return;

        successor = leader;
        for (unsigned i = 0, kept = 0; i < last; i++) {
                if (i == old->i || i == successor->i || kept++ == 0)
                        continue;
                for (unsigned j = 0; j <= last; j++) /* the one that goes over */
                        if (j != i)
                                cut(i, j, j != old->i && j != last);
        }
        (void) sim_change(successor, CONSENSUS_CHANGE_ROLE, old, CONSENSUS_STANDBY);
}
