#pragma once

/*
 * Notify: messages to the service manager (sd_notify(3)) that never wait for it. The functions of libsystemd
 * block when the receiver does not read, which would stop the loop; here what must not be lost is kept and
 * sent again from the loop, in its order, and all else is lost.
 */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#define NOTIFY_KEPT_MAX 8       /* messages; then the oldest goes, since the newest state counts */
#define NOTIFY_STATE_MAX 96     /* with NUL, of one that is kept */
#define NOTIFY_RETRY_USEC 50000 /* between attempts */

typedef struct Notify {
        sd_event_source *retry;
        sd_event_source *watchdog; /* NULL: nobody watches */
        uint64_t watchdog_usec;    /* between its messages */
        char kept[NOTIFY_KEPT_MAX][NOTIFY_STATE_MAX];
        size_t n_kept;
} Notify;

/* Send STATE to $NOTIFY_SOCKET without waiting, as a status line is not worth more. Answers false when it
 * was not sent (nobody listens, or the queue is full). */
bool notify_try(const char *state);

/* Also begins to feed the watchdog that $WATCHDOG_USEC asks for (sd_watchdog_enabled(3)). */
int notify_init(Notify *notify, sd_event *event);
void notify_deinit(Notify *notify); /* may be called again, and before notify_init() */
/* STATE, of less than NOTIFY_STATE_MAX bytes, arrives when the receiver reads again. */
void notify_send(Notify *notify, const char *state);
