#include <glib.h>
#include <string.h>

#include "daemon/consensus/entry.h"
#include "tests/lib/fault.h"
#include "tests/unit/consensus/help.h"

static void make_batch(Str *to) {
        static const ConsensusOp ops[] = {
                { CONSENSUS_PIN, "\x0a\x01x", 3 },
                { CONSENSUS_UNPIN, "ab", 2 },
                { CONSENSUS_PEER_PUT, "peer", 4 },
                { CONSENSUS_REQUEST_REMOVE, "r", 1 },
        };

        g_assert_cmpint(consensus_entry_begin(to), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(ops); i++)
                g_assert_cmpint(consensus_entry_add(to, &ops[i]), ==, 0);
}

static void test_format_is_frozen(void) {
        _cleanup_(str_done) Str batch = {};
        _cleanup_(str_done) Str large = {};
        g_autofree char *hex = NULL, *large_hex = NULL;
        char body[200] = {};
        const ConsensusOp op = { CONSENSUS_PIN, body, sizeof(body) };

        make_batch(&batch);
        hex = help_hex(batch.data, batch.len);
        g_assert_cmpstr(hex,
                        ==,
                        "0101030a0178020261620304706565720601"
                        "72\n");

        g_assert_cmpint(consensus_entry_begin(&large), ==, 0);
        g_assert_cmpint(consensus_entry_add(&large, &op), ==, 0);
        large_hex = help_hex(large.data, 4);
        g_assert_cmpstr(large_hex, ==, "0101c801\n");
}

static void test_reads_what_was_written(void) {
        _cleanup_(str_done) Str batch = {};
        ConsensusEntryReader reader;
        ConsensusOp op;

        make_batch(&batch);
        g_assert_cmpint(consensus_entry_open(&reader, batch.data, batch.len), ==, 0);
        g_assert_cmpint(consensus_entry_next(&reader, &op), ==, 1);
        g_assert_cmpint(op.kind, ==, CONSENSUS_PIN);
        g_assert_cmpmem(op.body, op.size, "\x0a\x01x", 3);
        g_assert_cmpint(consensus_entry_next(&reader, &op), ==, 1);
        g_assert_cmpint(op.kind, ==, CONSENSUS_UNPIN);
        g_assert_cmpint(consensus_entry_next(&reader, &op), ==, 1);
        g_assert_cmpint(op.kind, ==, CONSENSUS_PEER_PUT);
        g_assert_cmpint(consensus_entry_next(&reader, &op), ==, 1);
        g_assert_cmpint(op.kind, ==, CONSENSUS_REQUEST_REMOVE);
        g_assert_cmpmem(op.body, op.size, "r", 1);
        g_assert_cmpint(consensus_entry_next(&reader, &op), ==, 0);
        g_assert_cmpint(consensus_entry_next(&reader, &op), ==, 0);
}

/* The answer that ends the reading of BYTES; *RET_N operations came before it. */
static int read_all(const void *bytes, size_t n, size_t *ret_n) {
        ConsensusEntryReader reader;
        ConsensusOp op;
        int r;

        *ret_n = 0;
        r = consensus_entry_open(&reader, bytes, n);
        if (r != 0)
                return r;
        while ((r = consensus_entry_next(&reader, &op)) == 1)
                (*ret_n)++;
        return r;
}

static void test_cut_at_every_byte(void) {
        static const size_t whole[] = { 1, 6, 10, 16, 19 }; /* where an operation ends */
        _cleanup_(str_done) Str batch = {};

        make_batch(&batch);
        for (size_t cut = 0; cut <= batch.len; cut++) {
                g_autofree void *bytes = g_memdup2(batch.data, cut);
                bool ends = false;
                size_t n;
                int r;

                for (size_t i = 0; i < ELEMENTSOF(whole); i++)
                        ends |= whole[i] == cut;
                r = read_all(bytes, cut, &n);
                g_test_message("cut at %zu", cut);
                g_assert_cmpint(r, ==, ends ? 0 : -EBADMSG);
        }
}

static void test_bad_and_newer(void) {
        static const struct {
                const char *bytes;
                size_t n;
                int answer;
        } cases[] = {
                { "\x02\x01\x01x", 4, CONSENSUS_ENTRY_NEWER }, /* version */
                { "\x00\x01\x01x", 4, CONSENSUS_ENTRY_NEWER },
                { "\x01\x0a\x01x", 4, CONSENSUS_ENTRY_NEWER }, /* kind */
                { "\x01\xff", 2, CONSENSUS_ENTRY_NEWER },
                { "\x01\x00\x01x", 4, -EBADMSG },     /* no kind */
                { "\x01\x01\x00", 3, -EBADMSG },      /* no body */
                { "\x01\x01\x81\x00x", 5, -EBADMSG }, /* length not in its shortest form */
                { "\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7fx", 12, -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t n;

                g_test_message("case %zu", i);
                g_assert_cmpint(read_all(cases[i].bytes, cases[i].n, &n), ==, cases[i].answer);
                g_assert_cmpint(n, ==, 0);
        }
}

static void test_key(void) {
        Cid cid, key;
        _cleanup_(str_done) Str bytes = {};
        Pin pin = {};
        ConsensusOp op;

        cid_of_bytes(CID_CODEC_RAW, "x", 1, &cid);
        pin.cid = cid;
        pin.type = PIN_TYPE_DATA;
        pin.max_depth = PIN_DEPTH_RECURSIVE;
        g_assert_cmpint(pin_write(&pin, &bytes), ==, 0);

        op = (ConsensusOp){ CONSENSUS_PIN, bytes.data, bytes.len };
        g_assert_cmpint(consensus_entry_key(&op, &key), ==, 0);
        g_assert_true(cid_equal(&cid, &key));
        op = (ConsensusOp){ CONSENSUS_UNPIN, cid.bytes, cid.size };
        g_assert_cmpint(consensus_entry_key(&op, &key), ==, 0);
        g_assert_true(cid_equal(&cid, &key));

        op.size--;
        g_assert_cmpint(consensus_entry_key(&op, &key), ==, -EBADMSG);
        op = (ConsensusOp){ CONSENSUS_PIN, "\x10\x01", 2 };
        g_assert_cmpint(consensus_entry_key(&op, &key), ==, -EBADMSG);
        op.kind = CONSENSUS_PEER_PUT;
        g_assert_cmpint(consensus_entry_key(&op, &key), ==, -EBADMSG);
}

/* The id that is replaced, then the pin; or the id alone. */
static void test_request(void) {
        PinRequestId old = { .created = 7, .random = 9 }, id;
        _cleanup_(str_done) Str bytes = {};
        ConsensusOp op, pin;
        Cid cid, key;
        size_t n;

        cid_of_bytes(CID_CODEC_RAW, "x", 1, &cid);
        cid_of_bytes(CID_CODEC_RAW, "y", 1, &old.cid);
        g_assert_cmpint(pin_request_id_write(&old, &bytes), ==, 0);
        n = bytes.len;
        (void) str_append_bytes(&bytes, "\x0a\x24", 2);
        (void) str_append_bytes(&bytes, cid.bytes, cid.size);

        op = (ConsensusOp){ CONSENSUS_REQUEST_PUT, bytes.data, bytes.len };
        g_assert_cmpint(consensus_entry_request(&op, &id, &pin), ==, 0);
        g_assert_true(pin_request_id_equal(&id, &old));
        g_assert_cmpmem(pin.body, pin.size, bytes.data + n, bytes.len - n);
        g_assert_cmpint(consensus_entry_key(&op, &key), ==, 0);
        g_assert_true(cid_equal(&key, &cid));

        op = (ConsensusOp){ CONSENSUS_REQUEST_REMOVE, bytes.data, n };
        g_assert_cmpint(consensus_entry_request(&op, &id, &pin), ==, 0);
        g_assert_cmpuint(pin.size, ==, 0);
        g_assert_cmpint(consensus_entry_key(&op, &key), ==, 0);
        g_assert_true(cid_equal(&key, &old.cid));

        /* without what it needs, or with more */
        for (size_t i = 0; i <= bytes.len; i++) {
                g_autofree void *cut = g_memdup2(bytes.data, i);

                g_test_message("cut at %zu", i);
                op = (ConsensusOp){ CONSENSUS_REQUEST_REMOVE, cut, i };
                g_assert_cmpint(consensus_entry_key(&op, &key), ==, i == n ? 0 : -EBADMSG);
                op.kind = CONSENSUS_REQUEST_PUT;
                g_assert_cmpint(consensus_entry_key(&op, &key), ==, i == bytes.len ? 0 : -EBADMSG);
        }
        op = (ConsensusOp){ CONSENSUS_REQUEST_REMOVE, "\0", 1 }; /* no id */
        g_assert_cmpint(consensus_entry_request(&op, &id, &pin), ==, -EBADMSG);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str batch = {};
                const ConsensusOp op = { CONSENSUS_UNPIN, "ab", 2 };
                ConsensusPayload *payload = NULL;
                int r;

                (void) consensus_entry_begin(&batch);
                r = consensus_entry_add(&batch, &op);
                if (r == 0)
                        r = consensus_payload_new(&payload, batch.data, batch.len);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                consensus_payload_unref(payload);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/consensus/entry/format-is-frozen", test_format_is_frozen);
        g_test_add_func("/consensus/entry/reads-what-was-written", test_reads_what_was_written);
        g_test_add_func("/consensus/entry/cut-at-every-byte", test_cut_at_every_byte);
        g_test_add_func("/consensus/entry/bad-and-newer", test_bad_and_newer);
        g_test_add_func("/consensus/entry/key", test_key);
        g_test_add_func("/consensus/entry/request", test_request);
        g_test_add_func("/consensus/entry/out-of-memory", test_out_of_memory);
        return g_test_run();
}
