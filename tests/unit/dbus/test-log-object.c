#include <string.h>

#include "daemon/base/log.h"
#include "tests/unit/dbus/harness.h"

static Harness harness;

static char *get(const char *name) {
        sd_bus_message *m = harness_message(&harness, BUS_LOG_PATH, BUS_PROPERTIES_INTERFACE, "Get");
        HarnessCall call;
        char *text;

        g_assert_cmpint(sd_bus_message_append(m, "ss", BUS_LOG_INTERFACE, name), >=, 0);
        harness_send_message(&harness, &call, ALICE, m);
        harness_wait(&harness, &call);
        text = harness_text(call.reply);
        harness_call_done(&call);
        return text;
}

static char *set(const char *interface, const char *name, const char *type, const void *value) {
        sd_bus_message *m = harness_message(&harness, BUS_LOG_PATH, BUS_PROPERTIES_INTERFACE, "Set");
        HarnessCall call;
        char *text;

        g_assert_cmpint(sd_bus_message_append(m, "ss", interface, name), >=, 0);
        g_assert_cmpint(sd_bus_message_open_container(m, 'v', type), >=, 0);
        g_assert_cmpint(sd_bus_message_append_basic(m, *type, value), >=, 0);
        g_assert_cmpint(sd_bus_message_close_container(m), >=, 0);
        harness_send_message(&harness, &call, ALICE, m);
        harness_wait(&harness, &call);
        text = harness_text(call.reply);
        harness_call_done(&call);
        return text;
}

static void assert_text(char *text, const char *expected) {
        g_assert_cmpstr(text, ==, expected);
        free(text);
}

static void assert_has(char *text, const char *part) {
        harness_assert_has(text, part);
        free(text);
}

static void test_level(void) {
        static const char *const levels[] = { "debug", "err", "info,tracker:debug", "notice" };

        harness_open(&harness);
        for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
                g_autofree char *quoted = g_strdup_printf("\"%s\"", levels[i]);

                assert_text(set(BUS_LOG_INTERFACE, "LogLevel", "s", levels[i]), "");
                assert_text(get("LogLevel"), quoted);
        }
        assert_has(set(BUS_LOG_INTERFACE, "LogLevel", "s", "loud"), "InvalidArgument: LogLevel: 'loud'");
        assert_has(set(BUS_LOG_INTERFACE, "LogLevel", "s", ""), "InvalidArgument: LogLevel: ''");
        assert_has(set(BUS_LOG_INTERFACE, "LogLevel", "u", &(uint32_t){ 7 }),
                   "InvalidArgument: the value is no text");
        assert_text(get("LogLevel"), "\"notice\"");
        g_assert_cmpint(log_set_levels("info"), ==, 0);
        harness_close(&harness);
}

static void test_rest(void) {
        harness_open(&harness);
        assert_text(get("LogTarget"), "\"console\"");
        assert_text(set(BUS_LOG_INTERFACE, "LogTarget", "s", "console"), "");
        assert_has(set(BUS_LOG_INTERFACE, "LogTarget", "s", "journal"), "Unsupported: LogTarget: 'journal'");
        assert_text(get("SyslogIdentifier"), "\"test-dbus-log-object\"");
        assert_has(set(BUS_LOG_INTERFACE, "SyslogIdentifier", "s", "x"), "PropertyReadOnly: ");
        assert_has(set(BUS_LOG_INTERFACE, "Nothing", "s", "x"), "UnknownProperty: ");
        assert_has(set("org.nothing", "LogLevel", "s", "x"), "UnknownProperty: Unknown interface");
        harness_close(&harness);
}

static void test_is_asked(void) {
        harness_open(&harness);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_DENIES;
        assert_has(set(BUS_LOG_INTERFACE, "LogLevel", "s", "debug"), "AccessDenied: ");
        g_assert_cmpstr(harness.question, ==, ALICE " org.ipfs.Cluster.reload 0");
        assert_text(get("LogLevel"), "\"info\"");
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/log-object/level", test_level);
        g_test_add_func("/dbus/log-object/rest", test_rest);
        g_test_add_func("/dbus/log-object/is-asked", test_is_asked);
        return g_test_run();
}
