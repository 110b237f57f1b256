#pragma once

/*
 * Wire: the request for a snapshot and the answer, little endian:
 *
 *   request   format (1), zero (7), index (8), least (8), offset (8)
 *   answer    format (1), zero (7), size of "pins.dump" (8), its mark (4), length of "members" (4),
 *             "members" (consensus/snapshot-store.h), "pins.dump" from OFFSET on
 *
 * INDEX 0 asks for the newest one that is not older than LEAST; when there is none, one is begun and the
 * answer is ERROR_BUSY: to be asked again. What is gone is ERROR_NOT_FOUND. The mark follows from the end of
 * the file, which has the digest of its records: whoever goes on after a lost link goes on with the same
 * file. All of this is checked again as a whole when it has come (state/snapshot.h).
 */

#include <stdint.h>

#include "daemon/base/str.h"
#include "daemon/consensus/snapshot-store.h"

#define TRANSFER_FORMAT 1
#define TRANSFER_REQUEST_SIZE 32
#define TRANSFER_HEAD_SIZE 24
#define TRANSFER_MEMBERS_MAX (1024 * 1024)
#define TRANSFER_SIZE_MAX (UINT64_C(1) << 50)
#define TRANSFER_MARK_BYTES 64 /* at the end of the file */

typedef struct TransferRequest {
        uint64_t index;
        uint64_t least;
        uint64_t offset;
} TransferRequest;

typedef struct TransferHead {
        uint64_t size;
        uint32_t mark;
        uint32_t members_size;
} TransferHead;

/* Decoding answers 0, or TRANSFER_NEWER when a newer release sent this. Errors: -EBADMSG. */
#define TRANSFER_NEWER 1

void transfer_request_encode(const TransferRequest *request, uint8_t bytes[static TRANSFER_REQUEST_SIZE]);
int transfer_request_decode(const void *bytes, size_t n, TransferRequest *ret);

void transfer_head_encode(const TransferHead *head, uint8_t bytes[static TRANSFER_HEAD_SIZE]);
int transfer_head_decode(const uint8_t bytes[static TRANSFER_HEAD_SIZE], TransferHead *ret);

/* The answer as it comes: what stands before the dump is gathered and checked. */
typedef struct TransferAnswer {
        TransferHead head;
        ConsensusSnapshotHead snapshot;
        bool is_whole; /* all of the above */
        Str lead;      /* until then */
} TransferAnswer;

/* Answers 1 when ANSWER is whole: what of DATA is the dump's is *REST; 0 when more has to come. Errors:
 * ERROR_INVALID, ERROR_UNSUPPORTED (a newer release), -ENOMEM. */
int transfer_answer_feed(
                TransferAnswer *answer,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                const void *data,
                size_t size,
                size_t *ret_rest, /* the last bytes of DATA */
                Error *reterr);
void transfer_answer_done(TransferAnswer *answer);
