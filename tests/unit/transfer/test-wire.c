#include <glib.h>
#include <string.h>

#include "daemon/base/le.h"
#include "daemon/transfer/wire.h"
#include "tests/lib/fault.h"

static const uint8_t cluster_id[STATE_CLUSTER_ID_SIZE] = "0123456789abcde";

/* ---- requests */

static void test_request(void) {
        static const uint8_t bytes[TRANSFER_REQUEST_SIZE] = { 1, [8] = 5, [9] = 1, [24] = 7, [31] = 1 };
        const TransferRequest request = { .index = 0x105, .offset = 0x0100000000000007 };
        uint8_t written[TRANSFER_REQUEST_SIZE];
        TransferRequest read;

        transfer_request_encode(&request, written);
        g_assert_cmpmem(written, sizeof(written), bytes, sizeof(bytes));
        g_assert_cmpint(transfer_request_decode(bytes, sizeof(bytes), &read), ==, 0);
        g_assert_cmpuint(read.index, ==, request.index);
        g_assert_cmpuint(read.least, ==, 0);
        g_assert_cmpuint(read.offset, ==, request.offset);
}

static void test_bad_request(void) {
        static const struct {
                const char *what;
                uint8_t bytes[TRANSFER_REQUEST_SIZE + 1];
                size_t n;
                int expect;
        } cases[] = {
                { "format 0", { 0 }, TRANSFER_REQUEST_SIZE, -EBADMSG },
                { "a newer one", { 2 }, TRANSFER_REQUEST_SIZE, TRANSFER_NEWER },
                { "a newer one of another size", { 2 }, 3, TRANSFER_NEWER },
                { "no zero", { 1, 1 }, TRANSFER_REQUEST_SIZE, -EBADMSG },
                { "too long", { 1 }, TRANSFER_REQUEST_SIZE + 1, -EBADMSG },
                { "index and least", { 1, [8] = 1, [16] = 1 }, TRANSFER_REQUEST_SIZE, -EBADMSG },
        };
        TransferRequest request;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                int r = transfer_request_decode(cases[i].bytes, cases[i].n, &request);

                if (r != cases[i].expect)
                        g_error("%s: %d, expected %d", cases[i].what, r, cases[i].expect);
        }
        for (size_t n = 0; n < TRANSFER_REQUEST_SIZE; n++)
                g_assert_cmpint(transfer_request_decode((const uint8_t[32]){ 1 }, n, &request),
                                ==,
                                -EBADMSG);
}

/* ---- answers */

static void append_members(Str *to, uint64_t index, uint64_t term) {
        ConsensusMember member = { .raft_id = 9, .role = CONSENSUS_VOTER };
        ConsensusMembers members = { .items = &member, .n = 1 };
        ConsensusSnapshotHead head = { .index = index, .term = term, .configuration.index = 1 };

        g_assert_cmpint(peer_id_parse("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", &member.peer),
                        ==,
                        0);
        g_assert_cmpint(consensus_members_encode(&members, &head.configuration.members), ==, 0);
        g_assert_cmpint(consensus_snapshot_encode(&head, cluster_id, to), ==, 0);
        consensus_payload_unref(head.configuration.members);
}

static void make_answer(Str *to, uint64_t size, uint64_t index, uint64_t term) {
        _cleanup_(str_done) Str members = {};
        TransferHead head = { .size = size, .mark = 0xabcd };
        uint8_t bytes[TRANSFER_HEAD_SIZE];

        append_members(&members, index, term);
        head.members_size = (uint32_t) members.len;
        transfer_head_encode(&head, bytes);
        (void) str_append_bytes(to, bytes, sizeof(bytes));
        g_assert_cmpint(str_append_bytes(to, members.data, members.len), ==, 0);
}

/* In two pieces, cut at every byte, the second with the dump's first bytes behind it. */
static void test_answer(void) {
        _cleanup_(str_done) Str bytes = {};
        size_t lead;

        make_answer(&bytes, 1000, 7, 2);
        lead = bytes.len;
        g_assert_cmpint(str_append(&bytes, "dump"), ==, 0);
        for (size_t cut = 0; cut <= lead; cut++) {
                _cleanup_(transfer_answer_done) TransferAnswer answer = {};
                size_t rest = 99, first = 99;
                int r;

                r = transfer_answer_feed(&answer, cluster_id, bytes.data, cut, &first, NULL);
                g_assert_cmpint(r, ==, cut == lead);
                if (r == 0)
                        r = transfer_answer_feed(
                                        &answer, cluster_id, bytes.data + cut, bytes.len - cut, &rest, NULL);
                g_assert_cmpint(r, ==, 1);
                g_assert_cmpuint(cut == lead ? first : rest, ==, cut == lead ? 0 : strlen("dump"));
                g_assert_true(answer.is_whole);
                g_assert_cmpuint(answer.head.size, ==, 1000);
                g_assert_cmpuint(answer.head.mark, ==, 0xabcd);
                g_assert_cmpuint(answer.snapshot.index, ==, 7);
                g_assert_cmpuint(answer.snapshot.term, ==, 2);
                g_assert_cmpuint(answer.snapshot.configuration.index, ==, 1);
        }
}

static void refuse(const char *what, const Str *bytes, ErrorCode code, const char *words) {
        _cleanup_(transfer_answer_done) TransferAnswer answer = {};
        _cleanup_(error_done) Error error = {};
        size_t rest;

        if (transfer_answer_feed(&answer, cluster_id, bytes->data, bytes->len, &rest, &error) >= 0)
                g_error("%s: taken", what);
        g_assert_cmpint(error.code, ==, code);
        g_assert_cmpstr(error.message, ==, words);
        g_assert_false(answer.is_whole);
}

static void test_bad_answer(void) {
        static const struct {
                const char *what;
                size_t at;
                uint8_t byte;
                ErrorCode code;
                const char *words;
        } cases[] = {
                { "newer", 0, 2, ERROR_UNSUPPORTED, "it answers in a newer format" },
                { "format 0", 0, 0, ERROR_INVALID, "its answer is malformed" },
                { "no zero", 7, 1, ERROR_INVALID, "its answer is malformed" },
                { "a huge file", 15, 1, ERROR_INVALID, "its answer is malformed" },
                { "huge members", 23, 1, ERROR_INVALID, "its answer is malformed" },
                { "members", TRANSFER_HEAD_SIZE + 40, 9, ERROR_INVALID, "its members cannot be read" },
        };
        _cleanup_(str_done) Str bytes = {};

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                str_reset(&bytes);
                make_answer(&bytes, 1000, 7, 2);
                bytes.data[cases[i].at] = (char) cases[i].byte;
                refuse(cases[i].what, &bytes, cases[i].code, cases[i].words);
        }

        str_reset(&bytes);
        make_answer(&bytes, TRANSFER_MARK_BYTES - 1, 7, 2);
        refuse("a small file", &bytes, ERROR_INVALID, "its answer is malformed");
        str_reset(&bytes);
        make_answer(&bytes, 1000, 7, 0);
        refuse("term 0", &bytes, ERROR_INVALID, "its members are malformed");
        str_reset(&bytes);
        make_answer(&bytes, 1000, UINT64_MAX, 1);
        refuse("a huge index", &bytes, ERROR_INVALID, "its members are malformed");
}

static void test_other_cluster(void) {
        _cleanup_(transfer_answer_done) TransferAnswer answer = {};
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str bytes = {};
        size_t rest;

        make_answer(&bytes, 1000, 7, 2);
        g_assert_cmpint(transfer_answer_feed(
                                        &answer,
                                        (const uint8_t[STATE_CLUSTER_ID_SIZE]){},
                                        bytes.data,
                                        bytes.len,
                                        &rest,
                                        &error),
                        <,
                        0);
        g_assert_cmpstr(error.message, ==, "it is of another cluster");
}

static void test_answer_out_of_memory(void) {
        _cleanup_(str_done) Str bytes = {};

        make_answer(&bytes, 1000, 7, 2);
        FOREACH_FAULT {
                _cleanup_(transfer_answer_done) TransferAnswer answer = {};
                size_t rest;
                int r;

                r = transfer_answer_feed(&answer, cluster_id, bytes.data, bytes.len, &rest, NULL);
                g_assert_cmpint(r == 1, ==, !fault_fired());
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/transfer/wire/request", test_request);
        g_test_add_func("/transfer/wire/bad-request", test_bad_request);
        g_test_add_func("/transfer/wire/answer", test_answer);
        g_test_add_func("/transfer/wire/bad-answer", test_bad_answer);
        g_test_add_func("/transfer/wire/other-cluster", test_other_cluster);
        g_test_add_func("/transfer/wire/answer-out-of-memory", test_answer_out_of_memory);
        return g_test_run();
}
