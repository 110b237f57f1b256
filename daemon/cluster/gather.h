#pragma once

/*
 * ClusterGathering: a list of statuses of all peers. The CIDs come in chunks from a source: the pinset, the
 * records of each peer's tracker, or a list (gather.c). All peers are asked for a chunk at once, each with
 * its deadline, and its items are told when all have answered (chunk.c). So memory does not grow with the
 * length of the list. A peer that has failed once is not asked again by that list: its items are told as
 * cluster_error.
 */

#include "daemon/cluster/list.h"
#include "daemon/cluster/parties.h"
#include "daemon/tracker/wire.h"

#define CLUSTER_CHUNK_ITEMS_MAX 512
#define CLUSTER_CHUNK_ITEMS_MIN 16
#define CLUSTER_CHUNK_INFOS_MAX 16384 /* items times peers, while that leaves CLUSTER_CHUNK_ITEMS_MIN */
#define CLUSTER_CHUNK_ASK_MAX 64      /* items of which Kubo is asked one by one */
#define CLUSTER_CHUNK_BYTES_MAX (512 * 1024)
#define CLUSTER_NO_ANSWER "the peer has given no proper answer"

struct ClusterGathering {
        ClusterList *list;
        Cluster *cluster;
        ClusterParties members;
        size_t self;
        TrackerVerb verb;
        PinStatus filter;
        unsigned stage;
        unsigned n_pending; /* this peer's part, and the gather */
        bool needs_scan;
        Str body;

        /* the chunk: an item for each CID, and N members' statuses of each; 0: nothing to tell */
        GlobalPinInfo *items; /* without peer_map */
        Cid *cids;
        bool *is_pinned;
        PinInfo *infos;
        size_t n, at, max;
        size_t n_bytes;
        bool is_filling; /* more may come to it: nobody was asked yet */
        PinInfo known;   /* this peer's status of an item */

        /* the records of one member after the other */
        PinStatus wanted;
        bool skips_pinset; /* what is in it was told */
        size_t source;
        bool has_page;
        TrackerPage page;
        size_t page_at;
};

/* Stops asking; the item that was handed out stays. */
void cluster_gathering_stop(ClusterGathering *gathering);
void cluster_gathering_free(ClusterGathering *gathering);
/* Ask those that the members have been told. TIMEOUT_USEC as in ClusterAsk. */
int cluster_gathering_ask(
                ClusterGathering *gathering,
                const char *method,
                uint64_t timeout_usec,
                const RpcGatherHandler *handler);
/* A part of what is waited for is there, or R is negative. Last thing in a handler: may free all. */
void cluster_gathering_part_done(ClusterGathering *gathering, int r, const Error *error);

int cluster_chunk_alloc(ClusterGathering *gathering);
bool cluster_chunk_is_full(const ClusterGathering *gathering);
/* PIN is the pinset's, whose members are moved, or NULL. */
int cluster_chunk_add(ClusterGathering *gathering, const Cid *cid, Pin *pin);
/* CLUSTER_LIST_WAIT; CLUSTER_LIST_SKIP when it is empty. */
int cluster_chunk_ask(ClusterGathering *gathering);
/* The next item: 1, or CLUSTER_LIST_SKIP when there is nothing to tell of it, or when one of the first
 * N_TOLD members has a status in TOLD. */
int cluster_chunk_tell(ClusterGathering *gathering, size_t n_told, PinStatus told);
void cluster_chunk_clear(ClusterGathering *gathering);
