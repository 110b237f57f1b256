#include <glib.h>
#include <inttypes.h>
#include <raft.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/consensus/engine.h"
#include "tests/unit/consensus/help.h"

/* ---- the balance of what changes its owner between the library and us (H6) */

static long heap_balance;

static void *heap_malloc(void *data _unused_, size_t size) {
        heap_balance++;
        return malloc(size);
}

static void *heap_calloc(void *data _unused_, size_t n, size_t size) {
        heap_balance++;
        return calloc(n, size);
}

static void *heap_realloc(void *data _unused_, void *p, size_t size) {
        heap_balance += !p;
        return realloc(p, size);
}

static void heap_free(void *data _unused_, void *p) {
        heap_balance -= !!p;
        free(p);
}

static void *heap_aligned_alloc(void *data _unused_, size_t alignment, size_t size) {
        heap_balance++;
        return aligned_alloc(alignment, size);
}

static void heap_aligned_free(void *data, size_t alignment _unused_, void *p) {
        heap_free(data, p);
}

static struct raft_heap counting_heap = {
        .malloc = heap_malloc,
        .free = heap_free,
        .calloc = heap_calloc,
        .realloc = heap_realloc,
        .aligned_alloc = heap_aligned_alloc,
        .aligned_free = heap_aligned_free,
};

/* ---- an engine with its trace */

typedef struct Host {
        ConsensusEngine *engine;
        ConsensusPayload *members; /* entry 1 */
        GString *trace;
        uint64_t raft_id;
        uint64_t now, last, deadline;
} Host;

static ConsensusPayload *members_of(unsigned n) {
        ConsensusMember items[8];
        ConsensusMembers members = { .items = items, .n = n };
        ConsensusPayload *payload;

        for (unsigned i = 0; i < n; i++) {
                PeerId peer = help_peer(i + 1);

                items[i] = (ConsensusMember){
                        .raft_id = consensus_raft_id(&peer),
                        .peer = peer,
                        .role = CONSENSUS_VOTER,
                };
        }
        g_assert_cmpint(consensus_members_encode(&members, &payload), ==, 0);
        return payload;
}

static void host_init(Host *host, unsigned n_members) {
        ConsensusEngineOptions options = { .heartbeat_msec = 100, .election_msec = 1000, .seed = 1 };

        raft_heap_set(&counting_heap);
        heap_balance = 0;
        options.self = help_peer(1);
        options.raft_id = consensus_raft_id(&options.self);
        *host = (Host){ .trace = g_string_new(NULL), .raft_id = options.raft_id, .now = 1000 };
        host->members = members_of(n_members);
        g_assert_cmpint(consensus_engine_new(&host->engine, &options), ==, 0);
}

static void host_done(Host *host) {
        consensus_engine_free(host->engine);
        consensus_payload_unref(host->members);
        g_string_free(host->trace, TRUE);
        g_assert_cmpint(heap_balance, ==, 0);
        raft_heap_set_default();
}

static void trace_entries(Host *host, const ConsensusUpdate *update) {
        static const char *const types[] = { "?", "command", "barrier", "change" };

        for (size_t i = 0; i < update->n_entries; i++)
                g_string_append_printf(
                                host->trace,
                                " write %" PRIu64 "^%" PRIu64 ":%s(%zu)",
                                update->entries[i].index,
                                update->entries[i].term,
                                types[update->entries[i].type],
                                update->entries[i].payload->size);
}

static int feed(Host *host, const char *what, ConsensusInput input) {
        static const char *const states[] = { "follower", "candidate", "leader" };
        _cleanup_(consensus_update_done) ConsensusUpdate update = {};
        _cleanup_(error_done) Error error = {};
        int r;

        input.time_msec = host->now;
        r = consensus_engine_step(host->engine, &input, &update, &error);
        g_string_append_printf(host->trace, "%s:", what);
        if (r != 0) {
                g_string_append_printf(
                                host->trace, " %s\n", r > 0 ? "not the leader" : error_message(&error));
                return r;
        }

        if (update.meta)
                g_string_append_printf(
                                host->trace,
                                " meta %" PRIu64 "/%s",
                                update.term,
                                update.vote == 0               ? "none"
                                : update.vote == host->raft_id ? "self"
                                                               : "other");
        trace_entries(host, &update);
        if (update.state_changed)
                g_string_append_printf(host->trace, " %s", states[update.state]);
        if (update.barrier)
                g_string_append(host->trace, " barrier-wanted");
        g_string_append_printf(host->trace, " commit %" PRIu64 "\n", update.commit);
        if (update.n_entries > 0)
                host->last = update.entries[update.n_entries - 1].index;
        host->deadline = update.deadline_msec;
        g_assert_cmpuint(update.deadline_msec, >, host->now);
        return 0;
}

static void start_fresh(Host *host, uint64_t term, uint64_t vote) {
        const ConsensusTermRun run = { .first = 1, .term = 1 };
        const ConsensusEntry change = {
                .index = 1,
                .term = 1,
                .type = CONSENSUS_ENTRY_CHANGE,
                .payload = host->members,
        };
        ConsensusInput input = {
                .type = CONSENSUS_INPUT_START,
                .start = { .term = term,
                           .vote = vote,
                           .first = 1,
                           .n = 1,
                           .runs = &run,
                           .n_runs = 1,
                           .changes = &change,
                           .n_changes = 1 },
        };

        g_assert_cmpint(feed(host, "start", input), ==, 0);
}

static int submit(Host *host, ConsensusEntryType type, size_t n) {
        ConsensusEntry entries[8];
        ConsensusInput input = { .type = CONSENSUS_INPUT_SUBMIT, .submit = { .entries = entries, .n = n } };
        int r;

        for (size_t i = 0; i < n; i++) {
                entries[i] = help_entry(i, 0, 3);
                entries[i].type = type;
        }
        r = feed(host, "submit", input);
        for (size_t i = 0; i < n; i++) {
                g_assert_cmpuint(entries[i].payload->n_ref, ==, 1);
                consensus_payload_unref(entries[i].payload);
        }
        return r;
}

static int persisted(Host *host, uint64_t index) {
        return feed(host,
                    "persisted",
                    (ConsensusInput){ .type = CONSENSUS_INPUT_PERSISTED, .persisted.index = index });
}

static void check_trace(Host *host, const char *expected) {
        g_assert_cmpstr(host->trace->str, ==, expected);
        g_string_truncate(host->trace, 0);
}

/* ---- one voter */

static void test_one_voter(void) {
        Host host;
        ConsensusEntry change = { .index = 1, .term = 1, .type = CONSENSUS_ENTRY_CHANGE };

        host_init(&host, 1);
        start_fresh(&host, 2, host.raft_id);
        check_trace(&host, "start: leader barrier-wanted commit 1\n");

        change.payload = host.members;
        g_assert_cmpint(feed(&host,
                             "applied",
                             (ConsensusInput){ .type = CONSENSUS_INPUT_APPLIED, .applied = &change }),
                        ==,
                        0);
        g_assert_cmpuint(consensus_engine_configuration(host.engine)->index, ==, 1);
        g_assert_cmpint(submit(&host, CONSENSUS_ENTRY_BARRIER, 1), ==, 0);
        g_assert_cmpint(submit(&host, CONSENSUS_ENTRY_COMMAND, 3), ==, 0);
        g_assert_cmpint(persisted(&host, 3), ==, 0);
        g_assert_cmpint(persisted(&host, 3), ==, 0); /* H4: told again, nothing happens */
        g_assert_cmpint(persisted(&host, 2), ==, 0);
        g_assert_cmpint(persisted(&host, 5), ==, 0);
        check_trace(&host,
                    "applied: commit 1\n"
                    "submit: write 2^2:barrier(3) commit 1\n"
                    "submit: write 3^2:command(3) write 4^2:command(3) write 5^2:command(3) commit 1\n"
                    "persisted: commit 3\n"
                    "persisted: commit 3\n"
                    "persisted: commit 3\n"
                    "persisted: commit 5\n");
        host_done(&host);
}

/* Nothing is committed before it is durable. */
static void test_commit_follows_durability(void) {
        Host host;

        host_init(&host, 1);
        start_fresh(&host, 2, host.raft_id);
        g_string_truncate(host.trace, 0);
        for (int i = 0; i < 3; i++)
                g_assert_cmpint(submit(&host, CONSENSUS_ENTRY_COMMAND, 1), ==, 0);
        host.now = host.deadline;
        g_assert_cmpint(feed(&host, "timeout", (ConsensusInput){ .type = CONSENSUS_INPUT_TIMEOUT }), ==, 0);
        check_trace(&host,
                    "submit: write 2^2:command(3) commit 1\n"
                    "submit: write 3^2:command(3) commit 1\n"
                    "submit: write 4^2:command(3) commit 1\n"
                    "timeout: commit 1\n");
        host_done(&host);
}

static void test_snapshot_and_restart(void) {
        ConsensusSnapshotHead head = { .index = 4, .term = 2 };
        const ConsensusTermRun runs[] = { { 3, 2 }, { 5, 4 } };
        ConsensusInput input = { .type = CONSENSUS_INPUT_SNAPSHOT,
                                 .snapshot = { .head = &head, .trailing = 2 } };
        Host host;

        host_init(&host, 1);
        start_fresh(&host, 2, host.raft_id);
        g_assert_cmpint(submit(&host, CONSENSUS_ENTRY_COMMAND, 3), ==, 0);
        g_assert_cmpint(persisted(&host, host.last), ==, 0);
        head.configuration = (ConsensusConfiguration){ .index = 1, .members = host.members };
        g_assert_cmpint(feed(&host, "snapshot", input), ==, 0);
        check_trace(&host,
                    "start: leader barrier-wanted commit 1\n"
                    "submit: write 2^2:command(3) write 3^2:command(3) write 4^2:command(3) commit 1\n"
                    "persisted: commit 4\n"
                    "snapshot: commit 4\n");
        host_done(&host);

        host_init(&host, 1);
        head.configuration.members = host.members;
        input = (ConsensusInput){
                .type = CONSENSUS_INPUT_START,
                .start = { .term = 5,
                           .vote = host.raft_id,
                           .snapshot = &head,
                           .first = 3,
                           .n = 4,
                           .runs = runs,
                           .n_runs = 2 },
        };
        g_assert_cmpint(feed(&host, "start", input), ==, 0);
        g_assert_cmpuint(consensus_engine_configuration(host.engine)->index, ==, 1);
        g_assert_cmpint(submit(&host, CONSENSUS_ENTRY_COMMAND, 1), ==, 0);
        g_assert_cmpint(persisted(&host, host.last), ==, 0);
        check_trace(&host,
                    "start: leader barrier-wanted commit 6\n"
                    "submit: write 7^5:command(3) commit 6\n"
                    "persisted: commit 7\n");
        host_done(&host);
}

/* Everything was committed: the library begins its term without an entry of its own (H12). */
static void test_wants_a_barrier(void) {
        ConsensusSnapshotHead head = { .index = 4, .term = 2 };
        ConsensusInput input;
        Host host;

        host_init(&host, 1);
        head.configuration = (ConsensusConfiguration){ .index = 1, .members = host.members };
        input = (ConsensusInput){
                .type = CONSENSUS_INPUT_START,
                .start = { .term = 3, .vote = host.raft_id, .snapshot = &head, .first = 5 },
        };
        g_assert_cmpint(feed(&host, "start", input), ==, 0);
        g_assert_cmpint(submit(&host, CONSENSUS_ENTRY_BARRIER, 1), ==, 0);
        g_assert_cmpint(persisted(&host, 5), ==, 0);
        check_trace(&host,
                    "start: leader barrier-wanted commit 4\n"
                    "submit: write 5^3:barrier(3) commit 4\n"
                    "persisted: commit 5\n");
        host_done(&host);
}

/* Anything but "not the leader" is the end, with words (H7). */
static void test_errors_have_words(void) {
        ConsensusEntry change = { .index = 1, .term = 1, .type = CONSENSUS_ENTRY_CHANGE };
        Host host;

        host_init(&host, 1);
        start_fresh(&host, 2, host.raft_id);
        g_string_truncate(host.trace, 0);
        g_assert_cmpint(consensus_payload_new(&change.payload, "garbage!", 8), ==, 0);
        g_assert_cmpint(feed(&host,
                             "applied",
                             (ConsensusInput){ .type = CONSENSUS_INPUT_APPLIED, .applied = &change }),
                        ==,
                        -EBADMSG);
        g_assert_nonnull(strstr(host.trace->str, "raft: applied: "));
        consensus_payload_unref(change.payload);
        host_done(&host);
}

/* ---- several voters, none of them reachable */

static void test_alone_among_three(void) {
        Host host;

        host_init(&host, 3);
        start_fresh(&host, 1, 0);
        g_assert_cmpint(submit(&host, CONSENSUS_ENTRY_COMMAND, 2), ==, CONSENSUS_ENGINE_NOT_LEADER);
        for (int i = 0; i < 3; i++) {
                host.now = host.deadline;
                g_assert_cmpint(feed(&host, "timeout", (ConsensusInput){ .type = CONSENSUS_INPUT_TIMEOUT }),
                                ==,
                                0);
        }
        check_trace(&host,
                    "start: commit 1\n"
                    "submit: not the leader\n"
                    "timeout: candidate commit 1\n"
                    "timeout: commit 1\n"
                    "timeout: commit 1\n");
        host_done(&host);
}

/* ---- members */

static void test_members_are_frozen(void) {
        ConsensusPayload *payload = members_of(2);
        g_autofree char *hex = help_hex(payload->bytes, payload->size);

        g_assert_cmpstr(hex,
                        ==,
                        "010200000000000000abb7e8338cc44a8f313244334b6f6f5739744854745333\n"
                        "696e435a6959796b7734753547346672626a564671686b6d4a58313267534e43\n"
                        "56654833650001c241de98b5c6e2ca313244334b6f6f573978436d326a576a4e\n"
                        "56727768353153574351424d59644d796555334e7054383551684c566b463650\n"
                        "634e4d0001000000\n");
        consensus_payload_unref(payload);
}

static void test_members_round_trip(void) {
        const PeerId one = help_peer(1), three = help_peer(3);
        ConsensusPayload *payload = members_of(3);
        ConsensusMembers members;

        raft_heap_set(&counting_heap);
        heap_balance = 0;
        g_assert_cmpint(consensus_members_decode(payload, &members), ==, 0);
        g_assert_cmpuint(members.n, ==, 3);
        for (size_t i = 1; i < members.n; i++)
                g_assert_cmpuint(members.items[i - 1].raft_id, <, members.items[i].raft_id);
        g_assert_true(peer_id_equal(
                        &consensus_members_find(&members, consensus_raft_id(&three))->peer, &three));
        g_assert_null(consensus_members_find(&members, 1));
        g_assert_false(consensus_members_is_sole_voter(&members, consensus_raft_id(&one)));
        for (size_t i = 0; i < members.n; i++)
                if (members.items[i].raft_id != consensus_raft_id(&one))
                        members.items[i].role = CONSENSUS_STANDBY;
        g_assert_true(consensus_members_is_sole_voter(&members, consensus_raft_id(&one)));
        g_assert_false(consensus_members_is_sole_voter(&members, consensus_raft_id(&three)));
        consensus_members_done(&members);

        /* Cut anywhere it is refused, and costs nothing. */
        for (size_t n = 0; n < payload->size; n++) {
                ConsensusPayload *cut;

                g_assert_cmpint(consensus_payload_new(&cut, payload->bytes, n), ==, 0);
                g_test_message("%zu bytes", n);
                g_assert_cmpint(consensus_members_decode(cut, &members), <, 0);
                consensus_payload_unref(cut);
        }
        g_assert_cmpint(heap_balance, ==, 0);
        raft_heap_set_default();
        consensus_payload_unref(payload);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/consensus/engine/one-voter", test_one_voter);
        g_test_add_func("/consensus/engine/commit-follows-durability", test_commit_follows_durability);
        g_test_add_func("/consensus/engine/snapshot-and-restart", test_snapshot_and_restart);
        g_test_add_func("/consensus/engine/wants-a-barrier", test_wants_a_barrier);
        g_test_add_func("/consensus/engine/errors-have-words", test_errors_have_words);
        g_test_add_func("/consensus/engine/alone-among-three", test_alone_among_three);
        g_test_add_func("/consensus/engine/members-are-frozen", test_members_are_frozen);
        g_test_add_func("/consensus/engine/members-round-trip", test_members_round_trip);
        return g_test_run();
}
