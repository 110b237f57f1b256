#include <glib.h>
#include <string.h>

#include "daemon/consensus/fsm.h"
#include "tests/lib/fault.h"
#include "tests/unit/consensus/node.h"

typedef struct Fixture {
        HelpFolder folder;
        StatePinset *pinset;
} Fixture;

static void set_up(Fixture *f, gconstpointer data _unused_) {
        static const uint8_t cluster_id[STATE_CLUSTER_ID_SIZE] = { 0xcc };

        help_folder_make(&f->folder);
        g_assert_cmpint(state_pinset_open(&f->pinset, f->folder.path, cluster_id, NULL), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer data _unused_) {
        state_pinset_free(f->pinset);
        help_folder_done(&f->folder);
}

static ConsensusEntry entry_of(const void *bytes, size_t n) {
        ConsensusEntry entry = { .index = 9, .term = 1, .type = CONSENSUS_ENTRY_COMMAND };

        g_assert_cmpint(consensus_payload_new(&entry.payload, bytes, n), ==, 0);
        return entry;
}

/* Pins 1 and 2, unpin 1, and something about a peer. */
static ConsensusEntry sample(void) {
        _cleanup_(str_done) Str batch = {};
        _cleanup_(str_done) Str one = {};
        _cleanup_(str_done) Str two = {};
        Cid cid;

        node_pin_bytes(1, &one);
        node_pin_bytes(2, &two);
        node_pin_cid(1, &cid);
        const ConsensusOp ops[] = {
                { CONSENSUS_PIN, one.data, one.len },
                { CONSENSUS_PIN, two.data, two.len },
                { CONSENSUS_UNPIN, cid.bytes, cid.size },
                { CONSENSUS_PEER_PUT, "peer", 4 },
        };

        (void) consensus_entry_begin(&batch);
        for (size_t i = 0; i < ELEMENTSOF(ops); i++)
                g_assert_cmpint(consensus_entry_add(&batch, &ops[i]), ==, 0);
        return entry_of(batch.data, batch.len);
}

static void on_applied(uint64_t index, const ConsensusOp *op, const Cid *cid, void *userdata) {
        g_string_append_printf(
                        userdata,
                        "%d@%d%s ",
                        (int) op->kind,
                        (int) index,
                        cid_is_defined(cid) ? " cid" : "");
}

static void test_applies_in_order(Fixture *f, gconstpointer data _unused_) {
        const ConsensusEvents events = { .applied = on_applied };
        ConsensusEntry entry = sample();
        GString *told = g_string_new(NULL);
        Cid one, two;

        node_pin_cid(1, &one);
        node_pin_cid(2, &two);
        for (int again = 0; again < 2; again++) { /* the same entry may come again */
                g_assert_cmpint(consensus_fsm_apply(f->pinset, &entry, NULL), ==, 4);
                g_assert_cmpint(state_pinset_commit(f->pinset, entry.index), ==, 0);
                g_assert_cmpint(state_pinset_has(f->pinset, &one), ==, 0);
                g_assert_cmpint(state_pinset_has(f->pinset, &two), ==, 1);
                g_assert_cmpuint(state_pinset_count(f->pinset), ==, 1);
        }
        consensus_fsm_tell(f->pinset, &entry, &events, told);
        g_assert_cmpstr(told->str, ==, "1@9 cid 1@9 cid 2@9 cid 3@9 ");
        g_string_free(told, TRUE);
        consensus_entry_done(&entry);
}

/* What was read by the one who asks is not there any more: nothing happens, and nothing is told. */
static void test_conditions(Fixture *f, gconstpointer data _unused_) {
        const ConsensusEvents events = { .applied = on_applied };
        _cleanup_(str_done) Str one = {}, other = {}, body = {};
        uint8_t condition[CONSENSUS_CONDITION_SIZE];
        GString *told = g_string_new(NULL);
        Cid cid;

        node_pin_cid(1, &cid);
        node_pin_bytes(1, &one);
        (void) str_append_bytes(&other, one.data, one.len);
        (void) str_append_bytes(&other, "\x38\x01", 2); /* another value of the same CID */
        consensus_condition(one.data, one.len, condition);
        (void) str_append_bytes(&body, condition, sizeof(condition));
        (void) str_append_bytes(&body, other.data, other.len);
        _cleanup_(str_done) Str unpin = {};
        (void) str_append_bytes(&unpin, condition, sizeof(condition));
        (void) str_append_bytes(&unpin, cid.bytes, cid.size);

        const struct {
                ConsensusOp op;
                const char *told;
                const Str *value; /* then; NULL: it is not there */
        } steps[] = {
                { { CONSENSUS_PIN_IF, body.data, body.len }, "", NULL },
                { { CONSENSUS_UNPIN_IF, unpin.data, unpin.len }, "2@9 cid ", NULL }, /* repeated: harmless */
                { { CONSENSUS_PIN, one.data, one.len }, "1@9 cid ", &one },
                { { CONSENSUS_PIN_IF, body.data, body.len }, "1@9 cid ", &other },
                { { CONSENSUS_UNPIN_IF, unpin.data, unpin.len }, "", &other },
                { { CONSENSUS_PIN, one.data, one.len }, "1@9 cid ", &one },
                { { CONSENSUS_UNPIN_IF, unpin.data, unpin.len }, "2@9 cid ", NULL },
        };
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                _cleanup_(str_done) Str batch = {}, value = {};
                ConsensusEntry entry;

                g_test_message("step %zu", i);
                (void) consensus_entry_begin(&batch);
                g_assert_cmpint(consensus_entry_add(&batch, &steps[i].op), ==, 0);
                entry = entry_of(batch.data, batch.len);
                g_assert_cmpint(consensus_fsm_apply(f->pinset, &entry, NULL), ==, 1);
                g_assert_cmpint(state_pinset_commit(f->pinset, entry.index), ==, 0);
                consensus_fsm_tell(f->pinset, &entry, &events, told);
                g_assert_cmpstr(told->str, ==, steps[i].told);
                g_string_truncate(told, 0);
                g_assert_cmpint(state_pinset_get_bytes(f->pinset, &cid, &value), ==, steps[i].value != NULL);
                if (steps[i].value)
                        g_assert_cmpmem(value.data, value.len, steps[i].value->data, steps[i].value->len);
                consensus_entry_done(&entry);
        }
        g_string_free(told, TRUE);
}

static void test_conditions_are_checked(Fixture *f _unused_, gconstpointer data _unused_) {
        static const ConsensusOp bad[] = {
                { CONSENSUS_PIN_IF, "0123456789abcdef", 16 },
                { CONSENSUS_UNPIN_IF, "0123456789abcde", 15 },
                { CONSENSUS_UNPIN_IF, "0123456789abcdefx", 17 },
                { CONSENSUS_PIN_IF, "0123456789abcdefx", 17 },
                { CONSENSUS_TAG, "0123456789abcde", 15 },
                { CONSENSUS_TAG, "0123456789abcdefx", 17 },
        };
        _cleanup_(str_done) Str canonical = {};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(error_done) Error error = {};
                ConsensusOp op = bad[i];

                g_test_message("case %zu", i);
                g_assert_cmpint(consensus_fsm_check(&op, &canonical, &error), <, 0);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
        }
}

/* ---- pinning requests */

static void add_request(Pin *pin, uint64_t created) {
        PinRequest request = { .created = created };

        g_assert_cmpint(pin_request_list_take(&pin->requests, &request), ==, 0);
}

/* A pin of number N, with its requests, behind the id that it replaces. */
static void request_body(uint64_t n, const uint64_t *created, const PinRequestId *replaces, Str *to) {
        _cleanup_(pin_done) Pin pin = {};
        _cleanup_(str_done) Str bytes = {};

        node_pin_bytes(n, &bytes);
        g_assert_cmpint(pin_read(bytes.data, bytes.len, &pin), ==, 0);
        pin.timestamp = *created * USEC_PER_SEC;
        for (; *created; created++)
                add_request(&pin, *created);
        g_assert_cmpint(pin_request_id_write(replaces, to), ==, 0);
        g_assert_cmpint(pin_write(&pin, to), ==, 0);
}

static void test_requests_are_checked(Fixture *f _unused_, gconstpointer data _unused_) {
        static const PinRequestId none;
        _cleanup_(str_done) Str none_of_them = {}, two = {}, one = {}, canonical = {}, twice = {};
        const ConsensusOp bad[] = {
                { CONSENSUS_REQUEST_PUT, "\x00", 1 },  { CONSENSUS_REQUEST_PUT, "\x00xx", 3 },
                { CONSENSUS_REQUEST_PUT, "\x03", 1 },  { CONSENSUS_REQUEST_REMOVE, "\x00", 1 },
                { CONSENSUS_REQUEST_REMOVE, "id", 2 },
        };
        ConsensusOp op;

        request_body(1, (uint64_t[]){ 0 }, &none, &none_of_them);
        request_body(1, (uint64_t[]){ 5, 6, 0 }, &none, &two);
        request_body(1, (uint64_t[]){ 5, 0 }, &none, &one);
        for (size_t i = 0; i < ELEMENTSOF(bad) + 2; i++) {
                _cleanup_(error_done) Error error = {};

                g_test_message("case %zu", i);
                if (i < ELEMENTSOF(bad))
                        op = bad[i];
                else if (i == ELEMENTSOF(bad))
                        op = (ConsensusOp){ CONSENSUS_REQUEST_PUT, none_of_them.data, none_of_them.len };
                else
                        op = (ConsensusOp){ CONSENSUS_REQUEST_PUT, two.data, two.len };
                g_assert_cmpint(consensus_fsm_check(&op, &canonical, &error), <, 0);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
        }

        /* the canonical form says that nothing else keeps the pin */
        op = (ConsensusOp){ CONSENSUS_REQUEST_PUT, one.data, one.len };
        g_assert_cmpint(consensus_fsm_check(&op, &canonical, NULL), ==, 0);
        g_assert_cmpuint(op.size, ==, one.len + 3);
        g_assert_cmpint(consensus_fsm_check(&op, &twice, NULL), ==, 0);
        g_assert_cmpmem(twice.data, twice.len, canonical.data, canonical.len);
}

typedef struct RequestStep {
        char kind; /* + put, - remove, P pin, U unpin, I pin if it is as it is */
        uint64_t pin, request, old_pin, old_request;
} RequestStep;

static void add_step(Str *batch, const RequestStep *step, StatePinset *pinset) {
        PinRequestId old = { .created = step->old_request };
        _cleanup_(str_done) Str body = {}, value = {};
        ConsensusOp op = {};
        Cid cid;

        node_pin_cid(step->pin, &cid);
        node_pin_cid(step->old_pin, &old.cid);
        if (step->kind == '+') {
                op.kind = CONSENSUS_REQUEST_PUT;
                request_body(step->pin,
                             (uint64_t[]){ step->request, 0 },
                             step->old_pin ? &old : &(PinRequestId){},
                             &body);
        } else if (step->kind == '-') {
                op.kind = CONSENSUS_REQUEST_REMOVE;
                old = (PinRequestId){ .cid = cid, .created = step->request };
                (void) pin_request_id_write(&old, &body);
        } else if (step->kind == 'P') {
                op.kind = CONSENSUS_PIN;
                node_pin_bytes(step->pin, &body);
                (void) str_append_bytes(&body, "\x38\x01", 2); /* the time: another pin than the others */
        } else if (step->kind == 'I') {
                op.kind = CONSENSUS_PIN_IF;
                g_assert_cmpint(state_pinset_get_bytes(pinset, &cid, &value), ==, 1);
                (void) str_reserve(&body, CONSENSUS_CONDITION_SIZE);
                consensus_condition(value.data, value.len, (uint8_t *) body.data);
                body.len = CONSENSUS_CONDITION_SIZE;
                node_pin_bytes(step->pin, &body);
                (void) str_append_bytes(&body, "\x38\x02", 2);
        } else {
                op.kind = CONSENSUS_UNPIN;
                (void) str_append_bytes(&body, cid.bytes, cid.size);
        }
        op.body = body.data;
        op.size = body.len;
        if (op.kind == CONSENSUS_REQUEST_PUT)
                g_assert_cmpint(consensus_fsm_check(&op, &value, NULL), ==, 0);
        g_assert_cmpint(consensus_entry_add(batch, &op), ==, 0);
}

static void on_applied_number(
                uint64_t index _unused_, const ConsensusOp *op, const Cid *cid, void *userdata) {
        for (uint64_t n = 1; n <= 2; n++) {
                Cid known;

                node_pin_cid(n, &known);
                if (!cid_equal(cid, &known))
                        continue;
                g_string_append_printf(userdata, "%d:%d", (int) op->kind, (int) n);
        }
        if (op->kind == CONSENSUS_PIN) {
                _cleanup_(pin_done) Pin pin = {};

                g_assert_cmpint(pin_read(op->body, op->size, &pin), ==, 0);
                g_assert_true(cid_equal(cid, &pin.cid));
                g_string_append_printf(userdata, "(%zu)", pin.requests.n);
        }
        g_string_append_c(userdata, ' ');
}

/* What each turn is told: a pin when it was made, an unpin when it has gone, else what was asked. */
static void test_requests_are_told(Fixture *f, gconstpointer data _unused_) {
        static const struct {
                const char *told;
                RequestStep steps[4];
        } turns[] = {
                { "1:1(1) ", { { '+', 1, 5 } } },
                { "5:1 ", { { '+', 1, 6 } } },
                { "6:1 ", { { '-', 1, 6 } } },
                { "2:1 ", { { '-', 1, 5 } } },
                { "1:1(2) 5:1 ", { { '+', 1, 5 }, { '+', 1, 6 } } },
                { "6:1 6:1 ", { { '-', 1, 5 }, { '-', 1, 9 } } },
                { "1:1(0) 5:1 ", { { 'P', 1 }, { '+', 1, 7 } } },
                { "1:1(0) 5:1 ",
                  { { 'I', 1 }, { '+', 1, 8 } } }, /* it was carried out, whatever came then */
                { "5:1 1:1(0) ", { { '+', 1, 10 }, { 'P', 1 } } },
                { "2:1 ", { { 'U', 1 } } },
                { "1:1(1) ", { { '+', 1, 5 } } },
                { "1:2(1) 2:1 ", { { '+', 2, 5, 1, 5 } } }, /* the new one is told first */
                { "5:2 ", { { '+', 2, 6, 2, 5 } } },
                { "1:1(1) 2:2 ", { { '+', 1, 5 }, { '-', 2, 6 } } },
        };

        for (size_t i = 0; i < ELEMENTSOF(turns); i++) {
                const ConsensusEvents events = { .applied = on_applied_number };
                g_autoptr(GString) told = g_string_new(NULL);
                _cleanup_(str_done) Str batch = {};
                ConsensusEntry entry;

                g_test_message("turn %zu", i);
                (void) consensus_entry_begin(&batch);
                for (const RequestStep *step = turns[i].steps; step->kind; step++)
                        add_step(&batch, step, f->pinset);
                entry = entry_of(batch.data, batch.len);
                g_assert_cmpint(consensus_fsm_apply(f->pinset, &entry, NULL), >, 0);
                g_assert_cmpint(state_pinset_commit(f->pinset, entry.index), ==, 0);
                consensus_fsm_tell(f->pinset, &entry, &events, told);
                g_assert_cmpstr(told->str, ==, turns[i].told);
                consensus_entry_done(&entry);
        }
}

static void test_newer_and_broken_entries(Fixture *f, gconstpointer data _unused_) {
        static const struct {
                const char *bytes;
                size_t n;
                ErrorCode code;
                const char *words;
        } cases[] = {
                { "\x02\x01\x01x",
                  4,
                  ERROR_UNSUPPORTED,
                  "entry 9 of the log needs a newer version of this program: version 2" },
                { "\x01\x03\x01x\x0a\x01x",
                  7,
                  ERROR_UNSUPPORTED,
                  "needs a newer version of this program: operation 10 at offset 4" },
                { "\x01\x0a\x01x", 4, ERROR_UNSUPPORTED, "operation 10 at offset 1" },
                { "\x01\x01", 2, ERROR_INVALID, "entry 9 of the log cannot be applied" },
                { "\x01\x05\x01\x00", 4, ERROR_INVALID, "entry 9 of the log cannot be applied" },
                { "\x01\x06\x01\x00", 4, ERROR_INVALID, "entry 9 of the log cannot be applied" },
                { "\x01\x02\x01x", 4, ERROR_INVALID, "entry 9 of the log cannot be applied" },
                { "", 0, ERROR_INVALID, "entry 9 of the log cannot be applied" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ConsensusEntry entry = entry_of(cases[i].bytes, cases[i].n);
                Error error = {};

                g_test_message("case %zu", i);
                g_assert_cmpint(consensus_fsm_apply(f->pinset, &entry, &error), <, 0);
                g_assert_cmpint(error.code == ERROR_UNSUPPORTED, ==, cases[i].code == ERROR_UNSUPPORTED);
                if (!strstr(error_message(&error), cases[i].words))
                        g_error("'%s' does not say '%s'", error_message(&error), cases[i].words);
                error_done(&error);
                consensus_entry_done(&entry);
        }
}

/* Fields in another order are the same pin; what goes into the log is the one form of it. */
static void test_stores_the_canonical_form(Fixture *f _unused_, gconstpointer data _unused_) {
        _cleanup_(str_done) Str canonical = {};
        _cleanup_(str_done) Str bytes = {};
        _cleanup_(str_done) Str other = {};
        ConsensusOp op;

        node_pin_bytes(1, &bytes);
        (void) str_append_bytes(&other, bytes.data, bytes.len);
        (void) str_append_bytes(&other, "\xa2\x06\x01x", 4); /* field 100: unknown */
        op = (ConsensusOp){ CONSENSUS_PIN, other.data, other.len };
        g_assert_cmpint(consensus_fsm_check(&op, &canonical, NULL), ==, 0);
        g_assert_cmpmem(op.body, op.size, bytes.data, bytes.len);
}

static void test_out_of_memory(Fixture *f _unused_, gconstpointer data _unused_) {
        _cleanup_(str_done) Str bytes = {};

        node_pin_bytes(1, &bytes);
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                _cleanup_(str_done) Str canonical = {};
                ConsensusOp op = { CONSENSUS_PIN, bytes.data, bytes.len };
                int r = consensus_fsm_check(&op, &canonical, &error);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

#define TEST(path, function) g_test_add("/consensus/fsm/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        TEST("applies-in-order", test_applies_in_order);
        TEST("conditions", test_conditions);
        TEST("conditions-are-checked", test_conditions_are_checked);
        TEST("requests-are-checked", test_requests_are_checked);
        TEST("requests-are-told", test_requests_are_told);
        TEST("newer-and-broken-entries", test_newer_and_broken_entries);
        TEST("stores-the-canonical-form", test_stores_the_canonical_form);
        TEST("out-of-memory", test_out_of_memory);
        return g_test_run();
}
