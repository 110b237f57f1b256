#include "daemon/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "daemon/base/macro.h"

#define WATCHDOG_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT) /* a loop that is busy turns, too */

/* A path, or with '@' in front the name of an abstract socket. */
static bool notify_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_size) {
        size_t n = name ? strlen(name) : 0;

        if (n < 2 || n >= sizeof(ret->sun_path) || !strchr("/@", name[0]))
                return false;

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        memcpy(ret->sun_path, name, n);
        if (name[0] == '@')
                ret->sun_path[0] = 0;
        *ret_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n);
        return true;
}

/* 0: sent. -EAGAIN: the receiver does not read now. */
static int send_now(const char *state) {
        struct sockaddr_un address;
        _cleanup_close_ int fd = -1;
        socklen_t size;

        if (!notify_address(getenv("NOTIFY_SOCKET"), &address, &size))
                return -EDESTADDRREQ;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        return sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address, size) < 0
                               ? -errno
                               : 0;
}

bool notify_try(const char *state) {
        return send_now(state) >= 0;
}

/* ---- what must not be lost */

static void arm(sd_event_source *source, uint64_t usec) {
        if (sd_event_source_set_time_relative(source, usec) >= 0)
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void drop_oldest(Notify *notify) {
        memmove(notify->kept[0], notify->kept[1], --notify->n_kept * sizeof(notify->kept[0]));
}

static int on_retry(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        Notify *notify = userdata;
        int r = 0;

        while (notify->n_kept > 0 && (r = send_now(notify->kept[0])) != -EAGAIN)
                drop_oldest(notify);
        if (r == -EAGAIN)
                arm(source, NOTIFY_RETRY_USEC);
        return 0;
}

void notify_send(Notify *notify, const char *state) {
        if (notify->n_kept == 0 && send_now(state) != -EAGAIN)
                return;
        if (notify->n_kept == NOTIFY_KEPT_MAX)
                drop_oldest(notify);
        (void) snprintf(notify->kept[notify->n_kept++], NOTIFY_STATE_MAX, "%s", state);
        arm(notify->retry, NOTIFY_RETRY_USEC);
}

/* ---- the watchdog */

/* One message that the receiver's queue has no room for is tried again well before the manager gives up. */
static int on_watchdog(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        Notify *notify = userdata;

        arm(source, send_now("WATCHDOG=1") == -EAGAIN ? notify->watchdog_usec / 4 : notify->watchdog_usec);
        return 0;
}

static int watch(Notify *notify, sd_event *event) {
        uint64_t usec = 0;
        int r;

        r = sd_watchdog_enabled(/* unset_environment= */ 0, &usec);
        if (r <= 0)
                return r;
        notify->watchdog_usec = usec / 2;
        r = sd_event_add_time_relative(
                        event, &notify->watchdog, CLOCK_MONOTONIC, 0, usec / 8, on_watchdog, notify);
        return r < 0 ? r : sd_event_source_set_priority(notify->watchdog, WATCHDOG_PRIORITY);
}

int notify_init(Notify *notify, sd_event *event) {
        int r;

        r = sd_event_add_time_relative(event, &notify->retry, CLOCK_MONOTONIC, 0, 0, on_retry, notify);
        if (r >= 0)
                r = sd_event_source_set_enabled(notify->retry, SD_EVENT_OFF);
        return r < 0 ? r : watch(notify, event);
}

void notify_deinit(Notify *notify) {
        notify->retry = sd_event_source_disable_unref(notify->retry);
        notify->watchdog = sd_event_source_disable_unref(notify->watchdog);
}
