#pragma once

/*
 * Store: a gdbm file that is a cache of something durable, with its dirty marker.
 *
 * gdbm is not crash safe, so a file is trusted only when its last user closed it: "<name>.dirty" is created
 * and its folder synced before the first write after an open, and removed by store_close() after the file
 * was synced. A file with the marker beside it, one that does not open, or one whose meta record is not as
 * expected, is deleted, and store_open() tells that it starts empty.
 *
 * Any gdbm error other than "not found" means a damaged file: the call fails with -EIO after logging
 * nothing; the caller ends the process and the next start rebuilds. One handle, one thread. Settings:
 * GDBM_NOMMAP, cache 1000, block size 4096 (measured: 7 MB resident at 3 M records).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/macro.h"
#include "daemon/base/str.h"

typedef struct Store Store;

/* Answers 1: opened with the content of a clean close. 0: it is new and empty (there was none, or it could
 * not be trusted). FOLDER and NAME: "pins" is pins.gdbm and pins.dirty. Errors: -EWOULDBLOCK (another
 * process has it open), open(2)'s. */
int store_open(Store **ret, const char *folder, const char *name);
/* Sync, close, remove the marker. On failure the marker stays; answers the error, STORE is freed in any
 * case. */
int store_close(Store *store);
/* Close without a sync and leave the marker: for error paths. */
Store *store_free(Store *store);
DEFINE_CLEANUP(Store *, store_free);

/* Answers 1 and the value appended to VALUE, 0 when not there. */
int store_get(Store *store, const void *key, size_t key_size, Str *value);
int store_put(Store *store, const void *key, size_t key_size, const void *value, size_t value_size);
int store_remove(Store *store, const void *key, size_t key_size); /* 1 removed, 0 was not there */
int store_sync(Store *store);                                     /* flushes to disk; blocks */

/* Walk in no order; nothing may be written while walking. KEY and VALUE (each may be NULL) are replaced.
 * Start with *STATE = NULL; answers 1, 0 at the end. store_walk_end() frees a walk that was not walked to
 * the end. */
typedef struct StoreWalk StoreWalk;
int store_walk(Store *store, StoreWalk **walk, Str *key, Str *value);
StoreWalk *store_walk_free(StoreWalk *walk);
