#include <inttypes.h>
#include <string.h>

#include "daemon/base/le.h"
#include "daemon/base/log.h"
#include "daemon/peers/internal.h"

/* ---- out */

/* One that joins knows no members yet, and answers whoever spoke to it. */
static const PeerId *find_peer(const Peers *peers, uint64_t raft_id) {
        const ConsensusMember *member;
        MapIterator i = {};
        void *value;

        member = consensus_members_find(consensus_member_table(peers->consensus), raft_id);
        if (member)
                return &member->peer;
        while (map_next(peers->book, &i, NULL, NULL, &value)) {
                const PeersEntry *entry = value;

                if (entry->raft_id == raft_id)
                        return &entry->id;
        }
        return NULL;
}

static int append_ids(const Peers *peers, const ConsensusStatus *status, uint64_t receiver, Str *to) {
        uint8_t ids[PEERS_NOTE_RAFT_HEAD - PEERS_NOTE_RAFT_FROM] = {};
        const uint8_t *known = peers_disks_find(peers, receiver);

        le_put64(ids, status->raft_id);
        le_put64(ids + PEERS_NOTE_RAFT_TO - PEERS_NOTE_RAFT_FROM, receiver);
        memcpy(ids + PEERS_NOTE_RAFT_DISK - PEERS_NOTE_RAFT_FROM, status->disk_id, CONSENSUS_DISK_ID_SIZE);
        if (known)
                memcpy(ids + PEERS_NOTE_RAFT_KNOWN - PEERS_NOTE_RAFT_FROM, known, CONSENSUS_DISK_ID_SIZE);
        return str_append_bytes(to, ids, sizeof(ids));
}

/* What cannot be sent is lost, as Raft allows: a link is being dialled, or the peer does not keep up. */
void peers_send(Peers *peers, const ConsensusMessage *message) {
        _cleanup_(str_done) Str note = {};
        ConsensusStatus status;
        const PeerId *to;
        int r;

        if (!peers->consensus || !(to = find_peer(peers, message->peer)))
                return;

        consensus_status(peers->consensus, &status);
        r = peers_note_begin(&note, PEERS_NOTE_RAFT, status.cluster_id);
        if (r >= 0)
                r = append_ids(peers, &status, message->peer, &note);
        if (r >= 0)
                r = consensus_message_encode(message, &note);
        if (r >= 0)
                r = rpc_note(peers->rpc, to, note.data, note.len);
        if (r < 0 && r != -ENOTCONN)
                log_debug_errno(r, "Raft message not sent: %m");
}

/* ---- in */

/* A Raft id belongs to one peer for ever: one that was removed and came back has another. */
static bool may_send(Peers *peers, const PeerId *from, uint64_t raft_id) {
        const ConsensusMember *member = consensus_members_find(
                        consensus_member_table(peers->consensus), raft_id);
        PeersEntry *entry;

        if (member && !peer_id_equal(&member->peer, from))
                return false;
        if (peers_book_get(peers, from, &entry) < 0)
                return false;
        if (entry->raft_id != raft_id) {
                entry->raft_id = raft_id;
                peers_manager_go_on(peers); /* it may vote now */
        }
        return true;
}

/* It was meant for what this peer has lost. Nothing is answered: that would count. */
static bool is_for_another(const uint8_t *known, const ConsensusStatus *status) {
        static const uint8_t none[CONSENSUS_DISK_ID_SIZE];

        return memcmp(known, none, sizeof(none)) != 0 &&
               memcmp(known, status->disk_id, CONSENSUS_DISK_ID_SIZE) != 0;
}

static void take(Peers *peers, const PeerId *from, ConsensusMessage *message) {
        if (message->type == CONSENSUS_MESSAGE_INSTALL) { /* when its snapshot is here */
                peers_fetch_begin(peers, from, message);
                return;
        }
        consensus_receive(peers->consensus, message);
        consensus_message_done(message);
}

void peers_transport_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size) {
        const uint8_t *head = bytes;
        ConsensusMessage message = {};
        ConsensusStatus status;
        uint64_t sender;
        int r;

        if (size < PEERS_NOTE_RAFT_HEAD) {
                peers_refuse(peers, from, "a Raft message that is too short");
                return;
        }
        consensus_status(peers->consensus, &status);
        sender = le_get64(head + PEERS_NOTE_RAFT_FROM);
        if (le_get64(head + PEERS_NOTE_RAFT_TO) !=
            status.raft_id) /* for what this peer was before it was added again */
                return;
        if (!may_send(peers, from, sender)) {
                peers_refuse(peers, from, "a Raft message with another peer's Raft id");
                return;
        }

        if (!peers_disks_check(peers, from, sender, head + PEERS_NOTE_RAFT_DISK))
                return;
        if (is_for_another(head + PEERS_NOTE_RAFT_KNOWN, &status)) {
                peers_join_anew(peers, from);
                return;
        }

        r = consensus_message_decode(
                        (const uint8_t *) bytes + PEERS_NOTE_RAFT_HEAD,
                        size - PEERS_NOTE_RAFT_HEAD,
                        &message);
        if (r != 0) {
                peers_refuse(peers,
                             from,
                             r > 0 ? "a Raft message of a newer release"
                                   : "a Raft message that cannot be read");
                return;
        }
        message.peer = sender;
        take(peers, from, &message);
}
