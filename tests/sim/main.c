/*
 * sim [--seeds FROM-TO] [--profile NAME] [--off RULE] [--msec N] [-v]
 *     lives by seed; each is a process of its own. Without --profile the seed says which. A life that fails
 *     is shown with the command that repeats it; -v traces it on standard error.
 * sim --mutations
 *     switches the rules off, one at a time, each in the lives where that was seen to show, and fails when
 *     one is not noticed.
 *
 * Ends with 0 when everything was as it should be.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "tests/sim/sim.h"

#define LIFE_MSEC 30000
#define LIFE_SECONDS_MAX 120 /* of real time */
#define SEEDS_DEFAULT 240
#define LINE_MAX_BYTES 512
#define CHILDREN_MAX 16

static const SimProfile profiles[] = {
        { .name = "three", .n_nodes = 3, .n_boot = 3 },
        { .name = "members",
          .n_nodes = 5,
          .n_boot = 3,
          .reorder = true,
          .membership = true,
          .min_voters = 3 },
        { .name = "grow", .n_nodes = 5, .n_boot = 1, .membership = true, .min_voters = 3 },
        { .name = "hasty", .n_nodes = 5, .n_boot = 3, .membership = true, .hasty = true, .min_voters = 3 },
        { .name = "forgetful", .n_nodes = 5, .n_boot = 5, .forgetful = true },
        { .name = "steady", .n_nodes = 3, .n_boot = 3, .reorder = true, .steady = true },
        { .name = "exile", .n_nodes = 4, .n_boot = 4, .story = sim_story_exile },
        { .name = "schism", .n_nodes = 5, .n_boot = 4, .story = sim_story_schism },
        { .name = "down", .n_nodes = 3, .n_boot = 3, .minority_down = true, .forgetful = true },
        { .name = "shrink", .n_nodes = 4, .n_boot = 1, .membership = true, .shrink = true, .min_voters = 1 },
        { .name = "members-down",
          .n_nodes = 5,
          .n_boot = 3,
          .reorder = true,
          .membership = true,
          .minority_down = true,
          .min_voters = 3 },
        { .name = "suspicious",
          .n_nodes = 5,
          .n_boot = 3,
          .reorder = true,
          .membership = true,
          .suspicious = true,
          .min_voters = 3 },
        { .name = "seven", .n_nodes = 7, .n_boot = 4, .membership = true, .hasty = true, .min_voters = 3 },
};

static const char *const rule_names[_CONSENSUS_RULE_N] = {
        [CONSENSUS_RULE_VOTE] = "vote",       [CONSENSUS_RULE_EARLY] = "early",
        [CONSENSUS_RULE_OWNTERM] = "ownterm", [CONSENSUS_RULE_TRIM] = "trim",
        [CONSENSUS_RULE_SPLIT] = "split",     [CONSENSUS_RULE_CONFIRM] = "confirm",
        [CONSENSUS_RULE_APPLY] = "apply",     [CONSENSUS_RULE_BARRIER] = "barrier",
        [CONSENSUS_RULE_BUMP] = "bump",       [CONSENSUS_RULE_REJECT] = "reject",
        [CONSENSUS_RULE_PREVOTE] = "prevote", [CONSENSUS_RULE_FIRST] = "first",
        [CONSENSUS_RULE_LAST] = "last",       [CONSENSUS_RULE_DISRUPT] = "disrupt",
};

typedef struct Child {
        pid_t pid; /* 0: free */
        uint64_t seed;
        int fd; /* of its last line */
} Child;

static char *base_folder;
static Child children[CHILDREN_MAX];
static const SimProfile *arg_profile;
static uint64_t arg_from = 1, arg_to = SEEDS_DEFAULT, arg_msec = LIFE_MSEC;
static bool arg_mutations, arg_show;

/* ---- lives */

_Noreturn static void child_main(uint64_t seed, int fd) {
        g_autofree char *folder = g_strdup_printf("%s/%" PRIu64, base_folder, seed);

        sim_profile = arg_profile ? arg_profile : &profiles[seed % ELEMENTSOF(profiles)];
        sim_end = arg_msec;
        if (dup2(fd, STDOUT_FILENO) < 0 || mkdir(folder, 0700) < 0)
                _exit(SIM_CRASH);
        if (!sim_verbose) { /* the peers' log */
                int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

                if (null < 0 || (sim_rules_off && dup2(null, STDERR_FILENO) < 0))
                        _exit(SIM_CRASH);
        }
        (void) alarm(LIFE_SECONDS_MAX);
        sim_live(seed, folder);
}

static void begin(Child *child, uint64_t seed) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                abort();
        (void) fflush(stdout);
        child->seed = seed;
        child->fd = fds[0];
        child->pid = fork();
        if (child->pid < 0)
                abort();
        if (child->pid == 0)
                child_main(seed, fds[1]);
        (void) close(fds[1]);
}

static Child *wait_for_one(int *ret_status) {
        pid_t pid = waitpid(-1, ret_status, 0);

        for (size_t i = 0; i < ELEMENTSOF(children); i++)
                if (children[i].pid == pid)
                        return &children[i];
        abort();
}

static SimOutcome outcome_of(int status) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : SIM_CRASH;

        return code == SIM_OK || (code >= SIM_VIOLATION && code <= SIM_LEAK) ? (SimOutcome) code : SIM_CRASH;
}

static void show(uint64_t seed, SimOutcome outcome, int status, const char *line) {
        static const char *const names[] = { "VIOLATION", "STUCK", "LEAK", "CRASH" };

        printf("seed %" PRIu64 ": %s %s\n",
               seed,
               outcome == SIM_OK ? "ok" : names[outcome - SIM_VIOLATION],
               line);
        if (outcome == SIM_CRASH && WIFSIGNALED(status))
                printf("  %s\n", strsignal(WTERMSIG(status)));
        if (outcome == SIM_OK)
                return;

        printf("  again, with a trace: sim --seeds %" PRIu64 "-%" PRIu64 " --msec %" PRIu64,
               seed,
               seed,
               arg_msec);
        if (arg_profile)
                printf(" --profile %s", arg_profile->name);
        for (unsigned rule = 0; rule < _CONSENSUS_RULE_N; rule++)
                if (sim_rules_off & 1U << rule)
                        printf(" --off %s", rule_names[rule]);
        printf(" -v\n");
}

static SimOutcome end_one(bool quiet) {
        char line[LINE_MAX_BYTES] = "";
        g_autofree char *folder = NULL;
        SimOutcome outcome;
        Child *child;
        int status;
        ssize_t n;

        child = wait_for_one(&status);
        n = read(child->fd, line, sizeof(line) - 1);
        line[MAX(n, 0)] = '\0';
        g_strchomp(line);
        (void) close(child->fd);
        child->pid = 0;

        outcome = outcome_of(status);
        if (!quiet && (outcome != SIM_OK || arg_show))
                show(child->seed, outcome, status, line);
        folder = g_strdup_printf("%s/%" PRIu64, base_folder, child->seed);
        (void) file_remove_tree(AT_FDCWD, folder);
        return outcome;
}

static Child *free_child(unsigned n) {
        for (unsigned i = 0; i < n; i++)
                if (children[i].pid == 0)
                        return &children[i];
        return NULL;
}

/* All of them, or until one fails; answers how many failed. */
static unsigned run(uint64_t from, uint64_t to, bool until_one_fails) {
        unsigned parallel = MIN(g_get_num_processors(), (guint) CHILDREN_MAX), running = 0, failed = 0;
        uint64_t seed = from;

        while (running > 0 || (seed <= to && !(until_one_fails && failed > 0))) {
                Child *child = free_child(parallel);

                if (child && seed <= to && !(until_one_fails && failed > 0)) {
                        begin(child, seed++);
                        running++;
                        continue;
                }
                failed += end_one(until_one_fails) != SIM_OK;
                running--;
        }
        return failed;
}

/* ---- mutations */

/* Where each was seen to show. Those that are not here are kept as theory: no life has shown them. */
static const struct {
        const char *name;
        unsigned off;
        const char *profile;
        uint64_t seeds; /* from 1 on; the first one that fails ends it */
} mutations[] = {
        { "vote", 1U << CONSENSUS_RULE_VOTE, "forgetful", 60 },
        { "early", 1U << CONSENSUS_RULE_EARLY, "shrink", 20 },
        { "ownterm", 1U << CONSENSUS_RULE_OWNTERM, "schism", 20 },
        { "split", 1U << CONSENSUS_RULE_SPLIT, "hasty", 20 },
        { "apply", 1U << CONSENSUS_RULE_APPLY, "three", 20 },
        { "bump", 1U << CONSENSUS_RULE_BUMP, "grow", 20 },
        { "trim and reject", 1U << CONSENSUS_RULE_TRIM | 1U << CONSENSUS_RULE_REJECT, "steady", 150 },
        { "prevote", 1U << CONSENSUS_RULE_PREVOTE, "down", 300 },
        { "first", 1U << CONSENSUS_RULE_FIRST, "grow", 100 },
        { "last", 1U << CONSENSUS_RULE_LAST, "shrink", 40 },
        { "disrupt", 1U << CONSENSUS_RULE_DISRUPT, "exile", 100 },
};

static const SimProfile *profile_by_name(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(profiles); i++)
                if (strcmp(profiles[i].name, name) == 0)
                        return &profiles[i];
        return NULL;
}

static unsigned run_mutations(void) {
        unsigned missed = 0;

        for (size_t i = 0; i < ELEMENTSOF(mutations); i++) {
                unsigned found;

                arg_profile = profile_by_name(mutations[i].profile);
                sim_rules_off = mutations[i].off;
                found = run(1, mutations[i].seeds, true);
                printf("%s: %s in the lives of '%s'\n",
                       mutations[i].name,
                       found ? "noticed" : "NOT noticed",
                       mutations[i].profile);
                missed += found == 0;
        }
        return missed;
}

/* ---- the program */

static unsigned rule_by_name(const char *name) {
        for (unsigned rule = 0; rule < _CONSENSUS_RULE_N; rule++)
                if (strcmp(rule_names[rule], name) == 0)
                        return 1U << rule;
        return 0;
}

static bool parse_option(int option) {
        switch (option) {
        case 's':
                arg_show = true;
                return sscanf(optarg, "%" SCNu64 "-%" SCNu64, &arg_from, &arg_to) == 2;
        case 'p':
                arg_profile = profile_by_name(optarg);
                return arg_profile != NULL;
        case 'o':
                sim_rules_off |= rule_by_name(optarg);
                return rule_by_name(optarg) != 0;
        case 'm':
                arg_msec = strtoull(optarg, NULL, 10);
                return arg_msec > 0;
        case 'M':
                return arg_mutations = true;
        case 'v':
                return sim_verbose = true;
        default:
                return false;
        }
}

static bool parse_argv(int argc, char **argv) {
        static const struct option options[] = {
                { "seeds", required_argument, NULL, 's' }, { "profile", required_argument, NULL, 'p' },
                { "off", required_argument, NULL, 'o' },   { "msec", required_argument, NULL, 'm' },
                { "mutations", no_argument, NULL, 'M' },   {},
        };
        int option;

        while ((option = getopt_long(argc, argv, "v", options, NULL)) >= 0)
                if (!parse_option(option))
                        return false;
        return optind == argc;
}

static char *make_base_folder(void) {
        char shared[] = "/dev/shm/ipfs-cluster-sim-XXXXXX"; /* memory: a disk would only be slower */
        char *folder = g_strdup(mkdtemp(shared));

        return folder ? folder : g_dir_make_tmp("ipfs-cluster-sim-XXXXXX", NULL);
}

int main(int argc, char **argv) {
        unsigned failed;

        if (!parse_argv(argc, argv)) {
                fprintf(stderr,
                        "sim [--seeds FROM-TO] [--profile NAME] [--off RULE] [--msec N] [-v]\nsim --mutations\n");
                return 2;
        }

        base_folder = make_base_folder();
        if (!base_folder)
                return 1;
        if (arg_mutations)
                failed = run_mutations();
        else {
                failed = run(arg_from, arg_to, false);
                printf("%" PRIu64 " lives, %u failed\n", arg_to - arg_from + 1, failed);
        }
        (void) file_remove_tree(AT_FDCWD, base_folder);
        g_free(base_folder);
        return failed > 0;
}
