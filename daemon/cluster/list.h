#pragma once

/* ClusterList inside: a constant class for each kind of list, one item at a time in the list itself. */

#include "daemon/cluster/internal.h"

/* Statuses that only items with a record of the tracker can have. */
#define CLUSTER_STATUSES_RECORDED                                                                           \
        (PIN_STATUS_PIN_ERROR | PIN_STATUS_UNPIN_ERROR | PIN_STATUS_PINNING | PIN_STATUS_UNPINNING |        \
         PIN_STATUS_PIN_QUEUED | PIN_STATUS_UNPIN_QUEUED | PIN_STATUS_UNEXPECTEDLY_UNPINNED |               \
         PIN_STATUS_CLUSTER_ERROR)
#define CLUSTER_STATUSES_UNPIN (PIN_STATUS_UNPIN_ERROR | PIN_STATUS_UNPINNING | PIN_STATUS_UNPIN_QUEUED)
#define CLUSTER_STATUSES_AMISS                                                                              \
        (PIN_STATUS_PIN_ERROR | PIN_STATUS_UNPIN_ERROR | PIN_STATUS_UNEXPECTEDLY_UNPINNED)

#define CLUSTER_CHANGED_MAX 4096 /* changes that one sync list keeps apart from what is in error */
#define CLUSTER_LIST_STEPS 512   /* looked at in one go: the loop goes on in between */
#define CLUSTER_LIST_SKIP 3      /* of a class: this step had no item, the next one may */

typedef struct ClusterGathering ClusterGathering;

/* What a list of statuses is about. */
typedef enum ClusterListKind {
        CLUSTER_LIST_STATUSES,
        CLUSTER_LIST_CIDS,
        CLUSTER_LIST_RECOVER,
        CLUSTER_LIST_SYNC,
} ClusterListKind;

typedef struct ClusterListClass {
        const JsonShape *shape;
        int (*start)(ClusterList *list, Error *reterr); /* may be NULL */
        /* One step, which may fill list->item (zeroed): 1, 0 at the end, CLUSTER_LIST_WAIT,
         * CLUSTER_LIST_SKIP. */
        int (*next)(ClusterList *list, Error *reterr);
        void (*drop)(ClusterList *list); /* release list->item */
} ClusterListClass;

struct ClusterList {
        List link;
        Cluster *cluster;
        const ClusterListClass *class;

        union {
                Pin pin;
                GlobalPinInfo status;
                PeerInfo peer;
        } item;
        PinInfo self; /* the only element of a status's peer_map, from item to item */

        void (*wake)(void *userdata);
        void *userdata;
        sd_event_source *turn; /* wakes from the loop */
        int result;            /* of what was waited for, negative: the list ends with it */
        Error error;

        StateScan *scan;
        TrackerCursor *cursor;
        TrackerCall *tracker;
        IpfsCall *ipfs;
        ClusterParties members; /* peers: who they are, what each has answered, */
        PeerInfo *peers;
        size_t self_at;     /* which is this one, */
        unsigned n_pending; /* and the parts of the answer that are not there */

        ClusterListKind kind;
        ClusterGathering *gathering; /* of all peers */
        unsigned stage;              /* each class says what its stages are */
        char *known_error;           /* cids: it could not be asked */
        uint64_t deadline;           /* cids: Kubo is asked until then */

        PinType type;
        bool local;
        PinStatus filter;
        bool (*wants)(const Pin *pin, void *userdata); /* as in ClusterStatusQuery */
        void *wants_userdata;
        Cid *cids; /* asked for, or (sync) changed */
        size_t n_cids, at;
};

/* Whether the list is about PIN; NULL: of a CID that is not in the pinset. */
static inline bool cluster_list_wants(const ClusterList *list, const Pin *pin) {
        return !list->wants || (pin && list->wants(pin, list->wants_userdata));
}

/* What was waited for has come. May free the list. */
void cluster_list_go_on(ClusterList *list, int r, const Error *error);

extern const ClusterListClass cluster_list_pins_class;
extern const ClusterListClass cluster_list_peers_class;
extern const ClusterListClass cluster_list_cids_class;
extern const ClusterListClass cluster_list_gathered_class;
extern const ClusterListClass cluster_list_statuses_class;
extern const ClusterListClass cluster_list_recover_class;
extern const ClusterListClass cluster_list_sync_class;
