#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/net/http-linger.h"
#include "tests/unit/net/wire.h"

typedef struct Fixture {
        sd_event *event;
        List lingers;
        int client;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        int fds[2];

        g_assert_cmpint(sd_event_new(&f->event), ==, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
        list_init(&f->lingers);
        f->client = fds[1];
        g_assert_cmpint(shutdown(fds[0], SHUT_WR), ==, 0);
        g_assert_cmpint(http_linger_start(&f->lingers, f->event, fds[0]), ==, 0);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        LIST_FOREACH (linger, &f->lingers, HttpLinger, link)
                http_linger_free(linger);
        close(f->client);
        sd_event_unref(f->event);
}

static void run_to_end(Fixture *f) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;

        while (!list_is_empty(&f->lingers)) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(f->event, 100000), >=, 0);
        }
}

static void test_client_closes(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(send(f->client, "abc", 3, 0), ==, 3);
        wire_turns(f->event, 10);
        g_assert_cmpint(list_is_empty(&f->lingers), ==, false);
        g_assert_cmpint(shutdown(f->client, SHUT_WR), ==, 0);
        run_to_end(f);
}

static void test_too_much(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char block[65536];
        size_t sent = 0;

        while (!list_is_empty(&f->lingers)) {
                ssize_t n = send(f->client, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);

                sent += n > 0 ? (size_t) n : 0;
                g_assert_cmpint(sd_event_run(f->event, 0), >=, 0);
        }
        g_assert_cmpuint(sent, >=, HTTP_LINGER_BYTES);
        g_assert_cmpuint(sent, <, HTTP_LINGER_BYTES + 1024 * 1024);
}

static void test_too_long(Fixture *f, const void *data G_GNUC_UNUSED) {
        run_to_end(f);
}

static void test_dropped(Fixture *f, const void *data G_GNUC_UNUSED) {
        char c;

        http_linger_free(LIST_FIRST(&f->lingers, HttpLinger, link));
        g_assert_cmpint(list_is_empty(&f->lingers), ==, true);
        g_assert_cmpint(recv(f->client, &c, 1, 0), ==, 0);
        g_assert_cmpint(send(f->client, "a", 1, MSG_NOSIGNAL), ==, -1); /* its socket is closed */
}

#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/net/http-linger/until-the-client-closes", test_client_closes);
        ADD("/net/http-linger/bytes-are-bounded", test_too_much);
        ADD("/net/http-linger/time-is-bounded", test_too_long);
        ADD("/net/http-linger/dropped", test_dropped);
        return g_test_run();
}
