#include <stdio.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/rpc/exchange.h"

#define BACKOFF_DOUBLINGS_MAX 16

/* ---- life */

RpcPeer *rpc_peer_find(const Rpc *rpc, const PeerId *id) {
        return map_get(rpc->peers, id->bytes, id->size);
}

int rpc_peer_get(Rpc *rpc, const PeerId *id, RpcPeer **ret) {
        RpcPeer *peer = rpc_peer_find(rpc, id);
        int r;

        if (peer) {
                *ret = peer;
                return 0;
        }
        if (map_size(rpc->peers) >= RPC_PEERS_MAX)
                return -ENOBUFS;

        peer = calloc(1, sizeof(*peer));
        if (!peer)
                return -ENOMEM;
        r = map_set(rpc->peers, id->bytes, id->size, peer, NULL);
        if (r < 0) {
                free(peer);
                return r;
        }

        peer->rpc = rpc;
        peer->id = *id;
        list_init(&peer->links);
        list_init(&peer->waiting);
        list_init(&peer->moved);
        *ret = peer;
        return 0;
}

void rpc_peer_free(RpcPeer *peer) {
        assert(list_is_empty(&peer->links));
        assert(list_is_empty(&peer->waiting));

        (void) map_remove(peer->rpc->peers, peer->id.bytes, peer->id.size);
        list_remove(&peer->moved);
        rpc_dial_free(peer->dial);
        sd_event_source_disable_unref(peer->backoff);
        str_list_done(&peer->addresses);
        free(peer);
}

static bool is_needed(const RpcPeer *peer) {
        return peer->addresses.n > 0 || peer->dial || peer->is_told_up || !list_is_empty(&peer->links) ||
               !list_is_empty(&peer->waiting);
}

void rpc_peer_move(RpcPeer *peer) {
        list_remove(&peer->moved);
        list_append(&peer->rpc->moved, &peer->moved);
        rpc_schedule(peer->rpc);
}

size_t rpc_peer_queued(const RpcPeer *peer) {
        size_t n = peer->waiting_bytes;

        LIST_FOREACH (link, &((RpcPeer *) peer)->links, RpcLink, in_peer)
                if (link->h2 && link->state != RPC_LINK_CLOSED)
                        n += h2_queued(link->h2);
        return n;
}

/* ---- its links */

/* Of two, the one that stays: both ends come to the same answer. Two of one direction: the newer, since its
 * dialler had reason to. */
static bool replaces(const RpcPeer *peer, const RpcLink *newer, const RpcLink *older) {
        bool we_dial = peer_id_compare(rpc_self(peer->rpc), &peer->id) < 0;

        return newer->is_dialled == older->is_dialled || newer->is_dialled == we_dial;
}

static bool is_usable(const RpcLink *link) {
        return link->state == RPC_LINK_UP && !link->is_retired;
}

/* Who has dialled a link that is not needed, ends it, when nothing is under way on it. One that was dialled
 * by the other side may be all that this side has: the older ones have to prove that they live. */
static void settle_rivals(RpcPeer *peer, RpcLink *newest) {
        LIST_FOREACH (link, &peer->links, RpcLink, in_peer) {
                if (!is_usable(link))
                        continue;
                if (link != newest)
                        rpc_link_probe(link);
                if (link != peer->link && link->is_dialled)
                        rpc_link_drain(link);
        }
}

void rpc_peer_choose(RpcPeer *peer) {
        RpcLink *best = NULL, *newest = NULL;

        LIST_FOREACH (link, &peer->links, RpcLink, in_peer)
                if (is_usable(link)) {
                        if (!best || replaces(peer, link, best))
                                best = link;
                        newest = link;
                }

        peer->link = best;
        settle_rivals(peer, newest);
        rpc_peer_move(peer);
}

void rpc_peer_add_link(RpcPeer *peer, RpcLink *link) {
        link->peer = peer;
        link->was_member = rpc_is_trusted(peer->rpc, &peer->id);
        list_append(&peer->links, &link->in_peer);
        peer->n_failures = 0;
        peer->backoff = sd_event_source_disable_unref(peer->backoff);
        rpc_peer_choose(peer);
}

/* ---- dialling */

static int on_backoff_end(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        RpcPeer *peer = userdata;
        Rpc *rpc = peer->rpc;

        peer->backoff = sd_event_source_disable_unref(peer->backoff);
        rpc_peer_move(peer);
        rpc_settle(rpc);
        return 0;
}

static uint64_t backoff_usec(const RpcPeer *peer) {
        unsigned doublings = MIN(peer->n_failures - 1, (unsigned) BACKOFF_DOUBLINGS_MAX);

        return random_jitter(
                        MIN(peer->rpc->limits.backoff_min_usec << doublings,
                            peer->rpc->limits.backoff_max_usec));
}

static void log_failure(const RpcPeer *peer) {
        char id[PEER_ID_TEXT_MAX];

        if (peer->n_failures == 1)
                log_warning("Failed to reach peer %s, trying again: %s",
                            peer_id_format(&peer->id, id),
                            peer->words);
        else
                log_debug("Failed to reach peer %s for the %uth time: %s",
                          peer_id_format(&peer->id, id),
                          peer->n_failures,
                          peer->words);
}

void rpc_peer_dial_failed(RpcPeer *peer, const char *words) {
        int r;

        peer->dial = NULL;
        peer->wants_link = false; /* the next note asks again */
        peer->n_failures++;
        (void) snprintf(peer->words, sizeof(peer->words), "%s", words);
        log_failure(peer);

        r = sd_event_add_time_relative(
                        peer->rpc->event,
                        &peer->backoff,
                        CLOCK_MONOTONIC,
                        backoff_usec(peer),
                        0,
                        on_backoff_end,
                        peer);
        if (r < 0)
                log_warning_errno(r, "Failed to set a timer, the next call dials again: %m");
}

static void end_waiting(RpcPeer *peer) {
        char id[PEER_ID_TEXT_MAX];

        LIST_FOREACH (call, &peer->waiting, RpcCall, link_of)
                rpc_call_end(call,
                             ERROR_NOT_FOUND,
                             "peer %s is not linked, and no address of it is known",
                             peer_id_format(&peer->id, id));
}

static void dial(RpcPeer *peer) {
        int r;

        if (peer->dial || peer->backoff || (list_is_empty(&peer->waiting) && !peer->wants_link))
                return;
        if (peer->addresses.n == 0) {
                peer->wants_link = false;
                LIST_FOREACH (link, &peer->links, RpcLink, in_peer)
                        if (link->state == RPC_LINK_UP) /* one that is being replaced: wait for the other */
                                return;
                end_waiting(peer);
                return;
        }

        r = rpc_dial_new(&peer->dial, peer->rpc, &peer->addresses, &peer->id);
        if (r < 0)
                rpc_peer_dial_failed(peer, "out of memory");
        else
                rpc_dial_set_owner(peer->dial, peer, NULL);
}

static void send_waiting(RpcPeer *peer) {
        RpcCall *call;

        peer->wants_link = false;
        while (peer->link && peer->link->n_calls < RPC_LINK_CALLS_MAX &&
               (call = LIST_FIRST(&peer->waiting, RpcCall, link_of)))
                rpc_call_send(call, peer->link);
}

static void tell(RpcPeer *peer) {
        bool is_up = peer->link;
        char id[PEER_ID_TEXT_MAX];

        if (is_up == peer->is_told_up)
                return;

        peer->is_told_up = is_up;
        log_debug("Peer %s is %s", peer_id_format(&peer->id, id), is_up ? "linked" : "not linked any more");
        if (peer->rpc->events->link_changed)
                peer->rpc->events->link_changed(&peer->id, is_up, peer->rpc->userdata);
}

void rpc_peer_settle(RpcPeer *peer) {
        tell(peer);

        if (peer->link)
                send_waiting(peer);
        if (!peer->link)
                dial(peer);
        if (!is_needed(peer))
                rpc_peer_free(peer);
}
