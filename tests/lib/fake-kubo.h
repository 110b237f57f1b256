#pragma once

/*
 * FakeKubo: a Kubo inside the test program, on the test's own event loop, at a port of 127.0.0.1.
 *
 * It keeps a pin set and answers id, version, pin/add, pin/ls, pin/rm, pin/update, repo/stat, repo/gc,
 * resolve, swarm/peers, swarm/connect, config/show, add, dag/import, files/stat in the recorded forms
 * (tests/golden/kubo); what is added is a raw block each. For any
 * command a FakeAnswer can be planned in place of that: a status, a body, an error in the trailer, a cut,
 * garbage, silence. What was asked is kept as text, in order.
 */

#include <systemd/sd-event.h>

#include "daemon/base/str.h"
#include "daemon/types/cid.h"

typedef enum FakeFault {
        FAKE_NONE,
        FAKE_CUT,     /* the body, then the connection is broken off */
        FAKE_HANG,    /* the head and the body, then nothing more, until fake_kubo_release() */
        FAKE_SILENCE, /* no answer at all */
} FakeFault;

typedef struct FakeAnswer {
        unsigned status;     /* 0: 200 */
        const char *body;    /* NULL: "" */
        const char *trailer; /* X-Stream-Error; NULL: none */
        FakeFault fault;
        unsigned times; /* 0: from now on */
} FakeAnswer;

typedef struct FakeKubo FakeKubo;

#define FAKE_KUBO_BODY_MAX (16 * 1024 * 1024)
#define FAKE_KUBO_ID "12D3KooWM2WYcBTEbzc6TZhTMNCTDGdE1qN6AKskWYpbG4uVBJTc"

int fake_kubo_new(FakeKubo **ret, sd_event *event);
FakeKubo *fake_kubo_free(FakeKubo *kubo);
DEFINE_CLEANUP(FakeKubo *, fake_kubo_free);

const char *fake_kubo_multiaddr(const FakeKubo *kubo);        /* /ip4/127.0.0.1/tcp/… */
void fake_kubo_stop(FakeKubo *kubo);                          /* the port refuses connections */
int fake_kubo_start(FakeKubo *kubo);                          /* again, at the same port */
int fake_kubo_move_to_unix(FakeKubo *kubo, const char *path); /* from the port to a socket file */

/* Plan ANSWER for COMMAND ("pin/add"), or with a CID in ARGUMENT only where that is in the query. What it
 * points to must outlive it. */
void fake_kubo_plan(FakeKubo *kubo, const char *command, const char *argument, const FakeAnswer *answer);
void fake_kubo_release(FakeKubo *kubo); /* what hangs now ends */
void fake_kubo_forget_plans(FakeKubo *kubo);

void fake_kubo_pin(
                FakeKubo *kubo,
                const char *cid,
                const char *type); /* "recursive", "direct"; NULL: not pinned */
const char *fake_kubo_pinned(const FakeKubo *kubo, const char *cid); /* NULL: not */

/* "pin/add?arg=…", in the order in which they came. */
const StrList *fake_kubo_requests(const FakeKubo *kubo);
void fake_kubo_forget_requests(FakeKubo *kubo);
size_t fake_kubo_count(const FakeKubo *kubo, const char *prefix); /* of requests that begin so */
const char *fake_kubo_body(const FakeKubo *kubo);                 /* of the last upload that came whole */
const char *fake_kubo_authorization(const FakeKubo *kubo); /* the header of the last request; NULL: none */
