#include "daemon/types/pin.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/macro.h"

/* ---- names */

static const struct {
        const char *name;
        PinType type;
} pin_types[] = {
        { "pin", PIN_TYPE_DATA },
        { "meta-pin", PIN_TYPE_META },
        { "clusterdag-pin", PIN_TYPE_CLUSTER_DAG },
        { "shard-pin", PIN_TYPE_SHARD },
        { "all", PIN_TYPE_ALL },
        { "bad-type", PIN_TYPE_BAD },
};

static const char *const pin_modes[_PIN_MODE_N] = {
        [PIN_MODE_RECURSIVE] = "recursive",
        [PIN_MODE_DIRECT] = "direct",
};

const char *pin_type_to_string(PinType type) {
        for (size_t i = 0; i < ELEMENTSOF(pin_types); i++)
                if (pin_types[i].type == type)
                        return pin_types[i].name;
        return "bad-type";
}

static PinType pin_type_from_string_n(const char *text, size_t n) {
        if (n == 0)
                return PIN_TYPE_ALL;

        for (size_t i = 0; i < ELEMENTSOF(pin_types); i++)
                if (str_equal_n(pin_types[i].name, text, n))
                        return pin_types[i].type;
        return PIN_TYPE_BAD;
}

PinType pin_type_from_string(const char *text) {
        return pin_type_from_string_n(text, strlen(text));
}

PinType pin_type_filter(const char *text) {
        PinType filter = 0;
        size_t n;

        do {
                n = strcspn(text, ",");
                filter |= pin_type_from_string_n(text, n);
                text += n;
        } while (*text++ == ',');

        return filter;
}

const char *pin_mode_to_string(PinMode mode) {
        assert(mode >= 0 && mode < _PIN_MODE_N);

        return pin_modes[mode];
}

PinMode pin_mode_from_string(const char *text) {
        return !strcmp(text, pin_modes[PIN_MODE_DIRECT]) ? PIN_MODE_DIRECT : PIN_MODE_RECURSIVE;
}

/* ---- the value */

void pin_done(Pin *pin) {
        free(pin->name);
        peer_id_list_done(&pin->user_allocations);
        str_map_done(&pin->metadata);
        str_list_done(&pin->origins);
        peer_id_list_done(&pin->allocations);
        pin_request_list_done(&pin->requests);
        *pin = (Pin){};
}

int pin_copy(Pin *to, const Pin *from) {
        _cleanup_(pin_done) Pin copy = *from;
        int r;

        copy.name = NULL;
        copy.user_allocations = (PeerIdList){};
        copy.metadata = (StrMap){};
        copy.origins = (StrList){};
        copy.allocations = (PeerIdList){};
        copy.requests = (PinRequestList){};

        if ((r = str_copy(&copy.name, from->name)) < 0 ||
            (r = peer_id_list_copy(&copy.user_allocations, &from->user_allocations)) < 0 ||
            (r = str_map_copy(&copy.metadata, &from->metadata)) < 0 ||
            (r = str_list_copy(&copy.origins, &from->origins)) < 0 ||
            (r = peer_id_list_copy(&copy.allocations, &from->allocations)) < 0 ||
            (r = pin_request_list_copy(&copy.requests, &from->requests)) < 0)
                return r;

        pin_done(to);
        *to = copy;
        copy = (Pin){};
        return 0;
}

static bool pin_equal_name(const char *a, const char *b) {
        return !strcmp(a ? a : "", b ? b : "");
}

static bool pin_equal_options(const Pin *a, const Pin *b) {
        return a->replication_factor_min == b->replication_factor_min &&
               a->replication_factor_max == b->replication_factor_max && pin_equal_name(a->name, b->name) &&
               a->shard_size == b->shard_size &&
               a->expire_at / USEC_PER_SEC == b->expire_at / USEC_PER_SEC &&
               str_map_equal(&a->metadata, &b->metadata) && cid_equal(&a->pin_update, &b->pin_update) &&
               str_list_equal(&a->origins, &b->origins);
}

bool pin_equal(const Pin *a, const Pin *b) {
        return cid_equal(&a->cid, &b->cid) && a->type == b->type && a->max_depth == b->max_depth &&
               cid_equal(&a->reference, &b->reference) &&
               a->timestamp / USEC_PER_SEC == b->timestamp / USEC_PER_SEC &&
               peer_id_list_equal(&a->allocations, &b->allocations) && pin_equal_options(a, b) &&
               pin_request_list_equal(&a->requests, &b->requests) && a->requests_only == b->requests_only;
}

/* ---- JSON */

static int pin_mode_read(json_object *from, void *member) {
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        *(int *) member = pin_mode_from_string(json_object_get_string(from));
        return 0;
}

static int pin_mode_write(const void *member, Str *to) {
        return json_write_string(to, pin_mode_to_string((PinMode) * (const int *) member));
}

static const JsonType pin_mode_json = {
        .expected = "recursive or direct",
        .read = pin_mode_read,
        .write = pin_mode_write,
};

/* Exports of the Go program's versions 0.10 to 0.14 have the number. */
static int pin_type_read(json_object *from, void *member) {
        if (json_object_is_type(from, json_type_int)) {
                *(int *) member = pin_type_from_string(
                                pin_type_to_string((PinType) json_object_get_int(from)));
                return 0;
        }
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        *(int *) member = pin_type_from_string(json_object_get_string(from));
        return 0;
}

static int pin_type_write(const void *member, Str *to) {
        return json_write_string(to, pin_type_to_string((PinType) * (const int *) member));
}

static const JsonType pin_type_json = {
        .expected = "a pin type",
        .read = pin_type_read,
        .write = pin_type_write,
};

static const JsonField pin_fields[] = {
        { "replication_factor_min", JSON_INT, offsetof(Pin, replication_factor_min) },
        { "replication_factor_max", JSON_INT, offsetof(Pin, replication_factor_max) },
        { "name", JSON_STRING, offsetof(Pin, name) },
        { "mode", JSON_TYPE, offsetof(Pin, mode), .type = &pin_mode_json },
        { "shard_size", JSON_UINT, offsetof(Pin, shard_size) },
        { "user_allocations", JSON_TYPE, offsetof(Pin, user_allocations), .type = &peer_id_list_json },
        { "expire_at", JSON_TIME, offsetof(Pin, expire_at) },
        { "metadata", JSON_MAP, offsetof(Pin, metadata) },
        { "pin_update", JSON_TYPE, offsetof(Pin, pin_update), .type = &cid_json },
        { "origins", JSON_TYPE, offsetof(Pin, origins), .type = &multiaddr_list_json },
        { "cid", JSON_TYPE, offsetof(Pin, cid), JSON_REQUIRED, .type = &cid_json },
        { "type", JSON_TYPE, offsetof(Pin, type), .type = &pin_type_json },
        { "allocations", JSON_TYPE, offsetof(Pin, allocations), .type = &peer_id_list_json },
        { "max_depth", JSON_INT, offsetof(Pin, max_depth) },
        { "reference", JSON_TYPE, offsetof(Pin, reference), .type = &cid_json },
        { "timestamp", JSON_TIME, offsetof(Pin, timestamp) },
        { "requests", JSON_TYPE, offsetof(Pin, requests), JSON_OMIT_EMPTY, .type = &pin_request_list_json },
        { "requests_only", JSON_BOOL, offsetof(Pin, requests_only), JSON_OMIT_EMPTY },
        JSON_END,
};

static const char *const pin_option_modes[] = { "recursive", "direct", NULL };

static const JsonField pin_options_fields[] = {
        { "replication_factor_min", JSON_INT, offsetof(Pin, replication_factor_min) },
        { "replication_factor_max", JSON_INT, offsetof(Pin, replication_factor_max) },
        { "name", JSON_STRING, offsetof(Pin, name) },
        { "mode", JSON_ENUM, offsetof(Pin, mode), .names = pin_option_modes },
        { "shard_size", JSON_UINT, offsetof(Pin, shard_size) },
        { "user_allocations", JSON_TYPE, offsetof(Pin, user_allocations), .type = &peer_id_list_json },
        { "expire_at", JSON_TIME, offsetof(Pin, expire_at) },
        { "metadata", JSON_MAP, offsetof(Pin, metadata) },
        { "pin_update", JSON_TYPE, offsetof(Pin, pin_update), .type = &cid_json },
        { "origins", JSON_TYPE, offsetof(Pin, origins), .type = &multiaddr_list_json },
        JSON_END,
};

const JsonShape pin_options_shape = {
        .name = "pin options",
        .size = sizeof(Pin),
        .fields = pin_options_fields,
};

const JsonShape pin_shape = {
        .name = "pin",
        .size = sizeof(Pin),
        .fields = pin_fields,
};

/* ---- lines of a state export */

#define PIN_IMPORT_DEPTH_ABSENT INT64_MIN

static int pin_import_check(json_object *object, const Pin *pin, Error *reterr) {
        if (pin->type == PIN_TYPE_BAD || pin->type == PIN_TYPE_ALL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "type: %s is not allowed, expected pin, meta-pin, clusterdag-pin or shard-pin",
                                json_object_to_json_string(json_object_object_get(object, "type")));
        if (pin->max_depth < PIN_DEPTH_RECURSIVE)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "max_depth: %lld is not allowed, expected a number of -1 or above",
                                (long long) pin->max_depth);
        return 0;
}

static int pin_import_fill(json_object *object, Pin *pin, Error *reterr) {
        JsonProblem problem = {};
        int r;

        r = json_read(&pin_shape, object, pin, &problem);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "pin: %m");
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: %s is not allowed, expected %s",
                                problem.field,
                                *problem.value ? problem.value : "nothing",
                                problem.expected);

        if (pin->max_depth == PIN_IMPORT_DEPTH_ABSENT)
                pin->max_depth = pin->mode == PIN_MODE_DIRECT ? PIN_DEPTH_DIRECT : PIN_DEPTH_RECURSIVE;
        pin->mode = pin->max_depth == PIN_DEPTH_DIRECT ? PIN_MODE_DIRECT : PIN_MODE_RECURSIVE;
        pin->requests_only &= pin->requests.n > 0;
        peer_id_list_done(&pin->user_allocations);
        return pin_import_check(object, pin, reterr);
}

int pin_import_read(const char *line, size_t n, Pin *ret, Error *reterr) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        _cleanup_(pin_done) Pin pin = { .type = PIN_TYPE_DATA, .max_depth = PIN_IMPORT_DEPTH_ABSENT };
        int r;

        r = json_parse(line, n, &object, NULL);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "pin: %m");
        if (r < 0 || !json_object_is_type(object, json_type_object))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "expected one JSON object, a pin as 'state export' writes it");

        r = pin_import_fill(object, &pin, reterr);
        if (r < 0)
                return r;

        *ret = pin;
        pin = (Pin){};
        return 0;
}
