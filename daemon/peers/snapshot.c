#include "daemon/peers/internal.h"

static Transfer *transfer_of(Peers *peers) {
        peers->transfer.event = peers->event;
        peers->transfer.rpc = peers->rpc;
        peers->transfer.consensus = peers->consensus;
        return &peers->transfer;
}

void peers_snapshot_on_request(RpcRequest *request, const void *body, size_t size, void *userdata) {
        transfer_on_request(request, body, size, transfer_of(userdata));
}

void peers_fetch_begin(Peers *peers, const PeerId *from, ConsensusMessage *install) {
        transfer_begin(transfer_of(peers), from, install);
}

int peers_fetch_repair(Peers *peers, const PeerId *from, uint64_t least) {
        return transfer_repair(transfer_of(peers), from, least);
}

void peers_fetch_on_progress(Peers *peers, uint64_t applied_index) {
        transfer_on_progress(transfer_of(peers), applied_index);
}

void peers_fetch_link_changed(Peers *peers, const PeerId *peer, bool up) {
        transfer_link_changed(transfer_of(peers), peer, up);
}

void peers_fetch_stop(Peers *peers) {
        transfer_stop(transfer_of(peers));
}
