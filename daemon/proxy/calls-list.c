/* pin/ls: of all pins or of some, as one object or one a line. */

#include <string.h>

#include "daemon/proxy/call.h"

/* ---- what is listed ---- */

static bool is_direct(const Pin *pin) {
        return pin->max_depth == PIN_DEPTH_DIRECT;
}

static bool is_wanted(const ProxyCall *call, const Pin *pin) {
        if (!(is_direct(pin) ? call->with_direct : call->with_recursive))
                return false;
        return !call->name || (pin->name && strstr(pin->name, call->name));
}

static void write_pin(ProxyCall *call, const Pin *pin) {
        const char *type = is_direct(pin) ? "direct" : "recursive";
        bool has_name = call->with_names && !str_is_empty(pin->name);
        Str *body = &call->body;
        char cid[CID_TEXT_MAX];

        (void) cid_format(&pin->cid, cid);
        if (call->is_stream)
                (void) str_appendf(body, "{\"Cid\":\"%s\",", cid);
        else
                (void) str_appendf(body, "%s\"%s\":{", call->n_items > 0 ? "," : "", cid);
        if (call->is_stream && has_name) {
                (void) str_append(body, "\"Name\":");
                (void) json_write_string(body, pin->name);
                (void) str_append_char(body, ',');
        }
        (void) str_appendf(body, "\"Type\":\"%s\"", type);
        if (!call->is_stream && call->with_names) {
                (void) str_append(body, ",\"Name\":");
                (void) json_write_string(body, pin->name ? pin->name : "");
        }
        (void) str_append(body, call->is_stream ? "}\n" : "}");
        call->n_items++;
}

static int write_end(ProxyCall *call, Error *reterr) {
        if (!call->is_stream)
                (void) str_append(&call->body, "}}");
        return str_error(&call->body) < 0 ? error_set_errno(reterr, -ENOMEM, "%m") : 0;
}

/* ---- all ---- */

static int more_of_all(ProxyCall *call, Error *reterr) {
        const void *item;
        int r;

        r = cluster_list_next(call->list, &item, reterr);
        if (r == 0)
                return write_end(call, reterr);
        if (r == 1 && is_wanted(call, item))
                write_pin(call, item);
        return r;
}

static void on_wake(void *userdata) {
        ProxyCall *call = userdata;

        if (call->is_waiting)
                proxy_client_go_on(call->client);
}

static void list_all(ProxyCall *call) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = cluster_list_pins(call->proxy->cluster, &call->list, PIN_TYPE_ALL, &error);
        if (r < 0) {
                proxy_call_fail_error(call, r, &error);
                return;
        }
        cluster_list_on_wake(call->list, on_wake, call);
        proxy_call_stream(call, more_of_all, call->is_stream);
}

/* ---- some ---- */

static int more_of_some(ProxyCall *call, Error *reterr) {
        const ProxyPath *path = call->paths + call->at;
        Pin pin = {};
        int r;

        if (call->at == call->n_paths)
                return write_end(call, reterr);
        r = cluster_pin_get(call->proxy->cluster, &path->cid, &pin);
        if (r < 0)
                return error_set_errno(reterr, r, "%m");
        if (r > 0 && is_wanted(call, &pin)) {
                write_pin(call, &pin);
                call->at++;
        } else
                r = error_set(reterr, ERROR_NOT_FOUND, "Error: path '%s' is not pinned", path->text);
        pin_done(&pin);
        return r;
}

static void list_some(ProxyCall *call) {
        proxy_call_stream(call, more_of_some, call->is_stream);
}

/* ---- options ---- */

static int read_type(ProxyCall *call) {
        const char *type = proxy_rule_value(&call->query, "type", "t");

        call->with_recursive = str_is_empty(type) || str_equal(type, "all") || str_equal(type, "recursive");
        call->with_direct = str_is_empty(type) || str_equal(type, "all") || str_equal(type, "direct");
        if (call->with_recursive || call->with_direct || str_equal(type, "indirect"))
                return 0;
        proxy_call_fail(call,
                        500,
                        "invalid type '%s', must be one of {direct, indirect, recursive, all}",
                        type);
        return -EINVAL;
}

static int read_flag(ProxyCall *call, const char *name, const char *short_name, bool *ret) {
        if (proxy_rule_flag(&call->query, name, short_name, false, ret) >= 0)
                return 0;
        proxy_call_fail(call,
                        400,
                        "could not convert value \"%s\" to type \"bool\" (for option \"-%s\")",
                        proxy_rule_value(&call->query, name, short_name),
                        name);
        return -EINVAL;
}

void proxy_pin_ls(ProxyCall *call) {
        if (read_type(call) < 0 || read_flag(call, "stream", "s", &call->is_stream) < 0 ||
            read_flag(call, "names", "n", &call->with_names) < 0 || proxy_call_read_paths(call, "") < 0)
                return;

        call->name = query_get(&call->query, "name");
        if (str_is_empty(call->name))
                call->name = NULL;
        call->with_names = call->with_names || call->name;
        if (!call->is_stream)
                (void) str_append(&call->body, "{\"Keys\":{");
        if (call->n_paths == 0)
                list_all(call);
        else
                proxy_call_resolve(call, call->n_paths, list_some);
}
