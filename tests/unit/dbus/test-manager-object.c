#include <string.h>

#include "tests/unit/dbus/harness.h"

static Harness harness;

static char *ask(const char *path, const char *interface, const char *member, const char *types, ...) {
        sd_bus_message *m = harness_message(&harness, path, interface, member);
        HarnessCall call;
        va_list ap;
        char *text;

        if (types) {
                va_start(ap, types);
                g_assert_cmpint(sd_bus_message_appendv(m, types, ap), >=, 0);
                va_end(ap);
        }
        harness_send_message(&harness, &call, ALICE, m);
        harness_wait(&harness, &call);
        text = harness_text(call.reply);
        harness_call_done(&call);
        return text;
}

/* ---- introspection */

static char *introspect(const char *path) {
        sd_bus_message *m = harness_message(
                        &harness, path, "org.freedesktop.DBus.Introspectable", "Introspect");
        HarnessCall call;
        const char *text;
        char *copy;

        harness_send_message(&harness, &call, ALICE, m);
        harness_wait(&harness, &call);
        g_assert_cmpint(sd_bus_message_read(call.reply, "s", &text), >, 0);
        copy = g_strdup(text);
        harness_call_done(&call);
        return copy;
}

/* From " <interface name="…">" to its end. */
static char *interface_of(const char *xml, const char *name) {
        g_autofree char *head = g_strdup_printf(" <interface name=\"%s\">", name);
        const char *start = strstr(xml, head), *end = start ? strstr(start, "</interface>") : NULL;

        g_assert_nonnull(start);
        g_assert_nonnull(end);
        return g_strndup(start, (gsize) (end - start));
}

static void compare(const char *path, const char *interface) {
        g_autofree char *file = g_strdup_printf("%s.xml", interface);
        g_autofree char *name = g_test_build_filename(G_TEST_DIST, "dbus", file, NULL);
        g_autofree char *live = introspect(path), *written = NULL;
        g_autofree char *ours = interface_of(live, interface), *theirs = NULL;

        g_assert_true(g_file_get_contents(name, &written, NULL, NULL));
        theirs = interface_of(written, interface);
        g_assert_cmpstr(ours, ==, theirs);
}

static void test_xml(void) {
        harness_open(&harness);
        compare(BUS_PATH, BUS_INTERFACE);
        compare(harness_self(&harness)->path, BUS_PEER_INTERFACE);
        harness_close(&harness);
}

/* Each method of the vtable has its row, and there are as many rows as methods. */
static void test_rows(void) {
        g_autofree char *live = NULL;
        const char *at;
        size_t n = 0;

        harness_open(&harness);
        live = introspect(BUS_PATH);
        at = strstr(live, " <interface name=\"org.ipfs.Cluster\">");
        while ((at = strstr(at, "<method name=\""))) {
                g_autofree char *member = NULL;

                at += strlen("<method name=\"");
                member = g_strndup(at, strcspn(at, "\""));
                if (!bus_method_find(BUS_INTERFACE, member))
                        g_error("%s has no row", member);
                n++;
        }
        g_assert_cmpuint(n, ==, 27);
        g_assert_nonnull(bus_method_find(BUS_PEER_INTERFACE, "Remove"));
        g_assert_null(bus_method_find(BUS_INTERFACE, "Remove"));
        g_assert_null(bus_method_find(BUS_INTERFACE, NULL));
        harness_close(&harness);
}

/* ---- what the bus and polkit read */

static char *read_source(const char *name) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "dbus", name, NULL);
        char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return text;
}

static void test_policy(void) {
        static const char *const actions[] = {
                BUS_ACTION_PIN,          BUS_ACTION_UNPIN,           BUS_ACTION_RECOVER,
                BUS_ACTION_MANAGE_PEERS, BUS_ACTION_COLLECT_GARBAGE, BUS_ACTION_RELOAD,
        };
        static const char *const interfaces[] = {
                BUS_INTERFACE, BUS_PEER_INTERFACE, BUS_LOG_INTERFACE, BUS_PROPERTIES_INTERFACE
        };
        g_autofree char *policy = read_source("org.ipfs.Cluster.policy.in"),
                        *conf = read_source("org.ipfs.Cluster.conf"),
                        *activation = read_source("org.ipfs.Cluster.service.in");
        g_auto(GStrv) parts = g_strsplit(policy, "<action id=", -1);

        g_assert_cmpuint(g_strv_length(parts) - 1, ==, ELEMENTSOF(actions));
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                g_autofree char *head = g_strdup_printf("<action id=\"%s\">", actions[i]);

                harness_assert_has(policy, head);
                harness_assert_has(parts[i + 1], "org.freedesktop.policykit.owner\">unix-user:@USER@<");
                harness_assert_has(parts[i + 1], "<allow_any>auth_admin</allow_any>");
        }
        for (size_t i = 0; i < ELEMENTSOF(interfaces); i++) {
                g_autofree char *rule = g_strdup_printf("send_interface=\"%s\"/>", interfaces[i]);

                harness_assert_has(conf, rule);
        }
        harness_assert_has(conf, "own_prefix=\"" BUS_NAME "\"");
        harness_assert_has(activation, "\nName=" BUS_NAME "\n");
}

/* ---- properties */

static void assert_property(const char *name, const char *value) {
        char *text = ask(BUS_PATH, BUS_PROPERTIES_INTERFACE, "Get", "ss", BUS_INTERFACE, name);

        g_test_message("%s", name);
        g_assert_cmpstr(text, ==, value);
        free(text);
}

static void test_properties(void) {
        g_autofree char *self = NULL;
        char text[PEER_ID_TEXT_MAX], *all;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 3, NULL);
        PEER_UNTIL(&harness.peer, ({
                ClusterSummary summary;

                cluster_summary(harness.peer.cluster, &summary);
                summary.n_queued == 0;
        }));
        self = g_strdup_printf("\"%s\"", peer_id_format(cluster_self(harness.peer.cluster), text));
        assert_property("Version", "\"1.1.6\"");
        assert_property("PeerId", self);
        assert_property("PeerName", "\"tester\"");
        assert_property("State", "\"leader\"");
        assert_property("Leader", self);
        assert_property("Ready", "true");
        assert_property("IpfsReachable", "true");
        assert_property("NPeers", "1");
        assert_property("NQueued", "0");
        assert_property("NErrors", "0");
        assert_property("NPins", "3");
        all = ask(BUS_PATH, BUS_PROPERTIES_INTERFACE, "GetAll", "s", BUS_INTERFACE);
        harness_assert_has(all, "\"AppliedIndex\":");
        free(all);
        all = ask(BUS_PATH, BUS_PROPERTIES_INTERFACE, "Get", "ss", BUS_INTERFACE, "Nothing");
        harness_assert_has(all, "UnknownProperty: ");
        free(all);
        all = ask(BUS_PATH, BUS_PROPERTIES_INTERFACE, "Set", "ssv", BUS_INTERFACE, "State", "s", "x");
        harness_assert_has(all, "PropertyReadOnly: ");
        free(all);
        harness_close(&harness);
}

static void test_states(void) {
        static const struct {
                ClusterSummary summary;
                const char *state;
        } cases[] = {
                { {}, "starting" },
                { { .is_serving = true }, "no-leader" },
                { { .is_serving = true, .leader.size = 1 }, "follower" },
                { { .is_serving = true, .is_leader = true, .leader.size = 1 }, "leader" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                g_assert_cmpstr(bus_manager_state(&cases[i].summary), ==, cases[i].state);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/manager-object/xml", test_xml);
        g_test_add_func("/dbus/manager-object/rows", test_rows);
        g_test_add_func("/dbus/manager-object/policy", test_policy);
        g_test_add_func("/dbus/manager-object/properties", test_properties);
        g_test_add_func("/dbus/manager-object/states", test_states);
        return g_test_run();
}
