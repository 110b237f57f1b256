#include <string.h>

#include "tests/lib/fault.h"
#include "tests/unit/dbus/harness.h"

#define HELLO "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define SHORT_DELAY USEC_PER_MSEC

static Harness harness;

static void assert_serves(void) {
        _cleanup_free_ char *text = harness_call(&harness, ALICE, "Id", NULL);

        harness_assert_has(text, "\"peername\":\"tester\"");
}

static void test_comes_back(void) {
        harness_open(&harness);
        assert_serves();
        for (unsigned i = 2; i < 5; i++) {
                harness.bus->delay = SHORT_DELAY;
                harness_cut(&harness);
                PEER_UNTIL(&harness.peer, harness.n_connections == i && harness.bus->has_name);
                assert_serves();
        }
        g_assert_cmpuint(harness.bus->delay, ==, BUS_CONNECT_DELAY_MIN);
        harness_close(&harness);
}

/* Without a bus the peer goes on, and each try comes later than the one before. */
static void test_there_is_no_bus(void) {
        harness_open(&harness);
        harness.bus->delay = SHORT_DELAY;
        harness.is_refused = true;
        harness_cut(&harness);
        PEER_UNTIL(&harness.peer, harness.n_connections == 4);
        g_assert_true(harness.bus->is_absence_told);
        g_assert_cmpuint(harness.bus->delay, >=, 8 * SHORT_DELAY);
        g_assert_true(harness.peer.n_ready > 0);

        harness.is_refused = false;
        PEER_UNTIL(&harness.peer, harness.bus->has_name);
        assert_serves();
        harness_close(&harness);
}

static void test_delay_is_bounded(void) {
        harness_open(&harness);
        harness.bus->delay = BUS_CONNECT_DELAY_MAX - 1;
        harness.is_refused = true;
        harness_cut(&harness);
        PEER_UNTIL(&harness.peer, harness.bus->is_absence_told);
        g_assert_cmpuint(harness.bus->delay, ==, BUS_CONNECT_DELAY_MAX);
        harness_close(&harness);
}

static void test_name_is_taken(void) {
        harness_open(&harness);
        harness.bus->delay = SHORT_DELAY;
        harness.is_name_gone = true;
        harness_cut(&harness);
        PEER_UNTIL(&harness.peer, harness.n_connections == 3);
        g_assert_false(harness.bus->has_name);
        harness.is_name_gone = false;
        PEER_UNTIL(&harness.peer, harness.bus->has_name);
        assert_serves();
        harness_close(&harness);
}

/* All that is under way for callers ends with the connection. */
static void test_loss_drops_what_is_under_way(void) {
        HarnessCall call, stream;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 10, "x");
        free(harness_call(&harness, ALICE, "Subscribe", NULL));
        free(harness_call(&harness, ALICE, "ListPins", "su", "", 3));
        harness_send(&harness, &stream, ALICE, "StreamPins", "s", "");
        harness_wait(&harness, &stream);
        harness.uid = UID_OTHER;
        harness.polkit = POLKIT_IS_SILENT;
        harness_send(&harness, &call, ALICE, "Unpin", "s", HELLO);
        PEER_UNTIL(&harness.peer, harness.asked);
        g_assert_cmpuint(harness.bus->n[BUS_KIND_CALL], ==, 1);
        g_assert_cmpuint(harness.bus->n[BUS_KIND_CURSOR], ==, 1);
        g_assert_true(harness.bus->watch.per_pin);

        harness.bus->delay = SHORT_DELAY;
        harness_call_done(&call);
        harness_call_done(&stream);
        harness_cut(&harness);
        PEER_UNTIL(&harness.peer, harness.n_connections == 2 && harness.bus->has_name);
        for (BusKind kind = 0; kind < _BUS_KIND_N; kind++)
                g_assert_cmpuint(harness.bus->n[kind], ==, 0);
        g_assert_cmpuint(map_size(harness.bus->senders), ==, 0);
        g_assert_false(harness.bus->watch.per_pin);
        assert_serves();
        harness_close(&harness);
}

static void test_instances(void) {
        static const struct {
                const char *instance, *name; /* NULL: not allowed */
        } cases[] = {
                { NULL, "org.ipfs.Cluster" },
                { "one", "org.ipfs.Cluster.one" },
                { "_1-b", "org.ipfs.Cluster._1-b" },
                { "", NULL },
                { "1", NULL },
                { "-a", NULL },
                { "a.b", NULL },
                { "a/b", NULL },
                { "ä", NULL },
        };
        Peer peer;

        peer_open(&peer);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const BusOptions options = { .cluster = peer.cluster, .instance = cases[i].instance };
                Error error = {};
                Bus *bus = NULL;
                int r;

                r = bus_new(&bus, peer.event, &options, &error);
                g_test_message("%s", cases[i].instance ? cases[i].instance : "none");
                g_assert_cmpint(r, ==, cases[i].name ? 0 : -EINVAL);
                if (bus) {
                        g_assert_cmpstr(bus->name, ==, cases[i].name);
                        g_assert_true(bus_is_idle(bus));
                } else
                        harness_assert_has(error.message, "instance: '");
                error_done(&error);
                bus_free(bus);
        }
        peer_close(&peer);
}

static void test_out_of_memory(void) {
        Peer peer;

        peer_open(&peer);
        FOREACH_FAULT {
                const BusOptions options = { .cluster = peer.cluster, .instance = "one" };
                Bus *bus = NULL;
                int r;

                r = bus_new(&bus, peer.event, &options, NULL);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                bus_free(bus);
        }
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/bus/comes-back", test_comes_back);
        g_test_add_func("/dbus/bus/there-is-no-bus", test_there_is_no_bus);
        g_test_add_func("/dbus/bus/delay-is-bounded", test_delay_is_bounded);
        g_test_add_func("/dbus/bus/name-is-taken", test_name_is_taken);
        g_test_add_func("/dbus/bus/loss-drops-what-is-under-way", test_loss_drops_what_is_under_way);
        g_test_add_func("/dbus/bus/instances", test_instances);
        g_test_add_func("/dbus/bus/out-of-memory", test_out_of_memory);
        return g_test_run();
}
