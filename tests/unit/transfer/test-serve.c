#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/consensus/snapshot-store.h"
#include "daemon/transfer/wire.h"
#include "tests/lib/loopback.h"
#include "tests/unit/transfer/pair.h"

#define PINS 4000 /* some blocks of the server's */
#define MANY_PINS 12000

static void ask_with(Asked *asked, Node *from, const Node *to, const void *body, size_t size) {
        asked_with(asked,
                   from,
                   &(RpcCallOptions){
                                   .peer = &to->id,
                                   .method = TRANSFER_METHOD,
                                   .body = body,
                                   .size = size,
                   },
                   true);
}

static void ask(Asked *asked, Pair *pair, size_t from, uint64_t index, uint64_t least, uint64_t offset) {
        const TransferRequest request = { .index = index, .least = least, .offset = offset };
        uint8_t body[TRANSFER_REQUEST_SIZE];

        transfer_request_encode(&request, body);
        ask_with(asked, &pair->nodes.node[from], &pair->nodes.node[PAIR_LEADER], body, sizeof(body));
}

typedef struct Files {
        char *dump, *members;
        size_t n_dump, n_members;
} Files;

static void read_files(Files *files, const PairPeer *peer, uint64_t index) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        g_autofree char *folder = pair_path(peer, consensus_snapshot_name(index, name));
        g_autofree char *dump = g_build_filename(folder, CONSENSUS_SNAPSHOT_DUMP, NULL);
        g_autofree char *members = g_build_filename(folder, CONSENSUS_SNAPSHOT_MEMBERS, NULL);

        g_assert_true(g_file_get_contents(dump, &files->dump, &files->n_dump, NULL));
        g_assert_true(g_file_get_contents(members, &files->members, &files->n_members, NULL));
}

static void files_done(Files *files) {
        g_free(files->dump);
        g_free(files->members);
}

static void check_answer(const Asked *asked, const Files *files, uint64_t offset) {
        size_t lead = TRANSFER_HEAD_SIZE + files->n_members;
        const char *bytes = asked->body->str;

        g_assert_cmpstr(asked->words, ==, "");
        g_assert_cmpint(asked->result, ==, 0);
        g_assert_cmpuint(asked->body->len, ==, lead + files->n_dump - offset);
        g_assert_cmpuint(le_get64(bytes), ==, TRANSFER_FORMAT);
        g_assert_cmpuint(le_get64(bytes + 8), ==, files->n_dump);
        g_assert_cmpuint(
                        le_get32(bytes + 16),
                        ==,
                        hash_crc32c(0,
                                    files->dump + files->n_dump - TRANSFER_MARK_BYTES,
                                    TRANSFER_MARK_BYTES));
        g_assert_cmpuint(le_get32(bytes + 20), ==, files->n_members);
        g_assert_cmpmem(bytes + TRANSFER_HEAD_SIZE, files->n_members, files->members, files->n_members);
        g_assert_cmpint(memcmp(bytes + lead, files->dump + offset, files->n_dump - offset), ==, 0);
}

static void test_whole(void) {
        Files files;
        uint64_t index;
        Pair pair;

        pair_open(&pair, 2, PINS);
        index = pair_snapshot(&pair.peer[PAIR_LEADER]);
        read_files(&files, &pair.peer[PAIR_LEADER], index);
        {
                const uint64_t offsets[] = {
                        0, 1, 65536, 128 * 1024, 128 * 1024 + 1, 300000, files.n_dump - 1, files.n_dump
                };

                for (size_t i = 0; i < G_N_ELEMENTS(offsets); i++)
                        for (int newest = 0; newest <= 1; newest++) {
                                Asked asked = {};

                                ask(&asked,
                                    &pair,
                                    PAIR_FOLLOWER,
                                    newest ? 0 : index,
                                    newest ? index : 0,
                                    offsets[i]);
                                asked_wait(&asked);
                                check_answer(&asked, &files, offsets[i]);
                                asked_done(&asked);
                        }
        }
        files_done(&files);
        pair_close(&pair);
}

static void refuse(Pair *pair, const void *body, size_t size, ErrorCode code, const char *words) {
        Asked asked = {};

        ask_with(&asked, &pair->nodes.node[PAIR_FOLLOWER], &pair->nodes.node[PAIR_LEADER], body, size);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, code);
        g_assert_cmpstr(asked.words, ==, words);
        g_assert_cmpuint(asked.received, ==, 0);
        asked_done(&asked);
}

static void test_refused(void) {
        const TransferRequest gone = { .index = 1234567 };
        uint8_t body[TRANSFER_REQUEST_SIZE];
        g_autofree char *words = NULL;
        uint64_t index, size;
        Pair pair;

        pair_open(&pair, 2, 10);
        index = pair_snapshot(&pair.peer[PAIR_LEADER]);
        size = consensus_snapshot_bytes(
                        consensus_snapshots(pair.peer[PAIR_LEADER].transfer.consensus), index);

        transfer_request_encode(&gone, body);
        refuse(&pair, body, sizeof(body), ERROR_NOT_FOUND, "there is no snapshot 1234567 any more");
        transfer_request_encode(&(TransferRequest){ .index = index, .offset = size + 1 }, body);
        words = g_strdup_printf(
                        "snapshot %lu has %lu bytes, not %lu",
                        (unsigned long) index,
                        (unsigned long) size,
                        (unsigned long) size + 1);
        refuse(&pair, body, sizeof(body), ERROR_INVALID, words);
        for (size_t n = 0; n < sizeof(body); n++)
                refuse(&pair, body, n, ERROR_INVALID, "snapshot: the request is malformed");
        body[0]++;
        refuse(&pair, body, 5, ERROR_UNSUPPORTED, "snapshot: the request has a newer format than 1");
        body[0]--;

        {
                Consensus *consensus = TAKE_PTR(pair.peer[PAIR_LEADER].transfer.consensus);

                refuse(&pair, body, sizeof(body), ERROR_BUSY, "the peer is starting or ending");
                pair.peer[PAIR_LEADER].transfer.consensus = consensus;
        }
        g_assert_null(pair.peer[PAIR_LEADER].transfer.servings);
        pair_close(&pair);
}

/* None is new enough: one is taken, and served to whoever asks again. */
static void test_least(void) {
        Asked asked = {};
        uint64_t index;
        Files files;
        Pair pair;

        pair_open(&pair, 2, 10);
        index = pair_snapshot(&pair.peer[PAIR_LEADER]);
        pair_pin(&pair.peer[PAIR_LEADER], 100, 10);
        ask(&asked, &pair, PAIR_FOLLOWER, 0, index + 1, 0);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, ERROR_BUSY);
        g_assert_cmpstr(asked.words, ==, "a snapshot is being taken; try again");
        asked_done(&asked);

        while (pair_snapshot_index(&pair.peer[PAIR_LEADER]) == index)
                g_assert_cmpint(sd_event_run(pair.nodes.event, 100000), >=, 0);
        read_files(&files, &pair.peer[PAIR_LEADER], index + 1);
        ask(&asked, &pair, PAIR_FOLLOWER, 0, index + 1, 0);
        asked_wait(&asked);
        check_answer(&asked, &files, 0);
        asked_done(&asked);
        files_done(&files);
        pair_close(&pair);
}

/* The file is open: its folder may go. */
static void test_removed_meanwhile(void) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        g_autofree char *folder = NULL;
        Asked asked = { .pause_after = 1 };
        uint64_t index;
        Files files;
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        index = pair_snapshot(&pair.peer[PAIR_LEADER]);
        read_files(&files, &pair.peer[PAIR_LEADER], index);
        ask(&asked, &pair, PAIR_FOLLOWER, index, 0, 0);
        PAIR_WAIT(&pair, asked.received > 0);
        g_assert_nonnull(pair.peer[PAIR_LEADER].transfer.servings);
        folder = pair_path(&pair.peer[PAIR_LEADER], consensus_snapshot_name(index, name));
        g_assert_cmpint(file_remove_tree(AT_FDCWD, folder), ==, 0);

        asked.pause_after = 0;
        rpc_call_resume(asked.call);
        asked_wait(&asked);
        check_answer(&asked, &files, 0);
        asked_done(&asked);
        files_done(&files);
        PAIR_WAIT(&pair, !pair.peer[PAIR_LEADER].transfer.servings);
        pair_close(&pair);
}

/* It is shorter than it was: the asker is told by a broken stream, the log by words. */
static void test_cut_meanwhile(void) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        Asked asked = { .pause_after = 1 };
        g_autofree char *folder = NULL, *dump = NULL, *words = NULL;
        uint64_t index;
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        index = pair_snapshot(&pair.peer[PAIR_LEADER]);
        ask(&asked, &pair, PAIR_FOLLOWER, index, 0, 0);
        PAIR_WAIT(&pair, asked.received > 0);
        folder = pair_path(&pair.peer[PAIR_LEADER], consensus_snapshot_name(index, name));
        dump = g_build_filename(folder, CONSENSUS_SNAPSHOT_DUMP, NULL);
        g_assert_cmpint(truncate(dump, 1000), ==, 0);

        pair_capture_start();
        asked.pause_after = 0;
        rpc_call_resume(asked.call);
        asked_wait(&asked);
        PAIR_WAIT(&pair, !pair.peer[PAIR_LEADER].transfer.servings);
        words = pair_capture_end();
        g_assert_cmpint(asked.code, ==, ERROR_CANCELED);
        g_assert_nonnull(strstr(words, "a snapshot for peer 12D3Koo"));
        asked_done(&asked);
        pair_close(&pair);
}

/* A peer that asks anew has lost its link: the older stream ends. */
static void test_replaced(void) {
        Asked first = { .pause_after = 1 }, second = {};
        uint64_t index;
        Files files;
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        index = pair_snapshot(&pair.peer[PAIR_LEADER]);
        read_files(&files, &pair.peer[PAIR_LEADER], index);
        ask(&first, &pair, PAIR_FOLLOWER, index, 0, 0);
        PAIR_WAIT(&pair, first.received > 0);
        ask(&second, &pair, PAIR_FOLLOWER, index, 0, 0);
        asked_wait(&second);
        check_answer(&second, &files, 0);
        first.pause_after = 0;
        rpc_call_resume(first.call);
        asked_wait(&first);
        g_assert_cmpint(first.code, ==, ERROR_CANCELED);
        asked_done(&first);
        asked_done(&second);
        files_done(&files);
        pair_close(&pair);
}

/* Who asks again and again has to end what it has begun. */
static void test_replaced_often(void) {
        Asked asked[TRANSFER_REPLACED_MAX + 2] = {};
        unsigned last = TRANSFER_REPLACED_MAX + 1;
        uint64_t index;
        Pair pair;

        pair_open(&pair, 2, MANY_PINS);
        index = pair_snapshot(&pair.peer[PAIR_LEADER]);
        for (unsigned i = 0; i <= last; i++) {
                asked[i].pause_after = 1;
                ask(&asked[i], &pair, PAIR_FOLLOWER, index, 0, 0);
                PAIR_WAIT(&pair, asked[i].received > 0 || asked[i].n_done > 0);
                g_assert_cmpint(asked[i].code, ==, i < last ? ERROR_NONE : ERROR_BUSY);
                for (unsigned turn = 0; turn < 200; turn++) /* the window of the stream is filled */
                        g_assert_cmpint(sd_event_run(pair.nodes.event, USEC_PER_MSEC), >=, 0);
        }
        g_assert_cmpstr(asked[last].words, ==, "2 streams to this peer have not ended yet; try again");
        asked_done(&asked[last]);
        asked_done(&asked[0]);
        PAIR_WAIT(&pair, pair.peer[PAIR_LEADER].transfer.n_servings == 2);
        asked[last] = (Asked){ .pause_after = 1 };
        ask(&asked[last], &pair, PAIR_FOLLOWER, index, 0, 0);
        PAIR_WAIT(&pair, asked[last].received > 0);
        for (unsigned i = 1; i <= last; i++)
                asked_done(&asked[i]);
        PAIR_WAIT(&pair, !pair.peer[PAIR_LEADER].transfer.servings);
        pair_close(&pair);
}

/* ---- many at once */

static bool trusts(const PeerId *peer G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return true;
}

static void no_note(
                const PeerId *from G_GNUC_UNUSED,
                const void *bytes G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata G_GNUC_UNUSED) {
}

static void no_link(const PeerId *peer G_GNUC_UNUSED, bool up G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
}

/* A peer that only asks. */
static void open_asker(Node *node, Pair *pair, unsigned i) {
        static const RpcMethod none[] = { {} };
        static const RpcEvents events = { trusts, no_note, no_link };
        g_autofree char *key = loopback_key(100 + i);
        const RpcOptions options = {
                .private_key = key,
                .dial_timeout_usec = 2 * USEC_PER_SEC,
                .methods = none,
                .events = &events,
        };

        *node = (Node){ .event = pair->nodes.event };
        g_assert_cmpint(rpc_new(&node->rpc, node->event, &options, NULL), ==, 0);
        node_know(node, &pair->nodes.node[PAIR_LEADER]);
}

static void test_bound(void) {
        uint8_t body[TRANSFER_REQUEST_SIZE];
        Node askers[TRANSFER_SERVINGS_MAX + 1];
        Asked asked[TRANSFER_SERVINGS_MAX + 1] = {};
        TransferRequest request = {};
        Pair pair;

        pair_open(&pair, 1, MANY_PINS);
        transfer_request_encode(&request, body);
        for (unsigned i = 0; i <= TRANSFER_SERVINGS_MAX; i++) {
                open_asker(&askers[i], &pair, i);
                asked[i].pause_after = 1;
                ask_with(&asked[i], &askers[i], &pair.nodes.node[PAIR_LEADER], body, sizeof(body));
                PAIR_WAIT(&pair, asked[i].received > 0 || asked[i].n_done > 0);
                g_assert_cmpint(asked[i].code, ==, i < TRANSFER_SERVINGS_MAX ? ERROR_NONE : ERROR_BUSY);
        }
        g_assert_cmpstr(asked[TRANSFER_SERVINGS_MAX].words,
                        ==,
                        "4 peers are being sent a snapshot; try again");
        for (unsigned i = 0; i <= TRANSFER_SERVINGS_MAX; i++) {
                asked_done(&asked[i]);
                rpc_free(askers[i].rpc);
        }
        PAIR_WAIT(&pair, !pair.peer[PAIR_LEADER].transfer.servings);
        pair_close(&pair);
}

/* At any moment. */
static void test_end(void) {
        Pair pair;

        pair_open(&pair, 2, 2000);
        for (unsigned n = 0; n < 60; n++) {
                Asked asked = {};

                ask(&asked, &pair, PAIR_FOLLOWER, 0, 0, 0);
                for (unsigned i = 0; i < n; i++)
                        g_assert_cmpint(sd_event_run(pair.nodes.event, 0), >=, 0);
                asked_done(&asked);
                if (n % 10 == 0)
                        rpc_forget(pair.nodes.node[PAIR_LEADER].rpc, &pair.nodes.node[PAIR_FOLLOWER].id);
        }
        pair_close(&pair);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/transfer/serve/whole", test_whole);
        g_test_add_func("/transfer/serve/refused", test_refused);
        g_test_add_func("/transfer/serve/least", test_least);
        g_test_add_func("/transfer/serve/removed-meanwhile", test_removed_meanwhile);
        g_test_add_func("/transfer/serve/cut-meanwhile", test_cut_meanwhile);
        g_test_add_func("/transfer/serve/replaced", test_replaced);
        g_test_add_func("/transfer/serve/replaced-often", test_replaced_often);
        g_test_add_func("/transfer/serve/bound", test_bound);
        g_test_add_func("/transfer/serve/end", test_end);
        return g_test_run();
}
