#include "ctl/wait.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "daemon/base/time.h"

#define ERRORS (PIN_STATUS_CLUSTER_ERROR | PIN_STATUS_PIN_ERROR | PIN_STATUS_UNPIN_ERROR)

/* A handler has nothing but globals to tell its story to. */
volatile sig_atomic_t ctl_wait_interrupted;

static const int wait_signals[] = { SIGINT, SIGTERM, SIGHUP };

static_assert(ELEMENTSOF(wait_signals) == ELEMENTSOF(((CtlWaitSignals *) NULL)->saved), "one for each");

static void wait_on_signal(_unused_ int number) {
        ctl_wait_interrupted = 1;
}

/* Without SA_RESTART, so that a sleep ends at once. */
void ctl_wait_catch_signals(CtlWaitSignals *signals) {
        struct sigaction action = { .sa_handler = wait_on_signal };

        ctl_wait_interrupted = 0;
        for (size_t i = 0; i < ELEMENTSOF(wait_signals); i++)
                sigaction(wait_signals[i], &action, &signals->saved[i]);
}

void ctl_wait_restore_signals(const CtlWaitSignals *signals) {
        for (size_t i = 0; i < ELEMENTSOF(wait_signals); i++)
                sigaction(wait_signals[i], &signals->saved[i], NULL);
}

static size_t wait_count(const GlobalPinInfo *info, PinStatus mask) {
        size_t n = 0;

        for (size_t i = 0; i < info->peer_map.n; i++)
                if (((const PinInfo *) info->peer_map.items)[i].status & mask)
                        n++;
        return n;
}

static bool wait_has_error(const GlobalPinInfo *info) {
        for (size_t i = 0; i < info->peer_map.n; i++) {
                int status = ((const PinInfo *) info->peer_map.items)[i].status;

                if (status == PIN_STATUS_UNDEFINED || (status & ERRORS))
                        return true;
        }
        return false;
}

CtlWaitState ctl_wait_judge(const GlobalPinInfo *info, PinStatus target, int64_t limit) {
        size_t reached = wait_count(info, target), n = info->peer_map.n;

        if (wait_has_error(info))
                return CTL_WAIT_ERROR;
        if (reached == 0)
                return CTL_WAIT_NOT_YET;
        if (limit > 0)
                return reached >= MIN((size_t) limit, n) ? CTL_WAIT_REACHED : CTL_WAIT_NOT_YET;
        if (target == PIN_STATUS_PINNED)
                reached += wait_count(info, PIN_STATUS_REMOTE);
        return reached == n ? CTL_WAIT_REACHED : CTL_WAIT_NOT_YET;
}

/* ---- what a person sees meanwhile */

static void wait_show_progress(Ctl *ctl, const GlobalPinInfo *info, PinStatus target, uint64_t since_usec) {
        if (!isatty(fileno(ctl->err)))
                return;
        fprintf(ctl->err,
                "\r\033[K%s on %zu of %zu peers, %u s",
                pin_status_to_string(target),
                wait_count(info, target),
                info->peer_map.n,
                (unsigned) ((time_monotonic() - since_usec) / USEC_PER_SEC));
        fflush(ctl->err);
}

static void wait_hide_progress(Ctl *ctl) {
        if (!isatty(fileno(ctl->err)))
                return;
        fputs("\r\033[K", ctl->err);
        fflush(ctl->err);
}

/* ---- the wait */

typedef struct Wait {
        Ctl *ctl;
        CtlRequest request;
        PinStatus target;
        int64_t limit;
        uint64_t started_usec;
        GlobalPinInfo *info;
        CtlFailure failure;
} Wait;

static int wait_take(void *item, void *userdata) {
        Wait *wait = userdata;

        global_pin_info_done(wait->info);
        *wait->info = *(GlobalPinInfo *) item;
        *(GlobalPinInfo *) item = (GlobalPinInfo){};
        return 0;
}

/* Until the next poll or the deadline. */
static int wait_sleep(const Wait *wait) {
        uint64_t until = time_monotonic() + CTL_WAIT_POLL_USEC, deadline = wait->request.deadline_usec;
        struct timespec at;

        if (deadline && deadline < until)
                until = deadline;
        at.tv_sec = until / USEC_PER_SEC;
        at.tv_nsec = until % USEC_PER_SEC * 1000;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
                if (ctl_wait_interrupted)
                        return -ECANCELED;
        return deadline && time_monotonic() >= deadline ? -ETIME : 0;
}

/* Answers a CtlWaitState that ends the wait, or a negative errno. */
static int wait_run(Wait *wait) {
        for (;;) {
                CtlWaitState state;
                int r;

                r = wait_sleep(wait);
                if (r < 0)
                        return r;
                r = ctl_backend_call(wait->ctl->backend, &wait->request, wait_take, wait, &wait->failure);
                if (r < 0)
                        return r;
                wait_show_progress(wait->ctl, wait->info, wait->target, wait->started_usec);
                state = ctl_wait_judge(wait->info, wait->target, wait->limit);
                if (state != CTL_WAIT_NOT_YET)
                        return state;
        }
}

static int wait_report(Wait *wait, int r) {
        static const char doing[] = "waiting for pin status";

        if (r == -ETIME || r == -ECANCELED) {
                ErrorCode code = r == -ETIME ? ERROR_TIMEOUT : ERROR_CANCELED;

                (void) ctl_verb_fail(
                                wait->ctl,
                                doing,
                                "%s",
                                code == ERROR_TIMEOUT ? "context deadline exceeded" : "context canceled");
                return error_exit_status(code);
        }
        if (r < 0)
                return ctl_verb_fail(
                                wait->ctl,
                                doing,
                                "%s (%u)",
                                wait->failure.message ? wait->failure.message : "out of memory",
                                wait->failure.code);
        if (r == CTL_WAIT_ERROR)
                return ctl_verb_fail(
                                wait->ctl,
                                doing,
                                "error has occurred while attempting to reach status: %s",
                                pin_status_to_string(wait->target));
        return 0;
}

int ctl_wait(Ctl *ctl, const Cid *cid, PinStatus target, int64_t factor, GlobalPinInfo *ret) {
        CtlWaitSignals signals;
        uint64_t now = time_monotonic(), timeout = MAX(ctl->options.wait_timeout_usec, 0);
        char text[CID_TEXT_MAX];
        Wait wait = {
                .ctl = ctl,
                .request = {
                        .call = CTL_CALL_STATUS,
                        .subject = cid_format(cid, text),
                        .cancel = &ctl_wait_interrupted,
                        /* The Go program takes a time-out up to the length of one round for none. */
                        .deadline_usec = timeout > CTL_WAIT_POLL_USEC ? now + timeout : 0,
                },
                .target = target,
                .limit = ctl->options.wait_limit > 0 ? ctl->options.wait_limit : factor,
                .started_usec = now,
                .info = ret,
        };
        int r;

        ctl_wait_catch_signals(&signals);
        r = wait_run(&wait);
        ctl_wait_restore_signals(&signals);
        wait_hide_progress(ctl);
        r = wait_report(&wait, r);
        ctl_failure_done(&wait.failure);
        if (r != 0)
                global_pin_info_done(ret);
        return r;
}
