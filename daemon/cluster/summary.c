#include <string.h>

#include "daemon/cluster/counters.h"
#include "daemon/cluster/internal.h"
#include "daemon/cluster/member.h"
#include "daemon/consensus/engine.h"

static size_t count_peers(const Cluster *cluster) {
        PeerIdList members = {};
        size_t n;

        if (consensus_members(cluster->consensus, &members) < 0)
                return 0;
        n = members.n;
        peer_id_list_done(&members);
        return n;
}

bool cluster_peer_is_up(const Cluster *cluster, const PeerId *peer) {
        return peers_is_up(cluster->peers, peer);
}

void cluster_summary(const Cluster *cluster, ClusterSummary *ret) {
        ConsensusStatus consensus;
        TrackerCounts counts;

        consensus_status(cluster->consensus, &consensus);
        tracker_counts(cluster->tracker, &counts);
        *ret = (ClusterSummary){
                .is_ready = cluster->is_ready,
                .is_serving = cluster->consensus_ready,
                .is_leader = consensus.is_leader,
                .is_complete = counts.complete,
                .ipfs_is_reachable = ipfs_is_reachable(cluster->ipfs),
                .leader = consensus.leader,
                .n_peers = count_peers(cluster),
                .n_pins = state_pinset_count(consensus_pinset(cluster->consensus)),
                .applied_index = consensus.applied_index,
                .n_queued = counts.queued + counts.pinning + counts.unpin_queued + counts.unpinning,
                .n_errors = counts.pin_error + counts.unpin_error,
        };
}

/* ---- member.h */

int cluster_members(const Cluster *cluster, PeerIdList *ret) {
        return consensus_members(cluster->consensus, ret);
}

const char *cluster_member_name(const Cluster *cluster, const PeerId *peer) {
        return peers_name(cluster->peers, peer);
}

const StrList *cluster_member_addresses(const Cluster *cluster, const PeerId *peer) {
        return peers_addresses(cluster->peers, peer);
}

/* ---- counters.h */

static_assert(CLUSTER_KUBO_COMMANDS_MAX >= IPFS_COUNTERS_MAX, "each command has its place");

static ClusterRole role_of(ConsensusRole role) {
        static const ClusterRole roles[] = {
                [CONSENSUS_STANDBY] = CLUSTER_ROLE_STANDBY,
                [CONSENSUS_VOTER] = CLUSTER_ROLE_VOTER,
                [CONSENSUS_SPARE] = CLUSTER_ROLE_SPARE,
        };

        return (size_t) role < ELEMENTSOF(roles) ? roles[role] : CLUSTER_ROLE_NONE;
}

static int count_members(const Cluster *cluster, ClusterCounters *counters) {
        const ConsensusMembers *table = consensus_member_table(cluster->consensus);

        counters->members = calloc(MAX(table->n, 1U), sizeof(*counters->members));
        if (!counters->members)
                return -ENOMEM;

        for (size_t i = 0; i < table->n; i++) {
                ClusterMember *member = &counters->members[i];

                *member = (ClusterMember){
                        .id = table->items[i].peer,
                        .name = strdup(peers_name(cluster->peers, &table->items[i].peer)),
                        .role = role_of(table->items[i].role),
                        .is_up = peers_is_up(cluster->peers, &table->items[i].peer),
                };
                counters->n_members++;
                if (!member->name)
                        return -ENOMEM;
                if (peer_id_equal(&member->id, &cluster->identity->id))
                        counters->role = member->role;
        }
        return 0;
}

static void count_consensus(const Cluster *cluster, ClusterCounters *counters) {
        const PeersCounters *peers = peers_counters(cluster->peers);
        ConsensusStatus status;

        consensus_status(cluster->consensus, &status);
        counters->term = status.term;
        counters->last_index = status.last_index;
        counters->commit_index = status.commit_index;
        counters->snapshot_index = status.snapshot_index;
        counters->n_pending = peers_n_submits(cluster->peers);
        counters->commits = peers->commits;
        counters->n_commit_failures = peers->n_failures;
}

static void count_kubo(const Cluster *cluster, ClusterCounters *counters) {
        const IpfsCounters *kubo = ipfs_counters(cluster->ipfs);

        for (size_t i = 0; i < kubo->n; i++)
                counters->kubo[counters->n_kubo++] = (ClusterKuboCounter){
                        .command = kubo->items[i].command,
                        .latency = kubo->items[i].latency,
                        .n_failures = kubo->items[i].n_failures,
                };
}

static void count_metrics(const Cluster *cluster, ClusterCounters *counters) {
        const char *name = cluster->config->informers.disk_reposize ? "reposize" : "freespace";
        const Metric *disk = metrics_monitor_get_one(cluster->monitor, name, &cluster->identity->id);
        const Alert *alerts;

        counters->has_disk = disk != NULL;
        counters->disk_weight = disk ? disk->weight : 0;
        counters->n_alerts = metrics_monitor_alerts(cluster->monitor, &alerts);
}

static int count_tracker(const Cluster *cluster, ClusterCounters *counters) {
        TrackerCounts counts;

        tracker_counts(cluster->tracker, &counts);
        counters->n_pin_queued = counts.queued;
        counters->n_pinning = counts.pinning;
        counters->n_pin_error = counts.pin_error;
        counters->n_unpin_queued = counts.unpin_queued;
        counters->n_unpinning = counts.unpinning;
        counters->n_unpin_error = counts.unpin_error;
        counters->n_unexpected = counts.unexpected;
        return tracker_oldest(cluster->tracker, &counters->oldest_pin_usec, &counters->oldest_unpin_usec);
}

int cluster_counters(Cluster *cluster, ClusterCounters *ret) {
        _cleanup_(cluster_counters_done) ClusterCounters counters = {
                .self = cluster->identity->id,
                .n_calls = cluster->n_calls,
                .n_lists = cluster->n_lists,
                .n_imports = cluster->n_imports,
        };
        int r;

        cluster_summary(cluster, &counters.summary);
        count_consensus(cluster, &counters);
        count_kubo(cluster, &counters);
        count_metrics(cluster, &counters);
        r = count_tracker(cluster, &counters);
        if (r >= 0)
                r = count_members(cluster, &counters);
        if (r < 0)
                return r;

        *ret = counters;
        counters = (ClusterCounters){};
        return 0;
}

void cluster_counters_done(ClusterCounters *counters) {
        for (size_t i = 0; i < counters->n_members; i++)
                free(counters->members[i].name);
        free(counters->members);
        counters->members = NULL;
        counters->n_members = 0;
}
