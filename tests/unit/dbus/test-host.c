/* logind and systemd are the test. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/dbus/harness.h"

#define LOGIND ":1.2"
#define SYSTEMD ":1.3"

typedef enum Behaviour {
        GIVES,
        REFUSES,
        IS_SILENT,
        IS_WRONG, /* another signature */
} Behaviour;

static Harness harness;
static Behaviour behaviour;
static const char *active_state;
static unsigned n_inhibits, n_subscribes, n_gets;
static int lock_fds[2] = { -1, -1 }; /* the end that we keep, the end that is given away */

static void close_lock(unsigned end) {
        closep(&lock_fds[end]);
        lock_fds[end] = -1;
}

/* ---- their answers */

static void send_as(sd_bus_message *reply, const char *sender) {
        g_assert_cmpint(sd_bus_message_set_sender(reply, sender), >=, 0);
        g_assert_cmpint(sd_bus_send(harness.broker, reply, NULL), >=, 0);
        sd_bus_message_unref(reply);
}

static void refuse(sd_bus_message *message, const char *sender) {
        sd_bus_message *reply = NULL;

        g_assert_cmpint(sd_bus_message_new_method_error(
                                        message,
                                        &reply,
                                        &SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_ACCESS_DENIED, "no")),
                        >=,
                        0);
        send_as(reply, sender);
}

static void give(sd_bus_message *message, const char *sender, const char *types, ...) {
        sd_bus_message *reply = NULL;
        va_list ap;

        g_assert_cmpint(sd_bus_message_new_method_return(message, &reply), >=, 0);
        va_start(ap, types);
        if (types)
                g_assert_cmpint(sd_bus_message_appendv(reply, types, ap), >=, 0);
        va_end(ap);
        send_as(reply, sender);
}

static void answer_inhibit(sd_bus_message *message) {
        const char *what, *who, *why, *mode;

        n_inhibits++;
        g_assert_cmpint(sd_bus_message_read(message, "ssss", &what, &who, &why, &mode), >, 0);
        g_assert_cmpstr(what, ==, "shutdown");
        g_assert_cmpstr(mode, ==, "delay");
        if (behaviour == IS_WRONG) {
                give(message, LOGIND, "s", "wrong");
                return;
        }
        close_lock(0);
        g_assert_cmpint(pipe2(lock_fds, O_CLOEXEC | O_NONBLOCK), ==, 0);
        give(message, LOGIND, "h", lock_fds[1]);
        close_lock(1);
}

static void answer_get(sd_bus_message *message) {
        const char *interface, *name;

        n_gets++;
        g_assert_cmpint(sd_bus_message_read(message, "ss", &interface, &name), >, 0);
        g_assert_cmpstr(interface, ==, BUS_UNIT_INTERFACE);
        g_assert_cmpstr(name, ==, "ActiveState");
        if (behaviour == IS_WRONG)
                give(message, SYSTEMD, "v", "u", 7);
        else
                give(message, SYSTEMD, "v", "s", active_state);
}

static void answer(Harness *h G_GNUC_UNUSED, sd_bus_message *message) {
        const char *member = sd_bus_message_get_member(message);
        bool is_logind = g_strcmp0(sd_bus_message_get_destination(message), BUS_LOGIND_NAME) == 0;

        g_assert_cmpint(sd_bus_message_get_auto_start(message), ==, 0);
        if (behaviour == IS_SILENT)
                return;
        if (behaviour == REFUSES)
                refuse(message, is_logind ? LOGIND : SYSTEMD);
        else if (strcmp(member, "Inhibit") == 0)
                answer_inhibit(message);
        else if (strcmp(member, "Get") == 0)
                answer_get(message);
        else {
                n_subscribes++;
                give(message, SYSTEMD, NULL);
        }
}

/* ---- what they tell */

static sd_bus_message *signal_new(const char *path, const char *interface, const char *member) {
        sd_bus_message *signal = NULL;

        g_assert_cmpint(sd_bus_message_new_signal(harness.broker, &signal, path, interface, member), >=, 0);
        return signal;
}

static void tell_shutdown(const char *sender, int is_beginning) {
        sd_bus_message *signal = signal_new(BUS_LOGIND_PATH, BUS_LOGIND_INTERFACE, "PrepareForShutdown");

        g_assert_cmpint(sd_bus_message_append(signal, "b", is_beginning), >=, 0);
        send_as(signal, sender);
}

static void tell_state(const char *sender, const char *state) {
        sd_bus_message *signal = signal_new(
                        BUS_IPFS_UNIT_PATH, BUS_PROPERTIES_INTERFACE, "PropertiesChanged");

        g_assert_cmpint(sd_bus_message_append(
                                        signal,
                                        "sa{sv}as",
                                        BUS_UNIT_INTERFACE,
                                        3,
                                        "SubState",
                                        "s",
                                        "any",
                                        "ActiveState",
                                        "s",
                                        state,
                                        "Job",
                                        "(uo)",
                                        7,
                                        "/",
                                        0),
                        >=,
                        0);
        send_as(signal, sender);
}

static void tell_owner(const char *sender, const char *name, const char *owner) {
        sd_bus_message *signal = signal_new(BUS_DAEMON_PATH, BUS_DAEMON_INTERFACE, "NameOwnerChanged");

        g_assert_cmpint(sd_bus_message_append(signal, "sss", name, "", owner), >=, 0);
        send_as(signal, sender);
}

/* Until everything that was sent has come. */
static void settle(void) {
        g_free(harness_call(&harness, ALICE, "ListAlerts", NULL));
}

static bool lock_is_held(void) {
        char c;

        return lock_fds[0] >= 0 && read(lock_fds[0], &c, 1) < 0 && errno == EAGAIN;
}

static bool is_reachable(void) {
        ClusterSummary summary;

        cluster_summary(harness.peer.cluster, &summary);
        return summary.ipfs_is_reachable;
}

static void open_host(Behaviour how) {
        behaviour = how;
        active_state = "active";
        n_inhibits = n_subscribes = n_gets = 0;
        harness_open_with(&harness, answer);
        if (how == GIVES)
                PEER_UNTIL(&harness.peer, lock_is_held() && harness.bus->host.ipfs == CLUSTER_IPFS_RUNS);
        settle();
}

static void close_host(void) {
        harness_close(&harness);
        g_assert_false(lock_is_held());
        close_lock(0);
}

/* ---- logind */

static void test_lock_goes_when_there_is_nobody_to_lead(void) {
        open_host(GIVES);
        tell_shutdown(ALICE, 1); /* anybody */
        settle();
        g_assert_true(lock_is_held());
        tell_shutdown(LOGIND, 1);
        PEER_UNTIL(&harness.peer, !lock_is_held());
        tell_shutdown(LOGIND, 1); /* again */
        settle();
        tell_shutdown(LOGIND, 0); /* called off */
        PEER_UNTIL(&harness.peer, lock_is_held());
        g_assert_cmpuint(n_inhibits, ==, 2);
        close_host();
}

static void test_logind_comes_back(void) {
        open_host(GIVES);
        tell_owner(BUS_DAEMON_NAME, BUS_LOGIND_NAME, "");
        settle();
        g_assert_cmpuint(n_inhibits, ==, 1);
        tell_owner(ALICE, BUS_LOGIND_NAME, ALICE);
        settle();
        g_assert_cmpuint(n_inhibits, ==, 1);
        tell_owner(BUS_DAEMON_NAME, BUS_LOGIND_NAME, LOGIND);
        PEER_UNTIL(&harness.peer, n_inhibits == 2);
        close_host();
}

static void test_without(gconstpointer data) {
        open_host(*(const Behaviour *) data);
        g_assert_cmpint(harness.bus->host.lock_fd, ==, -1);
        g_assert_cmpint(harness.bus->host.ipfs, ==, CLUSTER_IPFS_UNKNOWN);
        tell_shutdown(LOGIND, 1);
        tell_state(SYSTEMD, "inactive");
        settle();
        g_assert_true(is_reachable());
        close_host();
}

static void test_lock_holds_without_the_bus(void) {
        open_host(GIVES);
        harness_cut(&harness);
        PEER_UNTIL(&harness.peer, !harness.bus->has_name);
        g_assert_true(lock_is_held());
        PEER_UNTIL(&harness.peer, harness.bus->has_name && n_inhibits == 2);
        PEER_UNTIL(&harness.peer, lock_is_held());
        close_host();
}

/* ---- ipfs.service */

static void test_ipfs_changes(void) {
        open_host(GIVES);
        g_assert_true(is_reachable());
        tell_state(ALICE, "deactivating");
        settle();
        g_assert_true(is_reachable());
        tell_state(SYSTEMD, "deactivating");
        PEER_UNTIL(&harness.peer, !is_reachable());
        tell_state(SYSTEMD, "activating");
        settle();
        g_assert_false(is_reachable());
        tell_state(SYSTEMD, "active");
        PEER_UNTIL(&harness.peer, is_reachable());
        close_host();
}

/* What ends is asked all the same: another one may answer in its place. */
static void test_ipfs_ends(void) {
        open_host(GIVES);
        tell_state(SYSTEMD, "failed");
        PEER_UNTIL(&harness.peer, !is_reachable());
        PEER_UNTIL(&harness.peer, is_reachable());
        close_host();
}

static void test_unit_that_does_not_run_says_nothing(void) {
        open_host(GIVES);
        active_state = "inactive";
        harness_cut(&harness);
        PEER_UNTIL(&harness.peer, n_gets == 2);
        settle();
        g_assert_cmpint(harness.bus->host.ipfs, ==, CLUSTER_IPFS_UNKNOWN);
        g_assert_true(is_reachable());
        close_host();
}

static void test_systemd_goes_and_comes(void) {
        open_host(GIVES);
        tell_state(SYSTEMD, "deactivating");
        PEER_UNTIL(&harness.peer, !is_reachable());
        tell_owner(BUS_DAEMON_NAME, BUS_SYSTEMD_NAME, "");
        PEER_UNTIL(&harness.peer, is_reachable()); /* nobody knows better */
        tell_owner(BUS_DAEMON_NAME, BUS_SYSTEMD_NAME, SYSTEMD);
        PEER_UNTIL(&harness.peer, n_subscribes == 2 && n_gets == 2);
        close_host();
}

int main(int argc, char **argv) {
        static const Behaviour refuses = REFUSES, is_silent = IS_SILENT, is_wrong = IS_WRONG;

        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/host/lock-goes", test_lock_goes_when_there_is_nobody_to_lead);
        g_test_add_func("/dbus/host/lock-is-taken-again", test_logind_comes_back);
        g_test_add_func("/dbus/host/lock-holds-without-the-bus", test_lock_holds_without_the_bus);
        g_test_add_data_func("/dbus/host/refused", &refuses, test_without);
        g_test_add_data_func("/dbus/host/no-answer", &is_silent, test_without);
        g_test_add_data_func("/dbus/host/wrong-answer", &is_wrong, test_without);
        g_test_add_func("/dbus/host/ipfs-changes", test_ipfs_changes);
        g_test_add_func("/dbus/host/ipfs-ends", test_ipfs_ends);
        g_test_add_func("/dbus/host/ipfs-does-not-run", test_unit_that_does_not_run_says_nothing);
        g_test_add_func("/dbus/host/systemd-goes-and-comes", test_systemd_goes_and_comes);
        return g_test_run();
}
