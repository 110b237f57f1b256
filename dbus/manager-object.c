/* The object /org/ipfs/Cluster: its members, and which function stands behind each. */

#include <string.h>

#include "daemon/base/variant.h"
#include "daemon/types/version.h"
#include "dbus/internal.h"

/* ---- methods */

/* What is not in here is refused, whatever a vtable says. */
static const BusMethod methods[] = {
        { BUS_INTERFACE, "Id", NULL, NULL, bus_id },
        { BUS_INTERFACE, "ListPeers", NULL, NULL, bus_list_reply_peers },
        { BUS_INTERFACE, "AddPeer", BUS_ACTION_MANAGE_PEERS, bus_parse_peer_address, bus_add_peer },
        { BUS_INTERFACE, "RemovePeer", BUS_ACTION_MANAGE_PEERS, bus_parse_peer_id, bus_remove_peer },
        { BUS_INTERFACE, "Pin", BUS_ACTION_PIN, bus_parse_pin, bus_pin },
        { BUS_INTERFACE, "Unpin", BUS_ACTION_UNPIN, bus_parse_unpin, bus_unpin },
        { BUS_INTERFACE, "UpdatePin", BUS_ACTION_PIN, bus_parse_update, bus_pin },
        { BUS_INTERFACE, "GetPin", NULL, bus_parse_cid, bus_get_pin },
        { BUS_INTERFACE, "ListPins", NULL, bus_parse_page, bus_list_reply_page },
        { BUS_INTERFACE, "StreamPins", NULL, bus_parse_text, bus_stream_pins },
        { BUS_INTERFACE, "GetStatus", NULL, bus_parse_cid_flag, bus_get_status },
        { BUS_INTERFACE, "StreamStatus", NULL, bus_parse_text_flag, bus_stream_status },
        { BUS_INTERFACE, "StreamStatusOf", NULL, bus_parse_cids_flag, bus_stream_status_of },
        { BUS_INTERFACE, "Sync", BUS_ACTION_RECOVER, bus_parse_cid, bus_sync },
        { BUS_INTERFACE, "SyncAll", BUS_ACTION_RECOVER, NULL, bus_sync_all },
        { BUS_INTERFACE, "Recover", BUS_ACTION_RECOVER, bus_parse_cid_flag, bus_recover },
        { BUS_INTERFACE, "RecoverAll", BUS_ACTION_RECOVER, bus_parse_flag, bus_recover_all },
        { BUS_INTERFACE, "Reload", BUS_ACTION_RELOAD, NULL, bus_reload },
        { BUS_INTERFACE, "Leave", BUS_ACTION_MANAGE_PEERS, NULL, bus_leave },
        { BUS_INTERFACE, "CollectGarbage", BUS_ACTION_COLLECT_GARBAGE, bus_parse_flag, bus_collect_garbage },
        { BUS_INTERFACE, "StreamGarbage", BUS_ACTION_COLLECT_GARBAGE, bus_parse_flag, bus_stream_garbage },
        { BUS_INTERFACE, "ListAlerts", NULL, NULL, bus_list_alerts },
        { BUS_INTERFACE, "ListMetrics", NULL, NULL, bus_list_metrics },
        { BUS_INTERFACE, "GetMetrics", NULL, bus_parse_text, bus_get_metrics },
        { BUS_INTERFACE, "GetConnectGraph", NULL, NULL, bus_get_graph },
        { BUS_INTERFACE, "Subscribe", NULL, NULL, bus_signals_subscribe },
        { BUS_INTERFACE, "Unsubscribe", NULL, NULL, bus_signals_unsubscribe },
        { BUS_PEER_INTERFACE, "Remove", BUS_ACTION_MANAGE_PEERS, bus_parse_peer_object, bus_remove_peer },
};

const BusMethod *bus_method_find(const char *interface, const char *member) {
        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (str_equal(methods[i].interface, interface) && str_equal(methods[i].member, member))
                        return &methods[i];
        return NULL;
}

/* ---- properties */

const char *bus_manager_state(const ClusterSummary *summary) {
        if (!summary->is_serving)
                return "starting";
        if (summary->is_leader)
                return "leader";
        return peer_id_is_set(&summary->leader) ? "follower" : "no-leader";
}

static int append_peer_id(sd_bus_message *reply, const PeerId *id) {
        char text[PEER_ID_TEXT_MAX];

        return sd_bus_message_append(reply, "s", peer_id_format(id, text));
}

static uint32_t count_of(uint64_t n) {
        return (uint32_t) MIN(n, (uint64_t) UINT32_MAX);
}

static int manager_get_fixed(
                sd_bus *connection _unused_,
                const char *path _unused_,
                const char *interface _unused_,
                const char *name,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *reterr _unused_) {
        const Bus *bus = userdata;

        if (strcmp(name, "PeerId") == 0)
                return append_peer_id(reply, cluster_self(bus->cluster));
        return variant_append_text(
                        reply, strcmp(name, "PeerName") == 0 ? cluster_peername(bus->cluster) : VERSION_API);
}

typedef int (*Appender)(sd_bus_message *reply, const ClusterSummary *summary);

static int append_state(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "s", bus_manager_state(summary));
}

static int append_leader(sd_bus_message *reply, const ClusterSummary *summary) {
        return append_peer_id(reply, &summary->leader);
}

static int append_ready(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "b", (int) summary->is_ready);
}

static int append_reachable(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "b", (int) summary->ipfs_is_reachable);
}

static int append_peers(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "u", count_of(summary->n_peers));
}

static int append_queued(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "u", count_of(summary->n_queued));
}

static int append_errors(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "u", count_of(summary->n_errors));
}

static int append_pins(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "t", summary->n_pins);
}

static int append_index(sd_bus_message *reply, const ClusterSummary *summary) {
        return sd_bus_message_append(reply, "t", summary->applied_index);
}

static const struct {
        const char *name;
        Appender append;
} properties[] = {
        { "State", append_state },        { "Leader", append_leader },
        { "Ready", append_ready },        { "IpfsReachable", append_reachable },
        { "NPeers", append_peers },       { "NQueued", append_queued },
        { "NErrors", append_errors },     { "NPins", append_pins },
        { "AppliedIndex", append_index },
};

static int manager_get(
                sd_bus *connection _unused_,
                const char *path _unused_,
                const char *interface _unused_,
                const char *name,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *reterr _unused_) {
        const Bus *bus = userdata;
        ClusterSummary summary;

        cluster_summary(bus->cluster, &summary);
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                if (strcmp(properties[i].name, name) == 0)
                        return properties[i].append(reply, &summary);
        return -ENOENT;
}

/* ---- the vtable */

/* Open to all senders as far as sd-bus goes: what a method needs says its row in the table above. */
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED
#define FIXED(name, type) SD_BUS_PROPERTY(name, type, manager_get_fixed, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define CHANGING(name, type) SD_BUS_PROPERTY(name, type, manager_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        FIXED("Version", "s"),
        FIXED("PeerId", "s"),
        FIXED("PeerName", "s"),
        CHANGING("State", "s"),
        CHANGING("Leader", "s"),
        CHANGING("Ready", "b"),
        CHANGING("IpfsReachable", "b"),
        CHANGING("NPeers", "u"),
        CHANGING("NQueued", "u"),
        CHANGING("NErrors", "u"),
        CHANGING("NPins", "t"),
        CHANGING("AppliedIndex", "t"),

        SD_BUS_METHOD_WITH_ARGS("Id", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", peer), bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListPeers", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", peers),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("AddPeer", SD_BUS_ARGS("s", address), SD_BUS_RESULT("a{sv}", peer),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("RemovePeer", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Pin", SD_BUS_ARGS("s", cid, "a{sv}", options), SD_BUS_RESULT("a{sv}", pin),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Unpin", SD_BUS_ARGS("s", cid), SD_BUS_RESULT("a{sv}", pin),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("UpdatePin", SD_BUS_ARGS("s", from, "s", to, "a{sv}", options), SD_BUS_RESULT("a{sv}", pin),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("GetPin", SD_BUS_ARGS("s", cid), SD_BUS_RESULT("a{sv}", pin),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListPins", SD_BUS_ARGS("s", after, "u", limit), SD_BUS_RESULT("a(ssst)", pins, "s", next),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("StreamPins", SD_BUS_ARGS("s", filter), SD_BUS_RESULT("h", pins),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("GetStatus", SD_BUS_ARGS("s", cid, "b", local), SD_BUS_RESULT("a{sv}", status),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("StreamStatus", SD_BUS_ARGS("s", filter, "b", local), SD_BUS_RESULT("h", statuses),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("StreamStatusOf", SD_BUS_ARGS("as", cids, "b", local), SD_BUS_RESULT("h", statuses),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Sync", SD_BUS_ARGS("s", cid), SD_BUS_RESULT("a{sv}", status),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("SyncAll", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", statuses),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Recover", SD_BUS_ARGS("s", cid, "b", local), SD_BUS_RESULT("a{sv}", status),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("RecoverAll", SD_BUS_ARGS("b", local), SD_BUS_RESULT("h", statuses),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Leave", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("CollectGarbage", SD_BUS_ARGS("b", local), SD_BUS_RESULT("a{sv}", garbage),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("StreamGarbage", SD_BUS_ARGS("b", local), SD_BUS_RESULT("h", garbage),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListAlerts", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", alerts),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListMetrics", SD_BUS_NO_ARGS, SD_BUS_RESULT("as", names),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("GetMetrics", SD_BUS_ARGS("s", name), SD_BUS_RESULT("aa{sv}", metrics),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("GetConnectGraph", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", graph),
                bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_call_begin, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_call_begin, OPEN),

        SD_BUS_SIGNAL_WITH_ARGS("PinAdded", SD_BUS_ARGS("s", cid, "s", name), 0),
        SD_BUS_SIGNAL_WITH_ARGS("PinRemoved", SD_BUS_ARGS("s", cid), 0),
        SD_BUS_SIGNAL_WITH_ARGS("PinStatusChanged",
                SD_BUS_ARGS("s", cid, "s", peer, "s", status, "s", error), 0),
        SD_BUS_SIGNAL_WITH_ARGS("PeerAdded", SD_BUS_ARGS("s", peer), 0),
        SD_BUS_SIGNAL_WITH_ARGS("PeerRemoved", SD_BUS_ARGS("s", peer), 0),
        SD_BUS_SIGNAL_WITH_ARGS("PeerUp", SD_BUS_ARGS("s", peer), 0),
        SD_BUS_SIGNAL_WITH_ARGS("PeerDown", SD_BUS_ARGS("s", peer), 0),
        SD_BUS_SIGNAL_WITH_ARGS("LeaderChanged", SD_BUS_ARGS("s", peer), 0),
        SD_BUS_SIGNAL_WITH_ARGS("AlertRaised", SD_BUS_ARGS("a{sv}", alert), 0),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

int bus_manager_add(Bus *bus) {
        int r;

        r = sd_bus_add_object_vtable(bus->connection, NULL, BUS_PATH, BUS_INTERFACE, vtable, bus);
        return r < 0 ? r : sd_bus_add_object_manager(bus->connection, NULL, BUS_PATH);
}
