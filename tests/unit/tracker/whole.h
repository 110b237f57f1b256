#pragma once

/* A tracker with all that it needs: a Kubo of the test's own, a pinset, an event loop, a temporary folder.
 * Retries come after milliseconds. Items are numbers (item_cid()). */

#include <glib.h>

#include "daemon/base/time.h"
#include "daemon/tracker/internal.h"
#include "tests/lib/fake-kubo.h"
#include "tests/unit/tracker/fixture.h"

#define WHOLE_SELF "12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv"
#define WHOLE_OTHER "12D3KooWM2WYcBTEbzc6TZhTMNCTDGdE1qN6AKskWYpbG4uVBJTc"
#define WHOLE_LIST "ls?stream" /* in the target of the whole pin/ls, in no other */

typedef struct Whole {
        Folder folder;
        sd_event *event;
        FakeKubo *kubo;
        HttpClient *client;
        Ipfs *ipfs;
        StatePinset *pinset;
        uint64_t index;
        TrackerOptions options;
        Tracker *tracker;
        unsigned n_changed, n_failed;

        TrackerCall *call;
        bool has_answer;
        int r;
        char *error; /* of the call, or of its info */
        PinStatus status;
} Whole;

/* The loop runs until CONDITION holds. */
#define WHOLE_WAIT(w, condition)                                                                            \
        do {                                                                                                \
                while (!(condition))                                                                        \
                        g_assert_cmpint(sd_event_run((w)->event, 20 * USEC_PER_SEC), >, 0);                 \
        } while (0)

void whole_turns(Whole *w, unsigned n);
TrackerCounts whole_counts(const Whole *w);
/* A tracker that knows everything, and a Kubo that is there. */
void whole_start(Whole *w);
void whole_set_up_only(Whole *w, gconstpointer data);
void whole_set_up(Whole *w, gconstpointer data);
void whole_tear_down(Whole *w, gconstpointer data);
const char *whole_text(uint32_t item);

/* ---- the pinset ---- */

Pin whole_pin(uint32_t item);
/* Into the pinset, without telling the tracker. */
void whole_store(Whole *w, const Pin *pin);
void whole_track(Whole *w, const Pin *pin);
void whole_add(Whole *w, uint32_t item);
void whole_remove(Whole *w, uint32_t item);

/* ---- statuses ---- */

/* What is known; to be freed with json_done(). */
PinInfo whole_known(Whole *w, uint32_t item);
PinStatus whole_status(Whole *w, uint32_t item);

#define whole_assert_status(w, item, expect)                                                                \
        g_assert_cmpstr(pin_status_to_string(whole_status((w), (item))), ==, (expect))

void whole_assert_error(Whole *w, uint32_t item, uint64_t attempts, const char *words);
void whole_on_status(TrackerCall *call, int r, const Error *error, const PinInfo *info, void *userdata);
void whole_ask_start(Whole *w, uint32_t item, bool ask);
const char *whole_ask(Whole *w, uint32_t item, bool ask);
/* Nothing waits and nothing is under way. */
bool whole_is_idle(const Whole *w);
void whole_close(Whole *w);

static const FakeAnswer whole_refusal = {
        .status = 500,
        .body = "{\"Message\":\"no such block\",\"Code\":0,\"Type\":\"error\"}\n",
};
/* A pin that goes on until fake_kubo_release(), and is good then. */
static const FakeAnswer whole_hang = {
        .body = "{\"Progress\":1}\n{\"Pins\":[\"QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma\"]}\n",
        .fault = FAKE_HANG,
};
