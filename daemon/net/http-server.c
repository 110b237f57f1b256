#include "daemon/net/http-server.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/base/turn.h"
#include "daemon/net/http-linger.h"
#include "daemon/net/http-request.h"
#include "daemon/net/listener.h"

#define HTTP_MAX_HEADER_BYTES 4096
#define HTTP_HEADER_SLACK 4096 /* as Go's server */
#define HTTP_MAX_CONNECTIONS 1024
#define HTTP_HEADER_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define HTTP_IDLE_TIMEOUT_USEC (120 * USEC_PER_SEC)
#define HTTP_STALL_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define HTTP_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Cleared after each request, and kept by each connection that has had one: more costs both time and memory.
 * It must hold the largest head, and a block of a chunked body; a larger head only if that was asked for. */
#define HTTP_CONNECTION_MEMORY ((size_t) 32 * 1024)
#define HTTP_MEMORY_PER_HEADER_BYTE 3
#define HTTP_WATCH_BATCH 64
#define HTTP_KEEPALIVE_SEC 60 /* of silence before a suspended connection's host is probed */

struct HttpServer {
        sd_event *event;
        HttpServerOptions options;
        struct MHD_Daemon *daemon;
        sd_event_source *io;    /* libmicrohttpd's epoll descriptor */
        sd_event_source *again; /* defer: libmicrohttpd has more to do */
        sd_event_source *paced; /* timer: it says so, but nothing comes of it */
        sd_event_source *watch; /* watch_fd */
        sd_event_source *sweep; /* timer */
        int watch_fd;           /* epoll of all connections */
        int fd_limit;           /* a connection with this descriptor or a higher one is refused */
        uint64_t sweep_usec;    /* what the timer is set to; UINT64_MAX: off */
        uint64_t sweep_interval_usec;
        List connections;
        unsigned n_connections;
        List ended; /* connections whose client has ended its sending, for one turn */
        List lingers;
        bool is_closing;
        bool has_stopped; /* accepting: options.fd is closed */
        bool has_moved;   /* libmicrohttpd has called since the last look */
        bool is_short; /* and complained, without a connection: there is no descriptor for the first one */
};

static uint64_t now(const HttpServer *server) {
        uint64_t usec = 0;

        (void) sd_event_now(server->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

/* ---- time-outs; libmicrohttpd's own know only silence, and a head may drip for ever */

static uint64_t timeout_of(const HttpServer *server, HttpWait wait) {
        uint64_t timeouts[_HTTP_WAIT_N] = {
                [HTTP_WAIT_HEAD] = server->options.header_timeout_usec,
                [HTTP_WAIT_IDLE] = server->options.idle_timeout_usec,
                [HTTP_WAIT_CLIENT] = server->options.stall_timeout_usec,
                [HTTP_WAIT_OWNER] = UINT64_MAX,
        };

        return timeouts[wait];
}

static uint64_t deadline_of(const HttpConnection *connection) {
        uint64_t timeout = timeout_of(connection->server, connection->wait);

        return timeout == UINT64_MAX ? connection->until_usec
                                     : MIN(connection->since_usec + timeout, connection->until_usec);
}

/* Only ever set to an earlier time: that costs a timerfd_settime(2), a sweep too many nothing. */
static void arm_sweep(HttpServer *server, uint64_t usec) {
        if (usec >= server->sweep_usec)
                return;

        server->sweep_usec = usec;
        (void) sd_event_source_set_time(server->sweep, usec);
        (void) sd_event_source_set_enabled(server->sweep, SD_EVENT_ONESHOT);
}

void http_server_wait(HttpConnection *connection, HttpWait wait) {
        connection->server->has_moved = true;
        connection->wait = wait;
        connection->since_usec = now(connection->server);
        arm_sweep(connection->server, deadline_of(connection));
}

/* From now on, whatever else is waited for; 0: no limit. */
static void set_limit(HttpConnection *connection, uint64_t usec) {
        connection->until_usec = usec == 0 ? UINT64_MAX : now(connection->server) + usec;
        if (usec > 0)
                arm_sweep(connection->server, connection->until_usec);
}

void http_server_limit_answer(HttpConnection *connection, bool is_given) {
        set_limit(connection, is_given ? connection->server->options.write_timeout_usec : 0);
}

/* libmicrohttpd finds the socket closed, and ends the connection. */
static void cut(HttpConnection *connection) {
        (void) shutdown(connection->fd, SHUT_RDWR);
        if (connection->request)
                http_request_hang_up(connection->request, /* is_half= */ false);
        set_limit(connection, 0);
        http_server_wait(connection, HTTP_WAIT_CLIENT);
}

static int on_sweep(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        HttpServer *server = userdata;
        uint64_t now_usec = now(server), next = UINT64_MAX;

        server->sweep_usec = UINT64_MAX;
        LIST_FOREACH (connection, &server->connections, HttpConnection, link) {
                if (deadline_of(connection) <= now_usec)
                        cut(connection);
                next = MIN(next, deadline_of(connection));
        }

        /* Connections come one by one, but they are not swept one by one. */
        if (next != UINT64_MAX)
                arm_sweep(server, MAX(next, now_usec + server->sweep_interval_usec));
        return 0;
}

/* ---- libmicrohttpd on the loop */

#define RUNS_MAX 4 /* in one turn: what it has left to do is often little, and a turn costs more */
#define PACE_USEC (20 * USEC_PER_MSEC)
#define SHORT_USEC (100 * USEC_PER_MSEC) /* before another try to accept */

/* MHD_get_timeout() knows one thing here, since no time-out of libmicrohttpd is used: that it has more to
 * do, which its epoll descriptor does not show. It says so for ever about a connection whose buffer is full
 * of what it cannot use (a line of a chunked body without an end): when nothing comes of its runs they are
 * paced, until the client is cut for stalling. */
static void go_on(HttpServer *server) {
        MHD_UNSIGNED_LONG_LONG msec;

        server->has_moved = false;
        for (unsigned i = 0; i < RUNS_MAX; i++) {
                (void) MHD_run(server->daemon);
                if (MHD_get_timeout(server->daemon, &msec) != MHD_YES)
                        return;
        }
        if (server->has_moved) {
                http_server_kick(server);
                return;
        }
        (void) sd_event_source_set_time_relative(server->paced, PACE_USEC);
        (void) sd_event_source_set_enabled(server->paced, SD_EVENT_ONESHOT);
}

/* libmicrohttpd stops accepting when there are no descriptors left, until a connection has ended; but when
 * it has none it tries for ever. */
static void run(HttpServer *server) {
        server->is_short = false;
        go_on(server);
        if (!server->is_short || server->n_connections > 0)
                return;
        (void) sd_event_source_set_time_relative(server->paced, SHORT_USEC);
        if (sd_event_source_set_enabled(server->paced, SD_EVENT_ONESHOT) >= 0)
                (void) sd_event_source_set_enabled(server->io, SD_EVENT_OFF);
}

void http_server_kick(HttpServer *server) {
        (void) sd_event_source_set_enabled(server->again, SD_EVENT_ONESHOT);
}

static int on_io(
                sd_event_source *source _unused_,
                int fd _unused_,
                uint32_t revents _unused_,
                void *userdata) {
        run(userdata);
        return 0;
}

static int on_again(sd_event_source *source _unused_, void *userdata) {
        HttpServer *server = userdata;

        turn_renew(server->event, &server->again, on_again, server);
        run(server);
        return 0;
}

static int on_pace(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        HttpServer *server = userdata;

        (void) sd_event_source_set_enabled(server->io, SD_EVENT_ON);
        run(server);
        return 0;
}

/* ---- the watch for the ends of clients: an epoll of its own, since the loop's cost of an event grows with
 * the number of its sources. libmicrohttpd does not see the end of a suspended connection, which is out of
 * its epoll set, nor one that came together with the last bytes: it reads these, and waits for an event that
 * it has had. */

static int watch_connection(HttpConnection *connection) {
        struct epoll_event event = {
                .events = EPOLLRDHUP | EPOLLET,
                .data.ptr = connection,
        };

        return epoll_ctl(connection->server->watch_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0 ? -errno
                                                                                                  : 0;
}

static void on_client_end(HttpConnection *connection, uint32_t events) {
        bool is_half = !(events & (EPOLLHUP | EPOLLERR));

        connection->is_half_closed = true;
        list_remove(&connection->ended);
        if (connection->request && http_request_is_suspended(connection->request))
                http_request_hang_up(connection->request, is_half);
        else if (!connection->is_shut)
                list_append(&connection->server->ended, &connection->ended);
}

/* What had come was read in run(), which may have freed the connection. The shutdown is a further event, for
 * libmicrohttpd's sake; it is one for us too, hence once. What is sent is not hindered. */
static int on_watch(sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        struct epoll_event events[HTTP_WATCH_BATCH];
        HttpServer *server = userdata;
        int n = epoll_wait(fd, events, HTTP_WATCH_BATCH, 0);

        for (int i = 0; i < n; i++)
                on_client_end(events[i].data.ptr, events[i].events);

        run(server);

        LIST_FOREACH (connection, &server->ended, HttpConnection, ended) {
                list_remove(&connection->ended);
                connection->is_shut = true;
                (void) shutdown(connection->fd, SHUT_RD);
        }

        return 0;
}

void http_server_linger(HttpServer *server, int fd) {
        if (server->is_closing)
                close(fd);
        else
                (void) http_linger_start(&server->lingers, server->event, fd);
}

/* ---- what libmicrohttpd calls */

static enum MHD_Result may_connect(
                void *userdata, const struct sockaddr *address _unused_, socklen_t size _unused_) {
        HttpServer *server = userdata;

        server->has_moved = true;
        return server->n_connections < server->options.max_connections;
}

static void *open_connection(HttpServer *server, struct MHD_Connection *mhd) {
        HttpConnection *connection = calloc(1, sizeof(*connection));
        int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

        if (!connection || fd >= server->fd_limit) {
                (void) shutdown(fd, SHUT_RDWR);
                free(connection);
                return NULL;
        }

        *connection = (HttpConnection){ .server = server, .mhd = mhd, .fd = fd };
        list_init(&connection->ended);
        list_append(&server->connections, &connection->link);
        server->n_connections++;
        if (watch_connection(connection) < 0)
                (void) shutdown(fd, SHUT_RDWR);
        set_limit(connection, server->options.read_timeout_usec);
        http_server_wait(connection, HTTP_WAIT_HEAD);
        return connection;
}

static void close_connection(HttpConnection *connection) {
        if (!connection)
                return;

        /* By hand: a lingering socket is still open, and would stay in the set. */
        (void) epoll_ctl(connection->server->watch_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        list_remove(&connection->link);
        list_remove(&connection->ended);
        connection->server->n_connections--;
        free(connection);
}

static void on_connection(
                void *userdata,
                struct MHD_Connection *mhd,
                void **context,
                enum MHD_ConnectionNotificationCode code) {
        ((HttpServer *) userdata)->has_moved = true;
        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                *context = open_connection(userdata, mhd);
        else {
                close_connection(*context);
                *context = NULL;
        }
}

static HttpConnection *connection_of(struct MHD_Connection *mhd) {
        return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line was read: the only call that is given the target as it came. */
static void *on_target(void *userdata _unused_, const char *target, struct MHD_Connection *mhd) {
        HttpConnection *connection = connection_of(mhd);

        if (!connection)
                return NULL;

        connection->server->has_moved = true;
        if (connection->wait == HTTP_WAIT_IDLE) {
                set_limit(connection, connection->server->options.read_timeout_usec);
                http_server_wait(connection, HTTP_WAIT_HEAD);
        }
        connection->request = http_request_new(connection, target);
        return connection->request;
}

static enum MHD_Result on_request(
                void *userdata,
                struct MHD_Connection *mhd _unused_,
                const char *path _unused_,
                const char *method,
                const char *version,
                const char *data,
                size_t *n,
                void **context) {
        ((HttpServer *) userdata)->has_moved = true;
        return *context ? http_request_serve(*context, method, version, data, n) : MHD_NO;
}

static void on_completed(
                void *userdata,
                struct MHD_Connection *mhd,
                void **context,
                enum MHD_RequestTerminationCode code) {
        HttpConnection *connection = connection_of(mhd);

        ((HttpServer *) userdata)->has_moved = true;
        if (*context)
                http_request_finish(*context, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        *context = NULL;
        if (connection) {
                set_limit(connection, 0);
                http_server_wait(connection, HTTP_WAIT_IDLE);
        }
}

/* libmicrohttpd 0.9.75 answers a bad Content-Length with two heads in a row. Its complaint comes before the
 * answer, without saying of whom: but of the requests that have not been served, only one has a whole head.
 * That one is answered here, and its socket closed for libmicrohttpd's. */
static void on_complaint(void *userdata, const char *format _unused_, va_list ap _unused_) {
        HttpServer *server = userdata;

        server->is_short = server->n_connections == 0; /* there is nothing else to complain of */
        LIST_FOREACH (connection, &server->connections, HttpConnection, link)
                if (connection->request &&
                    MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE))
                        http_request_refuse_raw(connection->request, MHD_HTTP_BAD_REQUEST);
}

/* ---- for http-request.c */

bool http_server_is_closing(const HttpServer *server) {
        return server->is_closing;
}

sd_event *http_server_event(const HttpServer *server) {
        return server->event;
}

size_t http_server_max_head(const HttpServer *server) {
        return server->options.max_header_bytes + HTTP_HEADER_SLACK;
}

gnutls_session_t http_server_tls(const HttpConnection *connection) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
                        connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

        return info ? info->tls_session : NULL;
}

void http_server_finished(
                HttpConnection *connection, HttpRequest *request, unsigned status, uint64_t n_bytes) {
        HttpServer *server = connection->server;

        if (server->options.finished)
                server->options.finished(request, status, n_bytes, server->options.userdata);
}

void http_server_handle(HttpServer *server, HttpRequest *request) {
        server->options.handle(request, server->options.userdata);
}

/* ---- the object */

static void set_defaults(HttpServerOptions *options) {
        options->max_header_bytes = options->max_header_bytes ?: HTTP_MAX_HEADER_BYTES;
        options->max_connections = options->max_connections ?: HTTP_MAX_CONNECTIONS;
        options->header_timeout_usec = options->header_timeout_usec ?: HTTP_HEADER_TIMEOUT_USEC;
        options->idle_timeout_usec = options->idle_timeout_usec ?: HTTP_IDLE_TIMEOUT_USEC;
        options->stall_timeout_usec = options->stall_timeout_usec ?: HTTP_STALL_TIMEOUT_USEC;
}

static uint64_t shortest_timeout(const HttpServerOptions *options) {
        uint64_t shortest = MIN(options->header_timeout_usec, options->idle_timeout_usec);

        if (options->read_timeout_usec > 0)
                shortest = MIN(shortest, options->read_timeout_usec);
        if (options->write_timeout_usec > 0)
                shortest = MIN(shortest, options->write_timeout_usec);
        return MIN(shortest, options->stall_timeout_usec);
}

/* Accepted sockets inherit it: the end of a client whose host is gone is then found also while its
 * connection is suspended. Not for Unix sockets, where it fails. */
static void set_keepalive(int fd) {
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ HTTP_KEEPALIVE_SEC }, sizeof(int));
}

/* STRICT_FOR_CLIENT 0: what the strict mode refuses, http-head.c refuses too, with a proper answer. The
 * limit of connections is kept by may_connect(): libmicrohttpd would let further clients wait unseen. */
static int start_daemon(HttpServer *server) {
        struct MHD_OptionItem tls[] = {
                { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *) server->options.certificate },
                { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *) server->options.key },
                { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *) HTTP_TLS_PRIORITIES },
                { MHD_OPTION_END, 0, NULL },
        };
        bool is_tls = server->options.certificate != NULL;

        server->daemon = MHD_start_daemon(
                        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                                        (is_tls ? MHD_USE_TLS : 0),
                        /* port= */ 0,
                        may_connect,
                        server,
                        on_request,
                        server,
                        MHD_OPTION_EXTERNAL_LOGGER,
                        on_complaint,
                        server,
                        MHD_OPTION_LISTEN_SOCKET,
                        server->options.fd,
                        MHD_OPTION_NOTIFY_CONNECTION,
                        on_connection,
                        server,
                        MHD_OPTION_URI_LOG_CALLBACK,
                        on_target,
                        server,
                        MHD_OPTION_NOTIFY_COMPLETED,
                        on_completed,
                        server,
                        MHD_OPTION_STRICT_FOR_CLIENT,
                        0,
                        MHD_OPTION_CONNECTION_LIMIT,
                        server->options.max_connections + 1,
                        MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                        MAX(HTTP_CONNECTION_MEMORY,
                            HTTP_MEMORY_PER_HEADER_BYTE * http_server_max_head(server)),
                        MHD_OPTION_ARRAY,
                        is_tls ? tls : tls + ELEMENTSOF(tls) - 1,
                        MHD_OPTION_END);
        server->options.certificate = server->options.key = NULL; /* borrowed for the call */
        return server->daemon ? 0 : -ENOMEM;
}

static int add_sources(HttpServer *server) {
        int fd, r;

        r = sd_event_add_defer(server->event, &server->again, on_again, server);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(server->again, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_event_add_time(
                        server->event, &server->sweep, CLOCK_MONOTONIC, UINT64_MAX, 0, on_sweep, server);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(server->sweep, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_event_add_time(
                        server->event, &server->paced, CLOCK_MONOTONIC, UINT64_MAX, 0, on_pace, server);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(server->paced, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_event_add_io(server->event, &server->watch, server->watch_fd, EPOLLIN, on_watch, server);
        if (r < 0)
                return r;

        fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
        return sd_event_add_io(server->event, &server->io, fd, EPOLLIN, on_io, server);
}

int http_server_new(HttpServer **ret, sd_event *event, const HttpServerOptions *options) {
        _cleanup_(http_server_freep) HttpServer *server = calloc(1, sizeof(*server));
        int r;

        if (!server) {
                close(options->fd);
                return -ENOMEM;
        }

        *server = (HttpServer){
                .event = sd_event_ref(event),
                .options = *options,
                .watch_fd = -1,
                .fd_limit = listener_fd_limit(),
                .sweep_usec = UINT64_MAX,
        };
        list_init(&server->connections);
        list_init(&server->ended);
        list_init(&server->lingers);
        set_defaults(&server->options);
        server->sweep_interval_usec = shortest_timeout(&server->options) / 4;
        set_keepalive(options->fd);

        r = start_daemon(server);
        if (r < 0)
                return r;

        server->watch_fd = epoll_create1(EPOLL_CLOEXEC);
        if (server->watch_fd < 0)
                return -errno;

        r = add_sources(server);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(server);
        return 0;
}

void http_server_set_timeouts(HttpServer *server, const HttpServerOptions *options) {
        server->options.header_timeout_usec = options->header_timeout_usec;
        server->options.idle_timeout_usec = options->idle_timeout_usec;
        server->options.stall_timeout_usec = options->stall_timeout_usec;
        server->options.read_timeout_usec = options->read_timeout_usec;
        server->options.write_timeout_usec = options->write_timeout_usec;
        set_defaults(&server->options);
        server->sweep_interval_usec = shortest_timeout(&server->options) / 4;
        if (!list_is_empty(&server->connections))
                arm_sweep(server, now(server));
}

/* libmicrohttpd tells the number again when it is asked again, whatever has that number by then. */
void http_server_stop_accepting(HttpServer *server) {
        if (server->has_stopped)
                return;

        server->has_stopped = true;
        (void) MHD_quiesce_daemon(server->daemon);
        close(server->options.fd);
}

/* libmicrohttpd must not be stopped with suspended connections; the resumed ones it ends. */
static void stop_daemon(HttpServer *server) {
        http_server_stop_accepting(server);

        LIST_FOREACH (connection, &server->connections, HttpConnection, link)
                if (connection->request)
                        http_request_hang_up(connection->request, /* is_half= */ false);

        MHD_stop_daemon(server->daemon);
}

HttpServer *http_server_free(HttpServer *server) {
        if (!server)
                return NULL;

        server->is_closing = true;
        if (server->daemon)
                stop_daemon(server);

        LIST_FOREACH (linger, &server->lingers, HttpLinger, link)
                http_linger_free(linger);

        sd_event_source_disable_unref(server->io);
        sd_event_source_disable_unref(server->again);
        sd_event_source_disable_unref(server->paced);
        sd_event_source_disable_unref(server->watch);
        sd_event_source_disable_unref(server->sweep);
        if (server->watch_fd >= 0)
                close(server->watch_fd);
        sd_event_unref(server->event);
        free(server);
        return NULL;
}

unsigned http_server_connections(const HttpServer *server) {
        return server->n_connections;
}

int http_server_fd(const HttpServer *server) {
        return server->has_stopped ? -1 : server->options.fd;
}
