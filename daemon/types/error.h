#pragma once

/*
 * Errors that people and programs see: a code from the one table and words.
 *
 * The table (error.c) is the only place that knows how a code is told: as errno inside, as HTTP status, as
 * D-Bus error name (org.ipfs.Cluster.Error.<name>), as exit status of ipfs-cluster-ctl. Words name the
 * field, the value and what was expected.
 */

#include <stddef.h>

#include "daemon/base/macro.h"

typedef enum ErrorCode {
        ERROR_NONE,
        ERROR_INVALID,      /* the request is malformed: an option, a CID, a body (HTTP 400) */
        ERROR_UNAUTHORIZED, /* 401 */
        ERROR_FORBIDDEN,    /* 403 */
        ERROR_NOT_FOUND,    /* 404 */
        ERROR_NOT_ALLOWED,  /* method not allowed, 405 */
        ERROR_TOO_BIG,      /* 413 */
        ERROR_BUSY,         /* a queue or a limit is full; try again, 503 */
        ERROR_UNSUPPORTED,  /* understood, not offered, 501 */
        ERROR_REFUSED, /* well-formed, but the state or the configuration forbids it (factors, expiry in the
                          past, follower mode); 500 as the Go program */
        ERROR_NOT_ENOUGH_PEERS, /* allocation, 500 */
        ERROR_NO_LEADER,        /* 500 */
        ERROR_IPFS,             /* Kubo is not reachable or said no; 500 */
        ERROR_TIMEOUT,          /* 500 */
        ERROR_CANCELED,         /* 500 */
        ERROR_IO,               /* a disk failed; 500 */
        ERROR_NO_MEMORY,        /* 500 */
        ERROR_INTERNAL,         /* 500 */
        ERROR_IN_DOUBT,         /* whether the change was carried out is not known; 500 */
        _ERROR_N,
} ErrorCode;

typedef struct Error {
        ErrorCode code;
        char *message; /* owned; never NULL once the code is set: error_message() helps out when memory was
                          short */
} Error;

/* Set *RETERR (may be NULL; must be empty) and answer the negative errno of CODE, so that "return
 * error_set(reterr, ERROR_NOT_FOUND, …)" works. */
int error_set(Error *reterr, ErrorCode code, const char *format, ...) _printf_(3, 4);

/* The same for a negative errno R from below that has no words yet: the code that fits R, and the words.
 * Answers R. "%m" is R's text. */
int error_set_errno(Error *reterr, int r, const char *format, ...) _printf_(3, 4);

void error_done(Error *error);
void error_move(Error *to, Error *from); /* TO must be empty */
int error_copy(Error *to,
               const Error *from); /* answers the negative errno of FROM's code; never fails otherwise */
const char *error_message(const Error *error); /* the words, or the code's standard text */

int error_errno(ErrorCode code); /* positive; 0 for ERROR_NONE */
unsigned error_http_status(ErrorCode code);
const char *error_bus_name(ErrorCode code); /* without the prefix */
/* Of ctl for an error that the server told (2), a deadline (62) or an interruption (125) of its own. Other
 * errors of ctl itself are status 1, whatever their code. */
int error_exit_status(ErrorCode code);
ErrorCode error_from_errno(int r); /* sign does not matter; ERROR_INTERNAL when nothing fits */
ErrorCode error_from_http_status(unsigned status);
ErrorCode error_from_bus_name(const char *name); /* without the prefix; ERROR_INTERNAL for an unknown one */
