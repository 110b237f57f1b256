#include <stdlib.h>
#include <string.h>

#include "daemon/consensus/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written again as it was. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ConsensusMessage message;
        Str again = {};

        if (consensus_message_decode(data, size, &message) != 0)
                return 0;
        if (consensus_message_encode(&message, &again) == 0 &&
            (again.len != size || memcmp(again.data, data, size) != 0))
                abort();
        str_done(&again);
        consensus_message_done(&message);
        return 0;
}
