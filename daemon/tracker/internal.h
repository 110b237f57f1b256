#pragma once

/* Tracker inside: the object, and what its files (tracker.c, run.c, status.c, check.c) ask of each other. */

#include "daemon/base/list.h"
#include "daemon/base/map.h"
#include "daemon/tracker/operation.h"
#include "daemon/tracker/queue.h"
#include "daemon/tracker/tracker.h"

#define TRACKER_FAILURES_MAX 64

typedef struct TrackerCheck TrackerCheck;

struct Tracker {
        sd_event *event;
        TrackerOptions options; /* without the strings, which are ours below */
        char *peername;
        char self_text[PEER_ID_TEXT_MAX];
        char *state_folder;

        TrackerQueue *queue;
        bool started;
        bool complete; /* what has no record is settled */
        bool has_failed;
        bool stopped;
        uint8_t digest[STATE_DIGEST_SIZE]; /* of the pinset when it was stopped */

        Map *operations; /* CID → TrackerOperation */
        List running;    /* the same */
        size_t n_pins, n_unpins;
        sd_event_source *run;   /* starts what can be started */
        sd_event_source *retry; /* when the first failed item is due */

        /* The last failures, a ring, for tracker_forgive(). */
        struct {
                Cid cid;
                uint64_t when;
        } failures[TRACKER_FAILURES_MAX];
        unsigned next_failure;

        List calls; /* TrackerCall */

        TrackerCheck *check;
        unsigned n_check_failures; /* in a row */
        sd_event_source *check_timer;
};

struct TrackerCall {
        List link;
        Tracker *tracker;
        Cid cid;
        IpfsCall *ipfs;
        sd_event_source *run;
        bool waits_for_check, check_is_over;
        int result;
        Error error;
        TrackerDone done;
        void (*check_done)(TrackerCall *call, int r, const Error *error, void *userdata);
        void *userdata;
};

/* run.c: the queue at work. */
void tracker_run_soon(Tracker *tracker);
int tracker_run_init(Tracker *tracker);
void tracker_run_deinit(Tracker *tracker);
int tracker_run_enqueue_pin(Tracker *tracker, const Pin *pin, TrackerRecord *record);
int tracker_run_enqueue_unpin(Tracker *tracker, const Cid *cid, TrackerRecord *record);
void tracker_run_cancel(Tracker *tracker, const Cid *cid); /* the operation of CID, if one is under way */
/* OP is given up: its item waits in front, the attempt does not count. */
int tracker_run_put_back(Tracker *tracker, const TrackerOperation *op);
TrackerOperation *tracker_run_find(Tracker *tracker, const Cid *cid);
bool tracker_run_is_prior(const Tracker *tracker, uint64_t created, uint64_t attempts);

/* status.c */
void tracker_status_tell(Tracker *tracker, const Cid *cid);
/* Note what Kubo answered about an item that nobody works on: 1 when that changed something. */
int tracker_status_note(Tracker *tracker, const Cid *cid, const Pin *pin, IpfsPinType type);

/* check.c */
void tracker_check_note(
                Tracker *tracker,
                const Cid *cid,
                IpfsPinType type); /* an operation ended while a check runs */
void tracker_check_cancel(Tracker *tracker);
bool tracker_check_is_comparing(const Tracker *tracker); /* the list is there */
int tracker_check_init(Tracker *tracker);
void tracker_check_arm(Tracker *tracker);

/* tracker.c */
void tracker_fail(Tracker *tracker, int r); /* tracker.gdbm is damaged */
int tracker_call_new(TrackerCall **ret, Tracker *tracker, const Cid *cid, void *userdata);
