#pragma once

/*
 * Snapshot file "pins.dump": the pinset at one index, streamed, portable, checked.
 *
 * Layout: a header (magic, format, cluster id, index, term, crc32c); blocks of about 64 KiB {length,
 * records, crc32c}, each record {key length, value length, key, value} with varint lengths; a trailer
 * (count, digest, total length, crc32c). Integers are little endian. Records stand in the order of the scan,
 * so that loading writes gdbm in bucket order. Nothing is believed before its checksum was checked; the
 * digest is checked at the end.
 *
 * Writing is cut in steps so that the loop goes on: each step fills one block from the scan; the caller
 * hands blocks to a worker that writes them.
 */

#include <stdint.h>

#include "daemon/base/str.h"
#include "daemon/state/pinset.h"

#define STATE_SNAPSHOT_BLOCK (64 * 1024)

typedef struct StateSnapshotWriter StateSnapshotWriter;

typedef struct StateSnapshotHead {
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t index;
        uint64_t term;
} StateSnapshotHead;

/* The view is that of SCAN, which is taken. */
int state_snapshot_writer_new(StateSnapshotWriter **ret, StateScan *scan, const StateSnapshotHead *head);
StateSnapshotWriter *state_snapshot_writer_free(StateSnapshotWriter *writer);
DEFINE_CLEANUP(StateSnapshotWriter *, state_snapshot_writer_free);
/* Replace the content of BLOCK by the next bytes of the file. Answers 1, 0 when the file is complete (BLOCK
 * is empty). */
int state_snapshot_writer_step(StateSnapshotWriter *writer, Str *block);

/* Read FD from its start, check everything, and hand each record to TAKE (may be NULL: only check). The
 * digest and the count are checked at the end, after all records were handed over: on failure the receiver
 * throws away what it has. Errors: -EBADMSG, and RETERR says file offset and what is wrong; TAKE's. Blocks.
 */
int state_snapshot_read(
                int fd,
                const char *path, /* for messages */
                StateSnapshotHead *ret_head,
                int (*take)(const void *key,
                            size_t key_size,
                            const void *value,
                            size_t value_size,
                            void *userdata),
                void *userdata,
                Error *reterr);
