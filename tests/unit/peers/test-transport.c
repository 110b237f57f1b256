#include "daemon/base/le.h"
#include "tests/unit/peers/members.h"

static uint64_t term(const Member *member) {
        ConsensusStatus status;

        consensus_status(member->consensus, &status);
        return status.term;
}

static uint8_t disk[CONSENSUS_DISK_ID_SIZE], known[CONSENSUS_DISK_ID_SIZE]; /* that the next message has */

/* A message of a far term deposes a leader; so what is refused can be seen. */
static void tell(Member *to, const PeerId *from, uint64_t sender, uint64_t receiver, size_t cut) {
        ConsensusMessage message = { .type = CONSENSUS_MESSAGE_APPEND_RESULT, .version = 0, .term = 1000 };
        _cleanup_(str_done) Str note = {};
        uint8_t ids[PEERS_NOTE_RAFT_HEAD - PEERS_NOTE_HEAD] = {};

        g_assert_cmpint(peers_note_begin(&note, PEERS_NOTE_RAFT, consensus_cluster_id(to->consensus)),
                        ==,
                        0);
        le_put64(ids, sender);
        le_put64(ids + 8, receiver);
        memcpy(ids + 16, disk, CONSENSUS_DISK_ID_SIZE);
        memcpy(ids + 32, known, CONSENSUS_DISK_ID_SIZE);
        g_assert_cmpint(str_append_bytes(&note, ids, sizeof(ids)), ==, 0);
        g_assert_cmpint(consensus_message_encode(&message, &note), ==, 0);
        peers_transport_receive(to->peers, from, note.data, note.len - cut);
}

static void test_who_may_speak(void) {
        Members members;
        Member *leader, *other;
        ConsensusStatus status;
        uint64_t own, theirs;

        members_open(&members, 3);
        leader = members_leader(&members);
        other = members_follower(&members);
        own = consensus_raft_id(&leader->id);
        theirs = consensus_raft_id(&other->id);

        consensus_status(other->consensus, &status);
        memcpy(disk, status.disk_id, sizeof(disk));
        tell(leader, &other->id, theirs, own + 1, 0); /* for what this peer was once */
        tell(leader, &other->id, own, own, 0);        /* in another one's name */
        for (size_t cut = 1; cut < 80; cut++)
                tell(leader, &other->id, theirs, own, cut);

        disk[0] ^= 1; /* it has lost its disk */
        tell(leader, &other->id, theirs, own, 0);
        disk[0] ^= 1;
        known[0] = 1; /* this peer has lost its disk; it has a log, and stays */
        tell(leader, &other->id, theirs, own, 0);
        consensus_status(leader->consensus, &status);
        memcpy(known, status.disk_id, sizeof(known));
        g_assert_cmpuint(leader->n_leaves, ==, 0);
        g_assert_cmpuint(term(leader), <, 1000);
        tell(leader, &other->id, theirs, own, 0);
        g_assert_cmpuint(term(leader), ==, 1000);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/transport/who-may-speak", test_who_may_speak);
        return g_test_run();
}
