#pragma once

/*
 * File: what comes of another peer's snapshot, in raft/snapshot.received until it is whole and
 * checked. All functions block and may be called in any thread, by one at a time.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/consensus/snapshot-store.h"
#include "daemon/types/error.h"

#define TRANSFER_RESERVE (64 * 1024 * 1024) /* bytes of the disk that it leaves for the log */

typedef struct TransferFile {
        const ConsensusSnapshotStore *store; /* must outlive */
        int dir_fd;                          /* -1: not begun */
        int fd;
} TransferFile;

void transfer_file_init(TransferFile *file, const ConsensusSnapshotStore *store);
void transfer_file_done(TransferFile *file); /* what has come stays */

/* Put N bytes at OFFSET of "pins.dump", which is to have SIZE bytes in all. OFFSET 0 begins anew. Errors:
 * write(2)'s; -ENOSPC also when the whole would not leave TRANSFER_RESERVE. */
int transfer_file_write(
                TransferFile *file,
                uint64_t offset,
                const void *bytes,
                size_t n,
                uint64_t size,
                Error *reterr);

/* All has come: check it from its first byte to its last, with everything that the installation relies on,
 * and make it durable with "members", which says the same as HEAD. REPAIR puts a mark beside it
 * (consensus_repair()). Errors: -EBADMSG: it is not what it should be; -ECANCELED: *STOP; those of the disk.
 */
int transfer_file_finish(
                TransferFile *file,
                const ConsensusSnapshotHead *head,
                bool repair,
                const atomic_bool *stop,
                Error *reterr);
/* Nothing is left of it. */
int transfer_file_remove(TransferFile *file, Error *reterr);
