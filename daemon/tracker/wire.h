#pragma once

/*
 * TrackerWire: bodies of the questions that peers ask each other about statuses.
 *
 *   question   format, verb, filter, CIDs                          of "status"
 *   answer     format, which peer this is, an entry for each CID
 *   position   format, filter, where to go on, most CIDs           of "records"
 *   page       format, flags, where to go on, CIDs
 *   CIDs       format, CIDs                                        the answer of "check"
 *
 * All integers are varints (base/varint.h), texts and CIDs are a size and bytes, lists a number and
 * elements. An entry is the status times 2, plus 1 when details follow: time, attempts, priority, error.
 * Without them the item is settled: the time is that of the pin, and there is no error. Status 0: nothing to
 * tell.
 *
 * Readers take hostile bytes. Errors: -EBADMSG, -ENOMEM; of a format that is not this one, -EPROTONOSUPPORT.
 */

#include <stdbool.h>

#include "daemon/base/str.h"
#include "daemon/tracker/tracker.h"
#include "daemon/types/cid.h"
#include "daemon/types/pin-info.h"

#define TRACKER_WIRE_FORMAT 1
#define TRACKER_WIRE_CIDS_MAX 4096
#define TRACKER_WIRE_TEXT_MAX 1024 /* bytes of an error, a name, an address; longer ones are cut */
#define TRACKER_WIRE_ADDRESSES_MAX 64

typedef enum TrackerVerb {
        TRACKER_VERB_KNOWN,   /* what is known, without asking Kubo */
        TRACKER_VERB_ASK,     /* Kubo is asked */
        TRACKER_VERB_RECOVER, /* Kubo is asked, and what is amiss is queued again */
        TRACKER_VERB_REQUEUE, /* what is amiss is queued again; only that is told */
        _TRACKER_VERB_N,
} TrackerVerb;

typedef struct TrackerQuestion {
        TrackerVerb verb;
        PinStatus filter; /* 0: all */
        Cid *cids;
        size_t n;
} TrackerQuestion;

int tracker_wire_write_question(Str *to, const TrackerQuestion *question);
int tracker_wire_read_question(const void *bytes, size_t size, TrackerQuestion *ret);
void tracker_wire_question_done(TrackerQuestion *question);

/* An answer: the head, then for each CID of the question an entry; NULL: nothing to tell. */
int tracker_wire_write_head(Str *to, const PinInfo *who);
int tracker_wire_write_entry(Str *to, const PinInfo *info, bool is_settled);

typedef struct TrackerWireReader {
        const uint8_t *at, *end;
        bool is_bad;
} TrackerWireReader;

typedef struct TrackerWireEntry {
        PinStatus status; /* one of them; 0: nothing to tell */
        bool is_settled;
        uint64_t timestamp, attempts;
        bool priority;
        const char *error; /* borrowed from the answer, not terminated */
        size_t error_size;
} TrackerWireEntry;

/* RET's name, IPFS ID and addresses are those of the peer that answers, the rest is empty; *RET_READER reads
 * its entries. */
int tracker_wire_read_answer(
                const void *bytes, size_t size, PinInfo *ret_who, TrackerWireReader *ret_reader);
/* Answers 1, or 0 at the end. */
int tracker_wire_next_entry(TrackerWireReader *reader, TrackerWireEntry *ret);

typedef struct TrackerPageQuestion {
        PinStatus filter;
        TrackerPosition position;
        uint64_t max;
} TrackerPageQuestion;

int tracker_wire_write_page_question(Str *to, const TrackerPageQuestion *question);
int tracker_wire_read_page_question(const void *bytes, size_t size, TrackerPageQuestion *ret);

typedef struct TrackerPage {
        bool is_complete; /* what has no record is known to be settled */
        bool is_last;
        TrackerPosition position; /* of the next one */
        Cid *cids;
        size_t n;
} TrackerPage;

int tracker_wire_write_page(Str *to, const TrackerPage *page);
int tracker_wire_read_page(const void *bytes, size_t size, TrackerPage *ret);
void tracker_wire_page_done(TrackerPage *page);

int tracker_wire_write_cids(Str *to, const Cid *cids, size_t n);
int tracker_wire_read_cids(const void *bytes, size_t size, Cid **ret, size_t *ret_n);
