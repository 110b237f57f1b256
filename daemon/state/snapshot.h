#pragma once

/*
 * Snapshot file "pins.dump": the pinset at one index, streamed, portable, checked.
 *
 * Layout (integers are little endian, checksums are crc32c of all bytes of their part before them):
 *
 *   header   "ipfspins", format (4), cluster id (16), index (8), term (8), checksum (4)
 *   block    length of the records (4), records, checksum (4); about 64 KiB; any number of blocks
 *   record   key length, value length (varints), key, value
 *   trailer  0 (4), count (8), digest (16), length of the whole file (8), checksum (4)
 *
 * Records stand in the order of the scan, so that loading writes gdbm in bucket order. Nothing is believed
 * before its checksum was checked; the digest is checked at the end.
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

/* The view is that of SCAN, which is taken, also on failure; it ends with the last block. */
int state_snapshot_writer_new(StateSnapshotWriter **ret, StateScan *scan, const StateSnapshotHead *head);
StateSnapshotWriter *state_snapshot_writer_free(StateSnapshotWriter *writer);
DEFINE_CLEANUP(StateSnapshotWriter *, state_snapshot_writer_free);
/* Replace the content of BLOCK by the next bytes of the file. Answers 1, 0 when the file is complete (BLOCK
 * is empty). Errors: those of state_scan_next(); -EIO also when the records are not those that the pinset
 * has counted, so that a damaged cache never becomes a snapshot. */
int state_snapshot_writer_step(StateSnapshotWriter *writer, Str *block);

/* Read FD from its start, check everything, and hand each record to TAKE (may be NULL: only check). The
 * digest and the count are checked at the end, after all records were handed over: on failure the receiver
 * throws away what it has. Errors: -EBADMSG (the file is not whole), read(2)'s, TAKE's; RETERR says file,
 * offset and what is wrong. Blocks. */
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
