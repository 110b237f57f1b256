/*
 * The real daemon on a private bus, where libglib-testing's queue stands in for polkit.
 *
 * Root and the daemon's own user are never asked about, so the daemon runs as another user than the bus and
 * the client: in a user namespace of its own; and when root runs this, all of it does. The queue's
 * assertions only know calls of its own client, so questions are popped and compared here.
 */

#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <libglib-testing/dbus-queue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbus/names.h"
#include "tests/integration/daemon.h"

#define HELLO "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define TESTER_UID 1000u

/* ---- polkit's interface, and one that answers something else */

static const GDBusArgInfo subject = { -1, (char *) "subject", (char *) "(sa{sv})", NULL };
static const GDBusArgInfo action = { -1, (char *) "action_id", (char *) "s", NULL };
static const GDBusArgInfo details = { -1, (char *) "details", (char *) "a{ss}", NULL };
static const GDBusArgInfo flags = { -1, (char *) "flags", (char *) "u", NULL };
static const GDBusArgInfo cancellation = { -1, (char *) "cancellation_id", (char *) "s", NULL };
static const GDBusArgInfo result = { -1, (char *) "result", (char *) "(bba{ss})", NULL };
static const GDBusArgInfo wrong_result = { -1, (char *) "result", (char *) "s", NULL };

static const GDBusArgInfo *in_args[] = { &subject, &action, &details, &flags, &cancellation, NULL };
static const GDBusArgInfo *out_args[] = { &result, NULL };
static const GDBusArgInfo *wrong_out_args[] = { &wrong_result, NULL };

static const GDBusMethodInfo check = {
        -1, (char *) "CheckAuthorization", (GDBusArgInfo **) in_args, (GDBusArgInfo **) out_args, NULL,
};
static const GDBusMethodInfo wrong_check = {
        -1, (char *) "CheckAuthorization", (GDBusArgInfo **) in_args, (GDBusArgInfo **) wrong_out_args, NULL,
};
static const GDBusMethodInfo *methods[] = { &check, NULL };
static const GDBusMethodInfo *wrong_methods[] = { &wrong_check, NULL };

static const GDBusInterfaceInfo authority = {
        -1, (char *) BUS_POLKIT_INTERFACE, (GDBusMethodInfo **) methods, NULL, NULL, NULL,
};
static const GDBusInterfaceInfo wrong_authority = {
        -1, (char *) BUS_POLKIT_INTERFACE, (GDBusMethodInfo **) wrong_methods, NULL, NULL, NULL,
};

/* ---- users */

static gboolean write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        gboolean good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);

        if (fd >= 0)
                close(fd);
        return good;
}

/* From here on this process is USER for itself, whoever it is outside. */
static gboolean become(unsigned user, unsigned outside) {
        char users[64], groups[64];

        (void) snprintf(users, sizeof(users), "%u %u 1", user, outside);
        (void) snprintf(groups, sizeof(groups), "%u %u 1", user, (unsigned) getegid());
        return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/uid_map", users) &&
               write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", groups);
}

static void become_another(gpointer data G_GNUC_UNUSED) {
        unsigned user = geteuid();

        if (!become(user + 1, user))
                _exit(EXIT_FAILURE);
}

static gboolean can_become_another(void) {
        pid_t child = fork();
        int status = -1;

        if (child == 0) {
                become_another(NULL);
                _exit(0);
        }
        return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* ---- the daemon, as another user, and polkit */

typedef Daemon Fixture;

static void set_up(Fixture *f, gconstpointer interface) {
        GError *error = NULL;

        daemon_open(f);
        if (interface) {
                (void) gt_dbus_queue_own_name(f->queue, BUS_POLKIT_NAME);
                (void) gt_dbus_queue_export_object(
                                f->queue, BUS_POLKIT_PATH, (GDBusInterfaceInfo *) interface, &error);
                g_assert_no_error(error);
        }
        daemon_start(f, become_another);
}

static void tear_down(Fixture *f, gconstpointer interface G_GNUC_UNUSED) {
        daemon_stop(f);
        daemon_close(f);
}

/* ---- calls */

static void on_reply(GObject *source G_GNUC_UNUSED, GAsyncResult *reply, gpointer userdata) {
        *(GAsyncResult **) userdata = g_object_ref(reply);
}

static void begin(
                Fixture *f,
                GAsyncResult **reply,
                const char *member,
                GVariant *arguments,
                GDBusCallFlags how) {
        *reply = NULL;
        g_dbus_connection_call(
                        f->client,
                        BUS_NAME,
                        BUS_PATH,
                        BUS_INTERFACE,
                        member,
                        arguments,
                        NULL,
                        how,
                        DAEMON_PATIENCE_MSEC,
                        NULL,
                        on_reply,
                        reply);
}

static GVariant *finish(Fixture *f, GAsyncResult **reply, GError **error) {
        GVariant *value;

        while (!*reply)
                (void) g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
        value = g_dbus_connection_call_finish(f->client, *reply, error);
        g_clear_object(reply);
        return value;
}

static GDBusMethodInvocation *pop_question(
                Fixture *f, const char *expected_action, unsigned expected_flags) {
        GDBusMethodInvocation *question = NULL;
        g_autofree char *asked = NULL, *expected = NULL;

        g_assert_true(gt_dbus_queue_pop_message(f->queue, &question));
        asked = g_variant_print(g_dbus_method_invocation_get_parameters(question), TRUE);
        expected = g_strdup_printf(
                        "(('system-bus-name', {'name': <'%s'>}), '%s', @a{ss} {}, uint32 %u, '')",
                        g_dbus_connection_get_unique_name(f->client),
                        expected_action,
                        expected_flags);
        g_assert_cmpstr(g_dbus_method_invocation_get_method_name(question), ==, "CheckAuthorization");
        g_assert_cmpstr(asked, ==, expected);
        return question;
}

static GVariant *pin_arguments(void) {
        return g_variant_new("(sa{sv})", HELLO, NULL);
}

static void assert_remote(GError *error, const char *name) {
        g_autofree char *remote = g_dbus_error_get_remote_error(error);

        g_assert_cmpstr(remote, ==, name);
        g_error_free(error);
}

/* Polkit answers so; then NAME is the error, or NULL for none. */
static void answered(Fixture *f, gboolean is_authorized, gboolean is_challenge, const char *name) {
        g_autoptr(GVariant) value = NULL;
        GAsyncResult *reply;
        GError *error = NULL;

        begin(f, &reply, "Pin", pin_arguments(), G_DBUS_CALL_FLAGS_NONE);
        g_dbus_method_invocation_return_value(
                        pop_question(f, BUS_ACTION_PIN, 0),
                        g_variant_new("((bba{ss}))", is_authorized, is_challenge, NULL));
        value = finish(f, &reply, &error);
        if (name)
                assert_remote(error, name);
        else
                g_assert_no_error(error);
}

/* ---- tests */

static void test_allowed(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        answered(f, TRUE, FALSE, NULL);
        answered(f, TRUE, FALSE, NULL); /* asked again */
}

static void test_denied(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        g_autoptr(GVariant) value = NULL;
        GAsyncResult *reply;
        GError *error = NULL;

        answered(f, FALSE, FALSE, "org.freedesktop.DBus.Error.AccessDenied");
        begin(f, &reply, "GetPin", g_variant_new("(s)", HELLO), G_DBUS_CALL_FLAGS_NONE);
        value = finish(f, &reply, &error);
        assert_remote(error, BUS_ERROR_PREFIX "NotFound"); /* nothing was done */
}

static void test_challenge(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        g_autoptr(GVariant) value = NULL;
        GAsyncResult *reply;
        GError *error = NULL;

        answered(f, FALSE, TRUE, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired");
        begin(f, &reply, "Pin", pin_arguments(), G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);
        g_dbus_method_invocation_return_value(
                        pop_question(f, BUS_ACTION_PIN, 1), g_variant_new("((bba{ss}))", TRUE, FALSE, NULL));
        value = finish(f, &reply, &error);
        g_assert_no_error(error);
}

static void test_polkit_fails(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        GAsyncResult *reply;
        GError *error = NULL;

        begin(f, &reply, "Pin", pin_arguments(), G_DBUS_CALL_FLAGS_NONE);
        g_dbus_method_invocation_return_dbus_error(
                        pop_question(f, BUS_ACTION_PIN, 0),
                        "org.freedesktop.PolicyKit1.Error.Failed",
                        "broken");
        g_assert_null(finish(f, &reply, &error));
        assert_remote(error, "org.freedesktop.DBus.Error.AccessDenied");
}

static void test_wrong_answer(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        GAsyncResult *reply;
        GError *error = NULL;

        begin(f, &reply, "Pin", pin_arguments(), G_DBUS_CALL_FLAGS_NONE);
        g_dbus_method_invocation_return_value(
                        pop_question(f, BUS_ACTION_PIN, 0), g_variant_new("(s)", "yes"));
        g_assert_null(finish(f, &reply, &error));
        assert_remote(error, "org.freedesktop.DBus.Error.AccessDenied");
}

static void test_absent(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        GAsyncResult *reply;
        GError *error = NULL;

        begin(f, &reply, "Pin", pin_arguments(), G_DBUS_CALL_FLAGS_NONE);
        g_assert_null(finish(f, &reply, &error));
        g_assert_nonnull(strstr(error->message, "without polkit only root and the service's own user"));
        assert_remote(error, "org.freedesktop.DBus.Error.AccessDenied");
}

/* While there is no answer others are served; then polkit is gone. */
static void test_vanishes(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        g_autoptr(GVariant) value = NULL;
        GDBusMethodInvocation *question;
        GAsyncResult *reply, *other;
        GError *error = NULL;
        unsigned reading;

        begin(f, &reply, "Pin", pin_arguments(), G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);
        question = pop_question(f, BUS_ACTION_PIN, 1);
        for (reading = 0; reading < 3; reading++) {
                begin(f, &other, "Id", NULL, G_DBUS_CALL_FLAGS_NONE);
                g_clear_pointer(&value, g_variant_unref);
                value = finish(f, &other, &error);
                g_assert_no_error(error);
                g_assert_null(reply);
        }
        /* as the bus tells it when who was asked leaves */
        g_dbus_method_invocation_return_dbus_error(
                        question, "org.freedesktop.DBus.Error.NoReply", "Message recipient disconnected");
        g_assert_null(finish(f, &reply, &error));
        assert_remote(error, "org.freedesktop.DBus.Error.AccessDenied");
}

static void test_reading(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        static const char *const members[] = {
                "Id", "ListPeers", "ListMetrics", "ListAlerts", "GetConnectGraph"
        };
        GAsyncResult *reply;
        GError *error = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                g_autoptr(GVariant) value = NULL;

                begin(f, &reply, members[i], NULL, G_DBUS_CALL_FLAGS_NONE);
                value = finish(f, &reply, &error);
                g_assert_no_error(error);
        }
        gt_dbus_queue_assert_no_messages(f->queue);
}

static void test_stream(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) value = NULL;
        GError *error = NULL;
        char buffer[65536];
        size_t n = 0;
        ssize_t k;
        gint32 handle;
        int fd;

        answered(f, TRUE, FALSE, NULL);
        value = g_dbus_connection_call_with_unix_fd_list_sync(
                        f->client,
                        BUS_NAME,
                        BUS_PATH,
                        BUS_INTERFACE,
                        "StreamPins",
                        g_variant_new("(s)", "all"),
                        NULL,
                        G_DBUS_CALL_FLAGS_NONE,
                        DAEMON_PATIENCE_MSEC,
                        NULL,
                        &fds,
                        NULL,
                        &error);
        g_assert_no_error(error);
        g_variant_get(value, "(h)", &handle);
        fd = g_unix_fd_list_get(fds, handle, &error);
        g_assert_no_error(error);
        while ((k = read(fd, buffer + n, sizeof(buffer) - 1 - n)) > 0)
                n += (size_t) k;
        close(fd);
        buffer[n] = '\0';
        g_assert_nonnull(strstr(buffer, "\"cid\":\"" HELLO "\""));
        g_assert_true(g_str_has_suffix(buffer, "}\n{\"end\":1}\n"));
}

/* With TAP, Meson takes any other status for an error. */
static int skip(const char *why) {
        (void) printf("1..0 # SKIP %s\n", why);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        if (geteuid() == 0 && !become(TESTER_UID, 0))
                return skip("there are no user namespaces here");
        if (!can_become_another())
                return skip("there are no user namespaces within user namespaces here");
        g_test_init(&argc, &argv, NULL);
        g_test_add("/integration/dbus-polkit/allowed", Fixture, &authority, set_up, test_allowed, tear_down);
        g_test_add("/integration/dbus-polkit/denied", Fixture, &authority, set_up, test_denied, tear_down);
        g_test_add("/integration/dbus-polkit/challenge",
                   Fixture,
                   &authority,
                   set_up,
                   test_challenge,
                   tear_down);
        g_test_add("/integration/dbus-polkit/fails",
                   Fixture,
                   &authority,
                   set_up,
                   test_polkit_fails,
                   tear_down);
        g_test_add("/integration/dbus-polkit/wrong-answer",
                   Fixture,
                   &wrong_authority,
                   set_up,
                   test_wrong_answer,
                   tear_down);
        g_test_add("/integration/dbus-polkit/absent", Fixture, NULL, set_up, test_absent, tear_down);
        g_test_add("/integration/dbus-polkit/vanishes",
                   Fixture,
                   &authority,
                   set_up,
                   test_vanishes,
                   tear_down);
        g_test_add("/integration/dbus-polkit/reading", Fixture, &authority, set_up, test_reading, tear_down);
        g_test_add("/integration/dbus-polkit/stream", Fixture, &authority, set_up, test_stream, tear_down);
        return g_test_run();
}
