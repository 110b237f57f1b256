#include "daemon/state/requests.h"

#include "daemon/state/pinset-internal.h"

static int write_again(const Pin *pin, Str *bytes) {
        str_reset(bytes);
        return pin_write(pin, bytes);
}

/* ---- a pin by somebody else */

/* A request of PIN that is not there comes to those of WAS, if there is room for it. */
static int join_one(Pin *was, PinRequest *request, Str *bytes) {
        const PinRequestId id = { .created = request->created, .random = request->random };
        int r;

        if (pin_request_list_find(&was->requests, &id))
                return 0;
        r = pin_request_list_take(&was->requests, request);
        if (r >= 0)
                r = write_again(was, bytes);
        if (r == -E2BIG)
                (void) pin_request_list_remove(&was->requests, &id);
        return r == -E2BIG || r == -ENOSPC ? 0 : r;
}

static int join(Pin *pin, Pin *was, Str *bytes) {
        PinRequestList joined;
        int r = 0;

        for (size_t i = 0; i < pin->requests.n && r >= 0; i++)
                r = join_one(was, &pin->requests.items[i], bytes);

        joined = was->requests;
        was->requests = pin->requests;
        pin->requests = joined;
        pin->requests_only &= was->requests_only;
        return r < 0 ? r : write_again(pin, bytes);
}

static int merge_pins(const StateRecord *old, StateRecord *new, Str *merged) {
        _cleanup_(pin_done) Pin was = {}, pin = {};
        int r;

        r = pin_read(old->value, old->value_size, &was);
        if (r >= 0)
                r = pin_read(new->value, new->value_size, &pin);
        return r < 0 ? r : join(&pin, &was, merged);
}

/* Without "only", which is not true any more. */
static int keep_requests(const StateRecord *old, size_t requests, StateRecord *new, Str *merged) {
        (void) str_append_bytes(merged, new->value, new->value_size);
        return str_append_bytes(merged, (const char *) old->value + requests, old->value_size - requests);
}

/* Mostly there are no requests, or only there: that is a matter of bytes. */
static int merge(const StateRecord *old, StateRecord *new, Str *merged) {
        PinParts had = pin_parts(old->value, old->value_size),
                 brought = pin_parts(new->value, new->value_size);
        int r;

        if (brought.own < new->value_size)
                r = merge_pins(old, new, merged);
        else if (had.own < old->value_size)
                r = keep_requests(old, had.requests, new, merged);
        else
                return 0;

        new->value = merged->data;
        new->value_size = merged->len;
        return r;
}

int state_requests_pin(StatePinset *pinset, const Cid *key, const void *value, size_t size) {
        return state_pinset_merge(pinset, key, value, size, merge);
}

/* ---- requests */

bool state_requests_keep(const Pin *pin, const PinRequestId *id) {
        return id->is_plain ? !pin->requests_only : pin_request_list_find(&pin->requests, id) != NULL;
}

/* Whether anything keeps the pin after that. */
static bool let_go(Pin *pin, const PinRequestId *id) {
        if (id->is_plain)
                pin->requests_only = true;
        else
                (void) pin_request_list_remove(&pin->requests, id);
        return pin->requests.n > 0 || !pin->requests_only;
}

static int put(StatePinset *pinset, const Pin *pin) {
        _cleanup_(str_done) Str bytes = {};
        int r;

        r = pin_write(pin, &bytes);
        return r < 0 ? r : state_pinset_put(pinset, &pin->cid, bytes.data, bytes.len);
}

/* Answers 1 when ID keeps its pin, which is read. */
static int find(StatePinset *pinset, const PinRequestId *id, Pin *ret) {
        int r;

        r = state_pinset_get(pinset, &id->cid, ret);
        return r <= 0 ? r : state_requests_keep(ret, id);
}

int state_requests_remove(StatePinset *pinset, const PinRequestId *id) {
        _cleanup_(pin_done) Pin pin = {};
        int r;

        r = find(pinset, id, &pin);
        if (r <= 0)
                return r;
        r = let_go(&pin, id) ? put(pinset, &pin) : state_pinset_remove(pinset, &id->cid);
        return MIN(r, 0);
}

/* Answers 1 when the request is there then, 0 when there is no room for it. */
static int join_request(StatePinset *pinset, Pin *pin, PinRequest *request, const PinRequestId *replaces) {
        int r;

        if (cid_equal(&replaces->cid, &pin->cid))
                (void) let_go(pin, replaces);
        r = pin_request_list_take(&pin->requests, request);
        if (r >= 0)
                r = put(pinset, pin);
        if (r == -ENOSPC || r == -E2BIG)
                return 0;
        return r < 0 ? r : 1;
}

/* Answers 1 when what is to be replaced is there, or nothing is. */
static int may_replace(StatePinset *pinset, const PinRequestId *replaces) {
        Pin old = {};
        int r;

        if (!cid_is_defined(&replaces->cid))
                return 1;
        r = find(pinset, replaces, &old);
        pin_done(&old);
        return r;
}

int state_requests_put(
                StatePinset *pinset,
                const Cid *key,
                const void *value,
                size_t size,
                const PinRequestId *replaces) {
        _cleanup_(pin_done) Pin asked = {}, pin = {};
        PinRequestId own = {};
        int r, found;

        r = pin_read(value, size, &asked);
        if (r >= 0)
                r = found = state_pinset_get(pinset, key, &pin);
        if (r < 0 || asked.requests.n != 1)
                return r < 0 ? r : -EBADMSG;

        own.created = asked.requests.items[0].created;
        own.random = asked.requests.items[0].random;
        if (pin_request_list_find(&pin.requests, &own))
                return 0; /* repeated */
        r = may_replace(pinset, replaces);
        if (r <= 0)
                return r;

        if (found)
                r = join_request(pinset, &pin, &asked.requests.items[0], replaces);
        else
                r = state_pinset_put(pinset, key, value, size) ?: 1;
        if (r <= 0 || !cid_is_defined(&replaces->cid) || cid_equal(&replaces->cid, key))
                return MIN(r, 0);
        return state_requests_remove(pinset, replaces);
}
