#include "daemon/transfer/wire.h"

#include <string.h>

#include "daemon/base/le.h"

enum { /* offsets; the first byte is the format */
       REQUEST_AT_INDEX = 8,
       REQUEST_AT_LEAST = 16,
       REQUEST_AT_OFFSET = 24,
       HEAD_AT_SIZE = 8,
       HEAD_AT_MARK = 16,
       HEAD_AT_MEMBERS_SIZE = 20,
};

/* The first eight bytes of both. */
static int check_format(const uint8_t *bytes) {
        if (bytes[0] > TRANSFER_FORMAT)
                return TRANSFER_NEWER;
        return le_get64(bytes) == TRANSFER_FORMAT ? 0 : -EBADMSG;
}

void transfer_request_encode(const TransferRequest *request, uint8_t bytes[static TRANSFER_REQUEST_SIZE]) {
        le_put64(bytes, TRANSFER_FORMAT);
        le_put64(bytes + REQUEST_AT_INDEX, request->index);
        le_put64(bytes + REQUEST_AT_LEAST, request->least);
        le_put64(bytes + REQUEST_AT_OFFSET, request->offset);
}

int transfer_request_decode(const void *bytes, size_t n, TransferRequest *ret) {
        const uint8_t *at = bytes;
        TransferRequest request;
        int r;

        if (n == 0)
                return -EBADMSG;
        if (at[0] > TRANSFER_FORMAT) /* whatever its size is */
                return TRANSFER_NEWER;
        if (n != TRANSFER_REQUEST_SIZE)
                return -EBADMSG;
        r = check_format(at);
        if (r != 0)
                return r;

        request = (TransferRequest){
                .index = le_get64(at + REQUEST_AT_INDEX),
                .least = le_get64(at + REQUEST_AT_LEAST),
                .offset = le_get64(at + REQUEST_AT_OFFSET),
        };
        if (request.index > 0 && request.least > 0)
                return -EBADMSG;
        *ret = request;
        return 0;
}

void transfer_head_encode(const TransferHead *head, uint8_t bytes[static TRANSFER_HEAD_SIZE]) {
        le_put64(bytes, TRANSFER_FORMAT);
        le_put64(bytes + HEAD_AT_SIZE, head->size);
        le_put32(bytes + HEAD_AT_MARK, head->mark);
        le_put32(bytes + HEAD_AT_MEMBERS_SIZE, head->members_size);
}

int transfer_head_decode(const uint8_t bytes[static TRANSFER_HEAD_SIZE], TransferHead *ret) {
        TransferHead head;
        int r;

        r = check_format(bytes);
        if (r != 0)
                return r;

        head = (TransferHead){
                .size = le_get64(bytes + HEAD_AT_SIZE),
                .mark = le_get32(bytes + HEAD_AT_MARK),
                .members_size = le_get32(bytes + HEAD_AT_MEMBERS_SIZE),
        };
        if (head.size > TRANSFER_SIZE_MAX || head.size < TRANSFER_MARK_BYTES ||
            head.members_size > TRANSFER_MEMBERS_MAX)
                return -EBADMSG;
        *ret = head;
        return 0;
}

/* ---- the answer */

static int read_members(
                const uint8_t *bytes,
                size_t n,
                const uint8_t *cluster_id,
                ConsensusSnapshotHead *ret,
                Error *reterr) {

        uint8_t theirs[STATE_CLUSTER_ID_SIZE];
        ConsensusMembers members = {};
        ConsensusSnapshotHead head;
        int r;

        r = consensus_snapshot_decode(bytes, n, &head, theirs);
        if (r != 0)
                return error_set(reterr, ERROR_INVALID, "its members cannot be read");
        r = consensus_members_decode(head.configuration.members, &members);
        consensus_members_done(&members);
        if (r < 0 || head.index == 0 || head.term == 0 || head.configuration.index > head.index ||
            head.index > CONSENSUS_INDEX_MAX || head.term > CONSENSUS_INDEX_MAX)
                r = error_set(reterr, ERROR_INVALID, "its members are malformed");
        else if (memcmp(theirs, cluster_id, STATE_CLUSTER_ID_SIZE) != 0)
                r = error_set(reterr, ERROR_INVALID, "it is of another cluster");
        if (r < 0)
                consensus_snapshot_head_done(&head);
        else
                *ret = head;
        return r;
}

/* How many bytes stand before the dump, as far as that is known. */
static int lead_size(TransferAnswer *answer, size_t *ret, Error *reterr) {
        const uint8_t *bytes = (const uint8_t *) answer->lead.data;
        int r;

        *ret = TRANSFER_HEAD_SIZE;
        if (answer->lead.len < TRANSFER_HEAD_SIZE)
                return 0;
        r = transfer_head_decode(bytes, &answer->head);
        if (r == TRANSFER_NEWER)
                return error_set(reterr, ERROR_UNSUPPORTED, "it answers in a newer format");
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "its answer is malformed");
        *ret += answer->head.members_size;
        return 0;
}

/* Move up to what is missing from DATA to the lead. Answers whether that was enough. */
static int fill_lead(TransferAnswer *answer, const uint8_t **data, size_t *size, Error *reterr) {
        size_t want, n;
        int r;

        r = lead_size(answer, &want, reterr);
        if (r < 0)
                return r;
        n = MIN(*size, want - answer->lead.len);
        if (str_append_bytes(&answer->lead, *data, n) < 0)
                return error_set_errno(reterr, -ENOMEM, "out of memory");
        *data += n;
        *size -= n;
        return answer->lead.len == want;
}

int transfer_answer_feed(
                TransferAnswer *answer,
                const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE],
                const void *data,
                size_t size,
                size_t *ret_rest,
                Error *reterr) {

        const uint8_t *at = data;
        int r;

        assert(!answer->is_whole);

        r = fill_lead(answer, &at, &size, reterr); /* the head */
        if (r > 0)
                r = fill_lead(answer, &at, &size, reterr); /* and the members, or they are here already */
        if (r <= 0)
                return r;

        r = read_members(
                        (const uint8_t *) answer->lead.data + TRANSFER_HEAD_SIZE,
                        answer->head.members_size,
                        cluster_id,
                        &answer->snapshot,
                        reterr);
        if (r < 0)
                return r;
        answer->is_whole = true;
        str_done(&answer->lead);
        *ret_rest = size;
        return 1;
}

void transfer_answer_done(TransferAnswer *answer) {
        if (answer->is_whole)
                consensus_snapshot_head_done(&answer->snapshot);
        str_done(&answer->lead);
        *answer = (TransferAnswer){};
}
