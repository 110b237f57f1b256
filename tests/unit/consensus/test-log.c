#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/consensus/log.h"
#include "daemon/consensus/segment.h"
#include "tests/lib/fault.h"
#include "tests/unit/consensus/help.h"

#define SEGMENT 512 /* four entries of 64 bytes */

static const uint8_t cluster_id[STATE_CLUSTER_ID_SIZE] = { 0xcc };

static int open_log(const HelpFolder *folder, ConsensusLog **ret, char **ret_words) {
        _cleanup_(error_done) Error error = {};
        ConsensusLogOptions options = { .dir_fd = folder->fd, .folder = "raft", .segment_size = SEGMENT };
        int r;

        memcpy(options.cluster_id, cluster_id, sizeof(cluster_id));
        *ret = NULL;
        r = consensus_log_open(ret, &options, &error);
        if (ret_words)
                *ret_words = g_strdup(r < 0 ? error_message(&error) : "");
        else if (r < 0)
                g_test_message("%s", error_message(&error));
        return r;
}

static ConsensusLog *reopen(const HelpFolder *folder, ConsensusLog *log) {
        consensus_log_free(log);
        g_assert_cmpint(open_log(folder, &log, NULL), ==, 0);
        return log;
}

static void append(ConsensusLog *log, uint64_t index, uint64_t term, size_t size) {
        ConsensusEntry entry = help_entry(index, term, size);

        g_assert_cmpint(consensus_log_append(log, &entry), ==, 0);
        consensus_entry_done(&entry);
}

static void append_change(ConsensusLog *log, uint64_t index) {
        ConsensusEntry entry = help_entry(index, 1, 8);

        entry.type = CONSENSUS_ENTRY_CHANGE;
        g_assert_cmpint(consensus_log_append(log, &entry), ==, 0);
        consensus_entry_done(&entry);
}

static uint64_t write_out(ConsensusLog *log) {
        _cleanup_(error_done) Error error = {};
        ConsensusLogPlan *plan;

        if (consensus_log_plan(log, &plan) == 0)
                return consensus_log_written(log);
        g_assert_cmpint(consensus_log_plan_run(plan, &error), ==, 0);
        return consensus_log_finish(log, plan);
}

static void check_entries(const ConsensusLog *log, uint64_t first, uint64_t last) {
        g_assert_cmpuint(consensus_log_first(log), ==, first);
        g_assert_cmpuint(consensus_log_last(log), ==, last);
        for (uint64_t i = first; i <= last; i++) {
                ConsensusEntry entry;

                g_assert_cmpint(consensus_log_get(log, i, &entry), ==, 0);
                g_assert_true(help_entry_is(&entry, i));
                g_assert_cmpuint(entry.term, ==, consensus_log_term(log, i));
                consensus_entry_done(&entry);
        }
}

/* The first indexes of the segments that are there. */
static char *list_files(const HelpFolder *folder) {
        GString *text = g_string_new(NULL);

        for (uint64_t first = 1; first < 100; first++) {
                char name[CONSENSUS_SEGMENT_NAME_MAX];

                if (faccessat(folder->fd, consensus_segment_name(first, name), F_OK, 0) == 0)
                        g_string_append_printf(text, "%" PRIu64 " ", first);
        }
        return g_string_free(text, FALSE);
}

static void test_append_write_read(void) {
        ConsensusLog *log;
        HelpFolder folder;
        g_autofree char *made = NULL;

        help_folder_make(&folder);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        g_assert_cmpuint(consensus_log_first(log), ==, 1);
        g_assert_cmpuint(consensus_log_last(log), ==, 0);

        for (uint64_t i = 1; i <= 20; i++)
                append(log, i, 1 + i / 8, i == 5 ? 0 : 50 + i);
        check_entries(log, 1, 20); /* at once, from memory */
        g_assert_cmpuint(consensus_log_written(log), ==, 0);

        g_assert_cmpuint(write_out(log), ==, 20);
        check_entries(log, 1, 20);
        consensus_log_release(log, 20);
        check_entries(log, 1, 20); /* from the files */

        log = reopen(&folder, log);
        check_entries(log, 1, 20);
        append(log, 21, 4, 10);
        append(log, 22, 4, 10);
        g_assert_cmpuint(write_out(log), ==, 22);
        log = reopen(&folder, log);
        check_entries(log, 1, 22);

        made = list_files(&folder);
        g_assert_cmpstr(made, ==, "1 6 10 14 18 ");
        consensus_log_free(log);
        help_folder_done(&folder);
}

static void test_terms_and_changes(void) {
        ConsensusLog *log;
        HelpFolder folder;
        const uint64_t *changes;
        size_t n;

        help_folder_make(&folder);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        append_change(log, 1);
        append(log, 2, 3, 8);
        append(log, 3, 3, 8);
        append(log, 4, 7, 8);
        for (int round = 0; round < 2; round++) {
                static const uint64_t terms[] = { 0, 1, 3, 3, 7, 0 };

                for (uint64_t i = 0; i < ELEMENTSOF(terms); i++)
                        g_assert_cmpuint(consensus_log_term(log, i), ==, terms[i]);
                changes = consensus_log_changes(log, &n);
                g_assert_cmpuint(n, ==, 1);
                g_assert_cmpuint(changes[0], ==, 1);
                g_assert_true(consensus_log_is_change(log, 1));
                g_assert_false(consensus_log_is_change(log, 2));
                g_assert_cmpuint(write_out(log), ==, 4);
                log = reopen(&folder, log);
        }
        consensus_log_free(log);
        help_folder_done(&folder);
}

static void test_too_large_for_a_segment(void) {
        ConsensusEntry entry = help_entry(
                        1, 1, SEGMENT - CONSENSUS_SEGMENT_HEADER - CONSENSUS_RECORD_HEADER + 1);
        ConsensusLog *log;
        HelpFolder folder;

        help_folder_make(&folder);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        g_assert_cmpint(consensus_log_append(log, &entry), ==, -EMSGSIZE);
        consensus_entry_done(&entry);
        append(log, 1, 1, SEGMENT - CONSENSUS_SEGMENT_HEADER - CONSENSUS_RECORD_HEADER);
        append(log, 2, 1, SEGMENT - CONSENSUS_SEGMENT_HEADER - CONSENSUS_RECORD_HEADER);
        g_assert_cmpuint(write_out(log), ==, 2);
        log = reopen(&folder, log);
        check_entries(log, 1, 2);
        consensus_log_free(log);
        help_folder_done(&folder);
}

/* From each index on, once with the entries in memory only, written, and being written. */
static void test_truncate(void) {
        HelpFolder folder;

        help_folder_make(&folder);
        for (uint64_t from = 1; from <= 13; from++)
                for (int when = 0; when < 3; when++) {
                        ConsensusLogPlan *plan;
                        ConsensusLog *log;

                        g_test_message("from %" PRIu64 ", case %d", from, when);
                        help_folder_empty(&folder);
                        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
                        for (uint64_t i = 1; i <= 12; i++)
                                append(log, i, 1, 64);
                        if (when == 1)
                                g_assert_cmpuint(write_out(log), ==, 12);
                        if (when == 2)
                                g_assert_cmpint(consensus_log_plan(log, &plan), ==, 1);

                        g_assert_cmpint(consensus_log_truncate(log, from), ==, 0);
                        g_assert_cmpuint(consensus_log_last(log), ==, from - 1);
                        append(log, from, 2, 8);
                        append(log, from + 1, 2, 64);
                        if (when == 2) {
                                _cleanup_(error_done) Error error = {};

                                g_assert_cmpint(consensus_log_plan_run(plan, &error), ==, 0);
                                g_assert_cmpuint(consensus_log_finish(log, plan), ==, from - 1);
                        }
                        check_entries(log, 1, from + 1);
                        g_assert_cmpuint(write_out(log), ==, from + 1);
                        consensus_log_release(log, from + 1);
                        check_entries(log, 1, from + 1);
                        log = reopen(&folder, log);
                        check_entries(log, 1, from + 1);
                        g_assert_cmpuint(consensus_log_term(log, from - 1), ==, from > 1 ? 1 : 0);
                        g_assert_cmpuint(consensus_log_term(log, from), ==, 2);
                        consensus_log_free(log);
                }
        help_folder_done(&folder);
}

static void test_compact(void) {
        ConsensusLog *log;
        HelpFolder folder;
        g_autofree char *before = NULL, *after = NULL;

        help_folder_make(&folder);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        append_change(log, 1);
        for (uint64_t i = 2; i <= 20; i++)
                append(log, i, i / 5 + 1, 64);
        g_assert_cmpint(consensus_log_compact(log, 20), ==, 0); /* nothing is written yet */
        g_assert_cmpuint(write_out(log), ==, 20);
        before = list_files(&folder);
        g_assert_cmpstr(before, ==, "1 5 9 13 17 ");

        g_assert_cmpint(consensus_log_compact(log, 12), ==, 0); /* 12 is in the segment of 9 */
        g_assert_cmpuint(consensus_log_bytes_after(log, 12), ==, 8 * 104);
        g_assert_cmpuint(write_out(log), ==, 20);
        after = list_files(&folder);
        g_assert_cmpstr(after, ==, "9 13 17 ");
        check_entries(log, 9, 20);
        g_assert_cmpuint(consensus_log_term(log, 8), ==, 2);
        g_assert_cmpuint(consensus_log_term(log, 7), ==, 0);
        g_assert_false(consensus_log_is_change(log, 1));

        log = reopen(&folder, log);
        check_entries(log, 9, 20);
        g_assert_cmpuint(consensus_log_term(log, 8), ==, 2);
        g_assert_cmpint(consensus_log_compact(log, 1000), ==, 0); /* the last segment stays */
        g_assert_cmpuint(write_out(log), ==, 20);
        check_entries(log, 17, 20);
        g_assert_cmpuint(consensus_log_index_by_bytes(log, SEGMENT), ==, 17);
        g_assert_cmpuint(consensus_log_index_by_bytes(log, 10), ==, 21);
        consensus_log_free(log);
        help_folder_done(&folder);
}

static void test_reset(void) {
        ConsensusLog *log;
        HelpFolder folder;

        help_folder_make(&folder);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        for (uint64_t i = 1; i <= 12; i++)
                append(log, i, 1, 64);
        g_assert_cmpuint(write_out(log), ==, 12);
        g_assert_cmpint(consensus_log_reset(log, 50, 9, NULL), ==, 0);
        for (int round = 0; round < 2; round++) {
                g_assert_cmpuint(consensus_log_first(log), ==, 51);
                g_assert_cmpuint(consensus_log_last(log), ==, 50);
                g_assert_cmpuint(consensus_log_term(log, 50), ==, 9);
                log = reopen(&folder, log);
        }
        append(log, 51, 9, 64);
        g_assert_cmpuint(write_out(log), ==, 51);
        log = reopen(&folder, log);
        check_entries(log, 51, 51);
        consensus_log_free(log);
        help_folder_done(&folder);
}

/* ---- damage */

/* Entries 1 to 9 in writes of 3, 1, 2, 1 and 2, five to a segment: 1 to 5 | 6, 7, 8 and 9. */
#define ACKNOWLEDGED 9
#define LAST_WRITE_FIRST 8 /* entries 8 and 9 were written together */
#define RECORD 88

static void make_log(const HelpFolder *folder) {
        static const unsigned writes[] = { 3, 1, 2, 1, 2 };
        ConsensusLog *log;
        uint64_t index = 1;

        help_folder_empty(folder);
        g_assert_cmpint(open_log(folder, &log, NULL), ==, 0);
        for (size_t w = 0; w < ELEMENTSOF(writes); w++) {
                for (unsigned i = 0; i < writes[w]; i++, index++)
                        append(log, index, 1, RECORD - CONSENSUS_RECORD_HEADER - index % 4);
                g_assert_cmpuint(write_out(log), ==, index - 1);
        }
        consensus_log_free(log);
}

/* What came back is what was written, up to LAST; nothing but the last write may be missing. */
static void check_recovered(const ConsensusLog *log, const char *file, size_t at) {
        uint64_t last = consensus_log_last(log);

        g_test_message("%s damaged at %zu: entries up to %" PRIu64, file, at, last);
        g_assert_cmpuint(last, >=, LAST_WRITE_FIRST - 1);
        check_entries(log, 1, last);
}

static void check_damaged(
                const HelpFolder *folder, const char *file, size_t at, size_t *n_cut, size_t *n_refused) {
        g_autofree char *words = NULL;
        g_autofree char *where = g_strdup_printf("raft/%s: offset ", file);
        ConsensusLog *log;
        uint64_t last;

        if (open_log(folder, &log, &words) < 0) {
                /* A segment that became shorter is found by itself, or by the gap before the next one. */
                g_assert_nonnull(strstr(words, ": offset "));
                g_assert_nonnull(strstr(words, "backup"));
                g_assert_nonnull(strstr(words, "`ipfs-cluster-service state import`"));
                if (!strstr(words, "is missing"))
                        g_assert_nonnull(strstr(words, where));
                (*n_refused)++;
                return;
        }
        check_recovered(log, file, at);
        last = consensus_log_last(log);
        *n_cut += last < ACKNOWLEDGED;

        /* What was cut stays cut, and the log goes on. */
        append(log, last + 1, 2, 64);
        g_assert_cmpuint(write_out(log), ==, last + 1);
        log = reopen(folder, log);
        check_entries(log, 1, last + 1);
        consensus_log_free(log);
}

static const char *const files[] = { "log-00000000000000000001", "log-00000000000000000006" };

typedef struct Image {
        char *bytes[ELEMENTSOF(files)];
} Image;

static void image_make(Image *image, const HelpFolder *folder) {
        make_log(folder);
        for (size_t f = 0; f < ELEMENTSOF(files); f++) {
                size_t n;

                image->bytes[f] = help_read(folder, files[f], &n);
                g_assert_cmpuint(n, ==, SEGMENT);
        }
}

static void image_restore(const Image *image, const HelpFolder *folder) {
        help_folder_empty(folder);
        for (size_t f = 0; f < ELEMENTSOF(files); f++)
                help_write(folder, files[f], image->bytes[f], SEGMENT);
}

static void image_done(Image *image) {
        for (size_t f = 0; f < ELEMENTSOF(files); f++)
                g_free(image->bytes[f]);
}

static void damage(bool truncate, size_t *ret_cut, size_t *ret_refused) {
        HelpFolder folder;
        Image image;

        *ret_cut = *ret_refused = 0;
        help_folder_make(&folder);
        image_make(&image, &folder);
        for (size_t f = 0; f < ELEMENTSOF(files); f++)
                for (size_t at = 0; at < SEGMENT; at++) {
                        g_autofree char *bytes = g_memdup2(image.bytes[f], SEGMENT);

                        bytes[at] ^= truncate ? 0 : 0x40;
                        image_restore(&image, &folder);
                        help_write(&folder, files[f], bytes, truncate ? at : SEGMENT);
                        check_damaged(&folder, files[f], at, ret_cut, ret_refused);
                }
        image_done(&image);
        help_folder_done(&folder);
}

static void test_every_flip(void) {
        size_t n_cut, n_refused;

        damage(false, &n_cut, &n_refused);
        g_test_message("%zu cut, %zu refused", n_cut, n_refused);
        g_assert_cmpuint(n_cut, ==, 2 * RECORD); /* the two records of the last write */
        /* The first segment, and in the last one the header and two records. */
        g_assert_cmpuint(n_refused, ==, SEGMENT + CONSENSUS_SEGMENT_HEADER + 2 * RECORD);
}

static void test_every_truncation(void) {
        size_t n_cut, n_refused;

        damage(true, &n_cut, &n_refused);
        g_assert_cmpuint(n_cut, ==, 0);
        g_assert_cmpuint(n_refused, ==, 2 * SEGMENT);
}

/* The last write reached the disk in part: any pages of it, in any order; here in units of 8 bytes. */
static void test_torn_write(void) {
        const size_t start = CONSENSUS_SEGMENT_HEADER + 2 * RECORD, end = start + 2 * RECORD;
        HelpFolder folder;
        Image image;

        help_folder_make(&folder);
        image_make(&image, &folder);
        for (size_t from = start; from < end; from += 8)
                for (size_t to = from + 8; to <= end; to += 8) {
                        g_autofree char *torn = g_memdup2(image.bytes[1], SEGMENT);
                        size_t cut = 0, refused = 0;

                        memset(torn + from, 0, to - from);
                        image_restore(&image, &folder);
                        help_write(&folder, files[1], torn, SEGMENT);
                        check_damaged(&folder, files[1], from, &cut, &refused);
                        g_assert_cmpuint(refused, ==, 0);
                }
        image_done(&image);
        help_folder_done(&folder);
}

static void test_warns_of_a_cut(void) {
        g_autofree char *words = NULL;
        HelpFolder folder;
        ConsensusLog *log;
        Image image;

        help_folder_make(&folder);
        image_make(&image, &folder);
        image.bytes[1][CONSENSUS_SEGMENT_HEADER + 2 * RECORD] ^= 1;
        image_restore(&image, &folder);

        (void) log_set_levels("warning");
        help_capture_start();
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        words = help_capture_end();
        (void) log_set_levels("error");
        g_assert_nonnull(strstr(
                        words, "raft/log-00000000000000000006: offset 240: the last write was cut off"));
        consensus_log_free(log);
        image_done(&image);
        help_folder_done(&folder);
}

static void test_missing_segment_is_refused(void) {
        g_autofree char *words = NULL, *left = NULL;
        ConsensusLog *log;
        HelpFolder folder;

        help_folder_make(&folder);
        make_log(&folder);
        g_assert_cmpint(unlinkat(folder.fd, "log-00000000000000000001", 0), ==, 0);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0); /* begins at 6: for its owner to judge */
        g_assert_cmpuint(consensus_log_first(log), ==, 6);
        for (uint64_t i = 10; i <= 14; i++)
                append(log, i, 1, 64);
        g_assert_cmpuint(write_out(log), ==, 14);
        consensus_log_free(log);

        left = list_files(&folder);
        g_assert_cmpstr(left, ==, "6 10 14 ");
        g_assert_cmpint(unlinkat(folder.fd, "log-00000000000000000010", 0), ==, 0);
        g_assert_cmpint(open_log(&folder, &log, &words), ==, -EIO);
        g_assert_nonnull(strstr(words, "log-00000000000000000014: offset 0: "));
        g_assert_nonnull(strstr(words, "entry 10 is missing"));
        help_folder_done(&folder);
}

static void test_out_of_memory(void) {
        HelpFolder folder;

        help_folder_make(&folder);
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                ConsensusLogOptions options = { .dir_fd = folder.fd,
                                                .folder = "raft",
                                                .segment_size = SEGMENT };
                ConsensusLog *log = NULL;
                ConsensusLogPlan *plan = NULL;
                ConsensusEntry entry = { .index = 1, .term = 1, .type = CONSENSUS_ENTRY_COMMAND };
                int r;

                r = consensus_log_open(&log, &options, &error);
                if (r == 0)
                        r = consensus_payload_new(&entry.payload, "x", 1);
                for (; r == 0 && entry.index <= 9; entry.index++)
                        r = consensus_log_append(log, &entry);
                if (r == 0)
                        r = consensus_log_plan(log, &plan);
                if (r > 0)
                        r = consensus_log_plan_run(plan, &error);
                if (r == 0)
                        (void) consensus_log_finish(log, TAKE_PTR(plan));
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                consensus_log_plan_free(plan);
                consensus_log_free(log);
                consensus_entry_done(&entry);
                fault_arm(-1);
                help_folder_empty(&folder);
        }
        help_folder_done(&folder);
}

/* The segment that is being written is truncated away; the write goes into the file that was meant. */
static void test_truncate_under_a_write(void) {
        _cleanup_(error_done) Error error = {};
        ConsensusLogPlan *plan;
        ConsensusLog *log;
        HelpFolder folder;

        help_folder_make(&folder);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        for (uint64_t i = 1; i <= 6; i++)
                append(log, i, 1, 60);
        (void) write_out(log);
        append(log, 7, 1, 60);
        g_assert_cmpint(consensus_log_plan(log, &plan), ==, 1);
        g_assert_false(plan->parts[0].create);
        g_assert_cmpint(consensus_log_truncate(log, 3), ==, 0);
        g_assert_cmpint(consensus_log_plan_run(plan, &error), ==, 0);
        g_assert_cmpuint(consensus_log_finish(log, plan), ==, 2);

        append(log, 3, 2, 60);
        g_assert_cmpuint(write_out(log), ==, 3);
        log = reopen(&folder, log);
        check_entries(log, 1, 3);
        consensus_log_free(log);
        help_folder_done(&folder);
}

/* H23: what is held back is readable, and in no plan. */
static void test_hold(void) {
        ConsensusLogPlan *plan;
        ConsensusLog *log;
        HelpFolder folder;

        help_folder_make(&folder);
        g_assert_cmpint(open_log(&folder, &log, NULL), ==, 0);
        for (uint64_t i = 1; i <= 5; i++)
                append(log, i, 1, 20);
        consensus_log_hold(log, 4);
        g_assert_cmpuint(write_out(log), ==, 3);
        g_assert_cmpint(consensus_log_plan(log, &plan), ==, 0);
        consensus_log_release(log, 5);
        check_entries(log, 1, 5);
        consensus_log_hold(log, UINT64_MAX);
        g_assert_cmpuint(write_out(log), ==, 5);
        log = reopen(&folder, log);
        check_entries(log, 1, 5);
        consensus_log_free(log);
        help_folder_done(&folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) log_set_levels("error"); /* each cut is a warning */
        g_test_add_func("/consensus/log/append-write-read", test_append_write_read);
        g_test_add_func("/consensus/log/terms-and-changes", test_terms_and_changes);
        g_test_add_func("/consensus/log/too-large-for-a-segment", test_too_large_for_a_segment);
        g_test_add_func("/consensus/log/truncate", test_truncate);
        g_test_add_func("/consensus/log/truncate-under-a-write", test_truncate_under_a_write);
        g_test_add_func("/consensus/log/hold", test_hold);
        g_test_add_func("/consensus/log/compact", test_compact);
        g_test_add_func("/consensus/log/reset", test_reset);
        g_test_add_func("/consensus/log/every-flip", test_every_flip);
        g_test_add_func("/consensus/log/every-truncation", test_every_truncation);
        g_test_add_func("/consensus/log/torn-write", test_torn_write);
        g_test_add_func("/consensus/log/warns-of-a-cut", test_warns_of_a_cut);
        g_test_add_func("/consensus/log/missing-segment-is-refused", test_missing_segment_is_refused);
        g_test_add_func("/consensus/log/out-of-memory", test_out_of_memory);
        return g_test_run();
}
