#include "ctl/verb.h"
#include "ctl/wait.h"

/* To be interrupted is how it ends. */
static int run_monitor(Ctl *ctl, _unused_ const CtlArguments *args) {
        CtlWaitSignals signals;
        int status;

        ctl_wait_catch_signals(&signals);
        status = ctl_verb_show(
                        ctl, &(CtlRequest){ .call = CTL_CALL_EVENTS, .cancel = &ctl_wait_interrupted });
        ctl_wait_restore_signals(&signals);
        return status;
}

const CtlVerb ctl_verb_monitor = {
        .name = "monitor",
        .usage = "Tell what happens, as it happens",
        .arguments = " ",
        .description = "\n"
                       "This command tells what the peer of this host tells over the bus, a line an event,\n"
                       "until it is interrupted: pins that are added and removed, and their status on this\n"
                       "peer; peers that come and go, the leader, alerts, and whether IPFS answers. A peer\n"
                       "that stops is waited for: service_down and service_up tell of it.\n"
                       "\n"
                       "With --enc json each line is a JSON object.\n",
        .run = run_monitor,
};
