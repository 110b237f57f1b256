#include "daemon/rest/request.h"

#include <string.h>

#include "daemon/base/time.h"
#include "daemon/rest/reply.h"
#include "daemon/types/pin-options.h"

RestRequest *rest_request_free(RestRequest *request) {
        if (!request)
                return NULL;
        list_remove(&request->link);
        cluster_call_unref(request->call);
        if (request->state)
                request->free_state(request->state);
        guard_unref(request->guard);
        str_done(&request->body);
        free(request->path);
        free(request);
        return NULL;
}

const char *rest_request_value(const RestRequest *request, const char *key) {
        const char *value = query_get(http_request_query(request->http), key);

        return value ? value : "";
}

bool rest_request_flag(const RestRequest *request, const char *key) {
        return strcmp(rest_request_value(request, key), "true") == 0;
}

/* ---- the body ---- */

static size_t body_feed(HttpRequest *http _unused_, const char *data, size_t n, void *userdata) {
        RestRequest *request = userdata;

        if (n > REST_BODY_MAX - request->body.len)
                rest_reply_failure(
                                request,
                                ERROR_TOO_BIG,
                                "the request body is larger than %d bytes",
                                REST_BODY_MAX);
        else if (str_append_bytes(&request->body, data, n) < 0)
                rest_reply_error(request, -ENOMEM, NULL);
        return n;
}

static void body_end(HttpRequest *http _unused_, void *userdata) {
        RestRequest *request = userdata;

        request->on_body(request);
}

void rest_request_read_body(RestRequest *request, void (*done)(RestRequest *request)) {
        static const HttpSink sink = { .feed = body_feed, .end = body_end };
        int r;

        request->on_body = done;
        r = http_request_receive(request->http, &sink, request);
        if (r < 0)
                rest_reply_error(request, r, NULL);
}

/* ---- what a request says ---- */

int rest_request_cid(RestRequest *request, size_t i, Cid *ret) {
        const char *why = NULL;
        int r;

        r = cid_parse(request->segments[i], ret, &why);
        if (r < 0)
                rest_reply_failure(request, ERROR_INVALID, "error decoding Cid: invalid cid: %s", why);
        return r;
}

int rest_request_parameters(const RestRequest *request, PinOption **ret, size_t *ret_n) {
        const Query *query = http_request_query(request->http);
        PinOption *parameters = calloc(query->n_parameters + 1, sizeof(PinOption));

        if (!parameters)
                return -ENOMEM;
        for (size_t i = 0; i < query->n_parameters; i++)
                parameters[i] = (PinOption){ query->parameters[i].key, query->parameters[i].value };
        *ret = parameters;
        *ret_n = query->n_parameters;
        return 0;
}

int rest_request_options(RestRequest *request, Pin *pin) {
        _cleanup_free_ PinOption *options = NULL;
        _cleanup_(error_done) Error error = {};
        size_t n;
        int r;

        r = rest_request_parameters(request, &options, &n);
        if (r >= 0)
                r = pin_options_read(pin, options, n, time_now(), &error);
        if (r < 0)
                rest_reply_error(request, r, &error);
        return r;
}
