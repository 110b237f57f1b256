#include <inttypes.h>

#include "daemon/base/log.h"
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

/* ---- one of another peer */

bool consensus_driver_may_repair(const Consensus *c, const ConsensusSnapshotHead *head) {
        return c->install.index == 0 && head->index <= c->applied &&
               consensus_recovery_joins(c->disk_state.log, head);
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
static int install(Consensus *c, Error *reterr) {
        const ConsensusSnapshotHead *head = &c->install;
        int r;

        r = consensus_snapshot_receive(&c->store, head, reterr);
        if (r < 0)
                return r;
        r = consensus_log_reset(c->disk_state.log, head->index, head->term, reterr);
        if (r < 0)
                return r;

        r = state_pinset_clear(c->disk_state.pinset);
        if (r < 0)
                return error_set_errno(reterr, r, "pins.gdbm: cannot clear: %m");
        r = consensus_snapshot_load(&c->store, head, c->disk_state.pinset, reterr);
        if (r < 0)
                return r;
        r = load_members(c);
        if (r == 0)
                r = adopt(c, head);
        return r < 0 ? error_set_errno(reterr, r, "snapshot %" PRIu64 ": %m", head->index) : 0;
}

void consensus_driver_install_if_due(Consensus *c) {
        const ConsensusInput input = { .type = CONSENSUS_INPUT_INSTALLED };
        _cleanup_(error_done) Error error = {};
        uint64_t index = c->install.index;

        if (c->snapshot || consensus_disk_is_busy(c->disk) || state_pinset_is_scanned(c->disk_state.pinset))
                return;

        if (install(c, &error) < 0) {
                consensus_driver_fail(c, CONSENSUS_EXIT_DISK, &error);
                return;
        }
        consensus_snapshot_head_done(&c->install);
        c->install = (ConsensusSnapshotHead){};
        c->applied = c->commit = index;
        c->snapshot_bytes = consensus_snapshot_bytes(&c->store, index);
        log_debug("snapshot %" PRIu64 " of another peer installed", index);
        if (consensus_driver_feed(c, &input) != 0)
                return;
        if (c->events.members_changed && !c->closing)
                c->events.members_changed(c->options.userdata);
        consensus_driver_tell_progress(c);
}
