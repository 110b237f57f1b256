#include <glib.h>
#include <string.h>

#include "daemon/peers/roles.h"

/* Members as letters, their Raft ids being 1, 2, …: v voter, s standby, p spare; in capitals when they were
 * away for long, "x" a voter and "y" a standby that was lost a moment ago. */
static size_t read_members(const char *text, PeersRole *members) {
        size_t n = strlen(text);

        for (size_t i = 0; i < n; i++) {
                char c = text[i];

                members[i] = (PeersRole){
                        .raft_id = i + 1,
                        .role = strchr("vVx", c)   ? CONSENSUS_VOTER
                                : strchr("sSy", c) ? CONSENSUS_STANDBY
                                                   : CONSENSUS_SPARE,
                        .down_usec = strchr("VS", c)   ? PEERS_ROLE_GRACE + i
                                     : strchr("xy", c) ? USEC_PER_SEC
                                                       : 0,
                };
        }
        return n;
}

static void give_domains(const char *text, PeersRole *members) {
        static const char *const names[] = { "a", "b", "c" };

        for (size_t i = 0; text[i]; i++)
                members[i].domain = text[i] == '-' ? NULL : names[text[i] - 'a'];
}

/* "3v": the third becomes a voter, "": none. The first one leads. */
static char *next_step(const PeersRole *members, size_t n) {
        ConsensusChange change;

        if (!peers_roles_next(members, n, 1, &change))
                return g_strdup("");
        g_assert_cmpint(change.kind, ==, CONSENSUS_CHANGE_ROLE);
        return g_strdup_printf(
                        "%u%c",
                        (unsigned) change.member.raft_id,
                        change.member.role == CONSENSUS_VOTER ? 'v' : 's');
}

static void test_table(void) {
        static const struct {
                const char *members, *step;
        } cases[] = {
                { "v", "" },           { "vs", "2v" },      { "vy", "" }, /* not while it is away */
                { "vv", "" },          { "vV", "" },        { "vvs", "3v" },       { "vss", "2v" },
                { "vyS", "" },         { "vvv", "" },       { "vvvv", "4s" },      { "vvvs", "" },
                { "vvxs", "" }, /* it may come back */
                { "vvVs", "4v" },      { "vvVv", "3s" },    { "vvVy", "" },        { "vvVS", "" },
                { "vVVss", "4v" },     { "vVVvs", "5v" },   { "vVVvv", "" }, /* five members, five voters */
                { "vvvvvvvvv", "9s" }, { "vvvvvvvss", "" }, { "vvvvvvVss", "8v" }, { "vvvvvvVvs", "7s" },
                { "vp", "2s" },        { "", "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PeersRole members[16];
                size_t n = read_members(cases[i].members, members);
                g_autofree char *step = next_step(members, n);

                if (strcmp(step, cases[i].step) != 0)
                        g_error("'%s': step '%s', expected '%s'", cases[i].members, step, cases[i].step);
        }
}

/* As above; the second string has the domain of each, "-" when it is not known. */
static void test_domains(void) {
        static const struct {
                const char *members, *domains, *step;
        } cases[] = {
                { "vss", "aab", "3v" },       /* the domain that has none */
                { "vvs", "aab", "3v" },       /* three members, three voters */
                { "vvvs", "aabc", "4v" },     /* each domain has one then */
                { "vvvs", "aaab", "4v" },     /* a vote moves: first there is one more, … */
                { "vvvv", "aaab", "3s" },     /* … then one of the many goes */
                { "vvvs", "aabb", "" },       /* 2 and 1 are as equal as 1 and 2 */
                { "vvvvvs", "aaaabb", "6v" }, /* 4 and 1 */
                { "vvvvvs", "aaabbb", "" },
                { "vvvs", "aaa-", "" }, /* nobody moves for what is not known */
                { "vvvs", "---a", "" },
                { "vvvs", "----", "" },
                { "vvvy", "aaab", "" }, /* not while it is away */
                { "vvxs", "aaab", "4v" },
                { "vvxv", "aaab", "3s" },
                { "vvVss", "abbba", "5v" }, /* the one that is away goes; who comes is of the smaller domain
                                             */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *step = NULL;
                PeersRole members[16];
                size_t n = read_members(cases[i].members, members);

                give_domains(cases[i].domains, members);
                step = next_step(members, n);
                if (strcmp(step, cases[i].step) != 0)
                        g_error("'%s' in '%s': step '%s', expected '%s'",
                                cases[i].members,
                                cases[i].domains,
                                step,
                                cases[i].step);
        }
}

/* From any members, with anybody away, the steps come to an end, and the leader is never touched. */
static void test_ends(void) {
        static const char *const names[] = { "a", "b", "c" };

        for (unsigned seed = 0; seed < 2000; seed++) {
                g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
                size_t n = (size_t) g_rand_int_range(rand, 1, 12), steps = 0;
                PeersRole members[12];
                ConsensusChange change;

                for (size_t i = 0; i < n; i++)
                        members[i] = (PeersRole){
                                .raft_id = i + 1,
                                .role = i == 0 ? CONSENSUS_VOTER
                                               : (ConsensusRole) g_rand_int_range(rand, 0, 3),
                                .domain = g_rand_boolean(rand) ? names[g_rand_int_range(rand, 0, 3)] : NULL,
                                .down_usec = i > 0 && g_rand_boolean(rand)
                                                             ? (uint64_t) g_rand_int_range(rand, 1, 120) *
                                                                               USEC_PER_SEC
                                                             : 0,
                        };
                while (peers_roles_next(members, n, 1, &change)) {
                        g_assert_cmpuint(change.member.raft_id, !=, 1);
                        members[change.member.raft_id - 1].role = change.member.role;
                        g_assert_cmpuint(++steps, <, 64);
                }
        }
}

static void test_voters(void) {
        static const size_t voters[] = { 0, 1, 2, 3, 3, 5, 5, 7, 7, 7, 7 };

        for (size_t n = 0; n < G_N_ELEMENTS(voters); n++)
                g_assert_cmpuint(peers_roles_voters(n), ==, voters[n]);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/roles/table", test_table);
        g_test_add_func("/peers/roles/domains", test_domains);
        g_test_add_func("/peers/roles/ends", test_ends);
        g_test_add_func("/peers/roles/voters", test_voters);
        return g_test_run();
}
