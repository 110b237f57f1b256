#include "tests/unit/dbus/harness.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#define REPLY_TIMEOUT (30 * USEC_PER_SEC)

/* ---- the other end: the bus, and polkit */

static int answer_polkit(Harness *harness, sd_bus_message *m) {
        const char *kind, *key, *name, *action;
        uint32_t flags;

        g_assert_cmpint(sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &key, "s", &name, &action), >, 0);
        g_assert_cmpint(sd_bus_message_skip(m, "a{ss}"), >=, 0);
        g_assert_cmpint(sd_bus_message_read(m, "u", &flags), >, 0);
        g_assert_cmpstr(kind, ==, "system-bus-name");
        g_free(harness->question);
        harness->question = g_strdup_printf("%s %s %u", name, action, flags);
        harness->n_questions++;

        switch (harness->polkit) {
        case POLKIT_ALLOWS:
                return sd_bus_reply_method_return(m, "(bba{ss})", 1, 0, 0);
        case POLKIT_DENIES:
                return sd_bus_reply_method_return(m, "(bba{ss})", 0, 0, 0);
        case POLKIT_CHALLENGES:
                return sd_bus_reply_method_return(m, "(bba{ss})", 0, 1, 0);
        case POLKIT_IS_SILENT:
                sd_bus_message_unref(harness->asked);
                harness->asked = sd_bus_message_ref(m);
                return 1;
        case POLKIT_IS_WRONG:
                return sd_bus_reply_method_return(m, "s", "yes");
        case POLKIT_IS_ABSENT:
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_SERVICE_UNKNOWN, "no polkit");
        case POLKIT_FAILS:
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_FAILED, "broken");
        }
        return 0;
}

static int answer_bus(Harness *harness, sd_bus_message *m) {
        const char *member = sd_bus_message_get_member(m);

        if (strcmp(member, "Hello") == 0)
                return sd_bus_reply_method_return(m, "s", ":1.1");
        if (strcmp(member, "RequestName") == 0)
                return sd_bus_reply_method_return(m, "u", harness->is_name_gone ? 3 : 1);
        if (strcmp(member, "GetNameOwner") == 0)
                return sd_bus_reply_method_return(m, "s", ALICE);
        if (strcmp(member, "GetConnectionUnixUser") != 0)
                return sd_bus_reply_method_return(m, NULL);
        if (harness->is_unknown)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "gone");
        return sd_bus_reply_method_return(m, "u", harness->uid);
}

static void append_values(sd_bus_message *m, Str *to);

/* An allocation that a test makes fail may be one of these: then once more. */
static void keep_signal(Harness *harness, sd_bus_message *m) {
        int r;

        do {
                Str text = {};

                g_assert_cmpint(sd_bus_message_rewind(m, true), >=, 0);
                (void) str_append(&text, sd_bus_message_get_member(m));
                append_values(m, &text);
                r = str_list_append_take(&harness->signals, str_take(&text));
        } while (r == -ENOMEM);
        g_assert_cmpint(r, ==, 0);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *reterr G_GNUC_UNUSED) {
        const char *destination = sd_bus_message_get_destination(m);
        Harness *harness = userdata;
        uint8_t type;

        g_assert_cmpint(sd_bus_message_get_type(m, &type), >=, 0);
        if (type == SD_BUS_MESSAGE_SIGNAL) {
                if (strcmp(sd_bus_message_get_interface(m), BUS_LOCAL_INTERFACE) != 0)
                        keep_signal(harness, m);
                return 1;
        }
        if (type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        if (g_strcmp0(destination, BUS_DAEMON_NAME) == 0)
                (void) answer_bus(harness, m);
        else if (g_strcmp0(destination, BUS_POLKIT_NAME) == 0)
                (void) answer_polkit(harness, m);
        else if (harness->answer)
                harness->answer(harness, m);
        return 1;
}

static void drop_broker(Harness *harness) {
        harness->asked = sd_bus_message_unref(harness->asked);
        if (harness->broker)
                (void) sd_bus_detach_event(harness->broker);
        harness->broker = sd_bus_close_unref(harness->broker);
}

static void open_broker(Harness *harness, int fd) {
        sd_id128_t id = { .bytes = { 1 } };

        drop_broker(harness);
        g_assert_cmpint(sd_bus_new(&harness->broker), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(harness->broker, fd, fd), >=, 0);
        g_assert_cmpint(sd_bus_set_server(harness->broker, 1, id), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(harness->broker, 1), >=, 0);
        g_assert_cmpint(sd_bus_start(harness->broker), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(harness->broker, NULL, on_message, harness), >=, 0);
        g_assert_cmpint(sd_bus_attach_event(harness->broker, harness->peer.event, 0), >=, 0);
}

static int on_connect(void *userdata, sd_bus **ret) {
        Harness *harness = userdata;
        sd_bus *bus = NULL;
        int fds[2];

        harness->n_connections++;
        if (harness->is_refused)
                return -ECONNREFUSED;
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
        open_broker(harness, fds[1]);
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, fds[0], fds[0]), >=, 0);
        g_assert_cmpint(sd_bus_set_bus_client(bus, 1), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(bus, 1), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        *ret = bus;
        return 0;
}

/* ---- life */

void harness_open(Harness *harness) {
        harness_open_with(harness, NULL);
}

void harness_open_with(Harness *harness, void (*answer)(Harness *harness, sd_bus_message *message)) {
        *harness = (Harness){ .uid = UID_ROOT, .answer = answer };
        peer_open(&harness->peer);
        g_assert_cmpint(bus_new(&harness->bus,
                                harness->peer.event,
                                &(BusOptions){
                                                .cluster = harness->peer.cluster,
                                                .connect = on_connect,
                                                .userdata = harness,
                                },
                                NULL),
                        ==,
                        0);
        PEER_UNTIL(&harness->peer, harness->bus->has_name);
        /* until then statuses are not known for sure */
        PEER_UNTIL(&harness->peer, ({
                ClusterSummary summary;

                cluster_summary(harness->peer.cluster, &summary);
                summary.is_complete;
        }));
}

void harness_close(Harness *harness) {
        harness->bus = bus_free(harness->bus);
        drop_broker(harness);
        peer_close(&harness->peer);
        str_list_done(&harness->signals);
        g_free(harness->question);
}

void harness_cut(Harness *harness) {
        drop_broker(harness);
}

void harness_leave(Harness *harness, const char *sender) {
        sd_bus_message *m = NULL;

        g_assert_cmpint(sd_bus_message_new_signal(
                                        harness->broker,
                                        &m,
                                        BUS_DAEMON_PATH,
                                        BUS_DAEMON_INTERFACE,
                                        "NameOwnerChanged"),
                        >=,
                        0);
        g_assert_cmpint(sd_bus_message_append(m, "sss", sender, sender, ""), >=, 0);
        g_assert_cmpint(sd_bus_message_set_sender(m, BUS_DAEMON_NAME), >=, 0);
        g_assert_cmpint(sd_bus_send(harness->broker, m, NULL), >=, 0);
        sd_bus_message_unref(m);
}

bool harness_has_signal(const Harness *harness, const char *text) {
        return str_list_contains(&harness->signals, text);
}

BusMember *harness_self(const Harness *harness) {
        return LIST_FIRST(&harness->bus->members, BusMember, link);
}

void harness_forget_signals(Harness *harness) {
        str_list_done(&harness->signals);
}

/* ---- calls */

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr G_GNUC_UNUSED) {
        HarnessCall *call = userdata;

        call->reply = sd_bus_message_ref(reply);
        return 1;
}

sd_bus_message *harness_message(
                Harness *harness, const char *path, const char *interface, const char *member) {
        sd_bus_message *m = NULL;

        g_assert_cmpint(sd_bus_message_new_method_call(
                                        harness->broker, &m, BUS_NAME, path, interface, member),
                        >=,
                        0);
        return m;
}

void harness_send_message(Harness *harness, HarnessCall *call, const char *sender, sd_bus_message *message) {
        *call = (HarnessCall){};
        g_assert_cmpint(sd_bus_message_set_sender(message, sender), >=, 0);
        g_assert_cmpint(sd_bus_call_async(
                                        harness->broker,
                                        &call->slot,
                                        message,
                                        on_reply,
                                        call,
                                        REPLY_TIMEOUT),
                        >=,
                        0);
        sd_bus_message_unref(message);
}

static void send_valist(
                Harness *harness,
                HarnessCall *call,
                const char *sender,
                const char *member,
                const char *types,
                va_list ap) {
        sd_bus_message *m = harness_message(harness, BUS_PATH, BUS_INTERFACE, member);

        if (types)
                g_assert_cmpint(sd_bus_message_appendv(m, types, ap), >=, 0);
        harness_send_message(harness, call, sender, m);
}

void harness_send(
                Harness *harness,
                HarnessCall *call,
                const char *sender,
                const char *member,
                const char *types,
                ...) {
        va_list ap;

        va_start(ap, types);
        send_valist(harness, call, sender, member, types, ap);
        va_end(ap);
}

void harness_wait(Harness *harness, HarnessCall *call) {
        PEER_UNTIL(&harness->peer, call->reply);
}

void harness_call_done(HarnessCall *call) {
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->reply);
        *call = (HarnessCall){};
}

char *harness_call(Harness *harness, const char *sender, const char *member, const char *types, ...) {
        HarnessCall call;
        va_list ap;
        char *text;

        va_start(ap, types);
        send_valist(harness, &call, sender, member, types, ap);
        va_end(ap);
        harness_wait(harness, &call);
        text = harness_text(call.reply);
        harness_call_done(&call);
        return text;
}

/* ---- values as text */

static void append_value(sd_bus_message *m, Str *to);

static void append_dict(sd_bus_message *m, const char *contents, Str *to) {
        const char *key;

        g_assert_cmpint(sd_bus_message_enter_container(m, 'a', contents), >, 0);
        (void) str_append_char(to, '{');
        for (size_t i = 0; sd_bus_message_enter_container(m, 'e', NULL) > 0; i++) {
                g_assert_cmpint(sd_bus_message_read_basic(m, contents[1], &key), >, 0);
                (void) str_append(to, i > 0 ? "," : "");
                (void) json_write_string(to, key);
                (void) str_append_char(to, ':');
                append_value(m, to);
                g_assert_cmpint(sd_bus_message_exit_container(m), >=, 0);
        }
        (void) str_append_char(to, '}');
        g_assert_cmpint(sd_bus_message_exit_container(m), >=, 0);
}

static void append_all(sd_bus_message *m, char type, const char *contents, Str *to) {
        g_assert_cmpint(sd_bus_message_enter_container(m, type, contents), >, 0);
        if (type != 'v')
                (void) str_append_char(to, '[');
        for (size_t i = 0; sd_bus_message_at_end(m, 0) == 0; i++) {
                (void) str_append(to, i > 0 ? "," : "");
                append_value(m, to);
        }
        if (type != 'v')
                (void) str_append_char(to, ']');
        g_assert_cmpint(sd_bus_message_exit_container(m), >=, 0);
}

static void append_basic(sd_bus_message *m, char type, Str *to) {
        union {
                const char *text;
                uint64_t u64;
                int64_t i64;
                uint32_t u32;
                int flag;
                double fraction;
        } value = {};

        g_assert_cmpint(sd_bus_message_read_basic(m, type, &value), >, 0);
        if (strchr("sog", type))
                (void) json_write_string(to, value.text);
        else if (type == 'b')
                (void) str_append(to, value.flag ? "true" : "false");
        else if (type == 'd')
                (void) str_appendf(to, "%g", value.fraction);
        else if (type == 'x')
                (void) str_append_int(to, value.i64);
        else
                (void) str_append_uint(to, type == 't' ? value.u64 : value.u32);
}

static void append_value(sd_bus_message *m, Str *to) {
        const char *contents;
        char type;

        g_assert_cmpint(sd_bus_message_peek_type(m, &type, &contents), >, 0);
        if (type == 'a' && *contents == '{')
                append_dict(m, contents, to);
        else if (strchr("avr", type))
                append_all(m, type, contents, to);
        else
                append_basic(m, type, to);
}

static void append_values(sd_bus_message *m, Str *to) {
        const char *contents;
        char type;

        while (sd_bus_message_peek_type(m, &type, &contents) > 0) {
                (void) str_append_char(to, ' ');
                append_value(m, to);
        }
}

char *harness_text(sd_bus_message *reply) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        Str text = {};

        if (error)
                return g_strdup_printf("%s: %s", strrchr(error->name, '.') + 1, error->message);
        if (strcmp(sd_bus_message_get_signature(reply, 1), "h") == 0)
                return g_strdup("h");
        append_values(reply, &text);
        if (text.len == 0)
                return g_strdup("");
        memmove(text.data, text.data + 1, text.len); /* the blank in front */
        return str_take(&text);
}

char *harness_read_pipe(Harness *harness, sd_bus_message *reply) {
        char buffer[65536];
        Str text = {};
        ssize_t n = -1;
        int fd;

        g_assert_cmpint(sd_bus_message_read(reply, "h", &fd), >, 0);
        /* blocking for the client; here the other end is in the same thread */
        g_assert_cmpint(fcntl(fd, F_GETFL) & O_NONBLOCK, ==, 0);
        g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
        PEER_UNTIL(&harness->peer, ({
                while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                        (void) str_append_bytes(&text, buffer, (size_t) n);
                n == 0;
        }));
        return text.len > 0 ? str_take(&text) : g_strdup("");
}
