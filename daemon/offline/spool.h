#pragma once

/* The pins of an import, checked and encoded, in a file without a name: first all go in, then all come out,
 * in their order. */

#include <stdio.h>

#include "daemon/base/str.h"

typedef struct OfflineSpool {
        FILE *file;
        uint64_t n_records;
} OfflineSpool;

int offline_spool_open(OfflineSpool *spool, const char *folder);
void offline_spool_done(OfflineSpool *spool);

int offline_spool_put(OfflineSpool *spool, const void *bytes, size_t n); /* n < 4 GiB */
int offline_spool_rewind(OfflineSpool *spool);
/* Answers 1 and the next record appended to TO, 0 at the end. */
int offline_spool_next(OfflineSpool *spool, Str *to);
