#include "daemon/cluster/host.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/cluster/internal.h"

/* Kubo's last words come a little earlier than the news that it ends. */
#define HOST_FORGIVE_USEC (2 * USEC_PER_SEC)

int cluster_hand_over(Cluster *cluster) {
        _cleanup_(error_done) Error error = {};
        ClusterSummary summary;
        int r;

        cluster_summary(cluster, &summary);
        if (!summary.is_leader || summary.n_peers < 2)
                return 0;
        r = consensus_transfer(cluster->consensus, 0, &error);
        if (r < 0) {
                log_info("The leadership is not handed over: %s", error_message(&error));
                return 0;
        }
        log_info("Handing over the leadership.");
        return 1;
}

static bool ipfs_is_on_this_host(const Cluster *cluster) {
        static const char *const prefixes[] = {
                "/unix/",          "/ip4/127.",        "/ip6/::1/",
                "/dns/localhost/", "/dns4/localhost/", "/dns6/localhost/",
        };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(cluster->config->ipfs.node_multiaddress, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;
        return false;
}

void cluster_ipfs_unit(Cluster *cluster, ClusterIpfsUnit state) {
        static const IpfsHint hints[] = {
                [CLUSTER_IPFS_UNKNOWN] = IPFS_HINT_NONE,
                [CLUSTER_IPFS_RUNS] = IPFS_HINT_THERE,
                [CLUSTER_IPFS_ENDED] = IPFS_HINT_AWAY,
                [CLUSTER_IPFS_CHANGES] = IPFS_HINT_CHANGING,
        };

        if (!ipfs_is_on_this_host(cluster))
                return;
        ipfs_hint(cluster->ipfs, hints[state]);
        if (cluster->tracker && (state == CLUSTER_IPFS_ENDED || state == CLUSTER_IPFS_CHANGES))
                tracker_forgive(cluster->tracker, HOST_FORGIVE_USEC);
}
