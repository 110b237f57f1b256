#include "daemon/pinsvc/request.h"

#include "daemon/base/hash.h"
#include "daemon/base/time.h"

#define SOURCE "IPFS Cluster"

/* ---- which a pin shows */

static size_t count_plain(const Pin *pin) {
        return pin->requests_only ? 0 : 1;
}

size_t pinsvc_request_count(const Pin *pin) {
        return pin->type == PIN_TYPE_DATA ? count_plain(pin) + pin->requests.n : 0;
}

static void show_plain(const Pin *pin, PinsvcRequest *ret) {
        uint32_t fraction = hash_crc32c(0, pin->cid.bytes, pin->cid.size) % USEC_PER_SEC;

        *ret = (PinsvcRequest){
                .id = { .cid = pin->cid, .is_plain = true },
                .created = pin->timestamp - pin->timestamp % USEC_PER_SEC + fraction,
                .name = pin->name,
                .meta = &pin->metadata,
                .origins = &pin->origins,
        };
}

static void show(const Pin *pin, const PinRequest *request, PinsvcRequest *ret) {
        *ret = (PinsvcRequest){
                .id = { .cid = pin->cid, .created = request->created, .random = request->random },
                .created = request->created,
                .name = request->name,
                .meta = &request->meta,
                .origins = &request->origins,
        };
}

void pinsvc_request_at(const Pin *pin, size_t i, PinsvcRequest *ret) {
        if (i < count_plain(pin))
                show_plain(pin, ret);
        else
                show(pin, &pin->requests.items[i - count_plain(pin)], ret);
}

bool pinsvc_request_find(const Pin *pin, const PinRequestId *id, PinsvcRequest *ret) {
        const PinRequest *request;

        if (pinsvc_request_count(pin) == 0 || (id->is_plain && pin->requests_only))
                return false;
        if (id->is_plain) {
                show_plain(pin, ret);
                return true;
        }
        request = pin_request_list_find(&pin->requests, id);
        if (request)
                show(pin, request, ret);
        return request;
}

/* ---- the object */

static void write_map(const StrMap *map, Str *to) {
        for (size_t i = 0; i < map->n; i++) {
                (void) str_append_char(to, i > 0 ? ',' : '{');
                (void) json_write_string(to, map->items[i].key);
                (void) str_append_char(to, ':');
                (void) json_write_string(to, map->items[i].value);
        }
        (void) str_append_char(to, '}');
}

static void write_pin(const PinsvcRequest *request, Str *to) {
        (void) str_append(to, "{\"cid\":");
        (void) cid_json.write(&request->id.cid, to);
        if (!str_is_empty(request->name)) {
                (void) str_append(to, ",\"name\":");
                (void) json_write_string(to, request->name);
        }
        if (request->origins->n > 0) {
                (void) str_append(to, ",\"origins\":");
                (void) json_write_strings(to, request->origins);
        }
        if (request->meta->n > 0) {
                (void) str_append(to, ",\"meta\":");
                write_map(request->meta, to);
        }
        (void) str_append_char(to, '}');
}

static void write_delegates(const StrList *delegates, Str *to) {
        (void) str_append_char(to, '[');
        for (size_t i = 0; i < MIN(delegates->n, (size_t) PINSVC_DELEGATES_MAX); i++) {
                (void) str_append(to, i > 0 ? "," : "");
                (void) json_write_string(to, delegates->items[i]);
        }
        (void) str_append_char(to, ']');
}

static void write_info(const PinsvcState *state, Str *to) {
        (void) str_append(to, "{\"source\":\"" SOURCE "\"");
        if (!str_is_empty(state->details)) {
                (void) str_append(to, ",\"status_details\":");
                (void) json_write_string_n(
                                to, state->details, str_utf8_cut(state->details, PINSVC_DETAILS_MAX));
        }
        (void) str_append_char(to, '}');
}

int pinsvc_request_write(const PinsvcRequest *request, const PinsvcState *state, Str *to) {
        char id[PIN_REQUEST_ID_TEXT_MAX], created[TIME_TEXT_MAX];

        (void) str_append(to, "{\"requestid\":");
        (void) json_write_string(to, pin_request_id_format(&request->id, id));
        (void) str_appendf(
                        to,
                        ",\"status\":\"%s\",\"created\":\"%s\",\"pin\":",
                        pinsvc_status_to_string(state->status),
                        time_format_utc(request->created, created));
        write_pin(request, to);
        (void) str_append(to, ",\"delegates\":");
        write_delegates(state->delegates, to);
        (void) str_append(to, ",\"info\":");
        write_info(state, to);
        return str_append_char(to, '}');
}
