#pragma once

/*
 * How the name of a request is compared with what a client looks for: as it is or without regard to case,
 * all of it or a part. Upper and lower case are those of Unicode, by the locale C.UTF-8; where that is not
 * installed, those of ASCII. Bytes that are no UTF-8 are compared as they are.
 */

#include <locale.h>
#include <stdbool.h>

#include "daemon/base/str.h"

typedef enum PinsvcMatchMode {
        PINSVC_MATCH_EXACT,
        PINSVC_MATCH_IEXACT,
        PINSVC_MATCH_PARTIAL,
        PINSVC_MATCH_IPARTIAL,
        _PINSVC_MATCH_N,
        _PINSVC_MATCH_INVALID = -EINVAL,
} PinsvcMatchMode;

PinsvcMatchMode pinsvc_match_mode_from_string(const char *text);

typedef struct PinsvcMatch {
        PinsvcMatchMode mode;
        char *wanted;    /* in lower case when the case does not count */
        locale_t locale; /* (locale_t) 0: ASCII, or the case counts */
        Str folded;      /* the name that is looked at, in lower case */
} PinsvcMatch;

int pinsvc_match_init(PinsvcMatch *match, PinsvcMatchMode mode, const char *wanted);
void pinsvc_match_done(PinsvcMatch *match);
/* NAME NULL: "". Answers 1 or 0. Errors: -ENOMEM. */
int pinsvc_match_name(PinsvcMatch *match, const char *name);
