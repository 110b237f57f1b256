#pragma once

/*
 * Harness: the service on a bus that is the test itself, over a pair of sockets.
 *
 * The test answers for the bus (names, matches, who a sender is) and for polkit, calls methods in the name
 * of any sender, and keeps the signals as text. The peer, its Kubo and both ends share one event loop.
 */

#include "dbus/internal.h"
#include "tests/lib/peer.h"

#define ALICE ":1.50"
#define BOB ":1.51"

#define UID_ROOT 0u
#define UID_OTHER ((uint32_t) geteuid() + 1) /* not who runs the tests */

typedef enum PolkitAnswer {
        POLKIT_ALLOWS,
        POLKIT_DENIES,
        POLKIT_CHALLENGES,
        POLKIT_IS_SILENT,
        POLKIT_IS_WRONG, /* another signature */
        POLKIT_IS_ABSENT,
        POLKIT_FAILS,
} PolkitAnswer;

typedef struct Harness Harness;

struct Harness {
        Peer peer;
        Bus *bus;
        sd_bus *broker;
        unsigned n_connections;
        bool is_refused;   /* there is no bus to connect to */
        bool is_name_gone; /* another has the name */

        uint32_t uid; /* of every sender */
        bool is_unknown;
        PolkitAnswer polkit;
        unsigned n_questions;  /* to polkit */
        char *question;        /* the last: "<sender> <action> <flags>" */
        sd_bus_message *asked; /* that is not answered (POLKIT_IS_SILENT) */
        StrList signals;       /* "Member arg arg" */

        /* Answers calls of others than those; NULL: they stay without an answer. */
        void (*answer)(Harness *harness, sd_bus_message *message);
};

void harness_open_with(Harness *harness, void (*answer)(Harness *harness, sd_bus_message *message));
void harness_open(Harness *harness); /* until the service has its name, and knows all statuses */
void harness_close(Harness *harness);
void harness_cut(Harness *harness); /* the bus is gone */
void harness_leave(Harness *harness, const char *sender);
bool harness_has_signal(const Harness *harness, const char *text);
void harness_forget_signals(Harness *harness);
BusMember *harness_self(const Harness *harness); /* what the bus tells of the peer itself */

/* One call that may be waited for; to be freed by harness_call_done(). */
typedef struct HarnessCall {
        sd_bus_slot *slot;
        sd_bus_message *reply; /* NULL until it is there */
} HarnessCall;

void harness_send(
                Harness *harness,
                HarnessCall *call,
                const char *sender,
                const char *member,
                const char *types,
                ...);
void harness_send_message(Harness *harness, HarnessCall *call, const char *sender, sd_bus_message *message);
void harness_wait(Harness *harness, HarnessCall *call);
void harness_call_done(HarnessCall *call);
sd_bus_message *harness_message(
                Harness *harness, const char *path, const char *interface, const char *member);

/* The reply of a method of the manager as text, or "<error's last word>: <message>"; to be freed.
 * Dictionaries as JSON. */
char *harness_call(Harness *harness, const char *sender, const char *member, const char *types, ...);
char *harness_text(sd_bus_message *reply);
/* All of a pipe, until its end. */
char *harness_read_pipe(Harness *harness, sd_bus_message *reply);

#define harness_assert_has(text, part)                                                                      \
        do {                                                                                                \
                if (!strstr((text), (part)))                                                                \
                        g_error("'%s' is not in '%s'", (part), (text));                                     \
        } while (0)
