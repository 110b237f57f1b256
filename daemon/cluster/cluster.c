#include "daemon/cluster/cluster.h"

#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/cluster/internal.h"
#include "daemon/cluster/remote.h"
#include "daemon/config/addresses.h"
#include "daemon/config/peerstore.h"
#include "daemon/join/request.h"

/* ---- news from the components ---- */

static void cluster_changed(Cluster *cluster) {
        if (cluster->options.changed && !cluster->is_closing)
                cluster->options.changed(cluster->options.userdata);
        cluster_tell_changed(cluster);
}

static void cluster_maybe_ready(Cluster *cluster) {
        if (cluster->is_ready || !cluster->consensus_ready || !ipfs_is_reachable(cluster->ipfs))
                return;
        cluster->is_ready = true;
        cluster_changed(cluster);
        cluster->options.ready(cluster->options.userdata);
}

static void cluster_fail(Cluster *cluster, int exit_status) {
        cluster->options.failed(exit_status, cluster->options.userdata);
}

static void cluster_on_tracker_failed(int r _unused_, void *userdata) {
        cluster_fail(userdata, EX_IOERR);
}

static void cluster_on_reachable(bool reachable, void *userdata) {
        Cluster *cluster = userdata;

        cluster_changed(cluster);
        if (!reachable)
                return;
        if (cluster->tracker)
                tracker_kick(cluster->tracker);
        cluster_maybe_ready(cluster);
}

static void cluster_on_changed(const Cid *cid, void *userdata) {
        cluster_list_note(userdata, cid);
        cluster_tell_status(userdata, cid);
        cluster_changed(userdata);
}

/* ipfs_connector.informer_trigger_interval: so many changes make the informers tell at once. */
static void cluster_count_change(Cluster *cluster) {
        uint64_t every = (uint64_t) cluster->config->ipfs.informer_trigger_interval;

        if (every > 0 && ++cluster->n_changes >= every && cluster->informer) {
                cluster->n_changes = 0;
                metrics_informer_trigger(cluster->informer);
        }
}

static int cluster_apply(Cluster *cluster, const ConsensusOp *op, const Cid *cid) {
        Pin pin = {};
        int r;

        if (op->kind == CONSENSUS_UNPIN) {
                cluster_tell_pin_removed(cluster, cid);
                return tracker_untrack(cluster->tracker, cid);
        }
        if (op->kind != CONSENSUS_PIN)
                return 0;

        r = pin_read(op->body, op->size, &pin);
        if (r < 0)
                return r;
        cluster_expiry_applied(cluster, &pin);
        cluster_tell_pin_added(cluster, &pin);
        r = tracker_track(cluster->tracker, &pin);
        pin_done(&pin);
        return r;
}

static void cluster_on_applied(uint64_t index, const ConsensusOp *op, const Cid *cid, void *userdata) {
        Cluster *cluster = userdata;
        int r;

        if (op->kind == CONSENSUS_TAG) {
                peers_on_applied(cluster->peers, index, op);
                return;
        }
        r = cluster_apply(cluster, op, cid);
        if (r < 0) {
                log_error_errno(r, "Failed to track the operation at index %" PRIu64 ": %m", index);
                cluster_fail(cluster, EX_IOERR);
                return;
        }
        cluster_count_change(cluster);
        cluster_changed(cluster);
}

static void cluster_on_consensus_ready(void *userdata) {
        Cluster *cluster = userdata;
        int r;

        cluster->consensus_ready = true;
        r = tracker_start(cluster->tracker);
        if (r >= 0)
                r = cluster_expiry_start(cluster);
        if (r >= 0)
                r = cluster_repin_new(&cluster->repin, cluster);
        if (r < 0) {
                log_error_errno(r, "Failed to start the tracker: %m");
                cluster_fail(cluster, EXIT_FAILURE);
                return;
        }
        if (cluster->options.serving)
                cluster->options.serving(cluster->options.userdata);
        cluster_maybe_ready(cluster);
}

static void cluster_on_leader(const PeerId *leader, void *userdata) {
        char text[PEER_ID_TEXT_MAX];

        if (peer_id_is_set(leader))
                log_info("The leader is %s.", peer_id_format(leader, text));
        else
                log_warning("There is no leader.");
        peers_on_leader(((Cluster *) userdata)->peers);
        cluster_repin_soon(((Cluster *) userdata)->repin);
        cluster_tell_leader(userdata, leader);
        cluster_changed(userdata);
}

static void cluster_on_progress(uint64_t applied, void *userdata) {
        peers_on_progress(((Cluster *) userdata)->peers, applied);
}

/* One that was away need not wait for the next round. */
static void cluster_tell_metrics(Cluster *cluster, const PeerId *peer) {
        _cleanup_(str_list_done) StrList names = {};
        const Metric *metric;

        if (!cluster->monitor || metrics_monitor_names(cluster->monitor, &names) < 0)
                return;
        for (size_t i = 0; i < names.n; i++) {
                metric = metrics_monitor_get_one(cluster->monitor, names.items[i], cluster_self(cluster));
                if (metric)
                        peers_publish(cluster->peers, metric, peer);
        }
}

static void cluster_on_members(void *userdata) {
        peers_on_members(((Cluster *) userdata)->peers);
        cluster_repin_soon(((Cluster *) userdata)->repin);
        cluster_changed(userdata);
        cluster_tell_metrics(userdata, NULL);
}

static void cluster_on_send(const ConsensusMessage *message, void *userdata) {
        peers_send(((Cluster *) userdata)->peers, message);
}

static void cluster_on_consensus_failed(int exit_status, void *userdata) {
        cluster_fail(userdata, exit_status);
}

static const ConsensusEvents consensus_events = {
        .applied = cluster_on_applied,
        .ready = cluster_on_consensus_ready,
        .leader_changed = cluster_on_leader,
        .progressed = cluster_on_progress,
        .members_changed = cluster_on_members,
        .send = cluster_on_send,
        .failed = cluster_on_consensus_failed,
};

static void cluster_on_metric(const Metric *metric, void *userdata) {
        Cluster *cluster = userdata;
        int r;

        r = metrics_monitor_put(cluster->monitor, metric);
        if (r < 0)
                log_warning_errno(r, "Failed to keep metric '%s', ignoring: %m", metric->name);
}

static void cluster_on_peer_metric(const Metric *metric, void *userdata) {
        Cluster *cluster = userdata;

        cluster_on_metric(metric, cluster);
        if (str_equal(metric->name, "ping"))
                metrics_swarm_hear(cluster->swarm, metric);
}

static void cluster_on_own_metric(const Metric *metric, void *userdata) {
        cluster_on_metric(metric, userdata);
        peers_publish(((Cluster *) userdata)->peers, metric, NULL);
}

static void cluster_on_alert(const Alert *alert, void *userdata) {
        char text[PEER_ID_TEXT_MAX], peer[LOG_FIELD_MAX], metric[LOG_FIELD_MAX];

        (void) peer_id_format(&alert->metric.peer, text);
        log_struct(LOG_WARNING,
                   LOG_FIELDS(MESSAGE_ID_METRIC_EXPIRED,
                              log_field(peer, "CLUSTER_PEER", text),
                              log_field(metric, "CLUSTER_METRIC", alert->metric.name)),
                   "Metric '%s' of peer %s has expired.",
                   alert->metric.name,
                   text);
        cluster_tell_alert(userdata, alert);
}

static int cluster_say_digest(Str *to, const char *before, const uint8_t *digest) {
        (void) str_append(to, before);
        for (size_t i = 0; i < STATE_DIGEST_SIZE; i++)
                (void) str_appendf(to, "%02x", digest[i]);
        return str_error(to);
}

/* Logged already. */
static void cluster_on_diverged(
                const PeerId *peer,
                uint64_t index,
                const uint8_t *ours,
                const uint8_t *theirs,
                void *userdata) {
        Metric metric = { .name = (char *) "pinset", .peer = *peer };
        _cleanup_(str_done) Str value = {};
        Cluster *cluster = userdata;
        const Alert *alert;

        (void) str_appendf(&value, "entry %" PRIu64, index);
        (void) cluster_say_digest(&value, ": digest ", theirs);
        if (cluster_say_digest(&value, ", here ", ours) < 0)
                return;
        metric.value = value.data;
        alert = metrics_monitor_raise(cluster->monitor, &metric);
        if (alert)
                cluster_tell_alert(cluster, alert);
}

static uint64_t cluster_count_pins(void *userdata) {
        const Cluster *cluster = userdata;

        return state_pinset_count(consensus_pinset(cluster->consensus));
}

static uint64_t cluster_count_queued(void *userdata) {
        const Cluster *cluster = userdata;
        TrackerCounts counts;

        tracker_counts(cluster->tracker, &counts);
        return counts.queued;
}

/* ---- building ---- */

static int cluster_open_ipfs(Cluster *cluster, Error *reterr) {
        IpfsOptions options = {
                .node_multiaddress = cluster->config->ipfs.node_multiaddress,
                .reachable_changed = cluster_on_reachable,
                .userdata = cluster,
        };
        int r;

        r = http_client_new(&cluster->http, cluster->event);
        if (r >= 0)
                r = http_client_new(&cluster->work, cluster->event);
        if (r < 0)
                return error_set_errno(reterr, r, "HTTP client: %m");
        options.work = cluster->work;
        cluster_live_ipfs(cluster->config, &options);
        return ipfs_new(&cluster->ipfs, cluster->event, cluster->http, &options, reterr);
}

static void cluster_on_peers_changed(void *userdata) {
        cluster_tell_peers(userdata);
        cluster_changed(userdata);
}

static void cluster_on_link(const PeerId *peer, bool up, void *userdata) {
        char text[PEER_ID_TEXT_MAX];

        log_info("Peer %s is %s.", peer_id_format(peer, text), up ? "linked" : "not reachable");
        if (up)
                cluster_tell_metrics(userdata, peer);
        cluster_tell_link(userdata);
        cluster_changed(userdata);
}

static void cluster_on_leave(int exit_status, const char *words, void *userdata) {
        Cluster *cluster = userdata;

        cluster->options.leave(exit_status, words, cluster->options.userdata);
}

/* The first tag that allocations go by. That of a peer that is away is remembered. */
static const char *cluster_domain(const PeerId *member, void *userdata) {
        Cluster *cluster = userdata;
        const StrList *by = &cluster->config->allocate_by;

        for (size_t i = 0; i < by->n; i++)
                if (strncmp(by->items[i], "tag:", 4) == 0) {
                        const Metric *tag = metrics_monitor_get_last(cluster->monitor, by->items[i], member);

                        return tag ? tag->value : NULL;
                }
        return NULL;
}

static const PeersEvents peers_events = {
        .metric = cluster_on_peer_metric,
        .changed = cluster_on_peers_changed,
        .link_changed = cluster_on_link,
        .leave = cluster_on_leave,
        .diverged = cluster_on_diverged,
};

/* What those who took this peer in said comes last, and counts. */
static int cluster_list_known(const Cluster *cluster, StrList *ret) {
        const Joined *joined = cluster->options.joined;
        int r = str_list_copy(ret, &cluster->config->cluster.peer_addresses);

        for (size_t i = 0; r >= 0 && joined && i < joined->addresses.n; i++)
                r = str_list_append(ret, joined->addresses.items[i]);
        return r;
}

/* Whom a peer belongs to that has just joined is on disk before it has a log that says that it does: a crash
 * must not leave it alone with that. */
static void cluster_keep_known(const Cluster *cluster) {
        _cleanup_(error_done) Error error = {};

        if (cluster->options.joined &&
            config_peerstore_write(cluster->peerstore, &cluster->known, &error) < 0)
                log_warning("Failed to write down the peers' addresses, ignoring: %s",
                            error_message(&error));
}

static int cluster_open_peers(Cluster *cluster, Error *reterr) {
        const Config *config = cluster->config;
        int r;

        r = config_addresses(&config->cluster, cluster_self(cluster), &cluster->addresses);
        if (r >= 0)
                r = cluster_list_known(cluster, &cluster->known);
        if (r >= 0)
                r = config_peerstore_path(config, &cluster->peerstore);
        if (r < 0) {
                for (size_t i = 0; i < cluster->options.n_peer_fds; i++)
                        (void) close(cluster->options.peer_fds[i]);
                return error_set_errno(reterr, r, "peers: %m");
        }
        cluster_keep_known(cluster);
        return peers_new(
                        &cluster->peers,
                        cluster->event,
                        &(PeersOptions){
                                        .state_folder = cluster->options.state_folder,
                                        .private_key = cluster->identity->private_key,
                                        .secret = config->cluster.secret,
                                        .peername = config->cluster.peername,
                                        .peerstore = cluster->peerstore,
                                        .known = &cluster->known,
                                        .fds = cluster->options.peer_fds,
                                        .n_fds = cluster->options.n_peer_fds,
                                        .addresses = &cluster->addresses,
                                        .bootstrap = cluster->options.bootstrap,
                                        .dial_timeout_usec = (uint64_t) config->cluster.dial_peer_timeout,
                                        .wait_for_leader_usec = (uint64_t) config->raft
                                                                                .wait_for_leader_timeout,
                                        .network_timeout_usec = (uint64_t) config->raft.network_timeout,
                                        .watch_usec = (uint64_t) config->cluster.peer_watch_interval,
                                        .methods = cluster_remote_methods,
                                        .methods_userdata = cluster,
                                        .domain = cluster_domain,
                                        .events = &peers_events,
                                        .userdata = cluster,
                        },
                        reterr);
}

static int cluster_open_consensus_with(Cluster *cluster, const PeerIdList *members, Error *reterr) {
        const Joined *joined = cluster->options.joined;
        const ConfigRaft *config = &cluster->config->raft;

        return consensus_open(
                        &cluster->consensus,
                        cluster->event,
                        &(ConsensusOptions){
                                        .state_folder = cluster->options.state_folder,
                                        .raft_folder = str_is_empty(config->data_folder)
                                                                       ? NULL
                                                                       : config->data_folder,
                                        .self = cluster->identity->id,
                                        .members = members,
                                        .join = joined ? joined->cluster_id : NULL,
                                        .join_raft_id = joined ? joined->raft_id : 0,
                                        .heartbeat_timeout_usec = (uint64_t) config->heartbeat_timeout,
                                        .election_timeout_usec = (uint64_t) config->election_timeout,
                                        .snapshot_interval_usec = (uint64_t) config->snapshot_interval,
                                        .snapshot_threshold = (uint64_t) config->snapshot_threshold,
                                        .trailing_logs = (uint64_t) config->trailing_logs,
                                        .events = &consensus_events,
                                        .userdata = cluster,
                        },
                        reterr);
}

static int cluster_open_consensus(Cluster *cluster, Error *reterr) {
        PeerIdList members = {};
        int r;

        if (cluster->options.is_alone)
                r = peer_id_list_append(&members, cluster_self(cluster));
        else
                r = config_founders(&cluster->config->raft, cluster_self(cluster), &members);
        if (r < 0)
                (void) error_set_errno(reterr, r, "consensus.raft.init_peerset: %m");
        else
                r = cluster_open_consensus_with(cluster, &members, reterr);
        peer_id_list_done(&members);
        return r < 0 ? r : peers_attach(cluster->peers, cluster->consensus, reterr);
}

static int cluster_open_tracker(Cluster *cluster, Error *reterr) {
        TrackerOptions options = {
                .state_folder = cluster->options.state_folder,
                .self = cluster->identity->id,
                .peername = cluster->config->cluster.peername,
                .ipfs = cluster->ipfs,
                .pinset = consensus_pinset(cluster->consensus),
                .check_interval_usec = CLUSTER_CHECK_INTERVAL,
                .changed = cluster_on_changed,
                .failed = cluster_on_tracker_failed,
                .userdata = cluster,
        };

        cluster_live_tracker(cluster->config, &options);
        return tracker_new(&cluster->tracker, cluster->event, &options, reterr);
}

static uint64_t ttl_if(bool enabled, int64_t ttl) {
        return enabled ? (uint64_t) ttl : 0;
}

int cluster_new_informer(Cluster *cluster, MetricsInformer **ret) {
        const ConfigInformers *config = &cluster->config->informers;

        return metrics_informer_new(
                        ret,
                        cluster->event,
                        &(MetricsInformerOptions){
                                        .self = cluster->identity->id,
                                        .peername = cluster->config->cluster.peername,
                                        .ipfs = cluster->ipfs,
                                        .ping_interval_usec = (uint64_t) cluster->config->cluster
                                                                              .monitor_ping_interval,
                                        .disk_ttl_usec = ttl_if(
                                                        config->disk_enabled, config->disk_metric_ttl),
                                        .disk_reposize = config->disk_reposize,
                                        .pinqueue_ttl_usec = ttl_if(
                                                        config->pinqueue_enabled,
                                                        config->pinqueue_metric_ttl),
                                        .pinqueue_bucket_size = config->pinqueue_weight_bucket_size,
                                        .tags_ttl_usec = ttl_if(
                                                        config->tags_enabled, config->tags_metric_ttl),
                                        .tags = &config->tags,
                                        .numpin_ttl_usec = ttl_if(
                                                        config->numpin_enabled, config->numpin_metric_ttl),
                                        .count_pins = cluster_count_pins,
                                        .count_queued = cluster_count_queued,
                                        .publish = cluster_on_own_metric,
                                        .userdata = cluster,
                        });
}

static int cluster_open_metrics(Cluster *cluster, Error *reterr) {
        int r;

        r = metrics_monitor_new(
                        &cluster->monitor,
                        cluster->event,
                        (uint64_t) cluster->config->monitor_check_interval,
                        cluster_on_alert,
                        cluster);
        if (r >= 0)
                r = metrics_swarm_new(
                                &cluster->swarm,
                                cluster->event,
                                cluster->ipfs,
                                (uint64_t) cluster->config->ipfs.connect_swarms_delay);
        if (r < 0)
                return error_set_errno(reterr, r, "monitor: %m");

        r = cluster_new_informer(cluster, &cluster->informer);
        if (r >= 0)
                r = metrics_informer_start(cluster->informer);
        return r < 0 ? error_set_errno(reterr, r, "informers: %m") : 0;
}

int cluster_new(Cluster **ret, sd_event *event, const ClusterOptions *options, Error *reterr) {
        _cleanup_(cluster_freep) Cluster *cluster = NULL;
        int r;

        cluster = calloc(1, sizeof(Cluster));
        if (!cluster)
                return error_set_errno(reterr, -ENOMEM, "cluster: %m");

        *cluster = (Cluster){
                .event = sd_event_ref(event),
                .config = options->config,
                .identity = options->identity,
                .options = *options,
                .gather_usec = CLUSTER_GATHER_TIMEOUT,
                .gather_link_usec = CLUSTER_GATHER_LINK_TIMEOUT,
        };
        list_init(&cluster->calls);
        list_init(&cluster->lists);
        list_init(&cluster->imports);
        list_init(&cluster->adds);
        list_init(&cluster->watches);
        list_init(&cluster->served);

        r = flow_queue_init(&cluster->flows, event);
        if (r < 0)
                return error_set_errno(reterr, r, "cluster: %m");
        r = cluster_open_peers(cluster, reterr);
        if (r >= 0)
                r = cluster_open_ipfs(cluster, reterr);
        if (r >= 0)
                r = cluster_open_consensus(cluster, reterr);
        if (r >= 0)
                r = cluster_open_tracker(cluster, reterr);
        if (r >= 0)
                r = cluster_open_metrics(cluster, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(cluster);
        return 0;
}

/* ---- ending ---- */

void cluster_stop(Cluster *cluster) {
        cluster->is_closing = true;
        LIST_FOREACH (call, &cluster->calls, ClusterCall, link)
                cluster_call_stop(call);
        cluster_list_stop_all(cluster);
        cluster_import_stop_all(cluster);
        cluster_add_stop_all(cluster);
        cluster_remote_stop_all(cluster);
        cluster_expiry_stop(cluster);
        cluster->repin = cluster_repin_free(cluster->repin);
}

Cluster *cluster_free(Cluster *cluster) {
        if (!cluster)
                return NULL;

        assert(list_is_empty(&cluster->calls));
        assert(list_is_empty(&cluster->lists));
        assert(list_is_empty(&cluster->imports));
        assert(list_is_empty(&cluster->adds));
        assert(list_is_empty(&cluster->watches));

        cluster_expiry_stop(cluster);
        cluster_repin_free(cluster->repin);
        metrics_informer_free(cluster->informer);
        metrics_swarm_free(cluster->swarm);
        metrics_monitor_free(cluster->monitor);
        tracker_free(cluster->tracker);
        if (cluster->peers)
                peers_detach(cluster->peers);
        consensus_free(cluster->consensus);
        peers_free(cluster->peers);
        str_list_done(&cluster->addresses);
        str_list_done(&cluster->known);
        free(cluster->peerstore);
        ipfs_free(cluster->ipfs);
        http_client_free(cluster->http);
        http_client_free(cluster->work);
        flow_queue_deinit(&cluster->flows);
        sd_event_unref(cluster->event);
        free(cluster);
        return NULL;
}

int cluster_close(Cluster *cluster) {
        int r, k;

        cluster_stop(cluster);
        cluster->informer = metrics_informer_free(cluster->informer);

        /* The consensus applies what is durable while it closes, and the tracker hears of it; so the tracker
         * goes last. */
        tracker_stop(cluster->tracker);
        peers_detach(cluster->peers);
        r = consensus_close(TAKE_PTR(cluster->consensus));
        k = tracker_close(TAKE_PTR(cluster->tracker));
        cluster_free(cluster);
        return r < 0 ? r : k;
}

const PeerId *cluster_self(const Cluster *cluster) {
        return &cluster->identity->id;
}

const char *cluster_peername(const Cluster *cluster) {
        return cluster->config->cluster.peername;
}
