#include <glib.h>
#include <string.h>

#include "daemon/pinsvc/request.h"
#include "tests/lib/fault.h"

#define SEC UINT64_C(1000000)
#define CID_A "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static void fill(Pin *pin, unsigned n_requests, bool requests_only) {
        *pin = (Pin){ .type = PIN_TYPE_DATA, .timestamp = 1000 * SEC, .requests_only = requests_only };
        g_assert_cmpint(cid_parse(CID_A, &pin->cid, NULL), ==, 0);
        g_assert_cmpint(str_copy(&pin->name, "plain"), ==, 0);
        for (unsigned i = 1; i <= n_requests; i++) {
                PinRequest request = { .created = 2000 * SEC + i, .random = i };

                request.name = strdup("<request>");
                g_assert_cmpint(str_map_set(&request.meta, "k", "v"), ==, 0);
                g_assert_cmpint(str_list_append(&request.origins, "/ip4/1.2.3.4/tcp/1"), ==, 0);
                g_assert_cmpint(pin_request_list_take(&pin->requests, &request), ==, 0);
        }
}

static void test_shown(void) {
        static const struct {
                unsigned n_requests;
                bool requests_only;
                PinType type;
                size_t n;
        } cases[] = {
                { 0, false, PIN_TYPE_DATA, 1 },  { 2, false, PIN_TYPE_DATA, 3 },
                { 2, true, PIN_TYPE_DATA, 2 },   { 0, false, PIN_TYPE_META, 0 },
                { 0, false, PIN_TYPE_SHARD, 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PinsvcRequest shown, found;
                Pin pin;

                fill(&pin, cases[i].n_requests, cases[i].requests_only);
                pin.type = cases[i].type;
                g_test_message("%zu", i);
                g_assert_cmpuint(pinsvc_request_count(&pin), ==, cases[i].n);
                for (size_t k = 0; k < cases[i].n; k++) {
                        pinsvc_request_at(&pin, k, &shown);
                        g_assert_true(pinsvc_request_find(&pin, &shown.id, &found));
                        g_assert_true(pin_request_id_equal(&shown.id, &found.id));
                        g_assert_cmpuint(shown.created, ==, found.created);
                        g_assert_true(shown.name == found.name);
                        g_assert_true(shown.id.is_plain == (k == 0 && !cases[i].requests_only));
                }
                g_assert_true(pinsvc_request_find(
                                              &pin,
                                              &(PinRequestId){ .cid = pin.cid, .is_plain = true },
                                              &found) == (cases[i].n > 0 && !cases[i].requests_only));
                g_assert_false(pinsvc_request_find(
                                &pin, &(PinRequestId){ .cid = pin.cid, .created = 7 }, &found));
                pin_done(&pin);
        }
}

/* Within the second that is known, the same at each time, and not the same for all. */
static void test_time_of_plain(void) {
        GHashTable *seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

        for (unsigned i = 0; i < 100; i++) {
                Pin pin = { .type = PIN_TYPE_DATA, .timestamp = 1000 * SEC };
                PinsvcRequest a, b;

                cid_of_bytes(CID_CODEC_RAW, &i, sizeof(i), &pin.cid);
                pinsvc_request_at(&pin, 0, &a);
                pinsvc_request_at(&pin, 0, &b);
                g_assert_cmpuint(a.created, ==, b.created);
                g_assert_cmpuint(a.created / SEC, ==, 1000);
                g_hash_table_add(seen, g_memdup2(&a.created, sizeof(a.created)));
        }
        g_assert_cmpuint(g_hash_table_size(seen), >, 95);
        g_hash_table_destroy(seen);
}

static void test_written(void) {
        PinsvcState state = { .status = PINSVC_STATUS_FAILED, .details = "no \"space\"" };
        StrList delegates = {};
        PinsvcRequest shown;
        Str text = {};
        Pin pin;

        for (unsigned i = 0; i < PINSVC_DELEGATES_MAX + 2; i++)
                g_assert_cmpint(str_list_append(&delegates, "/d"), ==, 0);
        state.delegates = &delegates;
        fill(&pin, 1, true);
        pinsvc_request_at(&pin, 0, &shown);
        g_assert_cmpint(pinsvc_request_write(&shown, &state, &text), ==, 0);
        g_assert_cmpstr(text.data,
                        ==,
                        "{\"requestid\":\"000000007735940100000001-" CID_A "\",\"status\":\"failed\","
                        "\"created\":\"1970-01-01T00:33:20.000001Z\",\"pin\":{\"cid\":\"" CID_A
                        "\",\"name\":\"\\u003crequest\\u003e\",\"origins\":[\"/ip4/1.2.3.4/tcp/1\"],\"meta\":{\"k\":\"v\"}},"
                        "\"delegates\":[\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\","
                        "\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\",\"/d\"],"
                        "\"info\":{\"source\":\"IPFS Cluster\",\"status_details\":\"no \\\"space\\\"\"}}");
        str_list_done(&delegates);
        str_done(&text);
        pin_done(&pin);
}

/* What is empty is left out; words are cut. */
static void test_written_short(void) {
        const StrList nobody = {};
        PinsvcState state = { .status = PINSVC_STATUS_QUEUED, .delegates = &nobody };
        g_autofree char *words = g_strnfill(1000, 'x');
        PinsvcRequest shown;
        Str text = {};
        Pin pin;

        fill(&pin, 0, false);
        pin.name[0] = '\0';
        pinsvc_request_at(&pin, 0, &shown);
        g_assert_cmpint(pinsvc_request_write(&shown, &state, &text), ==, 0);
        g_assert_true(g_str_has_prefix(
                        text.data,
                        "{\"requestid\":\"" CID_A
                        "\",\"status\":\"queued\",\"created\":\"1970-01-01T00:16:40."));
        g_assert_true(g_str_has_suffix(
                        text.data,
                        "\"pin\":{\"cid\":\"" CID_A
                        "\"},\"delegates\":[],\"info\":{\"source\":\"IPFS Cluster\"}}"));
        str_reset(&text);
        state.details = words;
        g_assert_cmpint(pinsvc_request_write(&shown, &state, &text), ==, 0);
        words[PINSVC_DETAILS_MAX] = '\0';
        g_assert_nonnull(strstr(text.data, words));
        g_assert_cmpuint(text.len, <, 600);
        str_done(&text);
        pin_done(&pin);
}

static void test_no_memory(void) {
        const StrList nobody = {};
        const PinsvcState state = { .details = "x", .delegates = &nobody };
        PinsvcRequest shown;
        Pin pin;

        fill(&pin, 1, true);
        pinsvc_request_at(&pin, 0, &shown);
        FOREACH_FAULT {
                Str text = {};
                int r = pinsvc_request_write(&shown, &state, &text);

                g_assert_true(r == 0 || r == -ENOMEM);
                str_done(&text);
        }
        pin_done(&pin);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pinsvc/request/shown", test_shown);
        g_test_add_func("/pinsvc/request/time-of-plain", test_time_of_plain);
        g_test_add_func("/pinsvc/request/written", test_written);
        g_test_add_func("/pinsvc/request/written-short", test_written_short);
        g_test_add_func("/pinsvc/request/no-memory", test_no_memory);
        return g_test_run();
}
