#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/proxy/internal.h"
#include "daemon/types/multiaddr.h"

typedef union NodeAddress {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
} NodeAddress;

struct ProxyNode {
        Proxy *proxy;
        MultiaddrEndpoint endpoint;
        char *name, *url;
        gnutls_certificate_credentials_t credentials; /* NULL: no TLS */
        NodeAddress address;
        socklen_t size;    /* of the address; 0: a name that has to be looked up */
        uint64_t found_at; /* when the name was */
        Worker *resolver;  /* NULL: not needed so far */
        WorkerJob job;     /* the look-up under way */
        struct addrinfo *found;
        bool is_resolving;
        int look_up;     /* getaddrinfo(3)'s last answer */
        List idle, busy; /* ProxyLink.list; idle: the one that was used last is first */
        unsigned n_idle;
        bool was_down; /* told once */
};

/* ---- where it is ---- */

static void node_set_port(NodeAddress *address, uint16_t port) {
        if (address->any.sa_family == AF_INET6)
                address->in6.sin6_port = htons(port);
        else
                address->in.sin_port = htons(port);
}

static int node_set_numeric(ProxyNode *node) {
        const MultiaddrEndpoint *endpoint = &node->endpoint;
        struct addrinfo *found, hints = {
                .ai_family = endpoint->family,
                .ai_socktype = SOCK_STREAM,
                .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
        };

        if (getaddrinfo(endpoint->host, NULL, &hints, &found) != 0)
                return -EINVAL;
        memcpy(&node->address, found->ai_addr, found->ai_addrlen);
        node->size = found->ai_addrlen;
        node_set_port(&node->address, endpoint->port);
        freeaddrinfo(found);
        return 0;
}

static int node_set_unix(ProxyNode *node) {
        struct sockaddr_un *un = &node->address.un;

        un->sun_family = AF_UNIX;
        (void) snprintf(un->sun_path, sizeof(un->sun_path), "%s", node->endpoint.path);
        node->size = sizeof(*un);
        return 0;
}

static int node_set_names(ProxyNode *node, bool is_https) {
        const MultiaddrEndpoint *endpoint = &node->endpoint;
        bool is_ip6 = strchr(endpoint->host, ':');
        Str name = {}, url = {};

        if (endpoint->transport == MULTIADDR_UNIX) {
                (void) str_append(&name, endpoint->path);
                (void) str_append(&url, "http://localhost");
        } else {
                (void) str_appendf(&name, is_ip6 ? "[%s]:%u" : "%s:%u", endpoint->host, endpoint->port);
                (void) str_appendf(&url, "http%s://%s", is_https ? "s" : "", name.data);
        }
        node->name = str_take(&name);
        node->url = str_take(&url);
        return node->name && node->url ? 0 : -ENOMEM;
}

static int node_set_tls(ProxyNode *node) {
        int r;

        r = gnutls_certificate_allocate_credentials(&node->credentials);
        if (r >= 0)
                r = gnutls_certificate_set_x509_system_trust(node->credentials);
        return r < 0 ? -ENOMEM : 0;
}

static int node_set_address(ProxyNode *node, Error *reterr) {
        const ConfigProxy *config = &node->proxy->config->proxy;
        bool is_https;
        int r;

        if (multiaddr_endpoint(config->node_multiaddress, &node->endpoint) <= 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "api.ipfsproxy.node_multiaddress: '%s' is not usable, expected a tcp or unix address",
                                config->node_multiaddress);

        is_https = config->node_https || node->endpoint.tls;
        r = node->endpoint.transport == MULTIADDR_UNIX ? node_set_unix(node)
            : node->endpoint.is_name                   ? 0
                                                       : node_set_numeric(node);
        if (r >= 0)
                r = node_set_names(node, is_https);
        if (r >= 0 && is_https)
                r = node_set_tls(node);
        return r < 0 ? error_set_errno(reterr, r, "IPFS proxy: %s: %m", config->node_multiaddress) : 0;
}

/* ---- failures ---- */

static int node_fail(ProxyNode *node, const char *why, Error *reterr) {
        if (!node->was_down)
                log_warning("The IPFS proxy cannot reach Kubo at %s: %s", node->name, why);
        node->was_down = true;
        if (node->endpoint.is_name) /* it may have moved */
                node->size = 0;
        return error_set(reterr, ERROR_IPFS, "IPFS at %s cannot be reached: %s", node->name, why);
}

static void node_is_up(ProxyNode *node) {
        if (node->was_down)
                log_notice("The IPFS proxy reaches Kubo at %s again.", node->name);
        node->was_down = false;
}

/* ---- connecting ---- */

static int link_try(ProxyLink *link) {
        ProxyNode *node = link->node;
        int r;

        link->is_waiting = false;
        r = stream_connect(
                        &link->end.stream,
                        node->proxy->poller,
                        &(StreamTarget){
                                        .address = &node->address.any,
                                        .size = node->size,
                                        .tls_host = node->credentials ? node->endpoint.host : NULL,
                                        .credentials = node->credentials,
                        });
        if (r >= 0 && link->end.stream.fd >= node->proxy->fd_limit) {
                stream_deinit(&link->end.stream);
                r = -EMFILE;
        }
        return r;
}

/* What waits for its next use can be closed for it. */
static int link_connect(ProxyLink *link) {
        ProxyNode *node = link->node;
        int r;

        for (;;) {
                r = link_try(link);
                if (r != -EMFILE && r != -ENFILE)
                        return r;
                if (!list_is_empty(&node->idle))
                        proxy_link_free(LIST_FIRST(&node->idle, ProxyLink, list));
                else if (!proxy_client_drop_idle(node->proxy))
                        return r;
        }
}

static int node_on_worker(WorkerJob *job) {
        ProxyNode *node = CONTAINER_OF(job, ProxyNode, job);
        const struct addrinfo hints = { .ai_family = node->endpoint.family, .ai_socktype = SOCK_STREAM };

        return getaddrinfo(node->endpoint.host, NULL, &hints, &node->found);
}

static void node_on_found(WorkerJob *job, int result) {
        ProxyNode *node = CONTAINER_OF(job, ProxyNode, job);

        node->is_resolving = false;
        node->look_up = result;
        if (node->found && node->found->ai_addrlen <= sizeof(node->address)) {
                memcpy(&node->address, node->found->ai_addr, node->found->ai_addrlen);
                node->size = node->found->ai_addrlen;
                node_set_port(&node->address, node->endpoint.port);
                node->found_at = proxy_now(node->proxy);
        }
        if (node->found)
                freeaddrinfo(node->found);
        node->found = NULL;

        /* What comes of it is told to each that waits, one by one: their clients may end. */
        for (;;) {
                ProxyLink *next = NULL;

                LIST_FOREACH (link, &node->busy, ProxyLink, list)
                        if (link->is_waiting)
                                next = link;
                if (!next)
                        return;
                next->is_waiting = false;
                next->failure = result == 0 ? link_connect(next) : -EHOSTUNREACH;
                proxy_client_go_on(next->relay->client);
        }
}

static int node_resolve(ProxyNode *node) {
        int r = 0;

        if (node->is_resolving)
                return 0;
        if (!node->resolver)
                r = worker_new(&node->resolver, node->proxy->event, "proxy-names", SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        node->job = (WorkerJob){ .run = node_on_worker, .done = node_on_found };
        r = worker_queue(node->resolver, &node->job);
        node->is_resolving = r >= 0;
        return r;
}

static int link_start(ProxyLink *link) {
        ProxyNode *node = link->node;
        uint64_t now = proxy_now(node->proxy);

        link->deadline = now + PROXY_CONNECT_USEC;
        if (node->endpoint.is_name && now > node->found_at + PROXY_NAME_USEC)
                node->size = 0;
        if (node->size > 0)
                return link_connect(link);
        link->is_waiting = true;
        return node_resolve(node);
}

static const char *link_words(const ProxyLink *link) {
        return link->failure == -EHOSTUNREACH && link->node->look_up != 0 ? gai_strerror(link->node->look_up)
                                                                          : strerror(-link->failure);
}

int proxy_link_establish(ProxyLink *link, Error *reterr) {
        Error error = {};
        int r = link->failure;

        if (link->is_waiting)
                return 0;
        if (r < 0)
                return node_fail(link->node, link_words(link), reterr);
        if (!link->end.stream.is_connecting && !link->end.stream.is_shaking)
                return 1;

        r = stream_establish(&link->end.stream, &error);
        if (r < 0)
                r = node_fail(link->node, error_message(&error), reterr);
        else if (r > 0) {
                node_is_up(link->node);
                link->deadline = UINT64_MAX;
        }
        error_done(&error);
        return r;
}

/* ---- links ---- */

static void link_on_ready(PollerWatch *watch, uint32_t events) {
        ProxyLink *link = CONTAINER_OF(watch, ProxyLink, end.stream.watch);

        stream_on_events(&link->end.stream, events);
        if (link->relay)
                proxy_client_go_on(link->relay->client);
        else if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                proxy_link_free(link);
}

/* The one that was used last, and that Kubo has not closed: the event for that may be on its way. */
static ProxyLink *node_take_idle(ProxyNode *node) {
        LIST_FOREACH (link, &node->idle, ProxyLink, list) {
                if (!stream_is_quiet(&link->end.stream)) {
                        proxy_link_free(link);
                        continue;
                }
                list_remove(&link->list);
                node->n_idle--;
                link->was_used = true;
                link->deadline = UINT64_MAX;
                return link;
        }
        return NULL;
}

int proxy_node_link(ProxyNode *node, ProxyRelay *relay, bool fresh, ProxyLink **ret, Error *reterr) {
        ProxyLink *link = fresh ? NULL : node_take_idle(node);
        int r;

        if (!link) {
                link = calloc(1, sizeof(ProxyLink));
                if (!link)
                        return error_set_errno(reterr, -ENOMEM, "%m");
                *link = (ProxyLink){ .node = node, .end.proxy = node->proxy, .end.stream.fd = -1 };
                link->end.stream.watch.ready = link_on_ready;
                list_init(&link->list);
                r = link_start(link);
                if (r < 0) {
                        proxy_link_free(link);
                        return node_fail(node, strerror(-r), reterr);
                }
        }
        link->relay = relay;
        list_append(&node->busy, &link->list);
        *ret = link;
        return 0;
}

void proxy_link_keep(ProxyLink *link) {
        ProxyNode *node = link->node;

        if (node->n_idle >= PROXY_LINKS_IDLE_MAX || node->proxy->is_stopping) {
                proxy_link_free(link);
                return;
        }
        proxy_end_release(&link->end);
        link->relay = NULL;
        link->deadline = proxy_now(node->proxy) + PROXY_LINK_IDLE_USEC;
        list_remove(&link->list);
        list_prepend(&node->idle, &link->list);
        node->n_idle++;
}

ProxyLink *proxy_link_free(ProxyLink *link) {
        if (!link)
                return NULL;

        if (!link->relay && !list_is_empty(&link->list))
                link->node->n_idle--;
        list_remove(&link->list);
        proxy_end_deinit(&link->end);
        free(link);
        return NULL;
}

void proxy_node_sweep(ProxyNode *node, uint64_t now) {
        LIST_FOREACH (link, &node->idle, ProxyLink, list)
                if (now >= link->deadline)
                        proxy_link_free(link);
}

/* ---- life ---- */

int proxy_node_new(ProxyNode **ret, Proxy *proxy, Error *reterr) {
        ProxyNode *node;
        int r;

        node = calloc(1, sizeof(ProxyNode));
        if (!node)
                return error_set_errno(reterr, -ENOMEM, "IPFS proxy: %m");
        node->proxy = proxy;
        list_init(&node->idle);
        list_init(&node->busy);
        r = node_set_address(node, reterr);
        if (r < 0) {
                proxy_node_free(node);
                return r;
        }
        *ret = node;
        return 0;
}

ProxyNode *proxy_node_free(ProxyNode *node) {
        if (!node)
                return NULL;

        LIST_FOREACH (link, &node->idle, ProxyLink, list)
                proxy_link_free(link);
        assert(list_is_empty(&node->busy));
        worker_free(node->resolver);
        if (node->credentials)
                gnutls_certificate_free_credentials(node->credentials);
        free(node->name);
        free(node->url);
        free(node);
        return NULL;
}

const char *proxy_node_name(const ProxyNode *node) {
        return node->name;
}

const char *proxy_node_url(const ProxyNode *node) {
        return node->url;
}

const char *proxy_node_unix(const ProxyNode *node) {
        return node->endpoint.transport == MULTIADDR_UNIX ? node->endpoint.path : NULL;
}
