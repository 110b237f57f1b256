#include "daemon/consensus/fsm.h"

#include <inttypes.h>

static int check_pin(ConsensusOp *op, Str *canonical, Error *reterr) {
        Pin pin = {};
        int r;

        r = pin_read(op->body, op->size, &pin);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "out of memory");
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "pin: %zu bytes that are no pin message", op->size);

        str_reset(canonical);
        r = pin_write(&pin, canonical);
        pin_done(&pin);
        if (r < 0)
                return error_set_errno(reterr, r, "pin: cannot encode: %m");

        op->body = canonical->data;
        op->size = canonical->len;
        return 0;
}

static int check_unpin(const ConsensusOp *op, Error *reterr) {
        Cid cid;

        if (consensus_entry_key(op, &cid) < 0)
                return error_set(reterr, ERROR_INVALID, "unpin: %zu bytes that are no CID", op->size);
        return 0;
}

int consensus_fsm_check(ConsensusOp *op, Str *canonical, Error *reterr) {
        if (op->size == 0 || op->size > CONSENSUS_ENTRY_BODY_MAX)
                return error_set(
                                reterr,
                                op->size == 0 ? ERROR_INVALID : ERROR_TOO_BIG,
                                "operation: a body of %zu bytes, expected 1 to %d",
                                op->size,
                                CONSENSUS_ENTRY_BODY_MAX);

        switch (op->kind) {

        case CONSENSUS_PIN:
                return check_pin(op, canonical, reterr);

        case CONSENSUS_UNPIN:
                return check_unpin(op, reterr);

        case CONSENSUS_PEER_PUT:
        case CONSENSUS_PEER_REMOVE:
        case CONSENSUS_REQUEST_PUT:
        case CONSENSUS_REQUEST_REMOVE:
                return 0;
        }
        return error_set(reterr, ERROR_INVALID, "operation: kind %d is not known", (int) op->kind);
}

static int refuse_newer(const ConsensusEntry *entry, const ConsensusEntryReader *reader, Error *reterr) {
        size_t offset = (size_t) (reader->at - reader->start);

        return error_set(
                        reterr,
                        ERROR_UNSUPPORTED,
                        "entry %" PRIu64
                        " of the log needs a newer version of this program: %s %d at offset %zu. "
                        "Install the release that the other peers run",
                        entry->index,
                        offset <= 1 && *reader->start != CONSENSUS_ENTRY_VERSION ? "version" : "operation",
                        offset <= 1 && *reader->start != CONSENSUS_ENTRY_VERSION ? *reader->start
                                                                                 : *reader->at,
                        offset);
}

static int apply_op(StatePinset *pinset, const ConsensusOp *op) {
        Cid cid;
        int r;

        if (op->kind != CONSENSUS_PIN && op->kind != CONSENSUS_UNPIN)
                return 0;

        r = consensus_entry_key(op, &cid);
        if (r < 0)
                return r;
        if (op->kind == CONSENSUS_PIN)
                return state_pinset_put(pinset, &cid, op->body, op->size);
        return state_pinset_remove(pinset, &cid);
}

int consensus_fsm_apply(StatePinset *pinset, const ConsensusEntry *entry, Error *reterr) {
        ConsensusEntryReader reader;
        ConsensusOp op;
        int r, n = 0;

        r = consensus_entry_open(&reader, entry->payload->bytes, entry->payload->size);
        if (r == CONSENSUS_ENTRY_NEWER)
                return refuse_newer(entry, &reader, reterr);

        while (r >= 0 && (r = consensus_entry_next(&reader, &op)) == 1) {
                r = apply_op(pinset, &op);
                n++;
        }
        if (r == CONSENSUS_ENTRY_NEWER)
                return refuse_newer(entry, &reader, reterr);
        if (r < 0)
                return error_set_errno(
                                reterr,
                                r,
                                "entry %" PRIu64 " of the log cannot be applied: %m",
                                entry->index);
        return n;
}

void consensus_fsm_tell(const ConsensusEntry *entry, const ConsensusEvents *events, void *userdata) {
        ConsensusEntryReader reader;
        ConsensusOp op;

        if (!events->applied ||
            consensus_entry_open(&reader, entry->payload->bytes, entry->payload->size) != 0)
                return;

        while (consensus_entry_next(&reader, &op) == 1) {
                Cid cid = {};

                (void) consensus_entry_key(&op, &cid); /* undefined for what is about no CID */
                events->applied(entry->index, &op, &cid, userdata);
        }
}
