#include "daemon/consensus/snapshot-store.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/consensus/segment.h"
#include "daemon/state/snapshot.h"

#define SNAPSHOT_MAGIC "clstsnap"
#define SNAPSHOT_PREFIX "snapshot-"
#define SNAPSHOT_DIGITS 20
#define SNAPSHOT_MEMBERS_MAX (1024 * 1024)

enum { /* offsets in "members" */
       SNAPSHOT_AT_CRC = 8,
       SNAPSHOT_AT_FORMAT = 12,
       SNAPSHOT_AT_CLUSTER = 16,
       SNAPSHOT_AT_INDEX = 32,
       SNAPSHOT_AT_TERM = 40,
       SNAPSHOT_AT_MEMBERS_INDEX = 48,
       SNAPSHOT_AT_LENGTH = 56,
};

char *consensus_snapshot_name(uint64_t index, char name[static CONSENSUS_SNAPSHOT_NAME_MAX]) {
        (void) snprintf(name, CONSENSUS_SNAPSHOT_NAME_MAX, SNAPSHOT_PREFIX "%020" PRIu64, index);
        return name;
}

static int parse_name(const char *name, uint64_t *ret) {
        const char *digits = name + strlen(SNAPSHOT_PREFIX);

        if (strncmp(name, SNAPSHOT_PREFIX, strlen(SNAPSHOT_PREFIX)) != 0)
                return 0;
        if (strlen(digits) != SNAPSHOT_DIGITS || strspn(digits, "0123456789") != SNAPSHOT_DIGITS)
                return 0;

        errno = 0;
        *ret = strtoull(digits, NULL, 10);
        return errno == 0 && *ret > 0;
}

/* ---- members */

int consensus_snapshot_encode(
                const ConsensusSnapshotHead *head,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                Str *to) {

        const ConsensusPayload *members = head->configuration.members;
        uint8_t bytes[CONSENSUS_SNAPSHOT_HEADER] = SNAPSHOT_MAGIC;
        uint32_t crc;

        le_put32(bytes + SNAPSHOT_AT_FORMAT, CONSENSUS_SNAPSHOT_FORMAT);
        memcpy(bytes + SNAPSHOT_AT_CLUSTER, cluster_id, STATE_CLUSTER_ID_SIZE);
        le_put64(bytes + SNAPSHOT_AT_INDEX, head->index);
        le_put64(bytes + SNAPSHOT_AT_TERM, head->term);
        le_put64(bytes + SNAPSHOT_AT_MEMBERS_INDEX, head->configuration.index);
        le_put64(bytes + SNAPSHOT_AT_LENGTH, members->size);

        crc = hash_crc32c(0, bytes + SNAPSHOT_AT_FORMAT, sizeof(bytes) - SNAPSHOT_AT_FORMAT);
        le_put32(bytes + SNAPSHOT_AT_CRC, hash_crc32c(crc, members->bytes, members->size));

        (void) str_append_bytes(to, bytes, sizeof(bytes));
        return str_append_bytes(to, members->bytes, members->size);
}

int consensus_snapshot_decode(
                const void *bytes,
                size_t n,
                ConsensusSnapshotHead *ret,
                uint8_t ret_cluster_id[static STATE_CLUSTER_ID_SIZE]) {

        const uint8_t *at = bytes;
        ConsensusSnapshotHead head;
        int r;

        if (n < CONSENSUS_SNAPSHOT_HEADER || memcmp(at, SNAPSHOT_MAGIC, SNAPSHOT_AT_CRC) != 0)
                return -EBADMSG;
        if (hash_crc32c(0, at + SNAPSHOT_AT_FORMAT, n - SNAPSHOT_AT_FORMAT) !=
            le_get32(at + SNAPSHOT_AT_CRC))
                return -EBADMSG;
        if (le_get32(at + SNAPSHOT_AT_FORMAT) != CONSENSUS_SNAPSHOT_FORMAT)
                return 1;
        if (le_get64(at + SNAPSHOT_AT_LENGTH) != n - CONSENSUS_SNAPSHOT_HEADER)
                return -EBADMSG;

        head = (ConsensusSnapshotHead){
                .index = le_get64(at + SNAPSHOT_AT_INDEX),
                .term = le_get64(at + SNAPSHOT_AT_TERM),
                .configuration.index = le_get64(at + SNAPSHOT_AT_MEMBERS_INDEX),
        };
        r = consensus_payload_new(
                        &head.configuration.members,
                        at + CONSENSUS_SNAPSHOT_HEADER,
                        n - CONSENSUS_SNAPSHOT_HEADER);
        if (r < 0)
                return r;

        memcpy(ret_cluster_id, at + SNAPSHOT_AT_CLUSTER, STATE_CLUSTER_ID_SIZE);
        *ret = head;
        return 0;
}

void consensus_snapshot_head_done(ConsensusSnapshotHead *head) {
        consensus_payload_unref(head->configuration.members);
        *head = (ConsensusSnapshotHead){};
}

/* Payloads are counted in the loop's thread only, so what goes to another thread is a copy. */
int consensus_snapshot_head_copy(ConsensusSnapshotHead *to, const ConsensusSnapshotHead *from) {
        const ConsensusPayload *members = from->configuration.members;

        *to = *from;
        return consensus_payload_new(&to->configuration.members, members->bytes, members->size);
}

/* ---- reading */

static int compare_descending(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x > *y ? -1 : *x < *y;
}

int consensus_snapshot_list(const ConsensusSnapshotStore *store, uint64_t **ret, size_t *ret_n) {
        _cleanup_free_ uint64_t *items = NULL;
        struct dirent **names = NULL;
        size_t n = 0;
        int found;

        found = scandirat(store->dir_fd, ".", &names, NULL, NULL);
        if (found < 0)
                return -errno;

        items = calloc((size_t) found + 1, sizeof(*items));
        for (int i = 0; i < found; i++) {
                if (items && parse_name(names[i]->d_name, &items[n]) > 0)
                        n++;
                free(names[i]);
        }
        free(names);
        if (!items)
                return -ENOMEM;

        qsort(items, n, sizeof(*items), compare_descending);
        *ret = TAKE_PTR(items);
        *ret_n = n;
        return 0;
}

static int join_path(const ConsensusSnapshotStore *store, const char *name, const char *file, char **ret) {
        return asprintf(ret, "%s/%s/%s", store->folder, name, file) < 0 ? -ENOMEM : 0;
}

static int open_file(const ConsensusSnapshotStore *store, const char *name, const char *file) {
        _cleanup_close_ int dir_fd = -1;
        int fd;

        dir_fd = openat(store->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;
        fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int read_members(const ConsensusSnapshotStore *store, const char *name, char **ret, size_t *ret_n) {
        _cleanup_free_ char *bytes = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        fd = open_file(store, name, CONSENSUS_SNAPSHOT_MEMBERS);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > SNAPSHOT_MEMBERS_MAX)
                return -EBADMSG;

        bytes = malloc((size_t) st.st_size + 1);
        if (!bytes)
                return -ENOMEM;
        r = file_read_at(fd, bytes, (size_t) st.st_size, 0);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bytes);
        *ret_n = (size_t) st.st_size;
        return 0;
}

/* INDEX 0: any. */
static int check_head(
                const ConsensusSnapshotStore *store,
                uint64_t index,
                const ConsensusSnapshotHead *head,
                const uint8_t *cluster_id) {
        ConsensusMembers members = {};
        int r;

        if (memcmp(cluster_id, store->cluster_id, STATE_CLUSTER_ID_SIZE) != 0)
                return -EBADMSG;
        if ((index > 0 && head->index != index) || head->index == 0 || head->term == 0 ||
            head->configuration.index > head->index)
                return -EBADMSG;
        r = consensus_members_decode(head->configuration.members, &members);
        consensus_members_done(&members);
        return r;
}

static int open_named(
                const ConsensusSnapshotStore *store,
                const char *name,
                uint64_t index,
                ConsensusSnapshotHead *ret,
                Error *reterr) {

        _cleanup_(consensus_snapshot_head_done) ConsensusSnapshotHead head = {};
        _cleanup_free_ char *bytes = NULL, *path = NULL;
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        size_t n = 0;
        int r;

        r = join_path(store, name, CONSENSUS_SNAPSHOT_MEMBERS, &path);
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");

        r = read_members(store, name, &bytes, &n);
        if (r == 0)
                r = consensus_snapshot_decode(bytes, n, &head, cluster_id);
        if (r == 1)
                return error_set(reterr, ERROR_IO, "%s: a newer release wrote this format", path);
        if (r == 0)
                r = check_head(store, index, &head, cluster_id);
        if (r == -EBADMSG)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s: offset 0: the checksum or the content is wrong",
                                path);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot read: %m", path);

        *ret = head;
        head = (ConsensusSnapshotHead){};
        return 0;
}

int consensus_snapshot_open(
                const ConsensusSnapshotStore *store,
                uint64_t index,
                ConsensusSnapshotHead *ret,
                Error *reterr) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];

        return open_named(store, consensus_snapshot_name(index, name), index, ret, reterr);
}

int consensus_snapshot_open_received(
                const ConsensusSnapshotStore *store, ConsensusSnapshotHead *ret, Error *reterr) {
        return open_named(store, CONSENSUS_SNAPSHOT_RECEIVED, 0, ret, reterr);
}

typedef struct Load {
        StatePinset *pinset;
        const atomic_bool *stop;
} Load;

static int take_pin(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata) {
        const Load *load = userdata;
        Cid cid;

        if (*load->stop)
                return -ECANCELED;
        if (cid_from_bytes(key, key_size, &cid) < 0)
                return -EBADMSG;
        return state_pinset_put(load->pinset, &cid, value, value_size);
}

static int load_named(
                const ConsensusSnapshotStore *store,
                const char *name,
                const ConsensusSnapshotHead *head,
                const Load *load,
                Error *reterr) {

        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        StateSnapshotHead dump;
        int r;

        r = join_path(store, name, CONSENSUS_SNAPSHOT_DUMP, &path);
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");
        fd = open_file(store, name, CONSENSUS_SNAPSHOT_DUMP);
        if (fd < 0)
                return error_set_errno(reterr, fd, "%s: cannot read: %m", path);

        r = state_snapshot_read(fd, path, &dump, take_pin, (void *) load, reterr);
        if (r < 0)
                return r;
        if (memcmp(dump.cluster_id, store->cluster_id, STATE_CLUSTER_ID_SIZE) != 0 ||
            dump.index != head->index || dump.term != head->term)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s: offset 0: this is the dump of another snapshot",
                                path);

        r = state_pinset_commit(load->pinset, head->index);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot load: %m", path) : 0;
}

int consensus_snapshot_load(
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                StatePinset *pinset,
                Error *reterr) {
        static const atomic_bool never = false;
        const Load load = { .pinset = pinset, .stop = &never };
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];

        return load_named(store, consensus_snapshot_name(head->index, name), head, &load, reterr);
}

int consensus_snapshot_load_received(
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                StatePinset *pinset,
                const atomic_bool *stop,
                Error *reterr) {
        const Load load = { .pinset = pinset, .stop = stop };

        return load_named(store, CONSENSUS_SNAPSHOT_RECEIVED, head, &load, reterr);
}

int consensus_snapshot_set_aside(const ConsensusSnapshotStore *store, uint64_t index, Error *reterr) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX], aside[CONSENSUS_SNAPSHOT_NAME_MAX + sizeof(".broken")];
        int r;

        consensus_snapshot_name(index, name);
        (void) snprintf(aside, sizeof(aside), "%s.broken", name);

        r = file_remove_tree(store->dir_fd, aside);
        if (r == 0 && renameat(store->dir_fd, name, store->dir_fd, aside) < 0)
                r = -errno;
        if (r < 0)
                return error_set_errno(reterr, r, "%s/%s: cannot rename: %m", store->folder, name);
        return 0;
}

uint64_t consensus_snapshot_bytes(const ConsensusSnapshotStore *store, uint64_t index) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        _cleanup_close_ int fd = open_file(
                        store, consensus_snapshot_name(index, name), CONSENSUS_SNAPSHOT_DUMP);
        struct stat st;

        return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t) st.st_size : 0;
}

/* ---- writing */

static int fail_new(const ConsensusSnapshotStore *store, const char *file, int r, Error *reterr) {
        return error_set_errno(
                        reterr,
                        r,
                        "%s/" CONSENSUS_SNAPSHOT_NEW "/%s: cannot write: %m",
                        store->folder,
                        file);
}

int consensus_snapshot_begin(const ConsensusSnapshotStore *store, Error *reterr) {
        _cleanup_close_ int dir_fd = -1;
        int fd, r;

        r = file_remove_tree(store->dir_fd, CONSENSUS_SNAPSHOT_NEW);
        if (r == 0 && mkdirat(store->dir_fd, CONSENSUS_SNAPSHOT_NEW, 0700) < 0)
                r = -errno;
        if (r < 0)
                return fail_new(store, "", r, reterr);

        dir_fd = openat(store->dir_fd, CONSENSUS_SNAPSHOT_NEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return fail_new(store, "", -errno, reterr);
        fd = openat(dir_fd, CONSENSUS_SNAPSHOT_DUMP, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        return fd < 0 ? fail_new(store, CONSENSUS_SNAPSHOT_DUMP, -errno, reterr) : fd;
}

static int write_members(
                const ConsensusSnapshotStore *store, int dir_fd, const ConsensusSnapshotHead *head) {
        _cleanup_(str_done) Str bytes = {};
        _cleanup_close_ int fd = -1;
        int r;

        r = consensus_snapshot_encode(head, store->cluster_id, &bytes);
        if (r < 0)
                return r;
        fd = openat(dir_fd, CONSENSUS_SNAPSHOT_MEMBERS, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, bytes.data, bytes.len);
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

static int remove_older(const ConsensusSnapshotStore *store) {
        _cleanup_free_ uint64_t *items = NULL;
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        size_t n = 0;
        int r;

        r = consensus_snapshot_list(store, &items, &n);
        for (size_t i = CONSENSUS_SNAPSHOTS_KEPT; r == 0 && i < n; i++)
                r = file_remove_tree(store->dir_fd, consensus_snapshot_name(items[i], name));
        return r;
}

static int publish(const ConsensusSnapshotStore *store, const char *from, uint64_t index) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        int r;

        consensus_snapshot_name(index, name);
        if (renameat(store->dir_fd, from, store->dir_fd, name) < 0)
                return -errno;
        r = file_sync_dir(store->dir_fd);
        return r < 0 ? r : remove_older(store);
}

int consensus_snapshot_finish(
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                int fd,
                Error *reterr) {

        _cleanup_close_ int dir_fd = -1;
        int r;

        if (fsync(fd) < 0)
                return fail_new(store, CONSENSUS_SNAPSHOT_DUMP, -errno, reterr);

        dir_fd = openat(store->dir_fd, CONSENSUS_SNAPSHOT_NEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = dir_fd < 0 ? -errno : write_members(store, dir_fd, head);
        if (r == 0)
                r = file_sync_dir(dir_fd);
        if (r < 0)
                return fail_new(store, CONSENSUS_SNAPSHOT_MEMBERS, r, reterr);

        r = publish(store, CONSENSUS_SNAPSHOT_NEW, head->index);
        if (r < 0)
                return error_set_errno(
                                reterr,
                                r,
                                "%s: cannot publish snapshot %" PRIu64 ": %m",
                                store->folder,
                                head->index);
        return 0;
}

int consensus_snapshot_receive(
                const ConsensusSnapshotStore *store, const ConsensusSnapshotHead *head, Error *reterr) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        int r;

        /* One of the same index is the same snapshot, but may be broken. */
        r = file_remove_tree(store->dir_fd, consensus_snapshot_name(head->index, name));
        if (r == 0)
                r = publish(store, CONSENSUS_SNAPSHOT_RECEIVED, head->index);
        if (r < 0)
                return error_set_errno(
                                reterr,
                                r,
                                "%s/" CONSENSUS_SNAPSHOT_RECEIVED ": cannot take over snapshot %" PRIu64
                                ": %m",
                                store->folder,
                                head->index);
        return 0;
}
