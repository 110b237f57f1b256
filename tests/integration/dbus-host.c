/*
 * The real daemon on a private bus, where libglib-testing's queue stands in for logind and systemd: they
 * answer, are silent, refuse, go away in the middle.
 */

#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "dbus/names.h"
#include "tests/integration/daemon.h"

/* ---- their interfaces */

static const char logind_xml[] =
                "<node><interface name='" BUS_LOGIND_INTERFACE "'>"
                "<method name='Inhibit'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
                "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='h' direction='out'/></method>"
                "</interface></node>";
static const char systemd_xml[] = "<node><interface name='" BUS_SYSTEMD_INTERFACE
                                  "'><method name='Subscribe'/></interface></node>";
static const char unit_xml[] = "<node><interface name='" BUS_UNIT_INTERFACE "'>"
                               "<property name='ActiveState' type='s' access='read'/></interface></node>";

typedef struct Fixture {
        Daemon daemon;
        GDBusConnection *server; /* of logind and systemd */
        guint logind, systemd;   /* the names */
        int lock_fd;             /* the end that shows when the lock is let go */
} Fixture;

static void export(Fixture *f, const char *path, const char *xml) {
        GError *error = NULL;
        GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(xml, &error);

        g_assert_no_error(error);
        (void) gt_dbus_queue_export_object(f->daemon.queue, path, node->interfaces[0], &error);
        g_assert_no_error(error);
        g_dbus_node_info_unref(node);
}

static void set_up(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        f->lock_fd = -1;
        daemon_open(&f->daemon);
        export(f, BUS_LOGIND_PATH, logind_xml);
        export(f, BUS_SYSTEMD_PATH, systemd_xml);
        export(f, BUS_IPFS_UNIT_PATH, unit_xml);
        f->logind = gt_dbus_queue_own_name(f->daemon.queue, BUS_LOGIND_NAME);
        f->systemd = gt_dbus_queue_own_name(f->daemon.queue, BUS_SYSTEMD_NAME);
        daemon_start(&f->daemon, NULL);
}

static void tear_down(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        if (f->daemon.daemon)
                daemon_stop(&f->daemon);
        daemon_close(&f->daemon);
        if (f->lock_fd >= 0)
                close(f->lock_fd);
}

/* ---- questions, in the order in which they come */

static GDBusMethodInvocation *pop(Fixture *f, const char *member) {
        GDBusMethodInvocation *question = NULL;

        g_assert_true(gt_dbus_queue_pop_message(f->daemon.queue, &question));
        g_assert_cmpstr(g_dbus_method_invocation_get_method_name(question), ==, member);
        f->server = g_dbus_method_invocation_get_connection(question);
        return question;
}

static void give_lock(Fixture *f, GDBusMethodInvocation *question) {
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        GError *error = NULL;
        int ends[2];

        g_assert_cmpint(pipe(ends), ==, 0);
        (void) g_unix_fd_list_append(fds, ends[1], &error);
        g_assert_no_error(error);
        close(ends[1]);
        if (f->lock_fd >= 0)
                close(f->lock_fd);
        f->lock_fd = ends[0];
        g_dbus_method_invocation_return_value_with_unix_fd_list(question, g_variant_new("(h)", 0), fds);
}

/* systemd's property comes as a call of Get, or as that of the property itself. */
static void give_state(Fixture *f, const char *state) {
        g_dbus_method_invocation_return_value(pop(f, "Subscribe"), NULL);
        g_dbus_method_invocation_return_value(
                        pop(f, "Get"), g_variant_new("(v)", g_variant_new_string(state)));
}

/* ---- news */

static void tell_shutdown(Fixture *f, gboolean is_beginning) {
        GError *error = NULL;

        (void) g_dbus_connection_emit_signal(
                        f->server,
                        NULL,
                        BUS_LOGIND_PATH,
                        BUS_LOGIND_INTERFACE,
                        "PrepareForShutdown",
                        g_variant_new("(b)", is_beginning),
                        &error);
        g_assert_no_error(error);
}

static void tell_state(Fixture *f, const char *state) {
        GVariantBuilder changed;
        GError *error = NULL;

        g_variant_builder_init(&changed, G_VARIANT_TYPE("a{sv}"));
        g_variant_builder_add(&changed, "{sv}", "ActiveState", g_variant_new_string(state));
        (void) g_dbus_connection_emit_signal(
                        f->server,
                        NULL,
                        BUS_IPFS_UNIT_PATH,
                        BUS_PROPERTIES_INTERFACE,
                        "PropertiesChanged",
                        g_variant_new("(sa{sv}as)", BUS_UNIT_INTERFACE, &changed, NULL),
                        &error);
        g_assert_no_error(error);
}

/* ---- what the daemon makes of it */

static gboolean is_reachable(Fixture *f) {
        g_autoptr(GVariant) reply = NULL, value = NULL;
        GError *error = NULL;

        reply = g_dbus_connection_call_sync(
                        f->daemon.client,
                        BUS_NAME,
                        BUS_PATH,
                        BUS_PROPERTIES_INTERFACE,
                        "Get",
                        g_variant_new("(ss)", BUS_INTERFACE, "IpfsReachable"),
                        G_VARIANT_TYPE("(v)"),
                        G_DBUS_CALL_FLAGS_NONE,
                        DAEMON_PATIENCE_MSEC,
                        NULL,
                        &error);
        g_assert_no_error(error);
        g_variant_get(reply, "(v)", &value);
        return g_variant_get_boolean(value);
}

static void until_reachable(Fixture *f, gboolean expected) {
        gint64 end = g_get_monotonic_time() + DAEMON_PATIENCE_MSEC * 1000;

        while (is_reachable(f) != expected)
                g_assert_cmpint(g_get_monotonic_time(), <, end);
}

/* Blocks until the daemon lets go. */
static void until_released(Fixture *f) {
        char c;

        g_assert_cmpint(read(f->lock_fd, &c, 1), ==, 0);
}

/* ---- tests */

static void test_allowed(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        give_lock(f, pop(f, "Inhibit"));
        give_state(f, "active");
        until_reachable(f, TRUE);
        tell_state(f, "deactivating");
        until_reachable(f, FALSE);
        tell_state(f, "active");
        until_reachable(f, TRUE);

        tell_shutdown(f, TRUE);
        until_released(f);              /* there is nobody to hand over to */
        g_assert_true(is_reachable(f)); /* and it goes on until it is stopped */
        tell_shutdown(f, FALSE);
        give_lock(f, pop(f, "Inhibit"));
}

static void test_refused(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        g_dbus_method_invocation_return_dbus_error(
                        pop(f, "Inhibit"), "org.freedesktop.DBus.Error.AccessDenied", "no");
        g_dbus_method_invocation_return_dbus_error(
                        pop(f, "Subscribe"), "org.freedesktop.DBus.Error.AccessDenied", "no");
        g_dbus_method_invocation_return_dbus_error(
                        pop(f, "Get"), "org.freedesktop.DBus.Error.UnknownObject", "no");
        until_reachable(f, TRUE);
        tell_shutdown(f, TRUE);
        tell_shutdown(f, FALSE);
        g_dbus_method_invocation_return_dbus_error(
                        pop(f, "Inhibit"), "org.freedesktop.DBus.Error.AccessDenied", "still no");
        g_assert_true(is_reachable(f));
}

/* They are asked, and never say anything; the daemon works, and ends when it is told to. */
static void test_no_answer(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        GDBusMethodInvocation *lock = pop(f, "Inhibit"), *subscribe = pop(f, "Subscribe"),
                              *get = pop(f, "Get");

        until_reachable(f, TRUE);
        daemon_stop(&f->daemon);
        g_clear_object(&f->daemon.daemon);
        g_dbus_method_invocation_return_value(subscribe, NULL);
        g_dbus_method_invocation_return_dbus_error(lock, "org.freedesktop.DBus.Error.Failed", "late");
        g_dbus_method_invocation_return_dbus_error(get, "org.freedesktop.DBus.Error.Failed", "late");
}

/* They go while they are asked, and come back. */
static void test_vanish(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        GDBusMethodInvocation *lock = pop(f, "Inhibit");

        give_state(f, "active");
        until_reachable(f, TRUE);
        tell_state(f, "deactivating");
        until_reachable(f, FALSE);
        gt_dbus_queue_unown_name(f->daemon.queue, f->systemd);
        until_reachable(f, TRUE); /* nobody knows better than Kubo itself */
        f->systemd = gt_dbus_queue_own_name(f->daemon.queue, BUS_SYSTEMD_NAME);
        give_state(f, "activating");
        until_reachable(f, FALSE);
        tell_state(f, "active");
        until_reachable(f, TRUE);

        gt_dbus_queue_unown_name(f->daemon.queue, f->logind);
        /* as the bus tells it when who was asked leaves */
        g_dbus_method_invocation_return_dbus_error(
                        lock, "org.freedesktop.DBus.Error.NoReply", "Message recipient disconnected");
        f->logind = gt_dbus_queue_own_name(f->daemon.queue, BUS_LOGIND_NAME);
        give_lock(f, pop(f, "Inhibit"));
        tell_shutdown(f, TRUE);
        until_released(f);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/integration/dbus-host/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("allowed", test_allowed);
        ADD("refused", test_refused);
        ADD("no-answer", test_no_answer);
        ADD("vanish", test_vanish);
        return g_test_run();
}
