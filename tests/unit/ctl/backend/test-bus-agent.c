#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ctl/backend/bus-agent.h"

typedef struct Fixture {
        char *folder;
        char *program;
        char *note;
} Fixture;

static void set_up(Fixture *f, const char *body) {
        g_autofree char *text = NULL;

        f->folder = g_dir_make_tmp("agent-XXXXXX", NULL);
        f->program = g_build_filename(f->folder, "agent", NULL);
        f->note = g_build_filename(f->folder, "note", NULL);
        text = g_strdup_printf("#!/bin/sh\n%s\n", body);
        g_assert_true(g_file_set_contents_full(f->program, text, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
        g_assert_cmpint(setenv("NOTE", f->note, 1), ==, 0);
}

static void tear_down(Fixture *f) {
        g_unlink(f->note);
        g_unlink(f->program);
        g_rmdir(f->folder);
        g_free(f->note);
        g_free(f->program);
        g_free(f->folder);
}

/* It is waited for until it closes the descriptor it is given, and runs on until it is stopped. */
static void test_runs_until_it_is_stopped(void) {
        CtlBusAgent agent = {};
        g_autofree char *note = NULL;
        Fixture f;
        pid_t pid;

        set_up(&f, "echo \"$1 $3\" > \"$NOTE\"; eval \"exec $2>&-\"; exec sleep 1000");
        ctl_bus_agent_start(&agent, f.program);
        pid = agent.pid;
        g_assert_cmpint(pid, >, 0);
        g_assert_true(g_file_get_contents(f.note, &note, NULL, NULL));
        g_assert_cmpstr(note, ==, "--notify-fd --fallback\n");
        g_assert_cmpint(kill(pid, 0), ==, 0);

        ctl_bus_agent_start(&agent, f.program); /* there is one already */
        g_assert_cmpint(agent.pid, ==, pid);
        ctl_bus_agent_stop(&agent);
        g_assert_cmpint(kill(pid, 0), ==, -1);
        g_assert_cmpint(errno, ==, ESRCH);
        tear_down(&f);
}

static void test_does_without(void) {
        CtlBusAgent agent = {};
        Fixture f;

        set_up(&f, "exit 1");
        ctl_bus_agent_start(&agent, f.program);
        ctl_bus_agent_stop(&agent);
        g_unlink(f.program);
        ctl_bus_agent_start(&agent, f.program);
        g_assert_cmpint(agent.pid, ==, 0);
        g_assert_true(agent.was_tried);
        ctl_bus_agent_stop(&agent);
        tear_down(&f);
}

/* Of use to a user at a terminal. */
static void test_needs_a_terminal(void) {
        int saved = dup(STDIN_FILENO), null = open("/dev/null", O_RDONLY | O_CLOEXEC), ours, theirs;

        g_assert_cmpint(dup2(null, STDIN_FILENO), ==, STDIN_FILENO);
        g_assert_false(ctl_bus_agent_is_of_use());
        g_assert_cmpint(openpty(&ours, &theirs, NULL, NULL, NULL), ==, 0);
        g_assert_cmpint(dup2(theirs, STDIN_FILENO), ==, STDIN_FILENO);
        g_assert_cmpint(ctl_bus_agent_is_of_use(), ==, geteuid() != 0);
        dup2(saved, STDIN_FILENO);
        close(saved);
        close(null);
        close(ours);
        close(theirs);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/bus-agent/runs-until-it-is-stopped", test_runs_until_it_is_stopped);
        g_test_add_func("/ctl/backend/bus-agent/does-without", test_does_without);
        g_test_add_func("/ctl/backend/bus-agent/needs-a-terminal", test_needs_a_terminal);
        return g_test_run();
}
