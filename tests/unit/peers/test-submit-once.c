/* A submit takes effect once, whatever happens to leaders, links and answers. */

#include "tests/unit/peers/members.h"

/* What is unpinned by the asker, and pinned again by somebody else before the asker knows. */
#define CONTESTED 1

typedef struct Story {
        Members members;
        Member *leader, *asker, *third;
        Submitted submitted;
} Story;

/* An unpin that the asker has sent is in the log of the leader alone, and the link with the answer is cut.
 */
static void story_open(Story *story) {
        Members *members = &story->members;
        uint64_t last;

        members_open(members, 3);
        story->leader = members_leader(members);
        story->asker = members_follower(members);
        for (size_t i = 0; i < members->n; i++)
                if (&members->member[i] != story->leader && &members->member[i] != story->asker)
                        story->third = &members->member[i];
        member_pin_wait(story->asker, CONTESTED);
        MEMBERS_UNTIL(members->event, member_has(story->third, CONTESTED));

        story->asker->is_starved = story->third->is_starved = true;
        last = member_status(story->leader).last_index;
        g_assert_cmpint(member_unpin(story->asker, &story->submitted, CONTESTED), ==, 0);
        MEMBERS_UNTIL(members->event, member_status(story->leader).last_index > last);
        rpc_forget(peers_rpc(story->leader->peers), &story->asker->id);
}

/* The others commit it, and pin again. */
static void story_go_on(Story *story) {
        story->third->is_starved = false;
        MEMBERS_UNTIL(story->members.event, !member_has(story->third, CONTESTED));
        member_pin_wait(story->leader, CONTESTED);
        MEMBERS_UNTIL(story->members.event, member_has(story->third, CONTESTED));
        g_assert_cmpuint(story->submitted.n_done, ==, 0);
}

/* The asker hears of everything. */
static void story_end(Story *story, ErrorCode code) {
        story->asker->is_starved = story->third->is_starved = false;
        MEMBERS_UNTIL(story->members.event, story->submitted.n_done > 0);
        g_assert_cmpint(story->submitted.code, ==, code);
        member_pin_wait(story->asker, 2); /* whatever was sent again has come before */
}

static void story_close(Story *story) {
        submitted_done(&story->submitted);
        members_close(&story->members);
}

static void hand_over(Members *members, Member *from, const Member *to) {
        g_assert_cmpint(consensus_transfer(from->consensus, member_status(to).raft_id, NULL), ==, 0);
        MEMBERS_UNTIL(members->event, member_leads(to));
}

static void test_once_same_leader(void) {
        Story story = {};

        story_open(&story);
        story_go_on(&story);
        /* Sent again, and answered with the index that it has. */
        MEMBERS_UNTIL(story.members.event, list_is_empty(&story.asker->peers->submits));
        story_end(&story, ERROR_NONE);
        g_assert_true(member_has(story.asker, CONTESTED));
        g_assert_cmpuint(story.leader->n_unpins, ==, 1);
        g_assert_cmpuint(story.asker->n_unpins, ==, 1);
        story_close(&story);
}

static void test_once_next_leader_has_it(void) {
        Story story = {};

        story_open(&story);
        story_go_on(&story);
        member_stop(story.leader);
        story_end(&story, ERROR_NONE);
        g_assert_true(member_has(story.asker, CONTESTED));
        g_assert_cmpuint(story.third->n_unpins, ==, 1);
        story_close(&story);
}

static void test_once_next_leader_lacks_it(void) {
        Story story = {};

        story_open(&story);
        member_stop(story.leader);
        story_end(&story, ERROR_NONE);
        g_assert_false(member_has(story.asker, CONTESTED));
        g_assert_cmpuint(story.third->n_unpins, ==, 1);
        story_close(&story);
}

static void test_once_leader_again(void) {
        Story story = {};

        story_open(&story);
        story_go_on(&story);
        hand_over(&story.members, story.leader, story.third);
        hand_over(&story.members, story.third, story.leader);
        story_end(&story, ERROR_NONE);
        g_assert_true(member_has(story.asker, CONTESTED));
        g_assert_cmpuint(story.leader->n_unpins, ==, 1);
        story_close(&story);
}

/* A change at the leader itself, which is deposed before it is committed. */
static Member *depose(Members *members, Submitted *submitted, bool starve) {
        Member *leader = members_leader(members), *next = NULL;
        uint64_t last;

        member_pin_wait(leader, CONTESTED);
        for (size_t i = 0; i < members->n; i++)
                MEMBERS_UNTIL(members->event, member_has(&members->member[i], CONTESTED));
        leader->is_deaf = true;
        for (size_t i = 0; i < members->n; i++)
                members->member[i].is_starved = starve;
        last = member_status(leader).last_index;
        g_assert_cmpint(member_unpin(leader, submitted, CONTESTED), ==, 0);
        MEMBERS_UNTIL(members->event, member_status(leader).last_index > last);
        for (size_t i = 0; !starve && i < members->n; i++)
                MEMBERS_UNTIL(members->event, member_status(&members->member[i]).last_index > last);
        MEMBERS_UNTIL(members->event, !member_leads(leader));
        for (size_t i = 0; i < members->n; i++)
                members->member[i].is_starved = false;
        while (!next) {
                members_turn(members->event, G_MAXINT64);
                for (size_t i = 0; i < members->n; i++)
                        if (member_leads(&members->member[i]))
                                next = &members->member[i];
        }
        return next;
}

static void depose_end(Members *members, Member *leader, Submitted *submitted) {
        leader->is_deaf = false;
        MEMBERS_UNTIL(members->event, submitted->n_done > 0);
        g_assert_cmpstr(submitted->words, ==, NULL);
        submitted_done(submitted);
        member_pin_wait(leader, 2);
        g_assert_cmpuint(leader->n_unpins, ==, 1);
        members_close(members);
}

static void test_once_deposed(void) {
        Submitted submitted;
        Members members;
        Member *leader;

        members_open(&members, 3);
        leader = members_leader(&members);
        (void) depose(&members, &submitted, /* starve= */ true);
        g_assert_cmpuint(submitted.n_done, ==, 0);
        depose_end(&members, leader, &submitted);
}

static bool follows(const Member *member, const Member *leader) {
        ConsensusStatus status = member_status(member);

        return peer_id_equal(&status.leader, &leader->id);
}

static void test_once_deposed_and_committed(void) {
        Submitted submitted, other;
        Member *leader, *next;
        Members members;

        members_open(&members, 3);
        leader = members_leader(&members);
        next = depose(&members, &submitted, /* starve= */ false);
        MEMBERS_UNTIL(members.event, !member_has(next, CONTESTED));
        member_pin_wait(next, CONTESTED);
        g_assert_cmpuint(submitted.n_done, ==, 0);

        /* It hears who leads, but not of the entries, and does not send it yet: only what is new. */
        leader->is_starved = true;
        leader->is_deaf = false;
        MEMBERS_UNTIL(members.event, follows(leader, next));
        g_assert_cmpint(member_pin(leader, &other, 3), ==, 0);
        MEMBERS_UNTIL(members.event, member_has(next, 3));
        g_assert_cmpuint(next->n_unpins, ==, 1);
        leader->is_starved = false;
        MEMBERS_UNTIL(members.event, other.n_done > 0);
        submitted_done(&other);
        MEMBERS_UNTIL(members.event, submitted.n_done > 0);
        MEMBERS_UNTIL(members.event, member_has(leader, CONTESTED));
        depose_end(&members, leader, &submitted);
}

static void on_snapshot(int r, void *userdata) {
        g_assert_cmpint(r, ==, 0);
        ++*(unsigned *) userdata;
}

/* More than stays in the log behind a snapshot, and more than its files have. */
static void story_compact(Story *story) {
        unsigned n_snapshots = 0;
        uint64_t last;

        for (uint64_t n = 0; n < 1500; n++) {
                static const char body[200] = "a peer";
                const ConsensusOp op = { CONSENSUS_PEER_PUT, body, sizeof(body) };

                g_assert_cmpint(consensus_submit(story->leader->consensus, NULL, &op, 1, NULL, NULL, NULL),
                                ==,
                                0);
        }
        MEMBERS_UNTIL(story->members.event, member_status(story->leader).n_pending == 0);
        last = member_status(story->leader).applied_index;
        MEMBERS_UNTIL(story->members.event, member_status(story->third).applied_index >= last);
        g_assert_cmpint(consensus_snapshot(story->leader->consensus, on_snapshot, &n_snapshots), ==, 0);
        g_assert_cmpint(consensus_snapshot(story->third->consensus, on_snapshot, &n_snapshots), ==, 0);
        MEMBERS_UNTIL(story->members.event, n_snapshots == 2);
}

/* The entries that would have told are gone, and so is the leader who would have known. */
static void test_in_doubt(void) {
        const ConsensusOp op = { CONSENSUS_PEER_PUT, "a peer", 6 };
        Story story = {};

        story_open(&story);
        story.leader->peers->is_leaving = true; /* and answers nobody */
        story.third->is_starved = false;
        story_compact(&story);
        hand_over(&story.members, story.leader, story.third);
        story.leader->peers->is_leaving = false;
        g_assert_cmpint(consensus_submit(story.third->consensus, NULL, &op, 1, NULL, NULL, NULL), ==, 0);
        story_end(&story, ERROR_IN_DOUBT);
        g_assert_cmpstr(story.submitted.words,
                        ==,
                        "whether the change was carried out is not known: this peer has lagged, and got a "
                        "snapshot of another one, which does not say");
        g_assert_cmpuint(story.third->n_unpins, ==, 1);
        story_close(&story);
}

/* The leader knows it still. */
static void test_snapshot_same_leader(void) {
        Story story = {};

        story_open(&story);
        story.leader->peers->is_leaving = true;
        story.third->is_starved = false;
        story_compact(&story);
        story.asker->is_starved = false;
        MEMBERS_UNTIL(story.members.event, member_status(story.asker).skipped_index > 0);
        g_assert_cmpuint(story.submitted.n_done, ==, 0);
        story.leader->peers->is_leaving = false;
        story_end(&story, ERROR_NONE);
        g_assert_cmpuint(story.leader->n_unpins, ==, 1);
        story_close(&story);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/submit-once/same-leader", test_once_same_leader);
        g_test_add_func("/peers/submit-once/next-leader-has-it", test_once_next_leader_has_it);
        g_test_add_func("/peers/submit-once/next-leader-lacks-it", test_once_next_leader_lacks_it);
        g_test_add_func("/peers/submit-once/leader-again", test_once_leader_again);
        g_test_add_func("/peers/submit-once/deposed", test_once_deposed);
        g_test_add_func("/peers/submit-once/deposed-and-committed", test_once_deposed_and_committed);
        g_test_add_func("/peers/submit-once/in-doubt", test_in_doubt);
        g_test_add_func("/peers/submit-once/snapshot-and-same-leader", test_snapshot_same_leader);
        return g_test_run();
}
