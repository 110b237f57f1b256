#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/consensus/engine-private.h"
#include "tests/sim/sim.h"

#define LOAD_FROM_MSEC 1500
#define CHANGES_FROM_MSEC 4000
#define FAULTS_FROM_MSEC 2000
#define VOTE_CRASH_ONE_IN 20 /* in each millisecond while the vote is being written */
#define VOTE_DOWN_MSEC 20
#define SUSPECT_ONE_IN 300 /* in each millisecond, of each peer */

const SimProfile *sim_profile;
unsigned sim_rules_off;
bool sim_verbose;
uint64_t sim_end, sim_heal;
SimCounts sim_counts;

static const char *life_folder;
static uint64_t next_change = CHANGES_FROM_MSEC, next_cut = FAULTS_FROM_MSEC;
static bool cut_the_leader; /* in the middle of a change */

void sim_trace(const char *format, ...) {
        va_list ap;

        if (!sim_verbose)
                return;
        fprintf(stderr, "[%" PRIu64 "] ", sim_now);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
}

void sim_finish(SimOutcome outcome, const char *format, ...) {
        va_list ap;

        printf("%s at %" PRIu64 " ms: ", sim_profile->name, sim_now);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        putchar('\n');
        (void) fflush(stdout);
        (void) file_remove_tree(AT_FDCWD, life_folder);
        if (outcome == SIM_OK)
                exit(0); /* with a leak check where there is one */
        _exit((int) outcome);
}

/* ---- clients and administrators */

static void load(void) {
        static uint64_t next = LOAD_FROM_MSEC;

        if (sim_now < next || sim_now >= sim_end * 7 / 8)
                return;
        next = sim_now + (sim_one_in(10) ? sim_below(400) : sim_below(40));
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                if (sim_node_is_leader(&sim_nodes[i]))
                        sim_node_submit(&sim_nodes[i]);
}

static unsigned count_voters(const ConsensusMembers *members) {
        unsigned n = 0;

        for (size_t i = 0; i < members->n; i++)
                n += members->items[i].role == CONSENSUS_VOTER;
        return n;
}

static bool is_shrinking(void) {
        return sim_profile->shrink && sim_now > sim_end / 2;
}

int sim_change(SimNode *leader, ConsensusChangeKind kind, const SimNode *target, ConsensusRole role) {
        const ConsensusChange what = { kind, { target->raft_id, target->self, role } };
        int r;

        r = consensus_change(leader->consensus, &what, NULL);
        if (r < 0)
                return r;
        sim_trace("node %u changes node %u: %d to role %d", leader->i, target->i, (int) kind, (int) role);
        return 0;
}

static void change(SimNode *leader, ConsensusChangeKind kind, const SimNode *target, ConsensusRole role) {
        if (sim_change(leader, kind, target, role) == 0 && sim_profile->hasty && sim_one_in(2)) {
                next_cut = sim_now + sim_below(12);
                cut_the_leader = true;
        }
}

static void change_voter(SimNode *leader, const SimNode *target, unsigned voters) {
        bool demote = voters > sim_profile->min_voters && (is_shrinking() || sim_one_in(2));
        bool may = target != leader || sim_rules_off & 1U << CONSENSUS_RULE_LAST;

        if (demote && may)
                change(leader, CONSENSUS_CHANGE_ROLE, target, CONSENSUS_STANDBY);
        else if (target != leader && !is_shrinking() && sim_one_in(3) &&
                 consensus_transfer(leader->consensus, target->raft_id, NULL) == 0)
                sim_counts.transfers++;
}

static void change_other(
                SimNode *leader, const SimNode *target, const ConsensusMember *member, unsigned voters) {
        if (is_shrinking())
                return;
        if (member->role == CONSENSUS_SPARE)
                change(leader,
                       sim_one_in(4) ? CONSENSUS_CHANGE_REMOVE : CONSENSUS_CHANGE_ROLE,
                       target,
                       CONSENSUS_STANDBY);
        else if (voters < 3 || !sim_one_in(3))
                change(leader, CONSENSUS_CHANGE_ROLE, target, CONSENSUS_VOTER);
        else if (sim_one_in(2))
                change(leader, CONSENSUS_CHANGE_REMOVE, target, CONSENSUS_SPARE);
        else
                change(leader, CONSENSUS_CHANGE_ROLE, target, CONSENSUS_SPARE);
}

static void administrate(SimNode *leader) {
        SimNode *target = &sim_nodes[sim_below(sim_profile->n_nodes)];
        const ConsensusMember *member;
        ConsensusMembers members;
        int r;

        if (!sim_node_is_leader(leader) || sim_now < next_change)
                return;
        next_change = sim_now +
                      (sim_profile->hasty || sim_now > sim_heal ? sim_below(150) : 200 + sim_below(1500));

        r = consensus_engine_members(leader->consensus->engine, &members);
        assert(r == 0);
        member = consensus_members_find(&members, target->raft_id);
        if (!member && !is_shrinking())
                change(leader,
                       CONSENSUS_CHANGE_ADD,
                       target,
                       sim_one_in(3) ? CONSENSUS_SPARE : CONSENSUS_STANDBY);
        else if (member && member->role == CONSENSUS_VOTER)
                change_voter(leader, target, count_voters(&members));
        else if (member)
                change_other(leader, target, member, count_voters(&members));
        consensus_members_done(&members);
}

/* The worst moment for a change is right after an election. */
static void watch_elections(void) {
        static unsigned seen;

        if (sim_counts.leaders != seen && sim_now >= CHANGES_FROM_MSEC && sim_one_in(2))
                next_change = sim_now + sim_below(10);
        seen = sim_counts.leaders;
}

/* ---- faults */

static void crash_somebody(void) {
        static uint64_t next = FAULTS_FROM_MSEC;
        SimNode *victim = &sim_nodes[sim_below(sim_profile->n_nodes)], *leader = sim_leader();
        unsigned down = 0;

        if (sim_now < next)
                return;
        next = sim_now + 200 + sim_below(sim_profile->steady ? 20000 : 2500);
        if (!sim_one_in(3) && leader)
                victim = leader;
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                down += !sim_nodes[i].consensus;
        if (victim->consensus && down <= sim_profile->n_nodes / 2)
                sim_node_crash(victim, sim_one_in(4) ? sim_below(5000) : sim_below(600));
}

/* A vote is forgotten only by a crash before it is durable. */
static void crash_voters(void) {
        for (unsigned i = 0; i < sim_profile->n_nodes; i++) {
                SimNode *node = &sim_nodes[i];

                if (node->consensus && node->consensus->engine->meta_pending &&
                    sim_one_in(VOTE_CRASH_ONE_IN))
                        sim_node_crash(node, sim_below(VOTE_DOWN_MSEC));
        }
}

typedef enum CutKind { CUT_ONE_NODE, CUT_SOME, CUT_ONE_WAY, CUT_LEADER, _CUT_N } CutKind;

static void cut_link(CutKind kind, unsigned i, unsigned j, unsigned victim, const SimNode *leader) {
        switch (kind) {
        case CUT_ONE_NODE:
                sim_cut[i][j] = i == victim || j == victim;
                break;
        case CUT_SOME:
                if (i < j)
                        sim_cut[i][j] = sim_cut[j][i] = sim_one_in(3);
                break;
        case CUT_ONE_WAY:
                sim_cut[i][j] = sim_one_in(4);
                break;
        case CUT_LEADER:
                if (leader && i == leader->i)
                        sim_cut[i][j] = sim_cut[j][i] = sim_one_in(2);
                break;
        case _CUT_N:
                break;
        }
}

static void heal_links(void) {
        for (unsigned i = 0; i < SIM_NODES_MAX; i++)
                for (unsigned j = 0; j < SIM_NODES_MAX; j++)
                        sim_cut[i][j] = false;
}

static void cut_links(void) {
        CutKind kind = cut_the_leader ? CUT_LEADER : (CutKind) sim_below(_CUT_N);
        unsigned victim = sim_below(sim_profile->n_nodes);

        if (sim_now < next_cut)
                return;
        next_cut = sim_now + 500 + sim_below(4000);
        heal_links();
        if (sim_one_in(3) && !cut_the_leader)
                return;

        cut_the_leader = false;
        sim_trace("links are cut: %d, node %u", (int) kind, victim);
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                for (unsigned j = 0; j < sim_profile->n_nodes; j++)
                        if (i != j)
                                cut_link(kind, i, j, victim, sim_leader());
}

/* Its log is longer, and it has missed a term. */
static bool is_ahead_and_behind(const SimNode *node, const SimNode *other) {
        return node->consensus && other->consensus && node->consensus->term < other->consensus->term &&
               consensus_log_last(node->consensus->disk_state.log) >
                               consensus_log_last(other->consensus->disk_state.log);
}

/* The one without which the others have it hardest. */
static SimNode *worst_loss(void) {
        for (unsigned i = 0; sim_profile->n_nodes == 3 && i < 3; i++) {
                const SimNode *a = &sim_nodes[(i + 1) % 3], *b = &sim_nodes[(i + 2) % 3];

                if (is_ahead_and_behind(a, b) || is_ahead_and_behind(b, a))
                        return &sim_nodes[i];
        }
        return &sim_nodes[sim_below(sim_profile->n_nodes)];
}

/* A minority that does not come back: the others must go on without it. */
static void stop_minority(void) {
        unsigned stop = sim_profile->membership ? 1 : (sim_profile->n_nodes - 1) / 2;

        while (stop > 0) {
                SimNode *node = worst_loss();

                if (!node->consensus && node->restart_at == UINT64_MAX)
                        continue;
                if (node->consensus)
                        sim_node_crash(node, 0);
                node->restart_at = UINT64_MAX;
                stop--;
        }
}

static void heal(void) {
        sim_trace("the faults end");
        heal_links();
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                sim_nodes[i].restart_at = sim_now;
        if (sim_profile->minority_down)
                stop_minority();
}

static void suspect_leaders(void) {
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                if (sim_nodes[i].consensus && sim_one_in(SUSPECT_ONE_IN))
                        consensus_leader_lost(sim_nodes[i].consensus);
}

/* ---- one life */

static void fault(void) {
        if (sim_profile->story)
                sim_profile->story();
        else {
                crash_somebody();
                cut_links();
        }
        if (sim_profile->forgetful)
                crash_voters();
        if (sim_profile->suspicious)
                suspect_leaders();
}

static void millisecond(void) {
        bool may_change = sim_profile->membership && (sim_now < sim_heal || is_shrinking());

        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                sim_node_run(&sim_nodes[i]);
        sim_network_run();
        watch_elections();
        load();
        if (sim_now < sim_heal)
                fault();
        else if (sim_now == sim_heal)
                heal();
        for (unsigned i = 0; may_change && i < sim_profile->n_nodes; i++)
                administrate(&sim_nodes[i]);
}

_Noreturn static void end(uint64_t healed_at) {
        if (sim_check_highest() <= healed_at)
                sim_finish(SIM_STUCK, "nothing was committed after the faults ended");
        sim_check_converged();
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                sim_node_free(&sim_nodes[i]);
        sim_network_done();
        sim_clients_done();
        sim_check_heap_end();
        sim_check_done();
        sim_finish(SIM_OK,
                   "applied %" PRIu64 ", acknowledged %u, leaders %u, crashes %u, changes %u, transfers %u, "
                   "installs %u, messages %u",
                   sim_check_highest(),
                   sim_counts.acked,
                   sim_counts.leaders,
                   sim_counts.crashes,
                   sim_counts.changes,
                   sim_counts.transfers,
                   sim_counts.installs,
                   sim_counts.messages);
}

void sim_live(uint64_t seed, const char *folder) {
        uint64_t healed_at = 0;

        life_folder = folder;
        sim_seed(seed);
        sim_slow_disk = true;
        sim_heal = sim_end * 3 / 4;
        sim_check_heap_begin();
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                sim_node_init(i, folder);
        for (unsigned i = 0; i < sim_profile->n_nodes; i++)
                sim_node_start(&sim_nodes[i]);
        for (sim_now = 1; sim_now < sim_end; sim_now++) {
                millisecond();
                if (sim_now == sim_heal)
                        healed_at = sim_check_highest();
        }
        end(healed_at);
}
