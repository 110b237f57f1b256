#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/consensus/disk.h"
#include "daemon/consensus/segment.h"
#include "tests/unit/consensus/help.h"

typedef struct Fixture {
        HelpFolder folder;
        sd_event *event;
        ConsensusLog *log;
        ConsensusDisk *disk;
        GString *trace;
        unsigned n_told;
} Fixture;

static void on_durable(uint64_t index, const ConsensusMeta *meta _unused_, void *userdata) {
        Fixture *f = userdata;

        g_string_append_printf(f->trace, "durable %" PRIu64 "; ", index);
        f->n_told++;
        g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0);
}

static void on_failed(const Error *error, void *userdata) {
        Fixture *f = userdata;

        g_string_append_printf(f->trace, "failed: %s; ", strstr(error_message(error), "raft/"));
        f->n_told++;
}

static void set_up(Fixture *f, gconstpointer data _unused_) {
        static const ConsensusDiskEvents events = { .durable = on_durable, .failed = on_failed };
        const ConsensusMeta meta = { .sequence = 1, .raft_id = 7, .term = 1, .peer = help_peer(1) };
        ConsensusLogOptions log_options = { .folder = "raft", .segment_size = CONSENSUS_SEGMENT_SIZE };
        ConsensusDiskOptions options = { .folder = "raft", .meta = &meta, .events = &events, .userdata = f };

        help_folder_make(&f->folder);
        f->trace = g_string_new(NULL);
        g_assert_cmpint(sd_event_new(&f->event), >=, 0);
        log_options.dir_fd = options.dir_fd = f->folder.fd;
        g_assert_cmpint(consensus_log_open(&f->log, &log_options, NULL), ==, 0);
        options.event = f->event;
        options.log = f->log;
        g_assert_cmpint(consensus_disk_new(&f->disk, &options), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer data _unused_) {
        f->disk = consensus_disk_free(f->disk);
        consensus_log_free(f->log);
        sd_event_unref(f->event);
        g_string_free(f->trace, TRUE);
        help_folder_done(&f->folder);
}

static void append(Fixture *f, uint64_t index) {
        ConsensusEntry entry = help_entry(index, 1, 20);

        g_assert_cmpint(consensus_log_append(f->log, &entry), ==, 0);
        consensus_entry_done(&entry);
}

static void wait_for(Fixture *f, unsigned n_told) {
        while (f->n_told < n_told)
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
}

/* What comes while the disk is busy is taken by one job. */
static void test_group_commit(Fixture *f, gconstpointer data _unused_) {
        g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0); /* nothing to do */
        append(f, 1);
        g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0);
        for (uint64_t i = 2; i <= 9; i++) {
                append(f, i);
                g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0);
        }
        g_assert_cmpuint(consensus_log_written(f->log), ==, 0);
        wait_for(f, 2);
        g_assert_cmpstr(f->trace->str, ==, "durable 1; durable 9; ");
}

static void test_vote_goes_first(Fixture *f, gconstpointer data _unused_) {
        ConsensusMeta meta;

        consensus_disk_set_vote(f->disk, 4, 7);
        consensus_disk_set_vote(f->disk, 5, 8); /* the last one counts */
        append(f, 1);
        g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0);
        wait_for(f, 1);
        g_assert_cmpint(consensus_meta_load(f->folder.fd, "raft", &meta, NULL), ==, 1);
        g_assert_cmpuint(meta.term, ==, 5);
        g_assert_cmpuint(meta.vote, ==, 8);
        g_assert_cmpuint(meta.sequence, ==, 2);
        g_assert_cmpuint(meta.raft_id, ==, 7);
}

static void test_end_waits_for_the_job(Fixture *f, gconstpointer data _unused_) {
        append(f, 1);
        g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0);
        append(f, 2);
        f->disk = consensus_disk_free(f->disk);
        /* The job was begun, or was not; what came after it is not begun in any case. */
        g_assert_cmpuint(consensus_log_written(f->log), ==, f->n_told);
        g_assert_cmpuint(f->n_told, <=, 1);
}

static void test_failure_is_the_end(Fixture *f, gconstpointer data _unused_) {
        g_assert_cmpint(mkdirat(f->folder.fd, "log.new", 0700), ==, 0); /* in the way of the new segment */
        append(f, 1);
        g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0);
        wait_for(f, 1);
        g_assert_cmpstr(f->trace->str,
                        ==,
                        "failed: raft/log-00000000000000000001: offset 64: cannot write: Is a directory; ");
        g_assert_cmpint(unlinkat(f->folder.fd, "log.new", AT_REMOVEDIR), ==, 0);
        append(f, 2);
        g_assert_cmpint(consensus_disk_kick(f->disk), ==, 0);
        g_assert_cmpint(sd_event_run(f->event, 0), ==, 0);
        g_assert_cmpuint(f->n_told, ==, 1);
}

#define TEST(path, function) g_test_add("/consensus/disk/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        TEST("group-commit", test_group_commit);
        TEST("vote-goes-first", test_vote_goes_first);
        TEST("end-waits-for-the-job", test_end_waits_for_the_job);
        TEST("failure-is-the-end", test_failure_is_the_end);
        return g_test_run();
}
