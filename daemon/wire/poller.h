#pragma once

/*
 * Poller: an epoll of its own below the event loop, for what has many sockets that are busy at once:
 * sd-event dispatches one source a turn, and each costs the more the more are ready.
 *
 * Sockets are watched edge-triggered for everything (EPOLLIN, EPOLLOUT, EPOLLRDHUP): the owner reads and
 * writes until -EAGAIN. What he does not want to end at once, for the others' sake, he goes on with after
 * poller_again().
 */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/base/list.h"

typedef struct Poller Poller;
typedef struct PollerWatch PollerWatch;

struct PollerWatch {
        Poller *poller; /* NULL: not watched */
        List again;
        /* From the loop. May remove and free this watch and any other. EVENTS is 0 after poller_again(). */
        void (*ready)(PollerWatch *watch, uint32_t events);
};

int poller_new(Poller **ret, sd_event *event);
Poller *poller_free(Poller *poller); /* nothing may be watched */
DEFINE_CLEANUP(Poller *, poller_free);

/* WATCH has its ready filled in, and must stay until it is removed. FD is borrowed, and closed only after
 * that. */
int poller_add(Poller *poller, PollerWatch *watch, int fd);
void poller_remove(PollerWatch *watch); /* may be called again */
void poller_again(PollerWatch *watch);  /* ready() is called soon, once */
