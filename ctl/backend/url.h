#pragma once

/* What a http(s) address gives, read piece by piece. Everything blocks. */

#include <sys/types.h>

#include "daemon/types/error.h"

typedef struct CtlUrl CtlUrl;

int ctl_url_open(CtlUrl **ret, const char *address, Error *reterr);
CtlUrl *ctl_url_close(CtlUrl *url);
DEFINE_CLEANUP(CtlUrl *, ctl_url_close);
/* Answers the bytes put into BUFFER, 0 at the end. Errors: with Go's words ('Get "http://…": dial tcp …'),
 * also for a status that is none of success. */
ssize_t ctl_url_read(CtlUrl *url, char *buffer, size_t max, Error *reterr);
