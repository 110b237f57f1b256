#include "daemon/consensus/driver.h"

#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/time.h"
#include "daemon/consensus/fsm.h"

/* ---- the end */

void consensus_driver_fail(Consensus *c, int exit_status, const Error *error) {
        char words[LOG_FIELD_MAX];

        if (c->failed)
                return;

        c->failed = true;
        log_struct(LOG_ERR,
                   LOG_FIELDS(log_field(words, "CLUSTER_ERROR", error_message(error)),
                              exit_status == EX_IOERR ? MESSAGE_ID_DISK_FAILED : NULL),
                   "%s",
                   error_message(error));

        c->submit = sd_event_source_disable_unref(c->submit);
        c->advance = sd_event_source_disable_unref(c->advance);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->interval = sd_event_source_disable_unref(c->interval);
        if (c->events.failed && !c->closing)
                c->events.failed(exit_status, c->options.userdata);
}

void consensus_driver_fail_errno(Consensus *c, int exit_status, int r, const char *what) {
        _cleanup_(error_done) Error error = {};

        (void) error_set_errno(&error, r, "%s: %m", what);
        consensus_driver_fail(c, exit_status, &error);
}

/* ---- updates */

static int append_entries(Consensus *c, const ConsensusUpdate *update) {
        ConsensusLog *log = c->disk_state.log;
        int r = 0;

        if (update->n_entries > 0 && update->entries[0].index <= consensus_log_last(log)) /* H3 */
                r = consensus_log_truncate(log, update->entries[0].index);
        for (size_t i = 0; r == 0 && i < update->n_entries; i++)
                r = consensus_log_append(log, &update->entries[i]);
        return r;
}

static int arm_timer(Consensus *c, uint64_t deadline_msec) {
        int r;

        r = sd_event_source_set_time(c->timer, deadline_msec * USEC_PER_MSEC);
        return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

/* H5: of an AppendEntries that is too long for one message the end is lost. */
static int fill_message(const ConsensusLog *log, ConsensusMessage *message) {
        size_t n = message->append.n, bytes = 0;
        int r = 0;

        message->append.n = 0;
        if (n == 0)
                return 0;
        message->append.entries = calloc(n, sizeof(*message->append.entries));
        if (!message->append.entries)
                return -ENOMEM;

        for (; message->append.n < n; message->append.n++) {
                ConsensusEntry *entry = &message->append.entries[message->append.n];
                uint64_t index = message->append.previous_index + 1 + message->append.n;

                if (index < consensus_log_first(log) || index > consensus_log_last(log))
                        break;
                r = consensus_log_get(log, index, entry);
                if (r < 0)
                        return r;
                bytes += entry->payload->size;
                if (message->append.n > 0 && bytes > CONSENSUS_MESSAGE_BYTES_MAX) {
                        consensus_entry_done(entry);
                        break;
                }
        }
        return 0;
}

static int send_messages(Consensus *c, const ConsensusUpdate *update) {
        int r = 0;

        for (size_t i = 0; r == 0 && c->events.send && i < update->n_messages; i++) {
                ConsensusMessage *message = &update->messages[i];

                if (message->type == CONSENSUS_MESSAGE_APPEND)
                        r = fill_message(c->disk_state.log, message);
                if (r == 0)
                        c->events.send(message, c->options.userdata);
        }
        return r;
}

static void move_calls(List *to, List *from) {
        LIST_FOREACH (call, from, ConsensusCall, link) {
                list_remove(&call->link);
                list_append(to, &call->link);
        }
}

/* Whoever follows may still commit what this leader has appended, or replace it. What it has not must not
 * get into the log when it leads again: who asked goes elsewhere. */
static void lose_calls(Consensus *c) {
        move_calls(&c->lost, &c->appended);
        move_calls(&c->lost, &c->submitted);
}

/* H15: until it is loaded the log is none, and nothing is applied. */
static void begin_install(Consensus *c, ConsensusUpdate *update) {
        assert(c->install.index == 0);
        c->install = update->install;
        update->install = (ConsensusSnapshotHead){};
}

/* Whether UPDATE makes anything possible that has to happen in the loop; a heartbeat does not. */
static bool moves(const Consensus *c, const ConsensusUpdate *update) {
        return update->meta || update->n_entries > 0 || update->hold != c->hold ||
               update->install.index > 0 || update->state_changed || update->barrier ||
               update->term != c->term || update->leader != c->leader || update->commit != c->commit;
}

/* The order is that of the rules: meta, entries, install, messages, state, barrier, commit. */
static int carry_out(Consensus *c, ConsensusUpdate *update) {
        int r;

        c->has_moved |= moves(c, update);
        c->hold = update->hold;
        if (update->meta) /* H2: one queue, so it is durable before the entries that follow */
                consensus_disk_set_vote(c->disk, update->term, update->vote);
        r = append_entries(c, update);
        if (r < 0)
                return r;
        consensus_log_hold(c->disk_state.log, update->hold);
        if (update->install.index > 0)
                begin_install(c, update);
        r = send_messages(c, update);
        if (r < 0)
                return r;

        if (c->state == CONSENSUS_LEADER && update->state_changed)
                lose_calls(c);
        c->state = update->state;
        c->term = update->term;
        c->leader = update->leader;
        c->want_barrier |= update->barrier;
        c->commit = update->commit;
        return arm_timer(c, update->deadline_msec);
}

/* H23: nobody but the new voter can have the entry, and a start without it is as if it had never been. */
static void restart(Consensus *c) {
        _cleanup_(error_done) Error error = {};

        (void) error_set(
                        &error,
                        ERROR_CANCELED,
                        "a new voter has not acknowledged its promotion in time; starting again without it");
        consensus_driver_fail(c, CONSENSUS_EXIT_RESTART, &error);
}

static void restart_to_repair(Consensus *c) {
        _cleanup_(error_done) Error error = {};

        (void) error_set(
                        &error,
                        ERROR_CANCELED,
                        "the pinset is not that of the other peers; starting again from a snapshot of the "
                        "leader");
        consensus_driver_fail(c, CONSENSUS_EXIT_RESTART, &error);
}

int consensus_driver_feed(Consensus *c, const ConsensusInput *input) {
        _cleanup_(consensus_update_done) ConsensusUpdate update = {};
        _cleanup_(error_done) Error error = {};
        ConsensusInput timed = *input;
        int r;

        timed.time_msec = time_monotonic() / USEC_PER_MSEC;
        r = consensus_engine_step(c->engine, &timed, &update, &error);
        if (r < 0) { /* H7 */
                consensus_driver_fail(c, CONSENSUS_EXIT_SOFTWARE, &error);
                return r;
        }
        if (r > 0)
                return r;

        r = carry_out(c, &update);
        if (r < 0)
                consensus_driver_fail_errno(
                                c, CONSENSUS_EXIT_SOFTWARE, r, "raft: an update cannot be carried out");
        else if (update.restart)
                restart(c);
        return c->failed ? -ECANCELED : r;
}

/* ---- apply */

typedef struct ApplyTurn {
        ConsensusEntry entries[CONSENSUS_APPLY_ENTRIES_MAX];
        size_t n, n_ops;
} ApplyTurn;

static void apply_turn_done(ApplyTurn *turn) {
        for (size_t i = 0; i < turn->n; i++)
                consensus_entry_done(&turn->entries[i]);
}

/* The pinset's cache has it already; only changes of the members are news to the engine (H11). */
static bool is_in_cache(const Consensus *c, uint64_t index) {
        return index <= state_pinset_index(c->disk_state.pinset) &&
               !consensus_log_is_change(c->disk_state.log, index);
}

static int put_entry(Consensus *c, const ConsensusEntry *entry, Error *reterr) {
        if (entry->type != CONSENSUS_ENTRY_COMMAND ||
            entry->index <= state_pinset_index(c->disk_state.pinset))
                return 0;
        return consensus_fsm_apply(c->disk_state.pinset, entry, reterr);
}

/* Put entries from applied + 1 on into the pinset; a change of the members ends the turn, and a boundary. */
static int fill_turn(Consensus *c, ApplyTurn *turn, Error *reterr) {
        uint64_t index = c->applied + 1;
        int r;

        for (; index <= c->commit && turn->n < CONSENSUS_APPLY_ENTRIES_MAX; index++) {
                ConsensusEntry *entry = &turn->entries[turn->n];

                r = consensus_log_get(c->disk_state.log, index, entry);
                if (r < 0)
                        return error_set_errno(
                                        reterr,
                                        r,
                                        "%s: entry %" PRIu64 " of the log cannot be read: %m",
                                        c->disk_state.folder,
                                        index);
                turn->n++;

                r = put_entry(c, entry, reterr);
                if (r < 0)
                        return r;
                turn->n_ops += (size_t) r;
                if (turn->n_ops >= CONSENSUS_APPLY_OPS_MAX || entry->type == CONSENSUS_ENTRY_CHANGE ||
                    index % CONSENSUS_BOUNDARY == 0)
                        return 0;
        }
        return 0;
}

static int commit_turn(Consensus *c, const ApplyTurn *turn, Error *reterr) {
        uint64_t index = turn->entries[turn->n - 1].index;
        int r;

        if (index > state_pinset_index(c->disk_state.pinset)) {
                r = state_pinset_commit(c->disk_state.pinset, index);
                if (r < 0)
                        return error_set_errno(reterr, r, "pins.gdbm: cannot write: %m");
        }
        c->applied = index;
        return 0;
}

void consensus_driver_end_call(Consensus *c, ConsensusCall *call, int r, const Error *error) {
        ConsensusDone done = call->done;

        list_remove(&call->link);
        c->n_pending--;
        c->pending_bytes -= call->payload->size;
        call->done = NULL;
        if (done)
                done(call, r, error, call->userdata);
        consensus_call_unref(call);
}

static void tell_entry(Consensus *c, const ConsensusEntry *entry) {
        ConsensusCall *call = LIST_FIRST(&c->appended, ConsensusCall, link);

        if (entry->type == CONSENSUS_ENTRY_COMMAND)
                consensus_fsm_tell(c->disk_state.pinset, entry, &c->events, c->options.userdata);
        if (call && call->index == entry->index)
                consensus_driver_end_call(c, call, 0, NULL);
}

static int confirm_change(Consensus *c, const ConsensusEntry *entry) {
        ConsensusInput input = { .type = CONSENSUS_INPUT_APPLIED, .applied = entry };
        ConsensusMembers members = {};
        int r;

        r = consensus_members_decode(entry->payload, &members);
        if (r < 0) {
                consensus_driver_fail_errno(
                                c, CONSENSUS_EXIT_SOFTWARE, r, "a change of the members cannot be read");
                return r;
        }
        consensus_members_done(&c->disk_state.members);
        c->disk_state.members = members;
        r = consensus_driver_feed(c, &input);
        if (r == 0 && c->events.members_changed && !c->closing)
                c->events.members_changed(c->options.userdata);
        return r;
}

/* Which entries are told of: those that this turn has put into the pinset. */
static void tell_turn(Consensus *c, const ApplyTurn *turn, uint64_t cached) {
        const ConsensusEntry *last = &turn->entries[turn->n - 1];

        for (size_t i = 0; i < turn->n; i++)
                if (turn->entries[i].index > cached)
                        tell_entry(c, &turn->entries[i]);
        if (last->type == CONSENSUS_ENTRY_CHANGE)
                (void) confirm_change(c, last);
}

void consensus_driver_tell_progress(Consensus *c) {
        if (!c->failed && !c->closing && c->events.progressed)
                c->events.progressed(c->applied, c->options.userdata);
}

static void apply_some(Consensus *c) {
        _cleanup_(apply_turn_done) ApplyTurn turn = {};
        _cleanup_(error_done) Error error = {};
        uint64_t cached = state_pinset_index(c->disk_state.pinset);
        int r;

        if (c->install.index > 0)
                return;
        while (c->applied < c->commit && is_in_cache(c, c->applied + 1))
                c->applied++;
        if (c->applied == c->commit)
                return;

        r = fill_turn(c, &turn, &error);
        if (r >= 0)
                r = commit_turn(c, &turn, &error);
        if (r < 0) {
                consensus_driver_fail(
                                c,
                                error.code == ERROR_UNSUPPORTED ? CONSENSUS_EXIT_SOFTWARE
                                                                : CONSENSUS_EXIT_DISK,
                                &error);
                return;
        }
        tell_turn(c, &turn, cached);
        consensus_log_release(c->disk_state.log, c->applied);
        consensus_driver_tell_progress(c);
}

/* ---- going on */

/* Nothing waits for another turn, whatever it may be that it waits for. */
static bool is_settled(const Consensus *c) {
        return c->ready && c->leader == c->leader_told && c->applied == c->commit && c->install.index == 0 &&
               list_is_empty(&c->lost) && !c->want_barrier && !c->want_snapshot && !c->want_repair;
}

/* Heartbeats come all the time, and most of them change nothing. */
void consensus_driver_receive(Consensus *c, const ConsensusMessage *message) {
        const ConsensusInput input = { .type = CONSENSUS_INPUT_RECEIVE, .message = message };

        c->has_moved = false;
        if (consensus_driver_feed(c, &input) == 0 && (c->has_moved || !is_settled(c)))
                consensus_driver_wake(c);
}

static void submit_barrier(Consensus *c) {
        _cleanup_(consensus_payload_unrefp) ConsensusPayload *payload = NULL;
        static const uint8_t zero[8];
        ConsensusEntry entry = { .type = CONSENSUS_ENTRY_BARRIER };
        ConsensusInput input = { .type = CONSENSUS_INPUT_SUBMIT, .submit = { .entries = &entry, .n = 1 } };
        int r;

        c->want_barrier = false;
        r = consensus_payload_new(&payload, zero, sizeof(zero));
        if (r < 0) {
                consensus_driver_fail_errno(c, CONSENSUS_EXIT_SOFTWARE, r, "raft: barrier");
                return;
        }
        entry.payload = payload;
        (void) consensus_driver_feed(c, &input); /* not the leader any more: then none is needed */
}

static void tell_leader(Consensus *c) {
        const ConsensusMember *member = consensus_members_find(&c->disk_state.members, c->leader);
        uint64_t known = member ? c->leader : 0; /* one that joins hears of the leader before the members */
        PeerId none = {};

        if (known == c->leader_told)
                return;

        c->leader_told = known;
        if (c->events.leader_changed)
                c->events.leader_changed(member ? &member->peer : &none, c->options.userdata);
}

/* An entry of its own term that is applied has everything before it committed and applied. There may be more
 * of that term which this peer has shown before it was started again. */
static bool is_ready(const Consensus *c) {
        const ConsensusLog *log = c->disk_state.log;

        return c->leader > 0 && consensus_log_term(log, c->applied) == c->term &&
               c->applied >= MIN(c->recovered, consensus_log_last(log));
}

static void tell_ready(Consensus *c) {
        if (c->ready || !is_ready(c))
                return;

        c->ready = true;
        if (c->events.ready)
                c->events.ready(c->options.userdata);
}

static void end_lost(Consensus *c) {
        _cleanup_(error_done) Error error = {}, refused = {};
        int r;

        if (list_is_empty(&c->lost))
                return;
        r = error_set(&error,
                      ERROR_NO_LEADER,
                      "the leader has changed; whether this was committed is not known, try again");
        (void) error_set(&refused, ERROR_NO_LEADER, "this peer is not the leader any more");
        LIST_FOREACH (call, &c->lost, ConsensusCall, link)
                consensus_driver_end_call(c, call, r, call->index > 0 ? &error : &refused);
}

void consensus_driver_wake(Consensus *c) {
        if (c->advance)
                (void) sd_event_source_set_enabled(c->advance, SD_EVENT_ONESHOT);
}

/* After every input from the loop: whatever it made possible. */
static void go_on(Consensus *c) {
        int r;

        if (!c->failed && c->want_repair)
                restart_to_repair(c);
        if (!c->failed)
                end_lost(c);
        if (!c->failed && c->install.index > 0)
                consensus_driver_install_if_due(c);
        if (!c->failed && c->want_barrier)
                submit_barrier(c);
        if (!c->failed)
                tell_leader(c);
        if (!c->failed)
                apply_some(c);
        if (!c->failed)
                tell_ready(c);
        if (!c->failed)
                consensus_driver_snapshot_if_due(c, false);
        if (c->failed)
                return;

        r = consensus_disk_kick(c->disk);
        if (r < 0)
                consensus_driver_fail_errno(
                                c, CONSENSUS_EXIT_SOFTWARE, r, "the log's next write cannot be prepared");
        else if (c->applied < c->commit)
                consensus_driver_wake(c);
}

/* Takes turn after turn before all others, on purpose: until what was committed is applied, a client would
 * read an old pinset. */
int consensus_driver_on_advance(sd_event_source *source _unused_, void *userdata) {
        go_on(userdata);
        return 0;
}

int consensus_driver_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        const ConsensusInput input = { .type = CONSENSUS_INPUT_TIMEOUT };

        if (consensus_driver_feed(userdata, &input) == 0)
                go_on(userdata);
        return 0;
}

void consensus_driver_drain(Consensus *c) {
        while (!c->failed && c->install.index == 0 && c->applied < c->commit)
                apply_some(c);
}

/* ---- submit */

static void refuse_submitted(Consensus *c) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = error_set(&error, ERROR_NO_LEADER, "this peer is not the leader and knows none");
        LIST_FOREACH (call, &c->submitted, ConsensusCall, link)
                consensus_driver_end_call(c, call, r, &error);
}

/* H20: what one RAFT_SUBMIT takes. */
static size_t collect(Consensus *c, ConsensusEntry *entries, size_t max) {
        size_t n = 0, bytes = 0;

        LIST_FOREACH (call, &c->submitted, ConsensusCall, link) {
                bytes += call->payload->size;
                if (n == max || (n > 0 && bytes > CONSENSUS_SUBMIT_BYTES_MAX))
                        break;
                entries[n++] = (ConsensusEntry){ .type = CONSENSUS_ENTRY_COMMAND, .payload = call->payload };
        }
        return n;
}

static void mark_appended(Consensus *c, size_t n, uint64_t first) {
        for (size_t i = 0; i < n; i++) {
                ConsensusCall *call = LIST_FIRST(&c->submitted, ConsensusCall, link);

                call->index = first + i;
                list_remove(&call->link);
                list_append(&c->appended, &call->link);
        }
}

/* Hand what waits to the engine: 0 when it went on. */
static int submit_waiting(Consensus *c) {
        ConsensusEntry entries[CONSENSUS_OPS_MAX];
        ConsensusInput input = { .type = CONSENSUS_INPUT_SUBMIT, .submit.entries = entries };
        uint64_t first = consensus_log_last(c->disk_state.log) + 1;
        int r;

        input.submit.n = collect(c, entries, ELEMENTSOF(entries));
        if (input.submit.n == 0 || c->closing)
                return 0;

        r = consensus_driver_feed(c, &input);
        if (r < 0)
                return r;
        if (r > 0) {
                refuse_submitted(c);
                return 0;
        }

        mark_appended(c, input.submit.n, first);
        if (!list_is_empty(&c->submitted))
                (void) sd_event_source_set_enabled(c->submit, SD_EVENT_ONESHOT);
        return 0;
}

int consensus_driver_on_submit(sd_event_source *source _unused_, void *userdata) {
        if (submit_waiting(userdata) == 0)
                go_on(userdata);
        return 0;
}

/* ---- the disk */

static void disk_failed(const Error *error, void *userdata) {
        consensus_driver_fail(userdata, CONSENSUS_EXIT_DISK, error);
}

/* What was submitted during the write goes into the next one. */
static void disk_durable(uint64_t index, const ConsensusMeta *meta, void *userdata) {
        Consensus *c = userdata;
        ConsensusInput input = {
                .type = CONSENSUS_INPUT_PERSISTED,
                .persisted = { .index = index, .term = meta->term, .vote = meta->vote },
        };

        if (c->failed || consensus_driver_feed(c, &input) != 0)
                return;
        if (submit_waiting(c) == 0)
                go_on(c);
}

const ConsensusDiskEvents consensus_driver_disk_events = {
        .durable = disk_durable,
        .failed = disk_failed,
};

/* ---- start */

/* The payloads of the log's changes of the members; the engine needs no other. */
static int load_changes(const ConsensusLog *log, ConsensusEntry **ret, size_t *ret_n) {
        const uint64_t *indexes;
        ConsensusEntry *changes;
        size_t n, i;
        int r = 0;

        indexes = consensus_log_changes(log, &n);
        changes = calloc(n + 1, sizeof(*changes));
        if (!changes)
                return -ENOMEM;

        for (i = 0; r == 0 && i < n; i++)
                r = consensus_log_get(log, indexes[i], &changes[i]);
        *ret = changes;
        *ret_n = r == 0 ? n : i - 1;
        return r;
}

static void free_changes(ConsensusEntry *changes, size_t n) {
        for (size_t i = 0; i < n; i++)
                consensus_entry_done(&changes[i]);
        free(changes);
}

int consensus_driver_start(Consensus *c, Error *reterr) {
        const ConsensusRecovery *state = &c->disk_state;
        ConsensusInput input = {
                .type = CONSENSUS_INPUT_START,
                .time_msec = time_monotonic() / USEC_PER_MSEC,
                .start = {
                        .term = state->meta.term,
                        .vote = state->meta.vote,
                        .snapshot = state->has_snapshot ? &state->snapshot : NULL,
                        .first = consensus_log_first(state->log),
                        .n = consensus_log_last(state->log) + 1 - consensus_log_first(state->log),
                },
        };
        _cleanup_(consensus_update_done) ConsensusUpdate update = {};
        ConsensusEntry *changes = NULL;
        int r;

        input.start.runs = consensus_log_runs(state->log, &input.start.n_runs);
        r = load_changes(state->log, &changes, &input.start.n_changes);
        input.start.changes = changes;
        if (r < 0)
                (void) error_set_errno(
                                reterr, r, "%s: a change of the members cannot be read: %m", state->folder);
        else
                r = consensus_engine_step(c->engine, &input, &update, reterr);
        free_changes(changes, input.start.n_changes);
        if (r < 0)
                return r;

        c->applied = state->has_snapshot ? state->snapshot.index : 0;
        c->recovered = consensus_log_last(state->log);
        r = carry_out(c, &update);
        if (r < 0)
                return error_set_errno(reterr, r, "raft: start: %m");
        return sd_event_source_set_enabled(c->advance, SD_EVENT_ONESHOT);
}
