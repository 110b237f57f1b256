#include "daemon/net/http-duplex.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/net/http-answer.h"

#define DUPLEX_BLOCKS_MAX 4 /* in one turn of the loop */

struct HttpDuplex {
        int fd;               /* libmicrohttpd's */
        gnutls_session_t tls; /* its, or NULL */
        sd_event_source *io;  /* of a duplicate: the descriptor itself is in libmicrohttpd's set */
        const HttpDuplexEvents *events;
        void *userdata;
        Str out;
        size_t at;
        Str trailers;
        bool is_http10;
        bool is_over;
        bool is_blocked;
        bool is_resumed; /* since pull() was called */
};

/* ---- what goes out */

/* One block of the producer: answers what pull() did. */
static ssize_t make_block(HttpDuplex *duplex) {
        char block[HTTP_DUPLEX_BLOCK];
        ssize_t n;

        duplex->is_resumed = false;
        n = duplex->events->pull(block, sizeof(block), duplex->userdata);
        if (n <= 0)
                return n;

        if (!duplex->is_http10)
                (void) str_appendf(&duplex->out, "%zx\r\n", (size_t) n);
        (void) str_append_bytes(&duplex->out, block, (size_t) n);
        if (!duplex->is_http10)
                (void) str_append(&duplex->out, "\r\n");
        return n;
}

static void make_end(HttpDuplex *duplex) {
        duplex->is_over = true;
        if (duplex->is_http10)
                return;

        (void) str_append(&duplex->out, "0\r\n");
        if (duplex->trailers.len > 0)
                (void) str_append_bytes(&duplex->out, duplex->trailers.data, duplex->trailers.len);
        (void) str_append(&duplex->out, "\r\n");
        duplex->out.failed |= duplex->trailers.failed;
}

/* Answers 1 when there is something to send, 0 when not yet, negative when the answer is to be broken off.
 */
static int fill(HttpDuplex *duplex) {
        ssize_t n;

        if (duplex->at < duplex->out.len)
                return 1;

        str_reset(&duplex->out);
        duplex->at = 0;
        n = make_block(duplex);
        if (n == HTTP_SOURCE_END)
                make_end(duplex);
        else if (n < 0)
                return -ECANCELED;
        if (str_error(&duplex->out) < 0)
                return -ENOMEM;
        return duplex->out.len > 0;
}

/* Answers what was sent, 0 when nothing can be now. What could not be sent has to be the same the next time:
 * a record of it may have been made. */
static ssize_t send_some(HttpDuplex *duplex) {
        const char *data = duplex->out.data + duplex->at;
        size_t size = duplex->out.len - duplex->at;
        ssize_t n;

        if (duplex->tls) {
                n = gnutls_record_send(duplex->tls, data, size);
                if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
                        return 0;
                return n < 0 ? -EPIPE : n;
        }

        n = send(duplex->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        return n < 0 ? -errno : n;
}

/* Answers 1 when all of it went out, 0 when the client takes no more now. */
static int drain(HttpDuplex *duplex) {
        ssize_t n;

        n = send_some(duplex);
        if (n < 0)
                return (int) n;

        duplex->at += (size_t) n;
        duplex->is_blocked = duplex->at < duplex->out.len;
        duplex->events->moved(duplex->is_blocked, duplex->userdata);
        return !duplex->is_blocked;
}

static void finish(HttpDuplex *duplex, bool complete) {
        (void) sd_event_source_set_enabled(duplex->io, SD_EVENT_OFF);
        duplex->is_over = true;
        duplex->is_blocked = false;
        duplex->events->ended(complete, duplex->userdata); /* may have freed the object */
}

static int on_writable(
                sd_event_source *source _unused_,
                int fd _unused_,
                uint32_t revents _unused_,
                void *userdata) {
        HttpDuplex *duplex = userdata;
        int r = 1;

        for (unsigned i = 0; i < DUPLEX_BLOCKS_MAX && r > 0; i++) {
                if (duplex->is_over && duplex->at == duplex->out.len) {
                        finish(duplex, /* complete= */ true);
                        return 0;
                }
                r = fill(duplex);
                if (r == 0 && !duplex->is_over && !duplex->is_resumed)
                        (void) sd_event_source_set_enabled(duplex->io, SD_EVENT_OFF);
                if (r > 0)
                        r = drain(duplex);
        }

        if (r < 0)
                finish(duplex, /* complete= */ false);
        return 0;
}

/* ---- the object */

static void append_date(Str *text) {
        char date[64];
        time_t now = time(NULL);
        struct tm tm;

        if (gmtime_r(&now, &tm) && strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
                http_answer_append_field(text, "Date", date);
}

/* A descriptor can be in one epoll set only once, and in libmicrohttpd's it is. */
static int watch(HttpDuplex *duplex, sd_event *event) {
        _cleanup_close_ int fd = fcntl(duplex->fd, F_DUPFD_CLOEXEC, 3);
        int r;

        if (fd < 0)
                return -errno;

        r = sd_event_add_io(event, &duplex->io, fd, EPOLLOUT, on_writable, duplex);
        if (r < 0)
                return r;

        r = sd_event_source_set_io_fd_own(duplex->io, 1);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        return 0;
}

int http_duplex_new(
                HttpDuplex **ret,
                sd_event *event,
                const HttpDuplexOptions *options,
                const HttpDuplexEvents *events,
                void *userdata) {
        _cleanup_(http_duplex_freep) HttpDuplex *duplex = calloc(1, sizeof(*duplex));
        int r;

        if (!duplex)
                return -ENOMEM;

        *duplex = (HttpDuplex){
                .fd = options->fd,
                .tls = options->tls,
                .is_http10 = options->is_http10,
                .events = events,
                .userdata = userdata,
        };

        http_answer_append_head(&duplex->out, options->head);
        append_date(&duplex->out);
        if (!options->is_http10)
                (void) str_append(&duplex->out, "Transfer-Encoding: chunked\r\n");
        r = str_append(&duplex->out, "\r\n");
        if (r < 0)
                return r;

        r = watch(duplex, event);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(duplex);
        return 0;
}

HttpDuplex *http_duplex_free(HttpDuplex *duplex) {
        if (!duplex)
                return NULL;

        sd_event_source_disable_unref(duplex->io);
        str_done(&duplex->out);
        str_done(&duplex->trailers);
        free(duplex);
        return NULL;
}

void http_duplex_resume(HttpDuplex *duplex) {
        duplex->is_resumed = true;
        if (!duplex->is_over)
                (void) sd_event_source_set_enabled(duplex->io, SD_EVENT_ON);
}

int http_duplex_trailer(HttpDuplex *duplex, const char *name, const char *value) {
        http_answer_append_field(&duplex->trailers, name, value);
        return str_error(&duplex->trailers);
}

bool http_duplex_is_blocked(const HttpDuplex *duplex) {
        return duplex->is_blocked;
}

bool http_duplex_is_over(const HttpDuplex *duplex) {
        return duplex->is_over;
}
