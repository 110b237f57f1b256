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

#include "daemon/consensus/engine.h"

#include <raft.h>
#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/consensus/wire.h"

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

struct ConsensusEngine {
        struct raft raft;
        bool initialized;
        unsigned heartbeat_msec;
        uint64_t commit;    /* H10: the highest that was ever told */
        uint64_t persisted; /* H4: the last index that was reported */
        uint64_t deadline_msec;
        ConsensusConfiguration configuration; /* H14: as of the applied index */
};

static int raft_code_to_errno(int code) {
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
                        return raft_code_to_errno(r);
                }
        }
        return 0;
}

static int member_compare(const void *a, const void *b) {
        const ConsensusMember *x = a, *y = b;

        return x->raft_id < y->raft_id ? -1 : x->raft_id > y->raft_id;
}

int consensus_members_encode(ConsensusMembers *members, ConsensusPayload **ret) {
        struct raft_configuration configuration;
        struct raft_buffer buffer;
        int r;

        qsort(members->items, members->n, sizeof(*members->items), member_compare);
        r = members_build(members, &configuration);
        if (r < 0)
                return r;

        r = raft_configuration_encode(&configuration, &buffer);
        raft_configuration_close(&configuration);
        if (r != 0)
                return raft_code_to_errno(r);

        r = consensus_payload_new(ret, buffer.base, buffer.len);
        raft_free(buffer.base);
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
        n = consensus_wire_get64(at + 1);
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
static int members_decode(const ConsensusPayload *payload, struct raft_configuration *ret) {
        struct raft_buffer buffer = { .base = (void *) payload->bytes, .len = payload->size };
        int r;

        if (!members_are_whole(payload->bytes, payload->size))
                return -EBADMSG;
        r = raft_configuration_decode(&buffer, ret);
        return r == 0 ? 0 : raft_code_to_errno(r);
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

        r = members_decode(payload, &configuration);
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
        id = consensus_wire_get64(digest);
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

        r = raft_init(&engine->raft, NULL, NULL, options->raft_id, peer_id_format(&options->self, address));
        if (r != 0)
                return raft_code_to_errno(r);
        engine->initialized = true;

        raft_seed(&engine->raft, options->seed);
        raft_set_election_timeout(&engine->raft, options->election_msec);
        raft_set_heartbeat_timeout(&engine->raft, options->heartbeat_msec);
        raft_set_max_inflight_entries(&engine->raft, CONSENSUS_INFLIGHT_MAX); /* H20: the default is 32 */
        raft_set_pre_vote(&engine->raft, true);                               /* H21 */

        *ret = TAKE_PTR(engine);
        return 0;
}

ConsensusEngine *consensus_engine_free(ConsensusEngine *engine) {
        if (!engine)
                return NULL;

        if (engine->initialized)
                raft_close(&engine->raft, NULL);
        consensus_payload_unref(engine->configuration.members);
        free(engine);
        return NULL;
}

const ConsensusConfiguration *consensus_engine_configuration(const ConsensusEngine *engine) {
        return &engine->configuration;
}

/* ---- inputs */

static void configuration_set(ConsensusEngine *engine, uint64_t index, ConsensusPayload *members) {
        consensus_payload_unref(engine->configuration.members);
        engine->configuration = (ConsensusConfiguration){
                .index = index,
                .members = consensus_payload_ref(members),
        };
}

static int head_to_metadata(const ConsensusSnapshotHead *head, struct raft_snapshot_metadata *ret) {
        *ret = (struct raft_snapshot_metadata){
                .index = head->index,
                .term = head->term,
                .configuration_index = head->configuration.index,
        };
        return members_decode(head->configuration.members, &ret->configuration);
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

static int step_start(ConsensusEngine *engine, const ConsensusInput *input, struct raft_update *update) {
        struct raft_snapshot_metadata metadata;
        struct raft_entry *entries = NULL;
        struct raft_event event = { .type = RAFT_START, .time = input->time_msec };
        const ConsensusSnapshotHead *head = input->start.snapshot;
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
                configuration_set(engine, head->configuration.index, head->configuration.members);
        }
        event.start.term = input->start.term;
        event.start.voted_for = input->start.vote;
        event.start.start_index = input->start.first;
        event.start.entries = entries;
        event.start.n_entries = (unsigned) input->start.n;
        engine->persisted = input->start.first + input->start.n - 1;
        engine->commit = head ? head->index : 0;

        r = raft_step(&engine->raft, &event, update);
        /* The array stays ours, unless the entries could not be taken over: then the library has freed it,
         * and is the follower still that it was before. */
        if (r == 0 || raft_state(&engine->raft) != RAFT_FOLLOWER)
                raft_free(entries);
        return r == 0 ? 0 : raft_code_to_errno(r);
}

/* H4: only what is news, and never less than was told before. */
static int step_persisted(ConsensusEngine *engine, const ConsensusInput *input, struct raft_update *update) {
        struct raft_event event = {
                .type = RAFT_PERSISTED_ENTRIES,
                .time = input->time_msec,
                .persisted_entries.index = input->persisted.index,
        };
        int r;

        if (input->persisted.index <= engine->persisted)
                return 0;

        engine->persisted = input->persisted.index;
        r = raft_step(&engine->raft, &event, update);
        return r == 0 ? 0 : raft_code_to_errno(r);
}

/* H11: for every configuration that was applied, also for one that is older than what a snapshot said. */
static int step_applied(ConsensusEngine *engine, const ConsensusInput *input, struct raft_update *update) {
        struct raft_event event = {
                .type = RAFT_CONFIGURATION,
                .time = input->time_msec,
                .configuration.index = input->applied->index,
        };
        int r;

        r = members_decode(input->applied->payload, &event.configuration.conf);
        if (r < 0)
                return r;
        configuration_set(engine, input->applied->index, input->applied->payload);

        r = raft_step(&engine->raft, &event, update);
        return r == 0 ? 0 : raft_code_to_errno(r);
}

static int step_snapshot(ConsensusEngine *engine, const ConsensusInput *input, struct raft_update *update) {
        struct raft_event event = {
                .type = RAFT_SNAPSHOT,
                .time = input->time_msec,
                .snapshot.trailing = (unsigned) MIN(input->snapshot.trailing, (uint64_t) UINT32_MAX),
        };
        int r;

        r = head_to_metadata(input->snapshot.head, &event.snapshot.metadata);
        if (r < 0)
                return r;

        r = raft_step(&engine->raft, &event, update);
        return r == 0 ? 0 : raft_code_to_errno(r);
}

static int step_timeout(ConsensusEngine *engine, const ConsensusInput *input, struct raft_update *update) {
        struct raft_event event = { .type = RAFT_TIMEOUT, .time = input->time_msec };
        int r;

        r = raft_step(&engine->raft, &event, update);
        return r == 0 ? 0 : raft_code_to_errno(r);
}

/* ENTRIES lives until the update was read: RAFT_UPDATE_ENTRIES points into it. */
static int step_submit(
                ConsensusEngine *engine,
                const ConsensusInput *input,
                struct raft_update *update,
                struct raft_entry *entries) {
        struct raft_event event = {
                .type = RAFT_SUBMIT,
                .time = input->time_msec,
                .submit = { .entries = entries, .n = (unsigned) input->submit.n },
        };
        int r;

        for (size_t i = 0; i < input->submit.n; i++) {
                ConsensusPayload *payload = input->submit.entries[i].payload;

                assert(input->submit.entries[i].type != CONSENSUS_ENTRY_CHANGE); /* H8: alone, if ever */
                entries[i] = (struct raft_entry){
                        .term = raft_current_term(&engine->raft),
                        .type = (enum raft_entry_type) input->submit.entries[i].type,
                        .buf = { payload->bytes, payload->size },
                        .batch = payload,
                };
        }

        r = raft_step(&engine->raft, &event, update);
        if (r == RAFT_NOTLEADER) /* H7: the only refusal that leaves the library's log as it was */
                return CONSENSUS_ENGINE_NOT_LEADER;
        return r == 0 ? 0 : raft_code_to_errno(r);
}

/* ---- the update */

/* The library's own entries are copied and their batches freed: once each, neighbours share one. */
static int take_foreign(const struct raft_update *update, ConsensusEntry *to) {
        void *freed = NULL;
        int r = 0;

        for (unsigned i = 0; i < update->entries.n; i++) {
                const struct raft_entry *e = &update->entries.batch[i];

                if (r == 0)
                        r = consensus_payload_new(&to[i].payload, e->buf.base, e->buf.len);
                if (e->batch != freed)
                        raft_free(freed = e->batch);
        }
        return r;
}

static void take_submitted(const struct raft_update *update, ConsensusEntry *to) {
        for (unsigned i = 0; i < update->entries.n; i++)
                to[i].payload = consensus_payload_ref(update->entries.batch[i].batch);
}

/* H3: the log is cut from the first index on, so what was reported of it counts no more (H4). */
static int take_entries(
                ConsensusEngine *engine,
                ConsensusInputType type,
                const struct raft_update *update,
                ConsensusUpdate *ret) {
        int r = 0;

        ret->entries = calloc(update->entries.n, sizeof(*ret->entries));
        if (!ret->entries)
                return -ENOMEM;
        ret->n_entries = update->entries.n;

        for (unsigned i = 0; i < update->entries.n; i++) {
                const struct raft_entry *e = &update->entries.batch[i];

                ret->entries[i].index = update->entries.index + i;
                ret->entries[i].term = e->term;
                ret->entries[i].type = (ConsensusEntryType) e->type;
        }

        if (type == CONSENSUS_INPUT_SUBMIT)
                take_submitted(update, ret->entries);
        else
                r = take_foreign(update, ret->entries);

        engine->persisted = MIN(engine->persisted, update->entries.index - 1);
        return r;
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
static uint64_t next_deadline(ConsensusEngine *engine, const ConsensusInput *input, bool news) {
        uint64_t deadline = raft_timeout(&engine->raft);

        if (!news)
                return engine->deadline_msec;
        if (deadline <= input->time_msec)
                deadline = input->time_msec + MAX(engine->heartbeat_msec / 2, 1U);
        return engine->deadline_msec = deadline;
}

/* RAFT_UPDATE_MESSAGES is not looked at: there is no link to another peer, and a message may be lost (H5).
 * RAFT_UPDATE_SNAPSHOT follows from a message only. */
static int read_update(
                ConsensusEngine *engine,
                const ConsensusInput *input,
                const struct raft_update *update,
                ConsensusUpdate *ret) {
        const char *address;
        raft_id leader = 0;
        bool news;
        int r;

        ret->meta = update->flags & ((RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR));
        ret->term = raft_current_term(&engine->raft);
        ret->vote = raft_voted_for(&engine->raft);

        if (update->flags & (RAFT_UPDATE_ENTRIES)) {
                r = take_entries(engine, input->type, update, ret);
                if (r < 0)
                        return r;
        }

        ret->state_changed = update->flags & (RAFT_UPDATE_STATE);
        ret->state = engine_state(engine);
        raft_leader(&engine->raft, &leader, &address);
        ret->leader = leader;
        ret->barrier = ret->state_changed && ret->state == CONSENSUS_LEADER && ret->n_entries == 0; /* H12 */

        engine->commit = MAX(engine->commit, (uint64_t) raft_commit_index(&engine->raft)); /* H10 */
        ret->commit = engine->commit;

        news = update->flags & (RAFT_UPDATE_TIMEOUT) || input->type == CONSENSUS_INPUT_TIMEOUT ||
               input->type == CONSENSUS_INPUT_START;
        ret->deadline_msec = next_deadline(engine, input, news);
        return 0;
}

static const char *input_type_to_string(ConsensusInputType type) {
        static const char *const names[] = {
                [CONSENSUS_INPUT_START] = "start",     [CONSENSUS_INPUT_PERSISTED] = "persisted entries",
                [CONSENSUS_INPUT_APPLIED] = "applied", [CONSENSUS_INPUT_SNAPSHOT] = "snapshot",
                [CONSENSUS_INPUT_TIMEOUT] = "timeout", [CONSENSUS_INPUT_SUBMIT] = "submit",
        };

        return names[type];
}

static int step(ConsensusEngine *engine,
                const ConsensusInput *input,
                struct raft_update *update,
                void *entries) {
        switch (input->type) {
        case CONSENSUS_INPUT_START:
                return step_start(engine, input, update);
        case CONSENSUS_INPUT_PERSISTED:
                return step_persisted(engine, input, update);
        case CONSENSUS_INPUT_APPLIED:
                return step_applied(engine, input, update);
        case CONSENSUS_INPUT_SNAPSHOT:
                return step_snapshot(engine, input, update);
        case CONSENSUS_INPUT_TIMEOUT:
                return step_timeout(engine, input, update);
        case CONSENSUS_INPUT_SUBMIT:
                return step_submit(engine, input, update, entries);
        }
        assert(false);
        return -EINVAL;
}

int consensus_engine_step(
                ConsensusEngine *engine, const ConsensusInput *input, ConsensusUpdate *ret, Error *reterr) {
        _cleanup_free_ struct raft_entry *entries = NULL;
        struct raft_update raft_update = {};
        ConsensusUpdate update = {};
        int r;

        if (input->type == CONSENSUS_INPUT_SUBMIT) {
                entries = calloc(input->submit.n, sizeof(*entries));
                if (!entries)
                        return error_set_errno(reterr, -ENOMEM, "raft: submit: out of memory");
        }

        r = step(engine, input, &raft_update, entries);
        if (r > 0)
                return r;
        if (r == 0)
                r = read_update(engine, input, &raft_update, &update);
        if (r < 0) {
                consensus_update_done(&update);
                return error_set_errno(
                                reterr,
                                r,
                                "raft: %s: %s (%m)",
                                input_type_to_string(input->type),
                                raft_errmsg(&engine->raft));
        }

        *ret = update;
        return 0;
}

void consensus_update_done(ConsensusUpdate *update) {
        for (size_t i = 0; i < update->n_entries; i++)
                consensus_payload_unref(update->entries[i].payload);
        free(update->entries);
        *update = (ConsensusUpdate){};
}
