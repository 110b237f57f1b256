#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/consensus/meta.h"

#define CHECKED_FROM 12 /* the checksum stands before */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Once as it is, and once with the checksum made right, so that what stands behind it is reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t bytes[CONSENSUS_META_SIZE] = {}, again[CONSENSUS_META_SIZE];
        ConsensusMeta meta;

        (void) consensus_meta_decode(data, size, &meta);

        memcpy(bytes, data, MIN(size, sizeof(bytes)));
        memcpy(bytes, "clstmeta", 8);
        le_put32(bytes + 8, hash_crc32c(0, bytes + CHECKED_FROM, sizeof(bytes) - CHECKED_FROM));
        if (consensus_meta_decode(bytes, sizeof(bytes), &meta) != 0)
                return 0;
        consensus_meta_encode(&meta, again);
        if (consensus_meta_decode(again, sizeof(again), &meta) != 0)
                abort();
        return 0;
}
