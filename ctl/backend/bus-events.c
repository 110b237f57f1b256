/*
 * What a peer tells by signals, as it happens. It is followed through its restarts: the subscription ends
 * with the process that had it, so that there is a new one for each owner of the name.
 */

#include <string.h>

#include "ctl/backend/bus-call.h"
#include "daemon/base/time.h"
#include "daemon/base/variant.h"
#include "daemon/types/metric.h"
#include "dbus/names.h"

#define TEXTS_MAX 4 /* of a signal */
#define MATCH_PEER "type='signal',sender='%s',path='" BUS_PATH "',interface='%s'"
#define MATCH_OWNER                                                                                         \
        "type='signal',sender='" BUS_DAEMON_NAME "',path='" BUS_DAEMON_PATH                                 \
        "',interface='" BUS_DAEMON_INTERFACE "',member='NameOwnerChanged',arg0='%s'"

typedef struct Events {
        CtlBusCall *call;
        bool is_told_of; /* whether it is there */
        bool is_up;
        bool has_new_owner; /* who is to be subscribed to */
        int r;              /* why the items are not wanted any more */
        sd_bus_slot *slots[3];
} Events;

/* ---- items */

static void emit(Events *events, CtlEvent *event) {
        int r;

        if (events->r < 0)
                return;
        event->time = time_now();
        r = ctl_bus_deliver(events->call, event);
        if (r < 0)
                events->r = ctl_bus_fail_answer(events->call, r, &(JsonProblem){});
}

static void emit_presence(Events *events, bool is_up, const char *peer, const char *state) {
        if (events->is_told_of && !events->is_up && !is_up)
                return;
        events->is_told_of = true;
        events->is_up = is_up;
        emit(events,
             &(CtlEvent){ .event = (char *) (is_up ? "service_up" : "service_down"),
                          .peer = (char *) peer,
                          .status = (char *) state });
}

/* ---- signals */

static const struct {
        const char *signal;
        const char *event;
        size_t texts[TEXTS_MAX]; /* where its arguments go */
        size_t n;
} signals[] = {
        { "PinAdded", "pin_added", { offsetof(CtlEvent, cid), offsetof(CtlEvent, name) }, 2 },
        { "PinRemoved", "pin_removed", { offsetof(CtlEvent, cid) }, 1 },
        { "PinStatusChanged",
          "pin_status",
          { offsetof(CtlEvent, cid),
            offsetof(CtlEvent, peer),
            offsetof(CtlEvent, status),
            offsetof(CtlEvent, error) },
          4 },
        { "PeerAdded", "peer_added", { offsetof(CtlEvent, peer) }, 1 },
        { "PeerRemoved", "peer_removed", { offsetof(CtlEvent, peer) }, 1 },
        { "PeerUp", "peer_up", { offsetof(CtlEvent, peer) }, 1 },
        { "PeerDown", "peer_down", { offsetof(CtlEvent, peer) }, 1 },
        { "LeaderChanged", "leader", { offsetof(CtlEvent, peer) }, 1 },
};

static void take_signal(Events *events, sd_bus_message *message, size_t i) {
        CtlEvent event = { .event = (char *) signals[i].event };

        for (size_t j = 0; j < signals[i].n; j++)
                if (sd_bus_message_read(message, "s", (char *) &event + signals[i].texts[j]) <= 0)
                        return;
        emit(events, &event);
}

static void take_alert(Events *events, sd_bus_message *message) {
        _cleanup_(str_done) Str text = {};
        char peer[PEER_ID_TEXT_MAX];
        Alert alert = {};

        if (variant_read(message, &alert_shape, &alert, /* strict= */ false, NULL) < 0)
                return;
        if (json_write(&alert_shape, &alert, &text) < 0)
                events->r = ctl_bus_fail(events->call, -ENOMEM);
        emit(events,
             &(CtlEvent){ .event = (char *) "alert",
                          .name = alert.metric.name,
                          .peer = (char *) peer_id_format(&alert.metric.peer, peer),
                          .alert = text.data });
        alert_done(&alert);
}

static int events_on_signal(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *reterr) {
        const char *member = sd_bus_message_get_member(message);
        Events *events = userdata;

        if (strcmp(member, "AlertRaised") == 0)
                take_alert(events, message);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (strcmp(signals[i].signal, member) == 0)
                        take_signal(events, message, i);
        return 0;
}

/* ---- properties */

static int take_property(Events *events, sd_bus_message *message, const char *name) {
        const char *state;
        int flag, r;

        if (strcmp(name, "State") == 0) {
                r = sd_bus_message_read(message, "v", "s", &state);
                if (r > 0)
                        emit(events, &(CtlEvent){ .event = (char *) "state", .status = (char *) state });
                return r;
        }
        if (strcmp(name, "IpfsReachable") == 0) {
                r = sd_bus_message_read(message, "v", "b", &flag);
                if (r > 0)
                        emit(events, &(CtlEvent){ .event = (char *) (flag ? "ipfs_up" : "ipfs_down") });
                return r;
        }
        return sd_bus_message_skip(message, "v");
}

/* Of what changes, the two that a person would look for; the counters change all the time. */
static int events_on_properties(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *reterr) {
        const char *interface, *name;

        if (sd_bus_message_read(message, "s", &interface) <= 0 || strcmp(interface, BUS_INTERFACE) != 0 ||
            sd_bus_message_enter_container(message, 'a', "{sv}") <= 0)
                return 0;
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0)
                if (sd_bus_message_read(message, "s", &name) <= 0 ||
                    take_property(userdata, message, name) <= 0 ||
                    sd_bus_message_exit_container(message) < 0)
                        return 0;
        return 0;
}

/* ---- who has the name */

static int events_on_owner(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *reterr) {
        const char *name, *before, *now;
        Events *events = userdata;

        if (sd_bus_message_read(message, "sss", &name, &before, &now) <= 0)
                return 0;
        events->has_new_owner = *now;
        if (*before)
                emit_presence(events, false, NULL, NULL);
        return 0;
}

/* Ask the peer, but do not start it. Answers 1, or 0 when it is not there. */
static int ask_peer(CtlBusCall *call, const char *interface, const char *member, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = ctl_bus_message(call, interface, member, &message);
        if (r < 0)
                return r;
        r = sd_bus_message_set_auto_start(message, false);
        if (r >= 0 && property)
                r = sd_bus_message_append(message, "ss", BUS_INTERFACE, property);
        if (r < 0)
                return ctl_bus_fail(call, r);
        r = ctl_bus_ask(call, message);
        if (r < 0 && call->reply && call->reterr->code == 0) {
                ctl_failure_done(call->reterr);
                return 0;
        }
        return r < 0 ? r : 1;
}

static int ask_property(CtlBusCall *call, const char *property, char **ret) {
        const char *value;
        int r;

        r = ask_peer(call, BUS_PROPERTIES_INTERFACE, "Get", property);
        if (r <= 0)
                return r;
        if (sd_bus_message_read(call->reply, "v", "s", &value) <= 0)
                return ctl_bus_fail_answer(call, -EBADMSG, &(JsonProblem){});
        *ret = strdup(value);
        return *ret ? 1 : ctl_bus_fail(call, -ENOMEM);
}

/* A peer that goes away while it is asked is one that is not there; it is told of when it comes back. */
static int attach(Events *events) {
        _cleanup_free_ char *peer = NULL, *state = NULL;
        CtlBusCall *call = events->call;
        int r;

        events->has_new_owner = false;
        r = ask_peer(call, BUS_INTERFACE, "Subscribe", NULL);
        if (r > 0)
                r = ask_property(call, "PeerId", &peer);
        if (r > 0)
                r = ask_property(call, "State", &state);
        if (r > 0)
                emit_presence(events, true, peer, state);
        else if (r == 0)
                emit_presence(events, false, NULL, NULL);
        return r < 0 ? r : 0;
}

/* ---- following */

static int add_match(Events *events, sd_bus_slot **slot, Str *match, sd_bus_message_handler_t handler) {
        int r;

        r = str_error(match);
        if (r >= 0)
                r = sd_bus_add_match(events->call->bus->connection, slot, match->data, handler, events);
        str_done(match);
        return r < 0 ? ctl_bus_fail(events->call, r) : 0;
}

static int watch(Events *events) {
        const char *name = events->call->bus->name;
        Str match = {};
        int r;

        (void) str_appendf(&match, MATCH_OWNER, name);
        r = add_match(events, &events->slots[0], &match, events_on_owner);
        if (r < 0)
                return r;
        (void) str_appendf(&match, MATCH_PEER, name, BUS_INTERFACE);
        r = add_match(events, &events->slots[1], &match, events_on_signal);
        if (r < 0)
                return r;
        (void) str_appendf(&match, MATCH_PEER, name, BUS_PROPERTIES_INTERFACE);
        return add_match(events, &events->slots[2], &match, events_on_properties);
}

static int follow(Events *events) {
        CtlBusCall *call = events->call;
        uint64_t usec;
        int r;

        call->member = "signals";
        r = sd_bus_process(call->bus->connection, NULL);
        if (events->r < 0)
                return events->r;
        if (r >= 0 && events->has_new_owner)
                return attach(events);
        if (r == 0)
                r = ctl_bus_patience(call, &usec);
        if (r == 0)
                r = sd_bus_wait(call->bus->connection, usec);
        return r < 0 && r != -EINTR ? ctl_bus_fail(call, r) : 0;
}

int ctl_bus_events_run(CtlBusCall *call) {
        Events events = { .call = call };
        int r;

        call->deadline_usec = call->request->deadline_usec; /* a time-out is for what has an end */
        call->member = "AddMatch";
        r = watch(&events);
        if (r >= 0)
                r = attach(&events);
        while (r >= 0)
                r = follow(&events);
        for (size_t i = 0; i < ELEMENTSOF(events.slots); i++)
                sd_bus_slot_unref(events.slots[i]);
        if (r == -ECANCELED)
                ctl_failure_done(call->reterr);
        return r == -ECANCELED ? 0 : r;
}
