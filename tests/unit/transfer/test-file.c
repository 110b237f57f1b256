#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "daemon/state/snapshot.h"
#include "daemon/transfer/file.h"
#include "tests/lib/fault.h"

#define PINS 1000

/* ---- disk errors: the Nth call fails */

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __real_pwrite64(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_fsync(int fd);
int __real_openat(int fd, const char *path, int flags, ...);
int __real_openat64(int fd, const char *path, int flags, ...);
int __real_mkdirat(int fd, const char *path, mode_t mode);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_fsync(int fd);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat64(int fd, const char *path, int flags, ...);
int __wrap_mkdirat(int fd, const char *path, mode_t mode);

static int countdown = -1, fail_with;
static bool fired;

static bool fails(void) {
        if (countdown < 0 || countdown-- > 0)
                return false;
        fired = true;
        errno = fail_with;
        return true;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset) {
        return fails() ? -1 : __real_pwrite(fd, bytes, n, offset);
}

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t offset) {
        return fails() ? -1 : __real_pwrite64(fd, bytes, n, offset);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n) {
        return fails() ? -1 : __real_write(fd, bytes, n);
}

int __wrap_fsync(int fd) {
        return fails() ? -1 : __real_fsync(fd);
}

#define WITH_MODE(flags, mode)                                                                              \
        mode_t mode = 0;                                                                                    \
        if ((flags) &O_CREAT) {                                                                             \
                va_list ap;                                                                                 \
                va_start(ap, flags);                                                                        \
                mode = va_arg(ap, mode_t);                                                                  \
                va_end(ap);                                                                                 \
        }

int __wrap_openat(int fd, const char *path, int flags, ...) {
        WITH_MODE(flags, mode);
        return fails() ? -1 : __real_openat(fd, path, flags, mode);
}

int __wrap_openat64(int fd, const char *path, int flags, ...) {
        WITH_MODE(flags, mode);
        return fails() ? -1 : __real_openat64(fd, path, flags, mode);
}

int __wrap_mkdirat(int fd, const char *path, mode_t mode) {
        return fails() ? -1 : __real_mkdirat(fd, path, mode);
}

/* ---- a snapshot */

typedef struct Fixture {
        char *folder;
        ConsensusSnapshotStore store;
        ConsensusSnapshotHead head;
        Str dump;
        TransferFile file;
} Fixture;

static void pin_bytes(unsigned n, Cid *cid, Str *value) {
        g_autofree char *name = g_strdup_printf("pin %u", n);
        Pin pin = { .name = name, .type = PIN_TYPE_DATA, .max_depth = PIN_DEPTH_RECURSIVE };

        cid_of_bytes(CID_CODEC_RAW, name, strlen(name), cid);
        pin.cid = *cid;
        g_assert_cmpint(pin_write(&pin, value), ==, 0);
}

static void put(StatePinset *pinset, unsigned n, void (*spoil)(Cid *cid, Str *value)) {
        _cleanup_(str_done) Str value = {};
        Cid cid;

        pin_bytes(n, &cid, &value);
        if (spoil)
                spoil(&cid, &value);
        g_assert_cmpint(state_pinset_put(pinset, &cid, value.data, value.len), ==, 0);
}

static void make_dump(Fixture *f, unsigned n, void (*spoil)(Cid *cid, Str *value)) {
        StateSnapshotHead head = { .index = f->head.index, .term = f->head.term };
        _cleanup_(str_done) Str block = {};
        StateSnapshotWriter *writer;
        StatePinset *pinset;
        StateScan *scan;

        memcpy(head.cluster_id, f->store.cluster_id, STATE_CLUSTER_ID_SIZE);
        g_assert_cmpint(state_pinset_open(&pinset, f->folder, head.cluster_id, NULL), >=, 0);
        for (unsigned i = 0; i < n; i++)
                put(pinset, i, NULL);
        if (spoil)
                put(pinset, n, spoil);
        g_assert_cmpint(state_pinset_commit(pinset, head.index), ==, 0);
        g_assert_cmpint(state_scan_new(&scan, pinset), ==, 0);
        g_assert_cmpint(state_snapshot_writer_new(&writer, scan, &head), ==, 0);
        str_reset(&f->dump);
        while (state_snapshot_writer_step(writer, &block) > 0)
                g_assert_cmpint(str_append_bytes(&f->dump, block.data, block.len), ==, 0);
        state_snapshot_writer_free(writer);
        g_assert_cmpint(state_pinset_clear(pinset), ==, 0);
        state_pinset_free(pinset);
}

static void set_up(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        ConsensusMember member = { .raft_id = 9, .role = CONSENSUS_VOTER };
        ConsensusMembers members = { .items = &member, .n = 1 };

        f->folder = g_dir_make_tmp("transfer-XXXXXX", NULL);
        f->store = (ConsensusSnapshotStore){ .folder = "raft", .cluster_id = "0123456789abcde" };
        f->store.dir_fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        f->head = (ConsensusSnapshotHead){ .index = 7, .term = 2, .configuration.index = 1 };
        g_assert_cmpint(peer_id_parse("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", &member.peer),
                        ==,
                        0);
        g_assert_cmpint(consensus_members_encode(&members, &f->head.configuration.members), ==, 0);
        transfer_file_init(&f->file, &f->store);
        make_dump(f, PINS, NULL);
}

static void tear_down(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        transfer_file_done(&f->file);
        consensus_snapshot_head_done(&f->head);
        str_done(&f->dump);
        close(f->store.dir_fd);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->folder), ==, 0);
        g_free(f->folder);
}

static bool is_there(const Fixture *f, const char *name) {
        g_autofree char *path = g_build_filename(f->folder, CONSENSUS_SNAPSHOT_RECEIVED, name, NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static int write_all(Fixture *f, size_t piece, Error *reterr) {
        int r = 0;

        for (size_t at = 0; r == 0 && at < f->dump.len; at += piece)
                r = transfer_file_write(
                                &f->file,
                                at,
                                f->dump.data + at,
                                MIN(piece, f->dump.len - at),
                                f->dump.len,
                                reterr);
        return r;
}

static int finish(Fixture *f, bool repair, Error *reterr) {
        atomic_bool stop = false;

        return transfer_file_finish(&f->file, &f->head, repair, &stop, reterr);
}

/* ---- tests */

static void test_whole(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        for (int repair = 0; repair <= 1; repair++) {
                _cleanup_(consensus_snapshot_head_done) ConsensusSnapshotHead head = {};

                g_assert_cmpint(write_all(f, 10000, NULL), ==, 0);
                g_assert_false(is_there(f, CONSENSUS_SNAPSHOT_MEMBERS));
                g_assert_cmpint(finish(f, repair, NULL), ==, 0);
                g_assert_cmpint(is_there(f, CONSENSUS_SNAPSHOT_REPAIR), ==, repair);
                g_assert_cmpint(consensus_snapshot_open_received(&f->store, &head, NULL), ==, 0);
                g_assert_cmpuint(head.index, ==, f->head.index);
                g_assert_cmpuint(head.term, ==, f->head.term);
                g_assert_cmpuint(head.configuration.index, ==, f->head.configuration.index);
        }
        g_assert_cmpint(transfer_file_remove(&f->file, NULL), ==, 0);
        g_assert_false(is_there(f, "."));
        g_assert_cmpint(transfer_file_remove(&f->file, NULL), ==, 0);
}

/* Offset 0 begins anew: of a longer file nothing is left. */
static void test_anew(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        g_assert_cmpint(write_all(f, f->dump.len, NULL), ==, 0);
        make_dump(f, 1, NULL);
        g_assert_cmpint(write_all(f, f->dump.len, NULL), ==, 0);
        g_assert_cmpint(finish(f, false, NULL), ==, 0);
}

static void spoil_key(Cid *cid, Str *value G_GNUC_UNUSED) {
        cid_of_bytes(CID_CODEC_RAW, "another", strlen("another"), cid);
}

static void spoil_canonical(Cid *cid G_GNUC_UNUSED, Str *value) {
        static const uint8_t unknown_field[] = { 0xf8, 0x07, 0x01 };

        g_assert_cmpint(str_append_bytes(value, unknown_field, sizeof(unknown_field)), ==, 0);
}

static void spoil_value(Cid *cid G_GNUC_UNUSED, Str *value) {
        value->data[0] = (char) 0xff;
}

static void spoil_nothing(Cid *cid G_GNUC_UNUSED, Str *value) {
        str_reset(value);
        g_assert_cmpint(str_append(value, ""), ==, 0);
}

/* Its checksums are right, and yet the pinset cannot hold it. */
static void test_bad_records(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        static const struct {
                const char *what;
                void (*spoil)(Cid *cid, Str *value);
        } cases[] = {
                { "the key of another pin", spoil_key },
                { "not canonical", spoil_canonical },
                { "no pin", spoil_value },
                { "nothing", spoil_nothing },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(error_done) Error error = {};
                int r;

                make_dump(f, 100, cases[i].spoil);
                g_assert_cmpint(write_all(f, 1 << 20, NULL), ==, 0);
                r = finish(f, false, &error);
                if (r != -EBADMSG)
                        g_error("%s: %d: %s", cases[i].what, r, error_message(&error));
                g_assert_nonnull(strstr(error.message, "snapshot.received/pins.dump"));
                g_assert_false(is_there(f, CONSENSUS_SNAPSHOT_MEMBERS));
        }
}

static void test_another_dump(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        for (int i = 0; i < 3; i++) {
                _cleanup_(error_done) Error error = {};

                g_assert_cmpint(write_all(f, 1 << 20, NULL), ==, 0);
                f->head.index += i == 0;
                f->head.term += i == 1;
                f->store.cluster_id[0] ^= i == 2;
                g_assert_cmpint(finish(f, false, &error), ==, -EBADMSG);
                f->head.index -= i == 0;
                f->head.term -= i == 1;
                f->store.cluster_id[0] ^= i == 2;
                g_assert_cmpstr(error.message,
                                ==,
                                "it is the dump of another snapshot, of index 7 and term 2");
        }
}

static void test_stop(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        atomic_bool stop = true;

        g_assert_cmpint(write_all(f, 1 << 20, NULL), ==, 0);
        g_assert_cmpint(transfer_file_finish(&f->file, &f->head, false, &stop, NULL), ==, -ECANCELED);
}

static void test_no_room(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        _cleanup_(error_done) Error error = {};

        g_assert_cmpint(transfer_file_write(
                                        &f->file, 0, f->dump.data, f->dump.len, UINT64_C(1) << 50, &error),
                        ==,
                        -ENOSPC);
        g_assert_cmpstr(error.message,
                        ==,
                        "raft/snapshot.received/pins.dump: cannot write: No space left on device");
        g_assert_false(is_there(f, "."));
}

/* Whatever fails, at whichever call: words, and the next attempt is as good as the first. */
static void test_disk_errors(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        static const int errors[] = { EIO, ENOSPC };

        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
                fail_with = errors[i];
                fired = true;
                for (int n = 0; fired; n++) {
                        _cleanup_(error_done) Error error = {};
                        int r;

                        fired = false;
                        countdown = n;
                        r = write_all(f, f->dump.len / 2 + 1, &error);
                        if (r == 0)
                                r = finish(f, true, &error);
                        countdown = -1;
                        g_assert_cmpint(r, ==, fired ? -errors[i] : 0);
                        if (fired)
                                g_assert_nonnull(strstr(error.message, "raft/snapshot.received/"));
                }
        }
}

static void test_out_of_memory(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        make_dump(f, 3, NULL);
        FOREACH_FAULT {
                int r;

                r = write_all(f, 1 << 20, NULL);
                if (r == 0)
                        r = finish(f, true, NULL);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/transfer/file/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("whole", test_whole);
        ADD("anew", test_anew);
        ADD("bad-records", test_bad_records);
        ADD("another-dump", test_another_dump);
        ADD("stop", test_stop);
        ADD("no-room", test_no_room);
        ADD("disk-errors", test_disk_errors);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
