#pragma once

/* The road over the bus, inside: one call at a time, ended by its answer, its deadline or cancel. */

#include <systemd/sd-bus.h>

#include "ctl/backend/bus-agent.h"
#include "ctl/backend/bus.h"

#define CTL_BUS_LOOK_USEC (500 * USEC_PER_MSEC) /* how often request->cancel is looked at */
#define CTL_BUS_CODE_DONE 200                   /* stands for an answer that is no error */

typedef struct CtlBus {
        CtlBackend backend;
        CtlBusOptions options;
        sd_bus *connection;
        char *name; /* of the peer on the bus */
        CtlBusAgent agent;
} CtlBus;

typedef struct CtlBusCall {
        CtlBus *bus;
        const CtlRequest *request;
        CtlItemFunc on_item;
        void *userdata;
        CtlFailure *reterr;
        const char *member;
        uint64_t deadline_usec; /* of CLOCK_MONOTONIC; 0: none */
        uint64_t n_items;       /* that were handed out */
        sd_bus_message *reply;
} CtlBusCall;

/* bus.c. Each answers 0 or a negative errno with the failure filled. */

/* The message for a member, which the call is named after from now on. */
int ctl_bus_message(CtlBusCall *call, const char *interface, const char *member, sd_bus_message **ret);
/* Send MESSAGE and wait for the reply, which replaces the one before. */
int ctl_bus_ask(CtlBusCall *call, sd_bus_message *message);
/* How long may be waited now, in µs; UINT64_MAX: for ever. -ETIME, -ECANCELED, -EIO (the program's own
 * time-out). */
int ctl_bus_patience(CtlBusCall *call, uint64_t *ret_usec);
/* Hand an item out. Answers what the function answered. */
int ctl_bus_deliver(CtlBusCall *call, void *item);

/* Each answers R. */
int ctl_bus_fail(CtlBusCall *call, int r);                   /* nobody answered */
int ctl_bus_fail_words(CtlBusCall *call, const char *words); /* the same, with words: -EIO */
int ctl_bus_fail_answer(CtlBusCall *call, int r, const JsonProblem *problem);
/* The peer's error; in the middle of a list it is 500, as a trailer of HTTP has no status. */
int ctl_bus_fail_code(CtlBusCall *call, unsigned code, const char *words);

/* bus-call.c. Carry out call->request. */
int ctl_bus_call_run(CtlBusCall *call);

/* bus-pipe.c. Hand out the list that comes through the pipe in call->reply. */
int ctl_bus_pipe_read(CtlBusCall *call);

/* bus-events.c. Hand out what the peer tells, until the call is cancelled, which is no failure. */
int ctl_bus_events_run(CtlBusCall *call);
