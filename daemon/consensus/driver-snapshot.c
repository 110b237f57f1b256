#include <inttypes.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/turn.h"
#include "daemon/consensus/driver.h"

/* A log of this many times the bytes that make a snapshot due means that the loop is never idle. */
#define SNAPSHOT_HURRY 2
/* Bytes of log for a byte of dump: a large pinset is not written again for every few changes. */
#define SNAPSHOT_DUMP_SHARE 4

static uint64_t due_bytes(const Consensus *c) {
        uint64_t base = c->options.snapshot_bytes > 0 ? c->options.snapshot_bytes : CONSENSUS_SNAPSHOT_BYTES;

        return MAX(base, c->snapshot_bytes / SNAPSHOT_DUMP_SHARE);
}

static uint64_t snapshot_index(const Consensus *c) {
        return c->disk_state.has_snapshot ? c->disk_state.snapshot.index : 0;
}

/* H14: the state, the configuration and the durable log must all stand at the index. */
static bool may_begin(const Consensus *c) {
        return !c->snapshot && c->install.index == 0 && c->applied > snapshot_index(c) &&
               state_pinset_index(c->disk_state.pinset) == c->applied &&
               consensus_log_written(c->disk_state.log) >= c->applied;
}

static bool is_due(const Consensus *c, uint64_t bytes, bool interval) {
        if (c->want_snapshot || bytes >= due_bytes(c))
                return true;
        return interval && c->applied - snapshot_index(c) >= c->options.snapshot_threshold;
}

static void tell_done(Consensus *c, int r) {
        void (*done)(int r, void *userdata) = c->snapshot_done;

        c->want_snapshot = false;
        c->snapshot_done = NULL;
        if (done)
                done(r, c->snapshot_userdata);
}

/* The library drops what it knows of the entries up to index - trailing; the log drops whole segments. Not
 * more than the library would: nothing when there are no more than TRAILING. */
static int compact(Consensus *c) {
        const ConsensusSnapshotHead *head = &c->disk_state.snapshot;
        ConsensusLog *log = c->disk_state.log;
        uint64_t by_bytes = consensus_log_index_by_bytes(log, CONSENSUS_TRAILING_BYTES), from = 0;
        ConsensusInput input = { .type = CONSENSUS_INPUT_SNAPSHOT, .snapshot.head = head };
        int r;

        if (head->index > c->options.trailing_logs)
                from = head->index - c->options.trailing_logs + 1;
        from = MIN(MAX(from, by_bytes), head->index + 1);
        input.snapshot.trailing = head->index + 1 - from;

        r = consensus_driver_feed(c, &input);
        if (r == 0 && from > consensus_log_first(log))
                r = consensus_log_compact(log, from);
        return r;
}

static void snapshot_failed(Consensus *c, uint64_t index, int r, const Error *error) {
        _cleanup_(error_done) Error own = {};

        if (error->code == ERROR_NONE) {
                (void) error_set_errno(&own, r, "snapshot %" PRIu64 ": %m", index);
                error = &own;
        }
        consensus_driver_fail(c, CONSENSUS_EXIT_DISK, error);
}

static int adopt(Consensus *c, const ConsensusSnapshotHead *head) {
        int r;

        if (c->disk_state.has_snapshot)
                consensus_snapshot_head_done(&c->disk_state.snapshot);
        r = consensus_snapshot_head_copy(&c->disk_state.snapshot, head);
        c->disk_state.has_snapshot = r == 0;
        return r;
}

/* H15: the log that this snapshot would shorten is none any more, and the one to come is newer. */
static bool is_overtaken(const Consensus *c) {
        return c->install.index > 0;
}

static void snapshot_ended(ConsensusSnapshotTask *task, int r, const Error *error, void *userdata) {
        Consensus *c = userdata;
        uint64_t index = consensus_snapshot_task_head(task)->index;

        if (r < 0)
                snapshot_failed(c, index, r, error);
        else
                r = adopt(c, consensus_snapshot_task_head(task));
        c->snapshot = consensus_snapshot_task_free(task);
        if (c->failed || c->closing)
                return;

        if (r == 0 && !is_overtaken(c))
                r = compact(c);
        if (r < 0) {
                consensus_driver_fail_errno(c, CONSENSUS_EXIT_SOFTWARE, r, "the log cannot be compacted");
                return;
        }

        c->snapshot_bytes = consensus_snapshot_bytes(&c->store, index);
        log_debug("snapshot %" PRIu64 " taken, %" PRIu64 " bytes", index, c->snapshot_bytes);
        (void) sd_event_source_set_enabled(c->advance, SD_EVENT_ONESHOT);
        tell_done(c, 0);
}

static int begin(Consensus *c) {
        const ConsensusSnapshotHead head = {
                .index = c->applied,
                .term = consensus_log_term(c->disk_state.log, c->applied),
                .configuration = *consensus_engine_configuration(c->engine),
        };
        const ConsensusSnapshotTaskOptions options = {
                .event = c->event,
                .worker = c->snapshot_worker,
                .store = &c->store,
                .pinset = c->disk_state.pinset,
                .head = &head,
                .done = snapshot_ended,
                .userdata = c,
        };

        assert(head.term > 0 && head.configuration.members);
        return consensus_snapshot_task_new(&c->snapshot, &options);
}

void consensus_driver_snapshot_if_due(Consensus *c, bool interval) {
        uint64_t bytes;

        if (c->closing || (!c->snapshot && !may_begin(c))) {
                if (c->want_snapshot && !c->snapshot && c->applied == snapshot_index(c))
                        tell_done(c, 0); /* there is one of this state */
                return;
        }

        bytes = consensus_log_bytes_after(c->disk_state.log, snapshot_index(c));
        if (!c->snapshot) {
                /* Out of memory, or too many scans: the next turn tries again. */
                if (is_due(c, bytes, interval))
                        (void) begin(c);
        } else if (bytes >= SNAPSHOT_HURRY * due_bytes(c))
                consensus_snapshot_task_hurry(c->snapshot);
}

int consensus_driver_on_interval(sd_event_source *source, uint64_t usec, void *userdata) {
        Consensus *c = userdata;

        consensus_driver_snapshot_if_due(c, true);
        if (c->failed)
                return 0;
        (void) sd_event_source_set_time(source, usec + c->options.snapshot_interval_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

/* ---- what it has changed */

/*
 * Whoever hears of operations has not heard of those that the snapshot stands for. So what the former pinset
 * had and this one has not is told of as unpinned, and what is new or another as pinned. What is applied
 * meanwhile is told of in between: what counts is what the pinset has when it is told.
 */
#define NEWS_SLICE 64 /* pins looked at in one turn of the loop */

struct ConsensusNews {
        Consensus *consensus;
        sd_event_source *turn;
        StateScan *before, *after; /* of the former pinset, and of this one */
        StatePinset *former;       /* while BEFORE is there */
        Str value;
};

static ConsensusNews *news_free(ConsensusNews *news) {
        if (!news)
                return NULL;

        sd_event_source_disable_unref(news->turn);
        state_scan_free(news->after);
        state_scan_free(news->before); /* ends the former pinset */
        str_done(&news->value);
        free(news);
        return NULL;
}
DEFINE_CLEANUP(ConsensusNews *, news_free);

static void tell(ConsensusNews *news, ConsensusOpKind kind, const Cid *cid, const void *body, size_t size) {
        const ConsensusOp op = { .kind = kind, .body = body, .size = size };
        Consensus *c = news->consensus;

        if (c->events.applied)
                c->events.applied(c->applied, &op, cid, c->options.userdata);
}

static int tell_if_gone(ConsensusNews *news, const Cid *cid) {
        int r;

        r = state_pinset_has(news->consensus->disk_state.pinset, cid);
        if (r == 0)
                tell(news, CONSENSUS_UNPIN, cid, cid->bytes, cid->size);
        return r;
}

static int tell_if_new(ConsensusNews *news, const Cid *cid) {
        _cleanup_(str_done) Str was = {};
        size_t own; /* another request changes nothing for who is told */
        int r;

        str_reset(&news->value);
        r = state_pinset_get_bytes(news->consensus->disk_state.pinset, cid, &news->value);
        if (r <= 0)
                return r;
        r = state_pinset_get_bytes(news->former, cid, &was);
        if (r < 0)
                return r;
        own = pin_parts(news->value.data, news->value.len).own;
        if (r == 0 || pin_parts(was.data, was.len).own != own ||
            memcmp(was.data, news->value.data, own) != 0)
                tell(news, CONSENSUS_PIN, cid, news->value.data, news->value.len);
        return 0;
}

/* The next pin of SCAN: 1, 0 at its end. */
static int news_step(
                ConsensusNews *news, StateScan *scan, int (*tell_if)(ConsensusNews *news, const Cid *cid)) {
        const void *key, *value;
        size_t key_size, value_size;
        Cid cid;
        int r;

        r = state_scan_next(scan, &key, &key_size, &value, &value_size);
        if (r <= 0)
                return r;
        if (cid_from_bytes(key, key_size, &cid) < 0)
                return -EIO;
        r = tell_if(news, &cid);
        return r < 0 ? r : 1;
}

/* Pins first, so that the former pinset is needed for as long as its scan is open: BEFORE ends last. */
static int news_next(ConsensusNews *news) {
        int r;

        if (news->after) {
                r = news_step(news, news->after, tell_if_new);
                if (r == 0)
                        news->after = state_scan_free(news->after);
                return r < 0 ? r : 1;
        }
        return news_step(news, news->before, tell_if_gone);
}

static int news_turn(sd_event_source *source _unused_, void *userdata) {
        ConsensusNews *news = userdata;
        Consensus *c = news->consensus;
        int r = 1;

        for (int i = 0; i < NEWS_SLICE && r > 0 && !c->failed; i++)
                r = news_next(news);
        if (r > 0 && !c->failed) {
                turn_renew(c->event, &news->turn, news_turn, news);
                return sd_event_source_set_enabled(news->turn, SD_EVENT_ONESHOT);
        }
        c->news = news_free(news);
        if (r < 0)
                consensus_driver_fail_errno(
                                c, CONSENSUS_EXIT_DISK, r, "pins.gdbm: what a snapshot has changed");
        else
                consensus_driver_wake(c); /* the next one may wait for this */
        return 0;
}

static int tell_any(ConsensusNews *news, const Cid *cid) {
        int r;

        str_reset(&news->value);
        r = state_pinset_get_bytes(news->consensus->disk_state.pinset, cid, &news->value);
        if (r > 0)
                tell(news, CONSENSUS_PIN, cid, news->value.data, news->value.len);
        else if (r == 0)
                tell(news, CONSENSUS_UNPIN, cid, cid->bytes, cid->size);
        return r;
}

void consensus_driver_news_close(Consensus *c) {
        ConsensusNews *news = c->news;

        if (news && !c->failed && (!news->after || news_step(news, news->after, tell_any) == 0))
                (void) news_step(news, news->before, tell_any);
        c->news = news_free(news);
}

/* BEFORE is taken. */
static int begin_news(Consensus *c, StateScan *before, StatePinset *former, Error *reterr) {
        _cleanup_(news_freep) ConsensusNews *news = NULL;
        int r;

        news = calloc(1, sizeof(*news));
        if (!news) {
                state_scan_free(before);
                return error_set_errno(reterr, -ENOMEM, "out of memory");
        }
        *news = (ConsensusNews){ .consensus = c, .before = before, .former = former };
        r = state_scan_new(&news->after, c->disk_state.pinset);
        if (r >= 0)
                r = sd_event_add_defer(c->event, &news->turn, news_turn, news);
        if (r < 0)
                return error_set_errno(reterr, r, "snapshot %" PRIu64 ": %m", c->install.index);

        c->news = TAKE_PTR(news);
        return 0;
}

/* ---- one of another peer */

bool consensus_driver_may_repair(const Consensus *c, const ConsensusSnapshotHead *head) {
        return c->install.index == 0 && head->index <= c->applied &&
               consensus_recovery_joins(c->disk_state.log, head);
}

/* Its pins go into a fresh pinset, in the thread, while everything else goes on with the former one. */
struct ConsensusInstall {
        WorkerJob job;
        Consensus *consensus;
        ConsensusSnapshotHead head; /* a copy: the thread's */
        StatePinset *fresh;
        atomic_bool stop;
        bool is_loaded;
        Error error; /* the thread's, until the job is done */
};

static ConsensusInstall *install_free(ConsensusInstall *install) {
        if (!install)
                return NULL;

        state_pinset_free(install->fresh);
        if (install->head.configuration.members)
                consensus_snapshot_head_done(&install->head);
        error_done(&install->error);
        free(install);
        return NULL;
}
DEFINE_CLEANUP(ConsensusInstall *, install_free);

void consensus_driver_install_stop(Consensus *c) {
        if (c->loading)
                c->loading->stop = true;
}

void consensus_driver_install_free(Consensus *c) {
        c->loading = install_free(c->loading);
        c->news = news_free(c->news);
}

static int load_run(WorkerJob *job) {
        ConsensusInstall *install = CONTAINER_OF(job, ConsensusInstall, job);
        const Consensus *c = install->consensus;
        int r;

        r = consensus_snapshot_load_received(
                        &c->store, &install->head, install->fresh, &install->stop, &install->error);
        if (r < 0)
                return r;
        r = state_pinset_flush(install->fresh);
        return r < 0 ? error_set_errno(&install->error, r, "pins-new.gdbm: cannot write: %m") : 0;
}

static void load_done(WorkerJob *job, int result) {
        ConsensusInstall *install = CONTAINER_OF(job, ConsensusInstall, job);
        Consensus *c = install->consensus;

        if (c->failed || c->closing)
                return;
        if (result < 0) {
                consensus_driver_fail(c, CONSENSUS_EXIT_DISK, &install->error);
                return;
        }
        install->is_loaded = true;
        consensus_driver_wake(c);
}

static int begin_load(Consensus *c, Error *reterr) {
        _cleanup_(install_freep) ConsensusInstall *install = NULL;
        int r;

        install = calloc(1, sizeof(*install));
        if (!install)
                return error_set_errno(reterr, -ENOMEM, "out of memory");

        *install = (ConsensusInstall){ .consensus = c };
        r = consensus_snapshot_head_copy(&install->head, &c->install);
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");
        r = state_pinset_open_fresh(&install->fresh, c->disk_state.pinset, reterr);
        if (r < 0)
                return r;

        install->job = (WorkerJob){ .run = load_run, .done = load_done };
        r = worker_queue(c->snapshot_worker, &install->job);
        if (r < 0)
                return error_set_errno(reterr, r, "snapshot %" PRIu64 ": %m", c->install.index);
        c->loading = TAKE_PTR(install);
        return 0;
}

static int load_members(Consensus *c) {
        ConsensusMembers members;
        int r;

        r = consensus_members_decode(c->install.configuration.members, &members);
        if (r < 0)
                return r;
        consensus_members_done(&c->disk_state.members);
        c->disk_state.members = members;
        return 0;
}

/* From the first step on, a start finds the snapshot: it does not join the old log, which then goes. */
static int install(Consensus *c, StatePinset **ret_former, Error *reterr) {
        const ConsensusSnapshotHead *head = &c->install;
        int r;

        r = consensus_snapshot_receive(&c->store, head, reterr);
        if (r < 0)
                return r;
        r = consensus_log_reset(c->disk_state.log, head->index, head->term, reterr);
        if (r < 0)
                return r;

        r = state_pinset_replace(c->disk_state.pinset, TAKE_PTR(c->loading->fresh), ret_former);
        if (r < 0)
                return error_set_errno(reterr, r, "pins.gdbm: cannot replace: %m");
        c->loading = install_free(c->loading);
        r = load_members(c);
        if (r == 0)
                r = adopt(c, head);
        return r < 0 ? error_set_errno(reterr, r, "snapshot %" PRIu64 ": %m", head->index) : 0;
}

static void installed(Consensus *c) {
        const ConsensusInput input = { .type = CONSENSUS_INPUT_INSTALLED };
        uint64_t index = c->install.index;

        consensus_snapshot_head_done(&c->install);
        c->install = (ConsensusSnapshotHead){};
        c->applied = c->commit = c->skipped = index;
        c->snapshot_bytes = consensus_snapshot_bytes(&c->store, index);
        log_debug("snapshot %" PRIu64 " of another peer installed", index);
        if (consensus_driver_feed(c, &input) != 0)
                return;
        if (c->events.members_changed && !c->closing)
                c->events.members_changed(c->options.userdata);
        consensus_driver_tell_progress(c);
}

void consensus_driver_install_if_due(Consensus *c) {
        _cleanup_(error_done) Error error = {};
        StateScan *before = NULL;
        StatePinset *former;
        int r = 0;

        if (c->closing || c->snapshot || consensus_disk_is_busy(c->disk))
                return;
        if (!c->loading)
                r = begin_load(c, &error);
        else if (c->loading->is_loaded && !c->news && state_scan_new(&before, c->disk_state.pinset) == 0) {
                r = install(c, &former, &error);
                if (r == 0)
                        r = begin_news(c, TAKE_PTR(before), former, &error);
                state_scan_free(before);
                if (r == 0) {
                        installed(c);
                        return;
                }
        }
        if (r < 0)
                consensus_driver_fail(c, CONSENSUS_EXIT_DISK, &error);
}
