#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/base/worker.h"
#include "daemon/transfer/file.h"
#include "daemon/transfer/transfer.h"
#include "daemon/transfer/wire.h"

/*
 *   asking ◄──► waiting            the call; between two calls
 *     │
 *     ▼
 *   flushing ──► checking ──► (holding) ──► handed over, freed
 *     └──────────────┴───────────┴──► removing ──► freed         it is of no use
 *
 * One job of the disk at a time. While it writes, the next bytes gather; when enough of them wait, the call
 * is paused. An INSTALL that replaces what is under way waits for the job.
 */

#define FETCH_CHUNK (256 * 1024)
#define FETCH_TICK_USEC (1 * USEC_PER_SEC)      /* between a call that was lost and the next one */
#define FETCH_STUCK_USEC (5 * USEC_PER_SEC)     /* without a byte: a newer snapshot is taken instead */
#define FETCH_PATIENCE_USEC (60 * USEC_PER_SEC) /* without a byte: given up */

typedef enum FetchState {
        FETCH_ASKING,
        FETCH_WAITING,
        FETCH_FLUSHING,
        FETCH_CHECKING,
        FETCH_HOLDING, /* a repair: what is applied has not got there yet */
        FETCH_REMOVING,
} FetchState;

typedef enum FetchJob {
        FETCH_NO_JOB,
        FETCH_WRITE,
        FETCH_FINISH,
        FETCH_REMOVE,
} FetchJob;

typedef struct FetchOrder {
        PeerId from;
        ConsensusMessage install; /* term 0: a repair */
        uint64_t least;           /* of a repair */
} FetchOrder;

struct TransferFetch {
        Transfer *transfer;
        FetchState state;
        FetchOrder order, next;
        bool has_next;
        sd_event_source *tick;
        uint64_t progress_usec; /* monotonic: when the last bytes came */

        RpcCall *call;
        TransferAnswer answer; /* of the call */
        bool is_known;         /* what it is: of all of these */
        bool is_repair;
        ConsensusSnapshotHead head;
        uint64_t size;
        uint32_t mark;

        uint64_t asked, received, written; /* from where on; taken from the calls; handed to the disk */
        Str gathering, writing;
        Worker *worker;
        WorkerJob job;
        FetchJob job_kind;
        TransferFile file; /* the job's, with what follows */
        Error error;
        atomic_bool stop;
};

static void ask(TransferFetch *fetch);

/* ---- life */

static void order_done(FetchOrder *order) {
        if (order->install.term > 0)
                consensus_message_done(&order->install);
        *order = (FetchOrder){};
}

static void drop_call(TransferFetch *fetch) {
        fetch->call = rpc_call_unref(fetch->call);
        transfer_answer_done(&fetch->answer);
}

static void reset(TransferFetch *fetch) {
        drop_call(fetch);
        order_done(&fetch->order);
        if (fetch->is_known)
                consensus_snapshot_head_done(&fetch->head);
        fetch->is_known = false;
        fetch->received = fetch->written = 0;
        str_done(&fetch->gathering);
        str_done(&fetch->writing);
        fetch->stop = false;
}

static TransferFetch *fetch_free(TransferFetch *fetch) {
        if (!fetch)
                return NULL;

        sd_event_source_disable_unref(fetch->tick);
        drop_call(fetch);
        fetch->stop = true;
        worker_free(TAKE_PTR(fetch->worker));
        reset(fetch);
        if (fetch->has_next)
                order_done(&fetch->next);
        transfer_file_done(&fetch->file);
        error_done(&fetch->error);
        free(fetch);
        return NULL;
}
DEFINE_CLEANUP(TransferFetch *, fetch_free);

static void end(TransferFetch *fetch) {
        fetch->transfer->fetch = NULL;
        fetch_free(fetch);
}

/* ---- the disk */

static int job_run(WorkerJob *job) {
        TransferFetch *fetch = CONTAINER_OF(job, TransferFetch, job);
        const Str *bytes = &fetch->writing;

        switch (fetch->job_kind) {
        case FETCH_WRITE:
                return transfer_file_write(
                                &fetch->file,
                                fetch->written - bytes->len,
                                bytes->data,
                                bytes->len,
                                fetch->size,
                                &fetch->error);
        case FETCH_FINISH:
                return transfer_file_finish(
                                &fetch->file, &fetch->head, fetch->is_repair, &fetch->stop, &fetch->error);
        case FETCH_REMOVE:
                return transfer_file_remove(&fetch->file, &fetch->error);
        case FETCH_NO_JOB:
                break;
        }
        return 0;
}

static void job_done(WorkerJob *job, int result);

/* A failure is the loss of this snapshot only, so nobody needs to know more. */
static void begin_job(TransferFetch *fetch, FetchJob kind) {
        assert(fetch->job_kind == FETCH_NO_JOB);

        fetch->job_kind = kind;
        fetch->job = (WorkerJob){ .run = job_run, .done = job_done };
        if (worker_queue(fetch->worker, &fetch->job) < 0)
                fetch->job_kind = FETCH_NO_JOB; /* one at a time: there is room, unless all ends */
}

_printf_(2, 3) static void give_up(TransferFetch *fetch, const char *format, ...) {
        _cleanup_free_ char *words = NULL;
        char id[PEER_ID_TEXT_MAX];
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&words, format, ap) < 0)
                words = NULL;
        va_end(ap);
        log_warning("the snapshot of peer %s is not taken: %s",
                    peer_id_format(&fetch->order.from, id),
                    words ?: "out of memory");

        drop_call(fetch);
        fetch->state = FETCH_REMOVING;
        fetch->stop = true;
        if (fetch->job_kind == FETCH_NO_JOB)
                begin_job(fetch, FETCH_REMOVE);
}

/* Write what waits, if it is enough, or all that there will be; then check. */
static void flush(TransferFetch *fetch) {
        bool is_last = fetch->state == FETCH_FLUSHING;

        if (fetch->job_kind != FETCH_NO_JOB)
                return;
        if (fetch->gathering.len >= FETCH_CHUNK || (is_last && fetch->gathering.len > 0)) {
                Str empty = fetch->writing;

                str_reset(&empty);
                fetch->writing = fetch->gathering;
                fetch->gathering = empty;
                fetch->written += fetch->writing.len;
                begin_job(fetch, FETCH_WRITE);
        } else if (is_last) {
                fetch->state = FETCH_CHECKING;
                begin_job(fetch, FETCH_FINISH);
        }
}

/* ---- the end of it */

static void hand_over(TransferFetch *fetch) {
        Transfer *transfer = fetch->transfer;
        FetchOrder order = fetch->order;

        if (!consensus_may_install(transfer->consensus, order.install.install.index)) {
                give_up(fetch, "it is not needed any more");
                return;
        }
        fetch->order = (FetchOrder){};
        end(fetch);
        consensus_receive(transfer->consensus, &order.install);
        order_done(&order);
}

static void repair_if_there(TransferFetch *fetch) {
        _cleanup_(error_done) Error error = {};
        ConsensusStatus status;

        consensus_status(fetch->transfer->consensus, &status);
        if (status.applied_index < fetch->head.index)
                return;
        if (consensus_repair(fetch->transfer->consensus, &fetch->head, &error) < 0)
                give_up(fetch, "%s", error_message(&error));
        else
                end(fetch); /* so does the process */
}

static void checked(TransferFetch *fetch) {
        char id[PEER_ID_TEXT_MAX];

        log_info("snapshot %" PRIu64 " of peer %s is here, %" PRIu64 " bytes",
                 fetch->head.index,
                 peer_id_format(&fetch->order.from, id),
                 fetch->size);
        if (!fetch->is_repair) {
                hand_over(fetch);
                return;
        }
        fetch->state = FETCH_HOLDING;
        fetch->progress_usec = time_monotonic();
        repair_if_there(fetch);
}

static void begin_order(TransferFetch *fetch, FetchOrder *order) {
        reset(fetch);
        fetch->order = *order;
        fetch->is_repair = order->install.term == 0;
        *order = (FetchOrder){};
        fetch->progress_usec = time_monotonic();
        ask(fetch);
}

static void job_done(WorkerJob *job, int result) {
        TransferFetch *fetch = CONTAINER_OF(job, TransferFetch, job);
        FetchJob kind = fetch->job_kind;
        _cleanup_(error_done) Error error = {};

        error_move(&error, &fetch->error);
        fetch->job_kind = FETCH_NO_JOB;
        if (!fetch->worker)
                return; /* it is being freed */
        if (fetch->has_next) {
                fetch->has_next = false;
                begin_order(fetch, &fetch->next);
        } else if (kind == FETCH_REMOVE) {
                if (result < 0)
                        log_warning("%s, ignoring", error_message(&error));
                end(fetch);
        } else if (fetch->state == FETCH_REMOVING)
                begin_job(fetch, FETCH_REMOVE);
        else if (result < 0)
                give_up(fetch, "%s", error_message(&error));
        else if (kind == FETCH_FINISH)
                checked(fetch);
        else {
                if (fetch->call)
                        rpc_call_resume(fetch->call);
                flush(fetch);
        }
}

/* ---- the answer */

/* The first answer says what it is: what was announced, or any that may serve to repair. */
static int take_first(TransferFetch *fetch, Error *reterr) {
        const ConsensusSnapshotHead *want = &fetch->order.install.install, *is = &fetch->answer.snapshot;
        char id[PEER_ID_TEXT_MAX];
        int r;

        if (fetch->is_repair ? is->index < fetch->order.least
                             : is->index != want->index || is->term != want->term)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "it is another one, of index %" PRIu64 " and term %" PRIu64,
                                is->index,
                                is->term);

        /* What the leader has announced goes into the engine, so it goes into the file. */
        r = consensus_snapshot_head_copy(&fetch->head, fetch->is_repair ? is : want);
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");
        fetch->is_known = true;
        fetch->size = fetch->answer.head.size;
        fetch->mark = fetch->answer.head.mark;
        log_info("taking snapshot %" PRIu64 " of peer %s, %" PRIu64 " bytes",
                 fetch->head.index,
                 peer_id_format(&fetch->order.from, id),
                 fetch->size);
        return 0;
}

/* It is the file that was begun. */
static bool is_same_file(const TransferFetch *fetch) {
        return fetch->answer.head.size == fetch->size && fetch->answer.head.mark == fetch->mark;
}

static int take_dump(TransferFetch *fetch, const void *bytes, size_t n, Error *reterr) {
        if (n > fetch->size - fetch->received)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "it sends more than the %" PRIu64 " bytes that it has announced",
                                fetch->size);
        if (str_append_bytes(&fetch->gathering, bytes, n) < 0)
                return error_set_errno(reterr, -ENOMEM, "out of memory");
        fetch->received += n;
        fetch->progress_usec = time_monotonic();
        flush(fetch);
        return 0;
}

/* Another file than the one that was begun: it has been made anew. */
static void begin_anew(TransferFetch *fetch) {
        FetchOrder order = fetch->order;

        fetch->order = (FetchOrder){};
        drop_call(fetch);
        if (fetch->job_kind == FETCH_NO_JOB)
                begin_order(fetch, &order);
        else {
                fetch->order.from = order.from;
                fetch->next = order;
                fetch->has_next = true;
                fetch->state = FETCH_WAITING;
        }
}

/* Answers 0, or 1 when the call is gone. */
static int take(TransferFetch *fetch, const void *data, size_t size, Error *reterr) {
        const uint8_t *end_of_data = (const uint8_t *) data + size;
        size_t rest = size;
        int r;

        if (!fetch->answer.is_whole) {
                r = transfer_answer_feed(
                                &fetch->answer,
                                consensus_cluster_id(fetch->transfer->consensus),
                                data,
                                size,
                                &rest,
                                reterr);
                if (r <= 0)
                        return r;
                if (!fetch->is_known) {
                        r = take_first(fetch, reterr);
                        if (r < 0)
                                return r;
                } else if (!is_same_file(fetch)) {
                        begin_anew(fetch);
                        return 1;
                }
        }
        return take_dump(fetch, end_of_data - rest, rest, reterr);
}

static bool on_data(RpcCall *call _unused_, const void *data, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        TransferFetch *fetch = userdata;
        int r;

        r = take(fetch, data, size, &error);
        if (r < 0)
                give_up(fetch, "%s", error_message(&error));
        return r != 0 || fetch->gathering.len < FETCH_CHUNK;
}

/* ---- the call */

static bool may_be_asked_again(const TransferFetch *fetch, ErrorCode code) {
        switch (code) {
        case ERROR_NOT_FOUND: /* the snapshot, or any way to the peer */
                return !rpc_is_linked(fetch->transfer->rpc, &fetch->order.from);
        case ERROR_BUSY:
        case ERROR_CANCELED:
        case ERROR_TIMEOUT:
        case ERROR_NO_MEMORY:
                return true;
        default:
                return false;
        }
}

static void on_done(
                RpcCall *call _unused_,
                int r,
                const Error *error,
                const void *body _unused_,
                size_t size _unused_,
                void *userdata) {
        _cleanup_(error_done) Error words = {};
        TransferFetch *fetch = userdata;
        bool is_whole = r >= 0 && fetch->answer.is_whole && fetch->received == fetch->size;
        ErrorCode code = r < 0 ? error->code : ERROR_CANCELED;

        (void) error_copy(&words, error); /* the call's */
        drop_call(fetch);
        if (is_whole) {
                fetch->state = FETCH_FLUSHING;
                flush(fetch);
        } else if (!may_be_asked_again(fetch, code))
                give_up(fetch, "%s", error_message(&words));
        else if (fetch->received > fetch->asked) /* it got on: no pause is needed */
                ask(fetch);
        else
                fetch->state = FETCH_WAITING;
}

static void ask(TransferFetch *fetch) {
        static const RpcCallHandler handler = { .on_data = on_data, .on_done = on_done };
        uint8_t body[TRANSFER_REQUEST_SIZE];
        TransferRequest request = { .offset = fetch->received };
        const RpcCallOptions options = {
                .peer = &fetch->order.from,
                .method = TRANSFER_METHOD,
                .body = body,
                .size = sizeof(body),
                .timeout_usec = UINT64_MAX, /* on_tick() has patience */
                .handler = &handler,
                .userdata = fetch,
        };

        if (fetch->is_known)
                request.index = fetch->head.index;
        else if (fetch->is_repair)
                request.least = fetch->order.least;
        else
                request.index = fetch->order.install.install.index;
        transfer_request_encode(&request, body);
        fetch->asked = fetch->received;
        fetch->state = rpc_call(fetch->transfer->rpc, &fetch->call, &options) < 0 ? FETCH_WAITING
                                                                                  : FETCH_ASKING;
}

static bool is_for_the_net(const TransferFetch *fetch) {
        return (fetch->state == FETCH_ASKING || fetch->state == FETCH_WAITING) && !fetch->has_next;
}

static bool is_without_progress(const TransferFetch *fetch, uint64_t usec) {
        return fetch->gathering.len < FETCH_CHUNK && time_monotonic() - fetch->progress_usec > usec;
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        TransferFetch *fetch = userdata;

        (void) sd_event_source_set_time_relative(source, FETCH_TICK_USEC);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        if ((is_for_the_net(fetch) || fetch->state == FETCH_HOLDING) &&
            is_without_progress(fetch, FETCH_PATIENCE_USEC))
                give_up(fetch, "nothing has come for %" PRIu64 " s", FETCH_PATIENCE_USEC / USEC_PER_SEC);
        else if (is_for_the_net(fetch) && fetch->state == FETCH_WAITING)
                ask(fetch);
        return 0;
}

void transfer_link_changed(Transfer *transfer, const PeerId *peer, bool up) {
        TransferFetch *fetch = transfer->fetch;

        if (fetch && up && is_for_the_net(fetch) && fetch->state == FETCH_WAITING &&
            peer_id_equal(peer, &fetch->order.from))
                ask(fetch);
}

void transfer_on_progress(Transfer *transfer, uint64_t applied_index) {
        TransferFetch *fetch = transfer->fetch;

        if (fetch && fetch->state == FETCH_HOLDING && applied_index >= fetch->head.index)
                repair_if_there(fetch);
}

/* ---- orders */

static int fetch_new(TransferFetch **ret, Transfer *transfer) {
        _cleanup_(fetch_freep) TransferFetch *fetch = NULL;
        int r;

        fetch = calloc(1, sizeof(*fetch));
        if (!fetch)
                return -ENOMEM;

        fetch->transfer = transfer;
        transfer_file_init(&fetch->file, consensus_snapshots(transfer->consensus));
        r = worker_new(&fetch->worker, transfer->event, "snapshot-fetch", SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                transfer->event,
                                &fetch->tick,
                                CLOCK_MONOTONIC,
                                FETCH_TICK_USEC,
                                0,
                                on_tick,
                                fetch);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(fetch);
        return 0;
}

/* Takes ORDER. What is under way is given up; its job on the disk ends first. */
static int take_order(Transfer *transfer, FetchOrder *order) {
        TransferFetch *fetch = transfer->fetch;
        int r;

        if (!fetch) {
                r = fetch_new(&fetch, transfer);
                if (r < 0) {
                        order_done(order);
                        return r;
                }
                transfer->fetch = fetch;
        }
        if (fetch->job_kind == FETCH_NO_JOB) {
                begin_order(fetch, order);
                return 0;
        }

        drop_call(fetch);
        fetch->stop = true;
        if (fetch->has_next)
                order_done(&fetch->next);
        fetch->next = *order;
        fetch->has_next = true;
        *order = (FetchOrder){};
        return 0;
}

/* Of the order under way, or of the one that is to replace it. */
static FetchOrder *newest_order(TransferFetch *fetch) {
        return fetch->has_next ? &fetch->next : &fetch->order;
}

/* The same snapshot: a leader that has been elected again only has another term. */
static bool continues(const FetchOrder *order, const PeerId *from, const ConsensusMessage *install) {
        return order->install.term > 0 && peer_id_equal(&order->from, from) &&
               order->install.install.index == install->install.index &&
               order->install.install.term == install->install.term;
}

static bool replaces(const TransferFetch *fetch, const FetchOrder *order, const ConsensusMessage *install) {
        if (install->term != order->install.term) /* a repair has term 0 */
                return install->term > order->install.term;
        return install->install.index > order->install.install.index &&
               (is_for_the_net(fetch) && is_without_progress(fetch, FETCH_STUCK_USEC));
}

void transfer_begin(Transfer *transfer, const PeerId *from, ConsensusMessage *install) {
        FetchOrder order = { .from = *from, .install = *install };
        TransferFetch *fetch = transfer->fetch;
        FetchOrder *current;
        int r;

        *install = (ConsensusMessage){};
        if (!transfer->consensus ||
            !consensus_may_install(transfer->consensus, order.install.install.index)) {
                order_done(&order);
                return;
        }
        current = fetch && fetch->state != FETCH_REMOVING ? newest_order(fetch) : NULL;
        if (current && continues(current, from, &order.install)) {
                if (order.install.term > current->install.term) {
                        order_done(current);
                        *current = order;
                } else
                        order_done(&order);
                return;
        }
        if (current && !replaces(fetch, current, &order.install)) {
                order_done(&order);
                return;
        }

        r = take_order(transfer, &order);
        if (r < 0)
                (void) log_warning_errno(r, "a snapshot cannot be taken: %m, ignoring");
}

int transfer_repair(Transfer *transfer, const PeerId *from, uint64_t least) {
        FetchOrder order = { .from = *from, .least = least };

        /* One that was fetched may be on its way into the pinset, from the same folder. */
        if (transfer->fetch || !transfer->consensus ||
            !consensus_may_install(transfer->consensus, UINT64_MAX))
                return -EBUSY;
        return take_order(transfer, &order);
}

void transfer_stop(Transfer *transfer) {
        if (transfer->fetch)
                end(transfer->fetch);
}
