#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/base/log.h"
#include "daemon/rpc/exchange.h"

#define ACCEPTS_PER_TURN 16

/* The host alone: its refusals are counted together. */
static void describe_source(const struct sockaddr *name, socklen_t size, char text[static RPC_SOURCE_MAX]) {
        if (name->sa_family != AF_INET && name->sa_family != AF_INET6)
                (void) snprintf(text, RPC_SOURCE_MAX, "local");
        else if (getnameinfo(name, size, text, RPC_SOURCE_MAX, NULL, 0, NI_NUMERICHOST) != 0)
                (void) snprintf(text, RPC_SOURCE_MAX, "unknown");
}

static bool is_untrusted(const RpcLink *link) {
        return !link->is_dialled && (!link->peer || !rpc_is_trusted(link->rpc, &link->peer->id));
}

/* Room for one more link of somebody unknown; the oldest one goes. */
static bool make_room(Rpc *rpc) {
        RpcLink *oldest = NULL;
        size_t n = 0;

        LIST_FOREACH (link, &rpc->links, RpcLink, link)
                if (is_untrusted(link)) {
                        oldest = oldest ?: link;
                        n++;
                }

        if (oldest && (n >= RPC_UNTRUSTED_MAX || rpc->n_links >= RPC_PEERS_MAX)) {
                rpc_link_close(oldest, "too many connections of peers that are no members");
                return true;
        }
        return rpc->n_links < RPC_PEERS_MAX;
}

/* Answers whether there may be more. */
static bool accept_one(RpcListener *listener) {
        struct sockaddr_storage name = {};
        socklen_t size = sizeof(name);
        char source[RPC_SOURCE_MAX];
        int fd, r;

        fd = accept4(listener->fd, (struct sockaddr *) &name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
                if (!listener_is_short(errno))
                        return errno == ECONNABORTED || errno == EINTR;
                log_warning_errno(errno, "Failed to accept a connection of a peer, ignoring: %m");
                listener_watch_rest(&listener->watch);
                return false;
        }

        describe_source((struct sockaddr *) &name, size, source);
        if (!make_room(listener->rpc)) {
                rpc_refuse(listener->rpc, source, "there are too many links");
                (void) close(fd);
                return true;
        }

        r = rpc_link_new(listener->rpc, fd, source, NULL, NULL);
        if (r < 0)
                log_warning_errno(r, "Failed to set up a connection from '%s', ignoring: %m", source);
        return true;
}

static int on_readable(
                sd_event_source *source _unused_,
                int fd _unused_,
                uint32_t events _unused_,
                void *userdata) {
        RpcListener *listener = userdata;

        for (size_t i = 0; i < ACCEPTS_PER_TURN && accept_one(listener); i++)
                ;
        rpc_settle(listener->rpc);
        return 0;
}

int rpc_accept_new(Rpc *rpc, const int *fds, size_t n_fds) {
        int r = 0;

        rpc->listeners = calloc(MAX(n_fds, (size_t) 1), sizeof(*rpc->listeners));
        if (!rpc->listeners) {
                for (size_t i = 0; i < n_fds; i++)
                        (void) close(fds[i]);
                return -ENOMEM;
        }

        for (size_t i = 0; i < n_fds; i++)
                rpc->listeners[i] = (RpcListener){ .rpc = rpc, .fd = fds[i] };
        rpc->n_listeners = n_fds;
        for (size_t i = 0; i < n_fds && r >= 0; i++)
                r = listener_watch_init(
                                &rpc->listeners[i].watch,
                                rpc->event,
                                fds[i],
                                on_readable,
                                &rpc->listeners[i]);
        return r;
}

void rpc_accept_free(Rpc *rpc) {
        for (size_t i = 0; i < rpc->n_listeners; i++) {
                listener_watch_done(&rpc->listeners[i].watch);
                (void) close(rpc->listeners[i].fd);
        }
        free(rpc->listeners);
        rpc->n_listeners = 0;
}
