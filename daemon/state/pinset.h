#pragma once

/*
 * StatePinset: the shared pinset as of one log index, materialised in pins.gdbm.
 *
 * It is a cache: the Raft log and its snapshots are the truth, and it is rebuilt from them whenever it
 * cannot be trusted. Keys are CID bytes, values canonical protobuf pins; the key "\0meta" holds format,
 * cluster id, applied index, count and digest, written at the close: a file that was not closed is rebuilt
 * anyhow. Changes come in the order of the log and are idempotent set and delete.
 *
 * The digest is the sum modulo 2^128 of the first 16 bytes of SHA-256(key ‖ value) over all records: equal
 * pinsets at equal indexes have equal digests.
 *
 * Reads see the newest change. A StateScan sees the pinset as of the index at which it began: while any scan
 * is read from it the file is frozen and changes go to an in-memory overlay (STATE_OVERLAY_MAX bytes). From
 * half of that on, each change moves a part of each open scan into an unlinked file, so that no change waits
 * for the whole; when every scan is there, or has ended, later changes merge the overlay bit by bit.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/str.h"
#include "daemon/types/cid.h"
#include "daemon/types/error.h"
#include "daemon/types/pin.h"

#define STATE_OVERLAY_MAX (4 * 1024 * 1024)
#define STATE_SCANS_MAX 64 /* open at once; -EBUSY beyond */
#define STATE_DIGEST_SIZE 16
#define STATE_CLUSTER_ID_SIZE 16

typedef struct StatePinset StatePinset;
typedef struct StateScan StateScan;

/* Open FOLDER/pins.gdbm. Answers 1 when it is whole and belongs to CLUSTER_ID, 0 when it starts empty at
 * index 0. A file of another cluster is discarded too. */
int state_pinset_open(
                StatePinset **ret,
                const char *folder,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                Error *reterr);
int state_pinset_close(
                StatePinset *pinset); /* in order: synced, trusted by the next open; no scan may be open */
/* Without order: after changes the next open starts empty. No scan may be open. */
StatePinset *state_pinset_free(StatePinset *pinset);
DEFINE_CLEANUP(StatePinset *, state_pinset_free);

/* A second pinset beside PINSET, of the same folder and cluster, empty, to be filled by one thread; a free
 * throws it away. */
int state_pinset_open_fresh(StatePinset **ret, const StatePinset *pinset, Error *reterr);
int state_pinset_flush(StatePinset *fresh); /* to the disk, so that no later fsync(2) has to; blocks */
/* PINSET becomes what FRESH is, which is taken, also on failure: then only state_pinset_free() may follow.
 * Scans of PINSET go on with what they see; *RET_FORMER is what it was, for reading, for as long as one of
 * them is open; NULL when none is. */
int state_pinset_replace(StatePinset *pinset, StatePinset *fresh, StatePinset **ret_former);

uint64_t state_pinset_index(const StatePinset *pinset); /* applied */
uint64_t state_pinset_count(const StatePinset *pinset);
void state_pinset_digest(const StatePinset *pinset, uint8_t digest[static STATE_DIGEST_SIZE]);

/* Changes at INDEX; several may have one index (a batch). state_pinset_commit() ends the batch: the applied
 * index moves to INDEX. VALUE is a canonical protobuf Pin whose cid is KEY, of at most PIN_BYTES_MAX bytes
 * (-E2BIG). Any other error means that the cache is damaged: end the process. */
int state_pinset_put(StatePinset *pinset, const Cid *key, const void *value, size_t size);
int state_pinset_remove(StatePinset *pinset, const Cid *key); /* 1 removed, 0 was not there */
int state_pinset_commit(StatePinset *pinset, uint64_t index);
int state_pinset_clear(StatePinset *pinset); /* empty, index 0: before a rebuild or the installation of a
                                                snapshot; no scan may be open */

/* Answers 1 and the pin, 0 when it is not there. */
int state_pinset_get(StatePinset *pinset, const Cid *key, Pin *ret);
int state_pinset_get_bytes(StatePinset *pinset, const Cid *key, Str *value); /* appended */
int state_pinset_has(StatePinset *pinset, const Cid *key);

/* A consistent view as of now; not within a batch. Order: that of the file; the same for equal files only.
 * The pinset must outlive it. Errors: -EBUSY (STATE_SCANS_MAX), -ENOMEM. */
int state_scan_new(StateScan **ret, StatePinset *pinset);
StateScan *state_scan_free(StateScan *scan);
DEFINE_CLEANUP(StateScan *, state_scan_free);
/* Answers 1 and one record, borrowed until the next call; 0 at the end. Errors end this scan only: -EIO (the
 * cache is damaged), those of the unlinked file (-ENOSPC), -ENOMEM; each call after that has the same. */
int state_scan_next(
                StateScan *scan, const void **key, size_t *key_size, const void **value, size_t *value_size);
uint64_t state_scan_index(const StateScan *scan);
uint64_t state_scan_count(const StateScan *scan); /* of records in the view */
void state_scan_digest(const StateScan *scan, uint8_t digest[static STATE_DIGEST_SIZE]);
