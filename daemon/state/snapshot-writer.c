#include "daemon/base/hash.h"
#include "daemon/state/snapshot-format.h"

typedef enum SnapshotStage {
        SNAPSHOT_STAGE_HEADER,
        SNAPSHOT_STAGE_BLOCKS,
        SNAPSHOT_STAGE_TRAILER,
        SNAPSHOT_STAGE_DONE,
} SnapshotStage;

struct StateSnapshotWriter {
        StateScan *scan; /* NULL after its end */
        StateSnapshotHead head;
        SnapshotStage stage;
        uint64_t length; /* of the file so far */
        uint64_t count;
        StateDigest digest;
        uint64_t expected_count;
        uint8_t expected_digest[STATE_DIGEST_SIZE];
};

int state_snapshot_writer_new(StateSnapshotWriter **ret, StateScan *scan, const StateSnapshotHead *head) {
        StateSnapshotWriter *writer;

        writer = malloc(sizeof(*writer));
        if (!writer) {
                state_scan_free(scan);
                return -ENOMEM;
        }

        *writer = (StateSnapshotWriter){
                .scan = scan,
                .head = *head,
                .expected_count = state_scan_count(scan),
        };
        state_scan_digest(scan, writer->expected_digest);

        *ret = writer;
        return 0;
}

StateSnapshotWriter *state_snapshot_writer_free(StateSnapshotWriter *writer) {
        if (!writer)
                return NULL;

        state_scan_free(writer->scan);
        free(writer);
        return NULL;
}

static void writer_append_header(StateSnapshotWriter *writer, Str *block) {
        (void) str_append_bytes(block, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_SIZE);
        state_append_u32(block, SNAPSHOT_FORMAT);
        (void) str_append_bytes(block, writer->head.cluster_id, sizeof(writer->head.cluster_id));
        state_append_u64(block, writer->head.index);
        state_append_u64(block, writer->head.term);
        writer->stage = SNAPSHOT_STAGE_BLOCKS;
}

static void writer_append_record(StateSnapshotWriter *writer, Str *block, const StateRecord *record) {
        uint8_t sizes[2 * VARINT_MAX_BYTES];
        size_t n;

        n = varint_write(record->key_size, sizes);
        n += varint_write(record->value_size, sizes + n);
        (void) str_append_bytes(block, sizes, n);
        (void) str_append_bytes(block, record->key, record->key_size);
        (void) str_append_bytes(block, record->value, record->value_size);

        state_digest_add(&writer->digest, record);
        writer->count++;
}

/* As many records as make a block; the scan may end within. */
static int writer_append_records(StateSnapshotWriter *writer, Str *block) {
        uint32_t length;
        StateRecord record;
        int r = 1;

        state_append_u32(block, 0);
        while (block->len < SNAPSHOT_WORD + STATE_SNAPSHOT_BLOCK && str_error(block) >= 0) {
                r = state_scan_next(
                                writer->scan,
                                &record.key,
                                &record.key_size,
                                &record.value,
                                &record.value_size);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                writer_append_record(writer, block, &record);
        }
        if (str_error(block) < 0)
                return -ENOMEM;

        length = htole32((uint32_t) block->len - SNAPSHOT_WORD);
        memcpy(block->data, &length, sizeof(length));
        if (r == 0) {
                writer->scan = state_scan_free(writer->scan);
                writer->stage = SNAPSHOT_STAGE_TRAILER;
        }
        return 0;
}

/* BLOCK may hold the length of a block without records: that 0 is the trailer's first word. */
static int writer_append_trailer(StateSnapshotWriter *writer, Str *block) {
        uint8_t digest[STATE_DIGEST_SIZE];

        state_digest_write(&writer->digest, digest);
        if (writer->count != writer->expected_count ||
            memcmp(digest, writer->expected_digest, sizeof(digest)) != 0)
                return -EIO;

        str_reset(block);
        state_append_u32(block, 0);
        state_append_u64(block, writer->count);
        (void) str_append_bytes(block, digest, sizeof(digest));
        state_append_u64(block, writer->length + SNAPSHOT_TAIL_SIZE);
        writer->stage = SNAPSHOT_STAGE_DONE;
        return 0;
}

static int writer_append(StateSnapshotWriter *writer, Str *block) {
        int r;

        if (writer->stage == SNAPSHOT_STAGE_HEADER) {
                writer_append_header(writer, block);
                return 0;
        }
        if (writer->stage == SNAPSHOT_STAGE_BLOCKS) {
                r = writer_append_records(writer, block);
                if (r < 0 || block->len > SNAPSHOT_WORD)
                        return r;
        }
        return writer_append_trailer(writer, block);
}

int state_snapshot_writer_step(StateSnapshotWriter *writer, Str *block) {
        int r;

        str_reset(block);
        if (writer->stage == SNAPSHOT_STAGE_DONE)
                return 0;

        r = writer_append(writer, block);
        if (r < 0)
                return r;

        r = str_error(block);
        if (r < 0)
                return r;
        state_append_u32(block, hash_crc32c(0, block->data, block->len));
        r = str_error(block);
        if (r < 0)
                return r;

        writer->length += block->len;
        return 1;
}
