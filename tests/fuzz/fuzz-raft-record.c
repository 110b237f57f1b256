#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/consensus/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *bytes, size_t size) {
        ConsensusEntry entry = {};
        ConsensusRecord record;
        ssize_t n;

        n = consensus_record_decode(bytes, size, &record);
        if (n < 0)
                return;
        if ((size_t) n > size || record.payload + record.length > bytes + n)
                abort();

        entry = (ConsensusEntry){ .index = record.index, .term = record.term, .type = record.type };
        if (consensus_payload_new(&entry.payload, record.payload, record.length) < 0)
                return;
        uint8_t *again = malloc((size_t) n);
        if (again)
                consensus_record_encode(&entry, record.write_first, again);
        free(again);
        consensus_payload_unref(entry.payload);
}

/* Once as it is, and once with the checksum made right, so that what stands behind it is reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t *bytes = NULL;
        size_t n;

        check(data, size);
        if (size < CONSENSUS_RECORD_HEADER || size > 65536)
                return 0;

        bytes = malloc(size);
        if (!bytes)
                return 0;
        memcpy(bytes, data, size);
        n = consensus_record_size(le_get32(bytes + 4));
        if (n <= size) {
                le_put32(bytes, hash_crc32c(0, bytes + 4, n - 4));
                check(bytes, size);
        }
        free(bytes);
        return 0;
}
