#pragma once

/*
 * PinsvcQuery: what GET /pins looks for. Its filters must all hold; what the specification does not name is
 * ignored. cid and status may be given several times, of the others the first counts. A parameter that is
 * there has to mean something: an empty one is refused, so that a forgotten value never asks for everything.
 * Only name may be empty, and looks for requests without one.
 */

#include "daemon/net/query.h"
#include "daemon/pinsvc/match.h"
#include "daemon/pinsvc/status.h"

#define PINSVC_CIDS_MAX 10
#define PINSVC_LIMIT_DEFAULT 10
#define PINSVC_LIMIT_MAX 1000
#define PINSVC_NAME_MAX 255 /* characters */

typedef struct PinsvcQuery {
        Cid *cids; /* PINSVC_CIDS_MAX, without repeats; NULL: any */
        size_t n_cids;
        bool has_name;
        PinsvcMatch name;
        StrMap meta;        /* all of these */
        unsigned statuses;  /* 1 << PinsvcStatus, each; pinned alone when the client says nothing */
        uint64_t before;    /* created earlier than this; UINT64_MAX: whenever */
        uint64_t not_until; /* created at this time or later; 0: whenever */
        size_t limit;
} PinsvcQuery;

/* Errors: ERROR_INVALID, with the parameter, its value and what was expected. */
int pinsvc_query_read(const Query *from, PinsvcQuery *ret, Error *reterr);
void pinsvc_query_done(PinsvcQuery *query);

/* What the query says of a request, but for its CID and its status. Answers 1 or 0. Errors: -ENOMEM. */
int pinsvc_query_takes(PinsvcQuery *query, uint64_t created, const char *name, const StrMap *meta);

/* How many characters TEXT has; bytes that are none count as one each. */
size_t pinsvc_query_characters(const char *text);
