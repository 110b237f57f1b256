#pragma once

/*
 * Tracker: makes this peer's Kubo pin what the pinset says, and knows how far it is.
 *
 * What is allocated to this peer and pinned is "settled" and costs nothing: no record, no memory. Every
 * other item has a record in tracker.gdbm (CID → status, attempts, last error, times): queued, in error,
 * unexpectedly unpinned, or being unpinned. So a restart after an orderly stop asks Kubo nothing. After an
 * unclean stop the store is discarded: everything is unknown, lists say pin_queued, a question for one CID
 * asks Kubo, and one streamed pin/ls settles all (a check).
 *
 * The queue is the store, too (queue.h); in memory are only the operations under way (concurrent_pins pins,
 * one unpin). Order, that of the Go program: pins younger than priority_pin_max_age with at most
 * priority_pin_max_retries attempts first. A failed pin is tried again by itself with back-off and jitter
 * (TRACKER_RETRY_MIN doubling up to TRACKER_RETRY_MAX), one that was unpinned behind our back after
 * recover_interval, and both on recover. While Kubo is down nothing is started and no attempt is counted. An
 * operation that its opposite replaces is cancelled and leaves no error.
 *
 * A check compares Kubo's pins with the pinset: one pin/ls streamed into a spool file, then a scan of the
 * pinset in slices. It runs when needed after an unclean stop, and every check interval; it finds what was
 * unpinned (or pinned) behind the tracker's back. It is bounded in memory. When Kubo fails it changes
 * nothing and is made again, with back-off, or when Kubo has come back.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/ipfs/ipfs.h"
#include "daemon/state/pinset.h"
#include "daemon/types/pin-info.h"
#include "daemon/types/pin.h"

#define TRACKER_RETRY_MIN (30 * USEC_PER_SEC)
#define TRACKER_RETRY_MAX (3600 * USEC_PER_SEC)

typedef struct Tracker Tracker;
typedef struct TrackerCall TrackerCall;
typedef struct TrackerCursor TrackerCursor;

typedef struct TrackerOptions {
        const char *state_folder;
        PeerId self;
        const char *peername;
        Ipfs *ipfs;          /* must outlive the tracker */
        StatePinset *pinset; /* the same; read only */
        unsigned concurrent_pins;
        uint64_t max_pin_queue_size;
        uint64_t priority_pin_max_age_usec;
        unsigned priority_pin_max_retries;
        uint64_t check_interval_usec;   /* 0: only when needed */
        uint64_t recover_interval_usec; /* pin_recover_interval: what was unexpectedly unpinned is queued
                                           again */
        uint64_t retry_min_usec, retry_max_usec; /* 0: TRACKER_RETRY_MIN, TRACKER_RETRY_MAX */
        /* A status has changed (also by a check). From the loop. May be NULL. */
        void (*changed)(const Cid *cid, void *userdata);
        void (*failed)(int r, void *userdata); /* tracker.gdbm is damaged: the process has to end */
        void *userdata;
} TrackerOptions;

int tracker_new(Tracker **ret, sd_event *event, const TrackerOptions *options, Error *reterr);
/* The first half of an orderly end: nothing is begun or compared any more, the pinset is not looked at
 * again. What is tracked from here on makes the records worthless, and the next start begins with a check.
 */
void tracker_stop(Tracker *tracker);
/* The second half. Operations under way are queued again by the next start. */
int tracker_close(Tracker *tracker);
Tracker *tracker_free(Tracker *tracker);
DEFINE_CLEANUP(Tracker *, tracker_free);

/* Begin to work, once the pinset is complete. */
int tracker_start(Tracker *tracker);

/* From now on: concurrent_pins, max_pin_queue_size, priority_* and the recover interval of OPTIONS; the
 * others are not looked at. */
void tracker_set_options(Tracker *tracker, const TrackerOptions *options);

/* PIN was put into, CID was removed from the pinset. PIN is borrowed. Errors: those of the store (the
 * process has to end). */
int tracker_track(Tracker *tracker, const Pin *pin);
int tracker_untrack(Tracker *tracker, const Cid *cid);

bool tracker_is_allocated(const Tracker *tracker, const Pin *pin); /* here, or everywhere */

/* What is known now, without asking Kubo. PIN is the pinset's, or NULL when it is not in it. Never blocks;
 * RET's peer is set. */
int tracker_status_known(Tracker *tracker, const Cid *cid, const Pin *pin, PinInfo *ret);
/* The same into an INFO that was filled before: what says which peer this is stays as it is. For lists. */
int tracker_status_update(Tracker *tracker, const Cid *cid, const Pin *pin, PinInfo *info);

/* The status of one CID, asked of Kubo when it is not known for sure or when ASK is true (sync): a changed
 * one is recorded. INFO is borrowed by the handler. The pinset is looked at when the answer comes. */
typedef void (*TrackerDone)(
                TrackerCall *call, int r, const Error *error, const PinInfo *info, void *userdata);
int tracker_status(
                Tracker *tracker,
                TrackerCall **ret,
                const Cid *cid,
                bool ask,
                TrackerDone done,
                void *userdata);
TrackerCall *tracker_call_unref(TrackerCall *call);
DEFINE_CLEANUP(TrackerCall *, tracker_call_unref);

/* Queue CID again when it is in error or unexpectedly unpinned. Answers 1 when it was queued, 0 when there
 * is nothing to recover. */
int tracker_recover(Tracker *tracker, const Cid *cid);

/* Items with a record whose status matches FILTER (0: all), also unpins of CIDs that have left the pinset.
 * Cheap when there are few: settled items are not looked at. Things go on meanwhile: what stays where it is
 * is told once; what begins or ends to be worked on may be told twice, or be passed over. */
int tracker_cursor_new(TrackerCursor **ret, Tracker *tracker, PinStatus filter);
int tracker_cursor_next(TrackerCursor *cursor, Cid *ret); /* 1, 0 at the end */
/* The same, but looks at one item (or some that are gone) only: TRACKER_CURSOR_MORE when FILTER does not
 * take it. */
#define TRACKER_CURSOR_MORE 2
int tracker_cursor_step(TrackerCursor *cursor, Cid *ret);
/* Where a cursor is, so that another one can go on from there later. The beginning is all zeros; any other
 * value is taken as well, and leads somewhere. */
typedef struct TrackerPosition {
        uint64_t source, number;
} TrackerPosition;
void tracker_cursor_seek(TrackerCursor *cursor, const TrackerPosition *position);
TrackerPosition tracker_cursor_tell(const TrackerCursor *cursor);
TrackerCursor *tracker_cursor_free(TrackerCursor *cursor);
DEFINE_CLEANUP(TrackerCursor *, tracker_cursor_free);

/* Start a check now if none runs; DONE (may be NULL) tells how the running one ended. */
int tracker_check(
                Tracker *tracker,
                TrackerCall **ret,
                void (*done)(TrackerCall *call, int r, const Error *error, void *userdata),
                void *userdata);

/* Kubo has come back: go on with what waits for it. */
void tracker_kick(Tracker *tracker);

/* Kubo was being ended when what failed within the last WITHIN_USEC did: that was no attempt, and the items
 * wait again, in front. Of more than concurrent_pins or so, the last ones. */
void tracker_forgive(Tracker *tracker, uint64_t within_usec);

typedef struct TrackerCounts {
        uint64_t queued; /* pin_queued */
        uint64_t pinning;
        uint64_t pin_error;
        uint64_t unpin_queued, unpinning, unpin_error;
        uint64_t unexpected;
        bool complete; /* false until everything is known after an unclean stop */
} TrackerCounts;
void tracker_counts(const Tracker *tracker, TrackerCounts *ret);
/* Since when the front of what waits to be pinned, or unpinned, has waited, wall clock; 0: nothing waits.
 * Errors: those of the store. */
int tracker_oldest(Tracker *tracker, uint64_t *ret_pin, uint64_t *ret_unpin);
