#include "daemon/consensus/fsm.h"

#include <inttypes.h>
#include <string.h>

/* What stands before the pin stays there. */
static int check_pin(
                ConsensusOp *op,
                const ConsensusOp *bare,
                const uint8_t *condition,
                Str *canonical,
                Error *reterr) {
        Pin pin = {};
        int r;

        r = pin_read(bare->body, bare->size, &pin);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "out of memory");
        if (r < 0)
                return error_set(
                                reterr, ERROR_INVALID, "pin: %zu bytes that are no pin message", bare->size);

        str_reset(canonical);
        r = condition ? str_append_bytes(canonical, condition, CONSENSUS_CONDITION_SIZE) : 0;
        if (r >= 0)
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
        const uint8_t *condition;
        ConsensusOp bare;

        if (op->size == 0 || op->size > CONSENSUS_ENTRY_BODY_MAX)
                return error_set(
                                reterr,
                                op->size == 0 ? ERROR_INVALID : ERROR_TOO_BIG,
                                "operation: a body of %zu bytes, expected 1 to %d",
                                op->size,
                                CONSENSUS_ENTRY_BODY_MAX);

        if (consensus_entry_strip(op, &bare, &condition) < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "operation: %zu bytes, which is no condition",
                                op->size);
        switch (bare.kind) {

        case CONSENSUS_PIN:
                return check_pin(op, &bare, condition, canonical, reterr);

        case CONSENSUS_UNPIN:
                return check_unpin(&bare, reterr);

        case CONSENSUS_PEER_PUT:
        case CONSENSUS_PEER_REMOVE:
        case CONSENSUS_REQUEST_PUT:
        case CONSENSUS_REQUEST_REMOVE:
                return 0;

        case CONSENSUS_PIN_IF:
        case CONSENSUS_UNPIN_IF:
                break; /* stripped */
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

/* Answers 1 when the pinset has what CONDITION says, 0 when not. */
static int holds(StatePinset *pinset, const Cid *cid, const uint8_t *condition) {
        uint8_t now[CONSENSUS_CONDITION_SIZE];
        _cleanup_(str_done) Str value = {};
        int r;

        r = state_pinset_get_bytes(pinset, cid, &value);
        if (r <= 0)
                return r;
        consensus_condition(value.data, value.len, now);
        return memcmp(now, condition, sizeof(now)) == 0;
}

static int apply_op(StatePinset *pinset, const ConsensusOp *conditional) {
        const uint8_t *condition;
        ConsensusOp bare, *op = &bare;
        Cid cid;
        int r;

        r = consensus_entry_strip(conditional, op, &condition);
        if (r < 0)
                return r;
        if (op->kind != CONSENSUS_PIN && op->kind != CONSENSUS_UNPIN)
                return 0;

        r = consensus_entry_key(op, &cid);
        if (r >= 0 && condition)
                r = holds(pinset, &cid, condition);
        if (r < 0 || (condition && r == 0))
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

/* Of an operation on a condition the pinset says whether it was carried out, or what came after it in the
 * same turn, which is told next. */
static bool was_done(StatePinset *pinset, const ConsensusOp *op, const Cid *cid) {
        _cleanup_(str_done) Str value = {};
        int r;

        r = state_pinset_get_bytes(pinset, cid, &value);
        if (op->kind == CONSENSUS_UNPIN)
                return r == 0;
        return r > 0 && value.len == op->size && memcmp(value.data, op->body, op->size) == 0;
}

void consensus_fsm_tell(
                StatePinset *pinset,
                const ConsensusEntry *entry,
                const ConsensusEvents *events,
                void *userdata) {
        ConsensusEntryReader reader;
        ConsensusOp op;

        if (!events->applied ||
            consensus_entry_open(&reader, entry->payload->bytes, entry->payload->size) != 0)
                return;

        while (consensus_entry_next(&reader, &op) == 1) {
                const uint8_t *condition;
                ConsensusOp bare;
                Cid cid = {};

                if (consensus_entry_strip(&op, &bare, &condition) < 0)
                        continue;
                (void) consensus_entry_key(&bare, &cid); /* undefined for what is about no CID */
                if (!condition || was_done(pinset, &bare, &cid))
                        events->applied(entry->index, &bare, &cid, userdata);
        }
}
