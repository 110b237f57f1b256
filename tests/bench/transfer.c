/*
 * bench-transfer: a peer without pins gets a snapshot from another one, which has many: two processes.
 *
 *   bench-transfer [PINS]
 *
 * Prints how long it takes from the leader's word to the pinset, for how long each loop was not at its work,
 * and how much memory each process took for it.
 */

#include "daemon/transfer/transfer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/multibase.h"
#include "daemon/base/time.h"
#include "daemon/consensus/snapshot-store.h"

#define BATCH 1000
#define TICK_USEC (1 * USEC_PER_MSEC)

typedef struct Bench {
        sd_event *event;
        sd_event_source *tick;
        Transfer transfer;
        char folder[32];
        PeerId self;
        bool ready;
        uint64_t n_pins, next, n_done;
        uint64_t applied, last_tick, longest; /* usec */
} Bench;

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

/* ---- the loop and the memory */

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        Bench *bench = userdata;
        uint64_t now = time_monotonic();

        (void) usec;
        if (bench->last_tick > 0)
                bench->longest = MAX(bench->longest, now - bench->last_tick);
        bench->last_tick = now;
        must(sd_event_source_set_time_relative(source, TICK_USEC), "timer");
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static long memory_kib(void) {
        char line[128];
        FILE *file = fopen("/proc/self/status", "re");
        long kib = 0;

        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "VmHWM: %ld", &kib) == 1)
                        break;
        if (file)
                (void) fclose(file);
        return kib;
}

/* The high water mark begins anew. */
static void reset_memory(void) {
        int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

        if (fd >= 0) {
                (void) !write(fd, "5", 1);
                close(fd);
        }
}

static void turn(Bench *bench) {
        must(sd_event_run(bench->event, 100 * USEC_PER_MSEC), "loop");
}

/* ---- the consensus */

static void on_ready(void *userdata) {
        ((Bench *) userdata)->ready = true;
}

static void on_progressed(uint64_t applied, void *userdata) {
        ((Bench *) userdata)->applied = applied;
}

static void on_failed(int exit_status, void *userdata) {
        (void) userdata;
        exit(exit_status);
}

static void on_send(const ConsensusMessage *message, void *userdata) {
        (void) message;
        (void) userdata;
}

static void open_consensus(Bench *bench, const uint8_t *join) {
        static const ConsensusEvents events = {
                .ready = on_ready, .progressed = on_progressed, .send = on_send, .failed = on_failed
        };
        _cleanup_(error_done) Error error = {};

        if (consensus_open(&bench->transfer.consensus,
                           bench->event,
                           &(ConsensusOptions){
                                           .state_folder = bench->folder,
                                           .self = bench->self,
                                           .join = join,
                                           .join_raft_id = 77,
                                           .heartbeat_timeout_usec = USEC_PER_SEC,
                                           .election_timeout_usec = USEC_PER_SEC,
                                           .snapshot_threshold = UINT64_MAX,
                                           .snapshot_bytes = UINT64_MAX / 4,
                                           .trailing_logs = 100,
                                           .events = &events,
                                           .userdata = bench,
                           },
                           &error) < 0) {
                fprintf(stderr, "%s\n", error_message(&error));
                exit(EXIT_FAILURE);
        }
}

static void pin_bytes(uint64_t n, Str *to) {
        char name[64];
        Pin pin = {
                .name = name,
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .replication_factor_min = -1,
                .replication_factor_max = -1,
                .timestamp = 1700000000,
        };
        int size = snprintf(name, sizeof(name), "pin number %" PRIu64, n);

        cid_of_bytes(CID_CODEC_DAG_PB, name, (size_t) size, &pin.cid);
        must(pin_write(&pin, to), "pin");
}

static void on_pinned(ConsensusCall *call, int r, const Error *error, void *userdata) {
        (void) call;
        (void) error;
        must(r, "submit");
        ((Bench *) userdata)->n_done++;
}

static void pin_batch(Bench *bench) {
        ConsensusOp ops[BATCH] = {};
        Str bytes[BATCH] = {};
        size_t n = (size_t) MIN((uint64_t) BATCH, bench->n_pins - bench->next);

        for (size_t i = 0; i < n; i++) {
                pin_bytes(bench->next + i, &bytes[i]);
                ops[i] = (ConsensusOp){ CONSENSUS_PIN, bytes[i].data, bytes[i].len };
        }
        must(consensus_submit(bench->transfer.consensus, NULL, ops, n, on_pinned, bench, NULL), "submit");
        bench->next += n;
        for (size_t i = 0; i < n; i++)
                str_done(&bytes[i]);
}

static void on_snapshot(int r, void *userdata) {
        must(r, "snapshot");
        ((Bench *) userdata)->n_done++;
}

static void fill(Bench *bench) {
        uint64_t n = 0;

        while (!bench->ready)
                turn(bench);
        for (; bench->next < bench->n_pins; n++) {
                pin_batch(bench);
                while (bench->n_done + 8 < n)
                        turn(bench);
        }
        while (bench->n_done < n)
                turn(bench);
        must(consensus_snapshot(bench->transfer.consensus, on_snapshot, bench), "snapshot");
        while (bench->n_done < n + 1)
                turn(bench);
}

/* ---- the links */

static bool is_member(const PeerId *peer, void *userdata) {
        (void) peer;
        (void) userdata;
        return true;
}

static void on_note(const PeerId *from, const void *bytes, size_t size, void *userdata) {
        (void) from;
        (void) bytes;
        (void) size;
        (void) userdata;
}

static void on_link(const PeerId *peer, bool up, void *userdata) {
        (void) peer;
        (void) up;
        (void) userdata;
}

static void open_peer(Bench *bench, unsigned seed, const int *fds, size_t n_fds) {
        static const RpcMethod methods[] = { { TRANSFER_METHOD, RPC_MEMBER, transfer_on_request }, {} };
        static const RpcEvents events = { is_member, on_note, on_link };
        uint8_t key[4 + 64] = { 0x08, 0x01, 0x12, 0x40 };
        _cleanup_(str_done) Str text = {};

        memcpy(key + 4, &seed, sizeof(seed));
        must(multibase_encode(MULTIBASE_64_PAD, key, sizeof(key), &text), "key");
        must(sd_event_new(&bench->event), "loop");
        must(sd_event_add_time_relative(
                             bench->event, &bench->tick, CLOCK_MONOTONIC, TICK_USEC, 1, on_tick, bench),
             "timer");
        (void) strcpy(bench->folder, "/tmp/bench-transfer-XXXXXX");
        must(mkdtemp(bench->folder) ? 0 : -errno, "mkdtemp");
        must(rpc_new(&bench->transfer.rpc,
                     bench->event,
                     &(RpcOptions){ .private_key = text.data,
                                    .fds = fds,
                                    .n_fds = n_fds,
                                    .dial_timeout_usec = USEC_PER_SEC,
                                    .methods = methods,
                                    .events = &events,
                                    .userdata = &bench->transfer },
                     NULL),
             "rpc_new");
        bench->self = *rpc_self(bench->transfer.rpc);
        bench->transfer.event = bench->event;
}

static void report(Bench *bench, const char *who, uint64_t usec) {
        printf("%s: %.2f s, longest turn %.1f ms, memory at most %ld KiB\n",
               who,
               (double) usec / (double) USEC_PER_SEC,
               (double) bench->longest / (double) USEC_PER_MSEC,
               memory_kib());
        (void) fflush(stdout);
}

static void begin_measuring(Bench *bench) {
        turn(bench);
        reset_memory();
        bench->last_tick = bench->longest = 0;
}

static void done(Bench *bench) {
        transfer_stop(&bench->transfer);
        rpc_free(bench->transfer.rpc);
        consensus_free(bench->transfer.consensus);
        (void) file_remove_tree(AT_FDCWD, bench->folder);
}

/* ---- the two processes: what the leader would say goes through a pipe */

typedef struct Word {
        unsigned port;
        PeerId leader;
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        size_t size;
        char message[4096]; /* the encoded INSTALL */
} Word;

static void lead(int to, uint64_t n_pins) {
        struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ConsensusMessage message = { .type = CONSENSUS_MESSAGE_INSTALL };
        socklen_t size = sizeof(name);
        Bench bench = { .n_pins = n_pins };
        ConsensusStatus status;
        Str bytes = {};
        Word word = {};

        must(bind(fd, (struct sockaddr *) &name, size), "bind");
        must(listen(fd, 16), "listen");
        must(getsockname(fd, (struct sockaddr *) &name, &size), "getsockname");
        open_peer(&bench, 1, &fd, 1);
        open_consensus(&bench, NULL);
        fill(&bench);

        consensus_status(bench.transfer.consensus, &status);
        message.term = status.term;
        must(consensus_snapshot_open(
                             consensus_snapshots(bench.transfer.consensus),
                             status.snapshot_index,
                             &message.install,
                             NULL),
             "snapshot");
        must(consensus_message_encode(&message, &bytes), "message");
        consensus_message_done(&message);
        word = (Word){ .port = ntohs(name.sin_port), .leader = bench.self, .size = bytes.len };
        memcpy(word.cluster_id, consensus_cluster_id(bench.transfer.consensus), STATE_CLUSTER_ID_SIZE);
        memcpy(word.message, bytes.data, bytes.len);
        str_done(&bytes);

        begin_measuring(&bench);
        must(file_write_all(to, &word, sizeof(word)), "pipe");
        while (!bench.transfer.servings)
                turn(&bench);
        while (bench.transfer.servings)
                turn(&bench);
        report(&bench, "leader  ", 0);
        while (waitpid(-1, NULL, WNOHANG) == 0)
                turn(&bench);
        done(&bench);
}

static void follow(int from) {
        char address[64];
        StrList addresses = {};
        ConsensusMessage message;
        Bench bench = {};
        uint64_t start, end;
        Word word;

        must(read(from, &word, sizeof(word)) == sizeof(word) ? 0 : -EIO, "pipe");
        open_peer(&bench, 2, NULL, 0);
        open_consensus(&bench, word.cluster_id);
        (void) snprintf(address, sizeof(address), "/ip4/127.0.0.1/tcp/%u", word.port);
        must(str_list_append(&addresses, address), "address");
        must(rpc_set_addresses(bench.transfer.rpc, &word.leader, &addresses), "address");
        str_list_done(&addresses);
        must(consensus_message_decode(word.message, word.size, &message), "message");
        message.peer = 1;

        begin_measuring(&bench);
        start = time_monotonic();
        transfer_begin(&bench.transfer, &word.leader, &message);
        while (bench.applied == 0 && bench.transfer.fetch)
                turn(&bench);
        report(&bench, "to hand it over", time_monotonic() - start);
        while (bench.applied == 0)
                turn(&bench);
        end = time_monotonic();
        while (bench.last_tick < end)
                turn(&bench);
        report(&bench, "follower", end - start);
        printf("%" PRIu64 " pins\n", state_pinset_count(consensus_pinset(bench.transfer.consensus)));
        done(&bench);
}

int main(int argc, char **argv) {
        uint64_t n_pins = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
        int fds[2];
        pid_t pid;

        (void) log_set_levels("warning");
        must(pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0, "pipe");
        pid = fork();
        must(pid < 0 ? -errno : 0, "fork");
        if (pid == 0) {
                follow(fds[0]);
                return 0;
        }
        lead(fds[1], n_pins);
        return 0;
}
