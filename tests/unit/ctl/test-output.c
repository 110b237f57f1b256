#include "ctl/output.h"
#include "daemon/types/pin-info.h"
#include "tests/lib/fault.h"
#include "tests/unit/ctl/fake.h"

#define CID "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define A "12D3KooWBBfAXrawDUsdPnWUjBbY6ChgpkZHHjNXokyd46uApg9T"
#define B "12D3KooWGAUYexzB8iQXcBejLi6oUnZnD8XHtDS2NANoTzpMHGtw"

typedef struct Shown {
        Ctl *ctl;
        CtlCall call;
} Shown;

static int show(void *item, void *userdata) {
        Shown *shown = userdata;

        return ctl_output_item(shown->ctl, shown->call, item);
}

static void check(CtlCall call, const char *item, bool json, const char *expected) {
        static const FakeAnswer none = {};
        Shown shown = { .call = call };
        Fake fake;

        g_test_message("%s", item);
        fake_init(&fake, &none, 1);
        fake.ctl.json = json;
        shown.ctl = &fake.ctl;
        g_assert_cmpint(ctl_call_deliver(call, item, strlen(item), show, &shown, NULL), ==, 0);
        fflush(fake.ctl.out);
        g_assert_cmpstr(fake.out, ==, expected);
        fake_done(&fake);
}

#define PIN(name, mode, factors, allocations, depth, times)                                                 \
        "{\"name\":\"" name "\",\"mode\":\"" mode "\"," factors ",\"cid\":\"" CID                           \
        "\",\"type\":\"pin\",\"allocations\":[" allocations "],\"max_depth\":" depth "," times "}"

#define EVERYWHERE "\"replication_factor_min\":-1,\"replication_factor_max\":-1"
#define NO_TIMES "\"expire_at\":\"0001-01-01T00:00:00Z\",\"timestamp\":\"0001-01-01T00:00:00Z\""

/* What anybody may have named a pin: it must neither command the terminal nor pass for a line. */
static void test_controls(void) {
        static const char pin[] =
                        "{\"cid\":\"" CID
                        "\",\"name\":\"a\\u001b[31m\\r\\nb\\u007f\\u009b\\u00a0\\u00e4\",\"peer_map\":"
                        "{\"" A
                        "\":{\"peername\":\"\\u0007p\",\"status\":\"pin_error\",\"error\":\"\\u001b]0;x\\u0007\","
                        "\"timestamp\":\"0001-01-01T00:00:00Z\"}}}";
        static const char text[] = CID " | a\\x1b[31m\\x0d\\nb\\x7f\\x9b\u00a0\u00e4:\n";
        static const FakeAnswer none = {};
        Shown shown = { .call = CTL_CALL_STATUS };
        Fake fake;

        for (unsigned json = 0; json < 2; json++) {
                fake_init(&fake, &none, 1);
                fake.ctl.json = json;
                shown.ctl = &fake.ctl;
                g_assert_cmpint(ctl_call_deliver(CTL_CALL_STATUS, pin, strlen(pin), show, &shown, NULL),
                                ==,
                                0);
                fflush(fake.ctl.out);
                if (!json)
                        g_assert_cmpint(strncmp(fake.out, text, strlen(text)), ==, 0);
                for (const char *p = fake.out; *p; p++)
                        if ((*p != '\n' && (unsigned char) *p < ' ') || *p == 0x7f ||
                            strncmp(p, "\xc2\x9b", 2) == 0)
                                g_error("a control character in '%s'", p);
                fake_done(&fake);
        }
}

static void test_text(void) {
        static const struct {
                CtlCall call;
                const char *item;
                const char *text;
        } cases[] = {
                { CTL_CALL_VERSION, "{\"version\":\"1.1.6\"}", "1.1.6\n" },
                { CTL_CALL_METRIC_NAMES, "[\"ping\",\"a\"]", "ping\na\n" },
                { CTL_CALL_METRIC_NAMES, "null", "" },
                { CTL_CALL_ID,
                  "{\"id\":\"" A "\",\"addresses\":[\"/ip4/2.2.2.2/tcp/1\",\"/ip4/1.1.1.1/tcp/1\"],"
                  "\"cluster_peers\":[\"" A "\",\"" B "\"],\"ipfs\":{\"id\":\"" B "\",\"addresses\":null},"
                  "\"peername\":\"a\"}",
                  A " | a | Sees 1 other peers\n  > Addresses:\n    - /ip4/1.1.1.1/tcp/1\n"
                    "    - /ip4/2.2.2.2/tcp/1\n  > IPFS: " B "\n" },
                { CTL_CALL_PEERS, "{\"id\":\"" A "\",\"error\":\"no way\"}", A " | ERROR: no way\n" },
                { CTL_CALL_PEERS,
                  "{\"id\":\"" A "\",\"ipfs\":{\"error\":\"down\"}}",
                  A " |  | Sees 0 other peers\n  > Addresses:\n  > IPFS ERROR: down\n" },
                { CTL_CALL_PIN,
                  PIN("n", "recursive", EVERYWHERE, "", "-1", NO_TIMES),
                  CID
                  " | n | PIN | Repl. Factor: -1 | Allocations: [everywhere] | Recursive | Metadata: no | "
                  "Exp: \u221e | Added: unknown\n" },
                { CTL_CALL_ALLOCATIONS,
                  PIN("",
                      "direct",
                      "\"replication_factor_min\":1,\"replication_factor_max\":2",
                      "\"" B "\",\"" A "\"",
                      "0",
                      "\"expire_at\":\"2026-11-22T15:38:15Z\",\"timestamp\":\"2026-11-22T15:38:09Z\","
                      "\"metadata\":{\"a\":\"b\"}"),
                  CID " |  | PIN-DIRECT | Repl. Factor: 1--2 | Allocations: [" A " " B
                      "] | Direct | Metadata: yes | "
                      "Exp: 2026-11-22 15:38:15 | Added: 2026-11-22 15:38:09\n" },
                { CTL_CALL_UNPIN,
                  PIN("", "recursive", EVERYWHERE, "", "3", NO_TIMES),
                  CID
                  " |  | PIN | Repl. Factor: -1 | Allocations: [everywhere] | Recursive-3 | Metadata: no | "
                  "Exp: \u221e | Added: unknown\n" },
                { CTL_CALL_STATUS,
                  "{\"cid\":\"" CID "\",\"name\":\"x\",\"peer_map\":{"
                  "\"" B
                  "\":{\"peername\":\"\",\"status\":\"pin_error\",\"timestamp\":\"2026-11-22T15:38:09Z\","
                  "\"error\":\"why\",\"attempt_count\":2,\"priority_pin\":true},"
                  "\"" A
                  "\":{\"peername\":\"a\",\"status\":\"pinned\",\"timestamp\":\"2026-11-22T15:38:09.5Z\"}}}",
                  CID
                  " | x:\n"
                  "    > a                    : PINNED | 2026-11-22T15:38:09.5Z | Attempts: 0 | Priority: false\n"
                  "    > " B " : PIN_ERROR: why | 2026-11-22T15:38:09Z | Attempts: 2 | Priority: true\n" },
                { CTL_CALL_STATUS, "{\"cid\":\"" CID "\",\"peer_map\":null}", CID ":\n" },
                { CTL_CALL_STATUS,
                  "{\"cid\":\"" CID "\",\"peer_map\":{\"" A
                  "\":{\"peername\":\"h\u00e9l\u00e8ne\",\"status\":\"remote\","
                  "\"timestamp\":\"2026-11-22T15:38:09Z\"}}}",
                  CID
                  ":\n    > h\u00e9l\u00e8ne               : REMOTE | 2026-11-22T15:38:09Z | Attempts: 0 | Priority: false\n" },
                { CTL_CALL_METRICS,
                  "[{\"name\":\"freespace\",\"peer\":\"" A
                  "\",\"value\":\"none\",\"weight\":0,\"expire\":1}]",
                  A " | freespace: none | Expires in: a long while ago\n" },
                { CTL_CALL_METRICS,
                  "[{\"name\":\"freespace\",\"peer\":\"" A
                  "\",\"value\":\"x\",\"weight\":1500,\"expire\":1}]",
                  A " | freespace: 1.5 kB | Expires in: a long while ago\n" },
                { CTL_CALL_ALERTS,
                  "[{\"name\":\"ping\",\"peer\":\"" A
                  "\",\"expire\":1,\"triggered_at\":\"1970-01-02T00:00:00Z\"}]",
                  A ": ping. Expired at: a long while ago. Triggered at: a long while ago\n" },
                { CTL_CALL_GC,
                  "{\"peer_map\":{\"" B "\":{\"peer\":\"" B "\",\"peername\":\"b\",\"keys\":[]},"
                  "\"" A "\":{\"peer\":\"" A "\",\"peername\":\"a\",\"error\":\"down\","
                  "\"keys\":[{\"key\":\"" CID "\"},{\"key\":null,\"error\":\"bad\"}]}}}",
                  "a               | ERROR: down\n  > CIDs:\n    - " CID "\n    - ERROR: bad\n"
                  "b              \n  > CIDs:\n" },
                { CTL_CALL_BANDWIDTH,
                  "{\"b\":{\"total_in\":1200,\"total_out\":5,\"rate_in\":1.005,\"rate_out\":0},\"\":{}}",
                  "                         : In:     0 B. Out:     0 B. RateIn: 0.00B/s. RateOut: 0.00B/s\n"
                  "                        b: In:  1.2 kB. Out:     5 B. RateIn: 1.00B/s. RateOut: 0.00B/s\n" },
                { CTL_CALL_BANDWIDTH, "null", "" },
                { CTL_CALL_EVENTS,
                  "{\"time\":\"2026-11-22T15:38:09Z\",\"event\":\"service_down\"}",
                  "2026-11-22 15:38:09 service_down\n" },
                { CTL_CALL_EVENTS,
                  "{\"time\":\"2026-11-22T15:38:09Z\",\"event\":\"pin_status\",\"cid\":\"" CID
                  "\",\"status\":\"pin_error\",\"peer\":\"" A "\",\"error\":\"a\\nb\"}",
                  "2026-11-22 15:38:09 pin_status: " CID " | pin_error | " A " | a\\nb\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i].call, cases[i].item, false, cases[i].text);
}

static void test_json(void) {
        check(CTL_CALL_VERSION, "{\"version\":\"1<2\"}", true, "{\n    \"version\": \"1\\u003c2\"\n}\n");
        check(CTL_CALL_METRICS, "[]", true, "[]\n");
        check(CTL_CALL_EVENTS,
              "{\"time\":\"2026-11-22T15:38:09Z\",\"event\":\"alert\",\"alert\":{\"a\":1}}",
              true,
              "{\"time\":\"2026-11-22T15:38:09Z\",\"event\":\"alert\",\"alert\":{\"a\":1}}\n");
        check(CTL_CALL_BANDWIDTH, "null", true, "null\n");
        check(CTL_CALL_METRIC_NAMES, "[\"a\"]", true, "[\n    \"a\"\n]\n");
        check(CTL_CALL_GC,
              "{\"peer_map\":{\"" B "\":{\"peer\":\"" B "\",\"peername\":\"b\",\"keys\":[]},"
              "\"" A "\":{\"peer\":\"" A "\",\"peername\":\"a\",\"keys\":[]}}}",
              true,
              "{\n    \"peer_map\": {\n        \"" A "\": {\n            \"peer\": \"" A "\",\n"
              "            \"peername\": \"a\",\n            \"keys\": []\n        },\n        \"" B
              "\": {\n"
              "            \"peer\": \"" B
              "\",\n            \"peername\": \"b\",\n            \"keys\": []\n"
              "        }\n    }\n}\n");
}

static void test_failures(void) {
        static const FakeAnswer none = {};
        CtlFailure failure = { 404, (char *) "not \"here\"" };

        for (int json = 0; json < 2; json++) {
                Fake fake;

                fake_init(&fake, &none, 1);
                fake.ctl.json = json;
                g_assert_cmpint(ctl_output_failure(&fake.ctl, &failure), ==, 0);
                fflush(fake.ctl.out);
                g_assert_cmpstr(fake.out,
                                ==,
                                json ? "{\n    \"code\": 404,\n    \"message\": \"not \\\"here\\\"\"\n}\n"
                                     : "An error occurred:\n  Code: 404\n  Message: not \"here\"\n");
                fake_done(&fake);
        }
}

static void test_closed_output_is_an_error(void) {
        Ctl ctl = { .out = fopen("/dev/full", "w") };
        CtlVersion version = { (char *) "1" };

        g_assert_nonnull(ctl.out);
        setvbuf(ctl.out, NULL, _IONBF, 0);
        g_assert_cmpint(ctl_output_item(&ctl, CTL_CALL_VERSION, &version), <, 0);
        fclose(ctl.out);
}

static void test_memory_short(void) {
        CtlVersion version = { (char *) "1" };
        CtlFailure failure = { 404, (char *) "x" };
        Ctl ctl = { .out = fopen("/dev/null", "w"), .json = true };

        g_assert_nonnull(ctl.out);
        setvbuf(ctl.out, NULL, _IONBF, 0);
        FOREACH_FAULT {
                int r = ctl_output_item(&ctl, CTL_CALL_VERSION, &version);

                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
                r = ctl_output_failure(&ctl, &failure);
                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
        fclose(ctl.out);
}

int main(int argc, char **argv) {
        g_setenv("TZ", "UTC", TRUE);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/output/controls-are-shown", test_controls);
        g_test_add_func("/ctl/output/text", test_text);
        g_test_add_func("/ctl/output/json", test_json);
        g_test_add_func("/ctl/output/failures", test_failures);
        g_test_add_func("/ctl/output/closed-output-is-an-error", test_closed_output_is_an_error);
        g_test_add_func("/ctl/output/memory-short", test_memory_short);
        return g_test_run();
}
