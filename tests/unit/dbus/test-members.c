/* The cluster has one peer; what the bus knows of others is put there by hand. */

#include "tests/lib/fault.h"
#include "tests/unit/dbus/harness.h"

#define OTHER "12D3KooWM2WYcBTEbzc6TZhTMNCTDGdE1qN6AKskWYpbG4uVBJTc"

static Harness harness;

static void open_members(void) {
        harness_open(&harness);
        PEER_UNTIL(&harness.peer, harness.bus->members_are_known && !harness.bus->peers);
        harness_forget_signals(&harness);
}

static void refresh(void) {
        bus_members_refresh(harness.bus);
        PEER_UNTIL(&harness.peer, !harness.bus->peers);
}

static bool has_signal(const char *part) {
        for (size_t i = 0; i < harness.signals.n; i++)
                if (strstr(harness.signals.items[i], part))
                        return true;
        return false;
}

static void until_told(const char *part) {
        PEER_UNTIL(&harness.peer, has_signal(part));
}

static char *self_text(char text[static PEER_ID_TEXT_MAX]) {
        return peer_id_format(cluster_self(harness.peer.cluster), text);
}

static BusMember *put_other(void) {
        BusMember *member = calloc(1, sizeof(BusMember));

        g_assert_cmpint(peer_id_parse(OTHER, &member->id), ==, 0);
        g_assert_cmpint(sd_bus_path_encode(BUS_PEER_PATH, OTHER, &member->path), >=, 0);
        list_append(&harness.bus->members, &member->link);
        return member;
}

static void test_who_was_there_is_no_news(void) {
        harness_open(&harness);
        PEER_UNTIL(&harness.peer, harness.bus->members_are_known);
        g_assert_false(has_signal("PeerAdded"));
        harness_close(&harness);
}

static void test_gone(void) {
        open_members();
        (void) put_other();
        refresh();
        until_told("PeerRemoved \"" OTHER "\"");
        g_assert_true(has_signal("InterfacesRemoved"));
        g_assert_true(harness.bus->members.next == harness.bus->members.previous); /* one is left */
        harness_close(&harness);
}

static void test_new(void) {
        char text[PEER_ID_TEXT_MAX];
        g_autofree char *signal = NULL;

        open_members();
        signal = g_strdup_printf("PeerAdded \"%s\"", self_text(text));
        harness_self(&harness)->id = put_other()->id; /* as if it was never heard of */
        refresh();
        until_told(signal);
        g_assert_true(has_signal("InterfacesAdded"));
        harness_close(&harness);
}

static void test_up(void) {
        char text[PEER_ID_TEXT_MAX];
        g_autofree char *signal = NULL;

        open_members();
        signal = g_strdup_printf("PeerUp \"%s\"", self_text(text));
        harness_self(&harness)->is_reachable = false;
        refresh();
        until_told(signal);
        until_told("{\"Reachable\":true}");
        harness_forget_signals(&harness);
        refresh();
        g_free(harness_call(&harness, ALICE, "ListAlerts", NULL)); /* what was sent has come */
        g_assert_false(has_signal("Peer"));
        harness_close(&harness);
}

/* One that cannot be asked for now is asked for later. */
static void test_faults(void) {
        open_members();
        FOREACH_FAULT {
                bus_members_refresh(harness.bus);
                harness.bus->peers = cluster_list_free(harness.bus->peers);
        }
        refresh();
        g_assert_true(harness_self(&harness)->is_reachable);
        g_assert_false(has_signal("PeerRemoved"));
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/members/who-was-there", test_who_was_there_is_no_news);
        g_test_add_func("/dbus/members/gone", test_gone);
        g_test_add_func("/dbus/members/new", test_new);
        g_test_add_func("/dbus/members/up", test_up);
        g_test_add_func("/dbus/members/allocations-fail", test_faults);
        return g_test_run();
}
