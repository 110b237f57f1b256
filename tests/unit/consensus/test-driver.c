#include <glib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/consensus/driver.h"
#include "daemon/consensus/engine.h"
#include "daemon/consensus/message.h"
#include "tests/unit/consensus/node.h"

#define ELECTION_USEC (200 * USEC_PER_MSEC)

/* Two peers in one loop, each with a queue of what the other has sent. */
typedef struct Pair {
        HelpFolder folders[2];
        Node nodes[2];
        GQueue queues[2]; /* Str: to node i */
        bool cut;
        unsigned n_sent;
} Pair;

static Pair pair;

static void queue_message(const ConsensusMessage *message, unsigned to) {
        Str *bytes = g_new0(Str, 1);

        pair.n_sent++;
        g_assert_cmpint(consensus_message_encode(message, bytes), ==, 0);
        g_queue_push_tail(&pair.queues[to], bytes);
}

static void send_to_other(const ConsensusMessage *message, void *userdata) {
        queue_message(message, userdata == &pair.nodes[0] ? 1 : 0);
}

static void bytes_free(gpointer bytes) {
        str_done(bytes);
        g_free(bytes);
}

static void deliver(unsigned to) {
        const PeerId from = help_peer(to == 0 ? 2 : 1);
        ConsensusMessage message;
        Str *bytes;

        while ((bytes = g_queue_pop_head(&pair.queues[to]))) {
                g_assert_cmpint(consensus_message_decode(bytes->data, bytes->len, &message), ==, 0);
                message.peer = consensus_raft_id(&from);
                if (!pair.cut)
                        consensus_receive(pair.nodes[to].consensus, &message);
                consensus_message_done(&message);
                bytes_free(bytes);
        }
}

/* A turn of both loops; each ends soon, so that the other has its turn. */
static void pair_turn(void) {
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(sd_event_run(pair.nodes[i].event, USEC_PER_MSEC), >=, 0);
                deliver(0);
                deliver(1);
        }
}

static void set_up_node(unsigned i, const PeerIdList *members) {
        Node *node = &pair.nodes[i];

        help_folder_make(&pair.folders[i]);
        node_init(node, &pair.folders[i]);
        node->options.self = help_peer(i + 1);
        node->options.members = members;
        node->options.heartbeat_timeout_usec = node->options.election_timeout_usec = ELECTION_USEC;
        node->events.send = send_to_other;
        g_queue_init(&pair.queues[i]);
}

static void tear_down(unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                node_done(&pair.nodes[i]);
                g_queue_clear_full(&pair.queues[i], bytes_free);
                help_folder_done(&pair.folders[i]);
        }
}

static Node *leader(void) {
        for (unsigned i = 0; i < 2; i++)
                if (node_status(&pair.nodes[i]).is_leader && pair.nodes[i].ready)
                        return &pair.nodes[i];
        return NULL;
}

/* What one submits both have; a leader that nobody hears tells its clients that it does not know. */
static void test_two_peers(void) {
        PeerId ids[2] = { help_peer(1), help_peer(2) };
        const PeerIdList members = { .items = ids, .n = 2, .is_set = true };
        uint8_t a[STATE_DIGEST_SIZE], b[STATE_DIGEST_SIZE];
        Node *first, *other;

        pair = (Pair){};
        for (unsigned i = 0; i < 2; i++)
                set_up_node(i, &members);
        for (unsigned i = 0; i < 2; i++)
                g_assert_cmpint(node_open(&pair.nodes[i], NULL), ==, 0);

        while (!(first = leader()))
                pair_turn();
        other = first == &pair.nodes[0] ? &pair.nodes[1] : &pair.nodes[0];
        g_assert_cmpint(node_pin(first, 1, 5), ==, 0);
        while (first->n_done < 1 || node_count(other) < 5 || !other->ready)
                pair_turn();
        node_digest(first, a);
        node_digest(other, b);
        g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
        g_assert_cmpint(node_pin(other, 6, 1), <, 0); /* not the leader */

        pair.cut = true;
        g_assert_cmpint(node_pin(first, 6, 1), ==, 0);
        while (first->n_refused == 0)
                pair_turn();
        g_assert_cmpuint(first->n_done, ==, 1);
        g_assert_false(node_status(first).is_leader);
        tear_down(2);
}

/* Until both have the same, and nothing is left to be done. Answers who follows. */
static unsigned settle(void) {
        Node *first;
        unsigned other;

        do {
                pair_turn();
                first = leader();
                other = first == &pair.nodes[0] ? 1 : 0;
        } while (!first || !pair.nodes[other].ready ||
                 node_status(&pair.nodes[other]).applied_index != node_status(first).last_index);
        while (sd_event_run(pair.nodes[other].event, 0) > 0)
                ;
        return other;
}

static bool is_same(const ConsensusStatus *a, const ConsensusStatus *b) {
        return a->term == b->term && peer_id_equal(&a->leader, &b->leader) &&
               a->last_index == b->last_index && a->commit_index == b->commit_index;
}

/* Take a message for TO. Answers whether it has changed something there: then a turn of the loop has to
 * come, and only then. */
static bool receive_one(unsigned to) {
        ConsensusStatus before = node_status(&pair.nodes[to]), after;
        const PeerId from = help_peer(to == 0 ? 2 : 1);
        Str *bytes = g_queue_pop_head(&pair.queues[to]);
        ConsensusMessage message;
        int enabled;

        g_assert_cmpint(consensus_message_decode(bytes->data, bytes->len, &message), ==, 0);
        message.peer = consensus_raft_id(&from);
        consensus_receive(pair.nodes[to].consensus, &message);
        after = node_status(&pair.nodes[to]);
        g_assert_cmpint(sd_event_source_get_enabled(pair.nodes[to].consensus->advance, &enabled), >=, 0);
        g_assert_cmpint(enabled == SD_EVENT_OFF, ==, is_same(&before, &after));
        consensus_message_done(&message);
        bytes_free(bytes);
        return enabled != SD_EVENT_OFF;
}

/* An idle follower takes no turn for a heartbeat, and one for what comes at last. */
static void test_heartbeats(void) {
        PeerId ids[2] = { help_peer(1), help_peer(2) };
        const PeerIdList members = { .items = ids, .n = 2, .is_set = true };
        unsigned other, n = 0, n_moved = 0;

        pair = (Pair){};
        for (unsigned i = 0; i < 2; i++)
                set_up_node(i, &members);
        for (unsigned i = 0; i < 2; i++)
                g_assert_cmpint(node_open(&pair.nodes[i], NULL), ==, 0);

        other = settle();
        while (n < 3 || n_moved < 1) {
                if (!leader())
                        other = settle();
                if (n >= 3)
                        (void) node_pin(&pair.nodes[1 - other], 1 + n++, 1);
                g_assert_cmpint(sd_event_run(pair.nodes[1 - other].event, USEC_PER_MSEC), >=, 0);
                if (g_queue_is_empty(&pair.queues[other]))
                        continue;
                if (receive_one(other)) {
                        n_moved++;
                        other = settle();
                } else
                        n++;
                deliver(1 - other);
        }
        tear_down(2);
}

static void until_pinned(Node *node, size_t n) {
        while (node_count(node) < n)
                pair_turn();
}

/* A follower that was killed goes on from what it has shown before. */
static void test_ready_follower(void) {
        PeerId ids[2] = { help_peer(1), help_peer(2) };
        const PeerIdList members = { .items = ids, .n = 2, .is_set = true };
        const unsigned n = 3 * CONSENSUS_BOUNDARY;
        Node *first, *other;

        pair = (Pair){};
        for (unsigned i = 0; i < 2; i++)
                set_up_node(i, &members);
        for (unsigned i = 0; i < 2; i++)
                g_assert_cmpint(node_open(&pair.nodes[i], NULL), ==, 0);
        while (!(first = leader()))
                pair_turn();
        other = first == &pair.nodes[0] ? &pair.nodes[1] : &pair.nodes[0];
        for (unsigned i = 0; i < n; i++)
                g_assert_cmpint(node_pin(first, i, 1), ==, 0);
        until_pinned(other, n);

        node_crash(other);
        g_assert_cmpint(node_open(other, NULL), ==, 0);
        while (!other->ready)
                pair_turn();
        g_assert_cmpuint(node_count(other), ==, n);
        tear_down(2);
}

/* H23: a promotion that the new voter does not acknowledge ends the process, and is as if it had never been.
 */
static void test_promotion_is_given_up(void) {
        const PeerId other = help_peer(2);
        ConsensusChange change = { CONSENSUS_CHANGE_ADD,
                                   { consensus_raft_id(&other), other, CONSENSUS_STANDBY } };
        _cleanup_(error_done) Error error = {};
        PeerIdList members;
        Node *node = &pair.nodes[0];

        pair = (Pair){};
        set_up_node(0, NULL);
        node_start(node);
        g_assert_cmpint(consensus_change(node->consensus, &change, &error), ==, 0);
        do {
                node_turn(node);
                g_assert_cmpint(consensus_members(node->consensus, &members), ==, 0);
                peer_id_list_done(&members);
        } while (members.n < 2 && node_status(node).applied_index < 3);
        g_assert_cmpint(consensus_change(node->consensus, &change, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_REFUSED);

        change.kind = CONSENSUS_CHANGE_ROLE;
        change.member.role = CONSENSUS_VOTER;
        g_assert_cmpint(consensus_change(node->consensus, &change, NULL), ==, 0);
        NODE_WAIT(node, false);
        g_assert_cmpint(node->failed_status, ==, 75);
        g_assert_cmpuint(pair.n_sent, >, 0);
        node_crash(node);

        node_start(node); /* the only voter */
        node_pin_wait(node, 1, 1);
        tear_down(1);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) log_set_levels("crit");
        g_test_add_func("/consensus/driver/two-peers", test_two_peers);
        g_test_add_func("/consensus/driver/heartbeats", test_heartbeats);
        g_test_add_func("/consensus/driver/ready-follower", test_ready_follower);
        g_test_add_func("/consensus/driver/promotion-is-given-up", test_promotion_is_given_up);
        return g_test_run();
}
