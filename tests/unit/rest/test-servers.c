#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/net/listener.h"
#include "daemon/rest/servers.h"
#include "tests/lib/fault.h"

#define PATIENCE_USEC (20 * G_USEC_PER_SEC)

typedef struct Fixture {
        char *folder, *path;
        sd_event *event;
        RestServers servers;
        const char *answer;
        HttpRequest *kept;
        unsigned n_requests;
} Fixture;

static void on_closed(HttpRequest *request, void *userdata) {
        Fixture *f = userdata;

        if (f->kept == request)
                f->kept = NULL;
}

static void reply(HttpRequest *request, const char *text) {
        (void) http_request_reply(
                        request, &(HttpReply){ .status = 200, .body = text, .size = strlen(text) });
}

static void on_request(HttpRequest *request, void *userdata) {
        Fixture *f = userdata;

        f->n_requests++;
        http_request_on_closed(request, on_closed, f);
        if (strcmp(http_request_target(request), "/keep") == 0)
                f->kept = request;
        else
                reply(request, f->answer);
}

static HttpServerOptions options_of(Fixture *f) {
        return (HttpServerOptions){ .fd = -1, .handle = on_request, .userdata = f };
}

static int listen_at(const Fixture *f) {
        g_autofree char *address = g_strconcat("/unix", f->path, NULL);
        int fd;

        g_assert_cmpint(listener_open(address, &fd, NULL), ==, 0);
        return fd;
}

static void set_up(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        HttpServerOptions options = options_of(f);

        f->folder = g_dir_make_tmp("servers-XXXXXX", NULL);
        f->path = g_build_filename(f->folder, "s", NULL);
        f->answer = "first";
        g_assert_cmpint(sd_event_new(&f->event), ==, 0);
        rest_servers_init(&f->servers, f->event);
        options.fd = listen_at(f);
        g_assert_cmpint(rest_servers_add(&f->servers, &options), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        rest_servers_done(&f->servers);
        sd_event_unref(f->event);
        (void) unlink(f->path);
        (void) rmdir(f->folder);
        g_free(f->path);
        g_free(f->folder);
}

static void turn(Fixture *f, gint64 deadline) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpint(sd_event_run(f->event, 2000), >=, 0);
}

static int connect_to(Fixture *f) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) g_strlcpy(name.sun_path, f->path, sizeof(name.sun_path));
        g_assert_cmpint(connect(fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        return fd;
}

static void send_to(int fd, const char *target) {
        g_autofree char *text = g_strdup_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);

        g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t) strlen(text));
}

/* Until TEXT has come, or, with NULL, until the other side has closed. */
static void expect(Fixture *f, int fd, const char *text) {
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;
        char block[4096] = "";
        size_t n = 0;

        for (;;) {
                ssize_t k = recv(fd, block + n, sizeof(block) - 1 - n, MSG_DONTWAIT);

                if (k == 0) {
                        g_assert_null(text);
                        return;
                }
                if (k < 0)
                        turn(f, deadline);
                else
                        n += (size_t) k;
                if (text && strstr(block, text))
                        return;
        }
}

static void test_replace(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        HttpServerOptions options = options_of(f);
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;
        int waiting = connect_to(f), idle = connect_to(f), fresh;
        HttpServer *old = f->servers.items[0];

        send_to(idle, "/");
        expect(f, idle, "first");
        send_to(waiting, "/keep");
        while (!f->kept)
                turn(f, deadline);
        g_assert_cmpint(rest_servers_replace(&f->servers, &options), ==, 0);
        g_assert_true(f->servers.items[0] != old);
        g_assert_cmpuint(f->servers.n, ==, 1);
        g_assert_cmpuint(f->servers.n_retired, ==, 1);

        fresh = connect_to(f);
        send_to(fresh, "/");
        expect(f, fresh, "first");
        g_assert_cmpuint(http_server_connections(f->servers.items[0]), ==, 1);
        reply(f->kept, "late");
        expect(f, waiting, "late");
        send_to(waiting, "/"); /* it goes on, for as long as it is used */
        expect(f, waiting, "first");
        close(waiting);
        expect(f, idle, NULL); /* cut, soon */
        close(idle);
        for (deadline = g_get_monotonic_time() + PATIENCE_USEC; f->servers.n_retired > 0;)
                turn(f, deadline);
        send_to(fresh, "/");
        expect(f, fresh, "first");
        close(fresh);
}

/* What is under way is answered, however often the servers are replaced meanwhile. */
static void test_replace_twice(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        HttpServerOptions options = options_of(f);
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;
        int waiting = connect_to(f), fresh;

        send_to(waiting, "/keep");
        while (!f->kept)
                turn(f, deadline);
        g_assert_cmpint(rest_servers_replace(&f->servers, &options), ==, 0);
        g_assert_cmpint(rest_servers_replace(&f->servers, &options), ==, 0);
        g_assert_nonnull(f->kept);
        while (f->servers.n_retired > 1) /* the second one had nothing to do */
                turn(f, deadline);
        g_assert_nonnull(f->kept);
        reply(f->kept, "late");
        expect(f, waiting, "late");
        close(waiting);
        while (f->servers.n_retired > 0)
                turn(f, deadline);
        fresh = connect_to(f);
        send_to(fresh, "/");
        expect(f, fresh, "first");
        close(fresh);
}

/* Beyond the bound the oldest are cut. */
static void test_replace_often(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        HttpServerOptions options = options_of(f);
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;
        int waiting = connect_to(f);

        send_to(waiting, "/keep");
        while (!f->kept)
                turn(f, deadline);
        for (size_t i = 0; i < REST_RETIRED_MAX; i++)
                g_assert_cmpint(rest_servers_replace(&f->servers, &options), ==, 0);
        g_assert_nonnull(f->kept);
        g_assert_cmpint(rest_servers_replace(&f->servers, &options), ==, 0);
        g_assert_null(f->kept);
        g_assert_cmpuint(f->servers.n_retired, ==, REST_RETIRED_MAX);
        expect(f, waiting, NULL);
        close(waiting);
}

static void test_stop(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        HttpServerOptions options = options_of(f);
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(rest_servers_replace(&f->servers, &options), ==, 0);
        rest_servers_stop_accepting(&f->servers);
        g_assert_cmpint(http_server_fd(f->servers.items[0]), ==, -1);
        (void) g_strlcpy(name.sun_path, f->path, sizeof(name.sun_path));
        g_assert_cmpint(connect(fd, (struct sockaddr *) &name, sizeof(name)), <, 0);
        g_assert_cmpint(errno, ==, ECONNREFUSED); /* nobody has the socket any more */
        close(fd);
}

static void test_too_many(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        HttpServerOptions options = options_of(f);
        int pair[2];

        while (f->servers.n < REST_LISTENERS_MAX) {
                options.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                g_assert_cmpint(rest_servers_add(&f->servers, &options), ==, 0);
        }
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
        options.fd = pair[0];
        g_assert_cmpint(rest_servers_add(&f->servers, &options), ==, -EMFILE);
        g_assert_cmpint(recv(pair[1], &(char){ 0 }, 1, 0), ==, 0); /* taken all the same */
        close(pair[1]);
}

static void test_out_of_memory(Fixture *f, gconstpointer data G_GNUC_UNUSED) {
        HttpServerOptions options = options_of(f);

        FOREACH_FAULT {
                HttpServer *old = f->servers.items[0];
                int r = rest_servers_replace(&f->servers, &options);

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                g_assert_cmpint((r == 0) == (f->servers.items[0] != old), ==, true);
                fault_arm(-1);
                {
                        int fd = connect_to(f);

                        send_to(fd, "/");
                        expect(f, fd, "first");
                        close(fd);
                }
        }
}

#define TEST(name, func) g_test_add("/rest/servers/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        TEST("replace", test_replace);
        TEST("replace-twice", test_replace_twice);
        TEST("replace-often", test_replace_often);
        TEST("stop", test_stop);
        TEST("too-many", test_too_many);
        TEST("out-of-memory", test_out_of_memory);
        return g_test_run();
}
