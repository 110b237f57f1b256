#pragma once

/*
 * The log of requests, in the Common Log Format that web servers write:
 *
 *     127.0.0.1 - alice [22/Nov/2026:16:27:38 +0100] "GET /pins HTTP/1.1" 200 1234
 *
 * Lines are gathered and written once a turn of the loop, in whole lines, so that the file may be shared,
 * moved away (it is made anew within a second) or truncated. A file that cannot be written is told of once;
 * the lines are lost. Nothing is waited for: it is a regular file, or /dev/stderr, which takes what it can.
 */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "daemon/base/str.h"
#include "daemon/types/error.h"

typedef struct GuardAccessLog GuardAccessLog;

typedef struct GuardAccess {
        const char *peer; /* "127.0.0.1:1234", "[::1]:1234", "unix" */
        const char *user; /* NULL: nobody was asked for */
        const char *method;
        const char *target; /* as it came: escaped here */
        bool is_http10;
        unsigned status;
        uint64_t n_bytes;
        uint64_t at_usec;
} GuardAccess;

/* Errors: ERROR_INVALID (the file cannot be opened, or is no file; SETTING is for the words), -ENOMEM. */
int guard_access_log_new(
                GuardAccessLog **ret, sd_event *event, const char *path, const char *setting, Error *reterr);
GuardAccessLog *guard_access_log_free(GuardAccessLog *log); /* what was gathered is written */
DEFINE_CLEANUP(GuardAccessLog *, guard_access_log_free);
void guard_access_log_write(GuardAccessLog *log, const GuardAccess *access);

/* One line, with its end. Errors: -ENOMEM. */
int guard_access_log_format(const GuardAccess *access, Str *to);
