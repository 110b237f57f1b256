/*
 * Forwarded: submits of other peers, for the log of this one, which leads.
 *
 *   request ──► taken ──► committed ──► the index
 *                 ▲           ▲
 *   the same again, perhaps on another link
 *
 * What was appended in this term is known by its tag, so that one which comes again is answered and not
 * appended a second time. Some are forgotten in the end. The asker says up to where in the log its entry is
 * not: only where that leaves out all that was forgotten, a tag that is not known is a new one. Another term
 * begins with nothing, since an entry that was meant for an earlier one is refused.
 */

#include <inttypes.h>
#include <string.h>

#include "daemon/base/le.h"
#include "daemon/peers/internal.h"

typedef struct Forward {
        List link;
        Peers *peers;
        RpcRequest *request; /* who waits for it; NULL: nobody */
        ConsensusCall *call; /* until it is committed */
        uint64_t index;      /* once it is */
        uint8_t tag[CONSENSUS_TAG_SIZE];
} Forward;

struct PeersForwarded {
        Map *tags;  /* → Forward */
        List items; /* in the order in which they were appended */
        uint64_t term;
        uint64_t forgotten_index; /* all that was forgotten is at or before this one */
};

/* ---- life */

static void forward_free(Forward *forward) {
        (void) map_remove(forward->peers->forwarded->tags, forward->tag, sizeof(forward->tag));
        list_remove(&forward->link);
        consensus_call_unref(forward->call);
        free(forward);
}

static void forward_fail(Forward *forward, const Error *error) {
        if (forward->request)
                (void) rpc_request_fail(forward->request, error);
        forward->request = NULL;
}

/* It may be committed yet; ERROR_NO_LEADER says that it will not. */
static void forward_lose(Forward *forward) {
        _cleanup_(error_done) Error error = {};

        (void) error_set(&error, ERROR_CANCELED, "the leader has changed");
        forward_fail(forward, &error);
}

void peers_forwarded_forget(Peers *peers) {
        if (!peers->forwarded)
                return;
        LIST_FOREACH (forward, &peers->forwarded->items, Forward, link) {
                forward_lose(forward);
                forward_free(forward);
        }
        map_free(peers->forwarded->tags);
        free(peers->forwarded);
        peers->forwarded = NULL;
}

void peers_forwarded_on_leader(Peers *peers) {
        if (!peers_leads(peers))
                peers_forwarded_forget(peers);
}

static int begin_term(Peers *peers, uint64_t term) {
        PeersForwarded *forwarded;

        if (peers->forwarded && peers->forwarded->term == term)
                return 0;
        peers_forwarded_forget(peers);
        forwarded = calloc(1, sizeof(*forwarded));
        if (!forwarded)
                return -ENOMEM;
        if (map_new(&forwarded->tags) < 0) {
                free(forwarded);
                return -ENOMEM;
        }
        list_init(&forwarded->items);
        forwarded->term = term;
        peers->forwarded = forwarded;
        return 0;
}

/* ---- answering */

static void forward_answer(Forward *forward) {
        uint8_t index[PEERS_SUBMIT_ANSWER];

        if (!forward->request)
                return;
        le_put64(index, forward->index);
        (void) rpc_request_reply(forward->request, index, sizeof(index));
        forward->request = NULL;
}

static void on_done(ConsensusCall *call, int r, const Error *error, void *userdata) {
        Forward *forward = userdata;

        if (r < 0) {
                if (consensus_call_index(call) > 0)
                        forward_lose(forward);
                else
                        forward_fail(forward, error);
                forward_free(forward);
                return;
        }
        forward->index = consensus_call_index(call);
        forward->call = consensus_call_unref(forward->call);
        forward_answer(forward);
}

/* It stays, so that it is known when it is asked for again. */
static void on_closed(RpcRequest *request _unused_, void *userdata) {
        ((Forward *) userdata)->request = NULL;
}

static void wait_for(Forward *forward, RpcRequest *request) {
        _cleanup_(error_done) Error error = {};

        (void) error_set(&error, ERROR_CANCELED, "the peer has asked again");
        forward_fail(forward, &error);
        forward->request = request;
        if (forward->index > 0)
                forward_answer(forward);
        else
                rpc_request_on_closed(request, on_closed, forward);
}

/* ---- taking */

static int check_term(Peers *peers, uint64_t term, Error *reterr) {
        ConsensusStatus status;
        int r;

        if (!peers->consensus || peers->is_stopping || peers->is_leaving)
                return error_set(reterr, ERROR_NO_LEADER, "the peer is shutting down");
        consensus_status(peers->consensus, &status);
        if (!status.is_leader || status.term != term)
                return error_set(reterr, ERROR_NO_LEADER, "this peer does not lead in term %" PRIu64, term);
        r = begin_term(peers, term);
        return r < 0 ? error_set_errno(reterr, r, "submit: %m") : 0;
}

/* Those that are forgotten are committed. */
static int make_room(Peers *peers, Error *reterr) {
        PeersForwarded *forwarded = peers->forwarded;
        Forward *oldest = LIST_FIRST(&forwarded->items, Forward, link);

        if (map_size(forwarded->tags) < peers->forwarded_max)
                return 0;
        if (oldest->index == 0)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "%zu changes of other peers are being written; try again",
                                peers->forwarded_max);
        forwarded->forgotten_index = oldest->index;
        forward_free(oldest);
        return 0;
}

static int forward_new(Forward **ret, Peers *peers, const uint8_t *tag) {
        Forward *forward = calloc(1, sizeof(*forward));

        if (!forward)
                return -ENOMEM;
        forward->peers = peers;
        memcpy(forward->tag, tag, sizeof(forward->tag));
        if (map_set(peers->forwarded->tags, tag, sizeof(forward->tag), forward, NULL) < 0) {
                free(forward);
                return -ENOMEM;
        }
        list_append(&peers->forwarded->items, &forward->link);
        *ret = forward;
        return 0;
}

static int take_new(Forward **ret, Peers *peers, const ConsensusOp *ops, size_t n, Error *reterr) {
        Forward *forward;
        int r;

        r = make_room(peers, reterr);
        if (r < 0)
                return r;
        r = forward_new(&forward, peers, ops[0].body);
        if (r < 0)
                return error_set_errno(reterr, r, "submit: %m");
        r = consensus_submit(peers->consensus, &forward->call, ops, n, on_done, forward, reterr);
        if (r < 0) {
                forward_free(forward);
                return r;
        }
        *ret = forward;
        return 0;
}

static int take(Forward **ret, Peers *peers, const uint8_t *body, size_t size, Error *reterr) {
        ConsensusOp ops[CONSENSUS_OPS_MAX + 1];
        int n = -EBADMSG, r;

        if (size >= PEERS_SUBMIT_HEAD)
                n = peers_submit_read(body + PEERS_SUBMIT_HEAD, size - PEERS_SUBMIT_HEAD, ops);
        if (n < 0 || ops[0].kind != CONSENSUS_TAG || ops[0].size != CONSENSUS_TAG_SIZE)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "submit: %zu bytes that are no entry with a tag",
                                size);
        r = check_term(peers, le_get64(body), reterr);
        if (r < 0)
                return r;

        *ret = map_get(peers->forwarded->tags, ops[0].body, CONSENSUS_TAG_SIZE);
        if (*ret)
                return 0;
        if (le_get64(body + sizeof(uint64_t)) < peers->forwarded->forgotten_index)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "the peer lags, and whether the log has its change already is not known; try "
                                "again");
        return take_new(ret, peers, ops, (size_t) n, reterr);
}

void peers_forwarded_on_request(RpcRequest *request, const void *body, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        Forward *forward;

        if (take(&forward, userdata, body, size, &error) < 0)
                (void) rpc_request_fail(request, &error);
        else
                wait_for(forward, request);
}
