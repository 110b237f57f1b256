#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/pin-request.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/pin-sample.h"

#define V0 "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq"

static void test_ids(void) {
        static const struct {
                const char *text;
                uint64_t created;
                uint32_t random;
                bool is_plain;
        } cases[] = {
                { "000640d5a1b2c3d4deadbeef-" SAMPLE_CID, UINT64_C(0x640d5a1b2c3d4), 0xdeadbeef, false },
                { "000000000000000000000000-" V0, 0, 0, false },
                { "0384440ccc735fffffffffff-" V0, PIN_REQUEST_CREATED_MAX, UINT32_MAX, false },
                { SAMPLE_CID, 0, 0, true },
                { V0, 0, 0, true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char text[PIN_REQUEST_ID_TEXT_MAX];
                PinRequestId id;

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(pin_request_id_parse(cases[i].text, &id), ==, 0);
                g_assert_cmpuint(id.created, ==, cases[i].created);
                g_assert_cmpuint(id.random, ==, cases[i].random);
                g_assert_cmpint(id.is_plain, ==, cases[i].is_plain);
                g_assert_cmpstr(pin_request_id_format(&id, text), ==, cases[i].text);
        }
}

static void test_bad_ids(void) {
        static const char *const cases[] = {
                "",
                "-",
                "-" V0,
                "x",
                "000640d5a1b2c3d4deadbeef",
                "000640d5a1b2c3d4deadbeef-",
                "000640d5a1b2c3d4deadbeef-x",
                "000640d5a1b2c3d4deadbee-" V0,
                "000640D5a1b2c3d4deadbeef-" V0,
                "000640d5a1b2c3d4deadbee -" V0,
                "0384440ccc73600000000000-" V0, /* after 9999 */
                "ffffffffffffffff00000000-" V0,
                V0 "-",
                V0 " ",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PinRequestId id;

                if (pin_request_id_parse(cases[i], &id) != -EINVAL)
                        g_error("'%s' is taken for an id", cases[i]);
        }
}

/* Each form, cut anywhere, and with something behind it. */
static void test_id_bytes(void) {
        static const char *const texts[] = { NULL, SAMPLE_CID, "000640d5a1b2c3d4deadbeef-" SAMPLE_CID };
        static const size_t sizes[] = { 1, 1 + 1 + 36, 1 + 8 + 4 + 1 + 36 };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                _cleanup_(str_done) Str bytes = {};
                PinRequestId id = {}, read = {};

                g_test_message("%s", texts[i] ?: "none");
                if (texts[i])
                        g_assert_cmpint(pin_request_id_parse(texts[i], &id), ==, 0);
                g_assert_cmpint(pin_request_id_write(&id, &bytes), ==, 0);
                g_assert_cmpuint(bytes.len, ==, sizes[i]);
                for (size_t n = 0; n < bytes.len; n++) {
                        g_autofree uint8_t *cut = g_memdup2(bytes.data, n);

                        g_assert_cmpint(pin_request_id_read(cut, n, &read), ==, -EBADMSG);
                }
                (void) str_append(&bytes, "more");
                g_assert_cmpint(pin_request_id_read(bytes.data, bytes.len, &read), ==, (ssize_t) sizes[i]);
                g_assert_true(pin_request_id_equal(&id, &read));
                g_assert_cmpint(cid_is_defined(&read.cid), ==, texts[i] != NULL);
        }
}

static void test_bad_id_bytes(void) {
        static const struct {
                const char *bytes;
                size_t n;
        } cases[] = {
                { "\x03", 1 },
                { "\x02\x00", 2 },   /* no CID */
                { "\x02\x02xx", 4 }, /* a bad one */
                { "\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"
                  "\x24\x01\x55\x12\x20\x0a\x6a\x30\xa7\x09\xb9\x73\x2c\xca\x6d\x62\x54\xee\x3a\xef"
                  "\xdc\xfb\x76\xff\x99\x09\xa7\xa3\x06\x8f\x90\xa9\x99\x7a\xf1\x19\xee",
                  50 }, /* too late */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PinRequestId id;

                g_test_message("case %zu", i);
                g_assert_cmpint(pin_request_id_read(cases[i].bytes, cases[i].n, &id), ==, -EBADMSG);
        }
}

/* ---- lists */

static PinRequest make(uint64_t created, uint32_t random, const char *name) {
        PinRequest request = { .created = created, .random = random };

        g_assert_cmpint(str_copy(&request.name, name), ==, 0);
        g_assert_cmpint(str_map_set(&request.meta, "key", name), ==, 0);
        g_assert_cmpint(str_list_append(&request.origins, "/ip4/1.2.3.4/tcp/4001"), ==, 0);
        return request;
}

static void put(PinRequestList *list, uint64_t created, uint32_t random, const char *name) {
        PinRequest request = make(created, random, name);

        g_assert_cmpint(pin_request_list_take(list, &request), ==, 0);
        g_assert_null(request.name);
}

static char *names(const PinRequestList *list) {
        GString *text = g_string_new(NULL);

        for (size_t i = 0; i < list->n; i++)
                g_string_append(text, list->items[i].name);
        return g_string_free(text, FALSE);
}

static void assert_names(const PinRequestList *list, const char *expected) {
        g_autofree char *text = names(list);

        g_assert_cmpstr(text, ==, expected);
}

static void test_order(void) {
        _cleanup_(pin_request_list_done) PinRequestList list = {};

        put(&list, 5, 1, "c");
        put(&list, 9, 0, "e");
        put(&list, 5, 0, "b");
        put(&list, 1, 7, "a");
        put(&list, 5, 2, "d");
        assert_names(&list, "abcde");
        put(&list, 5, 1, "C"); /* repeated: instead of what was there */
        assert_names(&list, "abCde");

        g_assert_cmpstr(pin_request_list_find(&list, &(PinRequestId){ .created = 5, .random = 2 })->name,
                        ==,
                        "d");
        g_assert_null(pin_request_list_find(&list, &(PinRequestId){ .created = 5, .random = 3 }));
        g_assert_null(pin_request_list_find(&list, &(PinRequestId){}));
        g_assert_null(pin_request_list_find(&list, &(PinRequestId){ .created = 10 }));
}

static void test_remove(void) {
        _cleanup_(pin_request_list_done) PinRequestList list = {};

        for (int round = 0; round < 3; round++) {
                put(&list, 1, 0, "a");
                put(&list, 2, 0, "b");
                put(&list, 3, 0, "c");
                g_assert_true(pin_request_list_remove(&list, &(PinRequestId){ .created = 2 }));
                g_assert_false(pin_request_list_remove(&list, &(PinRequestId){ .created = 2 }));
                assert_names(&list, "ac");
                g_assert_true(pin_request_list_remove(&list, &(PinRequestId){ .created = 3 }));
                g_assert_true(pin_request_list_remove(&list, &(PinRequestId){ .created = 1 }));
                g_assert_cmpuint(list.n, ==, 0);
        }
}

static void test_full(void) {
        _cleanup_(pin_request_list_done) PinRequestList list = {};
        PinRequest request;

        for (uint64_t i = PIN_REQUESTS_MAX; i > 0; i--)
                put(&list, i, 0, "x");
        request = make(0, 0, "y");
        g_assert_cmpint(pin_request_list_take(&list, &request), ==, -ENOSPC);
        g_assert_cmpstr(request.name, ==, "y"); /* as it was */
        request.created = 1;
        g_assert_cmpint(pin_request_list_take(&list, &request), ==, 0); /* a repeated one has room */
        g_assert_cmpuint(list.n, ==, PIN_REQUESTS_MAX);
        g_assert_cmpstr(list.items[0].name, ==, "y");
}

static void test_copy(void) {
        _cleanup_(pin_request_list_done) PinRequestList list = {}, copy = {};

        put(&list, 1, 0, "a");
        put(&list, 2, 9, "b");
        g_assert_cmpint(pin_request_list_copy(&copy, &list), ==, 0);
        g_assert_true(pin_request_list_equal(&list, &copy));
        g_assert_true(list.items[0].name != copy.items[0].name);
        g_assert_cmpint(pin_request_list_copy(&copy, &copy), ==, 0);
        g_assert_true(pin_request_list_equal(&list, &copy));
        g_assert_cmpint(pin_request_list_copy(&copy, &(PinRequestList){}), ==, 0);
        g_assert_cmpuint(copy.n, ==, 0);
        g_assert_false(pin_request_list_equal(&list, &copy));
}

/* Each member makes a difference. */
static void test_equal(void) {
        for (int i = 0; i <= 5; i++) {
                _cleanup_(pin_request_list_done) PinRequestList list = {}, other = {};
                PinRequest *request;

                put(&list, 3, 4, "a");
                put(&other, 3, 4, "a");
                request = &other.items[0];
                if (i == 1)
                        request->created++;
                else if (i == 2)
                        request->random++;
                else if (i == 3)
                        g_assert_cmpint(str_copy(&request->name, NULL), ==, 0);
                else if (i == 4)
                        g_assert_cmpint(str_map_set(&request->meta, "k", ""), ==, 0);
                else if (i == 5)
                        str_list_done(&request->origins);
                g_assert_cmpint(pin_request_list_equal(&list, &other), ==, i == 0);
        }
}

static void test_copy_faults(void) {
        _cleanup_(pin_request_list_done) PinRequestList list = {};

        put(&list, 1, 0, "a");
        put(&list, 2, 9, "b");
        FOREACH_FAULT {
                _cleanup_(pin_request_list_done) PinRequestList copy = {};
                _cleanup_(str_done) Str text = {};
                int r;

                r = pin_request_list_copy(&copy, &list);
                g_assert_cmpint(copy.n, ==, r < 0 ? 0 : 2);
                if (r >= 0)
                        r = pin_request_list_json.write(&copy, &text);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

/* ---- JSON: as one of two members, like that of a pin */

typedef struct Holder {
        PinRequestList requests;
} Holder;

static const JsonField holder_fields[] = {
        { "requests",
          JSON_TYPE,
          offsetof(Holder, requests),
          JSON_OMIT_EMPTY,
          .type = &pin_request_list_json },
        JSON_END,
};

static const JsonShape holder_shape = { "holder", sizeof(Holder), holder_fields };

#define BARE "{\"created\":\"2026-11-22T15:28:22.123456Z\",\"random\":4294967295}"
#define FULL                                                                                                 \
        "{\"created\":\"2026-11-22T15:28:22.123457Z\",\"random\":0,\"name\":\"a b\",\"meta\":{\"k\":\"v\"}," \
        "\"origins\":[\"/ip4/1.2.3.4/tcp/4001\"]}"

static void test_json(void) {
        static const char *const cases[] = { "{}", "{\"requests\":[" BARE "," FULL "]}" };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str text = {};
                JsonProblem problem = {};
                Holder holder = {};

                if (json_read_text(&holder_shape, cases[i], strlen(cases[i]), &holder, &problem) < 0)
                        g_error("%s: %s", problem.field, problem.expected);
                g_assert_cmpint(json_write(&holder_shape, &holder, &text), ==, 0);
                g_assert_cmpstr(text.data, ==, cases[i]);
                json_done(&holder_shape, &holder);
        }
}

static void test_bad_json(void) {
        static const char *const cases[] = {
                "{\"requests\":{}}",
                "{\"requests\":[1]}",
                "{\"requests\":[{\"created\":\"2026-11-22T15:28:22Z\"}]}",
                "{\"requests\":[{\"random\":1}]}",
                "{\"requests\":[{\"created\":\"now\",\"random\":1}]}",
                "{\"requests\":[{\"created\":\"2026-11-22T15:28:22Z\",\"random\":4294967296}]}",
                "{\"requests\":[{\"created\":\"2026-11-22T15:28:22Z\",\"random\":-1}]}",
                "{\"requests\":[{\"created\":\"2026-11-22T15:28:22Z\",\"random\":\"1\"}]}",
                "{\"requests\":[" BARE
                ",{\"created\":\"2026-11-22T15:28:22Z\",\"random\":1,\"origins\":[\"x\"]}]}",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                JsonProblem problem = {};
                Holder holder = {};

                if (json_read_text(&holder_shape, cases[i], strlen(cases[i]), &holder, &problem) >= 0)
                        g_error("'%s' is accepted", cases[i]);
                g_assert_cmpstr(problem.field, ==, "requests");
                g_assert_null(holder.requests.items);
        }
}

static void test_too_many_in_json(void) {
        g_autoptr(GString) text = g_string_new("{\"requests\":[");
        Holder holder = {};

        for (int i = 0; i <= PIN_REQUESTS_MAX; i++)
                g_string_append_printf(
                                text,
                                "%s{\"created\":\"2026-11-22T15:28:22Z\",\"random\":%d}",
                                i > 0 ? "," : "",
                                i);
        g_string_append(text, "]}");
        g_assert_cmpint(json_read_text(&holder_shape, text->str, text->len, &holder, NULL), ==, -EBADMSG);
}

static void test_json_faults(void) {
        static const char text[] = "{\"requests\":[" BARE "," FULL "]}";

        FOREACH_FAULT {
                Holder holder = {};
                int r;

                r = json_read_text(&holder_shape, text, strlen(text), &holder, NULL);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                json_done(&holder_shape, &holder);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/pin-request/ids", test_ids);
        g_test_add_func("/types/pin-request/bad-ids", test_bad_ids);
        g_test_add_func("/types/pin-request/ids-as-bytes", test_id_bytes);
        g_test_add_func("/types/pin-request/bad-bytes", test_bad_id_bytes);
        g_test_add_func("/types/pin-request/order", test_order);
        g_test_add_func("/types/pin-request/remove", test_remove);
        g_test_add_func("/types/pin-request/full", test_full);
        g_test_add_func("/types/pin-request/copy", test_copy);
        g_test_add_func("/types/pin-request/equal", test_equal);
        g_test_add_func("/types/pin-request/copy-without-memory", test_copy_faults);
        g_test_add_func("/types/pin-request/json", test_json);
        g_test_add_func("/types/pin-request/bad-json", test_bad_json);
        g_test_add_func("/types/pin-request/too-many-in-json", test_too_many_in_json);
        g_test_add_func("/types/pin-request/json-without-memory", test_json_faults);
        return g_test_run();
}
