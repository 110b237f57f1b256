#include <string.h>

#include "tests/unit/dbus/harness.h"

#define HELLO "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"

static Harness harness;

static char *unpin(void) {
        return harness_call(&harness, ALICE, "Unpin", "s", HELLO);
}

static void assert_unpin(const char *part) {
        _cleanup_free_ char *text = unpin();

        harness_assert_has(text, part);
}

/* Who may do all: no question is asked. */
static void test_root_and_own_user(void) {
        harness_open(&harness);
        harness.polkit = POLKIT_DENIES;
        harness.uid = UID_ROOT;
        assert_unpin("NotFound: ");
        harness.uid = geteuid();
        assert_unpin("NotFound: ");
        g_assert_cmpuint(harness.n_questions, ==, 0);
        harness_close(&harness);
}

static void test_answers(void) {
        static const struct {
                PolkitAnswer answer;
                const char *words;
        } cases[] = {
                { POLKIT_ALLOWS, "NotFound: pin is not part of the pinset" },
                { POLKIT_DENIES, "AccessDenied: Access denied" },
                { POLKIT_CHALLENGES,
                  "InteractiveAuthorizationRequired: Interactive authentication is required" },
                { POLKIT_IS_WRONG, "AccessDenied: Access denied: polkit's answer cannot be read" },
                { POLKIT_IS_ABSENT, "AccessDenied: Access denied: without polkit only root" },
                { POLKIT_FAILS, "AccessDenied: Access denied: polkit failed" },
        };

        harness_open(&harness);
        harness.uid = UID_OTHER;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                harness.polkit = cases[i].answer;
                assert_unpin(cases[i].words);
                g_assert_cmpstr(harness.question, ==, ALICE " org.ipfs.Cluster.unpin 0");
        }
        /* nothing is remembered: not even a yes */
        harness.polkit = POLKIT_ALLOWS;
        assert_unpin("NotFound: ");
        harness.polkit = POLKIT_DENIES;
        assert_unpin("AccessDenied: ");
        g_assert_cmpuint(harness.n_questions, ==, ELEMENTSOF(cases) + 2);
        harness_close(&harness);
}

static void test_unknown_sender(void) {
        harness_open(&harness);
        harness.is_unknown = true;
        assert_unpin("AccessDenied: Access denied: the bus does not say who asks");
        g_assert_cmpuint(harness.n_questions, ==, 0);
        harness_close(&harness);
}

/* What is bad is told before anybody looks for a password. */
static void test_bad_arguments_first(void) {
        _cleanup_free_ char *text = NULL;

        harness_open(&harness);
        harness.uid = UID_OTHER;
        text = harness_call(&harness, ALICE, "Unpin", "s", "xx");
        harness_assert_has(text, "InvalidArgument: cid: ");
        g_assert_cmpuint(harness.n_questions, ==, 0);
        harness_close(&harness);
}

static void send_unpin(HarnessCall *call, bool interactive) {
        sd_bus_message *m = harness_message(&harness, BUS_PATH, BUS_INTERFACE, "Unpin");

        g_assert_cmpint(sd_bus_message_append(m, "s", HELLO), >=, 0);
        g_assert_cmpint(sd_bus_message_set_allow_interactive_authorization(m, interactive), >=, 0);
        harness_send_message(&harness, call, ALICE, m);
}

static void test_interactive(void) {
        _cleanup_free_ char *text = NULL;
        HarnessCall call;

        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_IS_SILENT;
        harness.bus->patience.authz_usec = 1; /* of those that are not interactive */
        send_unpin(&call, true);
        PEER_UNTIL(&harness.peer, harness.asked);
        g_assert_cmpstr(harness.question, ==, ALICE " org.ipfs.Cluster.unpin 1");

        /* others are served meanwhile */
        text = harness_call(&harness, BOB, "GetPin", "s", HELLO);
        harness_assert_has(text, "NotFound: ");
        g_assert_null(call.reply);
        free(text);

        g_assert_cmpint(sd_bus_reply_method_return(harness.asked, "(bba{ss})", 1, 0, 0), >=, 0);
        harness_wait(&harness, &call);
        text = harness_text(call.reply);
        harness_assert_has(text, "NotFound: ");
        harness_call_done(&call);
        harness_close(&harness);
}

static void test_no_answer(void) {
        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_IS_SILENT;
        harness.bus->patience.authz_usec = USEC_PER_MSEC;
        assert_unpin("AccessDenied: Access denied: polkit did not answer");
        harness_close(&harness);
}

static void test_polkit_vanishes(void) {
        _cleanup_free_ char *text = NULL;
        HarnessCall call;

        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_IS_SILENT;
        send_unpin(&call, false);
        PEER_UNTIL(&harness.peer, harness.asked);
        g_assert_cmpint(sd_bus_reply_method_errorf(harness.asked, SD_BUS_ERROR_NO_REPLY, "gone"), >=, 0);
        harness_wait(&harness, &call);
        text = harness_text(call.reply);
        g_assert_cmpstr(text, ==, "AccessDenied: Access denied: polkit did not answer");
        harness_call_done(&call);
        harness_close(&harness);
}

/* The connection, or the service, ends while somebody looks for a password. */
static void test_end_while_asking(void) {
        HarnessCall call;

        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_IS_SILENT;
        send_unpin(&call, true);
        PEER_UNTIL(&harness.peer, harness.asked);
        harness_call_done(&call);
        harness_close(&harness);
}

/* Each method that does something asks for its own action, and does nothing when it is refused. */
static void test_actions(void) {
        static const struct {
                const char *member, *action, *types;
        } cases[] = {
                { "Pin", BUS_ACTION_PIN, "sa{sv}" },
                { "Unpin", BUS_ACTION_UNPIN, "s" },
                { "UpdatePin", BUS_ACTION_PIN, "ssa{sv}" },
                { "Sync", BUS_ACTION_RECOVER, "s" },
                { "SyncAll", BUS_ACTION_RECOVER, NULL },
                { "Recover", BUS_ACTION_RECOVER, "sb" },
                { "RecoverAll", BUS_ACTION_RECOVER, "b" },
                { "Reload", BUS_ACTION_RELOAD, NULL },
                { "Leave", BUS_ACTION_MANAGE_PEERS, NULL },
                { "CollectGarbage", BUS_ACTION_COLLECT_GARBAGE, "b" },
                { "StreamGarbage", BUS_ACTION_COLLECT_GARBAGE, "b" },
        };
        const StrList *requests;

        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_DENIES;
        fake_kubo_forget_requests(harness.peer.kubo);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL, *question = NULL;
                const char *types = cases[i].types;

                if (types && *types == 'b')
                        text = harness_call(&harness, ALICE, cases[i].member, types, 1);
                else if (types && types[1] == 's')
                        text = harness_call(&harness, ALICE, cases[i].member, types, HELLO, HELLO, 0);
                else
                        text = harness_call(&harness, ALICE, cases[i].member, types, HELLO, 0, 0);
                question = g_strdup_printf(ALICE " %s 0", cases[i].action);
                g_assert_cmpstr(text, ==, "AccessDenied: Access denied");
                g_assert_cmpstr(harness.question, ==, question);
                g_assert_cmpuint(harness.n_questions, ==, i + 1);
        }
        requests = fake_kubo_requests(harness.peer.kubo);
        for (size_t i = 0; i < requests->n; i++)
                g_assert_false(g_str_has_prefix(requests->items[i], "pin/") ||
                               g_str_has_prefix(requests->items[i], "repo/gc"));
        harness_close(&harness);
}

static void test_reading_is_open(void) {
        static const char *const members[] = {
                "Id", "ListPeers", "ListAlerts", "ListMetrics", "GetConnectGraph"
        };

        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_DENIES;
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                _cleanup_free_ char *text = harness_call(&harness, ALICE, members[i], NULL);

                g_assert_true(*text == '{' || *text == '[');
        }
        g_assert_cmpuint(harness.n_questions, ==, 0);
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/authz/root-and-own-user", test_root_and_own_user);
        g_test_add_func("/dbus/authz/answers", test_answers);
        g_test_add_func("/dbus/authz/unknown-sender", test_unknown_sender);
        g_test_add_func("/dbus/authz/bad-arguments-first", test_bad_arguments_first);
        g_test_add_func("/dbus/authz/interactive", test_interactive);
        g_test_add_func("/dbus/authz/no-answer", test_no_answer);
        g_test_add_func("/dbus/authz/polkit-vanishes", test_polkit_vanishes);
        g_test_add_func("/dbus/authz/end-while-asking", test_end_while_asking);
        g_test_add_func("/dbus/authz/actions", test_actions);
        g_test_add_func("/dbus/authz/reading-is-open", test_reading_is_open);
        return g_test_run();
}
