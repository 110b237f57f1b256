#include "daemon/net/http-linger.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/base/macro.h"

#define LINGER_BLOCK 16384

static int on_readable(sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        HttpLinger *linger = userdata;
        char block[LINGER_BLOCK];
        ssize_t n;

        n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;

        if (n <= 0 || (size_t) n >= linger->n_left)
                http_linger_free(linger);
        else
                linger->n_left -= (size_t) n;
        return 0;
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        http_linger_free(userdata);
        return 0;
}

int http_linger_start(List *list, sd_event *event, int fd) {
        _cleanup_(http_linger_freep) HttpLinger *linger = calloc(1, sizeof(*linger));
        _cleanup_close_ int owned = fd;
        int r;

        if (!linger)
                return -ENOMEM;

        linger->n_left = HTTP_LINGER_BYTES;
        list_init(&linger->link);

        r = sd_event_add_io(event, &linger->io, fd, EPOLLIN, on_readable, linger);
        if (r < 0)
                return r;

        r = sd_event_source_set_io_fd_own(linger->io, 1);
        if (r < 0)
                return r;
        TAKE_FD(owned);

        r = sd_event_add_time_relative(
                        event, &linger->timer, CLOCK_MONOTONIC, HTTP_LINGER_USEC, 0, on_timeout, linger);
        if (r < 0)
                return r;

        list_append(list, &linger->link);
        TAKE_PTR(linger);
        return 0;
}

HttpLinger *http_linger_free(HttpLinger *linger) {
        if (!linger)
                return NULL;

        list_remove(&linger->link);
        sd_event_source_disable_unref(linger->io);
        sd_event_source_disable_unref(linger->timer);
        free(linger);
        return NULL;
}
