#include "daemon/consensus/segment.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/le.h"

#define SEGMENT_MAGIC "clstrlog"
#define SEGMENT_PREFIX "log-"
#define SEGMENT_TEMPORARY "log.new"
#define SEGMENT_DIGITS 20
#define SEGMENT_COPY_CHUNK (256 * 1024)

enum { /* offsets in the header */
       SEGMENT_AT_CRC = 8,
       SEGMENT_AT_FORMAT = 12,
       SEGMENT_AT_CLUSTER = 16,
       SEGMENT_AT_FIRST = 32,
       SEGMENT_AT_TERM = 40,
       SEGMENT_AT_SIZE = 48,
};

enum { /* offsets in a record */
       RECORD_AT_LENGTH = 4,
       RECORD_AT_INDEX = 8,
       RECORD_AT_TERM = 16,
       RECORD_AT_WRITE = 24,
       RECORD_AT_TYPE = 32,
       RECORD_AT_ZERO = 36,
};

/* ---- records */

void consensus_record_encode(const ConsensusEntry *entry, uint64_t write_first, uint8_t *to) {
        size_t length = entry->payload->size, size = consensus_record_size(length);

        le_put32(to + RECORD_AT_LENGTH, (uint32_t) length);
        le_put64(to + RECORD_AT_INDEX, entry->index);
        le_put64(to + RECORD_AT_TERM, entry->term);
        le_put64(to + RECORD_AT_WRITE, write_first);
        le_put32(to + RECORD_AT_TYPE, (uint32_t) entry->type);
        le_put32(to + RECORD_AT_ZERO, 0);
        memcpy(to + CONSENSUS_RECORD_HEADER, entry->payload->bytes, length);
        memset(to + CONSENSUS_RECORD_HEADER + length, 0, size - CONSENSUS_RECORD_HEADER - length);
        le_put32(to, hash_crc32c(0, to + RECORD_AT_LENGTH, size - RECORD_AT_LENGTH));
}

ssize_t consensus_record_decode(const void *bytes, size_t n, ConsensusRecord *ret) {
        const uint8_t *at = bytes;
        uint32_t length, type;
        size_t size;

        if (n < CONSENSUS_RECORD_HEADER)
                return -EBADMSG;

        length = le_get32(at + RECORD_AT_LENGTH);
        type = le_get32(at + RECORD_AT_TYPE);
        size = consensus_record_size(length);
        if (length > CONSENSUS_ENTRY_SIZE_MAX || size > n)
                return -EBADMSG;
        if (type < CONSENSUS_ENTRY_COMMAND || type > CONSENSUS_ENTRY_CHANGE)
                return -EBADMSG;
        if (hash_crc32c(0, at + RECORD_AT_LENGTH, size - RECORD_AT_LENGTH) != le_get32(at))
                return -EBADMSG;

        *ret = (ConsensusRecord){
                .index = le_get64(at + RECORD_AT_INDEX),
                .term = le_get64(at + RECORD_AT_TERM),
                .write_first = le_get64(at + RECORD_AT_WRITE),
                .type = (ConsensusEntryType) type,
                .length = length,
                .payload = at + CONSENSUS_RECORD_HEADER,
        };
        return (ssize_t) size;
}

/* ---- in memory */

int consensus_segment_new(ConsensusSegment **ret, uint64_t first, uint64_t previous_term, size_t size) {
        ConsensusSegment *segment;

        segment = calloc(1, sizeof(*segment));
        if (!segment)
                return -ENOMEM;

        *segment = (ConsensusSegment){
                .first = first,
                .previous_term = previous_term,
                .size = (uint32_t) size,
                .end = CONSENSUS_SEGMENT_HEADER,
                .fd = -1,
        };
        list_init(&segment->link);

        *ret = segment;
        return 0;
}

ConsensusSegment *consensus_segment_free(ConsensusSegment *segment) {
        if (!segment)
                return NULL;

        assert(list_is_empty(&segment->link));
        closep(&segment->fd);
        free(segment->offsets);
        free(segment);
        return NULL;
}

char *consensus_segment_name(uint64_t first, char name[static CONSENSUS_SEGMENT_NAME_MAX]) {
        (void) snprintf(name, CONSENSUS_SEGMENT_NAME_MAX, SEGMENT_PREFIX "%020" PRIu64, first);
        return name;
}

int consensus_segment_parse_name(const char *name, uint64_t *ret) {
        const char *digits = name + strlen(SEGMENT_PREFIX);
        char *end;

        if (strncmp(name, SEGMENT_PREFIX, strlen(SEGMENT_PREFIX)) != 0)
                return 0;
        if (strlen(digits) != SEGMENT_DIGITS || strspn(digits, "0123456789") != SEGMENT_DIGITS)
                return 0;

        errno = 0;
        *ret = strtoull(digits, &end, 10);
        return errno == 0 && *ret > 0;
}

static int offsets_reserve(ConsensusSegment *segment) {
        size_t allocated = MAX(segment->allocated * 2, (size_t) 64);
        uint32_t *offsets;

        if (segment->n < segment->allocated)
                return 0;

        offsets = realloc(segment->offsets, allocated * sizeof(*offsets));
        if (!offsets)
                return -ENOMEM;

        segment->offsets = offsets;
        segment->allocated = allocated;
        return 0;
}

int consensus_segment_push(ConsensusSegment *segment, size_t payload_size) {
        size_t size = consensus_record_size(payload_size);
        int r;

        if (size > segment->size - segment->end)
                return 0;

        r = offsets_reserve(segment);
        if (r < 0)
                return r;

        segment->offsets[segment->n++] = segment->end;
        segment->end += (uint32_t) size;
        return 1;
}

void consensus_segment_cut(ConsensusSegment *segment, uint64_t from) {
        size_t keep = from > segment->first ? from - segment->first : 0;

        if (keep >= segment->n)
                return;
        segment->end = segment->offsets[keep];
        segment->n = keep;
}

/* ---- on disk */

static void header_encode(
                const ConsensusSegment *segment,
                const uint8_t *cluster_id,
                uint8_t bytes[static CONSENSUS_SEGMENT_HEADER]) {

        memset(bytes, 0, CONSENSUS_SEGMENT_HEADER);
        memcpy(bytes, SEGMENT_MAGIC, SEGMENT_AT_CRC);
        le_put32(bytes + SEGMENT_AT_FORMAT, CONSENSUS_SEGMENT_FORMAT);
        memcpy(bytes + SEGMENT_AT_CLUSTER, cluster_id, STATE_CLUSTER_ID_SIZE);
        le_put64(bytes + SEGMENT_AT_FIRST, segment->first);
        le_put64(bytes + SEGMENT_AT_TERM, segment->previous_term);
        le_put64(bytes + SEGMENT_AT_SIZE, segment->size);
        le_put32(bytes + SEGMENT_AT_CRC,
                 hash_crc32c(0, bytes + SEGMENT_AT_FORMAT, CONSENSUS_SEGMENT_HEADER - SEGMENT_AT_FORMAT));
}

static int copy_records(int from_fd, int to_fd, size_t keep) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t at = CONSENSUS_SEGMENT_HEADER, end = at + keep;
        int r;

        bytes = malloc(SEGMENT_COPY_CHUNK);
        if (!bytes)
                return -ENOMEM;

        while (at < end) {
                size_t n = MIN(end - at, (size_t) SEGMENT_COPY_CHUNK);

                r = file_read_at(from_fd, bytes, n, (off_t) at);
                if (r < 0)
                        return r;
                r = file_write_all(to_fd, bytes, n);
                if (r < 0)
                        return r;
                at += n;
        }
        return 0;
}

int consensus_segment_create(
                int dir_fd,
                const ConsensusSegment *segment,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                int from_fd,
                size_t keep) {

        uint8_t header[CONSENSUS_SEGMENT_HEADER];
        char name[CONSENSUS_SEGMENT_NAME_MAX];
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(dir_fd, SEGMENT_TEMPORARY, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        header_encode(segment, cluster_id, header);
        r = file_write_all(fd, header, sizeof(header));
        if (r < 0)
                return r;
        r = copy_records(from_fd, fd, keep);
        if (r < 0)
                return r;

        if (ftruncate(fd, segment->size) < 0)
                return -errno;
        if (fsync(fd) < 0)
                return -errno;
        if (renameat(dir_fd, SEGMENT_TEMPORARY, dir_fd, consensus_segment_name(segment->first, name)) < 0)
                return -errno;
        r = file_sync_dir(dir_fd);
        if (r < 0)
                return r;

        return TAKE_FD(fd);
}

int consensus_segment_read(const ConsensusSegment *segment, uint64_t index, ConsensusEntry *ret) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t i = index - segment->first;
        uint32_t offset, end;
        ConsensusRecord record;
        ConsensusEntry entry;
        int r;

        assert(index >= segment->first && i < segment->n);

        offset = segment->offsets[i];
        end = i + 1 < segment->n ? segment->offsets[i + 1] : segment->end;
        bytes = malloc(end - offset);
        if (!bytes)
                return -ENOMEM;

        r = file_read_at(segment->fd, bytes, end - offset, offset);
        if (r < 0)
                return r;
        if (consensus_record_decode(bytes, end - offset, &record) < 0 || record.index != index)
                return -EBADMSG;

        entry = (ConsensusEntry){ .index = index, .term = record.term, .type = record.type };
        r = consensus_payload_new(&entry.payload, record.payload, record.length);
        if (r < 0)
                return r;

        *ret = entry;
        return 0;
}

/* ---- scan */

static int _printf_(5, 6)
                segment_refuse(const ConsensusSegmentScan *scan,
                               const ConsensusSegment *segment,
                               size_t offset,
                               Error *reterr,
                               const char *format,
                               ...) {
        char name[CONSENSUS_SEGMENT_NAME_MAX], words[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(words, sizeof(words), format, ap);
        va_end(ap);

        return error_set(
                        reterr,
                        ERROR_IO,
                        "%s/%s: offset %zu: %s. " CONSENSUS_ADVICE,
                        scan->folder,
                        consensus_segment_name(segment->first, name),
                        offset,
                        words);
}

static int header_check(
                ConsensusSegment *segment,
                const ConsensusSegmentScan *scan,
                const uint8_t *bytes,
                uint64_t size,
                Error *reterr) {

        if (size < CONSENSUS_SEGMENT_HEADER || memcmp(bytes, SEGMENT_MAGIC, SEGMENT_AT_CRC) != 0)
                return segment_refuse(scan, segment, 0, reterr, "this is no segment of a log");
        if (hash_crc32c(0, bytes + SEGMENT_AT_FORMAT, CONSENSUS_SEGMENT_HEADER - SEGMENT_AT_FORMAT) !=
            le_get32(bytes + SEGMENT_AT_CRC))
                return segment_refuse(scan, segment, 0, reterr, "the checksum of the header does not match");
        if (le_get32(bytes + SEGMENT_AT_FORMAT) != CONSENSUS_SEGMENT_FORMAT)
                return segment_refuse(
                                scan,
                                segment,
                                SEGMENT_AT_FORMAT,
                                reterr,
                                "a newer release wrote this format");
        if (memcmp(bytes + SEGMENT_AT_CLUSTER, scan->cluster_id, STATE_CLUSTER_ID_SIZE) != 0)
                return segment_refuse(
                                scan, segment, SEGMENT_AT_CLUSTER, reterr, "the log of another cluster");
        if (le_get64(bytes + SEGMENT_AT_FIRST) != segment->first)
                return segment_refuse(
                                scan,
                                segment,
                                SEGMENT_AT_FIRST,
                                reterr,
                                "the name and the first index differ");
        if (le_get64(bytes + SEGMENT_AT_SIZE) != size)
                return segment_refuse(
                                scan,
                                segment,
                                size,
                                reterr,
                                "the file ends here, but has to have %" PRIu64 " bytes",
                                le_get64(bytes + SEGMENT_AT_SIZE));

        segment->previous_term = le_get64(bytes + SEGMENT_AT_TERM);
        segment->size = (uint32_t) size;
        return 0;
}

static bool is_zero(const uint8_t *bytes, size_t n) {
        return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* A record of a write that began after the entry EXPECTED: the broken place is not in the last write. */
static bool later_write_follows(const uint8_t *bytes, size_t from, size_t size, uint64_t expected) {
        ConsensusRecord record;

        for (size_t at = from; at + CONSENSUS_RECORD_HEADER <= size; at += 8) {
                if (le_get64(bytes + at + RECORD_AT_WRITE) <= expected)
                        continue; /* the cheap half of the question */
                if (consensus_record_decode(bytes + at, size - at, &record) > 0)
                        return true;
        }
        return false;
}

static int scan_end(
                ConsensusSegment *segment, ConsensusSegmentScan *scan, const uint8_t *bytes, Error *reterr) {
        uint64_t expected = segment->first + segment->n;

        if (is_zero(bytes + segment->end, segment->size - segment->end))
                return 0;
        if (!scan->is_last || later_write_follows(bytes, segment->end, segment->size, expected))
                return segment_refuse(
                                scan,
                                segment,
                                segment->end,
                                reterr,
                                "the checksum of entry %" PRIu64 " does not match",
                                expected);
        scan->torn = true;
        return 0;
}

/* What follows from the order of writing. A record that checks but does not belong here was not torn. */
static bool record_fits(
                const ConsensusSegment *segment,
                const ConsensusSegmentScan *scan,
                const ConsensusRecord *record) {
        return record->index == segment->first + segment->n && record->term >= scan->term &&
               record->write_first <= record->index && record->write_first >= segment->first;
}

static int scan_records(
                ConsensusSegment *segment, ConsensusSegmentScan *scan, const uint8_t *bytes, Error *reterr) {
        ConsensusRecord record;
        int r;

        for (;;) {
                uint32_t at = segment->end;

                if (consensus_record_decode(bytes + at, segment->size - at, &record) < 0)
                        return scan_end(segment, scan, bytes, reterr);
                if (!record_fits(segment, scan, &record))
                        return segment_refuse(
                                        scan,
                                        segment,
                                        at,
                                        reterr,
                                        "entry %" PRIu64 " of term %" PRIu64 " cannot stand here",
                                        record.index,
                                        record.term);

                r = consensus_segment_push(segment, record.length);
                if (r > 0)
                        r = scan->take(&record, scan->userdata);
                if (r < 0)
                        return error_set_errno(reterr, r, "reading the log: %m");
                scan->term = record.term;
        }
}

/* Eight megabytes that are needed for a moment: mapped, so that they are given back for certain. */
typedef struct SegmentBytes {
        uint8_t *bytes;
        size_t mapped;
        uint64_t size; /* of the file */
} SegmentBytes;

static void segment_bytes_done(SegmentBytes *content) {
        if (content->bytes)
                (void) munmap(content->bytes, content->mapped);
}

static int segment_read_all(ConsensusSegment *segment, int dir_fd, SegmentBytes *ret) {
        char name[CONSENSUS_SEGMENT_NAME_MAX];
        struct stat st;
        void *bytes;

        segment->fd = openat(dir_fd, consensus_segment_name(segment->first, name), O_RDWR | O_CLOEXEC);
        if (segment->fd < 0)
                return -errno;
        if (fstat(segment->fd, &st) < 0)
                return -errno;
        if (st.st_size > CONSENSUS_SEGMENT_SIZE_MAX)
                return -EFBIG;

        ret->size = (uint64_t) st.st_size;
        ret->mapped = (size_t) st.st_size + 1; /* an empty mapping is an error */
        bytes = mmap(NULL, ret->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (bytes == MAP_FAILED)
                return -errno;
        ret->bytes = bytes;
        return file_read_at(segment->fd, bytes, (size_t) st.st_size, 0);
}

int consensus_segment_scan(ConsensusSegment *segment, ConsensusSegmentScan *scan, Error *reterr) {
        _cleanup_(segment_bytes_done) SegmentBytes content = {};
        char name[CONSENSUS_SEGMENT_NAME_MAX];
        int r;

        r = segment_read_all(segment, scan->dir_fd, &content);
        if (r < 0)
                return error_set_errno(
                                reterr,
                                r,
                                "%s/%s: cannot read: %m",
                                scan->folder,
                                consensus_segment_name(segment->first, name));

        r = header_check(segment, scan, content.bytes, content.size, reterr);
        if (r < 0)
                return r;
        return scan_records(segment, scan, content.bytes, reterr);
}
