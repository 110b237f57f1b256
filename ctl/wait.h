#pragma once

/*
 * Waiting until a pin has a status on enough peers (--wait): its status is asked for once a second.
 *
 * Done when LIMIT peers have the status, or, without a limit, all of them (those that are "remote" do not
 * count when it is to be pinned). Any peer in an error ends it.
 */

#include <signal.h>

#include "ctl/verb.h"
#include "daemon/types/pin-info.h"

#define CTL_WAIT_POLL_USEC USEC_PER_SEC

typedef enum CtlWaitState {
        CTL_WAIT_NOT_YET,
        CTL_WAIT_REACHED,
        CTL_WAIT_ERROR,
} CtlWaitState;

/* LIMIT below 1: all. */
CtlWaitState ctl_wait_judge(const GlobalPinInfo *info, PinStatus target, int64_t limit);

/* Wait for the pin CID, as the --wait flags in ctl->options say; FACTOR is the limit unless they give one.
 * While it waits, a line on ctl->err tells how far it is, if that is a terminal. Answers 0 and the last
 * status in the zeroed *RET, owned; else the exit status, after words on ctl->err. */
int ctl_wait(Ctl *ctl, const Cid *cid, PinStatus target, int64_t factor, GlobalPinInfo *ret);

/* What may be interrupted: SIGINT, SIGTERM and SIGHUP set the flag, and end whatever sleeps. */
typedef struct CtlWaitSignals {
        struct sigaction saved[3];
} CtlWaitSignals;

extern volatile sig_atomic_t ctl_wait_interrupted;

void ctl_wait_catch_signals(CtlWaitSignals *signals);
void ctl_wait_restore_signals(const CtlWaitSignals *signals);
