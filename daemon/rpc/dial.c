#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/base/log.h"
#include "daemon/rpc/exchange.h"

#define TARGETS_MAX 8 /* of one name */
#define DIAL_WORDS_MAX 256

/*
 *   address ──► (resolve) ──► connect ──► link ──► up
 *      ▲                         │          │
 *      └── next target, then ────┴──────────┘ failed
 *          next address; none: failed
 */

typedef struct Resolution Resolution;

struct RpcDial {
        Rpc *rpc;
        RpcPeer *peer; /* the owner: one of the two */
        RpcCall *call;
        StrList addresses;
        size_t next_address;
        const char *address; /* the one that is tried */
        PeerId expected;     /* or none */

        Resolution *resolution;
        struct sockaddr_storage targets[TARGETS_MAX];
        size_t n_targets, next_target;

        int fd;
        sd_event_source *io, *timer;
        RpcLink *link;
        char words[DIAL_WORDS_MAX]; /* of the last failure */
        List dials, failed;
};

/* Outlives the dial that waits for it: getaddrinfo(3) cannot be interrupted. */
struct Resolution {
        WorkerJob job;
        RpcDial *dial; /* NULL: not wanted any more */
        MultiaddrEndpoint endpoint;
        struct addrinfo *found;
};

static void try_next(RpcDial *dial);

/* ---- ends */

static void fail(RpcDial *dial, const char *words) {
        (void) snprintf(dial->words, sizeof(dial->words), "%s: %s", dial->address ?: "no address", words);
}

static void drop_attempt(RpcDial *dial) {
        dial->io = sd_event_source_disable_unref(dial->io);
        dial->timer = sd_event_source_disable_unref(dial->timer);
        if (dial->resolution)
                dial->resolution->dial = NULL;
        dial->resolution = NULL;
        closep(&dial->fd);
        dial->fd = -1;
}

static void give_up(RpcDial *dial) {
        list_append(&dial->rpc->failed, &dial->failed);
        rpc_schedule(dial->rpc);
}

RpcDial *rpc_dial_free(RpcDial *dial) {
        if (!dial)
                return NULL;

        drop_attempt(dial);
        if (dial->link) {
                RpcLink *link = TAKE_PTR(dial->link);

                link->dial = NULL;
                if (link->state != RPC_LINK_UP)
                        rpc_link_close(link, "not wanted any more");
        }
        list_remove(&dial->dials);
        list_remove(&dial->failed);
        str_list_done(&dial->addresses);
        free(dial);
        return NULL;
}

/* The owner forgets the dial before it is told. */
void rpc_dial_settle(Rpc *rpc) {
        RpcDial *dial;

        while ((dial = LIST_FIRST(&rpc->failed, RpcDial, failed))) {
                RpcPeer *peer = dial->peer;

                if (peer) {
                        rpc_peer_dial_failed(peer, dial->words);
                        rpc_peer_move(peer);
                } else {
                        dial->call->dial = NULL;
                        rpc_call_end(dial->call, ERROR_CANCELED, "cannot reach %s", dial->words);
                }
                rpc_dial_free(dial);
        }
}

/* ---- connect */

static void set_port(struct sockaddr_storage *target, uint16_t port) {
        if (target->ss_family == AF_INET6)
                ((struct sockaddr_in6 *) target)->sin6_port = htons(port);
        else
                ((struct sockaddr_in *) target)->sin_port = htons(port);
}

static socklen_t target_size(const struct sockaddr_storage *target) {
        return target->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void connected(RpcDial *dial) {
        int fd = TAKE_FD(dial->fd), r;

        drop_attempt(dial);
        r = rpc_link_new(
                        dial->rpc,
                        fd,
                        dial->address,
                        dial,
                        peer_id_is_set(&dial->expected) ? &dial->expected : NULL);
        if (r < 0) {
                fail(dial, strerror(-r));
                try_next(dial);
        }
}

static int on_connected(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata) {
        RpcDial *dial = userdata;
        Rpc *rpc = dial->rpc;
        socklen_t size = sizeof(int);
        int error = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                error = errno;
        if (error == 0)
                connected(dial);
        else {
                fail(dial, strerror(error));
                try_next(dial);
        }
        rpc_settle(rpc);
        return 0;
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        RpcDial *dial = userdata;
        Rpc *rpc = dial->rpc;

        fail(dial, "no answer in time");
        if (dial->resolution)
                dial->next_target = dial->n_targets = 0;
        try_next(dial);
        rpc_settle(rpc);
        return 0;
}

static int start_timer(RpcDial *dial) {
        return sd_event_add_time_relative(
                        dial->rpc->event,
                        &dial->timer,
                        CLOCK_MONOTONIC,
                        dial->rpc->dial_timeout_usec,
                        0,
                        on_timeout,
                        dial);
}

/* Always told by the loop: also a connect(2) that is done at once is waited for. */
static int start_connect(RpcDial *dial, const struct sockaddr_storage *target) {
        dial->fd = socket(target->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (dial->fd < 0)
                return -errno;
        if (connect(dial->fd, (const struct sockaddr *) target, target_size(target)) < 0 &&
            errno != EINPROGRESS)
                return -errno;
        return sd_event_add_io(dial->rpc->event, &dial->io, dial->fd, EPOLLOUT, on_connected, dial);
}

static int try_target(RpcDial *dial) {
        int r;

        drop_attempt(dial);
        r = start_timer(dial);
        if (r >= 0)
                r = start_connect(dial, &dial->targets[dial->next_target++]);
        if (r < 0)
                fail(dial, strerror(-r));
        return r;
}

/* ---- resolve */

static int resolve(WorkerJob *job) {
        Resolution *resolution = CONTAINER_OF(job, Resolution, job);
        const struct addrinfo hints = { .ai_family = resolution->endpoint.family,
                                        .ai_socktype = SOCK_STREAM };

        return getaddrinfo(resolution->endpoint.host, NULL, &hints, &resolution->found);
}

static void take_found(RpcDial *dial, const struct addrinfo *found, uint16_t port) {
        dial->n_targets = dial->next_target = 0;
        for (; found && dial->n_targets < TARGETS_MAX; found = found->ai_next)
                if (found->ai_family == AF_INET || found->ai_family == AF_INET6) {
                        memcpy(&dial->targets[dial->n_targets], found->ai_addr, found->ai_addrlen);
                        set_port(&dial->targets[dial->n_targets++], port);
                }
}

static void on_resolved(WorkerJob *job, int result) {
        Resolution *resolution = CONTAINER_OF(job, Resolution, job);
        RpcDial *dial = resolution->dial;

        if (dial) {
                Rpc *rpc = dial->rpc;

                drop_attempt(dial);
                if (result == 0)
                        take_found(dial, resolution->found, resolution->endpoint.port);
                else
                        fail(dial, gai_strerror(result));
                try_next(dial);
                rpc_settle(rpc);
        }
        if (resolution->found)
                freeaddrinfo(resolution->found);
        free(resolution);
}

static int start_resolve(RpcDial *dial, const MultiaddrEndpoint *endpoint) {
        Resolution *resolution;
        int r = 0;

        if (!dial->rpc->resolver)
                r = worker_new(&dial->rpc->resolver, dial->rpc->event, "resolver", SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = start_timer(dial);
        if (r < 0)
                return r;

        resolution = calloc(1, sizeof(*resolution));
        if (!resolution)
                return -ENOMEM;

        *resolution = (Resolution){
                .job = { .run = resolve, .done = on_resolved },
                .dial = dial,
                .endpoint = *endpoint,
        };
        r = worker_queue(dial->rpc->resolver, &resolution->job);
        if (r < 0) {
                free(resolution);
                return r;
        }
        dial->resolution = resolution;
        return 0;
}

/* ---- addresses */

static int take_numeric(RpcDial *dial, const MultiaddrEndpoint *endpoint) {
        struct sockaddr_storage *target = &dial->targets[0];
        void *address = endpoint->family == AF_INET6 ? (void *) &((struct sockaddr_in6 *) target)->sin6_addr
                                                     : (void *) &((struct sockaddr_in *) target)->sin_addr;

        *target = (struct sockaddr_storage){ .ss_family = (sa_family_t) endpoint->family };
        if (inet_pton(endpoint->family, endpoint->host, address) != 1)
                return -EINVAL;

        set_port(target, endpoint->port);
        dial->n_targets = 1;
        dial->next_target = 0;
        return 0;
}

static int try_address(RpcDial *dial) {
        MultiaddrEndpoint endpoint;
        int r;

        drop_attempt(dial);
        dial->n_targets = dial->next_target = 0;
        dial->address = dial->addresses.items[dial->next_address++];
        if (multiaddr_endpoint(dial->address, &endpoint) <= 0 || endpoint.transport != MULTIADDR_TCP) {
                fail(dial, "not a TCP address");
                return -EINVAL;
        }

        if (!endpoint.is_name) {
                r = take_numeric(dial, &endpoint);
                return r < 0 ? r : try_target(dial);
        }

        r = start_resolve(dial, &endpoint);
        if (r < 0) {
                drop_attempt(dial);
                fail(dial, strerror(-r));
        }
        return r;
}

static void try_next(RpcDial *dial) {
        while (dial->next_target < dial->n_targets)
                if (try_target(dial) >= 0)
                        return;
        while (dial->next_address < dial->addresses.n) {
                if (try_address(dial) >= 0)
                        return;
                while (dial->next_target < dial->n_targets)
                        if (try_target(dial) >= 0)
                                return;
        }

        drop_attempt(dial);
        give_up(dial);
}

/* ---- life */

int rpc_dial_new(RpcDial **ret, Rpc *rpc, const StrList *addresses, const PeerId *expected) {
        RpcDial *dial;
        int r;

        dial = calloc(1, sizeof(*dial));
        if (!dial)
                return -ENOMEM;

        *dial = (RpcDial){ .rpc = rpc, .fd = -1 };
        list_init(&dial->failed);
        list_init(&dial->dials);
        r = str_list_copy(&dial->addresses, addresses);
        if (r < 0) {
                free(dial);
                return r;
        }

        if (expected)
                dial->expected = *expected;
        list_append(&rpc->dials, &dial->dials);
        try_next(dial);
        *ret = dial;
        return 0;
}

void rpc_dial_set_owner(RpcDial *dial, RpcPeer *peer, RpcCall *call) {
        dial->peer = peer;
        dial->call = call;
}

void rpc_dial_set_link(RpcDial *dial, RpcLink *link) {
        dial->link = link;
}

void rpc_dial_link_up(RpcDial *dial, RpcPeer *peer) {
        RpcCall *call = dial->call;

        dial->link->dial = NULL;
        dial->link = NULL;
        if (dial->peer)
                dial->peer->dial = NULL;
        if (call) {
                call->dial = NULL;
                rpc_call_wait(call, peer, /* first= */ false);
        }
        rpc_dial_free(dial);
}

void rpc_dial_link_failed(RpcDial *dial, const char *words) {
        dial->link = NULL;
        fail(dial, words);
        try_next(dial);
}
