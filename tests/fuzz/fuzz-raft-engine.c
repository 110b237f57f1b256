#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/consensus/engine.h"
#include "daemon/consensus/log.h"

#define PEERS 3
#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One of three voters, and its log in memory. */
typedef struct Host {
        ConsensusEngine *engine;
        ConsensusLog *log;
        uint64_t ids[PEERS];
        uint64_t now, deadline, term, vote;
        bool ended;
} Host;

static PeerId peer(unsigned n) {
        uint8_t bytes[38] = { 0x00, 36, 0x08, 0x01, 0x12, 0x20 }; /* identity, Ed25519 */
        PeerId id = {};

        memset(bytes + 6, (int) n + 1, 32);
        (void) peer_id_from_bytes(bytes, sizeof(bytes), &id);
        return id;
}

static void feed(Host *host, ConsensusInput input) {
        _cleanup_(consensus_update_done) ConsensusUpdate update = {};
        _cleanup_(error_done) Error error = {};

        input.time_msec = host->now;
        if (host->ended)
                return;
        if (consensus_engine_step(host->engine, &input, &update, &error) != 0) {
                host->ended = true; /* the process would end, in order */
                return;
        }
        if (update.n_entries > 0 && update.entries[0].index <= consensus_log_last(host->log))
                (void) consensus_log_truncate(host->log, update.entries[0].index);
        for (size_t i = 0; i < update.n_entries; i++)
                (void) consensus_log_append(host->log, &update.entries[i]);
        host->ended = update.install.index > 0;
        host->deadline = update.deadline_msec;
        host->term = update.term;
        host->vote = update.vote;
}

static void receive(Host *host, const uint8_t *data, size_t size, uint64_t from) {
        ConsensusMessage message;

        if (consensus_message_decode(data, size, &message) != 0)
                return;
        message.peer = from;
        feed(host, (ConsensusInput){ .type = CONSENSUS_INPUT_RECEIVE, .message = &message });
        consensus_message_done(&message);
}

static void submit(Host *host) {
        ConsensusEntry entry = { .type = CONSENSUS_ENTRY_COMMAND };

        if (consensus_payload_new(&entry.payload, "\1", 1) < 0)
                return;
        feed(host, (ConsensusInput){ .type = CONSENSUS_INPUT_SUBMIT, .submit = { &entry, 1 } });
        consensus_entry_done(&entry);
}

/* A step is a byte that says what happens, and for a message its length and its bytes. */
static size_t step(Host *host, const uint8_t *data, size_t size) {
        size_t n;

        switch (data[0] % 4) {
        case 0:
                host->now = host->deadline;
                feed(host, (ConsensusInput){ .type = CONSENSUS_INPUT_TIMEOUT });
                return 1;
        case 1:
                feed(host,
                     (ConsensusInput){ .type = CONSENSUS_INPUT_PERSISTED,
                                       .persisted = { consensus_log_last(host->log),
                                                      host->term,
                                                      host->vote } });
                return 1;
        case 2:
                submit(host);
                return 1;
        default:
                n = size > 1 ? MIN((size_t) data[1], size - 2) : 0;
                receive(host, data + MIN(size, (size_t) 2), n, host->ids[1 + (data[0] >> 2) % 2]);
                return 2 + n;
        }
}

static int start(Host *host, int dir_fd) {
        ConsensusMember items[PEERS];
        ConsensusMembers members = { .items = items, .n = PEERS };
        ConsensusEngineOptions options = { .heartbeat_msec = 100, .election_msec = 1000, .seed = 1 };
        const ConsensusLogOptions log = { .dir_fd = dir_fd, .folder = "raft", .segment_size = 65536 };
        ConsensusEntry change = { .index = 1, .term = 1, .type = CONSENSUS_ENTRY_CHANGE };
        const ConsensusTermRun run = { 1, 1 };
        ConsensusInput input = {
                .type = CONSENSUS_INPUT_START,
                .start = { .term = 1, .first = 1, .n = 1, .runs = &run, .n_runs = 1, .n_changes = 1 }
        };
        int r;

        for (unsigned i = 0; i < PEERS; i++) {
                const PeerId id = peer(i);

                host->ids[i] = consensus_raft_id(&id);
                items[i] = (ConsensusMember){ host->ids[i], id, CONSENSUS_VOTER };
        }
        options.self = peer(0);
        options.raft_id = host->ids[0];
        r = consensus_log_open(&host->log, &log, NULL);
        if (r == 0)
                r = consensus_members_encode(&members, &change.payload);
        if (r == 0)
                r = consensus_log_append(host->log, &change);
        options.log = host->log;
        if (r == 0)
                r = consensus_engine_new(&host->engine, &options);
        input.start.changes = &change;
        if (r == 0)
                feed(host, input);
        consensus_entry_done(&change);
        return r;
}

/* Whatever a member sends: the engine goes on, or says that the process has to end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int dir_fd = open(
                        "/proc/self/attr", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* no segment */
        Host host = { .now = 1000 };

        if (dir_fd >= 0 && start(&host, dir_fd) == 0)
                for (unsigned i = 0; i < STEPS_MAX && size > 0 && !host.ended; i++) {
                        size_t n = MIN(step(&host, data, size), size);

                        data += n;
                        size -= n;
                }
        consensus_engine_free(host.engine);
        consensus_log_free(host.log);
        return 0;
}
