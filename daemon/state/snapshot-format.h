#pragma once

/* What the writer and the reader of snapshot files agree on; snapshot.h has the picture. */

#include "daemon/base/varint.h"
#include "daemon/state/digest.h"
#include "daemon/state/snapshot.h"

#define SNAPSHOT_MAGIC "ipfspins"
#define SNAPSHOT_MAGIC_SIZE 8
#define SNAPSHOT_FORMAT 1

#define SNAPSHOT_WORD 4 /* of a length or a checksum */

/* Offsets in the header. */
#define SNAPSHOT_HEAD_FORMAT SNAPSHOT_MAGIC_SIZE
#define SNAPSHOT_HEAD_CLUSTER_ID (SNAPSHOT_HEAD_FORMAT + 4)
#define SNAPSHOT_HEAD_INDEX (SNAPSHOT_HEAD_CLUSTER_ID + STATE_CLUSTER_ID_SIZE)
#define SNAPSHOT_HEAD_TERM (SNAPSHOT_HEAD_INDEX + 8)
#define SNAPSHOT_HEAD_CHECKSUM (SNAPSHOT_HEAD_TERM + 8)
#define SNAPSHOT_HEAD_SIZE (SNAPSHOT_HEAD_CHECKSUM + SNAPSHOT_WORD)

/* Offsets in the trailer. */
#define SNAPSHOT_TAIL_COUNT SNAPSHOT_WORD
#define SNAPSHOT_TAIL_DIGEST (SNAPSHOT_TAIL_COUNT + 8)
#define SNAPSHOT_TAIL_LENGTH (SNAPSHOT_TAIL_DIGEST + STATE_DIGEST_SIZE)
#define SNAPSHOT_TAIL_CHECKSUM (SNAPSHOT_TAIL_LENGTH + 8)
#define SNAPSHOT_TAIL_SIZE (SNAPSHOT_TAIL_CHECKSUM + SNAPSHOT_WORD)

/* A block is closed by the record that fills it. */
#define SNAPSHOT_RECORDS_MAX (STATE_SNAPSHOT_BLOCK + STATE_RECORD_MAX + 2 * VARINT_MAX_BYTES)
