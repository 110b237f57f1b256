#include "dbus/bus.h"

#include <string.h>

#include "daemon/base/log.h"
#include "dbus/internal.h"

/* ---- the connection goes */

static void bus_disconnect(Bus *bus) {
        bus->has_name = false;
        bus_host_disconnect(bus);
        LIST_FOREACH (call, &bus->calls, BusCall, link)
                bus_call_free(call);
        bus_cursor_free_all(bus);
        bus_pipe_free_all(bus);
        bus_signals_disconnect(bus);
        bus_members_disconnect(bus);

        /* Nothing is flushed: who would read it is gone, or would make us wait. */
        if (bus->connection)
                (void) sd_bus_detach_event(bus->connection);
        bus->connection = sd_bus_close_unref(bus->connection);
}

/* Try again, from the loop: never inside a callback of the connection. */
static void bus_retry(Bus *bus, uint64_t delay) {
        int r;

        bus->has_name = false;
        r = sd_event_source_set_time_relative(bus->retry, delay);
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->retry, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Failed to plan the next try to reach the bus, giving up on it: %m");
}

/* Said once, until it has worked again. */
static void bus_be_absent(Bus *bus, int error, const char *what) {
        (void) log_full_errno(
                        bus->is_absence_told ? LOG_DEBUG : LOG_NOTICE,
                        error,
                        "%s is not on the %s bus, %s: %m; trying again.",
                        bus->name,
                        bus->options.is_user ? "session" : "system",
                        what);
        bus->is_absence_told = true;
        bus_retry(bus, bus->delay);
        bus->delay = MIN(2 * bus->delay, BUS_CONNECT_DELAY_MAX);
}

static int bus_on_disconnected(
                sd_bus_message *message _unused_, void *userdata, sd_bus_error *reterr _unused_) {
        Bus *bus = userdata;

        bus_be_absent(bus, ECONNRESET, "the connection has ended");
        return 0;
}

/* ---- the connection comes */

static int bus_on_name(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        int error = sd_bus_message_get_errno(answer);
        Bus *bus = userdata;
        uint32_t result = 0;

        if (error == 0 && sd_bus_message_read(answer, "u", &result) <= 0)
                error = EBADMSG;
        if (error == 0 && result != 1 &&
            result != 4) /* DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER, ALREADY_OWNER */
                error = EEXIST;
        if (error != 0) {
                bus_be_absent(bus, error, "the name is not given to us");
                return 0;
        }

        bus->has_name = true;
        bus->delay = BUS_CONNECT_DELAY_MIN;
        bus->is_absence_told = false;
        cluster_summary(bus->cluster, &bus->told);
        bus_members_refresh(bus);
        log_info("On the %s bus as %s.", bus->options.is_user ? "session" : "system", bus->name);
        return 0;
}

static int bus_open(Bus *bus) {
        if (bus->options.connect)
                return bus->options.connect(bus->options.userdata, &bus->connection);
        return bus->options.is_user ? sd_bus_open_user_with_description(&bus->connection, "cluster")
                                    : sd_bus_open_system_with_description(&bus->connection, "cluster");
}

static int bus_watch_end(Bus *bus) {
        return sd_bus_match_signal(
                        bus->connection,
                        NULL,
                        BUS_LOCAL_NAME,
                        BUS_LOCAL_PATH,
                        BUS_LOCAL_INTERFACE,
                        "Disconnected",
                        bus_on_disconnected,
                        bus);
}

/* The objects are there before the name is. */
static int bus_connect(Bus *bus) {
        int (*const steps[])(Bus * bus) = {
                bus_open, bus_watch_end, bus_manager_add, bus_peers_add, bus_log_add, bus_host_add,
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(steps) && r >= 0; i++)
                r = steps[i](bus);
        if (r >= 0)
                r = sd_bus_request_name_async(bus->connection, NULL, bus->name, 0, bus_on_name, bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus->connection, bus->event, SD_EVENT_PRIORITY_NORMAL);
        return r;
}

static int bus_on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Bus *bus = userdata;
        int r;

        bus_disconnect(bus);
        r = bus_connect(bus);
        if (r < 0)
                bus_be_absent(bus, r, "there is no connection");
        return 0;
}

/* ---- life */

static int bus_set_names(Bus *bus) {
        const char *instance = bus->options.instance;
        Str name = {};

        (void) str_append(&name, BUS_NAME);
        if (instance)
                (void) str_appendf(&name, ".%s", instance);
        bus->name = str_take(&name);
        return bus->name ? 0 : -ENOMEM;
}

static int bus_prepare(Bus *bus) {
        int r;

        r = bus_set_names(bus);
        if (r >= 0)
                r = map_new(&bus->senders);
        if (r >= 0)
                r = bus_members_new(bus);
        if (r >= 0)
                r = bus_signals_new(bus);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                bus->event, &bus->retry, CLOCK_MONOTONIC, 0, 0, bus_on_retry, bus);
        return r;
}

int bus_new(Bus **ret, sd_event *event, const BusOptions *options, Error *reterr) {
        _cleanup_(bus_freep) Bus *bus = NULL;
        int r;

        if (options->instance && !bus_instance_is_valid(options->instance))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "instance: '%.128s' is not allowed, expected letters, digits, _ and -, no digit first",
                                options->instance);
        bus = calloc(1, sizeof(Bus));
        if (!bus)
                return error_set_errno(reterr, -ENOMEM, "bus: %m");

        *bus = (Bus){
                .event = sd_event_ref(event),
                .options = *options,
                .cluster = options->cluster,
                .delay = BUS_CONNECT_DELAY_MIN,
                .patience = { BUS_AUTHZ_TIMEOUT,
                              BUS_AUTHZ_INTERACTIVE_TIMEOUT,
                              BUS_CURSOR_USEC,
                              BUS_PIPE_STALL_USEC,
                              BUS_HOST_HAND_OVER_USEC },
        };
        list_init(&bus->calls);
        list_init(&bus->pipes);
        list_init(&bus->cursors);
        list_init(&bus->subscribers);
        list_init(&bus->members);
        bus_host_init(bus);
        r = bus_prepare(bus);
        if (r < 0)
                return error_set_errno(reterr, r, "bus: %m");

        *ret = TAKE_PTR(bus);
        return 0;
}

bool bus_is_idle(const Bus *bus) {
        return list_is_empty(&bus->calls);
}

Bus *bus_free(Bus *bus) {
        if (!bus)
                return NULL;

        bus_disconnect(bus);
        bus_host_deinit(bus);
        bus_members_free(bus);
        bus_signals_free(bus);
        sd_event_source_disable_unref(bus->retry);
        map_free(bus->senders);
        free(bus->name);
        sd_event_unref(bus->event);
        free(bus);
        return NULL;
}
