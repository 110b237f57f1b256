#pragma once

/*
 * Cluster: one peer of the cluster as everything outside sees it. REST, proxy, D-Bus are translators: they
 * parse, call cluster_*(), and format the answer by the JSON tables of daemon/types. This is the only folder
 * that knows all components.
 *
 * An asynchronous question is a ClusterCall, a slot: dropping it silences its handler (a pin that was
 * submitted is still carried out). Handlers come from the loop, once, and may unref their own call; what
 * they are given is borrowed. Lists are pulled: ClusterList.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/base/list.h"
#include "daemon/config/config.h"
#include "daemon/config/identity.h"
#include "daemon/types/connect-graph.h"
#include "daemon/types/error.h"
#include "daemon/types/metric.h"
#include "daemon/types/peer-info.h"
#include "daemon/types/pin-info.h"
#include "daemon/types/pin.h"
#include "daemon/types/repo-gc.h"

#define CLUSTER_CALLS_MAX 4096 /* under way; ERROR_BUSY beyond */
#define CLUSTER_ASKING_MAX 768 /* of those that wait for Kubo: it has room for what the tracker wants */
#define CLUSTER_LISTS_MAX 60   /* leaves scans of the pinset to snapshots, checks and expiry */
#define CLUSTER_GCS_MAX 4      /* garbage collections under way */
#define CLUSTER_CIDS_MAX 4096  /* in the `cids` of one status question */

typedef struct Cluster Cluster;
typedef struct ClusterCall ClusterCall;
typedef struct ClusterList ClusterList;

struct Joined; /* daemon/join/request.h */

typedef struct ClusterOptions {
        const Config *config;           /* must outlive the cluster */
        const ConfigIdentity *identity; /* the same */
        const char *state_folder;
        const int *peer_fds; /* listening for other peers; taken, also on failure */
        size_t n_peer_fds;
        const struct Joined *joined; /* of a first start: this peer was taken in there; NULL: it founds */
        bool is_alone;               /* what it founds is its own, whoever init_peerset names */
        const StrList *bootstrap;    /* whom to join while it is alone and without pins; must outlive */
        void (*serving)(void *userdata); /* the peer serves, with Kubo or without; may be NULL, as changed */
        void (*ready)(void *userdata);   /* that, and Kubo has answered once */
        void (*changed)(void *userdata); /* cluster_summary() may tell something else; often */
        void (*failed)(int exit_status, void *userdata); /* the process has to end; words are logged */
        /* As in PeersEvents (daemon/peers/peers.h): the process has to end in order. */
        void (*leave)(int exit_status, const char *words, void *userdata);
        void *userdata;
} ClusterOptions;

int cluster_new(Cluster **ret, sd_event *event, const ClusterOptions *options, Error *reterr);
/* The first half of an orderly end: what is under way and not in the log already ends with ERROR_CANCELED,
 * which is told from the loop; so does all that is asked from now on. */
void cluster_stop(Cluster *cluster);
/* The second: stores are closed clean. Blocks shortly. Calls, lists and imports must have been dropped. */
int cluster_close(Cluster *cluster);
Cluster *cluster_free(Cluster *cluster); /* the same holds */
DEFINE_CLEANUP(Cluster *, cluster_free);

const PeerId *cluster_self(const Cluster *cluster);
const char *cluster_peername(const Cluster *cluster);
bool cluster_peer_is_up(const Cluster *cluster, const PeerId *peer); /* linked, or this one itself */

/* What is known without asking anybody. */
typedef struct ClusterSummary {
        bool is_ready;   /* it serves, and Kubo has answered once */
        bool is_serving; /* there was a leader once, and what was committed is applied */
        bool is_leader;
        bool is_complete; /* n_queued and n_errors are: the pins were compared with Kubo's */
        bool ipfs_is_reachable;
        PeerId leader; /* not set: none */
        size_t n_peers;
        uint64_t n_pins, applied_index;
        uint64_t n_queued; /* pins and unpins that wait or are under way here */
        uint64_t n_errors; /* those that failed, and wait for another attempt */
} ClusterSummary;
void cluster_summary(const Cluster *cluster, ClusterSummary *ret);

/* News for who watches. From the loop, never from inside a call; what is given is borrowed. A watch may end
 * in its own handler, no other. Handlers may be NULL. */
typedef struct ClusterEvents {
        void (*changed)(void *userdata);                              /* as in ClusterOptions */
        void (*leader_changed)(const PeerId *leader, void *userdata); /* not set: none */
        void (*alert_raised)(const Alert *alert, void *userdata);
        /* Only while the watch has per_pin set. A start tells the last entries of the log again. INFO has
         * status, error and times. */
        void (*pin_added)(const Pin *pin, void *userdata);
        void (*pin_removed)(const Cid *cid, void *userdata);
        void (*status_changed)(const Cid *cid, const PinInfo *info, void *userdata);
        void (*link_changed)(void *userdata);  /* another peer is reached, or no longer */
        void (*peers_changed)(void *userdata); /* the members, or what is known of them (member.h) */
} ClusterEvents;

typedef struct ClusterWatch {
        List link;
        const ClusterEvents *events;
        void *userdata;
        bool per_pin; /* may be changed at any time */
} ClusterWatch;

/* WATCH must be ended before the cluster is. */
void cluster_watch(Cluster *cluster, ClusterWatch *watch);
void cluster_unwatch(ClusterWatch *watch); /* may be called again */

ClusterCall *cluster_call_unref(ClusterCall *call);
DEFINE_CLEANUP(ClusterCall *, cluster_call_unref);

typedef void (*ClusterPinDone)(ClusterCall *call, int r, const Error *error, const Pin *pin, void *userdata);
typedef void (*ClusterStatusDone)(
                ClusterCall *call, int r, const Error *error, const GlobalPinInfo *info, void *userdata);
typedef void (*ClusterPeerDone)(
                ClusterCall *call, int r, const Error *error, const PeerInfo *peer, void *userdata);
typedef void (*ClusterGraphDone)(
                ClusterCall *call, int r, const Error *error, const ConnectGraph *graph, void *userdata);
typedef void (*ClusterGcDone)(
                ClusterCall *call, int r, const Error *error, const GlobalRepoGc *gc, void *userdata);

/* Pin what PIN says: fill in the factors, check, allocate, commit. PIN is copied: cid, options
 * (pin_options_read()). With a PATH ("/ipfs/Qm…/a", "/ipns/…") its cid is what that resolves to. With
 * pin_update set, the item is a copy of that pin. DONE's pin is what was committed, with user_allocations
 * echoed. The answer means "committed", never "content is there". */
int cluster_pin(Cluster *cluster,
                ClusterCall **ret,
                const Pin *pin,
                const char *path,
                ClusterPinDone done,
                void *userdata);
/* CID undefined: PATH is resolved. DONE's pin is the one that was removed. ERROR_NOT_FOUND: "pin is not part
 * of the pinset". */
int cluster_unpin(
                Cluster *cluster,
                ClusterCall **ret,
                const Cid *cid,
                const char *path,
                ClusterPinDone done,
                void *userdata);

/* The pin as it is in the pinset. Answers 1, or 0 when it is not there. */
int cluster_pin_get(Cluster *cluster, const Cid *cid, Pin *ret);

/* LOCAL: this peer only. */
int cluster_status(
                Cluster *cluster,
                ClusterCall **ret,
                const Cid *cid,
                bool local,
                ClusterStatusDone done,
                void *userdata);
/* Kubo is asked. */
int cluster_sync(
                Cluster *cluster, ClusterCall **ret, const Cid *cid, ClusterStatusDone done, void *userdata);
int cluster_recover(
                Cluster *cluster,
                ClusterCall **ret,
                const Cid *cid,
                bool local,
                ClusterStatusDone done,
                void *userdata);

int cluster_id(Cluster *cluster, ClusterCall **ret, ClusterPeerDone done, void *userdata);
int cluster_graph(Cluster *cluster, ClusterCall **ret, ClusterGraphDone done, void *userdata);
int cluster_collect_garbage(
                Cluster *cluster, ClusterCall **ret, bool local, ClusterGcDone done, void *userdata);

/* POST /peers and DELETE /peers/{id}: peers_add() and peers_remove() (daemon/peers/peers.h), whose errors
 * DONE has. Of PEER and MULTIADDR either may be NULL. The peer of an addition is told as it is known here,
 * that of a removal by its ID. Adding this peer itself answers cluster_id(). Removing a peer that is none is
 * no error (tests/golden/rest, 238), the last one is. */
int cluster_peer_add(
                Cluster *cluster,
                ClusterCall **ret,
                const PeerId *peer,
                const char *multiaddr,
                ClusterPeerDone done,
                void *userdata);
int cluster_peer_remove(
                Cluster *cluster,
                ClusterCall **ret,
                const PeerId *peer,
                ClusterPeerDone done,
                void *userdata);

/* Names and usable metrics; borrowed until the loop goes on. *RET of metrics is freed by the caller, not its
 * elements. */
int cluster_metric_names(Cluster *cluster, StrList *ret);
int cluster_metrics(Cluster *cluster, const char *name, const Metric ***ret, size_t *ret_n);
size_t cluster_alerts(Cluster *cluster, const Alert **ret); /* newest first */

/* A list is pulled item by item and costs constant memory, whatever its length. Items are structs of the
 * list's shape. */
#define CLUSTER_LIST_WAIT 2

ClusterList *cluster_list_free(ClusterList *list);
DEFINE_CLEANUP(ClusterList *, cluster_list_free);
const JsonShape *cluster_list_shape(const ClusterList *list);
/* Answers 1 and an item, borrowed until the next call; 0 at the end; CLUSTER_LIST_WAIT when there is none
 * yet: WAKE comes from the loop. Errors: with words. */
int cluster_list_next(ClusterList *list, const void **ret, Error *reterr);
void cluster_list_on_wake(ClusterList *list, void (*wake)(void *userdata), void *userdata);

typedef struct ClusterStatusQuery {
        bool local;
        PinStatus filter; /* 0: all */
        const Cid *cids;  /* copied; when there are any, the filter does not count */
        size_t n_cids;
        bool (*wants)(const Pin *pin, void *userdata); /* of the pinset alone; NULL: each, and what is not */
        void *userdata;
} ClusterStatusQuery;

int cluster_list_peers(Cluster *cluster, ClusterList **ret, Error *reterr);                /* PeerInfo */
int cluster_list_pins(Cluster *cluster, ClusterList **ret, PinType filter, Error *reterr); /* Pin */
int cluster_list_statuses(
                Cluster *cluster,
                ClusterList **ret,
                const ClusterStatusQuery *query,
                Error *reterr); /* GlobalPinInfo */
/* GlobalPinInfo of what was queued again; of what changed or is in error */
int cluster_list_recover(Cluster *cluster, ClusterList **ret, bool local, Error *reterr);
int cluster_list_sync(Cluster *cluster, ClusterList **ret, Error *reterr);
