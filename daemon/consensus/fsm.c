#include "daemon/consensus/fsm.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/state/requests.h"

/* The pin that begins at byte HEAD of the body; what stands before it stays there. */
static int check_pin(ConsensusOp *op, size_t head, Str *canonical, Error *reterr) {
        bool is_request = op->kind == CONSENSUS_REQUEST_PUT;
        _cleanup_(pin_done) Pin pin = {};
        size_t size = op->size - head;
        int r;

        r = pin_read((const char *) op->body + head, size, &pin);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "out of memory");
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "pin: %zu bytes that are no pin message", size);
        if (is_request && pin.requests.n != 1)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "pin: %zu pinning requests, expected one",
                                pin.requests.n);

        pin.requests_only |= is_request;
        str_reset(canonical);
        (void) str_append_bytes(canonical, op->body, head);
        r = pin_write(&pin, canonical);
        if (r < 0)
                return error_set_errno(reterr, r, "pin: cannot encode: %m");

        op->body = canonical->data;
        op->size = canonical->len;
        return 0;
}

static int check_request(ConsensusOp *op, Str *canonical, Error *reterr) {
        ConsensusOp pin;
        PinRequestId id;

        if (consensus_entry_request(op, &id, &pin) < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "pinning request: %zu bytes that begin with no id of one",
                                op->size);
        return op->kind == CONSENSUS_REQUEST_PUT ? check_pin(op, op->size - pin.size, canonical, reterr) : 0;
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
                return check_pin(op, op->size - bare.size, canonical, reterr);

        case CONSENSUS_UNPIN:
                return check_unpin(&bare, reterr);

        case CONSENSUS_REQUEST_PUT:
        case CONSENSUS_REQUEST_REMOVE:
                return check_request(op, canonical, reterr);

        case CONSENSUS_PEER_PUT:
        case CONSENSUS_PEER_REMOVE:
                return 0;

        case CONSENSUS_TAG:
                if (op->size != CONSENSUS_TAG_SIZE)
                        return error_set(
                                        reterr,
                                        ERROR_INVALID,
                                        "operation: a tag of %zu bytes, expected %d",
                                        op->size,
                                        CONSENSUS_TAG_SIZE);
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

static int apply_request(StatePinset *pinset, const ConsensusOp *op) {
        ConsensusOp pin;
        PinRequestId id;
        Cid cid;
        int r;

        r = consensus_entry_request(op, &id, &pin);
        if (r < 0)
                return r;
        if (op->kind == CONSENSUS_REQUEST_REMOVE)
                return state_requests_remove(pinset, &id);
        r = consensus_entry_key(op, &cid);
        return r < 0 ? r : state_requests_put(pinset, &cid, pin.body, pin.size, &id);
}

/* Who looked at the pin before says all of it, its requests too. */
static int apply_if(StatePinset *pinset, const ConsensusOp *op, const Cid *cid, const uint8_t *condition) {
        int r;

        r = holds(pinset, cid, condition);
        if (r <= 0)
                return r;
        return op->kind == CONSENSUS_PIN ? state_pinset_put(pinset, cid, op->body, op->size)
                                         : state_pinset_remove(pinset, cid);
}

static int apply_op(StatePinset *pinset, const ConsensusOp *conditional) {
        const uint8_t *condition;
        ConsensusOp bare, *op = &bare;
        Cid cid;
        int r;

        r = consensus_entry_strip(conditional, op, &condition);
        if (r < 0)
                return r;
        if (op->kind == CONSENSUS_REQUEST_PUT || op->kind == CONSENSUS_REQUEST_REMOVE)
                return apply_request(pinset, op);
        if (op->kind != CONSENSUS_PIN && op->kind != CONSENSUS_UNPIN)
                return 0;

        r = consensus_entry_key(op, &cid);
        if (r < 0)
                return r;
        if (condition)
                return apply_if(pinset, op, &cid, condition);
        return op->kind == CONSENSUS_PIN ? state_requests_pin(pinset, &cid, op->body, op->size)
                                         : state_pinset_remove(pinset, &cid);
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

/* Whether the pinset has, but for its requests, the pin in BODY; it is appended to VALUE. */
static bool is_there(StatePinset *pinset, const Cid *cid, const ConsensusOp *op, Str *value) {
        size_t size = pin_parts(op->body, op->size).own;

        return state_pinset_get_bytes(pinset, cid, value) > 0 &&
               pin_parts(value->data, value->len).own == size && memcmp(value->data, op->body, size) == 0;
}

/* Of an operation on a condition the pinset says whether it was carried out, or what came after it in the
 * same turn, which is told next. */
static bool was_done(StatePinset *pinset, const ConsensusOp *op, const Cid *cid) {
        _cleanup_(str_done) Str value = {};

        if (op->kind == CONSENSUS_UNPIN)
                return state_pinset_has(pinset, cid) == 0;
        return is_there(pinset, cid, op, &value);
}

typedef struct Telling {
        StatePinset *pinset;
        uint64_t index;
        const ConsensusEvents *events;
        void *userdata;
} Telling;

static void tell(const Telling *telling, const ConsensusOp *op, const Cid *cid) {
        telling->events->applied(telling->index, op, cid, telling->userdata);
}

/* Answers whether the pin is gone. */
static bool tell_if_gone(const Telling *telling, const Cid *cid) {
        const ConsensusOp unpin = { CONSENSUS_UNPIN, cid->bytes, cid->size };

        if (state_pinset_has(telling->pinset, cid) != 0)
                return false;
        tell(telling, &unpin, cid);
        return true;
}

/* The pin that is there is the one that came with the request, or it is another one that was there before or
 * is told next. */
static bool tell_if_made(const Telling *telling, const ConsensusOp *pin, const Cid *cid) {
        _cleanup_(str_done) Str value = {};
        ConsensusOp made = { .kind = CONSENSUS_PIN };

        if (!is_there(telling->pinset, cid, pin, &value))
                return false;
        made.body = value.data;
        made.size = value.len;
        tell(telling, &made, cid);
        return true;
}

static void tell_request(const Telling *telling, const ConsensusOp *op, const Cid *cid) {
        ConsensusOp pin;
        PinRequestId id;
        bool is_told;

        if (consensus_entry_request(op, &id, &pin) < 0)
                return;
        if (op->kind == CONSENSUS_REQUEST_PUT)
                is_told = tell_if_made(telling, &pin, cid);
        else
                is_told = tell_if_gone(telling, cid);
        if (!is_told)
                tell(telling, op, cid);
        if (op->kind == CONSENSUS_REQUEST_PUT && cid_is_defined(&id.cid) && !cid_equal(&id.cid, cid))
                (void) tell_if_gone(telling, &id.cid);
}

static void tell_op(const Telling *telling, const ConsensusOp *op) {
        const uint8_t *condition;
        ConsensusOp bare;
        Cid cid = {};

        if (consensus_entry_strip(op, &bare, &condition) < 0)
                return;
        (void) consensus_entry_key(&bare, &cid); /* undefined for what is about no CID */
        if (bare.kind == CONSENSUS_REQUEST_PUT || bare.kind == CONSENSUS_REQUEST_REMOVE)
                tell_request(telling, &bare, &cid);
        else if (!condition || was_done(telling->pinset, &bare, &cid))
                tell(telling, &bare, &cid);
}

void consensus_fsm_tell(
                StatePinset *pinset,
                const ConsensusEntry *entry,
                const ConsensusEvents *events,
                void *userdata) {
        const Telling telling = { pinset, entry->index, events, userdata };
        ConsensusEntryReader reader;
        ConsensusOp op;

        if (!events->applied ||
            consensus_entry_open(&reader, entry->payload->bytes, entry->payload->size) != 0)
                return;

        while (consensus_entry_next(&reader, &op) == 1)
                tell_op(&telling, &op);
}
