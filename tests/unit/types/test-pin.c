#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/pin.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"
#include "tests/unit/types/pin-sample.h"

static void test_type(void) {
        static const struct {
                const char *name;
                int type;
        } cases[] = {
                { "pin", 2 },        { "meta-pin", 4 }, { "clusterdag-pin", 8 },
                { "shard-pin", 16 }, { "all", 30 },     { "bad-type", 1 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(pin_type_from_string(cases[i].name), ==, cases[i].type);
                g_assert_cmpstr(pin_type_to_string(cases[i].type), ==, cases[i].name);
        }
        g_assert_cmpint(pin_type_from_string(""), ==, PIN_TYPE_ALL);
        g_assert_cmpint(pin_type_from_string("Pin"), ==, PIN_TYPE_BAD);
        g_assert_cmpstr(pin_type_to_string(0), ==, "bad-type");
}

static void test_type_filter(void) {
        g_assert_cmpint(pin_type_filter(""), ==, PIN_TYPE_ALL);
        g_assert_cmpint(pin_type_filter("pin"), ==, PIN_TYPE_DATA);
        g_assert_cmpint(pin_type_filter("pin,meta-pin"), ==, PIN_TYPE_DATA | PIN_TYPE_META);
        g_assert_cmpint(pin_type_filter("pin,"), ==, PIN_TYPE_ALL);
        g_assert_cmpint(pin_type_filter("zz"), ==, PIN_TYPE_BAD);
        g_assert_cmpint(pin_type_filter("pin,zz"), ==, PIN_TYPE_DATA | PIN_TYPE_BAD);
}

static void test_mode(void) {
        g_assert_cmpint(pin_mode_from_string("direct"), ==, PIN_MODE_DIRECT);
        g_assert_cmpint(pin_mode_from_string("recursive"), ==, PIN_MODE_RECURSIVE);
        g_assert_cmpint(pin_mode_from_string(""), ==, PIN_MODE_RECURSIVE);
        g_assert_cmpint(pin_mode_from_string("indirect"), ==, PIN_MODE_RECURSIVE);
        g_assert_cmpstr(pin_mode_to_string(PIN_MODE_DIRECT), ==, "direct");
}

static void test_copy(void) {
        _cleanup_(pin_done) Pin pin = {}, copy = {};
        _cleanup_(str_done) Str a = {}, b = {};

        pin_sample_with_requests(&pin);
        g_assert_cmpint(pin_copy(&copy, &pin), ==, 0);
        g_assert_true(pin_equal(&pin, &copy));
        g_assert_true(peer_id_list_equal(&pin.user_allocations, &copy.user_allocations));
        g_assert_true(copy.name != pin.name);
        g_assert_cmpint(json_write(&pin_shape, &pin, &a), ==, 0);
        g_assert_cmpint(json_write(&pin_shape, &copy, &b), ==, 0);
        g_assert_cmpstr(a.data, ==, b.data);

        g_assert_cmpint(pin_copy(&copy, &copy), ==, 0); /* what it held is freed after */
        g_assert_true(pin_equal(&pin, &copy));
}

static void test_copy_faults(void) {
        _cleanup_(pin_done) Pin pin = {};

        pin_sample_with_requests(&pin);
        FOREACH_FAULT {
                _cleanup_(pin_done) Pin copy = {};

                g_assert_cmpint(pin_copy(&copy, &pin), ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpint(cid_is_defined(&copy.cid), ==, !fault_fired());
        }
}

/* Each member that is stored makes a difference, and no other. */
static void test_equal(void) {
        _cleanup_(pin_done) Pin pin = {};

        pin_sample_with_requests(&pin);
        for (int i = 0;; i++) {
                _cleanup_(pin_done) Pin other = {};
                bool differs = true;

                g_assert_cmpint(pin_copy(&other, &pin), ==, 0);
                switch (i) {
                case 0:
                        other.replication_factor_min++;
                        break;
                case 1:
                        other.replication_factor_max++;
                        break;
                case 2:
                        other.name[0] = 'X';
                        break;
                case 3:
                        other.shard_size++;
                        break;
                case 4:
                        other.expire_at += USEC_PER_SEC;
                        break;
                case 5:
                        other.metadata.items[0].value[0] = 'X';
                        break;
                case 6:
                        other.pin_update = (Cid){};
                        break;
                case 7:
                        str_list_done(&other.origins);
                        break;
                case 8:
                        other.cid.bytes[20]++;
                        break;
                case 9:
                        other.type = PIN_TYPE_META;
                        break;
                case 10:
                        other.allocations.n--;
                        break;
                case 11:
                        other.max_depth++;
                        break;
                case 12:
                        other.reference = (Cid){};
                        break;
                case 13:
                        other.timestamp += USEC_PER_SEC;
                        break;
                case 14:
                        peer_id_list_done(&other.user_allocations), differs = false;
                        break;
                case 15:
                        other.timestamp += 1, other.expire_at += 1, differs = false;
                        break;
                case 16:
                        other.origins.is_set = other.metadata.is_set = false, differs = false;
                        break;
                case 17:
                        other.requests.items[1].random++;
                        break;
                case 18:
                        other.requests_only = false;
                        break;
                default:
                        return;
                }
                if (pin_equal(&pin, &other) == differs)
                        g_error("case %d", i);
        }
}

static void test_equal_names(void) {
        Pin a = { .name = NULL }, b = { .name = (char *) "" };

        g_assert_true(pin_equal(&a, &b));
}

static void test_golden(void) {
        golden_check("pin.json", &pin_shape, 30);
}

static void test_json_lax(void) {
        static const char *const texts[] = {
                /* an export of 0.10 to 0.14 */
                "{\"cid\":{\"/\":\"" SAMPLE_CID "\"},\"type\":2,\"max_depth\":-1,\"new\":1}",
                "{\"cid\":\"" SAMPLE_CID
                "\",\"type\":\"pin\",\"mode\":\"zz\",\"max_depth\":-1,\"allocations\":null}",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                _cleanup_(pin_done) Pin pin = {};

                g_assert_cmpint(json_read_text(&pin_shape, texts[i], strlen(texts[i]), &pin, NULL), ==, 0);
                g_assert_cmpint(pin.type, ==, PIN_TYPE_DATA);
                g_assert_cmpint(pin.mode, ==, PIN_MODE_RECURSIVE);
                g_assert_cmpint(pin.max_depth, ==, PIN_DEPTH_RECURSIVE);
        }
}

static void test_json_bad(void) {
        static const struct {
                const char *text;
                int r;
                const char *field;
        } cases[] = {
                { "{}", -ENODATA, "cid" },
                { "{\"cid\":null}", -ENODATA, "cid" },
                { "{\"cid\":\"x\"}", -EBADMSG, "cid" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"type\":true}", -EPROTOTYPE, "type" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"mode\":1}", -EPROTOTYPE, "mode" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"origins\":[\"x\"]}", -EBADMSG, "origins" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"requests\":[1]}", -EPROTOTYPE, "requests" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"requests_only\":1}", -EPROTOTYPE, "requests_only" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"allocations\":[\"x\"]}", -EBADMSG, "allocations" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"name\":\"a\",\"expire_at\":\"x\"}", -EBADMSG, "expire_at" },
                { "{\"name\":\"a\",\"metadata\":{\"a\":\"b\"},\"cid\":\"" SAMPLE_CID "\",\"reference\":1}",
                  -EPROTOTYPE,
                  "reference" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                JsonProblem problem = {};
                Pin pin = {};
                int r;

                r = json_read_text(&pin_shape, cases[i].text, strlen(cases[i].text), &pin, &problem);
                if (r != cases[i].r || strcmp(problem.field, cases[i].field) != 0)
                        g_error("%s: %d '%s'", cases[i].text, r, problem.field);
        }
}

static void test_import(void) {
        static const struct {
                const char *line;
                int mode;
                int64_t max_depth;
                int type;
        } cases[] = {
                { "{\"cid\":\"" SAMPLE_CID "\"}", PIN_MODE_RECURSIVE, -1, PIN_TYPE_DATA },
                { "{\"cid\":\"" SAMPLE_CID "\",\"mode\":\"direct\"}", PIN_MODE_DIRECT, 0, PIN_TYPE_DATA },
                { "{\"cid\":\"" SAMPLE_CID "\",\"max_depth\":null,\"type\":null}",
                  PIN_MODE_RECURSIVE,
                  -1,
                  PIN_TYPE_DATA },
                { "{\"cid\":{\"/\":\"" SAMPLE_CID "\"},\"type\":2,\"max_depth\":-1}",
                  PIN_MODE_RECURSIVE,
                  -1,
                  PIN_TYPE_DATA },
                { "{\"cid\":\"" SAMPLE_CID
                  "\",\"mode\":\"recursive\",\"max_depth\":0,\"type\":\"meta-pin\"}",
                  PIN_MODE_DIRECT,
                  0,
                  PIN_TYPE_META },
                { "{\"cid\":\"" SAMPLE_CID
                  "\",\"expire_at\":\"1970-01-01T00:00:00Z\",\"user_allocations\":[]}",
                  PIN_MODE_RECURSIVE,
                  -1,
                  PIN_TYPE_DATA },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(pin_done) Pin pin = {};
                Error error = {};

                if (pin_import_read(cases[i].line, strlen(cases[i].line), &pin, &error) < 0)
                        g_error("%s: %s", cases[i].line, error_message(&error));
                g_assert_cmpint(pin.mode, ==, cases[i].mode);
                g_assert_cmpint(pin.max_depth, ==, cases[i].max_depth);
                g_assert_cmpint(pin.type, ==, cases[i].type);
                g_assert_cmpuint(pin.expire_at, ==, 0);
                g_assert_false(pin.user_allocations.is_set);
        }
}

static void test_import_bad(void) {
        static const struct {
                const char *line;
                const char *message;
        } cases[] = {
                { "", "expected one JSON object, a pin as 'state export' writes it" },
                { "[]", "expected one JSON object, a pin as 'state export' writes it" },
                { "{} {}", "expected one JSON object, a pin as 'state export' writes it" },
                { "{}", "cid: nothing is not allowed, expected a CID" },
                { "{\"cid\":\"x\"}", "cid: \"x\" is not allowed, expected a CID" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"type\":\"zz\"}",
                  "type: \"zz\" is not allowed, expected pin, meta-pin, clusterdag-pin or shard-pin" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"type\":30}",
                  "type: 30 is not allowed, expected pin, meta-pin, clusterdag-pin or shard-pin" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"max_depth\":-2}",
                  "max_depth: -2 is not allowed, expected a number of -1 or above" },
                { "{\"cid\":\"" SAMPLE_CID "\",\"name\":\"a\",\"origins\":[\"x\"]}",
                  "origins: [\"x\"] is not allowed, expected a list of multiaddresses" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Error error = {};
                Pin pin = {};

                g_assert_cmpint(pin_import_read(cases[i].line, strlen(cases[i].line), &pin, &error),
                                ==,
                                -EINVAL);
                g_assert_cmpstr(error_message(&error), ==, cases[i].message);
                g_assert_null(pin.name);
                error_done(&error);
        }
}

/* An export of a pin with its requests is read as it was written. */
static void test_import_requests(void) {
        _cleanup_(str_done) Str line = {}, again = {};
        _cleanup_(pin_done) Pin pin = {}, read = {};

        pin_sample_with_requests(&pin);
        peer_id_list_done(&pin.user_allocations);
        g_assert_cmpint(json_write(&pin_shape, &pin, &line), ==, 0);
        g_assert_cmpint(pin_import_read(line.data, line.len, &read, NULL), ==, 0);
        g_assert_true(pin_equal(&pin, &read));
        g_assert_cmpuint(read.requests.items[0].created, ==, UINT64_C(1795361302123456));
        g_assert_cmpint(json_write(&pin_shape, &read, &again), ==, 0);
        g_assert_cmpstr(again.data, ==, line.data);

        pin_request_list_done(&read.requests);
        str_reset(&again);
        g_assert_cmpint(json_write(&pin_shape, &read, &again), ==, 0);
        pin_done(&read);
        g_assert_cmpint(pin_import_read(again.data, again.len, &read, NULL), ==, 0);
        g_assert_false(read.requests_only); /* there are none */
}

/* The options alone: no other key, and a mode that is none is an error. */
static void test_options_shape(void) {
        static const char text[] =
                        "{\"name\":\"n\",\"mode\":\"direct\",\"cid\":\"no CID\",\"metadata\":{\"a\":\"b\"}}";
        static const char wild[] = "{\"mode\":\"wild\"}";
        JsonProblem problem;
        Pin pin = {};

        g_assert_cmpint(json_read_text(&pin_options_shape, text, strlen(text), &pin, NULL), ==, 0);
        g_assert_cmpstr(pin.name, ==, "n");
        g_assert_cmpint(pin.mode, ==, PIN_MODE_DIRECT);
        g_assert_cmpuint(pin.metadata.n, ==, 1);
        g_assert_false(cid_is_defined(&pin.cid));
        pin_done(&pin);
        g_assert_cmpint(json_read_text(&pin_options_shape, wild, strlen(wild), &pin, &problem),
                        ==,
                        -EBADMSG);
        g_assert_cmpstr(problem.field, ==, "mode");

        for (const JsonField *field = pin_options_shape.fields; field->key; field++) {
                const JsonField *whole = pin_shape.fields;

                while (whole->key && strcmp(whole->key, field->key) != 0)
                        whole++;
                g_assert_cmpstr(whole->key, ==, field->key);
                g_assert_cmpuint(whole->offset, ==, field->offset);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/pin/type", test_type);
        g_test_add_func("/types/pin/type-filter", test_type_filter);
        g_test_add_func("/types/pin/mode", test_mode);
        g_test_add_func("/types/pin/copy", test_copy);
        g_test_add_func("/types/pin/copy-without-memory", test_copy_faults);
        g_test_add_func("/types/pin/equal-as-stored", test_equal);
        g_test_add_func("/types/pin/no-name-is-the-empty-name", test_equal_names);
        g_test_add_func("/types/pin/json-as-recorded", test_golden);
        g_test_add_func("/types/pin/json-of-older-exports", test_json_lax);
        g_test_add_func("/types/pin/json-bad-with-field", test_json_bad);
        g_test_add_func("/types/pin/import", test_import);
        g_test_add_func("/types/pin/import-bad-with-words", test_import_bad);
        g_test_add_func("/types/pin/import-with-requests", test_import_requests);
        g_test_add_func("/types/pin/options-shape", test_options_shape);
        return g_test_run();
}
