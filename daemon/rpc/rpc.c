#include "daemon/rpc/rpc.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/rpc/exchange.h"

#define SETTLE_ROUNDS 8 /* then other sources of the loop have their turn */

void rpc_schedule(Rpc *rpc) {
        (void) sd_event_source_set_enabled(rpc->settling, SD_EVENT_ONESHOT);
}

/* ---- the lists; each callback may add to each of them */

static void settle_peers(Rpc *rpc) {
        RpcPeer *peer;

        while ((peer = LIST_FIRST(&rpc->moved, RpcPeer, moved))) {
                list_remove(&peer->moved);
                rpc_peer_settle(peer);
        }
}

/* Links that are busy again at once come in the next round. */
static void settle_links(Rpc *rpc) {
        List now;
        RpcLink *link;

        list_init(&now);
        while ((link = LIST_FIRST(&rpc->busy, RpcLink, busy))) {
                list_remove(&link->busy);
                list_append(&now, &link->busy);
        }
        while ((link = LIST_FIRST(&now, RpcLink, busy))) {
                list_remove(&link->busy);
                rpc_link_work(link);
        }
        while ((link = LIST_FIRST(&rpc->dead, RpcLink, link)))
                rpc_link_bury(link);
}

static void settle_calls(Rpc *rpc) {
        RpcCall *call;

        while ((call = LIST_FIRST(&rpc->ended, RpcCall, link_of)))
                rpc_call_tell(call);
}

static bool is_settled(const Rpc *rpc) {
        return list_is_empty(&rpc->moved) && list_is_empty(&rpc->busy) && list_is_empty(&rpc->dead) &&
               list_is_empty(&rpc->ended) && list_is_empty(&rpc->failed);
}

void rpc_settle(Rpc *rpc) {
        for (size_t i = 0; i < SETTLE_ROUNDS && !is_settled(rpc); i++) {
                rpc_dial_settle(rpc);
                settle_peers(rpc);
                settle_links(rpc);
                settle_calls(rpc);
        }

        (void) sd_event_source_set_enabled(rpc->settling, is_settled(rpc) ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_settling(sd_event_source *source _unused_, void *userdata) {
        rpc_settle(userdata);
        return 0;
}

/* ---- trust */

bool rpc_is_trusted(const Rpc *rpc, const PeerId *peer) {
        return rpc->events->is_member(peer, rpc->userdata);
}

void rpc_refuse(Rpc *rpc, const char *source, const char *words) {
        uint64_t n_silent;

        rpc->n_refused++;
        if (!rpc_refusal_count(&rpc->refusals, source, time_monotonic(), &n_silent)) {
                log_debug("Refused '%s': %s", source, words);
                return;
        }

        rpc->n_refused_logged++;
        if (n_silent > 0)
                log_warning("Refused '%s': %s (and %lu times before)",
                            source,
                            words,
                            (unsigned long) n_silent);
        else
                log_warning("Refused '%s': %s", source, words);
}

void rpc_check_members(Rpc *rpc) {
        LIST_FOREACH (link, &rpc->links, RpcLink, link) {
                if (!link->peer)
                        continue;
                if (rpc_is_trusted(rpc, &link->peer->id))
                        link->was_member = true;
                else if (link->was_member)
                        rpc_link_close(link, "the peer is no member any more");
        }
}

/* ---- life */

static int set_up(Rpc *rpc, const RpcOptions *options) {
        int r;

        r = rpc_accept_new(rpc, options->fds, options->n_fds); /* first: it takes them */
        if (r >= 0)
                r = map_new(&rpc->peers);
        if (r >= 0)
                r = sd_event_add_defer(rpc->event, &rpc->settling, on_settling, rpc);
        if (r >= 0)
                r = sd_event_source_set_enabled(rpc->settling, SD_EVENT_OFF);
        return r;
}

static void init(Rpc *rpc, sd_event *event, const RpcOptions *options) {
        List *const lists[] = { &rpc->links, &rpc->dead,   &rpc->busy, &rpc->moved,
                                &rpc->dials, &rpc->failed, &rpc->ended };

        *rpc = (Rpc){
                .event = sd_event_ref(event),
                .services = { { options->methods, options->userdata } },
                .n_services = 1,
                .events = options->events,
                .userdata = options->userdata,
                .dial_timeout_usec = options->dial_timeout_usec,
                .limits = {
                        .handshake_usec = RPC_HANDSHAKE_TIMEOUT,
                        .ping_interval_usec = RPC_PING_INTERVAL,
                        .ping_timeout_usec = RPC_PING_TIMEOUT,
                        .rival_usec = RPC_RIVAL_TIMEOUT,
                        .drain_usec = RPC_DRAIN_TIMEOUT,
                        .backoff_min_usec = RPC_BACKOFF_MIN,
                        .backoff_max_usec = RPC_BACKOFF_MAX,
                },
        };
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                list_init(lists[i]);
        random_bytes(&rpc->notes_instance, sizeof(rpc->notes_instance));
}

int rpc_new(Rpc **ret, sd_event *event, const RpcOptions *options, Error *reterr) {
        _cleanup_(rpc_freep) Rpc *rpc = NULL;
        int r;

        rpc = calloc(1, sizeof(*rpc));
        if (!rpc) {
                for (size_t i = 0; i < options->n_fds; i++)
                        (void) close(options->fds[i]);
                return error_set_errno(reterr, -ENOMEM, "cannot listen for peers: %m");
        }

        init(rpc, event, options);
        r = set_up(rpc, options);
        if (r < 0)
                return error_set_errno(reterr, r, "cannot listen for peers: %m");
        r = tls_identity_new(&rpc->identity, options->private_key, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(rpc);
        return 0;
}

static void free_links(Rpc *rpc) {
        RpcLink *link;

        LIST_FOREACH (i, &rpc->links, RpcLink, link)
                rpc_link_close(i, "this peer is leaving");
        while ((link = LIST_FIRST(&rpc->dead, RpcLink, link)))
                rpc_link_bury(link);
}

static void free_peers(Rpc *rpc) {
        MapIterator i = {};
        void *peer;

        while (rpc->peers && map_next(rpc->peers, &i, NULL, NULL, &peer))
                rpc_peer_free(peer);
}

Rpc *rpc_free(Rpc *rpc) {
        if (!rpc)
                return NULL;

        assert(rpc->n_calls == 0);

        rpc->is_leaving = true;
        rpc_accept_free(rpc);
        free_links(rpc);
        assert(rpc->n_handled == 0);
        free_peers(rpc);
        worker_free(rpc->resolver);
        assert(list_is_empty(&rpc->dials));
        rpc->settling = sd_event_source_disable_unref(rpc->settling);
        map_free(rpc->peers);
        tls_identity_free(rpc->identity);
        sd_event_unref(rpc->event);
        free(rpc);
        return NULL;
}

int rpc_serve(Rpc *rpc, const RpcMethod *methods, void *userdata) {
        if (rpc->n_services == ELEMENTSOF(rpc->services))
                return -ENOBUFS;
        rpc->services[rpc->n_services++] = (RpcService){ methods, userdata };
        return 0;
}

const PeerId *rpc_self(const Rpc *rpc) {
        return tls_identity_peer(rpc->identity);
}

/* ---- peers */

int rpc_set_addresses(Rpc *rpc, const PeerId *peer, const StrList *addresses) {
        _cleanup_(str_list_done) StrList copy = {};
        RpcPeer *found;
        int r;

        if (peer_id_equal(peer, rpc_self(rpc)))
                return 0;
        r = str_list_copy(&copy, addresses);
        if (r >= 0)
                r = rpc_peer_get(rpc, peer, &found);
        if (r < 0)
                return r;

        if (!str_list_equal(&copy, &found->addresses)) {
                StrList old = found->addresses;

                found->addresses = copy;
                copy = old;
                found->n_failures = 0;
                found->backoff = sd_event_source_disable_unref(found->backoff);
        }
        rpc_peer_move(found);
        return 0;
}

void rpc_forget(Rpc *rpc, const PeerId *peer) {
        RpcPeer *found = rpc_peer_find(rpc, peer);

        if (!found)
                return;

        str_list_done(&found->addresses);
        LIST_FOREACH (link, &found->links, RpcLink, in_peer)
                rpc_link_close(link, "the peer is to be forgotten");
        LIST_FOREACH (call, &found->waiting, RpcCall, link_of)
                rpc_call_end(call, ERROR_CANCELED, "the peer was forgotten");
        if (found->dial) {
                rpc_dial_free(found->dial);
                found->dial = NULL;
        }
        found->wants_link = false;
        rpc_peer_move(found);
}

bool rpc_is_linked(const Rpc *rpc, const PeerId *peer) {
        const RpcPeer *found = rpc_peer_find(rpc, peer);

        return found && found->link;
}

int rpc_exporter(const Rpc *rpc, const PeerId *peer, uint8_t bytes[static 32]) {
        const RpcPeer *found = rpc_peer_find(rpc, peer);

        return found && found->link ? tls_session_export(found->link->tls, RPC_EXPORTER_LABEL, bytes, 32)
                                    : -ENOTCONN;
}
