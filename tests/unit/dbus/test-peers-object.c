#include <string.h>

#include "tests/unit/dbus/harness.h"

#define OTHER "12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv"

static Harness harness;

static void assert_call(char *text, const char *part) {
        harness_assert_has(text, part);
        free(text);
}

static void test_questions(void) {
        char self[PEER_ID_TEXT_MAX];

        harness_open(&harness);
        (void) peer_id_format(cluster_self(harness.peer.cluster), self);
        assert_call(harness_call(&harness, ALICE, "Id", NULL), self);
        assert_call(harness_call(&harness, ALICE, "GetConnectGraph", NULL), "\"cluster_id\":\"12D3Koo");
        assert_call(harness_call(&harness, ALICE, "CollectGarbage", "b", 1), "\"peer_map\":{");
        assert_call(harness_call(&harness, ALICE, "ListAlerts", NULL), "[]");
        assert_call(harness_call(&harness, ALICE, "ListMetrics", NULL), "\"ping\"");
        assert_call(harness_call(&harness, ALICE, "GetMetrics", "s", "ping"), "[{\"name\":\"ping\"");
        assert_call(harness_call(&harness, ALICE, "GetMetrics", "s", "no such"), "[]");
        assert_call(harness_call(&harness, ALICE, "GetMetrics", "s", ""), "[]");
        harness_close(&harness);
}

static void test_members(void) {
        char self[PEER_ID_TEXT_MAX];

        harness_open(&harness);
        (void) peer_id_format(cluster_self(harness.peer.cluster), self);
        assert_call(harness_call(&harness, ALICE, "AddPeer", "s", self), self);
        assert_call(harness_call(&harness, ALICE, "AddPeer", "s", "/ip4/127.0.0.1/tcp/1/p2p/" OTHER),
                    "cannot reach /ip4/127.0.0.1/tcp/1");
        assert_call(harness_call(&harness, ALICE, "AddPeer", "s", OTHER), "NotFound: peer " OTHER);
        assert_call(harness_call(&harness, ALICE, "AddPeer", "s", "/ip4/127.0.0.1/tcp/1"),
                    "InvalidArgument: address: '/ip4/127.0.0.1/tcp/1' is no address of a peer");
        assert_call(harness_call(&harness, ALICE, "AddPeer", "s", "/ip4/1/tcp/1/p2p/" OTHER),
                    "InvalidArgument: address: ");
        assert_call(harness_call(&harness, ALICE, "AddPeer", "s", "nobody"),
                    "InvalidArgument: address: 'nobody' is no peer ID");
        assert_call(harness_call(&harness, ALICE, "RemovePeer", "s", "nobody"),
                    "InvalidArgument: id: 'nobody' is no peer ID");
        assert_call(harness_call(&harness, ALICE, "RemovePeer", "s", OTHER), "");
        assert_call(harness_call(&harness, ALICE, "RemovePeer", "s", self),
                    "Refused: cannot remove ourselves");
        assert_call(harness_call(&harness, ALICE, "Leave", NULL), "Refused: cannot remove ourselves");
        harness_close(&harness);
}

/* ---- reload: what the service gives */

static int reload_result;

static int on_reload(void *userdata G_GNUC_UNUSED, Error *reterr) {
        return reload_result < 0 ? error_set_errno(reterr, reload_result, "tags: bad") : 0;
}

static void test_reload(void) {
        char *text;

        harness_open(&harness);
        assert_call(harness_call(&harness, ALICE, "Reload", NULL), "Unsupported: ");
        harness.bus->options.reload = on_reload;
        text = harness_call(&harness, ALICE, "Reload", NULL);
        g_assert_cmpstr(text, ==, "");
        free(text);
        reload_result = -EINVAL;
        assert_call(harness_call(&harness, ALICE, "Reload", NULL), "InvalidArgument: tags: bad");
        harness_close(&harness);
}

/* ---- the object */

static char *ask(const char *path, const char *interface, const char *member, const char *argument) {
        sd_bus_message *m = harness_message(&harness, path, interface, member);
        HarnessCall call;
        char *text;

        if (argument)
                g_assert_cmpint(sd_bus_message_append(m, "s", argument), >=, 0);
        harness_send_message(&harness, &call, ALICE, m);
        harness_wait(&harness, &call);
        text = harness_text(call.reply);
        harness_call_done(&call);
        return text;
}

static void test_object(void) {
        char *text, self[PEER_ID_TEXT_MAX];

        harness_open(&harness);
        (void) peer_id_format(cluster_self(harness.peer.cluster), self);
        PEER_UNTIL(&harness.peer, peer_id_is_set(&harness_self(&harness)->ipfs));
        text = ask(harness_self(&harness)->path, BUS_PROPERTIES_INTERFACE, "GetAll", BUS_PEER_INTERFACE);
        harness_assert_has(text, self);
        harness_assert_has(text, "\"Name\":\"tester\",\"Role\":\"leader\",\"IpfsId\":\"" FAKE_KUBO_ID "\"");
        harness_assert_has(text, "\"Addresses\":[\"/ip4/");
        harness_assert_has(text, "\"Reachable\":true");
        g_assert_null(strstr(text, "\"LastSeen\":0"));
        free(text);

        text = ask(BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
        harness_assert_has(text, harness_self(&harness)->path);
        free(text);
        assert_call(ask(harness_self(&harness)->path, BUS_PEER_INTERFACE, "Remove", NULL), "Refused: ");

        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_DENIES;
        assert_call(ask(harness_self(&harness)->path, BUS_PEER_INTERFACE, "Remove", NULL), "AccessDenied: ");
        g_assert_cmpstr(harness.question, ==, ALICE " org.ipfs.Cluster.manage-peers 0");
        harness_close(&harness);
}

/* A Kubo that comes later, with an ID of its own. */
static void test_kubo_comes_later(void) {
        static const char expected[] =
                        "PropertiesChanged \"org.ipfs.Cluster.Peer\" {\"IpfsId\":\"" FAKE_KUBO_ID "\"";

        harness_open(&harness);
        PEER_UNTIL(&harness.peer, ({
                bool found = false;

                for (size_t i = 0; i < harness.signals.n; i++)
                        found = found || strstr(harness.signals.items[i], expected);
                found;
        }));
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/peers-object/questions", test_questions);
        g_test_add_func("/dbus/peers-object/members", test_members);
        g_test_add_func("/dbus/peers-object/reload", test_reload);
        g_test_add_func("/dbus/peers-object/object", test_object);
        g_test_add_func("/dbus/peers-object/kubo-comes-later", test_kubo_comes_later);
        return g_test_run();
}
