#pragma once

/* What the daemon says when it cannot start: to systemd (STATUS=), and to a terminal or the journal. */

#include "daemon/types/error.h"

/* Answers STATUS, or 74 for a failed disk. ID, a field for the journal, may be NULL. ERROR is released. */
int service_say_failure(const char *doing, Error *error, int status, const char *id);
int service_say_errno(const char *doing, int r, const char *what); /* WHAT and R's text; status 1 */
int service_say_refusal(const char *words);                        /* status 1 */
