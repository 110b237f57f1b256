#include <string.h>

#include "tests/lib/fault.h"
#include "tests/unit/dbus/harness.h"

static Harness harness;

#define CALL(member, ...) harness_call(&harness, ALICE, member, __VA_ARGS__)

static char *cid_of(uint64_t n) {
        static char texts[4][CID_TEXT_MAX]; /* so many in one call */

        return peer_cid_text(n, texts[n % ELEMENTSOF(texts)]);
}

static void assert_call(char *text, const char *part) {
        harness_assert_has(text, part);
        free(text);
}

/* ---- what is refused before anything is asked */

static void test_bad_pins(void) {
        static const struct {
                const char *key, *type, *value, *words;
        } cases[] = {
                { "foo", "s", "bar", "InvalidArgument: options: 'foo' is not known" },
                { "cid", "s", "bar", "'cid' is not known" },
                { "mode",
                  "s",
                  "wild",
                  "options: mode: \"wild\" is not allowed, expected one of 'recursive'" },
                { "name", "u", NULL, "options: name: 7 is not allowed, expected a string" },
                { "replication_factor_min",
                  "s",
                  "2",
                  "options: replication_factor_min: \"2\" is not allowed" },
                { "expire_at", "s", "soon", "options: expire_at: \"soon\" is not allowed" },
                { "metadata", "s", "x", "options: metadata: \"x\" is not allowed" },
                { "pin_update", "s", "x", "options: pin_update: \"x\" is not allowed" },
                { "origins", "s", "x", "options: origins: \"x\" is not allowed" },
        };

        harness_open(&harness);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *text = cases[i].value ? CALL("Pin",
                                                   "sa{sv}",
                                                   cid_of(1),
                                                   1,
                                                   cases[i].key,
                                                   "s",
                                                   cases[i].value)
                                            : CALL("Pin", "sa{sv}", cid_of(1), 1, cases[i].key, "u", 7);

                g_test_message("%s", cases[i].key);
                assert_call(text, cases[i].words);
        }
        assert_call(CALL("Pin", "sa{sv}", "xx", 0), "InvalidArgument: cid: 'xx' is no CID: invalid cid: ");
        assert_call(CALL("Pin", "sa{sv}", "", 0), "InvalidArgument: cid: '' is no CID");
        assert_call(CALL("Pin", "sa{sv}", "/nothing", 0), "invalid path");
        assert_call(CALL("Pin", "s", cid_of(1)), "InvalidArgs: Invalid arguments 's' to call");
        assert_call(CALL("Pin", "sa{ss}", cid_of(1), 0), "InvalidArgs: ");
        assert_call(CALL("UpdatePin", "ssa{sv}", "xx", cid_of(1), 0),
                    "InvalidArgument: from: 'xx' is no CID");
        assert_call(CALL("UpdatePin", "ssa{sv}", cid_of(1), cid_of(2), 1, "pin_update", "s", cid_of(1)),
                    "pin_update is not allowed");
        assert_call(CALL("UpdatePin", "ssa{sv}", cid_of(1), cid_of(2), 0), "NotFound: ");
        assert_call(CALL("Unpin", "s", cid_of(1)), "NotFound: pin is not part of the pinset");
        assert_call(CALL("GetPin", "s", cid_of(1)), "NotFound: pin is not part of the pinset");
        assert_call(CALL("GetPin", "s", "xx"), "InvalidArgument: cid: ");
        assert_call(CALL("GetStatus", "sb", "xx", 0), "InvalidArgument: cid: ");
        assert_call(CALL("Sync", "s", "xx"), "InvalidArgument: cid: ");
        assert_call(CALL("Recover", "sb", "xx", 0), "InvalidArgument: cid: ");
        assert_call(CALL("StreamPins", "s", "wild"), "InvalidArgument: filter: 'wild' is not allowed");
        assert_call(CALL("StreamStatus", "sb", "wild", 0), "InvalidArgument: filter: 'wild' is not allowed");
        assert_call(CALL("StreamStatusOf", "asb", 0, 0), "InvalidArgument: cids: there is none");
        assert_call(CALL("StreamStatusOf", "asb", 2, cid_of(1), "xx", 0),
                    "InvalidArgument: cids: 'xx' is no CID");
        assert_call(CALL("StreamStatusOf", "sb", cid_of(1), 0),
                    "InvalidArgs: Invalid arguments 'sb' to call");
        g_assert_cmpuint(harness.bus->n[BUS_KIND_CALL], ==, 0);
        harness_close(&harness);
}

static void test_big_options(void) {
        char *name = g_strnfill(PIN_NAME_MAX + 1, 'x');

        harness_open(&harness);
        assert_call(CALL("Pin", "sa{sv}", cid_of(1), 1, "name", "s", name), "parameter name is longer than");
        assert_call(CALL("Pin", "sa{sv}", cid_of(1), 1, "origins", "as", 1, "/ip4/127.0.0.1/tcp/1"),
                    "origins: '/ip4/127.0.0.1/tcp/1' has no peer ID");
        g_free(name);
        harness_close(&harness);
}

/* ---- what is done */

static void test_pin_and_unpin(void) {
        char *text;

        harness_open(&harness);
        text = CALL("Pin",
                    "sa{sv}",
                    cid_of(1),
                    4,
                    "name",
                    "s",
                    "one",
                    "mode",
                    "s",
                    "direct",
                    "metadata",
                    "a{sv}",
                    1,
                    "k",
                    "s",
                    "v",
                    "expire_at",
                    "s",
                    "2100-01-01T00:00:00Z");
        harness_assert_has(text, "\"name\":\"one\",\"mode\":\"direct\"");
        harness_assert_has(text, "\"metadata\":{\"k\":\"v\"}");
        harness_assert_has(text, "2100-01-01T");
        harness_assert_has(text, "\"max_depth\":0");
        free(text);

        assert_call(CALL("GetPin", "s", cid_of(1)), "\"name\":\"one\"");
        assert_call(CALL("GetStatus", "sb", cid_of(1), 0), "\"peer_map\":{\"12D3Koo");
        assert_call(CALL("Sync", "s", cid_of(1)), "\"status\":");
        assert_call(CALL("Recover", "sb", cid_of(1), 1), "\"status\":");
        assert_call(CALL("UpdatePin", "ssa{sv}", cid_of(1), cid_of(2), 0), "\"pin_update\":");
        assert_call(CALL("Unpin", "s", cid_of(1)), "\"name\":\"one\"");
        assert_call(CALL("GetPin", "s", cid_of(1)), "NotFound: ");
        harness_close(&harness);
}

static void test_paths(void) {
        harness_open(&harness);
        assert_call(CALL("Pin", "sa{sv}", "/ipfs/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", 0),
                    "\"cid\":\"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn\"");
        assert_call(CALL("Unpin", "s", "/ipfs/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"),
                    "\"cid\":\"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn\"");
        harness_close(&harness);
}

static void test_lists(void) {
        static const char *const members[] = { "StreamPins", "StreamStatus", "SyncAll", "RecoverAll" };
        static const char *const types[] = { "s", "sb", NULL, "b" };

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 3, "x");
        PEER_UNTIL(&harness.peer, fake_kubo_pinned(harness.peer.kubo, cid_of(3)));
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                _cleanup_free_ char *text = NULL;
                HarnessCall call;

                g_test_message("%s", members[i]);
                if (types[i] && *types[i] == 'b')
                        harness_send(&harness, &call, ALICE, members[i], types[i], 0);
                else
                        harness_send(&harness, &call, ALICE, members[i], types[i], "", 0);
                harness_wait(&harness, &call);
                text = harness_read_pipe(&harness, call.reply);
                harness_assert_has(text, i < 2 ? "{\"end\":3}\n" : "{\"end\":");
                if (i < 2)
                        harness_assert_has(text, "\"name\":\"x\"");
                harness_call_done(&call);
        }
        harness_close(&harness);
}

/* ---- the statuses of some */

static sd_bus_message *ask_many(size_t n, uint64_t first) {
        sd_bus_message *message = harness_message(&harness, BUS_PATH, BUS_INTERFACE, "StreamStatusOf");

        g_assert_cmpint(sd_bus_message_open_container(message, 'a', "s"), >=, 0);
        for (size_t i = 0; i < n; i++)
                g_assert_cmpint(sd_bus_message_append(message, "s", cid_of(first + i)), >=, 0);
        g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        g_assert_cmpint(sd_bus_message_append(message, "b", 0), >=, 0);
        return message;
}

/* In the order of the question, whether they are items or not. */
static void test_status_of(void) {
        _cleanup_free_ char *text = NULL;
        HarnessCall call;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 3, "x");
        harness_send(&harness, &call, ALICE, "StreamStatusOf", "asb", 3, cid_of(7), cid_of(2), cid_of(1), 1);
        harness_wait(&harness, &call);
        text = harness_read_pipe(&harness, call.reply);
        g_assert_true(g_str_has_suffix(text, "{\"end\":3}\n"));
        g_assert_cmpint(strstr(text, cid_of(7)) - text, <, strstr(text, cid_of(2)) - text);
        g_assert_cmpint(strstr(text, cid_of(2)) - text, <, strstr(text, cid_of(1)) - text);
        g_assert_null(strstr(text, cid_of(3)));
        harness_call_done(&call);
        harness_close(&harness);
}

static void test_status_of_many(void) {
        static const struct {
                size_t n;
                const char *end;
        } cases[] = {
                { CLUSTER_CIDS_MAX, "{\"end\":4096}\n" },
                { CLUSTER_CIDS_MAX + 1, "TooBig: cids: at most 4096 CIDs are allowed" },
        };

        harness_open(&harness);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL;
                HarnessCall call;

                harness_send_message(&harness, &call, ALICE, ask_many(cases[i].n, 1));
                harness_wait(&harness, &call);
                text = sd_bus_message_is_method_error(call.reply, NULL)
                                       ? harness_text(call.reply)
                                       : harness_read_pipe(&harness, call.reply);
                g_assert_cmpstr(strlen(text) > strlen(cases[i].end)
                                                ? text + strlen(text) - strlen(cases[i].end)
                                                : text,
                                ==,
                                cases[i].end);
                harness_call_done(&call);
        }
        harness_close(&harness);
}

static void test_status_of_out_of_memory(void) {
        harness_open(&harness);
        FOREACH_FAULT {
                HarnessCall call;

                harness_send(&harness, &call, ALICE, "StreamStatusOf", "asb", 2, cid_of(1), cid_of(2), 1);
                harness_wait(&harness, &call);
                if (sd_bus_message_is_method_error(call.reply, NULL) > 0)
                        g_assert_cmpint(sd_bus_message_is_method_error(
                                                        call.reply, BUS_ERROR_PREFIX "NoMemory"),
                                        >,
                                        0);
                harness_call_done(&call);
        }
        PEER_UNTIL(&harness.peer, map_size(harness.bus->senders) == 0);
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/pins-object/bad-pins", test_bad_pins);
        g_test_add_func("/dbus/pins-object/big-options", test_big_options);
        g_test_add_func("/dbus/pins-object/pin-and-unpin", test_pin_and_unpin);
        g_test_add_func("/dbus/pins-object/paths", test_paths);
        g_test_add_func("/dbus/pins-object/lists", test_lists);
        g_test_add_func("/dbus/pins-object/status-of", test_status_of);
        g_test_add_func("/dbus/pins-object/status-of-many", test_status_of_many);
        g_test_add_func("/dbus/pins-object/status-of-out-of-memory", test_status_of_out_of_memory);
        return g_test_run();
}
