#pragma once

/*
 * Stream: a connected socket (TCP or Unix), or one that is being connected, with TLS on top if it is a
 * client of https; watched by a Poller. Non-blocking; what the socket is known not to give or take costs no
 * system call.
 */

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "daemon/types/error.h"
#include "daemon/wire/poller.h"

typedef struct Stream {
        PollerWatch watch;             /* its ready is the owner's, who calls stream_on_events() first */
        int fd;                        /* -1: none */
        bool is_readable, is_writable; /* as far as known: false means that an event will come */
        bool is_hung_up;               /* the other side has ended its sending */
        bool is_broken;                /* error or both sides ended, by an event */
        bool is_connecting;
        gnutls_session_t tls;
        bool is_shaking, has_unsent; /* TLS: in the handshake; a record that the socket did not take */
} Stream;

typedef struct StreamTarget {
        const struct sockaddr *address;
        socklen_t size;
        const char *tls_host; /* https: whose certificate it has to be; NULL: no TLS */
        gnutls_certificate_credentials_t credentials; /* for that; must outlive the stream */
} StreamTarget;

/* Take the connected FD, also on failure. STREAM->watch.ready is filled in. */
int stream_init(Stream *stream, Poller *poller, int fd);
/* Begin to connect to TARGET. Errors: connect(2)'s. */
int stream_connect(Stream *stream, Poller *poller, const StreamTarget *target);
void stream_deinit(Stream *stream); /* closes; may be called again on a Stream that was initialised */

/* Note EVENTS of the watch. */
void stream_on_events(Stream *stream, uint32_t events);

/* Go on with connecting. Answers 1 when data may go both ways, 0 when an event has to be waited for. Errors:
 * with words. */
int stream_establish(Stream *stream, Error *reterr);

/* Answers the bytes; 0 when the other side has ended its sending. Errors: -EAGAIN, and what ends the
 * connection. */
ssize_t stream_read(Stream *stream, void *buffer, size_t max);
/* Answers how many bytes were taken, from the beginning of the N parts. After -EAGAIN the same bytes have to
 * come again (more may follow). */
ssize_t stream_write(Stream *stream, const struct iovec *parts, int n);

/* Nothing has come, and it has not ended, whether an event told of that or not yet. */
bool stream_is_quiet(const Stream *stream);
bool stream_is_over(const Stream *stream); /* the other side has ended its sending, and all of it was read */
/* Bytes that the other side's host has not said to have: of those that were written, the last ones. Nobody
 * there can have read them. It may say so late, and not at all when the connection was reset. */
size_t stream_unsent(const Stream *stream);

/* Say that nothing more will be sent. */
void stream_end(Stream *stream);
/* Make stream_deinit() break the connection off, so that the other side does not take it for an end. */
void stream_break(Stream *stream);
