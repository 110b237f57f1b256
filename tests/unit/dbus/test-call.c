#include <string.h>

#include "tests/lib/fault.h"
#include "tests/unit/dbus/harness.h"

#define HELLO "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define CALLS_OF_SENDER 64 /* the bound in sender.c */

static Harness harness;

static void assert_call(char *text, const char *part) {
        harness_assert_has(text, part);
        free(text);
}

static void test_wrong_types(void) {
        sd_bus_message *m;
        HarnessCall call;

        harness_open(&harness);
        assert_call(harness_call(&harness, ALICE, "Id", "s", "x"), "InvalidArgs: ");
        assert_call(harness_call(&harness, ALICE, "GetPin", "u", 1), "InvalidArgs: ");
        assert_call(harness_call(&harness, ALICE, "GetStatus", "s", HELLO), "InvalidArgs: ");
        assert_call(harness_call(&harness, ALICE, "ListPins", "sx", "", INT64_C(1)), "InvalidArgs: ");
        assert_call(harness_call(&harness, ALICE, "RecoverAll", NULL), "InvalidArgs: ");
        assert_call(harness_call(&harness, ALICE, "Nothing", NULL), "UnknownMethod: ");
        m = harness_message(&harness, BUS_PATH "/peer/nobody", BUS_PEER_INTERFACE, "Remove");
        harness_send_message(&harness, &call, ALICE, m);
        harness_wait(&harness, &call);
        assert_call(harness_text(call.reply), "UnknownObject: ");
        harness_call_done(&call);
        g_assert_cmpuint(map_size(harness.bus->senders), ==, 0);
        harness_close(&harness);
}

/* One that asks too much is told so; others are served, and it too, when it has been answered. */
static void test_flood(void) {
        HarnessCall calls[CALLS_OF_SENDER], more;
        char *text;

        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_IS_SILENT;
        for (size_t i = 0; i < CALLS_OF_SENDER; i++)
                harness_send(&harness, &calls[i], ALICE, "Unpin", "s", HELLO);
        harness_send(&harness, &more, ALICE, "Unpin", "s", HELLO);
        harness_wait(&harness, &more);
        text = harness_text(more.reply);
        g_assert_cmpstr(text,
                        ==,
                        "Busy: there are 64 calls under way for you already, at most 64 are allowed");
        free(text);
        harness_call_done(&more);

        assert_call(harness_call(&harness, ALICE, "GetPin", "s", HELLO), "Busy: ");
        assert_call(harness_call(&harness, BOB, "GetPin", "s", HELLO), "NotFound: ");

        harness.uid = UID_ROOT;
        harness.polkit = POLKIT_ALLOWS;
        PEER_UNTIL(&harness.peer, harness.n_questions == CALLS_OF_SENDER);
        g_assert_cmpint(sd_bus_reply_method_return(harness.asked, "(bba{ss})", 0, 0, 0), >=, 0);
        PEER_UNTIL(&harness.peer, harness.bus->n[BUS_KIND_CALL] == CALLS_OF_SENDER - 1);
        assert_call(harness_call(&harness, ALICE, "GetPin", "s", HELLO), "NotFound: ");
        for (size_t i = 0; i < CALLS_OF_SENDER; i++)
                harness_call_done(&calls[i]);
        harness_close(&harness);
}

/* More calls at once than anybody sends: each is answered. */
static void test_many_at_once(void) {
        static HarnessCall calls[2000];
        size_t n_busy = 0;

        harness_open(&harness);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                harness_send(&harness, &calls[i], ALICE, "Id", NULL);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                harness_wait(&harness, &calls[i]);
                n_busy += sd_bus_message_is_method_error(calls[i].reply, BUS_ERROR_PREFIX "Busy") > 0;
                harness_call_done(&calls[i]);
        }
        g_assert_cmpuint(n_busy, <, ELEMENTSOF(calls));
        g_assert_cmpuint(harness.bus->n[BUS_KIND_CALL], ==, 0);
        harness_close(&harness);
}

/* An answer that no message should have is an error. */
static void test_too_big(void) {
        Str body = {};

        harness_open(&harness);
        for (uint64_t i = 0; i < 20000; i++) {
                char text[CID_TEXT_MAX];

                (void) str_appendf(&body, "{\"Key\":{\"/\":\"%s\"}}\n", peer_cid_text(i, text));
        }
        fake_kubo_plan(harness.peer.kubo, "repo/gc", NULL, &(FakeAnswer){ .body = body.data });
        assert_call(harness_call(&harness, ALICE, "CollectGarbage", "b", 1),
                    "TooBig: the answer is too big for the bus");
        str_done(&body);
        harness_close(&harness);
}

static void test_no_reply_wanted(void) {
        sd_bus_message *m;

        harness_open(&harness);
        m = harness_message(&harness, BUS_PATH, BUS_INTERFACE, "Unpin");
        g_assert_cmpint(sd_bus_message_append(m, "s", HELLO), >=, 0);
        g_assert_cmpint(sd_bus_message_set_expect_reply(m, 0), >=, 0);
        g_assert_cmpint(sd_bus_message_set_sender(m, ALICE), >=, 0);
        g_assert_cmpint(sd_bus_send(harness.broker, m, NULL), >=, 0);
        sd_bus_message_unref(m);
        assert_call(harness_call(&harness, ALICE, "GetPin", "s", HELLO), "NotFound: ");
        PEER_UNTIL(&harness.peer, bus_is_idle(harness.bus));
        harness_close(&harness);
}

static void test_stopping(void) {
        harness_open(&harness);
        cluster_stop(harness.peer.cluster);
        assert_call(harness_call(&harness, ALICE, "Id", NULL), "Canceled: the peer is being stopped");
        assert_call(harness_call(&harness, ALICE, "StreamPins", "s", ""), "Canceled: ");
        assert_call(harness_call(&harness, ALICE, "ListPins", "su", "", 5), "Canceled: ");
        harness_close(&harness);
}

/* Without memory there is an error, or the answer: never nothing, and nothing stays behind. */
static void test_out_of_memory(void) {
        static const struct {
                const char *member, *types;
        } cases[] = {
                { "GetPin", "s" }, { "ListPins", "su" }, { "StreamPins", "s" }, { "ListMetrics", NULL }
        };
        char cid[CID_TEXT_MAX];

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 3, "x");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *argument = cases[i].member[0] == 'G' ? peer_cid_text(1, cid) : "";

                g_test_message("%s", cases[i].member);
                FOREACH_FAULT {
                        HarnessCall call;

                        harness_send(&harness, &call, ALICE, cases[i].member, cases[i].types, argument, 10);
                        harness_wait(&harness, &call);
                        if (sd_bus_message_is_method_error(call.reply, NULL) > 0)
                                g_assert_cmpint(sd_bus_message_is_method_error(
                                                                call.reply, BUS_ERROR_PREFIX "NoMemory"),
                                                >,
                                                0);
                        harness_call_done(&call);
                }
        }
        PEER_UNTIL(&harness.peer, map_size(harness.bus->senders) == 0);
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/call/wrong-types", test_wrong_types);
        g_test_add_func("/dbus/call/flood", test_flood);
        g_test_add_func("/dbus/call/many-at-once", test_many_at_once);
        g_test_add_func("/dbus/call/too-big", test_too_big);
        g_test_add_func("/dbus/call/no-reply-wanted", test_no_reply_wanted);
        g_test_add_func("/dbus/call/stopping", test_stopping);
        g_test_add_func("/dbus/call/out-of-memory", test_out_of_memory);
        return g_test_run();
}
