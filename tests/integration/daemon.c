#include "tests/integration/daemon.h"

#include <stdlib.h>

#include "dbus/names.h"

static const char *program(void) {
        return g_getenv("IPFS_CLUSTER_TEST_SERVICE");
}

static char *start_kubo(Daemon *d) {
        g_autofree char *script = g_test_build_filename(G_TEST_DIST, "lib", "stand-in-kubo", NULL);
        g_autoptr(GDataInputStream) out = NULL;
        g_autofree char *port = NULL;
        GError *error = NULL;

        d->kubo = g_subprocess_new(
                        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                        &error,
                        "python3",
                        script,
                        "--tied",
                        NULL);
        g_assert_no_error(error);
        out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(d->kubo));
        port = g_data_input_stream_read_line(out, NULL, NULL, &error);
        g_assert_no_error(error);
        return g_strdup_printf("/ip4/127.0.0.1/tcp/%s", port);
}

static void launch(Daemon *d, GSpawnChildSetupFunc in_child) {
        g_autoptr(GSubprocessLauncher) launcher = NULL;
        g_autoptr(GSubprocess) init = NULL;
        g_autofree char *kubo = start_kubo(d), *rest = NULL, *proxy = NULL, *pinsvc = NULL;
        GError *error = NULL;

        d->folder = g_dir_make_tmp("cluster-dbus-XXXXXX", &error);
        g_assert_no_error(error);
        rest = g_strdup_printf("/unix%s/rest", d->folder);
        proxy = g_strdup_printf("/unix%s/proxy", d->folder);
        pinsvc = g_strdup_printf("/unix%s/pinsvc", d->folder);
        launcher = g_subprocess_launcher_new(
                        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
        g_subprocess_launcher_setenv(launcher, "IPFS_CLUSTER_PATH", d->folder, TRUE);
        init = g_subprocess_launcher_spawn(launcher, &error, program(), "init", NULL);
        g_assert_no_error(error);
        g_assert_true(g_subprocess_wait_check(init, NULL, &error));

        g_subprocess_launcher_setenv(launcher, "CLUSTER_IPFSHTTP_NODEMULTIADDRESS", kubo, TRUE);
        g_subprocess_launcher_setenv(launcher, "CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", rest, TRUE);
        g_subprocess_launcher_setenv(launcher, "CLUSTER_IPFSPROXY_LISTENMULTIADDRESS", proxy, TRUE);
        g_subprocess_launcher_setenv(launcher, "CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS", pinsvc, TRUE);
        g_subprocess_launcher_setenv(launcher, "CLUSTER_LISTENMULTIADDRESS", "/ip4/127.0.0.1/tcp/0", TRUE);
        g_subprocess_launcher_setenv(
                        launcher, "DBUS_SYSTEM_BUS_ADDRESS", g_getenv("DBUS_SESSION_BUS_ADDRESS"), TRUE);
        if (in_child)
                g_subprocess_launcher_set_child_setup(launcher, in_child, NULL, NULL);
        d->daemon = g_subprocess_launcher_spawn(launcher, &error, program(), "daemon", NULL);
        g_assert_no_error(error);
}

static void on_name(
                GDBusConnection *connection G_GNUC_UNUSED,
                const char *name G_GNUC_UNUSED,
                const char *owner G_GNUC_UNUSED,
                gpointer loop) {
        g_main_loop_quit(loop);
}

static gboolean on_late(gpointer data G_GNUC_UNUSED) {
        g_error("the service does not come onto the bus");
        return G_SOURCE_REMOVE;
}

static void wait_for_name(Daemon *d) {
        GMainContext *context = g_main_context_get_thread_default();
        g_autoptr(GMainLoop) loop = g_main_loop_new(context, FALSE);
        g_autoptr(GSource) late = g_timeout_source_new(DAEMON_PATIENCE_MSEC);
        guint watch;

        g_source_set_callback(late, on_late, NULL, NULL);
        (void) g_source_attach(late, context);
        watch = g_bus_watch_name_on_connection(
                        d->client, BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_name, NULL, loop, NULL);
        g_main_loop_run(loop);
        g_bus_unwatch_name(watch);
        g_source_destroy(late);
}

void daemon_open(Daemon *d) {
        GError *error = NULL;

        d->queue = gt_dbus_queue_new();
        (void) gt_dbus_queue_connect(d->queue, &error);
        g_assert_no_error(error);
        d->client = gt_dbus_queue_get_client_connection(d->queue);
}

void daemon_start(Daemon *d, GSpawnChildSetupFunc in_child) {
        launch(d, in_child);
        wait_for_name(d);
}

static void remove_tree(const char *path) {
        const char *arguments[] = { "rm", "-rf", path, NULL };

        g_assert_true(
                        g_spawn_sync(NULL,
                                     (char **) arguments,
                                     NULL,
                                     G_SPAWN_SEARCH_PATH,
                                     NULL,
                                     NULL,
                                     NULL,
                                     NULL,
                                     NULL,
                                     NULL));
}

/* gt_dbus_queue_free() asserts that nothing is pending for the server, but GDBus's thread may only just have
 * put there that the connection has ended. */
static void keep(GtDBusQueue *queue) {
        static GPtrArray *queues = NULL;

        if (!queues)
                queues = g_ptr_array_new();
        g_ptr_array_add(queues, queue);
}

void daemon_stop(Daemon *d) {
        GError *error = NULL;

        g_subprocess_send_signal(d->daemon, SIGTERM);
        g_assert_true(g_subprocess_wait_check(d->daemon, NULL, &error));
        g_assert_no_error(error);
        g_subprocess_force_exit(d->kubo);
        (void) g_subprocess_wait(d->kubo, NULL, NULL);
}

void daemon_close(Daemon *d) {
        gt_dbus_queue_disconnect(d->queue, TRUE); /* no question is left unanswered */
        keep(d->queue);
        g_clear_object(&d->daemon);
        g_object_unref(d->kubo);
        remove_tree(d->folder);
        g_free(d->folder);
}
