#pragma once

/*
 * Transfer: snapshots of the pinset on their way from peer to peer, as files, on a stream of their own.
 *
 *   serve.c    streams a snapshot that this peer has
 *   fetch.c    asks for one, goes on where a lost link has cut it, and hands it over when it is whole
 *   file.c     what has come, on the disk: written, checked, made durable; in a thread
 *   wire.c     request and answer
 *
 * Neither side holds more than some blocks of it in memory, and neither waits for a disk in the loop. What
 * comes is believed when all of it has been checked. A snapshot that is not taken is logged with the peer's
 * ID; nothing else happens.
 *
 * The owner fills in what is borrowed and adds the method to its links:
 * { TRANSFER_METHOD, RPC_MEMBER, transfer_on_request } with the Transfer as userdata.
 */

#include <systemd/sd-event.h>

#include "daemon/consensus/consensus.h"
#include "daemon/consensus/message.h"
#include "daemon/rpc/rpc.h"

#define TRANSFER_METHOD "snapshot"
#define TRANSFER_SERVINGS_MAX 4 /* peers that are sent one at once; ERROR_BUSY beyond, and beyond these: */
#define TRANSFER_REPLACED_MAX 2 /* streams to one peer that have not ended when it asks again */
#define TRANSFER_STREAMS_MAX 8  /* all */

typedef struct TransferFetch TransferFetch;
typedef struct TransferServing TransferServing;

typedef struct Transfer {
        sd_event *event;
        Rpc *rpc;
        Consensus *consensus; /* NULL: there is none yet, or no more */

        TransferServing *servings;
        unsigned n_servings;
        TransferFetch *fetch; /* at most one */
} Transfer;

/* A request came. USERDATA is the Transfer; it must outlive the links. */
void transfer_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);

/* INSTALL came from the member FROM: fetch its snapshot into raft/snapshot.received, check it whole, then
 * consensus_receive(). Takes the content of INSTALL. One at a time: of what comes meanwhile only that of a
 * newer leader counts, and a newer snapshot when this one does not get on; the leader repeats itself. */
void transfer_begin(Transfer *transfer, const PeerId *from, ConsensusMessage *install);

/* Fetch the newest snapshot of FROM, one not older than LEAST, and end in consensus_repair(). It gives way
 * to an INSTALL. Errors: -EBUSY: something is being fetched. */
int transfer_repair(Transfer *transfer, const PeerId *from, uint64_t least);

void transfer_link_changed(Transfer *transfer, const PeerId *peer, bool up); /* resume */
void transfer_on_progress(Transfer *transfer, uint64_t applied_index);
/* Before the consensus is closed, or the links are: waits for the disk. Servings end with their links. */
void transfer_stop(Transfer *transfer);
