#include "daemon/wire/poller.h"

#include <sys/epoll.h>

#include "daemon/base/turn.h"

#define POLLER_EVENTS 64 /* taken at once */

struct Poller {
        sd_event *event;
        int fd;
        sd_event_source *io, *turn;
        List again;
        struct epoll_event events[POLLER_EVENTS]; /* those that are being told */
        int n_events;
};

static int poller_on_ready(
                sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        Poller *poller = userdata;

        poller->n_events = epoll_wait(fd, poller->events, POLLER_EVENTS, 0);
        for (int i = 0; i < poller->n_events; i++) {
                PollerWatch *watch = poller->events[i].data.ptr;

                if (watch)
                        watch->ready(watch, poller->events[i].events);
        }
        poller->n_events = 0;
        return 0;
}

static int poller_on_turn(sd_event_source *source _unused_, void *userdata) {
        Poller *poller = userdata;
        List now;

        turn_renew(poller->event, &poller->turn, poller_on_turn, poller);

        /* Those that ask for another turn here have it in the next one. */
        list_init(&now);
        while (!list_is_empty(&poller->again)) {
                List *link = poller->again.next;

                list_remove(link);
                list_append(&now, link);
        }
        while (!list_is_empty(&now)) {
                PollerWatch *watch = CONTAINER_OF(now.next, PollerWatch, again);

                list_remove(&watch->again);
                watch->ready(watch, 0);
        }
        return 0;
}

int poller_new(Poller **ret, sd_event *event) {
        _cleanup_(poller_freep) Poller *poller = NULL;
        int r;

        poller = calloc(1, sizeof(Poller));
        if (!poller)
                return -ENOMEM;
        *poller = (Poller){ .event = sd_event_ref(event), .fd = epoll_create1(EPOLL_CLOEXEC) };
        list_init(&poller->again);
        if (poller->fd < 0)
                return -errno;

        r = sd_event_add_io(event, &poller->io, poller->fd, EPOLLIN, poller_on_ready, poller);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(poller->io, 1);
        if (r >= 0)
                r = sd_event_add_defer(event, &poller->turn, poller_on_turn, poller);
        if (r >= 0)
                r = sd_event_source_set_enabled(poller->turn, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(poller);
        return 0;
}

Poller *poller_free(Poller *poller) {
        if (!poller)
                return NULL;

        assert(list_is_empty(&poller->again));
        sd_event_source_disable_unref(poller->io);
        sd_event_source_disable_unref(poller->turn);
        closep(&poller->fd);
        sd_event_unref(poller->event);
        free(poller);
        return NULL;
}

int poller_add(Poller *poller, PollerWatch *watch, int fd) {
        struct epoll_event event = {
                .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                .data.ptr = watch,
        };

        if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) < 0)
                return -errno;
        watch->poller = poller;
        list_init(&watch->again);
        return 0;
}

/* Closing the socket takes it out of the epoll; what was taken from there already must not be told. */
void poller_remove(PollerWatch *watch) {
        Poller *poller = watch->poller;

        if (!poller)
                return;
        watch->poller = NULL;
        list_remove(&watch->again);
        for (int i = 0; i < poller->n_events; i++)
                if (poller->events[i].data.ptr == watch)
                        poller->events[i].data.ptr = NULL;
}

void poller_again(PollerWatch *watch) {
        Poller *poller = watch->poller;

        if (!poller)
                return;
        list_remove(&watch->again);
        list_append(&poller->again, &watch->again);
        (void) sd_event_source_set_enabled(poller->turn, SD_EVENT_ONESHOT);
}
