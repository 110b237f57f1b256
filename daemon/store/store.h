#pragma once

/*
 * Store: a gdbm file that is a cache of something durable, with its dirty marker.
 *
 * gdbm is not crash safe, so a file is trusted only when its last user closed it: "<name>.dirty" is created
 * and its folder synced before the first write after an open, and removed by store_close() after the file
 * was synced. A file with the marker beside it, or one that does not open, is emptied, and store_open()
 * tells that it starts empty. A user that finds other content than it expects calls store_clear().
 *
 * Any gdbm error other than "not found" means a damaged file: the call fails with -EIO after logging
 * nothing, and only store_free() may follow; the caller ends the process and the next start rebuilds. One
 * handle, one thread. Settings: GDBM_NOMMAP, cache 1000, block size 4096 (measured: 7 MB resident at 3 M
 * records).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/macro.h"
#include "daemon/base/str.h"

typedef struct Store Store;

/* Answers 1: opened with the content of a clean close. 0: it is new and empty (there was none, or it could
 * not be trusted). FOLDER and NAME: "pins" is pins.gdbm (mode 0600) and pins.dirty. Errors: -EWOULDBLOCK
 * (it is open already, here or in another process), open(2)'s. */
int store_open(Store **ret, const char *folder, const char *name);
/* Sync, close, remove the marker. On failure the marker stays; answers the error, STORE is freed in any
 * case. */
int store_close(Store *store);
/* Close and leave the marker, if there is one: for error paths. */
Store *store_free(Store *store);
DEFINE_CLEANUP(Store *, store_free);

/* The file and its marker take the place of those of NAME, in the same folder, whose Store (if there is one)
 * may only be freed from now on. The marker stays. On failure store_free() alone may follow. */
int store_rename(Store *store, const char *name);
void store_discard(const char *folder, const char *name); /* file and marker, of nobody's Store */

/* Answers 1 and the value appended to VALUE (may be NULL), 0 when not there. */
int store_get(Store *store, const void *key, size_t key_size, Str *value);
int store_put(Store *store, const void *key, size_t key_size, const void *value, size_t value_size);
/* Answers 1, or 0 when there is a record of that key, which stays as it is. */
int store_insert(Store *store, const void *key, size_t key_size, const void *value, size_t value_size);
int store_remove(Store *store, const void *key, size_t key_size); /* 1 removed, 0 was not there */
/* As a write without one: what will be written is in memory yet, and the file is not whole without it. */
int store_touch(Store *store);
int store_clear(Store *store); /* empty; no walk may be open */
int store_sync(Store *store);  /* flushes to disk; blocks */

/* Walk in no order; nothing may be written while walking, several may walk. KEY and VALUE (each may be NULL)
 * are replaced. Start with *WALK = NULL; answers 1, 0 at the end. *WALK is freed, and NULL again, at the end
 * and on failure; store_walk_free() is for a walk that goes no further. */
typedef struct StoreWalk StoreWalk;
int store_walk(Store *store, StoreWalk **walk, Str *key, Str *value);
StoreWalk *store_walk_free(StoreWalk *walk);
DEFINE_CLEANUP(StoreWalk *, store_walk_free);
