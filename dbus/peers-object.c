/* Peers: the methods about them, the peer's own questions, and the objects /org/ipfs/Cluster/peer/<id>. */

#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/variant.h"
#include "daemon/types/multiaddr.h"
#include "dbus/internal.h"

/* ---- arguments */

static int read_peer_id(const char *text, const char *name, PeerId *ret, Error *reterr) {
        int r;

        r = peer_id_parse(text, ret);
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "%s: '%.128s' is no peer ID", name, text);
        return 0;
}

int bus_parse_peer_id(BusCall *call, Error *reterr) {
        int r;

        r = bus_parse_text(call, reterr);
        return r < 0 ? r : read_peer_id(call->text, "id", &call->peer, reterr);
}

/* An address that ends in /p2p/<id>, or the ID alone. */
int bus_parse_peer_address(BusCall *call, Error *reterr) {
        _cleanup_free_ char *address = NULL;
        const char *text, *why = "it has no /p2p/<id>";
        int r;

        r = bus_parse_text(call, reterr);
        if (r < 0)
                return r;
        text = call->text;
        if (*text != '/') {
                call->text = NULL;
                return read_peer_id(text, "address", &call->peer, reterr);
        }
        if (multiaddr_parse(text, &address, &why) < 0 || multiaddr_peer_id(address, &call->peer) <= 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "address: '%.128s' is no address of a peer: %s",
                                text,
                                why);
        return 0;
}

int bus_parse_peer_object(BusCall *call, Error *reterr) {
        const BusMember *member = bus_member_find(call->bus, sd_bus_message_get_path(call->message));

        if (!member)
                return error_set(reterr, ERROR_NOT_FOUND, "there is no such peer");
        call->peer = member->id;
        return 0;
}

/* ---- methods */

static void asked(BusCall *call, int r) {
        if (r < 0)
                bus_call_fail(call, r, NULL);
}

void bus_id(BusCall *call) {
        asked(call, cluster_id(call->bus->cluster, &call->asked, bus_call_on_peer, call));
}

void bus_add_peer(BusCall *call) {
        asked(call,
              cluster_peer_add(
                              call->bus->cluster,
                              &call->asked,
                              &call->peer,
                              call->text,
                              bus_call_on_peer,
                              call));
}

static void done(BusCall *call, int r, const Error *error) {
        if (r < 0)
                bus_call_fail(call, r, error);
        else
                bus_call_reply(call, NULL);
}

static void on_removed(
                ClusterCall *asked_ _unused_,
                int r,
                const Error *error,
                const PeerInfo *peer _unused_,
                void *userdata) {
        done(userdata, r, error);
}

void bus_remove_peer(BusCall *call) {
        asked(call, cluster_peer_remove(call->bus->cluster, &call->asked, &call->peer, on_removed, call));
}

void bus_leave(BusCall *call) {
        call->peer = *cluster_self(call->bus->cluster);
        bus_remove_peer(call);
}

void bus_reload(BusCall *call) {
        const BusOptions *options = &call->bus->options;
        _cleanup_(error_done) Error error = {};
        int r;

        r = options->reload ? options->reload(options->userdata, &error)
                            : error_set(&error,
                                        ERROR_UNSUPPORTED,
                                        "reading the configuration again is not offered: restart the service");
        done(call, r, &error);
}

void bus_collect_garbage(BusCall *call) {
        asked(call,
              cluster_collect_garbage(call->bus->cluster, &call->asked, call->flag, bus_call_on_gc, call));
}

static void on_garbage(
                ClusterCall *asked_ _unused_,
                int r,
                const Error *error,
                const GlobalRepoGc *gc,
                void *userdata) {
        if (r < 0)
                bus_call_fail(userdata, r, error);
        else
                bus_pipe_start_value(userdata, &global_repo_gc_shape, gc);
}

/* What Kubo removes may be a million keys. */
void bus_stream_garbage(BusCall *call) {
        asked(call, cluster_collect_garbage(call->bus->cluster, &call->asked, call->flag, on_garbage, call));
}

void bus_get_graph(BusCall *call) {
        asked(call, cluster_graph(call->bus->cluster, &call->asked, bus_call_on_graph, call));
}

/* ---- methods that answer with a list of dictionaries */

static int dicts_open(BusCall *call) {
        int r;

        call->left = VARIANT_SIZE_MAX;
        r = sd_bus_message_new_method_return(call->message, &call->reply);
        return r < 0 ? r : sd_bus_message_open_container(call->reply, 'a', "a{sv}");
}

static void dicts_end(BusCall *call, int r) {
        if (r >= 0)
                r = sd_bus_message_close_container(call->reply);
        if (r < 0)
                bus_call_fail(call, r, NULL);
        else
                bus_call_reply_message(call, TAKE_PTR(call->reply));
}

void bus_list_alerts(BusCall *call) {
        const Alert *alerts;
        size_t n = cluster_alerts(call->bus->cluster, &alerts);
        int r;

        r = dicts_open(call);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = variant_append(call->reply, &alert_shape, &alerts[i], &call->left);
        dicts_end(call, r);
}

void bus_get_metrics(BusCall *call) {
        _cleanup_free_ const Metric **metrics = NULL;
        size_t n = 0;
        int r;

        r = cluster_metrics(call->bus->cluster, call->text, &metrics, &n);
        if (r >= 0)
                r = dicts_open(call);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = variant_append(call->reply, &metric_shape, metrics[i], &call->left);
        dicts_end(call, r);
}

void bus_list_metrics(BusCall *call) {
        _cleanup_(str_list_done) StrList names = {};
        sd_bus_message *reply = NULL;
        int r;

        r = cluster_metric_names(call->bus->cluster, &names);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, names.items);
        if (r >= 0) {
                bus_call_reply_message(call, reply);
                return;
        }
        sd_bus_message_unref(reply);
        bus_call_fail(call, r, NULL);
}

/* ---- the objects of the members */

static int peer_find(
                sd_bus *connection _unused_,
                const char *path,
                const char *interface _unused_,
                void *userdata,
                void **ret,
                sd_bus_error *reterr _unused_) {
        *ret = userdata;
        return bus_member_find(userdata, path) != NULL;
}

static int peer_enumerate(
                sd_bus *connection _unused_,
                const char *prefix _unused_,
                void *userdata,
                char ***ret,
                sd_bus_error *reterr _unused_) {
        StrList paths = {};
        Bus *bus = userdata;
        int r = 0;

        LIST_FOREACH (member, &bus->members, BusMember, link)
                if (r >= 0)
                        r = str_list_append(&paths, member->path);
        if (r < 0) {
                str_list_done(&paths);
                return r;
        }
        *ret = paths.items;
        return 0;
}

static int append_id(const PeerId *id, sd_bus_message *reply) {
        char text[PEER_ID_TEXT_MAX];

        return sd_bus_message_append(reply, "s", peer_id_format(id, text));
}

/* This peer knows of itself that it is not ready; of others, whether they lead. */
static const char *role_of(const Bus *bus, const BusMember *member) {
        ClusterSummary summary;

        cluster_summary(bus->cluster, &summary);
        if (peer_id_equal(&member->id, cluster_self(bus->cluster)))
                return bus_manager_state(&summary);
        if (peer_id_equal(&member->id, &summary.leader))
                return "leader";
        return peer_id_is_set(&summary.leader) ? "follower" : "no-leader";
}

/* What metric NAME says of PEER: its value, or when it came (µs). 0 when there is none. */
static uint64_t metric_of(const Bus *bus, const PeerId *peer, const char *name, bool time) {
        _cleanup_free_ const Metric **metrics = NULL;
        size_t n = 0;

        if (cluster_metrics(bus->cluster, name, &metrics, &n) < 0)
                return 0;
        for (size_t i = 0; i < n; i++)
                if (peer_id_equal(&metrics[i]->peer, peer))
                        return time ? (uint64_t) metrics[i]->received_at_nsec / 1000
                                    : strtoull(metrics[i]->value, NULL, 10);
        return 0;
}

static int append_name(const Bus *bus _unused_, const BusMember *member, sd_bus_message *reply) {
        return variant_append_text(reply, member->name ? member->name : "");
}

static int append_peer_id(const Bus *bus _unused_, const BusMember *member, sd_bus_message *reply) {
        return append_id(&member->id, reply);
}

static int append_role(const Bus *bus, const BusMember *member, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "s", role_of(bus, member));
}

static int append_ipfs_id(const Bus *bus _unused_, const BusMember *member, sd_bus_message *reply) {
        return append_id(&member->ipfs, reply);
}

static int append_addresses(const Bus *bus _unused_, const BusMember *member, sd_bus_message *reply) {
        return sd_bus_message_append_strv(reply, member->addresses.items);
}

static int append_reachable(const Bus *bus _unused_, const BusMember *member, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "b", (int) member->is_reachable);
}

static int append_last_seen(const Bus *bus, const BusMember *member, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "t", metric_of(bus, &member->id, "ping", true));
}

static int append_free_space(const Bus *bus, const BusMember *member, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "t", metric_of(bus, &member->id, "freespace", false));
}

static int peer_get(
                sd_bus *connection _unused_,
                const char *path,
                const char *interface _unused_,
                const char *name,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *reterr _unused_) {
        static const struct {
                const char *name;
                int (*append)(const Bus *bus, const BusMember *member, sd_bus_message *reply);
        } properties[] = {
                { "Id", append_peer_id },          { "Name", append_name },
                { "Role", append_role },           { "IpfsId", append_ipfs_id },
                { "Addresses", append_addresses }, { "Reachable", append_reachable },
                { "LastSeen", append_last_seen },  { "FreeSpace", append_free_space },
        };
        Bus *bus = userdata;
        const BusMember *member = bus_member_find(bus, path);

        for (size_t i = 0; member && i < ELEMENTSOF(properties); i++)
                if (strcmp(properties[i].name, name) == 0)
                        return properties[i].append(bus, member, reply);
        return -ENOENT;
}

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", peer_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Name", "s", peer_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Role", "s", peer_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("IpfsId", "s", peer_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Addresses", "as", peer_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Reachable", "b", peer_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LastSeen", "t", peer_get, 0, 0),
        SD_BUS_PROPERTY("FreeSpace", "t", peer_get, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Remove", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_call_begin,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

int bus_peers_add(Bus *bus) {
        int r;

        r = sd_bus_add_fallback_vtable(
                        bus->connection, NULL, BUS_PEER_PATH, BUS_PEER_INTERFACE, vtable, peer_find, bus);
        return r < 0 ? r
                     : sd_bus_add_node_enumerator(bus->connection, NULL, BUS_PEER_PATH, peer_enumerate, bus);
}
