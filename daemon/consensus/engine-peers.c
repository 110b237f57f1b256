/*
 * What is between peers: messages on their way into the library and out of it, and changes of the members,
 * with the rules that keep the library's known faults away.
 *
 * Memory (H6): of an AppendEntries the array stays ours and the batch, one for all entries of it, is gone
 * always; configuration and data of an InstallSnapshot are gone too. What the library sends is its own until
 * the next raft_step(), so all of it is copied.
 */

#include <string.h>

#include "daemon/consensus/engine-private.h"

static_assert((int) CONSENSUS_MESSAGE_APPEND == (int) RAFT_APPEND_ENTRIES, "types are sent");
static_assert((int) CONSENSUS_MESSAGE_APPEND_RESULT == (int) RAFT_APPEND_ENTRIES_RESULT, "types are sent");
static_assert((int) CONSENSUS_MESSAGE_VOTE == (int) RAFT_REQUEST_VOTE, "types are sent");
static_assert((int) CONSENSUS_MESSAGE_VOTE_RESULT == (int) RAFT_REQUEST_VOTE_RESULT, "types are sent");
static_assert((int) CONSENSUS_MESSAGE_INSTALL == (int) RAFT_INSTALL_SNAPSHOT, "types are sent");
static_assert((int) CONSENSUS_MESSAGE_TIMEOUT_NOW == (int) RAFT_TIMEOUT_NOW, "types are sent");

/* H23: the library refuses to vote for, or as, one that is no voter in its own log. So a new voter has the
 * entry before anybody else, the leader's disk included; else a crash could leave a cluster that elects
 * nobody, for ever when there was one voter before. */
static bool promotion_waits(ConsensusEngine *engine) {
        raft_index match;

        if (engine->promoted != 0 && raft_state(&engine->raft) == RAFT_LEADER &&
            raft_match_index(&engine->raft, engine->promoted, &match) == 0 && match >= engine->change_index)
                engine->promoted = 0;
        return engine->promoted != 0;
}

/* ---- out */

/* H23: how many entries may go to a peer. The library takes a message that was shortened for a partial loss.
 */
static size_t entries_allowed(ConsensusEngine *engine, uint64_t to, const struct raft_append_entries *a) {
        bool wait = (to != engine->promoted && promotion_waits(engine)) ||
                    (to == engine->demoted && engine->commit < engine->change_index);

        if (!wait || a->prev_log_index + a->n_entries < engine->change_index)
                return MIN(a->n_entries, (unsigned) CONSENSUS_MESSAGE_ENTRIES_MAX);
        return a->prev_log_index < engine->change_index ? engine->change_index - 1 - a->prev_log_index : 0;
}

/* H25: what is known to be on its way to a member; NULL: out of memory. */
static EngineTold *find_told(ConsensusEngine *engine, uint64_t raft_id) {
        EngineTold *grown;

        for (size_t i = 0; i < engine->n_told; i++)
                if (engine->told[i].raft_id == raft_id)
                        return &engine->told[i];
        if (engine->n_told >= CONSENSUS_MEMBERS_MAX) /* former members too */
                engine->n_told = 0;
        grown = reallocarray(engine->told, engine->n_told + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        engine->told = grown;
        grown[engine->n_told] = (EngineTold){ .raft_id = raft_id };
        return &grown[engine->n_told++];
}

static void note_told(ConsensusEngine *engine, uint64_t raft_id, uint64_t term, uint64_t commit) {
        EngineTold *told = find_told(engine, raft_id);

        if (told)
                *told = (EngineTold){ raft_id, term, commit };
}

static void append_out(ConsensusEngine *engine, const struct raft_message *from, ConsensusMessage *to) {
        const struct raft_append_entries *a = &from->append_entries;

        engine->append_version = a->version;
        note_told(engine, from->server_id, a->term, a->leader_commit);
        to->version = a->version;
        to->term = a->term;
        to->append.previous_index = a->prev_log_index;
        to->append.previous_term = a->prev_log_term;
        to->append.commit = a->leader_commit;
        to->append.n = entries_allowed(engine, from->server_id, a);
}

/* H17: of an answer to a message of an older term the library leaves the last index as it found the stack.
 */
static void append_result_out(bool stale, const struct raft_message *from, ConsensusMessage *to) {
        const struct raft_append_entries_result *a = &from->append_entries_result;

        to->version = a->version;
        to->term = a->term;
        to->append_result.rejected = a->rejected;
        to->append_result.last_index = stale ? 0 : a->last_log_index;
        to->append_result.features = a->features;
        to->append_result.capacity = a->capacity;
}

/* H24: a candidate that began with a TimeoutNow keeps its flag in all later elections; as one that is no
 * member any more it would depose every leader. */
static void vote_out(const ConsensusEngine *engine, const struct raft_message *from, ConsensusMessage *to) {
        const struct raft_request_vote *v = &from->request_vote;
        bool may_disrupt = v->term == engine->transfer_term || !engine_keeps(engine, CONSENSUS_RULE_DISRUPT);

        to->version = v->version;
        to->term = v->term;
        to->vote.candidate = v->candidate_id;
        to->vote.last_index = v->last_log_index;
        to->vote.last_term = v->last_log_term;
        to->vote.disrupt_leader = v->disrupt_leader && may_disrupt;
        to->vote.pre_vote = v->pre_vote;
}

/* H21: the library answers a pre-vote in the term of the question. A candidate with the longest log but an
 * older term would never learn why it is refused. */
static void vote_result_out(ConsensusEngine *engine, const struct raft_message *from, ConsensusMessage *to) {
        const struct raft_request_vote_result *v = &from->request_vote_result;
        bool tell = v->pre_vote && !v->vote_granted && engine_keeps(engine, CONSENSUS_RULE_PREVOTE);

        to->version = v->version;
        to->term = tell ? MAX((uint64_t) v->term, (uint64_t) raft_current_term(&engine->raft)) : v->term;
        to->vote_result.granted = v->vote_granted;
        to->vote_result.pre_vote = v->pre_vote;
        to->vote_result.features = v->features;
        to->vote_result.capacity = v->capacity;
}

/* H5: the library says only that a snapshot is wanted; the newest one serves. */
static void install_out(ConsensusEngine *engine, const struct raft_message *from, ConsensusMessage *to) {
        to->version = from->install_snapshot.version;
        to->term = from->install_snapshot.term;
        to->install = engine->snapshot;
        consensus_payload_ref(to->install.configuration.members);
}

/* Answers false for what is not sent. */
static bool message_out(const EngineTurn *turn, const struct raft_message *from, ConsensusMessage *to) {
        ConsensusEngine *engine = turn->engine;

        *to = (ConsensusMessage){ .type = (ConsensusMessageType) from->type, .peer = from->server_id };
        switch (from->type) {
        case RAFT_APPEND_ENTRIES:
                append_out(engine, from, to);
                return true;
        case RAFT_APPEND_ENTRIES_RESULT:
                append_result_out(turn->stale, from, to);
                return true;
        case RAFT_REQUEST_VOTE:
                vote_out(engine, from, to);
                return true;
        case RAFT_REQUEST_VOTE_RESULT:
                vote_result_out(engine, from, to);
                return true;
        case RAFT_INSTALL_SNAPSHOT:
                if (engine->snapshot.index == 0 ||
                    engine->snapshot.index < from->install_snapshot.last_index)
                        return false;
                install_out(engine, from, to);
                return true;
        case RAFT_TIMEOUT_NOW:
                to->version = from->timeout_now.version;
                to->term = from->timeout_now.term;
                to->timeout_now.last_index = from->timeout_now.last_log_index;
                to->timeout_now.last_term = from->timeout_now.last_log_term;
                return true;
        default:
                return false;
        }
}

static int messages_reserve(ConsensusMessage **messages, size_t n, size_t more) {
        ConsensusMessage *grown = realloc(*messages, MAX(n + more, (size_t) 1) * sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        *messages = grown;
        return 0;
}

/* H2: kept back until term and vote are durable. What names entries would not fit the log any more by then;
 * it is lost instead (H5), and the next heartbeat makes good for it. */
static void hold(ConsensusEngine *engine, ConsensusMessage *message) {
        bool is_small = message->type != CONSENSUS_MESSAGE_APPEND &&
                        message->type != CONSENSUS_MESSAGE_INSTALL;

        if (is_small && engine->n_held < CONSENSUS_HELD_MAX)
                engine->held[engine->n_held++] = *message;
        else
                consensus_message_done(message);
}

int consensus_engine_take_messages(EngineTurn *turn, const struct raft_update *update) {
        ConsensusEngine *engine = turn->engine;
        ConsensusUpdate *to = turn->update;
        bool wait = engine->meta_pending && engine_keeps(engine, CONSENSUS_RULE_VOTE);
        int r;

        r = messages_reserve(&to->messages, to->n_messages, update->messages.n);
        if (r == 0 && wait)
                r = messages_reserve(&engine->held, engine->n_held, update->messages.n);
        if (r < 0)
                return r;

        for (unsigned i = 0; i < update->messages.n; i++) {
                ConsensusMessage message;

                if (!message_out(turn, &update->messages.batch[i], &message))
                        continue;
                if (wait)
                        hold(engine, &message);
                else
                        to->messages[to->n_messages++] = message;
        }
        return 0;
}

int consensus_engine_release_held(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        ConsensusUpdate *to = turn->update;
        int r;

        engine->meta_pending = false;
        r = messages_reserve(&to->messages, to->n_messages, engine->n_held);
        if (r < 0)
                return r;
        for (size_t i = 0; i < engine->n_held; i++)
                to->messages[to->n_messages++] = engine->held[i];
        engine->n_held = 0;
        return 0;
}

/* The term of an entry, of those too that this turn has taken and the log has not yet. */
static uint64_t term_at(const EngineTurn *turn, uint64_t index) {
        const ConsensusUpdate *update = turn->update;

        if (update->n_entries > 0 && index >= update->entries[0].index) {
                size_t i = index - update->entries[0].index;

                return i < update->n_entries ? update->entries[i].term : 0;
        }
        return turn->engine->log ? consensus_log_term(turn->engine->log, index) : 0;
}

/* H25: an empty AppendEntries, as the library's heartbeat is one, that a member which has everything cannot
 * but accept. */
static int tell_one(EngineTurn *turn, uint64_t raft_id, uint64_t commit, uint64_t term) {
        ConsensusUpdate *to = turn->update;
        uint64_t current = raft_current_term(&turn->engine->raft);
        int r;

        r = messages_reserve(&to->messages, to->n_messages, 1);
        if (r < 0)
                return r;
        to->messages[to->n_messages++] = (ConsensusMessage){
                .type = CONSENSUS_MESSAGE_APPEND,
                .version = turn->engine->append_version,
                .peer = raft_id,
                .term = current,
                .append = { .previous_index = commit, .previous_term = term, .commit = commit },
        };
        note_told(turn->engine, raft_id, current, commit);
        return 0;
}

static bool knows_commit(ConsensusEngine *engine, uint64_t raft_id, uint64_t commit) {
        const EngineTold *told = find_told(engine, raft_id);
        raft_index match;

        if (!told || (told->term == raft_current_term(&engine->raft) && told->commit >= commit))
                return true;
        return raft_match_index(&engine->raft, raft_id, &match) != 0 || match < commit;
}

int consensus_engine_tell_commit(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        const struct raft_configuration *members = &engine->raft.configuration;
        uint64_t commit = engine->commit, term;
        int r = 0;

        if (raft_state(&engine->raft) != RAFT_LEADER || engine->meta_pending || commit == 0 ||
            commit != raft_last_index(&engine->raft))
                return 0;
        term = term_at(turn, commit);
        if (term != raft_current_term(&engine->raft))
                return 0;
        for (unsigned i = 0; r == 0 && i < members->n; i++) {
                uint64_t id = members->servers[i].id;

                if (id != engine->raft.id && members->servers[i].role != RAFT_SPARE &&
                    !knows_commit(engine, id, commit))
                        r = tell_one(turn, id, commit, term);
        }
        return r;
}

/* ---- in */

static int receive(EngineTurn *turn, struct raft_message *message) {
        struct raft_event event = { .type = RAFT_RECEIVE, .receive.message = message };
        char address[PEER_ID_TEXT_MAX] = "";

        message->server_id = turn->input->message->peer;
        message->server_address = address; /* the library knows its members; it only wants some text */
        return consensus_engine_feed(turn, &event);
}

/* Entries FROM to FROM + N - 1 of the message, in one batch of the library's memory. */
static int append_in(const ConsensusMessage *m, size_t from, size_t n, struct raft_message *ret) {
        struct raft_entry *entries;
        uint8_t *batch;
        size_t size = 0, at = 0;

        *ret = (struct raft_message){ .type = RAFT_APPEND_ENTRIES };
        ret->append_entries = (struct raft_append_entries){
                .version = m->version,
                .term = m->term,
                .prev_log_index = m->append.previous_index + from,
                .prev_log_term = from > 0 ? m->append.entries[from - 1].term : m->append.previous_term,
                .leader_commit = m->append.commit,
                .n_entries = (unsigned) n,
        };
        if (n == 0)
                return 0;

        for (size_t i = 0; i < n; i++)
                size += m->append.entries[from + i].payload->size;
        entries = calloc(n, sizeof(*entries));
        batch = raft_malloc(MAX(size, (size_t) 1));
        if (!entries || !batch) {
                free(entries);
                raft_free(batch);
                return -ENOMEM;
        }

        for (size_t i = 0; i < n; i++) {
                const ConsensusEntry *e = &m->append.entries[from + i];

                memcpy(batch + at, e->payload->bytes, e->payload->size);
                entries[i] = (struct raft_entry){
                        .term = e->term,
                        .type = (enum raft_entry_type) e->type,
                        .buf = { batch + at, e->payload->size },
                        .batch = batch,
                };
                at += e->payload->size;
        }
        ret->append_entries.entries = entries;
        return 0;
}

/* H9b: the library remembers one uncommitted configuration. When the next one comes the one before must be
 * committed, or its leader would not have accepted the next; so the library is told before it forgets. */
static int confirm_older(EngineTurn *turn, const ConsensusMessage *m, size_t from) {
        ConsensusEngine *engine = turn->engine;
        uint64_t older = engine->raft.configuration_uncommitted_index;
        uint64_t previous = m->append.previous_index + from;
        uint64_t previous_term = from > 0 ? m->append.entries[from - 1].term : m->append.previous_term;
        struct raft_event event = { .type = RAFT_CONFIGURATION, .configuration.index = older };
        int r;

        if (!engine_keeps(engine, CONSENSUS_RULE_CONFIRM) || from >= m->append.n ||
            m->append.entries[from].type != CONSENSUS_ENTRY_CHANGE)
                return 0;
        if (older == 0 || older > previous || older != engine->newest.index ||
            raft_state(&engine->raft) == RAFT_LEADER)
                return 0;
        if (term_at(turn, previous) != previous_term ||
            term_at(turn, previous + 1) == m->append.entries[from].term)
                return 0; /* it will be rejected, or is no news */

        r = consensus_engine_decode_members(engine->newest.members, &event.configuration.conf);
        return r < 0 ? r : consensus_engine_feed(turn, &event);
}

static int append_piece(EngineTurn *turn, const ConsensusMessage *m, size_t from, size_t n) {
        struct raft_message message;
        int r;

        r = confirm_older(turn, m, from);
        if (r < 0)
                return r;
        r = append_in(m, from, n, &message);
        if (r < 0)
                return r;
        r = receive(turn, &message);
        free(message.append_entries.entries);
        return r;
}

/* H9: what is committed here is not discussed again: the library rejects a message that begins below its
 * log, and takes back the commit index. */
static void trim(const EngineTurn *turn, ConsensusMessage *m) {
        ConsensusEngine *engine = turn->engine;
        uint64_t term, commit = engine->commit;
        size_t skip;

        if (!engine_keeps(engine, CONSENSUS_RULE_TRIM) || m->append.previous_index >= commit)
                return;
        term = term_at(turn, commit);
        if (term == 0)
                return;

        skip = MIN(commit - m->append.previous_index, (uint64_t) m->append.n);
        if (skip > 0)
                m->append.entries += skip;
        m->append.n -= skip;
        m->append.previous_index = commit;
        m->append.previous_term = term;
}

/* H9a: the library gives every change in a message the index of the first new entry, so a change must be the
 * first entry of its piece. */
static size_t piece_end(const ConsensusMessage *m, size_t from) {
        for (size_t i = from + 1; i < m->append.n; i++)
                if (m->append.entries[i].type == CONSENSUS_ENTRY_CHANGE)
                        return i;
        return m->append.n;
}

static int receive_append(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        ConsensusMessage m = *turn->input->message;
        bool current = m.term >= raft_current_term(&engine->raft) && !engine->installing;
        bool split = engine_keeps(engine, CONSENSUS_RULE_SPLIT);
        size_t from = 0, to;
        int r;

        turn->stale = m.term < raft_current_term(&engine->raft);
        if (!current)
                return append_piece(turn, &m, 0, m.append.n);

        trim(turn, &m);
        do {
                to = split ? piece_end(&m, from) : m.append.n;
                r = append_piece(turn, &m, from, to - from);
                from = to;
        } while (r == 0 && from < m.append.n);
        return r;
}

/* H18: what a follower has acknowledged is durable there, so a rejection of it is an old message. The
 * library would set its next index below the match index and never send an entry again. */
static void filter_rejection(ConsensusEngine *engine, uint64_t from, struct raft_append_entries_result *a) {
        raft_index match;

        a->last_log_index = MIN(a->last_log_index, raft_last_index(&engine->raft));
        if (!engine_keeps(engine, CONSENSUS_RULE_REJECT) || a->rejected == 0 ||
            a->term != raft_current_term(&engine->raft) ||
            raft_match_index(&engine->raft, from, &match) != 0)
                return;

        if (a->rejected <= match) {
                a->rejected = 0; /* a sign of life */
                a->last_log_index = 0;
        } else
                a->last_log_index = MAX(a->last_log_index, match);
}

static int receive_append_result(EngineTurn *turn) {
        const ConsensusMessage *m = turn->input->message;
        struct raft_message message = { .type = RAFT_APPEND_ENTRIES_RESULT };

        message.append_entries_result = (struct raft_append_entries_result){
                .version = m->version,
                .term = m->term,
                .rejected = m->append_result.rejected,
                .last_log_index = m->append_result.last_index,
                .features = m->append_result.features,
                .capacity = m->append_result.capacity,
        };
        filter_rejection(turn->engine, m->peer, &message.append_entries_result);
        return receive(turn, &message);
}

static int receive_vote(EngineTurn *turn) {
        const ConsensusMessage *m = turn->input->message;
        struct raft_message message = { .type = RAFT_REQUEST_VOTE };

        message.request_vote = (struct raft_request_vote){
                .version = m->version,
                .term = m->term,
                .candidate_id = m->vote.candidate,
                .last_log_index = m->vote.last_index,
                .last_log_term = m->vote.last_term,
                .disrupt_leader = m->vote.disrupt_leader,
                .pre_vote = m->vote.pre_vote,
        };
        return receive(turn, &message);
}

static int receive_vote_result(EngineTurn *turn) {
        const ConsensusMessage *m = turn->input->message;
        struct raft_message message = { .type = RAFT_REQUEST_VOTE_RESULT };

        message.request_vote_result = (struct raft_request_vote_result){
                .version = m->version,
                .term = m->term,
                .vote_granted = m->vote_result.granted,
                .pre_vote = m->vote_result.pre_vote,
                .features = m->vote_result.features,
                .capacity = m->vote_result.capacity,
        };
        return receive(turn, &message);
}

/* H15: a second one while the first is being installed would be leaked by the library. The content has come
 * another way; the library wants some. */
static int receive_install(EngineTurn *turn) {
        const ConsensusMessage *m = turn->input->message;
        struct raft_message message = { .type = RAFT_INSTALL_SNAPSHOT };
        struct raft_install_snapshot *s = &message.install_snapshot;
        int r;

        if (turn->engine->installing)
                return 0;

        turn->stale = m->term < raft_current_term(&turn->engine->raft);
        *s = (struct raft_install_snapshot){
                .version = m->version,
                .term = m->term,
                .last_index = m->install.index,
                .last_term = m->install.term,
                .conf_index = m->install.configuration.index,
                .data = { .base = raft_malloc(8), .len = 8 },
        };
        if (!s->data.base)
                return -ENOMEM;
        memset(s->data.base, 0, s->data.len);
        r = consensus_engine_decode_members(m->install.configuration.members, &s->conf);
        if (r < 0) {
                raft_free(s->data.base);
                return r;
        }
        return receive(turn, &message);
}

static int receive_timeout_now(EngineTurn *turn) {
        const ConsensusMessage *m = turn->input->message;
        struct raft_message message = { .type = RAFT_TIMEOUT_NOW };

        if (turn->engine->installing)
                return 0;
        message.timeout_now = (struct raft_timeout_now){
                .version = m->version,
                .term = m->term,
                .last_log_index = m->timeout_now.last_index,
                .last_log_term = m->timeout_now.last_term,
        };
        turn->engine->transfer_term = MAX(m->term, (uint64_t) raft_current_term(&turn->engine->raft)) + 1;
        return receive(turn, &message);
}

int consensus_engine_receive(EngineTurn *turn) {
        switch (turn->input->message->type) {
        case CONSENSUS_MESSAGE_APPEND:
                return receive_append(turn);
        case CONSENSUS_MESSAGE_APPEND_RESULT:
                return receive_append_result(turn);
        case CONSENSUS_MESSAGE_VOTE:
                return receive_vote(turn);
        case CONSENSUS_MESSAGE_VOTE_RESULT:
                return receive_vote_result(turn);
        case CONSENSUS_MESSAGE_INSTALL:
                return receive_install(turn);
        case CONSENSUS_MESSAGE_TIMEOUT_NOW:
                return receive_timeout_now(turn);
        }
        assert(false);
        return -EINVAL;
}

/* ---- changes of the members */

/* H22: a standby becomes a voter when it has nearly all of the log; H23 waits for the rest. */
static bool is_near(ConsensusEngine *engine, uint64_t raft_id) {
        raft_index match;

        return raft_match_index(&engine->raft, raft_id, &match) == 0 &&
               match + CONSENSUS_PROMOTION_LAG >= raft_last_index(&engine->raft);
}

static bool is_one_step(ConsensusRole from, ConsensusRole to) {
        return (from == CONSENSUS_STANDBY) != (to == CONSENSUS_STANDBY);
}

/* H8: one member and one step; H22: the leader does not demote itself. */
static int change_role(ConsensusEngine *engine, ConsensusMember *member, ConsensusRole role) {
        bool itself = member->raft_id == engine->raft.id && engine_keeps(engine, CONSENSUS_RULE_LAST);

        if (!is_one_step(member->role, role) || itself)
                return CONSENSUS_ENGINE_REFUSED;
        if (role == CONSENSUS_VOTER && !is_near(engine, member->raft_id))
                return CONSENSUS_ENGINE_BEHIND;

        if (role == CONSENSUS_VOTER && engine_keeps(engine, CONSENSUS_RULE_FIRST))
                engine->promoted = member->raft_id;
        if (member->role == CONSENSUS_VOTER && engine_keeps(engine, CONSENSUS_RULE_LAST))
                engine->demoted = member->raft_id;
        member->role = role;
        return 0;
}

static int change_members(
                ConsensusEngine *engine, const ConsensusChange *change, ConsensusMembers *members) {
        ConsensusMember *member = (ConsensusMember *) consensus_members_find(
                        members, change->member.raft_id);

        switch (change->kind) {
        case CONSENSUS_CHANGE_ADD:
                if (member || change->member.role == CONSENSUS_VOTER || members->n >= CONSENSUS_MEMBERS_MAX)
                        return CONSENSUS_ENGINE_REFUSED;
                members->items[members->n++] = change->member;
                return 0;
        case CONSENSUS_CHANGE_ROLE:
                return member ? change_role(engine, member, change->member.role) : CONSENSUS_ENGINE_REFUSED;
        case CONSENSUS_CHANGE_REMOVE:
                if (!member || member->role == CONSENSUS_VOTER)
                        return CONSENSUS_ENGINE_REFUSED;
                *member = members->items[--members->n];
                return 0;
        }
        assert(false);
        return -EINVAL;
}

/* H8: nothing under way, and G7 of the library: the entry at the commit index is of the current term. */
static bool may_change(ConsensusEngine *engine) {
        if (engine->raft.configuration_uncommitted_index != 0 || raft_transferee(&engine->raft) != 0)
                return false;
        if (!engine_keeps(engine, CONSENSUS_RULE_OWNTERM))
                return true;
        return engine->log &&
               consensus_log_term(engine->log, engine->commit) == raft_current_term(&engine->raft);
}

static int new_members(ConsensusEngine *engine, const ConsensusChange *change, ConsensusPayload **ret) {
        ConsensusMembers members = {};
        ConsensusMember *items;
        int r;

        r = consensus_engine_members(engine, &members);
        if (r < 0)
                return r;
        items = realloc(members.items, (members.n + 1) * sizeof(*items));
        if (items) {
                members.items = items;
                r = change_members(engine, change, &members);
                if (r == 0)
                        r = consensus_members_encode(&members, ret);
        } else
                r = -ENOMEM;
        consensus_members_done(&members);
        return r;
}

int consensus_engine_change(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        _cleanup_(consensus_payload_unrefp) ConsensusPayload *payload = NULL;
        ConsensusEntry entry = { .type = CONSENSUS_ENTRY_CHANGE };
        int r;

        if (raft_state(&engine->raft) != RAFT_LEADER)
                return CONSENSUS_ENGINE_NOT_LEADER;
        if (!may_change(engine))
                return CONSENSUS_ENGINE_BUSY;

        engine->promoted = engine->demoted = 0;
        r = new_members(engine, turn->input->change, &payload);
        if (r == 0) {
                engine->change_index = raft_last_index(&engine->raft) + 1;
                engine->change_msec = turn->input->time_msec;
                entry.payload = payload;
                r = consensus_engine_submit(turn, &entry, 1);
        }
        if (r != 0)
                engine->promoted = engine->demoted = 0;
        return r;
}

/* Given up, the entry is only where it does no harm: at the new voter, if anywhere. */
void consensus_engine_watch_promotion(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        bool waits = promotion_waits(engine);

        turn->update->hold = waits ? engine->change_index : UINT64_MAX;
        turn->update->restart = waits &&
                                (raft_state(&engine->raft) != RAFT_LEADER ||
                                 turn->input->time_msec >= engine->change_msec + engine->election_msec);
}
