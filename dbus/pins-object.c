/* The methods about pins: the pinset, statuses, and what changes them. */

#include <string.h>

#include "daemon/base/variant.h"
#include "daemon/types/multiaddr.h"
#include "daemon/types/pin.h"
#include "dbus/internal.h"

/* ---- arguments. What has the wrong type was refused before: the vtable knows the signatures. */

static int read_cid(const char *text, const char *name, Cid *ret, Error *reterr) {
        const char *why = NULL;
        int r;

        r = cid_parse(text, ret, &why);
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: '%.128s' is no CID: invalid cid: %s",
                                name,
                                text,
                                why ? why : "it cannot be read");
        return 0;
}

static int lost_message(int r, Error *reterr) {
        return error_set_errno(reterr, r, "the arguments cannot be read: %m");
}

static int parse_text(BusCall *call, Error *reterr) {
        int r;

        r = sd_bus_message_read(call->message, "s", &call->text);
        return r < 0 ? lost_message(r, reterr) : 0;
}

int bus_parse_text(BusCall *call, Error *reterr) {
        return parse_text(call, reterr);
}

int bus_parse_flag(BusCall *call, Error *reterr) {
        int flag, r;

        r = sd_bus_message_read(call->message, "b", &flag);
        if (r < 0)
                return lost_message(r, reterr);
        call->flag = flag;
        return 0;
}

int bus_parse_text_flag(BusCall *call, Error *reterr) {
        int r;

        r = parse_text(call, reterr);
        return r < 0 ? r : bus_parse_flag(call, reterr);
}

int bus_parse_cid(BusCall *call, Error *reterr) {
        int r;

        r = parse_text(call, reterr);
        return r < 0 ? r : read_cid(call->text, "cid", &call->pin.cid, reterr);
}

int bus_parse_cid_flag(BusCall *call, Error *reterr) {
        int r;

        r = bus_parse_cid(call, reterr);
        return r < 0 ? r : bus_parse_flag(call, reterr);
}

static int append_cid(BusCall *call, const char *text, Error *reterr) {
        int r;

        if (call->n_cids >= CLUSTER_CIDS_MAX)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "cids: at most %d CIDs are allowed",
                                CLUSTER_CIDS_MAX);
        if ((call->n_cids & (call->n_cids - 1)) == 0) { /* there is room for powers of two */
                size_t n = MAX(2 * call->n_cids, (size_t) 1);
                Cid *cids = reallocarray(call->cids, n, sizeof(Cid));

                if (!cids)
                        return error_set_errno(reterr, -ENOMEM, "cids: %m");
                call->cids = cids;
        }
        r = read_cid(text, "cids", &call->cids[call->n_cids], reterr);
        if (r >= 0)
                call->n_cids++;
        return r;
}

int bus_parse_cids_flag(BusCall *call, Error *reterr) {
        const char *text;
        int r;

        r = sd_bus_message_enter_container(call->message, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(call->message, "s", &text)) > 0) {
                r = append_cid(call, text, reterr);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(call->message);
        if (r < 0)
                return lost_message(r, reterr);
        if (call->n_cids == 0)
                return error_set(reterr, ERROR_INVALID, "cids: there is none, expected at least one");
        return bus_parse_flag(call, reterr);
}

int bus_parse_page(BusCall *call, Error *reterr) {
        int r;

        r = parse_text(call, reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_read(call->message, "u", &call->limit);
        if (r < 0)
                return lost_message(r, reterr);
        if (call->limit == 0 || call->limit > BUS_PAGE_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "limit: %u is not allowed, expected 1 to %u",
                                call->limit,
                                BUS_PAGE_MAX);
        return 0;
}

/* ---- pin options */

static int check_origins(const StrList *origins, Error *reterr) {
        PeerId peer;

        if (origins->n > PIN_ORIGINS_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "origins: %zu are given, at most %d are allowed",
                                origins->n,
                                PIN_ORIGINS_MAX);
        for (size_t i = 0; i < origins->n; i++)
                if (multiaddr_peer_id(origins->items[i], &peer) <= 0)
                        return error_set(
                                        reterr,
                                        ERROR_INVALID,
                                        "origins: '%.128s' has no peer ID, expected /…/p2p/<id>",
                                        origins->items[i]);
        return 0;
}

static int check_options(const Pin *pin, Error *reterr) {
        if (pin->name && strlen(pin->name) > PIN_NAME_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "parameter name is longer than %d bytes",
                                PIN_NAME_MAX);
        if (pin->metadata.n > PIN_METADATA_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "metadata has more than %d entries",
                                PIN_METADATA_MAX);
        return check_origins(&pin->origins, reterr);
}

static int read_options(BusCall *call, Error *reterr) {
        Pin *pin = &call->pin;
        JsonProblem problem;
        int r;

        pin->metadata.is_set = true; /* as the REST API answers */
        r = variant_read(call->message, &pin_options_shape, pin, /* strict= */ true, &problem);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "options: %m");
        if (r == -ENOENT)
                return error_set(reterr, ERROR_INVALID, "options: '%s' is not known", problem.field);
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "options: %s: %s is not allowed, expected %s",
                                problem.field,
                                *problem.value ? problem.value : "this",
                                problem.expected);

        pin->type = PIN_TYPE_DATA;
        pin->max_depth = pin->mode == PIN_MODE_DIRECT ? PIN_DEPTH_DIRECT : PIN_DEPTH_RECURSIVE;
        return check_options(pin, reterr);
}

/* A CID, or a path that is resolved later: then call->text stays. */
static int read_target(BusCall *call, Error *reterr) {
        const char *text;
        int r;

        r = sd_bus_message_read(call->message, "s", &text);
        if (r < 0)
                return lost_message(r, reterr);
        call->text = *text == '/' ? text : NULL;
        return call->text ? 0 : read_cid(text, "cid", &call->pin.cid, reterr);
}

int bus_parse_unpin(BusCall *call, Error *reterr) {
        return read_target(call, reterr);
}

int bus_parse_pin(BusCall *call, Error *reterr) {
        int r;

        r = read_target(call, reterr);
        return r < 0 ? r : read_options(call, reterr);
}

int bus_parse_update(BusCall *call, Error *reterr) {
        const char *text;
        Cid from;
        int r;

        r = sd_bus_message_read(call->message, "s", &text);
        if (r < 0)
                return lost_message(r, reterr);
        r = read_cid(text, "from", &from, reterr);
        if (r >= 0)
                r = bus_parse_pin(call, reterr);
        if (r < 0)
                return r;
        if (cid_is_defined(&call->pin.pin_update))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "options: pin_update is not allowed, expected what to update in 'from' alone");
        call->pin.pin_update = from;
        return 0;
}

/* ---- answers */

/* The question is on its way, or it could not be asked. */
static void asked(BusCall *call, int r) {
        if (r < 0)
                bus_call_fail(call, r, NULL);
}

void bus_pin(BusCall *call) {
        asked(call,
              cluster_pin(call->bus->cluster, &call->asked, &call->pin, call->text, bus_call_on_pin, call));
}

void bus_unpin(BusCall *call) {
        asked(call,
              cluster_unpin(call->bus->cluster,
                            &call->asked,
                            &call->pin.cid,
                            call->text,
                            bus_call_on_pin,
                            call));
}

void bus_get_pin(BusCall *call) {
        Pin pin = {};
        int r;

        r = cluster_pin_get(call->bus->cluster, &call->pin.cid, &pin);
        if (r > 0)
                bus_call_reply_dict(call, &pin_shape, &pin);
        else if (r < 0)
                bus_call_fail(call, r, NULL);
        else
                bus_call_fail(call,
                              -ENOENT,
                              &(Error){ .code = ERROR_NOT_FOUND,
                                        .message = (char *) "pin is not part of the pinset" });
        pin_done(&pin);
}

void bus_get_status(BusCall *call) {
        asked(call,
              cluster_status(call->bus->cluster,
                             &call->asked,
                             &call->pin.cid,
                             call->flag,
                             bus_call_on_status,
                             call));
}

void bus_sync(BusCall *call) {
        asked(call,
              cluster_sync(call->bus->cluster, &call->asked, &call->pin.cid, bus_call_on_status, call));
}

void bus_recover(BusCall *call) {
        asked(call,
              cluster_recover(call->bus->cluster,
                              &call->asked,
                              &call->pin.cid,
                              call->flag,
                              bus_call_on_status,
                              call));
}

/* ---- lists */

static void listed(BusCall *call, int r, ClusterList *list, const Error *error) {
        if (r < 0)
                bus_call_fail(call, r, error);
        else
                bus_pipe_start(call, list);
}

void bus_stream_pins(BusCall *call) {
        PinType filter = pin_type_filter(call->text);
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        if (filter & PIN_TYPE_BAD)
                r = error_set(&error,
                              ERROR_INVALID,
                              "filter: '%.128s' is not allowed, expected a comma list of pin types",
                              call->text);
        else
                r = cluster_list_pins(call->bus->cluster, &list, filter, &error);
        listed(call, r, list, &error);
}

void bus_stream_status(BusCall *call) {
        ClusterStatusQuery query = { .local = call->flag, .filter = pin_status_filter(call->text) };
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        if (*call->text && query.filter == 0)
                r = error_set(&error,
                              ERROR_INVALID,
                              "filter: '%.128s' is not allowed, expected a comma list of statuses",
                              call->text);
        else
                r = cluster_list_statuses(call->bus->cluster, &list, &query, &error);
        listed(call, r, list, &error);
}

void bus_stream_status_of(BusCall *call) {
        ClusterStatusQuery query = { .local = call->flag, .cids = call->cids, .n_cids = call->n_cids };
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        r = cluster_list_statuses(call->bus->cluster, &list, &query, &error);
        listed(call, r, list, &error);
}

void bus_sync_all(BusCall *call) {
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        r = cluster_list_sync(call->bus->cluster, &list, &error);
        listed(call, r, list, &error);
}

void bus_recover_all(BusCall *call) {
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        r = cluster_list_recover(call->bus->cluster, &list, call->flag, &error);
        listed(call, r, list, &error);
}
