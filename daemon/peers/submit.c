/*
 * Submits: changes of the pinset on their way to the leader's log, and back to where they were asked for.
 *
 *   waiting ──► local ───────────────────► done        this peer leads
 *      ▲  └───► sent ──► applying ───────► done        another one does; it is shown here, too
 *      └── refused, lost, another leader
 *
 * Each takes effect once. Its entry begins with a tag: a random number of this process, and one of the
 * submit. What is sent again within a term is known to its leader by the tag (forwarded.c). A leader of
 * another term gets it only when that is safe: an entry is sent for one term, in which it is appended or
 * never; so once this peer has applied one of a later term, with which each leader begins (H12), and has not
 * seen the tag, it is in no log and will be in none.
 */

#include <inttypes.h>
#include <string.h>

#include "daemon/base/le.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/consensus/entry.h"
#include "daemon/peers/internal.h"

#define DOUBT "whether the change was carried out is not known: "

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
        Str payload; /* term and index, then the entry */
        ConsensusCall *call;
        RpcCall *rpc;
        uint64_t number;      /* of its tag */
        uint64_t term;        /* for which it was sent or appended last */
        uint64_t log_term;    /* the last in which it may have got into a log; 0: none */
        uint64_t former_term; /* the same before it was sent last */
        uint64_t clear_index; /* its entry is not one of those up to here */
        uint64_t index;       /* of its entry, when that is committed */
        Error refusal;        /* why it waits, as far as somebody has said */
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

static void unlink_submit(PeersSubmit *submit) {
        Peers *peers = submit->peers;

        list_remove(&submit->link);
        (void) map_remove(peers->tagged, &submit->number, sizeof(submit->number));
        peers->n_submits--;
        peers->submit_bytes -= submit->payload.len;
        submit->peers = NULL;
}

static void submit_free(PeersSubmit *submit) {
        drop_calls(submit);
        if (submit->peers)
                unlink_submit(submit);
        error_done(&submit->refusal);
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
        unlink_submit(submit);
        submit->done = NULL;
        if (!owned)
                submit_free(submit);
        if (done)
                done(r, error, userdata);
}

/* It ends here, and may have got into a log. */
static void give_up(PeersSubmit *submit, int r, const Error *error) {
        _cleanup_(error_done) Error doubt = {};

        if (submit->log_term > 0) {
                r = error_set(&doubt, ERROR_IN_DOUBT, DOUBT "%s", error_message(error));
                error = &doubt;
        }
        finish(submit, r, error);
}

int peers_submits_new(Peers *peers) {
        peers->submit_timeout_usec = PEERS_SUBMIT_TIMEOUT;
        peers->forwarded_max = PEERS_FORWARDED_MAX;
        random_bytes(peers->origin, sizeof(peers->origin));
        return map_new(&peers->tagged);
}

void peers_submits_free(Peers *peers) {
        peers->tagged = map_free(peers->tagged);
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

/* Said before anything was appended. */
static bool is_refusal(ErrorCode code) {
        return code == ERROR_NO_LEADER || code == ERROR_FORBIDDEN;
}

/* A call that came to nothing, if it has. ERROR: its own, or NULL. */
static void settle_call(PeersSubmit *submit, const Error *error) {
        if (submit->rpc && (!rpc_call_may_have_arrived(submit->rpc) || (error && is_refusal(error->code))))
                submit->log_term = submit->former_term;
}

/* ERROR may be that of a call; NULL: nobody has said anything. */
static void wait_again(PeersSubmit *submit, const Error *error) {
        settle_call(submit, error);
        if (error) {
                error_done(&submit->refusal);
                (void) error_copy(&submit->refusal, error);
        }
        drop_calls(submit);
        submit->state = SUBMIT_WAITING;
        arm_retry(submit->peers);
}

bool peers_is_passing(ErrorCode code) {
        switch (code) {
        case ERROR_NO_LEADER:
        case ERROR_CANCELED:
        case ERROR_TIMEOUT:
        case ERROR_NOT_FOUND:   /* no link, no address */
        case ERROR_FORBIDDEN:   /* it does not know yet that this peer is a member */
        case ERROR_UNSUPPORTED: /* it has lost its disk, and asks whether it may begin (join/founding.h) */
                return true;
        default:
                return false;
        }
}

static bool is_passing(ErrorCode code) {
        return code == ERROR_BUSY || peers_is_passing(code);
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

static void on_local(ConsensusCall *call, int r, const Error *error, void *userdata) {
        PeersSubmit *submit = userdata;

        if (consensus_call_index(call) > 0)
                submit->log_term = submit->term;
        if (r < 0 && error->code == ERROR_NO_LEADER && !submit->peers->is_stopping)
                wait_again(submit, error);
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

        if (r < 0 && is_passing(error->code))
                wait_again(submit, error);
        else if (r < 0)
                finish(submit, r, error); /* the leader has not taken it */
        else if (size != PEERS_SUBMIT_ANSWER)
                wait_again(submit, NULL);
        else
                apply_or_wait(submit, le_get64(body));
}

static const RpcCallHandler sent_handler = { .on_done = on_sent };

int peers_submit_read(const void *entry, size_t size, ConsensusOp *ops) {
        ConsensusEntryReader reader;
        ConsensusOp op;
        int n = 0, r;

        if (consensus_entry_open(&reader, entry, size) != 0)
                return -EBADMSG;
        while ((r = consensus_entry_next(&reader, &op)) == 1) {
                if (n > CONSENSUS_OPS_MAX)
                        return -EBADMSG;
                ops[n++] = op;
        }
        return r == 0 ? n : -EBADMSG;
}

static int submit_here(PeersSubmit *submit, Error *reterr) {
        ConsensusOp ops[CONSENSUS_OPS_MAX + 1];
        int n, r;

        n = peers_submit_read(
                        submit->payload.data + PEERS_SUBMIT_HEAD,
                        submit->payload.len - PEERS_SUBMIT_HEAD,
                        ops);
        if (n < 0)
                return error_set_errno(reterr, n, "submit: %m");
        r = consensus_submit(
                        submit->peers->consensus, &submit->call, ops, (size_t) n, on_local, submit, reterr);
        if (r >= 0)
                submit->state = SUBMIT_LOCAL;
        return r;
}

static int send_to(PeersSubmit *submit, const PeerId *leader) {
        Peers *peers = submit->peers;
        char *head = submit->payload.data;
        int r;

        le_put64(head, submit->term);
        le_put64(head + sizeof(uint64_t), submit->clear_index);
        r = rpc_call(peers->rpc,
                     &submit->rpc,
                     &(RpcCallOptions){
                                     .peer = leader,
                                     .method = PEERS_SUBMIT_METHOD,
                                     .body = submit->payload.data,
                                     .size = submit->payload.len,
                                     .timeout_usec = peers->options.network_timeout_usec,
                                     .handler = &sent_handler,
                                     .userdata = submit,
                     });
        if (r < 0)
                return r;
        submit->state = SUBMIT_SENT;
        submit->former_term = submit->log_term;
        submit->log_term = submit->term;
        return 0;
}

/* Whatever was applied here since it was sent for the first time has been looked at. */
static bool has_seen_all(const PeersSubmit *submit, const ConsensusStatus *status) {
        return submit->log_term == 0 || submit->clear_index >= status->skipped_index;
}

/* No log has it, or will have it; or its leader knows. */
static bool may_send(const PeersSubmit *submit, const ConsensusStatus *status) {
        return submit->log_term == 0 || submit->log_term == status->term ||
               (status->applied_term > submit->log_term && has_seen_all(submit, status));
}

static void await_term(Peers *peers, uint64_t term) {
        if (peers->awaited_term == 0 || term < peers->awaited_term)
                peers->awaited_term = term;
}

/* Answers 0 when it is on its way or waits. */
static int advance(PeersSubmit *submit, const ConsensusStatus *status, Error *reterr) {
        Peers *peers = submit->peers;
        bool leads_other = peer_id_is_set(&status->leader) && !peer_id_equal(&status->leader, &peers->self);
        int r;

        if (!may_send(submit, status)) {
                await_term(peers, submit->log_term + 1);
                arm_retry(peers);
                return 0;
        }
        if (!status->is_leader && !leads_other) {
                arm_retry(peers);
                return 0;
        }
        if (has_seen_all(submit, status))
                submit->clear_index = peers->applied_index;
        submit->term = status->term;
        if (status->is_leader)
                return submit_here(submit, reterr);
        r = send_to(submit, &status->leader);
        return r < 0 ? error_set_errno(reterr, r, "submit: %m") : 0;
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

static int encode(const ConsensusOp *tag, const ConsensusOp *ops, size_t n, Str *to, Error *reterr) {
        static const uint8_t head[PEERS_SUBMIT_HEAD];
        int r;

        (void) str_append_bytes(to, head, sizeof(head));
        (void) consensus_entry_begin(to);
        r = consensus_entry_add(to, tag);
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
        uint8_t tag[CONSENSUS_TAG_SIZE];
        const ConsensusOp tag_op = { .kind = CONSENSUS_TAG, .body = tag, .size = sizeof(tag) };
        PeersSubmit *submit = calloc(1, sizeof(*submit));
        int r;

        if (!submit)
                return error_set_errno(reterr, -ENOMEM, "submit: %m");
        list_init(&submit->link);
        submit->number = ++peers->last_number;
        memcpy(tag, peers->origin, PEERS_ORIGIN_SIZE);
        memcpy(tag + PEERS_ORIGIN_SIZE, &submit->number, sizeof(submit->number));
        r = encode(&tag_op, ops, n, &submit->payload, reterr);
        if (r >= 0)
                r = check(peers, submit->payload.len, reterr);
        if (r >= 0 && map_set(peers->tagged, &submit->number, sizeof(submit->number), submit, NULL) < 0)
                r = error_set_errno(reterr, -ENOMEM, "submit: %m");
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
        r = advance(submit, &status, &error);
        if (r < 0 && error.code == ERROR_NO_LEADER)
                wait_again(submit, &error);
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

/* It may not answer for long, or is not reached. */
static bool is_deposed(const PeersSubmit *submit, const ConsensusStatus *status) {
        if (!peer_id_is_set(&status->leader))
                return !rpc_call_may_have_arrived(submit->rpc);
        return submit->term != status->term;
}

/* What came in the place of its entry says nothing of it, and nobody else knows any more. */
static bool is_in_doubt(const PeersSubmit *submit, const ConsensusStatus *status) {
        return submit->log_term > 0 && status->applied_term > submit->log_term &&
               !has_seen_all(submit, status);
}

static int check_patience(const PeersSubmit *submit, const ConsensusStatus *status, Error *reterr) {
        if (is_in_doubt(submit, status))
                return error_set(
                                reterr,
                                ERROR_IN_DOUBT,
                                "this peer has lagged, and got a snapshot of another one, which does not say");
        if (is_out_of_patience(submit->peers, status))
                return error_set(
                                reterr,
                                ERROR_NO_LEADER,
                                "there is no leader: too few peers of this cluster can be reached");
        return 0;
}

static void go_on(PeersSubmit *submit, const ConsensusStatus *status) {
        _cleanup_(error_done) Error error = {};
        int r;

        if (submit->state == SUBMIT_SENT && is_deposed(submit, status))
                wait_again(submit, NULL);
        if (submit->state != SUBMIT_WAITING)
                return;
        r = check_patience(submit, status, &error);
        if (r < 0) {
                give_up(submit, r, &error);
                return;
        }
        r = advance(submit, status, &error);
        if (r < 0 && is_passing(error.code))
                wait_again(submit, &error);
        else if (r < 0)
                give_up(submit, r, &error);
}

static void finish_if_applied(PeersSubmit *submit, const ConsensusStatus *status _unused_) {
        if (submit->index <= submit->peers->applied_index)
                finish(submit, 0, NULL);
}

/* One that is in the log of this peer ends as the log does. */
static void check_age(PeersSubmit *submit, const ConsensusStatus *status _unused_) {
        uint64_t limit = submit->peers->submit_timeout_usec;
        _cleanup_(error_done) Error error = {};
        const Error *refusal = &submit->refusal;
        char duration[TIME_TEXT_MAX];
        int r;

        if (submit->state == SUBMIT_LOCAL || time_monotonic() - submit->begun_usec < limit)
                return;
        (void) duration_format((int64_t) limit, duration);
        if (submit->state == SUBMIT_APPLYING) {
                r = error_set(&error,
                              ERROR_TIMEOUT,
                              "the change was carried out, but has not reached this peer within %s",
                              duration);
                finish(submit, r, &error);
                return;
        }
        settle_call(submit, NULL);
        r = error_set(&error,
                      ERROR_TIMEOUT,
                      "the leader has not taken it within %s: %s",
                      duration,
                      refusal->code != ERROR_NONE ? error_message(refusal) : "it does not answer");
        give_up(submit, r, &error);
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

void peers_submits_on_progress(Peers *peers) {
        ConsensusStatus status;

        walk(&peers->applying, finish_if_applied, NULL);
        if (peers->awaited_term == 0)
                return;
        consensus_status(peers->consensus, &status);
        if (status.applied_term >= peers->awaited_term) {
                peers->awaited_term = 0;
                peers_submits_go_on(peers);
        }
}

/* The operations after the tag have not been told yet: the submit ends when all have. */
void peers_submits_on_tag(Peers *peers, uint64_t index, const ConsensusOp *op) {
        const uint8_t *tag = op->body;
        PeersSubmit *submit = NULL;

        if (op->size == CONSENSUS_TAG_SIZE && memcmp(tag, peers->origin, PEERS_ORIGIN_SIZE) == 0)
                submit = map_get(peers->tagged, tag + PEERS_ORIGIN_SIZE, sizeof(submit->number));
        if (submit && submit->state != SUBMIT_LOCAL && submit->state != SUBMIT_APPLYING)
                apply_or_wait(submit, index);
}

void peers_submits_on_watch(Peers *peers) {
        walk(&peers->submits, check_age, NULL);
        walk(&peers->applying, check_age, NULL);
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
