/*
 * May the sender do this?  who (the bus says) ──► root or our own user: yes ──► else polkit decides.
 *
 * Nothing is remembered from one call to the next: polkit knows better how long its answers hold. What
 * cannot be found out is a no.
 */

#include <unistd.h>

#include "daemon/base/log.h"
#include "dbus/internal.h"

#define POLKIT_ALLOW_INTERACTION 1u

static void deny(BusCall *call, const char *words) {
        bus_call_deny(call, SD_BUS_ERROR_ACCESS_DENIED, words);
}

/* Why there is no answer. Without polkit only those are left that have been let through already. */
static void deny_without_answer(BusCall *call, const sd_bus_error *error) {
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                deny(call, "Access denied: without polkit only root and the service's own user may do this");
        else if (sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT))
                deny(call, "Access denied: polkit did not answer");
        else
                deny(call, "Access denied: polkit failed");
        /* CALL is gone */
}

static int authz_on_polkit(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        const sd_bus_error *error = sd_bus_message_get_error(answer);
        BusCall *call = userdata;
        int is_authorized = 0, is_challenge = 0, r;

        call->slot = sd_bus_slot_unref(call->slot);
        if (error) {
                log_debug("polkit did not decide on %s: %s", call->method->action, error->message);
                deny_without_answer(call, error);
                return 0;
        }

        r = sd_bus_message_enter_container(answer, 'r', "bba{ss}");
        if (r > 0)
                r = sd_bus_message_read(answer, "bb", &is_authorized, &is_challenge);
        if (r <= 0)
                deny(call, "Access denied: polkit's answer cannot be read");
        else if (is_authorized)
                bus_call_run(call);
        else if (is_challenge)
                bus_call_deny(call,
                              SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                              "Interactive authentication is required");
        else
                deny(call, "Access denied");
        return 0;
}

static int ask_polkit(BusCall *call) {
        bool is_interactive = sd_bus_message_get_allow_interactive_authorization(call->message) > 0;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        call->bus->connection,
                        &question,
                        BUS_POLKIT_NAME,
                        BUS_POLKIT_PATH,
                        BUS_POLKIT_INTERFACE,
                        "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(
                        question,
                        "(sa{sv})sa{ss}us",
                        "system-bus-name",
                        1,
                        "name",
                        "s",
                        call->sender->name,
                        call->method->action,
                        0,
                        is_interactive ? POLKIT_ALLOW_INTERACTION : 0,
                        "");
        if (r < 0)
                return r;
        return sd_bus_call_async(
                        call->bus->connection,
                        &call->slot,
                        question,
                        authz_on_polkit,
                        call,
                        is_interactive ? call->bus->patience.authz_interactive_usec
                                       : call->bus->patience.authz_usec);
}

static int authz_on_user(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        BusCall *call = userdata;
        uint32_t uid;
        int r;

        call->slot = sd_bus_slot_unref(call->slot);
        if (sd_bus_message_is_method_error(answer, NULL) || sd_bus_message_read(answer, "u", &uid) <= 0) {
                deny(call, "Access denied: the bus does not say who asks");
                return 0;
        }
        if (uid == 0 || uid == geteuid()) {
                bus_call_run(call);
                return 0;
        }
        r = ask_polkit(call);
        if (r < 0)
                bus_call_fail(call, r, NULL);
        return 0;
}

/* Not by sd_bus_query_sender_creds(), which waits for the bus. */
void bus_authz_start(BusCall *call) {
        int r;

        r = sd_bus_call_method_async(
                        call->bus->connection,
                        &call->slot,
                        BUS_DAEMON_NAME,
                        BUS_DAEMON_PATH,
                        BUS_DAEMON_INTERFACE,
                        "GetConnectionUnixUser",
                        authz_on_user,
                        call,
                        "s",
                        call->sender->name);
        if (r < 0)
                bus_call_fail(call, r, NULL);
}
