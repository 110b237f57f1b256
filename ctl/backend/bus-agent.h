#pragma once

/*
 * Who asks for a password when polkit wants one and the session has nobody who does: pkttyagent(1), on the
 * terminal of this program, for as long as it runs.
 */

#include <stdbool.h>
#include <sys/types.h>

#define CTL_BUS_AGENT "pkttyagent"

typedef struct CtlBusAgent {
        pid_t pid; /* 0: there is none */
        bool was_tried;
} CtlBusAgent;

/* Whether there is anybody to ask: a terminal, and a user who is not let through anyway. */
bool ctl_bus_agent_is_of_use(void);
/* Returns when PROGRAM is registered with polkit, or will not be. Without it things go on as they would. */
void ctl_bus_agent_start(CtlBusAgent *agent, const char *program);
void ctl_bus_agent_stop(CtlBusAgent *agent);
