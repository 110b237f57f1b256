#include <string.h>

#include "daemon/consensus/consensus.h"
#include "daemon/offline/peer.h"
#include "tests/unit/offline/stopped.h"

#define A "12D3KooWBS8jPkLSZVMD8ygwdLR6WqPDG57frDmvSNa6TQfAvCf3"
#define B "12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv"

typedef struct Recover {
        const char *folder;
        bool force;
} Recover;

static int recover(const void *data) {
        const Recover *c = data;

        return offline_recover_quorum(c->folder, c->force);
}

/* A log in which this peer is one of N. */
static void make_log(const Stopped *s, size_t n) {
        static const char *const others[] = { A, B };
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;
        PeerIdList members = {};
        Consensus *consensus;
        sd_event *event;
        PeerId id;

        g_assert_cmpint(offline_peer_open(&peer, s->folder), ==, 0);
        g_assert_cmpint(sd_event_new(&event), ==, 0);
        g_assert_cmpint(peer_id_list_append(&members, &peer.identity.id), ==, 0);
        for (size_t i = 0; i + 1 < n; i++) {
                g_assert_cmpint(peer_id_parse(others[i], &id), ==, 0);
                g_assert_cmpint(peer_id_list_append(&members, &id), ==, 0);
        }
        g_assert_cmpint(consensus_open(&consensus,
                                       event,
                                       &(ConsensusOptions){
                                                       .state_folder = peer.state_folder,
                                                       .raft_folder = peer.raft_folder,
                                                       .self = peer.identity.id,
                                                       .members = &members,
                                                       .heartbeat_timeout_usec = USEC_PER_SEC,
                                                       .election_timeout_usec = USEC_PER_SEC,
                                       },
                                       NULL),
                        ==,
                        0);
        consensus_free(consensus);
        peer_id_list_done(&members);
        sd_event_unref(event);
}

static void check(const Stopped *s, bool force, const char *input, int status, const char *words) {
        Said said = stopped_said_by(recover, &(Recover){ s->folder, force }, input);

        g_assert_cmpint(said.status, ==, status);
        if (!strstr(said.out, words) && !strstr(said.err, words))
                g_error("'%s' is not in '%s' nor '%s'", words, said.out, said.err);
        said_done(&said);
}

static void test_asks(Stopped *s, const void *data G_GNUC_UNUSED) {
        make_log(s, 3);
        check(s, false, "n\n", 0, "This peer is one of 3, and is to go on alone");
        check(s, false, "", 0, "Continue? [y/n]: ");
        g_assert_false(stopped_has(s, "raft.old.0"));

        check(s, false, "y\n", 0, "acknowledged");
        g_assert_true(stopped_has(s, "raft.old.0/meta-a"));
        g_assert_true(stopped_has(s, "raft/meta-a"));
        check(s, false, NULL, 0, ""); /* it is alone now, and nothing is asked */
        g_assert_false(stopped_has(s, "raft.old.1"));
}

static void test_leaves_nothing(Stopped *s, const void *data G_GNUC_UNUSED) {
        static const char *const names[] = {
                "recover.json", "raft.read", "read.new", "raft.new", "import.new"
        };

        make_log(s, 2);
        check(s, true, NULL, 0, "");
        g_assert_true(stopped_has(s, "raft.old.0"));
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                g_assert_false(stopped_has(s, names[i]));
}

static void test_nothing_to_recover(Stopped *s, const void *data G_GNUC_UNUSED) {
        check(s, true, NULL, 1, "this peer never was a member");
        make_log(s, 1);
        check(s, true, NULL, 0, "");
        g_assert_false(stopped_has(s, "raft.old.0"));
}

static void test_damaged(Stopped *s, const void *data G_GNUC_UNUSED) {
        stopped_put(s, "raft/meta-a", "x");
        check(s, true, NULL, 74, "error recovering: ");
        g_assert_false(stopped_has(s, "raft.old.0"));
}

#define ADD(name, function)                                                                                 \
        g_test_add("/offline/recover/" name, Stopped, NULL, stopped_set_up, function, stopped_tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("asks", test_asks);
        ADD("leaves-nothing", test_leaves_nothing);
        ADD("nothing-to-recover", test_nothing_to_recover);
        ADD("damaged", test_damaged);
        return g_test_run();
}
