#include "ctl/backend/bus.h"

#include <string.h>

#include "ctl/backend/bus-call.h"
#include "daemon/base/time.h"
#include "dbus/names.h"

#define CALL_NAME_MAX 96 /* of an interface and a member */

static const char *bus_kind(const CtlBus *bus) {
        return bus->options.user ? "the user's bus" : "the system bus";
}

/* ---- failures */

int ctl_bus_fail_words(CtlBusCall *call, const char *words) {
        return ctl_failure_set(call->reterr, -EIO, 0, "%s: %s", call->member, words);
}

static int fail_out_of_time(CtlBusCall *call, int r) {
        return ctl_failure_set(call->reterr, r, 0, "%s: context deadline exceeded", call->member);
}

int ctl_bus_fail(CtlBusCall *call, int r) {
        uint64_t deadline = call->request->deadline_usec;
        char text[CTL_ERRNO_WORDS_MAX];

        switch (r) {
        case -ENOMEM:
                return ctl_failure_set(call->reterr, r, 0, "out of memory");
        case -ETIME: /* the one of the request is told apart from --timeout */
                return fail_out_of_time(call, deadline && time_monotonic() >= deadline ? r : -EIO);
        case -ECANCELED:
                return ctl_failure_set(call->reterr, r, 0, "%s: context canceled", call->member);
        case -EINVAL:
                return ctl_bus_fail_words(call, "an argument is no UTF-8, which the bus does not carry");
        default:
                return ctl_bus_fail_words(call, ctl_errno_words(-r, text));
        }
}

int ctl_bus_fail_answer(CtlBusCall *call, int r, const JsonProblem *problem) {
        return ctl_failure_set_answer(call->reterr, r, CTL_BUS_CODE_DONE, problem);
}

int ctl_bus_fail_code(CtlBusCall *call, unsigned code, const char *words) {
        if (call->n_items > 0)
                code = error_http_status(ERROR_INTERNAL);
        return ctl_failure_set(call->reterr, -EREMOTEIO, code, "%s", words);
}

/* Errors that have no name of ours, and yet say what the peer thinks of the call. */
static const struct {
        const char *name;
        ErrorCode code;
} known_errors[] = {
        { SD_BUS_ERROR_ACCESS_DENIED, ERROR_FORBIDDEN },
        { SD_BUS_ERROR_AUTH_FAILED, ERROR_FORBIDDEN },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, ERROR_FORBIDDEN },
        { SD_BUS_ERROR_INVALID_ARGS, ERROR_INVALID },
        { SD_BUS_ERROR_LIMITS_EXCEEDED, ERROR_BUSY },
        { SD_BUS_ERROR_UNKNOWN_INTERFACE, ERROR_UNSUPPORTED },
        { SD_BUS_ERROR_UNKNOWN_METHOD, ERROR_UNSUPPORTED },
        { SD_BUS_ERROR_UNKNOWN_OBJECT, ERROR_UNSUPPORTED },
        { SD_BUS_ERROR_UNKNOWN_PROPERTY, ERROR_UNSUPPORTED },
};

static ErrorCode code_of(const char *name) {
        if (strncmp(name, BUS_ERROR_PREFIX, strlen(BUS_ERROR_PREFIX)) == 0)
                return error_from_bus_name(name + strlen(BUS_ERROR_PREFIX));
        for (size_t i = 0; i < ELEMENTSOF(known_errors); i++)
                if (strcmp(known_errors[i].name, name) == 0)
                        return known_errors[i].code;
        return ERROR_NONE;
}

static int fail_reply(CtlBusCall *call, const sd_bus_error *error) {
        ErrorCode code = code_of(error->name);
        const char *words = str_is_empty(error->message) ? error->name : error->message;
        const CtlBus *bus = call->bus;

        if (code != ERROR_NONE)
                return ctl_bus_fail_code(call, error_http_status(code), words);
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return ctl_failure_set(
                                call->reterr,
                                -EIO,
                                0,
                                "%s: %s is not on %s: no peer runs there, and none can be started",
                                call->member,
                                bus->name,
                                bus_kind(bus));
        return ctl_bus_fail_words(call, words);
}

/* ---- one question */

int ctl_bus_patience(CtlBusCall *call, uint64_t *ret_usec) {
        const volatile sig_atomic_t *cancel = call->request->cancel;
        uint64_t now = time_monotonic(), left = UINT64_MAX;

        if (cancel && *cancel)
                return -ECANCELED;
        if (call->deadline_usec && now >= call->deadline_usec)
                return -ETIME;
        if (call->deadline_usec)
                left = call->deadline_usec - now;
        *ret_usec = cancel ? MIN(left, CTL_BUS_LOOK_USEC) : left;
        return 0;
}

int ctl_bus_message(CtlBusCall *call, const char *interface, const char *member, sd_bus_message **ret) {
        CtlBus *bus = call->bus;
        int r;

        call->member = member;
        r = sd_bus_message_new_method_call(bus->connection, ret, bus->name, BUS_PATH, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(*ret, true);
        return r < 0 ? ctl_bus_fail(call, r) : 0;
}

static int bus_on_reply(sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *reterr) {
        CtlBusCall *call = userdata;

        call->reply = sd_bus_message_ref(reply);
        return 0;
}

static int wait_for_reply(CtlBusCall *call) {
        sd_bus *connection = call->bus->connection;

        while (!call->reply) {
                uint64_t usec;
                int r;

                r = sd_bus_process(connection, NULL);
                if (r == 0)
                        r = ctl_bus_patience(call, &usec);
                if (r == 0)
                        r = sd_bus_wait(connection, usec);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return 0;
}

int ctl_bus_ask(CtlBusCall *call, sd_bus_message *message) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        const char *interface = sd_bus_message_get_interface(message);
        const sd_bus_error *error;
        char name[CALL_NAME_MAX];
        int r;

        (void) snprintf(name, sizeof(name), "%s.%s", interface, call->member);
        ctl_debug(call->bus->options.debug, "CALL", name, strlen(name));
        call->reply = sd_bus_message_unref(call->reply);
        r = sd_bus_call_async(call->bus->connection, &slot, message, bus_on_reply, call, UINT64_MAX);
        if (r >= 0)
                r = wait_for_reply(call);
        if (r < 0)
                return ctl_bus_fail(call, r);
        error = sd_bus_message_get_error(call->reply);
        return error ? fail_reply(call, error) : 0;
}

int ctl_bus_deliver(CtlBusCall *call, void *item) {
        int r = call->on_item(item, call->userdata);

        call->n_items++;
        return r;
}

/* ---- the road */

static uint64_t call_deadline(const CtlBus *bus, const CtlRequest *request) {
        uint64_t own = time_monotonic() + bus->options.timeout_sec * USEC_PER_SEC;

        if (!bus->options.timeout_sec)
                return request->deadline_usec;
        return request->deadline_usec ? MIN(own, request->deadline_usec) : own;
}

static int bus_call(
                CtlBackend *backend,
                const CtlRequest *request,
                CtlItemFunc on_item,
                void *userdata,
                CtlFailure *reterr) {
        CtlBus *bus = CONTAINER_OF(backend, CtlBus, backend);
        CtlBusCall call = {
                .bus = bus,
                .request = request,
                .on_item = on_item,
                .userdata = userdata,
                .reterr = reterr,
                .deadline_usec = call_deadline(bus, request),
        };
        int r;

        r = ctl_bus_call_run(&call);
        sd_bus_message_unref(call.reply);
        return r;
}

static CtlBackend *bus_free(CtlBackend *backend) {
        CtlBus *bus = CONTAINER_OF(backend, CtlBus, backend);

        ctl_bus_agent_stop(&bus->agent);
        sd_bus_flush_close_unref(bus->connection);
        free(bus->name);
        free(bus);
        return NULL;
}

static const CtlBackendOps bus_ops = { .call = bus_call, .free = bus_free };

static int bus_set_name(CtlBus *bus, Error *reterr) {
        const char *instance = bus->options.instance;
        _cleanup_(str_done) Str name = {};

        if (instance && !bus_instance_is_valid(instance))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "instance: '%.128s' is not allowed, expected letters, digits, _ and -, no digit first",
                                instance);
        (void) str_append(&name, BUS_NAME);
        if (instance)
                (void) str_appendf(&name, ".%s", instance);
        bus->name = str_take(&name);
        return bus->name ? 0 : -ENOMEM;
}

static int bus_connect(CtlBus *bus, Error *reterr) {
        char text[CTL_ERRNO_WORDS_MAX];
        int r;

        r = bus->options.user ? sd_bus_open_user(&bus->connection) : sd_bus_open_system(&bus->connection);
        if (r < 0 && r != -ENOMEM)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s cannot be reached: %s",
                                bus_kind(bus),
                                r == -ENOMEDIUM ? "there is none" : ctl_errno_words(-r, text));
        return r;
}

int ctl_backend_bus_new(CtlBackend **ret, const CtlBusOptions *options, Error *reterr) {
        CtlBus *bus = calloc(1, sizeof(*bus));
        _cleanup_(ctl_backend_freep) CtlBackend *backend = bus ? &bus->backend : NULL;
        int r;

        if (!bus)
                return -ENOMEM;
        *bus = (CtlBus){ .backend.ops = &bus_ops, .options = *options };
        r = bus_set_name(bus, reterr);
        if (r >= 0)
                r = bus_connect(bus, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(backend);
        return 0;
}

/* ---- is anybody there? */

/* For a unit that is installed and not enabled, or masked, there is a name to be started, but nothing more.
 */
static const char *const not_offered[] = { "org.freedesktop.systemd1.NoSuchUnit",
                                           "org.freedesktop.systemd1.UnitMasked" };

static int daemon_message(CtlBus *bus, const char *member, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(
                        bus->connection,
                        ret,
                        BUS_DAEMON_NAME,
                        BUS_DAEMON_PATH,
                        BUS_DAEMON_INTERFACE,
                        member);
}

static bool has_owner(CtlBus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        int answer = 0;

        return daemon_message(bus, "NameHasOwner", &message) >= 0 &&
               sd_bus_message_append(message, "s", bus->name) >= 0 &&
               sd_bus_call(bus->connection, message, 0, NULL, &reply) >= 0 &&
               sd_bus_message_read(reply, "b", &answer) > 0 && answer;
}

static bool is_known(CtlBus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        const char *name;

        if (daemon_message(bus, "ListActivatableNames", &message) < 0 ||
            sd_bus_call(bus->connection, message, 0, NULL, &reply) < 0 ||
            sd_bus_message_enter_container(reply, 'a', "s") < 0)
                return false;
        while (sd_bus_message_read(reply, "s", &name) > 0)
                if (strcmp(name, bus->name) == 0)
                        return true;
        return false;
}

/* A start that fails is one all the same: why it does, is to be told to who asked, by the call that follows.
 */
static bool is_started(CtlBus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (daemon_message(bus, "StartServiceByName", &message) < 0 ||
            sd_bus_message_append(message, "su", bus->name, 0) < 0)
                return false;
        if (sd_bus_call(bus->connection, message, 0, &error, NULL) >= 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(not_offered); i++)
                if (sd_bus_error_has_name(&error, not_offered[i]))
                        return false;
        return true;
}

int ctl_backend_bus_find_peer(CtlBackend *backend) {
        CtlBus *bus = CONTAINER_OF(backend, CtlBus, backend);

        return has_owner(bus) || (is_known(bus) && is_started(bus));
}
