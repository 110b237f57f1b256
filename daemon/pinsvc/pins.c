/* One pinning request: made, told of, replaced, removed. */

#include "daemon/cluster/request.h"
#include "daemon/pinsvc/body.h"
#include "daemon/pinsvc/routes.h"
#include "daemon/rest/reply.h"

/* ---- what is told of one */

static int write_found(
                Cluster *cluster, const Pin *pin, const PinsvcRequest *found, PinsvcState *state, Str *to) {
        _cleanup_(str_list_done) StrList delegates = {};
        int r;

        r = cluster_ipfs_addresses(cluster, &pin->allocations, &delegates);
        if (r < 0)
                return r;
        state->delegates = &delegates;
        r = pinsvc_request_write(found, state, to);
        return r < 0 ? r : 1;
}

int pinsvc_write_status(
                Cluster *cluster,
                const PinRequestId *id,
                PinsvcStatus status,
                const char *details,
                Str *to) {
        PinsvcState state = { .status = status, .details = details };
        _cleanup_(pin_done) Pin pin = {};
        PinsvcRequest found;
        int r;

        r = cluster_pin_get(cluster, &id->cid, &pin);
        if (r <= 0)
                return r;
        if (!pinsvc_request_find(&pin, id, &found))
                return 0;
        return write_found(cluster, &pin, &found, &state, to);
}

static void reply_not_found(RestRequest *request, const PinRequestId *id) {
        char text[PIN_REQUEST_ID_TEXT_MAX];

        rest_reply_failure(
                        request,
                        ERROR_NOT_FOUND,
                        "requestid: there is no pinning request '%s'",
                        pin_request_id_format(id, text));
}

static void reply_status(
                RestRequest *request,
                unsigned http_status,
                const PinRequestId *id,
                PinsvcStatus status,
                const char *details) {
        Str body = {};
        int r;

        r = pinsvc_write_status(request->api->cluster, id, status, details, &body);
        if (r > 0) {
                rest_reply_text(request, http_status, &body);
                return;
        }
        str_done(&body);
        if (r < 0)
                rest_reply_error(request, r, NULL);
        else
                reply_not_found(request, id);
}

/* ---- which one: the first segment of the path; kept as the request's state */

static const PinRequestId *kept_id(const RestRequest *request) {
        return request->state;
}

/* Answers 0 after the client was told what is wrong. */
static bool keep_id(RestRequest *request) {
        PinRequestId *id = calloc(1, sizeof(PinRequestId));

        request->state = id;
        request->free_state = free;
        if (!id) {
                rest_reply_error(request, -ENOMEM, NULL);
                return false;
        }
        if (pin_request_id_parse(request->segments[0], id) < 0) {
                rest_reply_failure(
                                request,
                                ERROR_INVALID,
                                "requestid: '%s' is not allowed, expected one that POST /pins answered, or a CID",
                                request->segments[0]);
                return false;
        }
        return true;
}

/* The cluster does not say which one it has not found. */
static void reply_failure(RestRequest *request, int r, const Error *error) {
        if (error && error->code == ERROR_NOT_FOUND && kept_id(request))
                reply_not_found(request, kept_id(request));
        else
                rest_reply_error(request, r, error);
}

/* ---- GET */

static void on_status(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const GlobalPinInfo *info,
                void *userdata) {
        RestRequest *request = userdata;
        _cleanup_(pin_done) Pin pin = {};
        PinsvcStatus status;

        if (r >= 0)
                r = cluster_pin_get(request->api->cluster, &kept_id(request)->cid, &pin);
        if (r < 0) {
                rest_reply_error(request, r, error);
                return;
        }
        if (r == 0) {
                reply_not_found(request, kept_id(request));
                return;
        }
        status = pinsvc_status_of(&pin, info);
        reply_status(request,
                     200,
                     kept_id(request),
                     status,
                     status == PINSVC_STATUS_FAILED ? pinsvc_status_why(info) : NULL);
}

/* Is the request there? */
static int look_up(Cluster *cluster, const PinRequestId *id) {
        _cleanup_(pin_done) Pin pin = {};
        PinsvcRequest found;
        int r;

        r = cluster_pin_get(cluster, &id->cid, &pin);
        return r <= 0 ? r : pinsvc_request_find(&pin, id, &found);
}

void pinsvc_get_pin(RestRequest *request) {
        Cluster *cluster = request->api->cluster;
        const PinRequestId *id;
        int r;

        if (!keep_id(request))
                return;
        id = kept_id(request);
        r = look_up(cluster, id);
        if (r == 0) {
                reply_not_found(request, id);
                return;
        }
        if (r > 0)
                r = cluster_status(
                                cluster, &request->call, &id->cid, /* local= */ false, on_status, request);
        if (r < 0)
                rest_reply_error(request, r, NULL);
}

/* ---- POST: a new one; or one in the place of another */

/* Nobody was asked how far it is: it waits, as far as the client need know. */
static void on_put(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const PinRequestId *id,
                const GlobalPinInfo *info _unused_,
                void *userdata) {
        if (r < 0)
                reply_failure(userdata, r, error);
        else
                reply_status(userdata, 202, id, PINSVC_STATUS_QUEUED, NULL);
}

static void on_body(RestRequest *request) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(pin_done) Pin pin = {};
        int r;

        r = pinsvc_body_read(request->body.data ? request->body.data : "", request->body.len, &pin, &error);
        if (r >= 0)
                r = cluster_request_put(
                                request->api->cluster,
                                &request->call,
                                &pin,
                                kept_id(request),
                                on_put,
                                request);
        if (r < 0)
                rest_reply_error(request, r, &error);
}

void pinsvc_post_pins(RestRequest *request) {
        rest_request_read_body(request, on_body);
}

void pinsvc_post_pin(RestRequest *request) {
        if (keep_id(request))
                rest_request_read_body(request, on_body);
}

/* ---- DELETE */

static void on_removed(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const PinRequestId *id _unused_,
                const GlobalPinInfo *info _unused_,
                void *userdata) {
        if (r < 0)
                reply_failure(userdata, r, error);
        else
                rest_reply_empty(userdata, 202);
}

void pinsvc_delete_pin(RestRequest *request) {
        int r;

        if (!keep_id(request))
                return;
        r = cluster_request_remove(
                        request->api->cluster, &request->call, kept_id(request), on_removed, request);
        if (r < 0)
                rest_reply_error(request, r, NULL);
}
