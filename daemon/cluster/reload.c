#include "daemon/cluster/host.h"
#include "daemon/cluster/internal.h"

void cluster_live_ipfs(const Config *config, IpfsOptions *options) {
        const ConfigIpfs *ipfs = &config->ipfs;

        options->authorization = ipfs->authorization;
        options->request_timeout_usec = (uint64_t) ipfs->ipfs_request_timeout;
        options->pin_timeout_usec = (uint64_t) ipfs->pin_timeout;
        options->unpin_timeout_usec = (uint64_t) ipfs->unpin_timeout;
        options->repo_gc_timeout_usec = (uint64_t) ipfs->repogc_timeout;
        options->unpin_disable = ipfs->unpin_disable;
}

void cluster_live_tracker(const Config *config, TrackerOptions *options) {
        const ConfigTracker *tracker = &config->tracker;

        options->concurrent_pins = (unsigned) tracker->concurrent_pins;
        options->max_pin_queue_size = (uint64_t) tracker->max_pin_queue_size;
        options->priority_pin_max_age_usec = (uint64_t) tracker->priority_pin_max_age;
        options->priority_pin_max_retries = (unsigned) tracker->priority_pin_max_retries;
        options->recover_interval_usec = (uint64_t) config->cluster.pin_recover_interval;
}

/* What can fail comes first. What is not mentioned here is looked up in the configuration when it is needed.
 */
int cluster_reload(Cluster *cluster, Error *reterr) {
        _cleanup_(metrics_informer_freep) MetricsInformer *informer = NULL;
        TrackerOptions tracker = {};
        IpfsOptions ipfs = {};
        int r;

        cluster_live_ipfs(cluster->config, &ipfs);
        cluster_live_tracker(cluster->config, &tracker);
        r = cluster_new_informer(cluster, &informer);
        if (r < 0)
                return error_set_errno(reterr, r, "informers: %m");
        r = ipfs_set_options(cluster->ipfs, &ipfs, reterr);
        if (r < 0)
                return r;

        tracker_set_options(cluster->tracker, &tracker);
        metrics_monitor_set_interval(cluster->monitor, (uint64_t) cluster->config->monitor_check_interval);
        cluster_expiry_reload(cluster);
        metrics_informer_free(cluster->informer);
        cluster->informer = TAKE_PTR(informer);
        return metrics_informer_start(cluster->informer);
}
