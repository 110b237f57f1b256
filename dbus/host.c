/*
 * This host, as its bus tells of it.
 *
 * logind: a lock delays a shutdown until the leadership is handed over. The peer does not end then: systemd
 * stops it in its turn, and one that ended by itself would be started again by the next request to its
 * socket. systemd: while ipfs.service is stopped and started, nothing is begun in Kubo. A user's bus has no
 * logind, and the units of the user.
 *
 * All this is a help: what is not there, refuses, or says what cannot be read, is done without.
 */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "dbus/internal.h"

typedef struct HostObject {
        const char *name, *path, *interface;
} HostObject;

static const HostObject logind = { BUS_LOGIND_NAME, BUS_LOGIND_PATH, BUS_LOGIND_INTERFACE };
static const HostObject manager = { BUS_SYSTEMD_NAME, BUS_SYSTEMD_PATH, BUS_SYSTEMD_INTERFACE };
static const HostObject unit = { BUS_SYSTEMD_NAME, BUS_IPFS_UNIT_PATH, BUS_PROPERTIES_INTERFACE };

/* Nobody is started for it. */
static int host_call(
                Bus *bus,
                const HostObject *object,
                const char *member,
                sd_bus_message_handler_t on_answer,
                const char *types,
                ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_call(
                        bus->connection, &message, object->name, object->path, object->interface, member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(message, 0);
        if (r >= 0 && types) {
                va_start(ap, types);
                r = sd_bus_message_appendv(message, types, ap);
                va_end(ap);
        }
        return r < 0 ? r : sd_bus_call_async(bus->connection, NULL, message, on_answer, bus, 0);
}

/* Whether ANSWER is an error. OWNER: who has answered. */
static bool host_is_refused(sd_bus_message *answer, char **owner, const char *what) {
        const sd_bus_error *error = sd_bus_message_get_error(answer);
        const char *sender = sd_bus_message_get_sender(answer);

        if (sender && *sender == ':')
                (void) str_copy(owner, sender);
        if (error)
                log_debug("%s, going on without: %s", what, error->message ? error->message : error->name);
        return error != NULL;
}

static bool host_is_from(sd_bus_message *signal, const char *owner) {
        return owner && str_equal(sd_bus_message_get_sender(signal), owner);
}

/* ---- a shutdown */

static void host_set_lock(BusHost *host, int fd) {
        closep(&host->lock_fd);
        host->lock_fd = fd;
}

static int host_on_lock(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        Bus *bus = userdata;
        int fd, r;

        if (host_is_refused(answer, &bus->host.logind, "A shutdown cannot be delayed"))
                return 0;
        r = sd_bus_message_read(answer, "h", &fd);
        fd = r > 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
        if (fd < 0)
                log_debug("A shutdown cannot be delayed, going on without: no descriptor came");
        else
                host_set_lock(&bus->host, fd);
        return 0;
}

static int host_take_lock(Bus *bus) {
        return host_call(
                        bus,
                        &logind,
                        "Inhibit",
                        host_on_lock,
                        "ssss",
                        "shutdown",
                        "IPFS Cluster",
                        "The leadership is handed over to another peer",
                        "delay");
}

/* The host may go down from here on. */
static void host_release(Bus *bus) {
        cluster_unwatch(&bus->host.watch);
        bus->host.release = sd_event_source_disable_unref(bus->host.release);
        host_set_lock(&bus->host, -1);
}

static int host_on_release_time(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        log_info("The leadership was not taken over in time.");
        host_release(userdata);
        return 0;
}

static void host_on_leader(const PeerId *leader, void *userdata) {
        Bus *bus = userdata;

        if (peer_id_is_set(leader) && !peer_id_equal(leader, cluster_self(bus->cluster)))
                host_release(bus);
}

static void host_go_down(Bus *bus) {
        static const ClusterEvents events = { .leader_changed = host_on_leader };
        BusHost *host = &bus->host;
        int r;

        log_notice("The host is going down.");
        r = cluster_hand_over(bus->cluster);
        if (r > 0)
                r = sd_event_add_time_relative(
                                bus->event,
                                &host->release,
                                CLOCK_MONOTONIC,
                                bus->patience.host_usec,
                                0,
                                host_on_release_time,
                                bus);
        else
                r = -ENODATA; /* nothing to wait for */
        if (r < 0) {
                host_release(bus);
                return;
        }
        host->watch = (ClusterWatch){ .events = &events, .userdata = bus };
        cluster_watch(bus->cluster, &host->watch);
}

static int host_on_shutdown(sd_bus_message *signal, void *userdata, sd_bus_error *reterr _unused_) {
        Bus *bus = userdata;
        int is_beginning;

        if (!host_is_from(signal, bus->host.logind) ||
            sd_bus_message_read(signal, "b", &is_beginning) <= 0 || is_beginning == bus->host.is_going_down)
                return 0;

        bus->host.is_going_down = is_beginning;
        if (is_beginning)
                host_go_down(bus);
        else {
                host_release(bus);
                (void) host_take_lock(bus); /* it was called off */
        }
        return 0;
}

/* ---- ipfs.service */

static ClusterIpfsUnit host_unit_state(const char *text) {
        static const struct {
                const char *text;
                ClusterIpfsUnit state;
        } states[] = {
                { "active", CLUSTER_IPFS_RUNS },          { "reloading", CLUSTER_IPFS_RUNS },
                { "refreshing", CLUSTER_IPFS_RUNS },      { "inactive", CLUSTER_IPFS_ENDED },
                { "failed", CLUSTER_IPFS_ENDED },         { "activating", CLUSTER_IPFS_CHANGES },
                { "deactivating", CLUSTER_IPFS_CHANGES },
        };

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                if (strcmp(states[i].text, text) == 0)
                        return states[i].state;
        return CLUSTER_IPFS_UNKNOWN;
}

static void host_set_ipfs(Bus *bus, ClusterIpfsUnit state) {
        /* One that is not running may not even exist: somebody else may run Kubo. */
        if (state == CLUSTER_IPFS_ENDED && bus->host.ipfs == CLUSTER_IPFS_UNKNOWN)
                return;
        if (state == bus->host.ipfs)
                return;
        bus->host.ipfs = state;
        cluster_ipfs_unit(bus->cluster, state);
}

static int host_on_state(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        const char *text;
        Bus *bus = userdata;

        if (host_is_refused(answer, &bus->host.systemd, "ipfs.service is not followed"))
                return 0;
        if (sd_bus_message_read(answer, "v", "s", &text) > 0)
                host_set_ipfs(bus, host_unit_state(text));
        return 0;
}

static int host_ask_state(Bus *bus) {
        return host_call(bus, &unit, "Get", host_on_state, "ss", BUS_UNIT_INTERFACE, "ActiveState");
}

/* Answers 1 and the text of ActiveState when it is among what has changed. */
static int host_read_changes(sd_bus_message *signal, const char **ret) {
        const char *name;
        int r, found = 0;

        r = sd_bus_message_skip(signal, "s");
        if (r >= 0)
                r = sd_bus_message_enter_container(signal, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(signal, 'e', "sv")) > 0) {
                r = sd_bus_message_read(signal, "s", &name);
                if (r < 0)
                        break;
                found |= strcmp(name, "ActiveState") == 0;
                r = strcmp(name, "ActiveState") == 0 ? sd_bus_message_read(signal, "v", "s", ret)
                                                     : sd_bus_message_skip(signal, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(signal);
        }
        return r < 0 ? r : found;
}

static int host_on_unit_changed(sd_bus_message *signal, void *userdata, sd_bus_error *reterr _unused_) {
        const char *text;
        Bus *bus = userdata;

        if (host_is_from(signal, bus->host.systemd) && host_read_changes(signal, &text) > 0)
                host_set_ipfs(bus, host_unit_state(text));
        return 0;
}

static int host_on_subscribed(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        Bus *bus = userdata;

        (void) host_is_refused(answer, &bus->host.systemd, "ipfs.service is not followed");
        return 0;
}

/* systemd tells nobody of its units before somebody has subscribed. */
static int host_follow_ipfs(Bus *bus) {
        int r;

        r = host_call(bus, &manager, "Subscribe", host_on_subscribed, NULL);
        return r < 0 ? r : host_ask_state(bus);
}

/* ---- they come and go */

static int host_on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *reterr _unused_) {
        const char *name, *old_owner, *owner;
        Bus *bus = userdata;

        if (!host_is_from(signal, BUS_DAEMON_NAME) ||
            sd_bus_message_read(signal, "sss", &name, &old_owner, &owner) <= 0)
                return 0;
        if (strcmp(name, BUS_LOGIND_NAME) == 0) {
                if (*owner)
                        (void) host_take_lock(bus);
        } else if (*owner)
                (void) host_follow_ipfs(bus);
        else
                host_set_ipfs(bus, CLUSTER_IPFS_UNKNOWN);
        return 0;
}

static int host_watch_owner(Bus *bus, const char *name) {
        _cleanup_free_ char *match = NULL;
        Str text = {};

        (void) str_appendf(
                        &text,
                        "type='signal',sender='" BUS_DAEMON_NAME "',interface='" BUS_DAEMON_INTERFACE
                        "',member='NameOwnerChanged',arg0='%s'",
                        name);
        match = str_take(&text);
        return match ? sd_bus_add_match_async(bus->connection, NULL, match, host_on_owner, NULL, bus)
                     : -ENOMEM;
}

static int host_add_logind(Bus *bus) {
        int r;

        if (bus->options.is_user)
                return 0;
        r = host_watch_owner(bus, BUS_LOGIND_NAME);
        if (r >= 0)
                r = sd_bus_match_signal_async(
                                bus->connection,
                                NULL,
                                logind.name,
                                logind.path,
                                logind.interface,
                                "PrepareForShutdown",
                                host_on_shutdown,
                                NULL,
                                bus);
        return r < 0 ? r : host_take_lock(bus);
}

int bus_host_add(Bus *bus) {
        int r;

        r = host_add_logind(bus);
        if (r >= 0)
                r = host_watch_owner(bus, BUS_SYSTEMD_NAME);
        if (r >= 0)
                r = sd_bus_match_signal_async(
                                bus->connection,
                                NULL,
                                unit.name,
                                unit.path,
                                unit.interface,
                                "PropertiesChanged",
                                host_on_unit_changed,
                                NULL,
                                bus);
        return r < 0 ? r : host_follow_ipfs(bus);
}

/* ---- life */

void bus_host_init(Bus *bus) {
        bus->host = (BusHost){ .lock_fd = -1 };
        list_init(&bus->host.watch.link);
}

/* The lock holds without the bus. */
void bus_host_disconnect(Bus *bus) {
        host_set_ipfs(bus, CLUSTER_IPFS_UNKNOWN);
}

void bus_host_deinit(Bus *bus) {
        host_release(bus);
        free(bus->host.logind);
        free(bus->host.systemd);
}
