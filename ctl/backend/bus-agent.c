#include "ctl/backend/bus-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/macro.h"

#define FD_TEXT_MAX 16

bool ctl_bus_agent_is_of_use(void) {
        return geteuid() != 0 && isatty(STDIN_FILENO);
}

/* FD is left open in it: a dup2() onto itself takes the flag away that would close it. */
static int spawn(pid_t *ret, const char *program, int fd) {
        char text[FD_TEXT_MAX];
        char *const words[] = {
                (char *) program, (char *) "--notify-fd", text, (char *) "--fallback", NULL
        };
        posix_spawn_file_actions_t actions;
        int r;

        (void) snprintf(text, sizeof(text), "%d", fd);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, fd, fd);
        if (r == 0)
                r = posix_spawnp(ret, program, &actions, NULL, words, environ);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* The other end is closed when it is ready, and when it ends. */
static void wait_until_closed(int fd) {
        struct pollfd poll_fd = { .fd = fd };

        while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
                ;
}

void ctl_bus_agent_start(CtlBusAgent *agent, const char *program) {
        _cleanup_close_ int reading = -1, writing = -1;
        int fds[2];

        if (agent->was_tried)
                return;
        agent->was_tried = true;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        reading = fds[0];
        writing = fds[1];
        if (spawn(&agent->pid, program, writing) < 0) {
                agent->pid = 0;
                return;
        }
        closep(&writing);
        writing = -1;
        wait_until_closed(reading);
}

void ctl_bus_agent_stop(CtlBusAgent *agent) {
        if (agent->pid > 0) {
                (void) kill(agent->pid, SIGTERM);
                (void) kill(agent->pid, SIGCONT); /* it may have been stopped, with its terminal */
                while (waitpid(agent->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        *agent = (CtlBusAgent){};
}
