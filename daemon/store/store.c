#include "daemon/store/store.h"

#include <fcntl.h>
#include <gdbm.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "daemon/base/file.h"

#define STORE_CACHE 1000      /* buckets, of 4 KiB each: the automatic size grows with the file */
#define STORE_BLOCK_SIZE 4096 /* larger buckets make each put slower by their size */

struct Store {
        GDBM_FILE db;
        char *file;
        char *marker;
        int folder_fd;
        int fd; /* holds the lock; the library has a duplicate, so that the lock outlives store_clear() */
        bool is_dirty;
};

struct StoreWalk {
        datum key;
};

static datum to_datum(const void *bytes, size_t n) {
        assert(n <= INT_MAX);

        return (datum){ .dptr = (char *) bytes, .dsize = (int) n };
}

/* What the library said when it failed to do more than find a record. */
static int store_errno(void) {
        return gdbm_errno == GDBM_MALLOC_ERROR ? -ENOMEM : -EIO;
}

/* ---- open and close */

static int store_lock(Store *store, const char *folder) {
        store->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (store->folder_fd < 0)
                return -errno;

        store->fd = openat(store->folder_fd, store->file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (store->fd < 0)
                return -errno;

        return flock(store->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int store_name(Store *store, const char *name) {
        if (asprintf(&store->file, "%s.gdbm", name) < 0) {
                store->file = NULL;
                return -ENOMEM;
        }
        if (asprintf(&store->marker, "%s.dirty", name) < 0) {
                store->marker = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int store_new(Store **ret, const char *folder, const char *name) {
        _cleanup_(store_freep) Store *store = NULL;
        int r;

        store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;

        *store = (Store){ .folder_fd = -1, .fd = -1 };
        r = store_name(store, name);
        if (r < 0)
                return r;
        r = store_lock(store, folder);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(store);
        return 0;
}

/* 1 when the last user closed the file, 0 when it is new or was left open. */
static int store_was_closed(Store *store) {
        struct stat st;

        if (faccessat(store->folder_fd, store->marker, F_OK, 0) >= 0) {
                store->is_dirty = true;
                return 0;
        }
        if (errno != ENOENT || fstat(store->fd, &st) < 0)
                return -errno;

        return st.st_size > 0;
}

static int store_set_options(Store *store) {
        size_t size = STORE_CACHE;

        if (gdbm_needs_recovery(store->db))
                return -EIO;
        return gdbm_setopt(store->db, GDBM_SETCACHESIZE, &size, sizeof(size)) == 0 ? 0 : store_errno();
}

/* Without a fatal_func on purpose: with one, the library calls exit() after it; without, it only returns
 * the error (release 1.23, the oldest that we meet). */
static int store_open_db(Store *store) {
        int fd, r;

        fd = fcntl(store->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0) /* duplicates share their position */
                return -errno;

        store->db = gdbm_fd_open(
                        fd,
                        store->file,
                        STORE_BLOCK_SIZE,
                        GDBM_WRCREAT | GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC | GDBM_CLOERROR,
                        NULL);
        if (!store->db)
                return store_errno();

        r = store_set_options(store);
        if (r < 0)
                (void) gdbm_close(TAKE_PTR(store->db));
        return r;
}

int store_touch(Store *store) {
        _cleanup_close_ int fd = -1;
        int r;

        if (store->is_dirty)
                return 0;

        fd = openat(store->folder_fd, store->marker, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = file_sync_dir(store->folder_fd);
        if (r < 0)
                return r;

        store->is_dirty = true;
        return 0;
}

int store_open(Store **ret, const char *folder, const char *name) {
        _cleanup_(store_freep) Store *store = NULL;
        int r;

        r = store_new(&store, folder, name);
        if (r < 0)
                return r;

        r = store_was_closed(store);
        if (r < 0)
                return r;
        if (r > 0) {
                r = store_open_db(store);
                if (r >= 0) {
                        *ret = TAKE_PTR(store);
                        return 1;
                }
                if (r == -ENOMEM)
                        return r;
        }

        r = store_clear(store);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(store);
        return 0;
}

int store_clear(Store *store) {
        int r;

        r = store_touch(store);
        if (r < 0)
                return r;
        if (ftruncate(store->fd, 0) < 0)
                return -errno;
        if (store->db)
                (void) gdbm_close(TAKE_PTR(store->db));

        return store_open_db(store);
}

int store_sync(Store *store) {
        return gdbm_sync(store->db) == 0 ? 0 : store_errno();
}

int store_close(Store *store) {
        int r = 0;

        if (store->is_dirty)
                r = store_sync(store);
        if (gdbm_close(TAKE_PTR(store->db)) < 0 && r >= 0)
                r = -EIO;
        if (r >= 0 && store->is_dirty && unlinkat(store->folder_fd, store->marker, 0) < 0)
                r = -errno;

        store_free(store);
        return r;
}

Store *store_free(Store *store) {
        if (!store)
                return NULL;

        if (store->db)
                (void) gdbm_close(store->db);
        closep(&store->fd);
        closep(&store->folder_fd);
        free(store->marker);
        free(store->file);
        free(store);
        return NULL;
}

/* The other marker first, so that no crash leaves this content trusted under that name. */
int store_rename(Store *store, const char *name) {
        _cleanup_free_ char *file = TAKE_PTR(store->file), *marker = TAKE_PTR(store->marker);
        int r;

        r = store_name(store, name);
        if (r < 0)
                return r;
        store->is_dirty = false;
        r = store_touch(store);
        if (r < 0)
                return r;
        if (renameat(store->folder_fd, file, store->folder_fd, store->file) < 0)
                return -errno;
        (void) unlinkat(store->folder_fd, marker, 0);
        return 0;
}

void store_discard(const char *folder, const char *name) {
        static const char *const endings[] = { "gdbm", "dirty" };

        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s.%s", folder, name, endings[i]) < 0)
                        path = NULL;
                if (path)
                        (void) unlink(path);
        }
}

/* ---- records */

int store_get(Store *store, const void *key, size_t key_size, Str *value) {
        datum found;
        int r = 1;

        found = gdbm_fetch(store->db, to_datum(key, key_size));
        if (!found.dptr)
                return gdbm_errno == GDBM_ITEM_NOT_FOUND ? 0 : store_errno();

        if (value && str_append_bytes(value, found.dptr, (size_t) found.dsize) < 0)
                r = -ENOMEM;
        free(found.dptr);
        return r;
}

int store_put(Store *store, const void *key, size_t key_size, const void *value, size_t value_size) {
        int r;

        r = store_touch(store);
        if (r < 0)
                return r;

        r = gdbm_store(store->db, to_datum(key, key_size), to_datum(value, value_size), GDBM_REPLACE);
        return r == 0 ? 0 : store_errno();
}

int store_insert(Store *store, const void *key, size_t key_size, const void *value, size_t value_size) {
        int r;

        r = store_touch(store);
        if (r < 0)
                return r;

        r = gdbm_store(store->db, to_datum(key, key_size), to_datum(value, value_size), GDBM_INSERT);
        return r >= 0 ? r == 0 : store_errno();
}

int store_remove(Store *store, const void *key, size_t key_size) {
        int r;

        r = store_touch(store);
        if (r < 0)
                return r;

        if (gdbm_delete(store->db, to_datum(key, key_size)) == 0)
                return 1;
        return gdbm_errno == GDBM_ITEM_NOT_FOUND ? 0 : store_errno();
}

/* ---- walk */

static int store_walk_step(Store *store, StoreWalk *walk) {
        datum next;

        next = walk->key.dptr ? gdbm_nextkey(store->db, walk->key) : gdbm_firstkey(store->db);
        free(walk->key.dptr);
        walk->key = next;
        if (next.dptr)
                return 1;

        return gdbm_errno == GDBM_ITEM_NOT_FOUND ? 0 : store_errno();
}

static int store_walk_read(Store *store, const StoreWalk *walk, Str *key, Str *value) {
        int r;

        if (key) {
                str_reset(key);
                r = str_append_bytes(key, walk->key.dptr, (size_t) walk->key.dsize);
                if (r < 0)
                        return r;
        }
        if (value) {
                str_reset(value);
                r = store_get(store, walk->key.dptr, (size_t) walk->key.dsize, value);
                if (r <= 0)
                        return r < 0 ? r : -EIO; /* a key without its record */
        }
        return 1;
}

int store_walk(Store *store, StoreWalk **walk, Str *key, Str *value) {
        int r;

        if (!*walk) {
                *walk = calloc(1, sizeof(**walk));
                if (!*walk)
                        return -ENOMEM;
        }

        r = store_walk_step(store, *walk);
        if (r > 0)
                r = store_walk_read(store, *walk, key, value);
        if (r <= 0)
                *walk = store_walk_free(*walk);
        return r;
}

StoreWalk *store_walk_free(StoreWalk *walk) {
        if (!walk)
                return NULL;

        free(walk->key.dptr);
        free(walk);
        return NULL;
}
