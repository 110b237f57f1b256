/*
 * The members of the cluster, as their objects and signals tell of them. Who they are is known here; what
 * they say is asked when something has changed, and now and then, since nobody tells that a peer is silent.
 *
 *   learn ────► the members: new, gone, what is known of those that never answered
 *   refresh ──► learn ──► a list of peers ──► each: changed ──► its end: up, down
 */

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/cluster/member.h"
#include "dbus/internal.h"

static BusMember *member_free(BusMember *member) {
        list_remove(&member->link);
        str_list_done(&member->addresses);
        free(member->name);
        free(member->path);
        free(member);
        return NULL;
}

static int member_new(Bus *bus, const PeerId *id, BusMember **ret) {
        char text[PEER_ID_TEXT_MAX];
        BusMember *member;
        int r;

        member = calloc(1, sizeof(BusMember));
        if (!member)
                return -ENOMEM;
        member->id = *id;
        list_append(&bus->members, &member->link);
        r = sd_bus_path_encode(BUS_PEER_PATH, peer_id_format(id, text), &member->path);
        if (r < 0) {
                member_free(member);
                return r;
        }
        *ret = member;
        return 0;
}

BusMember *bus_member_find(Bus *bus, const char *path) {
        LIST_FOREACH (member, &bus->members, BusMember, link)
                if (strcmp(member->path, path) == 0)
                        return member;
        return NULL;
}

static BusMember *member_of(Bus *bus, const PeerId *id) {
        LIST_FOREACH (member, &bus->members, BusMember, link)
                if (peer_id_equal(&member->id, id))
                        return member;
        return NULL;
}

/* ---- telling */

static void member_tell(Bus *bus, const BusMember *member, const char *signal) {
        char text[PEER_ID_TEXT_MAX];
        int r;

        /* Those that were there when the peer came onto the bus are no news. */
        if (!bus->has_name || !bus->members_are_known)
                return;
        r = sd_bus_emit_signal(
                        bus->connection,
                        BUS_PATH,
                        BUS_INTERFACE,
                        signal,
                        "s",
                        peer_id_format(&member->id, text));
        if (r < 0)
                log_debug_errno(r, "Failed to send the signal %s: %m", signal);
}

static void member_tell_object(
                Bus *bus, const BusMember *member, int (*emit)(sd_bus *bus, const char *path)) {
        int r;

        if (!bus->has_name)
                return;
        r = emit(bus->connection, member->path);
        if (r < 0)
                log_debug_errno(r, "Failed to tell of a peer's object: %m");
}

static void member_tell_changes(Bus *bus, const BusMember *member, char **names) {
        int r;

        if (!bus->has_name || !names[0])
                return;
        r = sd_bus_emit_properties_changed_strv(bus->connection, member->path, BUS_PEER_INTERFACE, names);
        if (r < 0)
                log_debug_errno(r, "Failed to tell what has changed of a peer: %m");
}

void bus_members_tell_roles(Bus *bus) {
        LIST_FOREACH (member, &bus->members, BusMember, link)
                member_tell_changes(bus, member, (char *[]){ (char *) "Role", NULL });
}

/* ---- what is told of a peer */

/* Answers 1 when NAME is another one. */
static int member_set_name(BusMember *member, const char *name) {
        int r;

        if (str_equal(member->name ? member->name : "", name))
                return 0;
        r = str_copy(&member->name, name);
        return r < 0 ? r : 1;
}

static int member_set_addresses(BusMember *member, const StrList *addresses) {
        StrList copy = {};
        int r;

        if (str_list_equal(&member->addresses, addresses))
                return 0;
        r = str_list_copy(&copy, addresses);
        if (r < 0)
                return r;
        str_list_done(&member->addresses);
        member->addresses = copy;
        return 1;
}

/* NULL for what nothing is known of. Tells what has changed. */
static void member_update(
                Bus *bus,
                BusMember *member,
                const char *name,
                const StrList *addresses,
                const PeerId *ipfs) {
        const char *names[BUS_MEMBER_NAMES_MAX] = {};
        size_t n = 0;
        int r = 0;

        if (name && (r = member_set_name(member, name)) > 0)
                names[n++] = "Name";
        if (r >= 0 && addresses && (r = member_set_addresses(member, addresses)) > 0)
                names[n++] = "Addresses";
        if (ipfs && !peer_id_equal(&member->ipfs, ipfs)) {
                member->ipfs = *ipfs;
                names[n++] = "IpfsId";
        }
        if (r < 0)
                log_debug_errno(r, "Failed to keep what is told of a peer: %m");
        member_tell_changes(bus, member, (char **) names);
}

/* ---- who is known */

/* A peer's own answer is not replaced. */
static void member_learn(Bus *bus, BusMember *member) {
        const char *name = cluster_member_name(bus->cluster, &member->id);

        if (!member->has_told)
                member_update(bus,
                              member,
                              *name ? name : NULL,
                              cluster_member_addresses(bus->cluster, &member->id),
                              NULL);
}

static void members_add(Bus *bus, const PeerId *id) {
        BusMember *member;
        int r;

        r = member_new(bus, id, &member);
        if (r < 0) {
                log_debug_errno(r, "Failed to make an object for a peer: %m");
                return;
        }
        member_learn(bus, member);
        member_tell_object(bus, member, sd_bus_emit_object_added);
        member_tell(bus, member, "PeerAdded");
}

static void members_drop(Bus *bus, BusMember *member) {
        member_tell_object(bus, member, sd_bus_emit_object_removed);
        member_tell(bus, member, "PeerRemoved");
        member_free(member);
}

static bool is_among(const PeerIdList *ids, const PeerId *id) {
        for (size_t i = 0; i < ids->n; i++)
                if (peer_id_equal(&ids->items[i], id))
                        return true;
        return false;
}

void bus_members_learn(Bus *bus) {
        PeerIdList ids = {};
        int r;

        r = cluster_members(bus->cluster, &ids);
        if (r < 0) {
                log_debug_errno(r, "Failed to look who the members are: %m");
                return;
        }
        LIST_FOREACH (member, &bus->members, BusMember, link) {
                if (is_among(&ids, &member->id))
                        member_learn(bus, member);
                else if (!peer_id_equal(&member->id, cluster_self(bus->cluster)))
                        members_drop(bus, member);
        }
        for (size_t i = 0; i < ids.n; i++)
                if (!member_of(bus, &ids.items[i]))
                        members_add(bus, &ids.items[i]);
        peer_id_list_done(&ids);
}

/* ---- what the list says */

static void member_set_reachable(Bus *bus, BusMember *member, bool is_reachable) {
        if (member->is_reachable == is_reachable)
                return;
        member->is_reachable = is_reachable;
        member_tell(bus, member, is_reachable ? "PeerUp" : "PeerDown");
        member_tell_changes(bus, member, (char *[]){ (char *) "Reachable", NULL });
}

/* Who does not answer keeps what is known of it. */
static void members_take(Bus *bus, const PeerInfo *info) {
        BusMember *member = member_of(bus, &info->id);

        if (!member || !str_is_empty(info->error))
                return;
        member->has_answered = member->has_told = true;
        member_update(bus, member, info->peername ? info->peername : "", &info->addresses, &info->ipfs.id);
}

/* Its metric has come, and has not expired. */
static bool member_pings(Bus *bus, const BusMember *member) {
        _cleanup_free_ const Metric **metrics = NULL;
        size_t n = 0;

        if (cluster_metrics(bus->cluster, "ping", &metrics, &n) < 0)
                return member->is_reachable;
        for (size_t i = 0; i < n; i++)
                if (peer_id_equal(&metrics[i]->peer, &member->id))
                        return true;
        return false;
}

static void members_end(Bus *bus) {
        LIST_FOREACH (member, &bus->members, BusMember, link)
                member_set_reachable(
                                bus,
                                member,
                                peer_id_equal(&member->id, cluster_self(bus->cluster)) ||
                                                member->has_answered || member_pings(bus, member));
}

/* ---- asking */

static void members_plan(Bus *bus, uint64_t usec) {
        (void) sd_event_source_set_time_relative(bus->members_timer, usec);
        (void) sd_event_source_set_enabled(bus->members_timer, SD_EVENT_ONESHOT);
}

static void members_pull(Bus *bus) {
        const void *item;
        int r;

        while ((r = cluster_list_next(bus->peers, &item, NULL)) == 1)
                members_take(bus, item);
        if (r == CLUSTER_LIST_WAIT)
                return;
        bus->peers = cluster_list_free(bus->peers);
        if (r == 0) {
                members_end(bus);
                bus->members_are_known = true;
        }
        members_plan(bus, bus->peers_again ? BUS_CHANGES_USEC : BUS_MEMBERS_USEC);
        bus->peers_again = false;
}

static void members_on_wake(void *userdata) {
        members_pull(userdata);
}

void bus_members_refresh(Bus *bus) {
        int r;

        if (bus->peers) {
                bus->peers_again = true;
                return;
        }
        bus_members_learn(bus);
        LIST_FOREACH (member, &bus->members, BusMember, link)
                member->has_answered = false;
        r = cluster_list_peers(bus->cluster, &bus->peers, NULL);
        if (r < 0) {
                log_debug_errno(r, "Failed to ask for the members of the cluster, trying again: %m");
                members_plan(bus, BUS_MEMBERS_USEC);
                return;
        }
        cluster_list_on_wake(bus->peers, members_on_wake, bus);
        members_pull(bus);
}

static int members_on_time(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Bus *bus = userdata;

        if (bus->has_name)
                bus_members_refresh(bus);
        return 0;
}

/* ---- life */

int bus_members_new(Bus *bus) {
        BusMember *self;
        int r;

        r = member_new(bus, cluster_self(bus->cluster), &self);
        if (r < 0)
                return r;
        self->is_reachable = true; /* whom the answer comes from */
        r = str_copy(&self->name, cluster_peername(bus->cluster));
        if (r >= 0)
                r = sd_event_add_time_relative(
                                bus->event,
                                &bus->members_timer,
                                CLOCK_MONOTONIC,
                                0,
                                0,
                                members_on_time,
                                bus);
        return r < 0 ? r : sd_event_source_set_enabled(bus->members_timer, SD_EVENT_OFF);
}

void bus_members_disconnect(Bus *bus) {
        bus->peers = cluster_list_free(bus->peers);
        bus->members_are_known = false;
        if (bus->members_timer)
                (void) sd_event_source_set_enabled(bus->members_timer, SD_EVENT_OFF);
}

void bus_members_free(Bus *bus) {
        bus_members_disconnect(bus);
        bus->members_timer = sd_event_source_disable_unref(bus->members_timer);
        LIST_FOREACH (member, &bus->members, BusMember, link)
                member_free(member);
}
