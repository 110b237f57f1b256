#include <string.h>

#include "daemon/cluster/internal.h"
#include "tests/unit/dbus/harness.h"

static Harness harness;

static void call(const char *sender, const char *member, const char *expected) {
        _cleanup_free_ char *text = harness_call(&harness, sender, member, NULL);

        g_assert_cmpstr(text, ==, expected);
}

static size_t count(const char *prefix) {
        size_t n = 0;

        for (size_t i = 0; i < harness.signals.n; i++)
                n += g_str_has_prefix(harness.signals.items[i], prefix);
        return n;
}

static void test_pins(void) {
        char cid[CID_TEXT_MAX], self[PEER_ID_TEXT_MAX];
        g_autofree char *added = NULL, *removed = NULL, *pinned = NULL;

        harness_open(&harness);
        (void) peer_cid_text(1, cid);
        (void) peer_id_format(cluster_self(harness.peer.cluster), self);
        added = g_strdup_printf("PinAdded \"%s\" \"one\"", cid);
        removed = g_strdup_printf("PinRemoved \"%s\"", cid);
        pinned = g_strdup_printf("PinStatusChanged \"%s\" \"%s\" \"pinned\" \"\"", cid, self);

        peer_fill(&harness.peer, 2, 1, "two"); /* nobody asked for news of pins */
        call(ALICE, "Subscribe", "");
        g_assert_cmpuint(count("Pin"), ==, 0);

        peer_fill(&harness.peer, 1, 1, "one");
        PEER_UNTIL(&harness.peer, harness_has_signal(&harness, added));
        PEER_UNTIL(&harness.peer, harness_has_signal(&harness, pinned));
        free(harness_call(&harness, ALICE, "Unpin", "s", cid));
        PEER_UNTIL(&harness.peer, harness_has_signal(&harness, removed));

        call(ALICE, "Unsubscribe", "");
        g_assert_false(harness.bus->watch.per_pin);
        harness_forget_signals(&harness);
        peer_fill(&harness.peer, 3, 1, "three");
        call(ALICE, "Unsubscribe", "NotFound: you are not subscribed");
        g_assert_cmpuint(count("Pin"), ==, 0);
        harness_close(&harness);
}

/* A name that is no UTF-8 would cost the connection. */
static void test_bad_name(void) {
        char cid[CID_TEXT_MAX];
        g_autofree char *added = NULL;

        harness_open(&harness);
        added = g_strdup_printf(
                        "PinAdded \"%s\" \"a\xef\xbf\xbd"
                        "b\"",
                        peer_cid_text(1, cid));
        call(ALICE, "Subscribe", "");
        peer_fill(&harness.peer,
                  1,
                  1,
                  "a\xff"
                  "b");
        PEER_UNTIL(&harness.peer, harness_has_signal(&harness, added));
        harness_close(&harness);
}

/* Who subscribes twice is there once; who leaves the bus is not there any more. */
static void test_subscribers(void) {
        harness_open(&harness);
        call(ALICE, "Subscribe", "");
        call(ALICE, "Subscribe", "");
        call(BOB, "Subscribe", "");
        g_assert_cmpuint(harness.bus->n_subscribers, ==, 2);
        harness_leave(&harness, ALICE);
        PEER_UNTIL(&harness.peer, harness.bus->n_subscribers == 1);
        g_assert_true(harness.bus->watch.per_pin);
        harness_leave(&harness, BOB);
        PEER_UNTIL(&harness.peer, !harness.bus->watch.per_pin);
        harness_close(&harness);
}

static void test_many_subscribers(void) {
        harness_open(&harness);
        for (unsigned i = 0; i < BUS_SUBSCRIBERS_MAX; i++) {
                g_autofree char *name = g_strdup_printf(":2.%u", i);

                call(name, "Subscribe", "");
        }
        call(ALICE, "Subscribe", "Busy: busy, try again later");
        harness_close(&harness);
}

/* However much happens, properties are told a few times a second. */
static void test_properties(void) {
        gint64 began;

        harness_open(&harness);
        harness_forget_signals(&harness);
        began = g_get_monotonic_time();
        peer_fill(&harness.peer, 1, 2000, "x");
        PEER_UNTIL(&harness.peer, ({
                size_t n = 0;

                for (size_t i = 0; i < harness.signals.n; i++)
                        n += strstr(harness.signals.items[i], "\"NPins\":2000") != NULL;
                n > 0;
        }));
        g_assert_cmpuint(
                        count("PropertiesChanged"),
                        <=,
                        (size_t) ((g_get_monotonic_time() - began) / (gint64) BUS_CHANGES_USEC) + 2);
        harness_assert_has(harness.signals.items[0], "PropertiesChanged \"org.ipfs.Cluster");
        harness_close(&harness);
}

static void test_leader_and_alert(void) {
        const PeerId *self;
        PeerId none = {};
        char text[PEER_ID_TEXT_MAX];
        g_autofree char *leader = NULL;
        Alert alert = { .metric = { .name = (char *) "ping", .value = (char *) "v" }, .triggered_at = 1 };

        harness_open(&harness);
        self = cluster_self(harness.peer.cluster);
        alert.metric.peer = *self;
        leader = g_strdup_printf("LeaderChanged \"%s\"", peer_id_format(self, text));
        cluster_tell_leader(harness.peer.cluster, self);
        cluster_tell_leader(harness.peer.cluster, &none);
        cluster_tell_alert(harness.peer.cluster, &alert);
        PEER_UNTIL(&harness.peer, count("AlertRaised") == 1);
        g_assert_true(harness_has_signal(&harness, leader));
        g_assert_true(harness_has_signal(&harness, "LeaderChanged \"\""));
        g_assert_cmpuint(count("AlertRaised {\"name\":\"ping\""), ==, 1);
        harness_close(&harness);
}

/* A bus that takes nothing does not make the service grow. */
static void test_slow_bus(void) {
        uint64_t n = 0;
        Cid cid = peer_cid(1);

        harness_open(&harness);
        call(ALICE, "Subscribe", "");
        g_assert_cmpint(sd_bus_detach_event(harness.broker), >=, 0);
        for (unsigned i = 0; i < 1000000 && harness.bus->n_lost_signals == 0; i++)
                cluster_tell_pin_removed(harness.peer.cluster, &cid);
        g_assert_cmpint(sd_bus_get_n_queued_write(harness.bus->connection, &n), >=, 0);
        g_assert_cmpuint(n, <=, BUS_SIGNALS_QUEUED_MAX);
        g_assert_cmpuint(harness.bus->n_lost_signals, >, 0);

        g_assert_cmpint(sd_bus_attach_event(harness.broker, harness.peer.event, 0), >=, 0);
        PEER_UNTIL(&harness.peer, sd_bus_get_n_queued_write(harness.bus->connection, &n) >= 0 && n == 0);
        cluster_tell_pin_removed(harness.peer.cluster, &cid);
        g_assert_cmpuint(harness.bus->n_lost_signals, ==, 0);
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/signals/pins", test_pins);
        g_test_add_func("/dbus/signals/bad-name", test_bad_name);
        g_test_add_func("/dbus/signals/subscribers", test_subscribers);
        g_test_add_func("/dbus/signals/many-subscribers", test_many_subscribers);
        g_test_add_func("/dbus/signals/properties", test_properties);
        g_test_add_func("/dbus/signals/leader-and-alert", test_leader_and_alert);
        g_test_add_func("/dbus/signals/slow-bus", test_slow_bus);
        return g_test_run();
}
