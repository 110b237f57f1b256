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

/* A receiver that does not read holds nobody up. */
static void test_full(void) {
        g_autofree char *folder = g_dir_make_tmp("notify-XXXXXX", NULL),
                        *path = g_build_filename(folder, "s", NULL);
        _cleanup_close_ int fd = listen_at(path);
        unsigned n = 0;

        g_assert_cmpint(fd, >=, 0); /* stays open, and is not read */
        g_setenv("NOTIFY_SOCKET", path, TRUE);
        while (n < 1000000 && notify_try("STATUS=again"))
                n++;
        g_assert_cmpuint(n, >, 0);
        g_assert_cmpuint(n, <, 1000000);
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
        g_test_add_func("/daemon/notify/full", test_full);
        g_test_add_func("/daemon/notify/nobody", test_nobody);
        return g_test_run();
}
