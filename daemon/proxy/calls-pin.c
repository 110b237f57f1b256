/* pin/add, pin/rm, pin/update: one argument after the other. */

#include <string.h>

#include "daemon/base/time.h"
#include "daemon/proxy/call.h"
#include "daemon/types/pin-options.h"

#define PARSING "Error parsing IPFS Path: "

/* ---- answers ---- */

static void append_pin(ProxyCall *call, const Cid *cid) {
        char text[CID_TEXT_MAX];

        (void) str_appendf(
                        &call->body,
                        "%s\"%s\"",
                        call->n_items++ > 0 ? "," : "{\"Pins\":[",
                        cid_format(cid, text));
}

static void reply_pins(ProxyCall *call) {
        (void) str_append(&call->body, "]}");
        proxy_call_reply(call, &call->body);
}

/* The answer about one argument, which lives as long as the question. */
static int on_pin(ProxyCall *call, int r, const Error *error, const Pin *pin) {
        if (r < 0)
                proxy_call_fail_error(call, r, error);
        else
                append_pin(call, &pin->cid);
        call->cluster = cluster_call_unref(call->cluster);
        call->at++;
        return r;
}

/* The question is on its way, or could not be asked. */
static void asked(ProxyCall *call, int r) {
        if (r < 0)
                proxy_call_fail_error(call, r, NULL);
}

static int read_arguments(ProxyCall *call) {
        _cleanup_(error_done) Error error = {};
        ProxyPath none;
        int r;

        r = proxy_call_read_paths(call, PARSING);
        if (r < 0 || call->n_paths > 0)
                return r;
        r = proxy_path_parse("", &none, &error);
        proxy_call_fail(call, 500, PARSING "%s", error_message(&error));
        return r;
}

/* ---- pin/add ---- */

/* Kubo's own "recursive", and the recorded program's "type". */
static int read_mode(ProxyCall *call, const char **ret) {
        const char *type = query_get(&call->query, "type");
        bool is_recursive;

        if (proxy_rule_flag(&call->query, "recursive", "r", true, &is_recursive) < 0) {
                proxy_call_fail(call,
                                400,
                                "could not convert value \"%s\" to type \"bool\" (for option \"-recursive\")",
                                proxy_rule_value(&call->query, "recursive", "r"));
                return -EINVAL;
        }
        *ret = str_equal(type, "direct") || !is_recursive ? "direct" : "recursive";
        return 0;
}

static int read_pin(ProxyCall *call, const char *mode, Pin *pin, Error *reterr) {
        const char *name = proxy_rule_value(&call->query, "name", "n");
        const PinOption options[] = { { "mode", mode }, { "name", name ? name : "" } };
        int r;

        *pin = (Pin){};
        r = pin_options_read(pin, options, ELEMENTSOF(options), time_now(), reterr);
        if (r >= 0)
                pin->type = PIN_TYPE_DATA;
        return r;
}

static void add_next(ProxyCall *call);

static void on_added(
                ClusterCall *cluster _unused_, int r, const Error *error, const Pin *pin, void *userdata) {
        ProxyCall *call = userdata;

        if (on_pin(call, r, error, pin) >= 0)
                add_next(call);
        proxy_client_go_on(call->client);
}

static int start_pin(ProxyCall *call, Pin *pin, ClusterPinDone done) {
        const ProxyPath *path = call->paths + call->at;

        pin->cid = path->cid;
        return cluster_pin(call->proxy->cluster, &call->cluster, pin, path->path, done, call);
}

static void add_next(ProxyCall *call) {
        _cleanup_(error_done) Error error = {};
        const char *mode;
        Pin pin = {};
        int r;

        if (call->at == call->n_paths) {
                reply_pins(call);
                return;
        }
        if (read_mode(call, &mode) < 0)
                return;
        r = read_pin(call, mode, &pin, &error);
        if (r < 0)
                proxy_call_fail_error(call, r, &error);
        else
                asked(call, start_pin(call, &pin, on_added));
        pin_done(&pin);
}

void proxy_pin_add(ProxyCall *call) {
        if (read_arguments(call) >= 0)
                add_next(call);
}

/* ---- pin/rm ---- */

static void remove_next(ProxyCall *call);

static void on_removed(
                ClusterCall *cluster _unused_, int r, const Error *error, const Pin *pin, void *userdata) {
        ProxyCall *call = userdata;

        if (on_pin(call, r, error, pin) >= 0)
                remove_next(call);
        proxy_client_go_on(call->client);
}

/* recursive=false is for direct pins only. */
static bool may_remove(ProxyCall *call, const Cid *cid) {
        char text[CID_TEXT_MAX];
        bool is_recursive = true, is_refused;
        Pin pin = {};

        if (proxy_rule_flag(&call->query, "recursive", "r", true, &is_recursive) < 0 || is_recursive)
                return true;
        is_refused = cluster_pin_get(call->proxy->cluster, cid, &pin) > 0 &&
                     pin.max_depth != PIN_DEPTH_DIRECT;
        pin_done(&pin);
        if (is_refused)
                proxy_call_fail(call, 500, "%s is pinned recursively", cid_format(cid, text));
        return !is_refused;
}

static void remove_next(ProxyCall *call) {
        const ProxyPath *path = call->paths + call->at;

        if (call->at == call->n_paths)
                reply_pins(call);
        else if (may_remove(call, &path->cid))
                asked(call,
                      cluster_unpin(call->proxy->cluster,
                                    &call->cluster,
                                    &path->cid,
                                    path->path,
                                    on_removed,
                                    call));
}

void proxy_pin_rm(ProxyCall *call) {
        if (read_arguments(call) >= 0)
                remove_next(call);
}

/* ---- pin/update: resolve ──► pin ──► unpin ---- */

static void on_old_removed(
                ClusterCall *cluster _unused_,
                int r,
                const Error *error,
                const Pin *pin _unused_,
                void *userdata) {
        ProxyCall *call = userdata;

        if (r < 0)
                proxy_call_fail_error(call, r, error);
        else
                reply_pins(call);
        call->cluster = cluster_call_unref(call->cluster);
        proxy_client_go_on(call->client);
}

static void remove_old(ProxyCall *call, bool is_same) {
        const Cid *from = &call->paths[0].cid;
        bool unpin;

        if (proxy_rule_flag(&call->query, "unpin", NULL, true, &unpin) < 0)
                unpin = true;
        if (unpin && !is_same)
                asked(call,
                      cluster_unpin(call->proxy->cluster, &call->cluster, from, NULL, on_old_removed, call));
        else
                reply_pins(call);
}

static void on_updated(
                ClusterCall *cluster _unused_, int r, const Error *error, const Pin *pin, void *userdata) {
        ProxyCall *call = userdata;
        const Cid *from = &call->paths[0].cid;
        bool is_same = r >= 0 && cid_equal(from, &pin->cid);

        if (r >= 0)
                append_pin(call, from);
        if (on_pin(call, r, error, pin) >= 0)
                remove_old(call, is_same);
        proxy_client_go_on(call->client);
}

static void update_pin(ProxyCall *call) {
        _cleanup_(error_done) Error error = {};
        Pin pin = {};
        int r;

        r = read_pin(call, "recursive", &pin, &error);
        if (r < 0)
                proxy_call_fail_error(call, r, &error);
        else {
                pin.pin_update = call->paths[0].cid;
                call->at = 1;
                asked(call, start_pin(call, &pin, on_updated));
        }
        pin_done(&pin);
}

/* Each argument has words of its own. */
static int read_update(ProxyCall *call) {
        static const char *const missing[] = { "argument \"from-path\" is required",
                                               "argument \"to-path\" is required" };
        static const char *const prefixes[] = { "error parsing \"from-path\" argument: ",
                                                "error parsing \"to-path\" argument: " };
        const char *arguments[2] = {}, *element = call->element;
        size_t n = 0;

        if (element)
                arguments[n++] = element;
        for (size_t i = 0; n < 2 && i < call->query.n_parameters; i++)
                if (strcmp(call->query.parameters[i].key, "arg") == 0)
                        arguments[n++] = call->query.parameters[i].value;
        if (n < 2) {
                proxy_call_fail(call, 400, "%s", missing[n]);
                return -EINVAL;
        }

        call->paths = calloc(2, sizeof(ProxyPath));
        if (!call->paths) {
                proxy_call_fail_error(call, -ENOMEM, NULL);
                return -ENOMEM;
        }
        for (size_t i = 0; i < 2; i++) {
                _cleanup_(error_done) Error error = {};

                if (proxy_path_parse(arguments[i], call->paths + i, &error) < 0) {
                        proxy_call_fail(call, 500, "%s%s", prefixes[i], error_message(&error));
                        return -EINVAL;
                }
                call->n_paths++;
        }
        return 0;
}

void proxy_pin_update(ProxyCall *call) {
        if (read_update(call) >= 0)
                proxy_call_resolve(call, 1, update_pin);
}
