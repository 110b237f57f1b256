#include "daemon/wire/stream.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

/* A host that is gone is noticed while nothing is sent, too. */
#define STREAM_KEEPALIVE_IDLE 60
#define STREAM_KEEPALIVE_INTERVAL 15
#define STREAM_KEEPALIVE_COUNT 4

/* ---- life ---- */

static void set_options(int fd) {
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ STREAM_KEEPALIVE_IDLE }, sizeof(int));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){ STREAM_KEEPALIVE_INTERVAL }, sizeof(int));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){ STREAM_KEEPALIVE_COUNT }, sizeof(int));
}

static int stream_add(Stream *stream, Poller *poller, int fd) {
        int r;

        stream->fd = fd;
        r = poller_add(poller, &stream->watch, fd);
        if (r < 0)
                stream_deinit(stream);
        return r;
}

int stream_init(Stream *stream, Poller *poller, int fd) {
        *stream = (Stream){
                .watch.ready = stream->watch.ready,
                .is_readable = true,
                .is_writable = true,
        };
        set_options(fd);
        return stream_add(stream, poller, fd);
}

static int start_tls(Stream *stream, const StreamTarget *target) {
        const char *host = target->tls_host;
        int r;

        r = gnutls_init(&stream->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
        if (r >= 0)
                r = gnutls_set_default_priority(stream->tls);
        if (r >= 0)
                r = gnutls_credentials_set(stream->tls, GNUTLS_CRD_CERTIFICATE, target->credentials);
        if (r >= 0)
                r = gnutls_server_name_set(stream->tls, GNUTLS_NAME_DNS, host, strlen(host));
        if (r < 0)
                return -ENOMEM;
        gnutls_session_set_verify_cert(stream->tls, host, 0);
        gnutls_transport_set_int(stream->tls, stream->fd);
        stream->is_shaking = true;
        return 0;
}

int stream_connect(Stream *stream, Poller *poller, const StreamTarget *target) {
        int fd, r;

        *stream = (Stream){ .watch.ready = stream->watch.ready, .fd = -1, .is_connecting = true };
        fd = socket(target->address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        set_options(fd);
        /* EAGAIN: the backlog of a Unix socket is full, and no event would tell when it is not. */
        if (connect(fd, target->address, target->size) < 0 && errno != EINPROGRESS) {
                r = errno == EAGAIN ? -ECONNREFUSED : -errno;
                close(fd);
                return r;
        }
        r = stream_add(stream, poller, fd);
        if (r >= 0 && target->tls_host)
                r = start_tls(stream, target);
        if (r < 0)
                stream_deinit(stream);
        return r;
}

void stream_deinit(Stream *stream) {
        poller_remove(&stream->watch);
        if (stream->tls)
                gnutls_deinit(stream->tls);
        if (stream->fd >= 0)
                close(stream->fd);
        *stream = (Stream){ .watch.ready = stream->watch.ready, .fd = -1 };
}

void stream_on_events(Stream *stream, uint32_t events) {
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                stream->is_readable = true;
        if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                stream->is_writable = true;
        if (events & EPOLLRDHUP)
                stream->is_hung_up = true;
        if (events & (EPOLLHUP | EPOLLERR) && !stream->is_connecting)
                stream->is_broken = true;
}

/* ---- connecting ---- */

static int finish_connect(Stream *stream, Error *reterr) {
        int error = 0;

        if (!stream->is_writable)
                return 0;
        if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) }) < 0)
                error = errno;
        if (error != 0)
                return error_set_errno(reterr, -error, "%s", strerror(error));
        stream->is_connecting = false;
        return 1;
}

static int refuse_tls(Stream *stream, int code, Error *reterr) {
        gnutls_datum_t words = {};
        int r;

        if (code == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
            gnutls_certificate_verification_status_print(
                            gnutls_session_get_verify_cert_status(stream->tls),
                            GNUTLS_CRT_X509,
                            &words,
                            0) >= 0) {
                r = error_set_errno(reterr, -EPROTO, "%s", (const char *) words.data);
                gnutls_free(words.data);
                return r;
        }
        return error_set_errno(reterr, -EPROTO, "%s", gnutls_strerror(code));
}

static int shake_hands(Stream *stream, Error *reterr) {
        int code;

        do
                code = gnutls_handshake(stream->tls);
        while (code < 0 && code != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(code));

        if (code == GNUTLS_E_AGAIN)
                return 0;
        if (code < 0)
                return refuse_tls(stream, code, reterr);
        stream->is_shaking = false;
        return 1;
}

int stream_establish(Stream *stream, Error *reterr) {
        int r = 1;

        if (stream->is_connecting)
                r = finish_connect(stream, reterr);
        if (r > 0 && stream->is_shaking) {
                r = shake_hands(stream, reterr);
                stream->is_readable = stream->is_writable = true;
        }
        return r;
}

/* ---- data ---- */

static ssize_t read_tls(Stream *stream, void *buffer, size_t max) {
        ssize_t n;

        do
                n = gnutls_record_recv(stream->tls, buffer, max);
        while (n < 0 && n != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int) n));

        if (n == GNUTLS_E_AGAIN) {
                stream->is_readable = false;
                return -EAGAIN;
        }
        return n < 0 ? -ECONNRESET : n;
}

/* On a stream socket fewer bytes than asked for means that there are no more, until an event comes; but for
 * an end that has come already. */
static ssize_t read_socket(Stream *stream, void *buffer, size_t max) {
        ssize_t n;

        do
                n = recv(stream->fd, buffer, max, 0);
        while (n < 0 && errno == EINTR);

        if (n < 0) {
                stream->is_readable = errno != EAGAIN;
                return -errno;
        }
        if ((size_t) n < max && n > 0 && !stream->is_hung_up)
                stream->is_readable = false;
        return n;
}

ssize_t stream_read(Stream *stream, void *buffer, size_t max) {
        if (!stream->is_readable)
                return -EAGAIN;
        return stream->tls ? read_tls(stream, buffer, max) : read_socket(stream, buffer, max);
}

/* A record that was not taken is repeated from GnuTLS's own copy. */
static ssize_t write_tls(Stream *stream, const struct iovec *part) {
        ssize_t n;

        do
                n = stream->has_unsent ? gnutls_record_send(stream->tls, NULL, 0)
                                       : gnutls_record_send(stream->tls, part->iov_base, part->iov_len);
        while (n < 0 && n != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int) n));

        stream->has_unsent = n == GNUTLS_E_AGAIN;
        if (n == GNUTLS_E_AGAIN) {
                stream->is_writable = false;
                return -EAGAIN;
        }
        return n < 0 ? -ECONNRESET : n;
}

static ssize_t write_socket(Stream *stream, const struct iovec *parts, int n_parts) {
        const struct msghdr message = { .msg_iov = (struct iovec *) parts, .msg_iovlen = (size_t) n_parts };
        ssize_t n;

        do
                n = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);

        if (n < 0)
                stream->is_writable = errno != EAGAIN;
        return n < 0 ? -errno : n;
}

ssize_t stream_write(Stream *stream, const struct iovec *parts, int n) {
        if (!stream->is_writable)
                return -EAGAIN;
        return stream->tls ? write_tls(stream, parts) : write_socket(stream, parts, n);
}

static ssize_t peek(const Stream *stream) {
        ssize_t n;

        do
                n = recv(stream->fd, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

bool stream_is_quiet(const Stream *stream) {
        return peek(stream) == -EAGAIN;
}

bool stream_is_over(const Stream *stream) {
        return peek(stream) == 0;
}

size_t stream_unsent(const Stream *stream) {
        int n = 0;

        return ioctl(stream->fd, SIOCOUTQ, &n) < 0 ? 0 : (size_t) n;
}

void stream_end(Stream *stream) {
        if (stream->tls)
                (void) gnutls_bye(stream->tls, GNUTLS_SHUT_WR);
        (void) shutdown(stream->fd, SHUT_WR);
}

void stream_break(Stream *stream) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };

        (void) setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}
