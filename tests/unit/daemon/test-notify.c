#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/base/macro.h"
#include "daemon/notify.h"

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(bind(fd, (struct sockaddr *) &address, sizeof(address)), ==, 0);
        return fd;
}

static void test_arrives(void) {
        g_autofree char *folder = g_dir_make_tmp("notify-XXXXXX", NULL),
                        *path = g_build_filename(folder, "s", NULL);
        _cleanup_close_ int fd = listen_at(path);
        char text[64] = {};

        g_setenv("NOTIFY_SOCKET", path, TRUE);
        g_assert_true(notify_try("STATUS=fine"));
        g_assert_cmpint(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), ==, 11);
        g_assert_cmpstr(text, ==, "STATUS=fine");
        g_unlink(path);
        g_rmdir(folder);
}

static unsigned fill(void) {
        unsigned n = 0;

        while (n < 1000000 && notify_try("STATUS=again"))
                n++;
        return n;
}

/* A receiver that does not read holds nobody up. */
static void test_full(void) {
        g_autofree char *folder = g_dir_make_tmp("notify-XXXXXX", NULL),
                        *path = g_build_filename(folder, "s", NULL);
        _cleanup_close_ int fd = listen_at(path);
        unsigned n;

        g_assert_cmpint(fd, >=, 0); /* stays open, and is not read */
        g_setenv("NOTIFY_SOCKET", path, TRUE);
        n = fill();
        g_assert_cmpuint(n, >, 0);
        g_assert_cmpuint(n, <, 1000000);
        g_unlink(path);
        g_rmdir(folder);
}

static void assert_next(int fd, const char *expected) {
        char text[128] = {};

        g_assert_cmpint(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), >, 0);
        g_assert_cmpstr(text, ==, expected);
}

static void turn_until(sd_event *event, const size_t *what, size_t value) {
        while (*what != value)
                g_assert_cmpint(sd_event_run(event, 10 * G_USEC_PER_SEC), >, 0);
}

/* What must not be lost comes when the receiver reads again, in its order. */
static void test_kept(void) {
        g_autofree char *folder = g_dir_make_tmp("notify-XXXXXX", NULL),
                        *path = g_build_filename(folder, "s", NULL);
        _cleanup_close_ int fd = listen_at(path);
        sd_event *event = NULL;
        Notify notify = {};
        unsigned n;

        g_setenv("NOTIFY_SOCKET", path, TRUE);
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(notify_init(&notify, event), >=, 0);
        n = fill();
        notify_send(&notify, "RELOADING=1");
        notify_send(&notify, "READY=1");
        g_assert_cmpuint(notify.n_kept, ==, 2);
        while (n-- > 0)
                assert_next(fd, "STATUS=again");
        turn_until(event, &notify.n_kept, 0);
        assert_next(fd, "RELOADING=1");
        assert_next(fd, "READY=1");

        notify_send(&notify, "STOPPING=1");
        assert_next(fd, "STOPPING=1");
        notify_deinit(&notify);
        notify_deinit(&notify);
        sd_event_unref(event);
        g_unlink(path);
        g_rmdir(folder);
}

static void test_keeps_the_newest(void) {
        g_autofree char *folder = g_dir_make_tmp("notify-XXXXXX", NULL),
                        *path = g_build_filename(folder, "s", NULL);
        _cleanup_close_ int fd = listen_at(path);
        sd_event *event = NULL;
        Notify notify = {};
        char text[32];

        g_assert_cmpint(fd, >=, 0);
        g_setenv("NOTIFY_SOCKET", path, TRUE);
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(notify_init(&notify, event), >=, 0);
        (void) fill();
        for (unsigned i = 0; i < NOTIFY_KEPT_MAX + 3; i++) {
                g_snprintf(text, sizeof(text), "ERRNO=%u", i);
                notify_send(&notify, text);
        }
        g_assert_cmpuint(notify.n_kept, ==, NOTIFY_KEPT_MAX);
        g_assert_cmpstr(notify.kept[0], ==, "ERRNO=3");
        g_assert_cmpstr(notify.kept[NOTIFY_KEPT_MAX - 1], ==, text);
        notify_deinit(&notify);
        sd_event_unref(event);
        g_unlink(path);
        g_rmdir(folder);
}

/* Also past a queue that was full for a while. */
static void test_feeds_the_watchdog(void) {
        g_autofree char *folder = g_dir_make_tmp("notify-XXXXXX", NULL),
                        *path = g_build_filename(folder, "s", NULL);
        _cleanup_close_ int fd = listen_at(path);
        sd_event *event = NULL;
        Notify notify = {};
        char text[128] = {};

        g_setenv("NOTIFY_SOCKET", path, TRUE);
        g_setenv("WATCHDOG_USEC", "80000", TRUE);
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(notify_init(&notify, event), >=, 0);
        for (unsigned n = fill(); n > 0; n--) {
                g_assert_cmpint(sd_event_run(event, 0), >=, 0);
                assert_next(fd, "STATUS=again");
        }
        while (recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) < 0)
                g_assert_cmpint(sd_event_run(event, 10 * G_USEC_PER_SEC), >, 0);
        g_assert_cmpstr(text, ==, "WATCHDOG=1");
        g_unsetenv("WATCHDOG_USEC");
        notify_deinit(&notify);
        sd_event_unref(event);
        g_unlink(path);
        g_rmdir(folder);
}

static void test_nobody(void) {
        static const char *const names[] = {
                "", "/", "relative", "/nonexistent/notify", "@ipfs-cluster-test-nobody"
        };

        g_unsetenv("NOTIFY_SOCKET");
        g_assert_false(notify_try("STATUS=lost"));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                g_test_message("'%s'", names[i]);
                g_setenv("NOTIFY_SOCKET", names[i], TRUE);
                g_assert_false(notify_try("STATUS=lost"));
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/daemon/notify/arrives", test_arrives);
        g_test_add_func("/daemon/notify/feeds-the-watchdog", test_feeds_the_watchdog);
        g_test_add_func("/daemon/notify/full", test_full);
        g_test_add_func("/daemon/notify/keeps-the-newest", test_keeps_the_newest);
        g_test_add_func("/daemon/notify/kept", test_kept);
        g_test_add_func("/daemon/notify/nobody", test_nobody);
        return g_test_run();
}
