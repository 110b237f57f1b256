#include <string.h>

#include "daemon/consensus/entry.h"
#include "daemon/consensus/fsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was checked has its one form, and says what it is about. */
static void check_again(const ConsensusOp *op) {
        _cleanup_(str_done) Str canonical = {}, twice = {};
        ConsensusOp first = *op, second;
        Cid cid;

        if (consensus_fsm_check(&first, &canonical, NULL) < 0)
                return;
        second = first;
        if (consensus_fsm_check(&second, &twice, NULL) < 0 || second.size != first.size ||
            memcmp(second.body, first.body, first.size) != 0)
                abort();
        if (first.kind != CONSENSUS_PEER_PUT && first.kind != CONSENSUS_PEER_REMOVE &&
            consensus_entry_key(&first, &cid) < 0)
                abort();
}

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
                check_again(&op);
                (void) consensus_entry_add(&again, &op);
        }
        if (r == 0 && (again.len != size || memcmp(again.data, data, size) != 0))
                abort();
        return 0;
}
