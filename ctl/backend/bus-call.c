/* The calls as members of the bus: which, with what arguments, and how the reply becomes items. */

#include "ctl/backend/bus-call.h"

#include <string.h>

#include "daemon/base/variant.h"
#include "daemon/types/metric.h"
#include "dbus/names.h"

enum { /* arguments, in this order */
       TAKES_SUBJECT = 1 << 0,
       TAKES_FILTER = 1 << 1,
       TAKES_OPTIONS = 1 << 2,
       TAKES_LOCAL = 1 << 3,
       TAKES_PROPERTY = 1 << 4,
       TAKES_SUBJECTS = 1 << 5,
};

/* ---- replies */

static int take_dict_as(CtlBusCall *call, const JsonShape *shape, CtlItemFunc take, void *userdata) {
        _cleanup_free_ void *item = calloc(1, shape->size);
        JsonProblem problem = {};
        int r;

        if (!item)
                return ctl_bus_fail(call, -ENOMEM);
        r = variant_read(call->reply, shape, item, /* strict= */ false, &problem);
        if (r < 0)
                return ctl_bus_fail_answer(call, r == -ENOMEM ? r : -EBADMSG, &problem);
        r = take(item, userdata);
        json_done(shape, item);
        return r < 0 ? ctl_bus_fail_answer(call, r, &(JsonProblem){}) : 0;
}

static int deliver(void *item, void *userdata) {
        return ctl_bus_deliver(userdata, item);
}

/* a{sv} */
static int take_dict(CtlBusCall *call) {
        return take_dict_as(call, ctl_call_shape(call->request->call), deliver, call);
}

/* aa{sv} */
static int take_dicts_as(CtlBusCall *call, const JsonShape *shape, CtlItemFunc take, void *userdata) {
        int r;

        r = sd_bus_message_enter_container(call->reply, 'a', "a{sv}");
        if (r < 0)
                return ctl_bus_fail_answer(call, -EBADMSG, &(JsonProblem){});
        while ((r = sd_bus_message_at_end(call->reply, false)) == 0) {
                r = take_dict_as(call, shape, take, userdata);
                if (r < 0)
                        return r;
        }
        return r < 0 ? ctl_bus_fail_answer(call, -EBADMSG, &(JsonProblem){}) : 0;
}

static int take_peers(CtlBusCall *call) {
        return take_dicts_as(call, ctl_call_shape(call->request->call), deliver, call);
}

/* An answer that is one value is put together as the JSON text that HTTP has. */
static int deliver_text(CtlBusCall *call, const Str *text) {
        JsonProblem problem = {};
        int r;

        r = str_error(text);
        if (r >= 0)
                r = ctl_call_deliver(
                                call->request->call,
                                text->data,
                                text->len,
                                call->on_item,
                                call->userdata,
                                &problem);
        return r < 0 ? ctl_bus_fail_answer(call, r, &problem) : 0;
}

typedef struct Elements {
        const JsonShape *shape;
        Str text;
} Elements;

static int element_append(void *item, void *userdata) {
        Elements *elements = userdata;

        (void) str_append_char(&elements->text, elements->text.len > 0 ? ',' : '[');
        return json_write(elements->shape, item, &elements->text);
}

static int take_elements(CtlBusCall *call, const JsonShape *shape) {
        Elements elements = { .shape = shape };
        int r;

        r = take_dicts_as(call, shape, element_append, &elements);
        if (r >= 0) {
                (void) str_append(&elements.text, elements.text.len > 0 ? "]" : "[]");
                r = deliver_text(call, &elements.text);
        }
        str_done(&elements.text);
        return r;
}

static int take_metrics(CtlBusCall *call) {
        return take_elements(call, &metric_shape);
}

static int take_alerts(CtlBusCall *call) {
        return take_elements(call, &alert_shape);
}

/* as */
static int take_names(CtlBusCall *call) {
        _cleanup_(str_done) Str text = {};
        const char *name;
        int r;

        (void) str_append_char(&text, '[');
        r = sd_bus_message_enter_container(call->reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(call->reply, "s", &name)) > 0) {
                (void) str_append(&text, text.len > 1 ? "," : "");
                (void) json_write_string(&text, name);
        }
        if (r < 0)
                return ctl_bus_fail_answer(call, -EBADMSG, &(JsonProblem){});
        (void) str_append_char(&text, ']');
        return deliver_text(call, &text);
}

/* The property is all that the object has. */
static int take_version(CtlBusCall *call) {
        _cleanup_(str_done) Str text = {};
        const char *version;

        if (sd_bus_message_read(call->reply, "v", "s", &version) <= 0)
                return ctl_bus_fail_answer(call, -EBADMSG, &(JsonProblem){});
        (void) str_append(&text, "{\"version\":");
        (void) json_write_string(&text, version);
        (void) str_append(&text, "}");
        return deliver_text(call, &text);
}

/* The peers' protocol is one, so there is no bandwidth by protocol; that the peer is there is known now. */
static int take_no_bandwidth(CtlBusCall *call) {
        _cleanup_(str_done) Str text = {};

        (void) str_append(&text, "{}");
        return deliver_text(call, &text);
}

/* ---- the table */

typedef struct Member {
        const char *interface;
        const char *name;
        unsigned takes;
        bool is_guarded;               /* by polkit */
        int (*take)(CtlBusCall *call); /* the reply; NULL: there is nothing in it */
} Member;

static const Member members[_CTL_CALL_N] = {
        [CTL_CALL_ID] = { BUS_INTERFACE, "Id", 0, false, take_dict },
        [CTL_CALL_VERSION] = { BUS_PROPERTIES_INTERFACE, "Get", TAKES_PROPERTY, false, take_version },
        [CTL_CALL_PEERS] = { BUS_INTERFACE, "ListPeers", 0, false, take_peers },
        [CTL_CALL_PEER_ADD] = { BUS_INTERFACE, "AddPeer", TAKES_SUBJECT, true, take_dict },
        [CTL_CALL_PEER_REMOVE] = { BUS_INTERFACE, "RemovePeer", TAKES_SUBJECT, true, NULL },
        [CTL_CALL_PIN] = { BUS_INTERFACE, "Pin", TAKES_SUBJECT | TAKES_OPTIONS, true, take_dict },
        [CTL_CALL_UNPIN] = { BUS_INTERFACE, "Unpin", TAKES_SUBJECT, true, take_dict },
        [CTL_CALL_ALLOCATION] = { BUS_INTERFACE, "GetPin", TAKES_SUBJECT, false, take_dict },
        [CTL_CALL_ALLOCATIONS] = { BUS_INTERFACE, "StreamPins", TAKES_FILTER, false, ctl_bus_pipe_read },
        [CTL_CALL_STATUS] = { BUS_INTERFACE, "GetStatus", TAKES_SUBJECT | TAKES_LOCAL, false, take_dict },
        [CTL_CALL_STATUS_LIST] = { BUS_INTERFACE,
                                   "StreamStatus",
                                   TAKES_FILTER | TAKES_LOCAL,
                                   false,
                                   ctl_bus_pipe_read },
        [CTL_CALL_SYNC] = { BUS_INTERFACE, "Sync", TAKES_SUBJECT, true, take_dict },
        [CTL_CALL_SYNC_ALL] = { BUS_INTERFACE, "SyncAll", 0, true, ctl_bus_pipe_read },
        [CTL_CALL_RECOVER] = { BUS_INTERFACE, "Recover", TAKES_SUBJECT | TAKES_LOCAL, true, take_dict },
        [CTL_CALL_RECOVER_ALL] = { BUS_INTERFACE, "RecoverAll", TAKES_LOCAL, true, ctl_bus_pipe_read },
        [CTL_CALL_GC] = { BUS_INTERFACE, "StreamGarbage", TAKES_LOCAL, true, ctl_bus_pipe_read },
        [CTL_CALL_GRAPH] = { BUS_INTERFACE, "GetConnectGraph", 0, false, take_dict },
        [CTL_CALL_ALERTS] = { BUS_INTERFACE, "ListAlerts", 0, false, take_alerts },
        [CTL_CALL_BANDWIDTH] = { BUS_PING_INTERFACE, "Ping", 0, false, take_no_bandwidth },
        [CTL_CALL_METRIC_NAMES] = { BUS_INTERFACE, "ListMetrics", 0, false, take_names },
        [CTL_CALL_METRICS] = { BUS_INTERFACE, "GetMetrics", TAKES_SUBJECT, false, take_metrics },
};

/* A pin that takes over what another has is a member of its own, which has the other one first. */
static const Member update = { BUS_INTERFACE, "UpdatePin", TAKES_SUBJECT | TAKES_OPTIONS, true, take_dict };

/* So are the statuses of some, whatever they are. */
static const Member status_of = {
        BUS_INTERFACE, "StreamStatusOf", TAKES_SUBJECTS | TAKES_LOCAL, false, ctl_bus_pipe_read
};

/* ---- questions */

static bool is_update(const CtlRequest *request) {
        return request->call == CTL_CALL_PIN && cid_is_defined(&request->pin->pin_update);
}

static const Member *member_of(const CtlRequest *request) {
        if (is_update(request))
                return &update;
        if (request->call == CTL_CALL_STATUS_LIST && !str_is_empty(request->subject))
                return &status_of;
        return &members[request->call];
}

/* A comma list is an array there. */
static int append_subjects(sd_bus_message *message, const char *text) {
        _cleanup_(str_list_done) StrList subjects = {};
        int r;

        r = str_list_split(&subjects, text, ',');
        return r < 0 ? r : sd_bus_message_append_strv(message, subjects.items);
}

static int append_options(sd_bus_message *message, const CtlRequest *request) {
        Pin pin = *request->pin; /* which owns nothing */

        pin.pin_update = (Cid){};
        return variant_append(message, &pin_options_shape, &pin, NULL);
}

static int append_arguments(sd_bus_message *message, const CtlRequest *request, const Member *member) {
        const char *subject = request->subject ? request->subject : "";
        char cid[CID_TEXT_MAX];
        int r = 0;

        if (is_update(request))
                r = sd_bus_message_append(message, "s", cid_format(&request->pin->pin_update, cid));
        if (r >= 0 && (member->takes & TAKES_SUBJECT))
                r = sd_bus_message_append(message, "s", subject);
        if (r >= 0 && (member->takes & TAKES_SUBJECTS))
                r = append_subjects(message, subject);
        if (r >= 0 && (member->takes & TAKES_FILTER))
                r = sd_bus_message_append(message, "s", request->filter ? request->filter : "");
        if (r >= 0 && (member->takes & TAKES_OPTIONS))
                r = append_options(message, request);
        if (r >= 0 && (member->takes & TAKES_LOCAL))
                r = sd_bus_message_append(message, "b", (int) request->local);
        if (r >= 0 && (member->takes & TAKES_PROPERTY))
                r = sd_bus_message_append(message, "ss", BUS_INTERFACE, "Version");
        return r;
}

static int run_member(CtlBusCall *call, const CtlRequest *request, const Member *member) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = ctl_bus_message(call, member->interface, member->name, &message);
        if (r < 0)
                return r;
        r = append_arguments(message, request, member);
        if (r < 0)
                return ctl_bus_fail(call, r);
        if (member->is_guarded && !call->bus->options.user && ctl_bus_agent_is_of_use())
                ctl_bus_agent_start(&call->bus->agent, CTL_BUS_AGENT);
        r = ctl_bus_ask(call, message);
        return r < 0 || !member->take ? r : member->take(call);
}

int ctl_bus_call_run(CtlBusCall *call) {
        const CtlRequest *request = call->request;

        if (request->call == CTL_CALL_EVENTS)
                return ctl_bus_events_run(call);
        if (request->call == CTL_CALL_ADD) /* an upload has no place in a message */
                return ctl_failure_set(call->reterr, -ENOSYS, 0, "content is added over HTTP alone");
        return run_member(call, request, member_of(request));
}
