#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/consensus/segment.h"
#include "tests/unit/consensus/help.h"

static const uint8_t cluster_id[STATE_CLUSTER_ID_SIZE] = { 0xcc, 0xcc };

static void test_record_is_frozen(void) {
        ConsensusEntry entry = help_entry(0x0102, 3, 5);
        uint8_t bytes[48];
        g_autofree char *hex = NULL;

        g_assert_cmpuint(consensus_record_size(5), ==, sizeof(bytes));
        consensus_record_encode(&entry, 0x0101, bytes);
        hex = help_hex(bytes, sizeof(bytes));
        g_assert_cmpstr(hex,
                        ==,
                        "38b42bea05000000020100000000000003000000000000000101000000000000\n"
                        "01000000000000003f464d545b000000\n");
        consensus_payload_unref(entry.payload);
}

static void test_record_refuses_every_damage(void) {
        ConsensusEntry entry = help_entry(7, 3, 5);
        uint8_t bytes[48];
        ConsensusRecord record;

        consensus_record_encode(&entry, 6, bytes);
        g_assert_cmpint(consensus_record_decode(bytes, sizeof(bytes), &record), ==, sizeof(bytes));
        g_assert_cmpuint(record.index, ==, 7);
        g_assert_cmpuint(record.term, ==, 3);
        g_assert_cmpuint(record.write_first, ==, 6);
        g_assert_cmpmem(record.payload, record.length, entry.payload->bytes, 5);

        for (size_t n = 0; n < sizeof(bytes); n++) {
                g_autofree void *cut = g_memdup2(bytes, n);

                g_assert_cmpint(consensus_record_decode(cut, n, &record), ==, -EBADMSG);
        }
        for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
                bytes[i / 8] ^= (uint8_t) (1 << i % 8);
                g_assert_cmpint(consensus_record_decode(bytes, sizeof(bytes), &record), ==, -EBADMSG);
                bytes[i / 8] ^= (uint8_t) (1 << i % 8);
        }
        consensus_payload_unref(entry.payload);
}

static void test_names(void) {
        static const struct {
                const char *name;
                uint64_t index; /* 0: refused */
        } cases[] = {
                { "log-00000000000000000001", 1 },
                { "log-18446744073709551615", UINT64_MAX },
                { "log-18446744073709551616", 0 },
                { "log-00000000000000000000", 0 },
                { "log-1", 0 },
                { "log-0000000000000000000x", 0 },
                { "log-00000000000000000001~", 0 },
                { "log.new", 0 },
                { "l", 0 },
                { "", 0 },
        };
        char name[CONSENSUS_SEGMENT_NAME_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t index = 0;
                int r = consensus_segment_parse_name(cases[i].name, &index);

                g_test_message("%s", cases[i].name);
                g_assert_cmpint(r, ==, cases[i].index > 0);
                if (r > 0) {
                        g_assert_cmpuint(index, ==, cases[i].index);
                        g_assert_cmpstr(consensus_segment_name(index, name), ==, cases[i].name);
                }
        }
}

static void test_push_and_cut(void) {
        ConsensusSegment *segment;

        g_assert_cmpint(consensus_segment_new(&segment, 5, 1, 256), ==, 0);
        g_assert_cmpint(consensus_segment_push(segment, 8), ==, 1);
        g_assert_cmpint(consensus_segment_push(segment, 1), ==, 1);
        g_assert_cmpint(consensus_segment_push(segment, 57), ==, 0); /* one byte too many */
        g_assert_cmpint(consensus_segment_push(segment, 56), ==, 1);
        g_assert_cmpuint(segment->end, ==, 256);
        g_assert_cmpuint(consensus_segment_last(segment), ==, 7);

        consensus_segment_cut(segment, 8);
        g_assert_cmpuint(segment->n, ==, 3);
        consensus_segment_cut(segment, 6);
        g_assert_cmpuint(segment->n, ==, 1);
        g_assert_cmpuint(segment->end, ==, CONSENSUS_SEGMENT_HEADER + 48);
        consensus_segment_cut(segment, 1);
        g_assert_cmpuint(segment->n, ==, 0);
        consensus_segment_free(segment);
}

static void test_file_is_frozen(void) {
        ConsensusSegment *segment;
        g_autofree char *bytes = NULL, *hex = NULL;
        HelpFolder folder;
        size_t n;

        help_folder_make(&folder);
        g_assert_cmpint(consensus_segment_new(&segment, 258, 3, 256), ==, 0);
        segment->fd = consensus_segment_create(folder.fd, segment, cluster_id, -1, 0);
        g_assert_cmpint(segment->fd, >=, 0);

        bytes = help_read(&folder, "log-00000000000000000258", &n);
        g_assert_cmpuint(n, ==, 256);
        hex = help_hex(bytes, CONSENSUS_SEGMENT_HEADER);
        g_assert_cmpstr(hex,
                        ==,
                        "636c7374726c6f672742543d01000000cccc0000000000000000000000000000\n"
                        "0201000000000000030000000000000000010000000000000000000000000000\n");
        for (size_t i = CONSENSUS_SEGMENT_HEADER; i < n; i++)
                g_assert_cmpint(bytes[i], ==, 0);
        consensus_segment_free(segment);
        help_folder_done(&folder);
}

static int take_nothing(const ConsensusRecord *record _unused_, void *userdata) {
        (*(size_t *) userdata)++;
        return 0;
}

static int scan_file(const HelpFolder *folder, const uint8_t *cluster, char **ret_words) {
        _cleanup_(consensus_segment_freep) ConsensusSegment *segment = NULL;
        _cleanup_(error_done) Error error = {};
        size_t n = 0;
        ConsensusSegmentScan scan = {
                .dir_fd = folder->fd,
                .folder = "raft",
                .cluster_id = cluster,
                .is_last = true,
                .take = take_nothing,
                .userdata = &n,
        };
        int r;

        g_assert_cmpint(consensus_segment_new(&segment, 258, 0, CONSENSUS_SEGMENT_HEADER), ==, 0);
        r = consensus_segment_scan(segment, &scan, &error);
        *ret_words = g_strdup(r < 0 ? error_message(&error) : "");
        return r;
}

/* A header has no excuse: the file was whole before it got its name. */
static void test_header_refuses_every_damage(void) {
        const char *name = "log-00000000000000000258";
        static const uint8_t other[STATE_CLUSTER_ID_SIZE] = { 1 };
        ConsensusSegment *segment;
        g_autofree char *whole = NULL, *words = NULL;
        HelpFolder folder;
        size_t n;

        help_folder_make(&folder);
        g_assert_cmpint(consensus_segment_new(&segment, 258, 3, 256), ==, 0);
        segment->fd = consensus_segment_create(folder.fd, segment, cluster_id, -1, 0);
        whole = help_read(&folder, name, &n);

        g_assert_cmpint(scan_file(&folder, cluster_id, &words), ==, 0);
        for (size_t cut = 0; cut <= n + 8; cut += cut < CONSENSUS_SEGMENT_HEADER + 8 ? 1 : 8) {
                g_autofree char *longer = g_malloc0(n + 8), *why = NULL;

                memcpy(longer, whole, n);
                help_write(&folder, name, longer, cut);
                g_test_message("%zu of %zu bytes", cut, n);
                g_assert_cmpint(scan_file(&folder, cluster_id, &why), ==, cut == n ? 0 : -EIO);
                if (cut != n)
                        g_assert_nonnull(strstr(why, "raft/log-00000000000000000258: offset "));
        }
        for (size_t i = 0; i < CONSENSUS_SEGMENT_HEADER; i++) {
                g_autofree char *why = NULL;

                whole[i] ^= 1;
                help_write(&folder, name, whole, n);
                whole[i] ^= 1;
                g_assert_cmpint(scan_file(&folder, cluster_id, &why), ==, -EIO);
                g_assert_nonnull(strstr(why, "raft/log-00000000000000000258: offset 0: "));
        }

        help_write(&folder, name, whole, n);
        g_free(words);
        g_assert_cmpint(scan_file(&folder, other, &words), ==, -EIO);
        g_assert_nonnull(strstr(words, "another cluster"));
        consensus_segment_free(segment);
        help_folder_done(&folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/consensus/segment/record-is-frozen", test_record_is_frozen);
        g_test_add_func("/consensus/segment/record-refuses-every-damage", test_record_refuses_every_damage);
        g_test_add_func("/consensus/segment/names", test_names);
        g_test_add_func("/consensus/segment/push-and-cut", test_push_and_cut);
        g_test_add_func("/consensus/segment/file-is-frozen", test_file_is_frozen);
        g_test_add_func("/consensus/segment/header-refuses-every-damage", test_header_refuses_every_damage);
        return g_test_run();
}
