/* Pins: the pinset (/allocations), statuses (/pins), and what changes them. */

#include <string.h>

#include "daemon/rest/import.h"
#include "daemon/rest/reply.h"
#include "daemon/rest/routes.h"

/* ---- answers of the cluster ---- */

static void on_pin(ClusterCall *call _unused_, int r, const Error *error, const Pin *pin, void *userdata) {
        if (r < 0)
                rest_reply_error(userdata, r, error);
        else
                rest_reply_json(userdata, &pin_shape, pin);
}

static void on_status(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const GlobalPinInfo *info,
                void *userdata) {
        if (r < 0)
                rest_reply_error(userdata, r, error);
        else
                rest_reply_json(userdata, &global_pin_info_shape, info);
}

/* The question is on its way, or the answer is that it could not be asked. */
static void asked(RestRequest *request, int r) {
        if (r < 0)
                rest_reply_error(request, r, NULL);
}

static void listed(RestRequest *request, int r, ClusterList *list, const Error *error) {
        if (r < 0)
                rest_reply_error(request, r, error);
        else
                rest_reply_list(request, list);
}

/* The CID of segment 0 and the options of the query, which are checked with every method (tests/golden/rest:
 * a GET with a bad option is 400). */
static int read_pin(RestRequest *request, Pin *pin) {
        int r;

        r = rest_request_cid(request, 0, &pin->cid);
        if (r < 0)
                return r;
        r = rest_request_options(request, pin);
        if (r < 0)
                pin_done(pin);
        else
                pin->type = PIN_TYPE_DATA;
        return r;
}

static int read_cid(RestRequest *request, Cid *ret) {
        Pin pin = {};
        int r;

        r = read_pin(request, &pin);
        if (r < 0)
                return r;
        *ret = pin.cid;
        pin_done(&pin);
        return 0;
}

/* ---- the pinset ---- */

void rest_get_allocations(RestRequest *request) {
        _cleanup_(error_done) Error error = {};
        PinType filter = pin_type_filter(rest_request_value(request, "filter"));
        ClusterList *list = NULL;
        int r;

        if (filter == PIN_TYPE_BAD) {
                rest_reply_failure(request, ERROR_INVALID, "invalid filter value");
                return;
        }
        r = cluster_list_pins(request->api->cluster, &list, filter, &error);
        listed(request, r, list, &error);
}

void rest_post_allocations(RestRequest *request) {
        rest_import_start(request);
}

void rest_get_allocation(RestRequest *request) {
        Pin pin = {};
        Cid cid;
        int r;

        if (read_cid(request, &cid) < 0)
                return;
        r = cluster_pin_get(request->api->cluster, &cid, &pin);
        if (r < 0)
                rest_reply_error(request, r, NULL);
        else if (r == 0)
                rest_reply_failure(request, ERROR_NOT_FOUND, "pin is not part of the pinset");
        else
                rest_reply_json(request, &pin_shape, &pin);
        pin_done(&pin);
}

/* CidArg of the 2017 program: cid, allocations, everywhere. */
static int write_cid_arg(const void *item, Str *to) {
        const Pin *pin = item;
        PeerIdList allocations = pin->allocations;

        allocations.is_set = true;
        (void) str_append(to, "{\"cid\":");
        (void) cid_json.write(&pin->cid, to);
        (void) str_append(to, ",\"allocations\":");
        (void) peer_id_list_json.write(&allocations, to);
        return str_append(to, pin_is_everywhere(pin) ? ",\"everywhere\":true}" : ",\"everywhere\":false}");
}

void rest_get_pinlist(RestRequest *request) {
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        r = cluster_list_pins(request->api->cluster, &list, PIN_TYPE_ALL, &error);
        if (r < 0)
                rest_reply_error(request, r, &error);
        else
                rest_reply_array(request, list, write_cid_arg);
}

/* ---- statuses ---- */

static size_t count_parts(const char *text) {
        size_t n = 1;

        for (; *text; text++)
                n += *text == ',';
        return n;
}

/* "cids" is a comma list; one bad CID, also an empty one, fails the whole question. */
static int read_cids(const char *text, Cid **ret, size_t *ret_n, Error *reterr) {
        _cleanup_free_ Cid *cids = NULL;
        size_t n = count_parts(text);

        cids = calloc(n, sizeof(Cid));
        if (!cids)
                return error_set_errno(reterr, -ENOMEM, "cids: %m");
        for (size_t i = 0; i < n; i++) {
                size_t length = strcspn(text, ",");
                const char *why = NULL;

                if (cid_parse_n(text, length, &cids[i], &why) < 0)
                        return error_set(reterr, ERROR_INVALID, "error decoding Cid: invalid cid: %s", why);
                text += length + 1;
        }
        *ret = TAKE_PTR(cids);
        *ret_n = n;
        return 0;
}

static int read_status_filter(const char *text, PinStatus *ret, Error *reterr) {
        *ret = pin_status_filter(text);
        if (*text && *ret == 0)
                return error_set(reterr, ERROR_INVALID, "invalid filter value");
        return 0;
}

void rest_get_pins(RestRequest *request) {
        ClusterStatusQuery query = { .local = rest_request_flag(request, "local") };
        const char *cids = rest_request_value(request, "cids");
        _cleanup_(error_done) Error error = {};
        _cleanup_free_ Cid *asked_for = NULL;
        ClusterList *list = NULL;
        int r;

        if (*cids)
                r = read_cids(cids, &asked_for, &query.n_cids, &error);
        else
                r = read_status_filter(rest_request_value(request, "filter"), &query.filter, &error);
        query.cids = asked_for;
        if (r >= 0)
                r = cluster_list_statuses(request->api->cluster, &list, &query, &error);
        listed(request, r, list, &error);
}

void rest_get_pin(RestRequest *request) {
        Cid cid;

        if (read_cid(request, &cid) < 0)
                return;
        asked(request,
              cluster_status(request->api->cluster,
                             &request->call,
                             &cid,
                             rest_request_flag(request, "local"),
                             on_status,
                             request));
}

void rest_post_sync(RestRequest *request) {
        Cid cid;

        if (rest_request_cid(request, 0, &cid) < 0)
                return;
        asked(request, cluster_sync(request->api->cluster, &request->call, &cid, on_status, request));
}

void rest_post_recover(RestRequest *request) {
        Cid cid;

        if (rest_request_cid(request, 0, &cid) < 0)
                return;
        asked(request,
              cluster_recover(request->api->cluster,
                              &request->call,
                              &cid,
                              rest_request_flag(request, "local"),
                              on_status,
                              request));
}

void rest_post_recover_all(RestRequest *request) {
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        r = cluster_list_recover(request->api->cluster, &list, rest_request_flag(request, "local"), &error);
        listed(request, r, list, &error);
}

static int write_status(const void *item, Str *to) {
        return json_write(&global_pin_info_shape, item, to);
}

void rest_post_sync_all(RestRequest *request) {
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        r = cluster_list_sync(request->api->cluster, &list, &error);
        if (r < 0)
                rest_reply_error(request, r, &error);
        else
                rest_reply_array(request, list, write_status);
}

/* ---- pin, unpin ---- */

void rest_post_pin(RestRequest *request) {
        Pin pin = {};
        int r;

        if (read_pin(request, &pin) < 0)
                return;
        r = cluster_pin(request->api->cluster, &request->call, &pin, NULL, on_pin, request);
        pin_done(&pin);
        asked(request, r);
}

void rest_delete_pin(RestRequest *request) {
        Cid cid;

        if (read_cid(request, &cid) < 0)
                return;
        asked(request, cluster_unpin(request->api->cluster, &request->call, &cid, NULL, on_pin, request));
}

void rest_post_pin_path(RestRequest *request) {
        Pin pin = {};
        int r;

        if (rest_request_options(request, &pin) < 0)
                return;
        pin.type = PIN_TYPE_DATA;
        r = cluster_pin(request->api->cluster, &request->call, &pin, request->rest, on_pin, request);
        pin_done(&pin);
        asked(request, r);
}

void rest_delete_pin_path(RestRequest *request) {
        static const Cid none;
        Pin pin = {};

        if (rest_request_options(request, &pin) < 0)
                return;
        pin_done(&pin);
        asked(request,
              cluster_unpin(request->api->cluster, &request->call, &none, request->rest, on_pin, request));
}
