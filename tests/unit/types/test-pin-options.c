#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/pin-options.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/pin-sample.h"

#define NOW UINT64_C(1795361302123456)
#define ID "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"
#define ID2 "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"
#define N_MAX 16

typedef struct Query {
        const char *keys_and_values[2 * N_MAX + 1]; /* ends with NULL */
} Query;

static int read_query(const Query *query, Pin *pin, Error *reterr) {
        PinOption options[N_MAX];
        size_t n = 0;

        while (query->keys_and_values[2 * n]) {
                options[n].key = query->keys_and_values[2 * n];
                options[n].value = query->keys_and_values[2 * n + 1];
                n++;
        }
        return pin_options_read(pin, options, n, NOW, reterr);
}

/* The pin as JSON, less what options do not touch. */
#define PIN(min, max, name, mode, shard, allocations, expire, metadata, update, origins, depth)             \
        "{\"replication_factor_min\":" min ",\"replication_factor_max\":" max ",\"name\":\"" name           \
        "\",\"mode\":\"" mode "\",\"shard_size\":" shard ",\"user_allocations\":" allocations               \
        ",\"expire_at\":\"" expire "\",\"metadata\":" metadata ",\"pin_update\":" update                    \
        ",\"origins\":" origins                                                                             \
        ",\"cid\":null,\"type\":\"bad-type\",\"allocations\":null,\"max_depth\":" depth                     \
        ",\"reference\":null,\"timestamp\":\"0001-01-01T00:00:00Z\"}"
#define NEVER "0001-01-01T00:00:00Z"
#define ORIGIN "/ip4/127.0.0.1/tcp/20011/p2p/" ID2

static void test_read(void) {
        static const struct {
                Query query;
                const char *pin;
        } cases[] = {
                { { { NULL } },
                  PIN("0", "0", "", "recursive", "0", "null", NEVER, "{}", "null", "null", "-1") },
                { { { "mode",
                      "recursive",
                      "name",
                      "",
                      "replication-max",
                      "0",
                      "replication-min",
                      "0",
                      "shard-size",
                      "0",
                      "user-allocations",
                      "" } },
                  PIN("0", "0", "", "recursive", "0", "null", NEVER, "{}", "null", "null", "-1") },
                { { { "name",
                      "a n",
                      "replication-min",
                      "1",
                      "replication-max",
                      "+2",
                      "meta-zz",
                      "1",
                      "meta-aa",
                      "two",
                      "shard-size",
                      "100",
                      "user-allocations",
                      ID,
                      "expire-at",
                      "2030-01-02T03:04:05.678Z",
                      "origins",
                      ORIGIN } },
                  PIN("1",
                      "2",
                      "a n",
                      "recursive",
                      "100",
                      "[\"" ID "\"]",
                      "2030-01-02T03:04:05.678Z",
                      "{\"aa\":\"two\",\"zz\":\"1\"}",
                      "null",
                      "[\"" ORIGIN "\"]",
                      "-1") },
                { { { "replication", "-1", "replication-min", "3", "replication-max", "x" } },
                  PIN("-1", "-1", "", "recursive", "0", "null", NEVER, "{}", "null", "null", "-1") },
                { { { "mode", "direct", "mode", "recursive", "name", "1", "name", "2" } },
                  PIN("0", "0", "1", "direct", "0", "null", NEVER, "{}", "null", "null", "0") },
                { { { "mode", "zz" } },
                  PIN("0", "0", "", "recursive", "0", "null", NEVER, "{}", "null", "null", "-1") },
                { { { "expire-in", "1h" } },
                  PIN("0",
                      "0",
                      "",
                      "recursive",
                      "0",
                      "null",
                      "2026-11-22T16:28:22.123456Z",
                      "{}",
                      "null",
                      "null",
                      "-1") },
                { { { "expire-in", "1h", "expire-at", "2031-01-01T00:00:00Z" } },
                  PIN("0",
                      "0",
                      "",
                      "recursive",
                      "0",
                      "null",
                      "2031-01-01T00:00:00Z",
                      "{}",
                      "null",
                      "null",
                      "-1") },
                { { { "expire-in", "x", "expire-at", "1960-01-01T00:00:00Z" } }, /* past, for the core to
                                                                                    refuse */
                  PIN("0",
                      "0",
                      "",
                      "recursive",
                      "0",
                      "null",
                      "1970-01-01T00:00:00.000001Z",
                      "{}",
                      "null",
                      "null",
                      "-1") },
                { { { "meta-", "v", "meta-a", "", "meta-a", "2" } },
                  PIN("0", "0", "", "recursive", "0", "null", NEVER, "{\"a\":\"\"}", "null", "null", "-1") },
                { { { "user-allocations", "junk" } },
                  PIN("0", "0", "", "recursive", "0", "[]", NEVER, "{}", "null", "null", "-1") },
                { { { "user-allocations", "junk," ID "," ID2 } },
                  PIN("0",
                      "0",
                      "",
                      "recursive",
                      "0",
                      "[\"" ID "\",\"" ID2 "\"]",
                      NEVER,
                      "{}",
                      "null",
                      "null",
                      "-1") },
                { { { "pin-update", SAMPLE_CID, "other", "x" } },
                  PIN("0",
                      "0",
                      "",
                      "recursive",
                      "0",
                      "null",
                      NEVER,
                      "{}",
                      "\"" SAMPLE_CID "\"",
                      "null",
                      "-1") },
                { { { "origins", "/ip4/1.2.3.4/tcp/1/ipfs/" ID "," ORIGIN } },
                  PIN("0",
                      "0",
                      "",
                      "recursive",
                      "0",
                      "null",
                      NEVER,
                      "{}",
                      "null",
                      "[\"/ip4/1.2.3.4/tcp/1/p2p/" ID "\",\"" ORIGIN "\"]",
                      "-1") },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str text = {};
                _cleanup_(pin_done) Pin pin = {};
                Error error = {};

                if (read_query(&cases[i].query, &pin, &error) < 0)
                        g_error("case %zu: %s", i, error_message(&error));
                g_assert_cmpint(json_write(&pin_shape, &pin, &text), ==, 0);
                g_assert_cmpstr(text.data, ==, cases[i].pin);
        }
}

/* The words are recorded. */
static void test_bad(void) {
        static const struct {
                Query query;
                const char *message;
        } cases[] = {
                { { { "replication-min", "x" } }, "parameter replication-min invalid" },
                { { { "replication-min", "1x" } }, "parameter replication-min invalid" },
                { { { "replication-min", " 1" } }, "parameter replication-min invalid" },
                { { { "replication-min", "-" } }, "parameter replication-min invalid" },
                { { { "replication-min", "99999999999999999999" } }, "parameter replication-min invalid" },
                { { { "replication-max", "x" } }, "parameter replication-max invalid" },
                { { { "replication", "x" } }, "parameter replication-min invalid" },
                { { { "shard-size", "-1" } }, "parameter shard_size is invalid" },
                { { { "shard-size", "18446744073709551616" } }, "parameter shard_size is invalid" },
                { { { "expire-at", "tomorrow" } },
                  "expire-at cannot be parsed: parsing time \"tomorrow\" as \"2006-01-02T15:04:05Z07:00\": cannot "
                  "parse \"tomorrow\" as \"2006\"" },
                { { { "expire-at", "2030-1-2" } },
                  "expire-at cannot be parsed: parsing time \"2030-1-2\" as \"2006-01-02T15:04:05Z07:00\": cannot "
                  "parse \"1-2\" as \"01\"" },
                { { { "expire-at", "2030-01-02T03:04:05" } },
                  "expire-at cannot be parsed: parsing time \"2030-01-02T03:04:05\" as "
                  "\"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"Z07:00\"" },
                { { { "expire-in", "soon" } },
                  "expire-in cannot be parsed: time: invalid duration \"soon\"" },
                { { { "expire-in", "9999999h" } },
                  "expire-in cannot be parsed: time: invalid duration \"9999999h\"" },
                { { { "expire-in", "500ms" } }, "expire-in duration too short" },
                { { { "expire-in", "-1h" } }, "expire-in duration too short" },
                { { { "pin-update", "junk" } },
                  "error decoding update option parameter: invalid cid: selected encoding not supported" },
                { { { "origins", "junk" } },
                  "error decoding multiaddress: failed to parse multiaddr \"junk\": must begin with /" },
                { { { "origins", ORIGIN "," } },
                  "error decoding multiaddress: failed to parse multiaddr \"\": must begin with /" },
                { { { "origins", "/ip4/127.0.0.1/tcp/1" } },
                  "multiaddress does not contain peer ID: protocol not found in multiaddr" },
                { { { "origins", "junk", "replication-min", "x" } }, "parameter replication-min invalid" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(pin_done) Pin pin = { .replication_factor_min = 7 };
                Error error = {};

                g_assert_cmpint(read_query(&cases[i].query, &pin, &error), ==, -EINVAL);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
                g_assert_cmpstr(error_message(&error), ==, cases[i].message);
                error_done(&error);
                g_assert_cmpint(read_query(&cases[i].query, &pin, NULL), ==, -EINVAL);
                g_assert_cmpint(pin.replication_factor_min, ==, 7); /* as before */
                g_assert_false(pin.metadata.is_set);
        }
}

static void test_bounds(void) {
        g_autofree char *name = g_strnfill(PIN_NAME_MAX + 1, 'n');
        g_autofree char *many = g_strnfill((PIN_ORIGINS_MAX + 1) * (strlen(ORIGIN) + 1), ',');
        g_autofree PinOption *metadata = g_new0(PinOption, PIN_METADATA_MAX + 1);
        _cleanup_(pin_done) Pin pin = {};
        PinOption option = { "name", name };
        Error error = {};

        g_assert_cmpint(pin_options_read(&pin, &option, 1, NOW, &error), ==, -EINVAL);
        g_assert_cmpstr(error_message(&error), ==, "parameter name is longer than 16384 bytes");
        error_done(&error);
        name[PIN_NAME_MAX] = '\0';
        g_assert_cmpint(pin_options_read(&pin, &option, 1, NOW, NULL), ==, 0);

        for (size_t i = 0; i <= PIN_ORIGINS_MAX; i++)
                memcpy(many + i * (strlen(ORIGIN) + 1), ORIGIN, strlen(ORIGIN));
        many[strlen(many) - 1] = '\0';
        option = (PinOption){ "origins", many };
        g_assert_cmpint(pin_options_read(&pin, &option, 1, NOW, &error), ==, -EINVAL);
        g_assert_cmpstr(error_message(&error), ==, "parameter origins has more than 64");
        error_done(&error);

        for (size_t i = 0; i <= PIN_METADATA_MAX; i++)
                metadata[i] = (PinOption){ g_strdup_printf("meta-%zu", i), "v" };
        g_assert_cmpint(pin_options_read(&pin, metadata, PIN_METADATA_MAX + 1, NOW, &error), ==, -EINVAL);
        g_assert_cmpstr(error_message(&error), ==, "metadata has more than 256 entries");
        error_done(&error);
        for (size_t i = 0; i <= PIN_METADATA_MAX; i++)
                g_free((char *) metadata[i].key);
}

static void test_rest_stays(void) {
        static const Query query = { { "name", "new" } };
        _cleanup_(pin_done) Pin pin = {}, before = {};

        pin_sample(&pin);
        g_assert_cmpint(pin_copy(&before, &pin), ==, 0);
        g_assert_cmpint(read_query(&query, &pin, NULL), ==, 0);
        g_assert_cmpstr(pin.name, ==, "new");
        g_assert_true(cid_equal(&pin.cid, &before.cid));
        g_assert_true(cid_equal(&pin.reference, &before.reference));
        g_assert_true(peer_id_list_equal(&pin.allocations, &before.allocations));
        g_assert_cmpint(pin.type, ==, before.type);
        g_assert_cmpuint(pin.timestamp, ==, before.timestamp);
        g_assert_cmpuint(pin.expire_at, ==, 0);
}

static void test_write(void) {
        _cleanup_(str_done) Str text = {}, none = {};
        _cleanup_(pin_done) Pin pin = {};

        g_assert_cmpint(pin_options_write(&pin, &none), ==, 0);
        g_assert_cmpstr(none.data,
                        ==,
                        "mode=recursive&name=&replication-max=0&replication-min=0&shard-size=0&user-allocations=");

        pin_sample(&pin);
        (void) str_append(&text, "/pins/x?");
        g_assert_cmpint(pin_options_write(&pin, &text), ==, 0);
        g_assert_cmpstr(text.data,
                        ==,
                        "/pins/x?expire-at=2030-01-02T03%3A04%3A05Z&meta-aa=two&meta-zz=1&mode=recursive"
                        "&name=a%20n%C3%A4me%20%3Cb%3E"
                        "&origins=%2Fip4%2F127.0.0.1%2Ftcp%2F20011%2Fp2p%2F" ID2
                        "&pin-update=QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq"
                        "&replication-max=2&replication-min=1&shard-size=100&user-allocations=" ID);
        g_assert_cmpint(pin_options_write(&(Pin){}, &text), ==, 0);
        g_assert_nonnull(strstr(text.data, ID "&mode="));
}

static void test_faults(void) {
        static const Query query = {
                { "name", "n", "meta-a", "b", "user-allocations", ID, "origins", ORIGIN }
        };

        FOREACH_FAULT {
                _cleanup_(str_done) Str text = {};
                _cleanup_(pin_done) Pin pin = {};
                Error error = {};
                int r;

                r = read_query(&query, &pin, &error);
                g_assert_cmpint(error.code, ==, r < 0 ? ERROR_NO_MEMORY : ERROR_NONE);
                error_done(&error);
                if (r >= 0)
                        r = pin_options_write(&pin, &text);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/pin-options/read", test_read);
        g_test_add_func("/types/pin-options/bad-with-words", test_bad);
        g_test_add_func("/types/pin-options/bounds", test_bounds);
        g_test_add_func("/types/pin-options/the-rest-stays", test_rest_stays);
        g_test_add_func("/types/pin-options/write", test_write);
        g_test_add_func("/types/pin-options/without-memory", test_faults);
        return g_test_run();
}
