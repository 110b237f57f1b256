#include <glib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/wire/poller.h"
#include "tests/lib/fault.h"

typedef struct Seen {
        PollerWatch watch;
        int fds[2];
        uint32_t events;
        unsigned n_ready, n_again;
        struct Seen *victim; /* ended when this one is told */
        unsigned n_turns;    /* it asks for so many */
} Seen;

static void on_ready(PollerWatch *watch, uint32_t events) {
        Seen *seen = CONTAINER_OF(watch, Seen, watch);

        seen->events |= events;
        if (events != 0)
                seen->n_ready++;
        else
                seen->n_again++;
        if (seen->victim)
                poller_remove(&seen->victim->watch);
        if (seen->n_turns > 0) {
                seen->n_turns--;
                poller_again(watch);
        }
}

static void open_seen(Seen *seen, Poller *poller) {
        *seen = (Seen){ .watch.ready = on_ready };
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, seen->fds),
                        ==,
                        0);
        g_assert_cmpint(poller_add(poller, &seen->watch, seen->fds[0]), ==, 0);
}

static void close_seen(Seen *seen) {
        poller_remove(&seen->watch);
        poller_remove(&seen->watch);
        close(seen->fds[0]);
        close(seen->fds[1]);
}

static void turn(sd_event *event) {
        for (int i = 0; i < 4; i++)
                g_assert_cmpint(sd_event_run(event, 0), >=, 0);
}

static void test_events(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(poller_freep) Poller *poller = NULL;
        Seen seen;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        g_assert_cmpint(poller_new(&poller, event), ==, 0);
        open_seen(&seen, poller);
        turn(event);
        g_assert_cmpuint(seen.events, ==, EPOLLOUT);
        g_assert_cmpuint(seen.n_ready, ==, 1);

        turn(event); /* edges, not levels */
        g_assert_cmpuint(seen.n_ready, ==, 1);
        g_assert_cmpint(write(seen.fds[1], "x", 1), ==, 1);
        turn(event);
        g_assert_cmpuint(seen.events & EPOLLIN, ==, EPOLLIN);
        g_assert_cmpint(shutdown(seen.fds[1], SHUT_WR), ==, 0);
        turn(event);
        g_assert_cmpuint(seen.events & EPOLLRDHUP, ==, EPOLLRDHUP);
        close_seen(&seen);
}

/* What was taken from the kernel in one go with the end of the watch is not told any more. */
static void test_removed_meanwhile(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(poller_freep) Poller *poller = NULL;
        Seen a, b;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        g_assert_cmpint(poller_new(&poller, event), ==, 0);
        open_seen(&a, poller);
        open_seen(&b, poller);
        a.victim = &b;
        b.victim = &a;
        turn(event);
        g_assert_cmpuint(a.n_ready + b.n_ready, ==, 1);
        close_seen(&a);
        close_seen(&b);
}

static void test_again(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(poller_freep) Poller *poller = NULL;
        Seen a, b;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        g_assert_cmpint(poller_new(&poller, event), ==, 0);
        open_seen(&a, poller);
        open_seen(&b, poller);
        turn(event);
        poller_again(&a.watch);
        poller_again(&a.watch);
        poller_again(&b.watch);
        a.n_turns = 1;
        g_assert_cmpint(sd_event_run(event, 0), >=, 0);
        g_assert_cmpuint(a.n_again, ==, 1); /* the next one is another turn */
        g_assert_cmpuint(b.n_again, ==, 1);
        turn(event);
        g_assert_cmpuint(a.n_again, ==, 2);
        g_assert_cmpuint(b.n_again, ==, 1);

        poller_again(&a.watch);
        close_seen(&a);
        poller_again(&a.watch); /* nothing, once it is removed */
        turn(event);
        g_assert_cmpuint(a.n_again, ==, 2);
        close_seen(&b);
}

static void test_no_memory(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        FOREACH_FAULT {
                _cleanup_(poller_freep) Poller *poller = NULL;
                int r;

                r = poller_new(&poller, event);
                if (fault_fired())
                        g_assert_cmpint(r, ==, -ENOMEM);
                else
                        g_assert_cmpint(r, ==, 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/wire/poller/events", test_events);
        g_test_add_func("/wire/poller/removed-meanwhile", test_removed_meanwhile);
        g_test_add_func("/wire/poller/again", test_again);
        g_test_add_func("/wire/poller/no-memory", test_no_memory);
        return g_test_run();
}
