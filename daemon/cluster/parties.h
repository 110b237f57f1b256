#pragma once

/*
 * ClusterParties (call.c): the peers of which a question is asked, this one among them; what is known of
 * each without its answer (its name and its Kubo's ID, as it told them last); and the gather that asks them.
 */

#include "daemon/base/time.h"
#include "daemon/cluster/cluster.h"
#include "daemon/rpc/gather.h"
#include "daemon/tracker/wire.h"

#define CLUSTER_GATHER_TIMEOUT (15 * USEC_PER_SEC) /* of each peer, for each question */
#define CLUSTER_GATHER_LINK_TIMEOUT (1 * USEC_PER_SEC)

typedef struct ClusterParty {
        PeerId id;
        bool is_self;
        PinInfo who;   /* what says which peer it is; nothing else is set */
        bool has_told; /* WHO is of its own answer */
        char *failure; /* why it could not be asked, and is not asked again; NULL: it could */
} ClusterParty;

typedef struct ClusterParties {
        ClusterParty *items; /* sorted by ID */
        size_t n;
        size_t *asked; /* number I of the gather is items[asked[I]] */
        size_t n_asked;
        RpcGather *gather;
} ClusterParties;

/* Whether there is anybody to ask but this peer. */
bool cluster_has_others(const Cluster *cluster);

int cluster_parties_get(Cluster *cluster, ClusterParties *ret);
void cluster_parties_done(ClusterParties *members);

static inline ClusterParty *cluster_parties_asked(ClusterParties *members, size_t i) {
        return &members->items[members->asked[i]];
}

/* Whom the next gather asks: nobody, then each that is added; all others that have not failed. */
void cluster_parties_clear(ClusterParties *members);
void cluster_parties_add(ClusterParties *members, size_t i);
void cluster_parties_add_others(ClusterParties *members);

typedef struct ClusterAsk {
        const char *method;
        const Str *body;       /* NULL: none */
        uint64_t timeout_usec; /* 0: CLUSTER_GATHER_TIMEOUT */
        size_t at_once;
        const RpcGatherHandler *handler;
        void *userdata;
} ClusterAsk;

/* Errors: -ENOMEM. */
int cluster_parties_ask(ClusterParties *members, Cluster *cluster, const ClusterAsk *ask);

int cluster_party_fail(ClusterParty *member, const char *words);
/* Begin to read the answer of MEMBER to a TrackerQuestion. Errors: -ENOMEM; others say that it is none. */
int cluster_party_read(ClusterParty *member, const void *body, size_t size, TrackerWireReader *ret_reader);

/* Fill INFO, whose strings but the error are borrowed from MEMBER: */
/* as it has answered; CREATED is the pin's time; */
int cluster_party_told(
                const ClusterParty *member, const TrackerWireEntry *entry, uint64_t created, PinInfo *info);
/* without an answer: the pin with ALLOCATIONS is not its business, or it could not be asked. */
int cluster_party_untold(
                const ClusterParty *member, const PeerIdList *allocations, bool is_pinned, PinInfo *info);
