#include "daemon/cluster/internal.h"

static size_t count_peers(const Cluster *cluster) {
        PeerIdList members = {};
        size_t n;

        if (consensus_members(cluster->consensus, &members) < 0)
                return 0;
        n = members.n;
        peer_id_list_done(&members);
        return n;
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
