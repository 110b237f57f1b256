/*
 * org.freedesktop.LogControl1, for systemctl service-log-level. LogLevel is what --loglevel takes, also with
 * levels of single components ("info,tracker:debug").
 *
 * sd-bus can set a property only at once, or find out by a call that waits whether the sender may. So the
 * call to set one is caught before, and goes the way of all calls.
 */

#include <errno.h>
#include <string.h>

#include "daemon/base/log.h"
#include "dbus/internal.h"

#define LOG_LEVEL "LogLevel"
#define LOG_TARGET "LogTarget"

static const char *target(void) {
        return log_is_to_journal() ? "journal" : "console";
}

static int log_get(
                sd_bus *connection _unused_,
                const char *path _unused_,
                const char *interface _unused_,
                const char *name,
                sd_bus_message *reply,
                void *userdata _unused_,
                sd_bus_error *reterr _unused_) {
        _cleanup_free_ char *levels = NULL;
        int r;

        if (strcmp(name, LOG_TARGET) == 0)
                return sd_bus_message_append(reply, "s", target());
        if (strcmp(name, LOG_LEVEL) != 0)
                return sd_bus_message_append(reply, "s", program_invocation_short_name);
        r = log_get_levels(&levels);
        return r < 0 ? r : sd_bus_message_append(reply, "s", levels);
}

static int log_refuse(
                sd_bus *connection _unused_,
                const char *path _unused_,
                const char *interface _unused_,
                const char *name _unused_,
                sd_bus_message *value _unused_,
                void *userdata _unused_,
                sd_bus_error *reterr) {
        return sd_bus_error_set(reterr, SD_BUS_ERROR_ACCESS_DENIED, "This property cannot be set so");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY(LOG_LEVEL, "s", log_get, log_refuse, 0, 0),
        SD_BUS_WRITABLE_PROPERTY(LOG_TARGET, "s", log_get, log_refuse, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", log_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

/* ---- setting */

static int parse_set(BusCall *call, Error *reterr) {
        const char *interface, *name;
        int r;

        r = sd_bus_message_read(call->message, "ss", &interface, &name);
        if (r >= 0)
                r = sd_bus_message_read(call->message, "v", "s", &call->text);
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "the value is no text");
        call->flag = strcmp(name, LOG_TARGET) == 0;
        return 0;
}

static int set_target(const char *text, Error *reterr) {
        if (strcmp(text, target()) == 0)
                return 0;
        return error_set(
                        reterr,
                        ERROR_UNSUPPORTED,
                        "LogTarget: '%.64s' is not offered, messages go to the %s",
                        text,
                        target());
}

static int set_level(const char *text, Error *reterr) {
        int r;

        r = *text ? log_set_levels(text) : -EINVAL;
        if (r == -EINVAL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "LogLevel: '%.64s' is not allowed, expected levels such as info,tracker:debug",
                                text);
        if (r < 0)
                return error_set_errno(reterr, r, "LogLevel: %m");
        log_notice("The log level was set to '%.64s' over the bus.", text);
        return 0;
}

static void run_set(BusCall *call) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = call->flag ? set_target(call->text, &error) : set_level(call->text, &error);
        if (r < 0)
                bus_call_fail(call, r, &error);
        else
                bus_call_reply(call, NULL);
}

static const BusMethod method_set = {
        BUS_PROPERTIES_INTERFACE, "Set", BUS_ACTION_RELOAD, parse_set, run_set,
};

/* What is not ours here is answered by sd-bus. */
static int log_on_call(sd_bus_message *message, void *userdata, sd_bus_error *reterr _unused_) {
        const char *interface, *name;
        int r;

        if (sd_bus_message_is_method_call(message, BUS_PROPERTIES_INTERFACE, "Set") <= 0)
                return 0;
        r = sd_bus_message_read(message, "ss", &interface, &name);
        if (r < 0 || strcmp(interface, BUS_LOG_INTERFACE) != 0 ||
            (strcmp(name, LOG_LEVEL) != 0 && strcmp(name, LOG_TARGET) != 0))
                return 0;
        r = sd_bus_message_rewind(message, /* complete= */ 1);
        return r < 0 ? r : bus_call_start(userdata, message, &method_set);
}

int bus_log_add(Bus *bus) {
        int r;

        r = sd_bus_add_object(bus->connection, NULL, BUS_LOG_PATH, log_on_call, bus);
        if (r < 0)
                return r;
        return sd_bus_add_object_vtable(bus->connection, NULL, BUS_LOG_PATH, BUS_LOG_INTERFACE, vtable, bus);
}
