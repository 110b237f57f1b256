#include <stdio.h>

#include "daemon/state/digest.h"
#include "daemon/state/requests.h"
#include "tests/lib/fault.h"
#include "tests/unit/state/fixture.h"

#define N_KEYS 3

/*
 * A step is one of
 *
 *   P<n> <name>     pin number N by somebody else       U<n>              unpin it
 *   R<n>.<r>        request R of number N               R<n>.<r> <m>.<r>  the same, instead of that one
 *   D<n>.<r>        request R goes
 *
 * where request "-" is the plain one. The name of a pin that a request makes is that request. What is there
 * is told as <n>:<name> and the requests, in () when nothing else keeps it, else in [].
 */

static PinRequestId parse_id(const char *text) {
        PinRequestId id = { .cid = fixture_key((uint32_t) (text[0] - '0')) };

        if (text[2] == '-')
                id.is_plain = true;
        else
                id.created = g_ascii_strtoull(text + 2, NULL, 10);
        return id;
}

static void fill(Pin *pin, uint32_t number, const char *name) {
        *pin = (Pin){
                .cid = fixture_key(number),
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .name = g_strdup(name),
        };
}

static void add(Pin *pin, uint64_t created, const char *name) {
        PinRequest request = { .created = created, .name = g_strdup(name) };

        g_assert_cmpint(pin_request_list_take(&pin->requests, &request), ==, 0);
}

static int pin_by_other(StatePinset *pinset, const Pin *pin) {
        _cleanup_(str_done) Str bytes = {};

        g_assert_cmpint(pin_write(pin, &bytes), ==, 0);
        return state_requests_pin(pinset, &pin->cid, bytes.data, bytes.len);
}

static int put_request(StatePinset *pinset, const Pin *pin, const PinRequestId *replaces) {
        _cleanup_(str_done) Str bytes = {};

        g_assert_cmpint(pin_write(pin, &bytes), ==, 0);
        return state_requests_put(pinset, &pin->cid, bytes.data, bytes.len, replaces);
}

typedef struct Step {
        char kind;
        Cid key;
        Str bytes; /* of the pin */
        PinRequestId id;
} Step;

static void step_make(const char *text, Step *ret) {
        uint32_t number = (uint32_t) (text[1] - '0');
        const char *second = strchr(text, ' ');
        _cleanup_(pin_done) Pin pin = {};
        g_autofree char *request = NULL;

        *ret = (Step){ .kind = text[0], .key = fixture_key(number) };
        if (text[0] == 'D')
                ret->id = parse_id(text + 1);
        if (text[0] == 'R' && second)
                ret->id = parse_id(second + 1);
        if (text[0] == 'R')
                request = g_strndup(text + 3, strcspn(text + 3, " "));
        fill(&pin, number, request || !second ? request : second + 1);
        if (request)
                add(&pin, g_ascii_strtoull(request, NULL, 10), request);
        pin.requests_only = request != NULL;
        g_assert_cmpint(pin_write(&pin, &ret->bytes), ==, 0);
}

static int step_go(StatePinset *pinset, const Step *step) {
        switch (step->kind) {
        case 'P':
                return state_requests_pin(pinset, &step->key, step->bytes.data, step->bytes.len);
        case 'U':
                return MIN(state_pinset_remove(pinset, &step->key), 0);
        case 'D':
                return state_requests_remove(pinset, &step->id);
        default:
                return state_requests_put(pinset, &step->key, step->bytes.data, step->bytes.len, &step->id);
        }
}

static int go(StatePinset *pinset, const char *text) {
        Step step;
        int r;

        step_make(text, &step);
        r = step_go(pinset, &step);
        str_done(&step.bytes);
        return r;
}

static void tell_pin(const Pin *pin, uint32_t number, GString *text) {
        g_string_append_printf(text, "%s%u:%s", text->len > 0 ? " " : "", number, pin->name ?: "");
        if (pin->requests.n > 0)
                g_string_append_c(text, pin->requests_only ? '(' : '[');
        for (size_t i = 0; i < pin->requests.n; i++)
                g_string_append_printf(text, "%s%d", i > 0 ? "," : "", (int) pin->requests.items[i].created);
        if (pin->requests.n > 0)
                g_string_append_c(text, pin->requests_only ? ')' : ']');
}

static char *told(StatePinset *pinset) {
        GString *text = g_string_new(NULL);

        for (uint32_t i = 1; i <= N_KEYS; i++) {
                _cleanup_(pin_done) Pin pin = {};
                Cid key = fixture_key(i);

                if (state_pinset_get(pinset, &key, &pin) > 0)
                        tell_pin(&pin, i, text);
        }
        return g_string_free(text, FALSE);
}

static void assert_told(StatePinset *pinset, const char *expected) {
        g_autofree char *text = told(pinset);

        g_assert_cmpstr(text, ==, expected);
}

/* The steps, divided by commas. */
static void steps(StatePinset *pinset, const char *script) {
        g_auto(GStrv) parts = g_strsplit(script, ",", -1);

        for (size_t i = 0; parts[i]; i++)
                if (go(pinset, parts[i]) != 0)
                        g_error("'%s' of '%s' fails", parts[i], script);
        g_assert_cmpint(state_pinset_commit(pinset, state_pinset_index(pinset) + 1), ==, 0);
}

static void test_rules(Fixture *f, gconstpointer data) {
        static const struct {
                const char *script, *then;
        } cases[] = {
                { "R1.5", "1:5(5)" },
                { "R1.5,R1.7,R1.6", "1:5(5,6,7)" },
                { "R1.5,D1.5", "" },
                { "R1.5,R1.6,D1.5", "1:5(6)" },
                { "R1.5,R1.6,D1.5,D1.6", "" },
                { "R1.5,D1.6", "1:5(5)" }, /* not there */
                { "D1.5", "" },
                { "R1.5,R1.5", "1:5(5)" },        /* repeated */
                { "R1.5,D1.5,D1.5", "" },         /* the same */
                { "R1.5,R2.5", "1:5(5) 2:5(5)" }, /* of another CID */
                /* beside what others have pinned */
                { "P1 a,R1.5", "1:a[5]" },
                { "P1 a,R1.5,D1.5", "1:a" },
                { "R1.5,P1 a", "1:a[5]" },
                { "R1.5,P1 a,D1.5", "1:a" },
                { "P1 a,R1.5,P1 b", "1:b[5]" },
                { "R1.5,U1", "" },
                { "P1 a,R1.5,U1", "" },
                { "R1.5,U1,P1 a", "1:a" },
                /* the plain one */
                { "P1 a,D1.-", "" },
                { "P1 a,R1.5,D1.-", "1:a(5)" },
                { "P1 a,R1.5,D1.-,D1.5", "" },
                { "P1 a,R1.5,D1.-,D1.-", "1:a(5)" },
                { "R1.5,D1.-", "1:5(5)" }, /* not there */
                { "D1.-", "" },
                /* one instead of another one */
                { "R1.5,R1.6 1.5", "1:5(6)" },
                { "R1.5,R1.7,R1.6 1.5", "1:5(6,7)" },
                { "P1 a,R1.5,R1.6 1.5", "1:a[6]" },
                { "P1 a,R1.6 1.-", "1:a(6)" },
                { "R1.5,R2.6 1.5", "2:6(6)" },
                { "R1.5,R1.7,R2.6 1.5", "1:5(7) 2:6(6)" },
                { "P1 a,R2.6 1.-", "2:6(6)" },
                { "P1 a,R1.5,R2.6 1.-", "1:a(5) 2:6(6)" },
                { "R1.5,P2 b,R2.6 1.5", "2:b[6]" },
                /* that is not there: nothing is done */
                { "R1.6 1.5", "" },
                { "R1.6 1.-", "" },
                { "R2.6 1.5", "" },
                { "R1.7,R1.6 1.5", "1:7(7)" },
                { "R1.7,R1.6 1.-", "1:7(7)" },
                { "R1.7,R2.6 1.5", "1:7(7)" },
                /* twice instead of the same one: the first counts */
                { "R1.5,R1.6 1.5,R1.7 1.5", "1:5(6)" },
                { "R1.5,R2.6 1.5,R3.7 1.5", "2:6(6)" },
                /* repeated, also when more has happened */
                { "R1.5,R1.6 1.5,R1.6 1.5", "1:5(6)" },
                { "R1.5,R2.6 1.5,R2.6 1.5", "2:6(6)" },
                { "R1.5,R1.6 1.5,R1.7 1.6,R1.6 1.5", "1:5(7)" },
                { "P1 a,R1.6 1.-,P1 b,R1.6 1.-", "1:b[6]" },
                { "P1 a,R2.6 1.-,P1 b,R2.6 1.-", "1:b 2:6(6)" },
        };

        (void) data;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                StatePinset *pinset = fixture_open(f, 0);

                g_test_message("%s", cases[i].script);
                steps(pinset, cases[i].script);
                assert_told(pinset, cases[i].then);
                state_pinset_free(pinset);
        }
}

/* Nothing else of the pin changes, and where there are no requests nothing does: byte by byte. */
static void test_bytes(Fixture *f, gconstpointer data) {
        _cleanup_(str_done) Str before = {}, after = {}, with = {}, kept = {};
        StatePinset *pinset = fixture_open(f, 0);
        Cid key = fixture_key(1);

        (void) data;
        steps(pinset, "P1 a");
        g_assert_cmpint(state_pinset_get_bytes(pinset, &key, &before), ==, 1);
        steps(pinset, "R1.5,R1.6");
        g_assert_cmpint(state_pinset_get_bytes(pinset, &key, &with), ==, 1);
        g_assert_cmpuint(pin_parts(with.data, with.len).own, ==, before.len);
        g_assert_cmpmem(with.data, before.len, before.data, before.len);
        steps(pinset, "P1 a");
        g_assert_cmpint(state_pinset_get_bytes(pinset, &key, &kept), ==, 1);
        g_assert_cmpmem(kept.data, kept.len, with.data, with.len);
        steps(pinset, "D1.5,D1.6");
        g_assert_cmpint(state_pinset_get_bytes(pinset, &key, &after), ==, 1);
        g_assert_cmpmem(after.data, after.len, before.data, before.len);
        state_pinset_free(pinset);
}

/* The same steps make the same digest, and none is left of what has gone. */
static void test_digest(Fixture *f, gconstpointer data) {
        uint8_t digests[2][STATE_DIGEST_SIZE], none[STATE_DIGEST_SIZE] = {};
        static const char *const scripts[] = { "R1.5,R1.6,P2 b,R2.7", "P2 b,R1.5,R2.7,R1.6,R1.8,D1.8" };

        (void) data;
        for (size_t i = 0; i < 2; i++) {
                StatePinset *pinset = fixture_open(f, 0);

                steps(pinset, scripts[i]);
                state_pinset_digest(pinset, digests[i]);
                g_assert_cmpuint(state_pinset_count(pinset), ==, 2);
                steps(pinset, "D1.5,D1.6,D2.7,D2.-");
                g_assert_cmpuint(state_pinset_count(pinset), ==, 0);
                state_pinset_digest(pinset, none);
                for (size_t k = 0; k < sizeof(none); k++)
                        g_assert_cmpuint(none[k], ==, 0);
                state_pinset_free(pinset);
        }
        g_assert_cmpmem(digests[0], STATE_DIGEST_SIZE, digests[1], STATE_DIGEST_SIZE);
}

/* ---- no room */

static void test_full(Fixture *f, gconstpointer data) {
        const PinRequestId first = { .cid = fixture_key(1), .created = 1 },
                           second = { .cid = fixture_key(2), .created = 9 };
        StatePinset *pinset = fixture_open(f, 0);
        _cleanup_(pin_done) Pin pin = {};

        (void) data;
        for (int i = 1; i <= PIN_REQUESTS_MAX + 2; i++) {
                g_autofree char *script = g_strdup_printf("R1.%d", i);

                steps(pinset, script);
        }
        g_assert_cmpint(state_pinset_get(pinset, &first.cid, &pin), ==, 1);
        g_assert_cmpuint(pin.requests.n, ==, PIN_REQUESTS_MAX);
        g_assert_cmpuint(pin.requests.items[PIN_REQUESTS_MAX - 1].created, ==, PIN_REQUESTS_MAX);

        steps(pinset, "R2.9,R1.900 2.9"); /* no room: the other one stays */
        pin_done(&pin);
        g_assert_cmpint(state_pinset_get(pinset, &second.cid, &pin), ==, 1);
        steps(pinset, "R1.900 1.1,R1.900"); /* one goes, one comes */
        pin_done(&pin);
        g_assert_cmpint(state_pinset_get(pinset, &first.cid, &pin), ==, 1);
        g_assert_cmpuint(pin.requests.n, ==, PIN_REQUESTS_MAX);
        g_assert_cmpuint(pin.requests.items[PIN_REQUESTS_MAX - 1].created, ==, 900);
        g_assert_false(state_requests_keep(&pin, &first));
        state_pinset_free(pinset);
}

static int put_large(StatePinset *pinset, uint64_t created, size_t size, const PinRequestId *replaces) {
        g_autofree char *name = g_strnfill(size, 'n');
        _cleanup_(pin_done) Pin pin = {};

        fill(&pin, 1, "a");
        add(&pin, created, name);
        pin.requests_only = true;
        return put_request(pinset, &pin, replaces);
}

static void test_too_many_bytes(Fixture *f, gconstpointer data) {
        const PinRequestId none = {}, third = { .cid = fixture_key(1), .created = 3 };
        StatePinset *pinset = fixture_open(f, 0);
        _cleanup_(pin_done) Pin pin = {};

        (void) data;
        for (uint64_t i = 1; i <= 5; i++) /* the last two find no room */
                g_assert_cmpint(put_large(pinset, i, PIN_REQUESTS_BYTES_MAX / 4 + 100, &none), ==, 0);
        assert_told(pinset, "1:a(1,2,3)");
        g_assert_cmpint(put_large(pinset, 6, PIN_REQUESTS_BYTES_MAX / 3, &third), ==, 0);
        assert_told(pinset, "1:a(1,2,6)");

        /* the largest pin has room beside them */
        fill(&pin, 1, NULL);
        pin.name = g_strnfill(PIN_OWN_BYTES_MAX - 100, 'x');
        g_assert_cmpint(pin_by_other(pinset, &pin), ==, 0);
        pin_done(&pin);
        g_assert_cmpint(state_pinset_get(pinset, &third.cid, &pin), ==, 1);
        g_assert_cmpuint(pin.requests.n, ==, 3);
        g_assert_cmpuint(strlen(pin.name), ==, PIN_OWN_BYTES_MAX - 100);
        state_pinset_free(pinset);
}

/* ---- an import: pins that bring requests along */

static void import(StatePinset *pinset, const char *name, const char *requests, bool only) {
        g_auto(GStrv) parts = g_strsplit(requests, ",", -1);
        _cleanup_(pin_done) Pin pin = {};

        fill(&pin, 1, name);
        for (size_t i = 0; parts[i]; i++)
                add(&pin, g_ascii_strtoull(parts[i], NULL, 10), "imported");
        pin.requests_only = only;
        g_assert_cmpint(pin_by_other(pinset, &pin), ==, 0);
}

static void test_import(Fixture *f, gconstpointer data) {
        static const struct {
                const char *script, *requests;
                bool only;
                const char *then;
        } cases[] = {
                { "U1", "3,4", true, "1:i(3,4)" },    { "U1", "3,4", false, "1:i[3,4]" },
                { "P1 a", "3,4", true, "1:i[3,4]" },  { "R1.3", "3,4", true, "1:i(3,4)" },
                { "R1.3", "3,4", false, "1:i[3,4]" }, { "P1 a,R1.5", "3,6", true, "1:i[3,5,6]" },
        };

        (void) data;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                StatePinset *pinset = fixture_open(f, 0);

                g_test_message("case %zu", i);
                steps(pinset, cases[i].script);
                import(pinset, "i", cases[i].requests, cases[i].only);
                assert_told(pinset, cases[i].then);
                import(pinset, "i", cases[i].requests, cases[i].only); /* again */
                assert_told(pinset, cases[i].then);
                state_pinset_free(pinset);
        }
}

/* What is there stays as it is; of the others as many as there is room for. */
static void test_import_without_room(Fixture *f, gconstpointer data) {
        const PinRequestId none = {};
        StatePinset *pinset = fixture_open(f, 0);
        _cleanup_(pin_done) Pin pin = {}, now = {};
        g_autofree char *large = g_strnfill(PIN_REQUESTS_BYTES_MAX / 2, 'l');

        (void) data;
        g_assert_cmpint(put_large(pinset, 5, PIN_REQUESTS_BYTES_MAX / 2, &none), ==, 0);
        fill(&pin, 1, "i");
        add(&pin, 4, large); /* does not fit */
        add(&pin, 5, "another");
        add(&pin, 6, "small");
        pin.requests_only = true;
        g_assert_cmpint(pin_by_other(pinset, &pin), ==, 0);
        assert_told(pinset, "1:i(5,6)");
        g_assert_cmpint(state_pinset_get(pinset, &pin.cid, &now), ==, 1);
        g_assert_cmpuint(strlen(now.requests.items[0].name), ==, PIN_REQUESTS_BYTES_MAX / 2);

        pin_request_list_done(&pin.requests);
        for (uint64_t i = 0; i < PIN_REQUESTS_MAX; i++)
                add(&pin, 10 + i, "");
        g_assert_cmpint(pin_by_other(pinset, &pin), ==, 0);
        pin_done(&now);
        g_assert_cmpint(state_pinset_get(pinset, &pin.cid, &now), ==, 1);
        g_assert_cmpuint(now.requests.n, ==, PIN_REQUESTS_MAX);
        state_pinset_free(pinset);
}

/* ---- what goes wrong */

static void test_no_request(Fixture *f, gconstpointer data) {
        StatePinset *pinset = fixture_open(f, 0);
        _cleanup_(pin_done) Pin pin = {};
        const PinRequestId none = {};

        (void) data;
        fill(&pin, 1, "a");
        g_assert_cmpint(put_request(pinset, &pin, &none), ==, -EBADMSG);
        add(&pin, 1, "");
        add(&pin, 2, "");
        g_assert_cmpint(put_request(pinset, &pin, &none), ==, -EBADMSG);
        assert_told(pinset, "");
        state_pinset_free(pinset);
}

static void test_out_of_memory(Fixture *f, gconstpointer data) {
        static const char *const last[] = { "R1.6", "R1.6 1.5", "R2.6 1.5", "D1.5", "D1.-", "P1 b" };

        (void) data;
        for (size_t i = 0; i < G_N_ELEMENTS(last); i++) {
                StatePinset *pinset = fixture_open(f, 0);
                Step step;

                g_test_message("%s", last[i]);
                steps(pinset, "P1 a,R1.5,R1.4");
                step_make(last[i], &step);
                FOREACH_FAULT
                        g_assert_cmpint(step_go(pinset, &step), ==, fault_fired() ? -ENOMEM : 0);
                str_done(&step.bytes);
                state_pinset_free(pinset);
        }
}

#define TEST(path, function)                                                                                \
        g_test_add("/state/requests/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        TEST("rules", test_rules);
        TEST("nothing-else-changes", test_bytes);
        TEST("digest", test_digest);
        TEST("full", test_full);
        TEST("too-many-bytes", test_too_many_bytes);
        TEST("import", test_import);
        TEST("import-without-room", test_import_without_room);
        TEST("one-request-is-expected", test_no_request);
        TEST("out-of-memory", test_out_of_memory);
        return g_test_run();
}
