#include "daemon/pinsvc/body.h"

#include <stdio.h>

#include "daemon/pinsvc/query.h"

static const JsonField body_fields[] = {
        { "cid", JSON_TYPE, offsetof(Pin, cid), JSON_REQUIRED, .type = &cid_json },
        { "name", JSON_STRING, offsetof(Pin, name) },
        { "origins", JSON_TYPE, offsetof(Pin, origins), .type = &multiaddr_list_json },
        { "meta", JSON_MAP, offsetof(Pin, metadata) },
        JSON_END,
};

static const JsonShape body_shape = { .name = "pin", .size = sizeof(Pin), .fields = body_fields };

static int refuse(const JsonProblem *problem, Error *reterr) {
        if (problem->field[0] == '\0')
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "the body: %s is not allowed, expected %s",
                                problem->value[0] ? problem->value : "nothing",
                                problem->expected);
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "%s: %s is not allowed, expected %s",
                        problem->field,
                        problem->value[0] ? problem->value : "nothing",
                        problem->expected);
}

static int check_name(const Pin *pin, Error *reterr) {
        size_t n = pin->name ? pinsvc_query_characters(pin->name) : 0;

        if (n <= PINSVC_NAME_MAX)
                return 0;
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "name: %zu characters are not allowed, expected at most %d",
                        n,
                        PINSVC_NAME_MAX);
}

/* Nobody can be dialled without being known. */
static int check_origins(const Pin *pin, Error *reterr) {
        for (size_t i = 0; i < pin->origins.n; i++) {
                PeerId peer;

                if (multiaddr_peer_id(pin->origins.items[i], &peer) == 0)
                        return error_set(
                                        reterr,
                                        ERROR_INVALID,
                                        "origins[%zu]: '%s' is not allowed, expected a multiaddr with /p2p/",
                                        i,
                                        pin->origins.items[i]);
        }
        return 0;
}

static int check_meta(const Pin *pin, Error *reterr) {
        if (pin->metadata.n <= PIN_METADATA_MAX)
                return 0;
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "meta: %zu keys are not allowed, expected at most %d",
                        pin->metadata.n,
                        PIN_METADATA_MAX);
}

static void cut_origins(StrList *origins) {
        while (origins->n > PIN_ORIGINS_MAX) {
                free(origins->items[--origins->n]);
                origins->items[origins->n] = NULL;
        }
}

static int read_pin(const char *text, size_t n, Pin *pin, Error *reterr) {
        JsonProblem problem = {};
        int r;

        r = json_read_text(&body_shape, text, n, pin, &problem);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "the body could not be read: %m");
        if (r < 0)
                return refuse(&problem, reterr);

        r = check_name(pin, reterr);
        if (r >= 0)
                r = check_origins(pin, reterr);
        return r < 0 ? r : check_meta(pin, reterr);
}

int pinsvc_body_read(const char *text, size_t n, Pin *ret, Error *reterr) {
        _cleanup_(pin_done) Pin pin = {};
        int r;

        r = read_pin(text, n, &pin, reterr);
        if (r < 0)
                return r;
        cut_origins(&pin.origins);
        pin.type = PIN_TYPE_DATA;
        pin.mode = PIN_MODE_RECURSIVE;
        pin.max_depth = PIN_DEPTH_RECURSIVE;
        *ret = pin;
        pin = (Pin){};
        return 0;
}
