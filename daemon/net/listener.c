#include "daemon/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/base/macro.h"
#include "daemon/types/multiaddr.h"

#define LISTENER_BACKLOG 4096
#define LISTENER_REST (100 * USEC_PER_MSEC)
#define LISTENER_FD_RESERVE 128 /* descriptors of the process that connections cannot use up */

static int open_socket(int family) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd < 0 ? -errno : fd;
}

static int open_tcp(const struct addrinfo *address) {
        _cleanup_close_ int fd = open_socket(address->ai_family);

        if (fd < 0)
                return fd;

        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0)
                return -errno;
        /* Else [::] would take the port of 0.0.0.0 as well, which has a listener of its own. */
        if (address->ai_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int)) < 0)
                return -errno;
        if (bind(fd, address->ai_addr, address->ai_addrlen) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static int bind_tcp(const MultiaddrEndpoint *endpoint, const char *address, int *ret_fd, Error *reterr) {
        struct addrinfo *found, hints = {
                .ai_family = endpoint->family,
                .ai_socktype = SOCK_STREAM,
                .ai_flags = AI_PASSIVE | AI_NUMERICSERV | (endpoint->is_name ? 0 : AI_NUMERICHOST),
        };
        char port[sizeof("65535")];
        int r, fd;

        (void) snprintf(port, sizeof(port), "%u", (unsigned) endpoint->port);
        r = getaddrinfo(endpoint->host, port, &hints, &found);
        if (r != 0)
                return error_set(reterr, ERROR_IO, "cannot listen at %s: %s", address, gai_strerror(r));

        fd = open_tcp(found);
        freeaddrinfo(found);
        if (fd < 0)
                return error_set(reterr, ERROR_IO, "cannot listen at %s: %s", address, strerror(-fd));

        *ret_fd = fd;
        return 0;
}

/* A socket file that nobody listens at any more. A full backlog (EAGAIN) is somebody. */
static bool is_stale(const struct sockaddr_un *name) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (lstat(name->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return false;

        fd = open_socket(AF_UNIX);
        return fd >= 0 && connect(fd, (const struct sockaddr *) name, sizeof(*name)) < 0 &&
               errno == ECONNREFUSED;
}

static int open_unix(const char *path) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;

        if (strlen(path) >= sizeof(name.sun_path))
                return -ENAMETOOLONG;
        memcpy(name.sun_path, path, strlen(path) + 1);

        fd = open_socket(AF_UNIX);
        if (fd < 0)
                return fd;

        if (bind(fd, (struct sockaddr *) &name, sizeof(name)) >= 0)
                return TAKE_FD(fd);
        if (errno != EADDRINUSE)
                return -errno;
        if (!is_stale(&name))
                return -EADDRINUSE;

        if (unlink(path) < 0 || bind(fd, (struct sockaddr *) &name, sizeof(name)) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static int bind_unix(const MultiaddrEndpoint *endpoint, const char *address, int *ret_fd, Error *reterr) {
        int fd = open_unix(endpoint->path);

        if (fd < 0)
                return error_set(reterr, ERROR_IO, "cannot listen at %s: %s", address, strerror(-fd));

        *ret_fd = fd;
        return 0;
}

int listener_open(const char *address, int *ret_fd, Error *reterr) {
        _cleanup_close_ int fd = -1;
        MultiaddrEndpoint endpoint;
        int r;

        if (multiaddr_endpoint(address, &endpoint) <= 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "cannot listen at '%s': expected /ip4/ADDRESS/tcp/PORT, /ip6/ADDRESS/tcp/PORT or /unix/PATH",
                                address);

        r = endpoint.transport == MULTIADDR_UNIX ? bind_unix(&endpoint, address, &fd, reterr)
                                                 : bind_tcp(&endpoint, address, &fd, reterr);
        if (r < 0)
                return r;

        if (listen(fd, LISTENER_BACKLOG) < 0)
                return error_set(reterr, ERROR_IO, "cannot listen at %s: %s", address, strerror(errno));

        *ret_fd = TAKE_FD(fd);
        return 0;
}

static bool is_wanted(int fd, const char *fd_name, const char *name) {
        return strcmp(fd_name, name) == 0 &&
               sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, /* listening= */ 1) > 0;
}

int listener_inherited(const char *name, int *fds, size_t max) {
        char **names = NULL;
        int n_inherited, n = 0;

        n_inherited = sd_listen_fds_with_names(/* unset_environment= */ 0, &names);

        for (int i = 0; i < n_inherited; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                /* systemd passes them blocking unless NonBlocking= says otherwise. */
                if ((size_t) n < max && is_wanted(fd, names[i], name) &&
                    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) >= 0)
                        fds[n++] = fd;
                free(names[i]);
        }

        free(names);
        return n_inherited < 0 ? n_inherited : n;
}

static int format_unix(const struct sockaddr_un *name, socklen_t size, char **ret) {
        if (size <= offsetof(struct sockaddr_un, sun_path) || name->sun_path[0] != '/')
                return -EAFNOSUPPORT; /* unnamed or abstract */

        return asprintf(ret, "/unix%.*s", (int) sizeof(name->sun_path), name->sun_path) < 0 ? -ENOMEM : 0;
}

int listener_address(int fd, char **ret) {
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_un un;
        } name = {};
        socklen_t size = sizeof(name);
        char host[INET6_ADDRSTRLEN];
        const char *protocol;

        if (getsockname(fd, &name.any, &size) < 0)
                return -errno;

        switch (name.any.sa_family) {
        case AF_INET:
                protocol = "ip4";
                inet_ntop(AF_INET, &name.in.sin_addr, host, sizeof(host));
                break;
        case AF_INET6: /* the port lies where it does for IPv4 */
                protocol = "ip6";
                inet_ntop(AF_INET6, &name.in6.sin6_addr, host, sizeof(host));
                break;
        case AF_UNIX:
                return format_unix(&name.un, size, ret);
        default:
                return -EAFNOSUPPORT;
        }

        return asprintf(ret, "/%s/%s/tcp/%u", protocol, host, (unsigned) ntohs(name.in.sin_port)) < 0
                               ? -ENOMEM
                               : 0;
}

static int start_inherited(const ListenerPlan *plan, Error *reterr) {
        int r = plan->n_fds > plan->max ? -EMFILE : 0;

        for (size_t i = 0; i < plan->n_fds; i++) {
                _cleanup_free_ char *address = NULL;

                (void) listener_address(plan->fds[i], &address);
                if (r >= 0)
                        r = plan->add(plan->fds[i], address, plan->userdata);
                else
                        close(plan->fds[i]);
        }
        return r < 0 ? error_set_errno(reterr, r, "%s on an inherited socket: %m", plan->name) : 0;
}

int listener_start(const ListenerPlan *plan, Error *reterr) {
        if (plan->n_fds > 0)
                return start_inherited(plan, reterr);

        if (plan->addresses->n > plan->max)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s.%s: %zu addresses, at most %zu are allowed",
                                plan->section,
                                plan->key,
                                plan->addresses->n,
                                plan->max);
        for (size_t i = 0; i < plan->addresses->n; i++) {
                const char *address = plan->addresses->items[i];
                int fd, r;

                r = listener_open(address, &fd, reterr);
                if (r < 0)
                        return r;
                r = plan->add(fd, address, plan->userdata);
                if (r < 0)
                        return error_set_errno(reterr, r, "%s at %s: %m", plan->name, address);
                log_info("%s at %s%s.", plan->name, address, plan->note);
        }
        return 0;
}

/* ---- in the loop ---- */

static int on_rested(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        return sd_event_source_set_enabled(userdata, SD_EVENT_ON);
}

/* The timer is made here: when it is needed there may be no descriptor for it. */
int listener_watch_init(
                ListenerWatch *watch,
                sd_event *event,
                int fd,
                sd_event_io_handler_t on_readable,
                void *userdata) {
        int r;

        *watch = (ListenerWatch){};
        r = sd_event_add_io(event, &watch->io, fd, EPOLLIN, on_readable, userdata);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(watch->io, 1);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                event, &watch->pause, CLOCK_MONOTONIC, 0, 0, on_rested, watch->io);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->pause, SD_EVENT_OFF);
        if (r < 0)
                listener_watch_done(watch);
        return r;
}

void listener_watch_done(ListenerWatch *watch) {
        watch->pause = sd_event_source_disable_unref(watch->pause);
        watch->io = sd_event_source_disable_unref(watch->io);
}

void listener_watch_rest(ListenerWatch *watch) {
        if (sd_event_source_set_time_relative(watch->pause, LISTENER_REST) >= 0 &&
            sd_event_source_set_enabled(watch->pause, SD_EVENT_ONESHOT) >= 0)
                (void) sd_event_source_set_enabled(watch->io, SD_EVENT_OFF);
}

bool listener_is_short(int error) {
        return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* The kernel gives the lowest descriptor that is free. */
int listener_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
                return INT_MAX;
        return (int) limit.rlim_cur - (int) MIN(limit.rlim_cur / 2, (rlim_t) LISTENER_FD_RESERVE);
}
