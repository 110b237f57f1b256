#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/consensus/engine.h"
#include "daemon/consensus/log.h"
#include "daemon/consensus/segment.h"
#include "tests/unit/consensus/help.h"

/* ---- peer 1 of a cluster, with its log; the others are this test */

typedef struct Host {
        HelpFolder folder;
        ConsensusEngine *engine;
        ConsensusLog *log;
        uint64_t now, deadline, hold;
        uint64_t meta_term, meta_vote; /* to be written */
        bool restart;
        GString *trace;
} Host;

static uint64_t id(unsigned n) {
        const PeerId peer = help_peer(n);

        return consensus_raft_id(&peer);
}

static unsigned number(uint64_t raft_id) {
        for (unsigned n = 1; n < 9; n++)
                if (id(n) == raft_id)
                        return n;
        return 0;
}

static ConsensusPayload *members_of(unsigned voters, unsigned standbys) {
        ConsensusMember items[8];
        ConsensusMembers members = { .items = items, .n = voters + standbys };
        ConsensusPayload *payload;

        for (unsigned i = 0; i < members.n; i++)
                items[i] = (ConsensusMember){ id(i + 1),
                                              help_peer(i + 1),
                                              i < voters ? CONSENSUS_VOTER : CONSENSUS_STANDBY };
        g_assert_cmpint(consensus_members_encode(&members, &payload), ==, 0);
        return payload;
}

static void trace_message(GString *to, const ConsensusMessage *m) {
        g_string_append_printf(
                        to,
                        "%u %s %" PRIu64,
                        number(m->peer),
                        consensus_message_type_to_string(m->type),
                        m->term);
        if (m->type == CONSENSUS_MESSAGE_APPEND)
                g_string_append_printf(to, ": %" PRIu64 "+%zu", m->append.previous_index, m->append.n);
        if (m->type == CONSENSUS_MESSAGE_APPEND_RESULT)
                g_string_append_printf(
                                to,
                                ": %" PRIu64 " -%" PRIu64,
                                m->append_result.last_index,
                                m->append_result.rejected);
        if (m->type == CONSENSUS_MESSAGE_VOTE)
                g_string_append_printf(
                                to,
                                "%s%s",
                                m->vote.pre_vote ? " pre" : "",
                                m->vote.disrupt_leader ? " disrupt" : "");
        if (m->type == CONSENSUS_MESSAGE_VOTE_RESULT)
                g_string_append_printf(to, " %s", m->vote_result.granted ? "yes" : "no");
        g_string_append(to, "; ");
}

static int feed(Host *host, ConsensusInput input) {
        _cleanup_(consensus_update_done) ConsensusUpdate update = {};
        _cleanup_(error_done) Error error = {};
        int r;

        input.time_msec = host->now;
        r = consensus_engine_step(host->engine, &input, &update, &error);
        if (r != 0)
                return r;

        if (update.n_entries > 0 && update.entries[0].index <= consensus_log_last(host->log))
                g_assert_cmpint(consensus_log_truncate(host->log, update.entries[0].index), ==, 0);
        for (size_t i = 0; i < update.n_entries; i++)
                g_assert_cmpint(consensus_log_append(host->log, &update.entries[i]), ==, 0);
        if (update.meta)
                g_string_append(host->trace, "meta; ");
        host->meta_term = update.term;
        host->meta_vote = update.vote;
        for (size_t i = 0; i < update.n_messages; i++)
                trace_message(host->trace, &update.messages[i]);
        if (update.install.index > 0)
                g_string_append_printf(host->trace, "install %" PRIu64 "; ", update.install.index);
        host->deadline = update.deadline_msec;
        host->hold = update.hold;
        host->restart = update.restart;
        return 0;
}

static void host_init(Host *host, unsigned voters, unsigned standbys, uint64_t term) {
        ConsensusEngineOptions options = { .heartbeat_msec = 100, .election_msec = 1000, .seed = 1 };
        ConsensusLogOptions log_options = { .folder = "raft", .segment_size = 65536 };
        ConsensusEntry change = { 1, 1, CONSENSUS_ENTRY_CHANGE, members_of(voters, standbys) };
        const ConsensusTermRun run = { 1, 1 };
        ConsensusInput start = {
                .type = CONSENSUS_INPUT_START,
                .start = { .term = term,
                           .first = 1,
                           .n = 1,
                           .runs = &run,
                           .n_runs = 1,
                           .changes = &change,
                           .n_changes = 1 },
        };

        *host = (Host){ .trace = g_string_new(NULL), .now = 1000 };
        help_folder_make(&host->folder);
        log_options.dir_fd = host->folder.fd;
        g_assert_cmpint(consensus_log_open(&host->log, &log_options, NULL), ==, 0);
        g_assert_cmpint(consensus_log_append(host->log, &change), ==, 0);
        options.self = help_peer(1);
        options.raft_id = id(1);
        options.log = host->log;
        g_assert_cmpint(consensus_engine_new(&host->engine, &options), ==, 0);
        g_assert_cmpint(feed(host, start), ==, 0);
        consensus_entry_done(&change);
}

static void host_done(Host *host) {
        consensus_engine_free(host->engine);
        consensus_log_free(host->log);
        help_folder_done(&host->folder);
        g_string_free(host->trace, TRUE);
}

static void check(Host *host, const char *expected) {
        g_assert_cmpstr(host->trace->str, ==, expected);
        g_string_truncate(host->trace, 0);
}

static void receive(Host *host, unsigned from, ConsensusMessage message) {
        message.peer = id(from);
        message.version = 2;
        g_assert_cmpint(feed(host, (ConsensusInput){ .type = CONSENSUS_INPUT_RECEIVE, .message = &message }),
                        ==,
                        0);
}

static void timeout(Host *host) {
        host->now = host->deadline;
        g_assert_cmpint(feed(host, (ConsensusInput){ .type = CONSENSUS_INPUT_TIMEOUT }), ==, 0);
}

static void durable(Host *host, uint64_t index) {
        const ConsensusInput input = {
                .type = CONSENSUS_INPUT_PERSISTED,
                .persisted = { .index = index, .term = host->meta_term, .vote = host->meta_vote },
        };

        g_assert_cmpint(feed(host, input), ==, 0);
}

static ConsensusMessage vote_result(uint64_t term, bool pre_vote) {
        return (ConsensusMessage){
                .type = CONSENSUS_MESSAGE_VOTE_RESULT,
                .term = term,
                .vote_result = { .granted = true, .pre_vote = pre_vote },
        };
}

static ConsensusMessage append_result(uint64_t term, uint64_t last, uint64_t rejected) {
        return (ConsensusMessage){
                .type = CONSENSUS_MESSAGE_APPEND_RESULT,
                .term = term,
                .append_result = { .last_index = last, .rejected = rejected },
        };
}

static ConsensusMessage append(uint64_t term, uint64_t previous, uint64_t previous_term) {
        return (ConsensusMessage){
                .type = CONSENSUS_MESSAGE_APPEND,
                .term = term,
                .append = { .previous_index = previous, .previous_term = previous_term },
        };
}

/* Of 3 voters; its term is TERM then, and its first entry, a barrier, is committed. */
static void lead(Host *host, uint64_t term) {
        timeout(host);
        receive(host, 2, vote_result(term, true));
        durable(host, 1);
        receive(host, 2, vote_result(term, false));
        if (consensus_log_last(host->log) == 1) { /* as its owner does (H12) */
                ConsensusEntry entry = help_entry(2, term, 8);
                ConsensusInput input = { .type = CONSENSUS_INPUT_SUBMIT, .submit = { &entry, 1 } };

                entry.type = CONSENSUS_ENTRY_BARRIER;
                g_assert_cmpint(feed(host, input), ==, 0);
                consensus_entry_done(&entry);
        }
        durable(host, 2);
        receive(host, 2, append_result(term, 2, 0));
        g_string_truncate(host->trace, 0);
}

static int change(Host *host, ConsensusChangeKind kind, unsigned n, ConsensusRole role) {
        const ConsensusChange what = { kind, { id(n), help_peer(n), role } };

        return feed(host, (ConsensusInput){ .type = CONSENSUS_INPUT_CHANGE, .change = &what });
}

/* ---- messages */

/* H2: the question for votes leaves when the candidate's own vote is durable, not before. */
static void test_votes_wait_for_the_disk(void) {
        Host host;

        host_init(&host, 3, 0, 1);
        timeout(&host);
        check(&host, "3 vote 2 pre; 2 vote 2 pre; ");
        receive(&host, 2, vote_result(2, true));
        check(&host, "meta; ");
        host.meta_term = 1; /* what was durable before */
        host.meta_vote = 0;
        durable(&host, 1);
        check(&host, "");
        durable(&host, 1);
        check(&host, "3 vote 2; 2 vote 2; ");
        host_done(&host);
}

/* H21: a candidate whose term is old must learn it from the refusal. */
static void test_refused_pre_vote_tells_the_term(void) {
        ConsensusMessage m = {
                .type = CONSENSUS_MESSAGE_VOTE,
                .term = 3,
                .vote = { .candidate = id(2), .last_index = 9, .last_term = 1, .pre_vote = true },
        };
        Host host;

        host_init(&host, 3, 0, 7);
        receive(&host, 2, m);
        check(&host, "2 vote-result 7 no; ");
        host_done(&host);
}

/* H17: the library leaves what is on its stack there. */
static void test_answer_to_an_older_term(void) {
        Host host;

        host_init(&host, 3, 0, 7);
        receive(&host, 2, append(5, 1, 1));
        check(&host, "2 append-result 7: 0 -1; ");
        host_done(&host);
}

/* H9a, H9b: changes in one message are taken each at its own index. */
static void test_changes_in_one_message(void) {
        ConsensusEntry entries[5] = { help_entry(2, 2, 8),
                                      { 3, 2, CONSENSUS_ENTRY_CHANGE, members_of(3, 1) },
                                      help_entry(4, 2, 8),
                                      { 5, 2, CONSENSUS_ENTRY_CHANGE, members_of(3, 2) },
                                      help_entry(6, 2, 8) };
        ConsensusMessage m = append(2, 1, 1);
        ConsensusMembers members;
        ConsensusEntry applied;
        Host host;

        host_init(&host, 3, 0, 1);
        m.append.entries = entries;
        m.append.n = 5;
        receive(&host, 2, m);
        g_assert_cmpuint(consensus_log_last(host.log), ==, 6);
        for (uint64_t i = 2; i <= 6; i++) {
                g_assert_cmpint(consensus_log_get(host.log, i, &applied), ==, 0);
                g_assert_cmpint(applied.type, ==, entries[i - 2].type);
                g_assert_cmpmem(applied.payload->bytes,
                                applied.payload->size,
                                entries[i - 2].payload->bytes,
                                entries[i - 2].payload->size);
                consensus_entry_done(&applied);
                consensus_entry_done(&entries[i - 2]);
        }
        g_assert_cmpint(consensus_engine_members(host.engine, &members), ==, 0);
        g_assert_cmpuint(members.n, ==, 5);
        consensus_members_done(&members);
        host_done(&host);
}

/* H9: a message about what is committed here is none about that any more. */
static void test_trim(void) {
        ConsensusEntry entries[2] = { help_entry(2, 2, 8), help_entry(3, 2, 8) };
        ConsensusMessage m = append(2, 1, 1);
        Host host;

        host_init(&host, 3, 0, 1);
        m.append.entries = entries;
        m.append.n = 2;
        m.append.commit = 3;
        receive(&host, 2, m);
        durable(&host, 3);
        g_string_truncate(host.trace, 0);
        m.append.previous_index = m.append.previous_term = m.append.n = 0; /* before its first entry */
        receive(&host, 2, m);
        check(&host, "2 append-result 2: 3 -0; ");
        consensus_entry_done(&entries[0]);
        consensus_entry_done(&entries[1]);
        host_done(&host);
}

/* H18: an old rejection does not bring the leader to send what was acknowledged. */
static void test_stale_rejection(void) {
        ConsensusEntry entry;
        Host host;

        host_init(&host, 3, 0, 1);
        lead(&host, 2);
        receive(&host, 2, append_result(2, 0, 2));
        check(&host, "");
        receive(&host, 2, append_result(2, 1, 1));
        check(&host, "");
        entry = help_entry(3, 2, 8);
        g_assert_cmpint(feed(&host,
                             (ConsensusInput){ .type = CONSENSUS_INPUT_SUBMIT, .submit = { &entry, 1 } }),
                        ==,
                        0);
        g_assert_nonnull(strstr(host.trace->str, "2 append 2: 2+1; "));
        consensus_entry_done(&entry);
        host_done(&host);
}

/* H24: the flag is for the election that was ordered, and for no later one. */
static void test_disrupts_once(void) {
        const ConsensusMessage m = { .type = CONSENSUS_MESSAGE_TIMEOUT_NOW,
                                     .term = 1,
                                     .timeout_now = { .last_index = 1, .last_term = 1 } };
        Host host;

        host_init(&host, 3, 0, 1);
        receive(&host, 2, append(1, 1, 1));
        g_string_truncate(host.trace, 0);
        receive(&host, 2, m);
        durable(&host, 1);
        check(&host, "meta; 3 vote 2 disrupt; 2 vote 2 disrupt; ");
        timeout(&host);
        durable(&host, 1);
        check(&host, "meta; 3 vote 3; 2 vote 3; ");
        host_done(&host);
}

/* H15: the log is none from then on; a second one, and entries, have no effect. */
static void test_install(void) {
        ConsensusMessage m = {
                .type = CONSENSUS_MESSAGE_INSTALL,
                .term = 2,
                .install = { .index = 9, .term = 2, .configuration = { 1, members_of(3, 0) } },
        };
        Host host;

        host_init(&host, 3, 0, 1);
        receive(&host, 2, append(2, 1, 1));
        durable(&host, 1);
        g_string_truncate(host.trace, 0);
        receive(&host, 2, m);
        check(&host, "install 9; ");
        receive(&host, 2, m);
        check(&host, "");
        receive(&host, 2, append(2, 1, 1));
        check(&host, "2 append-result 2: 0 -1; ");
        g_assert_cmpint(consensus_log_reset(host.log, 9, 2, NULL), ==, 0);
        g_assert_cmpint(feed(&host, (ConsensusInput){ .type = CONSENSUS_INPUT_INSTALLED }), ==, 0);
        check(&host, "2 append-result 2: 9 -0; ");
        g_assert_cmpuint(consensus_engine_configuration(host.engine)->index, ==, 1);
        consensus_payload_unref(m.install.configuration.members);
        host_done(&host);
}

/* ---- changes */

static void test_no_such_change(void) {
        static const struct {
                const char *what;
                ConsensusChangeKind kind;
                unsigned n;
                ConsensusRole role;
                int expect;
        } cases[] = {
                { "add a voter", CONSENSUS_CHANGE_ADD, 6, CONSENSUS_VOTER, CONSENSUS_ENGINE_REFUSED },
                { "add a member", CONSENSUS_CHANGE_ADD, 2, CONSENSUS_STANDBY, CONSENSUS_ENGINE_REFUSED },
                { "a role for a stranger",
                  CONSENSUS_CHANGE_ROLE,
                  6,
                  CONSENSUS_STANDBY,
                  CONSENSUS_ENGINE_REFUSED },
                { "the same role", CONSENSUS_CHANGE_ROLE, 2, CONSENSUS_VOTER, CONSENSUS_ENGINE_REFUSED },
                { "two steps", CONSENSUS_CHANGE_ROLE, 2, CONSENSUS_SPARE, CONSENSUS_ENGINE_REFUSED },
                { "demote itself", CONSENSUS_CHANGE_ROLE, 1, CONSENSUS_STANDBY, CONSENSUS_ENGINE_REFUSED },
                { "remove a voter", CONSENSUS_CHANGE_REMOVE, 2, CONSENSUS_SPARE, CONSENSUS_ENGINE_REFUSED },
                { "remove a stranger",
                  CONSENSUS_CHANGE_REMOVE,
                  6,
                  CONSENSUS_SPARE,
                  CONSENSUS_ENGINE_REFUSED },
        };
        Host host;

        host_init(&host, 3, 0, 1);
        g_assert_cmpint(change(&host, CONSENSUS_CHANGE_ADD, 6, CONSENSUS_STANDBY),
                        ==,
                        CONSENSUS_ENGINE_NOT_LEADER);
        lead(&host, 2);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_test_message("%s", cases[i].what);
                g_assert_cmpint(change(&host, cases[i].kind, cases[i].n, cases[i].role),
                                ==,
                                cases[i].expect);
        }
        g_assert_cmpuint(consensus_log_last(host.log), ==, 2);

        /* one at a time */
        g_assert_cmpint(change(&host, CONSENSUS_CHANGE_ADD, 6, CONSENSUS_STANDBY), ==, 0);
        g_assert_cmpint(change(&host, CONSENSUS_CHANGE_ADD, 7, CONSENSUS_STANDBY),
                        ==,
                        CONSENSUS_ENGINE_BUSY);
        host_done(&host);
}

/* H23: the new voter has its promotion first; what follows is nobody's, the own disk's neither. */
static void test_promotion_first(void) {
        Host host;

        host_init(&host, 3, 1, 1);
        lead(&host, 2);
        receive(&host, 4, append_result(2, 2, 0));
        receive(&host, 3, append_result(2, 2, 0));
        g_string_truncate(host.trace, 0);
        g_assert_cmpint(change(&host, CONSENSUS_CHANGE_ROLE, 4, CONSENSUS_VOTER), ==, 0);
        g_assert_cmpuint(host.hold, ==, 3);
        g_assert_nonnull(strstr(host.trace->str, "4 append 2: 2+1; "));
        g_assert_nonnull(strstr(host.trace->str, "2 append 2: 2+0; "));
        receive(&host, 4, append_result(2, 3, 0));
        g_assert_cmpuint(host.hold, ==, UINT64_MAX);
        g_assert_false(host.restart);
        host_done(&host);
}

static void test_promotion_given_up(void) {
        Host host;

        host_init(&host, 3, 1, 1);
        lead(&host, 2);
        receive(&host, 4, append_result(2, 2, 0));
        g_assert_cmpint(change(&host, CONSENSUS_CHANGE_ROLE, 4, CONSENSUS_VOTER), ==, 0);
        g_assert_false(host.restart);
        host.now += 1000;
        receive(&host, 2, append_result(2, 2, 0));
        g_assert_true(host.restart);
        host_done(&host);
}

/* H23: one that is demoted has the entry when it is committed. */
static void test_demotion_last(void) {
        Host host;

        host_init(&host, 3, 0, 1);
        lead(&host, 2);
        receive(&host, 3, append_result(2, 2, 0));
        g_string_truncate(host.trace, 0);
        g_assert_cmpint(change(&host, CONSENSUS_CHANGE_ROLE, 3, CONSENSUS_STANDBY), ==, 0);
        g_assert_nonnull(strstr(host.trace->str, "2 append 2: 2+1; "));
        g_assert_null(strstr(host.trace->str, "3 append 2: 2+1; "));
        host_done(&host);
}

/* H25: a member that has everything is told at once that it is committed; one that lacks something is not.
 */
static void test_commit_is_told(void) {
        ConsensusEntry entry = help_entry(3, 2, 8);
        Host host;

        host_init(&host, 3, 0, 1);
        lead(&host, 2);
        receive(&host, 3, append_result(2, 2, 0));
        g_string_truncate(host.trace, 0);

        entry.type = CONSENSUS_ENTRY_BARRIER;
        g_assert_cmpint(feed(&host,
                             (ConsensusInput){ .type = CONSENSUS_INPUT_SUBMIT, .submit = { &entry, 1 } }),
                        ==,
                        0);
        durable(&host, 3);
        check(&host, "3 append 2: 2+1; 2 append 2: 2+1; ");
        receive(&host, 2, append_result(2, 3, 0));
        check(&host, "2 append 2: 3+0; ");
        receive(&host, 3, append_result(2, 3, 0));
        check(&host, "3 append 2: 3+0; ");
        receive(&host, 3, append_result(2, 3, 0)); /* once */
        check(&host, "");
        consensus_entry_done(&entry);
        host_done(&host);
}

/* A follower that is told that the leader is gone asks who would vote for it, and does not wait. */
static void test_lost_leader(void) {
        Host host;

        host_init(&host, 3, 0, 1);
        receive(&host, 2, append(1, 1, 1));
        g_string_truncate(host.trace, 0);
        g_assert_cmpint(feed(&host, (ConsensusInput){ .type = CONSENSUS_INPUT_LOST }), ==, 0);
        check(&host, "3 vote 2 pre; 2 vote 2 pre; ");
        g_assert_cmpint(feed(&host, (ConsensusInput){ .type = CONSENSUS_INPUT_LOST }), ==, 0);
        check(&host, ""); /* it stands already */
        host_done(&host);
}

static void test_transfer(void) {
        ConsensusInput input = { .type = CONSENSUS_INPUT_TRANSFER, .transfer = 12345 };
        Host host;

        host_init(&host, 3, 0, 1);
        g_assert_cmpint(feed(&host, input), ==, CONSENSUS_ENGINE_NOT_LEADER);
        lead(&host, 2);
        g_assert_cmpint(feed(&host, input), ==, CONSENSUS_ENGINE_REFUSED);
        input.transfer = id(2);
        g_assert_cmpint(feed(&host, input), ==, 0);
        g_assert_nonnull(strstr(host.trace->str, "2 timeout-now 2; "));
        g_assert_cmpint(change(&host, CONSENSUS_CHANGE_ADD, 6, CONSENSUS_STANDBY),
                        ==,
                        CONSENSUS_ENGINE_BUSY);
        host_done(&host);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/consensus/engine-peers/votes-wait-for-the-disk", test_votes_wait_for_the_disk);
        g_test_add_func("/consensus/engine-peers/refused-pre-vote-tells-the-term",
                        test_refused_pre_vote_tells_the_term);
        g_test_add_func("/consensus/engine-peers/answer-to-an-older-term", test_answer_to_an_older_term);
        g_test_add_func("/consensus/engine-peers/changes-in-one-message", test_changes_in_one_message);
        g_test_add_func("/consensus/engine-peers/trim", test_trim);
        g_test_add_func("/consensus/engine-peers/stale-rejection", test_stale_rejection);
        g_test_add_func("/consensus/engine-peers/disrupts-once", test_disrupts_once);
        g_test_add_func("/consensus/engine-peers/install", test_install);
        g_test_add_func("/consensus/engine-peers/no-such-change", test_no_such_change);
        g_test_add_func("/consensus/engine-peers/promotion-first", test_promotion_first);
        g_test_add_func("/consensus/engine-peers/promotion-given-up", test_promotion_given_up);
        g_test_add_func("/consensus/engine-peers/demotion-last", test_demotion_last);
        g_test_add_func("/consensus/engine-peers/commit-is-told", test_commit_is_told);
        g_test_add_func("/consensus/engine-peers/lost-leader", test_lost_leader);
        g_test_add_func("/consensus/engine-peers/transfer", test_transfer);
        return g_test_run();
}
