#pragma once

/*
 * The end of a connection whose request was answered before it was read: closing it while bytes arrive makes
 * the kernel send a reset, and the client may lose the answer. So the socket stays open for a moment, and
 * what comes is thrown away, until the client has closed or the limits are reached.
 */

#include <systemd/sd-event.h>

#include "daemon/base/list.h"

#define HTTP_LINGER_USEC (1 * USEC_PER_SEC)
#define HTTP_LINGER_BYTES (16 * 1024 * 1024)

typedef struct HttpLinger {
        List link; /* in the owner's list; freeing takes it out */
        sd_event_source *io;
        sd_event_source *timer;
        size_t n_left;
} HttpLinger;

/* Takes FD, whose sending must have been ended, also on failure; the object frees itself at the end. */
int http_linger_start(List *list, sd_event *event, int fd);
HttpLinger *http_linger_free(HttpLinger *linger);
DEFINE_CLEANUP(HttpLinger *, http_linger_free);
