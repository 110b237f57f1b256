#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/base/log.h"
#include "daemon/consensus/meta.h"
#include "tests/unit/consensus/help.h"

static ConsensusMeta sample(uint64_t sequence) {
        ConsensusMeta meta = {
                .sequence = sequence,
                .raft_id = 0x1122334455667788,
                .term = 7 + sequence,
                .vote = 9,
                .peer = help_peer(1),
        };

        memset(meta.cluster_id, 0xcc, sizeof(meta.cluster_id));
        memset(meta.disk_id, 0xdd, sizeof(meta.disk_id));
        return meta;
}

static void check_equal(const ConsensusMeta *a, const ConsensusMeta *b) {
        g_assert_cmpuint(a->sequence, ==, b->sequence);
        g_assert_cmpmem(a->cluster_id, sizeof(a->cluster_id), b->cluster_id, sizeof(b->cluster_id));
        g_assert_cmpmem(a->disk_id, sizeof(a->disk_id), b->disk_id, sizeof(b->disk_id));
        g_assert_cmpuint(a->raft_id, ==, b->raft_id);
        g_assert_cmpuint(a->term, ==, b->term);
        g_assert_cmpuint(a->vote, ==, b->vote);
        g_assert_true(peer_id_equal(&a->peer, &b->peer));
}

static void test_format_is_frozen(void) {
        const ConsensusMeta meta = sample(2);
        uint8_t bytes[CONSENSUS_META_SIZE];
        g_autofree char *hex = NULL;
        ConsensusMeta read;

        consensus_meta_encode(&meta, bytes);
        hex = help_hex(bytes, sizeof(bytes));
        g_assert_cmpstr(hex,
                        ==,
                        "636c73746d657461a1475e1e020000000200000000000000cccccccccccccccc\n"
                        "cccccccccccccccc887766554433221109000000000000000900000000000000\n"
                        "2600000000000000002408011220010101010101010101010101010101010101\n"
                        "0101010101010101010101010101000000000000000000000000000000000000\n"
                        "0000000000000000dddddddddddddddddddddddddddddddd\n");

        g_assert_cmpint(consensus_meta_decode(bytes, sizeof(bytes), &read), ==, 0);
        check_equal(&read, &meta);
}

static void test_refuses_every_damage(void) {
        const ConsensusMeta meta = sample(2);
        uint8_t bytes[CONSENSUS_META_SIZE + 1] = {};
        ConsensusMeta read;

        consensus_meta_encode(&meta, bytes);
        for (size_t n = 0; n <= sizeof(bytes); n++)
                g_assert_cmpint(consensus_meta_decode(bytes, n, &read),
                                ==,
                                n == CONSENSUS_META_SIZE ? 0 : -EBADMSG);
        for (size_t i = 0; i < CONSENSUS_META_SIZE; i++) {
                bytes[i] ^= 0x10;
                g_assert_cmpint(consensus_meta_decode(bytes, CONSENSUS_META_SIZE, &read), ==, -EBADMSG);
                bytes[i] ^= 0x10;
        }
}

static int load(const HelpFolder *folder, ConsensusMeta *ret, char **ret_words) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = consensus_meta_load(folder->fd, "raft", ret, &error);
        if (ret_words)
                *ret_words = g_strdup(r < 0 ? error_message(&error) : "");
        return r;
}

static void test_saves_both(void) {
        const ConsensusMeta first = sample(1), second = sample(2);
        g_autofree char *a = NULL, *b = NULL;
        const char *failed;
        HelpFolder folder;
        ConsensusMeta read;
        size_t n;

        help_folder_make(&folder);
        g_assert_cmpint(load(&folder, &read, NULL), ==, 0);

        g_assert_cmpint(consensus_meta_save(folder.fd, &first, &failed), ==, 0);
        g_assert_cmpint(consensus_meta_save(folder.fd, &second, &failed), ==, 0);
        g_assert_cmpint(load(&folder, &read, NULL), ==, 1);
        check_equal(&read, &second);

        a = help_read(&folder, "meta-a", &n);
        b = help_read(&folder, "meta-b", &n);
        g_assert_cmpmem(a, n, b, n);
        help_folder_done(&folder);
}

/* A save that was cut off after any byte of the first or of the second file. */
static void test_torn_save(void) {
        const ConsensusMeta before = sample(1), after = sample(2);
        uint8_t old[CONSENSUS_META_SIZE], new[CONSENSUS_META_SIZE];
        HelpFolder folder;

        consensus_meta_encode(&before, old);
        consensus_meta_encode(&after, new);
        help_folder_make(&folder);

        for (int slot = 0; slot < 2; slot++)
                for (size_t cut = 0; cut <= CONSENSUS_META_SIZE; cut++) {
                        uint8_t torn[CONSENSUS_META_SIZE];
                        ConsensusMeta read;

                        memcpy(torn, old, sizeof(torn));
                        memcpy(torn, new, cut);
                        help_write(&folder, "meta-a", slot == 0 ? torn : new, sizeof(torn));
                        help_write(&folder, "meta-b", slot == 0 ? old : torn, sizeof(torn));
                        g_assert_cmpint(load(&folder, &read, NULL), ==, 1);
                        if (slot == 1 || cut == CONSENSUS_META_SIZE)
                                check_equal(&read, &after);
                        else if (cut <= 48) /* beyond, the records are the same */
                                g_assert_cmpuint(read.term, ==, before.term);
                }
        help_folder_done(&folder);
}

static void test_one_whole_is_enough(void) {
        const ConsensusMeta meta = sample(3);
        const char *failed;
        HelpFolder folder;

        help_folder_make(&folder);
        for (int slot = 0; slot < 2; slot++)
                for (size_t cut = 0; cut < CONSENSUS_META_SIZE; cut++) {
                        g_autofree char *bytes = NULL;
                        ConsensusMeta read;
                        size_t n;

                        g_assert_cmpint(consensus_meta_save(folder.fd, &meta, &failed), ==, 0);
                        bytes = help_read(&folder, slot == 0 ? "meta-a" : "meta-b", &n);
                        help_write(&folder, slot == 0 ? "meta-a" : "meta-b", bytes, cut);
                        g_assert_cmpint(load(&folder, &read, NULL), ==, 1);
                        check_equal(&read, &meta);
                }
        help_folder_done(&folder);
}

static void test_both_broken_is_refused(void) {
        g_autofree char *words = NULL;
        ConsensusMeta read;
        HelpFolder folder;

        help_folder_make(&folder);
        help_write(&folder, "meta-a", "garbage", 7);
        g_assert_cmpint(load(&folder, &read, &words), <, 0);
        g_assert_nonnull(strstr(words, "raft/meta-a: offset 0"));
        g_assert_nonnull(strstr(words, "backup"));
        g_assert_nonnull(strstr(words, "`ipfs-cluster-service state import`"));
        help_folder_done(&folder);
}

/* Whatever its size, larger ones included. */
static void test_another_format(void) {
        const ConsensusMeta meta = sample(3);
        g_autofree char *words = NULL;
        uint8_t bytes[CONSENSUS_META_SIZE + 64] = {};
        const size_t sizes[] = { 24, 136, CONSENSUS_META_SIZE, sizeof(bytes) };
        ConsensusMeta read;
        HelpFolder folder;

        help_folder_make(&folder);
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                consensus_meta_encode(&meta, bytes);
                le_put32(bytes + 12, CONSENSUS_META_FORMAT + 1);
                le_put32(bytes + 8, hash_crc32c(0, bytes + 12, sizes[i] - 12));
                g_assert_cmpint(consensus_meta_decode(bytes, sizes[i], &read), ==, 1);
        }
        help_write(&folder, "meta-a", bytes, sizeof(bytes));
        g_assert_cmpint(load(&folder, &read, &words), <, 0);
        g_assert_cmpstr(words,
                        ==,
                        "raft/meta-a: the file has the format of another release; this one reads format 2");
        help_folder_done(&folder);
}

static void test_warns_of_a_broken_one(void) {
        const ConsensusMeta meta = sample(3);
        g_autofree char *words = NULL;
        const char *failed;
        ConsensusMeta read;
        HelpFolder folder;

        help_folder_make(&folder);
        g_assert_cmpint(consensus_meta_save(folder.fd, &meta, &failed), ==, 0);
        help_write(&folder, "meta-b", "garbage", 7);
        (void) log_set_levels("warning");
        help_capture_start();
        g_assert_cmpint(load(&folder, &read, NULL), ==, 1);
        words = help_capture_end();
        (void) log_set_levels("error");
        g_assert_nonnull(strstr(words, "raft/meta-b: the checksum does not match, using meta-a"));
        help_folder_done(&folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) log_set_levels("error"); /* each damage is a warning */
        g_test_add_func("/consensus/meta/format-is-frozen", test_format_is_frozen);
        g_test_add_func("/consensus/meta/refuses-every-damage", test_refuses_every_damage);
        g_test_add_func("/consensus/meta/saves-both", test_saves_both);
        g_test_add_func("/consensus/meta/torn-save", test_torn_save);
        g_test_add_func("/consensus/meta/one-whole-is-enough", test_one_whole_is_enough);
        g_test_add_func("/consensus/meta/both-broken-is-refused", test_both_broken_is_refused);
        g_test_add_func("/consensus/meta/another-format", test_another_format);
        g_test_add_func("/consensus/meta/warns-of-a-broken-one", test_warns_of_a_broken_one);
        return g_test_run();
}
