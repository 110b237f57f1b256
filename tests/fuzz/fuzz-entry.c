#include <string.h>

#include "daemon/consensus/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is written again, byte for byte: a batch has one form. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(str_done) Str again = {};
        ConsensusEntryReader reader;
        ConsensusOp op;
        int r;

        if (consensus_entry_open(&reader, data, size) != 0)
                return 0;
        (void) consensus_entry_begin(&again);
        while ((r = consensus_entry_next(&reader, &op)) == 1) {
                Cid cid;

                if (consensus_entry_key(&op, &cid) == 0 && !cid_is_defined(&cid))
                        abort();
                (void) consensus_entry_add(&again, &op);
        }
        if (r == 0 && (again.len != size || memcmp(again.data, data, size) != 0))
                abort();
        return 0;
}
