/*
 * Invitation: this peer goes to join another cluster, because a member of that invites it, or because it was
 * told to at its start and has turned out to be alone.
 *
 * It goes only where nothing is lost by it: it is the only member of its own cluster, has no pins, and takes
 * neither pins nor peers in. A peer that has lost its disk, and has begun again as the member that it was,
 * joins its own cluster in the same way.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/log.h"
#include "daemon/join/body.h"
#include "daemon/join/call.h"
#include "daemon/join/folder.h"
#include "daemon/peers/internal.h"
#include "daemon/types/multiaddr.h"

struct PeersInvitation {
        Peers *peers;
        JoinCall *question; /* would you take this peer in? */
        size_t turn;        /* of the addresses */
        char *words;        /* why it has not joined yet, as logged last */
};

/* ---- may it go? */

static uint64_t n_pins(const Peers *peers) {
        return state_pinset_count(consensus_pinset(peers->consensus));
}

/* Nothing is on its way into the pinset, and nobody into this cluster: an entry that is not applied yet may
 * be a change of the members. */
static bool is_at_rest(const Peers *peers, const ConsensusStatus *status) {
        return status->n_pending == 0 && peers->n_submits == 0 && peers->n_takings == 0 &&
               list_is_empty(&peers->changes) && !peers_manager_is_busy(peers) &&
               status->last_index == status->applied_index;
}

bool peers_would_join(const Peers *peers) {
        ConsensusStatus status;

        if (!peers->options.bootstrap || peers->options.bootstrap->n == 0 || !peers_is_alone(peers))
                return false;
        consensus_status(peers->consensus, &status);
        return status.ready && n_pins(peers) == 0 && is_at_rest(peers, &status);
}

/* The addresses are kept until there is a state of the other cluster: see folder.h. */
static int leave_to_join(Peers *peers, const StrList *addresses, const char *words, Error *reterr) {
        int r = join_folder_file_write(peers->options.state_folder, addresses, reterr);

        if (r >= 0)
                peers_leave(peers, EX_TEMPFAIL, words);
        return r;
}

/* ---- "invite" */

static int check_invitation(
                Peers *peers, const RpcRequest *request, const JoinInviteBody *body, Error *reterr) {
        char text[PEER_ID_TEXT_MAX], own[PEER_ID_TEXT_MAX];
        const PeerId *peer = rpc_request_peer(request);
        uint8_t exporter[JOIN_EXPORTER_SIZE];

        if (rpc_request_exporter(request, exporter) >= 0 &&
            join_proof_is(peers->options.secret, JOIN_PURPOSE_INVITE, peer, exporter, body->proof))
                return 0;
        peers_refuse(peers, peer, "it does not know the cluster secret");
        return error_set(
                        reterr,
                        ERROR_FORBIDDEN,
                        "the cluster secret of peer %s is not that of peer %s",
                        peer_id_format(peer, text),
                        peer_id_format(&peers->self, own));
}

/* May this peer go? */
static int check_free(const Peers *peers, Error *reterr) {
        size_t n = consensus_member_table(peers->consensus)->n;
        char own[PEER_ID_TEXT_MAX];
        ConsensusStatus status;

        (void) peer_id_format(&peers->self, own);
        consensus_status(peers->consensus, &status);
        if (n > 1)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "peer %s is in a cluster of %zu peers: remove it there first",
                                own,
                                n);
        if (!peers_is_alone(peers) || !status.ready)
                return error_set(reterr, ERROR_BUSY, "peer %s is not ready yet, try again", own);
        if (n_pins(peers) > 0)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "peer %s has pins of its own (%" PRIu64
                                "), which it would lose: unpin them, "
                                "or export them and clean up its state",
                                own,
                                n_pins(peers));
        if (!is_at_rest(peers, &status))
                return error_set(reterr, ERROR_BUSY, "peer %s is taking pins or peers at this moment", own);
        return 0;
}

static int accept_invitation(Peers *peers, const PeerId *by, const StrList *addresses, Error *reterr) {
        char text[PEER_ID_TEXT_MAX], words[160];
        int r;

        r = check_free(peers, reterr);
        if (r < 0)
                return r;
        if (addresses->n == 0)
                return error_set(reterr, ERROR_INVALID, "invite: addresses: expected at least one");
        (void) snprintf(words, sizeof(words), "joining the cluster of peer %s", peer_id_format(by, text));
        return leave_to_join(peers, addresses, words, reterr);
}

/* One that goes on alone after recover-quorum has the same id, too. */
static bool is_there(const Peers *peers, const PeerId *by, const uint8_t *cluster_id) {
        return peers_is_cluster(peers, cluster_id) && peers_is_member(peers, by);
}

void peers_invite_on_request(RpcRequest *request, const void *bytes, size_t size, void *userdata) {
        const PeerId by = *rpc_request_peer(request);
        _cleanup_(error_done) Error error = {};
        JoinInviteBody body = {};
        Peers *peers = userdata;
        bool is_member = false;
        int r;

        r = peers_check_running(peers, &error);
        if (r >= 0)
                r = join_body_read(&join_body_invite_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0)
                r = check_invitation(peers, request, &body, &error);
        if (r >= 0) {
                is_member = is_there(peers, &by, body.cluster_id);
                r = is_member ? 0 : accept_invitation(peers, &by, &body.addresses, &error);
        }
        if (r >= 0)
                peers_reply(request, &join_body_invited_shape, &(JoinInvitedBody){ .is_member = is_member });
        else
                (void) rpc_request_fail(request, &error);
        json_done(&join_body_invite_shape, &body);
}

/* ---- it has lost its disk */

/* One entry is its founding. With more than that, somebody has taken it for what it was. */
static bool has_nothing(const Peers *peers) {
        ConsensusStatus status;

        consensus_status(peers->consensus, &status);
        return status.last_index <= 1 && n_pins(peers) == 0;
}

void peers_join_anew(Peers *peers, const PeerId *by) {
        char text[PEER_ID_TEXT_MAX], words[PEER_ID_TEXT_MAX + 96];
        _cleanup_(str_list_done) StrList addresses = {};
        _cleanup_(error_done) Error error = {};
        int r;

        if (peers_check_running(peers, NULL) < 0)
                return;
        if (!has_nothing(peers)) {
                peers_refuse(peers,
                             by,
                             "it knows this peer with another disk, and this one has a log by now. If the other "
                             "disk is lost, clean up the state of this peer and start it again");
                return;
        }
        r = peers_book_addresses(peers, &addresses);
        if (r < 0)
                (void) error_set_errno(&error, r, "%m");
        else if (addresses.n > peers->options.addresses->n) {
                (void) snprintf(words,
                                sizeof(words),
                                "this peer has lost its disk, as peer %s tells, and joins its cluster anew",
                                peer_id_format(by, text));
                r = leave_to_join(peers, &addresses, words, &error);
        } else
                r = error_set(&error, ERROR_NOT_FOUND, "it knows no address of another one");
        if (r < 0 && !peers->is_leaving)
                peers_refuse(peers, by, error_message(&error));
}

/* ---- alone, and told to join others */

static int write_question(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata) {
        const PeersInvitation *invitation = userdata;
        JoinBody body = {
                .only_ask = true,
                .peername = (char *) invitation->peers->options.peername,
        };

        memcpy(body.proof, proof, sizeof(body.proof));
        return json_write(&join_body_shape, &body, to);
}

static void log_words(PeersInvitation *invitation, const char *words) {
        if (str_equal(invitation->words, words))
                return;
        (void) str_copy(&invitation->words, words);
        log_warning("Not joining another cluster yet, going on alone: %s", words);
}

static int take_answer(PeersInvitation *invitation, const void *bytes, size_t size, Error *reterr) {
        Peers *peers = invitation->peers;
        JoinedBody body = {};
        int r;

        r = join_body_read(&join_body_joined_shape, bytes, size, JOIN_BODY_ANSWER_MAX, &body, reterr);
        if (r >= 0 && !join_call_is_proved(invitation->question, JOIN_PURPOSE_JOINED, body.proof))
                r = error_set(reterr, ERROR_FORBIDDEN, "it cannot show that it knows the cluster secret");
        if (r >= 0 && peers_would_join(peers))
                r = leave_to_join(
                                peers,
                                body.addresses.n > 0 ? &body.addresses : peers->options.bootstrap,
                                "joining the cluster that it was told to",
                                reterr);
        json_done(&join_body_joined_shape, &body);
        return r;
}

static void on_question_answered(int r, const Error *error, const void *body, size_t size, void *userdata) {
        PeersInvitation *invitation = userdata;
        _cleanup_(error_done) Error mine = {};

        if (r >= 0) {
                r = take_answer(invitation, body, size, &mine);
                error = &mine;
        }
        if (r < 0)
                log_words(invitation, error_message(error));
        invitation->question = join_call_unref(invitation->question);
}

void peers_invitation_on_watch(Peers *peers) {
        PeersInvitation *invitation = peers->invitation;
        const StrList *list = peers->options.bootstrap;
        const char *address;
        bool names_peer;
        PeerId peer;

        if (peers_check_running(peers, NULL) < 0 || invitation->question || !peers_would_join(peers))
                return;
        address = list->items[invitation->turn++ % list->n];
        names_peer = multiaddr_peer_id(address, &peer) > 0;
        if (names_peer && peer_id_equal(&peer, &peers->self))
                return;
        (void) join_call_new(
                        &invitation->question,
                        peers->rpc,
                        &(JoinCallOptions){
                                        .secret = peers->options.secret,
                                        .method = JOIN_PURPOSE_JOIN,
                                        .peer = names_peer ? &peer : NULL,
                                        .address = address,
                                        .timeout_usec = JOIN_LINK_TIMEOUT,
                                        .write = write_question,
                                        .done = on_question_answered,
                                        .userdata = invitation,
                        });
}

/* ---- life */

int peers_invitation_new(Peers *peers, Error *reterr) {
        peers->invitation = calloc(1, sizeof(*peers->invitation));
        if (!peers->invitation)
                return error_set_errno(reterr, -ENOMEM, "peers: %m");
        peers->invitation->peers = peers;
        return 0;
}

void peers_invitation_stop(Peers *peers) {
        peers->invitation->question = join_call_unref(peers->invitation->question);
}

void peers_invitation_free(Peers *peers) {
        if (!peers->invitation)
                return;
        peers_invitation_stop(peers);
        free(peers->invitation->words);
        free(peers->invitation);
        peers->invitation = NULL;
}
