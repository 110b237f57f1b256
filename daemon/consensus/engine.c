/*
 * The host around raft_step(): who owns what, and the rules that keep the library's known faults away. The
 * names H1 to H24 are those of architecture.md, "Consensus: host rules".
 *
 * Memory (H6). What the library takes must come from raft_malloc(); what it hands back in an update is
 * ours. Payloads of submitted entries are ours all the time: the library sees our pointer as "batch", never
 * frees it, and hands it back with RAFT_UPDATE_ENTRIES. The one entry that is the library's own, the barrier
 * of a new leader, has a batch that we free once. Configurations go to the library with every event that
 * carries one.
 */

#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/consensus/engine-private.h"

/* H1: event codes and the ownership of their memory differ between releases that share one SONAME. */
#if RAFT_VERSION_NUMBER != 2200 && RAFT_VERSION_NUMBER != 2201
#error "written and tested for libraft 0.22.0 and 0.22.1: review the memory rules before another one is let in"
#endif

static_assert((int) CONSENSUS_ENTRY_COMMAND == (int) RAFT_COMMAND, "entry types are stored");
static_assert((int) CONSENSUS_ENTRY_BARRIER == (int) RAFT_BARRIER, "entry types are stored");
static_assert((int) CONSENSUS_ENTRY_CHANGE == (int) RAFT_CHANGE, "entry types are stored");
static_assert((int) CONSENSUS_STANDBY == (int) RAFT_STANDBY, "roles are stored");
static_assert((int) CONSENSUS_VOTER == (int) RAFT_VOTER, "roles are stored");
static_assert((int) CONSENSUS_SPARE == (int) RAFT_SPARE, "roles are stored");

int consensus_engine_code_to_errno(int code) {
        switch (code) {
        case RAFT_NOMEM:
                return -ENOMEM;
        case RAFT_MALFORMED:
                return -EBADMSG;
        default:
                return -EPROTO;
        }
}

/* ---- members */

static int members_build(const ConsensusMembers *members, struct raft_configuration *ret) {
        char address[PEER_ID_TEXT_MAX];
        int r;

        raft_configuration_init(ret);
        for (size_t i = 0; i < members->n; i++) {
                const ConsensusMember *m = &members->items[i];

                r = raft_configuration_add(
                                ret, m->raft_id, peer_id_format(&m->peer, address), (int) m->role);
                if (r != 0) {
                        raft_configuration_close(ret);
                        return consensus_engine_code_to_errno(r);
                }
        }
        return 0;
}

static int member_compare(const void *a, const void *b) {
        const ConsensusMember *x = a, *y = b;

        return x->raft_id < y->raft_id ? -1 : x->raft_id > y->raft_id;
}

int consensus_engine_encode_members(const struct raft_configuration *configuration, ConsensusPayload **ret) {
        struct raft_buffer buffer;
        int r;

        r = raft_configuration_encode(configuration, &buffer);
        if (r != 0)
                return consensus_engine_code_to_errno(r);
        r = consensus_payload_new(ret, buffer.base, buffer.len);
        raft_free(buffer.base);
        return r;
}

int consensus_members_encode(ConsensusMembers *members, ConsensusPayload **ret) {
        struct raft_configuration configuration;
        int r;

        qsort(members->items, members->n, sizeof(*members->items), member_compare);
        r = members_build(members, &configuration);
        if (r < 0)
                return r;
        r = consensus_engine_encode_members(&configuration, ret);
        raft_configuration_close(&configuration);
        return r;
}

/* The length of the server at AT, or 0 when it is not whole: id (8), address with its NUL, role (1). */
static size_t server_size(const uint8_t *at, const uint8_t *end) {
        const uint8_t *nul;

        if (end - at < 8)
                return 0;
        nul = memchr(at + 8, 0, (size_t) (end - at) - 8);
        return nul && end - nul >= 2 ? (size_t) (nul + 2 - at) : 0;
}

/* The library's decoder looks for the end of each address beyond the input, so the shape is checked first:
 * version (1), number of servers (8), the servers, zeros up to a multiple of 8. */
static bool members_are_whole(const uint8_t *at, size_t size) {
        const uint8_t *end = at + size;
        uint64_t n;

        if (size < 9 || size % 8 != 0 || at[0] != 1)
                return false;
        n = le_get64(at + 1);
        if (n == 0 || n > CONSENSUS_MEMBERS_MAX)
                return false;

        for (at += 9; n > 0; n--) {
                size_t server = server_size(at, end);

                if (server == 0)
                        return false;
                at += server;
        }
        if (end - at >= 8)
                return false;
        for (; at < end; at++)
                if (*at != 0)
                        return false;
        return true;
}

/* The result is the library's once it is handed over. */
int consensus_engine_decode_members(const ConsensusPayload *payload, struct raft_configuration *ret) {
        struct raft_buffer buffer = { .base = (void *) payload->bytes, .len = payload->size };
        int r;

        if (!members_are_whole(payload->bytes, payload->size))
                return -EBADMSG;
        r = raft_configuration_decode(&buffer, ret);
        return r == 0 ? 0 : consensus_engine_code_to_errno(r);
}

static int members_copy(const struct raft_configuration *from, ConsensusMembers *ret) {
        ret->items = calloc(from->n, sizeof(*ret->items));
        if (!ret->items)
                return -ENOMEM;

        for (; ret->n < from->n; ret->n++) {
                const struct raft_server *server = &from->servers[ret->n];
                ConsensusMember *m = &ret->items[ret->n];

                if (server->id == 0 || server->role < RAFT_STANDBY || server->role > RAFT_SPARE)
                        return -EBADMSG;
                if (peer_id_parse(server->address, &m->peer) < 0)
                        return -EBADMSG;
                m->raft_id = server->id;
                m->role = (ConsensusRole) server->role;
        }
        return 0;
}

int consensus_members_decode(const ConsensusPayload *payload, ConsensusMembers *ret) {
        struct raft_configuration configuration;
        ConsensusMembers members = {};
        int r;

        r = consensus_engine_decode_members(payload, &configuration);
        if (r < 0)
                return r;

        r = members_copy(&configuration, &members);
        raft_configuration_close(&configuration);
        if (r < 0) {
                consensus_members_done(&members);
                return r;
        }

        *ret = members;
        return 0;
}

const ConsensusMember *consensus_members_find(const ConsensusMembers *members, uint64_t raft_id) {
        for (size_t i = 0; i < members->n; i++)
                if (members->items[i].raft_id == raft_id)
                        return &members->items[i];
        return NULL;
}

bool consensus_members_is_sole_voter(const ConsensusMembers *members, uint64_t raft_id) {
        size_t n = 0;

        for (size_t i = 0; i < members->n; i++)
                n += members->items[i].role == CONSENSUS_VOTER;

        const ConsensusMember *self = consensus_members_find(members, raft_id);
        return n == 1 && self && self->role == CONSENSUS_VOTER;
}

void consensus_members_done(ConsensusMembers *members) {
        free(members->items);
        *members = (ConsensusMembers){};
}

uint64_t consensus_raft_id(const PeerId *peer) {
        uint8_t digest[HASH_SHA256_SIZE];
        uint64_t id;

        hash_sha256(peer->bytes, peer->size, digest);
        id = le_get64(digest);
        return id != 0 ? id : 1;
}

/* ---- the object */

int consensus_engine_new(ConsensusEngine **ret, const ConsensusEngineOptions *options) {
        _cleanup_(consensus_engine_freep) ConsensusEngine *engine = NULL;
        char address[PEER_ID_TEXT_MAX];
        int r;

        assert(options->heartbeat_msec > 0 && options->heartbeat_msec < options->election_msec);

        engine = calloc(1, sizeof(*engine));
        if (!engine)
                return -ENOMEM;
        engine->heartbeat_msec = options->heartbeat_msec;
        engine->election_msec = options->election_msec;
        engine->log = options->log;
        engine->rules_off = options->rules_off;

        r = raft_init(&engine->raft, NULL, NULL, options->raft_id, peer_id_format(&options->self, address));
        if (r != 0)
                return consensus_engine_code_to_errno(r);
        engine->initialized = true;

        raft_seed(&engine->raft, options->seed);
        raft_set_election_timeout(&engine->raft, options->election_msec);
        raft_set_heartbeat_timeout(&engine->raft, options->heartbeat_msec);
        raft_set_max_inflight_entries(&engine->raft, CONSENSUS_INFLIGHT_MAX); /* H20: the default is 32 */
        raft_set_install_snapshot_timeout(&engine->raft, ENGINE_INSTALL_MSEC);
        raft_set_pre_vote(&engine->raft, true); /* H21 */

        *ret = TAKE_PTR(engine);
        return 0;
}

ConsensusEngine *consensus_engine_free(ConsensusEngine *engine) {
        if (!engine)
                return NULL;

        if (engine->initialized)
                raft_close(&engine->raft, NULL);
        if (engine->installing)
                raft_configuration_close(&engine->install.configuration);
        for (size_t i = 0; i < engine->n_held; i++)
                consensus_message_done(&engine->held[i]);
        free(engine->held);
        free(engine->told);
        consensus_payload_unref(engine->configuration.members);
        consensus_payload_unref(engine->newest.members);
        consensus_payload_unref(engine->snapshot.configuration.members);
        free(engine);
        return NULL;
}

const ConsensusConfiguration *consensus_engine_configuration(const ConsensusEngine *engine) {
        return &engine->configuration;
}

int consensus_engine_members(const ConsensusEngine *engine, ConsensusMembers *ret) {
        ConsensusMembers members = {};
        int r;

        r = members_copy(&engine->raft.configuration, &members);
        if (r < 0) {
                consensus_members_done(&members);
                return r;
        }
        *ret = members;
        return 0;
}

/* ---- inputs */

static void configuration_set(ConsensusConfiguration *to, uint64_t index, ConsensusPayload *members) {
        consensus_payload_unref(to->members);
        *to = (ConsensusConfiguration){
                .index = index,
                .members = members ? consensus_payload_ref(members) : NULL,
        };
}

static void snapshot_set(ConsensusEngine *engine, const ConsensusSnapshotHead *head) {
        engine->snapshot.index = head->index;
        engine->snapshot.term = head->term;
        configuration_set(
                        &engine->snapshot.configuration,
                        head->configuration.index,
                        head->configuration.members);
}

static int head_to_metadata(const ConsensusSnapshotHead *head, struct raft_snapshot_metadata *ret) {
        *ret = (struct raft_snapshot_metadata){
                .index = head->index,
                .term = head->term,
                .configuration_index = head->configuration.index,
        };
        return consensus_engine_decode_members(head->configuration.members, &ret->configuration);
}

/* The library keeps the terms of all entries, and reads the payload of configurations only. */
static int start_entries(const ConsensusInput *input, struct raft_entry **ret) {
        struct raft_entry *entries;
        size_t run = 0, change = 0;

        if (input->start.n == 0)
                return 0;

        entries = raft_calloc(input->start.n, sizeof(*entries));
        if (!entries)
                return -ENOMEM;

        for (size_t i = 0; i < input->start.n; i++) {
                uint64_t index = input->start.first + i;

                while (run + 1 < input->start.n_runs && input->start.runs[run + 1].first <= index)
                        run++;
                entries[i] = (struct raft_entry){ .term = input->start.runs[run].term,
                                                  .type = RAFT_COMMAND };

                if (change < input->start.n_changes && input->start.changes[change].index == index) {
                        ConsensusPayload *payload = input->start.changes[change++].payload;

                        entries[i].type = RAFT_CHANGE;
                        entries[i].buf = (struct raft_buffer){ payload->bytes, payload->size };
                }
        }

        *ret = entries;
        return 0;
}

static void start_configurations(ConsensusEngine *engine, const ConsensusInput *input) {
        const ConsensusSnapshotHead *head = input->start.snapshot;

        if (head) {
                snapshot_set(engine, head);
                configuration_set(
                                &engine->configuration,
                                head->configuration.index,
                                head->configuration.members);
        }
        if (input->start.n_changes > 0) {
                const ConsensusEntry *last = &input->start.changes[input->start.n_changes - 1];

                configuration_set(&engine->newest, last->index, last->payload);
        }
}

static int step_start(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        const ConsensusInput *input = turn->input;
        const ConsensusSnapshotHead *head = input->start.snapshot;
        struct raft_snapshot_metadata metadata;
        struct raft_entry *entries = NULL;
        struct raft_event event = { .type = RAFT_START };
        int r;

        r = start_entries(input, &entries);
        if (r < 0)
                return r;

        if (head) {
                r = head_to_metadata(head, &metadata);
                if (r < 0) {
                        raft_free(entries);
                        return r;
                }
                event.start.metadata = &metadata;
        }
        start_configurations(engine, input);
        event.start.term = input->start.term;
        event.start.voted_for = input->start.vote;
        event.start.start_index = input->start.first;
        event.start.entries = entries;
        event.start.n_entries = (unsigned) input->start.n;
        engine->persisted = input->start.first + input->start.n - 1;
        engine->commit = head ? head->index : 0;

        r = consensus_engine_feed(turn, &event);
        /* The array stays ours, unless the entries could not be taken over: then the library has freed it,
         * and is the follower still that it was before. */
        if (r == 0 || raft_state(&engine->raft) != RAFT_FOLLOWER)
                raft_free(entries);
        return r;
}

static int report_persisted(EngineTurn *turn, uint64_t index) {
        ConsensusEngine *engine = turn->engine;
        struct raft_event event = { .type = RAFT_PERSISTED_ENTRIES, .persisted_entries.index = index };

        /* H4: only what is news, and never less than was told before; H15: the log is none while installing
         */
        if (index <= engine->persisted || engine->installing)
                return 0;
        engine->persisted = index;
        return consensus_engine_feed(turn, &event);
}

static int step_persisted(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        const ConsensusInput *input = turn->input;
        int r = 0;

        if (engine->meta_pending && input->persisted.term == raft_current_term(&engine->raft) &&
            input->persisted.vote == raft_voted_for(&engine->raft)) /* H2 */
                r = consensus_engine_release_held(turn);
        return r == 0 ? report_persisted(turn, input->persisted.index) : r;
}

/* H11: for every configuration that was applied, also for one that is older than what a snapshot said. */
static int step_applied(EngineTurn *turn) {
        const ConsensusEntry *applied = turn->input->applied;
        struct raft_event event = { .type = RAFT_CONFIGURATION, .configuration.index = applied->index };
        int r;

        r = consensus_engine_decode_members(applied->payload, &event.configuration.conf);
        if (r < 0)
                return r;
        configuration_set(&turn->engine->configuration, applied->index, applied->payload);
        return consensus_engine_feed(turn, &event);
}

static int step_snapshot(EngineTurn *turn) {
        const ConsensusInput *input = turn->input;
        struct raft_event event = {
                .type = RAFT_SNAPSHOT,
                .snapshot.trailing = (unsigned) MIN(input->snapshot.trailing, (uint64_t) UINT32_MAX),
        };
        int r;

        r = head_to_metadata(input->snapshot.head, &event.snapshot.metadata);
        if (r < 0)
                return r;
        snapshot_set(turn->engine, input->snapshot.head);
        return consensus_engine_feed(turn, &event);
}

/* H15: first state machine, commit and configuration, then the library. */
static int step_installed(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        struct raft_event event = { .type = RAFT_PERSISTED_SNAPSHOT, .persisted_snapshot.last = true };
        _cleanup_(consensus_payload_unrefp) ConsensusPayload *members = NULL;
        ConsensusSnapshotHead head;
        int r;

        assert(engine->installing);

        r = consensus_engine_encode_members(&engine->install.configuration, &members);
        if (r < 0)
                return r;
        head = (ConsensusSnapshotHead){
                .index = engine->install.index,
                .term = engine->install.term,
                .configuration = { engine->install.configuration_index, members },
        };
        snapshot_set(engine, &head);
        configuration_set(&engine->configuration, head.configuration.index, members);
        configuration_set(&engine->newest, 0, NULL);
        engine->commit = engine->persisted = head.index;
        engine->installing = false;
        event.persisted_snapshot.metadata = engine->install;
        return consensus_engine_feed(turn, &event);
}

static int step_timeout(EngineTurn *turn) {
        struct raft_event event = { .type = RAFT_TIMEOUT };

        turn->timeout = true;
        if (turn->engine->installing) /* H15: it has no log to lead with */
                return 0;
        return consensus_engine_feed(turn, &event);
}

/* The pre-vote (H21) makes this harmless: those that still hear of the leader refuse. */
static int step_lost(EngineTurn *turn) {
        struct raft *raft = &turn->engine->raft;

        if (raft_state(raft) != RAFT_FOLLOWER || turn->engine->installing)
                return 0;
        raft->follower_state.randomized_election_timeout = 0;
        return step_timeout(turn);
}

int consensus_engine_submit(EngineTurn *turn, const ConsensusEntry *items, size_t n) {
        ConsensusEngine *engine = turn->engine;
        _cleanup_free_ struct raft_entry *entries = NULL;
        struct raft_event event = { .type = RAFT_SUBMIT };

        entries = calloc(n, sizeof(*entries));
        if (!entries)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++)
                entries[i] = (struct raft_entry){
                        .term = raft_current_term(&engine->raft),
                        .type = (enum raft_entry_type) items[i].type,
                        .buf = { items[i].payload->bytes, items[i].payload->size },
                        .batch = items[i].payload,
                };
        event.submit.entries = entries;
        event.submit.n = (unsigned) n;
        return consensus_engine_feed(turn, &event);
}

static int step_submit(EngineTurn *turn) {
        const ConsensusInput *input = turn->input;

        for (size_t i = 0; i < input->submit.n; i++)
                assert(input->submit.entries[i].type != CONSENSUS_ENTRY_CHANGE); /* H8: alone, by CHANGE */
        return consensus_engine_submit(turn, input->submit.entries, input->submit.n);
}

/* H22: no event of the library needs a server's progress but this. */
static int step_transfer(EngineTurn *turn) {
        struct raft_event event = { .type = RAFT_TRANSFER, .transfer.server_id = turn->input->transfer };

        return consensus_engine_feed(turn, &event);
}

/* ---- the update */

/* Entries of a message or the library's own are copied and their batches freed: once each, neighbours share
 * one. */
static int take_foreign(const struct raft_update *update, ConsensusEntry *to) {
        const struct raft_entry *entries = update->entries.batch;
        int r = 0;

        for (unsigned i = 0; i < update->entries.n; i++) {
                if (r == 0)
                        r = consensus_payload_new(&to[i].payload, entries[i].buf.base, entries[i].buf.len);
                if (i + 1 == update->entries.n || entries[i + 1].batch != entries[i].batch)
                        raft_free(entries[i].batch);
        }
        return r;
}

static void take_submitted(const struct raft_update *update, ConsensusEntry *to) {
        for (unsigned i = 0; i < update->entries.n; i++)
                to[i].payload = consensus_payload_ref(update->entries.batch[i].batch);
}

static void note_changes(ConsensusEngine *engine, const ConsensusEntry *entries, size_t n) {
        if (engine->newest.index >= entries[0].index)
                configuration_set(&engine->newest, 0, NULL);
        for (size_t i = 0; i < n; i++)
                if (entries[i].type == CONSENSUS_ENTRY_CHANGE)
                        configuration_set(&engine->newest, entries[i].index, entries[i].payload);
}

/* H3: the log is cut from the first index on, so what was reported of it counts no more (H4). Pieces of one
 * message follow each other. */
static int take_entries(EngineTurn *turn, bool submitted, const struct raft_update *update) {
        ConsensusUpdate *to = turn->update;
        ConsensusEntry *entries;
        int r = 0;

        assert(to->n_entries == 0 || to->entries[0].index + to->n_entries == update->entries.index);

        entries = realloc(to->entries, (to->n_entries + update->entries.n) * sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        to->entries = entries;
        entries += to->n_entries;
        to->n_entries += update->entries.n;

        for (unsigned i = 0; i < update->entries.n; i++) {
                const struct raft_entry *e = &update->entries.batch[i];

                entries[i] = (ConsensusEntry){
                        .index = update->entries.index + i,
                        .term = e->term,
                        .type = (ConsensusEntryType) e->type,
                };
        }

        if (submitted)
                take_submitted(update, entries);
        else
                r = take_foreign(update, entries);
        if (r == 0)
                note_changes(turn->engine, entries, update->entries.n);

        turn->engine->persisted = MIN(turn->engine->persisted, update->entries.index - 1);
        return r;
}

/* H15: the configuration is ours until it is handed back with RAFT_PERSISTED_SNAPSHOT. */
static int take_install(EngineTurn *turn, const struct raft_update *update) {
        ConsensusEngine *engine = turn->engine;
        ConsensusSnapshotHead *to = &turn->update->install;

        raft_free(update->snapshot.chunk.base);
        engine->installing = true;
        engine->install = update->snapshot.metadata;
        engine->persisted = 0;
        to->index = engine->install.index;
        to->term = engine->install.term;
        to->configuration.index = engine->install.configuration_index;
        return consensus_engine_encode_members(&engine->install.configuration, &to->configuration.members);
}

static int take_meta(EngineTurn *turn) {
        turn->engine->meta_pending = true;
        turn->update->meta = true;
        return 0;
}

static int take_update(EngineTurn *turn, bool submitted, const struct raft_update *update) {
        int r = 0;

        if (update->flags & ((RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR)))
                r = take_meta(turn);
        if (r == 0 && update->flags & (RAFT_UPDATE_ENTRIES))
                r = take_entries(turn, submitted, update);
        if (r == 0 && update->flags & (RAFT_UPDATE_SNAPSHOT))
                r = take_install(turn, update);
        if (r == 0 && update->flags & (RAFT_UPDATE_MESSAGES))
                r = consensus_engine_take_messages(turn, update);

        turn->update->state_changed |= (update->flags & (RAFT_UPDATE_STATE)) != 0;
        turn->timeout |= (update->flags & (RAFT_UPDATE_TIMEOUT)) != 0;
        return r;
}

/* H7: only a request may be refused; anything else that the library does not like is the end. */
static int refusal(const struct raft_event *event, int code) {
        if (event->type != RAFT_SUBMIT && event->type != RAFT_TRANSFER)
                return consensus_engine_code_to_errno(code);

        switch (code) {
        case RAFT_NOTLEADER:
                return CONSENSUS_ENGINE_NOT_LEADER;
        case RAFT_CANTCHANGE:
                return CONSENSUS_ENGINE_BUSY;
        case RAFT_BADID:
        case RAFT_NOTFOUND:
                return CONSENSUS_ENGINE_REFUSED;
        default:
                return consensus_engine_code_to_errno(code);
        }
}

int consensus_engine_feed(EngineTurn *turn, struct raft_event *event) {
        struct raft_update update = {};
        int r;

        event->time = turn->input->time_msec;
        r = raft_step(&turn->engine->raft, event, &update);
        if (r != 0)
                return refusal(event, r);
        return take_update(turn, event->type == RAFT_SUBMIT, &update);
}

static ConsensusState engine_state(ConsensusEngine *engine) {
        switch (raft_state(&engine->raft)) {
        case RAFT_LEADER:
                return CONSENSUS_LEADER;
        case RAFT_CANDIDATE:
                return CONSENSUS_CANDIDATE;
        default:
                return CONSENSUS_FOLLOWER;
        }
}

/* H19: the library can name a time that has passed; without a floor that would be a busy loop. */
static uint64_t next_deadline(const EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        uint64_t deadline = raft_timeout(&engine->raft), now = turn->input->time_msec;

        if (!turn->timeout)
                return engine->deadline_msec;
        if (deadline <= now)
                deadline = now + MAX(engine->heartbeat_msec / 2, 1U);
        return engine->deadline_msec = deadline;
}

/* H10: it never goes back, and is none of our log's while a snapshot is being installed. */
static uint64_t commit_index(ConsensusEngine *engine) {
        if (engine->installing)
                return engine->commit;
        engine->commit = MAX(engine->commit, (uint64_t) raft_commit_index(&engine->raft));
        return engine_keeps(engine, CONSENSUS_RULE_APPLY) ? engine->commit
                                                          : (uint64_t) raft_last_index(&engine->raft);
}

static int finish_update(EngineTurn *turn) {
        ConsensusEngine *engine = turn->engine;
        ConsensusUpdate *to = turn->update;
        const char *address;
        raft_id leader = 0;

        to->term = raft_current_term(&engine->raft);
        to->vote = raft_voted_for(&engine->raft);
        to->state = engine_state(engine);
        raft_leader(&engine->raft, &leader, &address);
        to->leader = leader;
        to->barrier = to->state_changed && to->state == CONSENSUS_LEADER && to->n_entries == 0 &&
                      engine_keeps(engine, CONSENSUS_RULE_BARRIER); /* H12 */
        consensus_engine_watch_promotion(turn);
        to->commit = commit_index(engine);
        to->deadline_msec = next_deadline(turn);
        return consensus_engine_tell_commit(turn);
}

static const char *input_type_to_string(ConsensusInputType type) {
        static const char *const names[] = {
                [CONSENSUS_INPUT_START] = "start",      [CONSENSUS_INPUT_PERSISTED] = "persisted entries",
                [CONSENSUS_INPUT_APPLIED] = "applied",  [CONSENSUS_INPUT_SNAPSHOT] = "snapshot",
                [CONSENSUS_INPUT_TIMEOUT] = "timeout",  [CONSENSUS_INPUT_SUBMIT] = "submit",
                [CONSENSUS_INPUT_RECEIVE] = "receive",  [CONSENSUS_INPUT_INSTALLED] = "installed",
                [CONSENSUS_INPUT_CHANGE] = "change",    [CONSENSUS_INPUT_TRANSFER] = "transfer",
                [CONSENSUS_INPUT_LOST] = "lost leader",
        };

        return names[type];
}

static int step(EngineTurn *turn) {
        switch (turn->input->type) {
        case CONSENSUS_INPUT_START:
                turn->timeout = true;
                return step_start(turn);
        case CONSENSUS_INPUT_PERSISTED:
                return step_persisted(turn);
        case CONSENSUS_INPUT_APPLIED:
                return step_applied(turn);
        case CONSENSUS_INPUT_SNAPSHOT:
                return step_snapshot(turn);
        case CONSENSUS_INPUT_TIMEOUT:
                return step_timeout(turn);
        case CONSENSUS_INPUT_SUBMIT:
                return step_submit(turn);
        case CONSENSUS_INPUT_RECEIVE:
                return consensus_engine_receive(turn);
        case CONSENSUS_INPUT_INSTALLED:
                return step_installed(turn);
        case CONSENSUS_INPUT_CHANGE:
                return consensus_engine_change(turn);
        case CONSENSUS_INPUT_TRANSFER:
                return step_transfer(turn);
        case CONSENSUS_INPUT_LOST:
                return step_lost(turn);
        }
        assert(false);
        return -EINVAL;
}

/* H4, switched off: what was only just handed over is called durable. */
static int report_early(EngineTurn *turn) {
        const ConsensusUpdate *update = turn->update;

        if (engine_keeps(turn->engine, CONSENSUS_RULE_EARLY) || update->n_entries == 0)
                return 0;
        return report_persisted(turn, update->entries[update->n_entries - 1].index);
}

int consensus_engine_step(
                ConsensusEngine *engine, const ConsensusInput *input, ConsensusUpdate *ret, Error *reterr) {
        ConsensusUpdate update = {};
        EngineTurn turn = { .engine = engine, .input = input, .update = &update };
        int r;

        r = step(&turn);
        if (r == 0)
                r = report_early(&turn);
        if (r == 0)
                r = finish_update(&turn);
        if (r != 0)
                consensus_update_done(&update);
        if (r > 0)
                return r;
        if (r < 0)
                return error_set_errno(
                                reterr,
                                r,
                                "raft: %s: %s (%m)",
                                input_type_to_string(input->type),
                                raft_errmsg(&engine->raft));

        *ret = update;
        return 0;
}

void consensus_update_done(ConsensusUpdate *update) {
        for (size_t i = 0; i < update->n_entries; i++)
                consensus_payload_unref(update->entries[i].payload);
        free(update->entries);
        for (size_t i = 0; i < update->n_messages; i++)
                consensus_message_done(&update->messages[i]);
        free(update->messages);
        consensus_payload_unref(update->install.configuration.members);
        *update = (ConsensusUpdate){};
}
