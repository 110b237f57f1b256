#pragma once

/*
 * ServiceStatus: the line that `systemctl status` shows: whether the peer serves, by which leader, how many
 * pins there are, wait, have failed, and whether IPFS answers. It is told when it has changed, and at most
 * once a second.
 */

#include <systemd/sd-event.h>

#include "daemon/cluster/cluster.h"

#define SERVICE_STATUS_MAX 512
#define SERVICE_STATUS_INTERVAL USEC_PER_SEC

typedef struct ServiceStatus {
        const Cluster *cluster; /* NULL: there is nothing to tell yet, or any more */
        sd_event_source *timer;
        uint64_t told_usec; /* CLOCK_MONOTONIC; 0: never */
        char text[SERVICE_STATUS_MAX];
} ServiceStatus;

/* CLUSTER must outlive the status, or be set to NULL before it ends. */
int service_status_init(ServiceStatus *status, sd_event *event, const Cluster *cluster);
void service_status_deinit(ServiceStatus *status);

/* Something may have changed: tell it when it is time. */
void service_status_changed(ServiceStatus *status);
/* Tell it now. */
void service_status_tell(ServiceStatus *status);

const char *service_status_format(const ClusterSummary *summary, char text[static SERVICE_STATUS_MAX]);
