#include <string.h>

#include "daemon/cluster/internal.h"
#include "daemon/cluster/parties.h"
#include "tests/lib/fault.h"
#include "tests/unit/cluster/set.h"

static const ClusterParty *find(const ClusterParties *members, const Peer *peer) {
        for (size_t i = 0; i < members->n; i++)
                if (peer_id_equal(&members->items[i].id, &peer->identity.id))
                        return &members->items[i];
        g_assert_not_reached();
}

static void put_ping(Cluster *cluster, const PeerId *peer, const char *value) {
        const Metric metric = {
                .name = (char *) "ping", .peer = *peer, .value = (char *) value, .valid = true
        };

        g_assert_cmpint(metrics_monitor_put(cluster->monitor, &metric), ==, 0);
}

/* Who does not answer is known by its name and its Kubo's ID, as its last ping told them. */
static void test_known(Set *set, gconstpointer data G_GNUC_UNUSED) {
        Cluster *cluster = set->peers[0].cluster;
        ClusterParties members;

        for (unsigned i = 0; i < SET_N; i++) {
                g_autofree char *value = g_strdup_printf(
                                "{\"peer_name\":\"peer%u\",\"ipfs_id\":\"" FAKE_KUBO_ID "\"}", i);

                put_ping(cluster, &set->peers[i].identity.id, value);
        }
        g_assert_true(cluster_has_others(cluster));
        g_assert_cmpint(cluster_parties_get(cluster, &members), ==, 0);
        g_assert_cmpuint(members.n, ==, SET_N);
        for (unsigned i = 0; i < SET_N; i++) {
                const ClusterParty *member = find(&members, &set->peers[i]);
                g_autofree char *name = g_strdup_printf("peer%u", i);
                char id[PEER_ID_TEXT_MAX];

                g_assert_cmpint(member->is_self, ==, i == 0);
                g_assert_cmpstr(member->who.peername, ==, name);
                g_assert_cmpstr(member->who.peer, ==, peer_id_format(&member->id, id));
                g_assert_cmpstr(peer_id_format(&member->who.ipfs_peer_id, id), ==, FAKE_KUBO_ID);
                g_assert_null(member->failure);
        }
        for (size_t i = 1; i < members.n; i++)
                g_assert_cmpint(peer_id_compare(&members.items[i - 1].id, &members.items[i].id), <, 0);
        cluster_parties_done(&members);

        put_ping(cluster, &set->peers[2].identity.id, "nonsense");
        g_assert_cmpint(cluster_parties_get(cluster, &members), ==, 0);
        g_assert_cmpstr(find(&members, &set->peers[2])->who.peername, ==, "peer2"); /* of its hello */
        cluster_parties_done(&members);
}

static void test_alone(void) {
        ClusterParties members;
        Peer peer;

        peer_open(&peer);
        g_assert_false(cluster_has_others(peer.cluster));
        g_assert_cmpint(cluster_parties_get(peer.cluster, &members), ==, 0);
        g_assert_cmpuint(members.n, ==, 1);
        cluster_parties_done(&members);
        peer_close(&peer);
}

/* What a peer says of itself replaces what was known of it, once. */
static void test_read(void) {
        static const char first[] = "\1\3one\0\0\x20", second[] = "\1\3two\0\0";
        ClusterParty member = { .who = { .peer = strdup("id"), .peername = strdup("old") } };
        TrackerWireReader reader;
        TrackerWireEntry entry;
        PinInfo info;

        g_assert_cmpint(cluster_party_read(&member, "", 0, &reader), ==, -EBADMSG);
        g_assert_cmpstr(member.who.peername, ==, "old");
        g_assert_cmpint(cluster_party_read(&member, first, sizeof(first) - 1, &reader), ==, 0);
        g_assert_cmpstr(member.who.peername, ==, "one");
        g_assert_cmpstr(member.who.peer, ==, "id");
        g_assert_cmpint(tracker_wire_next_entry(&reader, &entry), ==, 1);
        g_assert_cmpint(cluster_party_told(&member, &entry, 77, &info), ==, 0);
        g_assert_cmpint(info.status, ==, PIN_STATUS_PINNED);
        g_assert_cmpuint(info.timestamp, ==, 77);
        g_assert_true(info.peername == member.who.peername);
        g_assert_null(info.error);
        g_assert_cmpint(cluster_party_read(&member, second, sizeof(second) - 1, &reader), ==, 0);
        g_assert_cmpstr(member.who.peername, ==, "one");
        json_done(&pin_info_shape, &member.who);
}

static void test_untold(void) {
        PeerId here = {}, there = {};
        ClusterParty member;
        const struct {
                const char *what;
                PeerIdList allocations;
                bool is_pinned;
                PinStatus status;
        } cases[] = {
                { "not in the pinset", {}, false, PIN_STATUS_UNPINNED },
                { "everywhere", {}, true, PIN_STATUS_CLUSTER_ERROR },
                { "allocated", { .items = &here, .n = 1 }, true, PIN_STATUS_CLUSTER_ERROR },
                { "elsewhere", { .items = &there, .n = 1 }, true, PIN_STATUS_REMOTE },
        };

        g_assert_cmpint(peer_id_parse(FAKE_KUBO_ID, &here), ==, 0);
        g_assert_cmpint(peer_id_parse("QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN", &there), ==, 0);
        member = (ClusterParty){ .id = here, .failure = (char *) "it is gone" };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                bool is_error = cases[i].status == PIN_STATUS_CLUSTER_ERROR;
                PinInfo info;

                g_test_message("%s", cases[i].what);
                g_assert_cmpint(cluster_party_untold(
                                                &member, &cases[i].allocations, cases[i].is_pinned, &info),
                                ==,
                                0);
                g_assert_cmpint(info.status, ==, cases[i].status);
                g_assert_cmpstr(info.error, ==, is_error ? "it is gone" : NULL);
                g_assert_cmpuint(info.timestamp, >, 0);
                free(info.error);
        }
}

static void test_memory(void) {
        Peer peer;

        peer_open(&peer);
        peer_until_metric(&peer, "ping");
        FOREACH_FAULT {
                ClusterParties members = {};
                int r;

                r = cluster_parties_get(peer.cluster, &members);
                g_assert_true(r == 0 || r == -ENOMEM);
                cluster_parties_done(&members);
        }
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        SET_TEST("/cluster/parties/known-by-the-last-ping", test_known);
        g_test_add_func("/cluster/parties/alone", test_alone);
        g_test_add_func("/cluster/parties/read", test_read);
        g_test_add_func("/cluster/parties/untold", test_untold);
        g_test_add_func("/cluster/parties/out-of-memory", test_memory);
        return g_test_run();
}
