#pragma once

/* Listening sockets: by a canonical multiaddr, or inherited from systemd (sd_listen_fds_with_names(3)). */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "daemon/base/str.h"
#include "daemon/types/error.h"

/* Listen at ADDRESS (tcp or unix). A stale Unix socket of nobody is replaced. A name (/dns4/…) is looked up,
 * which blocks: for the start of the daemon. Errors: ERROR_INVALID (no tcp or unix address), ERROR_IO, with
 * the address in the words. */
int listener_open(const char *address, int *ret_fd, Error *reterr);

/* The inherited stream sockets whose FileDescriptorName is NAME, at most MAX, each once. Answers how many.
 * Not called twice with one name. Errors: sd_listen_fds(3)'s. */
int listener_inherited(const char *name, int *fds, size_t max);

/* Where an API listens: on inherited sockets if there are any, else at the addresses of its setting. */
typedef struct ListenerPlan {
        const char *name;    /* "REST API": for the words, and the log */
        const char *section; /* "api.restapi" */
        const char *key;     /* "http_listen_multiaddress" */
        const char *note;    /* behind an address in the log: ", with TLS" or "" */
        const StrList *addresses;
        const int *fds; /* the inherited ones, taken also on failure */
        size_t n_fds, max;
        /* Accept on FD, which is taken, also on failure. ADDRESS: canonical; NULL: not known. */
        int (*add)(int fd, const char *address, void *userdata);
        void *userdata;
} ListenerPlan;

/* Errors: ERROR_INVALID for more than max addresses, those of listener_open() and of add(). What was added
 * before stays. */
int listener_start(const ListenerPlan *plan, Error *reterr);

/* A listening socket in the loop. One from which nothing can be accepted for want of descriptors or memory
 * stays readable: its owner lets it rest for a moment. */
typedef struct ListenerWatch {
        sd_event_source *io, *pause;
} ListenerWatch;

/* FD is borrowed. A handler that fails ends the loop. */
int listener_watch_init(
                ListenerWatch *watch,
                sd_event *event,
                int fd,
                sd_event_io_handler_t on_readable,
                void *userdata);
void listener_watch_done(ListenerWatch *watch); /* may be called again */
void listener_watch_rest(ListenerWatch *watch);
/* accept4(2), socket(2) and the like have failed with ERROR for want of descriptors or memory. */
bool listener_is_short(int error);
/* A connection with this descriptor or a higher one says that the process has few left, whoever has the
 * others; files that have to be opened go first. */
int listener_fd_limit(void);

/* The address that FD really listens at (for addresses with port 0), canonical. Errors: -EAFNOSUPPORT,
 * -ENOMEM. */
int listener_address(int fd, char **ret);
