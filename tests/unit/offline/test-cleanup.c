#include "tests/unit/offline/stopped.h"

typedef struct Cleanup {
        const char *folder;
        bool force;
} Cleanup;

static int cleanup(const void *data) {
        const Cleanup *c = data;

        return offline_cleanup(c->folder, c->force);
}

static void check_recorded(const Stopped *s, const char *name, bool force) {
        Said expected = recording_read(name, "<DIR>/a", s->folder), said;
        g_autofree char *input = recording_stdin(name);

        said = stopped_said_by(cleanup, &(Cleanup){ s->folder, force }, input);
        said_check(&said, &expected);
        said_done(&said);
        said_done(&expected);
}

static void test_again(Stopped *s, const void *data G_GNUC_UNUSED) {
        check_recorded(s, "159-raft-cleanup-again.txt", true);
}

static void test_force(Stopped *s, const void *data G_GNUC_UNUSED) {
        g_autofree char *kept = NULL;

        stopped_put(s, "raft/meta-a", "x");
        stopped_put(s, "pins.gdbm", "x");
        check_recorded(s, "159-raft-cleanup-again.txt", true);
        g_assert_false(stopped_has(s, "raft"));
        g_assert_false(stopped_has(s, "pins.gdbm"));
        kept = stopped_get(s, "raft.old.0/meta-a");
        g_assert_cmpstr(kept, ==, "x");
}

static void test_no(Stopped *s, const void *data G_GNUC_UNUSED) {
        Said said;

        stopped_put(s, "raft/meta-a", "x");
        said = stopped_said_by(cleanup, &(Cleanup){ s->folder, false }, "n\n");
        g_assert_cmpstr(said.out,
                        ==,
                        "The peer state will be removed.  Existing pins may be lost. Continue? [y/n]: ");
        g_assert_cmpstr(said.err, ==, "");
        g_assert_cmpint(said.status, ==, 0);
        g_assert_true(stopped_has(s, "raft/meta-a"));
        said_done(&said);

        said = stopped_said_by(cleanup, &(Cleanup){ s->folder, false }, "y\n");
        g_assert_cmpint(said.status, ==, 0);
        g_assert_false(stopped_has(s, "raft/meta-a"));
        said_done(&said);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/offline/cleanup/" path, Stopped, NULL, stopped_set_up, func, stopped_tear_down)
        ADD("nothing-there", test_again);
        ADD("moves-the-log-away", test_force);
        ADD("asks", test_no);
        return g_test_run();
}
