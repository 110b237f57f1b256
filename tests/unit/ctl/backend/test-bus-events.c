#include <string.h>

#include "ctl/backend/bus-call.h"
#include "tests/unit/ctl/backend/fake-bus.h"

#define ID "12D3KooWSp6MX4QYS9v1vsBFeGaYpBaJzkPGkZfM7YmWvN4iVzUr"
#define CALLS_OF_A_START 3
#define ASKED_AT_A_START "Subscribe\nGet '" BUS_INTERFACE "' 'PeerId'\nGet '" BUS_INTERFACE "' 'State'\n"
#define UP "service_up peer=" ID " status=leader\n"

static const FakeReply start[] = { {}, { "(<'" ID "'>,)" }, { "(<'leader'>,)" } };

/* ---- one life of a monitor */

typedef struct Signal {
        const char *sender, *interface, *member, *text;
} Signal;

typedef struct Monitor {
        FakeBus fake;
        const Signal *signals; /* that come when the peer was asked everything; ends with an empty one */
        GString *told;
        unsigned n_wanted; /* events, then it is cancelled */
        volatile sig_atomic_t cancel;
        int r; /* of who takes the events */
} Monitor;

static void emit_signals(sd_bus_message *call G_GNUC_UNUSED, void *userdata) {
        Monitor *monitor = userdata;

        if (monitor->fake.n_calls != CALLS_OF_A_START)
                return;
        for (const Signal *s = monitor->signals; s->member; s++)
                fake_bus_signal(&monitor->fake, s->sender, s->interface, s->member, s->text);
}

static void tell(GString *to, const char *key, const char *value) {
        if (value)
                g_string_append_printf(to, " %s=%s", key, value);
}

static int take_event(void *item, void *userdata) {
        const CtlEvent *event = item;
        Monitor *monitor = userdata;
        GString *to = monitor->told;

        g_assert_cmpuint(event->time, >, 0);
        g_string_append(to, event->event);
        tell(to, "cid", event->cid);
        tell(to, "name", event->name);
        tell(to, "peer", event->peer);
        tell(to, "status", event->status);
        tell(to, "error", event->error);
        tell(to, "alert", event->alert);
        g_string_append_c(to, '\n');
        if (--monitor->n_wanted == 0)
                monitor->cancel = 1;
        return monitor->r;
}

/* What is told until N_EVENTS have come. */
static int run_monitor(
                Monitor *monitor,
                const FakeReply *replies,
                size_t n_replies,
                const Signal *signals,
                unsigned n_events,
                CtlFailure *reterr) {
        const CtlRequest request = { CTL_CALL_EVENTS, .cancel = &monitor->cancel };
        CtlBackend *backend = NULL;
        int r;

        monitor->signals = signals;
        monitor->n_wanted = n_events;
        monitor->told = g_string_new(NULL);
        fake_bus_start(&monitor->fake, replies, n_replies);
        monitor->fake.on_call = emit_signals;
        monitor->fake.userdata = monitor;
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){}, NULL), ==, 0);
        r = ctl_backend_call(backend, &request, take_event, monitor, reterr);
        ctl_backend_free(backend);
        return r;
}

static void monitor_done(Monitor *monitor) {
        fake_bus_stop(&monitor->fake);
        g_string_free(monitor->told, TRUE);
}

static void assert_told(
                const FakeReply *replies, size_t n_replies, const Signal *signals, const char *told) {
        Monitor monitor = {};
        CtlFailure failure = {};
        unsigned n = 0;

        for (const char *p = told; *p; p++)
                n += *p == '\n';
        g_assert_cmpint(run_monitor(&monitor, replies, n_replies, signals, n, &failure), ==, 0);
        g_assert_cmpstr(monitor.told->str, ==, told);
        g_assert_null(failure.message);
        monitor_done(&monitor);
}

/* ---- cases */

#define SIGNAL(member, text)                                                                                \
        { BUS_NAME, BUS_INTERFACE, member, text }
#define PROPERTIES(text)                                                                                    \
        { BUS_NAME, BUS_PROPERTIES_INTERFACE, "PropertiesChanged", text }
#define OWNER(text)                                                                                         \
        { NULL, BUS_DAEMON_INTERFACE, "NameOwnerChanged", text }

static void test_signals(void) {
        static const Signal signals[] = {
                SIGNAL("PinAdded", "('Qm', 'a name')"),
                SIGNAL("PinRemoved", "('Qm',)"),
                SIGNAL("PinStatusChanged", "('Qm', 'me', 'pin_error', 'no space')"),
                SIGNAL("PeerAdded", "('p',)"),
                SIGNAL("PeerRemoved", "('p',)"),
                SIGNAL("PeerUp", "('p',)"),
                SIGNAL("PeerDown", "('p',)"),
                SIGNAL("LeaderChanged", "('',)"),
                SIGNAL("AlertRaised", "({'name': <'ping'>, 'peer': <'" ID "'>, 'valid': <true>},)"),
                {},
        };

        assert_told(start,
                    ELEMENTSOF(start),
                    signals,
                    UP "pin_added cid=Qm name=a name\n"
                       "pin_removed cid=Qm\n"
                       "pin_status cid=Qm peer=me status=pin_error error=no space\n"
                       "peer_added peer=p\n"
                       "peer_removed peer=p\n"
                       "peer_up peer=p\n"
                       "peer_down peer=p\n"
                       "leader peer=\n"
                       "alert name=ping peer=" ID " alert={\"name\":\"ping\",\"peer\":\"" ID
                       "\",\"value\":\"\",\"expire\":0,\"valid\":true,\"weight\":0,\"partitionable\":false,"
                       "\"received_at\":0,\"triggered_at\":\"0001-01-01T00:00:00Z\"}\n");
}

static void test_what_changes(void) {
        static const Signal signals[] = {
                PROPERTIES("('" BUS_INTERFACE "', {'NPins': <uint64 7>, 'State': <'no-leader'>}, @as [])"),
                PROPERTIES("('" BUS_INTERFACE "', {'IpfsReachable': <false>}, @as [])"),
                PROPERTIES("('" BUS_INTERFACE "', {'IpfsReachable': <true>, 'NPins': <uint64 8>}, @as [])"),
                PROPERTIES("('" BUS_PEER_INTERFACE "', {'State': <'other'>}, @as [])"),
                SIGNAL("PeerUp", "('last',)"),
                {},
        };

        assert_told(start,
                    ELEMENTSOF(start),
                    signals,
                    UP "state status=no-leader\nipfs_down\nipfs_up\npeer_up peer=last\n");
}

/* It is not ours to judge them; the next one is told again. */
static void test_what_cannot_be_read_is_passed_over(void) {
        static const Signal signals[] = {
                SIGNAL("PinAdded", "('Qm',)"),
                SIGNAL("PinRemoved", "(true,)"),
                SIGNAL("OfTheFuture", "('Qm',)"),
                SIGNAL("AlertRaised", "('x',)"),
                SIGNAL("AlertRaised", "({'peer': <'x'>},)"),
                PROPERTIES("('" BUS_INTERFACE "', {'State': <true>}, @as [])"),
                PROPERTIES("(true,)"),
                OWNER("(true,)"),
                SIGNAL("PeerUp", "('last',)"),
                {},
        };

        assert_told(start, ELEMENTSOF(start), signals, UP "peer_up peer=last\n");
}

static void test_restart(void) {
        const FakeReply replies[] = {
                start[0], start[1], start[2], {}, { "(<'" ID "'>,)" }, { "(<'follower'>,)" }
        };
        static const Signal signals[] = {
                OWNER("('" BUS_NAME "', ':1.1', '')"),
                OWNER("('" BUS_NAME "', '', ':1.2')"),
                {},
        };
        Monitor monitor = {};
        CtlFailure failure = {};

        g_assert_cmpint(run_monitor(&monitor, replies, ELEMENTSOF(replies), signals, 3, &failure), ==, 0);
        g_assert_cmpstr(monitor.told->str, ==, UP "service_down\nservice_up peer=" ID " status=follower\n");
        g_assert_cmpstr(monitor.fake.asked->str, ==, ASKED_AT_A_START ASKED_AT_A_START);
        g_assert_false(monitor.fake.may_start); /* who watches starts nothing */
        monitor_done(&monitor);
}

/* Whether it was never there, or went away while it was asked. */
static void test_absent_peer_is_waited_for(void) {
        static const FakeReply gone = { .error = SD_BUS_ERROR_NAME_HAS_NO_OWNER, .words = "gone" };
        static const Signal none[] = { {} };

        for (size_t n = 0; n < ELEMENTSOF(start); n++) {
                FakeReply replies[ELEMENTSOF(start)];

                memcpy(replies, start, sizeof(start));
                replies[n] = gone;
                assert_told(replies, n + 1, none, "service_down\n");
        }
}

static void test_failures_end_it(void) {
        static const FakeReply busy = { .error = BUS_ERROR_PREFIX "Busy", .words = "full" };
        const FakeReply lost[] = { start[0], start[1], { .gone = true } };
        static const Signal none[] = { {} };
        CtlFailure failure = {};

        for (unsigned i = 0; i < 2; i++) {
                Monitor monitor = {};
                int r = run_monitor(&monitor, i ? lost : &busy, i ? ELEMENTSOF(lost) : 1, none, 9, &failure);

                g_assert_cmpint(r, ==, i ? -EIO : -EREMOTEIO);
                g_assert_cmpuint(failure.code, ==, i ? 0 : 503);
                monitor_done(&monitor);
        }
        ctl_failure_done(&failure);
}

static void test_who_takes_no_event_ends_it(void) {
        static const Signal none[] = { {} };
        Monitor monitor = { .r = -EIO };
        CtlFailure failure = {};

        g_assert_cmpint(run_monitor(&monitor, start, ELEMENTSOF(start), none, 9, &failure), ==, -EIO);
        g_assert_cmpstr(monitor.told->str, ==, UP);
        g_assert_cmpstr(failure.message, ==, "input/output error");
        ctl_failure_done(&failure);
        monitor_done(&monitor);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/bus-events/signals", test_signals);
        g_test_add_func("/ctl/backend/bus-events/what-changes", test_what_changes);
        g_test_add_func("/ctl/backend/bus-events/what-cannot-be-read-is-passed-over",
                        test_what_cannot_be_read_is_passed_over);
        g_test_add_func("/ctl/backend/bus-events/restart", test_restart);
        g_test_add_func("/ctl/backend/bus-events/absent-peer-is-waited-for", test_absent_peer_is_waited_for);
        g_test_add_func("/ctl/backend/bus-events/failures-end-it", test_failures_end_it);
        g_test_add_func("/ctl/backend/bus-events/who-takes-no-event-ends-it",
                        test_who_takes_no_event_ends_it);
        return g_test_run();
}
