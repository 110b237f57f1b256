/* News to those who watch. */

#include "daemon/base/log.h"
#include "daemon/cluster/internal.h"

void cluster_watch(Cluster *cluster, ClusterWatch *watch) {
        list_append(&cluster->watches, &watch->link);
}

void cluster_unwatch(ClusterWatch *watch) {
        list_remove(&watch->link);
}

void cluster_tell_link(Cluster *cluster) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->events->link_changed)
                        watch->events->link_changed(watch->userdata);
}

void cluster_tell_peers(Cluster *cluster) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->events->peers_changed)
                        watch->events->peers_changed(watch->userdata);
}

void cluster_tell_changed(Cluster *cluster) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->events->changed)
                        watch->events->changed(watch->userdata);
}

void cluster_tell_leader(Cluster *cluster, const PeerId *leader) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->events->leader_changed)
                        watch->events->leader_changed(leader, watch->userdata);
}

void cluster_tell_alert(Cluster *cluster, const Alert *alert) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->events->alert_raised)
                        watch->events->alert_raised(alert, watch->userdata);
}

void cluster_tell_pin_added(Cluster *cluster, const Pin *pin) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->per_pin && watch->events->pin_added)
                        watch->events->pin_added(pin, watch->userdata);
}

void cluster_tell_pin_removed(Cluster *cluster, const Cid *cid) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->per_pin && watch->events->pin_removed)
                        watch->events->pin_removed(cid, watch->userdata);
}

/* Finding out a status reads the pinset: not for nobody. */
static bool is_anybody_watching(const Cluster *cluster) {
        LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                if (watch->per_pin && watch->events->status_changed)
                        return true;
        return false;
}

static int status_of(Cluster *cluster, const Cid *cid, PinInfo *info) {
        Pin pin = {};
        int r;

        r = cluster_pin_get(cluster, cid, &pin);
        if (r >= 0)
                r = tracker_status_update(cluster->tracker, cid, r > 0 ? &pin : NULL, info);
        pin_done(&pin);
        return r;
}

void cluster_tell_status(Cluster *cluster, const Cid *cid) {
        PinInfo info = {};
        int r;

        if (cluster->is_closing || !is_anybody_watching(cluster))
                return;

        r = status_of(cluster, cid, &info);
        if (r < 0)
                log_warning_errno(r, "Failed to tell of a changed status, ignoring: %m");
        else
                LIST_FOREACH (watch, &cluster->watches, ClusterWatch, link)
                        if (watch->per_pin && watch->events->status_changed)
                                watch->events->status_changed(cid, &info, watch->userdata);
        json_done(&pin_info_shape, &info);
}
