#pragma once

/* A bus with one peer on it, in a thread of the test: it notes the calls for the peer, and answers from a
 * script. What it does allocates nothing by the code under test, so that faults can be counted. */

#include <glib.h>
#include <systemd/sd-bus.h>

#include "ctl/backend/bus.h"
#include "dbus/names.h"

typedef struct FakeReply {
        const char *text;  /* read by the types of GVariant: "({'id': <'x'>},)"; NULL: none */
        const char *pipe;  /* what comes out of a pipe, in place of it */
        const char *error; /* the name of one, in place of both */
        const char *words; /* of the error */
        bool silent;       /* no answer at all */
        bool gone;         /* the connection is closed in place of an answer */
} FakeReply;

typedef struct FakeBus {
        char *folder;
        char *path;
        int fd;
        GThread *thread;
        const char *name;         /* of the peer */
        const FakeReply *replies; /* one a call; the last stands for all further ones */
        size_t n_replies;
        size_t n_calls;
        GString *asked;      /* a line a call */
        bool may_start;      /* the last call would have started the peer */
        bool is_interactive; /* each call allowed that the user is asked */
        bool is_owned, is_activatable, is_broken;
        const char *start_error;                               /* of the peer, by the bus; NULL: none */
        void (*on_call)(sd_bus_message *call, void *userdata); /* after the answer; or NULL */
        void *userdata;
        sd_bus *connection; /* the present one */
} FakeBus;

/* DBUS_SYSTEM_BUS_ADDRESS leads to it. */
void fake_bus_start(FakeBus *fake, const FakeReply *replies, size_t n_replies);
void fake_bus_stop(FakeBus *fake); /* connections to it must be closed */

/* From inside on_call alone. SENDER NULL: the bus. TEXT as in FakeReply. */
void fake_bus_signal(
                FakeBus *fake,
                const char *sender,
                const char *interface,
                const char *member,
                const char *text);

/* CtlItemFunc: keep the JSON of an item, a line an item. */
typedef struct FakeBusGot {
        CtlCall call;
        GString *items;
} FakeBusGot;

int fake_bus_take(void *item, void *userdata); /* a FakeBusGot */
int fake_bus_skip(void *item, void *userdata);

/* One call on a bus of its own. */
typedef struct FakeBusCase {
        CtlRequest request;
        FakeReply reply;
        const char *asked;
        const char *items; /* as JSON, a line an item */
        int r;
        unsigned code;
        const char *message;
} FakeBusCase;

void fake_bus_check(const FakeBusCase *c);
