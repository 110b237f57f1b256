#include "daemon/consensus/consensus.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "daemon/base/random.h"
#include "daemon/consensus/driver.h"
#include "daemon/consensus/fsm.h"

/* A leader that is gone is noticed by its links (H26) or, cut off, after an election timeout. So heartbeats
 * only have to keep elections away: three in a row may be late before one begins, and each one more wakes
 * every peer of an idle cluster. */
#define HEARTBEATS_PER_ELECTION 4
#define TIMER_ACCURACY_USEC (5 * USEC_PER_MSEC) /* so that the kernel may join wake-ups */

/* ---- open */

/* The Go program names two times: what a follower waits for a sign of life, and what a candidate waits for
 * votes. libraft has one time for both, never less than either. */
static int open_engine(Consensus *c, const ConsensusOptions *options) {
        uint64_t election = MAX(options->heartbeat_timeout_usec, options->election_timeout_usec) /
                            USEC_PER_MSEC;
        ConsensusEngineOptions engine = {
                .raft_id = c->disk_state.meta.raft_id,
                .self = options->self,
                .log = c->disk_state.log,
                .rules_off = options->rules_off,
        };

        election = MIN(MAX(election, (uint64_t) HEARTBEATS_PER_ELECTION), (uint64_t) INT32_MAX);
        engine.election_msec = (unsigned) election;
        engine.heartbeat_msec = (unsigned) (election / HEARTBEATS_PER_ELECTION);
        random_bytes(&engine.seed, sizeof(engine.seed));
        return consensus_engine_new(&c->engine, &engine);
}

static int open_disk(Consensus *c) {
        const ConsensusDiskOptions options = {
                .event = c->event,
                .dir_fd = c->disk_state.dir_fd,
                .folder = c->disk_state.folder,
                .log = c->disk_state.log,
                .meta = &c->disk_state.meta,
                .events = &consensus_driver_disk_events,
                .userdata = c,
        };

        return consensus_disk_new(&c->disk, &options);
}

static int open_sources(Consensus *c) {
        uint64_t interval = c->options.snapshot_interval_usec;
        int r;

        r = sd_event_add_defer(c->event, &c->submit, consensus_driver_on_submit, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->submit, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(c->event, &c->advance, consensus_driver_on_advance, c);
        if (r >= 0)
                r = sd_event_add_time(
                                c->event,
                                &c->timer,
                                CLOCK_MONOTONIC,
                                UINT64_MAX,
                                TIMER_ACCURACY_USEC,
                                consensus_driver_on_timer,
                                c);
        if (r >= 0 && interval > 0)
                r = sd_event_add_time_relative(
                                c->event,
                                &c->interval,
                                CLOCK_MONOTONIC,
                                interval,
                                0,
                                consensus_driver_on_interval,
                                c);
        return r;
}

static int open_parts(Consensus *c, const ConsensusOptions *options, Error *reterr) {
        int r;

        c->store = (ConsensusSnapshotStore){ .dir_fd = c->disk_state.dir_fd,
                                             .folder = c->disk_state.folder };
        memcpy(c->store.cluster_id, c->disk_state.meta.cluster_id, STATE_CLUSTER_ID_SIZE);
        if (c->disk_state.has_snapshot)
                c->snapshot_bytes = consensus_snapshot_bytes(&c->store, c->disk_state.snapshot.index);

        r = open_engine(c, options);
        if (r >= 0)
                r = open_disk(c);
        if (r >= 0)
                r = worker_new(&c->snapshot_worker, c->event, "consensus-snap", SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = open_sources(c);
        if (r < 0)
                return error_set_errno(reterr, r, "consensus: cannot start: %m");
        return consensus_driver_start(c, reterr);
}

int consensus_open(Consensus **ret, sd_event *event, const ConsensusOptions *options, Error *reterr) {
        _cleanup_(consensus_freep) Consensus *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return error_set_errno(reterr, -ENOMEM, "out of memory");

        *c = (Consensus){
                .options = *options,
                .event = sd_event_ref(event),
                .disk_state.dir_fd = -1,
        };
        if (options->events)
                c->events = *options->events;
        list_init(&c->submitted);
        list_init(&c->appended);
        list_init(&c->lost);

        r = consensus_recover(&c->disk_state, options, reterr);
        if (r < 0)
                return r;
        r = open_parts(c, options, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

/* ---- the end */

static void stop_sources(Consensus *c) {
        c->submit = sd_event_source_disable_unref(c->submit);
        c->advance = sd_event_source_disable_unref(c->advance);
        c->interval = sd_event_source_disable_unref(c->interval);
        /* TIMER stays until the disk has ended: what becomes durable meanwhile is still fed to the engine.
         */
}

static void cancel_calls(Consensus *c, List *calls) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = error_set(&error, ERROR_CANCELED, "the peer is shutting down");
        LIST_FOREACH (call, calls, ConsensusCall, link)
                consensus_driver_end_call(c, call, r, &error);
}

static void forget_calls(Consensus *c, List *calls) {
        LIST_FOREACH (call, calls, ConsensusCall, link) {
                call->done = NULL;
                consensus_driver_end_call(c, call, 0, NULL);
        }
}

int consensus_close(Consensus *c) {
        int r;

        if (!c)
                return 0;

        c->closing = true;
        stop_sources(c);
        consensus_driver_install_stop(c);
        c->snapshot_worker = worker_free(c->snapshot_worker);
        c->snapshot = consensus_snapshot_task_free(c->snapshot);
        c->disk = consensus_disk_free(c->disk);
        consensus_driver_drain(c);
        consensus_driver_news_close(c);

        cancel_calls(c, &c->lost);
        cancel_calls(c, &c->appended);
        cancel_calls(c, &c->submitted);

        r = c->failed ? -EIO : state_pinset_close(TAKE_PTR(c->disk_state.pinset));
        consensus_free(c);
        return r;
}

Consensus *consensus_free(Consensus *c) {
        if (!c)
                return NULL;

        c->closing = c->failed = true;
        stop_sources(c);
        consensus_driver_install_stop(c);
        worker_free(c->snapshot_worker);
        consensus_driver_install_free(c);
        consensus_snapshot_task_free(c->snapshot);
        consensus_disk_free(c->disk);
        sd_event_source_disable_unref(c->timer);
        forget_calls(c, &c->lost);
        forget_calls(c, &c->appended);
        forget_calls(c, &c->submitted);
        consensus_engine_free(c->engine);
        consensus_snapshot_head_done(&c->install);
        consensus_recovery_done(&c->disk_state);
        str_done(&c->scratch);
        str_done(&c->canonical);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}

/* ---- submit */

static int encode_ops(Consensus *c, const ConsensusOp *ops, size_t n, Error *reterr) {
        int r;

        str_reset(&c->scratch);
        r = consensus_entry_begin(&c->scratch);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                ConsensusOp op = ops[i];

                r = consensus_fsm_check(&op, &c->canonical, reterr);
                if (r < 0)
                        return r;
                r = consensus_entry_add(&c->scratch, &op);
        }
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");

        /* What the log could not read back must not get into it. */
        if (c->scratch.len > CONSENSUS_ENTRY_SIZE_MAX)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "submit: %zu bytes, at most %d go in one entry",
                                c->scratch.len,
                                CONSENSUS_ENTRY_SIZE_MAX);
        return 0;
}

static int check_submit(const Consensus *c, const ConsensusOp *ops, size_t n, Error *reterr) {
        size_t tags = n > 0 && ops[0].kind == CONSENSUS_TAG, bytes = 0;

        if (c->failed || c->closing)
                return error_set(
                                reterr,
                                c->failed ? ERROR_IO : ERROR_CANCELED,
                                c->failed ? "the peer's disk has failed" : "the peer is shutting down");
        if (c->state != CONSENSUS_LEADER)
                return error_set(reterr, ERROR_NO_LEADER, "this peer is not the leader and knows none");

        for (size_t i = tags; i < n; i++)
                bytes += ops[i].size;
        if (n == tags)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "submit: no operation, expected 1 to %d",
                                CONSENSUS_OPS_MAX);
        if (n - tags > CONSENSUS_OPS_MAX || bytes > CONSENSUS_SUBMIT_BYTES_MAX)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "submit: %zu operations of %zu bytes, at most %d of %d bytes go in one",
                                n - tags,
                                bytes,
                                CONSENSUS_OPS_MAX,
                                CONSENSUS_SUBMIT_BYTES_MAX);
        if (c->n_pending >= CONSENSUS_PENDING_MAX || c->pending_bytes + bytes > CONSENSUS_PENDING_BYTES_MAX)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "%zu changes of %zu bytes wait for the disk; try again",
                                c->n_pending,
                                c->pending_bytes);
        return 0;
}

static int call_new(ConsensusCall **ret, const Str *bytes, ConsensusDone done, void *userdata) {
        _cleanup_(consensus_call_unrefp) ConsensusCall *call = NULL;
        int r;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;

        *call = (ConsensusCall){ .n_ref = 1, .done = done, .userdata = userdata };
        list_init(&call->link);
        r = consensus_payload_new(&call->payload, bytes->data, bytes->len);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

int consensus_submit(
                Consensus *c,
                ConsensusCall **ret,
                const ConsensusOp *ops,
                size_t n,
                ConsensusDone done,
                void *userdata,
                Error *reterr) {

        ConsensusCall *call;
        int r;

        r = check_submit(c, ops, n, reterr);
        if (r < 0)
                return r;
        r = encode_ops(c, ops, n, reterr);
        if (r < 0)
                return r;
        r = call_new(&call, &c->scratch, done, userdata);
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");

        list_append(&c->submitted, &call->link);
        c->n_pending++;
        c->pending_bytes += call->payload->size;
        /* While the disk writes, submits gather: they go to the engine, and to the next write, all at once.
         */
        if (!consensus_disk_is_busy(c->disk))
                (void) sd_event_source_set_enabled(c->submit, SD_EVENT_ONESHOT);

        if (ret) {
                call->n_ref++;
                *ret = call;
        }
        return 0;
}

static void call_release(ConsensusCall *call) {
        if (--call->n_ref > 0)
                return;
        consensus_payload_unref(call->payload);
        free(call);
}

ConsensusCall *consensus_call_unref(ConsensusCall *call) {
        if (!call)
                return NULL;

        call->done = NULL;
        call_release(call);
        return NULL;
}

uint64_t consensus_call_index(const ConsensusCall *call) {
        return call->index;
}

/* ---- other peers */

void consensus_receive(Consensus *c, const ConsensusMessage *message) {
        if (!c->failed && !c->closing)
                consensus_driver_receive(c, message);
}

bool consensus_may_install(const Consensus *c, uint64_t index) {
        return !c->failed && !c->closing && c->install.index == 0 && index > c->commit;
}

int consensus_repair(Consensus *c, const ConsensusSnapshotHead *head, Error *reterr) {
        if (c->failed || c->closing)
                return error_set(reterr, ERROR_CANCELED, "the peer is shutting down");
        if (!consensus_driver_may_repair(c, head))
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "the log of this peer does not go on from snapshot %" PRIu64,
                                head->index);
        c->want_repair = true;
        consensus_driver_wake(c);
        return 0;
}

static int ask(Consensus *c, const ConsensusInput *input, Error *reterr) {
        int r;

        if (c->failed || c->closing)
                return error_set(reterr, ERROR_CANCELED, "the peer is shutting down");

        r = consensus_driver_feed(c, input);
        switch (r) {
        case 0:
                consensus_driver_wake(c);
                return 0;
        case CONSENSUS_ENGINE_NOT_LEADER:
                return error_set(reterr, ERROR_NO_LEADER, "this peer is not the leader");
        case CONSENSUS_ENGINE_BUSY:
                return error_set(reterr, ERROR_BUSY, "another change of the peers is under way; try again");
        case CONSENSUS_ENGINE_REFUSED:
                return error_set(reterr, ERROR_REFUSED, "the peers cannot be changed like that in one step");
        case CONSENSUS_ENGINE_BEHIND:
                return error_set(reterr, ERROR_BUSY, "the peer has not caught up yet; try again");
        default:
                return error_set(reterr, ERROR_INTERNAL, "the consensus has failed");
        }
}

int consensus_change(Consensus *c, const ConsensusChange *change, Error *reterr) {
        const ConsensusInput input = { .type = CONSENSUS_INPUT_CHANGE, .change = change };

        return ask(c, &input, reterr);
}

int consensus_transfer(Consensus *c, uint64_t raft_id, Error *reterr) {
        const ConsensusInput input = { .type = CONSENSUS_INPUT_TRANSFER, .transfer = raft_id };

        return ask(c, &input, reterr);
}

void consensus_leader_lost(Consensus *c) {
        const ConsensusInput input = { .type = CONSENSUS_INPUT_LOST };

        if (!c->failed && !c->closing && consensus_driver_feed(c, &input) == 0)
                consensus_driver_wake(c);
}

/* ---- questions */

StatePinset *consensus_pinset(Consensus *c) {
        return c->disk_state.pinset;
}

void consensus_status(const Consensus *c, ConsensusStatus *ret) {
        const ConsensusMember *leader = consensus_members_find(&c->disk_state.members, c->leader);

        *ret = (ConsensusStatus){
                .ready = c->ready,
                .is_leader = c->state == CONSENSUS_LEADER,
                .raft_id = c->disk_state.meta.raft_id,
                .term = c->term,
                .last_index = consensus_log_last(c->disk_state.log),
                .commit_index = c->commit,
                .applied_index = MAX(c->applied, state_pinset_index(c->disk_state.pinset)),
                .snapshot_index = c->disk_state.has_snapshot ? c->disk_state.snapshot.index : 0,
                .applied_term = consensus_log_term(c->disk_state.log, c->applied),
                .skipped_index = c->skipped,
                .n_pending = c->n_pending,
        };
        if (leader)
                ret->leader = leader->peer;
        memcpy(ret->cluster_id, c->disk_state.meta.cluster_id, STATE_CLUSTER_ID_SIZE);
        memcpy(ret->disk_id, c->disk_state.meta.disk_id, CONSENSUS_DISK_ID_SIZE);
}

int consensus_members(const Consensus *c, PeerIdList *ret) {
        PeerIdList list = { .is_set = true };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->disk_state.members.n; i++)
                r = peer_id_list_append(&list, &c->disk_state.members.items[i].peer);
        if (r < 0) {
                peer_id_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}

const ConsensusMembers *consensus_member_table(const Consensus *c) {
        return &c->disk_state.members;
}

const uint8_t *consensus_cluster_id(const Consensus *c) {
        return c->disk_state.meta.cluster_id;
}

const ConsensusSnapshotStore *consensus_snapshots(const Consensus *c) {
        return &c->store;
}

int consensus_snapshot(Consensus *c, void (*done)(int r, void *userdata), void *userdata) {
        if (c->failed || c->closing)
                return -ESHUTDOWN;
        if (c->snapshot_done)
                return -EBUSY;

        c->snapshot_done = done;
        c->snapshot_userdata = userdata;
        c->want_snapshot = true;
        return sd_event_source_set_enabled(c->advance, SD_EVENT_ONESHOT);
}
