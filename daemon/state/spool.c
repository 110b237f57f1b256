#include "daemon/state/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/base/file.h"
#include "daemon/base/le.h"

#define SPOOL_CHUNK ((size_t) 64 * 1024)
#define SPOOL_HEAD 8 /* sizes of key and value */

struct StateSpool {
        const char *folder;
        int fd;        /* -1 while nothing is in the file */
        off_t written; /* end of the file */
        off_t read;    /* what lies before is in IN, or gone */
        Str in;        /* a part of the file, of which IN_AT bytes were handed out */
        size_t in_at;
        Str out; /* not in the file yet */
};

int state_spool_new(StateSpool **ret, const char *folder) {
        StateSpool *spool;

        spool = malloc(sizeof(*spool));
        if (!spool)
                return -ENOMEM;

        *spool = (StateSpool){ .folder = folder, .fd = -1 };
        *ret = spool;
        return 0;
}

StateSpool *state_spool_free(StateSpool *spool) {
        if (!spool)
                return NULL;

        closep(&spool->fd);
        str_done(&spool->in);
        str_done(&spool->out);
        free(spool);
        return NULL;
}

/* For file systems without O_TMPFILE: a name, for a moment. */
static int spool_open_named(const char *folder) {
        _cleanup_free_ char *path = NULL;
        int fd;

        if (asprintf(&path, "%s/scan-XXXXXX", folder) < 0) {
                path = NULL;
                return -ENOMEM;
        }

        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        return fd;
}

static int spool_open(const char *folder) {
        int fd;

        fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0)
                return fd;

        return errno == EOPNOTSUPP || errno == EISDIR ? spool_open_named(folder) : -errno;
}

static int spool_flush(StateSpool *spool) {
        int r;

        if (spool->fd < 0) {
                spool->fd = spool_open(spool->folder);
                if (spool->fd < 0)
                        return TAKE_FD(spool->fd);
        }

        r = file_write_all(spool->fd, spool->out.data, spool->out.len);
        if (r < 0)
                return r;

        spool->written += (off_t) spool->out.len;
        str_reset(&spool->out);
        return 0;
}

int state_spool_write(StateSpool *spool, const StateRecord *record) {
        int r;

        state_append_u32(&spool->out, (uint32_t) record->key_size);
        state_append_u32(&spool->out, (uint32_t) record->value_size);
        (void) str_append_bytes(&spool->out, record->key, record->key_size);
        (void) str_append_bytes(&spool->out, record->value, record->value_size);
        r = str_error(&spool->out);
        if (r < 0)
                return r;

        return spool->out.len >= SPOOL_CHUNK ? spool_flush(spool) : 0;
}

/* Append what comes next to IN: a chunk of the file, or what has not reached it. 0 when there is nothing. */
static int spool_fill(StateSpool *spool) {
        size_t n = (size_t) MIN(spool->written - spool->read, (off_t) SPOOL_CHUNK);
        int r;

        if (n == 0) {
                if (spool->out.len == 0)
                        return 0;
                r = str_append_bytes(&spool->in, spool->out.data, spool->out.len);
                str_reset(&spool->out);
                return r < 0 ? r : 1;
        }

        r = str_reserve(&spool->in, n);
        if (r < 0)
                return r;
        r = file_read_at(spool->fd, spool->in.data + spool->in.len, n, spool->read);
        if (r < 0)
                return r == -ENODATA ? -EIO : r;

        spool->in.len += n;
        spool->read += (off_t) n;
        if (spool->read == spool->written) {
                close(TAKE_FD(spool->fd));
                spool->read = spool->written = 0;
        }
        return 1;
}

/* Make N bytes from IN_AT on available. 0 when everything was read. */
static int spool_need(StateSpool *spool, size_t n) {
        size_t left = spool->in.len - spool->in_at;
        int r;

        if (left >= n)
                return 1;

        if (spool->in_at > 0)
                memmove(spool->in.data, spool->in.data + spool->in_at, left);
        spool->in.len = left;
        spool->in_at = 0;

        while (spool->in.len < n) {
                r = spool_fill(spool);
                if (r < 0)
                        return r;
                if (r == 0)
                        return spool->in.len == 0 ? 0 : -EIO;
        }
        return 1;
}

int state_spool_read(StateSpool *spool, StateRecord *ret) {
        size_t key_size, value_size;
        const char *at;
        int r;

        r = spool_need(spool, SPOOL_HEAD);
        if (r <= 0)
                return r;
        key_size = le_get32(spool->in.data + spool->in_at);
        value_size = le_get32(spool->in.data + spool->in_at + 4);

        r = spool_need(spool, SPOOL_HEAD + key_size + value_size);
        if (r <= 0)
                return r < 0 ? r : -EIO;

        at = spool->in.data + spool->in_at + SPOOL_HEAD;
        *ret = (StateRecord){
                .key = at,
                .value = at + key_size,
                .key_size = key_size,
                .value_size = value_size,
        };
        spool->in_at += SPOOL_HEAD + key_size + value_size;
        return 1;
}
