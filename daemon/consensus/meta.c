#include "daemon/consensus/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/base/log.h"
#include "daemon/base/macro.h"
#include "daemon/consensus/segment.h"

#define META_MAGIC "clstmeta"
#define META_CHECKED_FROM 12 /* the checksum covers what follows it */

enum { /* offsets */
       META_AT_CRC = 8,
       META_AT_FORMAT = 12,
       META_AT_SEQUENCE = 16,
       META_AT_CLUSTER = 24,
       META_AT_RAFT_ID = 40,
       META_AT_TERM = 48,
       META_AT_VOTE = 56,
       META_AT_PEER_SIZE = 64,
       META_AT_PEER = 72,
       META_AT_DISK = META_AT_PEER + PEER_ID_BYTES_MAX,
};

static_assert(META_AT_DISK + CONSENSUS_DISK_ID_SIZE == CONSENSUS_META_SIZE, "the disk id ends the record");

static const char *const meta_names[] = { "meta-a", "meta-b" };

void consensus_meta_encode(const ConsensusMeta *meta, uint8_t bytes[static CONSENSUS_META_SIZE]) {
        memset(bytes, 0, CONSENSUS_META_SIZE);
        memcpy(bytes, META_MAGIC, META_AT_CRC);
        le_put32(bytes + META_AT_FORMAT, CONSENSUS_META_FORMAT);
        le_put64(bytes + META_AT_SEQUENCE, meta->sequence);
        memcpy(bytes + META_AT_CLUSTER, meta->cluster_id, STATE_CLUSTER_ID_SIZE);
        le_put64(bytes + META_AT_RAFT_ID, meta->raft_id);
        le_put64(bytes + META_AT_TERM, meta->term);
        le_put64(bytes + META_AT_VOTE, meta->vote);
        le_put64(bytes + META_AT_PEER_SIZE, meta->peer.size);
        memcpy(bytes + META_AT_PEER, meta->peer.bytes, meta->peer.size);
        memcpy(bytes + META_AT_DISK, meta->disk_id, CONSENSUS_DISK_ID_SIZE);
        le_put32(bytes + META_AT_CRC,
                 hash_crc32c(0, bytes + META_CHECKED_FROM, CONSENSUS_META_SIZE - META_CHECKED_FROM));
}

int consensus_meta_decode(const void *bytes, size_t n, ConsensusMeta *ret) {
        const uint8_t *at = bytes;
        ConsensusMeta meta = {};
        uint64_t peer_size;

        if (n < META_AT_SEQUENCE || memcmp(at, META_MAGIC, META_AT_CRC) != 0)
                return -EBADMSG;
        if (hash_crc32c(0, at + META_CHECKED_FROM, n - META_CHECKED_FROM) != le_get32(at + META_AT_CRC))
                return -EBADMSG;
        if (le_get32(at + META_AT_FORMAT) != CONSENSUS_META_FORMAT)
                return 1;
        if (n != CONSENSUS_META_SIZE)
                return -EBADMSG;

        meta.sequence = le_get64(at + META_AT_SEQUENCE);
        memcpy(meta.cluster_id, at + META_AT_CLUSTER, STATE_CLUSTER_ID_SIZE);
        meta.raft_id = le_get64(at + META_AT_RAFT_ID);
        meta.term = le_get64(at + META_AT_TERM);
        meta.vote = le_get64(at + META_AT_VOTE);
        peer_size = le_get64(at + META_AT_PEER_SIZE);
        if (meta.raft_id == 0 || peer_size > PEER_ID_BYTES_MAX)
                return -EBADMSG;
        if (peer_id_from_bytes(at + META_AT_PEER, (size_t) peer_size, &meta.peer) < 0)
                return -EBADMSG;
        memcpy(meta.disk_id, at + META_AT_DISK, CONSENSUS_DISK_ID_SIZE);

        *ret = meta;
        return 0;
}

/* Answers 1, 0 when it is not there. Errors: -EBADMSG, -EPROTONOSUPPORT (another format), open(2)'s. */
static int meta_load_slot(int dir_fd, const char *name, ConsensusMeta *ret) {
        _cleanup_free_ char *bytes = NULL;
        size_t n;
        int r;

        r = file_read(dir_fd, name, CONSENSUS_META_MAX, &bytes, &n);
        if (r == -ENOENT)
                return 0;
        if (r == -EFBIG)
                return -EBADMSG;
        if (r < 0)
                return r;

        r = consensus_meta_decode(bytes, n, ret);
        if (r < 0)
                return r;
        return r == 0 ? 1 : -EPROTONOSUPPORT;
}

static int meta_refuse(const char *folder, const char *name, int r, Error *reterr) {
        if (r == -EPROTONOSUPPORT)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s/%s: the file has the format of another release; this one reads format %d",
                                folder,
                                name,
                                CONSENSUS_META_FORMAT);
        if (r != -EBADMSG)
                return error_set_errno(reterr, r, "%s/%s: cannot read: %m", folder, name);
        return error_set(
                        reterr,
                        ERROR_IO,
                        "%s/%s: offset 0: the checksum does not match, and the other copy is not valid either: this "
                        "peer's term and vote are lost. " CONSENSUS_ADVICE,
                        folder,
                        name);
}

int consensus_meta_load(int dir_fd, const char *folder, ConsensusMeta *ret, Error *reterr) {
        ConsensusMeta slots[ELEMENTSOF(meta_names)] = {};
        int results[ELEMENTSOF(meta_names)], best = -1;

        for (int i = 0; i < (int) ELEMENTSOF(meta_names); i++) {
                int r = results[i] = meta_load_slot(dir_fd, meta_names[i], &slots[i]);

                /* Broken bytes are what a torn write leaves. Anything else is no reason to go on with the
                 * other copy, which may be the older one. */
                if (r < 0 && r != -EBADMSG)
                        return meta_refuse(folder, meta_names[i], r, reterr);
                if (r > 0 && (best < 0 || slots[i].sequence > slots[best].sequence))
                        best = i;
        }

        if (best < 0 && results[0] == 0 && results[1] == 0)
                return 0;
        if (best < 0)
                return meta_refuse(folder, meta_names[results[0] < 0 ? 0 : 1], -EBADMSG, reterr);

        if (results[1 - best] <= 0)
                log_warning("%s/%s: %s, using %s",
                            folder,
                            meta_names[1 - best],
                            results[1 - best] == 0 ? "the file is missing" : "the checksum does not match",
                            meta_names[best]);
        *ret = slots[best];
        return 1;
}

static int meta_save_slot(int dir_fd, const char *name, const uint8_t bytes[static CONSENSUS_META_SIZE]) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        ssize_t n;

        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > CONSENSUS_META_SIZE && ftruncate(fd, CONSENSUS_META_SIZE) < 0)
                return -errno;

        n = pwrite(fd, bytes, CONSENSUS_META_SIZE, 0);
        if (n < 0)
                return -errno;
        if (n != CONSENSUS_META_SIZE) /* so small a write is cut off by a full disk only */
                return -ENOSPC;

        if (fdatasync(fd) < 0)
                return -errno;
        return st.st_size == 0 ? file_sync_dir(dir_fd) : 0;
}

int consensus_meta_save(int dir_fd, const ConsensusMeta *meta, const char **ret_failed) {
        uint8_t bytes[CONSENSUS_META_SIZE];
        int r;

        consensus_meta_encode(meta, bytes);

        for (size_t i = 0; i < ELEMENTSOF(meta_names); i++) {
                r = meta_save_slot(dir_fd, meta_names[i], bytes);
                if (r < 0) {
                        *ret_failed = meta_names[i];
                        return r;
                }
        }

        return 0;
}
