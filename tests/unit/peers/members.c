#include "tests/unit/peers/members.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "daemon/base/multibase.h"
#include "daemon/join/folder.h"
#include "daemon/net/tls-identity.h"
#include "daemon/types/pin.h"
#include "tests/lib/loopback.h"

#define ELECTION_USEC (200 * USEC_PER_MSEC)

/* ---- folders, keys, ports */

static void member_init(Member *member, sd_event *event, unsigned i) {
        g_autofree char *address = NULL;
        TlsIdentity *identity;
        char *with_id;

        *member = (Member){ .event = event, .key = loopback_key(i + 1), .secret = "" };
        member->folder = g_dir_make_tmp("ipfs-cluster-test-XXXXXX", NULL);
        member->peerstore = g_build_filename(member->folder, "peerstore", NULL);
        member->name = g_strdup_printf("member %u", i);
        g_assert_cmpint(tls_identity_new(&identity, member->key, NULL), ==, 0);
        member->id = *tls_identity_peer(identity);
        tls_identity_free(identity);

        (void) close(loopback_listen(&member->port));
        address = g_strdup_printf("/ip4/127.0.0.1/tcp/%u", member->port);
        g_assert_cmpint(multiaddr_with_peer_id(address, &member->id, &with_id), ==, 0);
        g_assert_cmpint(str_list_append_take(&member->addresses, with_id), ==, 0);
}

void members_prepare(Members *members, size_t n) {
        *members = (Members){ .n = n };
        g_assert_cmpint(sd_event_new(&members->event), ==, 0);
        for (unsigned i = 0; i < n; i++) {
                member_init(&members->member[i], members->event, i);
                members->member[i].members = members;
        }
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < n; k++) {
                        Member *member = &members->member[i], *other = &members->member[k];

                        g_assert_cmpint(str_list_append(&member->known, other->addresses.items[0]), ==, 0);
                        g_assert_cmpint(peer_id_list_append(&member->first, &other->id), ==, 0);
                }
}

/* ---- events */

static void on_applied(uint64_t index, const ConsensusOp *op, const Cid *cid G_GNUC_UNUSED, void *userdata) {
        Member *member = userdata;

        member->n_applied += op->kind != CONSENSUS_TAG;
        member->n_unpins += op->kind == CONSENSUS_UNPIN;
        peers_on_applied(member->peers, index, op);
}

static void on_ready(void *userdata) {
        ((Member *) userdata)->n_ready++;
}

static void on_leader(const PeerId *leader G_GNUC_UNUSED, void *userdata) {
        peers_on_leader(((Member *) userdata)->peers);
}

static void on_progressed(uint64_t applied, void *userdata) {
        peers_on_progress(((Member *) userdata)->peers, applied);
}

static void on_members(void *userdata) {
        peers_on_members(((Member *) userdata)->peers);
}

static const Member *receiver_of(const Members *members, const ConsensusMessage *message) {
        for (size_t i = 0; i < members->n; i++) {
                const Member *member = &members->member[i];

                if (member->consensus && member_status(member).raft_id == message->peer)
                        return member;
        }
        return NULL;
}

static void on_send(const ConsensusMessage *message, void *userdata) {
        Member *member = userdata;
        const Member *receiver = receiver_of(member->members, message);
        ConsensusMessage shortened = *message;

        if (receiver && receiver->is_deaf)
                return;
        if (receiver && receiver->is_starved) {
                if (message->type == CONSENSUS_MESSAGE_INSTALL)
                        return;
                if (message->type == CONSENSUS_MESSAGE_APPEND)
                        shortened.append.n = shortened.append.commit = 0;
        }
        peers_send(member->peers, &shortened);
}

static void on_failed(int status, void *userdata) {
        Member *member = userdata;

        member->n_failed++;
        member->failed_status = status;
}

static void on_metric(const Metric *metric, void *userdata) {
        Member *member = userdata;

        member->n_metrics++;
        g_assert_cmpint(metric_copy(&member->metric, metric), ==, 0);
}

static void on_changed(void *userdata) {
        ((Member *) userdata)->n_changed++;
}

static void on_link(const PeerId *peer G_GNUC_UNUSED, bool up, void *userdata) {
        Member *member = userdata;

        member->n_ups += up;
        member->n_downs += !up;
}

static void on_diverged(
                const PeerId *peer,
                uint64_t index,
                const uint8_t *ours,
                const uint8_t *theirs,
                void *userdata) {
        Member *member = userdata;

        g_assert_cmpuint(index, >, 0);
        g_assert_cmpint(memcmp(ours, theirs, STATE_DIGEST_SIZE), !=, 0);
        member->n_diverged++;
        member->diverged = *peer;
}

static void on_leave(int exit_status, const char *words, void *userdata) {
        Member *member = userdata;

        member->n_leaves++;
        member->leave_status = exit_status;
        g_free(member->leave_words);
        member->leave_words = g_strdup(words);
}

static const PeersEvents events = {
        .metric = on_metric,
        .changed = on_changed,
        .link_changed = on_link,
        .leave = on_leave,
        .diverged = on_diverged,
};

/* ---- life */

static void member_open_peers(Member *member) {
        int fd = loopback_listen(&member->port);
        _cleanup_(error_done) Error error = {};
        int r;

        r = peers_new(&member->peers,
                      member->event,
                      &(PeersOptions){
                                      .state_folder = member->folder,
                                      .private_key = member->key,
                                      .secret = member->secret,
                                      .peername = member->name,
                                      .peerstore = member->peerstore,
                                      .known = &member->known,
                                      .fds = &fd,
                                      .n_fds = 1,
                                      .addresses = &member->addresses,
                                      .bootstrap = &member->bootstrap,
                                      .dial_timeout_usec = 2 * USEC_PER_SEC,
                                      .wait_for_leader_usec = USEC_PER_SEC,
                                      .network_timeout_usec = 5 * USEC_PER_SEC,
                                      .watch_usec = 200 * USEC_PER_MSEC,
                                      .events = &events,
                                      .userdata = member,
                      },
                      &error);
        g_assert_cmpstr(error.message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
}

void member_start(Member *member) {
        _cleanup_(error_done) Error error = {};
        int r;

        member_open_peers(member);
        member->consensus_events = (ConsensusEvents){
                .applied = on_applied,
                .ready = on_ready,
                .leader_changed = on_leader,
                .progressed = on_progressed,
                .members_changed = on_members,
                .send = on_send,
                .failed = on_failed,
        };
        r = consensus_open(
                        &member->consensus,
                        member->event,
                        &(ConsensusOptions){
                                        .state_folder = member->folder,
                                        .self = member->id,
                                        .members = &member->first,
                                        .join = member->joined.raft_id > 0 ? member->joined.cluster_id
                                                                           : NULL,
                                        .join_raft_id = member->joined.raft_id,
                                        .heartbeat_timeout_usec = ELECTION_USEC,
                                        .election_timeout_usec = ELECTION_USEC,
                                        .snapshot_threshold = 8192,
                                        .trailing_logs = 100,
                                        .segment_size = 64 * 1024,
                                        .events = &member->consensus_events,
                                        .userdata = member,
                        },
                        &error);
        g_assert_cmpstr(error.message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpint(peers_attach(member->peers, member->consensus, NULL), ==, 0);
}

void member_stop(Member *member) {
        if (!member->peers)
                return;
        peers_detach(member->peers);
        g_assert_cmpint(consensus_close(g_steal_pointer(&member->consensus)),
                        ==,
                        member->n_failed > 0 ? -EIO : 0);
        member->peers = peers_free(member->peers);
        member->n_ready = member->n_failed = member->n_leaves = 0;
}

static void on_joined(int r, const Error *error, Joined *joined, void *userdata) {
        Member *member = userdata;

        g_assert_cmpstr(error->message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
        member->joined = *joined;
}

static void member_join(Member *member) {
        _cleanup_(str_list_done) StrList addresses = {};
        JoinRequest *join;

        g_assert_cmpint(join_folder_file_read(member->folder, &addresses, NULL), ==, 1);
        g_assert_cmpint(join_request_new(
                                        &join,
                                        member->event,
                                        &(JoinRequestOptions){
                                                        .private_key = member->key,
                                                        .secret = member->secret,
                                                        .peername = member->name,
                                                        .own_addresses = &member->addresses,
                                                        .addresses = &addresses,
                                                        .dial_timeout_usec = USEC_PER_SEC,
                                                        .done = on_joined,
                                                        .userdata = member,
                                        },
                                        NULL),
                        ==,
                        0);
        MEMBERS_UNTIL(member->event, member->joined.raft_id > 0);
        join_request_free(join);
        str_list_done(&member->known);
        g_assert_cmpint(str_list_copy(&member->known, &member->joined.addresses), ==, 0);
}

void member_leave(Member *member) {
        g_autofree char *raft = g_build_filename(member->folder, "raft", NULL);
        bool joins = member->leave_status == EX_TEMPFAIL;

        g_assert_cmpuint(member->n_leaves, ==, 1);
        member_stop(member);
        g_assert_cmpint(join_folder_put_aside(raft, 6, NULL), ==, 1);
        join_request_joined_done(&member->joined);
        if (joins)
                member_join(member);
        member_start(member);
        g_assert_cmpint(join_folder_file_remove(member->folder, NULL), ==, 0);
}

void members_turn(sd_event *event, gint64 deadline) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpint(sd_event_run(event, 10 * USEC_PER_MSEC), >=, 0);
}

void members_open(Members *members, size_t n) {
        members_prepare(members, n);
        for (size_t i = 0; i < n; i++)
                member_start(&members->member[i]);
        for (size_t i = 0; i < n; i++)
                MEMBERS_UNTIL(members->event, members->member[i].n_ready > 0);
}

void members_apart(Members *members, size_t n) {
        members_prepare(members, n);
        for (size_t i = 0; i < n; i++) {
                Member *member = &members->member[i];

                str_list_done(&member->known);
                peer_id_list_done(&member->first);
                g_assert_cmpint(peer_id_list_append(&member->first, &member->id), ==, 0);
                member_start(member);
        }
        for (size_t i = 0; i < n; i++)
                MEMBERS_UNTIL(members->event, members->member[i].n_ready > 0);
}

static void remove_folder(const char *path) {
        GDir *dir = g_dir_open(path, 0, NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *child = g_build_filename(path, name, NULL);

                if (g_file_test(child, G_FILE_TEST_IS_DIR))
                        remove_folder(child);
                else
                        g_assert_cmpint(g_unlink(child), ==, 0);
        }
        if (dir)
                g_dir_close(dir);
        g_assert_cmpint(g_rmdir(path), ==, 0);
}

void members_close(Members *members) {
        for (size_t i = 0; i < members->n; i++) {
                Member *member = &members->member[i];

                member_stop(member);
                remove_folder(member->folder);
                g_free(member->folder);
                g_free(member->key);
                g_free(member->peerstore);
                g_free(member->name);
                str_list_done(&member->addresses);
                str_list_done(&member->known);
                str_list_done(&member->bootstrap);
                join_request_joined_done(&member->joined);
                g_free(member->leave_words);
                peer_id_list_done(&member->first);
                metric_done(&member->metric);
        }
        sd_event_unref(members->event);
}

ConsensusStatus member_status(const Member *member) {
        ConsensusStatus status;

        consensus_status(member->consensus, &status);
        return status;
}

bool member_leads(const Member *member) {
        ConsensusStatus status;

        if (!member->consensus)
                return false;
        consensus_status(member->consensus, &status);
        return status.is_leader;
}

static Member *find_leader(Members *members) {
        Member *leader = NULL;

        for (size_t i = 0; i < members->n; i++)
                if (member_leads(&members->member[i]))
                        leader = &members->member[i];
        for (size_t i = 0; leader && i < members->n; i++) {
                ConsensusStatus status;

                if (!members->member[i].consensus)
                        continue;
                consensus_status(members->member[i].consensus, &status);
                if (!peer_id_equal(&status.leader, &leader->id))
                        return NULL;
        }
        return leader;
}

Member *members_leader(Members *members) {
        Member *leader;

        MEMBERS_UNTIL(members->event, (leader = find_leader(members)));
        return leader;
}

Member *members_follower(Members *members) {
        Member *leader = members_leader(members);

        for (size_t i = 0; i < members->n; i++)
                if (&members->member[i] != leader && members->member[i].peers)
                        return &members->member[i];
        g_assert_not_reached();
}

/* ---- pins */

void member_cid(uint64_t n, Cid *ret) {
        uint8_t bytes[4 + 32] = { 0x01, 0x55, 0x12, 0x20 };

        memcpy(bytes + 4, &n, sizeof(n));
        g_assert_cmpint(cid_from_bytes(bytes, sizeof(bytes), ret), ==, 0);
}

static void on_submitted(int r, const Error *error, void *userdata) {
        Submitted *submitted = userdata;

        submitted->n_done++;
        submitted->result = r;
        if (r < 0) {
                submitted->code = error->code;
                submitted->words = g_strdup(error_message(error));
        }
}

static int submit(Member *member, Submitted *submitted, const ConsensusOp *op) {
        _cleanup_(error_done) Error error = {};
        int r;

        *submitted = (Submitted){};
        r = peers_submit(member->peers, &submitted->submit, op, 1, on_submitted, submitted, &error);
        submitted->code = error.code;
        return r;
}

int member_unpin(Member *member, Submitted *submitted, uint64_t n) {
        Cid cid;

        member_cid(n, &cid);
        return submit(member,
                      submitted,
                      &(ConsensusOp){ .kind = CONSENSUS_UNPIN, .body = cid.bytes, .size = cid.size });
}

int member_pin(Member *member, Submitted *submitted, uint64_t n) {
        Pin pin = { .type = PIN_TYPE_DATA,
                    .max_depth = PIN_DEPTH_RECURSIVE,
                    .replication_factor_min = -1,
                    .replication_factor_max = -1 };
        _cleanup_(str_done) Str body = {};
        ConsensusOp op = { .kind = CONSENSUS_PIN };

        member_cid(n, &pin.cid);
        g_assert_cmpint(pin_write(&pin, &body), ==, 0);
        op.body = body.data;
        op.size = body.len;
        return submit(member, submitted, &op);
}

void member_pin_wait(Member *member, uint64_t n) {
        Submitted submitted;

        g_assert_cmpint(member_pin(member, &submitted, n), ==, 0);
        MEMBERS_UNTIL(member->event, submitted.n_done > 0);
        g_assert_cmpstr(submitted.words, ==, NULL);
        g_assert_cmpint(submitted.result, ==, 0);
        submitted_done(&submitted);
}

bool member_has(Member *member, uint64_t n) {
        Cid cid;

        member_cid(n, &cid);
        return state_pinset_has(consensus_pinset(member->consensus), &cid) > 0;
}

void submitted_done(Submitted *submitted) {
        peers_submit_unref(submitted->submit);
        g_free(submitted->words);
        *submitted = (Submitted){};
}
