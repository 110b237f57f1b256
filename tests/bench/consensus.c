/*
 * consensus: figures of the durable log and the pinset, without any surface above them.
 *
 *   bench-consensus [PINS]
 *
 * Commits of single pins with 1, 16 and 64 in flight; PINS (default 1,000,000) in batches of 1,000; then the
 * time until the peer is ready again after a clean stop and after a crash. Prints one line each, judges
 * none.
 */

#include "daemon/consensus/consensus.h"

#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/time.h"

#define BATCH 1000
#define SINGLE_PINS 50000

typedef struct Bench {
        sd_event *event;
        Consensus *consensus;
        char *folder;
        PeerId self;
        bool ready;
        uint64_t next, end; /* pins */
        size_t batch;       /* of one submit */
        size_t in_flight;
} Bench;

static void fail(const char *what, const Error *error) {
        fprintf(stderr, "%s: %s\n", what, error_message(error));
        exit(1);
}

static void on_ready(void *userdata) {
        ((Bench *) userdata)->ready = true;
}

static void on_failed(int exit_status, void *userdata _unused_) {
        exit(exit_status);
}

static void bench_open(Bench *bench) {
        static const ConsensusEvents events = { .ready = on_ready, .failed = on_failed };
        const ConsensusOptions options = {
                .state_folder = bench->folder,
                .self = bench->self,
                .heartbeat_timeout_usec = USEC_PER_SEC,
                .election_timeout_usec = USEC_PER_SEC,
                .snapshot_interval_usec = 120 * USEC_PER_SEC,
                .snapshot_threshold = 8192,
                .trailing_logs = 10000,
                .events = &events,
                .userdata = bench,
        };
        Error error = {};

        bench->ready = false;
        if (consensus_open(&bench->consensus, bench->event, &options, &error) < 0)
                fail("open", &error);
        while (!bench->ready)
                (void) sd_event_run(bench->event, UINT64_MAX);
}

static void make_pin(uint64_t n, Str *to) {
        char text[32];
        Pin pin = {
                .name = text,
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .replication_factor_min = -1,
                .replication_factor_max = -1,
                .timestamp = 1700000000 * USEC_PER_SEC,
        };

        (void) snprintf(text, sizeof(text), "pin %" PRIu64, n);
        cid_of_bytes(CID_CODEC_RAW, text, strlen(text), &pin.cid);
        if (pin_write(&pin, to) < 0)
                abort();
}

static void submit_more(Bench *bench);

static void on_done(ConsensusCall *call _unused_, int r, const Error *error, void *userdata) {
        Bench *bench = userdata;

        if (r < 0)
                fail("commit", error);
        bench->in_flight--;
        submit_more(bench);
}

static void submit_more(Bench *bench) {
        static Str bytes[BATCH];
        ConsensusOp ops[BATCH];
        size_t n = MIN(bench->batch, bench->end - bench->next);
        Error error = {};

        if (n == 0)
                return;
        for (size_t i = 0; i < n; i++) {
                str_reset(&bytes[i]);
                make_pin(bench->next++, &bytes[i]);
                ops[i] = (ConsensusOp){ CONSENSUS_PIN, bytes[i].data, bytes[i].len };
        }
        if (consensus_submit(bench->consensus, NULL, ops, n, on_done, bench, &error) < 0)
                fail("submit", &error);
        bench->in_flight++;
}

/* Of the whole process: on a busy machine the clock says little. */
static double cpu_seconds(void) {
        struct rusage usage;

        if (getrusage(RUSAGE_SELF, &usage) < 0)
                return 0;
        return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long resident_kib(void) {
        long pages = 0, ignored = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        if (f && fscanf(f, "%ld %ld", &ignored, &pages) != 2)
                pages = 0;
        if (f)
                (void) fclose(f);
        return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void run(Bench *bench, const char *what, uint64_t n, size_t batch, size_t in_flight) {
        uint64_t start = time_monotonic(), usec;
        double cpu = cpu_seconds();

        bench->end = bench->next + n;
        bench->batch = batch;
        for (size_t i = 0; i < in_flight; i++)
                submit_more(bench);
        while (bench->in_flight > 0)
                (void) sd_event_run(bench->event, UINT64_MAX);

        usec = time_monotonic() - start;
        printf("%-28s %9.0f pins/s  %6.2f us of CPU a pin  %6ld KiB resident\n",
               what,
               (double) n * 1e6 / (double) usec,
               (cpu_seconds() - cpu) * 1e6 / (double) n,
               resident_kib());
}

static void restart(Bench *bench, bool clean) {
        uint64_t start;
        double cpu;

        if (clean) {
                if (consensus_close(bench->consensus) < 0)
                        exit(1);
        } else
                consensus_free(bench->consensus);

        start = time_monotonic();
        cpu = cpu_seconds();
        bench_open(bench);
        printf("%-28s %9.3f s       %6.3f s of CPU         %6ld KiB resident, %" PRIu64 " pins\n",
               clean ? "ready after a clean stop" : "ready after a crash",
               (double) (time_monotonic() - start) / 1e6,
               cpu_seconds() - cpu,
               resident_kib(),
               state_pinset_count(consensus_pinset(bench->consensus)));
}

int main(int argc, char **argv) {
        uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
        Bench bench = {};

        (void) log_set_levels("warning");
        bench.folder = g_dir_make_tmp("bench-consensus-XXXXXX", NULL);
        if (!bench.folder || sd_event_new(&bench.event) < 0)
                return 1;
        if (peer_id_parse("12D3KooWGfyyFtqxCrPxFBkRqJCcMoKRvcKPbLmrRYKUmVoaY9uC", &bench.self) < 0)
                return 1;

        bench_open(&bench);
        printf("%-28s %51ld KiB resident\n", "empty", resident_kib());
        run(&bench, "single pins, 1 in flight", MIN(n, 5000), 1, 1);
        run(&bench, "single pins, 16 in flight", MIN(n, SINGLE_PINS), 1, 16);
        run(&bench, "single pins, 64 in flight", MIN(n, SINGLE_PINS), 1, 64);
        run(&bench, "1,000 a batch, 8 in flight", n, BATCH, 8);
        restart(&bench, true);
        run(&bench,
            "1,000 a batch, 8 in flight",
            20000,
            BATCH,
            8); /* so that there is something to rebuild */
        restart(&bench, false);
        restart(&bench, true);

        (void) consensus_close(bench.consensus);
        sd_event_unref(bench.event);
        (void) file_remove_tree(AT_FDCWD, bench.folder);
        g_free(bench.folder);
        return 0;
}
