#pragma once

/*
 * Who asks: the header Authorization against names and passwords. "Basic" carries both; "Bearer" carries a
 * token (token.h), signed with the password of the name that it tells.
 *
 * Comparisons take the same time wherever texts differ, and names are all looked at, so that time tells
 * nothing. A name or password that is empty lets nobody in.
 */

#include <stdint.h>

#include "daemon/base/str.h"

typedef struct GuardAuth GuardAuth;

typedef enum GuardVerdict {
        GUARD_PASS,      /* may go on */
        GUARD_PREFLIGHT, /* a question of a browser: 204 without a body */
        GUARD_NO_AUTH,   /* 401: nothing that could be looked at */
        GUARD_DENIED,    /* 401: wrong name or password */
        GUARD_BAD_TOKEN, /* 401 */
        GUARD_NO_MEMORY,
        _GUARD_VERDICT_N,
} GuardVerdict;

/* CREDENTIALS (name to password) must outlive it. Errors: -ENOMEM. */
int guard_auth_new(GuardAuth **ret, const StrMap *credentials);
GuardAuth *guard_auth_free(GuardAuth *auth);
DEFINE_CLEANUP(GuardAuth *, guard_auth_free);

/* HEADER: the value, NULL when it is not there. *RET_USER is set by GUARD_PASS alone, and borrowed from the
 * credentials. */
GuardVerdict guard_auth_check(
                const GuardAuth *auth, const char *header, uint64_t now_usec, const char **ret_user);
