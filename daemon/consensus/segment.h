#pragma once

/*
 * Segment: one file of the log, log-<index of its first entry>, of a fixed size from its creation on.
 *
 * Layout, little endian, all offsets multiples of 8:
 *
 *   header (64)  magic "clstrlog", crc32c of what follows, format, cluster id, first index,
 *                term of the entry before it, size of the file, 0
 *   record (40)  crc32c of what follows (payload included), length of the payload, index, term,
 *                index of the first entry of the same write, type, 0
 *   payload      padded with zeros; then the next record
 *   zeros        up to the end of the file
 *
 * A file is made under another name, filled with zeros, synced and renamed, so that a short file is always
 * damage. Each write is synced before the next one begins, so that a crash can tear the last write only:
 * records that do not check are cut when no record of a later write follows them, and are damage when one
 * does. That a record names the first index of its write is what tells the two apart.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/list.h"
#include "daemon/consensus/entry.h"
#include "daemon/state/pinset.h"
#include "daemon/types/error.h"

#define CONSENSUS_SEGMENT_FORMAT 1
#define CONSENSUS_SEGMENT_SIZE (8 * 1024 * 1024)
#define CONSENSUS_SEGMENT_SIZE_MIN 256
#define CONSENSUS_SEGMENT_SIZE_MAX (64 * 1024 * 1024)
#define CONSENSUS_SEGMENT_HEADER 64
#define CONSENSUS_SEGMENT_NAME_MAX 40
#define CONSENSUS_RECORD_HEADER 40

typedef struct ConsensusSegment {
        List link;
        uint64_t first;
        uint64_t previous_term;
        uint32_t size;     /* of the file */
        uint32_t end;      /* where the next record goes */
        uint32_t *offsets; /* of the records */
        size_t n, allocated;
        int fd; /* -1 until it was created */
} ConsensusSegment;

typedef struct ConsensusRecord {
        uint64_t index, term, write_first;
        ConsensusEntryType type;
        uint32_t length;
        const uint8_t *payload; /* borrowed */
} ConsensusRecord;

/* ---- records */

static inline size_t consensus_record_size(size_t length) {
        return CONSENSUS_RECORD_HEADER + ((length + 7) & ~(size_t) 7);
}

void consensus_record_encode(const ConsensusEntry *entry, uint64_t write_first, uint8_t *to);
/* Answers the size of the record at BYTES. Errors: -EBADMSG. */
ssize_t consensus_record_decode(const void *bytes, size_t n, ConsensusRecord *ret);

/* ---- in memory */

int consensus_segment_new(ConsensusSegment **ret, uint64_t first, uint64_t previous_term, size_t size);
ConsensusSegment *consensus_segment_free(ConsensusSegment *segment); /* must be in no list */
DEFINE_CLEANUP(ConsensusSegment *, consensus_segment_free);

char *consensus_segment_name(uint64_t first, char name[static CONSENSUS_SEGMENT_NAME_MAX]);
/* Answers 1 and the index, 0: NAME is no segment's. */
int consensus_segment_parse_name(const char *name, uint64_t *ret);

static inline uint64_t consensus_segment_last(const ConsensusSegment *segment) {
        return segment->first + segment->n - 1;
}

/* Reserve room for a record. Answers 1, or 0 when there is no room. */
int consensus_segment_push(ConsensusSegment *segment, size_t payload_size);
void consensus_segment_cut(ConsensusSegment *segment, uint64_t from); /* forget FROM and what follows */

/* ---- on disk; all of these block */

/* Make the file, with the first KEEP bytes of records of the file open as FROM_FD (-1 and 0: none), in place
 * of the one of that name. Answers the new file, durable. */
int consensus_segment_create(
                int dir_fd,
                const ConsensusSegment *segment,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                int from_fd,
                size_t keep);

/* Read one record back and check it. */
int consensus_segment_read(const ConsensusSegment *segment, uint64_t index, ConsensusEntry *ret);

typedef struct ConsensusSegmentScan {
        int dir_fd;
        const char *folder; /* for the words */
        const uint8_t *cluster_id;
        bool is_last;  /* only then may its end be torn */
        uint64_t term; /* of the entry before; updated */
        int (*take)(const ConsensusRecord *record, void *userdata);
        void *userdata;
        bool torn; /* out: the records after END are the rest of a write that was cut off */
} ConsensusSegmentScan;

/* Open and check the file, and hand each record to TAKE. Errors: ERROR_IO with file, offset and what to do.
 */
int consensus_segment_scan(ConsensusSegment *segment, ConsensusSegmentScan *scan, Error *reterr);

/* How every refusal of damaged files ends; the page ipfs-cluster-service(8) has the steps. */
#define CONSENSUS_ADVICE                                                                                    \
        "Put the folder back from a backup, or begin anew from an export with `ipfs-cluster-service state " \
        "import`, which keeps the damaged log as raft.old.0. Where the cluster has other peers, move the "  \
        "folder away and let this peer join again: the cluster then sends a snapshot"
