#include "daemon/proxy/proxy.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/proxy/call.h"

#define PROXY_ACCEPTS 64      /* at once */
#define PROXY_HEAD_SLACK 4096 /* bytes beyond max_header_bytes, as in Go */

/* ---- accepting ---- */

bool proxy_is_news(Proxy *proxy) {
        uint64_t now = proxy_now(proxy), last = proxy->short_at;

        proxy->short_at = now;
        return last == 0 || now >= last + PROXY_TELL_USEC;
}

static void server_take(Proxy *proxy, int fd) {
        int r;

        if ((proxy->n_clients >= PROXY_CLIENTS_MAX || fd >= proxy->fd_limit) &&
            !proxy_client_make_room(proxy)) {
                proxy_client_refuse(proxy, fd);
                return;
        }
        r = proxy_client_new(proxy, fd);
        if (r < 0)
                log_debug_errno(r, "A connection to the IPFS proxy was dropped: %m");
}

static void server_rest(ProxyServer *server, int error) {
        if (proxy_is_news(server->proxy))
                log_warning_errno(error, "The IPFS proxy cannot accept connections, trying again: %m");
        listener_watch_rest(&server->watch);
}

/* Answers whether there may be more. */
static bool server_accept(ProxyServer *server) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
                server_take(server->proxy, fd);
                return true;
        }
        if (!listener_is_short(errno))
                return errno == ECONNABORTED || errno == EINTR;
        if ((errno == EMFILE || errno == ENFILE) && proxy_client_drop_idle(server->proxy))
                return true;
        server_rest(server, errno);
        return false;
}

static int server_on_readable(
                sd_event_source *source _unused_,
                int fd _unused_,
                uint32_t revents _unused_,
                void *userdata) {
        for (int i = 0; i < PROXY_ACCEPTS && server_accept(userdata); i++)
                ;
        return 0;
}

static int proxy_add_server(int fd, const char *address _unused_, void *userdata) {
        Proxy *proxy = userdata;
        ProxyServer *server = proxy->servers + proxy->n_servers++;

        *server = (ProxyServer){ .proxy = proxy, .fd = fd };
        return listener_watch_init(&server->watch, proxy->event, fd, server_on_readable, server);
}

static int proxy_listen(Proxy *proxy, const int *fds, size_t n_fds, Error *reterr) {
        const ListenerPlan plan = {
                .name = "IPFS proxy",
                .section = "api.ipfsproxy",
                .key = "listen_multiaddress",
                .note = "",
                .addresses = &proxy->config->proxy.listen_multiaddress,
                .fds = fds,
                .n_fds = n_fds,
                .max = PROXY_LISTENERS_MAX,
                .add = proxy_add_server,
                .userdata = proxy,
        };

        return listener_start(&plan, reterr);
}

/* ---- deadlines ---- */

static int proxy_on_sweep(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        Proxy *proxy = userdata;
        uint64_t now = proxy_now(proxy);

        LIST_FOREACH (client, &proxy->idle, ProxyClient, link)
                proxy_client_sweep(client, now);
        LIST_FOREACH (client, &proxy->clients, ProxyClient, link)
                proxy_client_sweep(client, now);
        proxy_node_sweep(proxy->node, now);
        (void) sd_event_source_set_time_relative(source, USEC_PER_SEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- life ---- */

static int proxy_init(Proxy *proxy, Error *reterr) {
        int r;

        r = poller_new(&proxy->poller, proxy->event);
        if (r >= 0)
                r = http_client_new(&proxy->http, proxy->event);
        if (r >= 0)
                r = proxy_origins_new(&proxy->origins, proxy);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                proxy->event,
                                &proxy->sweep,
                                CLOCK_MONOTONIC,
                                USEC_PER_SEC,
                                0,
                                proxy_on_sweep,
                                proxy);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(proxy->sweep, 1);
        return r < 0 ? error_set_errno(reterr, r, "IPFS proxy: %m")
                     : proxy_node_new(&proxy->node, proxy, reterr);
}

int proxy_new(Proxy **ret,
              sd_event *event,
              Cluster *cluster,
              const Config *config,
              const int *fds,
              size_t n_fds,
              Error *reterr) {
        _cleanup_(proxy_freep) Proxy *proxy = NULL;
        int r = -ENOMEM;

        proxy = calloc(1, sizeof(Proxy));
        if (proxy) {
                *proxy = (Proxy){
                        .event = sd_event_ref(event),
                        .cluster = cluster,
                        .config = config,
                        .fd_limit = listener_fd_limit(),
                        .max_head = (size_t) config->proxy.max_header_bytes + PROXY_HEAD_SLACK,
                };
                list_init(&proxy->clients);
                list_init(&proxy->idle);
                r = proxy_init(proxy, reterr);
        }
        if (r < 0) {
                for (size_t i = 0; i < n_fds; i++)
                        close(fds[i]);
                return r;
        }

        r = proxy_listen(proxy, fds, n_fds, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(proxy);
        return 0;
}

static void proxy_cut(List *clients) {
        LIST_FOREACH (client, clients, ProxyClient, link)
                proxy_client_free(client);
}

Proxy *proxy_free(Proxy *proxy) {
        if (!proxy)
                return NULL;

        proxy_stop_accepting(proxy);
        proxy_cut(&proxy->clients);
        proxy_cut(&proxy->idle);
        sd_event_source_disable_unref(proxy->sweep);
        proxy_origins_free(proxy->origins);
        proxy_node_free(proxy->node);
        http_client_free(proxy->http);
        poller_free(proxy->poller);
        while (proxy->buffers) {
                ProxyBuffer *buffer = proxy->buffers;

                proxy->buffers = buffer->next;
                free(buffer);
        }
        sd_event_unref(proxy->event);
        free(proxy);
        return NULL;
}

void proxy_stop_accepting(Proxy *proxy) {
        proxy->is_stopping = true;
        for (size_t i = 0; i < proxy->n_servers; i++) {
                ProxyServer *server = proxy->servers + i;

                listener_watch_done(&server->watch);
                closep(&server->fd);
                server->fd = -1;
        }
        proxy_cut(&proxy->idle);
}

bool proxy_is_idle(const Proxy *proxy) {
        LIST_FOREACH (client, &proxy->clients, ProxyClient, link)
                if (client->state != PROXY_HEAD && client->state != PROXY_LINGER)
                        return false;
        return true;
}
