/*
 * What is told without being asked: PropertiesChanged, at most once in BUS_CHANGES_USEC whatever happens,
 * and signals. Those of single pins go out while anybody is subscribed.
 */

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/variant.h"
#include "dbus/internal.h"

#define PROPERTIES_MAX 16

/* ---- one signal */

/* A bus that is slow, or stands, must not make us grow: then signals are lost, and that is said once. */
static bool may_emit(Bus *bus) {
        uint64_t n = 0;

        if (!bus->has_name || sd_bus_get_n_queued_write(bus->connection, &n) < 0)
                return false;
        if (n < BUS_SIGNALS_QUEUED_MAX) {
                if (bus->n_lost_signals > 0)
                        log_notice("%llu signals were lost while the bus was slow.",
                                   (unsigned long long) bus->n_lost_signals);
                bus->n_lost_signals = 0;
                return true;
        }
        if (bus->n_lost_signals++ == 0)
                log_warning("The bus takes no more signals at the moment: some are lost.");
        return false;
}

static void emit(Bus *bus, const char *member, const char *const *texts) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        if (!may_emit(bus))
                return;
        r = sd_bus_message_new_signal(bus->connection, &signal, BUS_PATH, BUS_INTERFACE, member);
        for (; *texts && r >= 0; texts++)
                r = variant_append_text(signal, *texts);
        if (r >= 0)
                r = sd_bus_send(bus->connection, signal, NULL);
        if (r < 0)
                log_debug_errno(r, "Failed to send the signal %s: %m", member);
}

#define EMIT(bus, member, ...) emit(bus, member, (const char *const[]){ __VA_ARGS__, NULL })

static void signals_on_pin_added(const Pin *pin, void *userdata) {
        char cid[CID_TEXT_MAX];

        EMIT(userdata, "PinAdded", cid_format(&pin->cid, cid), pin->name ? pin->name : "");
}

static void signals_on_pin_removed(const Cid *cid, void *userdata) {
        char text[CID_TEXT_MAX];

        EMIT(userdata, "PinRemoved", cid_format(cid, text));
}

static void signals_on_status(const Cid *cid, const PinInfo *info, void *userdata) {
        char text[CID_TEXT_MAX], peer[PEER_ID_TEXT_MAX];
        Bus *bus = userdata;

        EMIT(bus,
             "PinStatusChanged",
             cid_format(cid, text),
             peer_id_format(cluster_self(bus->cluster), peer),
             pin_status_to_string((PinStatus) info->status),
             info->error ? info->error : "");
}

static void signals_on_leader(const PeerId *leader, void *userdata) {
        char text[PEER_ID_TEXT_MAX];

        EMIT(userdata, "LeaderChanged", peer_id_format(leader, text));
}

static void signals_on_link(void *userdata) {
        Bus *bus = userdata;

        if (bus->has_name)
                bus_members_refresh(bus);
}

static void signals_on_peers(void *userdata) {
        Bus *bus = userdata;

        if (bus->has_name)
                bus_members_learn(bus);
}

static void signals_on_alert(const Alert *alert, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        Bus *bus = userdata;
        int r;

        if (bus->has_name)
                bus_members_refresh(bus); /* somebody may be gone */
        if (!may_emit(bus))
                return;
        r = sd_bus_message_new_signal(bus->connection, &signal, BUS_PATH, BUS_INTERFACE, "AlertRaised");
        if (r >= 0)
                r = variant_append(signal, &alert_shape, alert, NULL);
        if (r >= 0)
                r = sd_bus_send(bus->connection, signal, NULL);
        if (r < 0)
                log_debug_errno(r, "Failed to send an alert as a signal: %m");
}

/* ---- properties */

static size_t changed_properties(
                const ClusterSummary *before, const ClusterSummary *now, const char *names[]) {
        const struct {
                const char *name;
                bool is_changed;
        } properties[] = {
                { "State", strcmp(bus_manager_state(before), bus_manager_state(now)) != 0 },
                { "Leader", !peer_id_equal(&before->leader, &now->leader) },
                { "Ready", before->is_ready != now->is_ready },
                { "IpfsReachable", before->ipfs_is_reachable != now->ipfs_is_reachable },
                { "NPeers", before->n_peers != now->n_peers },
                { "NQueued", before->n_queued != now->n_queued },
                { "NErrors", before->n_errors != now->n_errors },
                { "NPins", before->n_pins != now->n_pins },
                { "AppliedIndex", before->applied_index != now->applied_index },
        };
        size_t n = 0;

        static_assert(ELEMENTSOF(properties) < PROPERTIES_MAX, "names[] has room for all and NULL");
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                if (properties[i].is_changed)
                        names[n++] = properties[i].name;
        names[n] = NULL;
        return n;
}

static void emit_changes(Bus *bus, const ClusterSummary *now) {
        const char *names[PROPERTIES_MAX];
        int r = 0;

        if (changed_properties(&bus->told, now, names) > 0)
                r = sd_bus_emit_properties_changed_strv(
                                bus->connection, BUS_PATH, BUS_INTERFACE, (char **) names);
        if (strcmp(bus_manager_state(&bus->told), bus_manager_state(now)) != 0 ||
            !peer_id_equal(&bus->told.leader, &now->leader))
                bus_members_tell_roles(bus);
        if (r < 0)
                log_debug_errno(r, "Failed to tell the bus what has changed: %m");
}

static int signals_on_changes(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Bus *bus = userdata;
        ClusterSummary now;

        if (!bus->has_name)
                return 0;
        cluster_summary(bus->cluster, &now);
        if (now.ipfs_is_reachable != bus->told.ipfs_is_reachable || now.n_peers != bus->told.n_peers ||
            !peer_id_equal(&now.leader, &bus->told.leader))
                bus_members_refresh(bus);
        emit_changes(bus, &now);
        bus->told = now;
        return 0;
}

/* The timer is left alone when it runs already: news may come a hundred thousand times a second. */
static void signals_on_changed(void *userdata) {
        Bus *bus = userdata;
        int enabled, r;

        if (!bus->has_name ||
            (sd_event_source_get_enabled(bus->changes, &enabled) >= 0 && enabled != SD_EVENT_OFF))
                return;
        r = sd_event_source_set_time_relative(bus->changes, BUS_CHANGES_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->changes, SD_EVENT_ONESHOT);
        if (r < 0)
                log_debug_errno(r, "Failed to plan what to tell the bus: %m");
}

/* ---- subscribers. Not by sd_bus_track: that waits for the bus when a name is added. */

typedef struct Subscriber {
        List link;
        Bus *bus;
        char *name;
        sd_bus_slot *match, *check;
} Subscriber;

static Subscriber *subscriber_free(Subscriber *subscriber) {
        Bus *bus;

        if (!subscriber)
                return NULL;
        bus = subscriber->bus;
        list_remove(&subscriber->link);
        bus->n_subscribers--;
        bus->watch.per_pin = bus->n_subscribers > 0;
        sd_bus_slot_unref(subscriber->match);
        sd_bus_slot_unref(subscriber->check);
        free(subscriber->name);
        free(subscriber);
        return NULL;
}

static Subscriber *subscriber_find(Bus *bus, const char *name) {
        LIST_FOREACH (subscriber, &bus->subscribers, Subscriber, link)
                if (strcmp(subscriber->name, name) == 0)
                        return subscriber;
        return NULL;
}

static int subscriber_on_owner(sd_bus_message *message, void *userdata, sd_bus_error *reterr _unused_) {
        const char *name, *before, *now;

        if (sd_bus_message_read(message, "sss", &name, &before, &now) > 0 && *now == '\0')
                subscriber_free(userdata);
        return 0;
}

/* It may have left before the bus knew that we watch it. */
static int subscriber_on_check(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        Subscriber *subscriber = userdata;

        subscriber->check = sd_bus_slot_unref(subscriber->check);
        if (sd_bus_message_is_method_error(answer, NULL))
                subscriber_free(subscriber);
        return 0;
}

static int subscriber_watch(Subscriber *subscriber) {
        sd_bus *connection = subscriber->bus->connection;
        _cleanup_(str_done) Str match = {};
        int r;

        r = str_appendf(&match,
                        "type='signal',sender='" BUS_DAEMON_NAME "',path='" BUS_DAEMON_PATH
                        "',interface='" BUS_DAEMON_INTERFACE "',member='NameOwnerChanged',arg0='%s'",
                        subscriber->name);
        if (r >= 0)
                r = sd_bus_add_match_async(
                                connection,
                                &subscriber->match,
                                match.data,
                                subscriber_on_owner,
                                NULL,
                                subscriber);
        if (r < 0)
                return r;
        return sd_bus_call_method_async(
                        connection,
                        &subscriber->check,
                        BUS_DAEMON_NAME,
                        BUS_DAEMON_PATH,
                        BUS_DAEMON_INTERFACE,
                        "GetNameOwner",
                        subscriber_on_check,
                        subscriber,
                        "s",
                        subscriber->name);
}

static int subscriber_add(Bus *bus, const char *name) {
        Subscriber *subscriber;
        int r;

        if (bus->n_subscribers >= BUS_SUBSCRIBERS_MAX)
                return -EBUSY;
        subscriber = calloc(1, sizeof(Subscriber));
        if (!subscriber)
                return -ENOMEM;
        *subscriber = (Subscriber){ .bus = bus };
        list_append(&bus->subscribers, &subscriber->link);
        bus->n_subscribers++;
        bus->watch.per_pin = true;

        r = str_copy(&subscriber->name, name);
        if (r >= 0)
                r = subscriber_watch(subscriber);
        if (r < 0)
                subscriber_free(subscriber);
        return r;
}

void bus_signals_subscribe(BusCall *call) {
        Bus *bus = call->bus;
        int r = 0;

        if (!subscriber_find(bus, call->sender->name))
                r = subscriber_add(bus, call->sender->name);
        if (r < 0)
                bus_call_fail(call, r, NULL);
        else
                bus_call_reply(call, NULL);
}

void bus_signals_unsubscribe(BusCall *call) {
        static const Error not_subscribed = { .code = ERROR_NOT_FOUND,
                                              .message = (char *) "you are not subscribed" };
        Subscriber *subscriber = subscriber_find(call->bus, call->sender->name);

        if (!subscriber) {
                bus_call_fail(call, -ENOENT, &not_subscribed);
                return;
        }
        subscriber_free(subscriber);
        bus_call_reply(call, NULL);
}

/* ---- life */

static const ClusterEvents signals_events = {
        .changed = signals_on_changed,
        .leader_changed = signals_on_leader,
        .link_changed = signals_on_link,
        .peers_changed = signals_on_peers,
        .alert_raised = signals_on_alert,
        .pin_added = signals_on_pin_added,
        .pin_removed = signals_on_pin_removed,
        .status_changed = signals_on_status,
};

int bus_signals_new(Bus *bus) {
        int r;

        r = sd_event_add_time_relative(
                        bus->event, &bus->changes, CLOCK_MONOTONIC, 0, 0, signals_on_changes, bus);
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->changes, SD_EVENT_OFF);
        if (r < 0)
                return r;
        bus->watch = (ClusterWatch){ .events = &signals_events, .userdata = bus };
        cluster_watch(bus->cluster, &bus->watch);
        return 0;
}

void bus_signals_disconnect(Bus *bus) {
        LIST_FOREACH (subscriber, &bus->subscribers, Subscriber, link)
                subscriber_free(subscriber);
        (void) sd_event_source_set_enabled(bus->changes, SD_EVENT_OFF);
}

void bus_signals_free(Bus *bus) {
        if (bus->changes)
                cluster_unwatch(&bus->watch);
        bus->changes = sd_event_source_disable_unref(bus->changes);
}
