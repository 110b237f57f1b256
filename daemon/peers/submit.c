/*
 * Submits: changes of the pinset on their way to the leader's log, and back to where they were asked for.
 *
 *   waiting ──► local ───────────────────► done        this peer leads
 *      ▲  └───► sent ──► applying ───────► done        another one does; it is shown here, too
 *      └── refused, lost, another leader
 *
 * The operations of an entry may be repeated: they put and remove by CID. So what may or may not have been
 * committed is sent again.
 */

#include <string.h>

#include "daemon/base/le.h"
#include "daemon/base/time.h"
#include "daemon/consensus/entry.h"
#include "daemon/peers/internal.h"

#define SUBMIT_METHOD "submit"
#define SUBMIT_ANSWER 8 /* the index */

typedef enum SubmitState {
        SUBMIT_WAITING,
        SUBMIT_LOCAL,
        SUBMIT_SENT,
        SUBMIT_APPLYING,
} SubmitState;

struct PeersSubmit {
        List link;
        Peers *peers;
        SubmitState state;
        Str payload; /* the entry */
        ConsensusCall *call;
        RpcCall *rpc;
        PeerId sent_to;
        uint64_t index;
        uint64_t begun_usec;
        bool owned; /* the slot was handed out */
        PeersDone done;
        void *userdata;
};

/* ---- life */

static void drop_calls(PeersSubmit *submit) {
        submit->call = consensus_call_unref(submit->call);
        submit->rpc = rpc_call_unref(submit->rpc);
}

static void submit_free(PeersSubmit *submit) {
        drop_calls(submit);
        list_remove(&submit->link);
        if (submit->peers) {
                submit->peers->n_submits--;
                submit->peers->submit_bytes -= submit->payload.len;
        }
        str_done(&submit->payload);
        free(submit);
}

PeersSubmit *peers_submit_unref(PeersSubmit *submit) {
        if (submit)
                submit_free(submit);
        return NULL;
}

/* The owner's slot stays until it is dropped; a submit that nobody holds goes by itself. ERROR may be that
 * of a call, which therefore goes last. */
static void finish(PeersSubmit *submit, int r, const Error *error) {
        _cleanup_(consensus_call_unrefp) ConsensusCall *call _unused_ = TAKE_PTR(submit->call);
        _cleanup_(rpc_call_unrefp) RpcCall *rpc _unused_ = TAKE_PTR(submit->rpc);
        PeersDone done = submit->done;
        void *userdata = submit->userdata;
        bool owned = submit->owned;

        if (r < 0)
                submit->peers->counters.n_failures++;
        else
                histogram_add(&submit->peers->counters.commits, time_monotonic() - submit->begun_usec);
        list_remove(&submit->link);
        submit->peers->n_submits--;
        submit->peers->submit_bytes -= submit->payload.len;
        submit->peers = NULL;
        submit->done = NULL;
        if (!owned)
                submit_free(submit);
        if (done)
                done(r, error, userdata);
}

size_t peers_n_submits(const Peers *peers) {
        return peers->n_submits;
}

const PeersCounters *peers_counters(const Peers *peers) {
        return &peers->counters;
}

/* ---- where to */

static void arm_retry(Peers *peers) {
        int enabled = SD_EVENT_OFF;

        if (sd_event_source_get_enabled(peers->retry, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(peers->retry, PEERS_RETRY_USEC);
        (void) sd_event_source_set_enabled(peers->retry, SD_EVENT_ONESHOT);
}

static void wait_again(PeersSubmit *submit) {
        drop_calls(submit);
        submit->state = SUBMIT_WAITING;
        arm_retry(submit->peers);
}

bool peers_is_passing(ErrorCode code) {
        switch (code) {
        case ERROR_NO_LEADER:
        case ERROR_CANCELED:
        case ERROR_TIMEOUT:
        case ERROR_NOT_FOUND: /* no link, no address */
        case ERROR_FORBIDDEN: /* it does not know yet that this peer is a member */
                return true;
        default:
                return false;
        }
}

static void apply_or_wait(PeersSubmit *submit, uint64_t index) {
        submit->index = index;
        drop_calls(submit);
        if (index <= submit->peers->applied_index) {
                finish(submit, 0, NULL);
                return;
        }
        submit->state = SUBMIT_APPLYING;
        list_remove(&submit->link);
        list_append(&submit->peers->applying, &submit->link);
}

static void on_local(ConsensusCall *call _unused_, int r, const Error *error, void *userdata) {
        PeersSubmit *submit = userdata;

        if (r < 0 && error->code == ERROR_NO_LEADER && !submit->peers->is_stopping)
                wait_again(submit);
        else
                finish(submit, r, error);
}

static void on_sent(
                RpcCall *call _unused_,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        PeersSubmit *submit = userdata;

        if (r < 0 && peers_is_passing(error->code))
                wait_again(submit);
        else if (r < 0)
                finish(submit, r, error);
        else if (size != SUBMIT_ANSWER)
                wait_again(submit);
        else
                apply_or_wait(submit, le_get64(body));
}

static const RpcCallHandler sent_handler = { .on_done = on_sent };

/* The operations of PAYLOAD, in an array that the caller frees unless it is FEW. */
#define FEW_OPS 16
static int read_ops(const void *payload, size_t size, ConsensusOp *few, ConsensusOp **ret, size_t *ret_n) {
        ConsensusEntryReader reader;
        ConsensusOp *ops = few, op;
        size_t n = 0;
        int r;

        r = consensus_entry_open(&reader, payload, size);
        if (r != 0)
                return -EBADMSG;
        while ((r = consensus_entry_next(&reader, &op)) == 1) {
                if (n == CONSENSUS_OPS_MAX)
                        r = -EBADMSG;
                else if (n == FEW_OPS) {
                        ops = calloc(CONSENSUS_OPS_MAX, sizeof(*ops));
                        if (!ops)
                                return -ENOMEM;
                        memcpy(ops, few, n * sizeof(*ops));
                }
                if (r < 0)
                        break;
                ops[n++] = op;
        }
        if (r != 0 || n == 0) {
                if (ops != few)
                        free(ops);
                return -EBADMSG;
        }
        *ret = ops;
        *ret_n = n;
        return 0;
}

static int submit_here(
                Consensus *consensus,
                ConsensusCall **ret,
                const void *payload,
                size_t size,
                ConsensusDone done,
                void *userdata,
                Error *reterr) {
        ConsensusOp few[FEW_OPS], *ops;
        size_t n;
        int r;

        r = read_ops(payload, size, few, &ops, &n);
        if (r == -EBADMSG)
                return error_set(reterr, ERROR_INVALID, "submit: %zu bytes that are no entry", size);
        if (r < 0)
                return error_set_errno(reterr, r, "submit: %m");
        r = consensus_submit(consensus, ret, ops, n, done, userdata, reterr);
        if (ops != few)
                free(ops);
        return r;
}

static int send_to(PeersSubmit *submit, const PeerId *leader) {
        Peers *peers = submit->peers;
        int r;

        r = rpc_call(peers->rpc,
                     &submit->rpc,
                     &(RpcCallOptions){
                                     .peer = leader,
                                     .method = SUBMIT_METHOD,
                                     .body = submit->payload.data,
                                     .size = submit->payload.len,
                                     .timeout_usec = peers->options.network_timeout_usec,
                                     .handler = &sent_handler,
                                     .userdata = submit,
                     });
        if (r < 0)
                return r;
        submit->state = SUBMIT_SENT;
        submit->sent_to = *leader;
        return 0;
}

/* Answers 0 when it is on its way or waits. OPS: those of the payload where they are at hand, else NULL. */
static int advance(
                PeersSubmit *submit,
                const ConsensusStatus *status,
                const ConsensusOp *ops,
                size_t n,
                Error *reterr) {
        Peers *peers = submit->peers;
        const Str *payload = &submit->payload;
        int r;

        if (status->is_leader) {
                r = ops ? consensus_submit(peers->consensus, &submit->call, ops, n, on_local, submit, reterr)
                        : submit_here(peers->consensus,
                                      &submit->call,
                                      payload->data,
                                      payload->len,
                                      on_local,
                                      submit,
                                      reterr);
                if (r >= 0)
                        submit->state = SUBMIT_LOCAL;
                return r;
        }
        if (peer_id_is_set(&status->leader) && !peer_id_equal(&status->leader, &peers->self)) {
                r = send_to(submit, &status->leader);
                return r < 0 ? error_set_errno(reterr, r, "submit: %m") : 0;
        }
        arm_retry(peers);
        return 0;
}

/* ---- asking */

static int check(const Peers *peers, size_t size, Error *reterr) {
        if (!peers->consensus || peers->is_stopping)
                return error_set(reterr, ERROR_CANCELED, "the peer is shutting down");
        if (peers->is_leaving)
                return error_set(reterr, ERROR_CANCELED, "the peer is leaving its cluster");
        if (peers->n_submits >= PEERS_SUBMITS_MAX || peers->submit_bytes + size > PEERS_SUBMIT_BYTES_MAX)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "%zu changes of %zu bytes are on their way to the leader; try again",
                                peers->n_submits,
                                peers->submit_bytes);
        return 0;
}

static int encode(const ConsensusOp *ops, size_t n, Str *to, Error *reterr) {
        int r;

        r = consensus_entry_begin(to);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = consensus_entry_add(to, &ops[i]);
        if (r < 0)
                return error_set_errno(reterr, r, "submit: %m");
        if (n == 0 || n > CONSENSUS_OPS_MAX || to->len > CONSENSUS_ENTRY_SIZE_MAX)
                return error_set(
                                reterr,
                                n == 0 ? ERROR_INVALID : ERROR_TOO_BIG,
                                "submit: %zu operations of %zu bytes, expected 1 to %d of %d bytes",
                                n,
                                to->len,
                                CONSENSUS_OPS_MAX,
                                CONSENSUS_ENTRY_SIZE_MAX);
        return 0;
}

static int submit_new(PeersSubmit **ret, Peers *peers, const ConsensusOp *ops, size_t n, Error *reterr) {
        PeersSubmit *submit = calloc(1, sizeof(*submit));
        int r;

        if (!submit)
                return error_set_errno(reterr, -ENOMEM, "submit: %m");
        list_init(&submit->link);
        r = encode(ops, n, &submit->payload, reterr);
        if (r >= 0)
                r = check(peers, submit->payload.len, reterr);
        if (r < 0) {
                submit_free(submit);
                return r;
        }
        submit->peers = peers;
        submit->begun_usec = time_monotonic();
        list_append(&peers->submits, &submit->link);
        peers->n_submits++;
        peers->submit_bytes += submit->payload.len;
        *ret = submit;
        return 0;
}

int peers_submit(
                Peers *peers,
                PeersSubmit **ret,
                const ConsensusOp *ops,
                size_t n,
                PeersDone done,
                void *userdata,
                Error *reterr) {
        _cleanup_(error_done) Error error = {};
        ConsensusStatus status;
        PeersSubmit *submit = NULL;
        int r;

        r = submit_new(&submit, peers, ops, n, reterr);
        if (r < 0)
                return r;
        consensus_status(peers->consensus, &status);
        r = advance(submit, &status, ops, n, &error);
        if (r < 0 && error.code == ERROR_NO_LEADER)
                wait_again(submit);
        else if (r < 0) {
                submit_free(submit);
                if (reterr)
                        error_move(reterr, &error);
                return r;
        }

        submit->done = done;
        submit->userdata = userdata;
        if (ret) {
                submit->owned = true;
                *ret = submit;
        }
        return 0;
}

/* ---- going on */

static bool is_out_of_patience(const Peers *peers, const ConsensusStatus *status) {
        return !status->is_leader && !peer_id_is_set(&status->leader) && peers->leaderless_usec > 0 &&
               time_monotonic() - peers->leaderless_usec >= peers->options.wait_for_leader_usec;
}

static bool is_deposed(const PeersSubmit *submit, const ConsensusStatus *status) {
        return peer_id_is_set(&status->leader) && !peer_id_equal(&submit->sent_to, &status->leader);
}

static void go_on(PeersSubmit *submit, const ConsensusStatus *status) {
        _cleanup_(error_done) Error error = {};
        int r = 0;

        if (submit->state == SUBMIT_SENT && is_deposed(submit, status))
                wait_again(submit); /* it may not answer for long */
        if (submit->state != SUBMIT_WAITING)
                return;
        if (is_out_of_patience(submit->peers, status))
                r = error_set(&error,
                              ERROR_NO_LEADER,
                              "there is no leader: too few peers of this cluster can be reached");
        else
                r = advance(submit, status, /* ops= */ NULL, 0, &error);
        if (r < 0 && error.code == ERROR_NO_LEADER && peer_id_is_set(&status->leader))
                wait_again(submit);
        else if (r < 0)
                finish(submit, r, &error);
}

static void finish_if_applied(PeersSubmit *submit, const ConsensusStatus *status _unused_) {
        if (submit->index <= submit->peers->applied_index)
                finish(submit, 0, NULL);
}

/* A handler may drop other submits, so each is taken off before it is looked at. */
static void walk(
                List *submits,
                void (*look)(PeersSubmit *submit, const ConsensusStatus *status),
                const ConsensusStatus *status) {
        PeersSubmit *submit;
        List now;

        list_init(&now);
        while ((submit = LIST_FIRST(submits, PeersSubmit, link))) {
                list_remove(&submit->link);
                list_append(&now, &submit->link);
        }
        while ((submit = LIST_FIRST(&now, PeersSubmit, link))) {
                list_remove(&submit->link);
                list_append(submits, &submit->link);
                look(submit, status);
        }
}

void peers_submits_go_on(Peers *peers) {
        ConsensusStatus status;

        if (!peers->consensus || peers->is_stopping || list_is_empty(&peers->submits))
                return;
        consensus_status(peers->consensus, &status);
        walk(&peers->submits, go_on, &status);
}

void peers_submits_on_applied(Peers *peers) {
        walk(&peers->applying, finish_if_applied, NULL);
}

void peers_submits_stop(Peers *peers) {
        _cleanup_(error_done) Error error = {};
        PeersSubmit *submit;
        int r;

        r = error_set(&error, ERROR_CANCELED, "the peer is shutting down");
        while ((submit = LIST_FIRST(&peers->submits, PeersSubmit, link)) ||
               (submit = LIST_FIRST(&peers->applying, PeersSubmit, link)))
                finish(submit, r, &error);
}

/* ---- answering */

typedef struct SubmitServed {
        RpcRequest *request; /* NULL: the asker has gone */
        ConsensusCall *call;
} SubmitServed;

static void served_free(SubmitServed *served) {
        consensus_call_unref(served->call);
        free(served);
}

static void served_on_closed(RpcRequest *request _unused_, void *userdata) {
        served_free(userdata);
}

static void served_on_done(ConsensusCall *call, int r, const Error *error, void *userdata) {
        SubmitServed *served = userdata;
        uint8_t index[SUBMIT_ANSWER];

        if (r < 0)
                (void) rpc_request_fail(served->request, error);
        else {
                le_put64(index, consensus_call_index(call));
                (void) rpc_request_reply(served->request, index, sizeof(index));
        }
        served_free(served);
}

void peers_submit_on_request(RpcRequest *request, const void *body, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        Peers *peers = userdata;
        SubmitServed *served;
        int r;

        served = calloc(1, sizeof(*served));
        if (!served)
                r = error_set_errno(&error, -ENOMEM, "submit: %m");
        else if (!peers->consensus || peers->is_stopping || peers->is_leaving)
                r = error_set(&error, ERROR_NO_LEADER, "the peer is shutting down");
        else
                r = submit_here(peers->consensus, &served->call, body, size, served_on_done, served, &error);
        if (r < 0) {
                free(served);
                (void) rpc_request_fail(request, &error);
                return;
        }
        served->request = request;
        rpc_request_on_closed(request, served_on_closed, served);
}
