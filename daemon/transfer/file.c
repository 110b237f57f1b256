#include "daemon/transfer/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "daemon/base/file.h"
#include "daemon/state/snapshot.h"

void transfer_file_init(TransferFile *file, const ConsensusSnapshotStore *store) {
        *file = (TransferFile){ .store = store, .dir_fd = -1, .fd = -1 };
}

void transfer_file_done(TransferFile *file) {
        closep(&file->fd);
        closep(&file->dir_fd);
        file->fd = file->dir_fd = -1;
}

static int fail(const TransferFile *file, const char *name, int r, const char *what, Error *reterr) {
        return error_set_errno(
                        reterr,
                        r,
                        "%s/" CONSENSUS_SNAPSHOT_RECEIVED "/%s: cannot %s: %m",
                        file->store->folder,
                        name,
                        what);
}

/* ---- writing */

static int begin(TransferFile *file, uint64_t size) {
        struct statvfs fs;
        int r;

        transfer_file_done(file);
        r = file_remove_tree(file->store->dir_fd, CONSENSUS_SNAPSHOT_RECEIVED);
        if (r < 0)
                return r;
        if (fstatvfs(file->store->dir_fd, &fs) < 0)
                return -errno;
        if ((uint64_t) fs.f_bavail * fs.f_frsize < size + TRANSFER_RESERVE)
                return -ENOSPC;

        if (mkdirat(file->store->dir_fd, CONSENSUS_SNAPSHOT_RECEIVED, 0700) < 0)
                return -errno;
        file->dir_fd = openat(
                        file->store->dir_fd,
                        CONSENSUS_SNAPSHOT_RECEIVED,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (file->dir_fd < 0)
                return -errno;
        file->fd = openat(
                        file->dir_fd, CONSENSUS_SNAPSHOT_DUMP, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        return file->fd < 0 ? -errno : 0;
}

static int write_at(int fd, const uint8_t *bytes, size_t n, uint64_t offset) {
        ssize_t written;

        while (n > 0) {
                written = pwrite(fd, bytes, n, (off_t) offset);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written <= 0)
                        return written < 0 ? -errno : -EIO;
                bytes += written;
                offset += (uint64_t) written;
                n -= (size_t) written;
        }
        return 0;
}

int transfer_file_write(
                TransferFile *file,
                uint64_t offset,
                const void *bytes,
                size_t n,
                uint64_t size,
                Error *reterr) {
        int r = 0;

        if (offset == 0)
                r = begin(file, size);
        if (r == 0)
                r = write_at(file->fd, bytes, n, offset);
        return r < 0 ? fail(file, CONSENSUS_SNAPSHOT_DUMP, r, "write", reterr) : 0;
}

/* ---- checking */

typedef struct Check {
        const atomic_bool *stop;
        Str canonical;
} Check;

/* As the entries of the log are checked before they are appended: what is applied is right on every peer. */
static int check_record(
                const void *key, size_t key_size, const void *value, size_t value_size, void *userdata) {
        Check *check = userdata;
        Pin pin = {};
        Cid cid;
        int r;

        if (*check->stop)
                return -ECANCELED;
        if (cid_from_bytes(key, key_size, &cid) < 0)
                return -EBADMSG;
        r = pin_read(value, value_size, &pin);
        if (r < 0)
                return r;

        str_reset(&check->canonical);
        r = pin_write(&pin, &check->canonical);
        if (r == 0 && (!cid_equal(&pin.cid, &cid) || check->canonical.len != value_size ||
                       memcmp(check->canonical.data, value, value_size) != 0))
                r = -EBADMSG;
        pin_done(&pin);
        return r;
}

static int check_dump(
                const TransferFile *file,
                const ConsensusSnapshotHead *head,
                const atomic_bool *stop,
                Error *reterr) {

        Check check = { .stop = stop };
        StateSnapshotHead dump;
        int r;

        r = state_snapshot_read(
                        file->fd,
                        CONSENSUS_SNAPSHOT_RECEIVED "/" CONSENSUS_SNAPSHOT_DUMP,
                        &dump,
                        check_record,
                        &check,
                        reterr);
        str_done(&check.canonical);
        if (r < 0)
                return r;
        if (dump.index != head->index || dump.term != head->term ||
            memcmp(dump.cluster_id, file->store->cluster_id, STATE_CLUSTER_ID_SIZE) != 0)
                return error_set_errno(
                                reterr,
                                -EBADMSG,
                                "it is the dump of another snapshot, of index %" PRIu64 " and term %" PRIu64,
                                dump.index,
                                dump.term);
        return 0;
}

/* ---- the end */

static int write_small(int dir_fd, const char *name, const void *bytes, size_t n) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, bytes, n);
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_members(const TransferFile *file, const ConsensusSnapshotHead *head, Error *reterr) {
        _cleanup_(str_done) Str bytes = {};
        int r;

        r = consensus_snapshot_encode(head, file->store->cluster_id, &bytes);
        if (r == 0)
                r = write_small(file->dir_fd, CONSENSUS_SNAPSHOT_MEMBERS, bytes.data, bytes.len);
        return r < 0 ? fail(file, CONSENSUS_SNAPSHOT_MEMBERS, r, "write", reterr) : 0;
}

int transfer_file_finish(
                TransferFile *file,
                const ConsensusSnapshotHead *head,
                bool repair,
                const atomic_bool *stop,
                Error *reterr) {
        int r;

        assert(file->fd >= 0);

        r = check_dump(file, head, stop, reterr);
        if (r < 0)
                return r;
        if (fsync(file->fd) < 0)
                return fail(file, CONSENSUS_SNAPSHOT_DUMP, -errno, "sync", reterr);
        r = write_members(file, head, reterr);
        if (r < 0)
                return r;

        if (repair)
                r = write_small(file->dir_fd, CONSENSUS_SNAPSHOT_REPAIR, NULL, 0);
        if (r == 0)
                r = file_sync_dir(file->dir_fd);
        if (r == 0)
                r = file_sync_dir(file->store->dir_fd);
        return r < 0 ? fail(file, "", r, "sync", reterr) : 0;
}

int transfer_file_remove(TransferFile *file, Error *reterr) {
        int r;

        transfer_file_done(file);
        r = file_remove_tree(file->store->dir_fd, CONSENSUS_SNAPSHOT_RECEIVED);
        return r < 0 ? fail(file, "", r, "remove", reterr) : 0;
}
