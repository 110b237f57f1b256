#include "daemon/types/pin-import.h"

#include <json-c/json.h>

/* The numbers of PinType are those that the old exports carry. */
static int import_fix_type(json_object *object) {
        json_object *type = NULL;
        const char *name;
        int64_t number;

        if (!json_object_object_get_ex(object, "type", &type) || !json_object_is_type(type, json_type_int))
                return 0;
        number = json_object_get_int64(type);
        name = number >= PIN_TYPE_DATA && number <= PIN_TYPE_SHARD ? pin_type_to_string((PinType) number)
                                                                   : "bad-type";
        type = json_object_new_string(name);
        if (!type)
                return -ENOMEM;
        if (json_object_object_add(object, "type", type) < 0) {
                json_object_put(type);
                return -ENOMEM;
        }
        return 0;
}

static int import_check(const Pin *pin, Error *reterr) {
        if (!cid_is_defined(&pin->cid))
                return error_set(reterr, ERROR_INVALID, "cid: expected a CID, found none");
        if (pin->type == PIN_TYPE_BAD || pin->type == PIN_TYPE_ALL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "type: expected pin, meta-pin, clusterdag-pin or shard-pin");
        if (pin->max_depth < -1)
                return error_set(reterr, ERROR_INVALID, "max_depth: expected a number of -1 or above");
        return 0;
}

static int import_fill(json_object *object, Pin *pin, Error *reterr) {
        JsonProblem problem = {};
        json_object *depth = NULL;
        int r;

        r = json_read(&pin_shape, object, pin, &problem);
        if (r < 0)
                return r == -ENOMEM ? error_set_errno(reterr, r, "pin: %m")
                                    : error_set(reterr,
                                                ERROR_INVALID,
                                                "%s: %s is not allowed, expected %s",
                                                problem.field,
                                                *problem.value ? problem.value : "nothing",
                                                problem.expected);

        if (!json_object_object_get_ex(object, "max_depth", &depth) || !depth)
                pin->max_depth = pin->mode == PIN_MODE_DIRECT ? PIN_DEPTH_DIRECT : PIN_DEPTH_RECURSIVE;
        if (!json_object_object_get_ex(object, "type", &depth) || !depth)
                pin->type = PIN_TYPE_DATA;
        peer_id_list_done(&pin->user_allocations);
        return import_check(pin, reterr);
}

int pin_import_read(const char *line, size_t n, Pin *ret, Error *reterr) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        Pin pin = {};
        int r;

        r = json_parse(line, n, &object, NULL);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "pin: %m");
        if (r < 0 || !json_object_is_type(object, json_type_object))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "expected one JSON object, a pin as 'state export' writes it");

        r = import_fix_type(object);
        if (r < 0)
                return error_set_errno(reterr, r, "pin: %m");
        r = import_fill(object, &pin, reterr);
        if (r < 0) {
                pin_done(&pin);
                return r;
        }
        *ret = pin;
        return 0;
}
