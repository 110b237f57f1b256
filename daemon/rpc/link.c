#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/rpc/exchange.h"

/* Read or written; then other links have their turn. What the session has ahead is read as well: little. */
#define RECORDS_PER_TURN 32
#define NOTSENT_LOWAT (128 * 1024) /* bytes in the kernel that delay what is more urgent */
/* Per interval of PING: canceled calls must not cost the link. */
#define OWN_RESETS_MAX (RPC_RESETS_MAX / 2)
#define TIMER_ACCURACY (100 * USEC_PER_MSEC)

/* ---- ends */

static void log_lost(const RpcLink *link) {
        char id[PEER_ID_TEXT_MAX];

        if (link->peer)
                log_full_errno(link->is_retired ? LOG_DEBUG : LOG_INFO, /* of two that crossed, one goes */
                               0,
                               "Link to peer %s (%s%s) is closed: %s",
                               peer_id_format(&link->peer->id, id),
                               link->is_dialled ? "" : "from ",
                               link->source,
                               link->words ?: "out of memory");
        else if (!link->is_dialled && !link->rpc->is_leaving)
                rpc_refuse(link->rpc, link->source, link->words ?: "out of memory");
}

/* What is to be said goes out as far as the socket takes it at once. */
static void say_goodbye(RpcLink *link) {
        ssize_t n;

        if (link->state < RPC_LINK_SETTINGS || tls_session_flush(link->tls) <= 0)
                return;

        h2_terminate(link->h2, H2_NO_ERROR);
        n = h2_produce(link->h2, link->rpc->out, sizeof(link->rpc->out));
        if (n > 0)
                (void) tls_session_write(link->tls, link->rpc->out, (size_t) n);
        tls_session_bye(link->tls);
}

void rpc_link_close(RpcLink *link, const char *format, ...) {
        va_list ap;

        if (link->state == RPC_LINK_CLOSED)
                return;

        va_start(ap, format);
        if (vasprintf(&link->words, format, ap) < 0)
                link->words = NULL;
        va_end(ap);
        log_lost(link);

        link->io = sd_event_source_disable_unref(link->io);
        link->timer = sd_event_source_disable_unref(link->timer);
        say_goodbye(link);
        link->state = RPC_LINK_CLOSED;
        closep(&link->fd);
        link->fd = -1;

        list_remove(&link->busy);
        list_remove(&link->link);
        list_append(&link->rpc->dead, &link->link);
        if (link->peer)
                rpc_peer_choose(link->peer);
        if (link->dial)
                rpc_dial_link_failed(TAKE_PTR(link->dial), link->words ?: "out of memory");
        rpc_schedule(link->rpc);
}

void rpc_link_bury(RpcLink *link) {
        RpcCall *call;
        RpcRequest *request;

        assert(link->state == RPC_LINK_CLOSED);

        list_remove(&link->link);
        while ((call = LIST_FIRST(&link->calls, RpcCall, link_of)))
                rpc_call_on_link_lost(call);
        while ((request = LIST_FIRST(&link->requests, RpcRequest, link_of)))
                rpc_request_on_link_lost(request);
        if (link->peer) {
                list_remove(&link->in_peer);
                rpc_peer_move(link->peer);
        }

        link->rpc->n_links--;
        h2_free(link->h2);
        tls_session_free(link->tls);
        free(link->words);
        free(link);
}

/* ---- waiting for the socket */

static void update_events(RpcLink *link) {
        uint32_t events = tls_session_events(link->tls) | (link->has_more ? EPOLLOUT : 0);

        if (events == link->events)
                return;

        link->events = events;
        (void) sd_event_source_set_io_events(link->io, events);
}

void rpc_link_busy(RpcLink *link) {
        if (link->state == RPC_LINK_CLOSED)
                return;

        list_remove(&link->busy);
        list_append(&link->rpc->busy, &link->busy);
        rpc_schedule(link->rpc);
}

/* ---- output */

/* Answers 1 when all is out, 0 when there is more, but not now: the socket is full, or others wait. */
static int write_some(RpcLink *link) {
        Rpc *rpc = link->rpc;
        ssize_t n;
        int r;

        link->has_more = false;
        r = tls_session_flush(link->tls);
        for (size_t i = 0; r > 0 && i < RECORDS_PER_TURN; i++) {
                n = h2_produce(link->h2, rpc->out, sizeof(rpc->out));
                if (n < 0)
                        return (int) n;
                if (n > 0)
                        r = tls_session_write(link->tls, rpc->out, (size_t) n);
                /* Streams that have room now are filled: then there is more. */
                if (!rpc_link_dispatch(link) && n == 0)
                        return 1;
                if (link->state == RPC_LINK_CLOSED)
                        return 1;
        }

        link->has_more = r > 0;
        return MIN(r, 0);
}

static void flush(RpcLink *link) {
        int r = write_some(link);

        if (link->state == RPC_LINK_CLOSED)
                return;
        if (r < 0)
                rpc_link_close(link, r == -ENOMEM ? "out of memory" : "the connection was lost");
        else if (h2_is_broken(link->h2))
                rpc_link_close(link, "%s", h2_words(link->h2));
        else if (link->is_drained && h2_n_streams(link->h2) == 0)
                rpc_link_close(link, "another link has replaced it");
        else
                update_events(link);
}

static void resume(RpcLink *link) {
        RpcCall *call;
        RpcRequest *request;

        while ((call = LIST_FIRST(&link->resumed_calls, RpcCall, resumed))) {
                list_remove(&call->resumed);
                rpc_call_on_resumed(call);
        }
        while ((request = LIST_FIRST(&link->resumed_requests, RpcRequest, resumed))) {
                list_remove(&request->resumed);
                rpc_request_pull(request);
        }
}

static void reset_orphans(RpcLink *link) {
        if (!link->has_orphans || link->n_own_resets >= OWN_RESETS_MAX)
                return;

        link->n_own_resets += h2_reset_orphans(link->h2, OWN_RESETS_MAX - link->n_own_resets);
        link->has_orphans = link->n_own_resets >= OWN_RESETS_MAX;
}

void rpc_link_work(RpcLink *link) {
        if (link->state < RPC_LINK_SETTINGS || link->state == RPC_LINK_CLOSED)
                return;

        resume(link);
        if (link->state == RPC_LINK_CLOSED)
                return;
        reset_orphans(link);
        flush(link);
}

/* ---- input */

/* Resets are cheap to send and cost work here. */
static bool has_flooded(RpcLink *link) {
        if (link->input_usec >= link->resets_usec + RPC_RESETS_PERIOD) {
                link->resets_usec = link->input_usec;
                link->n_resets = 0;
        }
        link->n_resets += h2_take_resets(link->h2);
        return link->n_resets > RPC_RESETS_MAX;
}

static void feed(RpcLink *link, size_t n) {
        int r;

        link->input_usec = time_monotonic();
        r = h2_feed(link->h2, link->rpc->in, n);
        (void) rpc_link_dispatch(link);
        if (link->state == RPC_LINK_CLOSED)
                return;
        if (r < 0)
                rpc_link_close(link, "%s", r == -ENOMEM ? "out of memory" : h2_words(link->h2));
        else if (has_flooded(link))
                rpc_link_close(link, "more than %d streams were reset or broken in 10 s", RPC_RESETS_MAX);
}

static void read_some(RpcLink *link) {
        ssize_t n = 1;

        for (size_t i = 0; n > 0 && link->state != RPC_LINK_CLOSED; i++) {
                if (i >= RECORDS_PER_TURN && !tls_session_is_ahead(link->tls))
                        break;
                n = tls_session_read(link->tls, link->rpc->in, sizeof(link->rpc->in));
                if (n > 0)
                        feed(link, (size_t) n);
                if (tls_session_is_drained(link->tls))
                        break;
        }

        if (link->state == RPC_LINK_CLOSED || n == -EAGAIN || n > 0)
                return;
        if (n == 0)
                rpc_link_close(link, "the peer has closed it");
        else
                rpc_link_close(link,
                               n == -EPROTO   ? "malformed TLS"
                               : n == -EACCES ? "the other side has refused it (TLS alert)"
                                              : "the connection was lost");
}

/* ---- handshake */

static void come_up(RpcLink *link) {
        RpcPeer *peer;
        int r;

        if (peer_id_equal(tls_session_peer(link->tls), rpc_self(link->rpc))) {
                rpc_link_close(link, "it is this peer itself, or another one with the same identity");
                return;
        }
        r = rpc_peer_get(link->rpc, tls_session_peer(link->tls), &peer);
        if (r < 0) {
                rpc_link_close(link, r == -ENOBUFS ? "there are too many peers" : "out of memory");
                return;
        }

        link->state = RPC_LINK_UP;
        (void) sd_event_source_set_time_relative(link->timer, link->rpc->limits.ping_interval_usec);
        (void) sd_event_source_set_enabled(link->timer, SD_EVENT_ONESHOT);
        rpc_peer_add_link(peer, link);
        if (link->dial)
                rpc_dial_link_up(link->dial, peer);
}

void rpc_link_settled(RpcLink *link) {
        if (link->state == RPC_LINK_SETTINGS)
                come_up(link);
}

static void shake(RpcLink *link) {
        const H2Options options = {
                .is_dialler = link->is_dialled,
                .streams_max = RPC_STREAMS_MAX,
                .header_max = RPC_HEADER_MAX,
        };
        _cleanup_(error_done) Error error = {};
        int r;

        r = tls_session_handshake(link->tls, &error);
        if (r < 0)
                rpc_link_close(link, "%s", error_message(&error));
        if (r <= 0)
                return;

        if (h2_new(&link->h2, &options) < 0) {
                rpc_link_close(link, "out of memory");
                return;
        }
        link->input_usec = time_monotonic();
        link->state = RPC_LINK_SETTINGS;
        if (!link->is_dialled) /* its certificate was seen: it may call */
                come_up(link);
        rpc_link_busy(link);
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t events, void *userdata) {
        RpcLink *link = userdata;
        Rpc *rpc = link->rpc;

        if (link->state == RPC_LINK_HANDSHAKE)
                shake(link);
        if (link->state == RPC_LINK_HANDSHAKE)
                update_events(link);
        else if (link->state != RPC_LINK_CLOSED) {
                if (events & ~(uint32_t) EPOLLOUT || tls_session_is_ahead(link->tls))
                        read_some(link);
                rpc_link_busy(link);
        }
        rpc_settle(rpc);
        return 0;
}

/* ---- time */

static const char *find_death(const RpcLink *link, uint64_t now) {
        const RpcLimits *limits = &link->rpc->limits;

        if (now >= link->input_usec + limits->ping_timeout_usec)
                return "the peer does not answer";
        if (link->probed_usec > link->input_usec && now >= link->probed_usec + limits->rival_usec)
                return "the peer does not answer, and has dialled anew";
        if (link->retired_usec > 0 && now >= link->retired_usec + limits->drain_usec)
                return "another link has replaced it, and its calls do not end";
        return NULL;
}

static uint64_t next_look(const RpcLink *link) {
        return link->probed_usec > link->input_usec
                               ? MIN(link->rpc->limits.ping_interval_usec, link->rpc->limits.rival_usec)
                               : link->rpc->limits.ping_interval_usec;
}

static void look(RpcLink *link) {
        uint64_t now = time_monotonic();
        const char *death = find_death(link, now);

        if (death) {
                rpc_link_close(link, "%s", death);
                return;
        }

        link->n_own_resets = 0;
        if (now >= link->input_usec + link->rpc->limits.ping_interval_usec / 2)
                (void) h2_ping(link->h2, 0);
        (void) sd_event_source_set_time_relative(link->timer, next_look(link));
        (void) sd_event_source_set_enabled(link->timer, SD_EVENT_ONESHOT);
        rpc_link_busy(link);
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        RpcLink *link = userdata;
        Rpc *rpc = link->rpc;

        if (link->state == RPC_LINK_UP)
                look(link);
        else
                rpc_link_close(link, "the handshake took too long");
        rpc_settle(rpc);
        return 0;
}

void rpc_link_probe(RpcLink *link) {
        link->probed_usec = time_monotonic() + 1; /* what came in this very moment proves nothing */
        (void) h2_ping(link->h2, 0);
        (void) sd_event_source_set_time_relative(link->timer, link->rpc->limits.rival_usec);
        rpc_link_busy(link);
}

/* ---- replaced by another one */

void rpc_link_retire(RpcLink *link) {
        if (link->is_retired)
                return;

        link->is_retired = true;
        link->retired_usec = time_monotonic();
        rpc_note_stop(link);
        if (link->peer)
                rpc_peer_choose(link->peer);
        rpc_link_busy(link);
}

/* After the answer to the PING nothing new comes: the other side has read that it should not. */
void rpc_link_drain(RpcLink *link) {
        if (link->is_retired)
                return;

        rpc_link_retire(link);
        if (h2_drain(link->h2) < 0 || h2_ping(link->h2, RPC_LINK_PING_DRAIN) < 0)
                rpc_link_close(link, "out of memory");
}

/* ---- life */

static void init(RpcLink *link, Rpc *rpc, int fd, const char *source, RpcDial *dial) {
        List *const lists[] = { &link->calls, &link->requests, &link->resumed_calls, &link->resumed_requests,
                                &link->link,  &link->in_peer,  &link->busy };

        *link = (RpcLink){ .rpc = rpc, .fd = fd, .dial = dial, .is_dialled = dial };
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                list_init(lists[i]);
        (void) snprintf(link->source, sizeof(link->source), "%s", source);

        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ NOTSENT_LOWAT }, sizeof(int));
}

static int set_up(RpcLink *link, const PeerId *expected) {
        Rpc *rpc = link->rpc;
        int r;

        r = tls_session_new(&link->tls, rpc->identity, link->fd, !link->is_dialled, expected);
        if (r < 0)
                return r;

        link->events = link->is_dialled ? EPOLLOUT : EPOLLIN;
        r = sd_event_add_io(rpc->event, &link->io, link->fd, link->events, on_io, link);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                rpc->event,
                                &link->timer,
                                CLOCK_MONOTONIC,
                                rpc->limits.handshake_usec,
                                TIMER_ACCURACY,
                                on_timer,
                                link);
        return r;
}

int rpc_link_new(Rpc *rpc, int fd, const char *source, RpcDial *dial, const PeerId *expected) {
        RpcLink *link;
        int r;

        link = calloc(1, sizeof(*link));
        if (!link) {
                (void) close(fd);
                return -ENOMEM;
        }

        init(link, rpc, fd, source, dial);
        r = set_up(link, expected);
        if (r < 0) {
                sd_event_source_disable_unref(link->io);
                tls_session_free(link->tls);
                closep(&link->fd);
                free(link);
                return r;
        }

        rpc->n_links++;
        list_append(&rpc->links, &link->link);
        if (dial)
                rpc_dial_set_link(dial, link);
        return 0;
}
