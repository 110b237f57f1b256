#include <string.h>

#include "daemon/transfer/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t cluster_id[STATE_CLUSTER_ID_SIZE] = "0123456789abcde";

/* What can be read is written as the same bytes. */
static void read_request(const uint8_t *data, size_t size) {
        uint8_t again[TRANSFER_REQUEST_SIZE];
        TransferRequest request;

        if (transfer_request_decode(data, size, &request) != 0)
                return;
        transfer_request_encode(&request, again);
        if (size != sizeof(again) || memcmp(again, data, size) != 0)
                abort();
}

/* In pieces of N bytes. The answer is the same for every N. */
static int read_answer(const uint8_t *data, size_t size, size_t n, size_t *ret_rest) {
        TransferAnswer answer = {};
        Error error = {};
        int r = 0;

        *ret_rest = 0;
        for (size_t at = 0; r == 0 && at < size; at += n) {
                size_t piece = MIN(n, size - at), rest = 0;

                r = transfer_answer_feed(&answer, cluster_id, data + at, piece, &rest, &error);
                if ((r < 0) != (error.code != ERROR_NONE) || (r > 0) != answer.is_whole || rest > piece)
                        abort();
                if (r > 0)
                        *ret_rest = size - at - piece + rest;
        }
        if (r > 0 && (answer.snapshot.index == 0 || answer.snapshot.term == 0 ||
                      !answer.snapshot.configuration.members))
                abort();
        transfer_answer_done(&answer);
        error_done(&error);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t rest, again;
        int r;

        read_request(data, size);
        r = read_answer(data, size, size + 1, &rest);
        if (read_answer(data, size, 7, &again) != r || again != rest)
                abort();
        return 0;
}
