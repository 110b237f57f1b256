#pragma once

/* ClusterList inside: a constant class for each kind of list, one item at a time in the list itself. */

#include "daemon/cluster/internal.h"

#define CLUSTER_CHANGED_MAX 4096 /* changes that one sync list keeps apart from what is in error */

typedef struct ClusterListClass {
        const JsonShape *shape;
        int (*start)(ClusterList *list, Error *reterr); /* may be NULL */
        /* Fill list->item (zeroed): 1, 0 at the end, CLUSTER_LIST_WAIT. */
        int (*next)(ClusterList *list, Error *reterr);
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
        bool has_item;
        PeerInfo peer; /* an answer that waits to be the item */

        void (*wake)(void *userdata);
        void *userdata;
        int result; /* of what was waited for, negative: the list ends with it */
        Error error;

        StateScan *scan;
        TrackerCursor *cursor;
        TrackerCall *tracker;
        IpfsCall *ipfs;
        unsigned stage;    /* each class says what its stages are */
        char *known_error; /* cids: it could not be asked */

        PinType type;
        bool local;
        PinStatus filter;
        Cid *cids; /* asked for, or (sync) changed */
        size_t n_cids, at;
};

/* What was waited for has come. */
void cluster_list_go_on(ClusterList *list, int r, const Error *error);

extern const ClusterListClass cluster_list_pins_class;
extern const ClusterListClass cluster_list_peers_class;
extern const ClusterListClass cluster_list_cids_class;
extern const ClusterListClass cluster_list_statuses_class;
extern const ClusterListClass cluster_list_recover_class;
extern const ClusterListClass cluster_list_sync_class;
