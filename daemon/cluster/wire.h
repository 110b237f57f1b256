#pragma once

/*
 * ClusterWire: bodies of the questions that peers ask each other about statuses.
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

#define CLUSTER_WIRE_FORMAT 1
#define CLUSTER_WIRE_CIDS_MAX 4096
#define CLUSTER_WIRE_TEXT_MAX 1024 /* bytes of an error, a name, an address; longer ones are cut */
#define CLUSTER_WIRE_ADDRESSES_MAX 64

typedef enum ClusterVerb {
        CLUSTER_VERB_KNOWN,   /* what is known, without asking Kubo */
        CLUSTER_VERB_ASK,     /* Kubo is asked */
        CLUSTER_VERB_RECOVER, /* Kubo is asked, and what is amiss is queued again */
        CLUSTER_VERB_REQUEUE, /* what is amiss is queued again; only that is told */
        _CLUSTER_VERB_N,
} ClusterVerb;

typedef struct ClusterQuestion {
        ClusterVerb verb;
        PinStatus filter; /* 0: all */
        Cid *cids;
        size_t n;
} ClusterQuestion;

int cluster_wire_write_question(Str *to, const ClusterQuestion *question);
int cluster_wire_read_question(const void *bytes, size_t size, ClusterQuestion *ret);
void cluster_wire_question_done(ClusterQuestion *question);

/* An answer: the head, then for each CID of the question an entry; NULL: nothing to tell. */
int cluster_wire_write_head(Str *to, const PinInfo *who);
int cluster_wire_write_entry(Str *to, const PinInfo *info, bool is_settled);

typedef struct ClusterWireReader {
        const uint8_t *at, *end;
        bool is_bad;
} ClusterWireReader;

typedef struct ClusterWireEntry {
        PinStatus status; /* one of them; 0: nothing to tell */
        bool is_settled;
        uint64_t timestamp, attempts;
        bool priority;
        const char *error; /* borrowed from the answer, not terminated */
        size_t error_size;
} ClusterWireEntry;

/* RET's name, IPFS ID and addresses are those of the peer that answers, the rest is empty; *RET_READER reads
 * its entries. */
int cluster_wire_read_answer(
                const void *bytes, size_t size, PinInfo *ret_who, ClusterWireReader *ret_reader);
/* Answers 1, or 0 at the end. */
int cluster_wire_next_entry(ClusterWireReader *reader, ClusterWireEntry *ret);

typedef struct ClusterPageQuestion {
        PinStatus filter;
        TrackerPosition position;
        uint64_t max;
} ClusterPageQuestion;

int cluster_wire_write_page_question(Str *to, const ClusterPageQuestion *question);
int cluster_wire_read_page_question(const void *bytes, size_t size, ClusterPageQuestion *ret);

typedef struct ClusterPage {
        bool is_complete; /* what has no record is known to be settled */
        bool is_last;
        TrackerPosition position; /* of the next one */
        Cid *cids;
        size_t n;
} ClusterPage;

int cluster_wire_write_page(Str *to, const ClusterPage *page);
int cluster_wire_read_page(const void *bytes, size_t size, ClusterPage *ret);
void cluster_wire_page_done(ClusterPage *page);

int cluster_wire_write_cids(Str *to, const Cid *cids, size_t n);
int cluster_wire_read_cids(const void *bytes, size_t size, Cid **ret, size_t *ret_n);
