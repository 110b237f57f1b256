/*
 * Kill -9: a child commits pins and unpins, with snapshots all the time, and reports what was acknowledged;
 * the parent kills it at a random moment, opens the folder, and compares. --rounds N makes more of it, and
 * --moments N others.
 */

#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "tests/unit/consensus/node.h"

#define ROUNDS 50
#define PINS_MAX 200000
#define IN_FLIGHT 16
#define UNPIN_EVERY 7
#define UNPIN_BACK 40

static unsigned arg_rounds = ROUNDS;
static unsigned arg_seed = 1;

typedef enum Known { /* about one pin */
                     ABSENT,
                     PRESENT,
                     OPEN, /* submitted, not acknowledged: either is right */
} Known;

typedef struct Report {
        uint64_t pin;
        bool unpin;
} Report;

/* ---- the child */

typedef struct Child {
        Node node;
        uint64_t next;
        unsigned n, in_flight;
        int fd;
} Child;

typedef struct ChildCall {
        Child *child;
        Report report;
} ChildCall;

static void child_submit(Child *child);

static void child_done(ConsensusCall *call _unused_, int r, const Error *error _unused_, void *userdata) {
        g_autofree ChildCall *child_call = userdata;
        Child *child = child_call->child;

        if (r < 0 || write(child->fd, &child_call->report, sizeof(Report)) != sizeof(Report))
                _exit(3);
        child->in_flight--;
        child_submit(child);
}

static void child_submit(Child *child) {
        while (child->in_flight < IN_FLIGHT) {
                _cleanup_(str_done) Str bytes = {};
                ChildCall *call = g_new0(ChildCall, 1);
                ConsensusOp op;
                Cid cid;

                *call = (ChildCall){ .child = child, .report.pin = child->next };
                if (++child->n % UNPIN_EVERY == 0 && child->next > UNPIN_BACK) {
                        call->report = (Report){ .pin = child->next - UNPIN_BACK, .unpin = true };
                        node_pin_cid(call->report.pin, &cid);
                        op = (ConsensusOp){ CONSENSUS_UNPIN, cid.bytes, cid.size };
                } else {
                        node_pin_bytes(child->next++, &bytes);
                        op = (ConsensusOp){ CONSENSUS_PIN, bytes.data, bytes.len };
                }
                if (consensus_submit(child->node.consensus, NULL, &op, 1, child_done, call, NULL) < 0)
                        _exit(4);
                child->in_flight++;
        }
}

static void small(Node *node) {
        node->options.segment_size = 4096;
        node->options.snapshot_bytes = 6000;
        node->options.trailing_logs = 5;
}

static void child_main(const HelpFolder *folder, uint64_t next, int fd) {
        Child child = { .next = next, .fd = fd };

        node_init(&child.node, folder);
        small(&child.node);
        if (node_open(&child.node, NULL) < 0)
                _exit(5);
        NODE_WAIT(&child.node, child.node.ready);
        child_submit(&child);
        for (;;) {
                node_turn(&child.node);
                if (child.node.failed)
                        _exit(6);
        }
}

/* ---- the parent */

static void take_reports(int fd, Known *known, uint64_t *next) {
        Report report;

        /* Less than a report at the end: the child was killed while it wrote it. */
        while (read(fd, &report, sizeof(report)) == sizeof(report)) {
                known[report.pin] = report.unpin ? ABSENT : PRESENT;
                *next = MAX(*next, report.pin + 1);
        }
}

/* What may have been under way: the pins after the last reported one, and the unpins that went with them. */
static void mark_open(Known *known, uint64_t next) {
        uint64_t reach = UNPIN_BACK + 2 * IN_FLIGHT;

        for (uint64_t n = next; n < next + IN_FLIGHT; n++)
                known[n] = OPEN;
        for (uint64_t n = next > reach ? next - reach : 1; n < next; n++)
                if (known[n] == PRESENT)
                        known[n] = OPEN;
}

static void check_folder(Node *node, Known *known, uint64_t next) {
        uint64_t n_present = 0;

        for (uint64_t n = 1; n < next + IN_FLIGHT; n++) {
                bool has = node_has(node, n);

                if (known[n] != OPEN && has != (known[n] == PRESENT))
                        g_error("pin %" PRIu64 " is %s, but was acknowledged as %s",
                                n,
                                has ? "there" : "not there",
                                known[n] == PRESENT ? "pinned" : "unpinned, or never submitted");
                known[n] = has ? PRESENT : ABSENT;
                n_present += has;
        }
        g_assert_cmpuint(node_count(node), ==, n_present);
}

static void run_child(const HelpFolder *folder, Known *known, uint64_t *next, GRand *random) {
        uint64_t first = *next;
        int fds[2], status;
        pid_t pid;

        g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
        g_assert_cmpint(fcntl(fds[0], F_SETPIPE_SZ, 1 << 20), >=, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                close(fds[0]);
                child_main(folder, first, fds[1]);
        }
        close(fds[1]);

        g_usleep((gulong) g_rand_int_range(random, 0, 30000)); /* the moment is the case */
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
                g_error("the child ended by itself, with status %x", (unsigned) status);

        take_reports(fds[0], known, next);
        close(fds[0]);
        mark_open(known, *next);
}

static void test_kill(void) {
        g_autofree Known *known = g_new0(Known, PINS_MAX);
        uint8_t digest[STATE_DIGEST_SIZE], again[STATE_DIGEST_SIZE];
        GRand *random = g_rand_new_with_seed(arg_seed);
        uint64_t next = 1, snapshots = 0;
        HelpFolder folder;
        Node node;

        help_folder_make(&folder);
        for (unsigned round = 0; round < arg_rounds && next + 10000 < PINS_MAX; round++) {
                run_child(&folder, known, &next, random);

                node_init(&node, &folder);
                small(&node);
                node_start(&node);
                check_folder(&node, known, next);
                next += IN_FLIGHT;
                node_digest(&node, digest);
                snapshots = MAX(snapshots, node_status(&node).snapshot_index);
                if (g_rand_boolean(random))
                        node_crash(&node);
                else
                        node_close(&node);

                node_start(&node);
                node_digest(&node, again);
                g_assert_cmpmem(digest, sizeof(digest), again, sizeof(again));
                node_done(&node);
        }
        g_test_message("%" PRIu64 " pins, last snapshot at %" PRIu64, next, snapshots);
        g_assert_cmpuint(snapshots, >, 0); /* otherwise the test is about less than it says */
        g_rand_free(random);
        help_folder_done(&folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) log_set_levels("error");
        for (int i = 1; i + 1 < argc; i += 2) {
                if (strcmp(argv[i], "--rounds") == 0)
                        arg_rounds = (unsigned) atoi(argv[i + 1]);
                if (strcmp(argv[i], "--moments") == 0)
                        arg_seed = (unsigned) atoi(argv[i + 1]);
        }
        g_test_add_func("/consensus/crash/nothing-acknowledged-is-lost", test_kill);
        return g_test_run();
}
