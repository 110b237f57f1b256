#include <stdio.h>

#include "daemon/base/hash.h"
#include "daemon/state/snapshot-format.h"
#include "tests/lib/fault.h"
#include "tests/unit/state/snapshot-file.h"

#define PATH "/some/where/pins.dump"

static void write_small(const Fixture *f, Str *bytes) {
        StatePinset *pinset = fixture_open(f, 0);

        snapshot_file_fill(pinset, 3);
        g_assert_cmpint(snapshot_file_write(pinset, bytes), ==, 0);
        state_pinset_free(pinset);
}

/* Reading fails; the words begin with the path and an offset, and go on with EXPECT (NULL: anything). */
static void assert_refused(int fd, const char *expect) {
        static const char prefix[] = "snapshot '" PATH "' is damaged at offset ";
        StateSnapshotHead head;
        Error error = {};
        char *end;

        g_assert_cmpint(state_snapshot_read(fd, PATH, &head, NULL, NULL, &error), ==, -EBADMSG);
        g_assert_true(g_str_has_prefix(error.message, prefix));
        (void) g_ascii_strtoull(error.message + strlen(prefix), &end, 10);
        g_assert_true(end > error.message + strlen(prefix) && g_str_has_prefix(end, ": "));
        if (expect)
                g_assert_cmpstr(error.message + strlen(prefix), ==, expect);
        error_done(&error);
}

static void assert_bytes_refused(const Str *bytes, const char *expect) {
        _cleanup_close_ int fd = snapshot_file_of_bytes(bytes->data, bytes->len);

        assert_refused(fd, expect);
}

/* ---- whole files */

static int take_into(
                const void *key, size_t key_size, const void *value, size_t value_size, void *userdata) {
        Cid cid;

        g_assert_cmpint(cid_from_bytes(key, key_size, &cid), ==, 0);
        return state_pinset_put(userdata, &cid, value, value_size);
}

static void test_round_trip(Fixture *f, gconstpointer data) {
        g_autofree char *folder = g_build_filename(f->folder, "copy", NULL);
        Fixture other = { .folder = folder };
        StatePinset *pinset = fixture_open(f, 0), *copy;
        uint8_t a[STATE_DIGEST_SIZE], b[STATE_DIGEST_SIZE];
        _cleanup_(str_done) Str bytes = {};
        _cleanup_close_ int fd = -1;
        StateSnapshotHead head;
        Error error = {};

        (void) data;
        snapshot_file_fill(pinset, 3000);
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, 0);
        g_assert_cmpint(file_make_dirs(folder, 0700), ==, 0);
        copy = fixture_open(&other, 0);

        fd = snapshot_file_of_bytes(bytes.data, bytes.len);
        g_assert_cmpint(state_snapshot_read(fd, PATH, &head, take_into, copy, &error), ==, 0);
        g_assert_cmpint(error.code, ==, ERROR_NONE);
        g_assert_cmpmem(&head, sizeof(head), &snapshot_file_head, sizeof(head));
        g_assert_cmpuint(state_pinset_count(copy), ==, 3000);
        fixture_assert_value(copy, 2, "a longer value");
        state_pinset_digest(pinset, a);
        state_pinset_digest(copy, b);
        g_assert_cmpmem(a, sizeof(a), b, sizeof(b));

        g_assert_cmpint(state_pinset_close(copy), ==, 0);
        state_pinset_free(pinset);
}

static void test_empty(Fixture *f, gconstpointer data) {
        StatePinset *pinset = fixture_open(f, 0);
        _cleanup_(str_done) Str bytes = {};
        _cleanup_close_ int fd = -1;
        StateSnapshotHead head;

        (void) data;
        g_assert_cmpint(snapshot_file_write(pinset, &bytes), ==, 0);
        fd = snapshot_file_of_bytes(bytes.data, bytes.len);
        g_assert_cmpint(state_snapshot_read(fd, PATH, &head, NULL, NULL, NULL), ==, 0);
        state_pinset_free(pinset);
}

/* ---- damage */

static void test_every_truncation(Fixture *f, gconstpointer data) {
        _cleanup_(str_done) Str bytes = {};

        (void) data;
        write_small(f, &bytes);
        while (bytes.len-- > 0)
                assert_bytes_refused(&bytes, NULL);
}

static void test_every_other_byte(Fixture *f, gconstpointer data) {
        _cleanup_(str_done) Str bytes = {};
        _cleanup_close_ int fd = -1;
        StateSnapshotHead head;

        (void) data;
        write_small(f, &bytes);
        fd = snapshot_file_of_bytes(bytes.data, bytes.len);
        for (size_t i = 0; i < bytes.len; i++) {
                g_test_message("byte %zu", i);
                for (unsigned change = 1; change < 256; change++) {
                        char other = (char) (bytes.data[i] ^ (char) change);

                        g_assert_cmpint(pwrite(fd, &other, 1, (off_t) i), ==, 1);
                        assert_refused(fd, NULL);
                }
                g_assert_cmpint(pwrite(fd, bytes.data + i, 1, (off_t) i), ==, 1);
        }
        g_assert_cmpint(state_snapshot_read(fd, PATH, &head, NULL, NULL, NULL), ==, 0);
}

static void store_u32(Str *bytes, size_t at, uint32_t value) {
        value = htole32(value);
        memcpy(bytes->data + at, &value, sizeof(value));
}

/* Make the checksum behind bytes FROM to TO right again. */
static void repair(Str *bytes, size_t from, size_t to) {
        store_u32(bytes, to, hash_crc32c(0, bytes->data + from, to - from));
}

/* Lies with a checksum. The small file: header 48, block 139 = {4, records 131, 4}, trailer 40. */
static void test_lies(Fixture *f, gconstpointer data) {
        enum {
                BLOCK = SNAPSHOT_HEAD_SIZE,
                RECORDS = BLOCK + SNAPSHOT_WORD,
                RECORDS_END = RECORDS + 131,
                TRAILER = RECORDS_END + SNAPSHOT_WORD,
        };
        static const struct {
                size_t at;
                uint8_t value;
                const char *words;
        } lies[] = {
                { 0, 'I', "0: it does not begin with 'ipfspins'" },
                { SNAPSHOT_HEAD_FORMAT, 2, "8: its format is 2, this version knows 1" },
                { BLOCK + 2, 9, "48: the length of the block is 589955, at most 196771 are possible" },
                { BLOCK + 2, 1, "48: the file ends within the block that begins here" },
                { RECORDS, 0, "52: there is no whole record in the rest of the block" },
                { RECORDS, 131, "52: there is no whole record in the rest of the block" },
                { RECORDS, 200, "52: there is no whole record in the rest of the block" },
                { RECORDS + 1, 200, "52: there is no whole record in the rest of the block" },
                { RECORDS + 5, 0, "187: the digest of the records is another one" },
                { TRAILER + SNAPSHOT_TAIL_COUNT, 2, "187: the file has 3 records, expected 2" },
                { TRAILER + SNAPSHOT_TAIL_DIGEST, 0, "187: the digest of the records is another one" },
                { TRAILER + SNAPSHOT_TAIL_LENGTH, 7, "187: the file should have 7 bytes" },
        };
        _cleanup_(str_done) Str bytes = {};

        (void) data;
        write_small(f, &bytes);
        g_assert_cmpuint(bytes.len, ==, TRAILER + SNAPSHOT_TAIL_SIZE);
        for (size_t i = 0; i < ELEMENTSOF(lies); i++) {
                _cleanup_(str_done) Str lie = {};

                g_test_message("byte %zu is %u", lies[i].at, lies[i].value);
                g_assert_cmpint(str_append_bytes(&lie, bytes.data, bytes.len), ==, 0);
                lie.data[lies[i].at] = (char) lies[i].value;
                repair(&lie, 0, SNAPSHOT_HEAD_CHECKSUM);
                repair(&lie, BLOCK, RECORDS_END);
                repair(&lie, TRAILER, TRAILER + SNAPSHOT_TAIL_CHECKSUM);
                assert_bytes_refused(&lie, lies[i].words);
        }
}

static void test_more_after_the_end(Fixture *f, gconstpointer data) {
        _cleanup_(str_done) Str bytes = {};

        (void) data;
        write_small(f, &bytes);
        str_append_char(&bytes, '\0');
        assert_bytes_refused(&bytes, "227: there is more after the trailer");
}

/* ---- failures of others */

static int take_two(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata) {
        unsigned *n = userdata;

        (void) key, (void) key_size, (void) value, (void) value_size;
        return (*n)++ < 2 ? 0 : -ENOSPC;
}

static void test_taker_fails(Fixture *f, gconstpointer data) {
        StateSnapshotHead head = { .index = 77 };
        _cleanup_(str_done) Str bytes = {};
        _cleanup_close_ int fd = -1;
        Error error = {};
        unsigned n = 0;

        (void) data;
        write_small(f, &bytes);
        fd = snapshot_file_of_bytes(bytes.data, bytes.len);
        g_assert_cmpint(state_snapshot_read(fd, PATH, &head, take_two, &n, &error), ==, -ENOSPC);
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpuint(head.index, ==, 77);
        g_assert_cmpstr(error.message,
                        ==,
                        "snapshot '" PATH "': cannot take a record at offset 48: No space left on device");
        error_done(&error);
}

static void test_unreadable_file(void) {
        StateSnapshotHead head;
        Error error = {};

        g_assert_cmpint(state_snapshot_read(-1, PATH, &head, NULL, NULL, &error), ==, -EBADF);
        g_assert_cmpstr(error.message,
                        ==,
                        "snapshot '" PATH "': cannot read at offset 0: Bad file descriptor");
        error_done(&error);
}

static void test_out_of_memory(Fixture *f, gconstpointer data) {
        _cleanup_(str_done) Str bytes = {};
        _cleanup_close_ int fd = -1;
        StateSnapshotHead head;

        (void) data;
        write_small(f, &bytes);
        fd = snapshot_file_of_bytes(bytes.data, bytes.len);
        FOREACH_FAULT {
                int r = state_snapshot_read(fd, PATH, &head, NULL, NULL, NULL);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

#define ADD(path, function)                                                                                 \
        g_test_add("/state/snapshot-reader/" path,                                                          \
                   Fixture,                                                                                 \
                   NULL,                                                                                    \
                   fixture_set_up,                                                                          \
                   function,                                                                                \
                   fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("round-trip", test_round_trip);
        ADD("empty", test_empty);
        ADD("every-truncation-is-refused", test_every_truncation);
        ADD("every-other-byte-is-refused", test_every_other_byte);
        ADD("lies-are-refused", test_lies);
        ADD("more-after-the-end-is-refused", test_more_after_the_end);
        ADD("taker-fails", test_taker_fails);
        g_test_add_func("/state/snapshot-reader/unreadable-file", test_unreadable_file);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
