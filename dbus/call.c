/* One method call:  parse ──► authorise ──► run ──► reply. */

#include <stdarg.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/variant.h"
#include "dbus/internal.h"

BusCall *bus_call_free(BusCall *call) {
        if (!call)
                return NULL;

        list_remove(&call->link);
        bus_sender_give_back(call->sender, BUS_KIND_CALL);
        sd_event_source_disable_unref(call->turn);
        sd_bus_slot_unref(call->slot);
        cluster_call_unref(call->asked);
        if (!call->cursor)
                cluster_list_free(call->list);
        sd_bus_message_unref(call->reply);
        sd_bus_message_unref(call->message);
        pin_done(&call->pin);
        free(call->cids);
        free(call);
        return NULL;
}

static int call_new(BusCall **ret, Bus *bus, sd_bus_message *message, Error *reterr) {
        const char *name = sd_bus_message_get_sender(message);
        BusSender *sender;
        BusCall *call;
        int r;

        r = bus_sender_take(bus, name ? name : "", BUS_KIND_CALL, &sender, reterr);
        if (r < 0)
                return r;
        call = calloc(1, sizeof(BusCall));
        if (!call) {
                bus_sender_give_back(sender, BUS_KIND_CALL);
                return error_set_errno(reterr, -ENOMEM, "%m");
        }
        *call = (BusCall){ .bus = bus, .sender = sender, .message = sd_bus_message_ref(message) };
        list_append(&bus->calls, &call->link);
        *ret = call;
        return 0;
}

void bus_call_run(BusCall *call) {
        call->slot = sd_bus_slot_unref(call->slot);
        call->method->run(call);
}

static void error_name(ErrorCode code, Str *to) {
        (void) str_append(to, BUS_ERROR_PREFIX);
        (void) str_append(to, error_bus_name(code));
}

/* Words may hold what came from outside. */
static void send_error(sd_bus_message *message, ErrorCode code, const char *words) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(str_done) Str name = {};
        int r;

        error_name(code, &name);
        r = str_error(&name);
        if (r >= 0)
                r = sd_bus_message_new_method_error(
                                message, &reply, &SD_BUS_ERROR_MAKE_CONST(name.data, NULL));
        if (r >= 0)
                r = variant_append_text(reply, words);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                log_debug_errno(r, "Failed to answer a call on the bus: %m");
}

static void reply_error(sd_bus_message *message, int r, const Error *error) {
        const Error plain = { .code = error_from_errno(r) };

        if (!error || error->code == ERROR_NONE)
                error = &plain;
        send_error(message, error->code, error_message(error));
}

int bus_call_start(Bus *bus, sd_bus_message *message, const BusMethod *method) {
        _cleanup_(error_done) Error error = {};
        BusCall *call = NULL;
        int r;

        r = call_new(&call, bus, message, &error);
        if (r < 0) {
                reply_error(message, r, &error);
                return 1;
        }
        call->method = method;
        r = method->parse ? method->parse(call, &error) : 0;
        if (r < 0)
                bus_call_fail(call, r, &error);
        else if (method->action)
                bus_authz_start(call);
        else
                bus_call_run(call);
        return 1;
}

int bus_call_begin(sd_bus_message *message, void *userdata, sd_bus_error *reterr) {
        const BusMethod *method = bus_method_find(
                        sd_bus_message_get_interface(message), sd_bus_message_get_member(message));

        /* A method that the table does not know has no action either: nobody may. */
        if (!method)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_ACCESS_DENIED, "This method is not offered");
        return bus_call_start(userdata, message, method);
}

/* ---- answers */

void bus_call_reply_message(BusCall *call, sd_bus_message *reply) {
        int r;

        r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                log_debug_errno(r, "Failed to answer a call on the bus: %m");
        sd_bus_message_unref(reply);
        bus_call_free(call);
}

void bus_call_reply(BusCall *call, const char *types, ...) {
        sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0 && types) {
                va_start(ap, types);
                r = sd_bus_message_appendv(reply, types, ap);
                va_end(ap);
        }
        if (r >= 0) {
                bus_call_reply_message(call, reply);
                return;
        }
        sd_bus_message_unref(reply);
        bus_call_fail(call, r, NULL);
}

void bus_call_reply_dict(BusCall *call, const JsonShape *shape, const void *value) {
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = variant_append(reply, shape, value, NULL);
        if (r >= 0) {
                bus_call_reply_message(call, reply);
                return;
        }
        sd_bus_message_unref(reply);
        bus_call_fail(call,
                      r,
                      r == -EMSGSIZE ? &(Error){ .code = ERROR_TOO_BIG,
                                                 .message = (char *) "the answer is too big for the bus: "
                                                                     "ask over HTTP" }
                                     : NULL);
}

void bus_call_fail(BusCall *call, int r, const Error *error) {
        reply_error(call->message, r, error);
        bus_call_free(call);
}

void bus_call_deny(BusCall *call, const char *name, const char *words) {
        int r;

        r = sd_bus_reply_method_errorf(call->message, name, "%s", words);
        if (r < 0)
                log_debug_errno(r, "Failed to answer a call on the bus: %m");
        bus_call_free(call);
}

/* ---- answers of the cluster */

static void on_answer(BusCall *call, int r, const Error *error, const JsonShape *shape, const void *value) {
        if (r < 0)
                bus_call_fail(call, r, error);
        else
                bus_call_reply_dict(call, shape, value);
}

void bus_call_on_pin(
                ClusterCall *asked _unused_, int r, const Error *error, const Pin *pin, void *userdata) {
        on_answer(userdata, r, error, &pin_shape, pin);
}

void bus_call_on_status(
                ClusterCall *asked _unused_,
                int r,
                const Error *error,
                const GlobalPinInfo *info,
                void *userdata) {
        on_answer(userdata, r, error, &global_pin_info_shape, info);
}

void bus_call_on_peer(
                ClusterCall *asked _unused_,
                int r,
                const Error *error,
                const PeerInfo *peer,
                void *userdata) {
        on_answer(userdata, r, error, &peer_info_shape, peer);
}

void bus_call_on_graph(
                ClusterCall *asked _unused_,
                int r,
                const Error *error,
                const ConnectGraph *graph,
                void *userdata) {
        on_answer(userdata, r, error, &connect_graph_shape, graph);
}

void bus_call_on_gc(
                ClusterCall *asked _unused_,
                int r,
                const Error *error,
                const GlobalRepoGc *gc,
                void *userdata) {
        on_answer(userdata, r, error, &global_repo_gc_shape, gc);
}
