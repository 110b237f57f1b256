#pragma once

/* Cluster inside: the object, and what its files ask of each other. */

#include "daemon/allocator/allocator.h"
#include "daemon/base/flow.h"
#include "daemon/base/list.h"
#include "daemon/cluster/cluster.h"
#include "daemon/cluster/parties.h"
#include "daemon/cluster/repo.h"
#include "daemon/cluster/request.h"
#include "daemon/consensus/consensus.h"
#include "daemon/ipfs/ipfs.h"
#include "daemon/metrics/informer.h"
#include "daemon/metrics/monitor.h"
#include "daemon/metrics/swarm.h"
#include "daemon/peers/peers.h"
#include "daemon/tracker/tracker.h"

#define CLUSTER_REQUEST_TIMEOUT                                                                             \
        (15 * USEC_PER_SEC) /* of a question to Kubo on behalf of a caller, beyond Kubo's own */
#define CLUSTER_COMMIT_TIMEOUT (60 * USEC_PER_SEC)
#define CLUSTER_GC_KEYS_MAX 100000 /* listed of one garbage collection */
#define CLUSTER_CHECK_INTERVAL (6 * 3600 * USEC_PER_SEC)

#define CLUSTER_IS_STOPPING "the peer is being stopped"
#define CLUSTER_IS_FOLLOWER "this peer is configured to be in follower mode. Write operations are disabled"

typedef struct ClusterExpiry {
        uint64_t earliest;      /* no pin expires before; 0: not known */
        uint64_t next;          /* the same, as far as the scan under way has come */
        sd_event_source *timer; /* state_sync_interval */
        sd_event_source *slice;
        StateScan *scan;
        bool again; /* something is due that could not be unpinned in this round */
} ClusterExpiry;

typedef struct ClusterRepin ClusterRepin;

struct Cluster {
        sd_event *event;
        const Config *config;
        const ConfigIdentity *identity;
        ClusterOptions options;

        HttpClient *http, *work; /* to Kubo: for questions, and for the tracker's work */
        Ipfs *ipfs;
        Peers *peers;
        StrList addresses; /* of this peer, announced */
        StrList known;     /* of others, by the configuration and by who took this peer in */
        char *peerstore;
        Consensus *consensus;
        Tracker *tracker;
        MetricsMonitor *monitor;
        MetricsInformer *informer;
        MetricsSwarm *swarm;
        ClusterExpiry expiry;
        ClusterRepin *repin;

        bool consensus_ready, is_ready, is_closing;
        uint64_t n_changes;    /* since the informers were triggered */
        uint64_t last_request; /* made here: when */

        List calls;
        FlowQueue flows; /* of the calls */
        size_t n_calls, n_asking, n_gcs;
        List lists;
        size_t n_lists;
        List imports;
        size_t n_imports;
        List adds;
        size_t n_adds;
        List watches;
        /* CLUSTER_GATHER_TIMEOUT and _LINK_TIMEOUT, so that tests need not wait for them. */
        uint64_t gather_usec, gather_link_usec;
        List served; /* questions of other peers */
        size_t n_served, n_served_open;
};

/* One question. Each kind is a flow (its file has the table); what is under way is a slot in here. */
struct ClusterCall {
        Flow flow;
        List link;
        Cluster *cluster;

        Cid cid;
        char *path; /* to resolve, or NULL */
        Pin pin;
        PinRequestId request, replaces;
        bool local;
        bool is_gc, is_asking;

        IpfsCall *ipfs;
        PeersSubmit *submit;
        TrackerCall *tracker;
        PeersChange *change;
        ClusterParties members; /* who are asked, too */
        unsigned n_pending;     /* parts of the answer: this peer's, and theirs */

        Error error;
        GlobalPinInfo info;
        PeerInfo peer;
        ConnectGraph graph;
        GlobalRepoGc gc;
        ClusterRepo repo;
        size_t n_gc_keys, n_gc_keys_max;
        int result; /* of what was gathered so far */

        union {
                ClusterPinDone pin;
                ClusterRequestDone request;
                ClusterStatusDone status;
                ClusterPeerDone peer;
                ClusterGraphDone graph;
                ClusterGcDone gc;
                ClusterRepoDone repo;
        } done;
        void *userdata;
};

#define CLUSTER_CALL(flow_) CONTAINER_OF(flow_, ClusterCall, flow)

/* call.c. A new call in the list of CLUSTER; cluster_call_start() starts its flow and hands it out, or frees
 * it. Errors: -EBUSY. */
int cluster_call_new(ClusterCall **ret, Cluster *cluster, void *userdata);
int cluster_call_start(ClusterCall *call, const FlowClass *class, uint64_t timeout_usec, ClusterCall **ret);
void cluster_call_stop(ClusterCall *call);
/* The end of a flow: words for a result that has none yet. */
void cluster_call_settle_error(ClusterCall *call, int result);
/* Take the words of a component's answer and go on. */
void cluster_call_next(ClusterCall *call, int r, const Error *error, int next);
/* One part of the answer is there, or R is negative: the last one ends the flow. */
void cluster_call_part_done(ClusterCall *call, int r, const Error *error);
/* Before the pinset is changed. Errors: ERROR_REFUSED (follower mode), with words in the call. */
int cluster_call_may_write(ClusterCall *call);
/* As cluster_call_start(), but R, negative, of what is wrong from the start is told from the loop, like all
 * else. */
int cluster_call_start_checked(
                ClusterCall *call, const FlowClass *class, uint64_t timeout_usec, int r, ClusterCall **ret);
/* Before Kubo is asked. Errors: ERROR_BUSY, with words in the call. */
int cluster_call_may_ask(ClusterCall *call);
/* Resolve call->path into call->cid by Kubo, then go to NEXT. */
int cluster_call_resolve(ClusterCall *call, IpfsCidDone done);
int cluster_call_commit(
                ClusterCall *call, ConsensusOpKind kind, const void *body, size_t size, PeersDone done);

uint64_t cluster_call_ask_timeout(const Cluster *cluster); /* of a question to all Kubos */
/* Ask the other members, unless only this one is asked; then there is one part of the answer more. */
int cluster_call_ask_others(ClusterCall *call, const ClusterAsk *ask);

/* status-op.c: fill INFO (zeroed) with what the pinset says: of PIN, whose members are moved, or that CID is
 * not in it. */
void cluster_status_head_take(Pin *pin, GlobalPinInfo *info);
void cluster_status_head_unknown(const Cid *cid, bool local, GlobalPinInfo *info);

/* reload.c: fill in what CONFIG says and may change while the peer runs (CONFIG_LIVE). Texts are borrowed.
 */
void cluster_live_ipfs(const Config *config, IpfsOptions *options);
void cluster_live_tracker(const Config *config, TrackerOptions *options);

/* cluster.c: as the configuration is now; not started. */
int cluster_new_informer(Cluster *cluster, MetricsInformer **ret);

/* graph-op.c, repo-op.c, peer-op.c: the part of this peer. */
int cluster_graph_local(Cluster *cluster, ClusterCall **ret, ClusterGraphDone done, void *userdata);
int cluster_gc_local(
                Cluster *cluster, ClusterCall **ret, size_t n_keys_max, ClusterGcDone done, void *userdata);
int cluster_peer_info(Cluster *cluster, const IpfsId *ipfs, const char *ipfs_error, PeerInfo *ret);

/* list.c: CID's status has changed. */
void cluster_list_note(Cluster *cluster, const Cid *cid);
void cluster_list_stop_all(Cluster *cluster);
/* pin-op.c: fill in the factors of PIN and check it; whether it may take the place of EXISTING; find out its
 * allocations. */
int cluster_pin_complete(const Cluster *cluster, Pin *pin, Error *reterr);
int cluster_pin_check_existing(const Pin *pin, const Pin *existing, Error *reterr);
/* Of WHAT the lists and the factors; by all metrics that there are. */
int cluster_allocate(Cluster *cluster, const AllocatorInput *what, PeerIdList *ret, Error *reterr);
int cluster_pin_allocate(Cluster *cluster, Pin *pin, const Pin *existing, Error *reterr);

/* add.c */
void cluster_add_stop_all(Cluster *cluster);
/* import.c */
void cluster_import_stop_all(Cluster *cluster);

/* watch.c */
void cluster_tell_changed(Cluster *cluster);
void cluster_tell_leader(Cluster *cluster, const PeerId *leader);
void cluster_tell_link(Cluster *cluster);
void cluster_tell_peers(Cluster *cluster);
void cluster_tell_alert(Cluster *cluster, const Alert *alert);
void cluster_tell_pin_added(Cluster *cluster, const Pin *pin);
void cluster_tell_pin_removed(Cluster *cluster, const Cid *cid);
void cluster_tell_status(Cluster *cluster, const Cid *cid);

/* repin.c: from the time on at which the peer serves. */
int cluster_repin_new(ClusterRepin **ret, Cluster *cluster);
ClusterRepin *cluster_repin_free(ClusterRepin *repin);
DEFINE_CLEANUP(ClusterRepin *, cluster_repin_free);
void cluster_repin_soon(ClusterRepin *repin); /* members or the leader have changed; NULL-safe */

/* expiry.c */
int cluster_expiry_start(Cluster *cluster);
void cluster_expiry_stop(Cluster *cluster);
void cluster_expiry_reload(Cluster *cluster); /* the interval is another one */
void cluster_expiry_applied(Cluster *cluster, const Pin *pin);
