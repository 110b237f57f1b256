#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/state/snapshot-format.h"

typedef struct SnapshotReader {
        int fd;
        const char *path;
        Error *reterr;
        int (*take)(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata);
        void *userdata;

        uint64_t offset; /* of the part in hand */
        uint8_t *part;   /* the part in hand: header, block or trailer */
        uint64_t count;
        StateDigest digest;
} SnapshotReader;

_printf_(3, 4) static int refuse(const SnapshotReader *reader, uint64_t offset, const char *format, ...) {
        char what[200];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(what, sizeof(what), format, ap);
        va_end(ap);
        return error_set_errno(
                        reader->reterr,
                        -EBADMSG,
                        "snapshot '%s' is damaged at offset %" PRIu64 ": %s",
                        reader->path,
                        offset,
                        what);
}

static int fail(const SnapshotReader *reader, int r, const char *what) {
        return error_set_errno(
                        reader->reterr,
                        r,
                        "snapshot '%s': cannot %s at offset %" PRIu64 ": %m",
                        reader->path,
                        what,
                        reader->offset);
}

/* ---- parts */

static int reader_read(SnapshotReader *reader, size_t n, const char *part) {
        int r;

        r = file_read_at(reader->fd, reader->part, n, (off_t) reader->offset);
        if (r == -ENODATA)
                return refuse(reader, reader->offset, "the file ends within the %s that begins here", part);

        return r < 0 ? fail(reader, r, "read") : 0;
}

/* The part in hand has N bytes, the last four are the checksum. */
static int reader_check(const SnapshotReader *reader, size_t n, const char *part) {
        uint32_t expected = le_get32(reader->part + n - SNAPSHOT_WORD);
        uint32_t found = hash_crc32c(0, reader->part, n - SNAPSHOT_WORD);

        if (found == expected)
                return 0;

        return refuse(reader,
                      reader->offset,
                      "the checksum of the %s is %08" PRIx32 ", expected %08" PRIx32,
                      part,
                      found,
                      expected);
}

static int reader_read_header(SnapshotReader *reader, StateSnapshotHead *ret) {
        const uint8_t *part = reader->part;
        int r;

        r = reader_read(reader, SNAPSHOT_HEAD_SIZE, "header");
        if (r < 0)
                return r;

        if (memcmp(part, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_SIZE) != 0)
                return refuse(reader, 0, "it does not begin with '" SNAPSHOT_MAGIC "'");
        if (le_get32(part + SNAPSHOT_HEAD_FORMAT) != SNAPSHOT_FORMAT)
                return refuse(reader,
                              SNAPSHOT_HEAD_FORMAT,
                              "its format is %" PRIu32 ", this version knows %d",
                              le_get32(part + SNAPSHOT_HEAD_FORMAT),
                              SNAPSHOT_FORMAT);
        r = reader_check(reader, SNAPSHOT_HEAD_SIZE, "header");
        if (r < 0)
                return r;

        *ret = (StateSnapshotHead){
                .index = le_get64(part + SNAPSHOT_HEAD_INDEX),
                .term = le_get64(part + SNAPSHOT_HEAD_TERM),
        };
        memcpy(ret->cluster_id, part + SNAPSHOT_HEAD_CLUSTER_ID, sizeof(ret->cluster_id));
        reader->offset = SNAPSHOT_HEAD_SIZE;
        return 0;
}

static int reader_read_trailer(SnapshotReader *reader) {
        const uint8_t *part = reader->part;
        uint64_t count, length;
        StateDigest digest;
        int r;

        r = reader_read(reader, SNAPSHOT_TAIL_SIZE, "trailer");
        if (r < 0)
                return r;
        r = reader_check(reader, SNAPSHOT_TAIL_SIZE, "trailer");
        if (r < 0)
                return r;

        count = le_get64(part + SNAPSHOT_TAIL_COUNT);
        length = le_get64(part + SNAPSHOT_TAIL_LENGTH);
        state_digest_read(&digest, part + SNAPSHOT_TAIL_DIGEST);

        if (length != reader->offset + SNAPSHOT_TAIL_SIZE)
                return refuse(reader, reader->offset, "the file should have %" PRIu64 " bytes", length);
        if (count != reader->count)
                return refuse(reader,
                              reader->offset,
                              "the file has %" PRIu64 " records, expected %" PRIu64,
                              reader->count,
                              count);
        if (!state_digest_equal(&digest, &reader->digest))
                return refuse(reader, reader->offset, "the digest of the records is another one");

        r = file_read_at(reader->fd, reader->part, 1, (off_t) length);
        if (r == -ENODATA)
                return 0;

        return r < 0 ? fail(reader, r, "read") : refuse(reader, length, "there is more after the trailer");
}

/* ---- records */

static int reader_take(SnapshotReader *reader, const StateRecord *record) {
        int r;

        state_digest_add(&reader->digest, record);
        reader->count++;
        if (!reader->take)
                return 0;

        r = reader->take(record->key, record->key_size, record->value, record->value_size, reader->userdata);
        return r < 0 ? fail(reader, r, "take a record") : 0;
}

/* One record of the N bytes at AT. Answers the bytes it takes, or 0 when there is none. */
static size_t record_read(StateRecord *ret, const uint8_t *at, size_t n) {
        uint64_t key_size, value_size;
        ssize_t k, v;

        k = varint_read(at, n, &key_size);
        if (k < 0)
                return 0;
        v = varint_read(at + k, n - (size_t) k, &value_size);
        if (v < 0)
                return 0;

        n -= (size_t) (k + v);
        if (key_size == 0 || key_size > CID_BYTES_MAX || value_size > PIN_BYTES_MAX ||
            key_size + value_size > n)
                return 0;

        *ret = (StateRecord){
                .key = at + k + v,
                .value = at + k + v + key_size,
                .key_size = key_size,
                .value_size = value_size,
        };
        return (size_t) (k + v) + key_size + value_size;
}

static int reader_take_records(SnapshotReader *reader, const uint8_t *records, size_t length) {
        StateRecord record;
        size_t n;
        int r;

        for (size_t at = 0; at < length; at += n) {
                n = record_read(&record, records + at, length - at);
                if (n == 0)
                        return refuse(reader,
                                      reader->offset + SNAPSHOT_WORD + at,
                                      "there is no whole record in the rest of the block");
                r = reader_take(reader, &record);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Answers 1 after a block, 0 when the trailer stands here. */
static int reader_read_block(SnapshotReader *reader) {
        uint32_t length;
        int r;

        r = reader_read(reader, SNAPSHOT_WORD, "block");
        if (r < 0)
                return r;

        length = le_get32(reader->part);
        if (length == 0)
                return 0;
        if (length > SNAPSHOT_RECORDS_MAX)
                return refuse(reader,
                              reader->offset,
                              "the length of the block is %" PRIu32 ", at most %d are possible",
                              length,
                              SNAPSHOT_RECORDS_MAX);

        r = reader_read(reader, length + 2 * SNAPSHOT_WORD, "block");
        if (r < 0)
                return r;
        r = reader_check(reader, length + 2 * SNAPSHOT_WORD, "block");
        if (r < 0)
                return r;
        r = reader_take_records(reader, reader->part + SNAPSHOT_WORD, length);
        if (r < 0)
                return r;

        reader->offset += length + 2 * SNAPSHOT_WORD;
        return 1;
}

int state_snapshot_read(
                int fd,
                const char *path,
                StateSnapshotHead *ret_head,
                int (*take)(const void *key,
                            size_t key_size,
                            const void *value,
                            size_t value_size,
                            void *userdata),
                void *userdata,
                Error *reterr) {
        _cleanup_free_ uint8_t *part = malloc(SNAPSHOT_RECORDS_MAX + 2 * SNAPSHOT_WORD);
        SnapshotReader reader = {
                .fd = fd,
                .path = path,
                .reterr = reterr,
                .take = take,
                .userdata = userdata,
                .part = part,
        };
        StateSnapshotHead head;
        int r;

        if (!part)
                return fail(&reader, -ENOMEM, "begin to read");

        r = reader_read_header(&reader, &head);
        if (r < 0)
                return r;
        do
                r = reader_read_block(&reader);
        while (r > 0);
        if (r < 0)
                return r;
        r = reader_read_trailer(&reader);
        if (r < 0)
                return r;

        *ret_head = head;
        return 0;
}
