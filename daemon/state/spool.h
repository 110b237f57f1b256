#pragma once

/*
 * StateSpool: a queue of records in an unlinked file. What is written last is read last; reading and writing
 * may alternate. The file lives as long as there is something in it, memory stays at two chunks.
 */

#include "daemon/state/record.h"

typedef struct StateSpool StateSpool;

int state_spool_new(StateSpool **ret, const char *folder); /* FOLDER must outlive it */
StateSpool *state_spool_free(StateSpool *spool);
DEFINE_CLEANUP(StateSpool *, state_spool_free);

/* Errors: write(2)'s and those of opening a file in the folder. A spool that failed is of no more use. */
int state_spool_write(StateSpool *spool, const StateRecord *record);
/* Answers 1 and a record, borrowed until the next read; 0 when all was read that was written. */
int state_spool_read(StateSpool *spool, StateRecord *ret);
