#include "daemon/offline/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/base/file.h"

int offline_spool_open(OfflineSpool *spool, const char *folder) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = file_join(&path, folder, "import-XXXXXX");
        if (r < 0)
                return r;
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0 || unlink(path) < 0)
                return -errno;

        spool->file = fdopen(fd, "w+");
        if (!spool->file)
                return -errno;
        (void) TAKE_FD(fd);
        return 0;
}

void offline_spool_done(OfflineSpool *spool) {
        if (spool->file)
                (void) fclose(spool->file); /* nothing of it is kept */
        *spool = (OfflineSpool){};
}

int offline_spool_put(OfflineSpool *spool, const void *bytes, size_t n) {
        uint32_t size = (uint32_t) n;

        if (fwrite(&size, sizeof(size), 1, spool->file) != 1 || fwrite(bytes, 1, n, spool->file) != n)
                return errno > 0 ? -errno : -EIO;
        spool->n_records++;
        return 0;
}

int offline_spool_rewind(OfflineSpool *spool) {
        if (fflush(spool->file) != 0 || fseeko(spool->file, 0, SEEK_SET) < 0)
                return -errno;
        return 0;
}

int offline_spool_next(OfflineSpool *spool, Str *to) {
        uint32_t size;
        int r;

        if (spool->n_records == 0)
                return 0;
        if (fread(&size, sizeof(size), 1, spool->file) != 1)
                return -EIO;
        r = str_reserve(to, size);
        if (r < 0)
                return r;
        if (fread(to->data + to->len, 1, size, spool->file) != size)
                return -EIO;

        to->len += size;
        to->data[to->len] = '\0';
        spool->n_records--;
        return 1;
}
